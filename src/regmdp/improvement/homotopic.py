"""Homotopic policy mirror descent: a regularization towards a reference policy that fades away."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from regmdp._internal.arrays import Array, Bool, Float
from regmdp._internal.errors import SolverError
from regmdp.bellman import Block
from regmdp.improvement.base import (
    Candidate,
    ImprovementResult,
    improve_blockwise,
    normalise_dual,
    policy_from_dual,
    subtract_best,
)
from regmdp.improvement.dual_variables import dual_from_policy
from regmdp.improvement.step_sizes import (
    Homotopic,
    StepSize,
    StepSizeImprovement,
    as_step_size,
    require_finite_step,
)
from regmdp.mdp import DecisionProcess
from regmdp.regularizers import Regularizer, Shannon, Unregularized

__all__ = ["HomotopicMirrorDescent"]


@dataclass(frozen=True)
class HomotopicMirrorDescent(StepSizeImprovement):
    r"""The step of homotopic policy mirror descent, \(\log \pi^+ = \gamma (\log \pi + \eta_k Q) + (1-\gamma) \log \pi_0\).

    It is a step of entropy-regularized mirror descent with a temperature τ_k for which 1 + η_k τ_k
    = 1/γ, which fades away as η_k grows. π_0 is uniform over the available actions, which makes the
    limit the optimal policy of maximum entropy.

    Args:
        step_size: η_k; by default γ^(-2(k+1)).

    References:
        Li, Lan & Zhao 2022, "Homotopic policy mirror descent: policy convergence, implicit
        regularization, and improved sample complexity", Algorithm 1.
    """

    step_size: StepSize = field(default_factory=Homotopic)

    def __post_init__(self) -> None:
        object.__setattr__(self, "step_size", as_step_size(self.step_size))

    def mirror_map(self, regularizer: Regularizer) -> Regularizer:
        return Shannon(temperature=1.0)

    def max_step_size(self, mdp: DecisionProcess, regularizer: Regularizer) -> float:
        return math.inf

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

    def initial_dual(
        self, mdp: DecisionProcess, regularizer: Regularizer, policy: Float[Array, "S A"]
    ) -> Float[np.ndarray, "S A"]:
        return dual_from_policy(mdp, regularizer, self.mirror_map(regularizer), policy)

    def __call__(
        self, mdp: DecisionProcess, regularizer: Regularizer, candidate: Candidate
    ) -> ImprovementResult:
        dual = candidate.dual
        assert dual is not None
        step = self.step_size(mdp, regularizer, candidate, self)
        mirror = self.mirror_map(regularizer)

        def rule(block: Block, allowed: Bool[Array, "b A"] | None) -> tuple[Array, Array]:
            # log π_0 is the same for all actions and drops out
            with np.errstate(over="ignore"):
                moved = step * subtract_best(block.q, allowed) + np.where(
                    dual[block.states] > -np.inf, dual[block.states], 0.0
                )
                moved = normalise_dual(mdp.discount * moved, allowed)
            return policy_from_dual(mirror, moved, allowed), moved

        return improve_blockwise(mdp, regularizer, candidate, rule, step)
