r"""Greedy distributions of sums over actions, \(\arg\max_p \sum_a p_a y_a - \varphi_a(p_a)\).

Probabilities may have lower and upper bounds. At the maximum
\(\varphi_a'(p_a) = y_a - \lambda\) for every action that is not at a bound. The outer equation
determines λ, for which the probabilities sum to 1; the inner ones are solved in t = log p, so that
small probabilities are accurate.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from regmdp._internal.arrays import UNIT_ROUNDOFF, Array, Float, array_namespace
from regmdp.regularizers._probability_bounds import ProbabilityBounds
from regmdp.regularizers._roots import solve_probabilities
from regmdp.regularizers.separable import Derivatives

__all__ = ["SeparableTerms", "allocate"]

#: The smallest normal double: smaller probabilities become 0.
MIN_PROBABILITY = float(np.finfo(np.float64).tiny)

#: Newton steps for one inverse; halving the bracket at every other one needs fewer.
MAX_NEWTON_STEPS = 120


@dataclass(frozen=True, eq=False)
class SeparableTerms:
    """Convex functions φ of the probabilities, given by their derivatives.

    Attributes:
        derivatives: From (…, A) p and log p to φ'(p) and its derivatives in log p.
        barrier: Whether φ is infinite at 0, so that no probability may be 0.
    """

    derivatives: Callable[[Array, Array], Derivatives]
    barrier: bool

    def first_derivative(self, p: Float[Array, "*batch A"]) -> Float[Array, "*batch A"]:
        """(…, A) positive probabilities -> (…, A) φ'(p)."""
        return self.derivatives(p, array_namespace(p).log(p)).first


def allocate(
    terms: SeparableTerms, y: Float[Array, "*batch A"], bounds: ProbabilityBounds, *, bounded: bool
) -> Float[Array, "*batch A"]:
    """Return the (…, A) distribution between bounds that maximises ⟨p, y⟩ - Σ φ(p).

    Args:
        terms: The functions φ.
        y: (…, A) scores, -inf at actions that are not allowed.
        bounds: (…, A) bounds, 0 and 0 at actions that are not allowed.
        bounded: Whether they are other than 0 and 1 at the others.
    """
    xp = array_namespace(y)
    allowed = bounds.upper > 0
    # relative to the action at which the bounds are used up, so that scores far from it cost no
    # accuracy
    if bounded:
        y = xp.where(
            allowed, y - bounds.marginal(xp.where(allowed, y, -xp.inf))[0][..., None], -xp.inf
        )
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        inverse = _InverseDerivative(terms, y, bounds)
        low, high = inverse.bracket(bounded)
        if not bool(xp.any(inverse.linear)):
            return solve_probabilities(inverse, low, high, y.shape[-1])
        return _allocate_with_linear_terms(inverse, low, high, y.shape[-1])


def _allocate_with_linear_terms(
    inverse: _InverseDerivative, low: Array, high: Array, n_actions: int
) -> Array:
    """Return the distribution where some φ are linear.

    As functions of λ such probabilities jump from one bound to the other at a threshold. The
    largest threshold at which the probabilities sum to 1 or more is found first. Either the jump
    there crosses 1, or the root is between this threshold and the next.
    """
    xp = array_namespace(low)
    linear, threshold = inverse.linear, inverse.threshold
    breaks = -xp.sort(-xp.where(linear, threshold, -xp.inf), axis=-1)
    first, last = (
        xp.zeros(low.shape, dtype=xp.int64),
        xp.sum(xp.astype(linear, xp.int64), axis=-1),
    )
    for _ in range(n_actions.bit_length() + 1):
        middle = (first + last) // 2
        here = _take_entry(breaks, xp.minimum(middle, n_actions - 1))
        enough = (xp.sum(inverse(xp.where(here > -xp.inf, here, low))[0], axis=-1) >= 1.0) & (
            middle < last
        )
        first, last = (
            xp.where(enough, first, xp.minimum(middle + 1, last)),
            xp.where(enough, middle, last),
        )
    found = first < xp.sum(xp.astype(linear, xp.int64), axis=-1)
    jump = _take_entry(breaks, xp.minimum(first, n_actions - 1))
    before = xp.where(first > 0, _take_entry(breaks, xp.maximum(first - 1, 0)), high)
    jump = xp.where(found, jump, low)
    p = inverse(jump)[0]
    tied = linear & (threshold == jump[..., None]) & found[..., None]
    rest = xp.where(tied, inverse.bounds.lower, p)
    crosses = xp.sum(rest, axis=-1) <= 1.0
    there = ProbabilityBounds(rest, xp.where(tied, inverse.bounds.upper, rest)).linear_maximiser(
        xp.where(tied, 0.0, -1.0)
    )
    between = solve_probabilities(
        inverse,
        xp.where(crosses, jump, xp.minimum(jump, before)),
        xp.where(crosses, jump, before),
        n_actions,
    )
    return xp.where((found & crosses)[..., None], there, between)


def _take_entry(array: Array, index: Array) -> Array:
    """(…, A) array and (…) index -> (…) its entries there."""
    return array_namespace(array).take_along_axis(array, index[..., None], axis=-1)[..., 0]


class _InverseDerivative:
    """The probabilities as functions of λ. Each call starts from the solution of the last one."""

    def __init__(
        self, terms: SeparableTerms, y: Float[Array, "*batch A"], bounds: ProbabilityBounds
    ) -> None:
        xp = array_namespace(y)
        self.terms, self.y, self.bounds = terms, y, bounds
        self.allowed = bounds.upper > 0
        lower, upper = (
            xp.maximum(bound, MIN_PROBABILITY) for bound in (bounds.lower, bounds.upper)
        )
        # the upper bound 1 is redundant: the probabilities sum to 1
        beyond = (bounds.upper >= 1.0) & xp.isfinite(terms.first_derivative(xp.full(y.shape, 2.0)))
        self.limit = xp.where(beyond, 2.0, upper)
        self.pole = terms.first_derivative(self.limit) == xp.inf
        # below a pole by so much that normalising does not move a probability onto it
        self.upper = xp.where(
            self.pole, self.limit * (1.0 - 2 * (y.shape[-1] + 4) * UNIT_ROUNDOFF), self.limit
        )
        self.least = xp.where(
            self.allowed, xp.maximum(bounds.lower, MIN_PROBABILITY if terms.barrier else 0.0), 0.0
        )
        self.low, self.high = xp.log(lower), xp.log(self.upper)
        self.bottom, self.top = terms.first_derivative(lower), terms.first_derivative(self.upper)
        # the probability jumps
        self.linear = self.allowed & (self.bottom == self.top)
        self.threshold = y - self.top
        self.centre = xp.maximum(bounds.centre(), MIN_PROBABILITY)
        self.t = xp.log(self.centre)

    def bracket(self, bounded: bool) -> tuple[Float[Array, "*batch"], Float[Array, "*batch"]]:
        """Return (…) λ at which the probabilities sum to at least 1, and to at most 1."""
        xp = array_namespace(self.y)
        # no probability is above the centre's
        high = xp.max(
            xp.where(self.allowed, self.y - self.terms.first_derivative(self.centre), -xp.inf),
            axis=-1,
        )
        most = xp.minimum(self.upper, 1.0)
        if not bounded and not bool(xp.any(self.pole)):
            # one action alone has probability 1
            return xp.max(
                xp.where(self.allowed, self.y - self.terms.first_derivative(most), -xp.inf), axis=-1
            ), high
        # enough actions, those with the largest thresholds, are at least half way from the centre
        # to their upper bound
        most = xp.where(self.pole, 0.5 * (self.centre + most), most)
        threshold = self.y - self.terms.first_derivative(xp.maximum(most, MIN_PROBABILITY))
        low, _ = ProbabilityBounds(self.bounds.lower, most).marginal(
            xp.where(self.allowed, threshold, -xp.inf)
        )
        return xp.minimum(low, high), high

    def __call__(
        self, multiplier: Float[Array, "*batch"]
    ) -> tuple[Float[Array, "*batch A"], Float[Array, "*batch A"]]:
        """(…) λ -> (…, A) probabilities, and minus their derivatives."""
        xp = array_namespace(self.y)
        z = self.y - multiplier[..., None]
        above = self.threshold >= multiplier[..., None]
        full = self.allowed & xp.where(self.linear, above, z >= self.top)
        empty = ~self.allowed | xp.where(self.linear, ~above, z <= self.bottom)
        fixed = full | empty
        low, high, t = self.low, self.high, self.t
        before, side, p, first_dlog = xp.inf, xp.zeros(t.shape), xp.exp(t), xp.ones(t.shape)
        for _ in range(MAX_NEWTON_STEPS):
            p = xp.exp(t)
            first, first_dlog, first_dlog2 = self.terms.derivatives(p, t)
            excess = first - z
            low, high = xp.where(excess <= 0, t, low), xp.where(excess >= 0, t, high)
            step = excess / first_dlog
            size = xp.abs(step)
            exact = (size <= 4 * UNIT_ROUNDOFF * xp.maximum(1.0, -t)) | (
                xp.abs(excess) <= 4 * UNIT_ROUNDOFF * xp.abs(first)
            )
            settled = exact | ((size <= 1e-9) & (size >= 0.5 * before))
            middle = 0.5 * (low + high)
            found = fixed | settled | (middle <= low) | (middle >= high)
            if bool(xp.all(found)):
                break
            # the step to the root of A exp(k t) + B with the same value and first two derivatives:
            # φ' has this form for most regularizers
            power = first_dlog2 / first_dlog
            product = xp.where(power < 0, xp.minimum(power * step, 1.0 - 1e-15), power * step)
            curved = (xp.abs(product) > 1e-4) & (product < 1.0)
            jump = xp.where(
                curved,
                xp.log1p(-xp.where(curved, product, 0.0)) / xp.where(curved, power, 1.0),
                -step,
            )
            moved = xp.where(
                self.pole & (2.0 * p > self.limit),
                self._step_below_pole(p, excess, first_dlog),
                t + jump,
            )
            # steps that alternate and do not become short are those of a derivative that jumps
            onward = (size <= 2.0) & (excess * side >= 0)
            usable = (moved > low) & (moved < high) & ((size <= 0.5 * before) | onward)
            t = xp.where(found, t, xp.where(usable, moved, middle))
            before, side = size, xp.sign(excess)
        self.t = t
        p = xp.where(full, self.upper, xp.where(empty, self.least, p))
        return p, xp.where(fixed, 0.0, p / first_dlog)

    def _step_below_pole(self, p: Array, excess: Array, first_dlog: Array) -> Array:
        """Return log p at the root of A/(b - p) + B, the form of φ' below a pole b."""
        xp = array_namespace(p)
        room = self.limit - p
        # the change of 1/(b - p) follows from its derivative, (dφ'/d log p)/(p A) = 1/(b - p)²
        inverse = 1.0 / room - excess * p / (first_dlog * room * room)
        inside = (inverse > 0) & (room > 0)
        return xp.where(
            inside,
            xp.log(xp.maximum(self.limit - 1.0 / xp.where(inside, inverse, 1.0), MIN_PROBABILITY)),
            xp.inf,
        )
