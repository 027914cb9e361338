"""The policy gradient from samples: REINFORCE with and without a baseline, and an empirical model, with equal budgets."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from regmdp._internal.arrays import Float
from regmdp.regularizers import Shannon
from regmdp.reproduce.base import Check, Experiment, FigureSpec, Number, ProgressFunction, Result
from regmdp.reproduce.experiments import variance_figures as figures
from regmdp.reproduce.experiments.variance_figures import by_arm, ratio
from regmdp.reproduce.experiments.variance_runs import (
    ARMS,
    BASELINE,
    GENERATIVE,
    PLAIN,
    WHOLE,
    Estimated,
    Estimating,
    Learning,
    Settings,
    Track,
    cut_gradient,
    exact_gaps,
    exact_gradient,
    exponent,
    perform,
    plug_in_variance,
    policy_of,
    problem,
    rollout_variance,
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

#: A mean of many numbers is off by less than this many standard errors, but for one time in 10^5.
DEVIATIONS = 4.5


class Truth(NamedTuple):
    """What is known without samples.

    Attributes:
        gradient: (S, A) ∇V(ρ).
        cut: (S, A) what whole episodes estimate instead.
        one: Variance of REINFORCE with one episode.
        one_baseline: The same with the exact baseline.
        plug_in: n times the variance of the plug-in gradient, as n → ∞.
    """

    gradient: Float[np.ndarray, "S A"]
    cut: Float[np.ndarray, "S A"]
    one: float
    one_baseline: float
    plug_in: float

    @property
    def size(self) -> float:
        """‖∇V(ρ)‖."""
        return float(np.linalg.norm(self.gradient))

    @property
    def missing(self) -> Float[np.ndarray, " SA"]:
        """(S·A,) the bias of whole episodes."""
        return (self.cut - self.gradient).ravel()

    def closed(self, settings: Settings) -> dict[str, Float[np.ndarray, " n"]]:
        """Return the (n,) mean squared errors with each budget, by arm, where there is a closed form."""
        used = {
            arm: np.array([float(settings.used(arm, n)) for n in settings.pairs])
            for arm in (PLAIN, BASELINE)
        }
        return {
            PLAIN: self.one / used[PLAIN],
            BASELINE: self.one_baseline / used[BASELINE],
            GENERATIVE: self.plug_in / np.array(settings.pairs),
        }


def run(settings: Settings, progress: ProgressFunction) -> Result:
    """Estimate one gradient many times over, with all budgets, and learn with all steps."""
    tasks = all_tasks(settings)
    found = map_in_processes(perform, tasks, progress, _describe_task)
    estimates = [one for one in found if isinstance(one, Estimated)]
    tracks = [one for one in found if isinstance(one, Track)]
    truth, exact = truth_of(settings), {step: exact_gaps(step, settings) for step in settings.steps}
    closed = truth.closed(settings)
    limit = float(closed[BASELINE][-1] / closed[PLAIN][-1])
    return Result(
        {
            "errors": _error_table(estimates, truth),
            "learning": _learning_table(tracks, exact, settings),
        },
        {
            "gradient-error": FigureSpec(
                lambda: figures.draw_errors(estimates, truth.size, closed, limit, settings),
                figures.errors_caption(settings),
                figures.ERRORS_ALT,
            ),
            "learning": FigureSpec(
                lambda: figures.draw_learning(tracks, exact, settings),
                figures.learning_caption(settings),
                figures.LEARNING_ALT,
            ),
        },
        (*_error_numbers(estimates, truth, settings), *_learning_numbers(tracks, exact, settings)),
        (
            *_bias_checks(estimates, truth),
            *_size_checks(estimates, truth, settings),
            *_order_checks(estimates, truth, settings),
        ),
    )


def all_tasks(settings: Settings) -> list[Estimating | Learning]:
    """Return what is run, what takes long first."""
    learning = [Learning(arm, step, settings) for arm in ARMS for step in settings.steps]
    estimating = [Estimating(arm, pair, settings) for pair in settings.pairs[::-1] for arm in ARMS]
    return [*estimating[: len(ARMS)], *learning, *estimating[len(ARMS) :]]


def _describe_task(task: Estimating | Learning) -> str:
    if isinstance(task, Learning):
        return f"learning, {task.arm}, step {task.step:g}"
    return f"gradient, {task.arm}, {task.settings.budget(task.pair):,} transitions"


def truth_of(settings: Settings) -> Truth:
    """Return what is known without samples."""
    mdp, regularizer, policy = problem(settings), Shannon(settings.temperature), policy_of(settings)
    return Truth(
        exact_gradient(mdp, regularizer, policy),
        cut_gradient(mdp, regularizer, policy, settings.cut),
        rollout_variance(mdp, regularizer, policy, baseline=False),
        rollout_variance(mdp, regularizer, policy, baseline=True),
        plug_in_variance(mdp, regularizer, policy),
    )


def slope(found: list[Estimated]) -> float:
    """Return the exponent of the root mean squared error in the transitions, for the larger half of the budgets."""
    late = found[len(found) // 2 :]
    return exponent(
        np.array([float(one.samples) for one in late]),
        np.sqrt([one.squares.mean() for one in late]),
    )


def deviations(one: Estimated, bias: Float[np.ndarray, " SA"] | float = 0.0) -> float:
    """Return by how many standard errors the mean error of an entry is off, in the worst entry."""
    error = one.errors.std(axis=0, ddof=1) / np.sqrt(one.errors.shape[0])
    return float(np.max(np.abs(one.errors.mean(axis=0) - bias) / error))


def _error_table(estimates: list[Estimated], truth: Truth) -> dict[str, np.ndarray]:
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
        for arm, found in by_arm(estimates).items()
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
    closed = truth.closed(estimates[0].task.settings)
    nothing = np.full(len(estimates) // len(ARMS), np.nan)
    return {**table, "closed_form": np.concatenate([closed.get(arm, nothing) for arm in ARMS])}


def _learning_table(
    tracks: list[Track], exact: dict[float, Float[np.ndarray, " n"]], settings: Settings
) -> dict[str, np.ndarray]:
    count = settings.iterations + 1
    quantiles = np.concatenate(
        [np.quantile(one.gaps, (figures.ENDS[0], 0.5, figures.ENDS[1]), axis=1) for one in tracks],
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


def _error_numbers(
    estimates: list[Estimated], truth: Truth, settings: Settings
) -> tuple[Number, ...]:
    arms, numbers = by_arm(estimates), []
    closed = {arm: np.sqrt(one[-1]) / truth.size for arm, one in truth.closed(settings).items()}
    for arm, found in arms.items():
        errors = [np.sqrt(one.squares.mean()) / truth.size for one in found]
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
        share, low, high = ratio(arms[arm][-1], last)
        numbers.append(
            Number(
                f"transitions that {arm} needs for one of the generative model, for the same error",
                f"{share:,.0f} ({low:,.0f} to {high:,.0f})",
            )
        )
    quotients = ", ".join(
        f"{ratio(*pair)[0]:.2f}" for pair in zip(arms[BASELINE], arms[PLAIN], strict=True)
    )
    numbers.append(
        Number("squared error with a baseline over that without, with each budget", quotients)
    )
    numbers.append(
        Number(
            f"whole episodes: bias of the cut after {settings.cut} steps, relative",
            f"{np.linalg.norm(truth.missing) / truth.size:.2g}",
        )
    )
    return tuple(numbers)


def _learning_numbers(
    tracks: list[Track], exact: dict[float, Float[np.ndarray, " n"]], settings: Settings
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


def _bias_checks(estimates: list[Estimated], truth: Truth) -> list[Check]:
    arms = by_arm(estimates)
    off = [deviations(arms[arm][-1]) for arm in (PLAIN, BASELINE)]
    cut = deviations(arms[WHOLE][-1], truth.missing)
    return [
        Check(
            "REINFORCE is unbiased, with and without a baseline, in every entry of the gradient, "
            "with the largest budget",
            f"off by at most {off[0]:.1f} standard errors without, {off[1]:.1f} with a baseline",
            f"at most {DEVIATIONS:g}",
            max(off) <= DEVIATIONS,
        ),
        Check(
            "Whole episodes are unbiased but for the cut, whose effect dynamic programming gives",
            f"off by at most {cut:.1f} standard errors",
            f"at most {DEVIATIONS:g}",
            cut <= DEVIATIONS,
        ),
    ]


def _size_checks(estimates: list[Estimated], truth: Truth, settings: Settings) -> list[Check]:
    arms, closed = by_arm(estimates), truth.closed(settings)
    slopes = {arm: slope(found) for arm, found in arms.items()}
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
            "The variance of REINFORCE is what dynamic programming for the second moments of the "
            "returns gives, with every budget",
            f"off by at most {off:.1f} standard errors",
            f"at most {DEVIATIONS:g}",
            bool(off <= DEVIATIONS),
        ),
        Check(
            "With the largest budget a baseline has the squared error of the exact baseline, and "
            "the generative model that of its linearisation",
            " and ".join(f"{one:.3f}" for one in limits.values()) + " times as large",
            "1, within 0.1",
            all(abs(one - 1.0) <= 0.1 for one in limits.values()),
        ),
    ]


def _order_checks(estimates: list[Estimated], truth: Truth, settings: Settings) -> list[Check]:
    arms, closed = by_arm(estimates), truth.closed(settings)
    share, low, high = ratio(arms[BASELINE][-1], arms[PLAIN][-1])
    highest = max(
        ratio(model, other)[2]
        for arm in (PLAIN, BASELINE)
        for model, other in zip(arms[GENERATIVE], arms[arm], strict=True)
    )
    expected = [float(closed[GENERATIVE][-1] / closed[arm][-1]) for arm in (PLAIN, BASELINE)]
    return [
        Check(
            "With the largest budget a baseline lowers the squared error, its own samples counted",
            f"to {share:.3f} of it, with 95% confidence {low:.3f} to {high:.3f}",
            f"below 1; {closed[BASELINE][-1] / closed[PLAIN][-1]:.3f} for an exact baseline that "
            "costs as much",
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
        "REINFORCE stops an episode at random, so that it is in state s with probability d(s), "
        "takes an action a there, goes on for another random time, adds up the rewards, and has "
        "with every episode one unbiased estimate,",
        "    1/(1−γ) · ( G − τ log π(a|s) − b(s) ) ∇ log π(a|s),",
        "whatever the baseline b is, if it does not depend on the episode. Here b is the value "
        "estimated from earlier episodes, which are part of the budget. The variance follows from "
        "the second moments of the return G, which solve a linear equation like that of Q. As the "
        "horizon is random, G varies even where every step is paid the same, and no baseline takes "
        "that away.",
        "Whole episodes of H steps use every step, with discounted returns instead of random "
        "horizons; they are biased by the cut, by about γ^H.",
        "The generative model draws every pair n times. Its estimate is the exact gradient of the "
        "policy's value in the empirical model that this makes; occupancy and action values are "
        "both the empirical ones. It is a smooth function of the frequencies: its bias is of order "
        "1/n, and its variance, to first order in 1/n, follows from the derivative.",
        (
            "So all errors fall like the inverse square root of the transitions, and what differs "
            "are the factors."
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
        "Equal numbers of transitions are not equal access. The generative model is asked for any "
        "state and action; episodes only begin in ρ. And rewards are without noise here: the "
        "empirical model knows them from the first sample on, so that its error is of the size by "
        "which values differ from state to state, which is small on a random model, while what "
        "REINFORCE averages is of the size of the returns themselves. On a model of few states all "
        "this is a great advantage; it shrinks with the share of the pairs that the policy visits."
    ),
)
