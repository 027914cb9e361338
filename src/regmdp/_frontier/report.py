"""A frontier as text: the table of its points, and what half of the largest gain needs."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence

import numpy as np

from regmdp._internal.arrays import Float
from regmdp._internal.status import Status
from regmdp.certificates.certificate import format_bound

__all__ = ["HEADING", "align_columns", "describe_half_gain", "format_csv", "format_point"]

#: Names of the columns of the table.
HEADING = (
    "temperature",
    "nats",
    "value",
    "at least",
    "no policy above",
    "gain",
    "share",
    "gap",
    "status",
)


def format_point(
    numbers: Mapping[str, float], largest_gain: float, status: Status | None
) -> list[str]:
    """Return the row of a point in the table; bounds are rounded outwards.

    Args:
        numbers: The columns of :meth:`Frontier.columns` at the point.
        largest_gain: The largest gain of all points.
        status: Why the solver stopped; None for the reference.
    """
    gain = numbers["gain"]
    return [
        "∞ (reference)" if status is None else f"{numbers['temperature']:.4g}",
        f"{numbers['divergence']:.4g}",
        f"{numbers['value']:.6g}",
        format_bound(numbers["value_lower"], 9, -1),
        format_bound(numbers["ceiling"], 9, 1),
        f"{gain:+.4g}",
        f"{100 * gain / largest_gain:.1f} %" if largest_gain > 0 else "–",
        "–" if status is None else format_bound(numbers["gap"], 2, 1),
        "given" if status is None else status.word,
    ]


def align_columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table; the first column is aligned left, the others right."""
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    lines = []
    for first, *others in rows:
        cells = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        lines.append("  ".join([first.ljust(widths[0]), *cells]).rstrip())
    return lines


def describe_half_gain(largest_gain: float, divergence: tuple[float, float]) -> str:
    """Return what half of the largest gain needs, in a sentence.

    Args:
        largest_gain: In the unit of the rewards, 0 or more.
        divergence: Lower and upper bound on what half of it needs, in nats.
    """
    if largest_gain <= 0.0:
        return "no action that the reference takes anywhere earns more than the reference itself"
    least, enough = divergence
    between = f"at least {format_bound(least, 4, -1)} and at most {format_bound(enough, 4, 1)} nats"
    return f"half of the largest gain of {largest_gain:.4g} needs {between}"


def format_csv(columns: Mapping[str, Float[np.ndarray, " n"]], statuses: Sequence[Status]) -> str:
    """Return columns and statuses as CSV, one line a point; numbers read back exactly."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*columns, "status"])
    for *numbers, status in zip(*columns.values(), statuses, strict=True):
        writer.writerow([*(repr(float(number)) for number in numbers), status.word])
    return text.getvalue()
