"""What a demonstrator did: trajectories, a policy, or how often each action was taken in each state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from regmdp._internal.arrays import Float, freeze
from regmdp._internal.errors import SampleError
from regmdp.bellman import next_state_weights
from regmdp.evaluation import visits
from regmdp.mdp import MDP
from regmdp.policies import check_policy
from regmdp.samples import Dataset

__all__ = ["Demonstrations"]


@dataclass(frozen=True, eq=False)
class Demonstrations:
    """Demonstrations, as far as inverse reinforcement learning sees them.

    Attributes:
        mdp: The model in which they were made; its rewards do not count.
        occupancy: (S, A) expected discounted number of times that each action is taken in each
            state, in one demonstration.
        counts: (S, A) how often each action was seen in each state; the occupancy, where a policy
            was given.
        initial: (S,) where demonstrations begin.
        size: How many actions were seen; infinite where a policy was given.

    Examples:
        >>> import regmdp as rm
        >>> mdp = rm.models.chain(3)
        >>> rm.irl.Demonstrations.from_trajectories(mdp, [([0, 1, 2], [1, 1, 0]), ([0, 0], [0, 1])])
        Demonstrations(5 actions seen)
        >>> rm.irl.Demonstrations.from_trajectories(mdp, [([0, 2], [1, 1])])
        Traceback (most recent call last):
            ...
        regmdp.SampleError: trajectory 0, step 1: state 0, action 1 ... does not lead to state 2 in the model; ...
    """

    mdp: MDP
    occupancy: Float[np.ndarray, "S A"]
    counts: Float[np.ndarray, "S A"]
    initial: Float[np.ndarray, " S"]
    size: float

    @classmethod
    def from_trajectories(cls, mdp: MDP, trajectories: Sequence[Any]) -> Demonstrations:
        """Take trajectories: pairs of the states and the actions, one action for each state but perhaps the last.

        What came after the end of a trajectory does not count, so where one was cut off, and not
        ended, feature matching sees too little of it; the likelihood does not mind.

        Args:
            mdp: The model.
            trajectories: Pairs of (T,) or (T + 1,) states and (T,) actions.

        Raises:
            SampleError: if there is none, a state or action does not exist, an action is not
                available, or does not lead to the state that follows; the message names the
                trajectory and the step.
        """
        counts, occupancy = (np.zeros(mdp.rewards.shape) for _ in range(2))
        initial = np.zeros(mdp.n_states)
        if not len(trajectories):
            raise SampleError("there are no demonstrations")
        before, action, after, place = [], [], [], []
        for number, trajectory in enumerate(trajectories):
            try:
                states, actions = trajectory
            except (TypeError, ValueError):
                raise SampleError(
                    f"trajectory {number} must be a pair of its states and its actions"
                ) from None
            states, actions = (
                _integers(number, "states", states),
                _integers(number, "actions", actions),
            )
            if actions.size == 0 or states.size not in (actions.size, actions.size + 1):
                raise SampleError(
                    f"trajectory {number} has {states.size} states and {actions.size} actions; "
                    "there must be an action for each state but perhaps the last"
                )
            _inside(number, "state", states, mdp.n_states)
            _inside(number, "action", actions, mdp.n_actions)
            lacking = ~mdp.available[states[: actions.size], actions]
            if lacking.any():
                step = int(np.argmax(lacking))
                raise SampleError(
                    f"trajectory {number}, step {step}: "
                    f"{mdp.describe(int(states[step]), int(actions[step]))} is not available; "
                    f"{int(np.count_nonzero(lacking))} steps of it are like that"
                )
            np.add.at(counts, (states[: actions.size], actions), 1.0)
            np.add.at(
                occupancy,
                (states[: actions.size], actions),
                mdp.discount ** np.arange(actions.size),
            )
            initial[states[0]] += 1.0
            followed = states.size - 1
            before.append(states[:followed])
            action.append(actions[:followed])
            after.append(states[1:])
            place += [(number, step) for step in range(followed)]
        _require_possible(
            mdp, np.concatenate(before), np.concatenate(action), np.concatenate(after), place
        )
        n = len(trajectories)
        return cls(
            mdp, freeze(occupancy / n), freeze(counts), freeze(initial / n), float(counts.sum())
        )

    @classmethod
    def from_policy(cls, mdp: MDP, policy: Any) -> Demonstrations:
        """Take a known policy, followed from the model's initial distribution.

        Args:
            mdp: The model.
            policy: (S, A) probabilities or (S,) action numbers.
        """
        p = np.asarray(check_policy(mdp, policy))
        occupancy = visits(mdp, p)[:, None] * p
        return cls(mdp, freeze(occupancy), freeze(occupancy), mdp.initial, np.inf)

    @classmethod
    def from_occupancy(cls, mdp: MDP, occupancy: Any, *, tolerance: float = 1e-6) -> Demonstrations:
        """Take how often each action is taken in each state, discounted, from the model's initial distribution on.

        Args:
            mdp: The model.
            occupancy: (S, A) expected discounted number of times.
            tolerance: By how much the flow through a state may fail to balance.

        Raises:
            SampleError: if these are no such numbers: negative, at unavailable pairs, or what
                leaves a state is not what enters it.
        """
        weights = np.asarray(occupancy, dtype=np.float64)
        if weights.shape != mdp.rewards.shape:
            raise SampleError(
                f"the occupancy must have shape {mdp.rewards.shape}, not {weights.shape}"
            )
        bad = ~np.isfinite(weights) | (weights < 0) | ((weights > 0) & ~mdp.available)
        if bad.any():
            state, action = (int(i) for i in np.argwhere(bad)[0])
            raise SampleError(
                f"the occupancy of {mdp.describe(state, action)} is {weights[state, action]}, "
                "which cannot be"
            )
        entering = mdp.initial + mdp.discount * next_state_weights(mdp, weights)
        off = np.where(mdp.terminal, 0.0, np.abs(weights.sum(axis=1) - entering))
        if off.max() > tolerance:
            state = int(np.argmax(off))
            raise SampleError(
                f"{weights[state].sum():.6g} leave {mdp.describe(state)} and {entering[state]:.6g} "
                f"enter it; {int(np.count_nonzero(off > tolerance))} states do not balance, so "
                "this is no occupancy of the model"
            )
        return cls(mdp, freeze(weights), freeze(weights), mdp.initial, np.inf)

    @classmethod
    def from_dataset(cls, mdp: MDP, data: Dataset) -> Demonstrations:
        """Take logged episodes.

        Args:
            mdp: The model.
            data: With a column of episodes.

        Raises:
            SampleError: if it has none, or the rows of an episode do not follow each other in the
                model.
        """
        data.require_fit(mdp)
        if data.episode is None:
            raise SampleError(
                "the dataset has no column 'episode', so it is not known where demonstrations begin"
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
        """(S, A) how often each action was taken in each state, as probabilities; 0 in states that were never seen."""
        total = self.counts.sum(axis=1, keepdims=True)
        return self.counts / np.where(total > 0, total, 1.0)

    def __repr__(self) -> str:
        return f"Demonstrations({'of a policy' if np.isinf(self.size) else f'{self.size:,.0f} actions seen'})"


def _integers(number: int, what: str, values: Any) -> np.ndarray:
    array = np.asarray(values)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise SampleError(
            f"the {what} of trajectory {number} must be whole numbers in a row, not {array.dtype} "
            f"of shape {array.shape}"
        )
    return array


def _inside(number: int, what: str, values: np.ndarray, count: int) -> None:
    bad = (values < 0) | (values >= count)
    if bad.any():
        raise SampleError(
            f"trajectory {number}, step {int(np.argmax(bad))}: there is no {what} "
            f"{values[bad][0]}; they run from 0 to {count - 1}"
        )


def _require_possible(
    mdp: MDP,
    before: np.ndarray,
    action: np.ndarray,
    after: np.ndarray,
    place: list[tuple[int, int]],
) -> None:
    """Check that the model allows every transition."""
    rows = mdp.transitions.to_csr()
    found = (
        np.asarray(rows[before * mdp.n_actions + action, after]).ravel()
        if before.size
        else np.zeros(0)
    )
    impossible = found <= 0
    if impossible.any():
        first = int(np.argmax(impossible))
        number, step = place[first]
        where = mdp.describe(int(before[first]), int(action[first]))
        raise SampleError(
            f"trajectory {number}, step {step + 1}: {where} does not lead to state {after[first]} "
            f"in the model; {int(np.count_nonzero(impossible))} transitions are like that: is "
            "something missing between them?"
        )
