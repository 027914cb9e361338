"""How transition probabilities are stored, and the few products that everything else is made of.

A *block* is a slice of states, small enough that every temporary of a backup over it stays in the cache. Within a block the
rows are action-major: the row of (state s, action a) is ``a * len(block) + s - block.start``. Reductions over a few actions
then run over contiguous states.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator

import numpy as np
import scipy.sparse as sp

from regmdp._arrays import Array, Bool, Float, Int, frozen

__all__ = ["DenseTransitions", "SparseTransitions", "Transitions"]

#: State-action pairs in a block: 2^15 doubles are 256 KiB, a fraction of a second-level cache.
PAIRS_PER_BLOCK = 1 << 15
#: States up to which the chain of a policy may be stored as a dense matrix though the model is sparse.
DENSE_CHAIN = 1200


class Transitions(ABC):
    """Transition probabilities of S states and A actions; the row of an unavailable pair is empty."""

    n_states: int
    n_actions: int
    #: Largest number of successors of a state-action pair.
    branching: int
    #: Number of stored probabilities.
    n_stored: int
    #: Slices of states that partition ``range(n_states)``.
    blocks: tuple[slice, ...]
    #: One word for summaries.
    storage: str

    @abstractmethod
    def expect(self, value: Float[Array, " S"], block: slice) -> Float[Array, "b A"]:
        """(S,) value of the next state -> (b, A) its expectation, for the states of one block, stored action-major."""

    @abstractmethod
    def policy_matrix(self, policy: Float[Array, "S A"]) -> Array:
        """(S, A) policy -> (S, S) transition matrix of the chain it induces: dense, or a CSR array."""

    @abstractmethod
    def to_csr(self) -> sp.csr_array:
        """Return all rows as one (S·A, S) CSR array whose row ``s * A + a`` belongs to (s, a)."""

    @abstractmethod
    def to_dense(self) -> Float[np.ndarray, "S A S"]:
        """Return all rows as a new (S, A, S) array."""

    @abstractmethod
    def stored(self) -> Iterator[np.ndarray]:
        """Iterate over the arrays that hold the model, for hashing and for measuring memory."""

    @property
    def nbytes(self) -> int:
        """Memory taken by the stored arrays, in bytes."""
        return sum(array.nbytes for array in self.stored())

    def row_sums(self) -> Float[np.ndarray, "S A"]:
        """Return the (S, A) sums of the rows."""
        sums = np.empty((self.n_states, self.n_actions), order="F")
        ones = np.ones(self.n_states)
        for block in self.blocks:
            sums[block] = self.expect(ones, block)
        return sums


def state_blocks(n_states: int, n_actions: int) -> tuple[slice, ...]:
    """Return the slices of states that partition ``range(n_states)``."""
    size = max(1, PAIRS_PER_BLOCK // n_actions)
    return tuple(slice(start, min(start + size, n_states)) for start in range(0, n_states, size))


class DenseTransitions(Transitions):
    """Dense storage, one (A, S, S) array; the products run in BLAS."""

    storage = "dense"

    def __init__(self, action_state_state: Float[np.ndarray, "A S S"]) -> None:
        self._rows = frozen(np.ascontiguousarray(action_state_state))
        self.n_actions, self.n_states, _ = self._rows.shape
        self.blocks = state_blocks(self.n_states, self.n_actions)
        self.branching = max(
            (int(np.count_nonzero(self._rows[a, block], axis=-1).max()) for block in self.blocks for a in range(self.n_actions)),
            default=0,
        )
        self.n_stored = self._rows.size

    def expect(self, value: Float[Array, " S"], block: slice) -> Float[Array, "b A"]:
        return np.matmul(self._rows[:, block, :], value).T

    def policy_matrix(self, policy: Float[Array, "S A"]) -> Array:
        matrix = policy[:, 0, None] * self._rows[0]
        for action in range(1, self.n_actions):
            matrix += policy[:, action, None] * self._rows[action]
        return matrix

    def to_csr(self) -> sp.csr_array:
        return sp.csr_array(self.to_dense().reshape(-1, self.n_states))

    def to_dense(self) -> Float[np.ndarray, "S A S"]:
        return np.array(self._rows.transpose(1, 0, 2), order="C")

    def stored(self) -> Iterator[np.ndarray]:
        yield self._rows


class SparseTransitions(Transitions):
    """Sparse storage: one action-major CSR array a block.

    ``rows`` holds one row a stored pair; ``index[s, a]`` says which row belongs to (s, a), or -1 if there is none.
    """

    storage = "sparse"

    def __init__(self, rows: sp.csr_array, index: Int[np.ndarray, "S A"]) -> None:
        self.n_states, self.n_actions = index.shape
        self.blocks = state_blocks(self.n_states, self.n_actions)
        rows = _with_empty_last_row(rows)
        self._matrices = tuple(rows[index[block].T.ravel()] for block in self.blocks)
        self.branching = max((int(np.diff(matrix.indptr).max(initial=0)) for matrix in self._matrices), default=0)
        self.n_stored = sum(matrix.nnz for matrix in self._matrices)
        for array in self.stored():
            array.flags.writeable = False

    def expect(self, value: Float[Array, " S"], block: slice) -> Float[Array, "b A"]:
        matrix = self._matrices[block.start // self.blocks[0].stop]
        return (matrix @ value).reshape(self.n_actions, -1).T

    def policy_matrix(self, policy: Float[Array, "S A"]) -> Array:
        if self.n_states <= DENSE_CHAIN and self.n_stored * np.count_nonzero(policy) > self.n_states**2 * policy.size:
            return self._dense_policy_matrix(policy)
        parts = []
        for block, matrix in zip(self.blocks, self._matrices, strict=True):
            weights = np.asarray(policy[block])
            size = weights.shape[0]
            state, action = np.nonzero(weights)
            if state.size == size and np.all(weights[state, action] == 1.0) and np.all(np.diff(state) == 1):
                parts.append(matrix[action * size + state])  # one action in each state: its row as it is
                continue
            # nonzero() runs state by state, so the entries come in CSR order as they are
            start = np.concatenate(([0], np.cumsum(np.bincount(state, minlength=size))))
            mixing = sp.csr_array((weights[state, action], action * size + state, start), shape=(size, matrix.shape[0]))
            parts.append(mixing @ matrix)
        return sp.vstack(parts, format="csr") if len(parts) > 1 else parts[0]

    def _dense_policy_matrix(self, policy: Float[Array, "S A"]) -> Float[np.ndarray, "S S"]:
        """Add the weighted rows up in a dense matrix, which is quicker where most of its entries are reached."""
        chain = np.empty((self.n_states, self.n_states))
        for block, matrix in zip(self.blocks, self._matrices, strict=True):
            size, lengths = block.stop - block.start, np.diff(matrix.indptr)
            weights = np.repeat(np.asarray(policy[block]).T.ravel(), lengths) * matrix.data
            start = np.repeat(np.tile(np.arange(size) * self.n_states, self.n_actions), lengths)
            sums = np.bincount(start + matrix.indices, weights, minlength=size * self.n_states)
            chain[block] = sums.reshape(size, self.n_states)
        return chain

    def to_csr(self) -> sp.csr_array:
        parts = []
        for block, matrix in zip(self.blocks, self._matrices, strict=True):
            size = block.stop - block.start
            state_major = np.arange(matrix.shape[0]).reshape(self.n_actions, size).T.ravel()
            parts.append(matrix[state_major])
        return sp.csr_array(sp.vstack(parts, format="csr"))

    def to_dense(self) -> Float[np.ndarray, "S A S"]:
        return self.to_csr().toarray().reshape(self.n_states, self.n_actions, self.n_states)

    def stored(self) -> Iterator[np.ndarray]:
        for matrix in self._matrices:
            yield from (matrix.data, matrix.indices, matrix.indptr)


def _with_empty_last_row(rows: sp.csr_array) -> sp.csr_array:
    """Append an empty row, which index -1 then addresses."""
    pointers = np.append(rows.indptr, rows.indptr[-1])
    return sp.csr_array((rows.data, rows.indices, pointers), shape=(rows.shape[0] + 1, rows.shape[1]))


def dense_of_available(state_action_state: Float[np.ndarray, "S A S"], available: Bool[np.ndarray, "S A"]) -> DenseTransitions:
    """(S, A, S) array -> dense transitions without the rows of unavailable pairs."""
    rows = np.array(np.asarray(state_action_state, dtype=np.float64).transpose(1, 0, 2), order="C")
    if not available.all():
        rows[~available.T] = 0.0
    return DenseTransitions(rows)


def sparse_of_available(rows: sp.csr_array, index: Int[np.ndarray, "S A"], available: Bool[np.ndarray, "S A"]) -> SparseTransitions:
    """Row matrix and its (S, A) row numbers -> sparse transitions without the rows of unavailable pairs."""
    return SparseTransitions(rows, np.where(available, index, -1))
