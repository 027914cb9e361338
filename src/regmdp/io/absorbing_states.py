"""Absorbing states without rewards, which stand for the end of an episode in other programs."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from regmdp._internal.arrays import Bool, Float, Int
from regmdp.mdp import MDP

__all__ = ["end_at_absorbing_states", "find_absorbing_states"]


def find_absorbing_states(
    state: Int[np.ndarray, " K"], rows: sp.csr_array, rewards: Float[np.ndarray, " K"]
) -> Bool[np.ndarray, " S"]:
    """Return (S,) bool: the states that all their pairs keep with reward 0.

    Args:
        state: (K,) state of each pair.
        rows: (K, S) transition probabilities, which sum to 1.
        rewards: (K,) rewards.
    """
    place = np.repeat(np.arange(state.size), np.diff(rows.indptr))
    leaves = rewards != 0
    leaves[place[(rows.indices != state[place]) & (rows.data != 0)]] = True
    absorbing = np.zeros(rows.shape[1], dtype=np.bool_)
    absorbing[state] = True
    absorbing[state[leaves]] = False
    return absorbing


def end_at_absorbing_states(mdp: MDP, *, initial_given: bool) -> MDP:
    """Return the model with its absorbing states without rewards as terminal ones, if not all are.

    Args:
        mdp: The model.
        initial_given: Whether the initial distribution is kept; otherwise it is the default.
    """
    candidates = ~(np.asarray(mdp.rewards).any(axis=1) | np.asarray(mdp.termination).any(axis=1))
    if not candidates.any():
        return mdp
    state, _, rows, rewards = mdp.to_pairs()
    absorbing = candidates & find_absorbing_states(state, rows, rewards)
    if not absorbing.any() or absorbing[state].all():
        return mdp
    ended = mdp.with_available(np.repeat(~absorbing[:, None], mdp.n_actions, axis=1))
    return ended if initial_given else ended.with_initial(None)
