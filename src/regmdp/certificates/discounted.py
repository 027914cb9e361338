r"""Bounds from one sweep, for γ < 1.

With d = T V - V, the optimal value lies between T V + γ/(1-γ) min d and T V + γ/(1-γ) max d; with
T_π for T the same bounds hold for the value of π. The bounds are widened for rows that sum to 1
only up to ε and for the rounding error e of the sweep.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np

from regmdp import bellman
from regmdp._internal.arrays import UNIT_ROUNDOFF, Array, Bool, Float, assign
from regmdp.bellman import Block
from regmdp.certificates.certificate import Bounds
from regmdp.certificates.penalties import has_huge_rewards, maximum_error, policy_error
from regmdp.certificates.user_functions import require_maxima
from regmdp.mdp import MDP
from regmdp.regularizers import Regularizer
from regmdp.rounding import backup_error

__all__ = [
    "Horizon",
    "SweepSizes",
    "bounds_of_sweep",
    "discounted_bounds",
    "penalty_error",
    "rounding_gap",
    "sweep_model",
]


class Horizon(NamedTuple):
    """What turns the residuals of a sweep into bounds, of one problem or of N beside each other.

    Attributes:
        discount: γ.
        mass_error: Bound on how far rows are from summing to 1; or (N, 1).
        terminates: Whether episodes can terminate; or (N, 1).
        terminal: (S,) or (N, S) mask of the states without an action.
    """

    discount: float
    mass_error: float | np.ndarray
    terminates: bool | np.ndarray
    terminal: Bool[np.ndarray, "*batch S"]

    def shift(self, extreme: np.ndarray, *, above: bool) -> np.ndarray:
        """Return γσ/(1-γσ) times an extreme of T V - V, for the worst row sum |σ - 1| ≤ ε."""
        # the end of the episode is one more state, with the exact value 0: its T V - V is 0
        at_end = np.maximum(extreme, 0.0) if above else np.minimum(extreme, 0.0)
        extreme = np.where(self.terminates, at_end, extreme)
        outward = (extreme > 0) == above
        epsilon = np.where(outward, self.mass_error, np.negative(self.mass_error))
        # 1 - γ is exact for γ ≥ ½, so nothing is lost near γ = 1
        remaining = (1.0 - self.discount) - self.discount * epsilon
        bounded = remaining > 0.0
        with np.errstate(over="ignore"):  # infinity is a bound, too
            shift = self.discount * (1.0 + epsilon) / np.where(bounded, remaining, 1.0) * extreme
            shift *= np.where(outward, 1.0 + 8 * UNIT_ROUNDOFF, 1.0 - 8 * UNIT_ROUNDOFF)
        return np.where(bounded, shift, np.inf if above else -np.inf)

    def widen(self, bound: np.ndarray, direction: int) -> None:
        """Move bounds outwards by the rounding of their last sums, in place.

        Those of terminal states become 0.
        """
        size = np.abs(bound)
        size[~np.isfinite(size)] = 0.0
        size *= direction * 4 * UNIT_ROUNDOFF
        bound += size
        bound[np.broadcast_to(self.terminal, bound.shape)] = 0.0


class SweepSizes(NamedTuple):
    """The sizes that the rounding errors of a sweep depend on, of each of N problems.

    Attributes:
        spread: (N,) largest difference between the values of two actions of one state.
        largest: (N,) largest of |h| at the policy and of |h*| of the action values relative to the
            best one.
    """

    spread: Float[np.ndarray, " N"]
    largest: Float[np.ndarray, " N"]


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
    return bounds_of_sweep(_find_horizon(mdp), value, best, own, error)


def bounds_of_sweep(
    horizon: Horizon,
    value: Float[Array, "*batch S"],
    best: Float[np.ndarray, "*batch S"],
    own: Float[np.ndarray, "*batch S"],
    error: float | np.ndarray,
) -> Bounds:
    """(…, S) V, T V and T_π V -> bounds on the optimal value and on that of the policy.

    Args:
        horizon: The discount, and how episodes end.
        value: (…, S) V.
        best: (…, S) T V, computed.
        own: (…, S) T_π V, computed.
        error: Bound on the rounding errors of both; or (N, 1).
    """

    # in place where possible: the vectors are what a large model needs in each of its processes
    def enclose(after: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        difference = after - value
        highest = difference.max(axis=-1, keepdims=True) + error
        lowest = difference.min(axis=-1, keepdims=True) - error
        above = np.add(after, error, out=difference)
        above += horizon.shift(highest, above=True)
        below = after - error
        below += horizon.shift(lowest, above=False)
        return below, above

    lower, upper = enclose(best)
    policy_lower, policy_upper = enclose(own)
    np.maximum(lower, policy_lower, out=lower)
    np.minimum(upper, policy_upper, out=policy_upper)
    for bound, direction in ((lower, -1), (upper, 1), (policy_lower, -1), (policy_upper, 1)):
        horizon.widen(bound, direction)
    return Bounds(lower, upper, policy_lower, policy_upper)


def rounding_gap(mdp: MDP, regularizer: Regularizer, value: Float[Array, " S"]) -> float:
    """Return the part of the gap of :func:`discounted_bounds` that bounds rounding errors.

    With the optimal value, exact, the gap would be as large as this. The gap of a policy whose
    T_π V is not above T V is never smaller.
    """
    error = _sweep(mdp, regularizer, None, value)[2]
    return float(2.0 * (error + _find_horizon(mdp).shift(np.asarray(error), above=True)))


def _find_horizon(mdp: MDP) -> Horizon:
    return Horizon(mdp.discount, mdp.mass_error, mdp.terminates, mdp.terminal)


def _sweep(
    mdp: MDP,
    regularizer: Regularizer,
    policy: Float[Array, "S A"] | None,
    value: Float[Array, " S"],
) -> tuple[Float[np.ndarray, " S"], Float[np.ndarray, " S"], float]:
    """Return (S,) T V, (S,) T_π V, and a bound on the rounding errors of both."""
    best, own, sizes = sweep_model(mdp, regularizer, policy, value)
    spread, largest = float(sizes.spread.max()), float(sizes.largest.max())
    error = backup_error(mdp, regularizer, value, spread, largest)
    if has_huge_rewards(mdp, value):
        error = min(error, penalty_error(mdp, regularizer, policy, value))
    return best, own, error


def sweep_model(
    mdp: MDP,
    regularizer: Regularizer,
    policy: Float[Array, "S A"] | None,
    value: Float[Array, " S"],
    part_size: int | None = None,
) -> tuple[Float[np.ndarray, " S"], Float[np.ndarray, " S"], SweepSizes]:
    """Return (S,) T V, (S,) T_π V, and the sizes that their rounding depends on.

    Args:
        mdp: The model; perhaps one of N problems side by side.
        regularizer: The regularizer.
        policy: (S, A) π; the greedy policy of V if it is None.
        value: (S,) V.
        part_size: Number of states of each of the N problems. Without it, the sizes are those of
            the blocks of the model.
    """
    best, own = np.empty(mdp.n_states), np.empty(mdp.n_states)
    sizes = bellman.map_blocks(
        mdp,
        regularizer,
        value,
        lambda block: _sweep_block(block, policy, best, own, part_size),
        best,
        own,
    )
    return best, own, SweepSizes(*(np.concatenate(part) for part in zip(*sizes, strict=True)))


def penalty_error(
    mdp: MDP,
    regularizer: Regularizer,
    policy: Float[Array, "S A"] | None,
    value: Float[Array, " S"],
) -> float:
    """Bound the rounding errors of T V and T_π V where some rewards are huge."""
    return max(
        bellman.map_blocks(mdp, regularizer, value, partial(_bound_block, mdp, policy, value))
    )


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
    part_size: int | None,
) -> SweepSizes:
    """Write T V and T_π V of a block, and return the sizes that their rounding depends on."""
    states, q, available, part = block
    p = block.maximiser() if policy is None else policy[states]
    maximum, cost = block.maximum(), part.cost(p, available)
    assign(states, (best, maximum), (own, bellman.expectation(p, q) - cost))
    tau = np.broadcast_to(np.asarray(part.temperature), maximum.shape)
    term = np.maximum(np.abs(block.relative_to_best(maximum)), np.abs(cost))
    size = np.where(tau > 0, term / np.where(tau > 0, tau, 1.0), 0.0)
    spread = np.max(q, axis=-1) - np.min(q, axis=-1)
    shape = -1, part_size or spread.size
    # twice as much covers their own rounding errors
    return SweepSizes(spread.reshape(shape).max(axis=1), 2.0 * size.reshape(shape).max(axis=1))
