"""Natural policy gradient and its theory: sublinear, linear and quadratic convergence."""

from __future__ import annotations

import math

import numpy as np

from regmdp.reproduce.base import Check, Experiment, FigureSpec, Number, ProgressFunction, Result
from regmdp.reproduce.experiments import natural_gradient_figures as figures
from regmdp.reproduce.experiments import natural_gradient_texts as texts
from regmdp.reproduce.experiments.natural_gradient_fits import (
    fit_digits,
    fit_exponent,
    fit_rates,
)
from regmdp.reproduce.experiments.natural_gradient_runs import (
    EntropyRun,
    NewtonRun,
    Settings,
    UnregularizedRun,
    make_ladder,
    make_random_model,
    run_policy_iteration,
    run_unregularized,
    run_with_entropy,
)

__all__ = ["EXPERIMENT", "run"]


FULL = Settings(
    rungs=200,
    shape=(20, 5, 10),
    branching=4,
    steps=(0.01, 0.1, 1.0),
    plain_iterations=3000,
    temperature=0.1,
    shares=(1.0, 0.25, 0.1, 0.05, 0.03),
    soft_iterations=500,
    quadratic=((20, 5, 10, 0.1), (50, 5, 100, 0.05), (100, 10, 100, 0.01)),
    quadratic_iterations=10,
    seed=0,
)
QUICK = Settings(
    rungs=200,
    shape=(10, 3, 10),
    branching=4,
    steps=(0.1, 1.0),
    plain_iterations=500,
    temperature=0.1,
    shares=(1.0, 0.5, 0.25, 0.1, 0.05),
    soft_iterations=300,
    quadratic=((20, 5, 10, 0.1), (50, 5, 100, 0.05)),
    quadratic_iterations=10,
    seed=0,
)


def run(settings: Settings, progress: ProgressFunction) -> Result:
    """Run natural policy gradient without entropy, with entropy, and as soft policy iteration."""
    total = 2 * len(settings.steps) + len(settings.shares) + len(settings.quadratic)
    done = 0

    def report(text: str) -> None:
        nonlocal done
        done += 1
        progress(done / total, text)

    random = make_random_model(settings.shape, settings)
    problems = {"ladder": make_ladder(settings.rungs, settings.shape[2]), "random model": random}
    plain, soft, newton = [], [], []
    for name, mdp in problems.items():
        for step in settings.steps:
            plain.append(run_unregularized(name, mdp, step, settings.plain_iterations))
            report(f"without entropy, {name}, η = {step:g}")
    for share in settings.shares:
        soft.append(run_with_entropy(random, share, settings))
        report(f"with entropy, {share:g} of the largest step")
    for shape in settings.quadratic:
        newton.append(run_policy_iteration(shape, settings))
        report(f"soft policy iteration, {newton[-1].problem}")
    return Result(
        _make_tables(plain, soft, newton),
        {
            "without-entropy": FigureSpec(
                lambda: figures.draw_unregularized(plain), *texts.describe_unregularized(plain)
            ),
            "with-entropy": FigureSpec(
                lambda: figures.draw_entropy(soft), *texts.describe_entropy(soft)
            ),
            "soft-policy-iteration": FigureSpec(
                lambda: figures.draw_policy_iteration(newton),
                *texts.describe_policy_iteration(newton),
            ),
        },
        _make_numbers(plain, soft, newton),
        (*_check_unregularized(plain), *_check_entropy(soft), *_check_policy_iteration(newton)),
        _make_notes(plain, soft, newton),
    )


def _make_notes(
    plain: list[UnregularizedRun], soft: list[EntropyRun], newton: list[NewtonRun]
) -> tuple[str, ...]:
    """Return the rates that these runs do not show."""
    notes = []
    if any(math.isnan(fit_exponent(one)) for one in _select_ladder(plain)):
        notes.append(
            "The exponent of t on the ladder is not checked for every step size: fewer than 4 gaps "
            "are above rounding."
        )
    notes += [
        f"With {one.share:g} of the largest step the rates near the optimum are not checked: fewer "
        "than 4 iterations are there."
        for one in soft
        if one.weight > 0.0 and any(map(math.isnan, fit_rates(one).values()))
    ]
    notes += [
        f"Soft policy iteration, {one.problem}: the number of digits is not checked, because fewer "
        "than 2 pairs of successive gaps are below 1/10 and above rounding."
        for one in newton
        if fit_digits(one).digits.size < 2
    ]
    return tuple(notes)


def _select_ladder(plain: list[UnregularizedRun]) -> list[UnregularizedRun]:
    return [one for one in plain if one.problem == "ladder"]


def _make_tables(
    plain: list[UnregularizedRun], soft: list[EntropyRun], newton: list[NewtonRun]
) -> dict[str, dict[str, np.ndarray]]:
    from_one = [np.arange(1, one.gap.size + 1) for one in plain]
    from_start = [np.arange(one.errors["q"].size) for one in soft]
    few = [np.arange(one.gap.size) for one in newton]
    with_entropy: dict[str, np.ndarray] = {
        "share_of_largest_step": np.concatenate(
            [np.full(t.size, one.share) for one, t in zip(soft, from_start, strict=True)]
        ),
        "iteration": np.concatenate(from_start),
    }
    for name in ("q", "value", "log_policy", "gap"):
        with_entropy[f"{name}_error"] = np.concatenate([one.errors[name] for one in soft])
        with_entropy[f"{name}_bound"] = np.concatenate([one.bounds[name] for one in soft])
    return {
        "without-entropy": {
            "problem": np.concatenate(
                [np.full(t.size, one.problem) for one, t in zip(plain, from_one, strict=True)]
            ),
            "step": np.concatenate(
                [np.full(t.size, one.step) for one, t in zip(plain, from_one, strict=True)]
            ),
            "iteration": np.concatenate(from_one),
            "gap": np.concatenate([one.gap for one in plain]),
            "bound": np.concatenate([one.bound for one in plain]),
        },
        "with-entropy": with_entropy,
        "soft-policy-iteration": {
            "problem": np.concatenate(
                [np.full(t.size, one.problem) for one, t in zip(newton, few, strict=True)]
            ),
            "iteration": np.concatenate(few),
            "gap": np.concatenate([one.gap for one in newton]),
            "bound": np.concatenate([one.bound for one in newton]),
            "noise": np.concatenate(
                [np.full(t.size, one.noise) for one, t in zip(newton, few, strict=True)]
            ),
        },
    }


def _make_numbers(
    plain: list[UnregularizedRun], soft: list[EntropyRun], newton: list[NewtonRun]
) -> tuple[Number, ...]:
    numbers = [
        Number(
            f"without entropy, {one.problem}, η = {one.step:g}: largest fraction of the bound",
            f"{np.max(one.gap / one.bound):.2g}",
        )
        for one in plain
    ]
    for one in soft:
        reached = np.flatnonzero(one.errors["q"] <= 1e-8)
        # the bound is geometric from the first iteration
        first, second = one.bounds["q"][1:3]
        guaranteed = 1 + max(0, math.ceil(math.log(1e-8 / first) / math.log(second / first)))
        numbers.append(
            Number(
                f"with entropy, {one.share:g} of the largest step: iterations until the error of Q "
                "is 10⁻⁸",
                f"{reached[0]}" if reached.size else f"more than {one.errors['q'].size - 1}",
                f"at most {guaranteed:,}",
            )
        )
    for one in newton:
        digits = ", ".join(f"{gap:.1e}" for gap in one.gap if gap > 1e4 * one.noise)
        numbers.append(
            Number(f"soft policy iteration, {one.problem}: gap after 0, 1, 2, … iterations", digits)
        )
    return tuple(numbers)


def _check_unregularized(plain: list[UnregularizedRun]) -> list[Check]:
    iterations = sum(one.gap.size for one in plain)
    above = sum(comparison.violated.size for one in plain for comparison in one.report.comparisons)
    slopes = [fit_exponent(one) for one in _select_ladder(plain)]
    slopes = [slope for slope in slopes if not math.isnan(slope)]
    return [
        Check(
            "Without entropy the gap is never above its bound",
            f"in {above} of {iterations:,} iterations of {len(plain)} runs",
            "in none",
            all(one.report.holds for one in plain),
        ),
        *(
            [
                Check(
                    "The rate 1/t is attained on the ladder, at every step size",
                    f"gap ∝ t^{min(slopes):.3f} to t^{max(slopes):.3f}",
                    "t^−1, within 0.05",
                    all(abs(one + 1.0) <= 0.05 for one in slopes),
                )
            ]
            if slopes
            else []
        ),
    ]


def _check_entropy(soft: list[EntropyRun]) -> list[Check]:
    checks = []
    for one in soft:
        names = (
            ", ".join(comparison.name for comparison in one.report.violations) or "none violated"
        )
        checks.append(
            Check(
                f"With entropy, {one.share:g} of the largest step: all statements hold at every "
                "iteration",
                f"{len(one.report.comparisons)} statements, {names}",
                "none violated",
                one.report.holds,
            )
        )
    for one in soft:
        if one.weight > 0.0:
            observed = fit_rates(one)
            if any(map(math.isnan, observed.values())):
                continue
            near = (
                math.log(observed["log_policy"]) / math.log(one.weight),
                math.log(observed["q"]) / (2.0 * math.log(one.weight)),
            )
            checks.append(
                Check(
                    f"With entropy, {one.share:g} of the largest step: near the optimum log π "
                    "shrinks by α, Q by α²",
                    f"by {observed['log_policy']:.4f} and {observed['q']:.4f}",
                    f"by {one.weight:.4g} and {one.weight**2:.4g}, exponents within 5%",
                    all(abs(ratio - 1.0) <= 0.05 for ratio in near),
                )
            )
    return checks


def _check_policy_iteration(newton: list[NewtonRun]) -> list[Check]:
    checks = []
    for one in newton:
        found = fit_digits(one)
        if found.digits.size >= 2:
            checks.append(
                Check(
                    f"Soft policy iteration, {one.problem}: the number of digits doubles",
                    f"times {', '.join(f'{value:.2f}' for value in found.digits)} in successive "
                    f"iterations; x⁺/x² between {found.ratios.min():.2g} and "
                    f"{found.ratios.max():.2g}",
                    "at least times 1.9, in two iterations or more",
                    bool(found.digits.min() >= 1.9),
                )
            )
        known = (
            "x⁺ is not above rounding"
            if math.isnan(found.share)
            else (f"x⁺ is at most {found.share:.1g} of c x²")
        )
        checks.append(
            Check(
                f"Soft policy iteration, {one.problem}: x⁺ ≤ c x², and all other statements",
                f"{known}, c = {one.constant:.2g}; {len(one.report.violations)} of "
                f"{len(one.report.comparisons)} statements violated",
                "at most 1; none violated",
                not found.share > 1.0 and one.report.holds,
            )
        )
    return checks


EXPERIMENT = Experiment(
    name="npg",
    title="Natural policy gradient and its theory",
    summary=(
        "NPG and its 1/t bound, its linear rates with entropy, and the quadratic convergence of "
        "soft policy iteration."
    ),
    theory=(
        (
            "Natural policy gradient multiplies, π⁺ ∝ π exp(ηQ/(1−γ)). From the uniform policy, "
            "with any step η > 0,"
        ),
        "    V*(ρ) − V_t(ρ) ≤ ( log A / η + 1/(1−γ)² ) / t.",
        "With entropy the step is π⁺ ∝ π^α exp(ηQ/(1−γ)), α = 1 − ητ/(1−γ), for 0 < η ≤ (1−γ)/τ. "
        "The errors of Q, V and log π shrink by 1 − ητ per iteration in the sup norm:",
        "    ‖Q* − Q_{t+1}‖ ≤ γ C (1 − ητ)^t,   ‖log π* − log π_{t+1}‖ ≤ (2C/τ) (1 − ητ)^t,",
        "with C = ‖Q* − Q_0‖ + 2τα ‖log π* − log π_0‖. As mirror descent, and weighted by the "
        "stationary distribution ν* of π*, the sum of the gap and the divergence from π* shrinks "
        "by max{γ, α}.",
        "Near the optimum convergence is faster: Q depends on an error of the policy only in "
        "second order, so the error of log π shrinks by α and that of Q by α². At the largest step "
        "α = 0. This is soft policy iteration, Newton's method on the soft Bellman equation:",
        "    x_{t+1} ≤ c x_t²,   x_t = V*(ν*) − V_t(ν*),   c = 4γ² ‖1/ν*‖ / ((1−γ)τ).",
    ),
    sources=(
        "Agarwal, Kakade, Lee & Mahajan 2021, JMLR 22(98), Theorem 16",
        "Cen, Cheng, Chen, Wei & Chi 2022, Operations Research 70(4), Theorems 1 and 3",
        "Lan 2023, Mathematical Programming 198, Theorem 1",
    ),
    full=FULL,
    quick=QUICK,
    run=run,
)
