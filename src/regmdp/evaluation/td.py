r"""Evaluation by temporal differences: each estimate moves towards what the next one makes of it.

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

import numpy as np

from regmdp._internal.arrays import Array, Bool, Float, Int
from regmdp._internal.errors import SampleError, SolverError
from regmdp.evaluation.action_sampler import ActionSampler
from regmdp.evaluation.action_values import ActionValues, NextStateValue, Target, require_target
from regmdp.evaluation.learning_rates import LearningRate, as_learning_rate, learning_rate
from regmdp.evaluation.sampled import Estimate, RunBatch, SampledEvaluation, require_count
from regmdp.mdp import MDP, DecisionProcess
from regmdp.policies import uniform_policy
from regmdp.regularizers import Regularizer
from regmdp.samples import EpisodicProcess, RandomStreams, Rollout, Simulator

__all__ = ["TD", "SynchronousTD"]

TARGETS = ("expected", "sampled", "optimal")


@dataclass(frozen=True, eq=False)
class _TDState:
    """Where the walkers are, and (N·S·A,) how often each pair has been moved."""

    rollout: Rollout
    visits: Int[np.ndarray, " NSA"]


@dataclass(frozen=True, eq=False)
class _SynchronousState:
    """(N·S·A,) how often each pair has been moved, and the streams from which actions and outcomes are drawn."""

    visits: Int[np.ndarray, " NSA"]
    actions: RandomStreams
    outcomes: RandomStreams


@dataclass(frozen=True)
class TD(SampledEvaluation):
    r"""Follow the policy, and learn from each step: temporal differences on M walks in each run.

    The walks and the estimates go on from one evaluation to the next. The visits of a pair, on
    which step sizes depend, are counted anew in each, since it is of another policy; with "optimal"
    targets, which are the same for all, the count goes on. Where walkers of one run meet in a pair,
    it moves once, towards the mean of their targets, and that counts as one visit. Where an episode
    ends, nothing follows; where it is cut off, the state that it would have gone on from is worth
    what Q says.

    With λ > 0 the targets are λ-returns,

    .. math::
        G_t = r_t + \gamma \bigl( (1-\lambda) B_{t+1} + \lambda G_{t+1} - \tau h(\pi(s_{t+1})) \bigr)

    where B is Q(s', a') or ⟨π(s'), Q(s')⟩, computed by dutch traces: after every step the estimates
    are what they would be had all targets been λ-returns up to that step, which is called true
    online. λ = 1 is Monte Carlo. Traces end with the episode, where it is cut off, and with the
    evaluation.

    Args:
        steps: Steps that each walker makes in one evaluation.
        step_size: α, a number in (0, 1], ``RescaledLinearRate()``, which is the default where γ < 1, or
            ``PolynomialRate(power)``, which is the default where γ = 1.
        target: "expected", "sampled" or "optimal". With "optimal" the estimates tend to the optimal
            action values, whatever policy is followed, and ``value`` is what the best policy makes
            of them.
        trace_decay: λ, with 0 ≤ λ ≤ 1; more than 0 only where the policy is followed that is evaluated.
        n_envs: M.
        exploration: ε, with 0 ≤ ε ≤ 1: with this probability the uniform policy is followed in
            place of the given one.

    Raises:
        SolverError: if an option is out of its range, or λ or "sampled" is combined with following
            another policy.
        SampleError: if the source can not be followed.

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
        for each pair, and means over the walkers; Watkins & Dayan 1992, Machine Learning 8;
        Haarnoja, Tang, Abbeel & Levine 2017, ICML: soft Q-learning.
    """

    steps: int
    step_size: float | LearningRate | None = None
    target: Target = "expected"
    trace_decay: float = 0.0
    n_envs: int = 1
    exploration: float = 0.0

    def __post_init__(self) -> None:
        require_count("the number of steps", self.steps)
        require_count("the number of environments", self.n_envs)
        require_target(self.target, TARGETS)
        as_learning_rate(self.step_size)
        require_fraction("the trace decay λ", self.trace_decay)
        require_fraction("the exploration", self.exploration)
        if self.trace_decay and (self.exploration or self.target == "optimal"):
            raise SolverError(
                "a return is that of the policy that is followed: traces go with the targets "
                '"expected" and "sampled", without exploration'
            )
        if self.exploration and self.target == "sampled":
            raise SolverError(
                "with exploration, sampled actions are not those of the policy that is evaluated; "
                "take expected ones"
            )

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
        optimal = self.target == "optimal"
        visits = memory.visits if memory is not None and optimal else None
        values = ActionValues(batch, learning_rate(self.step_size, batch), previous, visits)
        next_value = NextStateValue(batch, regularizer, policy, optimal)
        choose = ActionSampler(explored(batch, regularizer, policy, self.exploration))
        traces = Traces(batch, self.trace_decay, self.n_envs) if self.trace_decay else None
        discount, n_actions = batch.discount, batch.n_actions
        row = batch.rows(rollout.state)
        action = choose(row, batch.streams.uniform(self.n_envs))
        for _ in range(self.steps):
            pair, idle = row * n_actions + action, rollout.resetting
            step = rollout.step(action)
            after = batch.rows(np.where(step.terminated, 0, step.next_state))
            row = batch.rows(rollout.state)
            action = choose(row, batch.streams.uniform(self.n_envs))
            ahead = next_value(values.q, after)
            if self.target == "sampled":
                # where the episode is cut off, the next action is of another one, and its
                # expectation stands for it
                ahead = np.where(
                    step.truncated, ahead, values.q[after, action] - next_value.cost[after]
                )
            target = step.reward + discount * np.where(step.terminated, 0.0, ahead)
            if traces is None:
                values.move(pair, target, idle)
            else:
                traces.move(
                    values,
                    pair,
                    target,
                    ahead + next_value.cost[after],
                    step.terminated | step.truncated,
                    idle,
                )
        samples = (0 if previous is None else previous.samples) + self.steps * self.n_envs
        return values.estimate(batch, next_value, samples, _TDState(rollout, values.visits))


@dataclass(frozen=True)
class SynchronousTD(SampledEvaluation):
    """Draw every available pair once, and move all estimates towards their targets; again and again. It needs a generative model.

    Args:
        sweeps: How often each pair is drawn in one evaluation.
        step_size: α, a number in (0, 1], ``RescaledLinearRate()``, which is the default where γ < 1, or
            ``PolynomialRate(power)``, which is the default where γ = 1.
        target: "expected", "sampled" or "optimal", as in :class:`TD`. With "optimal" the visits on
            which step sizes depend go on being counted, with the others they are counted anew in
            each evaluation.

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

    def __post_init__(self) -> None:
        require_count("the number of sweeps", self.sweeps)
        require_target(self.target, TARGETS)
        as_learning_rate(self.step_size)

    def check(self, source: DecisionProcess, regularizer: Regularizer) -> None:
        if not isinstance(source, MDP | Simulator):
            raise SampleError(
                "SynchronousTD draws any pair, which needs an MDP or a simulator, not "
                f"{type(source).__name__}"
            )
        learning_rate(self.step_size, source)

    def __call__(
        self,
        batch: RunBatch,
        regularizer: Regularizer,
        policy: Float[Array, "NS A"],
        previous: Estimate | None,
    ) -> Estimate:
        simulator, n_actions, discount = batch.simulator, batch.n_actions, batch.discount
        memory = None if previous is None else previous.memory
        # a simulator may draw from the generators itself: actions are drawn from others
        actions, outcomes = (
            (batch.streams.branch(), batch.streams.branch())
            if memory is None
            else (memory.actions, memory.outcomes)
        )
        optimal = self.target == "optimal"
        visits = memory.visits if memory is not None and optimal else None
        values = ActionValues(batch, learning_rate(self.step_size, batch), previous, visits)
        next_value = NextStateValue(batch, regularizer, policy, optimal)
        choose = ActionSampler(policy)
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
                ahead = (
                    values.q[after, choose(after, actions.uniform(pairs.size))]
                    - next_value.cost[after]
                )
            else:
                ahead = next_value(values.q, after)
            values.move(pair, outcome.reward + discount * np.where(outcome.terminated, 0.0, ahead))
        samples = (0 if previous is None else previous.samples) + self.sweeps * pairs.size
        return values.estimate(
            batch, next_value, samples, _SynchronousState(values.visits, actions, outcomes)
        )


class Traces:
    """Dutch traces: how far each pair moves when the return of an earlier visit changes, for each walker.

    Args:
        batch: The runs.
        trace_decay: λ.
        n_envs: M.
    """

    def __init__(self, batch: RunBatch, trace_decay: float, n_envs: int) -> None:
        pairs = batch.size * batch.n_actions
        self._shape = (batch.count, pairs)
        self._fading = batch.discount * trace_decay
        self._eligible = np.zeros((batch.count, n_envs, pairs))
        self._kept = np.ones(self._shape)
        self._believed = np.zeros((batch.count, n_envs))
        self._run, self._walker = np.ogrid[: batch.count, :n_envs]

    def move(
        self,
        values: ActionValues,
        pair: Int[np.ndarray, "N M"],
        target: Float[np.ndarray, "N M"],
        ahead: Float[np.ndarray, "N M"],
        over: Array,
        idle: Bool[np.ndarray, "N M"] | None,
    ) -> None:
        """Move the pairs just visited towards their targets, and those visited before in the same episode.

        Args:
            values: The action values.
            pair: (N, M) pairs, numbered among those of all runs.
            target: (N, M) the targets of one step.
            ahead: (N, M) what the targets took the next states to be worth, before the
                regularizer's cost there.
            over: (N, M) whether the episode ended or was cut off.
            idle: (N, M) which of the steps mean nothing, or None.
        """
        eligible, local = self._eligible, pair - self._run * self._shape[1]
        eligible *= self._fading
        q = values.q.reshape(self._shape)
        q += np.sum((target - self._believed)[..., None] * eligible, axis=1)
        step, hits = values.move(pair, target, idle)
        # what later changes do to a pair counts less by the step that it has just made, whoever
        # made it
        self._kept[self._run, local] = 1.0 - step
        eligible *= self._kept[:, None, :]
        self._kept[self._run, local] = 1.0
        eligible[self._run, self._walker, local] += step / hits
        eligible[over] = 0.0
        self._believed = ahead


def require_fraction(name: str, value: object) -> None:
    """Check that an option is a number from 0 to 1.

    Raises:
        SolverError: if it is not.
    """
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float | np.floating)
        or not 0.0 <= value <= 1.0
    ):
        raise SolverError(f"{name} must be between 0 and 1, not {value!r}")


def require_walk(source: DecisionProcess) -> None:
    """Check that a source can be followed.

    Raises:
        SampleError: if it can not.
    """
    if not isinstance(source, MDP | Simulator | EpisodicProcess):
        raise SampleError(
            "this evaluation follows the policy, which needs an MDP, a simulator or an "
            f"environment, not {type(source).__name__}"
        )


def explored(
    batch: RunBatch, regularizer: Regularizer, policy: Float[Array, "NS A"], share: float
) -> Float[Array, "NS A"]:
    """(N·S, A) policies -> (N·S, A) their mixtures with the uniform one."""
    return (
        policy if not share else (1.0 - share) * policy + share * uniform_policy(batch, regularizer)
    )
