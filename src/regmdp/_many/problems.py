"""The problems of a batch: checked, and grouped by what can be solved side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from regmdp._internal.arrays import Float
from regmdp._internal.errors import RegmdpError, SolverError
from regmdp.mdp import MDP
from regmdp.problem import Problem, check_regularizer, require_value_size
from regmdp.regularizers import Regularizer, Unregularized
from regmdp.regularizers.base import with_temperature

__all__ = ["group_problems", "make_problems", "naming_model"]

#: Largest number of states of models that are solved side by side: above it a factorization takes
#: longer than all that surrounds it.
MAX_STACKED_STATES = 256
#: Largest number of state-action pairs, and of probabilities, that are side by side at a time.
MAX_STACKED_PAIRS, MAX_STACKED_ENTRIES = 1 << 16, 1 << 22


@contextmanager
def naming_model(number: int, count: int) -> Iterator[None]:
    """Say in errors of this library in which model of a batch they happened."""
    try:
        yield
    except RegmdpError as error:
        raise type(error)(f"model {number} of {count} (counted from 0): {error}") from error


def make_problems(
    models: MDP | Sequence[MDP],
    regularizer: Regularizer | None,
    temperatures: Float[np.ndarray, " N"] | None,
    rewards: Float[np.ndarray, "N S A"] | None,
) -> list[Problem]:
    """Return the problems of a batch, after checking each model with its regularizer.

    Raises:
        SolverError: if the lengths differ, or nothing says how many problems there are.
        RegmdpError: of the class that :meth:`regmdp.problem.Problem.check` raises, naming the
            model.
    """
    listed = None if isinstance(models, MDP) else list(models)
    count = _count_problems(listed, temperatures, rewards)
    each = [models] * count if isinstance(models, MDP) else list(models)
    if rewards is not None:
        for i in range(count):
            with naming_model(i, count):
                each[i] = each[i].with_rewards(rewards[i])
    base = Unregularized() if regularizer is None else regularizer
    if temperatures is None:
        return _check_all(each, [base] * count)
    if isinstance(base, Unregularized):
        raise SolverError(
            "temperatures need a regularizer, such as regmdp.Shannon(1.0), whose temperature they "
            "replace"
        )
    return _check_all(each, [with_temperature(base, tau) for tau in temperatures.tolist()])


def _count_problems(
    models: Sequence[MDP] | None, temperatures: np.ndarray | None, rewards: np.ndarray | None
) -> int:
    """Return the number of problems, on which all arguments have to agree."""
    lengths = {
        name: len(argument)
        for name, argument in (
            ("models", models),
            ("temperatures", temperatures),
            ("rewards", rewards),
        )
        if argument is not None
    }
    if not lengths:
        raise SolverError(
            "one model makes one problem, which regmdp.solve solves; for many give a list of "
            "models, temperatures=, or rewards="
        )
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{length} {name}" for name, length in lengths.items())
        raise SolverError(f"there must be as many of each as there are problems, not {found}")
    return next(iter(lengths.values()))


def _check_all(models: Sequence[MDP], regularizers: Sequence[Regularizer]) -> list[Problem]:
    """Check each model with its regularizer.

    What a regularizer requires of a model in which all actions exist depends on its shape alone:
    that is checked once a shape, and for temperatures of 0 and above.
    """
    problems: list[Problem] = []
    magnitudes: dict[tuple[int, int, bool], float] = {}
    for i, (mdp, regularizer) in enumerate(zip(models, regularizers, strict=True)):
        with naming_model(i, len(models)):
            if not i:  # what is no regularizer has no temperature
                check_regularizer(mdp, regularizer)
            tau = regularizer.max_temperature
            key = mdp.n_states, mdp.n_actions, tau > 0.0
            if not mdp.all_available or key not in magnitudes:
                check_regularizer(mdp, regularizer)
                magnitudes[key] = regularizer.magnitude(mdp.n_actions)
            require_value_size(mdp, tau * magnitudes[key])
            problems.append(Problem(mdp, regularizer))
    return problems


def group_problems(problems: Sequence[Problem]) -> list[list[int]]:
    """Return the numbers of the problems that can be solved side by side.

    Problems of a group have one size and one discount below 1. A problem alone, of a large or a
    ragged model, or without a discount, is a group of its own.
    """
    alike: dict[tuple[int, int, float], list[int]] = {}
    groups: list[list[int]] = []
    for i, problem in enumerate(problems):
        mdp = problem.mdp
        if mdp.discount == 1.0 or mdp.n_states > MAX_STACKED_STATES or mdp.numbering is not None:
            groups.append([i])
        else:
            alike.setdefault((mdp.n_states, mdp.n_actions, mdp.discount), []).append(i)
    for (n_states, n_actions, _), members in alike.items():
        pairs = n_states * n_actions
        size = max(1, min(MAX_STACKED_PAIRS // pairs, MAX_STACKED_ENTRIES // (pairs * n_states)))
        # of equal sizes, so that none is left alone
        parts = -(-len(members) // size)
        groups += [part.tolist() for part in np.array_split(members, parts)]
    return groups
