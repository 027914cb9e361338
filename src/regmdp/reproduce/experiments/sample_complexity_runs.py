"""Runs of the experiment on sample complexity: samples with which 90 % of runs are within ε."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, NamedTuple

import numpy as np

from regmdp import models, theory
from regmdp._internal.arrays import Array, Float
from regmdp._internal.kinds import Integer, Number
from regmdp._learn import learn
from regmdp._solve import solve
from regmdp.algorithms import NPG, Maximum, PolicyOptimization, ValueMirrorDescent
from regmdp.evaluation import GenerativeModel, VarianceReducedSweep
from regmdp.evaluation.sample_schedules import default_period
from regmdp.mdp import MDP
from regmdp.regularizers import Shannon
from regmdp.reproduce.settings import Items, check_fields, require, require_branching

__all__ = [
    "FRESH",
    "LOOPS",
    "METHODS",
    "N_RESAMPLES",
    "RANDOM",
    "REUSED",
    "VALUE_DESCENT",
    "SampleCount",
    "SampleCurve",
    "SampleTask",
    "Settings",
    "compute_gaps",
    "count_exact_iterations",
    "count_iterations",
    "find_crossing",
    "find_sample_count",
    "make_problem",
    "predict_samples",
    "temperature_for_accuracy",
]

LOOPS, RANDOM = "two loops", "random model"
REUSED, FRESH, VALUE_DESCENT = METHODS = (
    "one model, reused",
    "fresh samples",
    "value mirror descent",
)

Horizon = Annotated[int, Integer(2, 64)]
Accuracy = Annotated[float, Number(1e-3, 100.0)]
#: Largest (1-γ)^-3 ε^-2 on the two loops, and on random models, where fewer samples are enough.
MOST_LOOP_SAMPLES, MOST_RANDOM_SAMPLES = 3e5, 1e7

#: Tried numbers of samples: integers, two per factor of 2.
SAMPLE_GRID = tuple(sorted({round(2.0 ** (j / 2.0)) for j in range(60)}))
#: Number of bootstrap samples for the interval of a crossing.
N_RESAMPLES = 400


@dataclass(frozen=True)
class Settings:
    """Settings of the experiment.

    Attributes:
        shape: (S, A, b) of the random models, where b is the number of successors of each pair.
        models: Number of random models.
        horizon: 1/(1-γ), if ε varies.
        accuracies: ε on the two loops; the largest first.
        random_accuracies: ε on the random models.
        accuracy: ε on the two loops, if 1/(1-γ) varies.
        random_accuracy: ε on the random models, if 1/(1-γ) varies.
        horizons: 1/(1-γ); the smallest first.
        runs: Number of runs per number of samples, with one reused model.
        fresh_runs: Number of runs per number of samples, with the other methods.
        share: Required fraction of runs within ε.
        seed: Seed of models and samples.
    """

    shape: tuple[
        Annotated[int, Integer(2, 50)],
        Annotated[int, Integer(2, 20)],
        Annotated[int, Integer(1, 50)],
    ]
    models: Annotated[int, Integer(1, 100)]
    horizon: Horizon
    accuracies: Annotated[tuple[Accuracy, ...], Items(least=2, most=20, order="decreasing")]
    random_accuracies: Annotated[tuple[Accuracy, ...], Items(least=2, most=20, order="decreasing")]
    accuracy: Accuracy
    random_accuracy: Accuracy
    horizons: Annotated[tuple[Horizon, ...], Items(least=2, most=20, order="increasing")]
    runs: Annotated[int, Integer(10, 10_000)]
    fresh_runs: Annotated[int, Integer(10, 10_000)]
    share: Annotated[float, Number(0.05, 0.99)]
    seed: Annotated[int, Integer(0)]

    def __post_init__(self) -> None:
        check_fields(self)
        require_branching(self.shape)
        for name, horizon, accuracy in (
            ("the largest of accuracies", self.horizon, self.accuracies[0]),
            ("accuracy", self.horizons[0], self.accuracy),
        ):
            # the worse loop must have a value of at least 1, its first reward
            largest = 0.5 * (0.75 * horizon - 1.0)
            require(
                accuracy <= largest,
                f"{name} must be at most {largest:g}, because with 1/(1−γ) = {horizon} the values "
                f"of the two loops cannot differ by more than twice that; it is {accuracy:g}",
            )
        hardest = (
            (MOST_LOOP_SAMPLES, self.horizon, self.accuracies[-1]),
            (MOST_LOOP_SAMPLES, self.horizons[-1], self.accuracy),
            (MOST_RANDOM_SAMPLES, self.horizon, self.random_accuracies[-1]),
            (MOST_RANDOM_SAMPLES, self.horizons[-1], self.random_accuracy),
        )
        for most, horizon, accuracy in hardest:
            needed = horizon**3 / accuracy**2
            require(
                needed <= most,
                f"1/(1−γ) = {horizon} and ε = {accuracy:g} need about {needed:.1e} samples "
                f"of a pair, more than the {most:.0e} that are allowed",
            )


class SampleTask(NamedTuple):
    """One point of a curve."""

    problem: str
    method: str
    horizon: int
    accuracy: float
    number: int
    settings: Settings


class SampleCount(NamedTuple):
    """Number of samples for the required fraction of successful runs.

    Attributes:
        task: The task.
        iterations: T, each with an evaluation.
        tried: (k,) tried samples per pair and evaluation, increasing.
        successes: (k,) runs within ε at the end.
        samples: Samples per pair and evaluation with the required fraction of successes,
            interpolated between tried numbers; for value mirror descent those of a reference.
        resampled: (N_RESAMPLES,) bootstrap samples of ``samples``.
    """

    task: SampleTask
    iterations: int
    tried: Float[np.ndarray, " k"]
    successes: Float[np.ndarray, " k"]
    samples: float
    resampled: Float[np.ndarray, " m"]

    def count_all(self, samples: Float[Array, "*n"] | float) -> Float[np.ndarray, "*n"]:
        """Samples of one evaluation -> samples per pair in all iterations."""
        samples = np.asarray(samples, dtype=np.float64)
        if self.task.method != VALUE_DESCENT:
            return np.asarray(samples * (self.iterations if self.task.method == FRESH else 1))
        # references, and between them about as many again
        period = _epoch(self.task.horizon)
        epochs = self.iterations // period
        between = (self.iterations - epochs) * np.ceil(samples / period)
        return np.asarray(epochs * samples + between)

    @property
    def total(self) -> float:
        """Samples per pair in all iterations."""
        return float(self.count_all(self.samples))

    @property
    def interval(self) -> tuple[float, float]:
        """The 2.5th and the 97.5th percentile of the total."""
        low, high = self.count_all(np.quantile(self.resampled, (0.025, 0.975)))
        return float(low), float(high)


class SampleCurve(NamedTuple):
    """Samples of a method on a problem as ε or the horizon varies.

    Attributes:
        problem: Name of the problem.
        method: Name of the method.
        sweep: "accuracy" or "horizon".
        x: (n,) 1/ε or 1/(1-γ), increasing.
        found: n lists with one entry per model.
    """

    problem: str
    method: str
    sweep: str
    x: Float[np.ndarray, " n"]
    found: list[list[SampleCount]]

    @property
    def total(self) -> Float[np.ndarray, "models n"]:
        """(models, n) samples per pair in all iterations."""
        return np.array([[one.total for one in here] for here in self.found]).T

    @property
    def each(self) -> Float[np.ndarray, "models n"]:
        """(models, n) samples per pair in one evaluation."""
        return np.array([[one.samples for one in here] for here in self.found]).T

    @property
    def intervals(self) -> Float[np.ndarray, "2 models n"]:
        """(2, models, n) ends of the 95% intervals of the totals."""
        return np.array([[one.interval for one in here] for here in self.found]).transpose(2, 1, 0)

    @property
    def predicted(self) -> Float[np.ndarray, "models n"]:
        """(models, n) samples per pair of inexact NPG as the theory counts them."""
        counts = [[float(predict_samples(one.task)) for one in here] for here in self.found]
        return np.array(counts).T

    def slope(self, values: Float[np.ndarray, "models n"]) -> float:
        """Fit the exponent of a power law to the medians over the models."""
        return float(np.polyfit(np.log(self.x), np.log(np.median(values, axis=0)), 1)[0])

    def slope_interval(self) -> tuple[float, float]:
        """Return the 95% bootstrap interval of the exponent of the totals."""
        drawn = np.array(
            [[one.count_all(one.resampled) for one in here] for here in self.found]
        ).transpose(2, 1, 0)
        low, high = np.quantile([self.slope(values) for values in drawn], (0.025, 0.975))
        return float(low), float(high)


def make_problem(task: SampleTask) -> MDP:
    """Return the model of a task.

    Two loops: one state with two actions. Each pays 1 and then continues in that state with some
    probability, or terminates. The better action continues with p = (4γ-1)/(3γ), so that its value
    is 3/4 of 1/(1-γ); the value of the worse one is smaller by 2ε. Random model: a Garnet with
    rewards uniform in [0, 1], the same for all γ and ε.
    """
    discount = 1.0 - 1.0 / task.horizon
    if task.problem == LOOPS:
        better = (4.0 * discount - 1.0) / (3.0 * discount)
        value = 1.0 / (1.0 - discount * better)
        worse = max(0.0, (1.0 - 1.0 / (value - 2.0 * task.accuracy)) / discount)
        continuation = np.array([better, worse])
        return MDP(
            continuation.reshape(1, 2, 1),
            np.ones((1, 2)),
            discount,
            termination=(1.0 - continuation)[None, :],
        )
    n_states, n_actions, branching = task.settings.shape
    rng = np.random.default_rng([task.settings.seed, *task.settings.shape, task.number])
    garnet = models.garnet(n_states, n_actions, branching, rng=rng)
    return MDP(garnet.to_array(), rng.random((n_states, n_actions)), discount)


def temperature_for_accuracy(mdp: MDP, accuracy: float) -> float:
    """Return τ = (1-γ)ε/(2 log A), with which entropy costs at most ε/2: τ log A per step."""
    return theory.temperature_for_accuracy(mdp, accuracy / 2.0)


def predict_samples(task: SampleTask) -> int:
    """Return the samples per pair of inexact NPG, in all iterations, as the theory counts them.

    Half of ε is for the entropy, and half for the error with entropy.
    """
    return theory.inexact_npg_samples(make_problem(task), task.accuracy / 2.0).total_per_pair


def count_iterations(mdp: MDP, accuracy: float) -> int:
    """Return the T with γ^T/(1-γ) ≤ ε/4: exact iterations to within ε/4, rewards in [0, 1]."""
    return max(
        1, math.ceil(math.log((1.0 - mdp.discount) * accuracy / 4.0) / math.log(mdp.discount))
    )


def count_exact_iterations(task: SampleTask) -> int:
    """Return the number of exact iterations after which the policy is within ε."""
    mdp = make_problem(task)
    regularizer, best = (
        Shannon(temperature_for_accuracy(mdp, task.accuracy)),
        solve(mdp, absolute_tol=1e-10).value,
    )
    for count in range(1, count_iterations(mdp, task.accuracy) + 1):
        policy = solve(mdp, regularizer, NPG(Maximum()), tol=0.0, max_iterations=count).policy
        if compute_gaps(mdp, best, np.asarray(policy)[None])[0] <= task.accuracy:
            return count
    raise AssertionError("the iterations required by the theory are not enough")


def compute_gaps(
    mdp: MDP, best: Float[np.ndarray, " S"], policy: Float[np.ndarray, "N S A"]
) -> Float[np.ndarray, " N"]:
    """(N, S, A) policies of a dense model -> (N,) largest V* - V over states, without entropy."""
    chain = np.einsum("nsa,sat->nst", policy, mdp.to_array())
    expected = np.sum(policy * mdp.rewards, axis=-1)
    value = np.linalg.solve(np.eye(mdp.n_states) - mdp.discount * chain, expected[..., None])[
        ..., 0
    ]
    return np.max(best - value, axis=1)


def find_sample_count(task: SampleTask) -> SampleCount:
    """Find the number of samples: double it until enough runs succeed, then search nearby."""
    mdp, settings = make_problem(task), task.settings
    best, count = solve(mdp, absolute_tol=1e-10).value, count_iterations(mdp, task.accuracy)
    if task.method == VALUE_DESCENT:
        # the last epoch is a whole one
        count = math.ceil(count / _epoch(task.horizon)) * _epoch(task.horizon)
    runs = settings.runs if task.method == REUSED else settings.fresh_runs
    regularizer = Shannon(temperature_for_accuracy(mdp, task.accuracy))
    seeds = [
        settings.seed,
        (LOOPS, RANDOM).index(task.problem),
        METHODS.index(task.method),
        task.horizon,
        round(1e6 * task.accuracy),
        task.number,
    ]
    successes: dict[int, int] = {}

    def enough(index: int) -> bool:
        if index not in successes:
            n = SAMPLE_GRID[index]
            method = _make_method(task.method, n)
            generators = [np.random.default_rng([*seeds, n, run]) for run in range(runs)]
            learned = learn(mdp, regularizer, method, max_iterations=count, rng=generators)
            successes[index] = int(
                np.count_nonzero(
                    compute_gaps(mdp, best, np.asarray(learned.policy)) <= task.accuracy
                )
            )
        return successes[index] >= settings.share * runs

    index = 4
    while not enough(index):
        index += 2
        require(
            SAMPLE_GRID[index] <= MOST_RANDOM_SAMPLES,
            f"{task.problem}, {task.method}, ε = {task.accuracy:g}, 1/(1−γ) = {task.horizon}: "
            f"{MOST_RANDOM_SAMPLES:.0e} samples are not enough for {settings.share:.0%} of the "
            "runs",
        )
    while index > 0 and enough(index - 1):
        index -= 1
    for near in range(max(0, index - 3), index + 2):
        enough(near)
    tried = np.array([float(SAMPLE_GRID[index]) for index in sorted(successes)])
    found = np.array([float(successes[index]) for index in sorted(successes)])
    rng = np.random.default_rng([*seeds, 0])
    resampled_counts = rng.binomial(runs, found / runs, (N_RESAMPLES, found.size))
    resampled = np.array(
        [find_crossing(tried, one / runs, settings.share) for one in resampled_counts]
    )
    return SampleCount(
        task, count, tried, found, find_crossing(tried, found / runs, settings.share), resampled
    )


def _epoch(horizon: int) -> int:
    """Return the number of iterations of an epoch of value mirror descent."""
    return default_period(1.0 - 1.0 / horizon, 4.0)


def _make_method(method: str, samples: int) -> PolicyOptimization:
    """Return a method with a number of samples per pair and evaluation."""
    if method == VALUE_DESCENT:
        return ValueMirrorDescent(evaluation=VarianceReducedSweep(samples))
    return NPG(Maximum(), evaluation=GenerativeModel(samples, reuse=method == REUSED))


def find_crossing(x: Float[np.ndarray, " k"], y: Float[np.ndarray, " k"], goal: float) -> float:
    """Return where the increasing sequence closest to y reaches the goal, linear in log x.

    >>> find_crossing(np.array([1.0, 2.0, 4.0, 8.0]), np.array([0.0, 0.7, 0.5, 1.0]), 0.8)
    5.656854249492381
    """
    blocks: list[list[float]] = []  # mean, size
    for value in y:
        blocks.append([float(value), 1.0])
        while len(blocks) > 1 and blocks[-2][0] >= blocks[-1][0]:
            mean, size = blocks.pop()
            total = size + blocks[-1][1]
            blocks[-1] = [(blocks[-1][0] * blocks[-1][1] + mean * size) / total, total]
    fitted = np.concatenate([np.full(int(size), mean) for mean, size in blocks])
    above = np.flatnonzero(fitted >= goal)
    if not above.size:
        return float(x[-1])
    right = int(above[0])
    if right == 0 or fitted[right] == goal:
        return float(x[right])
    part = (goal - fitted[right - 1]) / (fitted[right] - fitted[right - 1])
    return float(x[right - 1] * (x[right] / x[right - 1]) ** part)
