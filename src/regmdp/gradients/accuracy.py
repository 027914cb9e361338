r"""Distance of a linearized solution from the optimum.

If V is within ε of V*, the action values are within γε, and the policy is within
\(\gamma\varepsilon/(\mu\tau)\) in the ℓ1 norm, where h is μ-strongly convex; where it is a sum over
actions, each probability is bracketed instead. The inverse of I - γ P_π is bounded by one solve: it
is not negative, so its largest row sum is the largest entry of its product with ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from regmdp import bellman
from regmdp._internal.arrays import UNIT_ROUNDOFF, Bool, Float
from regmdp.certificates import bound_values
from regmdp.gradients.fixed_point import FixedPoint
from regmdp.regularizers import Regularizer, SeparableRegularizer, Sum

__all__ = ["Accuracy"]


@dataclass(frozen=True, eq=False)
class Accuracy:
    """Bounds on the distance of V, π and the inverse of the system from those of the optimum.

    Each is computed when it is first needed.

    Attributes:
        point: The solution that was linearized.
    """

    point: FixedPoint

    @cached_property
    def value(self) -> float:
        """Bound on |V - V*| in every state, and on |Q - Q*| for the action values Q of V."""
        point = self.point
        mdp, value = point.mdp, point.value
        newton_step = point.system.solve(point.backup - value, np.zeros(mdp.n_states))
        bounds = bound_values(mdp, point.regularizer, None, value + newton_step)
        distance = np.maximum(bounds.upper - value, value - bounds.lower)
        # the action values have the rounding of a backup in addition
        scale = mdp.reward_bound + float(np.max(np.abs(value)))
        rounding = (mdp.transitions.branching + 4) * UNIT_ROUNDOFF * scale
        return float(np.max(distance, initial=0.0)) + rounding

    @cached_property
    def policy(self) -> Float[np.ndarray, " S"]:
        """(S,) bound on the ℓ1 distance between the policies."""
        policy, live = self.point.policy, ~self.point.mdp.terminal
        strong = self._curvature > 0
        error = np.where(strong, self.value / np.where(strong, self._curvature, 1.0), np.inf)
        if self._needs_bracket and self.bracket is not None:
            low, high = self.bracket
            error = np.minimum(error, np.sum(np.maximum(high - policy, policy - low), axis=1))
        rounding = 16 * (policy.shape[1] + 8) * UNIT_ROUNDOFF
        return np.where(live, np.minimum(error + rounding, 2.0), 0.0)

    @cached_property
    def undecided(self) -> Bool[np.ndarray, "S A"]:
        """(S, A) mask of the pairs that the optimal policy may or may not use."""
        if not self._needs_bracket or self.bracket is None:
            return np.zeros(self.point.policy.shape, dtype=np.bool_)
        low, high = self.bracket
        return (low <= 0.0) & (high > 0.0)

    @cached_property
    def bracket(self) -> tuple[Float[np.ndarray, "S A"], Float[np.ndarray, "S A"]] | None:
        """Smallest and largest (S, A) probabilities in the optimal policy, if h is separable."""
        point, regularizer = self.point, self.point.regularizer
        if not _is_separable(regularizer):
            return None
        available = point.available
        q = point.q if available is None else np.where(available, point.q, -np.inf)
        low, high = point.policy.copy(), point.policy.copy()
        signs = np.eye(point.mdp.n_actions) * 2.0 - 1.0  # 1 at one action, -1 at the others
        for action in range(point.mdp.n_actions):
            shift = self.value * signs[action]
            least = regularizer.maximiser(q - shift, available)[:, action]
            most = regularizer.maximiser(q + shift, available)[:, action]
            low[:, action] = np.minimum(low[:, action], least)
            high[:, action] = np.maximum(high[:, action], most)
        return low, high

    @cached_property
    def amplification(self) -> float:
        """Bound on the largest row sum of the inverse of I - γ P_π, for the optimal policy."""
        point = self.point
        mdp, ones = point.mdp, np.ones(point.mdp.n_states)
        sums = point.system.solve(ones, ones)
        next_sums = np.sum(point.policy * bellman.expected_values(mdp, sums), axis=1)
        operations = mdp.transitions.branching + mdp.n_actions + 4
        rounding = operations * UNIT_ROUNDOFF * float(np.max(np.abs(sums), initial=0.0))
        residual = np.abs(ones + mdp.discount * next_sums - sums)
        error = float(np.max(residual, initial=0.0)) + 2 * rounding
        valid = error < 1.0 and np.all(sums > 0)
        bound = float(np.max(sums, initial=0.0)) / (1.0 - error) if valid else np.inf
        mass = mdp.discount * (1.0 + mdp.mass_error)
        geometric = 1.0 / (1.0 - mass) if mass < 1.0 else np.inf
        if mdp.discount < 1.0:
            bound = min(bound, geometric)
        shift = mdp.discount * bound * float(np.max(self.policy, initial=0.0))
        return min(bound / (1.0 - shift), geometric) if shift < 1.0 else geometric

    @cached_property
    def _curvature(self) -> Float[np.ndarray, " S"]:
        """(S,) modulus of strong convexity of τ h; 0 where it is not strongly convex."""
        modulus = self.point.regularizer.strong_convexity(self.point.mdp.n_actions)
        tau = self.point.temperature
        return np.where((modulus > 0) & (tau > 0), modulus * tau, 0.0)

    @cached_property
    def _needs_bracket(self) -> bool:
        """Whether probabilities may be 0, or strong convexity says nothing about some state."""
        return not _is_steep(self.point.regularizer) or not np.all(self._curvature > 0)


def _is_steep(regularizer: Regularizer) -> bool:
    """Whether the greedy policy gives every action a positive probability."""
    return bool(
        regularizer.steep
        and regularizer.probability_bounds is None
        and np.all(np.asarray(regularizer.temperature) > 0)
    )


def _is_separable(regularizer: Regularizer) -> bool:
    """Whether h is a sum over actions: a probability then rises with its own value only."""
    if isinstance(regularizer, Sum):
        return all(_is_separable(part) for part in regularizer.parts)
    return isinstance(regularizer, SeparableRegularizer)
