r"""How far derivatives at an approximate solution may be from those at the optimum.

If V is within ε of V*, the action values are within γε, and the policy is within \(\gamma\varepsilon/(\mu\tau)\) in the ℓ1 norm,
where h is μ-strongly convex; where it is a sum over actions, the policy is bracketed action by action instead. From there on
everything is linear, and the inverse of I - γ P_π is bounded by one solve: it is not negative, so the sum of its largest row is
the largest entry of its product with ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from regmdp import bellman
from regmdp._arrays import UNIT_ROUNDOFF, Array, ArrayLike, Bool, Float
from regmdp.certificates import judge
from regmdp.regularizers import KL, Regularizer, SeparableRegularizer, Shannon, Sum

if TYPE_CHECKING:
    from regmdp.gradients.linearization import Linearization

__all__ = ["Accuracy", "Errors", "errors_of"]


@dataclass(frozen=True, eq=False)
class Errors:
    """Bounds on the errors of a gradient; infinite where none is known.

    Attributes:
        rewards: On the sum of the absolute errors of all pairs, so that a parameter of which no reward depends more strongly than
            by x has an error of at most x times this.
        temperature: On that of the derivative with respect to τ; with one per state, on the sum of their absolute errors.
        discount: On that with respect to γ.
        reference: (S, A) or (A,) on those with respect to the reference; None without one.
    """

    rewards: float
    temperature: float
    discount: float
    reference: Float[np.ndarray, "..."] | None = None

    @classmethod
    def unknown(cls) -> Errors:
        """Return bounds that say nothing."""
        return cls(np.inf, np.inf, np.inf)


@dataclass(frozen=True, eq=False)
class Accuracy:
    """How far V, π and the inverse of the system of a linearization may be from those of the optimum.

    Attributes:
        value: Bound on |V - V*| of every state, and on how far the action values of V are from Q*.
        policy: (S,) bound on the ℓ1 distance between the policies.
        amplification: Bound on the largest row sum of the inverse of I - γ P_π, for the optimal policy.
        undecided: (S, A) mask of the pairs of which it is not sure whether the optimal policy uses them.
        bracket: (S, A) least and largest probabilities that the optimal policy may have, where they were needed.
    """

    value: float
    policy: Float[np.ndarray, " S"]
    amplification: float
    undecided: Bool[np.ndarray, "S A"]
    bracket: tuple[Float[np.ndarray, "S A"], Float[np.ndarray, "S A"]] | None

    @classmethod
    def of(cls, linear: Linearization) -> Accuracy:
        """Judge a linearization."""
        mdp, regularizer = linear.mdp, linear.regularizer
        correction = linear.system.solve(linear.best - linear.value, np.zeros(mdp.n_states))
        polished = linear.value + correction
        bounds = judge(mdp, regularizer, None, polished)
        radius = float(np.max(np.maximum(bounds.upper - linear.value, linear.value - bounds.lower), initial=0.0))
        # the action values have the rounding of a backup besides
        scale = mdp.reward_bound + float(np.max(np.abs(linear.value)))
        radius += (mdp.transitions.branching + 4) * UNIT_ROUNDOFF * scale
        policy, bracket = _policy_error(linear, radius)
        undecided = np.zeros(linear.policy.shape, dtype=np.bool_) if bracket is None else (bracket[0] <= 0.0) & (bracket[1] > 0.0)
        return cls(radius, policy, _amplification(linear, policy), undecided, bracket)


def errors_of(
    linear: Linearization,
    of_value: Float[np.ndarray, " S"],
    of_q: Float[np.ndarray, "S A"],
    of_policy: Float[np.ndarray, "S A"] | None,
    through: Float[np.ndarray, "S A"],
    visits: Float[np.ndarray, " S"],
) -> Errors:
    """Bound the errors of the gradient that `Linearization.gradient` made of these weights."""
    mdp, accuracy = linear.mdp, linear.accuracy
    discount, size = mdp.discount, np.abs(visits)
    of_through = 0.0 if of_policy is None else _tangent_error(linear, of_policy)
    source = of_value + discount * bellman.gathered(mdp, of_q + through)
    reached = discount * bellman.gathered(mdp, visits[:, None] * linear.policy)
    rounding = (mdp.n_states + 8) * UNIT_ROUNDOFF * float(np.sum(np.abs(source)) + (1.0 + discount) * np.sum(size))
    left = float(np.sum(np.abs(source + reached - visits))) + rounding
    with np.errstate(invalid="ignore"):
        of_visits = _times(accuracy.amplification, left + discount * of_through + discount * float(np.sum(size * accuracy.policy)))
    rewards = of_through + of_visits + float(np.sum(size * accuracy.policy))
    weights = np.abs(of_q + through) + size[:, None] * linear.policy
    top = float(np.max(np.abs(linear.value), initial=0.0))
    of_discount = _times(rewards, top + accuracy.value) + float(weights.sum()) * accuracy.value
    reference = linear._reference
    return Errors(
        rewards,
        _temperature_error(linear, through, of_through, size, of_visits),
        of_discount,
        None if reference is None else _reference_error(linear, of_policy, through, of_through, size, of_visits),
    )


def _policy_error(
    linear: Linearization, radius: float
) -> tuple[Float[np.ndarray, " S"], tuple[Float[np.ndarray, "S A"], Float[np.ndarray, "S A"]] | None]:
    """Bound how far in the ℓ1 norm the greedy policy of values within a radius may be, in each state; and bracket it if need be."""
    mdp, regularizer = linear.mdp, linear.regularizer
    live = ~mdp.terminal
    rounding = 16 * (mdp.n_actions + 8) * UNIT_ROUNDOFF
    modulus = regularizer.strong_convexity(mdp.n_actions)
    tau = np.broadcast_to(np.asarray(regularizer.temperature), live.shape)
    strong = (modulus > 0) & (tau > 0)
    error = np.where(strong, radius / np.where(strong, modulus * tau, 1.0), np.inf)
    bracket = None
    if not _steep(regularizer) or not strong.all():
        bracket = _bracket(linear, radius)
        if bracket is not None:
            low, high = bracket
            error = np.minimum(error, np.sum(np.maximum(high - linear.policy, linear.policy - low), axis=1))
    return np.where(live, np.minimum(error + rounding, 2.0), 0.0), bracket


def _steep(regularizer: Regularizer) -> bool:
    return bool(regularizer.steep and regularizer.limits is None and np.all(np.asarray(regularizer.temperature) > 0))


def _separable(regularizer: Regularizer) -> bool:
    """Whether h is a sum over actions, so that a probability rises with its own value and falls with the others'."""
    if isinstance(regularizer, Sum):
        return all(_separable(part) for part in regularizer.parts)
    return isinstance(regularizer, SeparableRegularizer)


def _bracket(linear: Linearization, radius: float) -> tuple[Float[np.ndarray, "S A"], Float[np.ndarray, "S A"]] | None:
    """Return the least and largest probabilities that each action has for values within a radius, if h is a sum over actions."""
    mdp, regularizer = linear.mdp, linear.regularizer
    if not _separable(regularizer):
        return None
    available = None if mdp.all_available else mdp.available
    q = linear.q if available is None else np.where(available, linear.q, -np.inf)
    low, high = linear.policy.copy(), linear.policy.copy()
    unit = np.eye(mdp.n_actions) * 2.0 - 1.0
    for action in range(mdp.n_actions):
        for sign, ends, choose in ((-1.0, low, np.minimum), (1.0, high, np.maximum)):
            moved = regularizer.maximiser(q + sign * radius * unit[action], available)
            ends[:, action] = choose(ends[:, action], moved[:, action])
    return low, high


def _amplification(linear: Linearization, policy: Float[np.ndarray, " S"]) -> float:
    """Bound the largest row sum of the inverse of I - γ P_π at the optimal policy."""
    mdp = linear.mdp
    ones = np.ones(mdp.n_states)
    sums = linear.system.solve(ones, ones)
    ahead = mdp.discount * np.sum(linear.policy * bellman.expected_values(mdp, sums), axis=1)
    rounding = (mdp.transitions.branching + mdp.n_actions + 4) * UNIT_ROUNDOFF * float(np.max(np.abs(sums), initial=0.0))
    left = float(np.max(np.abs(ones + ahead - sums), initial=0.0)) + 2 * rounding
    bound = float(np.max(sums, initial=0.0)) / (1.0 - left) if left < 1.0 and np.all(sums > 0) else np.inf
    if mdp.discount < 1.0:
        leak = mdp.discount * (1.0 + mdp.mass_error)
        bound = min(bound, 1.0 / (1.0 - leak)) if leak < 1.0 else bound
    shift = mdp.discount * bound * float(np.max(policy, initial=0.0))
    moved = bound / (1.0 - shift) if shift < 1.0 else np.inf
    return min(moved, 1.0 / (1.0 - mdp.discount * (1.0 + mdp.mass_error))) if mdp.discount * (1.0 + mdp.mass_error) < 1.0 else moved


def _tangent_error(linear: Linearization, of_policy: Float[np.ndarray, "S A"]) -> float:
    r"""Bound the ℓ1 error, over all states, of \(\nabla^2 h^* k/\tau\), for (S, A) weights k."""
    mdp, accuracy, regularizer = linear.mdp, linear.accuracy, linear.regularizer
    tau = np.broadcast_to(np.asarray(regularizer.temperature), (mdp.n_states,))
    high = np.max(np.where(mdp.available, of_policy, -np.inf), axis=1)
    low = np.min(np.where(mdp.available, of_policy, np.inf), axis=1)
    with np.errstate(invalid="ignore"):
        half = np.where(mdp.terminal, 0.0, 0.5 * (high - low))
    used = (tau > 0) & (half > 0)
    if isinstance(regularizer, Shannon | KL):
        # p ∘ (k - ⟨p, k⟩), with |k| ≤ half up to a constant
        return float(np.sum(np.where(used, 3.0 * accuracy.policy * half / np.where(used, tau, 1.0), 0.0)))
    if not isinstance(regularizer, SeparableRegularizer):
        return np.inf if used.any() else 0.0
    bracket = accuracy.bracket or _bracket(linear, accuracy.value)
    assert bracket is not None
    available = None if mdp.all_available else mdp.available
    spread, *ends = (regularizer.spread(p, available) for p in (linear.policy, *bracket))
    with np.errstate(invalid="ignore"):
        distance = np.sum(np.max([np.abs(end - spread) for end in ends], axis=0), axis=1)
    rounding = 64 * (mdp.n_actions + 8) * UNIT_ROUNDOFF * np.sum(spread, axis=1)
    error = np.where(used, 4.0 * (distance + rounding) * half / np.where(used, tau, 1.0), 0.0)
    return float(np.sum(np.where(np.isnan(error), np.inf, error)))


def _temperature_error(
    linear: Linearization, through: Float[np.ndarray, "S A"], of_through: float, size: Float[np.ndarray, " S"], of_visits: float
) -> float:
    """Bound the error of the derivative with respect to the temperature."""
    accuracy = linear.accuracy
    tau = np.broadcast_to(np.asarray(linear.regularizer.temperature), size.shape)
    warm = (tau > 0) & ~linear.mdp.terminal
    safe = np.where(warm, tau, 1.0)
    width = np.max(np.abs(linear._scores), axis=1)
    # τ h(π) = ⟨π, Q⟩ - V, up to the error of either
    of_h = np.where(warm, accuracy.policy * width + 3.0 * accuracy.value / safe, 0.0)
    largest = float(np.max(np.abs(linear._h) + of_h, initial=0.0))
    of_scores = np.where(warm, 2.0 * accuracy.value / safe, 0.0)
    own = _times(of_visits, largest) + float(np.sum(size * of_h))
    return own + _times(of_through, float(np.max(width, initial=0.0))) + float(np.sum(np.abs(through).sum(axis=1) * of_scores))


def _reference_error(
    linear: Linearization,
    of_policy: Float[np.ndarray, "S A"] | None,
    through: Float[np.ndarray, "S A"],
    of_through: float,
    size: Float[np.ndarray, " S"],
    of_visits: float,
) -> Array:
    """Bound the errors of the derivatives with respect to the reference."""
    reference, accuracy = linear._reference, linear.accuracy
    assert reference is not None
    of_ratio = reference.error_of_ratio(np.full(size.shape, 2.0 * accuracy.value), accuracy.policy)
    ratio = reference.ratio + of_ratio
    with np.errstate(invalid="ignore"):
        error = reference.temperature[:, None] * (np.where(ratio > 0, of_visits * ratio, 0.0) + size[:, None] * of_ratio)
        if of_policy is not None:
            half = 0.5 * np.ptp(of_policy, axis=1)
            error = error + ratio * (accuracy.policy * half)[:, None] + of_ratio * 2.0 * half[:, None]
            if isinstance(linear.regularizer, Sum) and of_through > 0:
                error = np.full(error.shape, np.inf)
    return reference.shaped(np.where(np.isnan(error), np.inf, error))


def _times(bound: ArrayLike, other: float) -> float:
    """Return a product of bounds, where 0 times an infinite one is 0."""
    return 0.0 if bound == 0.0 or other == 0.0 else float(bound * other)
