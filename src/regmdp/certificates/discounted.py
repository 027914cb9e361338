r"""Bounds from one sweep, for γ < 1.

With d = T V - V, the optimal value lies between T V + γ/(1-γ) min d and T V + γ/(1-γ) max d; with
T_π for T the same bounds hold for the value of π. The bounds are widened for rows that sum to 1
only up to ε and for the rounding error e of the sweep.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from regmdp import bellman
from regmdp._internal.arrays import UNIT_ROUNDOFF, Array, Float, assign
from regmdp.bellman import Block
from regmdp.certificates.certificate import Bounds
from regmdp.certificates.penalties import has_huge_rewards, maximum_error, policy_error
from regmdp.certificates.user_functions import require_maxima
from regmdp.mdp import MDP
from regmdp.regularizers import Regularizer
from regmdp.rounding import backup_error

__all__ = ["discounted_bounds", "rounding_gap"]


def discounted_bounds(
    mdp: MDP,
    regularizer: Regularizer,
    policy: Float[Array, "S A"] | None,
    value: Float[Array, " S"],
) -> Bounds:
    """Bound the optimal value, and the value of the policy, from one sweep over any (S,) value.

    Without a policy, that of the greedy policy.
    """
    best, own, error = _sweep(mdp, regularizer, policy, value)
    require_maxima(mdp, regularizer, value, best, error)
    gain, drift = best - value, own - value
    upper = best + error + _shift(mdp, float(gain.max()) + error, above=True)
    policy_upper = own + error + _shift(mdp, float(drift.max()) + error, above=True)
    lower = best - error + _shift(mdp, float(gain.min()) - error, above=False)
    policy_lower = own - error + _shift(mdp, float(drift.min()) - error, above=False)
    return Bounds(
        lower=_widen(mdp, np.maximum(lower, policy_lower), -1),
        upper=_widen(mdp, upper, 1),
        policy_lower=_widen(mdp, policy_lower, -1),
        policy_upper=_widen(mdp, np.minimum(upper, policy_upper), 1),
    )


def rounding_gap(mdp: MDP, regularizer: Regularizer, value: Float[Array, " S"]) -> float:
    """Return the part of the gap of :func:`discounted_bounds` that bounds rounding errors.

    With the optimal value, exact, the gap would be as large as this. The gap of a policy whose
    T_π V is not above T V is never smaller.
    """
    error = _sweep(mdp, regularizer, None, value)[2]
    return 2.0 * (error + _shift(mdp, error, above=True))


def _sweep(
    mdp: MDP,
    regularizer: Regularizer,
    policy: Float[Array, "S A"] | None,
    value: Float[Array, " S"],
) -> tuple[Float[np.ndarray, " S"], Float[np.ndarray, " S"], float]:
    """Return (S,) T V, (S,) T_π V, and a bound on the rounding errors of both."""
    best, own = np.empty(mdp.n_states), np.empty(mdp.n_states)
    sizes = bellman.map_blocks(
        mdp, regularizer, value, lambda block: _sweep_block(block, policy, best, own)
    )
    spreads, largest = zip(*sizes, strict=True)
    error = backup_error(mdp, regularizer, value, max(spreads), max(largest))
    if has_huge_rewards(mdp, value):
        error = min(
            error,
            max(
                bellman.map_blocks(
                    mdp, regularizer, value, partial(_bound_block, mdp, policy, value)
                )
            ),
        )
    return best, own, error


def _bound_block(
    mdp: MDP, policy: Float[Array, "S A"] | None, value: Float[Array, " S"], block: Block
) -> float:
    """Bound the rounding errors of a block where some rewards are huge."""
    p = block.maximiser() if policy is None else policy[block.states]
    return max(maximum_error(mdp, block, value), policy_error(mdp, block, p, value))


def _sweep_block(
    block: Block,
    policy: Float[Array, "S A"] | None,
    best: Float[np.ndarray, " S"],
    own: Float[np.ndarray, " S"],
) -> tuple[float, float]:
    """Write T V and T_π V of a block, and return the sizes that their rounding depends on.

    They are the largest spread of its action values, and the largest of |h| at the policy and
    |h*| of the action values relative to the best one.
    """
    states, q, available, part = block
    p = block.maximiser() if policy is None else policy[states]
    maximum, cost = block.maximum(), part.cost(p, available)
    assign(states, (best, maximum), (own, bellman.expectation(p, q) - cost))
    tau = np.broadcast_to(np.asarray(part.temperature), maximum.shape)
    term = np.maximum(np.abs(block.relative_to_best(maximum)), np.abs(cost))
    size = term / np.where(tau > 0, tau, 1.0)
    # twice as much covers their own rounding errors
    largest = 2.0 * float(np.max(size, where=tau > 0, initial=0.0))
    return float(np.max(np.max(q, axis=-1) - np.min(q, axis=-1))), largest


def _shift(mdp: MDP, extreme: float, *, above: bool) -> float:
    """Return γσ/(1-γσ) times an extreme of T V - V, for the worst row sum |σ - 1| ≤ ε."""
    if mdp.terminates:
        # the end of the episode is one more state, with the exact value 0: its T V - V is 0
        extreme = max(extreme, 0.0) if above else min(extreme, 0.0)
    outward = (extreme > 0) == above
    epsilon = mdp.mass_error if outward else -mdp.mass_error
    # 1 - γ is exact for γ ≥ ½, so nothing is lost near γ = 1
    remaining = (1.0 - mdp.discount) - mdp.discount * epsilon
    if remaining <= 0.0:
        return np.inf if above else -np.inf
    shift = mdp.discount * (1.0 + epsilon) / remaining * extreme
    return shift * (1.0 + 8 * UNIT_ROUNDOFF if outward else 1.0 - 8 * UNIT_ROUNDOFF)


def _widen(mdp: MDP, bound: Float[np.ndarray, " S"], direction: int) -> Float[np.ndarray, " S"]:
    """Move a (S,) bound outwards by the rounding of its last sums; terminal states have value 0."""
    finite = np.isfinite(bound)
    size = np.where(finite, np.abs(bound), 0.0)
    return np.where(mdp.terminal, 0.0, bound + direction * 4 * UNIT_ROUNDOFF * size)
