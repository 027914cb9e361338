"""The greedy map by an iteration that stops early, for inexact solutions of subproblems."""

from __future__ import annotations

import numpy as np

from regmdp._internal.arrays import Array, Bool, Float
from regmdp.improvement.dual_variables import policy_from_dual
from regmdp.regularizers import Regularizer

__all__ = ["maximise_approximately"]

#: Iterations after which states that have not reached the accuracy get the exact greedy map.
MAX_ITERATIONS = 2000


def maximise_approximately(
    regularizer: Regularizer,
    y: Float[Array, "b A"],
    allowed: Bool[Array, "b A"] | None,
    start: Float[Array, "b A"],
    gap: Float[Array, " b"] | Float[Array, ""],
) -> Float[np.ndarray, "b A"]:
    r"""(b, A) scores -> (b, A) distributions whose ⟨p, y⟩ - h(p) is within a gap of the maximum.

    Exponentiated gradient ascent, \(p \propto p\, e^{s g}\) with g = y - h'(p), and a step s that
    is halved when the objective falls. It stops at the Frank-Wolfe gap
    \(\max_a g_a - \langle p, g \rangle\), which bounds the distance from the maximum, since h is
    convex.

    Args:
        regularizer: h, for b states; only its value and subgradient are used.
        y: (b, A) scores.
        allowed: (b, A) mask of the permitted pairs, or None.
        start: (b, A) distributions in the interior of the domain of h.
        gap: The gap to reach, for each state or for all.

    References:
        Kivinen & Warmuth 1997, Information and Computation 132(1); Jaggi 2013, ICML, "Revisiting
        Frank-Wolfe", section 2.
    """
    mask = np.ones(y.shape, dtype=np.bool_) if allowed is None else allowed
    scores = np.where(mask, y, 0.0)
    p = np.array(start)
    goal = np.broadcast_to(gap, y.shape[:1])
    live = mask.any(axis=-1)
    size = np.ones(y.shape[:1])
    objective = _objective(regularizer, p, scores, allowed)
    unsolved = np.zeros_like(live)
    for _ in range(MAX_ITERATIONS):
        gradient = scores - _finite_subgradient(regularizer.subgradient(p, allowed), mask)
        best = np.max(np.where(mask, gradient, -np.inf), axis=-1, where=mask, initial=-np.inf)
        inner = np.sum(p * gradient, axis=-1)
        unsolved = live & ~(best - inner <= goal)
        if not unsolved.any():
            return p
        with np.errstate(under="ignore", invalid="ignore"):
            moved = p * np.exp(
                size[:, None] * np.where(mask, gradient - np.where(live, best, 0.0)[:, None], 0.0)
            )
            moved /= np.sum(moved, axis=-1, keepdims=True)
        moved_objective = _objective(regularizer, moved, scores, allowed)
        better = unsolved & (moved_objective > objective)
        p = np.where(better[:, None], moved, p)
        objective = np.where(better, moved_objective, objective)
        size = np.where(better, 1.5 * size, np.where(unsolved, 0.5 * size, size))
    return np.where(unsolved[:, None], policy_from_dual(regularizer, y, allowed), p)


def _objective(
    regularizer: Regularizer, p: Array, y: Array, allowed: Array | None
) -> Float[np.ndarray, " b"]:
    """Return (b,) ⟨p, y⟩ - h(p), -inf where h is infinite or p not a distribution."""
    with np.errstate(invalid="ignore"):
        objective = np.sum(p * y, axis=-1) - regularizer.value(p, allowed)
    return np.where(np.isnan(objective), -np.inf, objective)


def _finite_subgradient(subgradient: Array, mask: Array) -> Array:
    """Return the subgradient without infinite entries; 0 outside the mask."""
    return np.where(mask, np.maximum(subgradient, -1e300), 0.0)
