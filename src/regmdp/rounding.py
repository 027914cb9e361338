"""Bounds on the rounding error of a Bellman backup."""

from __future__ import annotations

import numpy as np

from regmdp._internal.arrays import UNIT_ROUNDOFF, Array, Float
from regmdp.mdp import MDP
from regmdp.regularizers import Regularizer

__all__ = ["backup_error", "backup_errors", "largest_relevant_reward", "rows_sum_to_one"]


def backup_error(
    mdp: MDP,
    regularizer: Regularizer,
    value: Float[Array, " S"],
    spread: float = np.inf,
    largest: float = np.inf,
    rewards: float = np.inf,
) -> float:
    """Bound the rounding error of T V or T_π V, for a (S,) value and a normalised policy.

    Args:
        mdp: The model.
        regularizer: The regularizer.
        value: (S,) V.
        spread: Largest difference between the values of two actions of one state, if known: sums
            over actions are taken relative to the best one, and round relative to this.
        largest: Largest |h| of the policy and |h*| of the action values relative to the best one,
            in any state, if known.
        rewards: Largest absolute reward that matters, if known; by default that of all.

    The error of a sum of k products is at most k u times the sum of their absolute values, in any
    order of summation (Higham 2002, *Accuracy and Stability of Numerical Algorithms*, section
    3.1); h and h* bound their own errors.
    """
    n_actions = mdp.n_actions
    of_values = mdp.discount * (1.0 + mdp.mass_error) * float(np.max(np.abs(value)))
    scale = min(mdp.reward_bound, rewards) + of_values
    tau = regularizer.max_temperature
    return float(
        backup_errors(
            (mdp.transitions.branching, n_actions),
            scale,
            min(spread, 2 * scale),
            tau * regularizer.rounding_within(n_actions, largest),
            tau * regularizer.magnitude_within(n_actions, largest),
            bounded=regularizer.probability_bounds is not None,
        )
    )


def backup_errors(
    sizes: tuple[int | np.ndarray, int],
    scale: float | np.ndarray,
    spread: float | np.ndarray,
    rounding: float | np.ndarray,
    magnitude: float | np.ndarray,
    *,
    bounded: bool,
) -> float | np.ndarray:
    """Return the bounds of :func:`backup_error` for numbers, or for (N,) of N problems.

    Args:
        sizes: Largest number of successors of a pair, and the number of actions.
        scale: Largest size of a reward, plus that of γ P V.
        spread: Largest difference between the values of two actions of one state.
        rounding: Rounding error of τ h and τ h*.
        magnitude: Size of the terms of τ h and τ h*.
        bounded: Whether the regularizer limits probabilities.
    """
    k, n_actions = sizes
    of_q = (k + 2) * UNIT_ROUNDOFF * scale + (k + 1) * np.finfo(np.float64).tiny
    # with limits on probabilities, bad actions keep theirs, and a policy may violate them by the
    # rounding of each
    share = 16 if bounded else 2
    of_policy = share * (n_actions + 4) * UNIT_ROUNDOFF * spread
    of_sum = 3 * UNIT_ROUNDOFF * (scale + magnitude)
    return (of_q + of_policy + 2 * rounding + of_sum) * (1 + 1e-12)


def largest_relevant_reward(
    mdp: MDP, value: Float[Array, " S"], backup: Float[Array, " S"]
) -> float:
    """Return an estimate of the largest reward that matters, from (S,) V and T V.

    The reward of the best action is the difference of T V and a mean of V: that of a forbidden one
    may be far larger. An estimate is enough where nothing is certified.
    """
    sizes = float(np.max(np.abs(backup))) + 2.0 * float(np.max(np.abs(value)))
    return min(mdp.reward_bound, sizes)


def rows_sum_to_one(mdp: MDP) -> bool:
    """Whether rows with their termination sum to 1 up to the rounding of their entries.

    Then the difference is less than the error that every backup allows for.
    """
    return mdp.mass_error <= 2 * (mdp.transitions.branching + 8) * UNIT_ROUNDOFF
