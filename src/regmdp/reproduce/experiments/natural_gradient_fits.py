"""Rates and exponents fitted to the runs of the experiment on natural policy gradient."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from regmdp._internal.arrays import Float
from regmdp.reproduce.experiments.natural_gradient_runs import (
    SMALLEST_SHOWN,
    EntropyRun,
    NewtonRun,
    UnregularizedRun,
)

__all__ = ["DigitRatios", "fit_digits", "fit_exponent", "fit_rate", "fit_rates"]

#: Smallest number of points of a fit.
MIN_POINTS = 4


def fit_exponent(one: UnregularizedRun) -> float:
    """Return the exponent of a power law fitted to the gap over the last 3/4 of log t.

    It is NaN if fewer than 4 of these gaps are above rounding.
    """
    t = np.arange(1, one.gap.size + 1)
    above = one.gap > SMALLEST_SHOWN
    last = t[above][-1] if above.any() else 1
    late = above & (t >= last**0.25)
    if np.count_nonzero(late) < MIN_POINTS:
        return math.nan
    return float(np.polyfit(np.log(t[late]), np.log(one.gap[late]), 1)[0])


def fit_rate(errors: Float[np.ndarray, " n"], low: float, high: float) -> float:
    """Fit the factor per iteration of an error between two bounds; NaN for less than 4 points."""
    t = np.flatnonzero((errors > low) & (errors < high))
    if t.size < MIN_POINTS:
        return math.nan
    return float(np.exp(np.polyfit(t, np.log(errors[t]), 1)[0]))


def fit_rates(one: EntropyRun) -> dict[str, float]:
    """Return the fitted rates of log π and of Q near the optimum, above rounding."""
    return {
        "log_policy": fit_rate(one.errors["log_policy"], 1e-10, 1e-2),
        "q": fit_rate(one.errors["q"], 1e-12, 1e-4),
    }


class DigitRatios(NamedTuple):
    """Growth of the number of digits in successive iterations of soft policy iteration.

    Attributes:
        digits: (n,) log x_{t+1} / log x_t.
        ratios: (n,) x_{t+1} / x_t².
        share: Largest x_{t+1} / (c x_t²); NaN without iterations.
    """

    digits: Float[np.ndarray, " n"]
    ratios: Float[np.ndarray, " n"]
    share: float


def fit_digits(one: NewtonRun) -> DigitRatios:
    """Compare successive gaps below 1/10 and well above their noise."""
    steps = [
        t for t in range(one.gap.size - 1) if one.gap[t] < 0.1 and one.gap[t + 1] > 1e4 * one.noise
    ]
    before, after = one.gap[steps], one.gap[[t + 1 for t in steps]]
    share = after / one.bound[[t + 1 for t in steps]]
    return DigitRatios(
        np.log(after) / np.log(before),
        after / before**2,
        float(share.max()) if steps else math.nan,
    )
