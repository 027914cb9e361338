"""Following policies step by step, in several episodes at once."""

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
        next_state: (N, M) next states; meaningless where the episode terminated.
        reward: (N, M) rewards.
        terminated: (N, M) whether the episode ended with this step: what follows has value 0.
        truncated: (N, M) whether the episode was cut off after it; it could have continued from
            ``next_state``.
    """

    next_state: Int[Array, "N M"]
    reward: Float[Array, "N M"]
    terminated: Bool[Array, "N M"]
    truncated: Bool[Array, "N M"]


class Rollout(ABC):
    """M episodes in each of N runs. After its last step an episode is followed by a new one.

    Attributes:
        state: (N, M) current states.
        steps: Number of steps made in each place.
        resetting: (N, M) whether the next step only starts a new episode, whatever the action:
            vector environments may take a step for it. The result of that step means nothing, and
            it is marked as truncated. None if there are no such steps.
    """

    state: Int[np.ndarray, "N M"]
    steps: int
    resetting: Bool[np.ndarray, "N M"] | None = None

    @abstractmethod
    def step(self, action: Int[Array, "N M"]) -> Step:
        """Take (N, M) actions."""


class EpisodicProcess(DecisionProcess):
    """A process that can be run but not sampled at any state and action: an environment.

    Attributes:
        n_envs: M, if the number of parallel episodes is fixed; None if it is not.
    """

    n_envs: int | None = None

    @abstractmethod
    def start_rollout(self, count: int, streams: RandomStreams) -> Rollout:
        """Start M episodes in each run."""


class SimulatedRollout(Rollout):
    """Episodes of a simulator, started from its initial distribution.

    Episodes that would start in a terminal state are not drawn.

    Args:
        simulator: The simulator.
        count: M.
        streams: One stream for each run.

    Raises:
        SampleError: if all episodes would start in a terminal state.
    """

    def __init__(self, simulator: Simulator, count: int, streams: RandomStreams) -> None:
        # a simulator may draw from the generators itself, so first states are drawn from others
        self._simulator = simulator
        self._outcomes, self._starts = streams.branch(), streams.branch()
        self._initial = np.where(simulator.terminal, 0.0, simulator.initial)
        if not self._initial.any():
            raise SampleError(
                "every episode begins in a terminal state and has no step; give another initial "
                "distribution"
            )
        self.state, self.steps = self._draw_starts(count), 0

    def step(self, action: Int[Array, "N M"]) -> Step:
        next_state, reward, terminated = self._simulator.draw(self.state, action, self._outcomes)
        # a start is drawn for each episode, terminated or not, so that the numbers that a run draws
        # do not depend on the other runs
        starts = self._draw_starts(action.shape[1])
        self.state, self.steps = np.where(terminated, starts, next_state), self.steps + 1
        return Step(next_state, reward, terminated, np.zeros(terminated.shape, dtype=np.bool_))

    def _draw_starts(self, count: int) -> Int[np.ndarray, "N M"]:
        """Draw first states for M episodes in each run."""
        return draw_categorical(self._initial, self._starts.uniform(count))
