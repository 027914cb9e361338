r"""Evaluation by temporal differences: each estimate moves towards a target made of the next one.

.. math::
    Q(s, a) \leftarrow Q(s, a) + \alpha_k \bigl( y - Q(s, a) \bigr)

with the target y of one transition to s', in which the regularizer belongs to the next state, as it
does in Q:

============  ===============================================================================
``expected``  \(r + \gamma ( \langle \pi(s'), Q(s') \rangle - \tau h(\pi(s')) )\), expected Sarsa
``sampled``   \(r + \gamma ( Q(s', a') - \tau h(\pi(s')) )\) with a' drawn from π, Sarsa
``optimal``   \(r + \gamma \max_p ( \langle p, Q(s') \rangle - \tau h(p) )\), soft Q-learning
============  ===============================================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import numpy as np

from regmdp._internal.arrays import Array, Float, Int
from regmdp._internal.errors import SampleError, SolverError
from regmdp._internal.parameters import Integer, Number, Option, checked
from regmdp.evaluation.action_sampler import ActionSampler, mix_with_uniform
from regmdp.evaluation.action_values import ActionValues, NextStateValue, Target
from regmdp.evaluation.learning_rates import RATE, LearningRate, make_learning_rate
from regmdp.evaluation.sampled import (
    Estimate,
    RunBatch,
    SampledEvaluation,
    require_episodes,
)
from regmdp.evaluation.traces import DutchTraces
from regmdp.mdp import MDP, DecisionProcess
from regmdp.regularizers import Regularizer
from regmdp.samples import RandomStreams, Rollout, Simulator

__all__ = ["TD", "SynchronousTD"]


@dataclass(frozen=True, eq=False)
class _TDState:
    """The running episodes, and (N·S·A,) the number of updates of each pair."""

    rollout: Rollout
    visits: Int[np.ndarray, " NSA"]


@dataclass(frozen=True, eq=False)
class _SynchronousState:
    """(N·S·A,) number of updates of each pair, and the streams of actions and outcomes."""

    visits: Int[np.ndarray, " NSA"]
    actions: RandomStreams
    outcomes: RandomStreams


@checked(
    steps=Integer(),
    step_size=RATE | None,
    target=Option(*get_args(Target)),
    trace_decay=Number(0.0, 1.0),
    n_envs=Integer(),
    exploration=Number(0.0, 1.0),
)
@dataclass(frozen=True)
class TD(SampledEvaluation):
    r"""Follow the policy and learn from each step, in M parallel environments in each run.

    Episodes and estimates continue from one evaluation to the next. The visits of a pair, which
    determine step sizes, are counted from 0 in each evaluation, since the policy has changed; with
    "optimal" targets, which do not depend on the policy, counting continues. Where environments of
    one run visit the same pair in one step, it moves once, towards the mean of their targets, and
    that counts as one visit. The value after a terminated episode is 0; after a truncated one it is
    that of the next state under Q.

    With λ > 0 the targets are λ-returns,

    .. math::
        G_t = r_t + \gamma \bigl(
            (1-\lambda) B_{t+1} + \lambda G_{t+1} - \tau h(\pi(s_{t+1})) \bigr)

    where B is Q(s', a') or ⟨π(s'), Q(s')⟩, computed by dutch traces: after every step the estimates
    are those of targets that are λ-returns up to that step (true online TD). λ = 1 is Monte Carlo.
    Traces end with the episode, where it is truncated, and with the evaluation.

    Args:
        steps: Number of steps of each environment in one evaluation.
        step_size: α, a number in (0, 1], ``RescaledLinearRate()``, which is the default where
            γ < 1, or ``PolynomialRate(power)``, which is the default where γ = 1.
        target: "expected", "sampled" or "optimal". With "optimal" the estimates tend to the optimal
            action values, whatever policy is followed, and ``value`` is that of the optimal policy
            for them.
        trace_decay: λ, with 0 ≤ λ ≤ 1; positive only if the evaluated policy is followed.
        n_envs: M, the number of parallel environments.
        exploration: ε, with 0 ≤ ε ≤ 1: probability with which the uniform policy is followed
            instead of the given one.

    Raises:
        SolverError: if an option is out of its range, or λ or "sampled" is combined with following
            another policy.
        SampleError: if the source has no episodes.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> mdp, rng = rm.models.garnet(5, 2, 2, discount=0.9, rng=0), np.random.default_rng(0)
        >>> algorithm = rm.algorithms.PMD(
        ...     step_size=1.0, evaluation=rm.evaluation.TD(steps=200, n_envs=10)
        ... )
        >>> learned = rm.learn(mdp, rm.Shannon(0.5), algorithm, max_iterations=10, rng=rng)
        >>> rm.certify(mdp, rm.Shannon(0.5), policy=learned.policy[0]).gap < 0.1
        True

    References:
        Sutton 1988, Machine Learning 3; van Seijen, van Hasselt, Whiteson & Wiering 2009, ADPRL:
        expected Sarsa; van Seijen & Sutton 2014, ICML, "True online TD(λ)", here with a step size
        for each pair, and means over the environments; Watkins & Dayan 1992, Machine Learning 8;
        Haarnoja, Tang, Abbeel & Levine 2017, ICML: soft Q-learning.
    """

    steps: int
    step_size: float | LearningRate | None = None
    target: Target = "expected"
    trace_decay: float = 0.0
    n_envs: int = 1
    exploration: float = 0.0

    def __post_init__(self) -> None:
        if self.trace_decay and (self.exploration or self.target == "optimal"):
            raise SolverError(
                "λ-returns are those of the policy that is followed: use trace_decay with the "
                'targets "expected" and "sampled", without exploration'
            )
        if self.exploration and self.target == "sampled":
            raise SolverError(
                "with exploration, sampled actions are not those of the evaluated policy; use "
                'target="expected"'
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
        optimal = self.target == "optimal"
        visits = memory.visits if memory is not None and optimal else None
        rate = make_learning_rate(self.step_size, batch)
        values = ActionValues(batch, rate, previous, visits)
        next_value = NextStateValue(batch, regularizer, policy, optimal)
        sampler = ActionSampler(mix_with_uniform(batch, regularizer, policy, self.exploration))
        traces = DutchTraces(batch, self.trace_decay, self.n_envs) if self.trace_decay else None
        discount, n_actions = batch.discount, batch.n_actions
        row = batch.rows(rollout.state)
        action = sampler(row, batch.streams.uniform(self.n_envs))
        for _ in range(self.steps):
            pair, ignored = row * n_actions + action, rollout.resetting
            step = rollout.step(action)
            after = batch.rows(np.where(step.terminated, 0, step.next_state))
            row = batch.rows(rollout.state)
            action = sampler(row, batch.streams.uniform(self.n_envs))
            rest = next_value(values.q, after)
            if self.target == "sampled":
                # after a truncation the next action belongs to a new episode: the expectation over
                # actions replaces it
                sampled = values.q[after, action] - next_value.cost[after]
                rest = np.where(step.truncated, rest, sampled)
            target = step.reward + discount * np.where(step.terminated, 0.0, rest)
            if traces is None:
                values.update(pair, target, ignored)
            else:
                bootstrap, over = rest + next_value.cost[after], step.terminated | step.truncated
                traces.update(values, pair, target, bootstrap, over, ignored)
        samples = (0 if previous is None else previous.samples) + self.steps * self.n_envs
        return values.estimate(batch, next_value, samples, _TDState(rollout, values.visits))


@checked(sweeps=Integer(), step_size=RATE | None, target=Option(*get_args(Target)))
@dataclass(frozen=True)
class SynchronousTD(SampledEvaluation):
    """Sample every available pair once, and update all estimates, repeatedly.

    This needs a generative model: an MDP or a simulator.

    Args:
        sweeps: Number of samples of each pair in one evaluation.
        step_size: α, a number in (0, 1], ``RescaledLinearRate()``, which is the default where
            γ < 1, or ``PolynomialRate(power)``, which is the default where γ = 1.
        target: "expected", "sampled" or "optimal", as in :class:`TD`. With "optimal" the counts of
            visits, which determine step sizes, continue; with the others they start from 0 in each
            evaluation.

    Raises:
        SolverError: if an option is out of its range.
        SampleError: if the source is not an MDP or a simulator.

    Examples:
        Soft Q-learning from a generative model:

        >>> import numpy as np, regmdp as rm
        >>> mdp, rng = rm.models.garnet(5, 2, 2, discount=0.9, rng=0), np.random.default_rng(0)
        >>> algorithm = rm.algorithms.PolicyIteration(
        ...     rm.evaluation.SynchronousTD(sweeps=100, target="optimal")
        ... )
        >>> learned = rm.learn(mdp, rm.Shannon(0.5), algorithm, max_iterations=5, rng=rng)
        >>> rm.certify(mdp, rm.Shannon(0.5), policy=learned.policy[0]).gap < 0.1
        True

    References:
        Kearns & Singh 1999, NIPS, "Finite-sample convergence rates for Q-learning and indirect
        algorithms"; Wainwright 2019, "Stochastic approximation with cone-contractive operators".
    """

    sweeps: int
    step_size: float | LearningRate | None = None
    target: Target = "expected"

    def check(self, source: DecisionProcess, regularizer: Regularizer) -> None:
        if not isinstance(source, MDP | Simulator):
            raise SampleError(
                "SynchronousTD samples every pair, which needs an MDP or a simulator, not "
                f"{type(source).__name__}"
            )
        make_learning_rate(self.step_size, source)

    def __call__(
        self,
        batch: RunBatch,
        regularizer: Regularizer,
        policy: Float[Array, "NS A"],
        previous: Estimate | None,
    ) -> Estimate:
        simulator, n_actions, discount = batch.simulator, batch.n_actions, batch.discount
        memory = None if previous is None else previous.memory
        # a simulator may draw from the generators itself, so actions are drawn from others
        actions, outcomes = (
            (batch.streams.branch(), batch.streams.branch())
            if memory is None
            else (memory.actions, memory.outcomes)
        )
        optimal = self.target == "optimal"
        visits = memory.visits if memory is not None and optimal else None
        rate = make_learning_rate(self.step_size, batch)
        values = ActionValues(batch, rate, previous, visits)
        next_value = NextStateValue(batch, regularizer, policy, optimal)
        sampler = ActionSampler(policy)
        pairs = np.flatnonzero(simulator.available.ravel())
        state, action = (
            np.broadcast_to(index, (batch.count, pairs.size))
            for index in np.divmod(pairs, n_actions)
        )
        pair = batch.rows(state) * n_actions + action
        for _ in range(self.sweeps):
            outcome = simulator.draw(state, action, outcomes)
            after = batch.rows(np.where(outcome.terminated, 0, outcome.next_state))
            if self.target == "sampled":
                chosen = sampler(after, actions.uniform(pairs.size))
                rest = values.q[after, chosen] - next_value.cost[after]
            else:
                rest = next_value(values.q, after)
            rest = np.where(outcome.terminated, 0.0, rest)
            values.update(pair, outcome.reward + discount * rest)
        samples = (0 if previous is None else previous.samples) + self.sweeps * pairs.size
        state_after = _SynchronousState(values.visits, actions, outcomes)
        return values.estimate(batch, next_value, samples, state_after)
