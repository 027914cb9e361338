"""Values and policies over one or two named dimensions, at one value of each other dimension."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm
from matplotlib.ticker import MaxNLocator

from regmdp._internal.arrays import Float, Int
from regmdp._internal.checks import check_option, show
from regmdp._internal.errors import ModelError
from regmdp.mdp import DimensionLayout
from regmdp.mdp.dimensions import Dimension
from regmdp.plots.curves import draw_curve

__all__ = ["average_action", "choose_dimensions", "draw_over", "select_states"]

#: Largest number of values whose names are all written along an axis.
MAX_TICKS = 12


def choose_dimensions(layout: DimensionLayout, over: Sequence[str] | None) -> list[Dimension]:
    """Return one or two dimensions of the states, by default the first with several values."""
    if over is None:
        several = [one for one in layout.states if len(one) > 1]
        return (several or list(layout.states))[:2]
    names = [one.name for one in layout.states]
    chosen = [check_option("over", name, names, error=ModelError) for name in over]
    if not 1 <= len(set(chosen)) == len(chosen) <= 2:
        raise ModelError(f"over must name one or two different dimensions, not {show(over)}")
    return [layout.states[names.index(name)] for name in chosen]


def select_states(
    layout: DimensionLayout, over: Sequence[Dimension], at: Mapping[str, object]
) -> tuple[Int[np.ndarray, "..."], str]:
    """Return the numbers of the states to draw, -1 where there is none, and what is fixed.

    Args:
        layout: The dimensions.
        over: The dimensions that vary.
        at: Values of the others; by default the first of each.
    """
    names = [one.name for one in layout.states if one not in over]
    for name in at:
        check_option("at", name, names, error=ModelError)
    place: dict[str, Int[np.ndarray, "..."]] = {}
    for axis, one in enumerate(over):
        shape = [1] * len(over)
        shape[axis] = len(one)
        place[one.name] = np.arange(len(one)).reshape(shape)
    fixed = []
    for one in layout.states:
        if one in over:
            continue
        found = one.find(np.asarray(at.get(one.name, one.values[0])))
        if found.at.ndim or found.missing is not None:
            raise ModelError(
                f"at: {one.name} has no value {show(at[one.name])}; its values are "
                f"{one.describe_values()}"
            )
        place[one.name] = found.at
        fixed.append(one.show(int(found.at)))
    wanted = np.broadcast_arrays(*(place[one.name] for one in layout.states))
    number = np.ravel_multi_index(tuple(wanted), layout.shape)
    if layout.positions is None:
        return number, ", ".join(fixed)
    known = np.asarray(np.ravel_multi_index(tuple(layout.positions.T), layout.shape))
    order = np.argsort(known)
    index = np.minimum(np.searchsorted(known[order], number), known.size - 1)
    return np.where(known[order][index] == number, order[index], -1), ", ".join(fixed)


def average_action(
    action: Dimension, values: np.ndarray, policy: Float[np.ndarray, "n A"]
) -> Float[np.ndarray, " n"]:
    """Return the mean of a coordinate of the action, or the place of its likeliest name.

    Args:
        action: A dimension of the actions.
        values: (A,) its value for each action.
        policy: (n, A) probabilities; the result is NaN where rows are 0.
    """
    empty = ~policy.any(axis=1)
    if action.numeric:
        return np.where(empty, np.nan, policy @ values)
    chance = np.stack([policy[:, values == name].sum(axis=1) for name in action.values], axis=1)
    return np.where(empty, np.nan, chance.argmax(axis=1))


def draw_over(
    axes: Axes,
    over: Sequence[Dimension],
    values: Float[np.ndarray, "..."],
    label: str,
    names: Sequence[str] | None = None,
) -> None:
    """Draw numbers over one dimension as a curve, or over two as colours.

    Args:
        axes: The axes to draw in.
        over: One or two dimensions.
        values: Numbers of their shape; NaN is left blank.
        label: What they are.
        names: Names of the numbers 0, 1, …, if these stand for names.
    """
    x, *rest = (_find_places(one) for one in over)
    _label_axis(axes, "x", over[0])
    if not rest:
        draw_curve(axes, x, values, 0, markers=len(x) if len(x) <= 30 else 0)
        axes.set_ylabel(label)
        if names is not None:
            axes.set_yticks(range(len(names)), list(names))
        return
    _label_axis(axes, "y", over[1])
    norm = None if names is None else BoundaryNorm(np.arange(len(names) + 1) - 0.5, 256)
    mesh = axes.pcolormesh(
        x,
        rest[0],
        np.ma.masked_invalid(values.T),
        cmap="cividis",
        norm=norm,
        shading="nearest",
        rasterized=True,
    )
    axes.grid(visible=False)
    bar = axes.figure.colorbar(mesh, ax=axes, label=label)
    if names is not None:
        bar.set_ticks(range(len(names)), labels=list(names))


def _find_places(one: Dimension) -> Float[np.ndarray, " n"]:
    """Return where values lie along an axis: at themselves if they ascend, or in their order."""
    if one.numeric:
        values = np.asarray(one.values, dtype=np.float64)
        if (np.diff(values) > 0).all():
            return values
    return np.arange(len(one), dtype=np.float64)


def _label_axis(axes: Axes, which: str, one: Dimension) -> None:
    """Name an axis, and its ticks if they are not numbers in their order."""
    getattr(axes, f"set_{which}label")(one.name)
    axis = getattr(axes, f"{which}axis")
    if one.numeric and (np.diff(np.asarray(one.values)) > 0).all():
        if isinstance(one.values, range):
            axis.set_major_locator(MaxNLocator(integer=True))
        return
    ticks = np.arange(0, len(one), -(-len(one) // MAX_TICKS))
    axis.set_ticks(ticks, [one.show_value(one.values[int(tick)]) for tick in ticks])
