"""Transition probabilities: the interface of their storages, and the blocks of states.

A *block* is a slice of states, small enough that every temporary of a backup over it stays in the
cache. Within a block the rows are action-major: the row of (state s, action a) is
``a * len(block) + s - block.start``. Reductions over a few actions then run over contiguous states.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import NamedTuple, TypeAlias, TypeVar

import numpy as np
import scipy

from regmdp._internal import threads
from regmdp._internal.arrays import Array, Float, Int, assign
from regmdp.mdp.digests import RowsHash, combine_hashes
from regmdp.mdp.partition import Partition
from regmdp.mdp.policy_rows import PolicyRows

__all__ = [
    "RowArrays",
    "StorageInfo",
    "Transitions",
    "needs_threads",
    "state_blocks",
]

#: Largest number of state-action pairs in a block: 2^16 doubles are 512 KiB, a quarter to a half
#: of a second-level cache.
MAX_PAIRS_PER_BLOCK = 1 << 16
#: Smallest number of stored probabilities for which starting other threads pays.
MIN_ENTRIES_FOR_THREADS = 1 << 18

Result = TypeVar("Result")

#: (n,) probabilities other than 0, (n,) successors, and (k,) numbers of successors of k rows.
RowArrays: TypeAlias = tuple[np.ndarray, np.ndarray, np.ndarray]


class Transitions(ABC):
    """Transition probabilities of S states and A actions; rows of unavailable pairs are empty."""

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
    #: :meth:`compute_digest` of the rows when they were stored.
    digest: str

    @abstractmethod
    def matvec(self, value: Float[Array, " S"], block: slice) -> Float[Array, "b A"]:
        """(S,) value of the next state -> (b, A) expectations for one block, action-major."""

    @abstractmethod
    def rmatvec(self, weights: Float[Array, "b A"], block: slice) -> Float[np.ndarray, " S"]:
        """(b, A) weights of the pairs of one block -> (S,) weights of the next states.

        The transpose of :meth:`matvec`.
        """

    @abstractmethod
    def policy_matrix(self, policy: Float[Array, "S A"]) -> Array:
        """(S, A) policy -> its (S, S) transition matrix P_π: dense, or a CSR array."""

    def policy_operator(self, policy: Float[Array, "S A"]) -> Array | PolicyRows:
        """(S, A) policy -> P_π as a matrix, or as an operator where merging rows does not pay."""
        return self.policy_matrix(policy)

    @abstractmethod
    def successors(self, states: Int[np.ndarray, " k"]) -> Int[np.ndarray, " n"]:
        """(k,) states -> (n,) possible next states, possibly repeated."""

    @abstractmethod
    def to_csr(self) -> scipy.sparse.csr_array:
        """Return all rows as one (S·A, S) CSR array whose row ``s * A + a`` belongs to (s, a)."""

    def rows_of_pairs(
        self, state: Int[np.ndarray, " k"], column: Int[np.ndarray, " k"]
    ) -> scipy.sparse.csr_array:
        """(k,) ascending states and their columns -> (k, S) the rows of these pairs."""
        return self.to_csr()[state * self.n_actions + column]

    @abstractmethod
    def to_dense(self) -> Float[np.ndarray, "S A S"]:
        """Return all rows as a new (S, A, S) array."""

    @property
    @abstractmethod
    def n_parts(self) -> int:
        """The number of parts in which the rows are stored."""

    @abstractmethod
    def part_arrays(self, part: int) -> tuple[np.ndarray, ...]:
        """Return the arrays that hold one part."""

    def iterate_arrays(self) -> Iterator[np.ndarray]:
        """Iterate over the arrays that hold the rows."""
        for part in range(self.n_parts):
            yield from self.part_arrays(part)

    @abstractmethod
    def iterate_rows(self, block: slice) -> Iterator[RowArrays]:
        """Iterate over the rows of a block in their order, action-major, some at a time."""

    @property
    @abstractmethod
    def shared(self) -> bool:
        """Whether several threads work on the blocks."""

    @cached_property
    def partition(self) -> Partition:
        """Which process works on which blocks: this one on all of them."""
        return Partition(self.blocks, self.n_actions)

    def visit_blocks(self, work: Callable[[slice], object], *vectors: np.ndarray) -> None:
        """Call a function with each block, on several threads and in all processes.

        Args:
            work: Called with a block; calls must not depend on each other.
            vectors: (S, …) arrays of which it writes the rows of the block.
        """
        self.partition.each(work, *vectors, shared=self.shared)

    def map_blocks(self, work: Callable[[slice], Result], *vectors: np.ndarray) -> list[Result]:
        """Do what :meth:`visit_blocks` does, and return the results of all blocks in order."""
        return self.partition.map(work, *vectors, shared=self.shared)

    @property
    def nbytes(self) -> int:
        """Memory taken by the stored arrays, in bytes."""
        return sum(array.nbytes for array in self.iterate_arrays())

    def compute_digest(self) -> str:
        """Return a SHA-256 of the rows, equal for equal rows in any storage."""
        return combine_hashes(
            threads.parallel_map(
                self.blocks,
                lambda block: _hash_block(self, block),
                shared=needs_threads(self.n_stored),
            )
        )

    def row_sums(self) -> Float[np.ndarray, "S A"]:
        """Return the (S, A) sums of the rows."""
        sums = np.empty((self.n_states, self.n_actions), order="F")
        ones = np.ones(self.n_states)

        def add_up(block: slice) -> None:
            with np.errstate(over="ignore"):  # of numbers that are no probabilities
                assign(block, (sums, self.matvec(ones, block)))

        threads.parallel_map(self.blocks, add_up, shared=self.shared)
        return sums


class StorageInfo(NamedTuple):
    """Properties of stored rows that are known without reading them.

    Attributes:
        branching: Largest number of successors of a state-action pair.
        n_stored: Number of stored probabilities.
        digest: SHA-256 of the rows.
    """

    branching: int
    n_stored: int
    digest: str


def _hash_block(transitions: Transitions, block: slice) -> bytes:
    """Return the SHA-256 hash of the rows of a block."""
    rows = RowsHash()
    for probabilities, successors, lengths in transitions.iterate_rows(block):
        rows.add(probabilities, successors, lengths)
    return rows.digest()


def needs_threads(n_entries: int) -> bool:
    """Return whether work on so many stored numbers pays for starting other threads."""
    return n_entries >= MIN_ENTRIES_FOR_THREADS


def state_blocks(n_states: int, n_actions: int) -> tuple[slice, ...]:
    """Return slices of equal size that partition ``range(n_states)``."""
    count = -(-n_states * n_actions // MAX_PAIRS_PER_BLOCK)
    if count > 1:
        # 2, 4 or a multiple of 8, so that a few threads get the same number of blocks
        count = min(1 << (count - 1).bit_length(), -(-count // 8) * 8)
    size = -(-n_states // count)
    return tuple(slice(start, min(start + size, n_states)) for start in range(0, n_states, size))
