"""Greedy distributions of regularizers without a formula, or an error if they cannot be found."""

from __future__ import annotations

import numpy as np

from regmdp._arrays import UNIT_ROUNDOFF, Array, Bool, Float
from regmdp._errors import RegularizerError
from regmdp.regularizers._interior import maximise
from regmdp.regularizers._limits import Limits
from regmdp.regularizers._smooth import Smooth
from regmdp.regularizers.base import Regularizer, inner
from regmdp.regularizers.separable import SeparableRegularizer

__all__ = ["ACCURACY", "generic_greedy"]

#: How far greedy distributions may be from the maximum, in units of the number of actions and the size of h.
ACCURACY = 1e-11

#: Scores this far below the best have probability 0.
FARTHEST = 1e60


def generic_greedy(
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
        rest: The sum of those parts that have a greedy distribution in closed form, if there are any.

    Raises:
        RegularizerError: if the maximum is not reached to within the rounding error.
    """
    scores = np.asarray(y).reshape(-1, y.shape[-1])
    allowed = np.ones(scores.shape, dtype=np.bool_) if available is None else np.asarray(available).reshape(scores.shape)
    # a state without actions is a terminal one: any distribution will do
    allowed = allowed | ~allowed.any(axis=1, keepdims=True)
    limits = _screened(whole, scores, allowed)
    smooth = Smooth(parts, allowed & (np.asarray(limits.upper) > 0))
    claim = whole.rounding(scores.shape[1])
    p, gap = maximise(smooth, scores, limits, np.full(len(scores), 1e-3 * claim))
    if rest is not None:
        p, gap = _sharpened(smooth, rest, p, scores, allowed)
    # what the scores' own rounding does to the bound
    noise = 16 * (scores.shape[1] + 4) * UNIT_ROUNDOFF * np.max(np.where(p > 0, np.abs(scores), 0.0), axis=1)
    bad = ~(gap <= claim + noise)
    if bad.any():
        row = int(np.argmax(bad))
        raise RegularizerError(
            f"the greedy distribution of {type(whole).__name__} is only known to be within {gap[row]:.3g} of the maximum, not "
            f"within {claim:.3g}, at the scores {scores[row]}; {int(np.count_nonzero(bad))} of {len(bad)} states are like that; "
            "check with regmdp.testing.check_regularizer that it is convex and its gradient right"
        )
    return p.reshape(y.shape)


def _screened(whole: Regularizer, scores: Float[np.ndarray, "N A"], allowed: Bool[np.ndarray, "N A"]) -> Limits:
    """Return the limits, and put those actions on one of them that are too far from where it is decided for h to matter."""
    limits = (whole.limits or Limits(0.0, 1.0)).over(scores.shape, allowed, scores)
    lower, upper = np.asarray(limits.lower), np.asarray(limits.upper)
    with np.errstate(invalid="ignore"):  # -∞ less -∞ decides nothing
        relative = scores - limits.marginal(np.where(allowed, scores, -np.inf))[0][:, None]
    relative = np.where(allowed & ~np.isnan(relative), relative, 0.0)
    low, high = relative < -FARTHEST, relative > FARTHEST
    screened = Limits(np.where(high, upper, lower), np.where(low, lower, upper))
    with np.errstate(invalid="ignore"):
        possible = np.isfinite(whole.value(np.asarray(screened.centre()), allowed))[:, None]
    return Limits(np.where(possible, screened.lower, lower), np.where(possible, screened.upper, upper))


def _sharpened(
    smooth: Smooth,
    rest: Regularizer,
    p: Float[np.ndarray, "N A"],
    scores: Float[np.ndarray, "N A"],
    allowed: Bool[np.ndarray, "N A"],
) -> tuple[Float[np.ndarray, "N A"], Float[np.ndarray, " N"]]:
    """Put the tangent at p in place of what has no closed form, and return the better of p and of the maximum with the tangent.

    The bounds are those that the tangent gives: with g for what has a closed form, and z for the slope of the rest,
    g*(y - z) + g(p) - ⟨p, y - z⟩.
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
            lacking = rest.conjugate(left, allowed) + rest.value(p, allowed) - inner(p, left) + smooth.unsure(p, gradients)
        lacking = np.where(np.isfinite(lacking), np.maximum(lacking, 0.0), np.inf)
        better = lacking < least
        best, least = np.where(better[:, None], p, best), np.where(better, lacking, least)
        p = rest.greedy(left, allowed)
    return best, least
