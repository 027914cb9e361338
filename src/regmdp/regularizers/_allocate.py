r"""The greedy distribution of any sum over actions, \(\arg\max_p \sum_a p_a y_a - \varphi_a(p_a)\), between limits.

At the maximum \(\varphi_a'(p_a) = y_a - \lambda\) for every action that is not at a limit. One
equation for λ, that the probabilities sum to 1, has the solutions of these inside it. They are
found in t = log p, so that no probability is too small.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from regmdp._internal.arrays import UNIT_ROUNDOFF, Array, Float, array_namespace
from regmdp.regularizers._probability_bounds import ProbabilityBounds
from regmdp.regularizers._roots import solve_probabilities
from regmdp.regularizers.separable import Derivatives

__all__ = ["Terms", "allocate"]

#: The smallest normal double: what is less likely has probability 0.
LEAST = float(np.finfo(np.float64).tiny)

#: Newton steps for one inverse; halving the bracket at every other one needs fewer.
STEPS = 120


@dataclass(frozen=True, eq=False)
class Terms:
    """Convex functions φ of the probabilities, by their derivative.

    Attributes:
        derivatives: From (…, A) p and log p to how steep φ is.
        barrier: Whether φ is infinite at 0, so that no probability may be 0.
    """

    derivatives: Callable[[Array, Array], Derivatives]
    barrier: bool

    def slope(self, p: Float[Array, "*batch A"]) -> Float[Array, "*batch A"]:
        """(…, A) positive probabilities -> (…, A) φ'(p)."""
        return self.derivatives(p, array_namespace(p).log(p)).first


def allocate(
    terms: Terms, y: Float[Array, "*batch A"], limits: ProbabilityBounds, *, limited: bool
) -> Float[Array, "*batch A"]:
    """Return the (…, A) distribution within limits that maximises ⟨p, y⟩ - Σ φ(p).

    Args:
        terms: The functions φ.
        y: (…, A) scores, -inf at actions that are not allowed.
        limits: (…, A) limits, 0 and 0 at actions that are not allowed.
        limited: Whether they are other than 0 and 1 at the others.
    """
    xp = array_namespace(y)
    allowed = limits.upper > 0
    # relative to the action at which the limits are used up, so that nothing is lost by how far
    # others are from it
    if limited:
        y = xp.where(
            allowed, y - limits.marginal(xp.where(allowed, y, -xp.inf))[0][..., None], -xp.inf
        )
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        inverse = _Inverse(terms, y, limits)
        low, high = inverse.bracket(limited)
        if not bool(xp.any(inverse.straight)):
            return solve_probabilities(inverse, low, high, y.shape[-1])
        return _with_straight(inverse, low, high, y.shape[-1])


def _with_straight(inverse: _Inverse, low: Array, high: Array, n_actions: int) -> Array:
    """Return the distribution where some φ are linear: such probabilities jump from one limit to the other, at their threshold.

    The largest threshold at which the probabilities sum to 1 or more is found first. Either the
    jump there crosses 1, or the root is between this and the next.
    """
    xp = array_namespace(low)
    straight, threshold = inverse.straight, inverse.threshold
    breaks = -xp.sort(-xp.where(straight, threshold, -xp.inf), axis=-1)
    first, last = (
        xp.zeros(low.shape, dtype=xp.int64),
        xp.sum(xp.astype(straight, xp.int64), axis=-1),
    )
    for _ in range(n_actions.bit_length() + 1):
        middle = (first + last) // 2
        here = _entry(breaks, xp.minimum(middle, n_actions - 1))
        enough = (xp.sum(inverse(xp.where(here > -xp.inf, here, low))[0], axis=-1) >= 1.0) & (
            middle < last
        )
        first, last = (
            xp.where(enough, first, xp.minimum(middle + 1, last)),
            xp.where(enough, middle, last),
        )
    found = first < xp.sum(xp.astype(straight, xp.int64), axis=-1)
    jump = _entry(breaks, xp.minimum(first, n_actions - 1))
    before = xp.where(first > 0, _entry(breaks, xp.maximum(first - 1, 0)), high)
    jump = xp.where(found, jump, low)
    p = inverse(jump)[0]
    tied = straight & (threshold == jump[..., None]) & found[..., None]
    rest = xp.where(tied, inverse.limits.lower, p)
    crosses = xp.sum(rest, axis=-1) <= 1.0
    there = ProbabilityBounds(rest, xp.where(tied, inverse.limits.upper, rest)).linear_maximiser(
        xp.where(tied, 0.0, -1.0)
    )
    between = solve_probabilities(
        inverse,
        xp.where(crosses, jump, xp.minimum(jump, before)),
        xp.where(crosses, jump, before),
        n_actions,
    )
    return xp.where((found & crosses)[..., None], there, between)


def _entry(array: Array, index: Array) -> Array:
    """(…, A) array and (…) index -> (…) its entries there."""
    return array_namespace(array).take_along_axis(array, index[..., None], axis=-1)[..., 0]


class _Inverse:
    """The probabilities as functions of λ; it remembers the last ones, where the next search starts."""

    def __init__(
        self, terms: Terms, y: Float[Array, "*batch A"], limits: ProbabilityBounds
    ) -> None:
        xp = array_namespace(y)
        self.terms, self.y, self.limits = terms, y, limits
        self.allowed = limits.upper > 0
        lower, upper = xp.maximum(limits.lower, LEAST), xp.maximum(limits.upper, LEAST)
        # that no probability exceeds 1 need not be said: they sum to 1
        beyond = (limits.upper >= 1.0) & xp.isfinite(terms.slope(xp.full(y.shape, 2.0)))
        self.limit = xp.where(beyond, 2.0, upper)
        self.pole = terms.slope(self.limit) == xp.inf
        # so far below a pole that a probability remains below it when it is normalised
        self.upper = xp.where(
            self.pole, self.limit * (1.0 - 2 * (y.shape[-1] + 4) * UNIT_ROUNDOFF), self.limit
        )
        self.least = xp.where(
            self.allowed, xp.maximum(limits.lower, LEAST if terms.barrier else 0.0), 0.0
        )
        self.low, self.high = xp.log(lower), xp.log(self.upper)
        self.bottom, self.top = terms.slope(lower), terms.slope(self.upper)
        # linear: its probability jumps
        self.straight = self.allowed & (self.bottom == self.top)
        self.threshold = y - self.top
        self.centre = xp.maximum(limits.centre(), LEAST)
        self.t = xp.log(self.centre)

    def bracket(self, limited: bool) -> tuple[Float[Array, "*batch"], Float[Array, "*batch"]]:
        """Return (…) λ at which the probabilities sum to at least 1, and to at most 1."""
        xp = array_namespace(self.y)
        # no probability is above the centre's
        high = xp.max(
            xp.where(self.allowed, self.y - self.terms.slope(self.centre), -xp.inf), axis=-1
        )
        most = xp.minimum(self.upper, 1.0)
        if not limited and not bool(xp.any(self.pole)):
            # one action alone has probability 1
            return xp.max(
                xp.where(self.allowed, self.y - self.terms.slope(most), -xp.inf), axis=-1
            ), high
        # enough actions, those with the largest thresholds, are at least half way from the centre
        # to their upper limit
        most = xp.where(self.pole, 0.5 * (self.centre + most), most)
        threshold = self.y - self.terms.slope(xp.maximum(most, LEAST))
        low, _ = ProbabilityBounds(self.limits.lower, most).marginal(
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
        full = self.allowed & xp.where(self.straight, above, z >= self.top)
        empty = ~self.allowed | xp.where(self.straight, ~above, z <= self.bottom)
        fixed = full | empty
        low, high, t = self.low, self.high, self.t
        before, side, p, stretch = xp.inf, xp.zeros(t.shape), xp.exp(t), xp.ones(t.shape)
        for _ in range(STEPS):
            p = xp.exp(t)
            slope, stretch, bend = self.terms.derivatives(p, t)
            excess = slope - z
            low, high = xp.where(excess <= 0, t, low), xp.where(excess >= 0, t, high)
            step = excess / stretch
            size = xp.abs(step)
            exact = (size <= 4 * UNIT_ROUNDOFF * xp.maximum(1.0, -t)) | (
                xp.abs(excess) <= 4 * UNIT_ROUNDOFF * xp.abs(slope)
            )
            still = exact | ((size <= 1e-9) & (size >= 0.5 * before))
            middle = 0.5 * (low + high)
            found = fixed | still | (middle <= low) | (middle >= high)
            if bool(xp.all(found)):
                break
            # as if the slope were A exp(k t) + B, with the same value and first two derivatives: so
            # it is for most regularizers
            power = bend / stretch
            product = xp.where(power < 0, xp.minimum(power * step, 1.0 - 1e-15), power * step)
            curved = (xp.abs(product) > 1e-4) & (product < 1.0)
            jump = xp.where(
                curved,
                xp.log1p(-xp.where(curved, product, 0.0)) / xp.where(curved, power, 1.0),
                -step,
            )
            moved = xp.where(
                self.pole & (2.0 * p > self.limit), self._below_pole(p, excess, stretch), t + jump
            )
            # steps back and forth that do not become short are those of a derivative that jumps
            onward = (size <= 2.0) & (excess * side >= 0)
            usable = (moved > low) & (moved < high) & ((size <= 0.5 * before) | onward)
            t = xp.where(found, t, xp.where(usable, moved, middle))
            before, side = size, xp.sign(excess)
        self.t = t
        p = xp.where(full, self.upper, xp.where(empty, self.least, p))
        return p, xp.where(fixed, 0.0, p / stretch)

    def _below_pole(self, p: Array, excess: Array, stretch: Array) -> Array:
        """Return the log p at which A/(b - p) + B is as wanted, if the slope is like that below a limit b where it is infinite."""
        xp = array_namespace(p)
        room = self.limit - p
        # 1/(b - p) has to change by this, and has the derivative stretch/p/A = 1/(b - p)²
        inverse = 1.0 / room - excess * p / (stretch * room * room)
        inside = (inverse > 0) & (room > 0)
        return xp.where(
            inside,
            xp.log(xp.maximum(self.limit - 1.0 / xp.where(inside, inverse, 1.0), LEAST)),
            xp.inf,
        )
