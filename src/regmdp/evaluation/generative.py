r"""Evaluation in an empirical model: every pair is sampled a number of times."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from regmdp._internal.arrays import Array, Float
from regmdp._internal.errors import SampleError, SolverError
from regmdp._internal.parameters import Flag, Number, checked
from regmdp.evaluation.empirical_model import compute_q, draw_empirical_models
from regmdp.evaluation.sample_schedules import SAMPLES, GeometricSamples, samples_at
from regmdp.evaluation.sampled import Estimate, RunBatch, SampledEvaluation, evaluate_q
from regmdp.mdp import MDP, DecisionProcess
from regmdp.regularizers import Regularizer
from regmdp.samples import Simulator, TableSimulator

__all__ = ["GenerativeModel"]


@checked(samples=SAMPLES, reuse=Flag(), confidence=Number(above=0.0, below=1.0))
@dataclass(frozen=True)
class GenerativeModel(SampledEvaluation):
    r"""Draw every available pair n times, and evaluate the policy in the empirical model.

    Its values there are \((I - \gamma \hat P_\pi)^{-1} \hat r_\pi\).

    If the range of the rewards is known, the estimate has a bound on its error that holds in each
    iteration with probability at least ``confidence``. Samples drawn in each iteration are
    independent of the policy, and Hoeffding's inequality for its value, with a union over the
    pairs, bounds ‖Q̂ - Q‖ by \((\gamma W \epsilon + R \epsilon) / (1-\gamma)\), where W is the
    largest possible difference of values, R that of rewards, and
    \(\epsilon = \sqrt{\log(4SA/\beta)/(2n)}\). Reused samples are not independent of the policy;
    there W is multiplied by the width of a confidence set for the whole row.

    Args:
        samples: n, number of samples of each pair: a number, or :class:`GeometricSamples`, with
            which it grows from iteration to iteration.
        reuse: Whether the model of the first iteration is used in all.
        confidence: 1 - β of the bound.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> algorithm = rm.algorithms.SoftPolicyIteration(
        ...     evaluation=rm.evaluation.GenerativeModel(1000)
        ... )
        >>> mdp, rng = rm.models.chain(5), np.random.default_rng(0)
        >>> result = rm.learn(mdp, rm.Shannon(0.1), algorithm, max_iterations=10, rng=rng)
        >>> rm.certify(mdp, rm.Shannon(0.1), policy=result.policy[0]).gap < 0.1
        True

    References:
        Agarwal, Kakade & Yang 2020, COLT, "Model-based reinforcement learning with a generative
        model is minimax optimal"; Li, Wei, Chi & Chen 2024, Operations Research 72(1), "Breaking
        the sample size barrier in model-based reinforcement learning with a generative model";
        Weissman et al. 2003, HPL-2003-97, "Inequalities for the L1 deviation of the empirical
        distribution".
    """

    samples: int | GeometricSamples
    reuse: bool = False
    confidence: float = 0.95

    def __post_init__(self) -> None:
        if self.reuse and isinstance(self.samples, GeometricSamples):
            raise SolverError(
                "reused samples are drawn once, in the first iteration: give their number, not "
                "GeometricSamples"
            )

    def check(self, source: DecisionProcess, regularizer: Regularizer) -> None:
        if not isinstance(source, MDP | Simulator):
            raise SampleError(
                f"a generative model is an MDP or a simulator, not {type(source).__name__}"
            )
        if isinstance(self.samples, GeometricSamples):
            self.samples.check(source)

    def __call__(
        self,
        batch: RunBatch,
        regularizer: Regularizer,
        policy: Float[Array, "NS A"],
        previous: Estimate | None,
    ) -> Estimate:
        memory = None if previous is None else previous.memory
        iteration, kept = (0, None) if memory is None else memory
        number = samples_at(self.samples, iteration, batch.discount)
        model = (
            draw_empirical_models(batch.simulator, batch.streams, number) if kept is None else kept
        )
        q = compute_q(model, batch, regularizer, policy)
        samples = (0 if previous is None else previous.samples) + (
            model.samples if kept is None else 0
        )
        error = self._bound_error(batch, regularizer, number)
        memory = (iteration + 1, model if self.reuse else None)
        return Estimate(
            q, evaluate_q(batch, regularizer, policy, q), samples, error=error, memory=memory
        )

    def _bound_error(
        self, batch: RunBatch, regularizer: Regularizer, samples: int
    ) -> Float[np.ndarray, " N"] | None:
        """Return the (N,) bound on ‖Q̂ - Q‖ of one iteration, or None if there is none."""
        simulator, discount = batch.simulator, batch.discount
        lowest, highest = (
            np.broadcast_to(end, simulator.available.shape)[simulator.available]
            for end in (simulator.lowest_reward, simulator.highest_reward)
        )
        low, high = float(lowest.min()), float(highest.max())
        width = _bound_value_width(batch, regularizer, low, high)
        if discount >= 1.0 or not math.isfinite(width):
            return None
        noise = float(np.max(highest - lowest))
        pairs = int(np.count_nonzero(simulator.available))
        beta = 1.0 - self.confidence
        epsilon = math.sqrt(math.log(4.0 * pairs / beta) / (2.0 * samples))
        spread = _bound_row_error(simulator, pairs, beta, samples) if self.reuse else epsilon
        return np.full(
            batch.count, (discount * width * spread + noise * epsilon) / (1.0 - discount)
        )


def _bound_value_width(batch: RunBatch, regularizer: Regularizer, low: float, high: float) -> float:
    """Bound the difference of two values for rewards from low to high; infinite if unknown."""
    least, most = regularizer.bounds(batch.n_actions)
    tau = regularizer.max_temperature
    cost = tau * (most - least) if tau else 0.0
    if batch.discount >= 1.0 or not math.isfinite(high - low) or not math.isfinite(cost):
        return math.inf
    simulator = batch.simulator
    may_terminate = (
        bool(batch.terminal.any())
        or not isinstance(simulator, TableSimulator)
        or simulator.mdp.terminates
    )
    top, bottom = high - min(tau * least, 0.0), low - max(tau * most, 0.0)
    step_width = max(top, 0.0) - min(bottom, 0.0) if may_terminate else high - low + cost
    return step_width / (1.0 - batch.discount)


def _bound_row_error(simulator: Simulator, pairs: int, beta: float, samples: int) -> float:
    r"""Bound ½‖P̂ - P‖₁ of all rows.

    With k successors and the end it is at most
    \(\sqrt{((k+1) \log 2 + \log(2SA/\beta)) / (2n)}\).
    """
    branching = (
        simulator.mdp.transitions.branching
        if isinstance(simulator, TableSimulator)
        else simulator.n_states
    )
    logarithm = (branching + 1) * math.log(2.0) + math.log(2.0 * pairs / beta)
    return min(1.0, math.sqrt(logarithm / (2.0 * samples)))
