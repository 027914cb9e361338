"""Models from the transition tables of Gymnasium's toy-text environments."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from regmdp._internal.checks import check_integer, check_number, is_number, show
from regmdp._internal.errors import MissingExtraError, ModelError
from regmdp._internal.parameters import Flag, Number, checked
from regmdp.mdp import MDP
from regmdp.mdp.validation import find_factors

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


@checked(ModelError, discount=Number(0.0, 1.0), normalize=Flag())
def from_gymnasium(
    env: str | gymnasium.Env, *, discount: float, normalize: bool = False, **options: object
) -> MDP:
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
        normalize: As for :class:`~regmdp.MDP`, for tables of numbers with few digits.
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
            return from_gymnasium(made, discount=discount, normalize=normalize)
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
    if normalize:  # also in the expectations
        weight = weight * find_factors(np.bincount(pair, weight, n_states * n_actions))[pair]
    rewards = np.bincount(pair, weight * reward, n_states * n_actions).reshape(n_states, n_actions)
    ends = np.bincount(pair, weight * terminated, n_states * n_actions).reshape(n_states, n_actions)
    continues = ~terminated
    rows = sp.coo_array(
        (weight[continues], (pair[continues], successor[continues])),
        shape=(n_states * n_actions, n_states),
    ).tocsr()
    actions = ACTIONS.get(type(bare).__name__)
    note = time_limit_note(env) if hasattr(env, "spec") else None
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
    elif hasattr(env, "spec"):
        spec = env.spec
    else:
        raise ModelError(f"env must be an environment or its id, not {show(env)}")
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
    except Exception as error:  # whatever an environment raises about its options
        listed = ", ".join(f"{key}={value!r}" for key, value in options.items()) or "no options"
        raise ModelError(
            f"the environment {name!r} could not be made with {listed}: "
            f"{type(error).__name__}: {error}"
        ) from error


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
    form = f"the table of {name} must hold a table of actions for each state from 0 on"
    try:
        n_states, n_actions = len(table), len(table[0]) if len(table) else 0
    except (TypeError, KeyError):
        raise ModelError(form) from None
    if not n_states:
        raise ModelError(f"the table of {name} is empty")
    if not n_actions:
        raise ModelError(f"{form}; state 0 has no actions")
    for kind, size in (("observation", n_states), ("action", n_actions)):
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
    entries: list[tuple[int, float, int, float, bool]] = []
    for state, action in np.ndindex(n_states, n_actions):
        where = f"the table of {name}, state {state}, action {action}"
        try:
            outcomes = list(table[state][action])
        except (KeyError, IndexError, TypeError):
            raise ModelError(f"{where}: there is no list of outcomes") from None
        pair = state * n_actions + action
        entries.extend((pair, *_read_outcome(where, one, n_states)) for one in outcomes)
    if not entries:
        raise ModelError(f"the table of {name} lists no outcomes")
    pairs, weight, successor, reward, terminated = zip(*entries, strict=True)
    return (
        np.array(pairs, dtype=np.int64),
        np.array(successor, dtype=np.int64),
        np.array(weight, dtype=np.float64),
        np.array(reward, dtype=np.float64),
        np.array(terminated, dtype=np.bool_),
    )


def _read_outcome(where: str, outcome: Any, n_states: int) -> tuple[float, int, float, bool]:
    """Return the probability, the next state, the reward and the end of an outcome.

    Raises:
        ModelError: if it is anything else.
    """
    if not isinstance(outcome, tuple | list) or len(outcome) != 4:
        raise ModelError(
            f"{where}: an outcome must be (probability, next state, reward, terminated), not "
            f"{show(outcome)}"
        )
    probability, successor, reward, terminated = outcome
    if not (
        isinstance(terminated, bool | np.bool_) or (is_number(terminated) and terminated in (0, 1))
    ):
        raise ModelError(f"{where}: terminated must be true or false, not {show(terminated)}")
    return (
        check_number(f"{where}: the probability", probability, 0.0, 1.0 + 1e-9, error=ModelError),
        check_integer(f"{where}: the next state", successor, 0, n_states - 1, error=ModelError),
        check_number(f"{where}: the reward", reward, error=ModelError),
        bool(terminated),
    )


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
