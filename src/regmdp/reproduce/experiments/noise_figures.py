"""Figures of the experiment on natural policy gradient with inexact values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from regmdp import theory
from regmdp.reproduce.experiments.noise_runs import (
    ARMS,
    GARNET,
    KINDS,
    Floors,
    NoiseTrack,
    Settings,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "compute_floor_bounds",
    "draw_floors_by_error",
    "draw_floors_by_step",
    "select_drawn_track",
]

#: Smallest shown error; smaller ones are rounding.
SMALLEST_SHOWN = 1e-16
#: Line styles of the two bounds.
EARLIER: dict[str, Any] = {"linestyle": (0, (4, 3)), "linewidth": 1.3}
IMPROVED: dict[str, Any] = {"linestyle": "-", "linewidth": 1.3}


def select_drawn_track(tracks: list[NoiseTrack], share: float, settings: Settings) -> NoiseTrack:
    """Return the batch whose first run is drawn."""
    wanted = (GARNET, "sign", settings.delta, share, 0)
    return next(one for one in tracks if one.task[:5] == wanted)


def draw_floors_by_error(floors: Floors, settings: Settings) -> Figure:
    """Draw floors against the size of the errors, a column for each step size."""
    from regmdp import plots

    rows = {"q": "‖Q* − Q‖", "log_policy": "τ ‖log π* − log π‖"}
    shares = settings.shares
    figure, axes = plots.subplots(
        2, len(shares), height=6.6, sharex=True, sharey="row", squeeze=False
    )
    for row, (name, label) in zip(axes, rows.items(), strict=True):
        limits = _find_limits(floors, name, settings)
        for panel, share in zip(row, shares, strict=True):
            plots.set_logarithmic(panel, x=True, y=True, limits=limits)
            _draw_random_models(panel, floors, name, share, settings)
            if name == "q":
                _draw_arms_and_bounds(panel, floors, share, settings)
            panel.axvline(
                settings.temperature,
                color=plots.GREY,
                linewidth=0.8,
                linestyle=(0, (1, 1.5)),
                zorder=1.8,
            )
        row[0].set_ylabel(label)
    axes[0, 0].annotate(
        "τ",
        (settings.temperature, 0.01),
        xycoords=("data", "axes fraction"),
        xytext=(3, 2),
        textcoords="offset points",
    )
    for panel in axes[1]:
        panel.set_xlabel("size of the errors δ")
    titles = [
        "the largest step" if share == 1.0 else f"{share:g} of the largest" for share in shares
    ]
    plots.add_panel_titles(axes, titles * 2)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def _find_limits(floors: Floors, name: str, settings: Settings) -> tuple[float, float]:
    """Return the limits of the vertical axes of a row."""
    low = min(
        float(floors[GARNET, kind, delta, share][name].min())
        for kind in KINDS
        for delta in settings.deltas
        for share in settings.shares
    )
    if name == "q":
        high = max(compute_floor_bounds(settings.deltas[-1], min(settings.shares), settings))
    else:
        high = max(float(one[name].max()) for one in floors.values())
    return max(low, SMALLEST_SHOWN) / 2.0, high * 2.0


def _draw_random_models(
    panel: Any, floors: Floors, name: str, share: float, settings: Settings
) -> None:
    """Draw the floors on random models, one band per kind of error."""
    from regmdp import plots

    deltas = np.array(settings.deltas)
    for number, kind in enumerate(KINDS):
        runs = np.stack(
            [floors[GARNET, kind, float(delta), share][name] for delta in deltas], axis=1
        )
        plots.draw_band(panel, deltas, runs, number, f"random models, {kind}", markers=deltas.size)


def _draw_arms_and_bounds(panel: Any, floors: Floors, share: float, settings: Settings) -> None:
    """Draw the floors of Q on two arms, and both bounds."""
    from regmdp import plots

    deltas = np.array(settings.deltas)
    arms = [
        float(floors[ARMS, "adversarial", float(delta), settings.shares[0]]["q"][0])
        for delta in deltas
    ]
    plots.draw_curve(panel, deltas, arms, 4, "two arms, adversarial", markers=deltas.size)
    bounds = np.array([compute_floor_bounds(float(delta), share, settings) for delta in deltas])
    plots.draw_bound(panel, deltas, bounds[:, 0], "earlier bound", color=plots.BLACK, **EARLIER)
    plots.draw_bound(panel, deltas, bounds[:, 1], "improved bound", color=plots.GREY, **IMPROVED)


def draw_floors_by_step(floors: Floors, tracks: list[NoiseTrack], settings: Settings) -> Figure:
    """Draw errors against iterations with both bounds, and floors against the step size."""
    from regmdp import plots

    figure, (left, right) = plots.subplots(1, 2, height=4.6, sharey=True)
    swept = np.array(settings.swept[::-1])
    runs = {
        kind: np.stack([floors[GARNET, kind, settings.delta, float(s)]["q"] for s in swept], axis=1)
        for kind in KINDS
    }
    drawn = [
        select_drawn_track(tracks, share, settings)
        for share in settings.swept[:: max(1, len(settings.swept) // 2)]
    ]
    high = max(float(one.earlier[1:].max()) for one in drawn)
    low = min(
        *(float(kind.min()) for kind in runs.values()),
        *(float(one.errors["q"][1:, 0].min()) for one in drawn),
    )
    for panel in (left, right):
        plots.set_logarithmic(
            panel, x=True, y=True, limits=(max(low, SMALLEST_SHOWN) / 2.0, high * 3.0)
        )
    for number, one in enumerate(drawn):
        t, colour = np.arange(one.earlier.size), plots.COLORS[number + 3]
        error = one.errors["q"][1:, 0]
        # dashes are hard to see in a curve that goes up and down
        plots.draw_curve(
            left,
            t[1:],
            error,
            number + 3,
            f"{one.task.share:g}",
            markers=5,
            linestyle="-",
            linewidth=1.0,
        )
        plots.draw_bound(left, t[1:], one.earlier[1:], color=colour, **EARLIER)
        plots.draw_bound(left, t[1:], one.improved[1:], color=colour, linestyle="-", linewidth=0.7)
    left.set_xlabel("iterations t")
    left.set_ylabel("‖Q* − Q‖")
    left.legend(
        title="share of the largest step", loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=3
    )
    for number, kind in enumerate(KINDS):
        plots.draw_band(right, swept, runs[kind], number, kind, markers=swept.size)
    fine = np.geomspace(swept[0], swept[-1], 100)
    bounds = np.array([compute_floor_bounds(settings.delta, float(s), settings) for s in fine])
    plots.draw_bound(right, fine, bounds[:, 0], "earlier bound", color=plots.BLACK, **EARLIER)
    plots.draw_bound(right, fine, bounds[:, 1], "improved bound", color=plots.GREY, **IMPROVED)
    right.set_xlabel("step, as a share of the largest")
    right.set_xticks(swept, [f"{share:g}" for share in swept])
    right.legend(title="errors", loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=2)
    plots.add_panel_titles((left, right), ("one run, errors of random sign", "floor"))
    return figure


def compute_floor_bounds(delta: float, share: float, settings: Settings) -> tuple[float, float]:
    """Return the floors of the earlier and the improved bound on the error of Q."""
    discount = 1.0 - 1.0 / settings.shape[2]
    earlier = discount * theory.inexact_floor(discount, 1.0 - share, evaluation_error=delta)
    return earlier, theory.sharp_inexact_floor(discount, settings.temperature, delta)
