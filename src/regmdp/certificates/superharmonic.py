r"""Upper bounds for γ = 1 by functions with T U ≤ U, exactly, on a grid of numbers.

If every policy that does not end has value -∞, T U ≤ U is enough for U ≥ V*: along a policy that
ends the contribution of U vanishes. It has to hold without any slack, since a policy may be able to
delay the end for 10^10 steps at almost no loss, and rounding errors of 1e-15 in each of them would
add up to 1e-5.

So the numbers of U are multiples of a power of 2, their differences are exact, and T U - U is
computed from them: \(r + \sum_t P(t)\,(U(t) - U(s))\); the missing mass of a row stays in s. Where
U is constant and nothing is paid, that is exactly 0. Elsewhere it is rounded up to the grid, and U,
which starts at V rounded to the grid, is lifted until nothing exceeds it (optimistic value
iteration; Hartmanns & Kaminski 2020).

A plateau of V that straddles a rounding threshold would be lifted state by state, so the threshold
lies where the fewest values are.
"""

from __future__ import annotations

import numpy as np
import scipy

from regmdp import bellman
from regmdp._internal.arrays import UNIT_ROUNDOFF, Array, Float, Int
from regmdp.mdp import MDP
from regmdp.mdp.structure import find_entries, pick_distinct, rows_of
from regmdp.regularizers import Unregularized
from regmdp.rounding import backup_error

__all__ = ["find_superharmonic"]

#: Smallest spacing of the grid, relative to the largest value.
SPACING = 2.0**-44
#: Sweeps of all states after which the search is given up, for values that are nearly optimal and
#: for others; and the number of states that a sweep of fewer counts as.
MAX_WORK, QUICK_WORK, LEAST_WORK = 50, 8, 100
#: States whose gains are computed together, which takes memory.
AT_ONCE = 1 << 15
#: Sweeps that may improve the value before it is lifted.
MAX_SWEEPS = 200
#: Sweeps of all states together, at most, for each of those of exact differences; what of them is
#: allowed for one state, and for each state on the side of a square; and the part that is few.
HURRY, FIRST, SIDE, FEW = 100, 200, 20, 1 / 64
#: Places of the rounding threshold, in parts of the spacing, that are compared.
THRESHOLDS = 64
#: Largest multiple of the spacing: larger ones have no exact differences.
LARGEST = 2.0**52


def find_superharmonic(mdp: MDP, value: Float[Array, " S"]) -> Float[np.ndarray, " S"] | None:
    """Lift a (S,) value, near the optimal one, to a U with T U ≤ U; None if that takes too long.

    Each sweep looks only at the states that a lifted one can follow. A coarser grid needs fewer.

    Args:
        mdp: An undiscounted model whose rows sum to 1 up to the rounding of their entries.
        value: (S,) V.
    """
    # a reward that matters is a difference of values; a penalty for what is not done may be huge
    size = float(np.max(np.abs(value), initial=0.0)) or mdp.reward_bound
    if size == 0.0:
        return np.zeros(mdp.n_states)
    value, lack = _sweep(mdp, value, 16.0 * SPACING * size)
    # what the value lacks should take a few steps of the grid
    spacing = 2.0 ** np.ceil(np.log2(max(SPACING * size, lack)))
    # a value that still lacks much gets one quick attempt: a better one will follow
    quick = lack > 16.0 * SPACING * size
    for coarser in (2.0**6,) if quick else (1.0, 2.0**6, 2.0**12):
        upper = _lift(mdp, value, coarser * spacing, QUICK_WORK if quick else MAX_WORK)
        if upper is not None:
            return upper
    return None


def _sweep(mdp: MDP, value: Float[Array, " S"], enough: float) -> tuple[Float[Array, " S"], float]:
    """Improve a (S,) value by some sweeps; return the new one, and the largest |T V - V|."""
    lack = np.inf
    for _ in range(MAX_SWEEPS):
        backup = bellman.backup(mdp, None, value)
        lack = float(np.max(np.abs(backup - value), initial=0.0))
        if lack <= enough:
            break
        value = backup
    return value, lack


def _lift(
    mdp: MDP, value: Float[Array, " S"], spacing: float, sweeps: int
) -> Float[np.ndarray, " S"] | None:
    """Round a (S,) value to a grid, and lift it until T U ≤ U; None if that takes too long."""
    gains = _Gains(mdp, spacing)
    upper = np.where(mdp.terminal, 0.0, _round(np.asarray(value) / spacing))
    together = min(HURRY * sweeps, FIRST + SIDE * int(np.sqrt(mdp.n_states)))
    upper = _lift_together(mdp, gains, upper, spacing, together)
    if np.max(np.abs(upper)) > LARGEST:
        return None
    states = np.flatnonzero(~mdp.terminal)
    work, most = 0, sweeps * (mdp.n_states + LEAST_WORK)
    while work <= most:
        work += states.size + LEAST_WORK
        lift = gains.round_up(upper, states)
        lifted = lift > 0.0
        if not lifted.any():
            return upper * spacing
        states = states[lifted]
        upper[states] += lift[lifted]
        if np.max(np.abs(upper[states])) > LARGEST:
            return None
        states = gains.find_predecessors(states)
    return None


def _lift_together(
    mdp: MDP, gains: _Gains, upper: Float[np.ndarray, " S"], spacing: float, sweeps: int
) -> Float[np.ndarray, " S"]:
    """Lift all states at once where T U ≤ U is not certain in floating point, while they are many.

    Sweeps of all states cost a small part of what exact differences cost.
    """
    noise = backup_error(mdp, Unregularized(), upper * spacing) / spacing
    for _ in range(sweeps):
        change = bellman.backup(mdp, None, upper * spacing) / spacing - upper
        lift = np.where(change > -noise, np.maximum(np.ceil(change - noise), 1.0), 0.0)
        lift = np.minimum(lift, gains.bound_lift(upper))
        if np.count_nonzero(lift) < FEW * mdp.n_states:
            break
        upper = upper + lift
    return upper


def _round(numbers: Float[np.ndarray, " S"]) -> Float[np.ndarray, " S"]:
    """Round to whole numbers, at the threshold near which the fewest of them are."""
    part = numbers - np.floor(numbers)
    place = (part * THRESHOLDS).astype(np.intp) % THRESHOLDS
    count = np.bincount(place, minlength=THRESHOLDS)
    apart = np.abs(np.arange(THRESHOLDS)[:, None] - np.arange(THRESHOLDS))
    near = 2.0 ** -np.minimum(apart, THRESHOLDS - apart) @ count
    threshold = (int(np.argmin(near)) + 0.5) / THRESHOLDS
    return np.ceil(numbers - threshold)


class _Gains:
    """T U - U of the pairs of a model, in units of a grid."""

    def __init__(self, mdp: MDP, spacing: float) -> None:
        n_states, n_actions = mdp.n_states, mdp.n_actions
        self._shape = mdp.rewards.shape
        self._rows = rows_of(mdp)
        self._available = np.asarray(mdp.available)
        self._rewards = np.asarray(mdp.rewards) / spacing
        self._termination = np.asarray(mdp.termination)
        # the missing mass of a row, up to 2 (length + 8) units, is covered as well
        length = int(np.diff(self._rows.indptr).max(initial=0))
        self._unit = 4 * (length + 8) * UNIT_ROUNDOFF
        # all entries of a state's pairs are one row of this graph
        graph = scipy.sparse.csr_array(
            (
                np.ones(self._rows.indices.size, dtype=np.int8),
                self._rows.indices,
                self._rows.indptr[::n_actions],
            ),
            shape=(n_states, n_states),
            copy=True,
        )
        graph.sum_duplicates()
        self._graph, self._into = graph, graph.tocsc()
        self._ends = (self._termination > 0.0).any(axis=1)
        self._pays = (self._available & (self._rewards > 0.0)).any(axis=1)
        self._place = np.zeros(n_states, dtype=np.int64)

    def round_up(
        self, upper: Float[np.ndarray, " S"], states: Int[np.ndarray, " n"]
    ) -> Float[np.ndarray, " n"]:
        """Return (n,) the largest gain of some states that are not terminal, rounded up."""
        parts = np.array_split(states, -(-states.size // AT_ONCE)) if states.size else [states]
        return np.concatenate([self._round_up(upper, part) for part in parts])

    def _round_up(
        self, upper: Float[np.ndarray, " S"], states: Int[np.ndarray, " n"]
    ) -> Float[np.ndarray, " n"]:
        """Return :meth:`round_up` of states that are looked at together."""
        n_actions = self._shape[1]
        pairs = (states[:, None] * n_actions + np.arange(n_actions)).ravel()
        entries, lengths = find_entries(self._rows.indptr, pairs)
        own = upper[states][:, None]
        change = upper[self._rows.indices[entries]] - np.repeat(np.repeat(own, n_actions), lengths)
        share = self._rows.data[entries] * change
        bounds = np.concatenate(([0], np.cumsum(lengths)))
        ends = self._termination[states]
        rewards = self._rewards[states]
        total = _reduce(np.add, share, bounds, rewards.shape) + rewards - ends * own
        size = (
            _reduce(np.add, np.abs(share), bounds, rewards.shape)
            + np.abs(rewards)
            + np.abs(ends * own)
        )
        gains = np.ceil(total + self._unit * size)
        # without a reward nothing exceeds the largest change; rounding up may, and then U rises
        # again and again
        most = _reduce(np.maximum, change, bounds, rewards.shape)
        most = np.maximum(most, np.where(ends > 0.0, -own, 0.0))
        gains = np.where(rewards <= 0.0, np.minimum(gains, np.maximum(most, 0.0)), gains)
        return np.max(gains, axis=1, where=self._available[states], initial=-np.inf)

    def bound_lift(self, upper: Float[np.ndarray, " S"]) -> Float[np.ndarray, " S"]:
        """Return (S,) how far below its highest next state each is; ∞ where rewards are paid."""
        above = _reduce(np.maximum, upper[self._graph.indices], self._graph.indptr, upper.shape)
        above = np.where(self._ends, np.maximum(above, 0.0), above)
        return np.where(self._pays, np.inf, np.maximum(above - upper, 0.0))

    def find_predecessors(self, states: Int[np.ndarray, " n"]) -> Int[np.ndarray, " m"]:
        """Return the states from which some pair may lead to one of these."""
        entries, _ = find_entries(self._into.indptr, states)
        return pick_distinct(self._into.indices[entries], self._place)


def _reduce(
    function: np.ufunc,
    entries: Float[np.ndarray, " k"],
    bounds: Int[np.ndarray, " n"],
    shape: tuple[int, ...],
) -> Float[np.ndarray, "..."]:
    """Add up entries between bounds, or take their largest; 0 where there are none."""
    filled = bounds[1:] > bounds[:-1]
    found = np.zeros(filled.size)
    if filled.any():
        found[filled] = function.reduceat(entries, bounds[:-1][filled])
    return found.reshape(shape)
