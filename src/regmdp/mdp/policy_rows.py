"""The transition matrix of a policy as an operator, where one matrix would not pay."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
import scipy

from regmdp._internal import threads
from regmdp._internal.arrays import Array, Float, Int, assign

__all__ = ["PolicyRows", "StackedRows", "column_indices", "stack_rows"]


class PolicyRows(ABC):
    """The (S, S) matrix P_π of a policy as an operator."""

    shape: tuple[int, int]

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
    """The rows of a matrix in blocks, on which several threads work if it is large."""

    def __init__(
        self, blocks: Sequence[slice], matrices: Sequence[scipy.sparse.csr_array], *, shared: bool
    ) -> None:
        self._parts, self._shared = list(zip(blocks, matrices, strict=True)), shared
        self.shape = (blocks[-1].stop, blocks[-1].stop)

    def __matmul__(self, value: Float[Array, " S"]) -> Float[np.ndarray, " S"]:
        out = np.empty(self.shape[0])
        threads.parallel_map(
            self._parts, lambda part: assign(part[0], (out, part[1] @ value)), shared=self._shared
        )
        return out

    def to_matrix(self) -> scipy.sparse.csr_array:
        return stack_rows([matrix for _, matrix in self._parts])

    def successors(self, states: Int[np.ndarray, " k"]) -> Int[np.ndarray, " n"]:
        inside = (
            (states[(states >= block.start) & (states < block.stop)] - block.start, matrix)
            for block, matrix in self._parts
        )
        return np.concatenate([column_indices(matrix, rows) for rows, matrix in inside])


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
