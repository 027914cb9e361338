"""The logarithmic barrier of the simplex."""

from __future__ import annotations

import math
from dataclasses import dataclass

from regmdp._internal.arrays import (
    UNIT_ROUNDOFF,
    Array,
    ArrayLike,
    Bool,
    Float,
    array_namespace,
    block_sum,
)
from regmdp._internal.errors import RegularizerError
from regmdp._internal.fields import set_fields
from regmdp._internal.parameters import checked
from regmdp.regularizers._divergences import logarithm_divergence, relative_difference
from regmdp.regularizers._parameters import TRACED_TEMPERATURE, PerState, check_temperature
from regmdp.regularizers._roots import solve_probabilities
from regmdp.regularizers.separable import Derivatives, SeparableRegularizer, bound_scores_below, log

__all__ = ["LogBarrier"]


@dataclass(frozen=True, eq=False, init=False)
class LogBarrier(SeparableRegularizer):
    r"""Logarithmic barrier of the simplex, \(h(p) = -\sum_a \log p_a\) over the available actions.

    The greedy policy is \(p_a = 1/(\lambda - y_a)\): inverse-gap weighting. h has no upper bound,
    and the value of a deterministic policy is -∞ unless the temperature is 0.

    Args:
        temperature: τ ≥ 0, a number or one per state, in the unit of the rewards.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> rm.LogBarrier(temperature=0.5).maximiser(np.array([1.0, 1.0, 0.0])).round(4)
        array([0.3904, 0.3904, 0.2192])

    References:
        Zhan, Cen, Huang, Chen, Lee & Chi 2023, SIAM Journal on Optimization 33(2), "Policy mirror
        descent for regularized reinforcement learning: a generalized framework with linear
        convergence".
    """

    temperature: PerState

    @checked(RegularizerError, temperature=TRACED_TEMPERATURE)
    def __init__(self, temperature: ArrayLike) -> None:
        set_fields(self, temperature=check_temperature(temperature))

    def value(
        self, p: Float[Array, "*batch A"], available: Bool[Array, "*batch A"] | None = None
    ) -> Float[Array, "*batch"]:
        xp, terms = array_namespace(p), self.terms(p)
        return block_sum(terms if available is None else xp.where(available | (p > 0), terms, 0.0))

    def terms(self, p: Float[Array, "*batch A"]) -> Float[Array, "*batch A"]:
        return -log(p)

    def derivatives(
        self, p: Float[Array, "*batch A"], log_p: Float[Array, "*batch A"]
    ) -> Derivatives:
        xp = array_namespace(p)
        inverse = xp.where(p > 0, 1.0 / xp.where(p > 0, p, 1.0), xp.inf)
        return Derivatives(-inverse, inverse, -inverse)

    def greedy(
        self, y: Float[Array, "*batch A"], available: Bool[Array, "*batch A"] | None = None
    ) -> Float[Array, "*batch A"]:
        xp = array_namespace(y)
        y = bound_scores_below(y, available)
        below = xp.max(y, axis=-1, keepdims=True) - y

        def inverse_gaps(multiplier: Array) -> tuple[Array, Array]:
            p = 1.0 / (multiplier[..., None] + below)
            return p, p * p

        one = xp.ones(y.shape[:-1])
        return solve_probabilities(inverse_gaps, one, one * y.shape[-1], y.shape[-1])

    def conjugate(
        self, y: Float[Array, "*batch A"], available: Bool[Array, "*batch A"] | None = None
    ) -> Float[Array, "*batch"]:
        return super().conjugate(bound_scores_below(y, available), available)

    def bounds(self, n_actions: int) -> tuple[float, float]:
        # n log n if all n actions are available, less with fewer, and 0 with one
        return 0.0, math.inf

    def strong_convexity(self, n_actions: int) -> float:
        # the modulus relative to negative entropy, whose own is 1 (Pinsker); reached at p = 1/2
        return 2.0

    def relative_strong_convexity(self, n_actions: int) -> float:
        return 2.0

    def divergence_terms(
        self, p: Float[Array, "*batch A"], q: Float[Array, "*batch A"]
    ) -> Float[Array, "*batch A"]:
        # Itakura and Saito's: p/q - log(p/q) - 1
        return logarithm_divergence(relative_difference(p, q))

    def magnitude(self, n_actions: int) -> float:
        # the logarithm of a positive double is at least log 2^-1074
        return 745.0 * n_actions

    def magnitude_within(self, n_actions: int, largest: float) -> float:
        # all terms have one sign; at the greedy policy ⟨p, y⟩ is between -n and 0
        return min(self.magnitude(n_actions), largest + n_actions)

    def rounding(self, n_actions: int) -> float:
        return self.rounding_within(n_actions, math.inf)

    def rounding_within(self, n_actions: int, largest: float) -> float:
        # of the blocks of the sum, of each logarithm, and of Σ p, to which h has a slope of n
        per_term = 2.0 * math.sqrt(n_actions) + 32.0
        size = self.magnitude_within(n_actions, largest) + 3.0 * n_actions + 1.0
        return UNIT_ROUNDOFF * per_term * size
