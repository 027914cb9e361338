"""The order in which the states of a sparse chain are eliminated."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import scipy

from regmdp._internal.arrays import Bool, Int
from regmdp.mdp.structure import label_strong_components

__all__ = ["Cycles", "find_elimination_order", "superlu_options"]


def superlu_options(matrix: scipy.sparse.sparray, *, ordered: bool) -> dict[str, Any]:
    """Return the options with which SuperLU factorizes I - γ P.

    It is an M-matrix, whose factorization needs no pivoting. So the order may follow the pattern of
    P + Pᵀ: a tree then has no fill-in, a plane half of it, and without supernodes a third of the
    memory is enough. That order is slow to find only if very many states lead to one.

    Args:
        matrix: (S, S) P.
        ordered: Whether the states are in the order of elimination.
    """
    n = matrix.shape[0]
    if not ordered and np.bincount(matrix.indices, minlength=n).max() > 10.0 * n**0.5:
        return {"permc_spec": "COLAMD"}
    return {
        "permc_spec": "NATURAL" if ordered else "MMD_AT_PLUS_A",
        "diag_pivot_thresh": 0.0,
        "relax": 1,
        "panel_size": 1,
        "options": {"SymmetricMode": True},
    }


class Cycles:
    """Where a sparse chain has cycles; loops of one state do not count.

    Args:
        rows: (S, S) the chain.

    Attributes:
        label: (S,) number of the strongly connected component of each state.
        on_cycle: (S,) mask of the states on a cycle.
    """

    def __init__(self, rows: scipy.sparse.csr_array) -> None:
        self._rows = rows
        self.label = label_strong_components(rows)
        self.on_cycle = np.bincount(self.label)[self.label] > 1

    @cached_property
    def before(self) -> Bool[np.ndarray, " S"]:
        """(S,) mask of the states from which a cycle is reached."""
        if not self.on_cycle.any():
            return self.on_cycle
        return _find_reachable(scipy.sparse.csr_array(self._rows.T), self.on_cycle)

    @cached_property
    def core(self) -> Bool[np.ndarray, " S"]:
        """(S,) mask of those that a cycle reaches, too."""
        if not self.on_cycle.any():
            return self.on_cycle
        return self.before & _find_reachable(self._rows, self.on_cycle)

    def are_within(self, size: int) -> bool:
        """Whether at most so many states are on cycles or between them."""
        on_cycle = np.count_nonzero(self.on_cycle) <= size
        return bool(on_cycle and np.count_nonzero(self.core) <= size)


def find_elimination_order(
    rows: scipy.sparse.csr_array, cycles: Cycles
) -> Int[np.ndarray, " S"] | None:
    """Return the order of elimination of a (S, S) sparse chain, if its cycles tell most of it.

    A state without a successor that is left, or without a predecessor, is eliminated without
    fill-in. So first come the states from which no cycle is reached, the last ones first; then
    those that no cycle reaches, the first ones first; and the others by minimum degree. None if
    these are more than half.
    """
    label, before, core = cycles.label, cycles.before, cycles.core
    ahead = label[rows.indices] - np.repeat(label, np.diff(rows.indptr))
    if 2 * np.count_nonzero(core) > core.size or ahead.max(initial=0) > 0:
        return None  # (successors have lower labels, as the search completes them first)
    place = np.where(before, -label, label)
    if core.any():
        place[core] = _order_by_degree(rows[core][:, core])
    return np.argsort(place + 2 * core.size * (before.astype(np.int64) + core))


def _find_reachable(
    rows: scipy.sparse.csr_array, start: Bool[np.ndarray, " S"]
) -> Bool[np.ndarray, " S"]:
    """Return (S,) bool: the states that are reached from some states, themselves included."""
    from scipy.sparse.csgraph import breadth_first_order

    first = np.flatnonzero(start)
    # a further node leads to all of them
    graph = scipy.sparse.csr_array(
        (
            np.ones(rows.nnz + first.size, dtype=np.int8),
            np.concatenate((rows.indices, first)),
            np.append(rows.indptr, rows.nnz + first.size),
        ),
        shape=(start.size + 1, start.size + 1),
    )
    reached = np.zeros(start.size + 1, dtype=np.bool_)
    reached[breadth_first_order(graph, start.size, return_predecessors=False)] = True
    return reached[:-1]


def _order_by_degree(rows: scipy.sparse.csr_array) -> Int[np.ndarray, " n"]:
    """Return the place of each state in an order of minimum degree, which a factorization finds."""
    from scipy.sparse.linalg import splu

    pattern = scipy.sparse.csr_array(
        (np.full(rows.nnz, -1.0), rows.indices, rows.indptr), shape=rows.shape
    )
    dominant = scipy.sparse.diags_array(2.0 + np.diff(rows.indptr), format="csr")
    factor = splu(
        scipy.sparse.csc_array(pattern + dominant), **superlu_options(pattern, ordered=False)
    )
    return factor.perm_c.astype(np.int64)
