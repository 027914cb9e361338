"""Checks that ``greedy`` and ``conjugate`` are consistent with ``value`` and each other."""

from __future__ import annotations

import numpy as np

from regmdp._internal.arrays import UNIT_ROUNDOFF, Float
from regmdp.testing._points import Points, require_distributions
from regmdp.testing._require import format_array, require, require_nonpositive

__all__ = ["check_greedy"]


def check_greedy(points: Points) -> None:
    """Check that ``greedy`` returns the maximiser, and ``conjugate`` the maximum.

    The maximiser is the gradient of the conjugate.
    """
    _check_distributions(points)
    _check_attained(points)
    _check_maximal(points)
    _check_conjugate(points)
    _check_gradient(points)


def _check_distributions(points: Points) -> None:
    p = points.greedy(points.y)
    require(
        p.shape == points.y.shape, f"greedy of scores of shape {points.y.shape} has shape {p.shape}"
    )
    require_distributions(p, points.mask, points.y, "greedy")


def _check_attained(points: Points) -> None:
    y, error = points.y, points.error
    found = points.conjugate(y)
    require(
        found.shape == y.shape[:1],
        f"conjugate of scores of shape {y.shape} has shape {found.shape}, not {y.shape[:1]}",
    )
    best = points.greedy(y)
    reached = points.objective(best, y)
    require_nonpositive(
        np.abs(found - reached) - 3 * error - points.sum_error(best, y),
        lambda at: (
            "the conjugate is not ⟨p, y⟩ - h(p) at the greedy p, so one of the two is wrong: for "
            f"the scores {format_array(y[at])}{points.describe_mask(at)} it is {found[at]:.17g}, "
            f"but p = {format_array(best[at])} has {reached[at]:.17g}"
        ),
    )


def _check_conjugate(points: Points) -> None:
    y, near, error = points.y, points.near, points.error
    found, best = points.conjugate(y), points.greedy(y)
    shift = 3.0
    moved = points.conjugate(y + shift)
    require_nonpositive(
        np.abs(moved - (found + shift))
        - 4 * error
        - 16 * UNIT_ROUNDOFF * shift
        - points.sum_error(best, np.where(y < -1e3, 0.0, y))
        - points.bound_error(y),
        lambda at: (
            "the conjugate does not shift with its argument: for "
            f"{format_array(y[at])}{points.describe_mask(at)} it is {found[at]:.17g}, and for "
            f"{shift} more everywhere {moved[at]:.17g}"
        ),
    )
    other = points.conjugate(near)
    distance = np.max(
        np.where(
            points.mask,
            np.abs(np.where(points.mask, near, 0.0) - np.where(points.mask, y, 0.0)),
            0.0,
        ),
        axis=1,
    )
    require_nonpositive(
        np.abs(other - found)
        - distance * (1 + 1e-12)
        - 3 * error
        - points.bound_error(y)
        - points.bound_error(near),
        lambda at: (
            f"the conjugate is not 1-Lipschitz: the scores {format_array(y[at])} and "
            f"{format_array(near[at])}{points.describe_mask(at)} are {distance[at]:.6g} apart, "
            f"their conjugates {abs(other[at] - found[at]):.6g}"
        ),
    )
    lower = np.minimum(y, near)
    less = points.conjugate(lower)
    require_nonpositive(
        less - np.minimum(found, other) - 3 * error - points.bound_error(lower),
        lambda at: (
            "the conjugate is not monotone: at "
            f"{format_array(lower[at])}{points.describe_mask(at)} it is more than at "
            f"{format_array(y[at])} or above"
        ),
    )


def _check_maximal(points: Points) -> None:
    """Check that no close, random or deterministic distribution exceeds the conjugate."""
    y, found = points.y, points.conjugate(points.y)
    best = points.greedy(y)
    vertices = [np.broadcast_to(vertex, y.shape) for vertex in np.eye(points.n_actions)]
    # close ones first: they are the better counterexamples
    for rival in (*_exchange_probability(best), points.p, points.q, *vertices):
        inside = np.all((rival == 0) | points.mask, axis=1)
        p = np.where(inside[:, None], rival, best)
        reached = points.objective(p, y)
        require_nonpositive(
            reached - found - 3 * points.error - points.sum_error(p, y),
            lambda at, p=p, reached=reached: (
                "greedy is not the maximiser: for the scores "
                f"{format_array(y[at])}{points.describe_mask(at)} it returns "
                f"{format_array(best[at])}, where ⟨p, y⟩ - h(p) is {found[at]:.17g}, but p = "
                f"{format_array(p[at])} has {reached[at]:.17g}, which is "
                f"{reached[at] - found[at]:.3g} more"
            ),
        )


def _exchange_probability(p: Float[np.ndarray, "N A"]) -> list[Float[np.ndarray, "N A"]]:
    """Move amounts of probability, large and small, between each pair of actions."""
    moved = []
    n_actions = p.shape[1]
    for source in range(n_actions):
        for target in range(n_actions):
            for power in range(0, 26, 2) if source != target else ():
                amount = p[:, source] * 0.5**power
                rival = p.copy()
                rival[:, source] -= amount
                rival[:, target] += amount
                moved.append(rival)
    return moved


def _check_gradient(points: Points) -> None:
    """Check that h*(y + v) - h*(y) - ⟨greedy(y), v⟩ is between 0 and ‖v‖²/(2μ).

    μ is the modulus of strong convexity of h.
    """
    y, near, mask = points.y, points.near, points.mask
    best = points.greedy(y)
    step = np.where(mask, np.where(mask, near, 0.0) - np.where(mask, y, 0.0), 0.0)
    with np.errstate(over="ignore"):
        curvature = points.conjugate(near) - points.conjugate(y) - (best * step).sum(axis=1)
        slack = (
            4 * points.error
            + 2 * points.sum_error(best, step)
            + points.sum_error(best, np.where(mask, near, 0.0))
        )
    require_nonpositive(
        -curvature - slack,
        lambda at: (
            f"greedy is not the gradient of the conjugate: from {format_array(y[at])} to "
            f"{format_array(near[at])}{points.describe_mask(at)} it rises by {-curvature[at]:.3g} "
            f"less than its tangent with the slope {format_array(best[at])}"
        ),
    )
    modulus = points.regularizer.strong_convexity(points.n_actions)
    if modulus > 0:
        with np.errstate(over="ignore"):
            most = np.max(np.abs(step), axis=1) ** 2 / (2 * modulus)
        require_nonpositive(
            np.where(
                most < np.inf, curvature - np.where(most < np.inf, most, 0.0) - slack, -np.inf
            ),
            lambda at: (
                f"greedy is not the gradient of the conjugate, or strong_convexity, {modulus:.6g}, "
                f"is too much: from {format_array(y[at])} to "
                f"{format_array(near[at])}{points.describe_mask(at)} the conjugate leaves its "
                f"tangent by {curvature[at]:.6g}, not {most[at]:.6g}"
            ),
        )
