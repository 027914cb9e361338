"""Runs of the experiment on the size of models: iterations of all methods to an accuracy."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, NamedTuple

import numpy as np

from regmdp import models, theory
from regmdp._internal.arrays import Int
from regmdp._internal.events import Event
from regmdp._internal.kinds import Integer, Number
from regmdp._solve import solve
from regmdp.algorithms import NPG, Algorithm, Maximum, SoftmaxPG
from regmdp.improvement import SoftmaxGradient
from regmdp.mdp import MDP
from regmdp.mdp.mdp import initial_value
from regmdp.regularizers import Regularizer, Shannon, Unregularized
from regmdp.reproduce.settings import Items, check_fields, require

__all__ = [
    "METHODS",
    "SWEEPS",
    "Cell",
    "Count",
    "ModelTask",
    "Settings",
    "count_iterations",
    "find_capped_ends",
    "fit_growth",
    "guaranteed_iterations",
    "make_random_model",
    "natural_step",
    "run_all_methods",
    "run_with_smaller_step",
    "select_iterations",
    "shapes_of_sweeps",
]

#: The methods, in the order of the figures.
METHODS = ("PG", "entropy PG", "NPG", "entropy NPG")
#: The growing quantities, in the order of the panels, and their names on the axis.
SWEEPS = {"states": "states S", "actions": "actions A", "horizon": "horizon 1/(1−γ)"}

NumberOfStates = Annotated[int, Integer(2, 2000)]
NumberOfActions = Annotated[int, Integer(2, 1000)]
Horizon = Annotated[int, Integer(2, 500)]
SeveralSizes = Items(least=2, most=20, order="increasing")


@dataclass(frozen=True)
class Settings:
    """Settings of the experiment.

    Attributes:
        states: S, with the base values of the others.
        actions: A, with the base values of the others.
        horizons: 1/(1-γ), with the base values of the others.
        base: Base values (S, A, horizon).
        models: Number of random models of each size.
        branching: Successors of each pair.
        temperature: τ of the methods with entropy.
        accuracy: ε(1-γ), the distance from optimal per step of the process; rewards are in [0, 1].
        acceleration: Step size of the two gradient methods, as a multiple of that of their theory.
        divisors: Divisors of the acceleration, to check that the number of iterations is inversely
            proportional to the step size.
        cap: Largest number of iterations of a run.
        seed: Seed of the random models.
    """

    states: Annotated[tuple[NumberOfStates, ...], SeveralSizes]
    actions: Annotated[tuple[NumberOfActions, ...], SeveralSizes]
    horizons: Annotated[tuple[Horizon, ...], SeveralSizes]
    base: tuple[NumberOfStates, NumberOfActions, Horizon]
    models: Annotated[int, Integer(1, 1000)]
    branching: Annotated[int, Integer(1, 1000)]
    temperature: Annotated[float, Number(1e-6, 1e3)]
    accuracy: Annotated[float, Number(1e-6, 1.0)]
    acceleration: Annotated[float, Number(above=0.0, maximum=1e9)]
    divisors: Annotated[
        tuple[Annotated[int, Integer(2, 10_000)], ...], Items(least=0, most=10, order="different")
    ]
    cap: Annotated[int, Integer(1, 1_000_000)]
    seed: Annotated[int, Integer(0)]

    def __post_init__(self) -> None:
        check_fields(self)
        shapes = [shape for shapes in shapes_of_sweeps(self).values() for shape in shapes]
        size = max(n_states**2 * n_actions for n_states, n_actions, _ in shapes)
        require(
            size <= 10**8,
            f"states² times actions of every model must be at most 10⁸, not {size:.3g}",
        )
        largest = min(horizon / math.log(n_actions) for _, n_actions, horizon in shapes)
        require(
            self.temperature <= largest,
            "the step size (1−γ)² log A of NPG is above its largest with entropy, (1−γ)/τ, on some "
            f"model; temperature must be at most {largest:.3g}, not {self.temperature:g}",
        )


class ModelTask(NamedTuple):
    """One random model of a shape (S, A, horizon)."""

    shape: tuple[int, int, int]
    number: int
    settings: Settings


class Count(NamedTuple):
    """Number of iterations of a method.

    Attributes:
        step: Step size.
        iterations: Iterations until the accuracy, or the cap.
        capped: Whether the cap was reached first.
        ascending: Whether the value from ρ never decreased.
    """

    step: float
    iterations: int
    capped: bool
    ascending: bool


class Cell(NamedTuple):
    """Iterations on one model, in the order of METHODS, and the guaranteed iterations of NPG."""

    counts: tuple[Count, ...]
    guaranteed: int


def make_random_model(shape: tuple[int, int, int], number: int, settings: Settings) -> MDP:
    """Return a dense Garnet of shape (S, A, horizon), rewards uniform in [0, 1], uniform ρ."""
    n_states, n_actions, horizon = shape
    rng = np.random.default_rng([settings.seed, *shape, number])
    garnet = models.garnet(n_states, n_actions, min(settings.branching, n_states), rng=rng)
    return MDP(garnet.to_array(), rng.random((n_states, n_actions)), 1.0 - 1.0 / horizon)


def natural_step(mdp: MDP) -> float:
    """Return (1-γ)² log A, the step of NPG at which the two terms of its bound are equal."""
    return (1.0 - mdp.discount) ** 2 * math.log(mdp.n_actions)


def gradient_step(mdp: MDP, regularizer: Regularizer) -> float:
    """Return the largest step size in the theory of softmax policy gradient."""
    return SoftmaxGradient(Maximum()).max_step_size(mdp, regularizer)


def count_iterations(
    mdp: MDP,
    regularizer: Regularizer,
    algorithm: Algorithm,
    step: float,
    cap: int,
    settings: Settings,
) -> Count:
    """Run a method from the uniform policy until it is ε-optimal from ρ, for its objective."""
    best = initial_value(mdp, solve(mdp, regularizer, absolute_tol=1e-9).value)
    enough = best - settings.accuracy / (1.0 - mdp.discount)
    values: list[float] = []

    def continue_until_enough(event: Event) -> bool:
        values.append(event.measures["value"])
        return not event.measures["value"] >= enough

    solve(mdp, regularizer, algorithm, tol=0.0, max_iterations=cap, callback=continue_until_enough)
    ascending = bool(np.all(np.diff(values) >= -1e-12 * (1.0 + abs(best))))
    return Count(step, len(values) - 1, values[-1] < enough, ascending)


def guaranteed_iterations(mdp: MDP, settings: Settings) -> int:
    """Return the number of iterations after which NPG is guaranteed to be ε-optimal."""
    after_one = theory.npg_bound(mdp, step_size=natural_step(mdp), iterations=1)[1]
    # the bound is proportional to 1/t
    return math.ceil(after_one * (1.0 - mdp.discount) / settings.accuracy)


def run_all_methods(task: ModelTask) -> Cell:
    """Run all methods on one model."""
    settings = task.settings
    mdp = make_random_model(task.shape, task.number, settings)
    none, entropy, natural = Unregularized(), Shannon(settings.temperature), natural_step(mdp)
    plain, soft = (
        settings.acceleration * gradient_step(mdp, regularizer) for regularizer in (none, entropy)
    )
    counts = (
        count_iterations(mdp, none, SoftmaxPG(plain), plain, settings.cap, settings),
        count_iterations(mdp, entropy, SoftmaxPG(soft), soft, settings.cap, settings),
        count_iterations(mdp, none, NPG(natural), natural, settings.cap, settings),
        count_iterations(mdp, entropy, NPG(natural), natural, settings.cap, settings),
    )
    return Cell(counts, guaranteed_iterations(mdp, settings))


def run_with_smaller_step(task: tuple[int, Settings]) -> Count:
    """Run PG on the first base model with its step size divided by a number."""
    divisor, settings = task
    mdp = make_random_model(settings.base, 0, settings)
    step = settings.acceleration * gradient_step(mdp, Unregularized()) / divisor
    return count_iterations(
        mdp, Unregularized(), SoftmaxPG(step), step, settings.cap * divisor, settings
    )


def shapes_of_sweeps(settings: Settings) -> dict[str, list[tuple[int, int, int]]]:
    """Return the shapes (S, A, horizon) of each sweep."""
    states, actions, horizon = settings.base
    return {
        "states": [(n, actions, horizon) for n in settings.states],
        "actions": [(states, n, horizon) for n in settings.actions],
        "horizon": [(states, actions, n) for n in settings.horizons],
    }


def select_iterations(
    table: dict[str, np.ndarray], sweep: str, method: str
) -> tuple[np.ndarray, Int[np.ndarray, "models n"]]:
    """Return the (n,) sizes of a sweep, and the (models, n) iterations of a method."""
    here = (table["grows"] == sweep) & (table["method"] == method)
    sizes = np.unique(table[sweep][here])
    return sizes, np.stack(
        [table["iterations"][here & (table[sweep] == size)] for size in sizes], axis=1
    )


def fit_growth(table: dict[str, np.ndarray], sweep: str, method: str) -> tuple[float, float]:
    """Return the ratio of medians at the largest and smallest size, and a fitted exponent."""
    sizes, counts = select_iterations(table, sweep, method)
    middle = np.median(counts, axis=0)
    exponent = np.polyfit(np.log(sizes), np.log(np.maximum(middle, 1.0)), 1)[0]
    return float(middle[-1] / max(middle[0], 1.0)), float(exponent)


def find_capped_ends(table: dict[str, np.ndarray], sweep: str, method: str) -> tuple[bool, bool]:
    """Return whether runs of a method reached the cap at the smallest and the largest size."""
    here = (table["grows"] == sweep) & (table["method"] == method)
    sizes = np.unique(table[sweep][here])
    first, last = (
        bool(np.any(table["capped"][here & (table[sweep] == size)])) for size in sizes[[0, -1]]
    )
    return first, last
