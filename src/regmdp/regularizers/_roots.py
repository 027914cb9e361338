"""Roots of one-dimensional equations, one a state, all at once."""

from __future__ import annotations

from collections.abc import Callable

from regmdp._arrays import Array, Float, array_namespace

__all__ = ["decreasing_root", "probabilities"]

#: Steps after which a root is taken as it is; bisection alone needs fewer to leave no double inside a bounded bracket.
STEPS = 200


def decreasing_root(
    function: Callable[[Array], tuple[Array, Array]],
    low: Float[Array, "*batch"],
    high: Float[Array, "*batch"],
    tolerance: float,
) -> tuple[Float[Array, "*batch"], Float[Array, "*batch"]]:
    """Return where decreasing functions cross 0, by Newton's method, with bisection wherever it would leave the bracket.

    Args:
        function: From (…) arguments to (…) values and (…) slopes.
        low: (…) points where the functions are not negative, or only by rounding.
        high: (…) points where they are not positive, or only by rounding.
        tolerance: Distance from 0 that is as good as 0.

    Returns:
        The (…) lower and (…) upper end of what is left of each bracket: twice the root, or, where the function jumps across 0
        between two neighbouring doubles, these two.
    """
    xp = array_namespace(low, high)
    point = low
    for _ in range(STEPS):
        value, slope = function(point)
        found = xp.abs(value) <= tolerance
        low = xp.where((value >= 0) | found, point, low)
        high = xp.where((value <= 0) | found, point, high)
        middle = 0.5 * (low + high)
        if bool(xp.all((middle <= low) | (middle >= high))):
            break
        usable = slope < 0
        newton = point - value / xp.where(usable, slope, -1.0)
        point = xp.where(usable & (newton > low) & (newton < high), newton, middle)
    return low, high


def probabilities(
    function: Callable[[Array], tuple[Array, Array]], low: Float[Array, "*batch"], high: Float[Array, "*batch"], n_actions: int
) -> Float[Array, "*batch A"]:
    """Return the probabilities p(λ), decreasing in λ, for the λ at which they sum to 1.

    Where no double does that, because some p is all but vertical there, the two next to it are mixed so that the sum is right.

    Args:
        function: From (…) λ to (…, A) probabilities and (…, A) minus their derivatives.
        low: (…) λ where the sum is at least 1.
        high: (…) λ where it is at most 1.
        n_actions: A.
    """
    xp = array_namespace(low, high)

    def surplus(multiplier: Array) -> tuple[Array, Array]:
        p, slope = function(multiplier)
        return xp.sum(p, axis=-1) - 1.0, -xp.sum(slope, axis=-1)

    low, high = decreasing_root(surplus, low, high, n_actions * 2.0**-53)
    more, less = function(low)[0], function(high)[0]
    above, below = xp.sum(more, axis=-1, keepdims=True) - 1.0, 1.0 - xp.sum(less, axis=-1, keepdims=True)
    apart = above + below
    share = xp.where((above > 0) & (below > 0), below / xp.where(apart > 0, apart, 1.0), 1.0)
    p = share * more + (1.0 - share) * less
    return p / xp.sum(p, axis=-1, keepdims=True)
