"""Scales, legends and titles of axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from matplotlib import ticker
from matplotlib.axes import Axes

from regmdp._internal.checks import LARGE_ROOT
from regmdp._internal.errors import SolverError
from regmdp._internal.parameters import (
    Flag,
    Integer,
    Number,
    Option,
    SequenceOf,
    Text,
    check_sequence,
    checked,
)
from regmdp.plots.arguments import AXES

__all__ = ["add_legend", "add_panel_titles", "set_logarithmic"]


#: Limits of a logarithmic axis.
POSITIVE_LIMITS = SequenceOf(Number(above=0.0, maximum=LARGE_ROOT), length=2)


@checked(axes=AXES, x=Flag(), y=Flag(), limits=POSITIVE_LIMITS | None)
def set_logarithmic(
    axes: Axes, *, x: bool = False, y: bool = False, limits: tuple[float, float] | None = None
) -> None:
    """Make axes logarithmic, with labels at powers of ten only.

    Args:
        axes: The axes to change.
        x: Whether to change the horizontal axis.
        y: Whether to change the vertical axis.
        limits: (low, high) of the vertical axis; the default is the range of the data. If the lower
            limit hides rounding errors, say so in the caption.
    """
    if limits is not None and not limits[0] < limits[1]:
        raise SolverError(f"limits must be the lower and the upper one, not {limits}")
    if x:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(ticker.LogLocator(numticks=8))
        axes.xaxis.set_minor_locator(ticker.NullLocator())
    if y:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(ticker.LogLocator(numticks=8))
        axes.yaxis.set_minor_locator(ticker.NullLocator())
        if limits is not None:
            axes.set_ylim(*limits)


@checked(axes=AXES, columns=Integer(1, 100), where=Option("right", "below"))
def add_legend(
    axes: Axes, *, columns: int = 1, where: Literal["right", "below"] = "right", **options: Any
) -> None:
    """Add a legend beside or below the axes, where it hides no data.

    Args:
        axes: The axes with the labelled curves.
        columns: Number of columns of entries.
        where: "right" or "below".
        **options: Options of :meth:`matplotlib.axes.Axes.legend`, such as ``title``.
    """
    place = {
        "right": {"loc": "center left", "bbox_to_anchor": (1.01, 0.5)},
        "below": {"loc": "upper center", "bbox_to_anchor": (0.5, -0.2)},
    }[where]
    axes.legend(ncols=columns, **{**place, **options})


@checked(titles=SequenceOf(Text()))
def add_panel_titles(
    axes: Sequence[Axes] | np.ndarray, titles: Sequence[str], **options: Any
) -> None:
    """Give several axes titles that start with a letter for the caption: (a), (b), ….

    Args:
        axes: n axes, in an array of any shape.
        titles: n titles.
        **options: Options of :meth:`matplotlib.axes.Axes.set_title`.
    """
    each = check_sequence("axes", np.ravel(np.asarray(axes, dtype=object)), AXES)
    for letter, one, title in zip("abcdefghijklmnop", each, titles, strict=False):
        one.set_title(f"({letter}) {title}", **options)
