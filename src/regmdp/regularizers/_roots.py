"""Roots of one-dimensional equations, one a state, all at once."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from regmdp._internal.arrays import (
    Array,
    Float,
    array_namespace,
    is_traced,
    repeat_while,
    unit_roundoff,
)

__all__ = ["find_decreasing_root", "normalise_root", "solve_probabilities"]

#: Steps after which a root is taken as it is; bisection alone needs fewer to leave no double inside
#: a bounded bracket.
STEPS = 200

#: Probabilities whose sum is as close to 1 as this follow their tangents for the rest of the way.
CLOSE = 1e-9


def find_decreasing_root(
    function: Callable[[Array], tuple[Array, Array]],
    low: Float[Array, "*batch"],
    high: Float[Array, "*batch"],
    tolerance: float,
) -> Float[Array, "*batch"]:
    """Return where decreasing functions cross 0, by Newton's method, with bisection wherever it would leave the bracket.

    Args:
        function: From (…) arguments to (…) values and (…) slopes.
        low: (…) points where the functions are not negative, or only by rounding.
        high: (…) points where they are not positive, or only by rounding.
        tolerance: Distance from 0 that is as good as 0.

    Returns:
        The (…) roots, or, where no double is one, those next to them.
    """
    xp = array_namespace(low, high)
    # there is no slope before the first one: at a distance of 0 it does not count
    first = _Search(low, high, low, low, low, xp.ones(low.shape, dtype=xp.bool))
    return _Search(
        *repeat_while(partial(_narrowed, function, tolerance), _left, first, STEPS)
    ).point


class _Search(NamedTuple):
    """A bracket, the point that is looked at, the one before it with the slope there, and whether to go on; each (…)."""

    low: Array
    high: Array
    point: Array
    before: Array
    slope_before: Array
    left: Array


def _narrowed(
    function: Callable[[Array], tuple[Array, Array]], tolerance: float, search: _Search
) -> _Search:
    """Narrow the bracket down by one step."""
    low, high, point, before, slope_before, _ = search
    xp = array_namespace(low, high)
    value, slope = function(point)
    low, high = xp.where(value >= 0, point, low), xp.where(value <= 0, point, high)
    middle = _middle(low, high)
    usable = slope < 0
    step = -value / xp.where(usable, slope, -1.0)
    still = usable & (xp.abs(step) <= unit_roundoff(point) * xp.abs(point))
    found = still | (xp.abs(value) <= tolerance) | (middle <= low) | (middle >= high)
    newton = point + _bent(step, slope, point - before, slope - slope_before)
    moved = xp.where(usable & (newton > low) & (newton < high), newton, middle)
    return _Search(low, high, xp.where(found, point, moved), point, slope, ~found)


def _left(state: _Search) -> Array:
    return state.left


def _middle(low: Array, high: Array) -> Array:
    """Return a point between: the mean, or, where a bracket spans orders of magnitude, about the mean order."""
    xp = array_namespace(low, high)
    wide = high - low > 4.0 + 0.75 * xp.maximum(xp.abs(low), xp.abs(high))
    return xp.where(wide, xp.sinh(0.5 * (xp.asinh(low) + xp.asinh(high))), 0.5 * low + 0.5 * high)


def _bent(step: Array, slope: Array, moved: Array, steeper: Array) -> Array:
    """Return the step to 0 of b - k log(x + c) that has the same slope here, and had that of the step before there.

    Newton's step would be too short for a function like this, and such is the logarithm of p = (x +
    c)^-k.
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

    Where no double does that, because some p is all but vertical there, two close to it are mixed
    so that the sum is right.

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
        # the logarithm of the sum of exponentials is straight
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
    """Return the probabilities p(λ) for a λ at which they sum to 1 up to rounding, with that rounding mended."""
    xp = array_namespace(root)
    roundoff = unit_roundoff(root)
    p, slope = function(root)
    excess, steepness = (
        xp.sum(p, axis=-1, keepdims=True) - 1.0,
        xp.sum(slope, axis=-1, keepdims=True),
    )
    near = xp.abs(excess) <= max(CLOSE, 1000 * roundoff)
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
    total = xp.sum(p, axis=-1, keepdims=True)
    return p / xp.where(total > 0, total, 1.0)
