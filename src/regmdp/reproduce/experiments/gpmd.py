"""Generalized policy mirror descent and policy mirror descent, with other regularizers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

import numpy as np

from regmdp.reproduce.base import Check, Experiment, Number, ProgressFunction, Result
from regmdp.reproduce.experiments.gpmd_figures import make_figure
from regmdp.reproduce.experiments.gpmd_runs import (
    METHODS,
    REGULARIZERS,
    SMALLEST_ERROR,
    Errors,
    Rates,
    Settings,
    find_faster,
    predict_rates,
    recorded_iterations,
    run_all,
    select_marks,
)

__all__ = ["EXPERIMENT", "run"]

KnownErrors = tuple[tuple[str, str, int, float], ...]

#: (regularizer, method, iterations, error) at η = 1, from an independent program with other random
#: models.
KNOWN: KnownErrors = (
    ("tsallis", "GPMD", 100, 6.4e-2),
    ("tsallis", "GPMD", 1000, 2.4e-4),
    ("tsallis", "GPMD", 2999, 2.5e-6),
    ("tsallis", "PMD", 100, 0.24),
    ("tsallis", "PMD", 1000, 1.2e-3),
    ("tsallis", "PMD", 2999, 7.3e-5),
    ("barrier", "GPMD", 100, 3.5e-3),
    ("barrier", "GPMD", 1000, 2.0e-4),
    ("barrier", "GPMD", 2999, 2.5e-6),
    ("barrier", "PMD", 100, 0.25),
    ("barrier", "PMD", 1000, 2.5e-3),
    ("barrier", "PMD", 2999, 2.9e-4),
)


FULL = Settings(
    states=200,
    actions=50,
    successors=20,
    discount=0.99,
    temperature=1e-3,
    capped=10,
    cap=0.1,
    step_sizes=(0.01, 0.1, 1.0),
    iterations=3000,
    runs=5,
    recorded=120,
    marks=(100, 1000, 2999),
    seed=0,
)
QUICK = Settings(
    states=60,
    actions=20,
    successors=10,
    discount=0.99,
    temperature=1e-3,
    capped=5,
    cap=0.1,
    step_sizes=(0.1, 1.0),
    iterations=200,
    runs=2,
    recorded=60,
    marks=(100, 199),
    seed=0,
)


def run(settings: Settings, progress: ProgressFunction) -> Result:
    """Run both methods on all random models, with all regularizers and step sizes."""
    by_cell, rates = run_all(settings, progress), predict_rates(settings)
    iterations = recorded_iterations(settings)
    known = choose_known(settings)
    rows = [
        (regularizer, method, step, number, iteration, error)
        for (regularizer, method, step), runs in sorted(by_cell.items())
        for number, errors_of_run in enumerate(runs)
        for iteration, error in zip(iterations, errors_of_run, strict=True)
    ]
    names = ("regularizer", "method", "step", "run", "iteration", "error")
    return Result(
        {"errors": dict(zip(names, map(np.array, zip(*rows, strict=True)), strict=True))},
        {"gpmd-and-pmd": make_figure(by_cell, settings)},
        _make_numbers(by_cell, settings, known),
        _make_checks(by_cell, settings, known, rates),
        ()
        if known
        else (
            "The known errors are those of the full settings, and are not compared with this run.",
        ),
    )


def choose_known(settings: Settings) -> KnownErrors:
    """Return the known errors if the settings are those for which they are known."""
    return KNOWN if settings == replace(FULL, seed=settings.seed) else ()


def _make_numbers(
    by_cell: Errors, settings: Settings, all_known: KnownErrors
) -> tuple[Number, ...]:
    marks = ", ".join(map(str, settings.compared))
    numbers = []
    for regularizer, step, method in product(REGULARIZERS, settings.step_sizes, METHODS):
        middle = np.median(select_marks(by_cell, (regularizer, method, step), settings), axis=0)
        known = [f"{error:.2g}" for h, m, _, error in all_known if (h, m) == (regularizer, method)]
        numbers.append(
            Number(
                f"{method}, {REGULARIZERS[regularizer]}, η = {step:g}: error at {marks}",
                ", ".join(f"{error:.2g}" for error in middle),
                ", ".join(known) if step == max(settings.step_sizes) else "",
            )
        )
    return tuple(numbers)


def _make_checks(
    by_cell: Errors, settings: Settings, all_known: KnownErrors, rates: Rates
) -> tuple[Check, ...]:
    return (
        *_check_order(by_cell, settings, rates),
        *_check_known_errors(by_cell, settings, all_known),
    )


def _check_order(by_cell: Errors, settings: Settings, rates: Rates) -> Iterator[Check]:
    """Compare the order of the errors with that of the predicted rates near the optimum."""
    marks = ", ".join(map(str, settings.compared))
    for regularizer, step in product(REGULARIZERS, settings.step_sizes):
        fast, slow = find_faster(rates, regularizer, step)
        less, more = (
            np.maximum(select_marks(by_cell, (regularizer, method, step), settings), SMALLEST_ERROR)
            for method in (fast, slow)
        )
        ratio = more / less
        factor = rates[(regularizer, step)]
        yield Check(
            f"{fast}, which is faster near the optimum, has a smaller error than {slow} in every "
            f"run: {REGULARIZERS[regularizer]}, η = {step:g}, iterations {marks}",
            f"{slow}'s error is {ratio.min():.3g} to {ratio.max():.3g} times {fast}'s",
            f"more than 1 times; near the optimum errors shrink by {factor[fast]:.6f} in {fast}, "
            f"by {factor[slow]:.6f} in {slow}",
            bool(np.all(ratio > 1.0)),
        )


def _check_known_errors(
    by_cell: Errors, settings: Settings, all_known: KnownErrors
) -> Iterator[Check]:
    """Compare errors at the largest step size with those of another program."""
    for regularizer, method in product(REGULARIZERS, METHODS):
        known = {at: error for h, m, at, error in all_known if (h, m) == (regularizer, method)}
        if known:
            runs = by_cell[(regularizer, method, max(settings.step_sizes))]
            middle = np.median(
                runs[:, np.searchsorted(recorded_iterations(settings), list(known))], axis=0
            )
            ratio = middle / np.array(list(known.values()))
            yield Check(
                f"{method}, {REGULARIZERS[regularizer]}, η = {max(settings.step_sizes):g}: known "
                "errors",
                f"{ratio.min():.2f} to {ratio.max():.2f} times as large at "
                f"{', '.join(map(str, known))}",
                "between ½ and 2 times",
                bool(np.all((ratio >= 0.5) & (ratio <= 2.0))),
            )


EXPERIMENT = Experiment(
    name="gpmd",
    title="Generalized policy mirror descent with other regularizers",
    summary="GPMD and PMD with Tsallis entropy, with a barrier below caps, and with one at 0.",
    theory=(
        "Policy mirror descent measures a step by the Kullback-Leibler divergence, for any "
        "regularizer h. Generalized policy mirror descent measures it by the Bregman divergence of "
        "h,",
        "    π⁺ = argmax ⟨Q, p⟩ − τ h(p) − D_h(p, π)/η,",
        "which is dual averaging, ξ⁺ = (ξ + ηQ)/(1 + ητ) and π⁺ = ∇h*(ξ⁺). For every convex h, "
        "smooth or not, and with α = 1/(1 + ητ), the error of Q shrinks by 1 − (1−α)(1−γ) per "
        "iteration, for any S and A.",
        "Which method is faster depends on the curvature of h relative to that of negative "
        "entropy, p h''(p) for a sum over actions. Near the optimum errors of the policy shrink by "
        "1/(1 + ητ) in GPMD, and in PMD by 1/(1 + ητk), k the least such curvature at the optimal "
        "policy, or by exp(−ηs) for an action that is worse by s than those it takes.",
        "At a low temperature h = Σ p² − 1 excludes most actions. A step in the Kullback-Leibler "
        "divergence multiplies a probability, so that it never becomes 0. A step in D_h reaches 0, "
        "and GPMD is faster.",
        "Two functions are called logarithmic barrier. −log(b − p), below a cap b, is flat where p "
        "is far below b, and in states without a cap h is 0. There GPMD immediately chooses the "
        "action with the best average of Q, while PMD still takes finite steps. −Σ log p, at 0, "
        "has p h''(p) = 1/p: it is steep where probabilities are small, as most of them are at a "
        "low temperature. GPMD must move its dual variable from 0 to Q/τ, which takes of the order "
        "of 1/(ητ) iterations. PMD moves the logarithms of the probabilities, over a far shorter "
        "distance, and is faster.",
        (
            "At these step sizes the guaranteed rate is very conservative: with γ = 0.99, τ = "
            "0.001, η = 1 it is 1 − 10⁻⁵."
        ),
    ),
    sources=(
        (
            "Zhan, Cen, Huang, Chen, Lee & Chi 2023, SIAM Journal on Optimization 33(2), Theorem 1 "
            "and section 5"
        ),
    ),
    full=FULL,
    quick=QUICK,
    run=run,
    caveat=(
        "The first two regularizers are those of the paper, whose logarithmic barrier is the one "
        "below caps. The available version does not state the discount: γ = 0.99 is a choice. So "
        "only the order of the methods can be compared with the paper, not the numbers."
    ),
)
