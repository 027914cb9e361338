"""The figures of the experiment on natural policy gradient with errors in its values."""

from __future__ import annotations

from typing import Any

import numpy as np

from regmdp import theory
from regmdp.reproduce.experiments.noise_runs import ARMS, GARNET, KINDS, Floors, Settings, Track

__all__ = [
    "SIZES_ALT",
    "STEPS_ALT",
    "draw_sizes",
    "draw_steps",
    "shown",
    "sizes_caption",
    "steps_caption",
]

#: The look of the two bounds.
EARLIER: dict[str, Any] = {"linestyle": (0, (4, 3)), "linewidth": 1.3}
IMPROVED: dict[str, Any] = {"linestyle": "-", "linewidth": 1.3}

SIZES_ALT = (
    "Two rows of panels on logarithmic axes, a column for each step: the error that remains "
    "against the size δ of the errors. Above, for Q, the curves of random models rise with slope 2 "
    "until δ is about the temperature, then more slowly, far below two bounds that begin with "
    "slope 1; the curve of two arms bends from slope 2 to slope 1 and comes closest to them. "
    "Below, for log π, all curves are straight with slope 1."
)
STEPS_ALT = (
    "Two panels on logarithmic axes. First, the error of Q against iterations for several steps: "
    "it falls and then levels off, lower for smaller steps, while the earlier bound levels off "
    "higher for smaller steps and the improved bound at one height. Second, the level against the "
    "step: constant with adversarial errors, rising in proportion to the step with random ones; "
    "the improved bound is constant, the earlier bound falls as the step grows."
)


def sizes_caption(settings: Settings) -> str:
    """Say what the first figure shows."""
    n_states, n_actions, horizon = settings.shape
    return (
        f"What remains of the error when values are wrong by δ, with τ = {settings.temperature:g}: "
        f"above ‖Q* − Q‖, below τ‖log π* − log π‖; columns: the step. {settings.models} random "
        f"models with S = {n_states}, A = {n_actions}, 1/(1−γ) = {horizon}: median and range over "
        "the runs of the mean over the second half. For δ below τ the floor of Q is proportional "
        "to δ², that of log π to δ. Two arms whose rewards differ by δ, with adversarial errors, "
        "show what is behind the linear bounds: for δ above τ their floor is linear, too."
    )


def steps_caption(settings: Settings) -> str:
    """Say what the second figure shows."""
    return (
        f"Errors of size δ = {settings.delta:g}, τ = {settings.temperature:g}. (a) Error of Q of "
        "one run with errors of random sign, for steps that are a share of the largest, (1−γ)/τ, "
        "with the earlier bound (dashed) and the improved bound (thin, smooth) in the same colour. "
        "(b) The floor against the step. It does not grow as the step shrinks: adversarial errors "
        "leave it where it is, random errors are averaged over about 1/share iterations. By the "
        "earlier bound it might grow."
    )


def shown(tracks: list[Track], share: float, settings: Settings) -> Track:
    """Return the runs of which the first is drawn."""
    wanted = (GARNET, "sign", settings.delta, share, 0)
    return next(one for one in tracks if one.task[:5] == wanted)


def draw_sizes(floors: Floors, settings: Settings) -> Any:
    """Draw floors against the size of the errors, a column for each step."""
    from regmdp import plots

    rows = {"q": "‖Q* − Q‖", "log_policy": "τ ‖log π* − log π‖"}
    shares = settings.shares
    figure, axes = plots.subplots(
        2, len(shares), height=6.6, sharex=True, sharey="row", squeeze=False
    )
    deltas, discount = np.array(settings.deltas), 1.0 - 1.0 / settings.shape[2]
    for row, (name, label) in zip(axes, rows.items(), strict=True):
        low = min(
            float(floors[GARNET, kind, delta, s][name].min())
            for kind in KINDS
            for delta in deltas
            for s in shares
        )
        highest = floor_bounds(float(deltas[-1]), min(shares), discount, settings.temperature)
        high = (
            max(highest) if name == "q" else max(float(one[name].max()) for one in floors.values())
        )
        for panel, share in zip(row, shares, strict=True):
            plots.set_logarithmic(panel, x=True, y=True, limits=(low / 2.0, high * 2.0))
            for number, kind in enumerate(KINDS):
                runs = np.stack(
                    [floors[GARNET, kind, float(delta), share][name] for delta in deltas], axis=1
                )
                plots.draw_band(
                    panel, deltas, runs, number, f"random models, {kind}", markers=deltas.size
                )
            if name == "q":
                arms = [
                    float(floors[ARMS, "adversarial", float(delta), shares[0]][name][0])
                    for delta in deltas
                ]
                plots.draw_curve(
                    panel, deltas, arms, 4, "two arms, adversarial", markers=deltas.size
                )
                bounds = np.array(
                    [
                        floor_bounds(float(delta), share, discount, settings.temperature)
                        for delta in deltas
                    ]
                )
                plots.draw_bound(
                    panel, deltas, bounds[:, 0], "earlier bound", color=plots.BLACK, **EARLIER
                )
                plots.draw_bound(
                    panel, deltas, bounds[:, 1], "improved bound", color=plots.GREY, **IMPROVED
                )
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
    titles = ["the largest step" if share == 1.0 else f"{share:g} of it" for share in shares]
    plots.add_panel_titles(axes, titles * 2)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def draw_steps(floors: Floors, tracks: list[Track], settings: Settings) -> Any:
    """Draw errors against iterations with both bounds, and floors against the step."""
    from regmdp import plots

    figure, (left, right) = plots.subplots(1, 2, height=4.6, sharey=True)
    swept, discount = np.array(settings.swept[::-1]), 1.0 - 1.0 / settings.shape[2]
    runs = {
        kind: np.stack([floors[GARNET, kind, settings.delta, float(s)]["q"] for s in swept], axis=1)
        for kind in KINDS
    }
    drawn = [
        shown(tracks, share, settings)
        for share in settings.swept[:: max(1, len(settings.swept) // 2)]
    ]
    high = max(float(one.earlier[1:].max()) for one in drawn)
    low = min(
        *(float(kind.min()) for kind in runs.values()),
        *(float(one.errors["q"][1:, 0].min()) for one in drawn),
    )
    for panel in (left, right):
        plots.set_logarithmic(panel, x=True, y=True, limits=(low / 2.0, high * 3.0))
    for number, one in enumerate(drawn):
        t, colour = np.arange(one.earlier.size), plots.COLORS[number + 3]
        error = one.errors["q"][1:, 0]
        # dashes cannot be told apart in a curve that goes up and down
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
    bounds = np.array(
        [floor_bounds(settings.delta, float(s), discount, settings.temperature) for s in fine]
    )
    plots.draw_bound(right, fine, bounds[:, 0], "earlier bound", color=plots.BLACK, **EARLIER)
    plots.draw_bound(right, fine, bounds[:, 1], "improved bound", color=plots.GREY, **IMPROVED)
    right.set_xlabel("step, as a share of the largest")
    right.set_xticks(swept, [f"{share:g}" for share in swept])
    right.legend(title="errors", loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=2)
    plots.add_panel_titles((left, right), ("one run, errors of random sign", "floor"))
    return figure


def floor_bounds(
    delta: float, share: float, discount: float, temperature: float
) -> tuple[float, float]:
    """Return the floors of both bounds on the error of Q."""
    earlier = discount * theory.inexact_floor(discount, 1.0 - share, evaluation_error=delta)
    return earlier, theory.sharp_inexact_floor(discount, temperature, delta)
