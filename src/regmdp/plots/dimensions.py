"""Figures of solutions over named dimensions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from regmdp._internal.errors import ModelError
from regmdp._internal.parameters import Instance, SequenceOf, Text, checked
from regmdp.mdp import MDP, DimensionLayout, Layout
from regmdp.mdp.dimensions import Dimension
from regmdp.plots.dimension_maps import (
    average_action,
    choose_dimensions,
    draw_over,
    select_states,
)
from regmdp.plots.solution_parts import (
    LAYOUT,
    add_title,
    dense_policy,
    hide_infinite,
    require_layout,
)
from regmdp.plots.styling import style, subplots
from regmdp.solution import Solution

__all__ = ["plot_dimensions"]


@checked(
    ModelError,
    solution=Instance(Solution),
    layout=LAYOUT | None,
    over=SequenceOf(Text()) | None,
    at=Instance(dict) | None,
)
def plot_dimensions(
    solution: Solution,
    layout: Layout | MDP | None = None,
    *,
    over: Sequence[str] | None = None,
    at: Mapping[str, object] | None = None,
) -> Figure:
    """Draw a solution over one or two named dimensions of its states.

    The first plot has the value, and there is one more for each dimension of the actions: its mean
    under the policy, or where it has names the likeliest one. Over one dimension they are curves,
    over two they are maps.

    Args:
        solution: The solution.
        layout: Dimensions, or the model that has some; by default those in the solution.
        over: The names of one or two dimensions; by default the first with several values.
        at: Values of the other dimensions by name; by default the first of each.

    Raises:
        ModelError: if there are no dimensions, they do not fit, or a name or value is unknown.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> mdp = rm.MDP.from_function(
        ...     lambda stock, price, order: (
        ...         {"stock": np.clip(stock + order - 1, 0, 9), "price": price},
        ...         3.0 - order * price,
        ...     ),
        ...     {"stock": range(10), "price": [1.0, 2.0, 3.0]},
        ...     {"order": range(3)},
        ...     discount=0.9,
        ... )
        >>> figure = rm.plots.plot_dimensions(rm.solve(mdp), over=["stock"], at={"price": 2.0})
        >>> [axes.get_ylabel() for axes in figure.axes]
        ['value', 'order']
    """
    example = 'regmdp.DimensionLayout({"stock": range(9)})'
    named = require_layout(solution, layout, DimensionLayout, "layout of dimensions", example)
    chosen = choose_dimensions(named, over)
    states, fixed = select_states(named, chosen, {} if at is None else at)
    policy = dense_policy(solution)[states.ravel()]
    actions = _list_actions(solution, named)
    hidden = np.where(states < 0, np.nan, 0.0)
    with style():
        panels = 1 + len(actions)
        shape = (1, panels) if len(chosen) > 1 else (panels, 1)
        figure, grid = subplots(*shape, height=3.4 if len(chosen) > 1 else 2.4 * panels)
        plots = np.atleast_1d(grid).ravel()
        draw_over(plots[0], chosen, hide_infinite(solution.value)[states] + hidden, "value")
        for axes, (action, values) in zip(plots[1:], actions, strict=True):
            mean = average_action(action, values, policy).reshape(states.shape) + hidden
            names = None if action.numeric else [action.show_value(one) for one in action.values]
            draw_over(axes, chosen, mean, action.name, names)
        add_title(figure, solution, f"Value and policy{' at ' if fixed else ''}{fixed}")
    return figure


def _list_actions(
    solution: Solution, layout: DimensionLayout
) -> list[tuple[Dimension, np.ndarray]]:
    """Return the dimensions of the actions with the (A,) values; the labels are one if alone."""
    count = solution.policy.shape[1]
    if layout.actions:
        values = layout.take_actions(np.arange(count))
        return [(one, values[one.name]) for one in layout.actions]
    labels = solution.action_labels
    names = range(count) if labels is None or len(set(labels)) < count else list(labels)
    return [(Dimension("action", names), np.array(names))]
