"""The last check of bounds before a result holds them."""

from __future__ import annotations

import numpy as np

from regmdp._internal.checks import describe_first
from regmdp._internal.errors import CertificateError

__all__ = ["require_bounds", "require_error_bound"]

#: What a user can do about bounds that contradict each other.
ADVICE = (
    "if the regularizer is your own, check it with regmdp.testing.check_regularizer; otherwise "
    "please report this as an error of the library"
)


def require_bounds(name: str, lower: float | np.ndarray, upper: float | np.ndarray) -> None:
    """Check that every lower bound is at most its upper bound, and that none is NaN.

    Args:
        name: What is bounded.
        lower: Lower bounds, of any shape.
        upper: Upper bounds, of the same shape.

    Raises:
        CertificateError: naming the first place where it is not so.

    Examples:
        >>> require_bounds("the value", np.array([0.0, -np.inf]), np.array([0.0, np.inf]))
        >>> require_bounds("the radius", 2.0, 1.0)
        Traceback (most recent call last):
        regmdp.CertificateError: the bounds on the radius contradict each other: 2.0 ≤ … ≤ 1.0; \
if the regularizer is your own, check it with regmdp.testing.check_regularizer; otherwise please \
report this as an error of the library
    """
    low, high = np.asarray(lower), np.asarray(upper)
    if low.shape != high.shape:
        raise CertificateError(
            f"the bounds on {name} have the shapes {low.shape} and {high.shape}, which must be the "
            "same"
        )
    bad = ~(low <= high)
    if bad.any():
        raise CertificateError(
            describe_first(
                bad,
                lambda *index: (
                    f"the bounds on {name} contradict each other{_describe_index(index)}: "
                    f"{float(low[index])!r} ≤ … ≤ {float(high[index])!r}"
                ),
                "bounds",
                ADVICE,
            )
        )


def require_error_bound(name: str, bound: float | np.ndarray) -> None:
    """Check that bounds on an error are 0 or more, perhaps infinite, and not NaN.

    Raises:
        CertificateError: naming the first that is not.

    Examples:
        >>> require_error_bound("the derivative", float("inf"))
    """
    bounds = np.asarray(bound)
    bad = ~(bounds >= 0.0)
    if bad.any():
        raise CertificateError(
            describe_first(
                bad,
                lambda *index: (
                    f"the bound on the error of {name} is {float(bounds[index])!r}"
                    f"{_describe_index(index)}"
                ),
                "bounds",
                ADVICE,
            )
        )


def _describe_index(index: tuple[int, ...]) -> str:
    return f" at {index[0] if len(index) == 1 else index}" if index else ""
