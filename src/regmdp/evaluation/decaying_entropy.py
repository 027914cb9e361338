"""Entropy with a decreasing temperature, for problems without a regularizer."""

from __future__ import annotations

from dataclasses import dataclass, replace

from regmdp._internal.arrays import Array, Float
from regmdp._internal.errors import SolverError
from regmdp._internal.parameters import Instance, Number, checked
from regmdp.evaluation.sample_schedules import default_period
from regmdp.evaluation.sampled import Estimate, RunBatch, SampledEvaluation
from regmdp.mdp import DecisionProcess
from regmdp.regularizers import Regularizer, Shannon

__all__ = ["DecayingEntropy", "PerturbedEvaluation"]


@checked(initial=Number(above=0.0))
@dataclass(frozen=True)
class DecayingEntropy:
    r"""Shannon entropy of temperature \(\tau_k = \tau_0 2^{-\lfloor k/l \rfloor}\) in iteration k.

    Here \(l = \lceil \log_\gamma \tfrac14 \rceil\). Up to a constant it is the divergence from the
    uniform policy.

    Args:
        initial: τ_0, in the unit of the rewards; ½ is for rewards between 0 and 1.
    """

    initial: float = 0.5

    def check(self, process: DecisionProcess, regularizer: Regularizer) -> None:
        """Check that there is no regularizer, and that the model is discounted.

        Raises:
            SolverError: otherwise.
        """
        if (
            regularizer.max_temperature > 0
            or regularizer.probability_bounds is not None
            or regularizer.domain(None) is not None
        ):
            raise SolverError(
                "decaying entropy is for problems without a regularizer; with one, use "
                "StochasticPMD"
            )
        if not 0.0 < process.discount < 1.0:
            raise SolverError(
                "decaying entropy needs a discount strictly between 0 and 1, not "
                f"{process.discount:g}"
            )

    def at(self, iteration: int, discount: float) -> Shannon:
        """Return the entropy of an iteration."""
        # smaller temperatures change nothing, and their inverse would overflow
        return Shannon(
            temperature=max(
                self.initial * 0.5 ** min(iteration // default_period(discount, 4.0), 900), 1e-250
            )
        )


@checked(evaluation=Instance(SampledEvaluation), perturbation=Instance(DecayingEntropy))
@dataclass(frozen=True)
class PerturbedEvaluation(SampledEvaluation):
    """Evaluate policies with entropy of a decreasing temperature.

    Args:
        evaluation: The evaluation.
        perturbation: The entropy.
    """

    evaluation: SampledEvaluation
    perturbation: DecayingEntropy

    def check(self, source: DecisionProcess, regularizer: Regularizer) -> None:
        self.perturbation.check(source, regularizer)
        self.evaluation.check(source, self.perturbation.at(0, source.discount))

    def __call__(
        self,
        batch: RunBatch,
        regularizer: Regularizer,
        policy: Float[Array, "NS A"],
        previous: Estimate | None,
    ) -> Estimate:
        iteration, inner = (0, None) if previous is None else previous.memory
        estimate = self.evaluation(
            batch, self.perturbation.at(iteration, batch.discount), policy, inner
        )
        return replace(estimate, memory=(iteration + 1, estimate))
