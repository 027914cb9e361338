"""States from which the reward is certain, whatever is done: probabilities of 1 to reach a goal."""

from __future__ import annotations

import numpy as np

from regmdp._internal.arrays import Bool
from regmdp.mdp import MDP
from regmdp.mdp.structure import find_end_components, find_states_reaching

__all__ = ["find_certain_values"]


def find_certain_values(
    mdp: MDP, allowed: Bool[np.ndarray, "S A"]
) -> tuple[Bool[np.ndarray, " S"], float] | None:
    """Find the states of a reachability problem from which every policy reaches the goal.

    Only the end of an episode at the goal pays there, always the same. The value of a state is that
    reward if no other end can be reached from it, and no end component: by the graph alone, for
    rows that sum to 1. The other states are left to be solved.

    Args:
        mdp: The undiscounted model.
        allowed: (S, A) mask of the pairs that may be used.

    Returns:
        (S,) mask of these states, and the reward; None if there are none, or the rewards are
        others.
    """
    paid = allowed & (np.asarray(mdp.rewards) != 0.0)
    rewards = mdp.rewards[paid]
    ends = np.asarray(mdp.termination)
    if not rewards.size or not np.all(rewards == rewards[0]) or not np.all(ends[paid] == 1.0):
        return None
    elsewhere = np.asarray(mdp.terminal) | (allowed & ~paid & (ends > 0.0)).any(axis=1)
    elsewhere |= find_end_components(mdp, allowed).component >= 0
    certain = ~find_states_reaching(mdp, allowed, elsewhere)
    return (certain, float(rewards[0])) if certain.any() else None
