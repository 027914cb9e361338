"""Policy gradients from samples: REINFORCE, whole episodes, and an empirical model."""

from __future__ import annotations

import numpy as np

from regmdp._internal.arrays import Float
from regmdp.reproduce.base import Check, Experiment, FigureSpec, Number, ProgressFunction, Result
from regmdp.reproduce.experiments import variance_figures as figures
from regmdp.reproduce.experiments.variance_exact import (
    ExactQuantities,
    compute_exact_quantities,
)
from regmdp.reproduce.experiments.variance_figures import compare_errors, group_by_arm
from regmdp.reproduce.experiments.variance_runs import (
    ARMS,
    BASELINE,
    GENERATIVE,
    PLAIN,
    WHOLE,
    EstimationTask,
    GradientErrors,
    LearningCurves,
    LearningTask,
    Settings,
    compute_exact_gaps,
    fit_exponent,
    run_task,
)
from regmdp.reproduce.parallel import map_in_processes

__all__ = ["EXPERIMENT", "run"]

FULL = Settings(
    shape=(20, 4, 4),
    horizon=10,
    temperature=0.1,
    pairs=(10, 30, 100, 300, 1000, 2000),
    runs=400,
    first=0.25,
    cut=50,
    pair=50,
    steps=(0.2, 2.0),
    iterations=150,
    seeds=20,
    seed=0,
)
QUICK = Settings(
    shape=(4, 2, 2),
    horizon=4,
    temperature=0.1,
    pairs=(40, 160, 640),
    runs=400,
    first=0.25,
    cut=20,
    pair=20,
    steps=(0.5, 2.0),
    iterations=20,
    seeds=10,
    seed=0,
)

#: Largest deviation of a mean in standard errors, exceeded with a probability of about 10^-5.
MAX_DEVIATIONS = 4.5


def run(settings: Settings, progress: ProgressFunction) -> Result:
    """Estimate one gradient many times with all budgets, and learn with all step sizes."""
    tasks = make_tasks(settings)
    found = map_in_processes(run_task, tasks, progress, _describe_task)
    estimates = [one for one in found if isinstance(one, GradientErrors)]
    tracks = [one for one in found if isinstance(one, LearningCurves)]
    exact_quantities, exact = (
        compute_exact_quantities(settings),
        {step: compute_exact_gaps(step, settings) for step in settings.steps},
    )
    closed = exact_quantities.closed_forms(settings)
    limit = float(closed[BASELINE][-1] / closed[PLAIN][-1])
    return Result(
        {
            "errors": _make_error_table(estimates, exact_quantities),
            "learning": _make_learning_table(tracks, exact, settings),
        },
        {
            "gradient-error": FigureSpec(
                lambda: figures.draw_errors(
                    estimates, exact_quantities.size, closed, limit, settings
                ),
                figures.make_error_caption(settings),
                figures.make_errors_alt(estimates, exact_quantities.size, limit),
            ),
            "learning": FigureSpec(
                lambda: figures.draw_learning(tracks, exact, settings),
                figures.make_learning_caption(settings),
                figures.make_learning_alt(tracks, exact),
            ),
        },
        (
            *_make_error_numbers(estimates, exact_quantities, settings),
            *_make_learning_numbers(tracks, exact, settings),
        ),
        (
            *_check_bias(estimates, exact_quantities),
            *_check_errors(estimates, exact_quantities, settings),
            *_check_order(estimates, exact_quantities, settings),
        ),
    )


def make_tasks(settings: Settings) -> list[EstimationTask | LearningTask]:
    """Return the tasks, long ones first."""
    learning = [LearningTask(arm, step, settings) for arm in ARMS for step in settings.steps]
    estimating = [
        EstimationTask(arm, pair, settings) for pair in settings.pairs[::-1] for arm in ARMS
    ]
    return [*estimating[: len(ARMS)], *learning, *estimating[len(ARMS) :]]


def _describe_task(task: EstimationTask | LearningTask) -> str:
    if isinstance(task, LearningTask):
        return f"learning, {task.arm}, step {task.step:g}"
    return f"gradient, {task.arm}, {task.settings.budget(task.pair):,} transitions"


def fit_error_exponent(found: list[GradientErrors]) -> float:
    """Fit the exponent of the root mean squared error, for the larger half of the budgets.

    Of two budgets both are used.
    """
    late = found[min(len(found) // 2, len(found) - 2) :]
    return fit_exponent(
        np.array([float(one.samples) for one in late]),
        np.sqrt([one.squares.mean() for one in late]),
    )


def count_deviations(one: GradientErrors, bias: Float[np.ndarray, " SA"] | float = 0.0) -> float:
    """Return the largest deviation of the mean error of an entry, in standard errors."""
    error = one.errors.std(axis=0, ddof=1) / np.sqrt(one.errors.shape[0])
    off = np.abs(one.errors.mean(axis=0) - bias)
    varying = error > 0.0  # an entry that is the same in all runs has no standard error
    return float(np.max(off[varying] / error[varying], initial=0.0))


def _make_error_table(
    estimates: list[GradientErrors], exact_quantities: ExactQuantities
) -> dict[str, np.ndarray]:
    rows = [
        (
            arm,
            one.task.pair,
            one.samples,
            one.squares.mean(),
            one.variance,
            one.mean_square,
            one.variance / one.squares.size,
        )
        for arm, found in group_by_arm(estimates).items()
        for one in found
    ]
    names = (
        "estimate",
        "samples_of_pair",
        "transitions",
        "mean_squared_error",
        "variance",
        "squared_mean_error",
        "of_chance_alone",
    )
    table = dict(zip(names, map(np.array, zip(*rows, strict=True)), strict=True))
    closed = exact_quantities.closed_forms(estimates[0].task.settings)
    nothing = np.full(len(estimates) // len(ARMS), np.nan)
    return {**table, "closed_form": np.concatenate([closed.get(arm, nothing) for arm in ARMS])}


def _make_learning_table(
    tracks: list[LearningCurves], exact: dict[float, Float[np.ndarray, " n"]], settings: Settings
) -> dict[str, np.ndarray]:
    count = settings.iterations + 1
    quantiles = np.concatenate(
        [
            np.quantile(
                one.gaps, (figures.BAND_QUANTILES[0], 0.5, figures.BAND_QUANTILES[1]), axis=1
            )
            for one in tracks
        ],
        axis=1,
    )
    return {
        "estimate": np.repeat([one.task.arm for one in tracks], count),
        "step": np.repeat([one.task.step for one in tracks], count),
        "iteration": np.tile(np.arange(count), len(tracks)),
        "transitions": np.concatenate([one.samples for one in tracks]),
        "gap_low": quantiles[0],
        "gap_median": quantiles[1],
        "gap_high": quantiles[2],
        "gap_exact": np.concatenate([exact[one.task.step] for one in tracks]),
    }


def _make_error_numbers(
    estimates: list[GradientErrors], exact_quantities: ExactQuantities, settings: Settings
) -> tuple[Number, ...]:
    arms, numbers = group_by_arm(estimates), []
    closed = {
        arm: np.sqrt(one[-1]) / exact_quantities.size
        for arm, one in exact_quantities.closed_forms(settings).items()
    }
    for arm, found in arms.items():
        errors = [np.sqrt(one.squares.mean()) / exact_quantities.size for one in found]
        numbers.append(
            Number(
                f"{arm}: relative error with {settings.budget(settings.pairs[0]):,} and "
                f"{settings.budget(settings.pairs[-1]):,} transitions",
                f"{errors[0]:.3g} and {errors[-1]:.3g}",
                f"{closed[arm]:.3g} for the second" if arm in closed else "",
            )
        )
    last = arms[GENERATIVE][-1]
    for arm in (PLAIN, BASELINE, WHOLE):
        share, low, high = compare_errors(arms[arm][-1], last)
        numbers.append(
            Number(
                f"transitions of {arm} per transition of the generative model, for equal errors",
                f"{share:,.0f} ({low:,.0f} to {high:,.0f})",
            )
        )
    quotients = ", ".join(
        f"{compare_errors(*pair)[0]:.2f}" for pair in zip(arms[BASELINE], arms[PLAIN], strict=True)
    )
    numbers.append(
        Number("ratio of squared errors with and without a baseline, for each budget", quotients)
    )
    numbers.append(
        Number(
            f"whole episodes: relative bias of the truncation after {settings.cut} steps",
            f"{np.linalg.norm(exact_quantities.truncation_bias) / exact_quantities.size:.2g}",
        )
    )
    return tuple(numbers)


def _make_learning_numbers(
    tracks: list[LearningCurves], exact: dict[float, Float[np.ndarray, " n"]], settings: Settings
) -> tuple[Number, ...]:
    numbers = []
    for step in settings.steps:
        ends = [
            f"{arm} {np.median(one.gaps[-1]):.3g}"
            for arm in ARMS
            for one in tracks
            if one.task[:2] == (arm, step)
        ]
        start = next(one.gaps[0, 0] for one in tracks)
        numbers.append(
            Number(
                f"step {step:g}: median gap after {settings.iterations} iterations, from "
                f"{start:.3g}",
                "; ".join(ends),
                f"{exact[step][-1]:.3g} with exact gradients",
            )
        )
    return tuple(numbers)


def _check_bias(estimates: list[GradientErrors], exact_quantities: ExactQuantities) -> list[Check]:
    arms = group_by_arm(estimates)
    off = [count_deviations(arms[arm][-1]) for arm in (PLAIN, BASELINE)]
    cut = count_deviations(arms[WHOLE][-1], exact_quantities.truncation_bias)
    return [
        Check(
            "REINFORCE is unbiased, with and without a baseline, in every entry of the gradient, "
            "with the largest budget",
            f"at most {off[0]:.1f} standard errors without, {off[1]:.1f} with a baseline",
            f"at most {MAX_DEVIATIONS:g}",
            max(off) <= MAX_DEVIATIONS,
        ),
        Check(
            "Whole episodes are unbiased up to the truncation, whose effect is computed exactly",
            f"at most {cut:.1f} standard errors",
            f"at most {MAX_DEVIATIONS:g}",
            cut <= MAX_DEVIATIONS,
        ),
    ]


def _check_errors(
    estimates: list[GradientErrors], exact_quantities: ExactQuantities, settings: Settings
) -> list[Check]:
    arms, closed = group_by_arm(estimates), exact_quantities.closed_forms(settings)
    slopes = {arm: fit_error_exponent(found) for arm, found in arms.items()}
    squares = [one.squares for one in arms[PLAIN]]
    off = max(
        abs(one.mean() - expected) / (one.std(ddof=1) / np.sqrt(one.size))
        for one, expected in zip(squares, closed[PLAIN], strict=True)
    )
    limits = {
        arm: float(arms[arm][-1].squares.mean() / closed[arm][-1]) for arm in (BASELINE, GENERATIVE)
    }
    return [
        Check(
            "The root mean squared error falls like the inverse square root of the transitions",
            ", ".join(f"{arm}: {one:.3f}" for arm, one in slopes.items()),
            "−0.5, within 0.07, for the larger half of the budgets",
            all(abs(one + 0.5) <= 0.07 for one in slopes.values()),
        ),
        Check(
            "The variance of REINFORCE equals its value by dynamic programming for the second "
            "moments of the returns, with every budget",
            f"at most {off:.1f} standard errors",
            f"at most {MAX_DEVIATIONS:g}",
            bool(off <= MAX_DEVIATIONS),
        ),
        Check(
            "With the largest budget a baseline has the squared error of the exact baseline, and "
            "the generative model that of its linearisation",
            " and ".join(f"{one:.3f}" for one in limits.values()) + " times as large",
            "1, within 0.1",
            all(abs(one - 1.0) <= 0.1 for one in limits.values()),
        ),
    ]


def _check_order(
    estimates: list[GradientErrors], exact_quantities: ExactQuantities, settings: Settings
) -> list[Check]:
    arms, closed = group_by_arm(estimates), exact_quantities.closed_forms(settings)
    share, low, high = compare_errors(arms[BASELINE][-1], arms[PLAIN][-1])
    highest = max(
        compare_errors(model, other)[2]
        for arm in (PLAIN, BASELINE)
        for model, other in zip(arms[GENERATIVE], arms[arm], strict=True)
    )
    expected = [float(closed[GENERATIVE][-1] / closed[arm][-1]) for arm in (PLAIN, BASELINE)]
    return [
        Check(
            "With the largest budget a baseline reduces the squared error, including its samples",
            f"to {share:.3f} of it, with 95% confidence {low:.3f} to {high:.3f}",
            f"below 1; {closed[BASELINE][-1] / closed[PLAIN][-1]:.3f} for an exact baseline of "
            "equal cost",
            high < 1.0,
        ),
        Check(
            "The generative model has the smaller squared error, with every budget",
            f"at most {highest:.2g} of that of REINFORCE, with 95% confidence",
            f"below 1; {expected[0]:.2g} and {expected[1]:.2g} without and with a baseline by the "
            "closed forms",
            highest < 1.0,
        ),
    ]


EXPERIMENT = Experiment(
    name="variance",
    title="Policy gradients from samples",
    summary=(
        "REINFORCE with and without a baseline, whole episodes, and an empirical model: errors of "
        "the gradient, and learning."
    ),
    theory=(
        "The gradient of V(ρ) with respect to the logits of a softmax policy is",
        "    ∂V(ρ)/∂θ(s,a) = 1/(1−γ) · d(s) π(a|s) A(s,a).",
        "REINFORCE follows an episode for a random time, so that it is in state s with probability "
        "d(s), takes an action a there, continues for another random time and sums the rewards to "
        "G. Every episode gives one unbiased estimate,",
        "    1/(1−γ) · ( G − τ log π(a|s) − b(s) ) ∇ log π(a|s),",
        "for any baseline b that does not depend on the episode. Here b is the value estimated "
        "from earlier episodes, which are part of the budget. The variance follows from the second "
        "moments of the return G, which solve a linear equation similar to that of Q. As the "
        "horizon is random, G varies even if all rewards are equal, and no baseline removes this "
        "variance.",
        "Whole episodes of H steps use every step, with discounted returns instead of random "
        "horizons; the truncation causes a bias of about γ^H.",
        "The generative model draws every pair n times. Its estimate is the exact gradient of the "
        "policy's value in the empirical model; occupancy and action values are both those of the "
        "empirical model. It is a smooth function of the frequencies: its bias is of order 1/n, "
        "and its variance, to first order in 1/n, follows from the derivative.",
        (
            "So all errors fall like the inverse square root of the transitions, with different "
            "factors."
        ),
    ),
    sources=(
        "Williams 1992, Machine Learning 8, equation 11",
        "Sutton, McAllester, Singh & Mansour 2000, NIPS, Theorem 1",
        "Greensmith, Bartlett & Baxter 2004, JMLR 5, for baselines and variance",
        "Agarwal, Kakade, Lee & Mahajan 2021, JMLR 22(98), Algorithm 3: the two random horizons",
    ),
    full=FULL,
    quick=QUICK,
    run=run,
    caveat=(
        "Equal numbers of transitions are not equal access. The generative model samples any state "
        "and action; episodes start from ρ. Also, rewards are deterministic here: the empirical "
        "model knows them after the first sample, so that its error has the magnitude of the "
        "differences of values between states, which are small on a random model, while REINFORCE "
        "averages numbers of the magnitude of the returns. On a model with few states this is a "
        "large advantage; it shrinks with the fraction of pairs that the policy visits."
    ),
)
