"""Flow fields and links on a map."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.patches import PathPatch
from matplotlib.path import Path

from regmdp._internal.arrays import Float

__all__ = ["draw_arrows", "draw_links"]


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
