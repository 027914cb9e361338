r"""Dual averaging: the action values, averaged over the iterations, then the regularized greedy map.

.. math::
    \xi^+ = \frac{\xi + \eta Q}{1 + \eta \tau}, \qquad \pi^+ = \nabla h^*(\xi^+)

This is generalized policy mirror descent, and with Shannon entropy natural policy gradient.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from regmdp._internal.arrays import Array, Bool, Float
from regmdp._internal.errors import SolverError
from regmdp.bellman import Block
from regmdp.improvement.approximate_greedy import maximise_approximately
from regmdp.improvement.base import (
    Candidate,
    ImprovementResult,
    improve_blockwise,
    normalise_dual,
    policy_from_dual,
    subtract_best,
)
from regmdp.improvement.dual_variables import dual_from_policy, require_discount
from regmdp.improvement.step_sizes import (
    StepSize,
    StepSizeImprovement,
    as_step_size,
    fixed_step,
    require_step_within,
)
from regmdp.mdp import DecisionProcess
from regmdp.regularizers import KL, Regularizer, Shannon, Unregularized

__all__ = ["DualAveraging", "NaturalGradient", "average_duals"]


def average_duals(
    dual: Float[Array, "b A"],
    q: Float[Array, "b A"],
    allowed: Bool[Array, "b A"] | None,
    inverse_step: Any,
    temperature: Any,
) -> Float[Array, "b A"]:
    """(b, A) dual variable and action values -> (b, A) (ξ + ηQ)/(1 + ητ), up to a constant for each state.

    Args:
        dual: (b, A) ξ.
        q: (b, A) Q.
        allowed: (b, A) mask of the permitted pairs, or None.
        inverse_step: 1/η, a number or (b,); 0 stands for η = ∞.
        temperature: τ, a number or (b,); not 0 where 1/η is.
    """
    inverse = np.asarray(inverse_step, dtype=np.float64)[..., None]
    total = inverse + np.asarray(temperature)[..., None]
    kept = inverse / total
    with np.errstate(
        over="ignore"
    ):  # an action too far below the best for a double is as good as infinitely far
        # a dual variable of -inf with weight 0 belongs to a pair that is not permitted, and is
        # masked below
        moved = subtract_best(q, allowed) / total + np.where(
            kept > 0, kept * np.where(dual > -np.inf, dual, 0.0), 0.0
        )
    return normalise_dual(moved, allowed)


@dataclass(frozen=True)
class DualAveraging(StepSizeImprovement):
    r"""The step of generalized policy mirror descent, with the regularizer's own Bregman divergence.

    Args:
        step_size: η > 0, a number or a step size object.
        accuracy: If positive, the subproblem of each state is solved by an iteration that stops at
            this gap of its objective, in the unit of the rewards, in place of the greedy map.

    References:
        Zhan, Cen, Huang, Chen, Lee & Chi 2023, SIAM Journal on Optimization 33(2), Algorithms 1
        and 2.
    """

    step_size: StepSize
    accuracy: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "step_size", as_step_size(self.step_size))
        if not (self.accuracy >= 0 and math.isfinite(self.accuracy)):
            raise SolverError(
                "the accuracy of the subproblem must be finite and not negative, not "
                f"{self.accuracy}"
            )

    def mirror_map(self, regularizer: Regularizer) -> Regularizer:
        return regularizer

    def max_step_size(self, mdp: DecisionProcess, regularizer: Regularizer) -> float:
        return math.inf

    def check(self, mdp: DecisionProcess, regularizer: Regularizer) -> None:
        if isinstance(regularizer, Unregularized):
            raise SolverError(
                "GPMD measures its steps by the regularizer, and there is none; use PMD or NPG, or "
                "give a regularizer, whose temperature may be 0"
            )

        step = fixed_step(self, mdp, regularizer)
        if step is not None and math.isinf(step) and float(np.min(regularizer.temperature)) == 0.0:
            raise SolverError(
                "an infinite step size needs a positive temperature in every state; give a finite "
                "one"
            )

    def initial_dual(
        self, mdp: DecisionProcess, regularizer: Regularizer, policy: Float[Array, "S A"]
    ) -> Float[np.ndarray, "S A"]:
        return dual_from_policy(mdp, regularizer, regularizer, policy)

    def __call__(
        self, mdp: DecisionProcess, regularizer: Regularizer, candidate: Candidate
    ) -> ImprovementResult:
        dual = candidate.dual
        assert dual is not None
        step = self.step_size(mdp, regularizer, candidate, self)

        def rule(block: Block, allowed: Bool[Array, "b A"] | None) -> tuple[Array, Array]:
            xi = average_duals(
                dual[block.states], block.q, allowed, 1.0 / step, block.regularizer.temperature
            )
            if not self.accuracy:
                return policy_from_dual(block.regularizer, xi, allowed), xi
            # the objective of the subproblem is (1/η + τ) (h(p) - ⟨ξ⁺, p⟩), plus a constant
            goal = self.accuracy / (1.0 / step + np.asarray(block.regularizer.temperature))
            return maximise_approximately(
                block.regularizer, xi, allowed, candidate.policy[block.states], goal
            ), xi

        return improve_blockwise(mdp, regularizer, candidate, rule, step)


@dataclass(frozen=True)
class NaturalGradient(StepSizeImprovement):
    r"""Natural policy gradient in closed form, \(\pi^+ \propto \pi^{1-\eta\tau/(1-\gamma)} \exp(\eta Q/(1-\gamma))\).

    It is dual averaging with \(1/\eta_\mathrm{MD} = (1-\gamma)/\eta - \tau\). Without a regularizer
    the exponent is 1; with the divergence from a reference policy p0, π/p0 stands in place of π.

    Args:
        step_size: η, a number or a step size object, with 0 < η ≤ (1-γ)/τ.

    References:
        Kakade 2001, NIPS, "A natural policy gradient"; Agarwal, Kakade, Lee & Mahajan 2021, JMLR
        22, Lemma 15; Cen, Cheng, Chen, Wei & Chi 2022, Operations Research 70(4), equation 18.
    """

    step_size: StepSize
    _entropy: Shannon = field(
        default_factory=lambda: Shannon(temperature=0.0), init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "step_size", as_step_size(self.step_size))

    def mirror_map(self, regularizer: Regularizer) -> Regularizer:
        return self._entropy if isinstance(regularizer, Unregularized) else regularizer

    def max_step_size(self, mdp: DecisionProcess, regularizer: Regularizer) -> float:
        temperature = regularizer.max_temperature
        return (1.0 - mdp.discount) / temperature if temperature > 0 else math.inf

    def check(self, mdp: DecisionProcess, regularizer: Regularizer) -> None:
        require_discount(mdp, "natural policy gradient")
        if not isinstance(regularizer, Unregularized | Shannon | KL):
            raise SolverError(
                "natural policy gradient has a closed form without a regularizer, with Shannon and "
                f"with KL, not with {type(regularizer).__name__}; use GPMD"
            )
        require_step_within(self, mdp, regularizer, "(1-γ)/τ")

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
            temperature = np.asarray(block.regularizer.temperature)
            # 0 at the end of the range, where rounding may leave a little less
            inverse = np.maximum((1.0 - mdp.discount) / step - temperature, 0.0)
            xi = average_duals(dual[block.states], block.q, allowed, inverse, temperature)
            return policy_from_dual(mirror.at(block.states), xi, allowed), xi

        return improve_blockwise(mdp, regularizer, candidate, rule, step)
