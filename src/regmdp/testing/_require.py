"""Failures of checks, with the worst counterexample among all that were tried."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from regmdp._internal.arrays import ArrayLike

__all__ = ["fail_on_warnings", "format_array", "require", "require_nonpositive"]


def require(condition: object, message: str) -> None:
    """Raise AssertionError unless the condition holds, even with ``python -O``."""
    if not condition:
        raise AssertionError(message)


def require_nonpositive(excess: ArrayLike, describe: Callable[[tuple[int, ...]], str]) -> None:
    """Raise AssertionError if an excess is positive or NaN, and describe the worst place.

    Args:
        excess: (…) violation of the requirement beyond the tolerance at each place.
        describe: From the index of a place to a message.
    """
    excess = np.asarray(excess)
    bad = ~(excess <= 0)
    if not bad.any():
        return
    worst = np.argmax(np.where(np.isnan(excess), np.inf, np.where(bad, excess, -np.inf)))
    where = tuple(int(i) for i in np.unravel_index(worst, excess.shape))
    count = int(np.count_nonzero(bad))
    raise AssertionError(
        f"{describe(where)}; the worst of {count:,} violations at {excess.size:,} places tried"
    )


def format_array(array: ArrayLike) -> str:
    """Write an array as Python code with all its digits."""
    text = np.array2string(
        np.asarray(array), separator=", ", floatmode="unique", max_line_width=10**6, threshold=64
    )
    return f"array({text})" if np.ndim(array) else text


@contextmanager
def fail_on_warnings(what: str) -> Iterator[None]:
    """Turn warnings and writes into read-only data into AssertionErrors.

    Args:
        what: What is done meanwhile, for the message.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        try:
            yield
        except RuntimeWarning as warning:
            raise AssertionError(f"{what} warns: {warning}") from warning
        except ValueError as error:
            if "read-only" not in str(error):
                raise
            raise AssertionError(f"{what} writes into its argument: {error}") from error
