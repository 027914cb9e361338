r"""The proximal step in Kullback-Leibler divergence.

It is \(\arg\max_p \langle y, p \rangle - c\, h(p) - \sum_a p_a \log p_a\).
"""

from __future__ import annotations

import numpy as np

from regmdp._internal.arrays import UNIT_ROUNDOFF, Array, Bool, Float
from regmdp.regularizers import CapBarrier, Regularizer, Shannon
from regmdp.regularizers.base import with_temperature
from regmdp.regularizers.separable import SeparableRegularizer

__all__ = ["solve_kl_proximal_step"]

#: Newton steps after which a state is solved by the slower and safer method.
MAX_NEWTON_STEPS = 25

#: Approximate logarithm of the smallest normal double.
MIN_LOG_PROBABILITY = -708.0
#: The mirror map.
ENTROPY = Shannon(temperature=1.0)


def solve_kl_proximal_step(
    h: Regularizer,
    y: Float[Array, "b A"],
    available: Bool[Array, "b A"] | None,
    allowed: Bool[Array, "b A"] | None,
    factor: Float[Array, ""] | Float[Array, " b"],
) -> tuple[Float[np.ndarray, "b A"], Float[np.ndarray, "b A"]]:
    r"""Return the (b, A) distributions p and their logarithms, accurate even where p underflows.

    If h is a sum over actions, \(\log p_a + c \varphi_a'(p_a) = y_a - \lambda\) and
    \(\sum_a p_a = 1\) are solved by Newton's method in (log p, λ). Otherwise, and for the states in
    which that does not converge, p is the greedy distribution of the sum of h and Shannon's
    entropy.

    Args:
        h: The regularizer, for b states; its temperature is ignored.
        y: (b, A) scores with maximum 0.
        available: (b, A) mask of the available pairs, or None.
        allowed: (b, A) mask of the pairs that h permits, or None.
        factor: c ≥ 0, a number or (b,).

    References:
        Lan 2023, Mathematical Programming 198, section 5: inexact solutions of the subproblems.
        Here they are solved to rounding.
    """
    c = np.broadcast_to(factor, y.shape[:1])
    mask = np.ones(y.shape, dtype=np.bool_) if allowed is None else allowed
    live: Bool[np.ndarray, " b"] = np.any(mask, axis=-1)
    done: Bool[np.ndarray, " b"] = np.logical_not(live)
    p, log_p = np.where(mask, 1.0, 0.0), np.where(mask, 0.0, -np.inf)
    if isinstance(h, SeparableRegularizer) and (
        h.probability_bounds is None or isinstance(h, CapBarrier)
    ):
        log_p, converged = _solve_by_newton(h, np.where(mask, y, -np.inf), mask, c)
        done = done | converged
        p = np.exp(np.where(mask & live[:, None], log_p, -np.inf))
    if not done.all():
        cost = with_temperature(h, c)
        slow = (cost + ENTROPY).maximiser(y, available)
        p = np.where(done[:, None], p, slow)
        floor = np.where(slow > 0, np.log(np.where(slow > 0, slow, 1.0)), MIN_LOG_PROBABILITY)
        log_p = np.where(done[:, None], log_p, floor)
    total = np.sum(p, axis=-1, keepdims=True)
    return p / np.where(total > 0, total, 1.0), log_p


def _solve_by_newton(
    h: SeparableRegularizer, y: Float[Array, "b A"], mask: Bool[Array, "b A"], c: Float[Array, " b"]
) -> tuple[Float[np.ndarray, "b A"], Bool[np.ndarray, " b"]]:
    """Return (b, A) log p, and (b,) whether Newton's method has converged."""
    weight = c[:, None]
    finite = np.where(mask, y, 0.0)
    cap = np.broadcast_to(
        1.0 if h.probability_bounds is None else h.probability_bounds.upper, y.shape
    )
    start = ENTROPY.greedy(np.where(mask.any(axis=-1, keepdims=True), y, 0.0))
    if h.barrier:  # start near the centre of the simplex: log p is steep close to the boundary
        start = 0.5 * start + 0.5 * mask / np.maximum(mask.sum(axis=-1, keepdims=True), 1)
    x = np.where(start > 0, np.log(np.where(start > 0, start, 1.0)), np.maximum(finite, -1e300))
    x = np.where(cap < 1.0, np.minimum(x, np.log(0.5 * cap)), x)
    converged = np.zeros(y.shape[:1], dtype=np.bool_)
    for _ in range(MAX_NEWTON_STEPS):
        p = np.where(mask, np.exp(x), 0.0)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            derivatives = h.derivatives(p, x)
            excess = np.where(
                mask, x + weight * np.where(weight > 0, derivatives.first, 0.0) - finite, 0.0
            )
            share = 1.0 / (1.0 + weight * np.where(weight > 0, derivatives.first_dlog, 0.0))
            moving = p * share
            # the multiplier for which the linearized probabilities sum to 1
            multiplier = (np.sum(p, axis=-1) - 1.0 - np.sum(moving * excess, axis=-1)) / np.sum(
                moving, axis=-1
            )
            move = -(excess + multiplier[:, None]) * share
            # at most to 1, or half of the way to a cap
            most = np.where(cap < 1.0, np.log(0.5 * (p + cap)), 0.0) - x
            move = np.where(mask, np.minimum(move, most), 0.0)
            small = (p * np.abs(move) <= 4 * UNIT_ROUNDOFF) & (
                np.abs(move) <= 1e-12 * (1.0 + np.abs(x))
            )
        x = x + move
        converged = np.all(small | ~mask, axis=-1) & np.all(np.isfinite(x) | ~mask, axis=-1)
        if converged.all():
            break
    total = np.sum(np.where(mask, np.exp(np.minimum(x, 1.0)), 0.0), axis=-1)
    return np.where(mask, x, -np.inf), converged & (
        np.abs(total - 1.0) <= 4 * UNIT_ROUNDOFF * y.shape[-1]
    )
