"""Experiment 1: a bandit of three arms, on which policy gradient creeps and natural policy gradient does not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from regmdp._solve import solve
from regmdp.algorithms import NPG, Algorithm, Recorder, SoftmaxPG
from regmdp.models import bandit
from regmdp.regularizers import Shannon
from regmdp.reproduce.base import Check, Experiment, FigureSpec, Number, ProgressFunction, Result

__all__ = ["EXPERIMENT", "Settings", "gradient_ascent", "run"]

#: The methods, with the number of their style.
METHODS = {"policy gradient": 0, "natural policy gradient": 4}


@dataclass(frozen=True)
class Settings:
    """What is run.

    Attributes:
        rewards: r, one an arm.
        temperatures: τ.
        step_size: η.
        start: The policy from which iterations are counted.
        other_starts: More policies to start trajectories from.
        tolerance: Largest |π - π*| at which the count stops.
        most_iterations: The most iterations to count.
        natural_iterations: Of natural policy gradient.
        compared_iterations: How many of policy gradient are made by the library as well as by the
            plain loop.
        trajectory_iterations: Length of the trajectories.
        resolution: Points of the flow field along each axis.
    """

    rewards: tuple[float, ...] = (1.0, 0.9, 0.1)
    temperatures: tuple[float, ...] = (0.1, 1.0)
    step_size: float = 0.1
    start: tuple[float, ...] = (0.05, 0.05, 0.9)
    other_starts: tuple[tuple[float, ...], ...] = (
        (0.01, 0.9, 0.09),
        (0.9, 0.01, 0.09),
        (0.01, 0.01, 0.98),
        (0.2, 0.01, 0.79),
    )
    tolerance: float = 1e-4
    most_iterations: int = 200_000
    natural_iterations: int = 3_000
    compared_iterations: int = 5_000
    trajectory_iterations: int = 1_500
    resolution: int = 60


FULL = Settings()
QUICK = Settings(
    most_iterations=20_000,
    natural_iterations=800,
    compared_iterations=200,
    trajectory_iterations=100,
    resolution=30,
)


def gradient_ascent(
    rewards: np.ndarray, temperature: float, step_size: float, start: np.ndarray, iterations: int
) -> np.ndarray:
    """Return the (iterations + 1, A) policies of entropy-regularized softmax policy gradient on a bandit, in plain NumPy.

    The library's own loop does the same for any model and looks at every residual on the way, which
    takes a hundred times as long; the first iterates of the two are compared.
    """
    policies = np.empty((iterations + 1, rewards.size))
    logits = np.log(start)
    policies[0] = policy = start
    for iteration in range(1, iterations + 1):
        soft = rewards - temperature * np.log(policy)
        logits = logits + step_size * policy * (soft - policy @ soft)
        weights = np.exp(logits - logits.max())
        policies[iteration] = policy = weights / weights.sum()
    return policies


def optimum(rewards: np.ndarray, temperature: float) -> np.ndarray:
    """Return the (A,) policy proportional to exp(r/τ)."""
    weights = np.exp((rewards - rewards.max()) / temperature)
    return weights / weights.sum()


def iterates(
    settings: Settings,
    algorithm: Algorithm,
    temperature: float,
    start: tuple[float, ...],
    iterations: int,
) -> np.ndarray:
    """Return the (iterations + 1, A) policies of one of the library's methods."""
    recorder = Recorder()
    solve(
        bandit(settings.rewards),
        Shannon(temperature=temperature),
        algorithm,
        tol=0,
        max_iterations=iterations,
        start=np.array([start]),
        callback=recorder,
    )
    return np.array([state.policy[0] for state in recorder.states if state.policy is not None])


def first_below(errors: np.ndarray, tolerance: float) -> int | None:
    """Return the first iteration whose error is at most the tolerance, if there is one."""
    below = np.flatnonzero(errors <= tolerance)
    return int(below[0]) if below.size else None


@dataclass(frozen=True, eq=False)
class _Run:
    """The runs at one temperature: errors from the common start, and trajectories from all starts."""

    temperature: float
    optimum: np.ndarray
    errors: Mapping[str, np.ndarray]  # (n + 1,) max |π - π*|
    needed: Mapping[str, int | None]
    trajectories: Mapping[str, tuple[np.ndarray, ...]]  # (n + 1, A) each
    contraction: float  # largest deviation from (1 - ητ)^t of the centred log-ratio
    within_bound: float  # largest error of log π over its bound
    agreement: float  # largest difference between the library's iterates and the plain loop's


def run(settings: Settings, progress: ProgressFunction) -> Result:
    """Run the experiment."""
    runs = []
    for number, temperature in enumerate(settings.temperatures):
        progress(number / len(settings.temperatures), f"temperature {temperature:g}")
        runs.append(_at(settings, temperature))
    return _result(settings, runs)


def _at(settings: Settings, temperature: float) -> _Run:
    rewards, start = np.array(settings.rewards), np.array(settings.start)
    best = optimum(rewards, temperature)
    pg, npg = METHODS
    factor = 1.0 - settings.step_size * temperature
    natural = iterates(
        settings, NPG(settings.step_size), temperature, settings.start, settings.natural_iterations
    )
    plain = gradient_ascent(
        rewards, temperature, settings.step_size, start, settings.most_iterations
    )
    compared = iterates(
        settings,
        SoftmaxPG(settings.step_size),
        temperature,
        settings.start,
        settings.compared_iterations,
    )
    errors = {pg: np.abs(plain - best).max(axis=1), npg: np.abs(natural - best).max(axis=1)}
    starts = (settings.start, *settings.other_starts)
    length = settings.trajectory_iterations
    ratios = np.log(natural) - np.log(best)
    centred = ratios - ratios.mean(axis=1, keepdims=True)
    time = np.arange(settings.natural_iterations + 1)
    seen = np.abs(centred[0]).max() * factor**time > 1e-10  # above rounding
    predicted = factor ** time[:, None] * centred[0]
    # Theorem 1 of Cen et al. (2022) at γ = 0, where Q = r from the start: 2 C1/τ (1-ητ)^(t-1), C1 =
    # 2τ(1-ητ)|log π* - log π_0|
    bound = 4.0 * np.abs(ratios[0]).max() * factor ** time[1:]
    return _Run(
        temperature=temperature,
        optimum=best,
        errors=errors,
        needed={method: first_below(error, settings.tolerance) for method, error in errors.items()},
        trajectories={
            pg: tuple(
                gradient_ascent(rewards, temperature, settings.step_size, np.array(one), length)
                for one in starts
            ),
            npg: tuple(
                iterates(settings, NPG(settings.step_size), temperature, one, length)
                for one in starts
            ),
        },
        contraction=float(np.abs(centred - predicted)[seen].max() / np.abs(centred[0]).max()),
        within_bound=float((np.abs(ratios[1:]).max(axis=1) / bound)[seen[1:]].max()),
        agreement=float(np.abs(compared - plain[: len(compared)]).max()),
    )


#: Iterations to |π - π*| ≤ 1e-4 from (0.05, 0.05, 0.9) with η = 0.1, from an independent
#: implementation in plain NumPy.
KNOWN = {
    (0.1, "natural policy gradient"): 755,
    (1.0, "natural policy gradient"): 82,
    (1.0, "policy gradient"): 353,
}


def _result(settings: Settings, runs: list[_Run]) -> Result:
    pg, npg = METHODS
    checks, numbers, tables = [], [], {}
    for one in runs:
        at = f"τ = {one.temperature:g}"
        for method in METHODS:
            needed = one.needed[method]
            known = KNOWN.get((one.temperature, method))
            measured = (
                f"more than {settings.most_iterations:,}" if needed is None else f"{needed:,}"
            )
            expected = f"more than {settings.most_iterations:,}" if known is None else f"{known:,}"
            claim = f"Iterations of {method} until |π − π*| ≤ {settings.tolerance:g}, {at}"
            checks.append(Check(claim, measured, expected, needed == known))
        checks += [
            Check(
                f"The centred logarithm of π/π* shrinks by exactly 1 − ητ an iteration of {npg}, "
                f"{at}",
                f"up to {one.contraction:.1e} of its start",
                "up to rounding, 1e-11",
                one.contraction < 1e-11,
            ),
            Check(
                f"|log π − log π*| of {npg} stays below its bound, {at}",
                f"at most {one.within_bound:.3f} of it",
                "at most 1",
                one.within_bound <= 1.0,
            ),
            Check(
                f"The first {settings.compared_iterations:,} iterates of the library's SoftmaxPG "
                f"are those of a plain loop, {at}",
                f"up to {one.agreement:.1e}",
                "up to rounding, 1e-11",
                one.agreement < 1e-11,
            ),
        ]
        numbers += [
            Number(
                f"π*, {at}", ", ".join(f"{p:.5f}" for p in one.optimum), "proportional to exp(r/τ)"
            ),
            Number(
                f"|π − π*| of {pg} after {settings.most_iterations:,} iterations, {at}",
                f"{one.errors[pg][-1]:.2e}",
                "",
            ),
        ]
        tag = f"{one.temperature:g}".replace(".", "-")
        longest = max(error.size for error in one.errors.values())
        kept = np.unique(np.geomspace(1, longest, 2000).astype(np.int64)) - 1
        padded = {
            method: np.append(error, np.full(longest - error.size, np.nan))[kept]
            for method, error in one.errors.items()
        }
        tables[f"errors-{tag}"] = {
            "iteration": kept,
            **{method.replace(" ", "_"): error for method, error in padded.items()},
        }
        tables[f"trajectories-{tag}"] = _trajectory_table(one)
    figures = {
        "curves": FigureSpec(
            lambda: _draw_curves(settings, runs),
            "Largest error of a probability, |π − π*|, against iterations, from the start "
            f"{settings.start} with the step size η = {settings.step_size:g}. The dotted line is "
            f"the tolerance {settings.tolerance:g}, with the iterations at which a method reaches "
            "it. Policy gradient slows down as the policy nears the edge of the simplex, and at "
            "the low temperature the optimum lies there. The plots end at 1e-10.",
            "Two plots of error against iterations, both axes logarithmic, for the temperatures "
            "0.1 and 1. At 0.1 policy gradient is still above the tolerance at the right end, "
            "while natural policy gradient has passed it after 755 iterations. At 1 natural policy "
            "gradient needs 82 iterations and policy gradient 353.",
        ),
        "flow": FigureSpec(
            lambda: _draw_flow(settings, runs),
            "The same in the plane of the logarithms of the better arms' probabilities; the curved "
            "edge is where arm 3 is never pulled. Arrows: the direction of a step. Colour: its "
            "length, on one logarithmic scale for all four plots. Curves: trajectories from five "
            "starts, with dots after 0, 1, 10, 100 and 1000 iterations as far as they were run. "
            "Cross: the optimum. Policy gradient takes short steps where both probabilities are "
            "small and hardly moves along the edge, even far from the optimum; natural policy "
            "gradient moves on everywhere.",
            "Four plots, two methods by two temperatures, with the log probabilities of arm 1 and "
            "arm 2 as axes. In the lower left corner steps of policy gradient are less than a "
            "tenth as long as those of natural policy gradient, and in places on the edge a "
            "hundredth. All trajectories of natural policy gradient reach the cross; at "
            "temperature 0.1 those of policy gradient that start near the edge do not.",
        ),
        "simplex": FigureSpec(
            lambda: _draw_simplex(settings, runs),
            "The same trajectories on the simplex: each corner is the policy that always pulls one "
            "arm. An open circle is where policy gradient is after "
            f"{settings.trajectory_iterations:,} iterations. At τ = 0.1 it is held up in the "
            "corners of arms 1 and 2, from where natural policy gradient makes for the optimum "
            "like from everywhere else.",
            "Two triangles with arms 1, 2 and 3 as corners, one for each temperature. Trajectories "
            "of both methods lead from five starts towards the optimum, inside the triangle at "
            "temperature 1 and on the edge between arms 1 and 2 at 0.1.",
        ),
    }
    return Result(tables, figures, tuple(numbers), tuple(checks))


def _trajectory_table(one: _Run) -> dict[str, np.ndarray]:
    columns: dict[str, list[np.ndarray]] = {
        "method": [],
        "start": [],
        "iteration": [],
        "p1": [],
        "p2": [],
        "p3": [],
    }
    for method, paths in one.trajectories.items():
        for number, path in enumerate(paths):
            kept = np.unique(np.geomspace(1, len(path), 200).astype(np.int64)) - 1
            columns["method"].append(np.full(kept.size, method))
            columns["start"].append(np.full(kept.size, number))
            columns["iteration"].append(kept)
            for arm in range(3):
                columns[f"p{arm + 1}"].append(path[kept, arm])
    return {name: np.concatenate(parts) for name, parts in columns.items()}


def _draw_curves(settings: Settings, runs: list[_Run]) -> Any:
    from regmdp import plots

    figure, axes = plots.subplots(1, len(runs), height=3.9, sharey=True)
    for axis, one in zip(axes, runs, strict=True):
        plots.set_logarithmic(axis, x=True, y=True, limits=(1e-10, 2.0))
        for method, error in one.errors.items():
            plots.draw_curve(axis, np.arange(error.size), error, METHODS[method], method)
        axis.axhline(
            settings.tolerance, color=plots.GREY, linewidth=1.0, linestyle=(0, (1, 1.5)), zorder=1.9
        )
        for method, needed in one.needed.items():
            if needed is not None:
                place = {
                    "xy": (needed, settings.tolerance),
                    "xytext": (4, 4),
                    "textcoords": "offset points",
                }
                axis.annotate(
                    f"{needed:,}", **place, fontsize=9.5, color=plots.COLORS[METHODS[method]]
                )
        axis.set_xlabel("iterations")
    axes[0].set_ylabel("largest error of a probability")
    plots.add_panel_titles(axes, [f"τ = {one.temperature:g}" for one in runs])
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2)
    return figure


def _step(method: str, settings: Settings, temperature: float, policy: np.ndarray) -> np.ndarray:
    """Return by how much an iteration changes log π, for (..., A) policies."""
    soft = np.array(settings.rewards) - temperature * np.log(policy)
    advantage = soft - (policy * soft).sum(axis=-1, keepdims=True)
    logits = np.log(policy) + settings.step_size * advantage * (
        policy if method == "policy gradient" else 1.0
    )
    return logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True)) - np.log(policy)


def _draw_flow(settings: Settings, runs: list[_Run]) -> Any:
    from matplotlib.colors import LogNorm
    from matplotlib.patches import Polygon

    from regmdp import plots

    figure, axes = plots.subplots(len(runs), len(METHODS), height=7.6, sharex=True, sharey=True)
    low = -5.2
    grid = np.linspace(low, 0.0, settings.resolution)
    x, y = np.meshgrid(grid, grid)
    # outside of the simplex the field is that of the nearest edge; it is clipped away
    third = 1.0 - np.exp(x) - np.exp(y)
    policy = np.stack([np.exp(x), np.exp(y), np.maximum(third, 1e-3)], axis=-1)
    policy /= policy.sum(axis=-1, keepdims=True)
    edge = np.log(
        np.concatenate(
            [np.geomspace(np.exp(low), 0.5, 100), 1.0 - np.geomspace(0.5, np.exp(low), 100)]
        )
    )
    outline = np.array([(low, low), *zip(edge, np.log1p(-np.exp(edge)), strict=True)])
    levels = 10.0 ** np.linspace(-4.0, 0.0, 17)
    every = np.linspace(0, settings.resolution - 1, 33).round().astype(np.int64)[1::2]
    shown = third[every][:, every] > 0.01
    image: Any = None
    for row, one in zip(axes, runs, strict=True):
        for axis, method in zip(row, METHODS, strict=True):
            step = _step(method, settings, one.temperature, policy)
            inside = Polygon(outline, transform=axis.transData, facecolor="none")
            speed = np.hypot(step[..., 0], step[..., 1])
            image = axis.contourf(
                x,
                y,
                np.clip(speed, levels[0], None),
                levels,
                norm=LogNorm(1e-4, 1.0),
                cmap="cividis",
            )
            image.set_clip_path(inside)
            points = np.stack([x, y], axis=-1)[every][:, every]
            plots.draw_arrows(axis, points[shown], step[every][:, every][shown, :2], length=0.26)
            for path in one.trajectories[method]:
                logs = np.log(path[:, :2])
                kept = plots.thin_indices(np.arange(1.0, len(path) + 1.0), 150, log=True)
                axis.plot(*logs[kept].T, color="white", linewidth=2.8, zorder=3)
                axis.plot(*logs[kept].T, color=plots.BLACK, linewidth=1.4, zorder=3)
                dots = [count for count in (0, 1, 10, 100, 1000) if count < len(path)]
                axis.scatter(
                    *logs[dots].T,
                    s=16,
                    color=plots.BLACK,
                    edgecolors="white",
                    linewidths=0.6,
                    zorder=4,
                )
            axis.plot(
                *np.log(one.optimum[:2]),
                marker="X",
                markersize=10,
                color="#D55E00",
                markeredgecolor="white",
                zorder=5,
            )
            axis.set(xlim=(low, 0.15), ylim=(low, 0.15), box_aspect=1)
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


def _draw_simplex(settings: Settings, runs: list[_Run]) -> Any:
    import mpltern  # noqa: F401  (it registers the projection)

    from regmdp import plots

    figure, axes = plots.subplots(1, len(runs), height=4.6, subplot_kw={"projection": "ternary"})
    for axis, one in zip(axes, runs, strict=True):
        for method, number in METHODS.items():
            for which, path in enumerate(one.trajectories[method]):
                kept = plots.thin_indices(np.arange(1.0, len(path) + 1.0), 150, log=True)
                # the corners clockwise from the top
                top, left, right = path[kept, 0], path[kept, 2], path[kept, 1]
                color, dashes = plots.COLORS[number], "-" if number == 0 else (0, (4, 1.5))
                axis.plot(
                    top,
                    left,
                    right,
                    color=color,
                    linestyle=dashes,
                    label=method if which == 0 else None,
                )
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


EXPERIMENT = Experiment(
    name="bandit",
    title="Three arms: where policy gradient creeps",
    summary=(
        "Policy gradient against natural policy gradient on one state with three arms, iteration "
        "by iteration."
    ),
    theory=(
        "With one state and no future, a policy is three probabilities, and the regularized "
        "optimum is known: it is proportional to exp(r/τ). Both methods know the gradient exactly; "
        "they differ only in the geometry in which they follow it.",
        (
            "Policy gradient moves the logits θ by the gradient of the value, in which every "
            "coordinate carries a factor π(a):"
        ),
        "    θ(a) ← θ(a) + η π(a) A(a),   A(a) = r(a) − τ log π(a) − V",
        "An arm that is rarely pulled is therefore rarely corrected, however good it is. What is "
        "proved about the speed contains the square of the smallest probability on the way: the "
        "lower the temperature, the nearer to the edge of the simplex the optimum lies, and the "
        "slower the method gets.",
        "Natural policy gradient divides this factor out. With entropy, its step is a geometric "
        "average of the policy and the optimum, so the error in logarithms shrinks by the same "
        "factor in every iteration, wherever it starts:",
        (
            "    π_{t+1} ∝ π_{t}^{1−ητ} exp(η r),   ‖log π_{t} − log π*‖_{∞} ≤ 4 (1 − ητ)^{t} ‖log "
            "π_{0} − log π*‖_{∞}"
        ),
    ),
    sources=(
        "Mei, Xiao, Szepesvári and Schuurmans, On the global convergence rates of softmax policy "
        "gradient methods, ICML 2020, Theorem 6.",
        "Cen, Cheng, Chen, Wei and Chi, Fast global convergence of natural policy gradient methods "
        "with entropy regularization, Operations Research 70(4), 2022, Theorem 1 and the first "
        "figure.",
    ),
    full=FULL,
    quick=QUICK,
    run=run,
)
