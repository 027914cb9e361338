"""Models from the transition tables of Gymnasium's toy-text environments."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from regmdp._internal.array_checks import check_array
from regmdp._internal.errors import MissingExtraError, ModelError
from regmdp.mdp import MDP

__all__ = ["from_gymnasium", "time_limit_note"]

if TYPE_CHECKING:
    import gymnasium

logger = logging.getLogger(__name__)

#: Names of the actions of Gymnasium's own environments, by class.
ACTIONS = {
    "CliffWalkingEnv": ("up", "right", "down", "left"),
    "FrozenLakeEnv": ("left", "down", "right", "up"),
    "TaxiEnv": ("south", "north", "east", "west", "pick up", "drop off"),
}


def from_gymnasium(env: str | gymnasium.Env, *, discount: float, **options: object) -> MDP:
    r"""Return the model of an environment with a transition table.

    The table is ``env.unwrapped.P[s][a] = [(p, t, r, terminated), ...]``:

    .. math::
        r(s, a) = \sum p\,r, \qquad P(s, a, t) = \sum_{\text{not terminated}} p, \qquad
        \text{termination}(s, a) = \sum_{\text{terminated}} p

    so the probabilities of a repeated successor are added, and the value after ``terminated`` is 0.
    In a state whose transitions all terminate, as the holes of FrozenLake, the value is 0 too.

    A time limit (``truncated``) is not part of the model: values are those of the environment
    without the limit. :func:`time_limit_note` and a log message say so.

    Args:
        env: An environment or its id. The tables of FrozenLake, Taxi and CliffWalking are tested.
        discount: γ; Gymnasium's environments have none.
        **options: Passed to ``gymnasium.make`` with an id.

    Returns:
        A sparse model with all actions available, and the environment's initial distribution.

    Raises:
        ModelError: if the environment is unknown or has no table, as Blackjack; if its spaces are
            not finite, or its table does not fit them.
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
        made = _make_env(env, options)
        try:
            return from_gymnasium(made, discount=discount)
        finally:
            made.close()
    if options:
        raise ModelError(
            f"options ({', '.join(options)}) go with the id of an environment; this is an "
            "environment"
        )
    bare = getattr(env, "unwrapped", env)
    name = _find_name(env)
    table = _find_table(bare, name)
    n_states, n_actions = len(table), len(table[0])
    pair, successor, weight, reward, terminated = _flatten_table(table, n_states, n_actions, name)
    rewards = np.bincount(pair, weight * reward, n_states * n_actions).reshape(n_states, n_actions)
    ends = np.bincount(pair, weight * terminated, n_states * n_actions).reshape(n_states, n_actions)
    continues = ~terminated
    rows = sp.coo_array(
        (weight[continues], (pair[continues], successor[continues])),
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
        state_labels=_name_cells(bare, n_states),
        action_labels=actions if actions is not None and len(actions) == n_actions else None,
    )


def time_limit_note(env: str | gymnasium.Env) -> str | None:
    """Return a sentence about a time limit that the model leaves out, or None if there is none.

    Args:
        env: An environment or its id.

    Examples:
        >>> import regmdp as rm
        >>> rm.io.time_limit_note("FrozenLake-v1")
        'FrozenLake-v1 stops after 100 steps; the model does not, since a time limit is not ...'
    """
    if isinstance(env, str):
        gymnasium = _import_gymnasium()
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


def _import_gymnasium() -> Any:
    try:
        import gymnasium
    except ImportError:
        raise MissingExtraError("gymnasium", "gymnasium") from None
    return gymnasium


def _make_env(name: str, options: dict[str, Any]) -> Any:
    gymnasium = _import_gymnasium()
    try:
        return gymnasium.make(name, **options)
    except gymnasium.error.Error as error:
        raise ModelError(f"there is no environment {name!r}: {error}") from None


def _find_name(env: Any) -> str:
    spec = getattr(env, "spec", None)
    return spec.id if spec is not None else type(getattr(env, "unwrapped", env)).__name__


def _find_table(bare: Any, name: str) -> Any:
    """Return the transition table of an environment, checked against its spaces."""
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
    try:
        sizes = len(table), len(table[0])
    except (KeyError, IndexError, TypeError):
        raise ModelError(
            f"the table of {name} is empty, or has no entries for state 0: it must be a list, or a "
            "mapping of states, of lists or mappings of actions"
        ) from None
    for kind, size in zip(("observation", "action"), sizes, strict=True):
        space = getattr(bare, f"{kind}_space", None)
        if space is not None and (
            getattr(space, "n", None) != size or getattr(space, "start", 0) != 0
        ):
            raise ModelError(
                f"the table of {name} does not fit its {kind} space {space}: it has {size} entries"
            )
    return table


def _flatten_table(table: Any, n_states: int, n_actions: int, name: str) -> tuple[np.ndarray, ...]:
    """Return the table's entries as (N,) pairs, successors, probabilities, rewards, terminated."""
    entries = []
    for state in range(n_states):
        for action in range(n_actions):
            try:
                outcomes = table[state][action]
            except (KeyError, IndexError, TypeError):
                raise ModelError(
                    f"the table of {name} has no entry for state {state}, action {action}"
                ) from None
            try:
                rows = [(state * n_actions + action, *outcome) for outcome in outcomes]
            except TypeError:
                rows = [()]
            if any(len(row) != 5 for row in rows):
                raise ModelError(
                    f"the table of {name} must list (probability, next state, reward, terminated) "
                    f"for every state and action; state {state}, action {action} has {outcomes!r}"
                )
            entries.extend(rows)
    if not entries:
        raise ModelError(f"the table of {name} lists no transition")
    pair, *columns = (list(column) for column in zip(*entries, strict=True))
    weight, successor, reward, terminated = (
        check_array(f"{what} in the table of {name}", column, kind, ndim=1, error=ModelError)
        for what, column, kind in zip(
            ("probability", "next state", "reward", "terminated"),
            columns,
            ("number", "integer", "number", "boolean"),
            strict=True,
        )
    )
    outside = (successor < 0) | (successor >= n_states)
    if outside.any():
        first = int(np.argmax(outside))
        state, action = divmod(int(pair[first]), n_actions)
        raise ModelError(
            f"the table of {name} leads from state {state}, action {action} to {successor[first]}, "
            f"but states are 0 to {n_states - 1}; {int(np.count_nonzero(outside))} successors "
            "are out of range"
        )
    return np.array(pair), successor, weight, reward, terminated


def _name_cells(bare: Any, n_states: int) -> Sequence[str] | None:
    """Return names of the states of a grid, or None."""
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
