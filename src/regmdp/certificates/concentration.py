"""How far the mean of independent bounded samples may be from what is expected: radii of intervals that hold at any sample size."""

from __future__ import annotations

from typing import Any

import numpy as np

from regmdp._internal.arrays import ArrayLike, Float
from regmdp._internal.errors import SolverError

__all__ = [
    "RADII",
    "check_confidence",
    "empirical_bernstein_radius",
    "enough_samples",
    "hoeffding_radius",
]


def hoeffding_radius(
    count: ArrayLike, width: ArrayLike, delta: ArrayLike, *, sides: int = 2
) -> Float[np.ndarray, "*n"]:
    r"""(…) numbers of samples, widths of their range and δ -> (…) \(R \sqrt{\log(k/\delta) / (2n)}\) for an interval of k sides.

    Args:
        count: n ≥ 1; where it is smaller, the radius is infinite.
        width: R, highest minus lowest value there can be, in the unit of the samples.
        delta: δ, the probability with which the interval may miss the expectation.
        sides: 2 for an interval around the mean, 1 for one of its ends alone.

    Examples:
        >>> from regmdp.certificates import hoeffding_radius
        >>> float(hoeffding_radius(1000, 1.0, 0.05).round(6))
        0.042947

    References:
        Hoeffding 1963, JASA 58(301), "Probability inequalities for sums of bounded random
        variables", theorem 2.
    """
    n, logarithm = np.asarray(count, dtype=np.float64), np.log(sides / np.asarray(delta))
    known = n >= 1
    return np.where(
        known, np.asarray(width) * np.sqrt(logarithm / (2.0 * np.where(known, n, 1.0))), np.inf
    )


def empirical_bernstein_radius(
    count: ArrayLike, variance: ArrayLike, width: ArrayLike, delta: ArrayLike, *, sides: int = 2
) -> Float[np.ndarray, "*n"]:
    r"""(…) numbers of samples, sample variances, widths and δ -> (…) \(\sqrt{2 v L / n} + 7 R L / (3 (n-1))\).

    One side needs Bernstein's inequality and a bound on the variance, δ/2 each, so L = log(2/δ):
    this is the theorem. Both sides need Bernstein's twice and the bound on the variance once, δ/3
    each, so L = log(3/δ). Where the samples hardly vary this is much shorter than Hoeffding's
    radius; where they do not it is about as long.

    Args:
        count: n ≥ 2; where it is smaller, the radius is infinite.
        variance: v, the sample variance with n - 1 in the denominator, in the squared unit of the
            samples.
        width: R, highest minus lowest value there can be, in the unit of the samples.
        delta: δ, the probability with which the interval may miss the expectation.
        sides: 2 for an interval around the mean, 1 for one of its ends alone.

    Examples:
        >>> from regmdp.certificates import empirical_bernstein_radius
        >>> float(empirical_bernstein_radius(1000, 0.01, 1.0, 0.05).round(6))
        0.018612

    References:
        Maurer & Pontil 2009, COLT, "Empirical Bernstein bounds and sample variance penalization",
        theorem 4 (one side); Audibert, Munos & Szepesvári 2009, Theoretical Computer Science
        410(19), theorem 1 (log(3/δ) for both).
    """
    n, logarithm = np.asarray(count, dtype=np.float64), np.log((sides + 1) / np.asarray(delta))
    known = n >= 2
    n = np.where(known, n, 2.0)
    radius = np.sqrt(2.0 * np.asarray(variance) * logarithm / n) + 7.0 * np.asarray(
        width
    ) * logarithm / (3.0 * (n - 1.0))
    return np.where(known, radius, np.inf)


def enough_samples(bound: str, delta: float) -> int:
    """Return a number of samples with which the two-sided interval is shorter than the range, however much the samples vary.

    >>> enough_samples("hoeffding", 0.05), enough_samples("empirical-bernstein", 0.05)
    (8, 38)
    """
    if bound == "hoeffding":
        return int(np.floor(2.0 * np.log(2.0 / delta))) + 1
    # the sample variance is at most R² n / (4 (n-1)): with x = √(L/(n-1)) this is x/√2 + 7x²/3 <
    # 1/2
    root = (np.sqrt(0.5 + 14.0 / 3.0) - np.sqrt(0.5)) / (14.0 / 3.0)
    return int(np.floor(1.0 + np.log(3.0 / delta) / root**2)) + 1


#: What the bounds are called, and the radius of each from (n, variance, R, δ).
RADII = {
    "empirical-bernstein": empirical_bernstein_radius,
    "hoeffding": lambda count, _variance, width, delta: hoeffding_radius(count, width, delta),
}


def check_confidence(confidence: Any) -> float:
    """Return a confidence that is more than 0 and less than 1.

    Raises:
        SolverError: if it is not.
    """
    try:
        number = float(confidence)
    except (TypeError, ValueError):
        raise SolverError(
            f"the confidence must be a number between 0 and 1, not {confidence!r}"
        ) from None
    if not 0.0 < number < 1.0:
        raise SolverError(
            f"the confidence must be more than 0 and less than 1, as 0.95, not {confidence}"
        )
    return number
