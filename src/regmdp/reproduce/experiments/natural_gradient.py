"""Natural policy gradient against its theory: 1/t without entropy, linear with entropy, quadratic as soft policy iteration."""

from __future__ import annotations

import math

import numpy as np

from regmdp._internal.arrays import Float
from regmdp.reproduce.base import Check, Experiment, FigureSpec, Number, ProgressFunction, Result
from regmdp.reproduce.experiments import natural_gradient_figures as figures
from regmdp.reproduce.experiments.natural_gradient_runs import (
    Newton,
    Plain,
    Settings,
    Soft,
    ladder,
    newton_run,
    plain_run,
    random_model,
    soft_run,
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

    def tell(text: str) -> None:
        nonlocal done
        done += 1
        progress(done / total, text)

    random = random_model(settings.shape, settings)
    problems = {"ladder": ladder(settings.rungs, settings.shape[2]), "random model": random}
    plain, soft, newton = [], [], []
    for name, mdp in problems.items():
        for step in settings.steps:
            plain.append(plain_run(name, mdp, step, settings.plain_iterations))
            tell(f"without entropy, {name}, η = {step:g}")
    for share in settings.shares:
        soft.append(soft_run(random, share, settings))
        tell(f"with entropy, {share:g} of the largest step")
    for shape in settings.quadratic:
        newton.append(newton_run(shape, settings))
        tell(f"soft policy iteration, {newton[-1].problem}")
    return Result(
        _tables(plain, soft, newton),
        {
            "without-entropy": FigureSpec(
                lambda: figures.draw_plain(plain), figures.PLAIN_CAPTION, figures.PLAIN_ALT
            ),
            "with-entropy": FigureSpec(
                lambda: figures.draw_soft(soft), figures.SOFT_CAPTION, figures.SOFT_ALT
            ),
            "soft-policy-iteration": FigureSpec(
                lambda: figures.draw_newton(newton), figures.NEWTON_CAPTION, figures.NEWTON_ALT
            ),
        },
        _numbers(plain, soft, newton),
        (*_plain_checks(plain), *_soft_checks(soft), *_newton_checks(newton)),
    )


def slope(one: Plain) -> float:
    """Return the exponent of a power law fitted to the gap over the last nine tenths of the decades of t."""
    t = np.arange(1, one.gap.size + 1)
    late = t >= t[-1] ** 0.25
    return float(np.polyfit(np.log(t[late]), np.log(one.gap[late]), 1)[0])


def observed_rate(errors: Float[np.ndarray, " n"], low: float, high: float) -> float:
    """Return the factor by which an error shrinks an iteration, fitted between two bounds; NaN with fewer than four points."""
    t = np.flatnonzero((errors > low) & (errors < high))
    return float(np.exp(np.polyfit(t, np.log(errors[t]), 1)[0])) if t.size >= 4 else math.nan


def rates(one: Soft) -> dict[str, float]:
    """Return the observed rates of log π and of Q near the optimum, above rounding."""
    return {
        "log_policy": observed_rate(one.errors["log_policy"], 1e-10, 1e-2),
        "q": observed_rate(one.errors["q"], 1e-12, 1e-4),
    }


def quadratic_steps(one: Newton) -> list[int]:
    """Return the t at which x_t is below 1/10 and x_{t+1} is well above its noise."""
    return [
        t for t in range(one.gap.size - 1) if one.gap[t] < 0.1 and one.gap[t + 1] > 1e4 * one.noise
    ]


def _tables(
    plain: list[Plain], soft: list[Soft], newton: list[Newton]
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


def _numbers(plain: list[Plain], soft: list[Soft], newton: list[Newton]) -> tuple[Number, ...]:
    numbers = [
        Number(
            f"without entropy, {one.problem}, η = {one.step:g}: largest share of the bound",
            f"{np.max(one.gap / one.bound):.2g}",
        )
        for one in plain
    ]
    for one in soft:
        reached = np.flatnonzero(one.errors["q"] <= 1e-8)
        # the bound is geometric from the first iteration on
        first, second = one.bounds["q"][1:3]
        guaranteed = 1 + math.ceil(math.log(1e-8 / first) / math.log(second / first))
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


def _plain_checks(plain: list[Plain]) -> list[Check]:
    iterations = sum(one.gap.size for one in plain)
    above = sum(comparison.violated.size for one in plain for comparison in one.report.comparisons)
    slopes = [slope(one) for one in plain if one.problem == "ladder"]
    return [
        Check(
            "Without entropy the gap is never above its bound",
            f"in {above} of {iterations:,} iterations of {len(plain)} runs",
            "in none",
            all(one.report.holds for one in plain),
        ),
        Check(
            "The rate 1/t is attained on the ladder, at every step size",
            f"gap ∝ t^{min(slopes):.3f} to t^{max(slopes):.3f}",
            "t^−1, within 0.05",
            all(abs(one + 1.0) <= 0.05 for one in slopes),
        ),
    ]


def _soft_checks(soft: list[Soft]) -> list[Check]:
    checks = []
    for one in soft:
        names = (
            ", ".join(comparison.name for comparison in one.report.violations) or "none violated"
        )
        checks.append(
            Check(
                f"With entropy, {one.share:g} of the largest step: all that is proved holds at "
                "every iteration",
                f"{len(one.report.comparisons)} statements, {names}",
                "none violated",
                one.report.holds,
            )
        )
    for one in soft:
        if one.weight > 0.0:
            seen = rates(one)
            near = (
                math.log(seen["log_policy"]) / math.log(one.weight),
                math.log(seen["q"]) / (2.0 * math.log(one.weight)),
            )
            checks.append(
                Check(
                    f"With entropy, {one.share:g} of the largest step: near the optimum log π "
                    "shrinks by α, Q by α²",
                    f"by {seen['log_policy']:.4f} and {seen['q']:.4f}",
                    f"by {one.weight:.4g} and {one.weight**2:.4g}, exponents within 5%",
                    all(abs(ratio - 1.0) <= 0.05 for ratio in near),
                )
            )
    return checks


def _newton_checks(newton: list[Newton]) -> list[Check]:
    checks = []
    for one in newton:
        steps = quadratic_steps(one)
        digits = [math.log(one.gap[t + 1]) / math.log(one.gap[t]) for t in steps]
        ratio = [one.gap[t + 1] / one.gap[t] ** 2 for t in steps]
        worst = max((one.gap[t + 1] / one.bound[t + 1] for t in steps), default=math.nan)
        checks += [
            Check(
                f"Soft policy iteration, {one.problem}: the digits double",
                f"times {', '.join(f'{value:.2f}' for value in digits)} in successive iterations; "
                f"x⁺/x² between {min(ratio, default=math.nan):.2g} and "
                f"{max(ratio, default=math.nan):.2g}",
                "at least times 1.9, in two iterations or more",
                len(steps) >= 2 and bool(min(digits) >= 1.9),
            ),
            Check(
                f"Soft policy iteration, {one.problem}: x⁺ ≤ c x², and all else that is proved",
                f"x⁺ is at most {worst:.1g} of c x², c = {one.constant:.2g}; "
                f"{len(one.report.violations)} of {len(one.report.comparisons)} statements "
                "violated",
                "at most 1; none violated",
                bool(worst <= 1.0) and one.report.holds,
            ),
        ]
    return checks


EXPERIMENT = Experiment(
    name="npg",
    title="Natural policy gradient and what is proved of it",
    summary=(
        "NPG against its 1/t bound, with entropy against its linear rates, and the quadratic phase "
        "of soft policy iteration."
    ),
    theory=(
        (
            "Natural policy gradient multiplies, π⁺ ∝ π exp(ηQ/(1−γ)). From the uniform policy, "
            "with any step η > 0,"
        ),
        "    V*(ρ) − V_t(ρ) ≤ ( log A / η + 1/(1−γ)² ) / t.",
        "With entropy the step is π⁺ ∝ π^α exp(ηQ/(1−γ)), α = 1 − ητ/(1−γ), for 0 < η ≤ (1−γ)/τ. "
        "The errors of Q, V and log π shrink by 1 − ητ an iteration in the sup norm:",
        "    ‖Q* − Q_{t+1}‖ ≤ γ C (1 − ητ)^t,   ‖log π* − log π_{t+1}‖ ≤ (2C/τ) (1 − ητ)^t,",
        "with C = ‖Q* − Q_0‖ + 2τα ‖log π* − log π_0‖. Seen as mirror descent, and weighted by the "
        "stationary distribution ν* of π*, the gap together with the divergence from π* shrinks by "
        "max{γ, α}.",
        "Near the optimum more can be seen: Q depends on an error of the policy only in second "
        "order, so log π shrinks by α and Q by α². At the largest step α = 0. That is soft policy "
        "iteration, Newton's method on the soft Bellman equation:",
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
