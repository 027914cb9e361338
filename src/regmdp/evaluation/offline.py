"""Evaluation from logged transitions: by their empirical model, or by temporal differences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import numpy as np

from regmdp._internal.arrays import Array, Float
from regmdp._internal.errors import SampleError
from regmdp._internal.parameters import Integer, Option, checked
from regmdp.evaluation.action_values import (
    ActionValues,
    NextStateValue,
    OfflineTarget,
    Transitions,
)
from regmdp.evaluation.empirical_model import MAX_DENSE_STATES, EmpiricalModels, compute_q
from regmdp.evaluation.learning_rates import RATE, LearningRate, make_learning_rate
from regmdp.evaluation.sampled import (
    Estimate,
    RunBatch,
    SampledEvaluation,
    evaluate_q,
    require_finite_cost,
)
from regmdp.mdp import DecisionProcess
from regmdp.regularizers import Regularizer
from regmdp.samples import OfflineMDP

__all__ = ["CertaintyEquivalence", "OfflineTD"]


@dataclass(frozen=True)
class CertaintyEquivalence(SampledEvaluation):
    r"""Action values in the empirical model of logged data.

    Its values are \((I - \gamma \hat P_\pi)^{-1} \hat r_\pi\). Nothing is drawn: all runs learn the
    same from the same data. ``Estimate.samples`` is the number of logged transitions.

    Raises:
        SampleError: if the source is not an :class:`~regmdp.samples.OfflineMDP`, or an available
            pair does not occur in it.

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
        require_offline(source).require_coverage()

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
        log = require_offline(batch.source)
        mdp = log.estimate_model()
        rows = mdp.transitions.to_csr()
        size = batch.size * batch.n_actions
        rewards = np.broadcast_to(np.ascontiguousarray(mdp.rewards).ravel(), (batch.count, size))
        if batch.size <= MAX_DENSE_STATES:
            dense = np.broadcast_to(rows.toarray(), (batch.count, size, batch.size))
            model = EmpiricalModels(rewards, dense, (), len(log.data))
        else:
            model = EmpiricalModels(rewards, None, (rows,) * batch.count, len(log.data))
        q = compute_q(model, batch, regularizer, policy)
        return Estimate(q, evaluate_q(batch, regularizer, policy, q), len(log.data))


@checked(
    updates=Integer(),
    batch_size=Integer(),
    step_size=RATE | None,
    target=Option(*get_args(OfflineTarget)),
)
@dataclass(frozen=True)
class OfflineTD(SampledEvaluation):
    r"""Temporal differences on minibatches drawn from logged data, with replacement.

    The targets are those of :class:`regmdp.evaluation.TD`, and do not depend on the policy that
    logged the actions. A pair that occurs several times in a minibatch moves once, towards the mean
    of its targets. The estimates continue from one evaluation to the next, and tend to those of the
    empirical model. ``Estimate.samples`` is the number of logged transitions.

    Args:
        updates: Number of minibatches in one evaluation.
        batch_size: Number of transitions in a minibatch.
        step_size: α, as in :class:`regmdp.evaluation.TD`.
        target: "expected", for the action values of the policy, or "optimal", for the optimal ones
            (soft Q-learning).

    Raises:
        SolverError: if an option is out of its range.
        SampleError: if the source is not an :class:`~regmdp.samples.OfflineMDP`, or an available
            pair does not occur in it.

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
    target: OfflineTarget = "expected"

    def check(self, source: DecisionProcess, regularizer: Regularizer) -> None:
        require_offline(source).require_coverage()
        make_learning_rate(self.step_size, source)

    def __call__(
        self,
        batch: RunBatch,
        regularizer: Regularizer,
        policy: Float[Array, "NS A"],
        previous: Estimate | None,
    ) -> Estimate:
        data = require_offline(batch.source).data
        optimal = self.target == "optimal"
        visits = previous.memory if previous is not None and optimal else None
        rate = make_learning_rate(self.step_size, batch)
        values = ActionValues(batch, rate, previous, visits)
        next_value = NextStateValue(batch, regularizer, policy, optimal)
        next_state = np.where(data.terminated, 0, data.next_state)
        for _ in range(self.updates):
            chosen = (batch.streams.uniform(self.batch_size) * len(data)).astype(np.int64)
            pair = batch.rows(data.state[chosen]) * batch.n_actions + data.action[chosen]
            after = batch.rows(next_state[chosen])
            transitions = Transitions(pair, data.reward[chosen], after, data.terminated[chosen])
            values.learn(transitions, next_value)
        return values.estimate(batch, next_value, len(data), values.visits)


def require_offline(source: DecisionProcess) -> OfflineMDP:
    """Check that a source is logged data, and return it.

    Raises:
        SampleError: if it is not.
    """
    if not isinstance(source, OfflineMDP):
        raise SampleError(
            "this evaluation learns from logged transitions, a regmdp.samples.OfflineMDP, not from "
            f"{type(source).__name__}; ReplayTD collects them itself"
        )
    return source
