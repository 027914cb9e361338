"""Iterations to an accuracy, measured and as the theorems count them, from short to long steps."""

from __future__ import annotations

import math

import numpy as np

from regmdp.reproduce.base import Check, Experiment, FigureSpec, Number, ProgressFunction, Result
from regmdp.reproduce.experiments import iteration_counts_figures as figures
from regmdp.reproduce.experiments.iteration_counts_runs import (
    RANDOM,
    RARE,
    AccuracyCurve,
    Settings,
    StepCurve,
    make_ladder,
    make_random_model,
    make_rare_start,
    measure_by_accuracy,
    measure_by_step,
    measure_unregularized,
)

__all__ = ["EXPERIMENT", "run"]

#: Largest of the three step sizes to which an exponent is fitted, as a fraction of the largest.
SHORT_SHARE = 0.2

FULL = Settings(
    shape=(20, 5, 20),
    branching=4,
    temperature=0.1,
    accuracy=0.01,
    shares=(0.0003, 0.001, 0.003, 0.01, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 1.0),
    rare=1e-9,
    accuracies=(1.0, 0.1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8),
    rungs=30,
    ladder_horizon=5,
    ladder_accuracies=(0.03, 0.01, 0.003, 0.001, 0.0003, 0.0001),
    seed=0,
)
QUICK = Settings(
    shape=(10, 3, 20),
    branching=3,
    temperature=0.1,
    accuracy=0.01,
    shares=(0.003, 0.01, 0.05, 0.2, 0.5, 1.0),
    rare=1e-9,
    accuracies=(1.0, 0.1, 1e-2, 1e-4, 1e-6, 1e-8),
    rungs=30,
    ladder_horizon=5,
    ladder_accuracies=(0.03, 0.01, 0.003, 0.001),
    seed=0,
)


def run(settings: Settings, progress: ProgressFunction) -> Result:
    """Measure iterations as the step size and the accuracy vary, and count them."""
    total, done = 2 * len(settings.shares) + 2, 0

    def report(text: str) -> None:
        nonlocal done
        done += 1
        progress(done / total, text)

    random = make_random_model(settings)
    by_step = [
        measure_by_step(problem, mdp, settings, report)
        for problem, mdp in ((RANDOM, random), (RARE, make_rare_start(settings)))
    ]
    by_accuracy = measure_by_accuracy(random, settings)
    report("soft policy iteration")
    unregularized = measure_unregularized(make_ladder(settings), settings)
    report("natural policy gradient without entropy")
    return Result(
        {
            "step-size": {
                "problem": np.concatenate(
                    [np.full(one.shares.size, one.problem) for one in by_step]
                ),
                "share_of_largest_step": np.concatenate([one.shares for one in by_step]),
                "iterations": np.concatenate([one.measured for one in by_step]),
                "by_sup_norm": np.concatenate([one.by_sup_norm for one in by_step]),
                "by_potential": np.concatenate([one.by_potential for one in by_step]),
            },
            "soft-policy-iteration": _make_accuracy_table(by_accuracy),
            "without-entropy": _make_accuracy_table(unregularized),
        },
        {
            "counts": FigureSpec(
                lambda: figures.draw_counts(by_step, by_accuracy, unregularized),
                figures.make_caption(settings, by_step, by_accuracy, unregularized),
                figures.make_alt(by_step, by_accuracy, unregularized),
            )
        },
        _make_numbers(by_step, by_accuracy, unregularized),
        (
            *_check_steps(by_step, settings),
            *_check_accuracies(by_accuracy, unregularized),
        ),
        _make_notes(by_step, unregularized, settings),
    )


def _make_accuracy_table(one: AccuracyCurve) -> dict[str, np.ndarray]:
    return {"accuracy": one.accuracies, "iterations": one.measured, "count": one.counted}


def fit_step_exponent(one: StepCurve) -> float:
    """Return the exponent of the step size in the iterations of the three shortest steps.

    It is NaN if these are longer than 1/5 of the largest, or need no iterations.
    """
    shares, measured = one.shares[:3], one.measured[:3]
    if shares.size < 3 or shares[-1] > SHORT_SHARE or measured.min() < 1.0:
        return math.nan
    return float(np.polyfit(np.log(shares), np.log(measured), 1)[0])


def select_short_steps(one: StepCurve, settings: Settings) -> np.ndarray:
    """Return the mask of the steps below 1−γ of the largest: the potential shrinks by α."""
    return one.shares <= 1.0 / settings.shape[2]


def _make_notes(
    by_step: list[StepCurve], unregularized: AccuracyCurve, settings: Settings
) -> tuple[str, ...]:
    """Return the comparisons for which these settings have no points."""
    short = bool(np.any(select_short_steps(by_step[0], settings)))
    conditions = (
        (
            short,
            "The counts are not compared for short steps: no step is below 1−γ of the largest.",
        ),
        (
            settings.shares[-1] == 1.0,
            "The counts are not compared at the largest step, which is not among the steps.",
        ),
        (
            not math.isnan(fit_step_exponent(by_step[0])),
            "The exponent of η is not checked: it needs three short steps that take iterations.",
        ),
        (
            not math.isnan(unregularized.fit_slope(unregularized.measured)),
            "The exponent of 1/ε on the ladder is not checked: fewer than two accuracies take "
            "iterations.",
        ),
    )
    return tuple(note for applies, note in conditions if not applies)


def _make_numbers(
    by_step: list[StepCurve], by_accuracy: AccuracyCurve, unregularized: AccuracyCurve
) -> tuple[Number, ...]:
    numbers = []
    for one in by_step:
        for index in (0, -1):
            counts = {"potential": one.by_potential[index], "sup norm": one.by_sup_norm[index]}
            smaller = min(counts, key=lambda name: counts[name])
            numbers.append(
                Number(
                    f"{one.problem}, ‖ρ/ν*‖ = {one.mismatch:.3g}: iterations with "
                    f"{one.shares[index]:g} of the largest step",
                    f"{one.measured[index]:,.0f}",
                    f"at most {one.smaller[index]:,.0f}, by the {smaller}; the other count is "
                    f"{max(counts.values()):,.0f}",
                )
            )
    numbers.append(
        Number(
            f"soft policy iterations to ε = {by_accuracy.accuracies[-1]:g}",
            f"{by_accuracy.measured[-1]:,.0f}",
            f"at most {by_accuracy.counted[-1]:,.0f}",
        )
    )
    numbers.append(
        Number(
            f"without entropy, on the ladder: iterations to ε = {unregularized.accuracies[-1]:g}",
            f"{unregularized.measured[-1]:,.0f}",
            f"at most {unregularized.counted[-1]:,.0f}",
        )
    )
    return tuple(numbers)


def _check_steps(by_step: list[StepCurve], settings: Settings) -> tuple[Check, ...]:
    share = max(one.fraction for one in by_step)
    checks = [
        Check(
            "The smaller of the two counts suffices, for every step size and both models",
            f"at most {share:.2g} of it is needed",
            "at most 1",
            share <= 1.0,
        )
    ]
    for one in by_step:
        ratio = one.ratio[select_short_steps(one, settings)]
        if ratio.size:
            checks.append(
                Check(
                    f"{one.problem}: for steps below 1−γ of the largest the count by the "
                    "potential is smaller",
                    f"{ratio.min():.2g} to {ratio.max():.2g} of the count by the sup norm",
                    "below 1",
                    bool(np.all(ratio < 1.0)),
                )
            )
    rare = next(one for one in by_step if one.problem == RARE)
    if rare.shares[-1] == 1.0:
        checks.append(
            Check(
                "From a rare start the count by the sup norm is smaller at the largest step",
                f"{rare.by_sup_norm[-1]:,.0f} and {rare.by_potential[-1]:,.0f} iterations",
                "the first is smaller",
                bool(rare.by_sup_norm[-1] < rare.by_potential[-1]),
            )
        )
    slope = fit_step_exponent(next(one for one in by_step if one.problem == RANDOM))
    if not math.isnan(slope):
        checks.append(
            Check(
                "For short steps the measured iterations are proportional to 1/η",
                f"exponent {slope:.2f}",
                "−1, within 0.1",
                abs(slope + 1.0) <= 0.1,
            )
        )
    return tuple(checks)


def _check_accuracies(
    by_accuracy: AccuracyCurve, unregularized: AccuracyCurve
) -> tuple[Check, ...]:
    soft, plain = by_accuracy.fraction, unregularized.fraction
    checks = [
        Check(
            "Soft policy iteration needs at most 1/(1−γ) log(γ‖Q* − Q_0‖/ε) + 1 iterations",
            f"at most {soft:.2g} of the count",
            "at most 1",
            soft <= 1.0,
        ),
        Check(
            "Without entropy natural policy gradient needs at most 2R/((1−γ)^2 ε) iterations",
            f"at most {plain:.2g} of the count",
            "at most 1",
            plain <= 1.0,
        ),
    ]
    slopes = [
        unregularized.fit_slope(values)
        for values in (unregularized.measured, unregularized.counted)
    ]
    if not any(map(math.isnan, slopes)):
        checks.append(
            Check(
                "On the ladder the iterations grow like 1/ε, as the count does",
                f"exponent {slopes[0]:.2f}; of the count {slopes[1]:.2f}",
                "1, within 0.15",
                all(abs(slope - 1.0) <= 0.15 for slope in slopes),
            )
        )
    return tuple(checks)


EXPERIMENT = Experiment(
    name="iterations",
    title="Iterations to an accuracy",
    summary=(
        "Iterations that theorems on natural policy gradient count, from short steps to the "
        "largest, and those that are needed."
    ),
    theory=(
        "Two theorems bound natural policy gradient with entropy and step size η ≤ (1−γ)/τ. By the "
        "linear rate in the sup norm,",
        "    1/(ητ) log(3 C_1/ε) + 1",
        "iterations are enough for V*(ρ) − V(ρ) ≤ ε, where C_1 contains ‖Q* − Q_0‖ and "
        "‖log π* − log π_0‖. By the potential of mirror descent,",
        "    max{1/(1−γ), (1−γ)/(ητ)} log(‖ρ/ν*‖ C_2/ε)",
        "are, where ν* is stationary under π*. The smaller of the two is enough. For short steps "
        "the second is smaller by the factor 1−γ, up to logarithms. At the largest step, ητ = 1−γ, "
        "which is soft policy iteration, both are 1/(1−γ) times a logarithm, and the first is "
        "smaller if ρ starts where π* rarely goes.",
        "For soft policy iteration the first theorem counts 1/(1−γ) log(γ‖Q* − Q_0‖/ε) + 1 "
        "iterations until ‖Q* − Q‖ ≤ ε. Without entropy, a step size of at least (1−γ)^2 log A/R "
        "needs at most 2R/((1−γ)^2 ε) iterations, R being the range of the rewards.",
    ),
    sources=(
        "Cen, Cheng, Chen, Wei & Chi 2022, Operations Research 70(4), Theorem 1",
        "Lan 2023, Mathematical Programming 198, Theorem 1",
        "Agarwal, Kakade, Lee & Mahajan 2021, JMLR 22(98), Theorem 16",
    ),
    full=FULL,
    quick=QUICK,
    run=run,
)
