r"""Policy mirror descent: a proximal step in the Bregman divergence of any mirror map ψ.

.. math::
    \pi^+ = \arg\max_p \langle Q, p \rangle - \tau h(p) - D_\psi(p, \pi)/\eta
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from regmdp._internal.arrays import Array, Float
from regmdp._internal.fields import set_fields
from regmdp._internal.parameters import Instance, checked
from regmdp.bellman import Block
from regmdp.improvement.base import BlockRule, Candidate, ImprovementResult
from regmdp.improvement.dual_variables import (
    average_duals,
    check_mirror_map,
    dual_from_policy,
    normalise_dual,
    policy_from_dual,
    subtract_best,
)
from regmdp.improvement.kl_proximal_step import solve_kl_proximal_step
from regmdp.improvement.step_size_improvement import (
    STEP_SIZE,
    StepSize,
    StepSizeImprovement,
    require_finite_step,
)
from regmdp.mdp import DecisionProcess
from regmdp.regularizers import KL, Regularizer, Shannon, Unregularized
from regmdp.regularizers.base import with_temperature

__all__ = ["MirrorDescent"]


@dataclass(frozen=True, init=False)
class MirrorDescent(StepSizeImprovement):
    r"""The step of policy mirror descent.

    With ψ = Σ p log p the divergence is Kullback-Leibler's; without a regularizer the step is
    \(\pi^+ \propto \pi e^{\eta Q}\). With ψ = ½‖p‖² it is the projection of π + ηQ on the simplex.

    Args:
        step_size: η > 0, a number or a step size object.
        potential: The mirror map ψ; its temperature is ignored. By default Shannon's.

    References:
        Lan 2023, Mathematical Programming 198, "Policy mirror descent for reinforcement learning",
        Algorithm 1; Xiao 2022, JMLR 23(282), section 4.
    """

    potential: Regularizer

    @checked(step_size=STEP_SIZE, potential=Instance(Regularizer) | None)
    def __init__(self, step_size: StepSize | float, potential: Regularizer | None = None) -> None:
        super().__init__(step_size)
        potential = Shannon(temperature=1.0) if potential is None else potential
        set_fields(self, potential=check_mirror_map(potential))

    def mirror_map(self, regularizer: Regularizer) -> Regularizer:
        return self.potential

    def check(self, mdp: DecisionProcess, regularizer: Regularizer) -> None:
        self.potential.check(mdp.available)
        require_finite_step(self, mdp, regularizer)

    def initial_dual(
        self, mdp: DecisionProcess, regularizer: Regularizer, policy: Float[Array, "S A"]
    ) -> Float[np.ndarray, "S A"]:
        return dual_from_policy(mdp, regularizer, self._fit_mirror_map(regularizer), policy)

    def __call__(
        self, mdp: DecisionProcess, regularizer: Regularizer, candidate: Candidate
    ) -> ImprovementResult:
        if not self._fit_mirror_map(regularizer).steep:
            # the step starts from the policy, not from the averaged dual variable
            dual = self.initial_dual(mdp, regularizer, candidate.policy)
            candidate = replace(candidate, dual=dual)
        return super().__call__(mdp, regularizer, candidate)

    def make_rule(
        self, mdp: DecisionProcess, regularizer: Regularizer, candidate: Candidate, step: float
    ) -> BlockRule:
        dual, mirror = candidate.require_dual(), self._fit_mirror_map(regularizer)
        # without a regularizer, and where its divergence is that of the mirror map, the step is
        # one of dual averaging
        averaging = isinstance(regularizer, Unregularized) or (
            isinstance(self.potential, Shannon) and isinstance(regularizer, Shannon | KL)
        )

        def rule(block: Block, allowed: Array | None) -> tuple[Array, Array]:
            psi, xi = mirror.at(block.states), dual[block.states]
            if averaging:
                tau = block.regularizer.temperature
                moved = average_duals(xi, block.q, allowed, 1.0 / step, tau)
                return policy_from_dual(psi, moved, allowed), moved
            return _solve_proximal_step(psi, xi, block, allowed, step)

        return rule

    def _fit_mirror_map(self, regularizer: Regularizer) -> Regularizer:
        """Return the mirror map, or one with the same divergence that fits the regularizer."""
        # p log p and p log(p/p0) differ by a linear function
        return (
            regularizer
            if isinstance(self.potential, Shannon) and isinstance(regularizer, KL)
            else self.potential
        )


def _solve_proximal_step(
    psi: Regularizer, dual: Array, block: Block, allowed: Array | None, step: float
) -> tuple[Array, Array]:
    """Solve p = argmax ⟨ξ + ηQ, p⟩ - ητ h(p) - ψ(p); return p and its dual variable ∇ψ(p)."""
    h = block.regularizer
    with np.errstate(over="ignore"):
        moved = normalise_dual(
            step * subtract_best(block.q, allowed) + np.where(dual > -np.inf, dual, 0.0), allowed
        )
    factor = step * np.asarray(h.temperature)
    if isinstance(psi, Shannon):
        p, log_p = solve_kl_proximal_step(h, moved, block.available, allowed, factor)
        return p, normalise_dual(log_p, allowed)
    # a greedy map of a sum
    p = (with_temperature(h, factor) + psi).maximiser(moved, block.available)
    return p, normalise_dual(psi.subgradient(p, block.available), allowed)
