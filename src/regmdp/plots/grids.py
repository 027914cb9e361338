"""Values and policies of gridworlds: colours and arrows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, PathPatch, Rectangle
from matplotlib.path import Path
from matplotlib.ticker import MaxNLocator

from regmdp._internal.arrays import Bool, Float, Int
from regmdp._internal.parameters import ArrayOf, Instance, checked
from regmdp.mdp import GridLayout
from regmdp.plots.arguments import AXES, LIMITS
from regmdp.plots.maps import draw_vectors
from regmdp.plots.styling import BLACK, GREY, subplots

__all__ = [
    "add_value_bar",
    "choose_limits",
    "create_grid_figure",
    "draw_grid",
    "draw_grid_policy",
    "draw_grid_value",
    "key_grid",
]

GRID = Instance(GridLayout)
#: Largest number of cells along the longer side of a grid of which each has arrows.
MAX_ARROW_CELLS = 32
#: Largest number of cells with arrows along the longer side of a larger grid.
MAX_BLOCKS = 24
#: Largest number of cells that are drawn as vectors, with borders, and with hatched walls.
MAX_VECTOR_CELLS = 2500
#: Probabilities below this have no arrow: it would be thinner than its outline.
SMALLEST_PROBABILITY = 0.005
#: An arrow of length 1, along and to the left of it; a wide one, for lengths of a few points.
WIDE_OUTLINE = (
    (0.0, -0.07),
    (0.6, -0.07),
    (0.6, -0.2),
    (1.0, 0.0),
    (0.6, 0.2),
    (0.6, 0.07),
    (0.0, 0.07),
)
#: The scale of colours has a grey in its middle, so walls without hatching are lighter.
WALL, PLAIN_WALL, START = "#C9C9C9", "#EBEBEB", "#D55E00"
#: Marker, name, and size as a fraction of a cell of the cells that end an episode.
ENDS = {"G": ("*", "goal", 0.62), "T": ("X", "trap", 0.48)}


def create_grid_figure(layout: GridLayout) -> tuple[Figure, Axes]:
    """Create a figure that suits the proportions of a grid."""
    height, width = layout.walls.shape
    cell = _cell_inches(layout)
    return subplots(width=max(5.4, cell * width + 2.2), height=max(2.6, cell * height + 1.7))


def choose_limits(layout: GridLayout, values: Float[np.ndarray, "*batch S"]) -> tuple[float, float]:
    """Return the least and the largest finite value of cells that do not end the episode."""
    shown = values[..., _goes_on(layout)]
    shown = shown[np.isfinite(shown)]
    if shown.size == 0:
        return 0.0, 1.0
    low, high = float(shown.min()), float(shown.max())
    margin = 0.0 if high > low else 0.5
    return low - margin, high + margin


@checked(
    axes=AXES,
    layout=GRID,
    initial=ArrayOf("S", minimum=0.0, maximum=1.0) | None,
)
def draw_grid(
    axes: Axes, layout: GridLayout, initial: Float[np.ndarray, " S"] | None = None
) -> None:
    """Draw what does not depend on a policy: walls, goals, traps, and where episodes start.

    Args:
        axes: The axes to draw in.
        layout: The cells.
        initial: (S,) initial distribution; cells with a positive probability have an outline,
            unless all cells that do not end the episode have one.
    """
    cells, large = layout.cells, _is_large(layout)
    height, width = cells.shape
    if layout.walls.any():
        # not add_patch, which takes seconds to find the limits of 20,000 squares
        axes.add_artist(
            PathPatch(
                _squares(layout.walls),
                **_wall_look(layout),
                linewidth=0.0,
                rasterized=large,
                zorder=1.2,
            )
        )
    for letter, (marker, _, size) in ENDS.items():
        row, column = np.nonzero(cells == letter)
        axes.plot(
            column,
            row,
            linestyle="none",
            marker=marker,
            markersize=max(72.0 * size * _cell_inches(layout), 5.0),
            color=BLACK,
            markeredgecolor="white",
            markeredgewidth=0.5,
            zorder=3,
        )
    for row, column in _starts(layout, initial):
        side = 0.86 if not large else max(0.86, 0.02 * max(height, width))
        axes.add_patch(
            Rectangle(
                (column - side / 2, row - side / 2),
                side,
                side,
                facecolor="none",
                edgecolor=START,
                linewidth=2.2,
                clip_on=False,
                zorder=2.1,
            )
        )
    axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5), xlabel="column", ylabel="row")
    axes.set_aspect("equal")
    axes.grid(visible=False)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, nbins=10))
    axes.spines[["top", "right"]].set_visible(True)


@checked(
    axes=AXES,
    layout=GRID,
    value=ArrayOf("S", infinite=(-np.inf, np.inf), missing=True),
    limits=LIMITS | None,
)
def draw_grid_value(
    axes: Axes,
    layout: GridLayout,
    value: Float[np.ndarray, " S"],
    limits: tuple[float, float] | None = None,
) -> QuadMesh:
    """Colour the cells by value, all but walls and the ends of episodes.

    Args:
        axes: The axes to draw in.
        layout: The cells.
        value: (S,) values; cells with an infinite one stay white.
        limits: Values of the ends of the scale; by default the least and the largest finite value.

    Returns:
        The coloured cells, for a colour bar; ``set_array`` of them takes (H, W) values.
    """
    low, high = limits or choose_limits(layout, value)
    height, width = layout.walls.shape
    large = _is_large(layout)
    return axes.pcolormesh(
        np.arange(width + 1) - 0.5,
        np.arange(height + 1) - 0.5,
        to_colors(layout, value),
        cmap="cividis",
        vmin=low,
        vmax=high,
        edgecolors="none" if large else "white",
        linewidth=0.0 if large else 0.6,
        rasterized=large,
        zorder=1.0,
    )


def to_colors(layout: GridLayout, value: Float[np.ndarray, " S"]) -> np.ma.MaskedArray:
    """(S,) values -> (H, W) values to colour; masked at walls, ends of episodes and infinity."""
    return np.ma.masked_invalid(layout.spread(np.where(_goes_on(layout), value, np.nan)))


@checked(
    axes=AXES,
    layout=GRID,
    policy=ArrayOf("S A", minimum=0.0, maximum=1.0 + 1e-9),
    cells=Instance(QuadMesh) | None,
)
def draw_grid_policy(
    axes: Axes,
    layout: GridLayout,
    policy: Float[np.ndarray, "S A"],
    cells: QuadMesh | None = None,
) -> list[PathPatch]:
    """Draw the policy as arrows whose length is the probability.

    An arrow from the centre of its cell to the border has the probability 1. An action that stays
    is a circle whose radius is the probability in the same scale. Probabilities below 0.005 are not
    drawn. On a grid with more than 32 cells along a side, one cell of each block of k × k has
    arrows, k times as long, so that there are at most 24 along a side.

    Args:
        axes: The axes to draw in.
        layout: The cells and the directions of the actions.
        policy: (S, A) probabilities.
        cells: What :func:`draw_grid_value` returned: arrows are white in dark cells. Without it,
            all are black.

    Returns:
        What was drawn, to be removed before the next policy is drawn.
    """
    shown, block = _states_with_arrows(layout), arrow_block(layout)
    row, column = np.nonzero(~layout.walls)
    centre = np.column_stack((column, row)).astype(np.float64)
    dark = _find_dark(layout, cells)
    shapes = []
    for color, edge, states in (
        ("white", BLACK, shown[dark[shown]]),
        (BLACK, "white", shown[~dark[shown]]),
    ):
        for action, step in enumerate(layout.directions):
            probability = policy[states, action]
            drawn = probability >= SMALLEST_PROBABILITY
            if drawn.any():
                at, length = centre[states][drawn], 0.5 * block * probability[drawn]
                # arrows that leave their cells cross walls and cells of other colours
                edges = (edge, 0.4) if block > 1 else ("none", 0.0)
                shapes.append(_draw_moves(axes, at, length, step, color, *edges))
    return shapes


def _draw_moves(
    axes: Axes,
    at: Float[np.ndarray, "n 2"],
    length: Float[np.ndarray, " n"],
    step: tuple[int, int],
    color: str,
    edge: str,
    edge_width: float,
) -> PathPatch:
    """Draw one action in several cells: arrows, or circles if it stays."""
    down, right = step
    if step == (0, 0):
        circles = [Path.circle(tuple(point), r) for point, r in zip(at, length, strict=True)]
        shape = PathPatch(
            Path.make_compound_path(*circles),
            facecolor="none",
            edgecolor=color,
            linewidth=1.2,
            zorder=2.2,
        )
        axes.add_patch(shape)
        return shape
    ahead = length[:, None] * np.array([right, down]) / np.hypot(down, right)
    return draw_vectors(
        axes,
        at,
        ahead,
        WIDE_OUTLINE,
        facecolor=color,
        edgecolor=edge,
        linewidth=edge_width,
        zorder=2.2,
    )


def arrow_block(layout: GridLayout) -> int:
    """Return the side k of the blocks of cells of which one has arrows; 1 on a small grid.

    >>> import regmdp as rm
    >>> from regmdp.plots.grids import arrow_block
    >>> arrow_block(rm.GridLayout(["." * 32])), arrow_block(rm.GridLayout(["." * 200]))
    (1, 9)
    """
    side = max(layout.walls.shape)
    return 1 if side <= MAX_ARROW_CELLS else -(-side // MAX_BLOCKS)


def add_value_bar(axes: Axes, layout: GridLayout, cells: QuadMesh) -> None:
    """Add a colour bar of the value beside a grid, or below a wide one."""
    height, width = layout.walls.shape
    if width > 3 * height:
        axes.figure.colorbar(
            cells, ax=axes, location="bottom", label="value, in the unit of the rewards", aspect=40
        )
    else:
        axes.figure.colorbar(
            cells, ax=axes, label="value, in the\nunit of the rewards", fraction=0.05, pad=0.02
        )


def key_grid(
    figure: Figure,
    layout: GridLayout,
    *,
    arrows: bool,
    initial: Float[np.ndarray, " S"] | None = None,
) -> None:
    """Add a legend below the axes that explains only what is there.

    Args:
        figure: The figure.
        layout: The cells.
        arrows: Whether a policy is drawn.
        initial: (S,) initial distribution, as for :func:`draw_grid`.
    """
    handles: list[Line2D | Patch] = []
    if layout.walls.any():
        handles.append(Patch(label="wall", linewidth=0.0, **_wall_look(layout)))
    for letter, (marker, name, _) in ENDS.items():
        if (layout.cells == letter).any():
            handles.append(
                Line2D(
                    [], [], linestyle="none", marker=marker, markersize=9, color=BLACK, label=name
                )
            )
    if _starts(layout, initial):
        handles.append(Patch(facecolor="none", edgecolor=START, linewidth=2.2, label="start"))
    if handles or arrows:
        figure.legend(
            handles=handles,
            loc="outside lower center",
            ncols=max(len(handles), 1),
            title=_describe_arrows(layout) if arrows else None,
            title_fontsize=9.5,
            columnspacing=1.6,
        )


def _describe_arrows(layout: GridLayout) -> str:
    block = arrow_block(layout)
    if block == 1:
        text = "arrows: probabilities; one that reaches the border of its cell is 1"
    else:
        length = "1 cell" if block == 2 else f"{block / 2:g} cells"
        text = (
            f"arrows: probabilities, in one cell of each {block} × {block};\n"
            f"an arrow as long as {length} is 1"
        )
    return f"{text};\na circle stays" if (0, 0) in layout.directions else text


def _wall_look(layout: GridLayout) -> dict[str, Any]:
    if _is_large(layout):
        return {"facecolor": PLAIN_WALL}
    return {"facecolor": WALL, "edgecolor": GREY, "hatch": "////"}


def _find_dark(layout: GridLayout, cells: QuadMesh | None) -> Bool[np.ndarray, " S"]:
    """Return the (S,) mask of the coloured cells on which white is more visible than black."""
    if cells is None:
        return np.zeros(layout.n_states, dtype=np.bool_)
    colors = cells.to_rgba(np.ma.asarray(cells.get_array()))[~layout.walls]
    red, green, blue, opacity = colors.T**2.2
    # relative luminance: above 0.18 the contrast with black is the larger one
    return (0.2126 * red + 0.7152 * green + 0.0722 * blue < 0.18) & (opacity > 0)


def _is_large(layout: GridLayout) -> bool:
    return layout.walls.size > MAX_VECTOR_CELLS


def _goes_on(layout: GridLayout) -> Bool[np.ndarray, " S"]:
    """(S,) mask of the cells that do not end the episode."""
    cells = layout.cells[~layout.walls]
    return ~np.isin(cells, list(ENDS))


def _starts(
    layout: GridLayout, initial: Float[np.ndarray, " S"] | None
) -> Sequence[tuple[int, int]]:
    """Return rows and columns of the cells where episodes start; none if they start everywhere."""
    if initial is None or np.all(initial[_goes_on(layout)] > 0):
        return []
    row, column = np.nonzero(~layout.walls)
    chosen = initial > 0
    return list(zip(row[chosen].tolist(), column[chosen].tolist(), strict=True))


def _states_with_arrows(layout: GridLayout) -> Int[np.ndarray, " n"]:
    """Return the states that have arrows: in each block, the free cell nearest to its centre."""
    block, free = arrow_block(layout), ~layout.walls
    states = np.flatnonzero(_goes_on(layout))
    if block == 1:
        return states
    row, column = (place[states] for place in np.nonzero(free))
    middle = (block - 1) / 2
    distance = np.hypot(row % block - middle, column % block - middle)
    number = (row // block) * free.shape[1] + column // block
    order = np.lexsort((distance, number))
    _, first = np.unique(number[order], return_index=True)
    return states[order[first]]


def _squares(mask: Bool[np.ndarray, "H W"]) -> Path:
    """Return the cells of a mask as one path."""
    row, column = np.nonzero(mask)
    corners = np.array([(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5), (-0.5, -0.5)])
    points = np.column_stack((column, row))[:, None] + corners
    codes = [Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY]
    return Path(points.reshape(-1, 2), np.tile(codes, row.size).astype(Path.code_type))


def _cell_inches(layout: GridLayout) -> float:
    """Return the side of a cell in inches, about, in a figure of its own."""
    return min(0.62, 5.8 / max(layout.walls.shape))
