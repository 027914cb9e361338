"""The runs of the experiment on sample complexity: how many samples it takes for nine runs in ten to be within ε."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from regmdp import models
from regmdp._internal.arrays import Float
from regmdp._learn import learn
from regmdp._solve import solve
from regmdp.algorithms import NPG, Maximum
from regmdp.evaluation import GenerativeModel
from regmdp.mdp import MDP
from regmdp.regularizers import Shannon

__all__ = [
    "FRESH",
    "LOOPS",
    "RANDOM",
    "REUSED",
    "Needed",
    "Settings",
    "Task",
    "crossing",
    "exact_iterations",
    "gaps",
    "iterations",
    "needed",
    "problem",
    "temperature",
]

LOOPS, RANDOM = "two loops", "random model"
REUSED, FRESH = "one model, reused", "fresh samples"

#: The grid of n: whole numbers, two to a factor of 2.
GRID = tuple(sorted({round(2.0 ** (j / 2.0)) for j in range(60)}))
#: Resamples of which the interval of a crossing is made.
RESAMPLES = 400


@dataclass(frozen=True)
class Settings:
    """What is run.

    Attributes:
        shape: (S, A, b) of the random models, b being the successors of each pair.
        models: Random models.
        horizon: 1/(1-γ), while ε changes.
        accuracies: ε, on the two loops; the largest first.
        random_accuracies: ε, on the random models.
        accuracy: ε, while 1/(1-γ) changes, on the two loops.
        random_accuracy: The same on the random models.
        horizons: 1/(1-γ); the smallest first.
        runs: Runs of each number of samples, with one model that is reused.
        fresh_runs: Runs with fresh samples.
        share: Which part of the runs must be within ε.
        seed: Of everything.
    """

    shape: tuple[int, int, int]
    models: int
    horizon: int
    accuracies: tuple[float, ...]
    random_accuracies: tuple[float, ...]
    accuracy: float
    random_accuracy: float
    horizons: tuple[int, ...]
    runs: int
    fresh_runs: int
    share: float
    seed: int


class Task(NamedTuple):
    """One point of a curve."""

    problem: str
    method: str
    horizon: int
    accuracy: float
    number: int
    settings: Settings


class Needed(NamedTuple):
    """How many samples it took.

    Attributes:
        task: What was run.
        iterations: T, each with an evaluation.
        tried: (k,) samples of a pair in one evaluation, increasing.
        successes: (k,) runs that were within ε in the end.
        samples: The number in one evaluation with which the wanted part of the runs is, between two
            that were tried.
        resampled: (RESAMPLES,) the same from resampled runs.
    """

    task: Task
    iterations: int
    tried: Float[np.ndarray, " k"]
    successes: Float[np.ndarray, " k"]
    samples: float
    resampled: Float[np.ndarray, " m"]

    @property
    def evaluations(self) -> int:
        """How many times samples are drawn."""
        return self.iterations if self.task.method == FRESH else 1

    @property
    def total(self) -> float:
        """Samples of a pair in all iterations."""
        return self.evaluations * self.samples

    @property
    def interval(self) -> tuple[float, float]:
        """The total between the 2.5th and the 97.5th percentile."""
        low, high = np.quantile(self.resampled, (0.025, 0.975))
        return self.evaluations * float(low), self.evaluations * float(high)


def problem(task: Task) -> MDP:
    """Return the model of a task.

    Two loops: one state with two actions. Each pays 1 and goes on in that state with some
    probability, or ends for good; the better one with p = (4γ-1)/(3γ), so that it is worth 3/4 of
    1/(1-γ), the worse one so that it is worth 2ε less. Random model: a Garnet with rewards uniform
    in [0, 1], the same for every γ and ε.
    """
    discount = 1.0 - 1.0 / task.horizon
    if task.problem == LOOPS:
        better = (4.0 * discount - 1.0) / (3.0 * discount)
        value = 1.0 / (1.0 - discount * better)
        worse = (1.0 - 1.0 / (value - 2.0 * task.accuracy)) / discount
        goes_on = np.array([better, worse])
        return MDP(
            goes_on.reshape(1, 2, 1),
            np.ones((1, 2)),
            discount,
            termination=(1.0 - goes_on)[None, :],
        )
    n_states, n_actions, branching = task.settings.shape
    rng = np.random.default_rng([task.settings.seed, *task.settings.shape, task.number])
    garnet = models.garnet(n_states, n_actions, branching, rng=rng)
    return MDP(garnet.to_array(), rng.random((n_states, n_actions)), discount)


def temperature(mdp: MDP, accuracy: float) -> float:
    """Return τ = (1-γ)ε/(2 log A): entropy then costs ε/2 at most, τ log A an iteration."""
    return (1.0 - mdp.discount) * accuracy / (2.0 * math.log(mdp.n_actions))


def iterations(mdp: MDP, accuracy: float) -> int:
    """Return after how many iterations with exact values V is known to be within ε/4: γ^T/(1-γ) ≤ ε/4, for rewards in [0, 1]."""
    return max(
        1, math.ceil(math.log((1.0 - mdp.discount) * accuracy / 4.0) / math.log(mdp.discount))
    )


def exact_iterations(task: Task) -> int:
    """Return after how many iterations with exact values the policy is within ε."""
    mdp = problem(task)
    regularizer, best = Shannon(temperature(mdp, task.accuracy)), solve(mdp, tol=1e-10).value
    for count in range(1, iterations(mdp, task.accuracy) + 1):
        policy = solve(mdp, regularizer, NPG(Maximum()), tol=0.0, max_iterations=count).policy
        if gaps(mdp, best, np.asarray(policy)[None])[0] <= task.accuracy:
            return count
    raise AssertionError("the iterations that the theory asks for are not enough")


def gaps(
    mdp: MDP, best: Float[np.ndarray, " S"], policy: Float[np.ndarray, "N S A"]
) -> Float[np.ndarray, " N"]:
    """(N, S, A) policies of a dense model -> (N,) how far their values, without entropy, are from V* in the worst state."""
    chain = np.einsum("nsa,sat->nst", policy, mdp.to_array())
    expected = np.sum(policy * mdp.rewards, axis=-1)
    value = np.linalg.solve(np.eye(mdp.n_states) - mdp.discount * chain, expected[..., None])[
        ..., 0
    ]
    return np.max(best - value, axis=1)


def needed(task: Task) -> Needed:
    """Find the number of samples: double or halve it until the wanted part of the runs is passed, then look closer around there."""
    mdp, settings = problem(task), task.settings
    best, count = solve(mdp, tol=1e-10).value, iterations(mdp, task.accuracy)
    runs = settings.fresh_runs if task.method == FRESH else settings.runs
    regularizer = Shannon(temperature(mdp, task.accuracy))
    place = [
        settings.seed,
        (LOOPS, RANDOM).index(task.problem),
        (REUSED, FRESH).index(task.method),
        task.horizon,
        round(1e6 * task.accuracy),
        task.number,
    ]
    successes: dict[int, int] = {}

    def enough(index: int) -> bool:
        if index not in successes:
            n = GRID[index]
            method = NPG(Maximum(), evaluation=GenerativeModel(n, reuse=task.method == REUSED))
            generators = [np.random.default_rng([*place, n, run]) for run in range(runs)]
            learned = learn(mdp, regularizer, method, max_iterations=count, rng=generators)
            successes[index] = int(
                np.count_nonzero(gaps(mdp, best, np.asarray(learned.policy)) <= task.accuracy)
            )
        return successes[index] >= settings.share * runs

    index = 4
    while not enough(index):
        index += 2
    while index > 0 and enough(index - 1):
        index -= 1
    for near in range(max(0, index - 3), index + 2):
        enough(near)
    tried = np.array([float(GRID[index]) for index in sorted(successes)])
    found = np.array([float(successes[index]) for index in sorted(successes)])
    rng = np.random.default_rng([*place, 0])
    drawn = rng.binomial(runs, found / runs, (RESAMPLES, found.size))
    resampled = np.array([crossing(tried, one / runs, settings.share) for one in drawn])
    return Needed(
        task, count, tried, found, crossing(tried, found / runs, settings.share), resampled
    )


def crossing(x: Float[np.ndarray, " k"], y: Float[np.ndarray, " k"], goal: float) -> float:
    """Return where the increasing sequence closest to y reaches the goal, between the points linearly in log x.

    >>> crossing(np.array([1.0, 2.0, 4.0, 8.0]), np.array([0.0, 0.7, 0.5, 1.0]), 0.8)
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
