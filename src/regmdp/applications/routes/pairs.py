"""The pairs (state, next link) of a network, all of them or with turns that are restricted."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from scipy.sparse import csgraph

from regmdp._internal.arrays import Bool, Int, freeze
from regmdp._internal.memory import require_memory

__all__ = ["LinkPairs", "concatenate_ranges", "find_links_reaching", "list_all_pairs", "list_turns"]

#: Bytes of a pair of consecutive links: its state and its link, and what they are made of.
BYTES_PER_PAIR = 48


class LinkPairs(NamedTuple):
    """The pairs of a network with L links and N nodes, sorted by state and link.

    Attributes:
        start: (S + 1,) the pairs of state s are start[s] … start[s + 1] - 1; S = L + N.
        state: (P,) state of each pair: a link, or L plus an origin node.
        link: (P,) next link of each pair.
        slot: (L,) number of links with a smaller number that begin at the same node.
    """

    start: Int[np.ndarray, " S1"]
    state: Int[np.ndarray, " P"]
    link: Int[np.ndarray, " P"]
    slot: Int[np.ndarray, " L"]

    def find(
        self, state: Int[np.ndarray, " n"], link: Int[np.ndarray, " n"]
    ) -> Int[np.ndarray, " n"]:
        """(n,) states and next links -> (n,) their pairs; -1 where there is none."""
        n_links = self.slot.size
        known, wanted = self.state * n_links + self.link, state * n_links + link
        pair = np.minimum(np.searchsorted(known, wanted), known.size - 1)
        return np.where(known[pair] == wanted, pair, -1)


def list_all_pairs(
    start: Int[np.ndarray, " L"], end: Int[np.ndarray, " L"], n_nodes: int
) -> LinkPairs:
    """Return all pairs of a network: a link may follow every link that ends where it begins."""
    leaving = np.argsort(start, kind="stable")
    first = np.searchsorted(start[leaving], np.arange(n_nodes + 1))
    node = np.concatenate((end, np.arange(n_nodes)))  # of each state
    count = np.diff(first)[node]
    n_pairs = int(count.sum())
    require_memory(
        f"{n_pairs:,} pairs of consecutive links of a network of {start.size:,} links",
        BYTES_PER_PAIR * n_pairs,
        "as many links begin at a node where many end; divide such a node, or give turns=",
    )
    slot = np.empty_like(start)
    slot[leaving] = np.arange(start.size) - first[start[leaving]]
    return LinkPairs(
        freeze(np.concatenate(([0], np.cumsum(count)))),
        freeze(np.repeat(np.arange(node.size), count)),
        freeze(leaving[concatenate_ranges(first[node], count)]),
        freeze(slot),
    )


def list_turns(
    start: Int[np.ndarray, " L"], n_nodes: int, turns: Int[np.ndarray, "T 2"]
) -> LinkPairs:
    """Return the pairs of a network in which only the listed links may follow a link."""
    turns = turns[np.lexsort((turns[:, 1], turns[:, 0]))]
    leaving = np.argsort(start, kind="stable")
    first = np.searchsorted(start[leaving], np.arange(n_nodes + 1))
    slot = np.empty_like(start)
    slot[leaving] = np.arange(start.size) - first[start[leaving]]
    state = np.concatenate((turns[:, 0], start.size + start[leaving]))
    count = np.bincount(state, minlength=start.size + n_nodes)
    return LinkPairs(
        freeze(np.concatenate(([0], np.cumsum(count)))),
        freeze(state),
        freeze(np.concatenate((turns[:, 1], leaving))),
        freeze(slot),
    )


def find_links_reaching(pairs: LinkPairs, ends: Bool[np.ndarray, " L"]) -> Bool[np.ndarray, " L"]:
    """Return (L,) bool: the links from which pairs lead to one of the ends, these included."""
    n_links = ends.size
    n = int(pairs.start[n_links])
    last = np.flatnonzero(ends)
    tail = np.concatenate((pairs.link[:n], np.full(last.size, n_links)))
    head = np.concatenate((pairs.state[:n], last))
    backwards = sp.csr_array((np.ones(tail.size), (tail, head)), shape=(n_links + 1, n_links + 1))
    before = csgraph.breadth_first_order(backwards, n_links, return_predecessors=False)
    reached = np.zeros(n_links + 1, dtype=np.bool_)
    reached[before] = True
    return reached[:n_links]


def concatenate_ranges(
    first: Int[np.ndarray, " n"], count: Int[np.ndarray, " n"]
) -> Int[np.ndarray, " m"]:
    """Return first[0], first[0] + 1, …, count[0] numbers, and so on for every range.

    >>> concatenate_ranges(np.array([5, 0]), np.array([2, 3]))
    array([5, 6, 0, 1, 2])
    """
    before = np.cumsum(count) - count
    return np.arange(count.sum()) + np.repeat(first - before, count)
