r"""One sweep of evaluation from samples, with the variance of its expectations reduced."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from regmdp._internal.arrays import Array, Float
from regmdp._internal.errors import SampleError, SolverError
from regmdp._internal.parameters import Integer, checked
from regmdp.evaluation.empirical_model import draw_empirical_models, expect_next_values
from regmdp.evaluation.sample_schedules import SAMPLES, GeometricSamples, default_period, samples_at
from regmdp.evaluation.sampled import Estimate, RunBatch, SampledEvaluation, evaluate_q
from regmdp.mdp import MDP, DecisionProcess
from regmdp.regularizers import Regularizer
from regmdp.samples import Simulator

__all__ = ["VarianceReducedSweep"]


@dataclass(frozen=True, eq=False)
class _Memory:
    """What the next sweep needs.

    Attributes:
        iteration: Number of sweeps made.
        q: (N·S, A) the last estimate Q_k.
        reference: (N·S,) the value V̄ at the start of the epoch.
        reference_q: (N·S, A) its estimated action values r + γ P V̄.
    """

    iteration: int
    q: Float[np.ndarray, "NS A"]
    reference: Float[np.ndarray, " NS"]
    reference_q: Float[np.ndarray, "NS A"]


@checked(samples=SAMPLES, inner_samples=SAMPLES | None, period=Integer() | None)
@dataclass(frozen=True)
class VarianceReducedSweep(SampledEvaluation):
    r"""Sweep the value once, with expectations estimated around a reference value.

    .. math::
        V_k = \langle \hat Q_{k-1}, \pi_k \rangle - \tau h(\pi_k), \qquad
        \hat Q_k = \hat r + \gamma \hat P \bar V + \gamma \hat P_k (V_k - \bar V)

    At the start of an epoch the reference V̄ becomes V_k, and \(\hat r\) and \(\hat P \bar V\) are
    averages over ``samples`` draws of every pair; in the other iterations
    \(\hat P_k (V_k - \bar V)\) is an average over ``inner_samples`` new draws. The first has the
    variance of values, of the order 1/(1-γ)², but is drawn once in an epoch; the second is drawn
    anew in each iteration, but V_k - V̄ is only as large as the remaining error. The first value is
    V_0 = ⟨r̂, π_0⟩ - τ h(π_0), as that of :class:`Sweeps` over 0.

    Args:
        samples: Draws of every pair for a reference: a number, or :class:`GeometricSamples`.
        inner_samples: Draws of every pair in the other iterations: a number, or a schedule; by
            default \(\lceil n/l \rceil\) after a reference of n draws, in an epoch of l iterations
            about as many together as for the reference.
        period: Number of iterations of an epoch; by default \(\lceil \log_\gamma \tfrac14 \rceil\),
            the period of :class:`GeometricSamples`.

    Raises:
        SolverError: if an option is out of its range.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> sweep = rm.evaluation.VarianceReducedSweep(samples=1000)
        >>> algorithm = rm.algorithms.ValueMirrorDescent(evaluation=sweep)
        >>> mdp, rng = rm.models.garnet(5, 2, 2, discount=0.9, rng=0), np.random.default_rng(0)
        >>> result = rm.learn(mdp, rm.Shannon(0.1), algorithm, max_iterations=60, rng=rng)
        >>> rm.certify(mdp, rm.Shannon(0.1), policy=result.policy[0]).gap < 0.1
        True

    References:
        Sidford, Wang, Wu & Ye 2018, SODA, "Variance reduced value iteration and faster algorithms
        for solving Markov decision processes"; Johnson & Zhang 2013, NIPS, for the reference.
    """

    samples: int | GeometricSamples
    inner_samples: int | GeometricSamples | None = None
    period: int | None = None

    def check(self, source: DecisionProcess, regularizer: Regularizer) -> None:
        if not isinstance(source, MDP | Simulator):
            raise SampleError(
                f"a generative model is an MDP or a simulator, not {type(source).__name__}"
            )
        for schedule in (self.samples, self.inner_samples):
            if isinstance(schedule, GeometricSamples):
                schedule.check(source)
        if self.period is None and not 0.0 < source.discount < 1.0:
            raise SolverError(
                "the default period needs a discount strictly between 0 and 1; for this model give "
                "period="
            )

    def samples_at(self, iteration: int, discount: float) -> tuple[int, bool]:
        """Return the draws of every pair in an iteration, and whether it is the first of an epoch.

        >>> sweep = VarianceReducedSweep(samples=100, period=3)
        >>> [sweep.samples_at(iteration, 0.9) for iteration in range(4)]
        [(100, True), (34, False), (34, False), (100, True)]
        """
        period = default_period(discount, 4.0) if self.period is None else self.period
        first = iteration - iteration % period
        reference = samples_at(self.samples, first, discount)
        if iteration == first:
            return reference, True
        if self.inner_samples is None:
            return math.ceil(reference / period), False
        return samples_at(self.inner_samples, iteration, discount), False

    def __call__(
        self,
        batch: RunBatch,
        regularizer: Regularizer,
        policy: Float[Array, "NS A"],
        previous: Estimate | None,
    ) -> Estimate:
        memory = None if previous is None else previous.memory
        iteration = 0 if memory is None else memory.iteration
        number, is_first = self.samples_at(iteration, batch.discount)
        model = draw_empirical_models(batch.simulator, batch.streams, number)
        if memory is None or is_first:
            rewards = np.where(batch.available, model.rewards.reshape(policy.shape), -np.inf)
            last = rewards if memory is None else memory.q
            value = reference = evaluate_q(batch, regularizer, policy, last)
            q = reference_q = rewards + expect_next_values(model, batch, reference)
        else:
            value = evaluate_q(batch, regularizer, policy, memory.q)
            reference, reference_q = memory.reference, memory.reference_q
            q = reference_q + expect_next_values(model, batch, value - reference)
        samples = model.samples + (0 if previous is None else previous.samples)
        return Estimate(q, value, samples, memory=_Memory(iteration + 1, q, reference, reference_q))
