"""The rows of a mapped model, each block checked when it is used for the first time.

The checks are complete: structure, ranges, sums, and the hash of the block. A block that passes
them is what was written, and what the description says of it is true.
"""

from __future__ import annotations

from collections.abc import Sequence
from os import stat_result
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from regmdp._internal import threads
from regmdp._internal.arrays import Bool, Float
from regmdp._internal.errors import FormatError, ModelError
from regmdp._internal.fields import ReadOnlyCopies
from regmdp._internal.sparse import check_indices, check_pointers
from regmdp.io.mapped_layout import ROW_FILES, Description, mass_error_bound
from regmdp.mdp.digests import RowsHash
from regmdp.mdp.transitions import needs_threads, state_blocks

__all__ = ["MappedBlocks"]


class MappedBlocks(ReadOnlyCopies, Sequence[sp.csr_array]):
    """The rows of the blocks, each mapped from the files while it is used.

    Args:
        folder: The folder.
        description: What ``model.json`` says, checked against the sizes of the files.
        available: (S, A) mask.
        termination: (S, A) termination probabilities.
    """

    def __init__(
        self,
        folder: Path,
        description: Description,
        available: Bool[np.ndarray, "S A"],
        termination: Float[np.ndarray, "S A"],
    ) -> None:
        self._folder, self._description = folder, description
        self._available, self._termination = available, termination
        self._blocks = state_blocks(*description.shape)
        n_actions = description.shape[1]
        sizes = [(block.stop - block.start) * n_actions for block in self._blocks]
        self._sizes = sizes
        self._entries = np.concatenate(([0], np.cumsum(description.stored, dtype=np.int64)))
        self._pointers = np.concatenate(([0], np.cumsum(np.array(sizes, dtype=np.int64) + 1)))
        self._checked: set[int] = set()
        self._state = self._stat_files()

    def __len__(self) -> int:
        return len(self._sizes)

    def __getitem__(self, index: Any) -> Any:
        number = range(len(self))[index]
        if self._stat_files() != self._state:
            raise FormatError(
                f"{self._folder} was changed since it was opened; open it again, and leave its "
                "files as they are while a model uses them"
            )
        data, indices = (self._map(name, self._entries, number) for name in ("data", "indices"))
        indptr = self._map("indptr", self._pointers, number)
        if number not in self._checked:
            try:
                self._check(number, data, indices, indptr)
            except ModelError as error:
                raise FormatError(
                    f"{self._folder} is damaged, or was changed after it was written: {error}"
                ) from error
            self._checked.add(number)
        return sp.csr_array(
            (data, indices, indptr), shape=(self._sizes[number], self._description.shape[0])
        )

    def check_all(self) -> None:
        """Check all blocks now.

        Raises:
            FormatError: if one is damaged; the message says where and what is wrong.
        """
        shared = needs_threads(sum(self._description.stored))
        threads.parallel_map(range(len(self)), lambda number: self[number], shared=shared)

    def check_states(self, states: slice) -> None:
        """Check the block of these states now.

        Raises:
            FormatError: if it is damaged.
        """
        _ = self[self._blocks.index(states)]

    def _stat_files(self) -> list[tuple[int, int, int]]:
        """Return what changes with the files of the rows."""
        try:
            return [_identify((self._folder / name).stat()) for name in ROW_FILES]
        except OSError as error:
            raise FormatError(f"{self._folder} cannot be read any more: {error}") from error

    def _map(self, name: str, starts: np.ndarray, number: int) -> np.ndarray:
        """Map a part of a file of the rows."""
        start, count = int(starts[number]), int(starts[number + 1] - starts[number])
        kind = ROW_FILES[name]
        if count == 0:  # an empty file cannot be mapped
            return np.empty(0, dtype=kind)
        return np.asarray(
            np.memmap(
                self._folder / name,
                dtype=kind,
                mode="r",
                offset=start * kind.itemsize,
                shape=(count,),
            )
        )

    def _check(
        self, number: int, data: np.ndarray, indices: np.ndarray, indptr: np.ndarray
    ) -> None:
        """Check the rows of a block.

        Raises:
            ModelError: if they are not what the description says, or not rows of a model.
        """
        description, block = self._description, self._blocks[number]
        n_states, n_actions = description.shape
        name = f"block {number}, states {block.start} to {block.stop - 1}"
        check_pointers(name, indptr, self._sizes[number], data.size)
        if int(indptr[-1]) != data.size:
            raise ModelError(f"{name}: indptr ends at {int(indptr[-1])}, not at {data.size}")
        check_indices(name, indices, n_states)
        ascending = np.diff(indices) > 0
        starts = indptr[1:-1]
        ascending[starts[(starts > 0) & (starts < data.size)] - 1] = True
        if not ascending.all():
            raise ModelError(f"{name}: the successors of a pair do not ascend")
        wrong = ~((data > 0) & np.isfinite(data))
        if wrong.any():
            raise ModelError(
                f"{name}: a probability is {data[np.argmax(wrong)]}; "
                f"{int(np.count_nonzero(wrong))} are not positive numbers"
            )
        lengths = np.diff(indptr)
        if int(lengths.max(initial=0)) > description.branching:
            raise ModelError(
                f"{name}: a pair has {int(lengths.max())} successors, but model.json says "
                f"{description.branching} at most"
            )
        rows = sp.csr_array((data, indices, indptr), shape=(self._sizes[number], n_states))
        available = self._available[block]
        sums = (rows @ np.ones(n_states)).reshape(n_actions, -1).T + self._termination[block]
        error = np.where(available, np.abs(sums - 1.0), np.abs(sums))
        needed = mass_error_bound(float(error.max()), description.branching)
        if not needed <= description.mass_error:
            state, action = (int(i) for i in np.unravel_index(np.argmax(error), error.shape))
            raise ModelError(
                f"{name}: the row of state {block.start + state}, action {action} sums to "
                f"{sums[state, action]:.12g} with its termination, but model.json says to 1 within "
                f"{description.mass_error:.3g}"
            )
        rows_hash = RowsHash()
        rows_hash.add(data, indices, lengths)
        if rows_hash.digest().hex() != description.hashes[number]:
            raise ModelError(f"{name}: the rows do not have the digest that was written")


def _identify(state: stat_result) -> tuple[int, int, int]:
    return state.st_ino, state.st_size, state.st_mtime_ns
