r"""Bounds on the errors of derivatives at an approximate solution.

Along a direction in which the action values change by dQ, the derivative of V has an error because
the policy has one: with weights μ of the states, it is
\(\sum_s \mu(s) \langle \pi^* - \pi, dQ(s) \rangle\), in which only the spread of dQ over actions
counts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from regmdp._internal.arrays import UNIT_ROUNDOFF, Array, Bool, Float
from regmdp._internal.bounds import require_error_bound
from regmdp._internal.fields import ReadOnlyCopies
from regmdp.gradients.accuracy import Accuracy
from regmdp.gradients.fixed_point import FixedPoint
from regmdp.gradients.perturbations import Derivative, Perturbation
from regmdp.gradients.shapes import as_transition_rows
from regmdp.regularizers import KL, SeparableRegularizer, Shannon, Sum

__all__ = ["Cotangent", "GradientErrors"]


@dataclass(frozen=True, eq=False)
class GradientErrors:
    """Bounds on the errors of a gradient; infinite where none is known.

    Attributes:
        rewards: On the sum of the absolute errors of all pairs: a parameter on which each reward
            depends with slope at most x has an error of at most x times this.
        temperature: On the error of the derivative with respect to τ; with one temperature per
            state, on the sum of the absolute errors.
        discount: On that with respect to γ.
        reference: (S, A) or (A,) on those with respect to the reference; None without one.
    """

    rewards: float
    temperature: float
    discount: float
    reference: Float[np.ndarray, "..."] | None = None

    def __post_init__(self) -> None:
        require_error_bound("the gradient", self.rewards)
        require_error_bound("the derivative with respect to the temperature", self.temperature)
        require_error_bound("the derivative with respect to the discount", self.discount)
        if self.reference is not None:
            require_error_bound("the derivatives with respect to the reference", self.reference)


@dataclass(frozen=True, eq=False)
class Cotangent(ReadOnlyCopies):
    r"""The function of the solution whose gradient was taken, and the errors of that gradient.

    It is \(\langle c, V \rangle + \langle g, Q \rangle + \langle k, \pi \rangle\).

    Attributes:
        point: The solution that was linearized.
        accuracy: Its distance from the optimum.
        of_value: (S,) c.
        of_q: (S, A) g.
        of_policy: (S, A) k, or None.
        policy_as_q: (S, A) k as weights of action values.
        visits: (S,) all three as weights of the states.
    """

    point: FixedPoint
    accuracy: Accuracy
    of_value: Float[np.ndarray, " S"]
    of_q: Float[np.ndarray, "S A"]
    of_policy: Float[np.ndarray, "S A"] | None
    policy_as_q: Float[np.ndarray, "S A"]
    visits: Float[np.ndarray, " S"]

    @cached_property
    def errors(self) -> GradientErrors:
        """Bounds on the errors of the gradient."""
        accuracy = self.accuracy
        policy_part = float(np.sum(np.abs(self.visits) * accuracy.policy))
        rewards = self.policy_as_q_error + self.visits_error + policy_part
        largest = float(np.max(np.abs(self.point.value), initial=0.0))
        discount = _multiply_bounds(rewards, largest + accuracy.value)
        discount += float(self._pair_weights.sum()) * accuracy.value
        return GradientErrors(
            rewards=rewards,
            temperature=_bound_temperature_error(self),
            discount=discount,
            reference=None if self.point.kl_reference is None else _bound_reference_error(self),
        )

    def directional_error(self, perturbation: Perturbation) -> float:
        """Bound the error of the derivative along a perturbation, at the cost of one solve."""
        total = 0.0
        if perturbation.temperature is not None:
            size = float(np.max(np.abs(perturbation.temperature)))
            total += _multiply_bounds(self.errors.temperature, size)
        if perturbation.reference is not None and self.errors.reference is not None:
            total += float(np.sum(self.errors.reference * np.abs(perturbation.reference)))
        remaining = replace(perturbation, temperature=None, reference=None)
        derivative = self.point.differentiate(remaining)
        total += self._bound_policy_part(derivative) + self._bound_value_part(remaining)
        require_error_bound("the directional derivative", total)
        return total

    def _bound_policy_part(self, derivative: Derivative) -> float:
        """Bound the error that those of the policy and of the weights cause along a direction."""
        accuracy, size = self.accuracy, np.abs(self.visits)
        half_spread = 0.5 * _spread(derivative.q, self.point.mdp.available)
        missed = accuracy.policy * half_spread
        # dQ itself has the error that the policy causes in later states
        later = _multiply_bounds(accuracy.amplification, float(np.max(missed, initial=0.0)))
        missed = missed + accuracy.policy * np.where(accuracy.policy > 0, later, 0.0)
        most = float(np.max(missed, initial=0.0))
        total = float(np.sum(size * np.where(size > 0, missed, 0.0)))
        total += _multiply_bounds(self.visits_error, most)
        largest_spread = float(np.max(half_spread, initial=0.0))
        total += _multiply_bounds(self.policy_as_q_error, largest_spread + most)
        return total + self._residual * float(np.max(np.abs(derivative.value), initial=0.0))

    def _bound_value_part(self, perturbation: Perturbation) -> float:
        """Bound the error of what changes the action values in proportion to V."""
        mdp, weights, total = self.point.mdp, self._pair_weights, 0.0
        if perturbation.discount is not None:
            size = abs(float(perturbation.discount))
            total += size * float(np.sum(weights)) * self.accuracy.value
        if perturbation.transitions is not None:
            rows = as_transition_rows(perturbation.transitions, mdp.rewards.shape)
            mass = np.asarray(abs(rows).sum(axis=1)).reshape(weights.shape)
            total += mdp.discount * float(np.sum(weights * mass)) * self.accuracy.value
        return total

    @cached_property
    def policy_as_q_error(self) -> float:
        """Bound on the ℓ1 norm of the error of the policy's weights as weights of action values."""
        if self.of_policy is None:
            return 0.0
        return _bound_policy_jvp_error(self.point, self.accuracy, self.of_policy)

    @cached_property
    def visits_error(self) -> float:
        """Bound on the ℓ1 norm of the error of the weights of the states."""
        discount, accuracy = self.point.mdp.discount, self.accuracy
        missed = float(np.sum(np.abs(self.visits) * accuracy.policy))
        return _multiply_bounds(
            accuracy.amplification, self._residual + discount * (self.policy_as_q_error + missed)
        )

    @cached_property
    def _pair_weights(self) -> Float[np.ndarray, "S A"]:
        """(S, A) sizes of the weights of the pairs."""
        by_states = np.abs(self.visits)[:, None] * self.point.policy
        return np.abs(self.of_q + self.policy_as_q) + by_states

    @cached_property
    def _residual(self) -> float:
        """Bound on the ℓ1 norm of the residual of the equation that the state weights solve."""
        point, mdp = self.point, self.point.mdp
        source = self.of_value + point.next_state_weights(self.of_q + self.policy_as_q)
        reached = point.next_state_weights(self.visits[:, None] * point.policy)
        size = float(np.sum(np.abs(source)) + (1.0 + mdp.discount) * np.sum(np.abs(self.visits)))
        rounding = (mdp.n_states + 8) * UNIT_ROUNDOFF * size
        return float(np.sum(np.abs(source + reached - self.visits))) + rounding


def _bound_policy_jvp_error(
    point: FixedPoint, accuracy: Accuracy, of_policy: Float[np.ndarray, "S A"]
) -> float:
    r"""Bound the ℓ1 error, over all states, of \(\nabla^2 h^* k/\tau\), for (S, A) weights k."""
    regularizer, tau = point.regularizer, point.temperature
    half_spread = 0.5 * _spread(of_policy, point.mdp.available)
    used = (tau > 0) & (half_spread > 0)
    safe_tau = np.where(used, tau, 1.0)
    if isinstance(regularizer, Shannon | KL):
        # p ∘ (k - ⟨p, k⟩), with |k| ≤ half the spread up to a constant
        error = np.where(used, 3.0 * accuracy.policy * half_spread / safe_tau, 0.0)
        return float(np.sum(error))
    if not isinstance(regularizer, SeparableRegularizer):
        return np.inf if used.any() else 0.0
    assert accuracy.bracket is not None
    inverse, *ends = (
        regularizer.inverse_second_derivative(p, point.available)
        for p in (point.policy, *accuracy.bracket)
    )
    with np.errstate(invalid="ignore"):
        distance = np.sum(np.max([np.abs(end - inverse) for end in ends], axis=0), axis=1)
    rounding = 64 * (point.mdp.n_actions + 8) * UNIT_ROUNDOFF * np.sum(inverse, axis=1)
    error = np.where(used, 4.0 * (distance + rounding) * half_spread / safe_tau, 0.0)
    return float(np.sum(np.where(np.isnan(error), np.inf, error)))


def _bound_temperature_error(cotangent: Cotangent) -> float:
    """Bound the error of the derivative with respect to the temperature."""
    point, accuracy, size = cotangent.point, cotangent.accuracy, np.abs(cotangent.visits)
    warm = (point.temperature > 0) & ~point.mdp.terminal
    safe_tau = np.where(warm, point.temperature, 1.0)
    width = np.max(np.abs(point.scores), axis=1)
    # τ h(π) = ⟨π, Q⟩ - V, up to the error of either
    h_error = np.where(warm, accuracy.policy * width + 3.0 * accuracy.value / safe_tau, 0.0)
    largest = float(np.max(np.abs(point.h) + h_error, initial=0.0))
    scores_error = np.where(warm, 2.0 * accuracy.value / safe_tau, 0.0)
    total = _multiply_bounds(cotangent.visits_error, largest) + float(np.sum(size * h_error))
    total += float(np.sum(np.abs(cotangent.policy_as_q).sum(axis=1) * scores_error))
    widest = float(np.max(width, initial=0.0))
    return total + _multiply_bounds(cotangent.policy_as_q_error, widest)


def _bound_reference_error(cotangent: Cotangent) -> Array:
    """Bound the errors of the derivatives with respect to the reference."""
    point, accuracy, size = cotangent.point, cotangent.accuracy, np.abs(cotangent.visits)
    reference = point.kl_reference
    assert reference is not None
    q_error = np.full(size.shape, 2.0 * accuracy.value)
    ratio_error = reference.ratio_error(q_error, accuracy.policy)
    ratio = reference.ratio + ratio_error
    with np.errstate(invalid="ignore"):
        of_visits = np.where(ratio > 0, cotangent.visits_error * ratio, 0.0)
        error = reference.temperature[:, None] * (of_visits + size[:, None] * ratio_error)
        if cotangent.of_policy is not None:
            half_spread = 0.5 * np.ptp(cotangent.of_policy, axis=1)
            error = error + ratio * (accuracy.policy * half_spread)[:, None]
            error = error + ratio_error * 2.0 * half_spread[:, None]
            if isinstance(point.regularizer, Sum) and cotangent.policy_as_q_error > 0:
                error = np.full(error.shape, np.inf)
    return reference.sum_to_shape(np.where(np.isnan(error), np.inf, error))


def _spread(
    q: Float[np.ndarray, "S A"], available: Bool[np.ndarray, "S A"]
) -> Float[np.ndarray, " S"]:
    """Return the largest minus the smallest value of the available actions of each state."""
    high = np.max(np.where(available, q, -np.inf), axis=1)
    low = np.min(np.where(available, q, np.inf), axis=1)
    return np.where(high >= low, high - np.where(high >= low, low, 0.0), 0.0)


def _multiply_bounds(bound: float, other: float) -> float:
    """Return the product of two bounds, where 0 times ∞ is 0."""
    return 0.0 if bound == 0.0 or other == 0.0 else bound * other
