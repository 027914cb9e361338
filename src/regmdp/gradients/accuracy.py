r"""How far the solution that was linearized may be from the optimum.

If V is within ε of V*, the action values are within γε, and the policy is within
\(\gamma\varepsilon/(\mu\tau)\) in the ℓ1 norm, where h is μ-strongly convex; where it is a sum over
actions, the policy is bracketed action by action instead. The inverse of I - γ P_π is bounded by
one solve: it is not negative, so the sum of its largest row is the largest entry of its product
with ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from regmdp import bellman
from regmdp._internal.arrays import UNIT_ROUNDOFF, Bool, Float
from regmdp.certificates import bound_values
from regmdp.regularizers import Regularizer, SeparableRegularizer, Sum

if TYPE_CHECKING:
    from regmdp.gradients.linearization import Linearization

__all__ = ["Accuracy", "bracket_policy"]


@dataclass(frozen=True, eq=False)
class Accuracy:
    """How far V, π and the inverse of the system of a linearization may be from those of the optimum.

    Attributes:
        value: Bound on |V - V*| of every state, and on how far the action values of V are from Q*.
        policy: (S,) bound on the ℓ1 distance between the policies.
        amplification: Bound on the largest row sum of the inverse of I - γ P_π, for the optimal
            policy.
        undecided: (S, A) mask of the pairs of which it is not sure whether the optimal policy uses
            them.
        bracket: (S, A) least and largest probabilities that the optimal policy may have, where they
            were needed.
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
        correction = linear.system.solve(linear.backup - linear.value, np.zeros(mdp.n_states))
        polished = linear.value + correction
        bounds = bound_values(mdp, regularizer, None, polished)
        radius = float(
            np.max(
                np.maximum(bounds.upper - linear.value, linear.value - bounds.lower), initial=0.0
            )
        )
        # the action values have the rounding of a backup besides
        scale = mdp.reward_bound + float(np.max(np.abs(linear.value)))
        radius += (mdp.transitions.branching + 4) * UNIT_ROUNDOFF * scale
        policy, bracket = _policy_error(linear, radius)
        undecided = (
            np.zeros(linear.policy.shape, dtype=np.bool_)
            if bracket is None
            else (bracket[0] <= 0.0) & (bracket[1] > 0.0)
        )
        return cls(radius, policy, _amplification(linear, policy), undecided, bracket)


def _policy_error(
    linear: Linearization, radius: float
) -> tuple[
    Float[np.ndarray, " S"], tuple[Float[np.ndarray, "S A"], Float[np.ndarray, "S A"]] | None
]:
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
        bracket = bracket_policy(linear, radius)
        if bracket is not None:
            low, high = bracket
            error = np.minimum(
                error, np.sum(np.maximum(high - linear.policy, linear.policy - low), axis=1)
            )
    return np.where(live, np.minimum(error + rounding, 2.0), 0.0), bracket


def _steep(regularizer: Regularizer) -> bool:
    return bool(
        regularizer.steep
        and regularizer.probability_bounds is None
        and np.all(np.asarray(regularizer.temperature) > 0)
    )


def _separable(regularizer: Regularizer) -> bool:
    """Whether h is a sum over actions, so that a probability rises with its own value and falls with the others'."""
    if isinstance(regularizer, Sum):
        return all(_separable(part) for part in regularizer.parts)
    return isinstance(regularizer, SeparableRegularizer)


def bracket_policy(
    linear: Linearization, radius: float
) -> tuple[Float[np.ndarray, "S A"], Float[np.ndarray, "S A"]] | None:
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
    rounding = (
        (mdp.transitions.branching + mdp.n_actions + 4)
        * UNIT_ROUNDOFF
        * float(np.max(np.abs(sums), initial=0.0))
    )
    left = float(np.max(np.abs(ones + ahead - sums), initial=0.0)) + 2 * rounding
    bound = (
        float(np.max(sums, initial=0.0)) / (1.0 - left)
        if left < 1.0 and np.all(sums > 0)
        else np.inf
    )
    if mdp.discount < 1.0:
        leak = mdp.discount * (1.0 + mdp.mass_error)
        bound = min(bound, 1.0 / (1.0 - leak)) if leak < 1.0 else bound
    shift = mdp.discount * bound * float(np.max(policy, initial=0.0))
    moved = bound / (1.0 - shift) if shift < 1.0 else np.inf
    return (
        min(moved, 1.0 / (1.0 - mdp.discount * (1.0 + mdp.mass_error)))
        if mdp.discount * (1.0 + mdp.mass_error) < 1.0
        else moved
    )
