"""The transition matrix of a policy as an operator, where one matrix would not pay."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
import scipy

from regmdp._internal.arrays import Array, Float, Int, assign
from regmdp.mdp.partition import Partition

__all__ = ["PolicyRows", "StackedRows", "column_indices", "stack_rows"]


class PolicyRows(ABC):
    """The (S, S) matrix P_π of a policy as an operator."""

    shape: tuple[int, int]

    @property
    @abstractmethod
    def n_entries(self) -> int:
        """The number of entries that a product reads."""

    @abstractmethod
    def __matmul__(self, value: Float[Array, " S"]) -> Float[np.ndarray, " S"]:
        """(S,) value -> (S,) its expectation after one step."""

    @abstractmethod
    def to_matrix(self) -> Array:
        """Return the matrix, dense or a CSR array."""

    @abstractmethod
    def successors(self, states: Int[np.ndarray, " k"]) -> Int[np.ndarray, " n"]:
        """(k,) states -> (n,) their possible next states, and perhaps others."""


class StackedRows(PolicyRows):
    """The rows of a matrix in blocks, on which several threads and processes work.

    Args:
        partition: The blocks.
        matrices: The rows of the blocks of this process.
        shared: Whether they are so large that several threads work on them.
    """

    def __init__(
        self, partition: Partition, matrices: Sequence[scipy.sparse.csr_array], *, shared: bool
    ) -> None:
        self._partition, self._shared = partition, shared
        self._parts = dict(zip((block.start for block in partition.own), matrices, strict=True))
        self.shape = (partition.shape[0], partition.shape[0])

    @property
    def n_entries(self) -> int:
        parts = self._partition.map(lambda block: int(self._parts[block.start].nnz), shared=False)
        return sum(parts)

    def __matmul__(self, value: Float[Array, " S"]) -> Float[np.ndarray, " S"]:
        out = np.empty(self.shape[0])
        self._partition.each(
            lambda block: assign(block, (out, self._parts[block.start] @ value)),
            out,
            shared=self._shared,
        )
        return out

    def to_matrix(self) -> scipy.sparse.csr_array:
        return stack_rows(self._partition.map(lambda block: self._parts[block.start]))

    def successors(self, states: Int[np.ndarray, " k"]) -> Int[np.ndarray, " n"]:
        return np.concatenate(
            self._partition.map(lambda block: self._find_successors(states, block), shared=False)
        )

    def _find_successors(
        self, states: Int[np.ndarray, " k"], block: slice
    ) -> Int[np.ndarray, " n"]:
        """Return the successors of those states that are in a block."""
        inside = states[(states >= block.start) & (states < block.stop)] - block.start
        return column_indices(self._parts[block.start], inside)


def column_indices(
    matrix: scipy.sparse.csr_array, rows: Int[np.ndarray, " k"]
) -> Int[np.ndarray, " n"]:
    """(k,) rows of a matrix -> (n,) the columns of their entries, row by row."""
    starts = matrix.indptr[rows]
    lengths = matrix.indptr[rows + 1] - starts
    ends = np.cumsum(lengths)
    return matrix.indices[np.arange(lengths.sum()) + np.repeat(starts - ends + lengths, lengths)]


def stack_rows(parts: Sequence[scipy.sparse.csr_array]) -> scipy.sparse.csr_array:
    """Return the rows of all blocks as one matrix."""
    if len(parts) == 1:
        return parts[0]
    return scipy.sparse.csr_array(scipy.sparse.vstack(parts, format="csr"))
