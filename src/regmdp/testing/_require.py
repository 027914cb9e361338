"""How a check fails: with the worst witness among all that were tried."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

__all__ = ["fail_on_warnings", "format_array", "require", "require_nonpositive"]


def require(condition: object, message: str) -> None:
    """Raise AssertionError with the message unless the condition holds; ``python -O`` does not switch this off."""
    if not condition:
        raise AssertionError(message)


def require_nonpositive(excess: Any, describe: Callable[[tuple[int, ...]], str]) -> None:
    """Raise AssertionError where the excess is positive or NaN, and describe the worst place.

    Args:
        excess: (…) by how much each place violates what is demanded, beyond the tolerance.
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
        f"{describe(where)}; {count:,} of {excess.size:,} places tried are like that, this is the "
        "worst"
    )


def format_array(array: Any) -> str:
    """Write an array so that it can be pasted back, every digit of it."""
    text = np.array2string(
        np.asarray(array), separator=", ", floatmode="unique", max_line_width=10**6, threshold=64
    )
    return f"array({text})" if np.ndim(array) else text


@contextmanager
def fail_on_warnings(what: str) -> Iterator[None]:
    """Turn a warning, or an attempt to write into read-only data, into an AssertionError that says what was being done."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        try:
            yield
        except RuntimeWarning as warning:
            raise AssertionError(f"{what} warns: {warning}") from warning
        except ValueError as error:
            if "read-only" not in str(error):
                raise
            raise AssertionError(
                f"{what} writes into its argument, which is somebody else's: {error}"
            ) from error
