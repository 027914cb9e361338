"""Runs of the bandit experiment: both methods at each temperature."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from regmdp._internal.arrays import Float
from regmdp._internal.kinds import Integer, Number
from regmdp._solve import solve
from regmdp.algorithms import NPG, Algorithm, Recorder, SoftmaxPG
from regmdp.models import bandit
from regmdp.regularizers import Shannon
from regmdp.reproduce.settings import Items, check_fields, format_setting, require

__all__ = [
    "METHODS",
    "Settings",
    "TemperatureRun",
    "find_first_below",
    "iterate_gradient_ascent",
    "iterate_method",
    "optimal_policy",
    "run_at_temperature",
]

Reward = Annotated[float, Number(-100.0, 100.0)]
Probability = Annotated[float, Number(1e-9, 1.0)]
Start = tuple[Probability, Probability, Probability]

#: Largest difference in the plane of log probabilities from a cross that is reached.
REACHED = 0.1

#: The methods, with the index of their style.
METHODS = {"policy gradient": 0, "natural policy gradient": 4}


@dataclass(frozen=True)
class Settings:
    """Settings of the experiment.

    Attributes:
        rewards: r, one per arm.
        temperatures: τ.
        step_size: η.
        start: The initial policy from which iterations are counted.
        other_starts: Further initial policies of trajectories.
        tolerance: Largest |π - π*| at which the count stops.
        most_iterations: Largest number of iterations to count.
        natural_iterations: Iterations of natural policy gradient.
        compared_iterations: Iterations of policy gradient that are compared between the library and
            the plain loop.
        trajectory_iterations: Length of the trajectories.
        resolution: Points of the flow field along each axis.
    """

    rewards: tuple[Reward, Reward, Reward] = (1.0, 0.9, 0.1)
    temperatures: Annotated[
        tuple[Annotated[float, Number(1e-3, 1e3)], ...], Items(most=3, order="increasing")
    ] = (0.1, 1.0)
    step_size: Annotated[float, Number(1e-6, 10.0)] = 0.1
    start: Start = (0.05, 0.05, 0.9)
    other_starts: Annotated[tuple[Start, ...], Items(least=0, most=8)] = (
        (0.01, 0.9, 0.09),
        (0.9, 0.01, 0.09),
        (0.01, 0.01, 0.98),
        (0.2, 0.01, 0.79),
    )
    tolerance: Annotated[float, Number(1e-10, below=1.0)] = 1e-4
    most_iterations: Annotated[int, Integer(1, 10_000_000)] = 200_000
    natural_iterations: Annotated[int, Integer(1, 100_000)] = 3_000
    compared_iterations: Annotated[int, Integer(1, 100_000)] = 5_000
    trajectory_iterations: Annotated[int, Integer(1, 100_000)] = 1_500
    resolution: Annotated[int, Integer(10, 400)] = 60

    def __post_init__(self) -> None:
        check_fields(self)
        for start in (self.start, *self.other_starts):
            require(
                abs(sum(start) - 1.0) <= 1e-9,
                f"the probabilities of a start must sum to 1; those of {format_setting(start)} "
                f"sum to {sum(start):g}",
            )
        low, high = self.temperatures[0], self.temperatures[-1]
        largest = 1.0 / high
        require(
            self.step_size <= largest,
            f"step_size must be at most 1/τ = {largest:g}, the largest of natural policy gradient "
            f"at τ = {high:g}, not {self.step_size:g}",
        )
        spread = max(self.rewards) - min(self.rewards)
        require(
            spread <= 500.0 * low and spread * self.step_size <= 10.0,
            f"the rewards differ by {spread:g}, which must be at most 500 times the smallest "
            "temperature, because probabilities of the optimum would be 0 in floating point, and "
            "at most 10/step_size",
        )
        require(
            self.compared_iterations <= self.most_iterations,
            f"compared_iterations must be at most most_iterations, {self.most_iterations:,}, not "
            f"{self.compared_iterations:,}",
        )
        tags = {f"{temperature:g}" for temperature in self.temperatures}
        require(
            len(tags) == len(self.temperatures),
            "the temperatures must differ in their first six digits",
        )


@dataclass(frozen=True, eq=False)
class TemperatureRun:
    """Runs at one temperature.

    Attributes:
        temperature: τ.
        optimum: (A,) π*.
        errors: (n + 1,) max |π - π*| from the common start, by method.
        needed: First iteration within the tolerance, if any, by method.
        trajectories: (n + 1, A) policies from each start, by method.
        contraction: Largest deviation of the centred log-ratio from (1 - ητ)^t.
        bound_ratio: Largest ratio of the error of log π to its bound.
        agreement: Largest difference between the iterates of the library and of the plain loop.
    """

    temperature: float
    optimum: Float[np.ndarray, " A"]
    errors: Mapping[str, Float[np.ndarray, " _"]]
    needed: Mapping[str, int | None]
    trajectories: Mapping[str, tuple[Float[np.ndarray, "_ A"], ...]]
    contraction: float
    bound_ratio: float
    agreement: float

    def count_arrivals(self, method: str) -> int:
        """Count the trajectories that end at the optimum, as far as a figure shows it."""
        target = np.log(self.optimum[:2])
        ends = [np.log(path[-1, :2]) for path in self.trajectories[method]]
        return sum(bool(np.max(np.abs(end - target)) <= REACHED) for end in ends)

    def farthest_end(self, method: str) -> float:
        """Return the largest |π - π*| at the end of a trajectory."""
        return max(
            float(np.abs(path[-1] - self.optimum).max()) for path in self.trajectories[method]
        )


def iterate_gradient_ascent(
    rewards: Float[np.ndarray, " A"],
    temperature: float,
    step_size: float,
    start: Float[np.ndarray, " A"],
    iterations: int,
) -> Float[np.ndarray, "n A"]:
    """Return the (iterations + 1, A) policies of entropy-regularized softmax policy gradient.

    This is a plain NumPy loop for bandits, a hundred times as fast as the general loop of the
    library, which computes every residual; the first iterates of the two are compared.
    """
    policies = np.empty((iterations + 1, rewards.size))
    logits = np.log(start)
    policies[0] = policy = start
    for iteration in range(1, iterations + 1):
        soft = rewards - temperature * np.log(policy)
        logits = logits + step_size * policy * (soft - policy @ soft)
        weights = np.exp(logits - logits.max())
        policies[iteration] = policy = weights / weights.sum()
    return policies


def optimal_policy(rewards: Float[np.ndarray, " A"], temperature: float) -> Float[np.ndarray, " A"]:
    """Return the (A,) policy proportional to exp(r/τ)."""
    weights = np.exp((rewards - rewards.max()) / temperature)
    return weights / weights.sum()


def iterate_method(
    settings: Settings,
    algorithm: Algorithm,
    temperature: float,
    start: tuple[float, ...],
    iterations: int,
) -> Float[np.ndarray, "n A"]:
    """Return the (iterations + 1, A) policies of a method of the library."""
    recorder = Recorder()
    solve(
        bandit(settings.rewards),
        Shannon(temperature=temperature),
        algorithm,
        tol=0,
        max_iterations=iterations,
        start=np.array([start]),
        callback=recorder,
    )
    return np.array([state.policy[0] for state in recorder.states if state.policy is not None])


def find_first_below(errors: Float[np.ndarray, " n"], tolerance: float) -> int | None:
    """Return the first iteration whose error is at most the tolerance, if any."""
    below = np.flatnonzero(errors <= tolerance)
    return int(below[0]) if below.size else None


def run_at_temperature(settings: Settings, temperature: float) -> TemperatureRun:
    """Run both methods at one temperature, from all starts."""
    rewards, start = np.array(settings.rewards), np.array(settings.start)
    best = optimal_policy(rewards, temperature)
    pg, npg = METHODS
    factor = 1.0 - settings.step_size * temperature
    natural = iterate_method(
        settings, NPG(settings.step_size), temperature, settings.start, settings.natural_iterations
    )
    plain = iterate_gradient_ascent(
        rewards, temperature, settings.step_size, start, settings.most_iterations
    )
    compared = iterate_method(
        settings,
        SoftmaxPG(settings.step_size),
        temperature,
        settings.start,
        settings.compared_iterations,
    )
    errors = {pg: np.abs(plain - best).max(axis=1), npg: np.abs(natural - best).max(axis=1)}
    ratios = np.log(natural) - np.log(best)
    centred = ratios - ratios.mean(axis=1, keepdims=True)
    time = np.arange(settings.natural_iterations + 1)
    above_rounding = np.abs(centred[0]).max() * factor**time > 1e-10
    predicted = factor ** time[:, None] * centred[0]
    # Theorem 1 of Cen et al. (2022) at γ = 0, where Q = r from the start: 2 C1/τ (1-ητ)^(t-1), C1 =
    # 2τ(1-ητ)|log π* - log π_0|
    bound = 4.0 * np.abs(ratios[0]).max() * factor ** time[1:]
    deviation = np.abs(centred - predicted)[above_rounding].max(initial=0.0)
    later = above_rounding[1:]
    bound_ratio = (np.abs(ratios[1:]).max(axis=1)[later] / bound[later]).max(initial=0.0)
    return TemperatureRun(
        temperature=temperature,
        optimum=best,
        errors=errors,
        needed={
            method: find_first_below(error, settings.tolerance) for method, error in errors.items()
        },
        trajectories=_run_trajectories(settings, temperature),
        contraction=float(deviation / max(np.abs(centred[0]).max(), 1e-300)),
        bound_ratio=float(bound_ratio),
        agreement=float(np.abs(compared - plain[: len(compared)]).max()),
    )


def _run_trajectories(
    settings: Settings, temperature: float
) -> dict[str, tuple[Float[np.ndarray, "n A"], ...]]:
    """Run both methods from all starts."""
    pg, npg = METHODS
    starts = (settings.start, *settings.other_starts)
    rewards, length = np.array(settings.rewards), settings.trajectory_iterations
    return {
        pg: tuple(
            iterate_gradient_ascent(
                rewards, temperature, settings.step_size, np.array(start), length
            )
            for start in starts
        ),
        npg: tuple(
            iterate_method(settings, NPG(settings.step_size), temperature, start, length)
            for start in starts
        ),
    }
