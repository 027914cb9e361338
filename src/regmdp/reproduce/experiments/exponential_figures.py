"""Figures of the experiment on the exponential chain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from regmdp._internal.arrays import Float
from regmdp.reproduce.base import FigureSpec
from regmdp.reproduce.experiments.exponential_runs import Settings
from regmdp.reproduce.experiments.softmax_flow import Flow, find_watched_states

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["format_power", "make_figures"]


def make_figures(
    settings: Settings,
    flows: Mapping[int, Flow],
    others: Mapping[str, Float[np.ndarray, "n S"]],
    optimum: Float[np.ndarray, " S"],
) -> dict[str, FigureSpec]:
    """Return the figures by name.

    Args:
        settings: The settings.
        flows: Gradient flow of each size.
        others: (n + 1, S) values of other methods, by name.
        optimum: (S,) V* of the chain of the shown size.
    """
    last = settings.sizes[-1]
    return {
        "crossings": FigureSpec(
            lambda: _draw_crossings(settings, flows),
            "Scaled time (step size times iterations) until the value of state s reaches its "
            "target, against the number of states. The slope is larger for every second state; "
            "dashed: slope 1. The effect is not visible with fewer than a million states.",
            "Curves of time against number of states, both axes logarithmic. They coincide with "
            f"slope 1 up to a million states and then fan out: with {format_power(last)} states "
            f"the curve of state 1 is at {flows[last].crossings[0]:.0e}, that of state "
            f"{settings.horizon} at {flows[last].crossings[-1]:.0e}.",
        ),
        "waiting": FigureSpec(
            lambda: _draw_waiting(settings, flows[settings.shown_size], others, optimum),
            f"A chain of {format_power(settings.shown_size)} states. (a) Values during softmax "
            "policy gradient against scaled time; a dot marks where a state reaches its target. "
            "Every state waits for the previous ones, and the waiting times grow. (b) Largest "
            "distance from the optimum over all states against iterations. Softmax policy gradient "
            "has the step size (1−γ)^{3}/8 with which it is proved to converge. The other two "
            "methods need tens of iterations.",
            "Two plots. Left: six values that rise one after the other between scaled times 10^8 "
            "and 10^12. Right: the gap of soft policy iteration and of natural policy gradient "
            "falls within 5 and 60 iterations, that of softmax policy gradient after more than "
            "10^17.",
        ),
    }


def format_power(number: int) -> str:
    """Format a power of ten, or of its root, as text.

    >>> format_power(10**8), format_power(316_227_766)
    ('10^{8}', '3.2·10^{8}')
    """
    mantissa, exponent = f"{number:.1e}".split("e")
    return ("" if mantissa == "1.0" else f"{mantissa}·") + f"10^{{{int(exponent)}}}"


def _draw_crossings(settings: Settings, flows: Mapping[int, Flow]) -> Figure:
    from regmdp import plots

    figure, axes = plots.subplots(width=7.0, height=4.6)
    plots.set_logarithmic(axes, x=True, y=True)
    sizes = np.array(settings.sizes, dtype=np.float64)
    for s in range(settings.horizon, 0, -1):
        plots.draw_curve(
            axes,
            sizes,
            [flows[size].crossings[s - 1] for size in settings.sizes],
            s - 1,
            f"s = {s}",
        )
    plots.draw_bound(axes, sizes, sizes, "S")
    axes.set_xlabel("number of states S")
    axes.set_ylabel("step size × iterations until V(s) ≥ τ$_s$")
    plots.add_legend(axes)
    return figure


def _draw_waiting(
    settings: Settings,
    flow: Flow,
    others: Mapping[str, Float[np.ndarray, "n S"]],
    optimum: Float[np.ndarray, " S"],
) -> Figure:
    from regmdp import plots

    chain = settings.chain(settings.shown_size)
    figure, (left, right) = plots.subplots(1, 2, height=4.4)
    plots.set_logarithmic(left, x=True)
    for s, place in enumerate(find_watched_states(chain), start=1):
        plots.draw_curve(left, flow.times, flow.values[:, place], s - 1, f"s = {s}", markers=0)
        left.plot(
            flow.crossings[s - 1],
            chain.target(s),
            "o",
            markersize=5.5,
            color=plots.COLORS[s - 1],
            zorder=3,
        )
    left.set_xlabel("step size × iterations")
    left.set_ylabel("V(s)")
    left.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=3)
    plots.set_logarithmic(right, x=True, y=True, limits=(1e-6, 3.0))
    names = {"soft policy iteration": 2, "natural policy gradient": 4}
    for name, number in names.items():
        gap = (optimum - others[name]).max(axis=1)
        plots.draw_curve(right, np.arange(1, gap.size + 1), np.maximum(gap, 1e-12), number, name)
    gap = (optimum - flow.values).max(axis=1)
    # before the first recorded time nothing has changed
    times = np.concatenate([[1.0], flow.times / settings.step_size])
    plots.draw_curve(right, times, np.concatenate([gap[:1], gap]), 0, "softmax policy gradient")
    right.set_xlabel("iterations + 1")
    right.set_ylabel("largest gap to the optimum")
    right.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=1)
    plots.add_panel_titles(
        [left, right], ["values under softmax policy gradient", "against the others"]
    )
    return figure
