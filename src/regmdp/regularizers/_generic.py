"""Greedy distributions of regularizers without a formula, or an error if they cannot be found."""

from __future__ import annotations

import numpy as np

from regmdp._internal.arrays import UNIT_ROUNDOFF, Array, Bool, Float
from regmdp._internal.errors import RegularizerError
from regmdp.regularizers._interior import LOWEST, maximise
from regmdp.regularizers._probability_bounds import ProbabilityBounds, rounding_slack
from regmdp.regularizers._smooth import Smooth
from regmdp.regularizers.base import Regularizer, inner
from regmdp.regularizers.separable import SeparableRegularizer

__all__ = ["ACCURACY", "maximise_numerically"]

#: How far greedy distributions may be from the maximum, in units of the number of actions and the
#: size of h.
ACCURACY = 1e-11

#: Actions this far below the best have no probability, if h is not so steep there that it makes a
#: difference.
FAR = 1e9

#: Actions this far above those between which it is decided have all that they may have.
FARTHEST = 1e60

#: How much of the accuracy may be lost by that.
SLIGHT = 0.1


def maximise_numerically(
    whole: Regularizer,
    parts: tuple[tuple[Array, Regularizer], ...],
    y: Float[Array, "*batch A"],
    available: Bool[Array, "*batch A"] | None,
    rest: Regularizer | None = None,
) -> Float[np.ndarray, "*batch A"]:
    """Return the greedy distributions of a weighted sum of regularizers.

    Args:
        whole: The sum: what it says of its limits and of its rounding error is kept.
        parts: The weights, and the regularizers.
        y: (…, A) scores, of one state or of several.
        available: (…, A) mask of the actions in the domain.
        rest: The sum of those parts that have a greedy distribution in closed form, if there are
            any.

    Raises:
        RegularizerError: if the maximum is not reached to within the rounding error.
    """
    scores = np.asarray(y).reshape(-1, y.shape[-1])
    allowed = (
        np.ones(scores.shape, dtype=np.bool_)
        if available is None
        else np.asarray(available).reshape(scores.shape)
    )
    # a state without actions is a terminal one: any distribution will do
    allowed = allowed | ~allowed.any(axis=1, keepdims=True)
    claim = whole.rounding(scores.shape[1])
    limits = (whole.probability_bounds or ProbabilityBounds(0.0, 1.0)).broadcast(
        scores.shape, allowed, scores
    )
    scores = _relative(scores, limits, allowed)
    limits = _screened(whole, scores, limits, allowed, SLIGHT * claim)
    smooth = Smooth(parts, allowed & (np.asarray(limits.upper) > 0))
    p, gap = maximise(smooth, scores, limits, np.full(len(scores), 1e-3 * claim))
    if rest is not None:
        p, gap = _sharpened(smooth, rest, p, scores, allowed)
    else:  # scores that were taken to be higher than they are
        gap = gap + inner(p, np.maximum(LOWEST - scores, 0.0))
    # what the scores' own rounding does to the bound
    far = np.where(p > 0, np.abs(scores), 0.0)
    size = np.sum(p * far, axis=1) if whole.probability_bounds is None else np.max(far, axis=1)
    noise = 16 * (scores.shape[1] + 4) * UNIT_ROUNDOFF * size
    bad = ~(gap + SLIGHT * claim <= claim + noise)
    if bad.any():
        row = int(np.argmax(bad))
        raise RegularizerError(
            f"the greedy distribution of {type(whole).__name__} is only known to be within "
            f"{gap[row]:.3g} of the maximum, not within {claim:.3g}, at the scores {scores[row]}; "
            f"{int(np.count_nonzero(bad))} of {len(bad)} states are like that; check with "
            "regmdp.testing.check_regularizer that it is convex and its gradient right"
        )
    return p.reshape(y.shape)


def _relative(
    scores: Float[np.ndarray, "N A"], limits: ProbabilityBounds, allowed: Bool[np.ndarray, "N A"]
) -> Float[np.ndarray, "N A"]:
    """Return the (N, A) scores less that of the last action to get anything if h were 0: it is near there that h decides.

    So nothing is lost by how far other actions are from it.
    """
    scores = np.where(allowed, scores, -np.inf)
    top = np.max(scores, axis=1, keepdims=True)
    given = np.asarray(limits.linear_maximiser(scores)) - np.asarray(limits.lower) > rounding_slack(
        scores.shape[1]
    )
    last = np.min(np.where(given, scores, top), axis=1, keepdims=True)
    return np.where(allowed, scores - np.where(last > -np.inf, last, top), -np.inf)


def _screened(
    whole: Regularizer,
    scores: Float[np.ndarray, "N A"],
    limits: ProbabilityBounds,
    allowed: Bool[np.ndarray, "N A"],
    slight: float,
) -> ProbabilityBounds:
    """Return the limits, and put those actions on one of them that are too far from where it is decided for h to matter.

    An action that is D below that point costs t D if it has the probability t. If h falls by less
    than that when such actions get the probability 1/D, it is convex, so that they have less; and
    if h falls by no more than ``slight``, they gain no more.

    Args:
        whole: h.
        scores: (N, A) scores relative to that point, -inf at actions that are not allowed.
        limits: (N, A) limits.
        allowed: (N, A) mask.
        slight: What h may fall by.
    """
    lower, upper = np.asarray(limits.lower), np.asarray(limits.upper)
    low, high = allowed & (scores < -FAR), allowed & (scores > FARTHEST)
    if not (low.any() or high.any()):
        return limits
    screened = ProbabilityBounds(np.where(high, upper, lower), np.where(low, lower, upper))
    centre = np.asarray(screened.centre())
    little = np.where(low, 1.0 / np.where(low, -scores, 1.0), 0.0)
    with np.errstate(invalid="ignore"):
        value = whole.value(centre, allowed)
        fall = value - whole.value(
            centre * (1.0 - little.sum(axis=1, keepdims=True)) + little, allowed
        )
    possible = (np.isfinite(value) & (fall <= slight))[:, None]
    return ProbabilityBounds(
        np.where(possible, screened.lower, lower), np.where(possible, screened.upper, upper)
    )


def _sharpened(
    smooth: Smooth,
    rest: Regularizer,
    p: Float[np.ndarray, "N A"],
    scores: Float[np.ndarray, "N A"],
    allowed: Bool[np.ndarray, "N A"],
) -> tuple[Float[np.ndarray, "N A"], Float[np.ndarray, " N"]]:
    """Put the tangent at p in place of what has no closed form, and return the better of p and of the maximum with the tangent.

    The bounds are those that the tangent gives: with g for what has a closed form, and z for the
    slope of the rest, g*(y - z) + g(p) - ⟨p, y - z⟩.
    """
    best, least = p, np.full(len(p), np.inf)
    for _ in range(2):
        gradients = smooth.gradients(p)
        kept = [
            np.zeros(p.shape) if isinstance(part, SeparableRegularizer) else gradient
            for (_, part), gradient in zip(smooth.parts, gradients, strict=True)
        ]
        left = np.where(allowed, scores - np.where(allowed, smooth.total(kept), 0.0), -np.inf)
        top = np.max(left, axis=1, keepdims=True)
        left = np.where(allowed, left - top, -np.inf)
        with np.errstate(invalid="ignore"):
            lacking = (
                rest.conjugate(left, allowed)
                + rest.value(p, allowed)
                - inner(p, left)
                + smooth.unsure(p, gradients)
            )
        lacking = np.where(np.isfinite(lacking), np.maximum(lacking, 0.0), np.inf)
        better = lacking < least
        best, least = np.where(better[:, None], p, best), np.where(better, lacking, least)
        p = rest.greedy(left, allowed)
    return best, least
