"""Sampling next states from transition probabilities, by indexed search.

For each pair, the cumulative sums of its probabilities are searched for a uniform number u. A row
of L entries has a guide of L entries: where the search begins for u in [j/L, (j+1)/L). It takes
fewer than two comparisons on average, whatever L is.
"""

from __future__ import annotations

import numpy as np

from regmdp._internal.arrays import Array, Bool, Float, Int
from regmdp._internal.errors import SampleError
from regmdp._internal.parameters import Instance, checked
from regmdp.mdp import MDP
from regmdp.samples.streams import RandomStreams

__all__ = ["TransitionSampler"]

#: Samples that are drawn at a time, so that the temporary arrays stay in the cache.
BLOCK_SIZE = 1 << 14


class TransitionSampler:
    """Draws next states for the pairs of a model.

    Args:
        mdp: The model. Pair (s, a) has the number ``s * A + a``.

    References:
        Chen & Asau 1974, AIIE Transactions 6(2), "On generating random variates from an empirical
        distribution"; Devroye 1986, *Non-Uniform Random Variate Generation*, section III.2.4.
    """

    @checked(SampleError, mdp=Instance(MDP))
    def __init__(self, mdp: MDP) -> None:
        self._n_states = mdp.n_states
        rows = mdp.transitions.to_csr()
        rows.eliminate_zeros()
        # a pair that is not available ends the episode
        ends = np.where(mdp.available, mdp.termination, 1.0).ravel()
        length = np.diff(rows.indptr) + (ends > 0)
        start = np.concatenate(([0], np.cumsum(length)))
        pair = np.repeat(np.arange(length.size), length)
        place = np.arange(rows.nnz) + np.repeat(
            np.cumsum(ends > 0) - (ends > 0), np.diff(rows.indptr)
        )
        weight, successor = np.zeros(start[-1]), np.full(start[-1], -1, dtype=np.int64)
        weight[place], successor[place] = rows.data, rows.indices
        weight[start[1:][ends > 0] - 1] = ends[ends > 0]
        total = np.bincount(pair, weight, minlength=length.size)
        sums = _cumulate_rows(weight, start) / total[pair]
        sums[start[1:] - 1] = 1.0
        self._start, self._length, self._sums = start[:-1], length.astype(np.float64), sums
        self._terminated = (successor < 0) | np.where(successor < 0, False, mdp.terminal[successor])
        self._successor, self._pair = (
            np.where(successor < 0, pair // mdp.n_actions, successor),
            pair,
        )
        self._guide = _make_guide(sums, start, length, pair)

    def _draw_entries(
        self, pair: Int[Array, " n"], uniform: Float[Array, " n"]
    ) -> Int[np.ndarray, " n"]:
        """(n,) pairs and uniform numbers -> (n,) indices of the stored entries drawn."""
        place = (uniform * self._length[pair]).astype(np.int64)
        place += self._start[pair]
        entry = self._guide[place]
        further = np.flatnonzero(self._sums[entry] <= uniform)
        while further.size:
            entry[further] += 1
            further = further[self._sums[entry[further]] <= uniform[further]]
        return entry

    def draw(
        self, pair: Int[Array, "*n"], uniform: Float[Array, "*n"]
    ) -> tuple[Int[np.ndarray, "*n"], Bool[np.ndarray, "*n"]]:
        """Arrays of pairs and uniform numbers -> next states, and whether the episodes end."""
        flat, u = np.ravel(pair), np.ravel(uniform)
        next_state, terminated = (
            np.empty(flat.shape, dtype=np.int64),
            np.empty(flat.shape, dtype=np.bool_),
        )
        for first in range(0, flat.size, BLOCK_SIZE):
            block = slice(first, first + BLOCK_SIZE)
            entry = self._draw_entries(flat[block], u[block])
            next_state[block], terminated[block] = self._successor[entry], self._terminated[entry]
        return next_state.reshape(pair.shape), terminated.reshape(pair.shape)

    def draw_frequencies(
        self, pairs: Int[Array, " p"], samples: int, streams: RandomStreams
    ) -> tuple[Int[np.ndarray, " k"], Float[np.ndarray, "N k"]]:
        """Draw each of some pairs a number of times in each run, and count the next states.

        Args:
            pairs: (p,) pairs.
            samples: Number of samples of each.
            streams: N streams.

        Returns:
            (k,) transitions from a pair to a next state, ``pair * S + next_state``, and their
            (N, k) frequencies. Ends of episodes and steps into terminal states are not counted.
        """
        runs, total = len(streams), self._sums.size
        counts = np.zeros(runs * total)
        # in the order of the pairs, whatever the size of a block: so what a run draws does not
        # depend on the number of runs
        size = max(1, BLOCK_SIZE // runs)
        offset = (np.arange(runs) * total)[:, None]
        for first in range(0, pairs.size * samples, size):
            drawn = pairs[np.arange(first, min(first + size, pairs.size * samples)) // samples]
            entry = self._draw_entries(np.tile(drawn, runs), streams.uniform(drawn.size).ravel())
            if runs == 1:
                low, high = int(entry.min()), int(entry.max()) + 1
                counts[low:high] += np.bincount(entry - low, minlength=high - low)
            else:
                np.add.at(counts, (entry.reshape(runs, -1) + offset).ravel(), 1.0)
        kept = np.flatnonzero(~self._terminated)
        return self._pair[kept] * self._n_states + self._successor[kept], counts.reshape(
            runs, total
        )[:, kept] / samples


def _cumulate_rows(
    weight: Float[np.ndarray, " n"], start: Int[np.ndarray, " m"]
) -> Float[np.ndarray, " n"]:
    """Return the cumulative sums within each row; rows of one length are summed together."""
    sums = np.empty_like(weight)
    length = np.diff(start)
    for size in np.unique(length[length > 0]):
        places = start[:-1][length == size][:, None] + np.arange(size)
        sums[places] = np.cumsum(weight[places], axis=1)
    return sums


def _make_guide(
    sums: Float[np.ndarray, " n"],
    start: Int[np.ndarray, " m"],
    length: Int[np.ndarray, " p"],
    pair: Int[np.ndarray, " n"],
) -> Int[np.ndarray, " n"]:
    """Return for entry j of a row of L the first entry of the row whose sum exceeds j/L."""
    offset, size = start[:-1][pair], length[pair]
    # the search for u ≥ c passes an entry whose sum is c: so it does for every u for which the
    # rounded product uL reaches the next integer after the rounded cL
    passed = (sums * size).astype(np.int64) + 1
    inside = passed < size
    counts = np.bincount((offset + passed)[inside], minlength=sums.size)
    running = np.cumsum(counts)
    before = np.concatenate(([0], running))[offset]
    return offset + running - before
