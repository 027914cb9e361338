"""Figures of the experiment on the regularization path."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from regmdp._internal.arrays import Float
from regmdp.reproduce.base import FigureSpec
from regmdp.reproduce.experiments.regularization_path_runs import (
    Path,
    PathProblem,
    find_lossless_temperature,
    fit_exponent,
)
from regmdp.reproduce.texts import join_names, join_sentences

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["make_figures"]

#: Distance from the optimum at which the frame of values ends.
FRAME = 16.0


def make_figures(problem: PathProblem, paths: Mapping[str, Path]) -> dict[str, FigureSpec]:
    """Return the figures by name, with texts about these paths."""
    temperatures, shown = problem.temperatures, problem.shown_state
    optimum = float(problem.mdp.initial @ problem.optimum)
    n_actions = problem.mdp.n_actions
    best = _describe_best_actions(problem, paths)
    losses = _describe_losses(problem, paths)
    compared = (
        "all states"
        if problem.best_action == problem.cheapest_action
        else "those states whose best action is not the cheapest"
    )
    return {
        "values": FigureSpec(
            lambda: _draw_values(temperatures, paths, optimum),
            "From the initial distribution, against the temperature, high temperatures on the "
            "left: (a) the regularized optimal value, (b) the value of the optimal policy without "
            "the regularizer. Dotted: the optimum without a regularizer, the limit of all curves "
            "and an upper bound in (b). In (a) curves leave the frame where they differ by more "
            f"than {FRAME:g}.",
            f"Two plots of value against temperature, with curves of {len(paths)} regularizers and "
            f"a line at the optimum, {optimum:.4g}. {_describe_values(temperatures, paths)}",
        ),
        "losses": FigureSpec(
            lambda: _draw_losses(temperatures, paths),
            "Loss in the worst state due to a regularizer, V*_{0} − V_{0}^{π} for π optimal at τ "
            "(solid), and the bound τ(U−L)/(1−γ) (dashed; none for the log barrier, which is "
            f"unbounded). {losses} Losses below 1e-9 are not shown.",
            "Plots of loss against temperature, both axes logarithmic, one for each regularizer. "
            f"{_describe_ratios(problem, paths)}",
        ),
        "policies": FigureSpec(
            lambda: _draw_policies(temperatures, paths, shown),
            f"Probabilities of the {n_actions} actions in state {shown}, where the gap between the "
            f"two best actions is the median of {compared}. {best}",
            f"Plots of {n_actions} probabilities against temperature, one for each regularizer. "
            f"{_describe_zeros(paths)}",
        ),
    }


def _describe_values(temperatures: Float[np.ndarray, " n"], paths: Mapping[str, Path]) -> str:
    """Return the ranges of the values in both plots at the ends of the path."""
    sides = {
        "Left": np.array([path.values for path in paths.values()]),
        "Right": np.array([path.rewards for path in paths.values()]),
    }
    return " ".join(
        f"{side}: at τ = {temperatures[0]:g} the values are between {values[:, 0].min():.4g} and "
        f"{values[:, 0].max():.4g}, at τ = {temperatures[-1]:g} between {values[:, -1].min():.4g} "
        f"and {values[:, -1].max():.4g}."
        for side, values in sides.items()
    )


def _describe_losses(problem: PathProblem, paths: Mapping[str, Path]) -> str:
    """Return powers of τ and temperatures without loss, in sentences."""
    settings, temperatures = problem.settings, problem.temperatures
    negligible = settings.negligible_loss
    powers, lossless = [], []
    for name, path in paths.items():
        below = find_lossless_temperature(temperatures, path.losses, negligible)
        if below is not None:
            lossless.append(f"τ = {below:.2g} ({name})")
            continue
        power = fit_exponent(temperatures, path.losses, 10.0 * settings.tolerance)
        powers.append(f"{'not measured' if math.isnan(power) else f'{power:.2f}'} ({name})")
    return join_sentences(
        (
            bool(lossless),
            f"The loss is at most {negligible:g} at and below {join_names(lossless or [''])}.",
        ),
        (
            bool(powers),
            f"The powers of τ, fitted to the coldest decade, are {join_names(powers or [''])}.",
        ),
    )


def _describe_ratios(problem: PathProblem, paths: Mapping[str, Path]) -> str:
    """Return how far the losses are below their bounds at the ends of the path."""
    bounded = [path for path in paths.values() if np.isfinite(path.bounds).all()]
    ratios = np.array([path.losses / path.bounds for path in bounded])
    return (
        f"The loss is at most {ratios.max():.2g} of its bound at any temperature, at most "
        f"{ratios[:, 0].max():.2g} at τ = {problem.temperatures[0]:g} and at most "
        f"{ratios[:, -1].max():.2g} at τ = {problem.temperatures[-1]:g}."
    )


def _describe_best_actions(problem: PathProblem, paths: Mapping[str, Path]) -> str:
    """Return how probable the best action is at the lowest temperature."""
    best = problem.best_action
    last = {name: float(path.policies[-1, best]) for name, path in paths.items()}
    certain = [name for name, probability in last.items() if probability >= 1.0 - 1e-12]
    return join_sentences(
        f"At τ = {problem.temperatures[-1]:g} the probability of the best action, {best}, is "
        f"at least {min(last.values()):.4g}.",
        (bool(certain), f"It is 1 up to rounding for {join_names(certain or [''])}."),
    )


def _describe_zeros(paths: Mapping[str, Path]) -> str:
    """Return for which regularizers probabilities are exactly 0, or 0 and 1 only."""
    pure = [name for name, path in paths.items() if np.isin(path.policies, (0.0, 1.0)).all()]
    sparse = [
        name for name, path in paths.items() if name not in pure and np.any(path.policies == 0.0)
    ]
    return join_sentences(
        (
            bool(sparse),
            f"A probability is exactly 0 at some temperature for {join_names(sparse or [''])}.",
        ),
        (bool(pure), f"All are 0 or 1, in steps, for {join_names(pure or [''])}."),
    )


def _draw_values(
    temperatures: Float[np.ndarray, " n"], paths: Mapping[str, Path], optimum: float
) -> Figure:
    from regmdp import plots

    figure, axes = plots.subplots(1, 2, height=4.6)
    for axis, data in zip(axes, ("values", "rewards"), strict=True):
        plots.set_logarithmic(axis, x=True)
        for number, (name, path) in enumerate(paths.items()):
            plots.draw_curve(axis, temperatures[::-1], getattr(path, data)[::-1], number, name)
        axis.axhline(optimum, color=plots.GREY, linewidth=1.0, linestyle=(0, (1, 1.5)), zorder=1.9)
        axis.invert_xaxis()
        axis.set_xlabel("temperature τ")
    axes[0].set_ylim(optimum - FRAME, optimum + FRAME)
    axes[0].set_ylabel("value from the initial distribution")
    plots.add_panel_titles(axes, ["with the regularizer", "without it"])
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return figure


def _create_small_multiples(paths: Mapping[str, Path], ylabel: str) -> tuple[Figure, Any]:
    """Create one plot per regularizer; return the figure and the array of axes."""
    from regmdp import plots

    figure, axes = plots.subplots(
        2, 4, width=plots.PAGE_WIDTH + 1.2, height=5.4, sharex=True, sharey=True
    )
    for axis, name in zip(axes.flat, paths, strict=True):
        plots.set_logarithmic(axis, x=True)
        axis.set_title(name, fontsize=10)
    for axis in axes[-1]:
        axis.set_xlabel("temperature τ")
    for axis in axes[:, 0]:
        axis.set_ylabel(ylabel)
    return figure, axes


def _draw_losses(temperatures: Float[np.ndarray, " n"], paths: Mapping[str, Path]) -> Figure:
    from regmdp import plots

    figure, axes = _create_small_multiples(paths, "loss in the worst state")
    for number, (axis, path) in enumerate(zip(axes.flat, paths.values(), strict=True)):
        plots.set_logarithmic(axis, y=True, limits=(1e-9, 1e3))
        losses = np.where(path.losses > 1e-9, path.losses, np.nan)
        plots.draw_curve(
            axis,
            temperatures[::-1],
            losses[::-1],
            0,
            "measured" if number == 0 else None,
            markers=0,
        )
        if np.isfinite(path.bounds).all():
            plots.draw_bound(
                axis,
                temperatures[::-1],
                path.bounds[::-1],
                "bound τ(U−L)/(1−γ)" if number == 0 else None,
            )
    axes[0, 0].invert_xaxis()
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2)
    return figure


def _draw_policies(
    temperatures: Float[np.ndarray, " n"], paths: Mapping[str, Path], shown: int
) -> Figure:
    from regmdp import plots

    figure, axes = _create_small_multiples(paths, f"π(a | state {shown})")
    for axis, path in zip(axes.flat, paths.values(), strict=True):
        for action in range(path.policies.shape[1]):
            plots.draw_curve(
                axis,
                temperatures[::-1],
                path.policies[::-1, action],
                action,
                f"action {action}",
                markers=0,
            )
    axes[0, 0].invert_xaxis()
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4)
    return figure
