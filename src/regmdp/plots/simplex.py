"""The simplex of three probabilities as a triangle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from regmdp._internal.arrays import Float
from regmdp._internal.checks import LARGE_ROOT
from regmdp._internal.errors import RegmdpError
from regmdp._internal.parameters import ArrayOf, SequenceOf, Text, checked
from regmdp.plots.arguments import AXES
from regmdp.plots.styling import BLACK, GREY

__all__ = ["draw_simplex", "to_plane"]

#: The corners of the three actions: top, right, left.
CORNERS = np.array([(0.5, np.sqrt(3.0) / 2.0), (1.0, 0.0), (0.0, 0.0)])
LEVELS = (0.25, 0.5, 0.75)


@dataclass(frozen=True)
class Points(ArrayOf):
    """Points whose last axis is the three actions."""

    minimum: float | None = -LARGE_ROOT
    maximum: float | None = LARGE_ROOT

    def check(self, name: str, value: Any, model: Any, error: type[RegmdpError]) -> np.ndarray:
        points = super().check(name, value, model, error)
        if points.ndim == 0 or points.shape[-1] != 3:
            raise error(f"{name} must be an array of shape (…, 3), not {points.shape}")
        return points


@checked(policy=Points())
def to_plane(policy: Float[np.ndarray, "*batch 3"]) -> Float[np.ndarray, "*batch 2"]:
    """Return the points of (…, 3) probabilities in a triangle with sides of length 1.

    >>> import numpy as np
    >>> from regmdp import plots
    >>> plots.to_plane(np.eye(3)).round(3)
    array([[0.5  , 0.866],
           [1.   , 0.   ],
           [0.   , 0.   ]])
    """
    return np.asarray(policy) @ CORNERS


@checked(axes=AXES, labels=SequenceOf(Text(), length=3))
def draw_simplex(axes: Axes, labels: Sequence[str] = ("0", "1", "2")) -> None:
    """Draw the triangle of all policies in a state with three actions.

    Each corner is the policy that always takes one action; thin lines mark its probabilities 0.25,
    0.5 and 0.75.

    Args:
        axes: The axes to draw in.
        labels: Names of the three actions.
    """
    for action in range(3):
        one, other = (action + 1) % 3, (action + 2) % 3
        for level in LEVELS:
            ends = np.zeros((2, 3))
            ends[:, action] = level
            ends[0, one] = ends[1, other] = 1.0 - level
            line = to_plane(ends)
            axes.plot(*line.T, color="#DDDDDD", linewidth=0.8, zorder=1)
            # the label lies outside the edge from the action's corner to the next one
            outwards = to_plane(np.eye(3)[other])
            outwards = line[0] - outwards
            axes.annotate(
                f"{level:g}",
                line[0],
                xytext=tuple(9.0 * outwards / np.hypot(*outwards)),
                textcoords="offset points",
                ha="center",
                va="center",
                fontsize=8,
                color=GREY,
            )
    axes.fill(*CORNERS.T, facecolor="none", edgecolor="#4D4D4D", linewidth=1.2, zorder=1.5)
    middle = CORNERS.mean(axis=0)
    for corner, label in zip(CORNERS, labels, strict=True):
        outwards = corner - middle
        axes.annotate(
            label,
            corner,
            xytext=tuple(14.0 * outwards / np.hypot(*outwards)),
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=10.5,
            color=BLACK,
        )
    axes.set(xlim=(-0.12, 1.12), ylim=(-0.12, 1.0))
    axes.set_aspect("equal")
    axes.set_axis_off()
