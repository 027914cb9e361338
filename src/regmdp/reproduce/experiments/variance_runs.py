"""Runs of the experiment on gradient estimates: many estimates, and learning with them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, NamedTuple

import numpy as np
from scipy.special import softmax

from regmdp import models, theory
from regmdp._internal.arrays import Float, Int
from regmdp._internal.events import Event
from regmdp._internal.kinds import Integer, Number
from regmdp._learn import learn
from regmdp._solve import solve
from regmdp.algorithms import SoftmaxPG
from regmdp.evaluation import (
    Rollouts,
    RunBatch,
    SampledEvaluation,
)
from regmdp.mdp import MDP
from regmdp.regularizers import Shannon
from regmdp.reproduce.experiments.variance_gradients import PlugInGradient, compute_gradient
from regmdp.reproduce.settings import Items, check_fields, require, require_branching
from regmdp.samples import RandomStreams

__all__ = [
    "ARMS",
    "BASELINE",
    "GENERATIVE",
    "PLAIN",
    "WHOLE",
    "EstimationTask",
    "GradientErrors",
    "LearningCurves",
    "LearningTask",
    "Settings",
    "compute_exact_gaps",
    "draw_policy",
    "fit_exponent",
    "make_problem",
    "run_task",
]

PLAIN, BASELINE, WHOLE, GENERATIVE = (
    "REINFORCE",
    "REINFORCE, baseline",
    "whole episodes, baseline",
    "generative model",
)
ARMS = (PLAIN, BASELINE, WHOLE, GENERATIVE)

#: Fewest episodes of an estimate, some of which are for the baseline.
FEWEST_EPISODES = 4
#: Largest number of transitions of all runs of a batch.
MOST_TRANSITIONS = 2e8


@dataclass(frozen=True)
class Settings:
    """Settings of the experiment.

    Attributes:
        shape: (S, A, successors) of the random model, whose rewards are uniform in [0, 1].
        horizon: 1/(1-γ).
        temperature: τ of Shannon entropy.
        pairs: n, samples of each pair of the generative model, increasing: the budget of all
            estimates is S A n transitions.
        runs: Number of estimates of one gradient, per method and budget.
        first: Fraction of the episodes that is used for the baseline, if any.
        cut: H, length of whole episodes.
        pair: n of one iteration of learning.
        steps: η, the step sizes of learning.
        iterations: Number of iterations of learning.
        seeds: Number of runs of learning.
        seed: Seed of the model, the policy and the samples.
    """

    shape: tuple[
        Annotated[int, Integer(2, 50)],
        Annotated[int, Integer(2, 10)],
        Annotated[int, Integer(2, 50)],
    ]
    horizon: Annotated[int, Integer(2, 100)]
    temperature: Annotated[float, Number(1e-4, 1e3)]
    pairs: Annotated[
        tuple[Annotated[int, Integer(1, 100_000)], ...],
        Items(least=2, most=20, order="increasing"),
    ]
    runs: Annotated[int, Integer(10, 10_000)]
    first: Annotated[float, Number(0.01, 0.5)]
    cut: Annotated[int, Integer(1, 1000)]
    pair: Annotated[int, Integer(1, 100_000)]
    steps: Annotated[
        tuple[Annotated[float, Number(1e-4, 1e3)], ...], Items(most=4, order="increasing")
    ]
    iterations: Annotated[int, Integer(1, 100_000)]
    seeds: Annotated[int, Integer(1, 1000)]
    seed: Annotated[int, Integer(0)]

    def __post_init__(self) -> None:
        check_fields(self)
        require_branching(self.shape)
        episodes = min(self.episodes(arm, min(self.pairs[0], self.pair)) for arm in ARMS)
        require(
            episodes >= FEWEST_EPISODES,
            f"the smallest budget of pairs and pair has {episodes} episodes, fewer than "
            f"{FEWEST_EPISODES}; use larger pairs, a smaller cut or a shorter horizon",
        )
        largest = self.budget(max(*self.pairs, self.pair)) * max(self.runs, self.seeds)
        require(
            largest <= MOST_TRANSITIONS,
            f"one batch would draw {largest:.1e} transitions, more than {MOST_TRANSITIONS:.0e}; "
            "use fewer runs, or smaller pairs",
        )

    @property
    def discount(self) -> float:
        """γ."""
        return 1.0 - 1.0 / self.horizon

    def budget(self, pair: int) -> int:
        """Return the number of transitions for n samples of each pair."""
        return self.shape[0] * self.shape[1] * pair

    def episodes(self, arm: str, pair: int) -> int:
        """Return the number of episodes of a budget: of length H, or (1+γ)/(1-γ) on average."""
        length = self.cut if arm == WHOLE else (1.0 + self.discount) / (1.0 - self.discount)
        return max(2, round(self.budget(pair) / length))

    def episodes_for_gradient(self, arm: str, pair: int) -> int:
        """Return the number of episodes for the gradient, without those for the baseline."""
        episodes = self.episodes(arm, pair)
        return episodes if arm == PLAIN else episodes - max(1, round(self.first * episodes))


class EstimationTask(NamedTuple):
    """Many estimates of one gradient."""

    arm: str
    pair: int
    settings: Settings


class LearningTask(NamedTuple):
    """Many runs of softmax policy gradient."""

    arm: str
    step: float
    settings: Settings


class GradientErrors(NamedTuple):
    """Errors of many estimates of one gradient.

    Attributes:
        task: The task.
        samples: Mean number of transitions per estimate.
        errors: (runs, S·A) differences from the exact gradient.
    """

    task: EstimationTask
    samples: int
    errors: Float[np.ndarray, "runs SA"]

    @property
    def squares(self) -> Float[np.ndarray, " runs"]:
        """(runs,) squared errors, summed over the entries of the gradient."""
        return np.sum(self.errors**2, axis=1)

    @property
    def variance(self) -> float:
        """Variance, summed over the entries."""
        return float(np.var(self.errors, axis=0, ddof=1).sum())

    @property
    def mean_square(self) -> float:
        """Squared length of the mean error; without bias its expectation is variance/runs."""
        return float(np.sum(self.errors.mean(axis=0) ** 2))


class LearningCurves(NamedTuple):
    """Gaps of many runs of learning.

    Attributes:
        task: The task.
        samples: (n + 1,) transitions before each policy.
        gaps: (n + 1, seeds) V*(ρ) - V(ρ), both with entropy.
    """

    task: LearningTask
    samples: Int[np.ndarray, " n"]
    gaps: Float[np.ndarray, "n seeds"]


def make_problem(settings: Settings) -> MDP:
    """Return the random model."""
    n_states, n_actions, branching = settings.shape
    rng = np.random.default_rng([settings.seed, *settings.shape])
    garnet = models.garnet(n_states, n_actions, branching, rng=rng)
    return MDP(garnet.to_array(), rng.random((n_states, n_actions)), settings.discount)


def draw_policy(settings: Settings) -> Float[np.ndarray, "S A"]:
    """Draw the (S, A) policy whose gradient is estimated, with normal logits."""
    return softmax(
        np.random.default_rng([settings.seed, 1]).normal(size=settings.shape[:2]), axis=1
    )


def run_task(task: EstimationTask | LearningTask) -> GradientErrors | LearningCurves:
    """Run a task."""
    return _estimate_gradients(task) if isinstance(task, EstimationTask) else _learn(task)


def _estimate_gradients(task: EstimationTask) -> GradientErrors:
    """Estimate the gradient many times."""
    arm, pair, settings = task
    mdp, regularizer, policy = (
        make_problem(settings),
        Shannon(settings.temperature),
        draw_policy(settings),
    )
    seeds = [settings.seed, ARMS.index(arm), pair]
    batch = RunBatch(
        mdp, RandomStreams([np.random.default_rng([*seeds, run]) for run in range(settings.runs)])
    )
    tiled, before = np.tile(policy, (settings.runs, 1)), None
    if arm == GENERATIVE:
        evaluation: SampledEvaluation = PlugInGradient(pair)
    else:
        used, cut = (
            settings.episodes_for_gradient(arm, pair),
            settings.cut if arm == WHOLE else None,
        )
        evaluation = Rollouts(used, horizon=cut, baseline=arm != PLAIN)
        if arm != PLAIN:
            before = Rollouts(settings.episodes(arm, pair) - used, horizon=cut)(
                batch, regularizer, tiled, None
            )
    estimate = evaluation(batch, regularizer, tiled, before)
    assert estimate.gradient is not None
    errors = batch.split(estimate.gradient) - compute_gradient(mdp, regularizer, policy)
    return GradientErrors(task, estimate.samples, errors.reshape(settings.runs, -1))


def _learn(task: LearningTask) -> LearningCurves:
    """Learn many times, and evaluate all policies exactly."""
    arm, step, settings = task
    mdp, regularizer = make_problem(settings), Shannon(settings.temperature)
    best = float(mdp.initial @ theory.compute_optimum(mdp, regularizer).value)
    cut = settings.cut if arm == WHOLE else None
    evaluation = (
        PlugInGradient(settings.pair)
        if arm == GENERATIVE
        else Rollouts(settings.episodes(arm, settings.pair), horizon=cut, baseline=arm != PLAIN)
    )
    samples: list[int] = []
    gaps: list[Float[np.ndarray, " seeds"]] = []

    def measure(event: Event) -> None:
        assert event.state.next_policy is not None
        policies = event.state.next_policy.reshape(-1, *mdp.rewards.shape)
        gaps.append(best - _evaluate_policies(mdp, policies, settings.temperature))
        samples.append(int(event.measures["samples"]))

    seeds = [settings.seed, len(ARMS) + ARMS.index(arm), round(1e6 * step)]
    learn(
        mdp,
        regularizer,
        SoftmaxPG(step, evaluation=evaluation),
        max_iterations=settings.iterations,
        rng=[np.random.default_rng([*seeds, run]) for run in range(settings.seeds)],
        callback=measure,
    )
    return LearningCurves(task, np.array(samples), np.array(gaps))


def compute_exact_gaps(step: float, settings: Settings) -> Float[np.ndarray, " n"]:
    """Return the (n + 1,) gaps of softmax policy gradient with exact gradients."""
    mdp, regularizer = make_problem(settings), Shannon(settings.temperature)
    best, gaps = float(mdp.initial @ theory.compute_optimum(mdp, regularizer).value), []

    def measure(event: Event) -> None:
        assert event.state.policy is not None
        gaps.append(
            best
            - _evaluate_policies(mdp, np.asarray(event.state.policy)[None], settings.temperature)[0]
        )

    solve(
        mdp,
        regularizer,
        SoftmaxPG(step),
        tol=0.0,
        max_iterations=settings.iterations,
        callback=measure,
    )
    return np.array(gaps)


def _evaluate_policies(
    mdp: MDP, policy: Float[np.ndarray, "N S A"], temperature: float
) -> Float[np.ndarray, " N"]:
    """(N, S, A) policies of a dense model -> (N,) values from ρ, with Shannon entropy."""
    chain = np.einsum("nsa,sat->nst", policy, mdp.to_array())
    price = np.where(policy > 0, np.log(np.where(policy > 0, policy, 1.0)), 0.0)
    expected = np.sum(policy * (mdp.rewards - temperature * price), axis=-1)
    value = np.linalg.solve(np.eye(mdp.n_states) - mdp.discount * chain, expected[..., None])[
        ..., 0
    ]
    return value @ mdp.initial


def fit_exponent(x: Float[np.ndarray, " n"], y: Float[np.ndarray, " n"]) -> float:
    """Fit the exponent of a power law to points; NaN for fewer than two different x."""
    if np.unique(x).size < 2:
        return math.nan
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])
