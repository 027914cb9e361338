"""Figures of the experiment on the regularization path."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from regmdp._internal.arrays import Float
from regmdp.reproduce.base import FigureSpec
from regmdp.reproduce.experiments.regularization_path_runs import Path, PathProblem

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["make_figures"]


def make_figures(problem: PathProblem, paths: Mapping[str, Path]) -> dict[str, FigureSpec]:
    """Return the figures by name."""
    temperatures, shown = problem.temperatures, problem.shown_state
    return {
        "values": FigureSpec(
            lambda: _draw_values(temperatures, paths, float(problem.mdp.initial @ problem.optimum)),
            "From the initial distribution, against the temperature, high temperatures on the "
            "left: (a) the regularized optimal value, (b) the value of the optimal policy without "
            "the regularizer. Dotted: the optimum without a regularizer, the limit of all curves "
            "and an upper bound in (b). In (a) curves leave the frame where they differ by more "
            "than 16.",
            "Two plots of value against temperature. Left: curves of eight regularizers fan out "
            "above and below the optimum at high temperatures and meet there at low ones. Right: "
            "all rise to the optimum from below, that of the prices in steps.",
        ),
        "losses": FigureSpec(
            lambda: _draw_losses(temperatures, paths),
            "Loss in the worst state due to a regularizer, V*_{0} − V_{0}^{π} for π optimal at τ "
            "(solid), and the bound τ(U−L)/(1−γ) (dashed; none for the log barrier, which is "
            "unbounded). Entropies with infinite slope at the edge of the simplex have a loss at "
            "every temperature: exponentially small (Shannon, KL), τ^{2}, or τ. The others are "
            "exactly optimal below some temperature, where their curves end. Losses below 1e-9 are "
            "not shown.",
            "Eight plots of loss against temperature, both axes logarithmic. In each the measured "
            "loss is below the dashed bound, by little at high temperatures and by orders of "
            "magnitude at low ones.",
        ),
        "policies": FigureSpec(
            lambda: _draw_policies(temperatures, paths, shown),
            f"Probabilities of the {problem.mdp.n_actions} actions in state {shown}, where the gap "
            "between the two best actions is typical. At high temperatures each regularizer "
            "prefers another policy: the uniform policy, the reference, or the cheapest action. At "
            "low ones all choose the best action, the last three with probability exactly 1.",
            "Eight plots of four probabilities against temperature. Curves are smooth for Shannon, "
            "KL, Tsallis with q = 1/2, Rényi and the log barrier; they have kinks where the "
            "probability of an action becomes 0 for Tsallis with q = 3/2 and the squared norm; for "
            "prices they are steps between 0 and 1.",
        ),
    }


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
    axes[0].set_ylim(optimum - 16.0, optimum + 16.0)
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
