"""Figure of the experiment on the size of models."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from regmdp.reproduce.experiments.scaling_runs import (
    METHODS,
    SWEEPS,
    Settings,
    find_capped_ends,
    fit_growth,
    select_iterations,
)
from regmdp.reproduce.texts import join_sentences

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw", "make_alt", "make_caption"]


def make_alt(table: dict[str, np.ndarray]) -> str:
    """Return the alternative text."""
    return (
        "Three panels on logarithmic axes: iterations until an accuracy is reached, against the "
        "number of states, of actions and the horizon, a curve for each method and the guarantee "
        f"for NPG. {_describe_growth(table)}"
    )


def make_caption(table: dict[str, np.ndarray], settings: Settings) -> str:
    """Return the caption: what is drawn, and how the iterations grow."""
    states, actions, horizon = settings.base
    capped = int(np.count_nonzero(table["capped"]))
    circled = any(
        find_stopped_sizes(table, sweep, method, settings).size
        for sweep in SWEEPS
        for method in METHODS
    )
    return join_sentences(
        f"Iterations from the uniform policy until V*(ρ) − V(ρ) ≤ {settings.accuracy:g}/(1−γ), "
        "each method for its own objective, on random models with rewards in [0, 1]: median and "
        f"range of {settings.models} models. Base values are S = {states}, A = {actions}, "
        f"1/(1−γ) = {horizon}. NPG and entropy NPG have the same step size, η = (1−γ)² log A. The "
        f"policy gradient methods have {settings.acceleration:,.0f} times the step size of their "
        "theory. Dashed: the guarantee for NPG.",
        _describe_growth(table),
        f"{capped} runs were stopped at {settings.cap:,} iterations."
        if capped
        else "No run was stopped early.",
        (circled, "Circled: medians that are stopped runs."),
    )


def find_stopped_sizes(
    table: dict[str, np.ndarray], sweep: str, method: str, settings: Settings
) -> np.ndarray:
    """Return the sizes at which the median of a method is that of runs at the cap."""
    sizes, counts = select_iterations(table, sweep, method)
    here = table["capped"] & (table["grows"] == sweep) & (table["method"] == method)
    stopped = np.isin(sizes, table[sweep][here])
    return sizes[stopped & (np.median(counts, axis=0) >= settings.cap)]


def _describe_growth(table: dict[str, np.ndarray]) -> str:
    """Return by which factor the median of each method grows over each panel."""
    factors = []
    for method in METHODS:
        texts = []
        for sweep in SWEEPS:
            first, last = find_capped_ends(table, sweep, method)
            times = f"{fit_growth(table, sweep, method)[0]:.2g}"
            texts.append("unknown" if first else f"at least {times}" if last else times)
        factors.append(f"{method}: {', '.join(texts)}")
    return (
        "Median iterations at the largest size of each panel, divided by those at the smallest: "
        f"{'; '.join(factors)}."
    )


def draw(table: dict[str, np.ndarray], settings: Settings) -> Figure:
    """Draw the iterations, one panel per growing quantity."""
    from regmdp import plots

    figure, axes = plots.subplots(1, 3, height=4.2, sharey=True)
    labels = (
        f"PG, {settings.acceleration:,.0f} × the step of its theory",
        f"entropy PG, {settings.acceleration:,.0f} × the step of its theory",
        *METHODS[2:],
    )
    top = 2.0 * max(table["iterations"].max(), table["guaranteed_of_npg"].max())
    for panel, (sweep, name) in zip(axes, SWEEPS.items(), strict=True):
        plots.set_logarithmic(panel, x=True, y=True, limits=(1.0, top))
        for number, (method, label) in enumerate(zip(METHODS, labels, strict=True)):
            sizes, counts = select_iterations(table, sweep, method)
            plots.draw_band(
                panel, sizes, counts.astype(np.float64), number, label, markers=len(sizes)
            )
            stopped = find_stopped_sizes(table, sweep, method, settings)
            panel.plot(
                stopped,
                np.full(stopped.size, settings.cap),
                "o",
                markersize=10,
                fillstyle="none",
                color=plots.BLACK,
            )
        here = (table["grows"] == sweep) & (table["method"] == "NPG")
        sizes = np.unique(table[sweep][here])
        most = np.array(
            [table["guaranteed_of_npg"][here & (table[sweep] == size)].max() for size in sizes]
        )
        plots.draw_bound(panel, sizes, most, "NPG, guaranteed")
        panel.set_xticks(sizes, [str(size) for size in sizes])
        panel.set_xlabel(name)
    axes[0].set_ylabel("iterations")
    plots.add_panel_titles(axes, ("more states", "more actions", "a longer horizon"))
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure
