"""Figures of the bandit experiment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from regmdp._internal.arrays import Bool, Float, Int
from regmdp.reproduce.base import FigureSpec
from regmdp.reproduce.experiments.bandit_runs import METHODS, Settings, TemperatureRun
from regmdp.reproduce.texts import count_things, join_names

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["StepRatio", "compare_steps", "compute_log_step", "make_figures"]

#: Lower limit of the log probabilities in the flow field.
LOWEST_LOG_PROBABILITY = -5.2


def make_figures(settings: Settings, runs: list[TemperatureRun]) -> dict[str, FigureSpec]:
    """Return the figures by name, with texts about these runs."""
    pg, npg = METHODS
    n_starts = 1 + len(settings.other_starts)
    starts = f"{n_starts} initial policies"
    length = f"{settings.trajectory_iterations:,} iterations"
    smallest = join_names([f"{one.optimum.min():.2g} at τ = {one.temperature:g}" for one in runs])
    arrivals = " ".join(
        f"At τ = {one.temperature:g}, "
        + " and ".join(
            f"{count_things(one.count_arrivals(method), n_starts, 'trajectories')} of {method}"
            for method in (npg, pg)
        )
        + f" reach the cross within {length}"
        + (
            "."
            if np.log(one.optimum[:2]).min() >= LOWEST_LOG_PROBABILITY
            else ", which is outside of the frame."
        )
        for one in runs
    )
    ends = " ".join(
        f"At τ = {one.temperature:g} the largest error of a probability is then "
        f"{one.farthest_end(pg):.2g} with {pg} and {one.farthest_end(npg):.2g} with {npg}."
        for one in runs
    )
    ratio = compare_steps(settings, runs)
    return {
        "curves": FigureSpec(
            lambda: _draw_curves(settings, runs),
            "Largest error of a probability, |π − π*|, against iterations, from the initial policy "
            f"{settings.start} with step size η = {settings.step_size:g}. The dotted line is the "
            f"tolerance {settings.tolerance:g}, with the number of iterations that a method needs "
            "to reach it. Steps of policy gradient contain the probability of the arm as a factor; "
            f"the smallest probability of the optimum is {smallest}. The plots end at 1e-10.",
            "Plots of error against iterations, both axes logarithmic, one for each temperature. "
            + " ".join(_describe_needed(settings, one) for one in runs),
        ),
        "flow": FigureSpec(
            lambda: _draw_flow(settings, runs),
            "The same in the plane of the log probabilities of arms 1 and 2; the curved edge "
            "consists of policies that never pull arm 3. Arrows: direction of a step. Colour: its "
            "length, on one logarithmic scale for all plots. Curves: trajectories from "
            f"{starts}, with dots after 0, 1, 10, 100 and 1000 iterations, up to the length of the "
            f"run, {length}. Cross: the optimum. {arrivals}",
            "Plots with the log probabilities of arm 1 and arm 2 as axes, a row for each "
            "temperature and a column for each method. In the lower left corner a step of policy "
            f"gradient is at most {ratio.corner:.2g} times as long as one of natural policy "
            f"gradient, and in places on the plane {ratio.smallest:.1g} times. {arrivals}",
        ),
        "simplex": FigureSpec(
            lambda: _draw_simplex(settings, runs),
            "The same trajectories on the simplex: each corner is the policy that always pulls one "
            f"arm. An open circle marks policy gradient after {length}. {ends}",
            "Triangles with arms 1, 2 and 3 as corners, one for each temperature, with "
            f"trajectories of both methods from {starts}. "
            + " ".join(
                f"The optimum is at ({', '.join(f'{p:.2g}' for p in one.optimum)}) at τ = "
                f"{one.temperature:g}."
                for one in runs
            ),
        ),
    }


def _describe_needed(settings: Settings, one: TemperatureRun) -> str:
    """Return a sentence about the iterations to the tolerance at one temperature."""
    parts = []
    for method, needed in one.needed.items():
        last = one.errors[method].size - 1
        parts.append(
            f"{method} reaches the tolerance after {needed:,} iterations"
            if needed is not None
            else f"{method} is still above the tolerance at its end, after {last:,} iterations"
        )
    return f"At τ = {one.temperature:g} {' and '.join(parts)}."


class StepRatio(NamedTuple):
    """Lengths of steps of policy gradient, divided by those of natural policy gradient.

    Attributes:
        corner: The largest ratio where the log probabilities of both arms are within 1 of their
            smallest shown ones.
        smallest: The smallest ratio on the plane.
    """

    corner: float
    smallest: float


def compare_steps(settings: Settings, runs: list[TemperatureRun]) -> StepRatio:
    """Compare the lengths of the steps of both methods on the plane of log probabilities."""
    grid = _FlowGrid.create(settings.resolution)
    inside = np.exp(grid.x) + np.exp(grid.y) < 1.0
    corner = np.maximum(grid.x, grid.y) <= LOWEST_LOG_PROBABILITY + 1.0
    ratios = []
    for one in runs:
        slow, fast = (
            np.linalg.norm(
                compute_log_step(method, settings, one.temperature, grid.policy)[..., :2], axis=-1
            )
            for method in METHODS
        )
        # both steps are 0 at the optimum
        ratios.append(slow / np.maximum(fast, 1e-12))
    return StepRatio(
        max(float(ratio[corner].max()) for ratio in ratios),
        min(float(ratio[inside].min()) for ratio in ratios),
    )


def compute_log_step(
    method: str,
    settings: Settings,
    temperature: float,
    policy: Float[np.ndarray, "*batch A"],
) -> Float[np.ndarray, "*batch A"]:
    """Return the change of log π in one iteration, for (..., A) policies."""
    soft = np.array(settings.rewards) - temperature * np.log(policy)
    advantage = soft - (policy * soft).sum(axis=-1, keepdims=True)
    logits = np.log(policy) + settings.step_size * advantage * (
        policy if method == "policy gradient" else 1.0
    )
    return logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True)) - np.log(policy)


def _draw_curves(settings: Settings, runs: list[TemperatureRun]) -> Figure:
    from regmdp import plots

    figure, grid = plots.subplots(1, len(runs), height=3.9, sharey=True, squeeze=False)
    axes = grid[0]
    for axis, one in zip(axes, runs, strict=True):
        plots.set_logarithmic(axis, x=True, y=True, limits=(1e-10, 2.0))
        for method, error in one.errors.items():
            plots.draw_curve(axis, np.arange(error.size), error, METHODS[method], method)
        axis.axhline(
            settings.tolerance, color=plots.GREY, linewidth=1.0, linestyle=(0, (1, 1.5)), zorder=1.9
        )
        for method, needed in one.needed.items():
            if needed is not None:
                axis.annotate(
                    f"{needed:,}",
                    (needed, settings.tolerance),
                    xytext=(4, 4),
                    textcoords="offset points",
                    fontsize=9.5,
                    color=plots.COLORS[METHODS[method]],
                )
        axis.set_xlabel("iterations")
    axes[0].set_ylabel("largest error of a probability")
    plots.add_panel_titles(axes, [f"τ = {one.temperature:g}" for one in runs])
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2)
    return figure


@dataclass(frozen=True, eq=False)
class _FlowGrid:
    """The grid of the flow field in the plane of two log probabilities.

    Attributes:
        x: (n, n) log π(arm 1).
        y: (n, n) log π(arm 2).
        policy: (n, n, A) policies; outside of the simplex those of the nearest edge.
        arrow_indices: (m,) indices of the rows and columns with arrows.
        has_arrow: (m, m) mask of the arrows inside the simplex.
        outline: (k, 2) outline of the simplex.
    """

    x: Float[np.ndarray, "n n"]
    y: Float[np.ndarray, "n n"]
    policy: Float[np.ndarray, "n n A"]
    arrow_indices: Int[np.ndarray, " m"]
    has_arrow: Bool[np.ndarray, "m m"]
    outline: Float[np.ndarray, "k 2"]

    @classmethod
    def create(cls, resolution: int) -> _FlowGrid:
        low = LOWEST_LOG_PROBABILITY
        grid = np.linspace(low, 0.0, resolution)
        x, y = np.meshgrid(grid, grid)
        third = 1.0 - np.exp(x) - np.exp(y)
        policy = np.stack([np.exp(x), np.exp(y), np.maximum(third, 1e-3)], axis=-1)
        policy /= policy.sum(axis=-1, keepdims=True)
        edge = np.log(
            np.concatenate(
                [np.geomspace(np.exp(low), 0.5, 100), 1.0 - np.geomspace(0.5, np.exp(low), 100)]
            )
        )
        outline = np.array([(low, low), *zip(edge, np.log1p(-np.exp(edge)), strict=True)])
        indices = np.linspace(0, resolution - 1, 33).round().astype(np.int64)[1::2]
        return cls(x, y, policy, indices, third[indices][:, indices] > 0.01, outline)

    def at_arrows(self, field: Float[np.ndarray, "n n k"]) -> Float[np.ndarray, "m k"]:
        """Return a field at the arrows."""
        return field[self.arrow_indices][:, self.arrow_indices][self.has_arrow]


def _draw_flow(settings: Settings, runs: list[TemperatureRun]) -> Figure:
    from regmdp import plots

    figure, axes = plots.subplots(
        len(runs), len(METHODS), height=3.8 * len(runs), sharex=True, sharey=True, squeeze=False
    )
    grid = _FlowGrid.create(settings.resolution)
    image: Any = None
    for row, one in zip(axes, runs, strict=True):
        for axis, method in zip(row, METHODS, strict=True):
            image = _draw_field(axis, grid, method, settings, one.temperature)
            _draw_trajectories(axis, one, method)
            axis.set(
                xlim=(LOWEST_LOG_PROBABILITY, 0.15),
                ylim=(LOWEST_LOG_PROBABILITY, 0.15),
                box_aspect=1,
            )
            axis.grid(visible=False)
    plots.add_panel_titles(
        axes, [f"{method}, τ = {one.temperature:g}" for one in runs for method in METHODS]
    )
    for axis in axes[-1]:
        axis.set_xlabel("log π(arm 1)")
    for axis in axes[:, 0]:
        axis.set_ylabel("log π(arm 2)")
    figure.colorbar(
        image,
        ax=axes,
        shrink=0.6,
        label="length of a step in this plane",
        ticks=10.0 ** np.arange(-4, 1),
    )
    return figure


def _draw_field(
    axis: Any, grid: _FlowGrid, method: str, settings: Settings, temperature: float
) -> Any:
    """Draw the lengths and directions of steps; return the image of the lengths."""
    from matplotlib.colors import LogNorm
    from matplotlib.patches import Polygon

    from regmdp import plots

    levels = 10.0 ** np.linspace(-4.0, 0.0, 17)
    step = compute_log_step(method, settings, temperature, grid.policy)
    inside = Polygon(grid.outline, transform=axis.transData, facecolor="none")
    length = np.hypot(step[..., 0], step[..., 1])
    image = axis.contourf(
        grid.x,
        grid.y,
        np.clip(length, levels[0], levels[-1]),
        levels,
        norm=LogNorm(1e-4, 1.0),
        cmap="cividis",
    )
    image.set_clip_path(inside)
    points = np.stack([grid.x, grid.y], axis=-1)
    plots.draw_arrows(axis, grid.at_arrows(points), grid.at_arrows(step[..., :2]), length=0.26)
    return image


def _draw_trajectories(axis: Any, one: TemperatureRun, method: str) -> None:
    """Draw the trajectories of a method and the optimum."""
    from regmdp import plots

    for path in one.trajectories[method]:
        logs = np.log(path[:, :2])
        kept = plots.thin_indices(np.arange(1.0, len(path) + 1.0), 150, log=True)
        axis.plot(*logs[kept].T, color="white", linewidth=2.8, zorder=3)
        axis.plot(*logs[kept].T, color=plots.BLACK, linewidth=1.4, zorder=3)
        dots = [count for count in (0, 1, 10, 100, 1000) if count < len(path)]
        axis.scatter(
            *logs[dots].T, s=16, color=plots.BLACK, edgecolors="white", linewidths=0.6, zorder=4
        )
    axis.plot(
        *np.log(one.optimum[:2]),
        marker="X",
        markersize=10,
        color="#D55E00",
        markeredgecolor="white",
        zorder=5,
    )


def _draw_simplex(settings: Settings, runs: list[TemperatureRun]) -> Figure:
    import mpltern  # noqa: F401  (it registers the projection)

    from regmdp import plots

    figure, grid = plots.subplots(
        1, len(runs), height=4.6, squeeze=False, subplot_kw={"projection": "ternary"}
    )
    axes = grid[0]
    for axis, one in zip(axes, runs, strict=True):
        for method, number in METHODS.items():
            for which, path in enumerate(one.trajectories[method]):
                kept = plots.thin_indices(np.arange(1.0, len(path) + 1.0), 150, log=True)
                # the corners clockwise from the top
                top, left, right = path[kept, 0], path[kept, 2], path[kept, 1]
                color, dashes = plots.COLORS[number], "-" if number == 0 else (0, (4, 1.5))
                label = method if which == 0 else None
                axis.plot(top, left, right, color=color, linestyle=dashes, label=label)
                if number == 0:
                    axis.plot(
                        top[-1:],
                        left[-1:],
                        right[-1:],
                        marker="o",
                        color=color,
                        markerfacecolor="white",
                        markersize=5,
                        clip_on=False,
                        zorder=4,
                    )
                axis.plot(top[:1], left[:1], right[:1], marker="o", markersize=4, color=plots.BLACK)
        axis.plot(
            one.optimum[:1],
            one.optimum[2:],
            one.optimum[1:2],
            marker="X",
            markersize=9,
            color=plots.BLACK,
            markeredgecolor="white",
            linestyle="none",
            label="optimum",
            zorder=5,
            clip_on=False,
        )
        axis.set_tlabel("π(arm 1)")
        axis.set_llabel("π(arm 3)")
        axis.set_rlabel("π(arm 2)")
    plots.add_panel_titles(axes, [f"τ = {one.temperature:g}" for one in runs], y=1.18)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return figure
