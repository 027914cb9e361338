"""Ragged models: the actions of each state are numbered from 0 on, whatever their own numbers are.

A list of pairs whose actions are numbered like successors, or like the choices of the whole model,
fills a small part of an (S, A) array. In a ragged model the actions of each state are the columns
0, 1, …, n - 1 in the order of their numbers, and arrays have as many columns as a state has actions
at most. So nothing is stored for pairs that do not exist, and all methods work as they are. What a
user sees of a policy has the actions' own numbers: it is a sparse (S, A) array.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import numpy as np
import scipy

from regmdp._internal.arrays import Array, Int, SparseArray, freeze
from regmdp._internal.checks import describe_first
from regmdp._internal.errors import ModelError, RegmdpError
from regmdp._internal.sparse import as_csr
from regmdp._internal.width_table import WidthTable
from regmdp.mdp.block_widths import WidthPartition

__all__ = ["ActionNumbering", "leaves_most_pairs_out"]

#: Smallest (S, A) array, in entries, that is too large for a list of pairs which leaves most of it
#: empty: half a MiB of doubles.
MIN_TABLE_SIZE = 1 << 16
#: Entries of an (S, A) array for each listed pair, from which most of it counts as empty.
MAX_ENTRIES_PER_PAIR = 4


def leaves_most_pairs_out(n_states: int, n_actions: int, n_pairs: int) -> bool:
    """Whether a list of pairs is so short that an (S, A) array would be mostly empty."""
    size = n_states * n_actions
    return size > MIN_TABLE_SIZE and size > MAX_ENTRIES_PER_PAIR * n_pairs


@dataclass(frozen=True, eq=False)
class ActionNumbering:
    """The actions of each state of a ragged model, by their own numbers.

    The K pairs are in order: by states, and by the numbers of the actions in each state.

    Args:
        start: (S + 1,) where the pairs of each state begin, and K.
        action: (K,) numbers of the actions, ascending in each state.
        n_actions: A; numbers run from 0 to A - 1.
        partition: The blocks of states, if they have their own numbers of columns.

    Examples:
        State 0 has the actions 5 and 7, state 1 only 7.

        >>> import numpy as np
        >>> numbering = ActionNumbering(np.array([0, 2, 3]), np.array([5, 7, 7]), 8)
        >>> numbering.width, numbering.number(0, 1), numbering.column.tolist()
        (2, 7, [0, 1, 0])
        >>> print(numbering.to_sparse(np.array([[0.5, 0.5], [1.0, 0.0]])).toarray())
        [[0.  0.  0.  0.  0.  0.5 0.  0.5]
         [0.  0.  0.  0.  0.  0.  0.  1. ]]
    """

    start: Int[np.ndarray, " N"]
    action: Int[np.ndarray, " K"]
    n_actions: int
    partition: WidthPartition | None = None

    def __post_init__(self) -> None:
        for name in ("start", "action"):
            object.__setattr__(self, name, freeze(getattr(self, name)))

    @classmethod
    def from_pairs(
        cls,
        state: Int[np.ndarray, " K"],
        action: Int[np.ndarray, " K"],
        n_states: int,
        n_actions: int,
    ) -> tuple[ActionNumbering, Int[np.ndarray, " K"]]:
        """Return the numbering of pairs in any order, and (K,) the order that sorts them."""
        order = np.lexsort((action, state))
        start = np.concatenate(([0], np.cumsum(np.bincount(state, minlength=n_states))))
        return cls(start, action[order], n_actions), order

    @property
    def n_states(self) -> int:
        """S."""
        return self.start.size - 1

    @property
    def count(self) -> Int[np.ndarray, " S"]:
        """(S,) number of actions of each state."""
        return np.diff(self.start)

    @cached_property
    def width(self) -> int:
        """The number of columns: the largest number of actions of a state."""
        return int(self.count.max())

    @cached_property
    def state(self) -> Int[np.ndarray, " K"]:
        """(K,) state of each pair."""
        return freeze(np.repeat(np.arange(self.n_states), self.count))

    @cached_property
    def column(self) -> Int[np.ndarray, " K"]:
        """(K,) column of each pair: the place of its action among those of its state."""
        return freeze(np.arange(self.action.size) - np.repeat(self.start[:-1], self.count))

    def number(self, state: int, column: int) -> int:
        """Return the number of the action in a column."""
        return int(self.action[self.start[state] + column])

    def numbers(
        self, state: Int[np.ndarray, " n"], column: Int[np.ndarray, " n"]
    ) -> Int[np.ndarray, " n"]:
        """(n,) states and columns -> (n,) numbers of the actions there."""
        return self.action[self.start[state] + column]

    def find(
        self, state: Int[np.ndarray, " n"], action: Int[np.ndarray, " n"]
    ) -> Int[np.ndarray, " n"]:
        """(n,) states and numbers of actions -> (n,) places of the pairs; -1 if there is none."""
        known = self.state * self.n_actions + self.action
        wanted = state * self.n_actions + action
        place = np.minimum(np.searchsorted(known, wanted), known.size - 1)
        return np.where(known[place] == wanted, place, -1)

    def to_table(self, values: np.ndarray) -> np.ndarray:
        """(K,) entries of the pairs -> (S, n) array, 0 where a state has fewer actions."""
        if self.partition is None:
            table = np.zeros((self.n_states, self.width), dtype=values.dtype, order="F")
            table[self.state, self.column] = values
            return table
        parts = []
        for block, width in zip(self.partition.blocks, self.partition.widths, strict=True):
            part = np.zeros((block.stop - block.start, width), dtype=values.dtype, order="F")
            pairs = self._pairs_of(block)
            part[self.state[pairs] - block.start, self.column[pairs]] = values[pairs]
            parts.append(part)
        # which has the part of NumPy's interface that is needed
        return cast("np.ndarray", WidthTable(parts, self.partition.blocks, self.width))

    def _pairs_of(self, block: slice) -> slice:
        """Return the pairs of a block of states."""
        return slice(int(self.start[block.start]), int(self.start[block.stop]))

    def from_table(self, table: Array | WidthTable) -> np.ndarray:
        """(S, n) array -> (K,) its entries at the pairs."""
        if not isinstance(table, WidthTable):
            return np.asarray(table)[self.state, self.column]
        parts = []
        for block, part in zip(table.blocks, table.parts, strict=True):
            pairs = self._pairs_of(block)
            parts.append(part[self.state[pairs] - block.start, self.column[pairs]])
        return np.concatenate(parts)

    def to_sparse(self, table: Array) -> scipy.sparse.csr_array:
        """(S, n) array -> (S, A) sparse array, with an entry for each pair."""
        return scipy.sparse.csr_array(
            (self.from_table(table), self.action, self.start),
            shape=(self.n_states, self.n_actions),
        )

    def to_columns(
        self, name: str, given: Any, error: type[RegmdpError] = ModelError
    ) -> np.ndarray:
        """Return numbers for the pairs as an (S, n) array.

        Args:
            name: Their name, for messages.
            given: (S, A) or (A,), dense, or (S, A), sparse, by numbers of actions; or (S, n).
            error: What is raised.

        Raises:
            RegmdpError: of this class, if a sparse array has entries at pairs that do not exist.
        """
        if isinstance(given, WidthTable):
            return given  # type: ignore[return-value]  # which has the part of its interface
        if scipy.sparse.issparse(given):
            return self.to_table(self._read_sparse(name, given, error))
        array = np.asarray(given)
        if array.shape == (self.n_states, self.n_actions):
            return self.to_table(array[self.state, self.action])
        if array.shape == (self.n_actions,):
            return self.to_table(array[self.action])
        if self.partition is not None and array.shape == (self.n_states, self.width):
            return self.partition.own_table(array)
        return array

    def _read_sparse(self, name: str, given: SparseArray, error: type[RegmdpError]) -> np.ndarray:
        """(S, A) sparse array -> (K,) its entries at the pairs, 0 where it has none."""
        rows = as_csr(name, given, error=error)
        shape = self.n_states, self.n_actions
        if rows.shape != shape:
            raise error(f"{name} must have the shape (S, A) = {shape}, not {rows.shape}")
        if np.array_equal(rows.indptr, self.start) and np.array_equal(rows.indices, self.action):
            return rows.data
        state = np.repeat(np.arange(self.n_states), np.diff(rows.indptr))
        place = self.find(state, rows.indices.astype(np.int64))
        extra = (place < 0) & (rows.data != 0)
        if extra.any():
            raise error(
                describe_first(
                    extra,
                    lambda entry: (
                        f"{name} has {rows.data[entry]} at state {int(state[entry])}, action "
                        f"{int(rows.indices[entry])}, but that action is not available"
                    ),
                    "entries",
                )
            )
        values = np.zeros(self.action.size, dtype=rows.data.dtype)
        values[place[place >= 0]] = rows.data[place >= 0]
        return values
