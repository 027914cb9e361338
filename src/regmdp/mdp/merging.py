"""Successors of many pairs, in any order and repeated -> sorted rows without repetitions."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy

from regmdp._internal.arrays import Float, Int

__all__ = ["SortedRows", "join_rows", "merge_successors"]

#: Number of pairs that are looked at to find an order in which successors mostly ascend.
SAMPLE_SIZE = 64


class SortedRows(NamedTuple):
    """n rows of probabilities, one after the other, their successors ascending.

    Attributes:
        data: Probabilities, none of them 0.
        indices: Their successors.
        lengths: (n,) numbers of successors.
    """

    data: Float[np.ndarray, " m"]
    indices: Int[np.ndarray, " m"]
    lengths: Int[np.ndarray, " n"]


def merge_successors(
    successors: Int[np.ndarray, "K n"], weights: Float[np.ndarray, "K ..."]
) -> SortedRows:
    """Sort the successors of n pairs, add up the weights of equal ones, and drop zeros.

    Args:
        successors: (K, n) successors of each pair.
        weights: (K, 1) or (K, n) their probabilities.

    Examples:
        >>> rows = merge_successors(np.array([[2, 0], [1, 0], [2, 1]]), np.full((3, 1), 0.25))
        >>> rows.data, rows.indices, rows.lengths
        (array([0.25, 0.5 , 0.5 , 0.25]), array([1, 2, 0, 1]), array([2, 2]))
    """
    order = _find_order(successors)
    ordered, chances = successors[order], weights[order]
    count, n_pairs = ordered.shape
    # those that do not ascend; equal ones are added in the order of the outcomes, so that the sums
    # do not depend on the pairs that are looked at together
    unsorted = np.flatnonzero((ordered[1:] <= ordered[:-1]).any(axis=0))
    if unsorted.size:
        chances = np.array(np.broadcast_to(chances, ordered.shape))
        ordered[:, unsorted], outcomes = _sort_columns(successors[:, unsorted])
        given = np.broadcast_to(weights, successors.shape)[:, unsorted]
        chances[:, unsorted] = np.take_along_axis(given, outcomes, axis=0)
    flat = np.ascontiguousarray(ordered.T).ravel()
    values = np.ascontiguousarray(np.broadcast_to(chances, ordered.shape).T).ravel()
    repeats = ordered[1:] == ordered[:-1]
    if unsorted.size and repeats.any():
        first = np.ones((n_pairs, count), dtype=np.bool_)
        np.logical_not(repeats.T, out=first[:, 1:])
        starts = np.flatnonzero(first)
        values, flat = np.add.reduceat(values, starts), flat[starts]
        lengths = first.sum(axis=1)
    else:
        lengths = np.full(n_pairs, count)
    if weights.all():
        return SortedRows(values, flat, lengths)
    return _drop_zeros(SortedRows(values, flat, lengths))


def join_rows(parts: list[SortedRows], n_actions: int, n_states: int) -> scipy.sparse.csr_array:
    """Join the rows of parts of a block, each action-major, to one action-major matrix.

    Args:
        parts: The rows of A actions and some of the states of the block, in order.
        n_actions: A.
        n_states: S, the number of columns.
    """
    if len(parts) > 1:
        by_action = []
        for part in parts:
            ends = np.cumsum(part.lengths.reshape(n_actions, -1).sum(axis=1))[:-1]
            by_action.append((np.split(part.data, ends), np.split(part.indices, ends)))
        pieces = [(data[a], where[a]) for a in range(n_actions) for data, where in by_action]
        lengths = [part.lengths.reshape(n_actions, -1) for part in parts]
        joined = SortedRows(
            np.concatenate([data for data, _ in pieces]),
            np.concatenate([where for _, where in pieces]),
            np.concatenate(lengths, axis=1).ravel(),
        )
    else:
        joined = parts[0]
    fits = max(joined.data.size, n_states) <= np.iinfo(np.int32).max
    kind = np.int32 if fits else np.int64
    pointers = np.zeros(joined.lengths.size + 1, dtype=kind)
    np.cumsum(joined.lengths, out=pointers[1:])
    return scipy.sparse.csr_array(
        (joined.data, joined.indices.astype(kind, copy=False), pointers),
        shape=(joined.lengths.size, n_states),
    )


def _find_order(successors: Int[np.ndarray, "K n"]) -> Int[np.ndarray, " K"]:
    """Return an order of the K outcomes in which the successors of most pairs ascend."""
    n_pairs = successors.shape[1]
    sample = successors[:, np.linspace(0, n_pairs - 1, min(n_pairs, SAMPLE_SIZE), dtype=np.intp)]
    ordered = np.sort(sample, axis=0)
    distinct = np.count_nonzero(ordered[1:] != ordered[:-1], axis=0)
    return np.argsort(sample[:, np.argmax(distinct)], kind="stable")


def _sort_columns(
    successors: Int[np.ndarray, "K n"],
) -> tuple[Int[np.ndarray, "K n"], Int[np.ndarray, "K n"]]:
    """Return the sorted successors of each pair, and the outcomes that they belong to."""
    bits = max(1, int(successors.shape[0] - 1).bit_length())
    # a number of up to 63 bits holds the successor, and then the outcome
    keys = (successors.T.astype(np.int64) << bits) | np.arange(successors.shape[0])
    keys.sort(axis=1)
    return (keys >> bits).T, (keys & ((1 << bits) - 1)).T


def _drop_zeros(rows: SortedRows) -> SortedRows:
    """Return the rows without entries of probability 0."""
    kept = rows.data != 0.0
    ends = np.concatenate(([0], np.cumsum(rows.lengths)))
    counts = np.concatenate(([0], np.cumsum(kept)))[ends]
    return SortedRows(rows.data[kept], rows.indices[kept], np.diff(counts))
