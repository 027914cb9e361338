"""Figure of the experiment on the size of models."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from regmdp.reproduce.experiments.scaling_runs import METHODS, SWEEPS, Settings, select_iterations

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["ALT", "draw", "make_caption"]

ALT = (
    "Three panels on logarithmic axes: iterations until an accuracy is reached, against the number "
    "of states, of actions and the horizon. The curves of the two policy gradient methods rise in "
    "all panels; those of the two natural policy gradient methods are level in the first two and "
    "rise slowly in the third."
)


def make_caption(table: dict[str, np.ndarray], settings: Settings) -> str:
    """Return the caption."""
    states, actions, horizon = settings.base
    capped = int(np.count_nonzero(table["capped"]))
    return (
        f"Iterations from the uniform policy until V*(ρ) − V(ρ) ≤ {settings.accuracy:g}/(1−γ), "
        "each method for its own objective, on random models with rewards in [0, 1]: median and "
        f"range of {settings.models} models. Base values are S = {states}, A = {actions}, "
        f"1/(1−γ) = {horizon}. NPG and entropy NPG have the same step size, η = (1−γ)² log A. The "
        f"policy gradient methods have {settings.acceleration:,.0f} times the step size of their "
        "theory; at that step size they would need as many times more iterations. Dashed: the "
        "guarantee for NPG. "
        + (
            f"Circled: {capped} runs were stopped at {settings.cap:,} iterations."
            if capped
            else "No run was stopped early."
        )
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
            stopped = sizes[np.median(counts, axis=0) >= settings.cap]
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
