"""Figure of the experiment on numbers of iterations."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from regmdp.reproduce.experiments.iteration_counts_runs import AccuracyCurve, Settings, StepCurve

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw_counts", "make_alt", "make_caption"]


def make_caption(
    settings: Settings,
    by_step: list[StepCurve],
    by_accuracy: AccuracyCurve,
    unregularized: AccuracyCurve,
) -> str:
    """Return the caption: what is drawn, and what the runs have shown."""
    n_states, n_actions, horizon = settings.shape
    random, rare = by_step
    return (
        "Iterations of natural policy gradient with entropy until V*(ρ) − V(ρ) ≤ "
        f"{settings.accuracy:g}, against the step size as a fraction of the largest, (1−γ)/τ: "
        "measured, and as two theorems count them. The area below the smaller count is shaded. "
        f"(a) A random model with S = {n_states}, A = {n_actions}, 1/(1−γ) = {horizon}, "
        f"τ = {settings.temperature:g}, uniform ρ. {_compare_counts(random)} (b) The same model "
        f"with a start that is returned to with probability {settings.rare:g}, so that ‖ρ/ν*‖ = "
        f"{rare.mismatch:.2g}. {_compare_counts(rare)} (c) Soft policy iteration on the random "
        f"model until the error of Q is ε. {_compare_accuracy(by_accuracy)} (d) Natural policy "
        "gradient without entropy on a ladder of actions. "
        f"{_compare_accuracy(unregularized)} {_describe_slopes(unregularized)}"
    )


def make_alt(
    by_step: list[StepCurve], by_accuracy: AccuracyCurve, unregularized: AccuracyCurve
) -> str:
    """Return the alternative text."""
    first, last = by_step[0].shares[[0, -1]]
    steps = " ".join(
        f"{one.problem.capitalize()}: from {first:g} to {last:g} of the largest step the measured "
        f"iterations go from {one.measured[0]:,.0f} to {one.measured[-1]:,.0f}, at most "
        f"{one.fraction:.2g} of the smaller count. {_compare_counts(one)}"
        for one in by_step
    )
    return (
        "Four panels of iterations on logarithmic axes. The first two show, against the step size, "
        f"a measured curve and two counts. {steps} The others show, against 1/ε, a measured curve "
        f"and a count. Soft policy iteration: {_compare_accuracy(by_accuracy)} Without entropy: "
        f"{_compare_accuracy(unregularized)} {_describe_slopes(unregularized)}"
    )


def _compare_counts(one: StepCurve) -> str:
    """Return a sentence about the two counts at the shortest and at the longest step."""
    ratios = " and ".join(
        f"{one.ratio[index]:.2g} times (η = {one.shares[index]:g} of the largest)"
        for index in dict.fromkeys((0, one.shares.size - 1))
    )
    return f"The count by the potential is {ratios} the count by the sup norm."


def _compare_accuracy(one: AccuracyCurve) -> str:
    """Return a sentence about the measured iterations at the largest and the smallest ε."""
    return (
        f"From ε = {one.accuracies[0]:g} to {one.accuracies[-1]:g} the measured iterations go from "
        f"{one.measured[0]:,.0f} to {one.measured[-1]:,.0f} and the count from "
        f"{one.counted[0]:,.0f} to {one.counted[-1]:,.0f}."
    )


def _describe_slopes(one: AccuracyCurve) -> str:
    """Return a sentence about the slopes, if they can be fitted."""
    slopes = [one.fit_slope(values) for values in (one.measured, one.counted)]
    if any(map(math.isnan, slopes)):
        return "Too few accuracies take iterations for a slope."
    return f"The slopes in 1/ε are {slopes[0]:.2f} and {slopes[1]:.2f}."


def draw_counts(
    by_step: list[StepCurve], by_accuracy: AccuracyCurve, unregularized: AccuracyCurve
) -> Figure:
    """Draw measured iterations and their counts.

    Args:
        by_step: The two problems whose step size varies.
        by_accuracy: Soft policy iteration.
        unregularized: Natural policy gradient without entropy.
    """
    from regmdp import plots

    figure, axes = plots.subplots(2, 2, height=8.0)
    low = max(0.5, min(float(one.measured.min()) for one in by_step))
    counts = np.concatenate(
        [[1.0], *((one.by_sup_norm, one.by_potential) for one in by_step)], None
    )
    high = float(counts[np.isfinite(counts)].max())
    for panel, one in zip(axes[0], by_step, strict=True):
        plots.set_logarithmic(panel, x=True, y=True, limits=(low / 2.0, 2.0 * high))
        count = one.shares.size
        panel.fill_between(one.shares, low / 2.0, one.smaller, color=plots.GREY, alpha=0.15)
        plots.draw_curve(panel, one.shares, one.measured, 0, "measured", markers=count)
        label = "count by the sup norm"
        plots.draw_curve(panel, one.shares, one.by_sup_norm, 1, label, markers=count)
        label = "count by the potential"
        plots.draw_curve(panel, one.shares, one.by_potential, 2, label, markers=count)
        panel.set_xlabel("step size η, as a fraction of the largest")
        _add_legend(panel)
    for panel, one, label in zip(
        axes[1], (by_accuracy, unregularized), ("‖Q* − Q‖ ≤ ε", "V*(ρ) − V(ρ) ≤ ε"), strict=True
    ):
        limits = (
            max(0.5, float(one.measured.min()) / 2.0),
            2.0 * max(1.0, float(one.counted.max())),
        )
        plots.set_logarithmic(panel, x=True, y=True, limits=limits)
        x, count = 1.0 / one.accuracies, one.accuracies.size
        plots.draw_curve(panel, x, one.measured, 0, f"measured, until {label}", markers=count)
        plots.draw_curve(panel, x, one.counted, 3, "count", markers=count)
        panel.set_xlabel("1/ε")
        _add_legend(panel)
    for panel in axes[:, 0]:
        panel.set_ylabel("iterations")
    titles = [
        "random model",
        "rare start",
        "soft policy iteration",
        "without entropy, on a ladder",
    ]
    plots.add_panel_titles(axes, titles)
    return figure


def _add_legend(panel: Any) -> None:
    """Add the legend below a panel."""
    panel.legend(loc="upper center", bbox_to_anchor=(0.5, -0.17), ncols=2, fontsize=8.5)
