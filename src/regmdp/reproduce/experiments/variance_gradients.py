"""Policy gradients and the variances of their estimates in closed form."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from regmdp._internal.arrays import Array, Float
from regmdp._internal.checks import check_integer
from regmdp._internal.errors import SampleError
from regmdp.certificates import evaluate
from regmdp.evaluation import Estimate, GenerativeModel, RunBatch, SampledEvaluation, visits
from regmdp.evaluation.empirical_model import compute_q, draw_empirical_models
from regmdp.evaluation.sampled import evaluate_q
from regmdp.improvement import advantage
from regmdp.mdp import MDP, DecisionProcess
from regmdp.regularizers import Regularizer

__all__ = [
    "PlugInGradient",
    "compute_gradient",
    "compute_plug_in_variance",
    "compute_rollout_variance",
    "compute_truncated_gradient",
]


@dataclass(frozen=True)
class PlugInGradient(SampledEvaluation):
    """Gradient of the value in the empirical model of n samples of every pair.

    The occupancy and the action values are both those of the empirical model; of the exact model
    only ρ is used.

    Args:
        samples: n.
    """

    samples: int

    def __post_init__(self) -> None:
        check_integer("samples", self.samples)

    def check(self, source: DecisionProcess, regularizer: Regularizer) -> None:
        GenerativeModel(self.samples).check(source, regularizer)

    def __call__(
        self,
        batch: RunBatch,
        regularizer: Regularizer,
        policy: Float[Array, "NS A"],
        before: Estimate | None,
    ) -> Estimate:
        model = draw_empirical_models(batch.simulator, batch.streams, self.samples)
        if model.dense is None:
            raise SampleError(
                f"the plug-in gradient needs a small model; this one has {batch.size} states"
            )
        available = None if batch.all_available else batch.available
        q = compute_q(model, batch, regularizer, policy)
        weights = batch.split(policy)
        rows = model.dense.reshape(*weights.shape, batch.size)
        chain = np.matmul(weights[:, :, None, :], rows)[:, :, 0, :]
        system = np.eye(batch.size) - batch.discount * chain.transpose(0, 2, 1)
        initial = batch.initial.reshape(batch.count, batch.size)
        initial = initial / initial.sum(
            axis=1, keepdims=True
        )  # the runs of a batch share the probability
        often = np.linalg.solve(system, initial[..., None]).reshape(-1, 1)
        drawn = (0 if before is None else before.samples) + model.samples
        gradient = often * policy * advantage(regularizer, policy, q, available)
        return Estimate(q, evaluate_q(batch, regularizer, policy, q), drawn, gradient=gradient)


def compute_gradient(
    mdp: MDP, regularizer: Regularizer, policy: Float[np.ndarray, "S A"]
) -> Float[np.ndarray, "S A"]:
    """(S, A) policy -> (S, A) gradient of its value from ρ with respect to the logits."""
    q = evaluate(mdp, policy, regularizer).q
    return visits(mdp, policy)[:, None] * policy * advantage(regularizer, policy, q, None)


def compute_truncated_gradient(
    mdp: MDP, regularizer: Regularizer, policy: Float[np.ndarray, "S A"], horizon: int
) -> Float[np.ndarray, "S A"]:
    """(S, A) policy -> (S, A) expectation of the estimate from whole episodes of H steps."""
    rows, cost = mdp.to_array(), np.asarray(regularizer.cost(policy))
    left, gains = np.zeros(mdp.n_states), []  # left: value of the remaining steps
    for _ in range(horizon):
        q = mdp.rewards + mdp.discount * rows @ left
        left = np.sum(policy * q, axis=1) - cost
        gains.append(policy * advantage(regularizer, policy, q, None))
    total, where = np.zeros(policy.shape), np.asarray(mdp.initial)
    for gain in reversed(gains):
        total += where[:, None] * gain
        where = mdp.discount * np.einsum("s,sa,sat->t", where, policy, rows)
    return total


def compute_rollout_variance(
    mdp: MDP, regularizer: Regularizer, policy: Float[np.ndarray, "S A"], *, baseline: bool
) -> float:
    """Return the variance of REINFORCE with one episode, summed over the entries of the gradient.

    The second moments M of the returns solve M(s,a) = r² + 2γ r E V(s') + γ E[c² - 2c (V + c) + Σ π
    M](s'), where c = τ h(π(s')).

    Args:
        mdp: The model, dense and with all actions available.
        regularizer: h with its temperature.
        policy: (S, A) π.
        baseline: Whether to subtract the exact baseline, the mean of Q - τ h' under π.
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
    gradient = compute_gradient(mdp, regularizer, policy)
    return float(visits(mdp, policy) @ moments.sum(axis=1) / (1.0 - discount) - np.sum(gradient**2))


def compute_plug_in_variance(
    mdp: MDP, regularizer: Regularizer, policy: Float[np.ndarray, "S A"]
) -> float:
    """Return n times the variance of the plug-in gradient as n → ∞, summed over its entries.

    To first order the error is linear in the errors of the frequencies, which are independent for
    different pairs. With M = (I - γP_π)⁻¹ a change of P(y|x, u) changes visits by γ μ(x) π(u|x)
    M(y, ·) and values by γ M(·, x) π(u|x) V(y).

    Args:
        mdp: The model, dense and with all actions available.
        regularizer: h with its temperature.
        policy: (S, A) π.
    """
    rows, discount, (n_states, n_actions) = mdp.to_array(), mdp.discount, policy.shape
    found, often = evaluate(mdp, policy, regularizer), visits(mdp, policy)
    gain = advantage(regularizer, policy, found.q, None)
    resolvent = np.linalg.inv(np.eye(n_states) - discount * np.einsum("sa,sat->st", policy, rows))
    # axes: s, a of the gradient; x, u the sampled pair; y the next state
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
