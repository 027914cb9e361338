"""A column of logged data, as numbers, indices, truth values, probabilities or names.

Every message names the column as it was given, the first wrong row, and how many there are.
"""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np

from regmdp._internal.arrays import Bool, Float, Int
from regmdp._internal.checks import describe_first
from regmdp._internal.errors import SampleError

__all__ = ["Column", "factorize", "number_blocks", "require_rows"]

#: Largest integer up to which every one is a double.
MAX_EXACT_INTEGER = 2.0**53


class Column(NamedTuple):
    """A column as it was given.

    Attributes:
        name: Its name.
        values: (n,) entries of any dtype.
    """

    name: str
    values: np.ndarray

    def as_numbers(self) -> Float[np.ndarray, " n"]:
        """Return finite numbers.

        Raises:
            SampleError: naming the first row that holds anything else.
        """
        numbers = self._as_doubles("numbers")
        require_rows(self.name, np.isfinite(numbers), numbers, "is not finite")
        return numbers

    def as_probability(self) -> Float[np.ndarray, " n"]:
        """Return probabilities of actions that were taken."""
        numbers = self.as_numbers()
        require_rows(
            self.name,
            (numbers > 0) & (numbers <= 1),
            numbers,
            "is impossible for an action that was taken: it must be in (0, 1]",
        )
        return numbers

    def as_mask(self) -> Bool[np.ndarray, " n"]:
        """Return truth values; 0 and 1 count as such."""
        if self.values.dtype.kind == "O":
            good = np.array([_is_truth_value(entry) for entry in self.values], dtype=np.bool_)
        elif self.values.dtype.kind in "biuf":
            good = (self.values == 0) | (self.values == 1)
        else:
            good = np.zeros(self.values.shape, dtype=np.bool_)
        require_rows(self.name, good, self.values, "is neither true nor false")
        return self.values.astype(np.bool_)

    def as_indices(self, count: int | None = None) -> Int[np.ndarray, " n"]:
        """Return integers from 0 to count - 1, or from 0 on."""
        what = "is not an integer, 0 or more"
        if self.values.dtype.kind in "iu":
            require_rows(self.name, self.values >= 0, self.values, what)
            largest = np.iinfo(np.int64).max
            require_rows(self.name, self.values <= largest, self.values, "is too large")
        else:
            numbers = self._as_doubles("integers")
            whole = (numbers >= 0) & (numbers == np.floor(numbers)) & (numbers < MAX_EXACT_INTEGER)
            require_rows(self.name, whole, self.values, what)
        indices = self.values.astype(np.int64)
        if count is not None:
            what = f"is too large: the largest is {count - 1}"
            require_rows(self.name, indices < count, indices, what)
        return indices

    def without(self, rows: Bool[np.ndarray, " n"], entry: Any) -> Column:
        """Return the column with one entry in all the rows whose own means nothing."""
        if not rows.any():
            return self
        values = self.values.copy()
        values[rows] = entry
        return Column(self.name, values)

    def _as_doubles(self, kind: str) -> Float[np.ndarray, " n"]:
        """Return doubles; what no number is is refused."""
        dtype = self.values.dtype
        if dtype.kind == "O":
            good = np.array([_is_number(entry) for entry in self.values], dtype=np.bool_)
            require_rows(self.name, good, self.values, "is not a number")
            try:
                return np.array([float(entry) for entry in self.values], dtype=np.float64)
            except OverflowError:
                raise SampleError(f"column {self.name!r} holds numbers beyond 1e308") from None
        if dtype.kind not in "iuf":
            raise SampleError(f"column {self.name!r} must hold {kind}, not {dtype}")
        with np.errstate(over="ignore"):  # of a wider type: infinite, and refused as such
            return self.values.astype(np.float64)


def factorize(*columns: Column) -> tuple[tuple[str, ...], Int[np.ndarray, " m"]]:
    """Number the names in columns that follow each other, in the order of the names.

    Returns:
        The names as text, and the number of the name in each row of all columns.

    Raises:
        SampleError: if an entry is no name, or text and numbers are mixed.
    """
    parts = [_as_names(column) for column in columns if column.values.size]
    if len({part.dtype.kind for part in parts}) > 1:
        names = " and ".join(repr(column.name) for column in columns)
        raise SampleError(f"{names} must all hold text, or all hold integers")
    names, codes = np.unique(np.concatenate(parts), return_inverse=True)
    return tuple(str(name) for name in names), codes.astype(np.int64)


def number_blocks(column: Column) -> Int[np.ndarray, " n"]:
    """Number the names of a column in the order of their first rows.

    Raises:
        SampleError: if the rows of a name are not consecutive.
    """
    names = _as_names(column)
    first = np.append(True, names[1:] != names[:-1])
    blocks = names[first]
    _, earliest = np.unique(blocks, return_index=True)
    again = np.ones(blocks.size, dtype=np.bool_)
    again[earliest] = False
    returning = np.zeros(names.size, dtype=np.bool_)
    returning[np.flatnonzero(first)[again]] = True
    what = "has rows before the previous ones: the rows of each must be consecutive"
    require_rows(column.name, ~returning, names, what)
    return np.cumsum(first) - 1


def _as_names(column: Column) -> np.ndarray:
    """Return a column of text, or of integers, whose entries can be sorted."""
    values = column.values
    if values.dtype.kind == "O":
        text = np.array([isinstance(entry, str) for entry in values], dtype=np.bool_)
        whole = np.array(
            [_is_number(entry) and isinstance(entry, Integral) for entry in values], dtype=np.bool_
        )
        most = text if np.count_nonzero(text) > np.count_nonzero(whole) else whole
        require_rows(column.name, most, values, "is no name: text, or an integer in all rows")
        return values.astype(np.str_ if text.all() else np.int64)
    if values.dtype.kind == "f":
        numbers = Column(column.name, values).as_numbers()
        whole = (numbers == np.floor(numbers)) & (np.abs(numbers) < MAX_EXACT_INTEGER)
        require_rows(column.name, whole, values, "is no name: text, or an integer")
        return numbers.astype(np.int64)
    if values.dtype.kind not in "iuU":
        raise SampleError(
            f"column {column.name!r} must hold names, text or integers, not {values.dtype}"
        )
    return values


def require_rows(name: str, good: Bool[np.ndarray, " n"], values: np.ndarray, what: str) -> None:
    """Check a (n,) mask, and name the first row where it is False."""
    if not good.all():
        raise SampleError(
            describe_first(
                ~good, lambda row: f"row {row}: {name} is {values[row]}, which {what}", "rows"
            )
        )


def _is_number(entry: object) -> bool:
    return isinstance(entry, Real) and not isinstance(entry, bool | np.bool_ | np.timedelta64)


def _is_truth_value(entry: object) -> bool:
    """Whether an entry is true or false; a missing one of pandas is neither."""
    if isinstance(entry, bool | np.bool_):
        return True
    return isinstance(entry, Real) and entry in (0, 1)
