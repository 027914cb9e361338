"""The states of a graph that reach no cycle, or are reached by none, in levels."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy

from regmdp._internal.arrays import Bool, Int
from regmdp.mdp.structure import find_entries, pick_distinct

__all__ = ["Levels", "find_levels"]

#: A level costs about as much as the work on so many states, so a graph with fewer states in each
#: is not worth it; and the number of levels that any graph may have.
STATES_PER_LEVEL, FEW_LEVELS = 30, 250


class Levels(NamedTuple):
    """States in levels.

    Attributes:
        states: (n,) the states, level by level.
        starts: (L + 1,) where each level begins among them, and n.
    """

    states: Int[np.ndarray, " n"]
    starts: Int[np.ndarray, " L+1"]


def find_levels(graph: scipy.sparse.csr_array) -> tuple[Levels, Levels]:
    """Find the states that need no iteration, from the ends of a graph inwards.

    Args:
        graph: (S, S) its edges; several edges between two states count as several.

    Returns:
        The states from which no cycle is reached, each after all that it leads to; and of the
        others those that no cycle reaches, too, each after all of its own kind that it leads to.
        If there are very many levels, some of these states are left out.
    """
    into = scipy.sparse.csr_array(graph.T)
    most = FEW_LEVELS + graph.shape[0] // STATES_PER_LEVEL
    below = _peel(np.diff(graph.indptr), into, np.zeros(graph.shape[0], dtype=np.bool_), most)
    taken = np.zeros(graph.shape[0], dtype=np.bool_)
    taken[below.states] = True
    outwards = _peel(np.diff(into.indptr), graph, taken, most)
    starts = outwards.states.size - outwards.starts[::-1]
    return below, Levels(outwards.states[::-1], starts)


def _peel(
    degree: Int[np.ndarray, " S"],
    back: scipy.sparse.csr_array,
    taken: Bool[np.ndarray, " S"],
    most: int,
) -> Levels:
    """Take away the states without edges, level by level.

    Args:
        degree: (S,) the number of edges of each state.
        back: (S, S) the edges in the other direction.
        taken: (S,) mask of states that are not looked at.
        most: The largest number of levels.
    """
    degree = np.array(degree)
    place = np.zeros(degree.size, dtype=np.int64)
    level = np.flatnonzero((degree == 0) & ~taken)
    levels, all_free = [], not taken.any()
    while level.size and len(levels) < most:
        levels.append(level)
        hit = back.indices[find_entries(back.indptr, level)[0]]
        np.subtract.at(degree, hit, 1)
        level = hit[degree[hit] == 0]
        if not all_free:
            level = level[~taken[level]]
        level = pick_distinct(level, place)
    sizes = [level.size for level in levels]
    return Levels(
        np.concatenate([np.zeros(0, dtype=np.int64), *levels]),
        np.concatenate(([0], np.cumsum(sizes, dtype=np.int64))).astype(np.int64),
    )
