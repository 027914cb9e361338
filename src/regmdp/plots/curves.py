"""Curves, bands, bounds and horizontal lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from regmdp._internal.arrays import Float, Int
from regmdp._internal.errors import SolverError
from regmdp._internal.parameters import ArrayOf, Flag, Integer, Text, checked
from regmdp.plots.arguments import AXES, COORDINATE, COUNT, NUMBERS, POSITIONS
from regmdp.plots.styling import COLORS, DASHES, GREY, MARKERS

__all__ = ["draw_band", "draw_bound", "draw_curve", "draw_level", "thin_indices"]


@checked(x=POSITIONS, max_points=Integer(2), log=Flag())
def thin_indices(
    x: Float[np.ndarray, " n"], max_points: int = 400, *, log: bool = False
) -> Int[np.ndarray, " m"]:
    """Return about ``max_points`` indices into the increasing x, including both ends.

    They are evenly spaced in x, or in log x. A curve of 10^5 points looks the same when drawn with
    400, and its file is small.

    >>> thin_indices(np.arange(1.0, 1001.0), 4, log=True)
    array([  0,   9,  99, 999])
    """
    if x.size <= max_points:
        return np.arange(x.size)
    if log and not x[-1] > 0:
        raise SolverError("no number is positive, so none has a place on a logarithmic axis")
    low = x[x > 0][0] if log else x[0]
    wanted = np.geomspace(low, x[-1], max_points) if log else np.linspace(x[0], x[-1], max_points)
    nearest = np.clip(np.searchsorted(x, wanted - 1e-9 * np.abs(wanted)), 0, x.size - 1)
    return np.unique(np.concatenate(([0], nearest, [x.size - 1])))


@checked(
    axes=AXES,
    x=POSITIONS,
    y=NUMBERS,
    number=Integer(0),
    label=Text() | None,
    markers=COUNT,
)
def draw_curve(
    axes: Axes,
    x: Sequence[float] | np.ndarray,
    y: Sequence[float] | np.ndarray,
    number: int,
    label: str | None = None,
    *,
    markers: int = 6,
    **options: Any,
) -> None:
    """Draw a curve in a numbered style, with a few markers evenly spaced along the axis.

    Set the scale of the axis first, because the spacing of the markers depends on it. Values that
    are not positive are omitted on a logarithmic axis.

    Args:
        axes: The axes to draw in.
        x: (n,) increasing.
        y: (n,).
        number: Index of the colour, line style and marker; one method has one number in a figure.
        label: Label in the legend.
        markers: Approximate number of markers; 0 for none.
        **options: Options of :meth:`matplotlib.axes.Axes.plot`.
    """
    x, y = np.asarray(x), np.asarray(y)
    log = axes.get_xscale() == "log"
    index = thin_indices(x, log=log)
    x, y = x[index], y[index]
    if log:
        x, y = x[x > 0], y[x > 0]
    if axes.get_yscale() == "log":
        y = np.where(y > 0, y, np.nan)
    chosen = {
        "color": COLORS[number % len(COLORS)],
        "linestyle": DASHES[number % len(DASHES)],
        "marker": MARKERS[number % len(MARKERS)] if markers else None,
        "markevery": list(map(int, thin_indices(x, max(markers, 2), log=log))) if x.size else None,
        "label": label,
    }
    axes.plot(x, y, **{**chosen, **options})


@checked(
    axes=AXES,
    x=POSITIONS,
    runs=ArrayOf("runs n", infinite=(-np.inf, np.inf), missing=True),
    number=Integer(0),
    label=Text() | None,
    markers=COUNT,
)
def draw_band(
    axes: Axes,
    x: Sequence[float] | np.ndarray,
    runs: Float[np.ndarray, "runs n"],
    number: int,
    label: str | None = None,
    *,
    markers: int = 6,
) -> None:
    """Draw the median of several runs as a curve, and their range as a band.

    Args:
        axes: The axes to draw in.
        x: (n,) increasing.
        runs: (runs, n) one row per run.
        number: Index of the style.
        label: Label in the legend.
        markers: Approximate number of markers.
    """
    x, log = np.asarray(x), axes.get_xscale() == "log"
    if log:
        x, runs = x[x > 0], runs[:, x > 0]
    index = thin_indices(x, log=log)
    low, high = runs.min(axis=0), runs.max(axis=0)
    color = COLORS[number % len(COLORS)]
    axes.fill_between(x[index], low[index], high[index], color=color, alpha=0.2, linewidth=0)
    with np.errstate(over="ignore"):
        middle = np.median(runs, axis=0)
    draw_curve(axes, x, middle, number, label, markers=markers)


@checked(axes=AXES, x=POSITIONS, y=NUMBERS, label=Text() | None)
def draw_bound(
    axes: Axes,
    x: Sequence[float] | np.ndarray,
    y: Sequence[float] | np.ndarray,
    label: str | None = None,
    **options: Any,
) -> None:
    """Draw a theoretical bound: thin, grey, dashed, behind the measured curves.

    Args:
        axes: The axes to draw in.
        x: (n,) increasing.
        y: (n,).
        label: Label in the legend.
        **options: Options of :meth:`matplotlib.axes.Axes.plot`, such as ``color`` to match a curve.
    """
    x, y = np.asarray(x), np.asarray(y)
    index = thin_indices(x, log=axes.get_xscale() == "log")
    chosen: dict[str, Any] = {
        "color": GREY,
        "linestyle": (0, (4, 3)),
        "linewidth": 1.1,
        "zorder": 1.9,
        "label": label,
    }
    axes.plot(x[index], y[index], **{**chosen, **options})


@checked(
    axes=AXES,
    y=COORDINATE,
    text=Text(),
    right_end=COORDINATE,
)
def draw_level(axes: Axes, y: float, text: str, *, right_end: float = 0.99) -> None:
    """Draw a labelled horizontal line.

    Args:
        axes: The axes to draw in.
        y: Height, in the unit of the axis.
        text: Label, drawn just above the line.
        right_end: Right end of the label, as a fraction of the width of the axes.
    """
    axes.axhline(y, color=GREY, linewidth=1.0, linestyle=(0, (1, 1.5)), zorder=1.9)
    axes.annotate(
        text,
        (right_end, y),
        xycoords=("axes fraction", "data"),
        xytext=(0, 3),
        textcoords="offset points",
        ha="right",
        va="bottom",
        fontsize=9,
        color="#555555",
    )
