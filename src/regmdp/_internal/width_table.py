"""An (S, n) array of which each block of states has its own number of columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from regmdp._internal.arrays import freeze
from regmdp._internal.memory import require_memory

__all__ = ["WidthTable", "as_stored", "freeze_stored"]


def as_stored(table: Any) -> Any:
    """Return an array of NumPy, or a table as it is: what a pickle holds."""
    return table if isinstance(table, WidthTable) else np.asarray(table)


def freeze_stored(table: Any) -> Any:
    """Return an array or a table that cannot be written to."""
    return table.freeze() if isinstance(table, WidthTable) else freeze(table)


class WidthTable(np.lib.mixins.NDArrayOperatorsMixin):
    """An (S, n) array of which each block of states has its own number of columns.

    A block is an array of its own. NumPy reads the table as the whole array, 0 where a block has
    fewer columns than another, which needs the memory for it; a block, operations with numbers and
    with tables of the same blocks, and reductions do not.

    Args:
        parts: (b, w) entries of each block, in order.
        blocks: The states of each block.
        n_columns: n.

    Examples:
        >>> table = WidthTable([np.ones((2, 1)), np.ones((1, 3))], [slice(0, 2), slice(2, 3)], 3)
        >>> table.sum(axis=1), table[2:3].shape, (table * 2.0).max()
        (array([1., 1., 3.]), (1, 3), np.float64(2.0))
    """

    ndim = 2

    def __init__(
        self, parts: Sequence[np.ndarray], blocks: Sequence[slice], n_columns: int
    ) -> None:
        self.parts, self.blocks = tuple(parts), tuple(blocks)
        self.shape, self.dtype = (self.blocks[-1].stop, n_columns), self.parts[0].dtype
        self._number = {block.start: number for number, block in enumerate(self.blocks)}

    @property
    def flags(self) -> SimpleNamespace:
        """Whether some block can be written to."""
        return SimpleNamespace(writeable=any(part.flags.writeable for part in self.parts))

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def size(self) -> int:
        """S · n."""
        return self.shape[0] * self.shape[1]

    def map(self, change: Callable[..., np.ndarray], *others: WidthTable) -> WidthTable:
        """Return the table of what a function makes of each block of this one and of others."""
        parts = [
            change(*found) for found in zip(self.parts, *(t.parts for t in others), strict=True)
        ]
        return WidthTable(parts, self.blocks, self.shape[1])

    def freeze(self) -> WidthTable:
        """Forbid to write into the blocks; return the table."""
        for part in self.parts:
            part.flags.writeable = False
        return self

    def copy_own(self) -> WidthTable:
        """Return a copy."""
        return self.map(lambda part: part.copy(order="F"))

    def __getitem__(self, key: Any) -> Any:
        number = self._find(key)
        if number is not None:
            return self.parts[number]
        if isinstance(key, slice) and key.indices(self.shape[0]) == (0, self.shape[0], 1):
            return self
        if isinstance(key, WidthTable):
            return np.concatenate([p[k] for p, k in zip(self.parts, key.parts, strict=True)])
        return np.asarray(self)[key]

    def __setitem__(self, key: Any, rows: Any) -> None:
        number = self._find(key)
        if number is not None:
            self.parts[number][...] = rows
        elif isinstance(key, WidthTable):
            for part, where in zip(self.parts, key.parts, strict=True):
                part[where] = rows
        else:
            raise IndexError(f"a table is written block by block, not at {key}")

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        require_memory(
            f"an array of {self.shape[0]:,} states and {self.shape[1]:,} actions",
            float(self.dtype.itemsize) * self.size,
            "few states of this model have many actions, which this function does not make use of",
        )
        whole = np.zeros(self.shape, dtype=dtype or self.dtype, order="F")
        for block, part in zip(self.blocks, self.parts, strict=True):
            whole[block, : part.shape[1]] = part
        return whole

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **keywords: Any) -> Any:
        fits = method == "__call__" and not keywords and all(map(self._fits, inputs))
        if not fits:
            whole = [np.asarray(one) if isinstance(one, WidthTable) else one for one in inputs]
            return getattr(ufunc, method)(*whole, **keywords)
        parts = [
            ufunc(*(one.parts[number] if isinstance(one, WidthTable) else one for one in inputs))
            for number in range(len(self.blocks))
        ]
        return WidthTable(parts, self.blocks, self.shape[1])

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or not hasattr(np.ndarray, name):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return getattr(np.asarray(self), name)

    def any(self, axis: Any = None, out: None = None) -> Any:
        """Return whether some entry is true, in the table or in each state."""
        return self._reduce(np.any, np.logical_or, axis)

    def all(self, axis: Any = None, out: None = None) -> Any:
        """Return whether all entries are true, in the table or in each state."""
        return self._reduce(np.all, np.logical_and, axis)

    def sum(self, axis: Any = None, dtype: Any = None, out: None = None) -> Any:
        """Return the sum of the entries, of the table or of each state."""
        return self._reduce(np.sum, np.add, axis)

    def max(self, axis: Any = None, out: None = None) -> Any:
        """Return the largest entry, of the table or of each state."""
        return self._reduce(np.max, np.maximum, axis)

    def min(self, axis: Any = None, out: None = None) -> Any:
        """Return the smallest entry, of the table or of each state."""
        return self._reduce(np.min, np.minimum, axis)

    def _reduce(self, reduce: Callable[..., Any], join: np.ufunc, axis: Any) -> Any:
        if axis is None:
            return join.reduce([reduce(part) for part in self.parts])
        if axis in (1, -1):
            return np.concatenate([reduce(part, axis=1) for part in self.parts])
        return reduce(np.asarray(self), axis=axis)

    def _fits(self, one: Any) -> bool:
        """Whether an operand can be combined with this table block by block."""
        if isinstance(one, WidthTable):
            return one.blocks == self.blocks
        return np.ndim(one) == 0

    def _find(self, key: Any) -> int | None:
        """Return the number of a block, None if it is none of them."""
        if not isinstance(key, slice):
            return None
        number = self._number.get(key.start or 0)
        return number if number is not None and self.blocks[number].stop == key.stop else None

    def __repr__(self) -> str:
        widths = [part.shape[1] for part in self.parts]
        return (
            f"WidthTable(shape {self.shape}, {len(widths)} blocks of {min(widths)} to "
            f"{max(widths)} columns)"
        )
