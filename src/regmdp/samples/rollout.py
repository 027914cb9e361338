"""Following policies: episodes that are walked step by step, many of them side by side."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

import numpy as np

from regmdp._internal.arrays import Array, Bool, Float, Int
from regmdp._internal.errors import SampleError
from regmdp.mdp import DecisionProcess
from regmdp.samples.simulator import Simulator, draw_categorical
from regmdp.samples.streams import RandomStreams

__all__ = ["EpisodicProcess", "Rollout", "SimulatedRollout", "Step"]


class Step(NamedTuple):
    """One step of N · M episodes.

    Attributes:
        next_state: (N, M) where the step led; meaningless where the episode ended.
        reward: (N, M) what it was paid.
        terminated: (N, M) whether the episode ended with it, for good.
        truncated: (N, M) whether it was cut off after it, though it might have gone on from
            ``next_state``.
    """

    next_state: Int[Array, "N M"]
    reward: Float[Array, "N M"]
    terminated: Bool[Array, "N M"]
    truncated: Bool[Array, "N M"]


class Rollout(ABC):
    """M episodes in each of N runs. After its last step an episode begins anew.

    Attributes:
        state: (N, M) where they are.
        steps: Number of steps that each of them has made.
        resetting: (N, M) which of them will not act in the next step, but only begin anew:
            environments may take a step for it. What that step gives for them means nothing, and it
            is marked as cut. None if none ever does.
    """

    state: Int[np.ndarray, "N M"]
    steps: int
    resetting: Bool[np.ndarray, "N M"] | None = None

    @abstractmethod
    def step(self, action: Int[Array, "N M"]) -> Step:
        """Take (N, M) actions."""


class EpisodicProcess(DecisionProcess):
    """A source of samples that can only be followed, not asked for any state and action: an environment.

    Attributes:
        n_envs: M, if there can only be so many episodes side by side; None if any number will do.
    """

    n_envs: int | None = None

    @abstractmethod
    def start_rollout(self, count: int, streams: RandomStreams) -> Rollout:
        """Begin M episodes in each run."""


class SimulatedRollout(Rollout):
    """Episodes of a simulator, which begin in its initial distribution.

    Those that would be over at once are left out.

    Args:
        simulator: The simulator.
        count: M.
        streams: One stream a run.

    Raises:
        SampleError: if all episodes would be.
    """

    def __init__(self, simulator: Simulator, count: int, streams: RandomStreams) -> None:
        # a simulator may draw from the generators itself: where episodes begin is drawn from others
        self._simulator, self._outcomes, self._starts = (
            simulator,
            streams.branch(),
            streams.branch(),
        )
        self._initial = np.where(simulator.terminal, 0.0, simulator.initial)
        if not self._initial.any():
            raise SampleError(
                "every episode begins in a terminal state and has no step; give another initial "
                "distribution"
            )
        self.state, self.steps = self._begin(count), 0

    def step(self, action: Int[Array, "N M"]) -> Step:
        next_state, reward, terminated = self._simulator.draw(self.state, action, self._outcomes)
        # each run draws for each episode, whether it ended or not: what it draws next does not
        # depend on the others
        anew = self._begin(action.shape[1])
        self.state, self.steps = np.where(terminated, anew, next_state), self.steps + 1
        return Step(next_state, reward, terminated, np.zeros(terminated.shape, dtype=np.bool_))

    def _begin(self, count: int) -> Int[np.ndarray, "N M"]:
        return draw_categorical(self._initial, self._starts.uniform(count))
