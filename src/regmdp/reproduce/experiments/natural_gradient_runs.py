"""Runs of the experiment on natural policy gradient: measured errors and their bounds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, NamedTuple

import numpy as np
from scipy.special import log_softmax

from regmdp import models, theory
from regmdp._internal.arrays import UNIT_ROUNDOFF, Float
from regmdp._internal.kinds import Integer, Number
from regmdp.algorithms import NPG, Maximum
from regmdp.evaluation import visits
from regmdp.mdp import MDP
from regmdp.regularizers import Shannon
from regmdp.reproduce.settings import Items, check_fields, require

__all__ = [
    "SMALLEST_SHOWN",
    "EntropyRun",
    "NewtonRun",
    "Settings",
    "UnregularizedRun",
    "make_ladder",
    "make_random_model",
    "run_policy_iteration",
    "run_unregularized",
    "run_with_entropy",
]

NumberOfStates = Annotated[int, Integer(2, 300)]
NumberOfActions = Annotated[int, Integer(2, 100)]
Horizon = Annotated[int, Integer(2, 200)]
Temperature = Annotated[float, Number(1e-3, 1e3)]

#: Smallest shown error; smaller ones are rounding, because Q is about 10 and has 16 digits.
SMALLEST_SHOWN = 1e-13
#: Largest difference of log probabilities at the optimum: exp(-700) is still a number.
MOST_LOGITS = 700.0


@dataclass(frozen=True)
class Settings:
    """Settings of the experiment.

    Attributes:
        rungs: Number of actions of the ladder.
        shape: (S, A, horizon) of the random model, the horizon being 1/(1-γ); the ladder has the
            same horizon.
        branching: Successors of each pair.
        steps: η without entropy.
        plain_iterations: Iterations of each run without entropy.
        temperature: τ.
        shares: η with entropy, as a fraction of the largest, (1-γ)/τ.
        soft_iterations: Iterations of each run with entropy.
        quadratic: (S, A, horizon, τ) of the random models for soft policy iteration.
        quadratic_iterations: Iterations of soft policy iteration.
        seed: Seed of the random models.
    """

    rungs: Annotated[int, Integer(2, 1000)]
    shape: tuple[NumberOfStates, NumberOfActions, Horizon]
    branching: Annotated[int, Integer(1, 300)]
    steps: Annotated[
        tuple[Annotated[float, Number(1e-6, 1e4)], ...], Items(most=8, order="increasing")
    ]
    plain_iterations: Annotated[int, Integer(1, 100_000)]
    temperature: Temperature
    shares: Annotated[
        tuple[Annotated[float, Number(1e-4, 1.0)], ...], Items(most=8, order="decreasing")
    ]
    soft_iterations: Annotated[int, Integer(2, 100_000)]
    quadratic: Annotated[
        tuple[tuple[NumberOfStates, NumberOfActions, Horizon, Temperature], ...],
        Items(most=8, order="different"),
    ]
    quadratic_iterations: Annotated[int, Integer(1, 100)]
    seed: Annotated[int, Integer(0)]

    def __post_init__(self) -> None:
        check_fields(self)
        fewest = min(self.shape[0], *(shape[0] for shape in self.quadratic))
        require(
            self.branching <= fewest,
            f"branching must be at most the number of states of every model, {fewest}, not "
            f"{self.branching}",
        )
        size = self.shape[0] * self.shape[1] * max(self.plain_iterations, self.soft_iterations)
        require(
            size <= 10**8,
            "the policies of all iterations are stored: states times actions times iterations must "
            f"be at most 10⁸, not {size:.3g}",
        )


def make_ladder(rungs: int, horizon: int) -> MDP:
    """Return one state with actions that lose 1/2, 1/4, 1/8, …: gaps at every scale."""
    return MDP(
        np.ones((1, rungs, 1)), -(0.5 ** np.arange(1.0, rungs + 1.0))[None, :], 1.0 - 1.0 / horizon
    )


def make_random_model(shape: tuple[int, int, int], settings: Settings) -> MDP:
    """Return a dense Garnet of shape (S, A, horizon), rewards uniform in [0, 1], uniform ρ."""
    n_states, n_actions, horizon = shape
    rng = np.random.default_rng([settings.seed, *shape])
    garnet = models.garnet(n_states, n_actions, settings.branching, rng=rng)
    return MDP(garnet.to_array(), rng.random((n_states, n_actions)), 1.0 - 1.0 / horizon)


class UnregularizedRun(NamedTuple):
    """A run without entropy: (n,) gaps V*(ρ) - V_t(ρ), t = 1 … n, their bound, and the report."""

    problem: str
    step: float
    gap: Float[np.ndarray, " n"]
    bound: Float[np.ndarray, " n"]
    report: theory.Report


class EntropyRun(NamedTuple):
    """A run with entropy: (n + 1,) errors of Q_t, V_t, log π_t, and gaps from ρ, with bounds."""

    share: float
    weight: float
    errors: dict[str, Float[np.ndarray, " n"]]
    bounds: dict[str, Float[np.ndarray, " n"]]
    report: theory.Report


class NewtonRun(NamedTuple):
    """A run of soft policy iteration: (n + 1,) gaps from ν*, rounding, c in x_{t+1} ≤ c x_t²."""

    problem: str
    gap: Float[np.ndarray, " n"]
    noise: float
    constant: float
    report: theory.Report

    @property
    def bound(self) -> Float[np.ndarray, " n"]:
        """(n + 1,) c x_{t-1}², ∞ for the start."""
        before = self.gap[:-1] ** 2
        factor = np.where(before > 0.0, self.constant, 1.0)  # c may be infinite
        return np.concatenate([[np.inf], factor * before])


def run_unregularized(problem: str, mdp: MDP, step: float, iterations: int) -> UnregularizedRun:
    """Run natural policy gradient without entropy from the uniform policy."""
    run = theory.trace(mdp, None, NPG(step), max_iterations=iterations)
    statements = [statement for statement in theory.STATEMENTS if statement.name == "sublinear gap"]
    bound = theory.npg_bound(mdp, step_size=step, iterations=iterations, optimum=run.optimum)
    gap = mdp.initial @ run.optimum.value - run.values_from_start
    return UnregularizedRun(problem, step, gap[1:], bound[1:], theory.check(run, statements))


def run_with_entropy(mdp: MDP, share: float, settings: Settings) -> EntropyRun:
    """Run entropy-regularized natural policy gradient from the uniform policy."""
    regularizer, n = Shannon(settings.temperature), settings.soft_iterations
    _require_probabilities(mdp, regularizer)
    step = share * (1.0 - mdp.discount) / settings.temperature
    run = theory.trace(mdp, regularizer, NPG(step), max_iterations=n)
    best = run.optimum
    log_best = log_softmax(best.q / settings.temperature, axis=-1)
    errors = {
        "q": np.max(np.abs(best.q - run.q), axis=(1, 2)),
        "value": np.max(np.abs(best.value - run.values), axis=1),
        "log_policy": np.max(np.abs(log_best - np.log(run.policies)), axis=(1, 2)),
        "gap": mdp.initial @ best.value - run.values_from_start,
    }
    rates = theory.entropy_npg_bounds(mdp, regularizer, step_size=step, iterations=n, optimum=best)
    descent = theory.mirror_descent_step(mdp, regularizer, step)
    bounds = {
        **rates._asdict(),
        "gap": theory.mirror_descent_gap_bound(
            mdp, regularizer, step_size=descent, iterations=n, optimum=best
        ),
    }
    return EntropyRun(share, 1.0 - share, errors, bounds, theory.check(run))


def run_policy_iteration(shape: tuple[int, int, int, float], settings: Settings) -> NewtonRun:
    """Run soft policy iteration from the uniform policy."""
    n_states, n_actions, horizon, temperature = shape
    mdp, regularizer = (
        make_random_model((n_states, n_actions, horizon), settings),
        Shannon(temperature),
    )
    _require_probabilities(mdp, regularizer)
    run = theory.trace(
        mdp, regularizer, NPG(Maximum()), max_iterations=settings.quadratic_iterations
    )
    name = f"S = {n_states}, γ = {mdp.discount:g}, τ = {temperature:g}"
    gap, noise = compute_gaps_without_cancellation(run)
    return NewtonRun(
        name,
        gap,
        noise,
        theory.quadratic_constant(mdp, regularizer, run.optimum),
        theory.check(run),
    )


def compute_gaps_without_cancellation(run: theory.Trace) -> tuple[Float[np.ndarray, " n"], float]:
    r"""Return the (n + 1,) gaps V*(ν*) - V_t(ν*) of a run with Shannon entropy, and their noise.

    They are accurate far below the rounding error of V.

    .. math::
        V^*(\nu) - V_t(\nu)
        = \frac{\tau}{1-\gamma}
        E_{s \sim d_\nu^{\pi_t}} \sum_a \pi^*(a|s) \varphi(\delta(s, a)), \qquad
        \delta = \log \frac{\pi_t}{\pi^*}, \quad \varphi(\delta)
        = \delta e^\delta - e^\delta + 1 \approx \tfrac12 \delta^2

    The sum is KL(π_t‖π*). Its terms are positive, so that an error in the sixteenth digit of δ
    only changes the thirty-second digit of the gap.
    """
    best, temperature = run.optimum, run.regularizer.max_temperature
    nu = best.stationary
    assert nu is not None
    log_best = log_softmax(best.q / temperature, axis=-1)
    from_nu = run.mdp.with_initial(nu)
    gaps = [
        temperature
        * float(visits(from_nu, policy) @ np.sum(_weigh_phi(np.log(policy), log_best), axis=-1))
        for policy in run.policies
    ]
    # log π and log π* are computed from Q/τ
    rounding = 8.0 * UNIT_ROUNDOFF * (1.0 + float(np.max(np.abs(best.q))) / temperature)
    return np.array(gaps), temperature / (1.0 - run.mdp.discount) * rounding**2


def _weigh_phi(
    log_policy: Float[np.ndarray, "S A"], log_best: Float[np.ndarray, "S A"]
) -> Float[np.ndarray, "S A"]:
    """π* (δ e^δ - e^δ + 1) = π (δ - 1) + π*, by the series Σ (k-1) δ^k/k! for small δ."""
    delta = log_policy - log_best
    small = np.abs(delta) < 0.5
    x = np.where(small, delta, 0.0)
    series = sum((k - 1) / math.factorial(k) * x**k for k in range(2, 20))
    best = np.exp(log_best)
    return np.where(small, best * series, np.exp(log_policy) * (delta - 1.0) + best)


def _require_probabilities(mdp: MDP, regularizer: Shannon) -> None:
    """Check that the probabilities of the optimum are not 0 in floating point."""
    q, temperature = theory.compute_optimum(mdp, regularizer).q, regularizer.max_temperature
    spread = float(np.max(np.ptp(q, axis=1)))
    require(
        spread <= MOST_LOGITS * temperature,
        f"at the temperature {temperature:g} a probability of the optimum is 0 in floating point; "
        f"use a temperature of at least {spread / MOST_LOGITS:.2g}",
    )
