"""Figures of the experiment on estimates of the policy gradient."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from regmdp._internal.arrays import Float
from regmdp.reproduce.experiments.variance_runs import (
    ARMS,
    BASELINE,
    GENERATIVE,
    PLAIN,
    WHOLE,
    GradientErrors,
    LearningCurves,
    Settings,
)
from regmdp.reproduce.texts import join_names

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "BAND_QUANTILES",
    "compare_errors",
    "draw_errors",
    "draw_learning",
    "group_by_arm",
    "make_error_caption",
    "make_errors_alt",
    "make_learning_alt",
    "make_learning_caption",
]

#: Index of the style of each arm.
STYLE = {PLAIN: 0, BASELINE: 1, WHOLE: 2, GENERATIVE: 4}
#: Quantiles of the runs at the ends of a band.
BAND_QUANTILES = (0.1, 0.9)
N_RESAMPLES = 2000


def make_errors_alt(estimates: list[GradientErrors], size: float, limit: float) -> str:
    """Return the alternative text of the errors, with measured errors and ratios.

    Args:
        estimates: All estimates.
        size: ‖∇V(ρ)‖.
        limit: Limit of the ratio of mean squared errors with and without baseline.
    """
    arms = group_by_arm(estimates)
    errors = join_names(
        [
            f"{np.sqrt(found[0].squares.mean()) / size:.2g} to "
            f"{np.sqrt(found[-1].squares.mean()) / size:.2g} ({arm})"
            for arm, found in arms.items()
        ]
    )
    ratios = [compare_errors(*pair)[0] for pair in zip(arms[BASELINE], arms[PLAIN], strict=True)]
    return (
        "Three panels with logarithmic axes against the transitions of one estimate. First, the "
        f"relative error of the gradient from the smallest to the largest budget: {errors}. "
        "Second, the length of the mean error: markers, and thin lines of its expectation without "
        "bias. Third, the ratio of mean squared errors with and without a baseline: "
        f"{ratios[0]:.2g} with the smallest budget, {ratios[-1]:.2g} with the largest, and a "
        f"dashed limit at {limit:.2g}."
    )


def make_learning_alt(
    tracks: list[LearningCurves], exact: dict[float, Float[np.ndarray, " n"]]
) -> str:
    """Return the alternative text of learning, with the gaps at the end."""
    sentences = []
    for step, gaps in exact.items():
        here = [one for one in tracks if one.task.step == step]
        ends = join_names([f"{np.median(one.gaps[-1]):.2g} ({one.task.arm})" for one in here])
        sentences.append(
            f"With step {step:g} the median gap goes from {gaps[0]:.2g} to {ends}; with "
            f"exact gradients to {gaps[-1]:.2g}."
        )
    return (
        "Panels for each step size: the gap on a logarithmic axis against transitions. "
        + " ".join(sentences)
    )


def make_error_caption(settings: Settings) -> str:
    """Return the caption of the errors."""
    n_states, n_actions, _ = settings.shape
    return (
        f"Estimates of ∇V(ρ) for one policy on a random model with S = {n_states}, A = "
        f"{n_actions}, 1/(1−γ) = {settings.horizon}, τ = {settings.temperature:g}; "
        f"{settings.runs:,} runs of each. With a baseline a fraction of {settings.first:g} of the "
        "episodes is used for it. (a) Root mean squared error, as a fraction of ‖∇V‖; dashed: "
        "closed forms, with an exact baseline. (b) Length of the mean error (markers) and its "
        "expectation without bias, the standard deviation divided by the square root of the number "
        "of runs (lines). (c) Ratio of mean squared errors with and without a baseline, for equal "
        "transitions, with 95% confidence; dashed: the limit."
    )


def make_learning_caption(settings: Settings) -> str:
    """Return the caption of learning."""
    return (
        f"Softmax policy gradient from the uniform policy with {settings.budget(settings.pair):,} "
        f"transitions per iteration, {settings.iterations} iterations: the gap V*(ρ) − V(ρ), both "
        f"with entropy. Median of {settings.seeds} runs, and the range from the 10th to the 90th "
        "percentile. Dashed: exact gradients at the same iterations, which need no transitions."
    )


def group_by_arm(estimates: list[GradientErrors]) -> dict[str, list[GradientErrors]]:
    """Return the estimates of each arm, with increasing budgets."""
    return {
        arm: sorted(
            (one for one in estimates if one.task.arm == arm), key=lambda one: one.task.pair
        )
        for arm in ARMS
    }


def compare_errors(one: GradientErrors, other: GradientErrors) -> tuple[float, float, float]:
    """Return the ratio of mean squared errors, and its 95% bootstrap interval."""
    rng = np.random.default_rng([one.task.settings.seed, one.task.pair])
    counts = rng.multinomial(
        one.squares.size, np.full(one.squares.size, 1.0 / one.squares.size), (2, N_RESAMPLES)
    )
    drawn = (counts[0] @ one.squares) / (counts[1] @ other.squares)
    low, high = np.quantile(drawn, (0.025, 0.975))
    return float(one.squares.mean() / other.squares.mean()), float(low), float(high)


def draw_errors(
    estimates: list[GradientErrors],
    size: float,
    closed: dict[str, Float[np.ndarray, " n"]],
    limit: float,
    settings: Settings,
) -> Figure:
    """Draw errors, biases and the effect of a baseline, against the budget.

    Args:
        estimates: All estimates.
        size: ‖∇V(ρ)‖.
        closed: Mean squared errors in closed form, by arm, if known.
        limit: Limit of the ratio of mean squared errors with and without baseline.
        settings: The settings.
    """
    from regmdp import plots

    figure, (left, middle, right) = plots.subplots(1, 3, height=4.3)
    arms = group_by_arm(estimates)
    budgets = np.array([float(settings.budget(n)) for n in settings.pairs])
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
            error = np.sqrt(closed[arm]) / size
            plots.draw_bound(left, budgets, error, color=plots.BLACK, zorder=3)
        _draw_bias(middle, budgets, found, size)
    _draw_baseline_effect(right, budgets, arms, limit)
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


def _draw_bias(
    panel: Any, budgets: Float[np.ndarray, " n"], found: list[GradientErrors], size: float
) -> None:
    """Draw the length of the mean error of an arm, and its expectation without bias."""
    from regmdp import plots

    style = STYLE[found[0].task.arm]
    chance = np.sqrt([one.variance / one.squares.size for one in found]) / size
    panel.plot(budgets, chance, color=plots.COLORS[style], linewidth=1.0)
    plots.draw_curve(
        panel,
        budgets,
        np.sqrt([one.mean_square for one in found]) / size,
        style,
        markers=budgets.size,
        linestyle="none",
    )


def _draw_baseline_effect(
    panel: Any,
    budgets: Float[np.ndarray, " n"],
    arms: dict[str, list[GradientErrors]],
    limit: float,
) -> None:
    """Draw the ratio of mean squared errors with and without baseline."""
    from regmdp import plots

    style = STYLE[BASELINE]
    ratios = np.array(
        [compare_errors(*pair) for pair in zip(arms[BASELINE], arms[PLAIN], strict=True)]
    )
    plots.set_logarithmic(panel, x=True)
    panel.fill_between(
        budgets, ratios[:, 1], ratios[:, 2], color=plots.COLORS[style], alpha=0.25, linewidth=0
    )
    plots.draw_curve(
        panel,
        budgets,
        ratios[:, 0],
        style,
        markers=budgets.size,
        linestyle="-",
        linewidth=1.2,
    )
    plots.draw_bound(panel, budgets, np.full(budgets.size, limit), color=plots.BLACK)
    panel.axhline(1.0, color=plots.GREY, linewidth=0.8, zorder=1.8)
    panel.set_ylim(0.0, None)


def draw_learning(
    tracks: list[LearningCurves], exact: dict[float, Float[np.ndarray, " n"]], settings: Settings
) -> Figure:
    """Draw gaps against transitions, one panel per step size."""
    from regmdp import plots

    figure, panels = plots.subplots(1, len(settings.steps), height=4.3, sharey=True, squeeze=False)
    panels = panels[0]
    for panel, step in zip(panels, settings.steps, strict=True):
        plots.set_logarithmic(panel, y=True)
        for arm in ARMS:
            track = next(one for one in tracks if (one.task.arm, one.task.step) == (arm, step))
            runs = np.quantile(track.gaps, (BAND_QUANTILES[0], 0.5, BAND_QUANTILES[1]), axis=1)
            # the three rows are a band and its median; the minimum keeps rounding on the axis
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
