"""Figures of a solution: on a grid, on a line, on the simplex, or of any model."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from regmdp._internal.arrays import Float
from regmdp._internal.errors import ModelError
from regmdp._internal.parameters import Instance, checked
from regmdp.mdp import MDP, DimensionLayout, GridLayout, Layout, LineLayout
from regmdp.plots.axes import add_panel_titles
from regmdp.plots.curves import draw_curve, thin_indices
from regmdp.plots.dimensions import plot_dimensions
from regmdp.plots.grids import (
    add_value_bar,
    create_grid_figure,
    draw_grid,
    draw_grid_policy,
    draw_grid_value,
    key_grid,
)
from regmdp.plots.simplex import draw_simplex, to_plane
from regmdp.plots.solution_parts import (
    LAYOUT,
    add_title,
    dense_policy,
    find_layout,
    hide_infinite,
    hide_terminal,
    require_layout,
)
from regmdp.plots.styling import BLACK, COLORS, style, subplots
from regmdp.solution import Solution

__all__ = [
    "plot_dimensions",
    "plot_gridworld",
    "plot_line",
    "plot_overview",
    "plot_simplex",
    "plot_solution",
]

#: Largest number of actions that are drawn as curves, one style each.
MAX_CURVES = len(COLORS)
#: Largest number of states that are drawn one by one.
MAX_STATES = 400


@checked(ModelError, solution=Instance(Solution), layout=LAYOUT | None)
def plot_solution(solution: Solution, layout: Layout | MDP | None = None) -> Figure:
    """Draw a solution in the layout of its model.

    A grid is drawn by :func:`plot_gridworld`, a line by :func:`plot_line` and named dimensions by
    :func:`plot_dimensions`; one state with three actions by :func:`plot_simplex`; anything else by
    :func:`plot_overview`.

    Args:
        solution: The solution.
        layout: A layout, or the model that has one; by default the layout in the solution.

    Raises:
        ModelError: if the layout has another number of states or actions than the solution.

    Examples:
        >>> import regmdp as rm
        >>> solution = rm.solve(rm.models.gridworld(), rm.Shannon(0.01))
        >>> figure = rm.plots.plot_solution(solution)
        >>> [axes.get_xlabel() for axes in figure.axes][0]
        'column'
    """
    found = find_layout(solution, layout)
    if isinstance(found, GridLayout):
        return plot_gridworld(solution, found)
    if isinstance(found, LineLayout):
        return plot_line(solution, found)
    if isinstance(found, DimensionLayout):
        return plot_dimensions(solution, found)
    return plot_simplex(solution) if solution.policy.shape == (1, 3) else plot_overview(solution)


@checked(ModelError, solution=Instance(Solution), layout=LAYOUT | None)
def plot_gridworld(solution: Solution, layout: Layout | MDP | None = None) -> Figure:
    """Draw a solution on a grid: the value as colours, the policy as arrows.

    An arrow is as long as its action is probable: one that reaches the border of its cell has
    probability 1, and actions that are equally good have arrows of equal length. Walls are hatched.
    On a grid with more than 32 cells along a side only some cells have arrows, and the legend says
    which.

    Args:
        solution: The solution.
        layout: A grid, or the model that has one; by default the grid in the solution.

    Raises:
        ModelError: if there is no grid, or it does not fit.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> mdp = rm.models.russell_norvig()
        >>> figure = rm.plots.plot_gridworld(rm.solve(mdp))
        >>> svg = rm.plots.to_svg(figure)

        A model from elsewhere, whose actions are left, down, right and up:

        >>> grid = rm.GridLayout(["..", ".G"], directions=[(0, -1), (1, 0), (0, 1), (-1, 0)])
        >>> mdp = rm.MDP(np.full((4, 4, 4), 0.25), np.eye(4), discount=0.9)
        >>> figure = rm.plots.plot_gridworld(rm.solve(mdp), grid)
    """
    grid = require_layout(solution, layout, GridLayout, "grid", 'regmdp.GridLayout("..G\\n.#.")')
    with style():
        figure, axes = create_grid_figure(grid)
        mesh = draw_grid_value(axes, grid, solution.value)
        draw_grid(axes, grid, solution.initial)
        draw_grid_policy(axes, grid, dense_policy(solution), mesh)
        key_grid(figure, grid, arrows=True, initial=solution.initial)
        add_value_bar(axes, grid, mesh)
        add_title(figure, solution, "Value and policy")
    return figure


@checked(ModelError, solution=Instance(Solution), layout=LAYOUT | None)
def plot_line(solution: Solution, layout: Layout | MDP | None = None) -> Figure:
    """Draw a solution against the position of the state: the value, and the policy.

    The lower plot has the probability of each action, as curves, or as colours if there are more
    than eight actions. If there are more than 400 states, about 400 of them are drawn.

    Args:
        solution: The solution.
        layout: A line, or the model that has one; by default the line in the solution.

    Raises:
        ModelError: if there is no line, or it does not fit.

    Examples:
        >>> import regmdp as rm
        >>> solution = rm.solve(rm.models.queue(), rm.Shannon(0.1))
        >>> figure = rm.plots.plot_line(solution)
        >>> figure.axes[1].get_xlabel()
        'customers in the system'
    """
    line = require_layout(solution, layout, LineLayout, "line", 'regmdp.LineLayout("customers")')
    n_states, n_actions = solution.policy.shape
    x = np.arange(n_states, dtype=np.float64) if line.positions is None else line.positions
    x = np.asarray(x)
    policy = hide_terminal(dense_policy(solution))
    markers = n_states if n_states <= 30 else 0
    with style():
        figure, (top, bottom) = subplots(2, 1, height=5.6, sharex=True)
        draw_curve(top, x, hide_infinite(solution.value), 0, markers=markers)
        top.set_ylabel("value, in the\nunit of the rewards")
        add_title(figure, solution, "Value and policy")
        if n_actions <= MAX_CURVES:
            for action, label in enumerate(_action_labels(solution)):
                draw_curve(bottom, x, policy[:, action], action, label, markers=markers or 6)
            bottom.set(ylim=(-0.03, 1.03), ylabel="probability")
            figure.legend(loc="outside lower center", ncols=min(n_actions, 4))
        else:
            _draw_probabilities(bottom, x, policy, _action_labels(solution))
        bottom.set_xlabel(
            line.label
            if n_states <= MAX_STATES
            else f"{line.label} (about {MAX_STATES} of {n_states:,} states drawn)"
        )
        if line.positions is None:
            bottom.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


@checked(ModelError, solution=Instance(Solution))
def plot_simplex(solution: Solution) -> Figure:
    """Draw the policy of a model with one state and three actions on the simplex.

    Raises:
        ModelError: if the model is another one.

    Examples:
        >>> import regmdp as rm
        >>> figure = rm.plots.plot_simplex(rm.solve(rm.models.bandit(), rm.Shannon(0.1)))
    """
    if solution.policy.shape != (1, 3):
        n_states, n_actions = solution.policy.shape
        raise ModelError(
            "the simplex shows one state with three actions, but the policy has "
            f"{n_states:,} states and {n_actions} actions; regmdp.plots.plot_overview draws any "
            "solution"
        )
    probabilities = dense_policy(solution)[0]
    with style():
        figure, axes = subplots(width=5.0, height=4.6)
        labels = _action_labels(solution)
        draw_simplex(axes, labels)
        axes.plot(*to_plane(probabilities), "o", color=COLORS[0], markersize=9, zorder=3)
        text = ", ".join(f"{p:.3g} {name}" for p, name in zip(probabilities, labels, strict=True))
        axes.set_title(text)
        add_title(figure, solution, "Policy")
    return figure


@checked(ModelError, solution=Instance(Solution))
def plot_overview(solution: Solution) -> Figure:
    """Draw a solution without a layout: values in decreasing order, and the policy's entropy.

    The band of the upper plot reaches from the lower bound on the value of the policy to the upper
    bound on the optimal one. The lower plot has the entropy of the policy in the same states, in
    nats: 0 where one action is certain. One state has its probabilities as bars.

    Examples:
        >>> import regmdp as rm
        >>> figure = rm.plots.plot_overview(rm.solve(rm.models.garnet(), rm.Shannon(0.1)))
        >>> figure.axes[1].get_ylabel()
        'entropy in nats'
    """
    n_states, n_actions = solution.policy.shape
    with style():
        if n_states == 1:
            figure, axes = subplots(width=max(5.4, 1.2 + 0.5 * n_actions), height=3.4)
            axes.bar(
                np.arange(n_actions),
                dense_policy(solution)[0],
                color=COLORS[0],
                width=0.7,
                zorder=2,
            )
            axes.grid(visible=False, axis="x")
            axes.set_xticks(np.arange(n_actions), _action_labels(solution), rotation=45, ha="right")
            axes.set(ylim=(0.0, 1.03), ylabel="probability")
            add_title(figure, solution, "Policy")
            return figure
        figure, (top, bottom) = subplots(2, 1, height=5.6, sharex=True)
        order = np.argsort(-solution.value, kind="stable")
        rank = np.arange(n_states)
        certificate = solution.certificate
        low, high = (
            hide_infinite(bound[order]) for bound in (certificate.policy_lower, certificate.upper)
        )
        top.fill_between(rank, low, high, color=COLORS[0], alpha=0.25, linewidth=0)
        draw_curve(top, rank, hide_infinite(solution.value[order]), 0, markers=0)
        top.set_ylabel("value, in the\nunit of the rewards")
        entropy = _entropy(hide_terminal(_list_positive(solution)))[order]
        bottom.plot(
            rank,
            entropy,
            linestyle="none",
            marker="o",
            markersize=3,
            color=BLACK,
            rasterized=n_states > 2000,
        )
        bottom.set(xlabel="states in the order of their values", ylabel="entropy in nats")
        bottom.set_ylim(bottom=min(-0.02, *bottom.get_ylim()))
        add_panel_titles([top, bottom], ["value", "randomness of the policy"])
        add_title(figure, solution, "Value and policy")
    return figure


def _action_labels(solution: Solution) -> list[str]:
    """Return the names of the actions, or their numbers."""
    if solution.action_labels is not None:
        return list(solution.action_labels)
    return [f"action {action}" for action in range(solution.policy.shape[1])]


def _list_positive(solution: Solution) -> Float[np.ndarray, "S n"]:
    """Return the policy, or of a sparse one the entries of each state, without their actions."""
    policy: Any = solution.policy
    if not scipy.sparse.issparse(policy):
        return policy
    count = np.diff(policy.indptr)
    entries = np.zeros((policy.shape[0], max(1, int(count.max()))))
    place = np.arange(policy.nnz) - np.repeat(policy.indptr[:-1], count)
    entries[np.repeat(np.arange(policy.shape[0]), count), place] = policy.data
    return entries


def _entropy(policy: Float[np.ndarray, "S A"]) -> Float[np.ndarray, " S"]:
    """Return (S,) entropies in nats."""
    return -np.sum(policy * np.log(np.where(policy > 0, policy, 1.0)), axis=1) + 0.0


def _draw_probabilities(
    axes: Axes,
    x: Float[np.ndarray, " S"],
    policy: Float[np.ndarray, "S A"],
    labels: list[str],
) -> None:
    """Draw the probabilities of many actions as colours, with a row for each action."""
    shown = thin_indices(x, MAX_STATES)
    mesh = axes.pcolormesh(
        x[shown],
        np.arange(len(labels)),
        np.ma.masked_invalid(policy[shown].T),
        cmap="cividis",
        vmin=0.0,
        vmax=1.0,
        shading="nearest",
        rasterized=True,
    )
    axes.grid(visible=False)
    axes.set_ylabel("action")
    axes.figure.colorbar(mesh, ax=axes, label="probability")
