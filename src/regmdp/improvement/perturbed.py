r"""The steps of Lan's stochastic policy mirror descent: so long that the old policy counts γ, and the new values 1-γ."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from regmdp._internal.arrays import Array, Float
from regmdp._internal.errors import SolverError
from regmdp.evaluation.decaying_entropy import DecayingEntropy
from regmdp.improvement.base import Candidate, Improvement, ImprovementResult
from regmdp.improvement.mirror_descent import MirrorDescent
from regmdp.improvement.step_sizes import LARGEST, Constant, StepSize, StepSizeImprovement
from regmdp.mdp import DecisionProcess
from regmdp.regularizers import Regularizer

__all__ = ["GeometricSteps", "PerturbedDescent"]


@dataclass(frozen=True)
class GeometricSteps(StepSize):
    r"""The step size with \(1 + \eta \tau = 1/\gamma\), with which policy mirror descent contracts by γ an iteration.

    Where the temperature differs from state to state it is the smallest one that counts.

    Examples:
        >>> import regmdp as rm
        >>> algorithm = rm.algorithms.PMD(step_size=rm.algorithms.GeometricSteps())
        >>> rm.solve(rm.models.chain(5), rm.SquaredL2(0.1), algorithm).status.word
        'converged'

    References:
        Lan 2023, Mathematical Programming 198, "Policy mirror descent for reinforcement learning".
    """

    unbounded = False

    def check(self, mdp: DecisionProcess) -> None:
        require_proper_discount(mdp)

    def __call__(
        self,
        mdp: DecisionProcess,
        regularizer: Regularizer,
        candidate: Candidate,
        improvement: StepSizeImprovement,
    ) -> float:
        coldest = float(np.min(regularizer.temperature))
        if coldest == 0.0:
            raise SolverError(
                "the step size with 1 + ητ = 1/γ needs a positive temperature in every state; "
                "without one, use StochasticAPMD"
            )
        return contracting_step_size(mdp.discount, coldest)


@dataclass(frozen=True)
class PerturbedDescent(Improvement):
    r"""Policy mirror descent with an entropy that vanishes, and the step size with \(1 + \eta_k \tau_k = 1/\gamma\).

    Args:
        perturbation: The entropy.

    References:
        Lan 2023, Mathematical Programming 198, "Policy mirror descent for reinforcement learning".
    """

    perturbation: DecayingEntropy

    def check(self, mdp: DecisionProcess, regularizer: Regularizer) -> None:
        self.perturbation.check(mdp, regularizer)

    def initial_dual(
        self, mdp: DecisionProcess, regularizer: Regularizer, policy: Float[Array, "S A"]
    ) -> Float[np.ndarray, "S A"] | None:
        return MirrorDescent(Constant(1.0)).initial_dual(
            mdp, self.perturbation.at(0, mdp.discount), policy
        )

    def __call__(
        self, mdp: DecisionProcess, regularizer: Regularizer, candidate: Candidate
    ) -> ImprovementResult:
        entropy = self.perturbation.at(candidate.iteration, mdp.discount)
        step = contracting_step_size(mdp.discount, float(entropy.temperature))
        return MirrorDescent(Constant(step))(mdp, entropy, candidate)


def contracting_step_size(discount: float, temperature: float) -> float:
    """Return η with 1 + ητ = 1/γ."""
    return min((1.0 - discount) / (discount * temperature), LARGEST)


def require_proper_discount(mdp: DecisionProcess) -> None:
    """Check that the discount is neither 0 nor 1.

    Raises:
        SolverError: if it is.
    """
    if not 0.0 < mdp.discount < 1.0:
        raise SolverError(
            "the step size with 1 + ητ = 1/γ needs a discount strictly between 0 and 1, not "
            f"{mdp.discount:g}"
        )
