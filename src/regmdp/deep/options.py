"""Options that must be counts, or positive."""

from __future__ import annotations

from typing import Any

from regmdp._internal.errors import SolverError

__all__ = ["require_count", "require_positive"]


def require_count(what: str, value: Any, least: int = 1) -> None:
    """Raise SolverError unless a value is an integer, and at least so much."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise SolverError(f"{what} must be an integer, {least} or more, not {value!r}")


def require_positive(what: str, value: Any) -> None:
    """Raise SolverError unless a value is a number above 0."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0.0:
        raise SolverError(f"{what} must be a number above 0, not {value!r}")
