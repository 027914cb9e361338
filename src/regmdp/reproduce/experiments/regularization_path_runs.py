"""Runs of the experiment on the regularization path: optima along the temperatures."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from regmdp._internal.arrays import Float
from regmdp._internal.kinds import Integer, Number
from regmdp._many import solve_many
from regmdp._solve import solve
from regmdp.certificates import evaluate
from regmdp.mdp import MDP
from regmdp.models import garnet
from regmdp.regularizers import (
    KL,
    LogBarrier,
    Regularizer,
    Renyi,
    Shannon,
    SquaredL2,
    Tsallis,
    WeightedL1,
)
from regmdp.reproduce.settings import check_fields, require

__all__ = [
    "Path",
    "PathProblem",
    "Settings",
    "choose_typical_state",
    "compute_path",
    "find_lossless_temperature",
    "fit_exponent",
    "make_problem",
    "make_regularizers",
]

#: Highest temperature that counts as close to 0, for rewards of the magnitude of 1.
LOW_TEMPERATURE = 1e-3


@dataclass(frozen=True)
class Settings:
    """Settings of the experiment.

    Attributes:
        n_states: S of the random model.
        n_actions: A.
        branching: Successors of each pair.
        discount: γ.
        hottest: The largest τ.
        coldest: The smallest τ.
        temperatures: Number of temperatures, evenly spaced in log τ.
        policies: Number of random policies per temperature for which the bound is checked.
        tolerance: Certified gap of each solution.
        seed: Seed of the model, the reference policy, the prices and the random policies.
    """

    n_states: Annotated[int, Integer(2, 1000)] = 30
    n_actions: Annotated[int, Integer(2, 8)] = 4
    branching: Annotated[int, Integer(1, 1000)] = 8
    discount: Annotated[float, Number(0.0, 0.99)] = 0.9
    hottest: Annotated[float, Number(1e-6, 100.0)] = 10.0
    coldest: Annotated[float, Number(1e-6, 100.0)] = 1e-4
    temperatures: Annotated[int, Integer(2, 10_000)] = 101
    policies: Annotated[int, Integer(1, 1000)] = 5
    tolerance: Annotated[float, Number(1e-10, 1e-2)] = 1e-10
    seed: Annotated[int, Integer(0)] = 7

    def __post_init__(self) -> None:
        check_fields(self)
        require(
            self.coldest < self.hottest,
            f"coldest must be below hottest, {self.hottest:g}, not {self.coldest:g}",
        )
        require(
            self.branching <= self.n_states,
            f"branching must be at most the {self.n_states} states, not {self.branching}",
        )

    @property
    def negligible_loss(self) -> float:
        """Largest loss that counts as 0."""
        return max(1e-8, 10.0 * self.tolerance)

    @property
    def reaches_low_temperatures(self) -> bool:
        """Whether statements about τ → 0 can be checked."""
        return self.coldest <= LOW_TEMPERATURE


@dataclass(frozen=True, eq=False)
class PathProblem:
    """The model and its unregularized optimum.

    Attributes:
        settings: The settings.
        mdp: The random model.
        optimum: (S,) V*_0.
        temperatures: (n,) τ, decreasing.
        shown_state: The state whose policies are shown.
    """

    settings: Settings
    mdp: MDP
    optimum: Float[np.ndarray, " S"]
    temperatures: Float[np.ndarray, " n"]
    shown_state: int

    @property
    def cheapest_action(self) -> int:
        """The action with the lowest price."""
        return int(np.argmin(_draw_prices(self.settings)))

    @property
    def best_action(self) -> int:
        """The optimal action without a regularizer, in the shown state."""
        rows = self.mdp.to_array()[self.shown_state]
        q = self.mdp.rewards[self.shown_state] + self.mdp.discount * rows @ self.optimum
        return int(np.argmax(q))


def make_regularizers(settings: Settings, temperature: float) -> dict[str, Regularizer]:
    """Return the regularizers by their names in the figures."""
    reference = np.random.default_rng([settings.seed, 1]).dirichlet(
        np.full(settings.n_actions, 2.0)
    )
    return {
        "Shannon": Shannon(temperature=temperature),
        "KL to a reference": KL(reference, temperature=temperature),
        "Tsallis, q = 1/2": Tsallis(0.5, temperature=temperature),
        "Rényi, α = 1/2": Renyi(0.5, temperature=temperature),
        "log barrier": LogBarrier(temperature=temperature),
        "Tsallis, q = 3/2": Tsallis(1.5, temperature=temperature),
        "squared ℓ2 norm": SquaredL2(temperature=temperature),
        "prices (weighted ℓ1)": WeightedL1(_draw_prices(settings), temperature=temperature),
    }


@dataclass(frozen=True, eq=False)
class Path:
    """Optima of one regularizer at all temperatures.

    Attributes:
        values: (n,) V*_τ from the initial distribution.
        rewards: (n,) V_0 of the optimal policies, without the regularizer, from the initial
            distribution.
        losses: (n,) largest V*_0 - V_0^π over all states.
        bounds: (n,) theoretical bound on the loss, infinite for an unbounded regularizer.
        policies: (n, A) policy in the shown state.
        excess_ratio: Largest loss of a random policy beyond its regularized gap, divided by
            τ(U-L)/(1-γ).
        enclosed: Whether V*_0 - τU/(1-γ) ≤ V*_τ ≤ V*_0 - τL/(1-γ) everywhere.
    """

    values: Float[np.ndarray, " n"]
    rewards: Float[np.ndarray, " n"]
    losses: Float[np.ndarray, " n"]
    bounds: Float[np.ndarray, " n"]
    policies: Float[np.ndarray, "n A"]
    excess_ratio: float
    enclosed: bool


def make_problem(settings: Settings) -> PathProblem:
    """Return the random model with its unregularized optimum."""
    mdp = garnet(
        settings.n_states,
        settings.n_actions,
        settings.branching,
        rng=settings.seed,
        discount=settings.discount,
    )
    optimum = solve(mdp, absolute_tol=settings.tolerance).value
    temperatures = np.geomspace(settings.hottest, settings.coldest, settings.temperatures)
    shown_state = choose_typical_state(settings, mdp, optimum)
    return PathProblem(settings, mdp, optimum, temperatures, shown_state)


def choose_typical_state(settings: Settings, mdp: MDP, value: Float[np.ndarray, " S"]) -> int:
    """Return a state with a median action gap whose cheapest action is not the best one."""
    q = mdp.rewards + mdp.discount * mdp.to_array() @ value
    best_two = np.sort(q, axis=1)[:, -2:]
    cheapest = np.argmin(_draw_prices(settings))
    candidates = np.flatnonzero(q.argmax(axis=1) != cheapest)
    if not candidates.size:  # the cheapest action is best everywhere
        candidates = np.arange(settings.n_states)
    order = np.argsort((best_two[:, 1] - best_two[:, 0])[candidates])
    return int(candidates[order[candidates.size // 2]])


def _draw_prices(settings: Settings) -> Float[np.ndarray, " A"]:
    """Return the (A,) prices of the actions."""
    return np.random.default_rng([settings.seed, 3]).random(settings.n_actions)


def compute_path(problem: PathProblem, name: str) -> Path:
    """Solve with one regularizer at all temperatures.

    Args:
        problem: The model and the temperatures.
        name: Name of the regularizer in :func:`make_regularizers`.
    """
    settings, mdp, optimum = problem.settings, problem.mdp, problem.optimum
    rng = np.random.default_rng([settings.seed, 2])
    horizon = 1.0 / (1.0 - mdp.discount)
    columns: dict[str, list[float | np.ndarray]] = {
        key: [] for key in ("values", "rewards", "losses", "bounds", "policies")
    }
    excess_ratio, enclosed = 0.0, True
    solutions = solve_many(
        mdp,
        make_regularizers(settings, 1.0)[name],
        temperatures=problem.temperatures,
        absolute_tol=settings.tolerance,
    )
    for temperature, solution in zip(problem.temperatures, solutions, strict=True):
        regularizer = make_regularizers(settings, float(temperature))[name]
        low, high = (temperature * bound * horizon for bound in regularizer.bounds(mdp.n_actions))
        reward = evaluate(mdp, solution.policy).value
        random = rng.dirichlet(np.ones(mdp.n_actions), size=(settings.policies, mdp.n_states))
        for policy in random:
            # V*_0 - V_0^π ≤ (V*_τ - V_τ^π) + τ(U-L)/(1-γ), plus the tolerance of V*_τ
            gap = solution.value - evaluate(mdp, policy, regularizer).value + settings.tolerance
            excess = float(np.max(optimum - evaluate(mdp, policy).value - gap))
            excess_ratio = max(excess_ratio, excess / (high - low))
        slack = 2.0 * settings.tolerance + 1e-13 * (1.0 + float(np.max(np.abs(solution.value))))
        enclosed &= bool(
            np.all(solution.value <= optimum - low + slack)
            and np.all(solution.value >= optimum - high - slack)
        )
        columns["values"].append(mdp.initial @ solution.value)
        columns["rewards"].append(mdp.initial @ reward)
        columns["losses"].append(np.max(optimum - reward))
        columns["bounds"].append(high - low)
        columns["policies"].append(solution.policy[problem.shown_state])
    return Path(
        **{key: np.array(column) for key, column in columns.items()},
        excess_ratio=excess_ratio,
        enclosed=enclosed,
    )


def fit_exponent(
    temperatures: Float[np.ndarray, " n"],
    losses: Float[np.ndarray, " n"],
    negligible: float = 0.0,
) -> float:
    """Return the slope of log loss against log τ over the coldest decade.

    Losses that are negligible are left out. It is NaN for fewer than 3 others.
    """
    cold = (temperatures <= 10.0 * temperatures[-1] * (1.0 + 1e-9)) & (losses > negligible)
    if np.count_nonzero(cold) < 3:
        return math.nan
    return float(np.polyfit(np.log(temperatures[cold]), np.log(losses[cold]), 1)[0])


def find_lossless_temperature(
    temperatures: Float[np.ndarray, " n"], losses: Float[np.ndarray, " n"], negligible: float
) -> float | None:
    """Return the highest temperature at and below which the loss is negligible, if any."""
    lost = np.flatnonzero(losses > negligible)
    first = lost[-1] + 1 if lost.size else 0
    return float(temperatures[first]) if first < temperatures.size else None
