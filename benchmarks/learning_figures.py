"""The figures of docs/learning.md: learning curves, and policies for several regularizers.

Run it with: python benchmarks/learning_figures.py docs/learning

The curves are made from the results of benchmarks/learning.py. The four policies are trained for
the figure, which takes some minutes.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from learners.tasks import TASKS
from learning import RUNS, bootstrap_interval, interquartile_mean, read, runs_of

import regmdp as rm
from regmdp import plots
from regmdp.deep import SAC

#: Tasks with a curve, in this order.
TITLES = {
    "trpo-cartpole": "TRPO, CartPole",
    "a2c-acrobot": "A2C, Acrobot",
    "sac-pendulum": "SAC, Pendulum",
    "sac-mountain-car": "SAC, MountainCarContinuous",
    "trpo-hopper": "TRPO, Hopper",
    "trpo-walker": "TRPO, Walker2d",
}
NAMES = {"regmdp": "regmdp", "sb3": "Stable-Baselines3"}

#: h of the four policies.
REGULARIZERS = {
    "Shannon": rm.Shannon(1.0),
    "Tsallis, q = 3/2": rm.Tsallis(1.5, 1.0),
    "squared norm": rm.SquaredL2(1.0),
    "KL to (0.9, 0.1)": rm.KL(np.array([0.9, 0.1]), 1.0),
}


def main() -> None:
    """Write both figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="folder of the figures")
    parser.add_argument("--runs", type=Path, default=RUNS, help="file of the results")
    parser.add_argument("--only", choices=("curves", "policies"), help="write only one of them")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    with plots.style():
        for name, draw in (
            ("curves", lambda: _plot_curves(options.runs)),
            ("policies", _plot_policies),
        ):
            if options.only in (None, name):
                (options.folder / f"{name}.svg").write_text(
                    plots.to_svg(draw()) + "\n", encoding="utf-8"
                )


def _plot_curves(path: Path) -> Any:
    done = read(path)
    shown = [name for name in TITLES if all(runs_of(done, name, who) for who in NAMES)]
    figure, axes = plots.subplots(-(-len(shown) // 3), 3, height=2.9 * -(-len(shown) // 3))
    for one, name in zip(axes.flat, shown, strict=False):
        for number, (who, label) in enumerate(NAMES.items()):
            _plot_curve(
                one,
                [run["curve"] for run in runs_of(done, name, who)],
                TASKS[name].steps,
                number,
                label,
            )
        one.set(xlabel="steps", ylabel="return")
        one.ticklabel_format(axis="x", style="plain")
        one.xaxis.set_major_formatter(
            lambda steps, _: f"{steps / 1e6:g}M" if steps >= 1e6 else f"{steps / 1e3:g}k"
        )
        one.locator_params(axis="x", nbins=4)
    for one in axes.flat[len(shown) :]:
        one.set_axis_off()
    plots.add_panel_titles(axes.flat[: len(shown)], [TITLES[name] for name in shown])
    figure.legend(*axes.flat[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def _plot_curve(
    axes: Any, curves: list[list[float | None]], steps: int, number: int, label: str
) -> None:
    """Draw the interquartile mean over the runs and its bootstrap interval.

    Parts without the end of an episode are interpolated.
    """
    ends = steps / len(curves[0]) * np.arange(1, len(curves[0]) + 1)
    filled = []
    for curve in curves:
        values = np.array(curve, dtype=np.float64)
        known = np.isfinite(values)
        filled.append(np.interp(ends, ends[known], values[known]))
    low, high = bootstrap_interval(filled)
    axes.fill_between(ends, low, high, color=plots.COLORS[number], alpha=0.2, linewidth=0)
    plots.draw_curve(axes, ends, interquartile_mean(filled), number, label)


def _plot_policies() -> Any:
    figure, axes = plots.subplots(2, 2, height=7.0, sharex=True, sharey=True)
    angle, speed = np.meshgrid(np.linspace(-0.2, 0.2, 81), np.linspace(-1.5, 1.5, 81))
    observations = np.zeros((angle.size, 4))
    observations[:, 2], observations[:, 3] = angle.ravel(), speed.ravel()
    titles = []
    for one, (name, regularizer) in zip(axes.flat, REGULARIZERS.items(), strict=True):
        learner = SAC("CartPole-v1", regularizer=regularizer, seed=0).learn(30_000)
        policy = learner.policy(observations)
        grid = (np.degrees(angle), speed)
        contours = one.contourf(
            *grid, policy[:, 1].reshape(angle.shape), levels=np.linspace(0.0, 1.0, 11), cmap="RdBu"
        )
        excluded = np.any(policy == 0.0, axis=1).reshape(angle.shape)
        one.contourf(*grid, excluded, levels=[0.5, 1.5], colors="none", hatches=["...."])
        titles.append(f"{name}: returns of {learner.evaluate(20, seed=1000).sampled.mean():.0f}")
    for one in axes[1]:
        one.set_xlabel("angle of the pole, degrees")
    for one in axes[:, 0]:
        one.set_ylabel("angular speed, 1/s")
    plots.add_panel_titles(axes, titles)
    figure.colorbar(contours, ax=axes, label="probability of a push to the right", shrink=0.6)
    return figure


if __name__ == "__main__":
    main()
