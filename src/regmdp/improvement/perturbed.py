r"""Stochastic policy mirror descent with a decaying entropy (Lan 2023)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from regmdp._internal.arrays import Array, Float
from regmdp._internal.parameters import Instance, checked
from regmdp.evaluation.decaying_entropy import DecayingEntropy
from regmdp.improvement.base import Candidate, Improvement, ImprovementResult
from regmdp.improvement.mirror_descent import MirrorDescent
from regmdp.improvement.step_size_improvement import Constant
from regmdp.improvement.step_sizes import contracting_step_size
from regmdp.mdp import DecisionProcess
from regmdp.regularizers import Regularizer

__all__ = ["PerturbedDescent"]


@checked(perturbation=Instance(DecayingEntropy))
@dataclass(frozen=True)
class PerturbedDescent(Improvement):
    r"""Policy mirror descent with a decaying entropy and \(1 + \eta_k \tau_k = 1/\gamma\).

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
