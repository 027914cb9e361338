"""Samples to an accuracy: one reused model, fresh samples, or value mirror descent."""

from __future__ import annotations

import numpy as np

from regmdp.reproduce.base import Check, Experiment, FigureSpec, Number, ProgressFunction, Result
from regmdp.reproduce.experiments import sample_complexity_figures as figures
from regmdp.reproduce.experiments.sample_complexity_runs import (
    FRESH,
    LOOPS,
    METHODS,
    RANDOM,
    REUSED,
    VALUE_DESCENT,
    SampleCount,
    SampleCurve,
    SampleTask,
    Settings,
    count_exact_iterations,
    count_iterations,
    find_sample_count,
    make_problem,
)
from regmdp.reproduce.parallel import map_in_processes

__all__ = ["EXPERIMENT", "run"]

#: Largest exponents in the theory, up to logarithms: in 1/ε, and in 1/(1-γ).
ALLOWED_EXPONENTS = {
    REUSED: {"accuracy": 2.0, "horizon": 3.0},
    FRESH: {"accuracy": 2.0, "horizon": 7.0},
    VALUE_DESCENT: {"accuracy": 2.0, "horizon": 3.0},
}
SWEEP_NAMES = {"accuracy": "1/ε", "horizon": "1/(1−γ)"}

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


def run(settings: Settings, progress: ProgressFunction) -> Result:
    """Find the numbers of samples, and fit power laws."""
    wanted = plan_tasks(settings)
    tasks = sorted(
        {task for points in wanted.values() for here in points for task in here}, key=_estimate_cost
    )
    found = dict(
        zip(
            tasks, map_in_processes(find_sample_count, tasks, progress, _describe_task), strict=True
        )
    )
    curves = [
        SampleCurve(
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
        {
            "samples": _make_table(curves),
            "tried": _make_trial_table([found[task] for task in sorted(tasks)]),
        },
        {
            "samples": FigureSpec(
                lambda: figures.draw_curves(curves, ALLOWED_EXPONENTS),
                figures.make_caption(settings),
                figures.make_alt(curves),
            )
        },
        _make_numbers(curves, settings),
        _make_checks(curves),
    )


def plan_tasks(settings: Settings) -> dict[tuple[str, str, str], list[list[SampleTask]]]:
    """Return the tasks by problem, method and sweep: a list of points, each a list of models."""
    accuracies = {LOOPS: settings.accuracies, RANDOM: settings.random_accuracies}
    fixed = {LOOPS: settings.accuracy, RANDOM: settings.random_accuracy}
    numbers = {LOOPS: range(1), RANDOM: range(settings.models)}
    points: dict[tuple[str, str, str], list[list[SampleTask]]] = {}
    for name in (LOOPS, RANDOM):
        for method in METHODS:
            for sweep, pairs in (
                ("accuracy", [(settings.horizon, accuracy) for accuracy in accuracies[name]]),
                ("horizon", [(horizon, fixed[name]) for horizon in settings.horizons]),
            ):
                points[name, method, sweep] = [
                    [
                        SampleTask(name, method, horizon, accuracy, number, settings)
                        for number in numbers[name]
                    ]
                    for horizon, accuracy in pairs
                ]
    return points


def _estimate_cost(task: SampleTask) -> tuple[float, tuple[object, ...]]:
    """Return a sort key that puts expensive tasks first."""
    repeated = count_iterations(make_problem(task), task.accuracy) if task.method == FRESH else 1
    return -repeated * task.horizon**3 / task.accuracy**2, task[:-1]


def _describe_task(task: SampleTask) -> str:
    return f"{task.problem}, {task.method}, ε = {task.accuracy:g}, 1/(1−γ) = {task.horizon}"


def _make_table(curves: list[SampleCurve]) -> dict[str, np.ndarray]:
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


def _make_trial_table(found: list[SampleCount]) -> dict[str, np.ndarray]:
    rows = [
        (
            *one.task[:5],
            tried,
            successes,
            one.task.settings.runs if one.task.method == REUSED else one.task.settings.fresh_runs,
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


def _make_numbers(curves: list[SampleCurve], settings: Settings) -> tuple[Number, ...]:
    numbers = []
    for curve in curves:
        middle, (low, high) = np.median(curve.total, axis=0), curve.slope_interval()
        grown = curve.x[-1] / curve.x[0]
        numbers.append(
            Number(
                f"{curve.problem}, {curve.method}: samples per pair as {SWEEP_NAMES[curve.sweep]} "
                f"grows {grown:.3g}-fold",
                f"{middle[0]:,.0f} → {middle[-1]:,.0f}, exponent {curve.slope(curve.total):.2f} "
                f"({low:.2f} to {high:.2f})",
                f"at most {ALLOWED_EXPONENTS[curve.method][curve.sweep]:g}",
            )
        )
    numbers += [_count_fresh_samples(curve) for curve in curves if curve.method == FRESH]
    for name, accuracy in ((LOOPS, settings.accuracy), (RANDOM, settings.random_accuracy)):
        tasks = [
            SampleTask(name, FRESH, horizon, accuracy, 0, settings) for horizon in settings.horizons
        ]
        asked = [count_iterations(make_problem(task), accuracy) for task in tasks]
        exact = [count_exact_iterations(task) for task in tasks]
        numbers.append(
            Number(
                f"{name}: iterations required by the theory as 1/(1−γ) goes from "
                f"{settings.horizons[0]} to {settings.horizons[-1]}; and sufficient iterations "
                "with exact values",
                f"{', '.join(map(str, asked))}; {', '.join(map(str, exact))}",
            )
        )
    return tuple(numbers)


def _count_fresh_samples(curve: SampleCurve) -> Number:
    """Return measured fresh samples beside the number of the theory."""
    measured, counted = (np.median(values, axis=0) for values in (curve.total, curve.predicted))
    return Number(
        f"{curve.problem}, {FRESH}: samples per pair as {SWEEP_NAMES[curve.sweep]} grows, and the "
        "number of the theory of inexact NPG",
        f"{measured[0]:,.0f} → {measured[-1]:,.0f}",
        f"at most {counted[0]:.2g} → {counted[-1]:.2g}, exponent "
        f"{curve.slope(curve.predicted):.2f}",
    )


def _make_checks(curves: list[SampleCurve]) -> tuple[Check, ...]:
    by_key = {curve[:3]: curve for curve in curves}
    checks = []
    for sweep, expected in ALLOWED_EXPONENTS[REUSED].items():
        curve = by_key[LOOPS, REUSED, sweep]
        slope, (low, high) = curve.slope(curve.total), curve.slope_interval()
        checks.append(
            Check(
                "On the two loops, one reused model needs samples like "
                f"({SWEEP_NAMES[sweep]})^{expected:g}",
                f"exponent {slope:.2f}, with 95% confidence {low:.2f} to {high:.2f}",
                f"{expected:g}, within 0.3",
                abs(slope - expected) <= 0.3,
            )
        )
    for method, allowed in ALLOWED_EXPONENTS.items():
        for sweep, most in allowed.items():
            slopes = [
                by_key[name, method, sweep].slope(by_key[name, method, sweep].each)
                for name in (LOOPS, RANDOM)
            ]
            totals = [
                by_key[name, method, sweep].slope(by_key[name, method, sweep].total)
                for name in (LOOPS, RANDOM)
            ]
            # the numbers of iterations and epochs contain logarithms, which are not powers
            by_iteration = method == VALUE_DESCENT or (method == FRESH and sweep == "accuracy")
            compared = slopes if by_iteration else totals
            of_one = "reference" if method == VALUE_DESCENT else "iteration"
            what = f"samples of one {of_one}" if by_iteration else "samples"
            checks.append(
                Check(
                    f"{method[0].upper()}{method[1:]}: {what} grow at most as fast with "
                    f"{SWEEP_NAMES[sweep]} as in the theory",
                    f"exponents {compared[0]:.2f} on the two loops, {compared[1]:.2f} on random "
                    "models",
                    f"at most {most:g}, within 0.3",
                    all(slope <= most + 0.3 for slope in compared),
                )
            )
    return (*checks, *_check_fresh_samples(by_key))


def _check_fresh_samples(
    by_key: dict[tuple[str, str, str], SampleCurve],
) -> tuple[Check, ...]:
    """Check fresh samples against reused ones, and against the number of the theory."""
    fresh = {key: curve for key, curve in by_key.items() if key[1] == FRESH}
    ratio = np.concatenate(
        [
            (curve.total / by_key[name, REUSED, sweep].total).ravel()
            for (name, _, sweep), curve in fresh.items()
        ]
    )
    share = np.concatenate([(curve.total / curve.predicted).ravel() for curve in fresh.values()])
    return (
        Check(
            "Reusing one model needs fewer samples than drawing fresh ones, on every model, for "
            "every ε and γ",
            f"fresh samples: {ratio.min():.3g} to {ratio.max():.3g} times as many",
            "more than 1 times",
            bool(np.all(ratio > 1.0)),
        ),
        Check(
            "Fresh samples: the number of the theory of inexact NPG is enough, on every model, for "
            "every ε and γ",
            f"{share.min():.2g} to {share.max():.2g} of it are needed",
            "at most 1",
            bool(np.all(share <= 1.0)),
        ),
    )


EXPERIMENT = Experiment(
    name="samples",
    title="Samples to an accuracy",
    summary=(
        "Samples per pair with which most runs are within ε: fresh in every iteration, one "
        "reused empirical model, or value mirror descent."
    ),
    theory=(
        "The data are n next states of every pair. Soft policy iteration, entropy NPG with its "
        "largest step, evaluates its policies in the empirical model of these data. The goal is "
        "V* − V ≤ ε in the worst state, without entropy. For this the temperature is proportional "
        "to ε,",
        "    τ = (1−γ) ε / (2 log A),",
        "so that entropy costs at most ε/2; and the number of iterations T satisfies γ^T/(1−γ) ≤ "
        "ε/4, so that with exact values the remaining error would be at most another ε/4.",
        "The values of an empirical model have errors of about (1−γ)^{−3/2} n^{−1/2}. If every "
        "iteration draws fresh samples, the theory of inexact NPG requires an error of δ ~ "
        "(1−γ)^{3/2} ε in each: (1−γ)^{−6} ε^{−2} samples per iteration, and (1−γ)^{−7} ε^{−2} in "
        "total, up to logarithms; rm.theory.inexact_npg_samples counts them. If one model is drawn "
        "and reused, (1−γ)^{−3} ε^{−2} are enough, and no method needs fewer on all models.",
        "Value mirror descent sweeps the value once in each iteration. n draws of every pair at "
        "the start of an epoch of ⌈log_γ ¼⌉ iterations estimate the expectation of the value, and "
        "about as many in the rest of the epoch that of its changes. For a method of this kind "
        "(1−γ)^{−3} ε^{−2} samples are stated to be enough for every convex regularizer, up to "
        "logarithms; for these epochs it is not proved.",
        "The two loops are the model of the lower bound. One state has two actions. Both pay 1, "
        "and then continue in that state or terminate; the better one continues with probability "
        "(4γ−1)/(3γ), and the value of the worse one is smaller by 2ε. There is one such model for "
        "each ε and γ. On a fixed random model fewer samples are enough: values differ little "
        "between states, and the policy is optimal once all relevant actions are distinguished.",
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
        "Jia & Lan 2026, arXiv 2604.06039, abstract: value mirror descent",
    ),
    full=FULL,
    quick=QUICK,
    run=run,
    caveat=(
        "Fresh samples are counted for the number of iterations required by the theory, because "
        "the sufficient number is not known in advance. On these models one or two iterations "
        "would be enough, and fresh samples would then cost little more than reused ones: the "
        "samples of one iteration are similar in both cases, and far fewer than the theory of "
        "inexact NPG requires."
    ),
)
