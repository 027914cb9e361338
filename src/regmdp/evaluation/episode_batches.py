"""Parallel episodes of a simulator or an environment, with idle places."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from regmdp._internal.arrays import Array, Bool, Int
from regmdp.evaluation.sampled import RunBatch
from regmdp.samples import EpisodicProcess, Step

__all__ = ["EpisodeBatch", "start_episodes"]


class EpisodeBatch(ABC):
    """Places for parallel episodes, M in each of N runs.

    Attributes:
        state: (N, M) current states.
    """

    state: Int[np.ndarray, "N M"]

    @abstractmethod
    def step(self, action: Int[Array, "N M"], busy: Bool[Array, "N M"]) -> tuple[Step, int]:
        """Take (N, M) actions, and return the results and the number of transitions drawn."""

    @abstractmethod
    def renew(self, step: Step, busy: Bool[Array, "N M"]) -> Bool[np.ndarray, "N M"]:
        """Move on after a step, and return (N, M) where a new episode starts."""


class _SimulatedEpisodes(EpisodeBatch):
    """Episodes of a simulator; idle places start a new one at once."""

    def __init__(self, batch: RunBatch, count: int) -> None:
        self._simulator = batch.simulator
        self._starts, self._outcomes = batch.streams.branch(), batch.streams.branch()
        self._idle_state = int(np.argmin(self._simulator.terminal))
        self._idle_action = int(np.argmax(self._simulator.available[self._idle_state]))
        self.state = self._simulator.draw_initial_states(self._starts, count)

    def step(self, action: Int[Array, "N M"], busy: Bool[Array, "N M"]) -> tuple[Step, int]:
        # idle places draw, too, so that the numbers that a run draws do not depend on the others
        state = np.where(busy, self.state, self._idle_state)
        action = np.where(busy, action, self._idle_action)
        next_state, reward, terminated = self._simulator.draw(state, action, self._outcomes)
        self.state = next_state
        step = Step(next_state, reward, terminated, np.zeros(terminated.shape, dtype=np.bool_))
        return step, int(np.count_nonzero(busy))

    def renew(self, step: Step, busy: Bool[Array, "N M"]) -> Bool[np.ndarray, "N M"]:
        starts = self._simulator.draw_initial_states(self._starts, busy.shape[1])
        self.state = np.where(busy, step.next_state, starts)
        return ~busy


class _EnvironmentEpisodes(EpisodeBatch):
    """Episodes of an environment, which start only when the previous one is over."""

    def __init__(self, source: EpisodicProcess, batch: RunBatch, count: int) -> None:
        self._rollout = source.start_rollout(source.n_envs or count, batch.streams.branch())
        self.state = self._rollout.state

    def step(self, action: Int[Array, "N M"], busy: Bool[Array, "N M"]) -> tuple[Step, int]:
        resetting = self._rollout.resetting
        drawn = action.size - (0 if resetting is None else int(np.count_nonzero(resetting)))
        return self._rollout.step(action), drawn

    def renew(self, step: Step, busy: Bool[Array, "N M"]) -> Bool[np.ndarray, "N M"]:
        self.state, resetting = self._rollout.state, self._rollout.resetting
        over = step.terminated | step.truncated
        return np.asarray(over if resetting is None else over & ~resetting)


def start_episodes(batch: RunBatch, count: int) -> EpisodeBatch:
    """Start M episodes in each run; an environment may have a fixed M."""
    source = batch.source
    if isinstance(source, EpisodicProcess):
        return _EnvironmentEpisodes(source, batch, count)
    return _SimulatedEpisodes(batch, count)
