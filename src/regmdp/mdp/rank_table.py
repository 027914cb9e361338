"""An (S, A) array of which each process holds its own rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from regmdp._internal.communicator import Communicator

__all__ = ["RankTable"]

#: Number of entries that are sent at once to be written.
MAX_ENTRIES_AT_ONCE = 1 << 20


class RankTable(np.lib.mixins.NDArrayOperatorsMixin):
    """An (S, A) array of which each process holds its own rows.

    NumPy reads it as the whole array, which has NumPy's methods and operators. The rows of the
    other processes are then gathered, which all processes have to do together, and every one of
    them needs the memory for it. A slice of states of this process needs neither.

    Args:
        own: (n, A) the rows of this process, one column after the other.
        counts: The number of rows of each process.
        communicator: The processes.

    Attributes:
        own: (n, A) the rows of this process.
        rows: The states that they belong to.
    """

    ndim = 2

    def __init__(self, own: np.ndarray, counts: Sequence[int], communicator: Communicator) -> None:
        start = sum(counts[: communicator.rank])
        self.own, self.rows = own, slice(start, start + own.shape[0])
        self.shape, self.dtype = (sum(counts), own.shape[1]), own.dtype
        self.communicator, self._counts = communicator, counts
        self._number = communicator.register(self)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> Any:
        inside = self._find_own(key)
        return np.asarray(self)[key] if inside is None else self.own[inside]

    def __setitem__(self, key: Any, rows: np.ndarray) -> None:
        inside = self._find_own(key)
        if inside is None:
            raise IndexError(f"this process writes the rows {self.rows} only, not {key}")
        self.own[inside] = rows

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        whole = self.communicator.exchange(self._number)
        return whole if dtype is None else whole.astype(dtype, copy=False)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **keywords: Any) -> Any:
        arrays = [np.asarray(one) if isinstance(one, RankTable) else one for one in inputs]
        return getattr(ufunc, method)(*arrays, **keywords)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or not hasattr(np.ndarray, name):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return getattr(np.asarray(self), name)

    def __repr__(self) -> str:
        count = self.communicator.size
        return (
            f"RankTable(shape {self.shape}, rows {self.rows.start} to {self.rows.stop - 1} here, "
            f"the others in {count - 1} other process{'' if count == 2 else 'es'})"
        )

    def copy_own(self) -> RankTable:
        """Return a copy; no process needs the rows of another for it."""
        return RankTable(self.own.copy(order="F"), self._counts, self.communicator)

    def exchange(self) -> np.ndarray:
        """Return the whole array; all processes take part."""
        whole = np.empty(self.shape, dtype=self.dtype, order="F")
        for action in range(self.shape[1]):
            whole[self.rows, action] = self.own[:, action]
            self.communicator.fill_rows(whole[:, action], self._counts)
        return whole

    def iterate_rows(self) -> Iterator[np.ndarray]:
        """Iterate over runs of rows, in order, in the first process; the others send theirs."""
        size = max(1, MAX_ENTRIES_AT_ONCE // self.shape[1])
        parts = [self.own[first : first + size] for first in range(0, self.own.shape[0], size)]
        return self.communicator.iterate_parts("rows of a table", parts)

    def _find_own(self, key: Any) -> slice | None:
        """Return a slice of states of this process as one of its rows, None for anything else."""
        if not isinstance(key, slice) or key.step not in (None, 1):
            return None
        start, stop = key.start or 0, self.shape[0] if key.stop is None else key.stop
        if not self.rows.start <= start <= stop <= self.rows.stop:
            return None
        return slice(start - self.rows.start, stop - self.rows.start)
