"""The runs of the experiment on estimates of the policy gradient: the estimates, their closed forms, and learning with them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import softmax

from regmdp import models, theory
from regmdp._internal.arrays import Array, Float, Int
from regmdp._internal.errors import SampleError
from regmdp._internal.events import Event
from regmdp._learn import learn
from regmdp._solve import solve
from regmdp.algorithms import SoftmaxPG
from regmdp.certificates import evaluate
from regmdp.evaluation import (
    Estimate,
    GenerativeModel,
    Rollouts,
    RunBatch,
    SampledEvaluation,
    visits,
)
from regmdp.evaluation.generative import empirical, model_q
from regmdp.evaluation.sampled import require_count, value_of
from regmdp.improvement import advantage
from regmdp.mdp import MDP, DecisionProcess
from regmdp.regularizers import Regularizer, Shannon
from regmdp.samples import RandomStreams

__all__ = [
    "ARMS",
    "BASELINE",
    "GENERATIVE",
    "PLAIN",
    "WHOLE",
    "Estimated",
    "Estimating",
    "Learning",
    "PlugIn",
    "Settings",
    "Track",
    "cut_gradient",
    "exact_gaps",
    "exact_gradient",
    "exponent",
    "perform",
    "plug_in_variance",
    "policy_of",
    "problem",
    "rollout_variance",
]

PLAIN, BASELINE, WHOLE, GENERATIVE = (
    "REINFORCE",
    "REINFORCE, baseline",
    "whole episodes, baseline",
    "generative model",
)
ARMS = (PLAIN, BASELINE, WHOLE, GENERATIVE)


@dataclass(frozen=True)
class Settings:
    """What is run.

    Attributes:
        shape: (S, A, successors) of the random model, whose rewards are uniform in [0, 1].
        horizon: 1/(1-γ).
        temperature: τ of Shannon entropy.
        pairs: n, how often the generative model draws each pair, increasing: S A n transitions are
            the budgets of all estimates.
        runs: Estimates of one gradient, by each method with each budget.
        first: Share of the episodes that goes into the baseline, where there is one.
        cut: H, the length of whole episodes.
        pair: n of one iteration of learning.
        steps: η, the step sizes of learning.
        iterations: How many.
        seeds: Runs of learning.
        seed: Of the model, the policy and the samples.
    """

    shape: tuple[int, int, int]
    horizon: int
    temperature: float
    pairs: tuple[int, ...]
    runs: int
    first: float
    cut: int
    pair: int
    steps: tuple[float, ...]
    iterations: int
    seeds: int
    seed: int

    @property
    def discount(self) -> float:
        """γ."""
        return 1.0 - 1.0 / self.horizon

    def budget(self, pair: int) -> int:
        """Transitions that it takes to draw each pair n times."""
        return self.shape[0] * self.shape[1] * pair

    def episodes(self, arm: str, pair: int) -> int:
        """As many episodes as take that many transitions: H each, or on average (1+γ)/(1-γ)."""
        length = self.cut if arm == WHOLE else (1.0 + self.discount) / (1.0 - self.discount)
        return max(2, round(self.budget(pair) / length))

    def used(self, arm: str, pair: int) -> int:
        """How many of them the gradient itself is averaged over: all but those for the baseline."""
        episodes = self.episodes(arm, pair)
        return episodes if arm == PLAIN else episodes - max(1, round(self.first * episodes))


class Estimating(NamedTuple):
    """Many estimates of one gradient."""

    arm: str
    pair: int
    settings: Settings


class Learning(NamedTuple):
    """Many runs of softmax policy gradient."""

    arm: str
    step: float
    settings: Settings


class Estimated(NamedTuple):
    """What came of the estimates.

    Attributes:
        task: What was run.
        samples: Transitions that each took, on average.
        errors: (runs, S·A) differences from the exact gradient.
    """

    task: Estimating
    samples: int
    errors: Float[np.ndarray, "runs SA"]

    @property
    def squares(self) -> Float[np.ndarray, " runs"]:
        """The (runs,) squared errors, summed over the entries of the gradient."""
        return np.sum(self.errors**2, axis=1)

    @property
    def variance(self) -> float:
        """The variance, summed over the entries."""
        return float(np.var(self.errors, axis=0, ddof=1).sum())

    @property
    def mean_square(self) -> float:
        """The squared length of the mean of the errors; if they have mean 0, the variance over the runs is expected."""
        return float(np.sum(self.errors.mean(axis=0) ** 2))


class Track(NamedTuple):
    """What came of learning.

    Attributes:
        task: What was run.
        samples: (n + 1,) transitions after which the policies were there.
        gaps: (n + 1, seeds) V*(ρ) - V(ρ), both with entropy.
    """

    task: Learning
    samples: Int[np.ndarray, " n"]
    gaps: Float[np.ndarray, "n seeds"]


@dataclass(frozen=True)
class PlugIn(SampledEvaluation):
    """Draw every pair n times, and take the exact gradient of the policy's value in the empirical model that this makes.

    Nothing of the true model goes into it but ρ: both the occupancy and the action values are those
    of the empirical model.

    Args:
        samples: n.
    """

    samples: int

    def __post_init__(self) -> None:
        require_count("the number of samples of a pair", self.samples)

    def check(self, source: DecisionProcess, regularizer: Regularizer) -> None:
        GenerativeModel(self.samples).check(source, regularizer)

    def __call__(
        self,
        batch: RunBatch,
        regularizer: Regularizer,
        policy: Float[Array, "NS A"],
        before: Estimate | None,
    ) -> Estimate:
        model = empirical(batch.simulator, batch.streams, self.samples)
        if model.dense is None:
            raise SampleError(
                f"this gradient is for small models; this one has {batch.size} states"
            )
        available = None if batch.all_available else batch.available
        q = model_q(model, batch, regularizer, policy)
        weights = batch.split(policy)
        rows = model.dense.reshape(*weights.shape, batch.size)
        chain = np.matmul(weights[:, :, None, :], rows)[:, :, 0, :]
        system = np.eye(batch.size) - batch.discount * chain.transpose(0, 2, 1)
        initial = batch.initial.reshape(batch.count, batch.size)
        initial = initial / initial.sum(
            axis=1, keepdims=True
        )  # the runs share the probability among them
        often = np.linalg.solve(system, initial[..., None]).reshape(-1, 1)
        drawn = (0 if before is None else before.samples) + model.samples
        gradient = often * policy * advantage(regularizer, policy, q, available)
        return Estimate(q, value_of(batch, regularizer, policy, q), drawn, gradient=gradient)


def problem(settings: Settings) -> MDP:
    """Return the random model."""
    n_states, n_actions, branching = settings.shape
    rng = np.random.default_rng([settings.seed, *settings.shape])
    garnet = models.garnet(n_states, n_actions, branching, rng=rng)
    return MDP(garnet.to_array(), rng.random((n_states, n_actions)), settings.discount)


def policy_of(settings: Settings) -> Float[np.ndarray, "S A"]:
    """Return the (S, A) policy whose gradient is estimated: its logits are normal numbers."""
    return softmax(
        np.random.default_rng([settings.seed, 1]).normal(size=settings.shape[:2]), axis=1
    )


def exact_gradient(
    mdp: MDP, regularizer: Regularizer, policy: Float[np.ndarray, "S A"]
) -> Float[np.ndarray, "S A"]:
    """(S, A) policy -> (S, A) gradient of its value from ρ with respect to the logits."""
    q = evaluate(mdp, policy, regularizer).q
    return visits(mdp, policy)[:, None] * policy * advantage(regularizer, policy, q, None)


def cut_gradient(
    mdp: MDP, regularizer: Regularizer, policy: Float[np.ndarray, "S A"], horizon: int
) -> Float[np.ndarray, "S A"]:
    """(S, A) policy -> (S, A) the mean of what whole episodes of H steps estimate."""
    rows, cost = mdp.to_array(), np.asarray(regularizer.cost(policy))
    left, gains = np.zeros(mdp.n_states), []  # left: what the steps that are left are worth
    for _ in range(horizon):
        q = mdp.rewards + mdp.discount * rows @ left
        left = np.sum(policy * q, axis=1) - cost
        gains.append(policy * advantage(regularizer, policy, q, None))
    total, where = np.zeros(policy.shape), np.asarray(mdp.initial)
    for gain in reversed(gains):
        total += where[:, None] * gain
        where = mdp.discount * np.einsum("s,sa,sat->t", where, policy, rows)
    return total


def rollout_variance(
    mdp: MDP, regularizer: Regularizer, policy: Float[np.ndarray, "S A"], *, baseline: bool
) -> float:
    """Return the variance of REINFORCE with one episode, summed over the entries of the gradient.

    The second moments M of the returns solve M(s,a) = r² + 2γ r E V(s') + γ E[c² - 2c (V + c) + Σ π
    M](s'), where c = τ h(π(s')).

    Args:
        mdp: The model, dense and with all actions available.
        regularizer: h with its temperature.
        policy: (S, A) π.
        baseline: Whether the exact baseline is subtracted, the mean of Q - τ h' under π.
    """
    rows, reward, discount = mdp.to_array(), np.asarray(mdp.rewards), mdp.discount
    found = evaluate(mdp, policy, regularizer)
    cost = np.asarray(regularizer.cost(policy))
    later = cost**2 - 2.0 * cost * (found.value + cost)
    known = reward**2 + discount * rows @ later + 2.0 * discount * reward * (rows @ found.value)
    chain = discount * (rows[..., None] * policy).reshape(policy.size, policy.size)
    second = np.linalg.solve(np.eye(policy.size) - chain, known.ravel()).reshape(policy.shape)
    price = float(regularizer.max_temperature) * regularizer.subgradient(policy)
    if baseline:
        price = price + np.sum(policy * (found.q - price), axis=1, keepdims=True)
    score = 1.0 - 2.0 * policy + np.sum(policy**2, axis=1, keepdims=True)  # ‖e_a - π‖²
    moments = policy * score * (second - 2.0 * price * found.q + price**2)
    gradient = exact_gradient(mdp, regularizer, policy)
    return float(visits(mdp, policy) @ moments.sum(axis=1) / (1.0 - discount) - np.sum(gradient**2))


def plug_in_variance(mdp: MDP, regularizer: Regularizer, policy: Float[np.ndarray, "S A"]) -> float:
    """Return n times the variance of the plug-in gradient as n → ∞, summed over the entries of the gradient.

    To first order the error is linear in the errors of the frequencies, and those of different
    pairs are independent. With M = (I - γP_π)⁻¹ a change of P(y|x, u) changes visits by γ μ(x)
    π(u|x) M(y, ·) and values by γ M(·, x) π(u|x) V(y).

    Args:
        mdp: The model, dense and with all actions available.
        regularizer: h with its temperature.
        policy: (S, A) π.
    """
    rows, discount, (n_states, n_actions) = mdp.to_array(), mdp.discount, policy.shape
    found, often = evaluate(mdp, policy, regularizer), visits(mdp, policy)
    gain = advantage(regularizer, policy, found.q, None)
    resolvent = np.linalg.inv(np.eye(n_states) - discount * np.einsum("sa,sat->st", policy, rows))
    # axes: s, a of the gradient; x, u the pair that is drawn; y the next state
    of_visits = discount * np.einsum("x,xu,ys->sxuy", often, policy, resolvent)
    through_value = discount**2 * np.einsum(
        "sat,tx,xu,y->saxuy", rows, resolvent, policy, found.value
    )
    pairs = np.eye(n_states * n_actions).reshape(n_states, n_actions, n_states, n_actions)
    of_q = through_value + discount * np.einsum("saxu,y->saxuy", pairs, found.value)
    centred = of_q - np.einsum("sb,sbxuy->sxuy", policy, of_q)[:, None]
    change = policy[..., None, None, None] * (
        of_visits[:, None] * gain[..., None, None, None]
        + often[:, None, None, None, None] * centred
    )
    mean = np.einsum("xuy,saxuy->saxu", rows, change)
    return float(np.einsum("xuy,saxuy->", rows, change**2) - np.sum(mean**2))


def perform(task: Estimating | Learning) -> Estimated | Track:
    """Do what a task says."""
    return _estimated(task) if isinstance(task, Estimating) else _learned(task)


def _estimated(task: Estimating) -> Estimated:
    """Estimate the gradient many times over."""
    arm, pair, settings = task
    mdp, regularizer, policy = problem(settings), Shannon(settings.temperature), policy_of(settings)
    place = [settings.seed, ARMS.index(arm), pair]
    batch = RunBatch(
        mdp, RandomStreams([np.random.default_rng([*place, run]) for run in range(settings.runs)])
    )
    tiled, before = np.tile(policy, (settings.runs, 1)), None
    if arm == GENERATIVE:
        evaluation: SampledEvaluation = PlugIn(pair)
    else:
        used, cut = settings.used(arm, pair), settings.cut if arm == WHOLE else None
        evaluation = Rollouts(used, horizon=cut, baseline=arm != PLAIN)
        if arm != PLAIN:
            before = Rollouts(settings.episodes(arm, pair) - used, horizon=cut)(
                batch, regularizer, tiled, None
            )
    estimate = evaluation(batch, regularizer, tiled, before)
    assert estimate.gradient is not None
    errors = batch.split(estimate.gradient) - exact_gradient(mdp, regularizer, policy)
    return Estimated(task, estimate.samples, errors.reshape(settings.runs, -1))


def _learned(task: Learning) -> Track:
    """Learn many times over, and measure the value of every policy."""
    arm, step, settings = task
    mdp, regularizer = problem(settings), Shannon(settings.temperature)
    best = float(mdp.initial @ theory.compute_optimum(mdp, regularizer).value)
    cut = settings.cut if arm == WHOLE else None
    evaluation = (
        PlugIn(settings.pair)
        if arm == GENERATIVE
        else Rollouts(settings.episodes(arm, settings.pair), horizon=cut, baseline=arm != PLAIN)
    )
    samples: list[int] = []
    gaps: list[Float[np.ndarray, " seeds"]] = []

    def measure(event: Event) -> None:
        assert event.state.next_policy is not None
        policies = event.state.next_policy.reshape(-1, *mdp.rewards.shape)
        gaps.append(best - _values(mdp, policies, settings.temperature))
        samples.append(int(event.measures["samples"]))

    place = [settings.seed, len(ARMS) + ARMS.index(arm), round(1e6 * step)]
    learn(
        mdp,
        regularizer,
        SoftmaxPG(step, evaluation=evaluation),
        max_iterations=settings.iterations,
        rng=[np.random.default_rng([*place, run]) for run in range(settings.seeds)],
        callback=measure,
    )
    return Track(task, np.array(samples), np.array(gaps))


def exact_gaps(step: float, settings: Settings) -> Float[np.ndarray, " n"]:
    """Return the (n + 1,) gaps of softmax policy gradient with exact gradients."""
    mdp, regularizer = problem(settings), Shannon(settings.temperature)
    best, gaps = float(mdp.initial @ theory.compute_optimum(mdp, regularizer).value), []

    def measure(event: Event) -> None:
        assert event.state.policy is not None
        gaps.append(
            best - _values(mdp, np.asarray(event.state.policy)[None], settings.temperature)[0]
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


def _values(
    mdp: MDP, policy: Float[np.ndarray, "N S A"], temperature: float
) -> Float[np.ndarray, " N"]:
    """(N, S, A) policies of a dense model -> their (N,) values from ρ, with Shannon entropy."""
    chain = np.einsum("nsa,sat->nst", policy, mdp.to_array())
    price = np.where(policy > 0, np.log(np.where(policy > 0, policy, 1.0)), 0.0)
    expected = np.sum(policy * (mdp.rewards - temperature * price), axis=-1)
    value = np.linalg.solve(np.eye(mdp.n_states) - mdp.discount * chain, expected[..., None])[
        ..., 0
    ]
    return value @ mdp.initial


def exponent(x: Float[np.ndarray, " n"], y: Float[np.ndarray, " n"]) -> float:
    """Return the exponent of the power law through some points; NaN if there are fewer than two."""
    return float(np.polyfit(np.log(x), np.log(y), 1)[0]) if len(x) >= 2 else math.nan
