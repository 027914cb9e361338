"""Evaluation by temporal differences on transitions from a replay buffer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import numpy as np

from regmdp._internal.arrays import Array, Bool, Float, Int
from regmdp._internal.errors import SolverError
from regmdp._internal.memory import require_memory
from regmdp._internal.parameters import Integer, Number, Option, checked
from regmdp.evaluation.action_sampler import ActionSampler, mix_with_uniform
from regmdp.evaluation.action_values import (
    ActionValues,
    NextStateValue,
    OfflineTarget,
    Transitions,
)
from regmdp.evaluation.learning_rates import RATE, LearningRate, make_learning_rate
from regmdp.evaluation.sampled import Estimate, RunBatch, SampledEvaluation, require_episodes
from regmdp.mdp import DecisionProcess
from regmdp.regularizers import Regularizer
from regmdp.samples import Rollout

__all__ = ["ReplayBuffer", "ReplayTD"]

#: Bytes of a transition in a buffer: its pair, its reward, its next state, and whether it ended.
BYTES_PER_TRANSITION = 25


class ReplayBuffer:
    """The last transitions of N runs.

    Args:
        runs: N.
        capacity: Number of transitions that are kept.

    Attributes:
        pair: (N, capacity) pairs, numbered among those of all runs.
        reward: (N, capacity) rewards.
        after: (N, capacity) next states, numbered among those of all runs.
        terminated: (N, capacity) whether the episode ended.
        size: Number of transitions in the buffer.
    """

    pair: Int[np.ndarray, "N n"]
    reward: Float[np.ndarray, "N n"]
    after: Int[np.ndarray, "N n"]
    terminated: Bool[np.ndarray, "N n"]
    size: int

    def __init__(self, runs: int, capacity: int) -> None:
        require_memory(
            f"replay buffers of {capacity:,} transitions for each of {runs:,} runs",
            BYTES_PER_TRANSITION * runs * capacity,
            "give a smaller buffer_size",
        )
        shape = (runs, capacity)
        self.pair, self.after = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
        self.reward, self.terminated = np.zeros(shape), np.zeros(shape, dtype=np.bool_)
        self.size, self._next = 0, 0

    def add(self, transitions: Transitions) -> None:
        """Store (N, M) transitions; if the buffer is full they overwrite the oldest ones."""
        capacity, count = self.pair.shape[1], transitions.pair.shape[1]
        place = (self._next + np.arange(count)) % capacity
        self.pair[:, place], self.reward[:, place] = transitions.pair, transitions.reward
        self.after[:, place] = transitions.after
        self.terminated[:, place] = transitions.terminated
        self._next, self.size = (self._next + count) % capacity, min(self.size + count, capacity)

    def sample(self, uniform: Float[np.ndarray, "N n"]) -> Transitions:
        """Return the (N, n) transitions that uniform numbers choose."""
        run, chosen = np.arange(self.pair.shape[0])[:, None], (uniform * self.size).astype(np.int64)
        columns = (self.pair, self.reward, self.after, self.terminated)
        return Transitions(*(column[run, chosen] for column in columns))


@dataclass(frozen=True, eq=False)
class _ReplayState:
    """The running episodes, the buffer, and (N·S·A,) the number of updates of each pair."""

    rollout: Rollout
    buffer: ReplayBuffer
    visits: Int[np.ndarray, " NSA"]


@checked(
    steps=Integer(),
    updates=Integer(),
    batch_size=Integer(),
    buffer_size=Integer(),
    step_size=RATE | None,
    target=Option(*get_args(OfflineTarget)),
    n_envs=Integer(),
    exploration=Number(0.0, 1.0),
)
@dataclass(frozen=True)
class ReplayTD(SampledEvaluation):
    r"""Follow the policy, store transitions in a replay buffer, and learn from minibatches.

    Transitions collected under earlier policies are used, too: the targets are those of the
    evaluated policy. Episodes, buffer and estimates continue from one evaluation to the next.
    ``Estimate.samples`` counts the transitions collected.

    Args:
        steps: Number of steps of each environment in one evaluation.
        updates: Number of minibatches in one evaluation.
        batch_size: Number of transitions in a minibatch, drawn with replacement.
        buffer_size: Number of transitions kept in each run; the oldest are dropped.
        step_size: α, as in :class:`regmdp.evaluation.TD`.
        target: "expected", for the action values of the policy, or "optimal", for the optimal ones.
        n_envs: M, the number of parallel environments in each run.
        exploration: ε: probability with which the uniform policy is followed instead of the given
            one.

    Raises:
        SolverError: if an option is out of its range.
        SampleError: if the source has no episodes.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> mdp, rng = rm.models.garnet(5, 2, 2, discount=0.9, rng=0), np.random.default_rng(0)
        >>> evaluation = rm.evaluation.ReplayTD(steps=20, updates=50, batch_size=64, n_envs=10)
        >>> algorithm = rm.algorithms.GPMD(step_size=1.0, evaluation=evaluation)
        >>> learned = rm.learn(mdp, rm.Shannon(0.5), algorithm, max_iterations=10, rng=rng)
        >>> rm.certify(mdp, rm.Shannon(0.5), policy=learned.policy[0]).gap < 0.1
        True

    References:
        Lin 1992, Machine Learning 8; Haarnoja, Zhou, Abbeel & Levine 2018, ICML, "Soft
        actor-critic", equations 2 and 3.
    """

    steps: int
    updates: int
    batch_size: int = 32
    buffer_size: int = 10_000
    step_size: float | LearningRate | None = None
    target: OfflineTarget = "expected"
    n_envs: int = 1
    exploration: float = 0.0

    def __post_init__(self) -> None:
        if self.buffer_size < self.n_envs:
            raise SolverError(
                f"the buffer must hold a step of all {self.n_envs} environments, and has room for "
                f"{self.buffer_size}"
            )

    def check(self, source: DecisionProcess, regularizer: Regularizer) -> None:
        require_episodes(source)
        make_learning_rate(self.step_size, source)

    def __call__(
        self,
        batch: RunBatch,
        regularizer: Regularizer,
        policy: Float[Array, "NS A"],
        previous: Estimate | None,
    ) -> Estimate:
        memory = None if previous is None else previous.memory
        rollout = batch.start_rollout(self.n_envs) if memory is None else memory.rollout
        buffer = ReplayBuffer(batch.count, self.buffer_size) if memory is None else memory.buffer
        optimal = self.target == "optimal"
        visits = memory.visits if memory is not None and optimal else None
        rate = make_learning_rate(self.step_size, batch)
        values = ActionValues(batch, rate, previous, visits)
        next_value = NextStateValue(batch, regularizer, policy, optimal)
        sampler = ActionSampler(mix_with_uniform(batch, regularizer, policy, self.exploration))
        for _ in range(self.steps):
            row, resetting = batch.rows(rollout.state), rollout.resetting
            action = sampler(row, batch.streams.uniform(self.n_envs))
            step = rollout.step(action)
            after = batch.rows(np.where(step.terminated, 0, step.next_state))
            # steps that only reset occur only in environments, which allow only one run
            real = slice(None) if resetting is None else ~resetting[0]
            columns = (row * batch.n_actions + action, step.reward, after, step.terminated)
            buffer.add(Transitions(*(column[:, real] for column in columns)))
        for _ in range(self.updates):
            values.learn(buffer.sample(batch.streams.uniform(self.batch_size)), next_value)
        samples = (0 if previous is None else previous.samples) + self.steps * self.n_envs
        return values.estimate(
            batch, next_value, samples, _ReplayState(rollout, buffer, values.visits)
        )
