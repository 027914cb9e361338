"""The figures of the experiment on estimates of the policy gradient."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from regmdp._internal.arrays import Float
from regmdp.reproduce.experiments.variance_runs import (
    ARMS,
    BASELINE,
    GENERATIVE,
    PLAIN,
    WHOLE,
    Estimated,
    Settings,
    Track,
)

__all__ = [
    "ERRORS_ALT",
    "LEARNING_ALT",
    "draw_errors",
    "draw_learning",
    "errors_caption",
    "learning_caption",
    "ratio",
]

#: The number of an arm's colour, line and marker.
STYLE = {PLAIN: 0, BASELINE: 1, WHOLE: 2, GENERATIVE: 4}
#: Part of the runs that lies below the ends of a band.
ENDS = (0.1, 0.9)
RESAMPLES = 2000

ERRORS_ALT = (
    "Three panels with logarithmic axes against the transitions of one estimate. First, the "
    "relative error of the gradient: four parallel lines of slope −1/2, those of REINFORCE with "
    "and without baseline close together and on top, that of whole episodes well below, that of "
    "the generative model lowest, each on the dashed line of its closed form where there is one. "
    "Second, the length of the mean error: the markers lie at the thin lines that mark what chance "
    "alone leaves. Third, the mean squared error with a baseline over that without: above 1 for "
    "the smallest budget, falling to the dashed limit below 1."
)
LEARNING_ALT = (
    "Two panels, for a small and a large step: the gap on a logarithmic axis against transitions. "
    "The generative model and whole episodes fall along the dashed line of exact gradients, "
    "further with the large step. REINFORCE comes down slowly with the small step, faster with a "
    "baseline than without, and remains near or above its start with the large one."
)


def errors_caption(settings: Settings) -> str:
    """Say what the first figure shows."""
    n_states, n_actions, _ = settings.shape
    return (
        f"Estimates of ∇V(ρ) for one policy on a random model with S = {n_states}, A = "
        f"{n_actions}, 1/(1−γ) = {settings.horizon}, τ = {settings.temperature:g}; "
        f"{settings.runs:,} runs of each. With a baseline a share of {settings.first:g} of the "
        "episodes is spent on it. (a) Root mean squared error, as a share of ‖∇V‖; dashed: closed "
        "forms, that of the baseline for one that is exact. (b) Length of the mean error (markers) "
        "and what chance leaves of it without bias, the standard deviation over the square root of "
        "the runs (lines). (c) Mean squared error with a baseline over that without, same "
        "transitions, with 95% confidence; dashed: the limit."
    )


def learning_caption(settings: Settings) -> str:
    """Say what the second figure shows."""
    return (
        f"Softmax policy gradient from the uniform policy with {settings.budget(settings.pair):,} "
        f"transitions an iteration, {settings.iterations} iterations: the gap V*(ρ) − V(ρ), both "
        f"with entropy. Median of {settings.seeds} runs, and what lies between the 10th and the "
        "90th percentile. Dashed: exact gradients, at the same iterations; they draw nothing."
    )


def by_arm(estimates: list[Estimated]) -> dict[str, list[Estimated]]:
    """Return the estimates of each arm, the budgets increasing."""
    return {
        arm: sorted(
            (one for one in estimates if one.task.arm == arm), key=lambda one: one.task.pair
        )
        for arm in ARMS
    }


def ratio(one: Estimated, other: Estimated) -> tuple[float, float, float]:
    """Return the quotient of the mean squared errors, and its 95% interval from resampled runs."""
    rng = np.random.default_rng([one.task.settings.seed, one.task.pair])
    counts = rng.multinomial(
        one.squares.size, np.full(one.squares.size, 1.0 / one.squares.size), (2, RESAMPLES)
    )
    drawn = (counts[0] @ one.squares) / (counts[1] @ other.squares)
    low, high = np.quantile(drawn, (0.025, 0.975))
    return float(one.squares.mean() / other.squares.mean()), float(low), float(high)


def draw_errors(
    estimates: list[Estimated],
    size: float,
    closed: dict[str, Float[np.ndarray, " n"]],
    limit: float,
    settings: Settings,
) -> Any:
    """Draw errors, biases and what a baseline changes, against the budget.

    Args:
        estimates: All of them.
        size: ‖∇V(ρ)‖.
        closed: Mean squared errors in closed form, by arm, where there are such.
        limit: What the quotient of the mean squared errors with and without baseline goes to.
        settings: Of the run.
    """
    from regmdp import plots

    figure, (left, middle, right) = plots.subplots(1, 3, height=4.3)
    arms, budgets = by_arm(estimates), np.array([float(settings.budget(n)) for n in settings.pairs])
    for panel in (left, middle):
        plots.set_logarithmic(panel, x=True, y=True)
    for arm, found in arms.items():
        error = np.sqrt([one.squares.mean() for one in found]) / size
        plots.draw_curve(
            left,
            budgets,
            error,
            STYLE[arm],
            arm,
            markers=budgets.size,
            linestyle="-",
            linewidth=1.2,
        )
        if arm in closed:
            plots.draw_bound(
                left, budgets, np.sqrt(closed[arm]) / size, color=plots.BLACK, zorder=3
            )
        chance = np.sqrt([one.variance / settings.runs for one in found]) / size
        color = plots.COLORS[STYLE[arm]]
        middle.plot(budgets, chance, color=color, linewidth=1.0)
        plots.draw_curve(
            middle,
            budgets,
            np.sqrt([one.mean_square for one in found]) / size,
            STYLE[arm],
            markers=budgets.size,
            linestyle="none",
        )
    quotients = np.array([ratio(*pair) for pair in zip(arms[BASELINE], arms[PLAIN], strict=True)])
    plots.set_logarithmic(right, x=True)
    right.fill_between(
        budgets,
        quotients[:, 1],
        quotients[:, 2],
        color=plots.COLORS[STYLE[BASELINE]],
        alpha=0.25,
        linewidth=0,
    )
    plots.draw_curve(
        right,
        budgets,
        quotients[:, 0],
        STYLE[BASELINE],
        markers=budgets.size,
        linestyle="-",
        linewidth=1.2,
    )
    plots.draw_bound(right, budgets, np.full(budgets.size, limit), color=plots.BLACK)
    right.axhline(1.0, color=plots.GREY, linewidth=0.8, zorder=1.8)
    right.set_ylim(0.0, None)
    left.set_ylabel("as a share of ‖∇V‖")
    for panel in (left, middle, right):
        panel.set_xlabel("transitions")
        ends = math.ceil(math.log10(budgets[0])), math.floor(math.log10(budgets[-1]))
        panel.set_xticks(10.0 ** np.arange(ends[0], ends[1] + 1))
    plots.add_panel_titles(
        (left, middle, right),
        ("root mean squared error", "length of mean error", "ratio of squared errors"),
    )
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def draw_learning(
    tracks: list[Track], exact: dict[float, Float[np.ndarray, " n"]], settings: Settings
) -> Any:
    """Draw gaps against transitions, a panel for each step."""
    from regmdp import plots

    figure, panels = plots.subplots(1, len(settings.steps), height=4.3, sharey=True, squeeze=False)
    panels = panels[0]
    for panel, step in zip(panels, settings.steps, strict=True):
        plots.set_logarithmic(panel, y=True)
        for arm in ARMS:
            track = next(one for one in tracks if (one.task.arm, one.task.step) == (arm, step))
            runs = np.quantile(track.gaps, (ENDS[0], 0.5, ENDS[1]), axis=1)
            # the three rows are a band and its median; what is positive but for rounding stays on
            # the axis
            plots.draw_band(
                panel, track.samples / 1e6, np.maximum(runs, 1e-12), STYLE[arm], arm, markers=5
            )
        samples = settings.budget(settings.pair) * np.arange(settings.iterations + 1) / 1e6
        plots.draw_bound(
            panel, samples, exact[step], "exact gradients", color=plots.BLACK, zorder=3
        )
        panel.set_xlabel("transitions, in millions")
    panels[0].set_ylabel("V*(ρ) − V(ρ)")
    plots.add_panel_titles(panels, [f"step {step:g}" for step in settings.steps])
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure
