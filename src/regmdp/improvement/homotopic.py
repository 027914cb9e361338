"""Homotopic policy mirror descent: a vanishing regularization towards a reference policy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from regmdp._internal.arrays import Array
from regmdp._internal.errors import SolverError
from regmdp._internal.parameters import checked
from regmdp.bellman import Block
from regmdp.improvement.base import BlockRule, Candidate
from regmdp.improvement.dual_variables import normalise_dual, policy_from_dual, subtract_best
from regmdp.improvement.step_size_improvement import (
    STEP_SIZE,
    StepSize,
    StepSizeImprovement,
    require_finite_step,
)
from regmdp.improvement.step_sizes import Homotopic
from regmdp.mdp import DecisionProcess
from regmdp.regularizers import Regularizer, Shannon, Unregularized

__all__ = ["HomotopicMirrorDescent"]


@dataclass(frozen=True, init=False)
class HomotopicMirrorDescent(StepSizeImprovement):
    r"""Homotopic step, \(\log \pi^+ = \gamma (\log \pi + \eta_k Q) + (1-\gamma) \log \pi_0\).

    It is a step of entropy-regularized mirror descent with a temperature τ_k for which 1 + η_k τ_k
    = 1/γ; the temperature vanishes as η_k grows. π_0 is uniform over the available actions, so the
    limit is the optimal policy of maximum entropy.

    Args:
        step_size: η_k; by default γ^(-2(k+1)).

    References:
        Li, Lan & Zhao 2022, "Homotopic policy mirror descent: policy convergence, implicit
        regularization, and improved sample complexity", Algorithm 1.
    """

    @checked(step_size=STEP_SIZE | None)
    def __init__(self, step_size: StepSize | float | None = None) -> None:
        super().__init__(Homotopic() if step_size is None else step_size)

    def mirror_map(self, regularizer: Regularizer) -> Regularizer:
        return Shannon(temperature=1.0)

    def check(self, mdp: DecisionProcess, regularizer: Regularizer) -> None:
        if not 0.0 < mdp.discount < 1.0:
            raise SolverError(
                "homotopic policy mirror descent needs a discount strictly between 0 and 1, not "
                f"{mdp.discount:g}"
            )
        if not isinstance(regularizer, Unregularized):
            raise SolverError(
                "homotopic policy mirror descent solves the problem without a regularizer, not "
                f"with {type(regularizer).__name__}; use PMD or GPMD"
            )
        require_finite_step(self, mdp, regularizer)

    def make_rule(
        self, mdp: DecisionProcess, regularizer: Regularizer, candidate: Candidate, step: float
    ) -> BlockRule:
        dual, mirror = candidate.require_dual(), self.mirror_map(regularizer)

        def rule(block: Block, allowed: Array | None) -> tuple[Array, Array]:
            # log π_0 is the same for all actions and cancels
            with np.errstate(over="ignore"):
                moved = step * subtract_best(block.q, allowed) + np.where(
                    dual[block.states] > -np.inf, dual[block.states], 0.0
                )
                moved = normalise_dual(mdp.discount * moved, allowed)
            return policy_from_dual(mirror, moved, allowed), moved

        return rule
