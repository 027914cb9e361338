"""Runs of the experiment on numbers of iterations: measured, and as the theorems count them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, NamedTuple

import numpy as np

from regmdp import bellman, models, theory
from regmdp._internal.arrays import Float
from regmdp._internal.events import Event
from regmdp._internal.kinds import Integer, Number
from regmdp._solve import solve
from regmdp.algorithms import NPG, Maximum, PolicyIteration, PolicyOptimization, State
from regmdp.mdp import MDP
from regmdp.regularizers import Shannon
from regmdp.reproduce.settings import Items, check_fields, require

__all__ = [
    "LADDER",
    "RANDOM",
    "RARE",
    "AccuracyCurve",
    "Settings",
    "StepCurve",
    "make_ladder",
    "make_random_model",
    "make_rare_start",
    "measure_by_accuracy",
    "measure_by_step",
    "measure_unregularized",
]

#: The problems.
RANDOM, RARE, LADDER = "random model", "rare start", "ladder of actions"


@dataclass(frozen=True)
class Settings:
    """Settings of the experiment.

    Attributes:
        shape: (S, A, horizon) of the random model, the horizon being 1/(1-γ).
        branching: Successors of each pair.
        temperature: τ.
        accuracy: ε of the sweep over the step size.
        shares: η as fractions of the largest step, (1-γ)/τ; the smallest first.
        rare: Probability with which the rare start is returned to.
        accuracies: ε of soft policy iteration; the largest first.
        rungs: Number of actions of the ladder.
        ladder_horizon: Its 1/(1-γ).
        ladder_accuracies: ε of natural policy gradient without entropy; the largest first.
        seed: Seed of the random model.
    """

    shape: tuple[
        Annotated[int, Integer(2, 300)],
        Annotated[int, Integer(2, 100)],
        Annotated[int, Integer(2, 200)],
    ]
    branching: Annotated[int, Integer(1, 300)]
    temperature: Annotated[float, Number(1e-4, 1e3)]
    accuracy: Annotated[float, Number(1e-6, 1e3)]
    shares: Annotated[
        tuple[Annotated[float, Number(1e-4, 1.0)], ...], Items(most=50, order="increasing")
    ]
    rare: Annotated[float, Number(1e-12, 0.5)]
    accuracies: Annotated[
        tuple[Annotated[float, Number(1e-9, 1e3)], ...], Items(most=50, order="decreasing")
    ]
    rungs: Annotated[int, Integer(2, 1000)]
    ladder_horizon: Annotated[int, Integer(2, 50)]
    ladder_accuracies: Annotated[
        tuple[Annotated[float, Number(1e-5, 1e3)], ...],
        Items(least=2, most=50, order="decreasing"),
    ]
    seed: Annotated[int, Integer(0)]

    def __post_init__(self) -> None:
        check_fields(self)
        require(
            self.branching <= self.shape[0],
            f"branching must be at most the {self.shape[0]} states, not {self.branching}",
        )


class StepCurve(NamedTuple):
    """Iterations of entropy-regularized natural policy gradient until the gap from ρ is ε.

    Attributes:
        problem: Name of the problem.
        mismatch: ‖ρ/ν*‖.
        shares: (n,) fractions of the largest step.
        measured: (n,) measured iterations.
        by_sup_norm: (n,) count of the linear rate in the sup norm.
        by_potential: (n,) count of the potential of mirror descent.
    """

    problem: str
    mismatch: float
    shares: Float[np.ndarray, " n"]
    measured: Float[np.ndarray, " n"]
    by_sup_norm: Float[np.ndarray, " n"]
    by_potential: Float[np.ndarray, " n"]

    @property
    def smaller(self) -> Float[np.ndarray, " n"]:
        """(n,) the smaller of the two counts."""
        return np.minimum(self.by_sup_norm, self.by_potential)

    @property
    def fraction(self) -> float:
        """Largest fraction of the smaller count that is needed; 0 if none is."""
        return float(np.max(self.measured / np.maximum(self.smaller, 1.0)))

    @property
    def ratio(self) -> Float[np.ndarray, " n"]:
        """(n,) count by the potential, as a fraction of that by the sup norm."""
        return self.by_potential / np.maximum(self.by_sup_norm, 1.0)


class AccuracyCurve(NamedTuple):
    """Iterations of a method as ε shrinks: (n,) accuracies, measured iterations, and counts."""

    problem: str
    accuracies: Float[np.ndarray, " n"]
    measured: Float[np.ndarray, " n"]
    counted: Float[np.ndarray, " n"]

    @property
    def fraction(self) -> float:
        """Largest fraction of the count that is needed; 0 if none is."""
        return float(np.max(self.measured / np.maximum(self.counted, 1.0)))

    def fit_slope(self, values: Float[np.ndarray, " n"]) -> float:
        """Return the exponent of a power law in 1/ε, fitted to numbers of iterations of 1 or more.

        It is NaN if there are fewer than 2 of them.
        """
        some = values >= 1.0
        if np.count_nonzero(some) < 2:
            return math.nan
        return float(np.polyfit(np.log(1.0 / self.accuracies[some]), np.log(values[some]), 1)[0])


def make_random_model(settings: Settings) -> MDP:
    """Return a dense Garnet with rewards uniform in [0, 1] and a uniform ρ."""
    n_states, n_actions, horizon = settings.shape
    rng = np.random.default_rng([settings.seed, *settings.shape])
    garnet = models.garnet(n_states, n_actions, settings.branching, rng=rng)
    return MDP(garnet.to_array(), rng.random((n_states, n_actions)), 1.0 - 1.0 / horizon)


def make_rare_start(settings: Settings) -> MDP:
    """Return the random model with a further state, the start, that is rarely returned to.

    Every transition leads there with a small probability, and from there to a random state.
    """
    inner = make_random_model(settings)
    n_states, n_actions, _ = settings.shape
    rows = np.zeros((n_states + 1, n_actions, n_states + 1))
    rows[1:, :, 1:] = (1.0 - settings.rare) * inner.to_array()
    rows[0, :, 1:] = (1.0 - settings.rare) / n_states
    rows[..., 0] = settings.rare
    rewards = np.concatenate([np.linspace(0.0, 1.0, n_actions)[None, :], inner.rewards])
    return MDP(rows, rewards, inner.discount, initial=np.eye(n_states + 1)[0])


def make_ladder(settings: Settings) -> MDP:
    """Return one state with actions that lose 1/2, 1/4, 1/8, …: gaps at every scale."""
    losses = 0.5 ** np.arange(1.0, settings.rungs + 1.0)
    return MDP(
        np.ones((1, settings.rungs, 1)), -losses[None, :], 1.0 - 1.0 / settings.ladder_horizon
    )


def find_first_iterations(
    mdp: MDP,
    regularizer: Shannon | None,
    algorithm: PolicyOptimization,
    measure: Callable[[State], float],
    accuracies: tuple[float, ...],
    limit: int,
) -> Float[np.ndarray, " n"]:
    """Return the first iterations with errors of at most these accuracies, the largest first.

    Raises:
        AssertionError: if the limit is reached, which a theorem excludes.
    """
    found: list[int] = []

    def observe(event: Event) -> bool:
        error = measure(event.state)
        while len(found) < len(accuracies) and error <= accuracies[len(found)]:
            found.append(event.iteration)
        return len(found) < len(accuracies)

    solve(mdp, regularizer, algorithm, tol=0.0, max_iterations=limit, callback=observe)
    assert len(found) == len(accuracies), "the iterations of the theory are not enough"
    return np.array(found, dtype=np.float64)


def measure_by_step(
    problem: str, mdp: MDP, settings: Settings, report: Callable[[str], None]
) -> StepCurve:
    """Measure iterations until V*(ρ) - V(ρ) ≤ ε for all step sizes."""
    tau = settings.temperature
    regularizer = Shannon(tau)
    best = theory.compute_optimum(mdp, regularizer)
    goal = float(mdp.initial @ best.value)
    measured, counts = [], []
    for share in settings.shares:
        step = share * (1.0 - mdp.discount) / tau
        counts.append(
            theory.gap_iterations(
                mdp, regularizer, step_size=step, accuracy=settings.accuracy, optimum=best
            )
        )
        measured.append(
            find_first_iterations(
                mdp,
                regularizer,
                NPG(step if share < 1.0 else Maximum()),
                lambda state: goal - float(mdp.initial @ state.value),
                (settings.accuracy,),
                int(counts[-1].smaller),
            )[0]
        )
        report(f"{problem}, {share:g} of the largest step")
    nu = best.stationary
    assert nu is not None
    return StepCurve(
        problem,
        _compute_mismatch(mdp.initial, nu),
        np.array(settings.shares),
        np.array(measured),
        np.array([float(one.entropy_npg) for one in counts]),
        np.array([one.mirror_descent for one in counts]),
    )


def _compute_mismatch(
    initial: Float[np.ndarray, " S"], stationary: Float[np.ndarray, " S"]
) -> float:
    """Return ‖ρ/ν*‖: ∞ if a state of ρ is left for good under π*."""
    if np.any((stationary <= 0.0) & (initial > 0.0)):
        return math.inf
    visited = stationary > 0.0
    return float(np.max(initial[visited] / stationary[visited]))


def measure_by_accuracy(mdp: MDP, settings: Settings) -> AccuracyCurve:
    """Measure soft policy iterations until ‖Q* - Q‖ ≤ ε, for all ε."""
    regularizer = Shannon(settings.temperature)
    best = theory.compute_optimum(mdp, regularizer)
    counted = [
        theory.soft_policy_iterations(mdp, regularizer, accuracy=accuracy, optimum=best)
        for accuracy in settings.accuracies
    ]
    measured = find_first_iterations(
        mdp,
        regularizer,
        PolicyIteration(),
        lambda state: float(np.max(np.abs(best.q - bellman.q_values(mdp, state.value)))),
        settings.accuracies,
        counted[-1],
    )
    return AccuracyCurve(
        RANDOM, np.array(settings.accuracies), measured, np.array(counted, dtype=np.float64)
    )


def measure_unregularized(mdp: MDP, settings: Settings) -> AccuracyCurve:
    """Measure iterations of NPG without entropy until V*(ρ) - V(ρ) ≤ ε, for all ε.

    The step size is (1-γ)² log A/R, the smallest for which the count is 2R/((1-γ)² ε).
    """
    best = theory.compute_optimum(mdp)
    low, high = theory.reward_range(mdp)
    step = (1.0 - mdp.discount) ** 2 * float(np.log(mdp.n_actions)) / (high - low)
    goal = float(mdp.initial @ best.value)
    counted = [
        theory.npg_iterations(mdp, accuracy=accuracy, optimum=best)
        for accuracy in settings.ladder_accuracies
    ]
    measured = find_first_iterations(
        mdp,
        None,
        NPG(step),
        lambda state: goal - float(mdp.initial @ state.value),
        settings.ladder_accuracies,
        counted[-1],
    )
    return AccuracyCurve(
        LADDER, np.array(settings.ladder_accuracies), measured, np.array(counted, dtype=np.float64)
    )
