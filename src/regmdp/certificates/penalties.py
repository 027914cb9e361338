r"""Bounds on the rounding error of a sweep next to huge penalties.

In general rewards and values of all pairs enter a bound by their largest size
(:func:`regmdp.rounding.backup_error`). Where some rewards are far larger than all values, such as
-10⁹ for a forbidden action, each pair enters by its own size and by what it matters.

Let q be exact action values of a state, and q̃ those whose maximum is computed, |q̃ - q| ≤ e for each
action. F(q) = max_p ⟨p, q⟩ - τ h(p) is monotone, since p ≥ 0, and convex. So F(q̃ - e) ≤ F(q) ≤
F(q̃ + e); by convexity F(q̃) - F(q̃ - e) ≤ F(q̃ + e) - F(q̃), and for K ≥ 1

.. math::
    |F(\tilde q) - F(q)| \le F(\tilde q + e) - F(\tilde q)
    \le \frac{F(\tilde q + K e) - F(\tilde q)}{K}

The last quotient is computed, at a point that lies above q̃ + Ke by more than all rounding errors on
the way to its maximum. An action that cannot be the best one, or is almost never chosen, does not
raise it, whatever its own error; no derivative of F is needed. The value of a policy π errs by at
most ⟨π, e⟩ and by the rounding of its sum, which is relative to Σ π (max q - q).
"""

from __future__ import annotations

import numpy as np

from regmdp import bellman
from regmdp._internal.arrays import UNIT_ROUNDOFF, Array, Float
from regmdp.bellman import Block
from regmdp.mdp import MDP
from regmdp.regularizers import Regularizer
from regmdp.rounding import backup_error

__all__ = ["has_huge_rewards", "maximum_error", "policy_error", "sweep_error"]

#: Ratio of the largest reward to the largest value from which rewards count one by one.
HUGE = 4.0
#: K.
AMPLIFICATION = 2.0**10


def has_huge_rewards(mdp: MDP, value: Float[Array, " S"]) -> bool:
    """Whether some reward is far larger than all of these (S,) values."""
    return mdp.reward_bound > HUGE * float(np.max(np.abs(value)))


def sweep_error(
    mdp: MDP,
    regularizer: Regularizer,
    value: Float[Array, " S"],
    policy: Float[Array, "S A"] | None = None,
) -> float:
    """Bound the rounding error of T V, or of T_π V for a normalised policy, for a (S,) value."""
    general = backup_error(mdp, regularizer, value)
    if not has_huge_rewards(mdp, value):
        return general

    def bound(block: Block) -> float:
        if policy is None:
            return maximum_error(mdp, block, value)
        return policy_error(mdp, block, policy[block.states], value)

    return min(general, max(bellman.map_blocks(mdp, regularizer, value, bound)))


def maximum_error(mdp: MDP, block: Block, value: Float[Array, " S"]) -> float:
    """Bound the rounding error of T V in the states of a block.

    Args:
        mdp: The model.
        block: The action values of V in some states, as they have been computed.
        value: (S,) V.

    Returns:
        The bound; infinite with limits on probabilities, which give bad actions a share.
    """
    if block.regularizer.probability_bounds is not None:
        return np.inf
    error = _pair_errors(mdp, block, value) + 4 * UNIT_ROUNDOFF * _drop(block.q)
    raised = block._replace(q=block.q + 2.0 * AMPLIFICATION * error)
    # the scores of the raised values are rounded, too
    if not np.all(4 * UNIT_ROUNDOFF * _drop(raised.q) <= (AMPLIFICATION - 1.0) * error):
        return np.inf
    before, after = block.maximum(), raised.maximum()
    if not (np.isfinite(before).all() and np.isfinite(after).all()):
        return np.inf  # a user's regularizer may be infinite at its own greedy policies
    noise, more = (_own_error(one, found) for one, found in ((block, before), (raised, after)))
    rise = float(np.max(after - before, initial=0.0)) + noise + more
    return (noise + rise / AMPLIFICATION) * (1 + 1e-12)


def policy_error(
    mdp: MDP, block: Block, policy: Float[Array, "b A"], value: Float[Array, " S"]
) -> float:
    """Bound the rounding error of T_π V as :func:`maximum_error` does that of T V.

    Args:
        mdp: The model.
        block: The action values of V in some states.
        policy: (b, A) π in these states.
        value: (S,) V.
    """
    part = block.regularizer
    if part.probability_bounds is not None:
        return np.inf
    error = _pair_errors(mdp, block, value)
    error += 2 * (mdp.n_actions + 4) * UNIT_ROUNDOFF * _drop(block.q)
    expected = float(np.max(np.sum(policy * error, axis=-1), initial=0.0))
    cost = part.cost(policy, block.available)
    if not np.isfinite(cost).all():
        return np.inf
    found = bellman.expectation(policy, block.q) - cost
    return (expected + _bound_terms(block, cost, found)) * (1 + 1e-12)


def _drop(q: Float[np.ndarray, "b A"]) -> Float[np.ndarray, "b A"]:
    return np.max(q, axis=-1, keepdims=True) - q


def _pair_errors(mdp: MDP, block: Block, value: Float[Array, " S"]) -> Float[np.ndarray, "b A"]:
    """Bound the (b, A) rounding errors of r + γ P V."""
    k = mdp.transitions.branching
    of_values = mdp.discount * (1.0 + mdp.mass_error) * float(np.max(np.abs(value)))
    scale = np.abs(np.asarray(mdp.rewards[block.states])) + of_values
    return (k + 2) * UNIT_ROUNDOFF * scale + (k + 1) * np.finfo(np.float64).tiny


def _own_error(block: Block, found: Float[np.ndarray, " b"]) -> float:
    """Bound the errors of h* and of the last sum of (b,) maxima of the values of a block."""
    return _bound_terms(block, block.relative_to_best(found), found)


def _bound_terms(
    block: Block, term: Float[np.ndarray, " b"], found: Float[np.ndarray, " b"]
) -> float:
    """Bound the error of (b,) terms τ h or τ h*, and of the sums with them that were found."""
    part, n_actions = block.regularizer, block.q.shape[-1]
    tau = np.broadcast_to(np.asarray(part.temperature), found.shape)
    size = np.abs(term) / np.where(tau > 0, tau, 1.0)
    # twice as much covers the terms' own rounding errors
    largest = 2.0 * float(np.max(size, where=tau > 0, initial=0.0))
    scale = float(np.max(np.abs(found), initial=0.0))
    scale += 2.0 * part.max_temperature * part.magnitude_within(n_actions, largest)
    rounding = 2 * part.max_temperature * part.rounding_within(n_actions, largest)
    return rounding + 4 * UNIT_ROUNDOFF * scale
