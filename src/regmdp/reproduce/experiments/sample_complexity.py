"""Samples to an accuracy: fresh ones in every iteration against one empirical model, as ε shrinks and the horizon grows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from regmdp._internal.arrays import Float
from regmdp.reproduce.base import Check, Experiment, FigureSpec, Number, ProgressFunction, Result
from regmdp.reproduce.experiments import sample_complexity_figures as figures
from regmdp.reproduce.experiments.sample_complexity_runs import (
    FRESH,
    LOOPS,
    RANDOM,
    REUSED,
    Needed,
    Settings,
    Task,
    exact_iterations,
    iterations,
    needed,
    problem,
)
from regmdp.reproduce.parallel import map_in_processes

__all__ = ["EXPERIMENT", "run"]

#: The exponents that the theory allows, up to logarithms: in 1/ε, and in 1/(1-γ).
ALLOWED = {REUSED: {"accuracy": 2.0, "horizon": 3.0}, FRESH: {"accuracy": 2.0, "horizon": 7.0}}
NAMES = {"accuracy": "1/ε", "horizon": "1/(1−γ)"}

FULL = Settings(
    shape=(6, 3, 3),
    models=3,
    horizon=8,
    accuracies=(1.0, 0.7, 0.5, 0.35, 0.25, 0.18, 0.125),
    random_accuracies=(0.25, 0.12, 0.06, 0.03, 0.015),
    accuracy=0.5,
    random_accuracy=0.06,
    horizons=(4, 6, 8, 12, 16),
    runs=800,
    fresh_runs=150,
    share=0.9,
    seed=0,
)
QUICK = Settings(
    shape=(5, 3, 3),
    models=1,
    horizon=6,
    accuracies=(1.0, 0.5, 0.25),
    random_accuracies=(0.2, 0.05),
    accuracy=0.5,
    random_accuracy=0.1,
    horizons=(8, 16),
    runs=600,
    fresh_runs=60,
    share=0.9,
    seed=0,
)


class Curve(NamedTuple):
    """The samples of a method on a problem while ε or the horizon changes.

    Attributes:
        problem: Which.
        method: Which.
        sweep: "accuracy" or "horizon".
        x: (n,) 1/ε or 1/(1-γ), increasing.
        found: n lists, one entry a model.
    """

    problem: str
    method: str
    sweep: str
    x: Float[np.ndarray, " n"]
    found: list[list[Needed]]

    @property
    def total(self) -> Float[np.ndarray, "models n"]:
        """(models, n) samples of a pair in all iterations."""
        return np.array([[one.total for one in here] for here in self.found]).T

    @property
    def each(self) -> Float[np.ndarray, "models n"]:
        """(models, n) samples of a pair in one evaluation."""
        return np.array([[one.samples for one in here] for here in self.found]).T

    @property
    def intervals(self) -> Float[np.ndarray, "2 models n"]:
        """(2, models, n) ends of the 95% intervals of the totals."""
        return np.array([[one.interval for one in here] for here in self.found]).transpose(2, 1, 0)

    def slope(self, values: Float[np.ndarray, "models n"]) -> float:
        """Return the exponent of a power law through the medians over the models."""
        return float(np.polyfit(np.log(self.x), np.log(np.median(values, axis=0)), 1)[0])

    def slope_interval(self) -> tuple[float, float]:
        """The exponent of the totals between its 2.5th and its 97.5th percentile, from resampled runs."""
        drawn = np.array(
            [[one.evaluations * one.resampled for one in here] for here in self.found]
        ).transpose(2, 1, 0)
        low, high = np.quantile([self.slope(values) for values in drawn], (0.025, 0.975))
        return float(low), float(high)


def run(settings: Settings, progress: ProgressFunction) -> Result:
    """Find the numbers of samples, and fit power laws."""
    wanted = plan(settings)
    tasks = sorted(
        {task for points in wanted.values() for here in points for task in here}, key=_cost
    )
    found = dict(zip(tasks, map_in_processes(needed, tasks, progress, _describe_task), strict=True))
    curves = [
        Curve(
            *key,
            np.array(
                [
                    1.0 / here[0].accuracy if key[2] == "accuracy" else here[0].horizon
                    for here in points
                ],
                dtype=np.float64,
            ),
            [[found[task] for task in here] for here in points],
        )
        for key, points in wanted.items()
    ]
    return Result(
        {"samples": _table(curves), "tried": _tried([found[task] for task in sorted(tasks)])},
        {
            "samples": FigureSpec(
                lambda: figures.draw(curves, ALLOWED), figures.caption(settings), figures.ALT
            )
        },
        _numbers(curves, settings),
        _checks(curves),
    )


def plan(settings: Settings) -> dict[tuple[str, str, str], list[list[Task]]]:
    """Return what is run for each problem, method and sweep: a list of points, each a list of models."""
    accuracies = {LOOPS: settings.accuracies, RANDOM: settings.random_accuracies}
    fixed = {LOOPS: settings.accuracy, RANDOM: settings.random_accuracy}
    numbers = {LOOPS: range(1), RANDOM: range(settings.models)}
    points: dict[tuple[str, str, str], list[list[Task]]] = {}
    for name in (LOOPS, RANDOM):
        for method in (REUSED, FRESH):
            for sweep, pairs in (
                ("accuracy", [(settings.horizon, accuracy) for accuracy in accuracies[name]]),
                ("horizon", [(horizon, fixed[name]) for horizon in settings.horizons]),
            ):
                points[name, method, sweep] = [
                    [
                        Task(name, method, horizon, accuracy, number, settings)
                        for number in numbers[name]
                    ]
                    for horizon, accuracy in pairs
                ]
    return points


def _cost(task: Task) -> tuple[float, tuple[object, ...]]:
    """Order tasks so that those that take longest come first."""
    repeated = iterations(problem(task), task.accuracy) if task.method == FRESH else 1
    return -repeated * task.horizon**3 / task.accuracy**2, task[:-1]


def _describe_task(task: Task) -> str:
    return f"{task.problem}, {task.method}, ε = {task.accuracy:g}, 1/(1−γ) = {task.horizon}"


def _table(curves: list[Curve]) -> dict[str, np.ndarray]:
    rows = [
        (
            curve.problem,
            curve.method,
            curve.sweep,
            one.task.horizon,
            one.task.accuracy,
            one.task.number,
            one.iterations,
            one.samples,
            one.total,
            *one.interval,
        )
        for curve in curves
        for here in curve.found
        for one in here
    ]
    names = (
        "problem",
        "method",
        "grows",
        "horizon",
        "accuracy",
        "model",
        "iterations",
        "samples_of_one_evaluation",
        "samples",
    )
    return dict(
        zip(
            (*names, "samples_low", "samples_high"),
            map(np.array, zip(*rows, strict=True)),
            strict=True,
        )
    )


def _tried(found: list[Needed]) -> dict[str, np.ndarray]:
    rows = [
        (
            *one.task[:5],
            tried,
            successes,
            one.task.settings.fresh_runs if one.task.method == FRESH else one.task.settings.runs,
        )
        for one in found
        for tried, successes in zip(one.tried, one.successes, strict=True)
    ]
    names = (
        "problem",
        "method",
        "horizon",
        "accuracy",
        "model",
        "samples_of_one_evaluation",
        "successes",
        "runs",
    )
    return dict(zip(names, map(np.array, zip(*rows, strict=True)), strict=True))


def _numbers(curves: list[Curve], settings: Settings) -> tuple[Number, ...]:
    numbers = []
    for curve in curves:
        middle, (low, high) = np.median(curve.total, axis=0), curve.slope_interval()
        grown = curve.x[-1] / curve.x[0]
        numbers.append(
            Number(
                f"{curve.problem}, {curve.method}: samples of a pair as {NAMES[curve.sweep]} grows "
                f"{grown:.3g}-fold",
                f"{middle[0]:,.0f} → {middle[-1]:,.0f}, exponent {curve.slope(curve.total):.2f} "
                f"({low:.2f} to {high:.2f})",
                f"at most {ALLOWED[curve.method][curve.sweep]:g}",
            )
        )
    for name, accuracy in ((LOOPS, settings.accuracy), (RANDOM, settings.random_accuracy)):
        tasks = [Task(name, FRESH, horizon, accuracy, 0, settings) for horizon in settings.horizons]
        asked = [iterations(problem(task), accuracy) for task in tasks]
        exact = [exact_iterations(task) for task in tasks]
        numbers.append(
            Number(
                f"{name}: iterations that the theory asks for, as 1/(1−γ) goes from "
                f"{settings.horizons[0]} to {settings.horizons[-1]}; and with which exact values "
                "would do",
                f"{', '.join(map(str, asked))}; {', '.join(map(str, exact))}",
            )
        )
    return tuple(numbers)


def _checks(curves: list[Curve]) -> tuple[Check, ...]:
    by_key = {curve[:3]: curve for curve in curves}
    checks = []
    for sweep, expected in ALLOWED[REUSED].items():
        curve = by_key[LOOPS, REUSED, sweep]
        slope, (low, high) = curve.slope(curve.total), curve.slope_interval()
        checks.append(
            Check(
                "On the two loops, one model that is reused needs samples like "
                f"({NAMES[sweep]})^{expected:g}",
                f"exponent {slope:.2f}, with 95% confidence {low:.2f} to {high:.2f}",
                f"{expected:g}, within 0.3",
                abs(slope - expected) <= 0.3,
            )
        )
    for method, allowed in ALLOWED.items():
        for sweep, most in allowed.items():
            slopes = [
                by_key[name, method, sweep].slope(by_key[name, method, sweep].each)
                for name in (LOOPS, RANDOM)
            ]
            totals = [
                by_key[name, method, sweep].slope(by_key[name, method, sweep].total)
                for name in (LOOPS, RANDOM)
            ]
            # the number of iterations brings log 1/ε with it, which is no power
            seen = slopes if method == FRESH and sweep == "accuracy" else totals
            what = "samples of one iteration" if seen is slopes else "samples"
            checks.append(
                Check(
                    f"{method[0].upper()}{method[1:]}: {what} grow no faster with {NAMES[sweep]} "
                    "than the theory allows",
                    f"exponents {seen[0]:.2f} on the two loops, {seen[1]:.2f} on random models",
                    f"at most {most:g}, within 0.3",
                    all(slope <= most + 0.3 for slope in seen),
                )
            )
    ratio = np.concatenate(
        [
            (fresh.total / by_key[name, REUSED, sweep].total).ravel()
            for (name, method, sweep), fresh in by_key.items()
            if method == FRESH
        ]
    )
    checks.append(
        Check(
            "Reusing one model takes fewer samples than drawing fresh ones, on every model, for "
            "every ε and γ",
            f"fresh samples: {ratio.min():.3g} to {ratio.max():.3g} times as many",
            "more than 1 times",
            bool(np.all(ratio > 1.0)),
        )
    )
    return tuple(checks)


EXPERIMENT = Experiment(
    name="samples",
    title="How many samples an accuracy takes",
    summary=(
        "Samples of a pair to be within ε in nine runs of ten: fresh in every iteration, or one "
        "empirical model, reused."
    ),
    theory=(
        "What is known of the model is n next states of every pair. Soft policy iteration, entropy "
        "NPG with its largest step, evaluates its policies in the empirical model that they make. "
        "The goal is one of the problem without entropy: V* − V ≤ ε in the worst state. For that "
        "the temperature goes with ε,",
        "    τ = (1−γ) ε / (2 log A),",
        "so that entropy costs at most ε/2; and T iterations are made with γ^T/(1−γ) ≤ ε/4, after "
        "which exact values would leave at most another ε/4.",
        "The values of an empirical model are wrong by about (1−γ)^{−3/2} n^{−1/2}. If every "
        "iteration draws fresh samples, the theory of inexact NPG asks for an error of δ ~ "
        "(1−γ)^{3/2} ε in each: (1−γ)^{−6} ε^{−2} samples an iteration, and (1−γ)^{−7} ε^{−2} in "
        "all, up to logarithms. If one model is drawn and reused, (1−γ)^{−3} ε^{−2} are enough, "
        "and no method can do with fewer on all models.",
        "The two loops are the model behind the last statement. In one state there are two "
        "actions. Both pay 1, and go on in that state or end for good; the better one goes on with "
        "probability (4γ−1)/(3γ), and the worse one is worth 2ε less. There is one such model for "
        "each ε and γ. On a random model, which stays the same, fewer samples are enough: values "
        "vary little from state to state, and once all actions are told apart that matter, nothing "
        "more is to be learned.",
    ),
    sources=(
        (
            "Cen, Cheng, Chen, Wei & Chi 2022, Operations Research 70(4), Theorem 2 and what "
            "follows it"
        ),
        "Gheshlaghi Azar, Munos & Kappen 2013, Machine Learning 91(3): the lower bound",
        (
            "Agarwal, Kakade & Yang 2020, COLT; Li, Wei, Chi & Chen 2024, Operations Research "
            "72(1): reuse"
        ),
    ),
    full=FULL,
    quick=QUICK,
    run=run,
    caveat=(
        "Fresh samples are charged for the iterations that the theory asks for, since how few "
        "would do is not known beforehand. On these models one or two iterations would do, and "
        "fresh samples would then cost little more than reused ones: what is drawn in one "
        "iteration is about as much in both cases, and far less than the theory of inexact NPG "
        "asks for."
    ),
)
