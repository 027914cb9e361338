r"""How greedy distributions move with the scores: \(\nabla^2 h^*(y)\) times a direction.

On the actions whose probability is free, a greedy distribution solves
\(\nabla h(p) = y - \lambda\). Moving y by d therefore moves p by the x with
\(\nabla^2 h(p) x = d - m\) on those actions, and 0 elsewhere, where m keeps the sum of x at 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from regmdp._internal.arrays import Array, Bool, Float, array_namespace

if TYPE_CHECKING:
    from regmdp.regularizers.base import Regularizer

__all__ = ["diagonal_hessian_product", "hessian_product_by_differences", "rank_one_hessian_product"]

#: Step in the scores for differences of greedy distributions, which change over differences of
#: about 1.
STEP = 2e-3


def diagonal_hessian_product(
    spread: Float[Array, "*batch A"], direction: Float[Array, "*batch A"]
) -> Float[Array, "*batch A"]:
    r"""Return the x with \(x_a = s_a (d_a - m)\) whose sum is 0, where s is the inverse of a diagonal \(\nabla^2 h\).

    Args:
        spread: (…, A) s; 0 at actions that cannot move, infinite where h is linear: what the others
            leave moves there.
        direction: (…, A) d; where s is 0 it does not count.
    """
    xp = array_namespace(spread, direction)
    flat = xp.isinf(spread)
    curved = xp.where(flat, 0.0, spread)
    # an action with a linear h sets m by itself
    weight = xp.where(xp.any(flat, axis=-1, keepdims=True), xp.astype(flat, spread.dtype), curved)
    direction = xp.where(spread > 0, direction, 0.0)
    total = xp.sum(weight, axis=-1, keepdims=True)
    mean = xp.sum(weight * direction, axis=-1, keepdims=True) / xp.where(total > 0, total, 1.0)
    change = curved * (direction - mean)
    count = xp.sum(xp.astype(flat, spread.dtype), axis=-1, keepdims=True)
    rest = xp.sum(change, axis=-1, keepdims=True) / xp.where(count > 0, count, 1.0)
    return xp.where(flat, -rest, change)


def rank_one_hessian_product(
    spread: Float[Array, "*batch A"],
    slope: Float[Array, "*batch A"],
    weight: Float[Array, "*batch one"],
    direction: Float[Array, "*batch A"],
) -> Float[Array, "*batch A"]:
    r"""Return what :func:`diagonal_hessian_product` does for \(\nabla^2 h = \mathrm{diag}(1/s) + c\, u u^\top\), by Sherman and Morrison's formula.

    Args:
        spread: (…, A) s.
        slope: (…, A) u.
        weight: (…, 1) c ≥ 0.
        direction: (…, A) d.
    """
    xp = array_namespace(spread, direction)
    alone, along = (
        diagonal_hessian_product(spread, direction),
        diagonal_hessian_product(spread, slope),
    )
    used = xp.where(spread > 0, slope, 0.0)
    share = xp.sum(used * alone, axis=-1, keepdims=True) / (
        1.0 + weight * xp.sum(used * along, axis=-1, keepdims=True)
    )
    return alone - weight * share * along


def hessian_product_by_differences(
    regularizer: Regularizer,
    y: Float[Array, "*batch A"],
    direction: Float[Array, "*batch A"],
    available: Bool[Array, "*batch A"] | None,
) -> Float[np.ndarray, "*batch A"]:
    """Return differences of greedy distributions, extrapolated from two steps (Richardson), for any regularizer."""
    y, direction = np.asarray(y), np.asarray(direction)
    free = np.isfinite(y) if available is None else np.isfinite(y) & available
    high = np.max(np.where(free, direction, -np.inf), axis=-1, keepdims=True)
    low = np.min(np.where(free, direction, np.inf), axis=-1, keepdims=True)
    with np.errstate(invalid="ignore"):  # where no action is free
        size, middle = 0.5 * (high - low), 0.5 * (high + low)
    some = np.isfinite(size) & (size > 0)
    unit = np.where(
        free & some, (direction - np.where(some, middle, 0.0)) / np.where(some, size, 1.0), 0.0
    )
    fine, coarse = (
        (
            regularizer.greedy(y + step * unit, available)
            - regularizer.greedy(y - step * unit, available)
        )
        / (2 * step)
        for step in (0.5 * STEP, STEP)
    )
    return np.where(some, size, 0.0) * (4.0 * np.asarray(fine) - np.asarray(coarse)) / 3.0
