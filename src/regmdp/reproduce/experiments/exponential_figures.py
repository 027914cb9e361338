"""Figures of the experiment on the exponential chain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from regmdp._internal.arrays import Float
from regmdp.reproduce.base import FigureSpec
from regmdp.reproduce.experiments.exponential_runs import Settings
from regmdp.reproduce.experiments.softmax_flow import Flow, find_crossings, find_watched_states
from regmdp.reproduce.texts import join_names

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["describe_count", "format_power", "make_figures"]


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
    chain = settings.chain(settings.shown_size)
    crossings = flows[settings.shown_size].crossings
    ordered = bool(np.all(np.diff(crossings) > 0.0))
    counts = {name: find_crossings(chain, values) for name, values in others.items()}
    needed = join_names(
        [f"{describe_count(count, settings)} of {name}" for name, count in counts.items()]
    )
    slow = f"{crossings.max() / settings.step_size:.1e} iterations of softmax policy gradient"
    return {
        "crossings": FigureSpec(
            lambda: _draw_crossings(settings, flows),
            "Scaled time (step size times iterations) until the value of state s reaches its "
            f"target, against the number of states; dashed: slope 1. {_describe_slopes(flows)}",
            "Curves of time against number of states, both axes logarithmic, one for each of "
            f"{settings.horizon} states. {_describe_range(flows)}",
        ),
        "waiting": FigureSpec(
            lambda: _draw_waiting(settings, flows[settings.shown_size], others, optimum),
            f"A chain of {format_power(settings.shown_size)} states. (a) Values during softmax "
            "policy gradient against scaled time; a dot marks where a state reaches its target"
            f"{', each one after the previous one' if ordered else ''}. (b) Largest distance from "
            "the optimum over all states against iterations. Softmax policy gradient has the step "
            "size (1−γ)^{3}/8 with which it is proved to converge. All states have reached their "
            f"targets after {slow}, {needed}.",
            f"Two plots. Left: {settings.horizon} values that rise to their targets between scaled "
            f"times {crossings.min():.1e} and {crossings.max():.1e}. Right: the gaps of three "
            f"methods on logarithmic axes; all states have reached their targets after {slow}, "
            f"{needed}.",
        ),
    }


def _describe_slopes(flows: Mapping[int, Flow]) -> str:
    """Return the slopes of the curves between the first two and the last two sizes."""
    sizes = list(flows)
    texts = []
    for before, after in dict.fromkeys(((sizes[-2], sizes[-1]), (sizes[0], sizes[1]))):
        ratio = flows[after].crossings / flows[before].crossings
        slopes = np.log(ratio) / np.log(after / before)
        texts.append(
            f"Between {format_power(before)} and {format_power(after)} states the slopes for s = "
            f"1, …, {slopes.size} are {', '.join(f'{slope:.2f}' for slope in slopes)}."
        )
    return " ".join(texts)


def _describe_range(flows: Mapping[int, Flow]) -> str:
    """Return the smallest and the largest time with the first and the last size."""
    sizes = list(flows)
    return " ".join(
        f"With {format_power(size)} states the times are between {flows[size].crossings.min():.1e} "
        f"and {flows[size].crossings.max():.1e}."
        for size in (sizes[0], sizes[-1])
    )


def describe_count(counts: list[int], settings: Settings) -> str:
    """Return the iterations until all states have reached their targets, as text.

    Args:
        counts: Iterations of the states, -1 for none.
        settings: The settings.
    """
    if -1 in counts:
        return f"more than {settings.iterations} iterations"
    return f"{max(counts)} iterations"


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
