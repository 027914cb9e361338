"""Figure of the experiment on sample complexity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from regmdp.reproduce.experiments.sample_complexity_runs import (
    FRESH,
    LOOPS,
    METHODS,
    RANDOM,
    REUSED,
    VALUE_DESCENT,
    SampleCurve,
    Settings,
)
from regmdp.reproduce.texts import join_names

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["describe_curves", "draw_curves", "make_alt", "make_caption"]

#: Names of the methods in the legend.
LABELS = {REUSED: "one model", FRESH: "fresh samples"}


def make_alt(curves: Sequence[SampleCurve]) -> str:
    """Return the alternative text: the slopes of all curves, and how far they are apart."""
    return (
        "Four panels on logarithmic axes: samples per pair against 1/ε and against 1/(1−γ), above "
        "for the two loops and below for random models, with dashed lines of the slopes of the "
        f"theory. {describe_curves(curves)}"
    )


def describe_curves(curves: Sequence[SampleCurve]) -> str:
    """Return the slopes in each panel, and fresh samples as multiples of reused ones."""
    by_key = {curve[:3]: curve for curve in curves}
    sentences = []
    for problem in (LOOPS, RANDOM):
        for sweep, axis in (("accuracy", "1/ε"), ("horizon", "1/(1−γ)")):
            here = {method: by_key[problem, method, sweep] for method in METHODS}
            slopes = join_names(
                [f"{curve.slope(curve.total):.2f} ({name})" for name, curve in here.items()]
            )
            fresh, reused = (np.median(here[method].total, axis=0) for method in (FRESH, REUSED))
            ratio = fresh / reused
            sentences.append(
                f"{problem.capitalize()}, {axis}: slopes {slopes}; fresh samples are "
                f"{ratio.min():.2g} to {ratio.max():.2g} times the reused ones."
            )
    return " ".join(sentences)


def make_caption(settings: Settings) -> str:
    """Return the caption."""
    n_states, n_actions, branching = settings.shape
    return (
        f"Samples per pair, in all iterations, with which {settings.share:.0%} of the runs end "
        "with V* − V ≤ ε in the worst state. Above: two loops, one model for each ε and γ; shaded: "
        f"95% confidence. Below: random models with S = {n_states}, A = {n_actions}, {branching} "
        f"successors; median and range of {settings.models}. Left: ε shrinks, 1/(1−γ) = "
        f"{settings.horizon}. Right: the horizon grows, ε = {settings.accuracy:g} above and "
        f"{settings.random_accuracy:g} below. Where the range includes 1, a single sample is "
        "enough. Dotted green: fresh samples in one iteration. Dashed: the slopes of the theory, "
        "up to logarithms, through the first point of the reused model (black) and of fresh "
        "samples (grey)."
    )


def draw_curves(
    curves: Sequence[SampleCurve], allowed: Mapping[str, Mapping[str, float]]
) -> Figure:
    """Draw the samples, one panel per problem and growing quantity.

    Args:
        curves: Curves of all problems, methods and sweeps.
        allowed: Largest exponents in the theory, by method and sweep.
    """
    from regmdp import plots

    figure, axes = plots.subplots(2, 2, height=8.2, sharey="row")
    by_key = {curve[:3]: curve for curve in curves}
    titles = []
    for row, problem in zip(axes, (LOOPS, RANDOM), strict=True):
        here = [
            by_key[problem, method, sweep]
            for method in METHODS
            for sweep in ("accuracy", "horizon")
        ]
        limits = (
            min(float(one.each.min()) for one in here) / 2.0,
            3.0 * max(float(one.total.max()) for one in here),
        )
        for panel, sweep in zip(row, ("accuracy", "horizon"), strict=True):
            plots.set_logarithmic(panel, x=True, y=True, limits=limits)
            for number, method in enumerate((REUSED, FRESH)):
                curve = by_key[problem, method, sweep]
                _draw_total(panel, curve, number, f"{method}: slope {curve.slope(curve.total):.2f}")
                most = allowed[method][sweep]
                first = np.median(curve.total[:, 0])
                guide = first * (curve.x / curve.x[0]) ** most
                plots.draw_bound(
                    panel,
                    curve.x,
                    guide,
                    f"allowed for {LABELS[method]}: slope {most:g}",
                    color=plots.GREY if number else plots.BLACK,
                )
            descent = by_key[problem, VALUE_DESCENT, sweep]
            label = f"{VALUE_DESCENT}: slope {descent.slope(descent.total):.2f}"
            _draw_total(panel, descent, 3, label)
            fresh = by_key[problem, FRESH, sweep]
            each = np.median(fresh.each, axis=0)
            label = f"{FRESH}, one iteration: slope {fresh.slope(fresh.each):.2f}"
            plots.draw_curve(panel, fresh.x, each, 2, label, markers=each.size, linewidth=1.2)
            panel.set_xlabel("1/ε" if sweep == "accuracy" else "horizon 1/(1−γ)")
            ticks = fresh.x if sweep == "horizon" else _powers_of_two(fresh.x)
            panel.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
            panel.legend(loc="upper center", bbox_to_anchor=(0.5, -0.17), ncols=1, fontsize=8.5)
            titles.append(
                f"{problem}{'s' if problem == RANDOM else ''}, "
                f"{'1/ε' if sweep == 'accuracy' else 'the horizon'} grows"
            )
        row[0].set_ylabel("samples of a pair")
    plots.add_panel_titles(axes, titles)
    return figure


def _draw_total(panel: Any, curve: SampleCurve, number: int, label: str) -> None:
    """Draw the total of a method, with its interval for one model or the range of several."""
    from regmdp import plots

    if curve.total.shape[0] == 1:
        low, high = curve.intervals[:, 0]
        panel.fill_between(curve.x, low, high, color=plots.COLORS[number], alpha=0.2, linewidth=0)
        plots.draw_curve(panel, curve.x, curve.total[0], number, label, markers=curve.x.size)
    else:
        plots.draw_band(panel, curve.x, curve.total, number, label, markers=curve.x.size)


def _powers_of_two(x: np.ndarray) -> np.ndarray:
    """Return powers of 2 in the range of x."""
    low, high = np.ceil(np.log2(x[0]) - 1e-9), np.floor(np.log2(x[-1]) + 1e-9)
    return 2.0 ** np.arange(low, high + 1.0)
