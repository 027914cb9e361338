"""Greedy distributions of regularizers without a formula, with checked accuracy."""

from __future__ import annotations

import numpy as np

from regmdp._internal.arrays import UNIT_ROUNDOFF, Array, Bool, Float
from regmdp._internal.checks import describe_first
from regmdp._internal.errors import RegularizerError
from regmdp.regularizers._interior_point import MIN_SCORE, maximise
from regmdp.regularizers._parameters import PerState
from regmdp.regularizers._probability_bounds import ProbabilityBounds, rounding_slack
from regmdp.regularizers._weighted_sum import WeightedSum
from regmdp.regularizers.base import Regularizer, inner_product
from regmdp.regularizers.separable import SeparableRegularizer

__all__ = ["ACCURACY", "maximise_numerically"]

#: Largest distance of greedy distributions from the maximum, per action and unit of the magnitude
#: of h.
ACCURACY = 1e-11

#: Actions with scores this far below the marginal one get their lower bound, if h permits it.
MAX_SCORE_BELOW = 1e9

#: Actions with scores this far above the marginal one get their upper bound, if h permits it.
MAX_SCORE_ABOVE = 1e60

#: Largest fraction of the accuracy that fixing such actions may cost.
SCREENING_SHARE = 0.1


def maximise_numerically(
    whole: Regularizer,
    parts: tuple[tuple[PerState, Regularizer], ...],
    y: Float[Array, "*batch A"],
    available: Bool[Array, "*batch A"] | None,
    rest: Regularizer | None = None,
) -> Float[np.ndarray, "*batch A"]:
    """Return the greedy distributions of a weighted sum of regularizers.

    Args:
        whole: The sum, whose bounds on probabilities and rounding error apply.
        parts: The weights and the regularizers.
        y: (…, A) scores, of one state or of several; the axis before the last is states.
        available: (…, A) mask of the actions in the domain.
        rest: The sum of the parts with a greedy distribution in closed form, if there are any.

    Raises:
        RegularizerError: if the distance from the maximum may exceed the rounding error.
    """
    mask = np.broadcast_to(True if available is None else np.asarray(available), y.shape)
    if y.ndim > 2:  # fields per state fit the states of one table at a time
        return np.stack(
            [
                maximise_numerically(whole, parts, one, allowed, rest)
                for one, allowed in zip(np.asarray(y), mask, strict=True)
            ]
        )
    scores, allowed = np.asarray(y).reshape(-1, y.shape[-1]), mask.reshape(-1, y.shape[-1])
    # a state without actions is terminal: its distribution is not used
    allowed = allowed | ~allowed.any(axis=1, keepdims=True)
    tolerance = whole.rounding(scores.shape[1])
    bounds = (whole.probability_bounds or ProbabilityBounds(0.0, 1.0)).broadcast(
        scores.shape, allowed, scores
    )
    scores = _subtract_marginal(scores, bounds, allowed)
    bounds = _fix_distant_actions(whole, scores, bounds, allowed, SCREENING_SHARE * tolerance)
    function = WeightedSum(parts, allowed & (bounds.upper > 0))
    p, gap = maximise(function, scores, bounds, np.full(len(scores), 1e-3 * tolerance))
    if rest is not None:
        p, gap = _refine_by_tangent(function, rest, p, scores, allowed)
    else:  # `maximise` raises scores to MIN_SCORE
        gap = gap + inner_product(p, np.maximum(MIN_SCORE - scores, 0.0))
    # the error of the bound due to the rounding of the scores
    far = np.where(p > 0, np.abs(scores), 0.0)
    size = np.sum(p * far, axis=1) if whole.probability_bounds is None else np.max(far, axis=1)
    noise = 16 * (scores.shape[1] + 4) * UNIT_ROUNDOFF * size
    bad = ~(gap + SCREENING_SHARE * tolerance <= tolerance + noise)
    if bad.any():
        raise RegularizerError(
            describe_first(
                bad,
                lambda row: (
                    f"the greedy distribution of {type(whole).__name__} is only known to be within "
                    f"{gap[row]:.3g} of the maximum, not within {tolerance:.3g}, at the scores "
                    f"{scores[row]}"
                ),
                "states",
                "check with regmdp.testing.check_regularizer that it is convex and its gradient "
                "right",
            )
        )
    return p.reshape(y.shape)


def _subtract_marginal(
    scores: Float[np.ndarray, "N A"], bounds: ProbabilityBounds, allowed: Bool[np.ndarray, "N A"]
) -> Float[np.ndarray, "N A"]:
    """Return the (N, A) scores minus that of the last action with probability if h were 0.

    Scores close to it matter most, so their differences have to be accurate.
    """
    scores = np.where(allowed, scores, -np.inf)
    top = np.max(scores, axis=1, keepdims=True)
    given = bounds.linear_maximiser(scores) - bounds.lower > rounding_slack(scores.shape[1])
    last = np.min(np.where(given, scores, top), axis=1, keepdims=True)
    return np.where(allowed, scores - np.where(last > -np.inf, last, top), -np.inf)


def _fix_distant_actions(
    whole: Regularizer,
    scores: Float[np.ndarray, "N A"],
    bounds: ProbabilityBounds,
    allowed: Bool[np.ndarray, "N A"],
    max_fall: float,
) -> ProbabilityBounds:
    """Return bounds that fix actions with scores too far from the marginal one for h to matter.

    An action with a score D below the marginal one costs t D if it has the probability t. If h
    falls by less than that when such actions get the probability 1/D, they have less, as h is
    convex; and if h falls by at most ``max_fall``, they gain at most that.

    Args:
        whole: h.
        scores: (N, A) scores relative to the marginal one, -inf at actions that are not allowed.
        bounds: (N, A) bounds on probabilities.
        allowed: (N, A) mask.
        max_fall: Largest fall of h.
    """
    lower, upper = bounds.lower, bounds.upper
    low, high = allowed & (scores < -MAX_SCORE_BELOW), allowed & (scores > MAX_SCORE_ABOVE)
    if not (low.any() or high.any()):
        return bounds
    screened = ProbabilityBounds(np.where(high, upper, lower), np.where(low, lower, upper))
    centre = screened.centre()
    little = np.where(low, 1.0 / np.where(low, -scores, 1.0), 0.0)
    with np.errstate(invalid="ignore"):
        value = whole.value(centre, allowed)
        fall = value - whole.value(
            centre * (1.0 - little.sum(axis=1, keepdims=True)) + little, allowed
        )
    possible = (np.isfinite(value) & (fall <= max_fall))[:, None]
    return ProbabilityBounds(
        np.where(possible, screened.lower, lower), np.where(possible, screened.upper, upper)
    )


def _refine_by_tangent(
    function: WeightedSum,
    rest: Regularizer,
    p: Float[np.ndarray, "N A"],
    scores: Float[np.ndarray, "N A"],
    allowed: Bool[np.ndarray, "N A"],
) -> tuple[Float[np.ndarray, "N A"], Float[np.ndarray, " N"]]:
    """Replace the parts without a closed form by their tangent at p; return the better maximiser.

    Compared are p and the maximiser with the tangent, by the bounds on their distances from the
    maximum: with g for the parts in closed form and z for the gradient of the others,
    g*(y - z) + g(p) - ⟨p, y - z⟩.

    Returns:
        The (N, A) distributions, and (N,) bounds on their distances from the maximum.
    """
    best, gap = p, np.full(len(p), np.inf)
    for _ in range(2):
        gradients = function.gradients(p)
        kept = [
            np.zeros(p.shape) if isinstance(part, SeparableRegularizer) else gradient
            for (_, part), gradient in zip(function.parts, gradients, strict=True)
        ]
        left = np.where(
            allowed, scores - np.where(allowed, function.weighted_sum(kept), 0.0), -np.inf
        )
        top = np.max(left, axis=1, keepdims=True)
        left = np.where(allowed, left - top, -np.inf)
        with np.errstate(invalid="ignore"):
            loss = (
                rest.conjugate(left, allowed)
                + rest.value(p, allowed)
                - inner_product(p, left)
                + function.tangent_error(p, gradients)
            )
        loss = np.where(np.isfinite(loss), np.maximum(loss, 0.0), np.inf)
        better = loss < gap
        best, gap = np.where(better[:, None], p, best), np.where(better, loss, gap)
        p = rest.greedy(left, allowed)
    return best, gap
