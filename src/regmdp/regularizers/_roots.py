"""Roots of one-dimensional equations, one per state, solved together."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from regmdp._internal.arrays import (
    Array,
    Float,
    array_namespace,
    block_sum,
    is_traced,
    repeat_while,
    unit_roundoff,
)

__all__ = ["find_decreasing_root", "normalise_root", "solve_probabilities"]

#: Maximal number of steps; bisection alone needs fewer to reduce a bounded bracket to two
#: neighbouring doubles.
MAX_STEPS = 200

#: If the sum of probabilities is this close to 1, one Newton step corrects it.
SUM_TOLERANCE = 1e-9


def find_decreasing_root(
    function: Callable[[Array], tuple[Array, Array]],
    low: Float[Array, "*batch"],
    high: Float[Array, "*batch"],
    tolerance: float,
) -> Float[Array, "*batch"]:
    """Find roots of decreasing functions by Newton's method, safeguarded by bisection.

    Args:
        function: From (…) arguments to (…) values and (…) slopes.
        low: (…) points where the functions are not negative, or only by rounding.
        high: (…) points where they are not positive, or only by rounding.
        tolerance: Largest |value| that counts as 0.

    Returns:
        The (…) roots, up to rounding.
    """
    xp = array_namespace(low, high)
    # the first step has no earlier slope: at a distance of 0 it is ignored
    first = _RootBracket(low, high, low, low, low, xp.ones(low.shape, dtype=xp.bool))
    return _RootBracket(
        *repeat_while(partial(_narrow_bracket, function, tolerance), _is_open, first, MAX_STEPS)
    ).point


class _RootBracket(NamedTuple):
    """A bracket, the current point, the last one with its slope, and whether to go on; all (…)."""

    low: Array
    high: Array
    point: Array
    before: Array
    slope_before: Array
    open: Array


def _narrow_bracket(
    function: Callable[[Array], tuple[Array, Array]], tolerance: float, bracket: _RootBracket
) -> _RootBracket:
    """Narrow the bracket down by one step."""
    low, high, point, before, slope_before, _ = bracket
    xp = array_namespace(low, high)
    value, slope = function(point)
    low, high = xp.where(value >= 0, point, low), xp.where(value <= 0, point, high)
    middle = _midpoint(low, high)
    usable = slope < 0
    step = -value / xp.where(usable, slope, -1.0)
    settled = usable & (xp.abs(step) <= unit_roundoff(point) * xp.abs(point))
    found = settled | (xp.abs(value) <= tolerance) | (middle <= low) | (middle >= high)
    newton = point + _correct_newton_step(step, slope, point - before, slope - slope_before)
    moved = xp.where(usable & (newton > low) & (newton < high), newton, middle)
    return _RootBracket(low, high, xp.where(found, point, moved), point, slope, ~found)


def _is_open(state: _RootBracket) -> Array:
    return state.open


def _midpoint(low: Array, high: Array) -> Array:
    """Return the mean, or about the geometric mean if the bracket spans orders of magnitude."""
    xp = array_namespace(low, high)
    wide = high - low > 4.0 + 0.75 * xp.maximum(xp.abs(low), xp.abs(high))
    return xp.where(wide, xp.sinh(0.5 * (xp.asinh(low) + xp.asinh(high))), 0.5 * low + 0.5 * high)


def _correct_newton_step(step: Array, slope: Array, moved: Array, steeper: Array) -> Array:
    """Return the step to the root of b - k log(x + c) with the same slopes here and a step before.

    Newton's step is too short for this form, which log p has if p = (x + c)^-k.
    """
    xp = array_namespace(step)
    bent = (steeper != 0) & (moved != 0)
    # x + c = -f'/f''
    distance = -slope * moved / xp.where(bent, steeper, 1.0)
    ratio = xp.where(bent & (distance != 0), step / xp.where(distance != 0, distance, 1.0), 0.0)
    curved = (xp.abs(ratio) > 1e-8) & (xp.abs(ratio) < 20.0)
    ratio = xp.where(curved, ratio, 1.0)
    return step * xp.where(curved, xp.expm1(ratio) / ratio, 1.0)


def solve_probabilities(
    function: Callable[[Array], tuple[Array, Array]],
    low: Float[Array, "*batch"],
    high: Float[Array, "*batch"],
    n_actions: int,
) -> Float[Array, "*batch A"]:
    """Return the probabilities p(λ), decreasing in λ, for the λ at which they sum to 1.

    Where they sum to 1 at no double, because some p is nearly vertical there, the probabilities at
    two neighbouring λ are mixed.

    Args:
        function: From (…) λ to (…, A) probabilities and (…, A) minus their derivatives.
        low: (…) λ where the sum is at least 1.
        high: (…) λ where it is at most 1.
        n_actions: A.
    """
    xp = array_namespace(low, high)

    def surplus(multiplier: Array) -> tuple[Array, Array]:
        p, slope = function(multiplier)
        total = xp.sum(p, axis=-1)
        # the logarithm of a sum of exponentials is nearly linear
        return xp.log(xp.maximum(total, 1e-300)), -xp.sum(slope, axis=-1) / xp.maximum(
            total, 1e-300
        )

    return normalise_root(
        function,
        find_decreasing_root(surplus, low, high, n_actions * unit_roundoff(low)),
        n_actions,
    )


def normalise_root(
    function: Callable[[Array], tuple[Array, Array]], root: Float[Array, "*batch"], n_actions: int
) -> Float[Array, "*batch A"]:
    """Return the probabilities p(λ) for a λ at which they nearly sum to 1, normalised."""
    xp = array_namespace(root)
    roundoff = unit_roundoff(root)
    p, slope = function(root)
    excess, steepness = block_sum(p)[..., None] - 1.0, xp.sum(slope, axis=-1, keepdims=True)
    near = xp.abs(excess) <= max(SUM_TOLERANCE, 1000 * roundoff)
    moved = xp.maximum(p - excess * slope / xp.where(steepness > 0, steepness, 1.0), 0.0)
    p = xp.where(near & (xp.abs(excess) > n_actions * roundoff), moved, p)
    if is_traced(near) or not bool(xp.all(near)):
        apart = 8 * roundoff * xp.abs(root) + 1e-300
        more, less = function(root - apart)[0], function(root + apart)[0]
        above, below = (
            xp.sum(more, axis=-1, keepdims=True) - 1.0,
            1.0 - xp.sum(less, axis=-1, keepdims=True),
        )
        between = (above >= 0) & (below >= 0) & (above + below > 0)
        share = below / xp.where(between, above + below, 1.0)
        p = xp.where(~near & between, share * more + (1.0 - share) * less, p)
    total = block_sum(p)[..., None]
    return p / xp.where(total > 0, total, 1.0)
