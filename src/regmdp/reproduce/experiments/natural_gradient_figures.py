"""Figures of the experiment on natural policy gradient."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from regmdp._internal.arrays import Float
from regmdp.reproduce.experiments.natural_gradient_runs import (
    SMALLEST_SHOWN,
    EntropyRun,
    NewtonRun,
    UnregularizedRun,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "draw_entropy",
    "draw_policy_iteration",
    "draw_unregularized",
]

#: The errors of a run with entropy, and their names in the figure.
ERRORS = {"q": "‖Q* − Q‖", "log_policy": "‖log π* − log π‖", "gap": "V*(ρ) − V(ρ)"}


def draw_unregularized(plain: list[UnregularizedRun]) -> Figure:
    """Draw gaps without entropy, one panel per problem."""
    from regmdp import plots

    problems = list(dict.fromkeys(one.problem for one in plain))
    steps = sorted({one.step for one in plain})
    figure, axes = plots.subplots(1, len(problems), height=4.0, sharey=True)
    high = max(float(one.bound.max()) for one in plain)
    for panel, problem in zip(axes, problems, strict=True):
        plots.set_logarithmic(panel, x=True, y=True, limits=(1e-9, 3.0 * high))
        for one in plain:
            if one.problem == problem:
                number, t = steps.index(one.step), np.arange(1, one.gap.size + 1)
                _draw_bound(panel, t, one.bound, number)
                shown = _cut_at_rounding(one.gap, SMALLEST_SHOWN)
                plots.draw_curve(panel, t[: shown.size], shown, number, f"η = {one.step:g}")
        panel.set_xlabel("iterations t")
    axes[0].set_ylabel("V*(ρ) − V(ρ)")
    plots.add_panel_titles(axes, problems)
    _add_legend(figure, axes[0], len(steps) + 1)
    return figure


def draw_entropy(soft: list[EntropyRun]) -> Figure:
    """Draw errors with entropy, one panel per kind of error."""
    from regmdp import plots

    figure, axes = plots.subplots(1, len(ERRORS), height=4.2, sharey=True)
    high = max(
        float(bound[np.isfinite(bound)].max()) for one in soft for bound in one.bounds.values()
    )
    for panel, name in zip(axes, ERRORS, strict=True):
        plots.set_logarithmic(panel, y=True, limits=(SMALLEST_SHOWN, 10.0 * high))
        for number, one in enumerate(soft):
            t = np.arange(one.errors[name].size)
            _draw_bound(panel, t, one.bounds[name], number)
            shown = _cut_at_rounding(one.errors[name], SMALLEST_SHOWN)
            plots.draw_curve(panel, t[: shown.size], shown, number, f"{one.share:g}", markers=5)
        panel.set_xlabel("iterations")
    plots.add_panel_titles(axes, list(ERRORS.values()))
    _add_legend(figure, axes[0], len(soft) + 1, title="step, as a share of the largest")
    return figure


def draw_policy_iteration(newton: list[NewtonRun]) -> Figure:
    """Draw the gaps of soft policy iteration against the iteration and the previous gap."""
    from regmdp import plots

    figure, (left, right) = plots.subplots(1, 2, height=4.2)
    plots.set_logarithmic(left, y=True, limits=(1e-20, 1e4))
    plots.set_logarithmic(right, x=True, y=True, limits=(1e-20, 1e2))
    most = 0
    for number, one in enumerate(newton):
        known = _cut_at_rounding(one.gap, 1e2 * one.noise)
        t, most = np.arange(known.size), max(most, known.size)
        _draw_bound(left, t, one.bound[t], number)
        plots.draw_curve(left, t, known, number, one.problem, markers=20)
        plots.draw_curve(right, known[:-1][::-1], known[1:][::-1], number, one.problem, markers=20)
    x = np.geomspace(1e-9, 1.0, 50)
    right.plot(x, 10.0 * x**2, color=plots.BLACK, linewidth=1.0, label="slope 2")
    left.set_xticks(range(most))
    left.set_xlabel("iteration t")
    left.set_ylabel("gap x")
    right.set_xlabel("gap before")
    right.set_ylabel("gap after")
    plots.add_panel_titles((left, right), ("gap and bound", "the digits double"))
    _add_legend(figure, right, 3)
    return figure


def _cut_at_rounding(values: Float[np.ndarray, " n"], floor: float) -> Float[np.ndarray, " m"]:
    """Return the values before the first that is not above the floor."""
    under = np.flatnonzero(~(values > floor))
    return values[: under[0]] if under.size else values


def _draw_bound(panel: Any, t: np.ndarray, bound: Float[np.ndarray, " n"], number: int) -> None:
    """Draw a bound in the colour of its curve, above the grid."""
    from regmdp import plots

    finite = np.isfinite(bound)
    plots.draw_bound(panel, t[finite], bound[finite], color=plots.COLORS[number], zorder=1.9)


def _add_legend(figure: Figure, axes: Any, columns: int, **options: Any) -> None:
    """Add one legend below all panels, with one entry for the bounds of all colours."""
    from regmdp import plots

    handles, labels = axes.get_legend_handles_labels()
    (bound,) = axes.plot([], [], color=plots.GREY, linestyle=(0, (4, 3)), linewidth=1.1)
    figure.legend(
        [*handles, bound], [*labels, "bound"], loc="outside lower center", ncols=columns, **options
    )
