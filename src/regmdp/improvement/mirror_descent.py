r"""Policy mirror descent: a proximal step in the Bregman divergence of a mirror map that need not be the regularizer.

.. math::
    \pi^+ = \arg\max_p \langle Q, p \rangle - \tau h(p) - D_\psi(p, \pi)/\eta
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

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
from regmdp.improvement.dual_averaging import average_duals
from regmdp.improvement.dual_variables import dual_from_policy
from regmdp.improvement.kl_proximal_step import solve_kl_proximal_step
from regmdp.improvement.step_sizes import (
    StepSize,
    StepSizeImprovement,
    as_step_size,
    require_finite_step,
)
from regmdp.mdp import DecisionProcess
from regmdp.regularizers import KL, Regularizer, Shannon, Unregularized
from regmdp.regularizers.base import with_temperature

__all__ = ["MirrorDescent"]


@dataclass(frozen=True)
class MirrorDescent(StepSizeImprovement):
    r"""The step of policy mirror descent.

    With ψ = Σ p log p the divergence is Kullback-Leibler's; without a regularizer the step is
    \(\pi^+ \propto \pi e^{\eta Q}\). With ψ = ½‖p‖² it is the projection of π + ηQ on the simplex.

    Args:
        step_size: η > 0, a number or a step size object.
        potential: The mirror map ψ; its temperature plays no part. By default Shannon's.

    References:
        Lan 2023, Mathematical Programming 198, "Policy mirror descent for reinforcement learning",
        Algorithm 1; Xiao 2022, JMLR 23(282), section 4.
    """

    step_size: StepSize
    potential: Regularizer = field(default_factory=lambda: Shannon(temperature=1.0))

    def __post_init__(self) -> None:
        object.__setattr__(self, "step_size", as_step_size(self.step_size))
        if not isinstance(self.potential, Regularizer):
            raise SolverError(
                f"a mirror map is a regularizer such as SquaredL2(1.0), not {self.potential!r}"
            )
        object.__setattr__(self, "potential", with_temperature(self.potential, 1.0))

    def mirror_map(self, regularizer: Regularizer) -> Regularizer:
        return self.potential

    def max_step_size(self, mdp: DecisionProcess, regularizer: Regularizer) -> float:
        return math.inf

    def check(self, mdp: DecisionProcess, regularizer: Regularizer) -> None:
        self.potential.check(mdp.available)
        require_finite_step(self, mdp, regularizer)

    def initial_dual(
        self, mdp: DecisionProcess, regularizer: Regularizer, policy: Float[Array, "S A"]
    ) -> Float[np.ndarray, "S A"]:
        return dual_from_policy(mdp, regularizer, self._divergence(regularizer), policy)

    def __call__(
        self, mdp: DecisionProcess, regularizer: Regularizer, candidate: Candidate
    ) -> ImprovementResult:
        divergence = self._divergence(regularizer)
        if (
            not divergence.steep
        ):  # the step starts from the policy, not from the averaged dual variable
            candidate = replace(
                candidate, dual=self.initial_dual(mdp, regularizer, candidate.policy)
            )
        dual = candidate.dual
        assert dual is not None
        step = self.step_size(mdp, regularizer, candidate, self)
        # without a regularizer, and where its divergence is the mirror map's, the step is one of
        # dual averaging
        averaging = isinstance(regularizer, Unregularized) or (
            isinstance(self.potential, Shannon) and isinstance(regularizer, Shannon | KL)
        )

        def rule(block: Block, allowed: Bool[Array, "b A"] | None) -> tuple[Array, Array]:
            h, psi, xi = block.regularizer, divergence.at(block.states), dual[block.states]
            if averaging:
                moved = average_duals(xi, block.q, allowed, 1.0 / step, h.temperature)
                return policy_from_dual(psi, moved, allowed), moved
            return _proximal(h, psi, xi, block, allowed, step)

        return improve_blockwise(mdp, regularizer, candidate, rule, step)

    def _divergence(self, regularizer: Regularizer) -> Regularizer:
        """Return the mirror map, or another one with the same divergence that fits the regularizer better."""
        # p log p and p log(p/p0) differ by a linear function
        return (
            regularizer
            if isinstance(self.potential, Shannon) and isinstance(regularizer, KL)
            else self.potential
        )


def _proximal(
    h: Regularizer,
    psi: Regularizer,
    dual: Array,
    block: Block,
    allowed: Bool[Array, "b A"] | None,
    step: float,
) -> tuple[Array, Array]:
    """Solve argmax ⟨ξ + ηQ, p⟩ - ητ h(p) - ψ(p), the greedy map of a sum, and return p and its dual variable ∇ψ(p)."""
    with np.errstate(over="ignore"):
        moved = normalise_dual(
            step * subtract_best(block.q, allowed) + np.where(dual > -np.inf, dual, 0.0), allowed
        )
    factor = step * np.asarray(h.temperature)
    if isinstance(psi, Shannon):
        p, logarithm = solve_kl_proximal_step(h, moved, block.available, allowed, factor)
        return p, normalise_dual(logarithm, allowed)
    p = (with_temperature(h, factor) + psi).maximiser(moved, block.available)
    return p, normalise_dual(psi.subgradient(p, block.available), allowed)
