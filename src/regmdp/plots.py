"""The look of the figures, and the few kinds of plot they are made of.

The colours are those of Okabe and Ito, which people with any kind of colour vision tell apart; line
style and marker say the same once more, for grey print. A figure is drawn without pyplot, so
nothing here keeps state or needs a display:

>>> import numpy as np
>>> from regmdp import plots
>>> with plots.style():
...     figure, axes = plots.figure()
...     plots.curve(axes, np.arange(50), 0.9 ** np.arange(50), 0, "NPG")
...     plots.logarithmic(axes, y=True)
...     plots.legend(axes)
...     svg = plots.svg(figure)
>>> svg == svg.strip() and svg.startswith("<svg")
True
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from regmdp._internal.arrays import Float
from regmdp._internal.errors import MissingExtraError

try:
    import matplotlib as mpl
    from matplotlib import ticker
    from matplotlib.axes import Axes
    from matplotlib.collections import LineCollection
    from matplotlib.figure import Figure
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path
except ImportError as error:
    raise MissingExtraError("matplotlib", "plots") from error

__all__ = [
    "BLACK",
    "COLORS",
    "GREY",
    "arrows",
    "band",
    "bound",
    "curve",
    "figure",
    "legend",
    "letters",
    "level",
    "links",
    "logarithmic",
    "png",
    "style",
    "svg",
    "thin",
]

#: Okabe and Ito (2008) without the yellow, which is too pale on white, in an order in which
#: neighbours also differ in lightness, and for an eighth curve the wine red of Tol.
COLORS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#000000", "#882255")
BLACK, GREY = "#1A1A1A", "#767676"

_DASHES: tuple[Any, ...] = (
    "-",
    (0, (5, 1.6)),
    (0, (1.2, 1.2)),
    (0, (6, 1.6, 1.2, 1.6)),
    (0, (8, 2)),
    (0, (3, 1, 1.2, 1, 1.2, 1)),
    (0, (10, 1.5, 1.2, 1.5)),
    (0, (2, 2)),
)
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")

#: The width of the page, in inches, and of a figure that stands alone.
WIDE, NARROW = 8.4, 6.0

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


@contextmanager
def style() -> Iterator[None]:
    """Draw and save figures in the style of this library, whatever the reader's own settings of matplotlib are."""
    with mpl.rc_context():
        mpl.rcdefaults()
        for name, value in _STYLE.items():
            mpl.rcParams[name] = value  # type: ignore[index]
        yield


def figure(
    rows: int = 1,
    columns: int = 1,
    *,
    width: float | None = None,
    height: float | None = None,
    **subplots: Any,
) -> tuple[Figure, Any]:
    """Return a figure and its axes: one, or an array of them, as :meth:`matplotlib.figure.Figure.subplots` returns them.

    Args:
        rows: Rows of axes.
        columns: Columns of axes.
        width: In inches; by default the width of the page for several columns, less for one.
        height: In inches.
        **subplots: Passed on, as in ``sharey=True``.
    """
    drawn = Figure(figsize=(width or (WIDE if columns > 1 else NARROW), height or 3.6 * rows))
    return drawn, drawn.subplots(rows, columns, **subplots)


def thin(x: Float[np.ndarray, " n"], most: int = 400, *, log: bool = False) -> np.ndarray:
    """Return at most this many indices into the increasing x, both ends among them, evenly in x or in log x.

    A curve of 10^5 points needs no more to be drawn, and its file becomes small.

    >>> thin(np.arange(1.0, 1001.0), 4, log=True)
    array([  0,   9,  99, 999])
    """
    if x.size <= most:
        return np.arange(x.size)
    low = x[x > 0][0] if log else x[0]
    wanted = np.geomspace(low, x[-1], most) if log else np.linspace(x[0], x[-1], most)
    nearest = np.clip(np.searchsorted(x, wanted - 1e-9 * np.abs(wanted)), 0, x.size - 1)
    return np.unique(np.concatenate(([0], nearest, [x.size - 1])))


def curve(
    axes: Axes,
    x: Sequence[float] | np.ndarray,
    y: Sequence[float] | np.ndarray,
    number: int,
    label: str | None = None,
    *,
    markers: int = 6,
    **options: Any,
) -> None:
    """Draw a curve in the colour, line style and marker of this number, with a few markers, spread evenly along the axis.

    Call it after the scale of the axis has been set, or the markers are spread for a linear one.
    What is not positive on a logarithmic axis is left out.

    Args:
        axes: Where.
        x: (n,) increasing.
        y: (n,).
        number: Which of the styles; the same number is the same method throughout a figure.
        label: In the legend.
        markers: About how many; 0 for none.
        **options: Passed on to :meth:`matplotlib.axes.Axes.plot`.
    """
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    log = axes.get_xscale() == "log"
    index = thin(x, log=log)
    x, y = x[index], y[index]
    if log:
        x, y = x[x > 0], y[x > 0]
    if axes.get_yscale() == "log":
        y = np.where(y > 0, y, np.nan)
    chosen = {
        "color": COLORS[number % len(COLORS)],
        "linestyle": _DASHES[number % len(_DASHES)],
        "marker": _MARKERS[number % len(_MARKERS)] if markers else None,
        "markevery": list(map(int, thin(x, max(markers, 2), log=log))) if x.size else None,
        "label": label,
    }
    axes.plot(x, y, **{**chosen, **options})


def band(
    axes: Axes,
    x: Sequence[float] | np.ndarray,
    runs: Float[np.ndarray, "runs n"],
    number: int,
    label: str | None = None,
    *,
    markers: int = 6,
) -> None:
    """Draw the median of several runs as a curve, and what lies between the lowest and the highest as a band.

    Args:
        axes: Where.
        x: (n,) increasing.
        runs: (runs, n) one row a run.
        number: Which of the styles.
        label: In the legend.
        markers: About how many.
    """
    x, log = np.asarray(x, dtype=np.float64), axes.get_xscale() == "log"
    if log:
        x, runs = x[x > 0], runs[:, x > 0]
    index = thin(x, log=log)
    low, high = runs.min(axis=0), runs.max(axis=0)
    color = COLORS[number % len(COLORS)]
    axes.fill_between(x[index], low[index], high[index], color=color, alpha=0.2, linewidth=0)
    curve(axes, x, np.median(runs, axis=0), number, label, markers=markers)


def bound(
    axes: Axes,
    x: Sequence[float] | np.ndarray,
    y: Sequence[float] | np.ndarray,
    label: str | None = None,
    **options: Any,
) -> None:
    """Draw what the theory guarantees: thin, grey, dashed, below the measured curves in the stacking order.

    Args:
        axes: Where.
        x: (n,) increasing.
        y: (n,).
        label: In the legend.
        **options: Passed on to :meth:`matplotlib.axes.Axes.plot`, as ``color`` to match a curve.
    """
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    index = thin(x, log=axes.get_xscale() == "log")
    chosen: dict[str, Any] = {
        "color": GREY,
        "linestyle": (0, (4, 3)),
        "linewidth": 1.1,
        "zorder": 1.9,
        "label": label,
    }
    axes.plot(x[index], y[index], **{**chosen, **options})


def arrows(
    axes: Axes,
    at: Float[np.ndarray, "n 2"],
    direction: Float[np.ndarray, "n 2"],
    *,
    length: float,
    color: str = "white",
) -> None:
    """Draw arrows of one length, each centred on its point, as one shape: a flow field whose file stays small.

    Args:
        axes: Where; both axes linear and of one scale.
        at: (n, 2) the points.
        direction: (n, 2) whose length does not matter; where it is 0 there is no arrow.
        length: In the unit of the axes.
        color: Of all of them.
    """
    size = np.hypot(direction[:, 0], direction[:, 1])
    at, ahead = at[size > 0], direction[size > 0] / size[size > 0, None]
    aside = np.stack([-ahead[:, 1], ahead[:, 0]], axis=1)
    # along and across an arrow of length 1: shaft, barb, point, barb, shaft
    outline = (
        (-0.5, -0.035),
        (0.15, -0.035),
        (0.1, -0.17),
        (0.5, 0.0),
        (0.1, 0.17),
        (0.15, 0.035),
        (-0.5, 0.035),
        (-0.5, -0.035),
    )
    corners = np.stack(
        [at + length * (along * ahead + across * aside) for along, across in outline], axis=1
    )
    codes = np.tile([Path.MOVETO, *[Path.LINETO] * (len(outline) - 2), Path.CLOSEPOLY], len(at))
    axes.add_patch(
        PathPatch(Path(corners.reshape(-1, 2), codes), facecolor=color, linewidth=0, zorder=2)
    )


def links(
    axes: Axes,
    start: Float[np.ndarray, "n 2"],
    end: Float[np.ndarray, "n 2"],
    size: Float[np.ndarray, " n"],
    label: str,
    *,
    apart: float = 0.0,
) -> None:
    """Draw links between points on a map, as wide and as dark as they are large, with a scale of colours beside it.

    Args:
        axes: Where; both axes linear and of one scale.
        start: (n, 2) where each begins.
        end: (n, 2) where it ends.
        size: (n,) its size, not negative.
        label: What that is, with its unit.
        apart: How far to the right of the line from start to end it is drawn, so that both
            directions show.
    """
    along = end - start
    length = np.maximum(np.hypot(along[:, 0], along[:, 1]), np.finfo(np.float64).tiny)[:, None]
    aside = apart * np.column_stack((along[:, 1], -along[:, 0])) / length
    most = float(np.max(size, initial=0.0)) or 1.0
    order = np.argsort(size)  # the largest on top
    segments = np.stack((start + aside, end + aside), axis=1)[order]
    drawn = LineCollection(
        list(segments),
        linewidths=0.4 + 5.6 * size[order] / most,
        cmap="cividis_r",
        capstyle="butt",
        zorder=2.0,
    )
    drawn.set_array(size[order])
    drawn.set_clim(0.0, most)
    axes.add_collection(drawn)
    bar = axes.figure.colorbar(drawn, ax=axes, fraction=0.04, pad=0.02)
    bar.set_label(label)
    axes.set_aspect("equal")
    axes.autoscale_view()


def level(axes: Axes, y: float, text: str, *, where: float = 0.99) -> None:
    """Draw a horizontal line at y, with its name just above it.

    Args:
        axes: Where.
        y: The height, in the unit of the axis.
        text: The name.
        where: How far along the axis the name ends, 0 to 1.
    """
    axes.axhline(y, color=GREY, linewidth=1.0, linestyle=(0, (1, 1.5)), zorder=1.9)
    axes.annotate(
        text,
        (where, y),
        xycoords=("axes fraction", "data"),
        xytext=(0, 3),
        textcoords="offset points",
        ha="right",
        va="bottom",
        fontsize=9,
        color="#555555",
    )


def logarithmic(
    axes: Axes, *, x: bool = False, y: bool = False, limits: tuple[float, float] | None = None
) -> None:
    """Make axes logarithmic, with a label at whole powers of ten only, and as many of them as there is room for.

    Args:
        axes: Which.
        x: Whether the horizontal axis.
        y: Whether the vertical axis.
        limits: (low, high) of the vertical axis; by default those of the data. Where the low end
            leaves out rounding errors, say so in the caption.
    """
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


def legend(axes: Axes, *, columns: int = 1, where: str = "right", **options: Any) -> None:
    """Put the legend beside the axes or below, where it hides no data.

    Args:
        axes: Whose curves.
        columns: Columns of entries.
        where: "right" or "below".
        **options: Passed on to :meth:`matplotlib.axes.Axes.legend`, as ``title``.
    """
    place = {
        "right": {"loc": "center left", "bbox_to_anchor": (1.01, 0.5)},
        "below": {"loc": "upper center", "bbox_to_anchor": (0.5, -0.2)},
    }[where]
    axes.legend(ncols=columns, **{**place, **options})


def letters(axes: Sequence[Axes] | np.ndarray, titles: Sequence[str], **options: Any) -> None:
    """Give each of several axes a title that begins with a letter, by which a caption can name it.

    Args:
        axes: n of them, as an array of any shape.
        titles: n titles.
        **options: Passed on to :meth:`matplotlib.axes.Axes.set_title`.
    """
    for letter, one, title in zip(
        "abcdefghijklmnop", np.ravel(np.asarray(axes, dtype=object)), titles, strict=False
    ):
        one.set_title(f"({letter}) {title}", **options)


def svg(drawn: Figure) -> str:
    """Return the figure as an ``<svg>`` element: the same figure, the same text.

    Coordinates have two digits after the point, in points of 1/72 inch, where matplotlib writes
    six.
    """
    file = io.StringIO()
    drawn.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    text = file.getvalue()
    text = re.sub(
        r'(?<= d=")[^"]*',
        lambda path: re.sub(r"-?\d+\.\d{3,}", _rounded, path[0]),
        text[text.index("<svg") :],
    )
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


def _rounded(number: re.Match[str]) -> str:
    return f"{float(number[0]):.2f}".rstrip("0").rstrip(".")


def png(drawn: Figure) -> bytes:
    """Return the figure as the bytes of a PNG file."""
    file = io.BytesIO()
    drawn.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()
