"""The figure of the experiment on generalized policy mirror descent."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from regmdp.reproduce.base import FigureSpec
from regmdp.reproduce.experiments.gpmd_runs import (
    METHODS,
    REGULARIZERS,
    SMALLEST_ERROR,
    Errors,
    Settings,
    recorded_iterations,
)
from regmdp.reproduce.texts import count_things

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["count_panels_below", "make_figure"]


def make_figure(by_cell: Errors, settings: Settings) -> FigureSpec:
    """Return the figure with its caption and alternative text."""
    return FigureSpec(
        lambda: _draw(by_cell, settings), _make_caption(by_cell, settings), _make_alt(by_cell)
    )


def count_panels_below(by_cell: Errors, regularizer: str, lower: str) -> tuple[int, int]:
    """Count the panels of a regularizer where the median of one method is below the other's.

    It is below if it is so at every recorded iteration after the start at which the other error is
    not negligible.

    Args:
        by_cell: The errors.
        regularizer: Name of the regularizer.
        lower: Name of the method.

    Returns:
        Their number, and the number of all panels of the regularizer.
    """
    (higher,) = METHODS.keys() - {lower}
    below = []
    for (name, method, step), runs in by_cell.items():
        if (name, method) == (regularizer, lower):
            other = by_cell[(name, higher, step)]
            fast, slow = (np.median(one[:, 1:], axis=0) for one in (runs, other))
            below.append(bool(np.all((fast < slow) | (slow <= SMALLEST_ERROR))))
    return sum(below), len(below)


def _describe_order(by_cell: Errors) -> str:
    """Say in how many panels of each row which method is below the other."""
    first, second, third = (
        count_things(*count_panels_below(by_cell, name, lower), "panels")
        for name, lower in (("tsallis", "GPMD"), ("barrier", "GPMD"), ("log-barrier", "PMD"))
    )
    return (
        f"GPMD is below PMD from the first iteration on in {first} of the first row and in "
        f"{second} of the second, and PMD is below GPMD in {third} of the third"
    )


def _make_alt(by_cell: Errors) -> str:
    return (
        "A grid of panels on logarithmic axes, one row for each regularizer and one column for "
        "each step size: error of Q against iterations, a curve with a band for GPMD and one for "
        f"PMD. {_describe_order(by_cell)}."
    )


def _make_caption(by_cell: Errors, settings: Settings) -> str:
    return (
        "Distance from the optimal action values, in the worst pair, on random models with S = "
        f"{settings.states}, A = {settings.actions}, γ = {settings.discount:g}, τ = "
        f"{settings.temperature:g}: median and range of {settings.runs} runs, each of "
        f"{settings.iterations:,} iterations. Rows: h = Σ p² − 1; the logarithmic barrier "
        f"−log(b − p) that keeps the best action of {settings.capped} states below b = "
        f"{settings.cap:g}; the "
        "logarithmic barrier −Σ log p that keeps all probabilities above 0. Columns: the step size "
        f"η, equal for both methods. By their medians, {_describe_order(by_cell)}."
        + (
            f" Errors below {SMALLEST_ERROR:g} are drawn at {SMALLEST_ERROR:g}."
            if any(np.any(runs < SMALLEST_ERROR) for runs in by_cell.values())
            else ""
        )
    )


def _draw(by_cell: Errors, settings: Settings) -> Figure:
    from regmdp import plots

    shape = (len(REGULARIZERS), len(settings.step_sizes))
    figure, axes = plots.subplots(*shape, height=9.2, sharex=True, sharey=True, squeeze=False)
    iterations = recorded_iterations(settings)
    low = max(SMALLEST_ERROR, min(float(runs.min()) for runs in by_cell.values()))
    high = max(2.0 * low, *(float(runs.max()) for runs in by_cell.values()))
    titles = []
    for panel, (regularizer, step) in zip(
        axes.flat, product(REGULARIZERS, settings.step_sizes), strict=True
    ):
        plots.set_logarithmic(panel, x=True, y=True, limits=(low / 2.0, high * 2.0))
        for number, method in enumerate(METHODS):
            # a logarithmic axis has no 0
            shown = np.maximum(by_cell[(regularizer, method, step)][:, 1:], SMALLEST_ERROR)
            plots.draw_band(panel, iterations[1:], shown, number, method)
        titles.append(f"{REGULARIZERS[regularizer]}, η = {step:g}")
    for panel in axes[:, 0]:
        panel.set_ylabel("‖Q* − Q‖ in the sup norm")
    for panel in axes[-1]:
        panel.set_xlabel("iterations")
    plots.add_panel_titles(axes, titles)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure
