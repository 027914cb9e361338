"""Models from the transition tables of Gymnasium's toy-text environments."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp

from regmdp._internal.errors import MissingExtraError, ModelError
from regmdp.mdp import MDP

__all__ = ["from_gymnasium", "time_limit_note"]

logger = logging.getLogger(__name__)

#: The actions of Gymnasium's own environments, by class.
ACTIONS = {
    "CliffWalkingEnv": ("up", "right", "down", "left"),
    "FrozenLakeEnv": ("left", "down", "right", "up"),
    "TaxiEnv": ("south", "north", "east", "west", "pick up", "drop off"),
}


def from_gymnasium(env: Any, *, discount: float, **options: Any) -> MDP:
    r"""Return the model of an environment that publishes its table, ``env.unwrapped.P[s][a] = [(p, t, r, terminated), ...]``.

    .. math::
        r(s, a) = \sum p\,r, \qquad P(s, a, t) = \sum_{\text{not terminated}} p, \qquad
        \text{termination}(s, a) = \sum_{\text{terminated}} p

    so a successor that is listed repeatedly is added up, and what comes after ``terminated`` is
    worth 0. In a state that only repeats its own end, as the holes of FrozenLake, every action ends
    at once, so its value is 0 too.

    A time limit (``truncated``) is not part of the model: its values are those of the environment
    without the limit. :func:`time_limit_note` says so, and so does a log message.

    Args:
        env: The id of an environment, or an environment. The tables of FrozenLake, Taxi and
            CliffWalking are known to work.
        discount: γ; Gymnasium's environments do not say.
        **options: Passed to ``gymnasium.make`` with an id.

    Returns:
        A sparse model with all actions available everywhere, which starts as the environment does.

    Raises:
        ModelError: if the environment is unknown or has no table, as Blackjack, if its spaces are
            not finite, or its table does not describe it.
        MissingExtraError: if an id is given and Gymnasium is not installed.

    Examples:
        >>> import regmdp as rm
        >>> lake = rm.io.from_gymnasium("FrozenLake-v1", discount=1.0)
        >>> lake
        MDP(16 states, 4 actions, 98 transitions (sparse), discount 1)
        >>> round(rm.solve(lake).initial_value * 17, 6)
        14.0

    Reference:
        Towers et al., Gymnasium: a standard interface for reinforcement learning
        environments, 2024.
    """
    if isinstance(env, str):
        made = _make(env, options)
        try:
            return from_gymnasium(made, discount=discount)
        finally:
            made.close()
    if options:
        raise ModelError(
            f"options ({', '.join(options)}) go with the id of an environment; this one has been "
            "made already"
        )
    bare = getattr(env, "unwrapped", env)
    name = _name(env)
    table = _table(bare, name)
    n_states, n_actions = len(table), len(table[0])
    pair, successor, weight, reward, terminated = _flatten(table, n_states, n_actions, name)
    rewards = np.bincount(pair, weight * reward, n_states * n_actions).reshape(n_states, n_actions)
    ends = np.bincount(pair, weight * terminated, n_states * n_actions).reshape(n_states, n_actions)
    goes_on = ~terminated
    rows = sp.coo_array(
        (weight[goes_on], (pair[goes_on], successor[goes_on])),
        shape=(n_states * n_actions, n_states),
    ).tocsr()
    actions = ACTIONS.get(type(bare).__name__)
    note = time_limit_note(env)
    if note:
        logger.info(note)
    return MDP(
        rows,
        rewards,
        discount,
        initial=getattr(bare, "initial_state_distrib", None),
        termination=ends if ends.any() else None,
        state_labels=_cells(bare, n_states),
        action_labels=actions if actions is not None and len(actions) == n_actions else None,
    )


def time_limit_note(env: Any) -> str | None:
    """Return a sentence about the environment's time limit, which the model leaves out, or None if it has none.

    Args:
        env: The id of an environment, or an environment.

    Examples:
        >>> import regmdp as rm
        >>> rm.io.time_limit_note("FrozenLake-v1")
        'FrozenLake-v1 stops after 100 steps; the model does not, since a time limit is not part of a Markov decision process'
    """
    if isinstance(env, str):
        gymnasium = _gymnasium()
        try:
            spec = gymnasium.spec(env)
        except gymnasium.error.Error as error:
            raise ModelError(f"there is no environment {env!r}: {error}") from None
    else:
        spec = getattr(env, "spec", None)
    limit = getattr(spec, "max_episode_steps", None)
    if spec is None or limit is None:
        return None
    return (
        f"{spec.id} stops after {limit} steps; the model does not, since a time limit is not part "
        "of a Markov decision process"
    )


def _gymnasium() -> Any:
    try:
        import gymnasium
    except ImportError:
        raise MissingExtraError("gymnasium", "gymnasium") from None
    return gymnasium


def _make(name: str, options: dict[str, Any]) -> Any:
    gymnasium = _gymnasium()
    try:
        return gymnasium.make(name, **options)
    except gymnasium.error.Error as error:
        raise ModelError(f"there is no environment {name!r}: {error}") from None


def _name(env: Any) -> str:
    spec = getattr(env, "spec", None)
    return spec.id if spec is not None else type(getattr(env, "unwrapped", env)).__name__


def _table(bare: Any, name: str) -> Any:
    """Return the table, or say why there is none."""
    table = getattr(bare, "P", None)
    if table is None:
        for kind in ("observation", "action"):
            space = getattr(bare, f"{kind}_space", None)
            if type(space).__name__ in {"Box", "Graph", "Sequence", "Text"}:
                raise ModelError(f"{name} is not a finite model: its {kind} space is {space}")
        raise ModelError(
            f"{name} has no transition table (env.unwrapped.P), so its probabilities are not "
            "known; of Gymnasium's own environments FrozenLake, Taxi and CliffWalking have one, "
            "and Blackjack has none"
        )
    if getattr(bare, "fickle_passenger", False):
        raise ModelError(
            f"the table of {name} leaves out the fickle passenger; make it with "
            "fickle_passenger=False"
        )
    if len(table) == 0:
        raise ModelError(f"the table of {name} is empty")
    for kind, size in (("observation", len(table)), ("action", len(table[0]))):
        space = getattr(bare, f"{kind}_space", None)
        if space is not None and (
            getattr(space, "n", None) != size or getattr(space, "start", 0) != 0
        ):
            raise ModelError(
                f"the table of {name} does not fit its {kind} space {space}: it has {size} entries "
                "there"
            )
    return table


def _flatten(table: Any, n_states: int, n_actions: int, name: str) -> tuple[np.ndarray, ...]:
    """Return the table's entries as (N,) arrays: pair, successor, probability, reward, terminated."""
    entries = []
    for state in range(n_states):
        for action in range(n_actions):
            try:
                outcomes = table[state][action]
            except (KeyError, IndexError):
                raise ModelError(
                    f"the table of {name} has no entry for state {state}, action {action}"
                ) from None
            entries.extend((state * n_actions + action, *outcome) for outcome in outcomes)
    try:
        pair, weight, successor, reward, terminated = (
            np.array(column) for column in zip(*entries, strict=True)
        )
    except ValueError:
        raise ModelError(
            f"the table of {name} must list (probability, next state, reward, terminated) for "
            "every state and action"
        ) from None
    outside = (successor < 0) | (successor >= n_states)
    if outside.any():
        first = int(np.argmax(outside))
        state, action = divmod(int(pair[first]), n_actions)
        raise ModelError(
            f"the table of {name} leads from state {state}, action {action} to {successor[first]}, "
            f"but states run from 0 to {n_states - 1}; {int(np.count_nonzero(outside))} successors "
            "are out of range"
        )
    return (
        pair,
        successor.astype(np.int64),
        weight.astype(np.float64),
        reward.astype(np.float64),
        terminated.astype(np.bool_),
    )


def _cells(bare: Any, n_states: int) -> Sequence[str] | None:
    """Name the states that are cells of a grid."""
    kind = type(bare).__name__
    if kind == "FrozenLakeEnv":
        shape, what = bare.desc.shape, {b"S": ", start", b"H": ", hole", b"G": ", goal"}
        names = [
            f"row {r}, column {c}{what.get(bare.desc[r, c], '')}" for r, c in np.ndindex(shape)
        ]
    elif kind == "CliffWalkingEnv":
        names = [f"row {r}, column {c}" for r, c in np.ndindex(bare.shape)]
    else:
        return None
    return names if len(names) == n_states else None
