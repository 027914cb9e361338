"""Sparse storage of transition probabilities."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property

import numpy as np
import scipy

from regmdp._internal import threads
from regmdp._internal.arrays import Array, Bool, Float, Int, assign
from regmdp._internal.memory import require_memory
from regmdp.mdp import transitions as base
from regmdp.mdp.deterministic import find_actions
from regmdp.mdp.partition import Partition
from regmdp.mdp.policy_rows import PolicyRows, StackedRows, column_indices, stack_rows
from regmdp.mdp.transitions import RowArrays, StorageInfo, Transitions, needs_threads, state_blocks

__all__ = ["MixedRows", "SparseTransitions", "append_empty_row", "extract_block", "store_sparse"]

#: States sampled to see whether the rows of different actions overlap.
OVERLAP_SAMPLE_SIZE = 16
#: Largest number of states for which the matrix of a policy may be dense though the model is
#: sparse.
MAX_STATES_FOR_DENSE_MATRIX = 1200


class SparseTransitions(Transitions):
    """Sparse storage: one action-major CSR array for each block, in memory or mapped from a file.

    Args:
        matrices: (A·b, S) rows of each block in turn.
        n_states: S.
        n_actions: A.
        info: What is known about the rows; by default it is computed from them.
        storage: One word for summaries.
        partition: Which process works on which blocks; by default this one on all of them. Each
            process can read all rows.
    """

    def __init__(
        self,
        matrices: Sequence[scipy.sparse.csr_array],
        n_states: int,
        n_actions: int,
        info: StorageInfo | None = None,
        storage: str = "sparse",
        partition: Partition | None = None,
    ) -> None:
        self.n_states, self.n_actions, self.storage = n_states, n_actions, storage
        self.partition = (
            Partition(state_blocks(n_states, n_actions), n_actions)
            if partition is None
            else partition
        )
        self.blocks = self.partition.blocks
        self._number = {block.start: number for number, block in enumerate(self.blocks)}
        self._matrices = matrices
        if info is None:
            for array in self.iterate_arrays():
                array.flags.writeable = False
            branching = max(
                (int(np.diff(matrix.indptr).max(initial=0)) for matrix in matrices), default=0
            )
            self.n_stored = sum(matrix.nnz for matrix in matrices)
            info = StorageInfo(branching, self.n_stored, self.compute_digest())
        self.branching, self.n_stored, self.digest = info

    @property
    def shared(self) -> bool:
        return needs_threads(self.n_stored)

    def __reduce__(self) -> tuple[object, ...]:
        # arrays of a copy are checked in and frozen anew; mapped ones stay where they are
        info = StorageInfo(self.branching, self.n_stored, self.digest)
        given = self._matrices, self.n_states, self.n_actions
        if self.storage == "ragged":
            return type(self), (*given, None, self.storage, self.partition)
        return type(self), given if self.storage == "sparse" else (*given, info, self.storage)

    def matvec(self, value: Float[Array, " S"], block: slice) -> Float[Array, "b A"]:
        return (self._rows_of(block) @ value).reshape(-1, block.stop - block.start).T

    def rmatvec(self, weights: Float[Array, "b A"], block: slice) -> Float[np.ndarray, " S"]:
        return self._rows_of(block).T @ np.ascontiguousarray(weights.T).ravel()

    def _rows_of(self, block: slice) -> scipy.sparse.csr_array:
        """Return the rows of a block, action-major."""
        return self._matrices[self._number[block.start]]

    def policy_operator(self, policy: Float[Array, "S A"]) -> Array | PolicyRows:
        policy = self._fit(policy)
        if self.n_stored <= base.MAX_PAIRS_PER_BLOCK:
            return self.policy_matrix(policy)
        # a policy that is deterministic in the first block is so in the others
        deterministic = self.partition.decide(lambda block: find_actions(policy[block]) is not None)
        if not (deterministic or self._successors_overlap):
            return MixedRows(self, policy)
        parts: list[scipy.sparse.csr_array] = []
        self.partition.communicator.run("mix rows", lambda: parts.extend(self._mix_rows(policy)))
        if len(self.blocks) == 1 and self.partition.alone:
            return parts[0]
        return StackedRows(
            self.partition, parts, shared=needs_threads(sum(part.nnz for part in parts))
        )

    def _fit(self, policy: Float[Array, "S A"]) -> Float[Array, "S A"]:
        """Return a policy whose blocks have the columns of those of the rows."""
        if self.storage == "ragged" and isinstance(policy, np.ndarray):
            return self.partition.own_table(policy)
        return policy

    def policy_matrix(self, policy: Float[Array, "S A"]) -> Array:
        policy = self._fit(policy)
        if self.n_states <= MAX_STATES_FOR_DENSE_MATRIX and self.storage != "ragged":
            probabilities = np.asarray(policy)
            if (
                self.n_stored * np.count_nonzero(probabilities)
                > self.n_states**2 * probabilities.size
            ):
                return self._dense_policy_matrix(probabilities)
        return stack_rows(
            self.map_blocks(lambda block: _mix_block(self._rows_of(block), policy[block]))
        )

    def _mix_rows(self, policy: Float[Array, "S A"]) -> list[scipy.sparse.csr_array]:
        """Return the rows of the policy's matrix, for each block of this process."""
        return threads.parallel_map(
            self.partition.own,
            lambda block: _mix_block(self._rows_of(block), policy[block]),
            shared=self.shared,
        )

    def _dense_policy_matrix(self, policy: Float[Array, "S A"]) -> Float[np.ndarray, "S S"]:
        """Add the weighted rows up in a dense matrix: faster if most of its entries are reached."""
        chain = np.empty((self.n_states, self.n_states))
        self.partition.each(
            lambda block: assign(block, (chain, self._add_rows(policy, block))), chain, shared=False
        )
        return chain

    def _add_rows(self, policy: Float[Array, "S A"], block: slice) -> Float[np.ndarray, "b S"]:
        """Return the rows of the policy's matrix for the states of a block."""
        matrix = self._rows_of(block)
        size, lengths = block.stop - block.start, np.diff(matrix.indptr)
        weights = np.repeat(policy[block].T.ravel(), lengths) * matrix.data
        start = np.repeat(np.tile(np.arange(size) * self.n_states, self.n_actions), lengths)
        sums = np.bincount(start + matrix.indices, weights, minlength=size * self.n_states)
        return sums.reshape(size, self.n_states)

    @cached_property
    def _successors_overlap(self) -> bool:
        """Whether mixing the rows of the actions at least halves the number of their entries.

        That is so if the actions of a state lead to much the same states.
        """
        entries = distinct = 0
        sample_size = min(self.n_states, OVERLAP_SAMPLE_SIZE)
        for state in np.linspace(0, self.n_states - 1, sample_size, dtype=np.int64):
            reached = self.successors(np.array([state]))
            entries, distinct = entries + reached.size, distinct + np.unique(reached).size
        return distinct <= entries // 2

    def successors(self, states: Int[np.ndarray, " k"]) -> Int[np.ndarray, " n"]:
        found = self.partition.communicator.collect(
            "successors", lambda: self._find_successors(states)
        )
        return np.concatenate(found)

    def _find_successors(self, states: Int[np.ndarray, " k"]) -> Int[np.ndarray, " n"]:
        """Return the successors of those states that this process works on."""
        own = self.partition.rows
        states = states[(states >= own.start) & (states < own.stop)]
        parts = [np.empty(0, dtype=np.int64)]
        ends = np.array([block.stop for block in self.blocks])
        number = np.searchsorted(ends, states, side="right")
        for block in (self.blocks[index] for index in np.unique(number)):
            matrix, size = self._rows_of(block), block.stop - block.start
            inside = states[(states >= block.start) & (states < block.stop)] - block.start
            rows = np.arange(matrix.shape[0] // size)[:, None] * size + inside
            parts.append(column_indices(matrix, rows.ravel()))
        return np.concatenate(parts)

    def to_csr(self) -> scipy.sparse.csr_array:
        require_memory(
            f"the rows of {self.n_states:,} states with {self.n_actions:,} actions each",
            8.0 * self.n_states * self.n_actions,
            "few states of this model have many actions, which this function does not make use of",
        )
        parts = []
        for block in self.blocks:
            matrix, size = self._rows_of(block), block.stop - block.start
            width = matrix.shape[0] // size
            state_major = np.arange(size * width).reshape(width, size).T
            rows = matrix[state_major.ravel()]
            if width < self.n_actions:
                start = np.repeat(rows.indptr[width::width], self.n_actions)
                start[np.arange(size * self.n_actions) % self.n_actions < width] = rows.indptr[1:]
                pointers = np.concatenate(([0], start))
                shape = size * self.n_actions, self.n_states
                rows = scipy.sparse.csr_array((rows.data, rows.indices, pointers), shape=shape)
            parts.append(rows)
        return stack_rows(parts)

    def rows_of_pairs(
        self, state: Int[np.ndarray, " k"], column: Int[np.ndarray, " k"]
    ) -> scipy.sparse.csr_array:
        parts = []
        for block in self.blocks:
            first, last = np.searchsorted(state, (block.start, block.stop))
            size = block.stop - block.start
            inside = column[first:last] * size + state[first:last] - block.start
            parts.append(self._rows_of(block)[inside])
        return stack_rows(parts)

    def to_dense(self) -> Float[np.ndarray, "S A S"]:
        return self.to_csr().toarray().reshape(self.n_states, self.n_actions, self.n_states)

    def iterate_rows(self, block: slice) -> Iterator[RowArrays]:
        rows = self._rows_of(block)
        yield rows.data, rows.indices, np.diff(rows.indptr)

    @property
    def n_parts(self) -> int:
        return len(self.blocks)

    def part_arrays(self, part: int) -> tuple[np.ndarray, ...]:
        matrix = self._matrices[part]
        return matrix.data, matrix.indices, matrix.indptr


class MixedRows(PolicyRows):
    """P_π as an operator that mixes the actions after the product, not before.

    If a policy is stochastic and the actions of a state have different successors, the merged
    matrix has as many entries as the model, and making it costs more than many products.

    Args:
        transitions: The transition probabilities.
        policy: (S, A) policy.
    """

    def __init__(self, transitions: Transitions, policy: Float[Array, "S A"]) -> None:
        self._transitions, self._policy = transitions, policy
        self.shape = (transitions.n_states, transitions.n_states)

    @property
    def n_entries(self) -> int:
        return self._transitions.n_stored

    def __matmul__(self, value: Float[Array, " S"]) -> Float[np.ndarray, " S"]:
        out = np.empty(self.shape[0])
        transitions, policy = self._transitions, self._policy
        transitions.visit_blocks(
            lambda block: assign(
                block, (out, np.sum(policy[block] * transitions.matvec(value, block), axis=-1))
            ),
            out,
        )
        return out

    def to_matrix(self) -> Array:
        return self._transitions.policy_matrix(self._policy)

    def successors(self, states: Int[np.ndarray, " k"]) -> Int[np.ndarray, " n"]:
        return self._transitions.successors(states)


def extract_block(
    rows: scipy.sparse.csr_array, index: Int[np.ndarray, "b A"]
) -> scipy.sparse.csr_array:
    """Return the rows with these numbers, action-major, with 32-bit indices if they fit."""
    chosen = rows[index.T.ravel()]
    if max(chosen.nnz, *chosen.shape) <= np.iinfo(np.int32).max:
        parts = (
            chosen.data,
            chosen.indices.astype(np.int32, copy=False),
            chosen.indptr.astype(np.int32, copy=False),
        )
        chosen = scipy.sparse.csr_array(parts, shape=chosen.shape)
    return chosen


def _mix_block(
    matrix: scipy.sparse.csr_array, weights: Float[Array, "b A"]
) -> scipy.sparse.csr_array:
    """(A·b, S) rows of a block and (b, A) probabilities -> the (b, S) rows of the policy."""
    size, n_actions = weights.shape
    actions = find_actions(weights)
    if actions is not None and not np.diff(matrix.indptr[: size + 1])[actions < 0].any():
        # each state has one action, or none and an empty row of action 0: select the rows
        return matrix[
            np.maximum(actions, 0).astype(np.int32) * size + np.arange(size, dtype=np.int32)
        ]
    weights = np.asarray(weights)
    state, action = np.nonzero(weights)
    # nonzero() runs state by state, so the entries are in CSR order
    start = np.concatenate(([0], np.cumsum(np.bincount(state, minlength=size))))
    mixing = scipy.sparse.csr_array(
        (weights[state, action], action * size + state, start), shape=(size, n_actions * size)
    )
    return mixing @ matrix


def append_empty_row(rows: scipy.sparse.csr_array) -> scipy.sparse.csr_array:
    """Append an empty row, which index -1 then addresses."""
    pointers = np.append(rows.indptr, rows.indptr[-1])
    return scipy.sparse.csr_array(
        (rows.data, rows.indices, pointers), shape=(rows.shape[0] + 1, rows.shape[1])
    )


def store_sparse(
    rows: scipy.sparse.csr_array, index: Int[np.ndarray, "S A"], available: Bool[np.ndarray, "S A"]
) -> SparseTransitions:
    """(K, S) rows and their (S, A) numbers -> transitions without rows of unavailable pairs."""
    rows, shape = append_empty_row(rows), index.shape
    matrices = threads.parallel_map(
        state_blocks(*shape),
        lambda block: extract_block(rows, np.where(available[block], index[block], -1)),
        shared=needs_threads(rows.nnz),
    )
    return SparseTransitions(tuple(matrices), *shape)
