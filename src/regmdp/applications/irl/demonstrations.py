"""Demonstrations: trajectories, a policy, or an occupancy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from regmdp._internal.array_checks import check_array
from regmdp._internal.arrays import ArrayLike, Bool, Float, Int, freeze
from regmdp._internal.checks import LARGE_ROOT, describe_first
from regmdp._internal.errors import SampleError
from regmdp._internal.fields import ReadOnlyCopies
from regmdp._internal.parameters import ArrayOf, Instance, Number, checked
from regmdp.bellman import next_state_weights
from regmdp.evaluation import visits
from regmdp.mdp import MDP
from regmdp.mdp.numbering import ActionNumbering
from regmdp.policies import POLICY, check_policy
from regmdp.samples import Dataset

__all__ = ["Demonstrations"]


@dataclass(frozen=True, eq=False)
class Demonstrations(ReadOnlyCopies):
    """Demonstrations of an unknown policy, as counts and discounted counts of state-action pairs.

    Attributes:
        mdp: The model in which they were made; its rewards are ignored.
        occupancy: (S, A) expected discounted number of times that each action is taken in each
            state, in one demonstration.
        counts: (S, A) number of times that each action was taken in each state; the occupancy, if a
            policy was given.
        initial: (S,) distribution of the first state.
        size: Number of actions; infinite if a policy was given.

    Examples:
        >>> import regmdp as rm
        >>> mdp = rm.models.chain(3)
        >>> rm.irl.Demonstrations.from_trajectories(mdp, [([0, 1, 2], [1, 1, 0]), ([0, 0], [0, 1])])
        Demonstrations(5 actions)
        >>> rm.irl.Demonstrations.from_trajectories(mdp, [([0, 2], [1, 1])])
        Traceback (most recent call last):
            ...
        regmdp.SampleError: trajectory 0, step 1: state 0, action 1 ... does not lead to state 2 ...
    """

    mdp: MDP
    occupancy: Float[np.ndarray, "S A"]
    counts: Float[np.ndarray, "S A"]
    initial: Float[np.ndarray, " S"]
    size: float

    @classmethod
    @checked(SampleError, mdp=Instance(MDP))
    def from_trajectories(
        cls, mdp: MDP, trajectories: Sequence[tuple[ArrayLike, ArrayLike]]
    ) -> Demonstrations:
        """Count the actions of trajectories, each a pair of its states and its actions.

        A trajectory has one action for each state, or for each but the last. Nothing is assumed
        after its end. So feature matching underestimates the features if trajectories were
        truncated; the likelihood of the actions does not.

        Args:
            mdp: The model.
            trajectories: Pairs of (T,) or (T + 1,) states and (T,) actions.

        Raises:
            SampleError: if there is none, a state or action does not exist, an action is not
                available, or does not lead to the next state; the message names the trajectory and
                the step.
        """
        if not isinstance(trajectories, Sequence):
            raise SampleError(
                "the trajectories must be a list of pairs of states and actions, not "
                f"{type(trajectories).__name__}"
            )
        if not len(trajectories):
            raise SampleError("there are no demonstrations")
        read = [_read_trajectory(mdp, number, one) for number, one in enumerate(trajectories)]
        _require_possible(mdp, read)
        counts, occupancy = (np.zeros(mdp.rewards.shape) for _ in range(2))
        initial = np.zeros(mdp.n_states)
        for states, actions in read:
            pairs = (states[: actions.size], actions)
            np.add.at(counts, pairs, 1.0)
            np.add.at(occupancy, pairs, mdp.discount ** np.arange(actions.size))
            initial[states[0]] += 1.0
        n = len(read)
        return cls(
            mdp, freeze(occupancy / n), freeze(counts), freeze(initial / n), float(counts.sum())
        )

    @classmethod
    @checked(
        mdp=Instance(MDP),
        policy=POLICY,
    )
    def from_policy(cls, mdp: MDP, policy: ArrayLike) -> Demonstrations:
        """Take a known policy, from the model's initial distribution.

        Args:
            mdp: The model.
            policy: (S, A) probabilities or (S,) action numbers.
        """
        p = np.asarray(check_policy(mdp, policy))
        occupancy = visits(mdp, p)[:, None] * p
        return cls(mdp, freeze(occupancy), freeze(occupancy), mdp.initial, np.inf)

    @classmethod
    @checked(
        SampleError,
        mdp=Instance(MDP),
        occupancy=ArrayOf("S A", maximum=LARGE_ROOT),
        tolerance=Number(0.0),
    )
    def from_occupancy(
        cls, mdp: MDP, occupancy: ArrayLike, *, tolerance: float = 1e-6
    ) -> Demonstrations:
        """Take an occupancy, from the model's initial distribution.

        Args:
            mdp: The model.
            occupancy: (S, A) expected discounted number of times that each action is taken in each
                state.
            tolerance: Largest difference of the flows into and out of a state.

        Raises:
            SampleError: if it is no occupancy: it is negative, positive at unavailable pairs, or
                the flows do not balance.
        """
        weights = np.array(occupancy)
        bad = (weights < 0) | ((weights > 0) & ~mdp.available)
        if bad.any():
            raise SampleError(
                describe_first(
                    bad,
                    lambda state, action: (
                        f"the occupancy of {mdp.describe(state, action)} is "
                        f"{weights[state, action]}; it must not be negative, and be 0 at "
                        "unavailable pairs"
                    ),
                    "pairs",
                )
            )
        leaving = weights.sum(axis=1)
        entering = mdp.initial + mdp.discount * next_state_weights(mdp, weights)
        unbalanced = ~mdp.terminal & (np.abs(leaving - entering) > tolerance)
        if unbalanced.any():
            raise SampleError(
                describe_first(
                    unbalanced,
                    lambda state: (
                        f"{leaving[state]:.6g} leave {mdp.describe(state)} and "
                        f"{entering[state]:.6g} enter it, so this is no occupancy of the model"
                    ),
                    "states",
                )
            )
        return cls(mdp, freeze(weights), freeze(weights), mdp.initial, np.inf)

    @classmethod
    @checked(SampleError, mdp=Instance(MDP), data=Instance(Dataset))
    def from_dataset(cls, mdp: MDP, data: Dataset) -> Demonstrations:
        """Take logged episodes.

        Args:
            mdp: The model.
            data: With a column of episodes.

        Raises:
            SampleError: if it has none, or the model does not allow the transitions of an episode.
        """
        data.require_fit(mdp)
        if data.episode is None:
            raise SampleError(
                "the dataset has no column 'episode', which shows where demonstrations begin"
            )
        cuts = np.flatnonzero(np.diff(data.episode)) + 1
        trajectories = []
        for rows in np.split(np.arange(len(data)), cuts):
            states = data.state[rows]
            if not data.terminated[rows[-1]]:
                states = np.append(states, data.next_state[rows[-1]])
            trajectories.append((states, data.action[rows]))
        return cls.from_trajectories(mdp, trajectories)

    @property
    def policy(self) -> Float[np.ndarray, "S A"]:
        """(S, A) frequencies of the actions in each state; 0 in states without demonstrations."""
        total = self.counts.sum(axis=1, keepdims=True)
        return self.counts / np.where(total > 0, total, 1.0)

    def __repr__(self) -> str:
        size = "from a policy" if np.isinf(self.size) else f"{self.size:,.0f} actions"
        return f"Demonstrations({size})"


class _Trajectory(NamedTuple):
    """(T,) or (T + 1,) states and (T,) actions."""

    states: Int[np.ndarray, " N"]
    actions: Int[np.ndarray, " T"]


def _read_trajectory(mdp: MDP, number: int, trajectory: Any) -> _Trajectory:
    """Return a trajectory whose states and actions exist."""
    try:
        first, second = trajectory
    except (TypeError, ValueError):
        raise SampleError(
            f"trajectory {number} must be a pair of its states and its actions"
        ) from None
    states = _read_integers(number, "states", first)
    actions = _read_integers(number, "actions", second)
    if actions.size == 0 or states.size not in (actions.size, actions.size + 1):
        raise SampleError(
            f"trajectory {number} has {states.size} states and {actions.size} actions; there must "
            "be an action for each state, or for each but the last"
        )
    _require_range(number, "state", states, mdp.n_states)
    _require_range(number, "action", actions, mdp.space.n_action_numbers)
    if mdp.numbering is not None:
        actions = _find_columns(mdp, mdp.numbering, number, states, actions)
    _require_steps(
        number,
        ~mdp.available[states[: actions.size], actions],
        lambda step: f"{mdp.describe(int(states[step]), int(actions[step]))} is not available",
    )
    return _Trajectory(states, actions)


def _find_columns(
    mdp: MDP,
    numbering: ActionNumbering,
    number: int,
    states: Int[np.ndarray, " N"],
    actions: Int[np.ndarray, " T"],
) -> Int[np.ndarray, " T"]:
    """Return the columns of the actions of a trajectory in the arrays of a ragged model."""
    place = numbering.find(states[: actions.size], actions)
    _require_steps(
        number,
        place < 0,
        lambda step: (
            f"action {int(actions[step])} is not available in {mdp.describe(int(states[step]))}"
        ),
    )
    return numbering.column[place]


def _read_integers(number: int, name: str, values: ArrayLike) -> Int[np.ndarray, " N"]:
    what = f"the {name} of trajectory {number}"
    return check_array(what, values, "integer", ndim=1, error=SampleError)


def _require_range(number: int, name: str, values: Int[np.ndarray, " N"], count: int) -> None:
    """Check that states or actions exist."""
    _require_steps(
        number,
        (values < 0) | (values >= count),
        lambda step: f"there is no {name} {values[step]}; they run from 0 to {count - 1}",
    )


def _require_steps(
    number: int, bad: Bool[np.ndarray, " N"], describe: Callable[[int], str]
) -> None:
    """Check that no step of a trajectory is marked as bad."""
    if bad.any():
        raise SampleError(
            describe_first(
                bad, lambda step: f"trajectory {number}, step {step}: {describe(step)}", "steps"
            )
        )


def _require_possible(mdp: MDP, trajectories: Sequence[_Trajectory]) -> None:
    """Check that the model allows every transition."""
    lengths = [states.size - 1 for states, _ in trajectories]
    state = np.concatenate([states[:-1] for states, _ in trajectories])
    action = np.concatenate([actions[: states.size - 1] for states, actions in trajectories])
    successor = np.concatenate([states[1:] for states, _ in trajectories])
    if not state.size:
        return
    rows = mdp.transitions.to_csr()
    p = np.asarray(rows[state * mdp.n_actions + action, successor]).ravel()
    if (p <= 0).any():
        number = np.repeat(np.arange(len(lengths)), lengths)
        step = np.concatenate([np.arange(length) for length in lengths])
        raise SampleError(
            describe_first(
                p <= 0,
                lambda place: (
                    f"trajectory {number[place]}, step {step[place] + 1}: "
                    f"{mdp.describe(int(state[place]), int(action[place]))} does not lead to state "
                    f"{successor[place]} in the model"
                ),
                "transitions",
                "check that no states are missing between them",
            )
        )
