r"""Backward induction over states that lead to each other without cycles.

A state is solved by one backup once all its next states are. If those are known up to E, it is
known up to E and the rounding of one backup: with rows that sum to at most 1 + μ, the error after l
levels is at most \(e^{\mu l} (E + l \epsilon)\).
"""

from __future__ import annotations

import numpy as np

from regmdp._internal.arrays import UNIT_ROUNDOFF, Bool, Float, Int
from regmdp.mdp import MDP
from regmdp.mdp.levels import Levels
from regmdp.mdp.structure import find_entries, rows_of

__all__ = ["BackwardInduction"]


class BackwardInduction:
    """The pairs of some states, level by level.

    Args:
        mdp: The model.
        allowed: (S, A) mask of the pairs that may be used.
        levels: The states. All next states of each are in earlier levels, or known before.

    Attributes:
        states: (n,) the states, level by level.
    """

    def __init__(self, mdp: MDP, allowed: Bool[np.ndarray, "S A"], levels: Levels) -> None:
        self._mdp, self.states = mdp, levels.states
        self._level_sizes = np.diff(levels.starts)
        has_pair = allowed[levels.states].any(axis=1)
        # ends of episodes keep the value that they are given
        counts = np.concatenate(([0], np.cumsum(has_pair)))
        self._states = levels.states[has_pair]
        self._state_starts = counts[levels.starts]
        chosen = allowed[self._states]
        row, action = np.nonzero(chosen)
        self._pairs = self._states[row] * mdp.n_actions + action
        self._pair_starts = np.concatenate(([0], np.cumsum(chosen.sum(axis=1))))
        rows = rows_of(mdp)
        entries, lengths = find_entries(rows.indptr, self._pairs)
        empty = np.flatnonzero(lengths == 0)
        starts = np.concatenate(([0], np.cumsum(lengths)))
        self._weights, self._next = rows.data[entries], rows.indices[entries]
        if empty.size:  # a pair that surely ends the episode leads to a further state of value 0
            self._weights = np.insert(self._weights, starts[empty], 0.0)
            self._next = np.insert(self._next, starts[empty], mdp.n_states)
            starts = np.concatenate(([0], np.cumsum(np.maximum(lengths, 1))))
        self._entry_starts = starts
        self._rewards = np.asarray(mdp.rewards)[self._states[row], action]

    def solve(self, value: Float[np.ndarray, " N"]) -> Float[np.ndarray, " K"]:
        """Write the largest values of the states into an array in which the others are known.

        The last entry of the array is 0.

        Returns:
            (K,) the action values of the pairs.
        """
        q = np.empty(self._pairs.size)
        weights, following, rewards, states = self._weights, self._next, self._rewards, self._states
        at_state = self._state_starts.tolist()
        at_pair = self._pair_starts[self._state_starts]
        at_entry = self._entry_starts[at_pair].tolist()
        first_pair = self._pair_starts[:-1] - np.repeat(at_pair[:-1], np.diff(at_state))
        first_entry = self._entry_starts[:-1] - np.repeat(at_entry[:-1], np.diff(at_pair))
        at_pair = at_pair.tolist()
        for level in range(len(at_state) - 1):
            s, t = at_state[level], at_state[level + 1]
            if s == t:
                continue
            p, r = at_pair[level], at_pair[level + 1]
            e, f = at_entry[level], at_entry[level + 1]
            share = weights[e:f] * value[following[e:f]]
            found = np.add.reduceat(share, first_entry[p:r], out=q[p:r])
            found += rewards[p:r]
            value[states[s:t]] = np.maximum.reduceat(found, first_pair[s:t])
        return q

    def choose(
        self, q: Float[np.ndarray, " K"], value: Float[np.ndarray, " N"]
    ) -> tuple[Int[np.ndarray, " n"], Int[np.ndarray, " n"]]:
        """Return (n,) the states that have a pair, and (n,) the first best action of each."""
        sizes = np.diff(self._pair_starts)
        is_best = np.flatnonzero(q == np.repeat(value[self._states], sizes))
        owner = np.repeat(np.arange(self._states.size), sizes)[is_best]
        first = np.concatenate(([True], owner[1:] != owner[:-1])) if owner.size else owner
        return self._states, self._pairs[is_best[first]] % self._mdp.n_actions

    def bound_errors(self, error: float, value: Float[np.ndarray, " N"]) -> Float[np.ndarray, " n"]:
        """Return (n,) bounds on the errors of the states of the levels.

        Args:
            error: Bound on those of the states that were known before.
            value: (S + 1,) the values that were found.
        """
        mdp = self._mdp
        sizes = np.abs(value[np.isfinite(value)])
        scale = mdp.reward_bound + (1.0 + mdp.mass_error) * float(sizes.max(initial=0.0))
        step = (mdp.transitions.branching + 3) * UNIT_ROUNDOFF * scale
        step += (mdp.transitions.branching + 1) * float(np.finfo(np.float64).tiny)
        level = np.repeat(np.arange(1.0, self._level_sizes.size + 1.0), self._level_sizes)
        return np.exp(mdp.mass_error * level) * (error + level * step) * (1 + 1e-12)
