r"""Bounds on the errors of derivatives at an approximate solution.

In a direction in which the action values move by dQ, the derivative of V moves by what the policy
misses of it: with weights μ of the states, the error is
\(\sum_s \mu(s) \langle \pi^* - \pi, dQ(s) \rangle\), in which only the spread of dQ over actions
counts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from regmdp import bellman
from regmdp._internal.arrays import UNIT_ROUNDOFF, Array, Float
from regmdp.gradients.accuracy import bracket_policy
from regmdp.gradients.perturbations import Perturbation, transition_rows
from regmdp.regularizers import KL, SeparableRegularizer, Shannon, Sum

if TYPE_CHECKING:
    from regmdp.gradients.linearization import Linearization

__all__ = ["Cotangent", "GradientErrors"]


@dataclass(frozen=True, eq=False)
class GradientErrors:
    """Bounds on the errors of a gradient; infinite where none is known.

    Attributes:
        rewards: On the sum of the absolute errors of all pairs, so that a parameter of which no
            reward depends more strongly than by x has an error of at most x times this.
        temperature: On that of the derivative with respect to τ; with one per state, on the sum of
            their absolute errors.
        discount: On that with respect to γ.
        reference: (S, A) or (A,) on those with respect to the reference; None without one.
    """

    rewards: float
    temperature: float
    discount: float
    reference: Float[np.ndarray, "..."] | None = None


@dataclass(frozen=True, eq=False)
class Cotangent:
    r"""The function whose gradient was taken, \(\langle c, V \rangle + \langle g, Q \rangle + \langle k, \pi \rangle\).

    Attributes:
        linear: The linearization.
        of_value: (S,) c.
        of_q: (S, A) g.
        of_policy: (S, A) k, or None.
        through: (S, A) k as weights of action values.
        visits: (S,) what all of it amounts to as weights of states.
    """

    linear: Linearization
    of_value: Float[np.ndarray, " S"]
    of_q: Float[np.ndarray, "S A"]
    of_policy: Float[np.ndarray, "S A"] | None
    through: Float[np.ndarray, "S A"]
    visits: Float[np.ndarray, " S"]

    @cached_property
    def errors(self) -> GradientErrors:
        """Bounds on the errors of the gradient."""
        linear, accuracy = self.linear, self.linear.accuracy
        size = np.abs(self.visits)
        missed = float(np.sum(size * accuracy.policy))
        rewards = self._of_through + self._of_visits + missed
        top = float(np.max(np.abs(linear.value), initial=0.0))
        weights = np.abs(self.of_q + self.through) + size[:, None] * linear.policy
        of_discount = _times(rewards, top + accuracy.value) + float(weights.sum()) * accuracy.value
        reference = None if linear._reference is None else _reference_error(self)
        return GradientErrors(rewards, _temperature_error(self), of_discount, reference)

    def directional_error(self, change: Perturbation) -> float:
        """Bound the error of the derivative in a direction, at the cost of one solve."""
        linear, accuracy, total = self.linear, self.linear.accuracy, 0.0
        if change.temperature is not None:
            total += _times(self.errors.temperature, float(np.max(np.abs(change.temperature))))
        if change.reference is not None and self.errors.reference is not None:
            total += float(np.sum(self.errors.reference * np.abs(change.reference)))
        change = replace(change, temperature=None, reference=None)
        moved = linear.derivative(change)
        half = 0.5 * _spread(moved.q, linear.mdp.available)
        missed = accuracy.policy * half
        # dQ itself is off by what the policy misses of it on the way
        further = _times(accuracy.amplification, float(np.max(missed, initial=0.0)))
        missed = missed + accuracy.policy * np.where(accuracy.policy > 0, further, 0.0)
        most = float(np.max(missed, initial=0.0))
        size = np.abs(self.visits)
        total += float(np.sum(size * np.where(size > 0, missed, 0.0))) + _times(
            self._of_visits, most
        )
        total += _times(self._of_through, float(np.max(half, initial=0.0)) + most)
        total += self._left * float(np.max(np.abs(moved.value), initial=0.0))
        # what moves the action values by way of V has the error of V
        weights = np.abs(self.of_q + self.through) + size[:, None] * linear.policy
        if change.discount is not None:
            total += abs(float(change.discount)) * float(np.sum(weights)) * accuracy.value
        if change.transitions is not None:
            mass = np.asarray(
                abs(transition_rows(change.transitions, linear.mdp.rewards.shape)).sum(axis=1)
            ).reshape(weights.shape)
            total += linear.mdp.discount * float(np.sum(weights * mass)) * accuracy.value
        return total

    @cached_property
    def _of_through(self) -> float:
        return 0.0 if self.of_policy is None else _tangent_error(self.linear, self.of_policy)

    @cached_property
    def _left(self) -> float:
        """Bound on the ℓ1 norm of what the weights of the states leave of their equation."""
        linear, mdp = self.linear, self.linear.mdp
        source = self.of_value + mdp.discount * bellman.next_state_weights(
            mdp, self.of_q + self.through
        )
        reached = mdp.discount * bellman.next_state_weights(
            mdp, self.visits[:, None] * linear.policy
        )
        size = float(np.sum(np.abs(source)) + (1.0 + mdp.discount) * np.sum(np.abs(self.visits)))
        return (
            float(np.sum(np.abs(source + reached - self.visits)))
            + (mdp.n_states + 8) * UNIT_ROUNDOFF * size
        )

    @cached_property
    def _of_visits(self) -> float:
        """Bound on the ℓ1 norm of the error of the weights of the states."""
        discount, accuracy = self.linear.mdp.discount, self.linear.accuracy
        missed = float(np.sum(np.abs(self.visits) * accuracy.policy))
        return _times(accuracy.amplification, self._left + discount * (self._of_through + missed))


def _tangent_error(linear: Linearization, of_policy: Float[np.ndarray, "S A"]) -> float:
    r"""Bound the ℓ1 error, over all states, of \(\nabla^2 h^* k/\tau\), for (S, A) weights k."""
    mdp, accuracy, regularizer = linear.mdp, linear.accuracy, linear.regularizer
    tau = np.broadcast_to(np.asarray(regularizer.temperature), (mdp.n_states,))
    half = 0.5 * _spread(of_policy, mdp.available)
    used = (tau > 0) & (half > 0)
    if isinstance(regularizer, Shannon | KL):
        # p ∘ (k - ⟨p, k⟩), with |k| ≤ half up to a constant
        return float(
            np.sum(np.where(used, 3.0 * accuracy.policy * half / np.where(used, tau, 1.0), 0.0))
        )
    if not isinstance(regularizer, SeparableRegularizer):
        return np.inf if used.any() else 0.0
    bracket = accuracy.bracket or bracket_policy(linear, accuracy.value)
    assert bracket is not None
    available = None if mdp.all_available else mdp.available
    spread, *ends = (
        regularizer.inverse_second_derivative(p, available) for p in (linear.policy, *bracket)
    )
    with np.errstate(invalid="ignore"):
        distance = np.sum(np.max([np.abs(end - spread) for end in ends], axis=0), axis=1)
    rounding = 64 * (mdp.n_actions + 8) * UNIT_ROUNDOFF * np.sum(spread, axis=1)
    error = np.where(used, 4.0 * (distance + rounding) * half / np.where(used, tau, 1.0), 0.0)
    return float(np.sum(np.where(np.isnan(error), np.inf, error)))


def _temperature_error(weights: Cotangent) -> float:
    """Bound the error of the derivative with respect to the temperature."""
    linear, accuracy, size = weights.linear, weights.linear.accuracy, np.abs(weights.visits)
    tau = np.broadcast_to(np.asarray(linear.regularizer.temperature), size.shape)
    warm = (tau > 0) & ~linear.mdp.terminal
    safe = np.where(warm, tau, 1.0)
    width = np.max(np.abs(linear._scores), axis=1)
    # τ h(π) = ⟨π, Q⟩ - V, up to the error of either
    of_h = np.where(warm, accuracy.policy * width + 3.0 * accuracy.value / safe, 0.0)
    largest = float(np.max(np.abs(linear._h) + of_h, initial=0.0))
    of_scores = np.where(warm, 2.0 * accuracy.value / safe, 0.0)
    own = _times(weights._of_visits, largest) + float(np.sum(size * of_h))
    through = float(np.sum(np.abs(weights.through).sum(axis=1) * of_scores))
    return own + _times(weights._of_through, float(np.max(width, initial=0.0))) + through


def _reference_error(weights: Cotangent) -> Array:
    """Bound the errors of the derivatives with respect to the reference."""
    linear, accuracy, size = weights.linear, weights.linear.accuracy, np.abs(weights.visits)
    reference = linear._reference
    assert reference is not None
    of_ratio = reference.error_of_ratio(np.full(size.shape, 2.0 * accuracy.value), accuracy.policy)
    ratio = reference.ratio + of_ratio
    with np.errstate(invalid="ignore"):
        of_states = np.where(ratio > 0, weights._of_visits * ratio, 0.0)
        error = reference.temperature[:, None] * (of_states + size[:, None] * of_ratio)
        if weights.of_policy is not None:
            half = 0.5 * np.ptp(weights.of_policy, axis=1)
            error = (
                error + ratio * (accuracy.policy * half)[:, None] + of_ratio * 2.0 * half[:, None]
            )
            if isinstance(linear.regularizer, Sum) and weights._of_through > 0:
                error = np.full(error.shape, np.inf)
    return reference.shaped(np.where(np.isnan(error), np.inf, error))


def _spread(q: Float[np.ndarray, "S A"], available: Array) -> Float[np.ndarray, " S"]:
    """Return how far apart the values of the available actions of each state are."""
    high, low = (
        np.max(np.where(available, q, -np.inf), axis=1),
        np.min(np.where(available, q, np.inf), axis=1),
    )
    return np.where(high >= low, high - np.where(high >= low, low, 0.0), 0.0)


def _times(bound: float, other: float) -> float:
    """Return a product of bounds, where 0 times an infinite one is 0."""
    return 0.0 if bound == 0.0 or other == 0.0 else bound * other
