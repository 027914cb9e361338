"""One step of mirror descent on the simplex of three actions, and in its dual space."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.patches import ConnectionPatch

from regmdp._internal.arrays import ArrayLike, Float
from regmdp._internal.checks import LARGE_ROOT
from regmdp._internal.errors import PolicyError
from regmdp._internal.parameters import ArrayOf, Distributions, Instance, SequenceOf, Text, checked
from regmdp.plots.arguments import AXES
from regmdp.plots.simplex import LEVELS, draw_simplex, to_plane
from regmdp.plots.styling import BLACK, COLORS, GREY
from regmdp.regularizers import Regularizer

__all__ = ["draw_mirror_step"]

#: Probability at which the images of the lines of the simplex end, which may be infinitely long.
MIN_PROBABILITY = 0.004
MAPPED, STEPPED, PROJECTED = COLORS[0], COLORS[4], COLORS[2]


@checked(
    PolicyError,
    simplex=AXES,
    dual=AXES,
    mirror=Instance(Regularizer),
    start=Distributions("3", above=0.0),
    step=ArrayOf("3", minimum=-LARGE_ROOT, maximum=LARGE_ROOT),
    actions=SequenceOf(Text(), length=3),
)
def draw_mirror_step(
    simplex: Axes,
    dual: Axes,
    mirror: Regularizer,
    start: ArrayLike,
    step: ArrayLike,
    *,
    actions: Sequence[str] = ("action 1", "action 2", "action 3"),
) -> None:
    r"""Draw a step of mirror descent: to the dual space, down the gradient, back, and projected.

    On the simplex are p (1), the next point p⁺ (5), and the line of all points as far from p as p⁺,
    by the Bregman divergence of h. In the dual space are ξ = ∇h(p) (2), ζ = ξ - ηg (3), and
    ∇h(p⁺) (4), to which the projection moves ζ; where h is steep 3 and 4 are the same point. The
    grid of the simplex and its image under ∇h show how h deforms the simplex. The dual space is
    drawn without the direction in which all coordinates are equal, which changes nothing.

    Args:
        simplex: The axes for the simplex.
        dual: The axes for the dual space, above or beside it in the same figure.
        mirror: h, differentiable inside the simplex.
        start: (3,) p, with positive probabilities.
        step: (3,) ηg, the step size times the gradient.
        actions: Names of the actions, for the corners.

    Raises:
        PolicyError: if p is not a distribution over three actions with positive probabilities.

    Examples:
        >>> import regmdp as rm
        >>> from regmdp import plots
        >>> with plots.style():
        ...     figure, (dual, simplex) = plots.subplots(2, 1, height=7.2)
        ...     plots.draw_mirror_step(
        ...         simplex, dual, rm.Shannon(1.0), [0.25, 0.55, 0.2], [0.5, -0.1, -0.4]
        ...     )
    """
    p, move = np.asarray(start), np.asarray(step)
    xi = _find_gradient(mirror, p)
    zeta = xi - (move - move.mean())
    reached = np.asarray(mirror.greedy(zeta))
    # a steep map has no gradient where a probability underflows
    projected = zeta if mirror.steep else _find_gradient(mirror, reached)
    draw_simplex(simplex, actions)
    _draw_image(dual, mirror)
    _draw_ball(simplex, mirror, p, reached)
    projects = bool(np.hypot(*(to_plane(projected - zeta))) > 1e-9)
    _mark(simplex, p, "1", (-12, -10))
    _mark(simplex, reached, "5", (7, -4))
    _mark(dual, xi, "2", (-13, -8))
    _mark(dual, zeta, "3" if projects else "3, 4", (6, 5))
    _draw_arrow(dual, xi, zeta, STEPPED, "-", "−ηg")
    if projects:
        _mark(dual, projected, "4", (-13, 2))
        _draw_arrow(dual, zeta, projected, PROJECTED, (0, (3, 1.5)), "projection")
    _connect((simplex, p), (dual, xi))
    _name_map(dual, xi, "∇h", (-22, -34))
    _connect((dual, projected), (simplex, reached))
    _name_map(dual, projected, "∇h*", (8, -90))
    _set_limits(dual, mirror, xi, zeta, projected)
    for axes, name in ((dual, "dual space"), (simplex, "simplex")):
        axes.text(0.0, 0.92, name, transform=axes.transAxes, color="#555555", fontsize=10)


def _find_gradient(mirror: Regularizer, p: Float[np.ndarray, "*n 3"]) -> Float[np.ndarray, "*n 3"]:
    """(…, 3) points -> (…, 3) ∇h, with sum 0."""
    slope = np.asarray(mirror.subgradient(p))
    return slope - slope.mean(axis=-1, keepdims=True)


def _draw_image(dual: Axes, mirror: Regularizer) -> None:
    """Draw the images of the lines of :func:`draw_simplex`, and of the edges where h is finite."""
    images = []
    for action in range(3):
        for level in LEVELS:
            along = np.linspace(MIN_PROBABILITY, 1.0 - level - MIN_PROBABILITY, 80)
            line = np.stack([np.full(80, level), along, 1.0 - level - along], axis=1)
            images.append(to_plane(_find_gradient(mirror, np.roll(line, action, axis=1))))
    dual.add_collection(LineCollection(images, colors="#D5D5D5", linewidths=0.8, zorder=1.0))
    if not mirror.steep:
        share = np.linspace(0.0, 1.0, 60)
        side = np.stack([share, 1.0 - share, 0.0 * share], axis=1)
        edges = [to_plane(_find_gradient(mirror, np.roll(side, a, axis=1))) for a in range(3)]
        dual.add_collection(LineCollection(edges, colors=BLACK, linewidths=1.2, zorder=1.5))
    dual.set_aspect("equal")
    dual.set_axis_off()


def _draw_ball(
    axes: Axes,
    mirror: Regularizer,
    p: Float[np.ndarray, " 3"],
    reached: Float[np.ndarray, " 3"],
) -> None:
    """Draw the points of the simplex whose divergence from p is that of the reached point."""
    shares = np.linspace(1e-6, 1.0, 181)
    first, second = np.meshgrid(shares, shares, indexing="ij")
    # the square is mapped to the triangle
    points = np.stack([1.0 - first, first * (1.0 - second), first * second], axis=-1)
    points = np.maximum(points, 1e-12)
    distance = np.asarray(mirror.divergence(points, np.broadcast_to(p, points.shape)))
    level = float(mirror.divergence(reached, p))
    x, y = np.moveaxis(to_plane(points), -1, 0)
    axes.contour(x, y, distance, levels=[level], colors=[GREY], linewidths=1.1, linestyles="dotted")


def _mark(
    axes: Axes, point: Float[np.ndarray, " 3"], text: str, offset: tuple[float, float]
) -> None:
    """Draw a numbered point, its number so many points of 1/72 inch away."""
    x, y = to_plane(point)
    axes.plot(x, y, marker="o", markersize=5.5, color=BLACK, zorder=5, linestyle="none")
    axes.annotate(
        text,
        (x, y),
        xytext=offset,
        textcoords="offset points",
        fontsize=11,
        weight="bold",
        zorder=6,
    )


def _draw_arrow(
    axes: Axes,
    start: Float[np.ndarray, " 3"],
    end: Float[np.ndarray, " 3"],
    color: str,
    dashes: str | tuple[int, tuple[float, ...]],
    name: str,
) -> None:
    """Draw an arrow with its name at its middle, on the side to which it turns right."""
    style = {"arrowstyle": "-|>", "color": color, "linestyle": dashes, "linewidth": 1.8}
    shrink = {"shrinkA": 3, "shrinkB": 3}
    ends = to_plane(np.stack([start, end]))
    axes.annotate("", ends[1], ends[0], arrowprops={**style, **shrink}, zorder=4)
    along = ends[1] - ends[0]
    length = float(np.hypot(*along)) or 1.0
    aside = 12.0 * np.array([along[1], -along[0]]) / length
    axes.annotate(
        name,
        ends.mean(axis=0),
        xytext=(aside[0], aside[1]),
        textcoords="offset points",
        ha="left" if aside[0] > 0 else "right",
        va="center",
        color=color,
        fontsize=10,
    )


def _connect(
    start: tuple[Axes, Float[np.ndarray, " 3"]], end: tuple[Axes, Float[np.ndarray, " 3"]]
) -> None:
    """Draw an arrow from a point of one space to its image in the other."""
    (first, at), (second, to) = start, end
    patch = ConnectionPatch(
        xyA=tuple(to_plane(at)),
        xyB=tuple(to_plane(to)),
        coordsA="data",
        coordsB="data",
        axesA=first,
        axesB=second,
        arrowstyle="-|>",
        color=MAPPED,
        linewidth=1.3,
        shrinkA=4,
        shrinkB=4,
        mutation_scale=14,
        zorder=3,
    )
    patch.set_in_layout(False)
    first.figure.add_artist(patch)


def _name_map(
    dual: Axes, point: Float[np.ndarray, " 3"], name: str, offset: tuple[float, float]
) -> None:
    """Write the name of a map beside its arrow, at the end in the dual space."""
    x, y = to_plane(point)
    dual.annotate(
        name,
        (x, y),
        xytext=offset,
        textcoords="offset points",
        color=MAPPED,
        fontsize=11,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.0},
    )


def _set_limits(axes: Axes, mirror: Regularizer, *points: Float[np.ndarray, " 3"]) -> None:
    """Show all points of the dual space, and the image of the simplex if it is bounded."""
    shown = list(points)
    if not mirror.steep:
        shown += list(_find_gradient(mirror, np.eye(3)))
    places = to_plane(np.stack(shown))
    middle = 0.5 * (places.min(axis=0) + places.max(axis=0))
    half = (1.2 if mirror.steep else 0.55) * (float(np.ptp(places, axis=0).max()) or 1.0)
    axes.set_xlim(middle[0] - half, middle[0] + half)
    axes.set_ylim(middle[1] - half, middle[1] + half)
