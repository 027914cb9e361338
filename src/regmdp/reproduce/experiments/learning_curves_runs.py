"""Runs of the experiment on learning curves: one method in one environment, with all seeds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, NamedTuple

import numpy as np

from regmdp._internal.arrays import Float, Int
from regmdp._internal.events import Event
from regmdp._internal.kinds import Integer, Number, Option
from regmdp._learn import learn
from regmdp._solve import solve
from regmdp.algorithms import NPG, PolicyOptimization, SoftQLearning, StochasticPMD
from regmdp.certificates import evaluate
from regmdp.evaluation import Rollouts
from regmdp.io import from_gymnasium
from regmdp.mdp import MDP
from regmdp.policies import uniform_policy
from regmdp.regularizers import Shannon
from regmdp.reproduce.settings import Items, check_fields

__all__ = [
    "METHODS",
    "TUNING",
    "Curve",
    "CurveTask",
    "Reference",
    "Settings",
    "bootstrap_interval",
    "compute_curve",
    "compute_reference",
    "make_algorithm",
    "make_problem",
]

METHODS = ("soft Q-learning", "natural gradient", "stochastic mirror descent")


class Tuning(NamedTuple):
    """Parameters of the methods in an environment.

    Attributes:
        temperature: τ.
        steps: Steps of each environment of soft Q-learning between two policies.
        n_envs: Number of its parallel environments.
        share: Step size of the natural gradient, as a fraction of the largest, (1-γ)/τ.
        episodes: Episodes of the natural gradient per iteration.
        samples: Samples of each pair in the first iteration of stochastic mirror descent.
        iterations: Iterations of each method.
    """

    temperature: float
    steps: int
    n_envs: int
    share: float
    episodes: int
    samples: int
    iterations: tuple[int, int, int]


TUNING = {
    "FrozenLake-v1": Tuning(0.001, 100, 10, 0.01, 500, 2, (200, 100, 80)),
    "CliffWalking-v1": Tuning(1.0, 100, 10, 0.005, 200, 2, (200, 100, 80)),
    "Taxi-v4": Tuning(0.05, 200, 20, 0.02, 1000, 1, (300, 60, 80)),
}


@dataclass(frozen=True)
class Settings:
    """Settings of the experiment.

    Attributes:
        environments: Names in Gymnasium.
        discount: γ.
        seeds: Number of runs of each method.
        length: Iterations, as a fraction of those in ``TUNING``.
        marks: Number of evaluated policies per run.
        resamples: Number of bootstrap samples.
        seed: Seed of all runs.
    """

    environments: Annotated[
        tuple[Annotated[str, Option(*TUNING)], ...], Items(most=3, order="different")
    ]
    discount: Annotated[float, Number(0.5, 0.999)]
    seeds: Annotated[int, Integer(1, 1000)]
    length: Annotated[float, Number(0.02, 100.0)]
    marks: Annotated[int, Integer(1, 1000)]
    resamples: Annotated[int, Integer(10, 100_000)]
    seed: Annotated[int, Integer(0)] = 0

    def __post_init__(self) -> None:
        check_fields(self)


class CurveTask(NamedTuple):
    """A method in an environment."""

    environment: str
    method: str
    settings: Settings


class Curve(NamedTuple):
    """Learning curve of a batch of runs.

    Attributes:
        samples: (n,) samples drawn by each run.
        values: (n, runs) values of the policies from ρ.
        reproduced: Whether a run alone gives the same policy as in the batch.
    """

    samples: Int[np.ndarray, " n"]
    values: Float[np.ndarray, "n runs"]
    reproduced: bool


class Reference(NamedTuple):
    """Value of the uniform policy, and bounds on the optimal value, from ρ."""

    uniform: float
    lower: float
    upper: float


def make_problem(environment: str, settings: Settings) -> tuple[MDP, Shannon]:
    """Return the model of an environment, and the regularizer."""
    return from_gymnasium(environment, discount=settings.discount), Shannon(
        TUNING[environment].temperature
    )


def make_algorithm(task: CurveTask) -> tuple[PolicyOptimization, int]:
    """Return a method with its parameters, and its number of iterations."""
    tuning = TUNING[task.environment]
    largest = (1.0 - task.settings.discount) / tuning.temperature
    method = {
        METHODS[0]: lambda: SoftQLearning(tuning.steps, n_envs=tuning.n_envs),
        METHODS[1]: lambda: NPG(tuning.share * largest, evaluation=Rollouts(tuning.episodes)),
        METHODS[2]: lambda: StochasticPMD(tuning.samples),
    }[task.method]()
    return method, round(task.settings.length * tuning.iterations[METHODS.index(task.method)])


def compute_curve(task: CurveTask) -> Curve:
    """Run a method with all seeds in one batch, and evaluate some of its policies exactly."""
    mdp, regularizer = make_problem(task.environment, task.settings)
    method, iterations = make_algorithm(task)
    marks = set(
        np.unique(np.geomspace(1, iterations, task.settings.marks).astype(np.int64)).tolist()
    )
    samples: list[int] = []
    values: list[list[float]] = []

    def measure(event: Event) -> None:
        if event.iteration in marks:
            assert event.state.next_policy is not None
            policies = event.state.next_policy.reshape(-1, mdp.n_states, mdp.n_actions)
            samples.append(int(event.measures["samples"]))
            values.append([evaluate(mdp, policy, regularizer).initial_value for policy in policies])

    def generators(seeds: range) -> list[np.random.Generator]:
        return [
            np.random.default_rng([METHODS.index(task.method), seed, task.settings.seed])
            for seed in seeds
        ]

    seeds = range(task.settings.seeds)
    learn(
        mdp, regularizer, method, max_iterations=iterations, rng=generators(seeds), callback=measure
    )
    few = min(2, iterations)
    alone = learn(mdp, regularizer, method, max_iterations=few, rng=generators(seeds[-1:])).policy[
        0
    ]
    together = learn(
        mdp, regularizer, method, max_iterations=few, rng=generators(seeds[-2:])
    ).policy[-1]
    return Curve(np.array(samples), np.array(values), bool(np.array_equal(alone, together)))


def compute_reference(environment: str, settings: Settings) -> Reference:
    """Compute the value of the uniform policy and bounds on the optimal value."""
    mdp, regularizer = make_problem(environment, settings)
    certificate = solve(mdp, regularizer, absolute_tol=1e-8).certificate
    uniform = evaluate(mdp, uniform_policy(mdp), regularizer).initial_value
    return Reference(uniform, certificate.initial_lower, certificate.initial_upper)


def bootstrap_interval(
    values: Float[np.ndarray, "n runs"], resamples: int
) -> Float[np.ndarray, "2 n"]:
    """Return 95 % bootstrap intervals of the means over the runs."""
    rng = np.random.default_rng(0)
    chosen = rng.integers(0, values.shape[1], (resamples, values.shape[1]))
    return np.quantile(values[:, chosen].mean(axis=2), [0.025, 0.975], axis=1)
