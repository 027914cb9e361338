"""Flow fields and links on a map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.patches import PathPatch
from matplotlib.path import Path

from regmdp._internal.arrays import Float
from regmdp._internal.checks import LARGE_ROOT
from regmdp._internal.parameters import ArrayOf, Text, checked
from regmdp.plots.arguments import AXES, COORDINATE, POINTS, Color

__all__ = ["draw_arrows", "draw_links", "draw_vectors"]

#: An arrow of length 1, along and to the left of it: shaft, barb, point, barb, shaft.
OUTLINE = (
    (0.0, -0.035),
    (0.65, -0.035),
    (0.6, -0.17),
    (1.0, 0.0),
    (0.6, 0.17),
    (0.65, 0.035),
    (0.0, 0.035),
)


@checked(
    axes=AXES,
    at=POINTS,
    direction=POINTS,
    length=COORDINATE,
    color=Color(),
)
def draw_arrows(
    axes: Axes,
    at: Float[np.ndarray, "n 2"],
    direction: Float[np.ndarray, "n 2"],
    *,
    length: float,
    color: str = "white",
) -> None:
    """Draw arrows of equal length, centred on their points, as one shape to keep files small.

    Args:
        axes: The axes to draw in; both linear, with equal scales.
        at: (n, 2) points.
        direction: (n, 2) directions, whose lengths are ignored; a zero direction has no arrow.
        length: Length in the unit of the axes.
        color: Colour of all arrows.
    """
    size = np.hypot(direction[:, 0], direction[:, 1])
    ahead = length * direction[size > 0] / size[size > 0, None]
    draw_vectors(axes, at[size > 0] - ahead / 2, ahead, OUTLINE, color=color)


@checked(
    axes=AXES,
    start=POINTS,
    vector=POINTS,
    outline=ArrayOf("k 2", minimum=-LARGE_ROOT, maximum=LARGE_ROOT),
)
def draw_vectors(
    axes: Axes,
    start: Float[np.ndarray, "n 2"],
    vector: Float[np.ndarray, "n 2"],
    outline: Sequence[tuple[float, float]] = OUTLINE,
    **options: Any,
) -> PathPatch:
    """Draw arrows from points along vectors, as long as these, as one shape to keep files small.

    Args:
        axes: The axes to draw in; both linear, with equal scales.
        start: (n, 2) the points where arrows start.
        vector: (n, 2) from there to their tips; a zero vector has no arrow.
        outline: Points of a closed outline, along and to the left of an arrow of length 1.
        **options: Options of :class:`matplotlib.patches.PathPatch`, such as ``color``.

    Returns:
        The shape; its path holds the outlines one after the other.
    """
    drawn = np.any(vector != 0, axis=1)
    start, vector = start[drawn], vector[drawn]
    aside = np.stack([-vector[:, 1], vector[:, 0]], axis=1)
    corners = np.stack(
        [start + along * vector + across * aside for along, across in (*outline, outline[0])],
        axis=1,
    )
    codes = np.tile([Path.MOVETO, *[Path.LINETO] * (len(outline) - 1), Path.CLOSEPOLY], len(start))
    shape = PathPatch(
        Path(corners.reshape(-1, 2), codes.astype(Path.code_type)),
        **{"linewidth": 0.0, "zorder": 2, **options},
    )
    axes.add_artist(shape)  # not add_patch, which finds the limits segment by segment
    axes.update_datalim(corners.reshape(-1, 2))
    return shape


@checked(
    axes=AXES,
    start=POINTS,
    end=POINTS,
    size=ArrayOf("n", minimum=0.0, maximum=LARGE_ROOT, empty=True),
    label=Text(),
    offset=COORDINATE,
)
def draw_links(
    axes: Axes,
    start: Float[np.ndarray, "n 2"],
    end: Float[np.ndarray, "n 2"],
    size: Float[np.ndarray, " n"],
    label: str,
    *,
    offset: float = 0.0,
) -> None:
    """Draw links between points on a map, with width and colour by size, and a colour bar.

    Args:
        axes: The axes to draw in; both linear, with equal scales.
        start: (n, 2) start points.
        end: (n, 2) end points.
        size: (n,) sizes, not negative.
        label: Label of the colour bar: the quantity with its unit.
        offset: Distance by which a link is moved to its right, so that both directions are visible.
    """
    along = end - start
    length = np.maximum(np.hypot(along[:, 0], along[:, 1]), np.finfo(np.float64).tiny)[:, None]
    aside = offset * np.column_stack((along[:, 1], -along[:, 0])) / length
    largest = float(np.max(size, initial=0.0)) or 1.0
    order = np.argsort(size)  # the largest links on top
    segments = np.stack((start + aside, end + aside), axis=1)[order]
    lines = LineCollection(
        list(segments),
        linewidths=0.4 + 5.6 * size[order] / largest,
        cmap="cividis_r",
        capstyle="butt",
        zorder=2.0,
    )
    lines.set_array(size[order])
    lines.set_clim(0.0, largest)
    axes.add_collection(lines)
    bar = axes.figure.colorbar(lines, ax=axes, fraction=0.04, pad=0.02)
    bar.set_label(label)
    axes.set_aspect("equal")
    axes.autoscale_view()
