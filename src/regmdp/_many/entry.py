"""Entry point for many problems: ``solve_many``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from regmdp._internal.arrays import ArrayLike, Float
from regmdp._internal.blas import one_blas_thread
from regmdp._internal.errors import RegmdpError, SolverError
from regmdp._internal.parameters import ArrayOf, Instance, Integer, Number, SequenceOf, checked
from regmdp._internal.status import Status
from regmdp._many.problems import group_problems, make_problems, naming_model
from regmdp._many.run import StackResult, solve_stack
from regmdp._many.solutions import Entry, SolutionBatch, StackedSolution
from regmdp._solve import check_stopping, solve
from regmdp.algorithms import Tolerance
from regmdp.mdp import MDP
from regmdp.problem import Problem
from regmdp.regularizers import Regularizer
from regmdp.stack import Stack

__all__ = ["solve_many"]


@checked(
    models=Instance(MDP) | SequenceOf(Instance(MDP), minimum=1),
    regularizer=Instance(Regularizer) | None,
    temperatures=ArrayOf("N", minimum=0.0) | None,
    rewards=ArrayOf("N S A") | None,
    tol=Number(minimum=0.0),
    absolute_tol=Number(above=0.0, advice="tol=0 switches stopping off") | None,
    max_iterations=Integer(0) | None,
    start=Instance(SolutionBatch) | ArrayOf("N S") | None,
)
def solve_many(
    models: MDP | Sequence[MDP],
    regularizer: Regularizer | None = None,
    *,
    temperatures: ArrayLike | None = None,
    rewards: ArrayLike | None = None,
    tol: float = 1e-9,
    absolute_tol: float | None = None,
    max_iterations: int | None = None,
    start: ArrayLike | SolutionBatch | None = None,
) -> SolutionBatch:
    r"""Solve many problems at once, each with its own certificate.

    The problems are those of a list of models, of one model with many temperatures or many rewards,
    or of as many models, temperatures and rewards that belong together. Each solution is one of
    :func:`regmdp.solve`: a policy, and bounds that depend on its own problem alone.

    Small models, of at most 256 states, that have the same numbers of states and actions and the
    same discount below 1 are put side by side in one model. Policy iteration, which is Newton's
    method, then improves all policies in the same calls, with one factorization a model. That is
    some ten times as fast as a loop at 50 states. Problems that end before the others are left out
    of the next iterations.

    The other problems are solved one by one with :func:`regmdp.solve`: larger models, models
    without a discount, those whose size or discount no other model has, and each one that the
    common run left without a certificate within the tolerance. Their status and their method are
    those of ``solve``.

    Args:
        models: A list of N models, or one model.
        regularizer: h, with the temperature of all problems unless ``temperatures`` are given; none
            by default.
        temperatures: (N,) temperatures, which replace that of the regularizer.
        rewards: (N, S, A) rewards, which replace those of the models.
        tol: As in :func:`regmdp.solve`, for each problem.
        absolute_tol: As in :func:`regmdp.solve`.
        max_iterations: The most iterations for each problem; a million by default.
        start: (N, S) values to start from, or the solutions of other problems of this size.

    Returns:
        The solutions, in the order of the problems. The times of their histories are those of all
        problems side by side, since the start.

    Raises:
        SolverError: if an option is out of range, or the numbers of models, temperatures and
            rewards differ.
        ModelError: if rewards are not finite.
        RegularizerError: if the regularizer does not fit a model.
        RegmdpError: of the classes that :func:`regmdp.solve` raises. The message names the model by
            its number, counted from 0.
        KeyboardInterrupt: after Ctrl-C; there is no partial answer.

    Examples:
        Many temperatures, and many rewards:

        >>> import numpy as np, regmdp as rm
        >>> mdp = rm.models.chain(5)
        >>> path = rm.solve_many(mdp, rm.Shannon(1.0), temperatures=np.geomspace(0.01, 1.0, 4))
        >>> path.initial_values.round(3)
        array([...])
        >>> scaled = rm.solve_many(mdp, rewards=np.array([[[2.0]], [[3.0]]]) * mdp.rewards)
        >>> (scaled.initial_values / rm.solve(mdp).initial_value).round(6)
        array([2., 3.])

        Many models:

        >>> models = [rm.models.garnet(20, 3, 2, rng=np.random.default_rng(i)) for i in range(3)]
        >>> batch = rm.solve_many(models, rm.Tsallis(2.0, temperature=0.1))
        >>> batch.ok, batch.gaps.shape
        (True, (3,))

    References:
        Puterman & Brumelle 1979, Mathematics of Operations Research 4(1): policy iteration is
        Newton's method.
    """
    tolerance, limit = check_stopping(tol, absolute_tol, max_iterations)
    problems = make_problems(
        models,
        regularizer,
        None if temperatures is None else np.asarray(temperatures),
        None if rewards is None else np.asarray(rewards),
    )
    starts = _check_start(problems, start)
    options: dict[str, object] = {
        "tol": tolerance.relative,
        "absolute_tol": tolerance.absolute,
        "max_iterations": max_iterations,
        "start": "default" if start is None else type(start).__name__,
    }
    entries: dict[int, Entry] = {}
    for members in group_problems(problems):
        if len(members) > 1:
            for result in _solve_side_by_side(problems, members, starts, tolerance, limit):
                entries |= _accept(result, tolerance, options)
    for i, problem in enumerate(problems):
        if i not in entries:
            with naming_model(i, len(problems)):
                entries[i] = solve(
                    problem.mdp,
                    problem.regularizer,
                    tol=tol,
                    absolute_tol=absolute_tol,
                    max_iterations=max_iterations,
                    start=None if starts is None else starts[i],
                )
            if entries[i].status is Status.INTERRUPTED:
                raise KeyboardInterrupt
    return SolutionBatch([entries[i] for i in range(len(problems))])


def _solve_side_by_side(
    problems: Sequence[Problem],
    members: list[int],
    starts: Float[np.ndarray, "N S"] | None,
    tolerance: Tolerance,
    limit: int,
) -> list[StackResult]:
    """Solve some problems side by side; return no result if one of them is in the way."""
    stack = Stack([problems[i] for i in members])
    own = None if starts is None else starts[members]
    try:
        with one_blas_thread():
            return solve_stack(stack, np.array(members), own, tolerance, limit)
    except RegmdpError:  # one by one, it is raised again with the number of the model
        return []


def _accept(
    result: StackResult, tolerance: Tolerance, options: Mapping[str, object]
) -> dict[int, Entry]:
    """Return the solutions that are final, by their numbers in the batch.

    Those that met the tolerance are, and all if the iterations were used up.
    """
    met = result.met(tolerance)
    statuses = [Status.CONVERGED if reached else result.status for reached in met]
    used_up = result.status is Status.ITERATION_LIMIT
    return {
        int(result.members[row]): StackedSolution(result, row, statuses[row], options)
        for row in range(len(statuses))
        if met[row] or used_up
    }


def _check_start(
    problems: Sequence[Problem], start: ArrayLike | SolutionBatch | None
) -> Float[np.ndarray, "N S"] | None:
    """Return the values to start from, after checking their shape and their sizes."""
    if start is None:
        return None
    values = np.asarray(start.values if isinstance(start, SolutionBatch) else start)
    if len(values) != len(problems):
        raise SolverError(f"start has {len(values)} values for {len(problems)} problems")
    rows = []
    for i, problem in enumerate(problems):
        with naming_model(i, len(problems)):
            rows.append(problem.check_value(values[i]))
    return np.stack(rows)
