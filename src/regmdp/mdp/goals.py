r"""Models in which reaching a goal ends the episode.

What is asked of a model checker becomes a model with rewards to be maximised:

| objective | rewards | the goal | episodes that never reach it |
|---|---|---|---|
| reach | 0 | one action, which pays 1 and ends the episode | 0 |
| reward | those of the model | terminal | ∞ |
| steps | 1 in each step | terminal | ∞ |

If it is minimised, rewards are negated, and so is ∞. States keep their numbers, so that policies
and values are those of the original model. With γ = 1, a reward until the goal is infinite where
the episode ends elsewhere. A pair that may do so becomes an endless stay in its state, which counts
as much (:attr:`regmdp.MDP.objective`); in a minimum it is left out, if its state has another one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy

from regmdp._internal.arrays import Bool, Float
from regmdp._internal.checks import describe_first
from regmdp._internal.errors import ModelError
from regmdp.mdp.dense_transitions import DenseTransitions, store_dense
from regmdp.mdp.labels import StatesLike, find_states
from regmdp.mdp.model_data import ModelData, check_model, keep_pairs
from regmdp.mdp.objective import GoalOptions, Objective, ObjectiveKind
from regmdp.mdp.sparse_transitions import store_sparse
from regmdp.mdp.transitions import Transitions
from regmdp.mdp.validation import as_flag

__all__ = ["end_at_goal", "pursue_goal"]


def pursue_goal(data: ModelData, options: GoalOptions) -> ModelData:
    """Apply the options of a goal, if there are any, to the data of a model."""
    unknown = options.keys() - GoalOptions.__annotations__.keys()
    if unknown:
        raise TypeError(f"unexpected keyword argument {min(unknown)!r}")
    if options.get("goal") is not None:
        return end_at_goal(data, **options)  # type: ignore[arg-type]  # which is not None
    more = [
        name for name, value in options.items() if name != "goal" and value not in (None, False)
    ]
    if more:
        raise ModelError(f"{more[0]}= needs a goal=")
    return data


def end_at_goal(
    data: ModelData,
    goal: StatesLike,
    avoid: StatesLike | None = None,
    objective: ObjectiveKind = "reward",
    minimize: bool = False,
    goal_rewards: bool = False,
) -> ModelData:
    """Return the data of the model in which reaching the goal ends the episode.

    The arguments are those of :meth:`regmdp.MDP.with_goal`.
    """
    if data.objective is not None:
        raise ModelError(
            f"the model already has an objective, the {data.objective}; set the goal of the "
            "original model"
        )
    aim = Objective(objective, minimize)
    if as_flag("goal_rewards", goal_rewards) and aim.kind != "reward":
        raise ModelError(f"goal_rewards= is for objective='reward': {objective!r} has no rewards")
    goals, avoided = _find_goal(data, goal, avoid)
    if aim.kind == "reach":
        return _build(data, _reach(data, aim, goals, avoided), aim)
    if avoided.any() and data.discount < 1.0:
        raise ModelError(
            f"avoid= with objective={objective!r} needs discount=1, where an episode that does not "
            "reach the goal counts as infinite: with a smaller discount its reward is finite, and "
            "nothing would keep a policy away from these states; use objective='reach', or remove "
            "the actions that lead there with with_available"
        )
    return _build(data, _collect(data, aim, goals, avoided, goal_rewards), aim)


@dataclass(eq=False)
class _Tables:
    """The (S, A) arrays of a model that is being changed.

    Attributes:
        available: Mask of the pairs that exist.
        rewards: Rewards.
        termination: Termination probabilities.
        moves: Mask of the pairs whose rows of transitions are kept.
        stays: Mask of the pairs that lead back to their state with certainty.
    """

    available: Bool[np.ndarray, "S A"]
    rewards: Float[np.ndarray, "S A"]
    termination: Float[np.ndarray, "S A"]
    moves: Bool[np.ndarray, "S A"]
    stays: Bool[np.ndarray, "S A"]


def _find_goal(
    data: ModelData, goal: StatesLike, avoid: StatesLike | None
) -> tuple[Bool[np.ndarray, " S"], Bool[np.ndarray, " S"]]:
    """Return (S,) masks of the goal and of the states to avoid."""
    space = data.space
    known = space.labels, space.n_states, space.state_labels
    goals = find_states("goal", goal, *known)
    avoided = np.zeros_like(goals) if avoid is None else find_states("avoid", avoid, *known)
    if not goals.any():
        raise ModelError("goal is empty: no state has this label, or is in this list")
    both = goals & avoided
    if both.any():
        raise ModelError(
            describe_first(
                both,
                lambda state: f"{space.describe(state)} is both a goal and to be avoided",
                "states",
                of=int(np.count_nonzero(goals)),
            )
        )
    return goals, avoided


def _first_actions(data: ModelData, states: Bool[np.ndarray, " S"]) -> Bool[np.ndarray, "S A"]:
    """Return (S, A) bool: the first available action of some states, or action 0."""
    first = np.zeros(data.space.available.shape, dtype=np.bool_)
    where = np.flatnonzero(states)
    first[where, data.space.available.argmax(axis=1)[where]] = True
    return first


def _reach(
    data: ModelData,
    aim: Objective,
    goals: Bool[np.ndarray, " S"],
    avoided: Bool[np.ndarray, " S"],
) -> _Tables:
    """A goal has one action, which pays 1 and ends the episode; states to avoid are terminal."""
    arrive = _first_actions(data, goals)
    moves = data.space.available & ~(goals | avoided)[:, None]
    return _Tables(
        available=moves | arrive,
        rewards=np.where(arrive, aim.sign, 0.0),
        termination=np.where(arrive, 1.0, data.termination),
        moves=moves,
        stays=np.zeros_like(moves),
    )


def _collect(
    data: ModelData,
    aim: Objective,
    goals: Bool[np.ndarray, " S"],
    avoided: Bool[np.ndarray, " S"],
    goal_rewards: bool,
) -> _Tables:
    """A goal is terminal, or pays once; with γ = 1 an end elsewhere is an endless stay."""
    moves = data.space.available & ~(goals | avoided)[:, None]
    last = data.space.available & goals[:, None]
    if not goal_rewards:
        last = np.zeros_like(last)
    termination = np.where(last, 1.0, data.termination)
    stays = np.zeros_like(moves)
    if data.discount == 1.0:
        ends = moves & (termination > 0.0)
        moves &= ~ends
        stays = _first_actions(data, ~goals & ~moves.any(axis=1))
        if not aim.minimize:
            stays |= ends
        termination = np.where(stays, 0.0, termination)
    if not (moves | last | stays).any():
        raise ModelError("every state with an action is in the goal: nothing is left to do")
    paid = data.rewards if aim.kind == "reward" else 1.0
    return _Tables(
        available=moves | last | stays,
        # without negative zeros
        rewards=np.where(stays, 0.0, 0.0 + aim.sign * np.broadcast_to(paid, moves.shape)),
        termination=termination,
        moves=moves,
        stays=stays,
    )


def _build(data: ModelData, tables: _Tables, aim: Objective) -> ModelData:
    """Check the changed tables, and return them with the names of the states."""
    checked = check_model(
        _change_rows(data.transitions, tables),
        np.array(tables.rewards, order="F"),
        data.discount,
        space=keep_pairs(data.space, tables.available),
        initial=data.initial,
        termination=tables.termination,
    )
    return replace(checked, objective=aim)


def _change_rows(transitions: Transitions, tables: _Tables) -> Transitions:
    """Return the transitions without the rows that do not move, and with those that stay."""
    state, action = np.nonzero(tables.stays)
    if isinstance(transitions, DenseTransitions):
        dense = np.where(tables.moves[..., None], transitions.to_dense(), 0.0)
        dense[state, action, state] = 1.0
        return store_dense(dense, tables.available)
    rows = scipy.sparse.csr_array(transitions.to_csr(), copy=True)
    rows.data *= np.repeat(tables.moves.ravel(), np.diff(rows.indptr))
    rows.eliminate_zeros()
    if state.size:
        pair = state * tables.stays.shape[1] + action
        loops = scipy.sparse.csr_array((np.ones(state.size), (pair, state)), shape=rows.shape)
        rows = scipy.sparse.csr_array(rows + loops)
    index = np.arange(tables.stays.size).reshape(tables.stays.shape)
    return store_sparse(rows, index, tables.available)
