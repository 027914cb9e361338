"""Colours, line styles and sizes of all figures."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from regmdp._internal.parameters import Integer, checked
from regmdp.plots.arguments import SIZE

__all__ = ["BLACK", "COLORS", "DASHES", "GREY", "MARKERS", "PAGE_WIDTH", "style", "subplots"]

#: Colours of Okabe and Ito (2008) without the yellow, which is too pale on white, ordered so that
#: neighbours also differ in lightness. The eighth is the wine red of Tol.
COLORS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#000000", "#882255")
BLACK, GREY = "#1A1A1A", "#767676"

DASHES: tuple[Any, ...] = (
    "-",
    (0, (5, 1.6)),
    (0, (1.2, 1.2)),
    (0, (6, 1.6, 1.2, 1.6)),
    (0, (8, 2)),
    (0, (3, 1, 1.2, 1, 1.2, 1)),
    (0, (10, 1.5, 1.2, 1.5)),
    (0, (2, 2)),
)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")

#: Width in inches of a figure as wide as the page, and of a figure with one column of axes.
PAGE_WIDTH, SINGLE_WIDTH = 8.4, 6.0

_STYLE: dict[str, Any] = {
    "axes.edgecolor": "#4D4D4D",
    "axes.formatter.use_mathtext": True,
    "axes.grid": True,
    "axes.grid.which": "major",
    "axes.labelcolor": BLACK,
    "axes.labelsize": 10.5,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 11,
    "axes.titlepad": 8,
    "figure.constrained_layout.use": True,
    "figure.dpi": 100,
    "figure.facecolor": "white",
    "font.family": "DejaVu Sans",  # comes with matplotlib
    "font.size": 10,
    "grid.color": "#E4E4E4",
    "grid.linewidth": 0.6,
    "legend.fontsize": 9.5,
    "legend.frameon": False,
    "legend.handlelength": 2.8,
    "lines.linewidth": 1.7,
    "lines.markersize": 5,
    "mathtext.fontset": "dejavusans",
    "path.simplify": True,
    "savefig.dpi": 150,
    "savefig.facecolor": "white",
    # paths need no font on the reader's machine; the salt makes the same figure the same file
    "svg.fonttype": "path",
    "svg.hashsalt": "regmdp",
    "xtick.color": "#4D4D4D",
    "xtick.labelcolor": BLACK,
    "xtick.labelsize": 9.5,
    "ytick.color": "#4D4D4D",
    "ytick.labelcolor": BLACK,
    "ytick.labelsize": 9.5,
}


class NotebookFigure(Figure):
    """A figure that notebooks show without pyplot."""

    def _repr_png_(self) -> bytes:
        file = io.BytesIO()
        with style():
            self.savefig(file, format="png")
        return file.getvalue()


@contextmanager
def style() -> Iterator[None]:
    """Draw and save figures in the style of this library, without the user's settings."""
    with mpl.rc_context():
        mpl.rcdefaults()
        for name, value in _STYLE.items():
            mpl.rcParams[name] = value  # type: ignore[index]
        yield


@checked(
    rows=Integer(1, 1000),
    columns=Integer(1, 1000),
    width=SIZE | None,
    height=SIZE | None,
)
def subplots(
    rows: int = 1,
    columns: int = 1,
    *,
    width: float | None = None,
    height: float | None = None,
    **options: Any,
) -> tuple[Figure, Any]:
    """Create a figure without pyplot, and its axes: one, or an array of several.

    Args:
        rows: Number of rows of axes.
        columns: Number of columns of axes.
        width: In inches; the default is the width of the page for several columns, less for one.
        height: In inches; the default is 3.6 per row.
        **options: Options of :meth:`matplotlib.figure.Figure.subplots`, such as ``sharey=True``.
    """
    figure = NotebookFigure(
        figsize=(width or (PAGE_WIDTH if columns > 1 else SINGLE_WIDTH), height or 3.6 * rows)
    )
    return figure, figure.subplots(rows, columns, **options)
