"""Checks of the parameters of named models."""

from __future__ import annotations

import math
import operator
from typing import Any

from regmdp._internal.errors import ModelError

__all__ = ["count", "finite", "probability"]


def count(name: str, value: Any, least: int = 1) -> int:
    """Return an integer that is at least ``least``."""
    try:
        number = operator.index(value)
    except TypeError:
        raise ModelError(f"{name} must be an integer, not {value!r}") from None
    if number < least:
        raise ModelError(f"{name} must be at least {least}, not {number}")
    return number


def finite(name: str, value: Any) -> float:
    """Return a finite float."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ModelError(f"{name} must be a number, not {value!r}") from None
    if not math.isfinite(number):
        raise ModelError(f"{name} must be finite, not {number}")
    return number


def probability(name: str, value: Any) -> float:
    """Return a float in [0, 1]."""
    number = finite(name, value)
    if not 0.0 <= number <= 1.0:
        raise ModelError(f"{name} is a probability, so it must lie between 0 and 1, not {number!r}")
    return number
