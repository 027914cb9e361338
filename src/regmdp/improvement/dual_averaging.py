r"""Dual averaging: an average of the action values of the iterations, then the greedy map.

.. math::
    \xi^+ = \frac{\xi + \eta Q}{1 + \eta \tau}, \qquad \pi^+ = \nabla h^*(\xi^+)

This is generalized policy mirror descent, and with Shannon entropy natural policy gradient.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from regmdp._internal.arrays import Array
from regmdp._internal.errors import SolverError
from regmdp._internal.fields import set_fields
from regmdp._internal.parameters import Number, checked
from regmdp.bellman import Block
from regmdp.improvement.approximate_greedy import maximise_approximately
from regmdp.improvement.base import BlockRule, Candidate
from regmdp.improvement.dual_variables import average_duals, policy_from_dual
from regmdp.improvement.step_size_improvement import (
    STEP_SIZE,
    StepSize,
    StepSizeImprovement,
    find_fixed_step,
    require_discount,
    require_step_within,
)
from regmdp.mdp import DecisionProcess
from regmdp.regularizers import KL, Regularizer, Shannon, Unregularized

__all__ = ["DualAveraging", "NaturalGradient"]

#: The mirror map of natural policy gradient without a regularizer.
ENTROPY = Shannon(temperature=0.0)


@dataclass(frozen=True, init=False)
class DualAveraging(StepSizeImprovement):
    r"""The step of generalized policy mirror descent, with the regularizer's Bregman divergence.

    Args:
        step_size: η > 0, a number or a step size object.
        accuracy: If positive, the subproblem of each state is solved by an iteration that stops at
            this gap of its objective, in the unit of the rewards, instead of by the greedy map.

    References:
        Zhan, Cen, Huang, Chen, Lee & Chi 2023, SIAM Journal on Optimization 33(2), Algorithms 1
        and 2.
    """

    accuracy: float

    @checked(step_size=STEP_SIZE, accuracy=Number(minimum=0.0))
    def __init__(self, step_size: StepSize | float, accuracy: float = 0.0) -> None:
        super().__init__(step_size)
        set_fields(self, accuracy=accuracy)

    def mirror_map(self, regularizer: Regularizer) -> Regularizer:
        return regularizer

    def check(self, mdp: DecisionProcess, regularizer: Regularizer) -> None:
        if isinstance(regularizer, Unregularized):
            raise SolverError(
                "GPMD measures its steps by the regularizer, and there is none; use PMD or NPG, or "
                "give a regularizer, whose temperature may be 0"
            )
        step = find_fixed_step(self, mdp, regularizer)
        if step is not None and math.isinf(step) and float(np.min(regularizer.temperature)) == 0.0:
            raise SolverError(
                "an infinite step size needs a positive temperature in every state; give a finite "
                "one"
            )

    def make_rule(
        self, mdp: DecisionProcess, regularizer: Regularizer, candidate: Candidate, step: float
    ) -> BlockRule:
        dual = candidate.require_dual()

        def rule(block: Block, allowed: Array | None) -> tuple[Array, Array]:
            xi = average_duals(
                dual[block.states], block.q, allowed, 1.0 / step, block.regularizer.temperature
            )
            if not self.accuracy:
                return policy_from_dual(block.regularizer, xi, allowed), xi
            # the objective of the subproblem is (1/η + τ) (h(p) - ⟨ξ⁺, p⟩), plus a constant
            gap = self.accuracy / (1.0 / step + np.asarray(block.regularizer.temperature))
            start = candidate.policy[block.states]
            return maximise_approximately(block.regularizer, xi, allowed, start, gap), xi

        return rule


@dataclass(frozen=True, init=False)
class NaturalGradient(StepSizeImprovement):
    r"""Natural policy gradient in closed form.

    The step is \(\pi^+ \propto \pi^{1-\eta\tau/(1-\gamma)} \exp(\eta Q/(1-\gamma))\).

    It is dual averaging with \(1/\eta_\mathrm{MD} = (1-\gamma)/\eta - \tau\). Without a regularizer
    the exponent of π is 1; with the divergence from a reference policy p0, π/p0 replaces π.

    Args:
        step_size: η, a number or a step size object, with 0 < η ≤ (1-γ)/τ.

    References:
        Kakade 2001, NIPS, "A natural policy gradient"; Agarwal, Kakade, Lee & Mahajan 2021, JMLR
        22, Lemma 15; Cen, Cheng, Chen, Wei & Chi 2022, Operations Research 70(4), equation 18.
    """

    def mirror_map(self, regularizer: Regularizer) -> Regularizer:
        return ENTROPY if isinstance(regularizer, Unregularized) else regularizer

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

    def make_rule(
        self, mdp: DecisionProcess, regularizer: Regularizer, candidate: Candidate, step: float
    ) -> BlockRule:
        dual, mirror = candidate.require_dual(), self.mirror_map(regularizer)

        def rule(block: Block, allowed: Array | None) -> tuple[Array, Array]:
            temperature = np.asarray(block.regularizer.temperature)
            # 0 at the end of the range, where rounding may leave a little less
            inverse = np.maximum((1.0 - mdp.discount) / step - temperature, 0.0)
            xi = average_duals(dual[block.states], block.q, allowed, inverse, temperature)
            return policy_from_dual(mirror.at(block.states), xi, allowed), xi

        return rule
