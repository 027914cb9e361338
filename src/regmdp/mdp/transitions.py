"""How transition probabilities are stored, and the few products that everything else is made of.

A *block* is a slice of states, small enough that every temporary of a backup over it stays in the
cache. Within a block the rows are action-major: the row of (state s, action a) is
``a * len(block) + s - block.start``. Reductions over a few actions then run over contiguous states.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import scipy

from regmdp._internal import threads
from regmdp._internal.arrays import Array, Bool, Float, Int, assign, freeze
from regmdp.mdp.deterministic import actions_of
from regmdp.mdp.policy_rows import MixedRows, PolicyRows, StackedRows, column_indices, stack_rows

__all__ = ["DenseTransitions", "SparseTransitions", "Transitions"]

#: State-action pairs in a block, at most: 2^16 doubles are 512 KiB, a half or a quarter of a
#: second-level cache.
PAIRS_PER_BLOCK = 1 << 16
#: Stored probabilities from which on waking other threads pays.
SHARED_FROM = 1 << 18
#: States looked at to see whether the rows of different actions overlap.
SAMPLED_STATES = 16
#: States up to which the chain of a policy may be stored as a dense matrix though the model is
#: sparse.
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
    #: What :meth:`compute_digest` said when the rows were stored: a model is solved more than once.
    digest: str

    @abstractmethod
    def matvec(self, value: Float[Array, " S"], block: slice) -> Float[Array, "b A"]:
        """(S,) value of the next state -> (b, A) its expectation, for the states of one block, stored action-major."""

    @abstractmethod
    def rmatvec(self, weights: Float[Array, "b A"], block: slice) -> Float[np.ndarray, " S"]:
        """(b, A) weights of the pairs of one block -> (S,) what reaches each state from them: the transpose of :meth:`matvec`."""

    @abstractmethod
    def policy_matrix(self, policy: Float[Array, "S A"]) -> Array:
        """(S, A) policy -> (S, S) transition matrix of the chain it induces: dense, or a CSR array."""

    def chain(self, policy: Float[Array, "S A"]) -> Array | PolicyRows:
        """(S, A) policy -> its transition matrix, or an operator that multiplies like it where merging rows would not pay."""
        return self.policy_matrix(policy)

    @abstractmethod
    def successors(self, states: Int[np.ndarray, " k"]) -> Int[np.ndarray, " n"]:
        """(k,) states -> (n,) the states that one step from any of them may lead to; some may be named more than once."""

    @abstractmethod
    def to_csr(self) -> scipy.sparse.csr_array:
        """Return all rows as one (S·A, S) CSR array whose row ``s * A + a`` belongs to (s, a)."""

    @abstractmethod
    def to_dense(self) -> Float[np.ndarray, "S A S"]:
        """Return all rows as a new (S, A, S) array."""

    @property
    @abstractmethod
    def pieces(self) -> Sequence[Any]:
        """The pieces in which the model is stored."""

    @abstractmethod
    def arrays_of(self, piece: Any) -> tuple[np.ndarray, ...]:
        """Return the arrays that hold one piece."""

    def stored(self) -> Iterator[np.ndarray]:
        """Iterate over the arrays that hold the model."""
        for piece in self.pieces:
            yield from self.arrays_of(piece)

    @property
    @abstractmethod
    def shared(self) -> bool:
        """Whether threads should share the blocks."""

    @property
    def nbytes(self) -> int:
        """Memory taken by the stored arrays, in bytes."""
        return sum(array.nbytes for array in self.stored())

    def compute_digest(self) -> str:
        """Return a SHA-256 of the stored arrays."""
        shared = self.n_stored >= SHARED_FROM
        return combine_hashes(
            threads.parallel_map(
                self.pieces, lambda piece: hash_arrays(self.arrays_of(piece)), shared=shared
            )
        )

    def row_sums(self) -> Float[np.ndarray, "S A"]:
        """Return the (S, A) sums of the rows."""
        sums = np.empty((self.n_states, self.n_actions), order="F")
        ones = np.ones(self.n_states)
        threads.parallel_map(
            self.blocks,
            lambda block: assign(block, (sums, self.matvec(ones, block))),
            shared=self.shared,
        )
        return sums


class StorageInfo(NamedTuple):
    """What a model says of its rows."""

    branching: int
    n_stored: int
    digest: str


def hash_arrays(arrays: Iterable[np.ndarray]) -> bytes:
    """Return the hashes of some arrays, one after the other."""
    return b"".join(hashlib.sha256(array.data).digest() for array in arrays)


def combine_hashes(parts: Iterable[bytes]) -> str:
    """Return one hash for the hashes of the pieces of a model."""
    return hashlib.sha256(b"".join(parts)).hexdigest()


def state_blocks(n_states: int, n_actions: int) -> tuple[slice, ...]:
    """Return the slices of states that partition ``range(n_states)``: of a size, so that threads finish together."""
    count = -(-n_states * n_actions // PAIRS_PER_BLOCK)
    if count > 1:
        # 2, 4 or a multiple of 8: as many for each of a few threads
        count = min(1 << (count - 1).bit_length(), -(-count // 8) * 8)
    size = -(-n_states // count)
    return tuple(slice(start, min(start + size, n_states)) for start in range(0, n_states, size))


class DenseTransitions(Transitions):
    """Dense storage, one (A, S, S) array; the products run in BLAS, which has threads of its own."""

    storage = "dense"

    def __init__(self, action_state_state: Float[np.ndarray, "A S S"]) -> None:
        self._rows = freeze(np.ascontiguousarray(action_state_state))
        self.n_actions, self.n_states, _ = self._rows.shape
        self.blocks = state_blocks(self.n_states, self.n_actions)
        successors = threads.parallel_map(
            list(self._rows),
            lambda rows: int(np.count_nonzero(rows, axis=-1).max()),
            shared=self._large,
        )
        self.branching = max(successors, default=0)
        self.n_stored = self._rows.size
        self.digest = self.compute_digest()

    @property
    def shared(self) -> bool:
        return False

    @property
    def _large(self) -> bool:
        return self._rows.size >= SHARED_FROM

    def matvec(self, value: Float[Array, " S"], block: slice) -> Float[Array, "b A"]:
        return np.matmul(self._rows[:, block, :], value).T

    def rmatvec(self, weights: Float[Array, "b A"], block: slice) -> Float[np.ndarray, " S"]:
        reached = np.zeros(self.n_states)
        for action in range(self.n_actions):
            reached += weights[:, action] @ self._rows[action, block]
        return reached

    def policy_matrix(self, policy: Float[Array, "S A"]) -> Array:
        actions = actions_of(policy)
        if actions is not None and np.all(actions >= 0):
            return self._rows[actions, np.arange(self.n_states)]
        policy = np.asarray(policy)
        matrix = np.empty((self.n_states, self.n_states))
        size = max(1, PAIRS_PER_BLOCK // self.n_states)
        parts = [
            slice(start, min(start + size, self.n_states))
            for start in range(0, self.n_states, size)
        ]
        threads.parallel_map(
            parts,
            lambda states: assign(states, (matrix, self._mixed(policy, states))),
            shared=self._large,
        )
        return matrix

    def _mixed(self, policy: Float[Array, "S A"], states: slice) -> Float[np.ndarray, "b S"]:
        """Return some rows of a policy."""
        mixed = policy[states, 0, None] * self._rows[0, states]
        for action in range(1, self.n_actions):
            mixed += policy[states, action, None] * self._rows[action, states]
        return mixed

    def successors(self, states: Int[np.ndarray, " k"]) -> Int[np.ndarray, " n"]:
        found = np.zeros(self.n_states, dtype=np.bool_)
        for state in states:
            found |= np.any(self._rows[:, state] > 0, axis=0)
        return np.flatnonzero(found)

    def to_csr(self) -> scipy.sparse.csr_array:
        return scipy.sparse.csr_array(self.to_dense().reshape(-1, self.n_states))

    def to_dense(self) -> Float[np.ndarray, "S A S"]:
        return np.array(self._rows.transpose(1, 0, 2), order="C")

    @property
    def pieces(self) -> Sequence[Any]:
        return range(self.n_actions)

    def arrays_of(self, piece: Any) -> tuple[np.ndarray, ...]:
        return (self._rows[piece],)


class SparseTransitions(Transitions):
    """Sparse storage: one action-major CSR array a block, in memory, or in a file from which it is mapped while it is used.

    Args:
        matrices: (A·b, S) rows of each block in turn.
        n_states: S.
        n_actions: A.
        known: What is known of the rows without looking at them; by default they are looked at.
        storage: One word for summaries.
    """

    def __init__(
        self,
        matrices: Sequence[scipy.sparse.csr_array],
        n_states: int,
        n_actions: int,
        known: StorageInfo | None = None,
        storage: str = "sparse",
    ) -> None:
        self.n_states, self.n_actions, self.storage = n_states, n_actions, storage
        self.blocks = state_blocks(n_states, n_actions)
        self._matrices = matrices
        if known is None:
            for array in self.stored():
                array.flags.writeable = False
            branching = max(
                (int(np.diff(matrix.indptr).max(initial=0)) for matrix in matrices), default=0
            )
            self.n_stored = sum(matrix.nnz for matrix in matrices)
            known = StorageInfo(branching, self.n_stored, self.compute_digest())
        self.branching, self.n_stored, self.digest = known

    @property
    def shared(self) -> bool:
        return self.n_stored >= SHARED_FROM

    def matvec(self, value: Float[Array, " S"], block: slice) -> Float[Array, "b A"]:
        return (self._rows_of(block) @ value).reshape(self.n_actions, -1).T

    def rmatvec(self, weights: Float[Array, "b A"], block: slice) -> Float[np.ndarray, " S"]:
        return self._rows_of(block).T @ np.ascontiguousarray(weights.T).ravel()

    def _rows_of(self, block: slice) -> scipy.sparse.csr_array:
        """Return the rows of a block, action-major."""
        return self._matrices[block.start // self.blocks[0].stop]

    def chain(self, policy: Float[Array, "S A"]) -> Array | PolicyRows:
        if self.n_stored <= PAIRS_PER_BLOCK:
            return self.policy_matrix(policy)
        deterministic = (
            actions_of(policy[self.blocks[0]]) is not None
        )  # and if it is so there, elsewhere too
        if not (deterministic or self._overlap):
            return MixedRows(self, policy)
        parts = self._mixed(policy)
        if len(parts) == 1:
            return parts[0]
        return StackedRows(
            self.blocks, parts, shared=sum(part.nnz for part in parts) >= SHARED_FROM
        )

    def policy_matrix(self, policy: Float[Array, "S A"]) -> Array:
        if self.n_states <= DENSE_CHAIN:
            probabilities = np.asarray(policy)
            if (
                self.n_stored * np.count_nonzero(probabilities)
                > self.n_states**2 * probabilities.size
            ):
                return self._dense_policy_matrix(probabilities)
        return stack_rows(self._mixed(policy))

    def _mixed(self, policy: Float[Array, "S A"]) -> list[scipy.sparse.csr_array]:
        """Return the rows of a policy, block by block."""
        return threads.parallel_map(
            self.blocks,
            lambda block: _mixed(self._rows_of(block), policy[block]),
            shared=self.shared,
        )

    def _dense_policy_matrix(self, policy: Float[Array, "S A"]) -> Float[np.ndarray, "S S"]:
        """Add the weighted rows up in a dense matrix, which is quicker where most of its entries are reached."""
        chain = np.empty((self.n_states, self.n_states))
        for block in self.blocks:
            matrix = self._rows_of(block)
            size, lengths = block.stop - block.start, np.diff(matrix.indptr)
            weights = np.repeat(policy[block].T.ravel(), lengths) * matrix.data
            start = np.repeat(np.tile(np.arange(size) * self.n_states, self.n_actions), lengths)
            sums = np.bincount(start + matrix.indices, weights, minlength=size * self.n_states)
            chain[block] = sums.reshape(size, self.n_states)
        return chain

    @cached_property
    def _overlap(self) -> bool:
        """Whether the actions of a state lead to much the same states, so that mixing their rows shortens them to half or less."""
        entries = distinct = 0
        for state in np.linspace(
            0, self.n_states - 1, min(self.n_states, SAMPLED_STATES), dtype=np.int64
        ):
            reached = self.successors(np.array([state]))
            entries, distinct = entries + reached.size, distinct + np.unique(reached).size
        return distinct <= entries // 2

    def successors(self, states: Int[np.ndarray, " k"]) -> Int[np.ndarray, " n"]:
        parts = [np.empty(0, dtype=np.int64)]
        number = states // self.blocks[0].stop
        for block in (self.blocks[index] for index in np.unique(number)):
            inside = states[(states >= block.start) & (states < block.stop)] - block.start
            rows = np.arange(self.n_actions)[:, None] * (block.stop - block.start) + inside
            parts.append(column_indices(self._rows_of(block), rows.ravel()))
        return np.concatenate(parts)

    def to_csr(self) -> scipy.sparse.csr_array:
        parts = []
        for block in self.blocks:
            size = block.stop - block.start
            state_major = np.arange(size * self.n_actions).reshape(self.n_actions, size).T.ravel()
            parts.append(self._rows_of(block)[state_major])
        return stack_rows(parts)

    def to_dense(self) -> Float[np.ndarray, "S A S"]:
        return self.to_csr().toarray().reshape(self.n_states, self.n_actions, self.n_states)

    @property
    def pieces(self) -> Sequence[Any]:
        return range(len(self.blocks))

    def arrays_of(self, piece: Any) -> tuple[np.ndarray, ...]:
        matrix = self._matrices[piece]
        return matrix.data, matrix.indices, matrix.indptr


def block_of(rows: scipy.sparse.csr_array, index: Int[np.ndarray, "b A"]) -> scipy.sparse.csr_array:
    """Return the rows of a block of states, action-major, with 32-bit indices where they fit."""
    chosen = rows[index.T.ravel()]
    if max(chosen.nnz, *chosen.shape) <= np.iinfo(np.int32).max:
        parts = (
            chosen.data,
            chosen.indices.astype(np.int32, copy=False),
            chosen.indptr.astype(np.int32, copy=False),
        )
        chosen = scipy.sparse.csr_array(parts, shape=chosen.shape)
    return chosen


def _mixed(matrix: scipy.sparse.csr_array, weights: Float[Array, "b A"]) -> scipy.sparse.csr_array:
    """(A·b, S) rows of a block and (b, A) probabilities -> the (b, S) rows of the policy."""
    size, n_actions = weights.shape
    actions = actions_of(weights)
    if actions is not None and not np.diff(matrix.indptr)[:size][actions < 0].any():
        # one action in each state, or none, and there the row of action 0 is empty, too: the rows
        # as they are
        return matrix[
            np.maximum(actions, 0).astype(np.int32) * size + np.arange(size, dtype=np.int32)
        ]
    weights = np.asarray(weights)
    state, action = np.nonzero(weights)
    # nonzero() runs state by state, so the entries come in CSR order as they are
    start = np.concatenate(([0], np.cumsum(np.bincount(state, minlength=size))))
    mixing = scipy.sparse.csr_array(
        (weights[state, action], action * size + state, start), shape=(size, n_actions * size)
    )
    return mixing @ matrix


def with_empty_last_row(rows: scipy.sparse.csr_array) -> scipy.sparse.csr_array:
    """Append an empty row, which index -1 then addresses."""
    pointers = np.append(rows.indptr, rows.indptr[-1])
    return scipy.sparse.csr_array(
        (rows.data, rows.indices, pointers), shape=(rows.shape[0] + 1, rows.shape[1])
    )


def dense_of_available(
    state_action_state: Float[np.ndarray, "S A S"], available: Bool[np.ndarray, "S A"]
) -> DenseTransitions:
    """(S, A, S) array -> dense transitions without the rows of unavailable pairs."""
    rows = np.array(np.asarray(state_action_state, dtype=np.float64).transpose(1, 0, 2), order="C")
    if not available.all():
        rows[~available.T] = 0.0
    return DenseTransitions(rows)


def sparse_of_available(
    rows: scipy.sparse.csr_array, index: Int[np.ndarray, "S A"], available: Bool[np.ndarray, "S A"]
) -> SparseTransitions:
    """Row matrix and its (S, A) row numbers -> sparse transitions without the rows of unavailable pairs."""
    rows, shape = with_empty_last_row(rows), index.shape
    matrices = threads.parallel_map(
        state_blocks(*shape),
        lambda block: block_of(rows, np.where(available[block], index[block], -1)),
        shared=rows.nnz >= SHARED_FROM,
    )
    return SparseTransitions(tuple(matrices), *shape)
