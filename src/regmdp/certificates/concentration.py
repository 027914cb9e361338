"""Concentration inequalities: radii of confidence intervals that hold at any sample size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

import numpy as np

from regmdp._internal.arrays import ArrayLike, Float
from regmdp._internal.checks import LARGE_ROOT, check_number
from regmdp._internal.errors import SolverError
from regmdp._internal.parameters import ArrayOf, Integer, Number, Option, checked

__all__ = [
    "RADII",
    "Inequality",
    "check_confidence",
    "empirical_bernstein_radius",
    "enough_samples",
    "hoeffding_radius",
]

Inequality: TypeAlias = Literal["empirical-bernstein", "hoeffding"]


@checked(
    count=ArrayOf(minimum=0.0, maximum=LARGE_ROOT),
    width=ArrayOf(minimum=0.0, maximum=LARGE_ROOT),
    delta=ArrayOf(above=0.0, maximum=1.0),
    sides=Integer(1, 2),
)
def hoeffding_radius(
    count: ArrayLike, width: ArrayLike, delta: ArrayLike, *, sides: int = 2
) -> Float[np.ndarray, "*n"]:
    r"""Return \(R \sqrt{\log(k/\delta) / (2n)}\), for an interval of k sides; all arrays broadcast.

    Args:
        count: n ≥ 1; where it is smaller, the radius is infinite.
        width: R, highest minus lowest possible value, in the unit of the samples.
        delta: δ, bound on the probability that the interval misses the expectation.
        sides: 2 for an interval around the mean, 1 for one of its ends alone.

    Examples:
        >>> from regmdp.certificates import hoeffding_radius
        >>> float(hoeffding_radius(1000, 1.0, 0.05).round(6))
        0.042947

    References:
        Hoeffding 1963, JASA 58(301), "Probability inequalities for sums of bounded random
        variables", theorem 2.
    """
    _require_broadcast(count, width, delta)
    n, logarithm = np.asarray(count), np.log(sides / np.asarray(delta))
    known = n >= 1
    return np.where(
        known, np.asarray(width) * np.sqrt(logarithm / (2.0 * np.where(known, n, 1.0))), np.inf
    )


@checked(
    count=ArrayOf(minimum=0.0, maximum=LARGE_ROOT),
    variance=ArrayOf(minimum=0.0, maximum=LARGE_ROOT),
    width=ArrayOf(minimum=0.0, maximum=LARGE_ROOT),
    delta=ArrayOf(above=0.0, maximum=1.0),
    sides=Integer(1, 2),
)
def empirical_bernstein_radius(
    count: ArrayLike, variance: ArrayLike, width: ArrayLike, delta: ArrayLike, *, sides: int = 2
) -> Float[np.ndarray, "*n"]:
    r"""Return \(\sqrt{2 v L / n} + 7 R L / (3 (n-1))\); all arrays broadcast.

    One side needs Bernstein's inequality and a bound on the variance, δ/2 each, so L = log(2/δ):
    this is the theorem. Both sides need Bernstein's twice and the bound on the variance once, δ/3
    each, so L = log(3/δ). For samples of small variance this is much shorter than Hoeffding's
    radius; otherwise about as long.

    Args:
        count: n ≥ 2; where it is smaller, the radius is infinite.
        variance: v, the sample variance with n - 1 in the denominator, in the squared unit of the
            samples.
        width: R, highest minus lowest possible value, in the unit of the samples.
        delta: δ, bound on the probability that the interval misses the expectation.
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
    _require_broadcast(count, variance, width, delta)
    n, logarithm = np.asarray(count), np.log((sides + 1) / np.asarray(delta))
    known = n >= 2
    n = np.where(known, n, 2.0)
    radius = np.sqrt(2.0 * np.asarray(variance) * logarithm / n) + 7.0 * np.asarray(
        width
    ) * logarithm / (3.0 * (n - 1.0))
    return np.where(known, radius, np.inf)


@checked(inequality=Option("empirical-bernstein", "hoeffding"), delta=Number(above=0.0))
def enough_samples(inequality: Inequality, delta: float) -> int:
    """Return a number of samples whose two-sided interval is always shorter than the range.

    >>> enough_samples("hoeffding", 0.05), enough_samples("empirical-bernstein", 0.05)
    (8, 38)
    """
    if inequality == "hoeffding":
        return int(np.floor(2.0 * np.log(2.0 / delta))) + 1
    # the sample variance is at most R² n / (4 (n-1)): with x = √(L/(n-1)) this is x/√2 + 7x²/3 <
    # 1/2
    root = (np.sqrt(0.5 + 14.0 / 3.0) - np.sqrt(0.5)) / (14.0 / 3.0)
    return int(np.floor(1.0 + np.log(3.0 / delta) / root**2)) + 1


def _require_broadcast(*arrays: ArrayLike) -> None:
    """Check that arrays have shapes that fit together."""
    shapes = [np.shape(array) for array in arrays]
    try:
        np.broadcast_shapes(*shapes)
    except ValueError:
        raise SolverError(f"the arguments have shapes that do not fit together: {shapes}") from None


#: The radius from (n, variance, R, δ) by the name of the inequality.
RADII: dict[Inequality, Callable[..., Float[np.ndarray, "*n"]]] = {
    "empirical-bernstein": empirical_bernstein_radius,
    "hoeffding": lambda count, _variance, width, delta: hoeffding_radius(count, width, delta),
}


def check_confidence(confidence: object) -> float:
    """Return a confidence as a float.

    Raises:
        SolverError: if it is not a number strictly between 0 and 1.
    """
    return check_number("confidence", confidence, above=0.0, below=1.0)
