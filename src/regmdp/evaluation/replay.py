"""Evaluation by replay: learning again and again from transitions that were kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from regmdp._internal.arrays import Array, Bool, Float, Int
from regmdp._internal.errors import SampleError, SolverError
from regmdp.evaluation.action_sampler import ActionSampler
from regmdp.evaluation.action_values import ActionValues, NextStateValue, require_target
from regmdp.evaluation.generative import DENSE, Empirical, model_q
from regmdp.evaluation.learning_rates import LearningRate, as_learning_rate, learning_rate
from regmdp.evaluation.sampled import (
    Estimate,
    RunBatch,
    SampledEvaluation,
    require_count,
    require_finite_cost,
    value_of,
)
from regmdp.evaluation.td import explored, require_fraction, require_walk
from regmdp.mdp import DecisionProcess
from regmdp.regularizers import Regularizer
from regmdp.samples import OfflineMDP, Rollout

__all__ = ["CertaintyEquivalence", "OfflineTD", "ReplayTD"]

TARGETS = ("expected", "optimal")


@dataclass(frozen=True)
class CertaintyEquivalence(SampledEvaluation):
    r"""The action values of the policy in the empirical model of a log, \((I - \gamma \hat P_\pi)^{-1} \hat r_\pi\).

    Nothing is drawn: all runs learn the same from the same log. ``Estimate.samples`` is the number
    of transitions in the log.

    Raises:
        SampleError: if the source is not a log, or an available pair was never seen in it; see
            :class:`regmdp.samples.OfflineMDP`.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> mdp, rng = rm.models.garnet(5, 2, 2, discount=0.9, rng=0), np.random.default_rng(0)
        >>> data = rm.samples.Dataset.from_episodes(
        ...     mdp, rm.uniform_policy(mdp), episodes=50, max_steps=40, rng=rng
        ... )
        >>> log = rm.samples.OfflineMDP.like(mdp, data)
        >>> algorithm = rm.algorithms.NPG(
        ...     step_size=0.1, evaluation=rm.evaluation.CertaintyEquivalence()
        ... )
        >>> learned = rm.learn(log, rm.Shannon(0.5), algorithm, max_iterations=20, rng=rng)
        >>> rm.certify(mdp, rm.Shannon(0.5), policy=learned.policy[0]).gap < 0.1
        True

    References:
        Sutton & Barto 2018, *Reinforcement Learning*, section 6.3: what batch TD(0) converges to.
    """

    def check(self, source: DecisionProcess, regularizer: Regularizer) -> None:
        require_log(source).require_coverage()

    def __call__(
        self,
        batch: RunBatch,
        regularizer: Regularizer,
        policy: Float[Array, "NS A"],
        previous: Estimate | None,
    ) -> Estimate:
        require_finite_cost(
            regularizer.cost(policy, None if batch.all_available else batch.available)
        )
        log = require_log(batch.source)
        mdp = log.estimate_model()
        rows = mdp.transitions.to_csr()
        size = batch.size * batch.n_actions
        rewards = np.broadcast_to(np.ascontiguousarray(mdp.rewards).ravel(), (batch.count, size))
        if batch.size <= DENSE:
            model = Empirical(
                rewards,
                np.broadcast_to(rows.toarray(), (batch.count, size, batch.size)),
                (),
                len(log.data),
            )
        else:
            model = Empirical(rewards, None, (rows,) * batch.count, len(log.data))
        q = model_q(model, batch, regularizer, policy)
        return Estimate(q, value_of(batch, regularizer, policy, q), len(log.data))


@dataclass(frozen=True)
class OfflineTD(SampledEvaluation):
    r"""Temporal differences on minibatches drawn from a log, with replacement.

    The targets are those of :class:`regmdp.evaluation.TD`; that actions were logged under another
    policy does not matter to them. A pair that is several times in a minibatch moves once, towards
    the mean of its targets. The estimates go on from one evaluation to the next, towards those of
    the empirical model of the log. ``Estimate.samples`` is the number of transitions in the log.

    Args:
        updates: Minibatches of one evaluation.
        batch_size: Transitions of a minibatch.
        step_size: α, as in :class:`regmdp.evaluation.TD`.
        target: "expected", for the action values of the policy, or "optimal", for the best ones:
            soft Q-learning.

    Raises:
        SolverError: if an option is out of its range.
        SampleError: if the source is not a log, or an available pair was never seen in it; see
            :class:`regmdp.samples.OfflineMDP`.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> mdp, rng = rm.models.garnet(5, 2, 2, discount=0.9, rng=0), np.random.default_rng(0)
        >>> data = rm.samples.Dataset.from_episodes(
        ...     mdp, rm.uniform_policy(mdp), episodes=50, max_steps=40, rng=rng
        ... )
        >>> log = rm.samples.OfflineMDP.like(mdp, data)
        >>> algorithm = rm.algorithms.PolicyIteration(
        ...     rm.evaluation.OfflineTD(updates=200, batch_size=64, target="optimal")
        ... )
        >>> learned = rm.learn(log, rm.Shannon(0.5), algorithm, max_iterations=3, rng=rng)
        >>> rm.certify(mdp, rm.Shannon(0.5), policy=learned.policy[0]).gap < 0.1
        True

    References:
        Lin 1992, Machine Learning 8, "Self-improving reactive agents based on reinforcement
        learning, planning and teaching".
    """

    updates: int
    batch_size: int = 32
    step_size: float | LearningRate | None = None
    target: Literal["expected", "optimal"] = "expected"

    def __post_init__(self) -> None:
        require_count("the number of minibatches", self.updates)
        require_count("the size of a minibatch", self.batch_size)
        require_target(self.target, TARGETS)
        as_learning_rate(self.step_size)

    def check(self, source: DecisionProcess, regularizer: Regularizer) -> None:
        require_log(source).require_coverage()
        learning_rate(self.step_size, source)

    def __call__(
        self,
        batch: RunBatch,
        regularizer: Regularizer,
        policy: Float[Array, "NS A"],
        previous: Estimate | None,
    ) -> Estimate:
        data = require_log(batch.source).data
        optimal = self.target == "optimal"
        visits = previous.memory if previous is not None and optimal else None
        values = ActionValues(batch, learning_rate(self.step_size, batch), previous, visits)
        next_value = NextStateValue(batch, regularizer, policy, optimal)
        next_state = np.where(data.terminated, 0, data.next_state)
        for _ in range(self.updates):
            which = (batch.streams.uniform(self.batch_size) * len(data)).astype(np.int64)
            pair = batch.rows(data.state[which]) * batch.n_actions + data.action[which]
            after = batch.rows(next_state[which])
            learn_from(
                values,
                next_value,
                batch.discount,
                pair,
                data.reward[which],
                after,
                data.terminated[which],
            )
        return values.estimate(batch, next_value, len(data), values.visits)


class ReplayBuffer:
    """The last transitions of N runs.

    Args:
        runs: N.
        capacity: How many are kept.

    Attributes:
        pair: (N, capacity) pairs, numbered among those of all runs.
        reward: (N, capacity) what they were paid.
        after: (N, capacity) next states, numbered among those of all runs.
        terminated: (N, capacity) whether the episode ended.
        size: How many there are by now.
    """

    pair: Int[np.ndarray, "N n"]
    reward: Float[np.ndarray, "N n"]
    after: Int[np.ndarray, "N n"]
    terminated: Bool[np.ndarray, "N n"]
    size: int

    def __init__(self, runs: int, capacity: int) -> None:
        shape = (runs, capacity)
        self.pair, self.after = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
        self.reward, self.terminated, self.size, self._next = (
            np.zeros(shape),
            np.zeros(shape, dtype=np.bool_),
            0,
            0,
        )

    def add(self, pair: Array, reward: Array, after: Array, terminated: Array) -> None:
        """Keep (N, M) transitions, in place of the oldest ones if there is no more room."""
        capacity, count = self.pair.shape[1], pair.shape[1]
        place = (self._next + np.arange(count)) % capacity
        (
            self.pair[:, place],
            self.reward[:, place],
            self.after[:, place],
            self.terminated[:, place],
        ) = (
            pair,
            reward,
            after,
            terminated,
        )
        self._next, self.size = (self._next + count) % capacity, min(self.size + count, capacity)


@dataclass(frozen=True, eq=False)
class _ReplayState:
    """Where the walkers are, what was kept of their way, and (N·S·A,) how often each pair has been moved."""

    rollout: Rollout
    kept: ReplayBuffer
    visits: Int[np.ndarray, " NSA"]


@dataclass(frozen=True)
class ReplayTD(SampledEvaluation):
    r"""Follow the policy, keep the transitions in a buffer, and make temporal differences on minibatches drawn from it.

    What was collected under earlier policies serves, too: the targets are those of the policy that
    is evaluated. The walks, the buffer and the estimates go on from one evaluation to the next.
    ``Estimate.samples`` counts the transitions collected.

    Args:
        steps: Steps that each walker makes in one evaluation.
        updates: Minibatches of one evaluation.
        batch_size: Transitions of a minibatch, drawn with replacement.
        buffer_size: Transitions kept in each run; the oldest are dropped.
        step_size: α, as in :class:`regmdp.evaluation.TD`.
        target: "expected", for the action values of the policy, or "optimal", for the best ones.
        n_envs: M, side by side in each run.
        exploration: ε: with this probability the uniform policy is followed in place of the given
            one.

    Raises:
        SolverError: if an option is out of its range.
        SampleError: if the source can not be followed.

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
    target: Literal["expected", "optimal"] = "expected"
    n_envs: int = 1
    exploration: float = 0.0

    def __post_init__(self) -> None:
        require_count("the number of steps", self.steps)
        require_count("the number of minibatches", self.updates)
        require_count("the size of a minibatch", self.batch_size)
        require_count("the number of environments", self.n_envs)
        require_count("the size of the buffer", self.buffer_size)
        if self.buffer_size < self.n_envs:
            raise SolverError(
                f"the buffer must hold a step of all {self.n_envs} environments, and has room for "
                f"{self.buffer_size}"
            )
        require_target(self.target, TARGETS)
        as_learning_rate(self.step_size)
        require_fraction("the exploration", self.exploration)

    def check(self, source: DecisionProcess, regularizer: Regularizer) -> None:
        require_walk(source)
        learning_rate(self.step_size, source)

    def __call__(
        self,
        batch: RunBatch,
        regularizer: Regularizer,
        policy: Float[Array, "NS A"],
        previous: Estimate | None,
    ) -> Estimate:
        memory = None if previous is None else previous.memory
        rollout = batch.start_rollout(self.n_envs) if memory is None else memory.rollout
        kept = ReplayBuffer(batch.count, self.buffer_size) if memory is None else memory.kept
        optimal = self.target == "optimal"
        visits = memory.visits if memory is not None and optimal else None
        values = ActionValues(batch, learning_rate(self.step_size, batch), previous, visits)
        next_value = NextStateValue(batch, regularizer, policy, optimal)
        choose = ActionSampler(explored(batch, regularizer, policy, self.exploration))
        for _ in range(self.steps):
            row, idle = batch.rows(rollout.state), rollout.resetting
            action = choose(row, batch.streams.uniform(self.n_envs))
            step = rollout.step(action)
            after = batch.rows(np.where(step.terminated, 0, step.next_state))
            # only environments have idle n_envs, and they allow of one run
            some = slice(None) if idle is None else ~idle[0]
            kept.add(
                (row * batch.n_actions + action)[:, some],
                step.reward[:, some],
                after[:, some],
                step.terminated[:, some],
            )
        run = np.arange(batch.count)[:, None]
        for _ in range(self.updates):
            which = (batch.streams.uniform(self.batch_size) * kept.size).astype(np.int64)
            pair, reward, after, terminated = (
                column[run, which]
                for column in (kept.pair, kept.reward, kept.after, kept.terminated)
            )
            learn_from(values, next_value, batch.discount, pair, reward, after, terminated)
        samples = (0 if previous is None else previous.samples) + self.steps * self.n_envs
        return values.estimate(
            batch, next_value, samples, _ReplayState(rollout, kept, values.visits)
        )


def learn_from(
    values: ActionValues,
    next_value: NextStateValue,
    discount: float,
    pair: Int[np.ndarray, "N n"],
    reward: Float[np.ndarray, "N n"],
    after: Int[np.ndarray, "N n"],
    terminated: Bool[np.ndarray, "N n"],
) -> None:
    """Move the action values of (N, n) pairs towards the targets of (N, n) transitions."""
    values.move(pair, reward + discount * np.where(terminated, 0.0, next_value(values.q, after)))


def require_log(source: DecisionProcess) -> OfflineMDP:
    """Check that a source is a log, and return it.

    Raises:
        SampleError: if it is not.
    """
    if not isinstance(source, OfflineMDP):
        raise SampleError(
            "this evaluation learns from logged transitions, a regmdp.samples.OfflineMDP, not from "
            f"{type(source).__name__}; ReplayTD collects them itself"
        )
    return source
