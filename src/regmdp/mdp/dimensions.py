"""Named dimensions: a state has a stock and a backlog, an action an order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from keyword import iskeyword
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from regmdp._internal.arrays import Bool, Int, freeze
from regmdp._internal.checks import show
from regmdp._internal.errors import ModelError
from regmdp._internal.fields import ReadOnlyCopies

__all__ = ["Dimension", "DimensionValues", "Positions", "check_dimensions", "read_dimension"]

#: The values of a dimension: a range, a list or an array of numbers, or names.
DimensionValues: TypeAlias = "Iterable[int] | Iterable[float] | Iterable[str] | np.ndarray"

#: Distance from a value, in units of the distance between values, that counts as rounding.
ROUNDING = 1e-9
#: Number of values that a message lists.
MAX_LISTED = 6


class Positions(NamedTuple):
    """Where some values lie among those of a dimension.

    Attributes:
        at: Their positions; arbitrary, but valid, where they are not found.
        missing: Mask of those that are not found, or None if all are.
    """

    at: Int[np.ndarray, "..."]
    missing: Bool[np.ndarray, "..."] | None


@dataclass(frozen=True, init=False, eq=False)
class Dimension(ReadOnlyCopies):
    """A coordinate with a name and finitely many values.

    Args:
        name: The name: letters, digits and underscores, as functions call their parameters.
        values: A range, a list or an array of different numbers, or of different names.

    Raises:
        ModelError: if the name is none, or the values are empty, repeated or not numbers or names.

    Examples:
        >>> Dimension("stock", range(0, 50, 10)).show(3)
        'stock=30'
        >>> Dimension("weather", ["dry", "wet"]).find(np.array(["wet", "hail"])).missing
        array([False,  True])
    """

    name: str
    #: The values in their order: a range, or an array of numbers or names.
    values: range | np.ndarray

    def __init__(self, name: str, values: DimensionValues) -> None:
        if not isinstance(name, str) or not name.isidentifier() or iskeyword(name):
            raise ModelError(
                "the name of a dimension must be letters, digits and underscores, such as "
                f"stock_1, not {show(name)}"
            )
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "values", _as_values(name, values))

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        return f"Dimension({self.name!r}, {self.describe_values()})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Dimension) and self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash((self.name, len(self)))

    @property
    def numeric(self) -> bool:
        """Whether the values are numbers."""
        return isinstance(self.values, range) or self.values.dtype.kind != "U"

    def take(self, index: Int[np.ndarray, "..."]) -> np.ndarray:
        """Return the values at some positions."""
        if isinstance(self.values, range):
            step, start = self.values.step, self.values.start
            return index if (start, step) == (0, 1) else index * step + start
        return self.values[index]

    def show(self, index: int) -> str:
        """Return the name and the value at a position, as messages write them."""
        return f"{self.name}={self.show_value(self.values[index])}"

    @staticmethod
    def show_value(value: object) -> str:
        """Return a value as messages write it."""
        if isinstance(value, float | np.floating):
            return f"{float(value):.12g}"
        return show(str(value))[1:-1] if isinstance(value, str) else str(value)

    def describe_values(self) -> str:
        """Return the values in a few words: "0 to 20", or "dry, wet"."""
        if isinstance(self.values, range) and len(self) > 1:
            step = abs(self.values.step)
            by = "" if step == 1 else f" by {step}"
            return f"{min(self.values)} to {max(self.values)}{by}"
        if len(self) <= MAX_LISTED:
            return ", ".join(self.show_value(value) for value in self.values)
        listed = [self.show_value(value) for value in (*self.values[:2], self.values[-1])]
        return f"{listed[0]}, {listed[1]}, …, {listed[2]} ({len(self)} values)"

    @cached_property
    def limits(self) -> tuple[Any, Any]:
        """The smallest and the largest value of numbers."""
        if isinstance(self.values, range):
            return min(self.values), max(self.values)
        return self.values.min(), self.values.max()

    def find(self, values: np.ndarray) -> Positions:
        """Return the positions of values; those that differ by rounding only are found."""
        if self.numeric != (values.dtype.kind in "iufb"):
            return Positions(np.zeros(values.shape, dtype=np.int64), np.ones(values.shape, bool))
        if isinstance(self.values, range):
            if values.dtype.kind in "iub":
                return self._find_integers(values.astype(np.int64, copy=False))
            return self._find_numbers(values.astype(np.float64, copy=False))
        ordered, order, spacing = self._ordered
        if not self.numeric:
            place = np.minimum(np.searchsorted(ordered, values), len(self) - 1)
            return _positions(order[place], ordered[place] == values)
        numbers = values.astype(np.float64, copy=False)
        place = np.searchsorted(0.5 * (ordered[1:] + ordered[:-1]), numbers)
        return _positions(order[place], np.abs(ordered[place] - numbers) <= ROUNDING * spacing)

    def _find_integers(self, values: Int[np.ndarray, "..."]) -> Positions:
        """Return the positions of integers in a range."""
        assert isinstance(self.values, range)
        start, step, size = self.values.start, self.values.step, len(self)
        index = values
        if start:
            index = index - start
        if step == 1:
            if values.size == 0 or (index.min() >= 0 and index.max() < size):
                return Positions(index, None)
            found = (index >= 0) & (index < size)
        else:
            index, rest = np.divmod(index, step)
            found = (rest == 0) & (index >= 0) & (index < size)
        return _positions(np.clip(index, 0, size - 1), found)

    def _find_numbers(self, values: np.ndarray) -> Positions:
        """Return the positions of numbers that are integers of a range up to rounding."""
        nearest = np.rint(np.nan_to_num(np.clip(values, *self.limits), nan=self.limits[0]))
        found, missing = self._find_integers(nearest.astype(np.int64))
        near = np.abs(nearest - values) <= ROUNDING
        return _positions(found, near if missing is None else near & ~missing)

    @cached_property
    def _ordered(self) -> tuple[np.ndarray, Int[np.ndarray, " n"], float]:
        """The values in ascending order, their positions, and the smallest distance."""
        values = np.asarray(self.values)
        order = np.argsort(values, kind="stable")
        ordered = values[order]
        if not self.numeric:
            return ordered, order, 0.0
        ordered = ordered.astype(np.float64)
        return ordered, order, float(np.diff(ordered).min()) if len(self) > 1 else 1.0

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can hold, and :func:`read_dimension` reads."""
        if isinstance(self.values, range):
            bounds = [self.values.start, self.values.stop, self.values.step]
            return {"name": self.name, "range": bounds}
        return {"name": self.name, "values": self.values.tolist()}


def read_dimension(data: Mapping[str, Any]) -> Dimension:
    """Return the dimension that :meth:`Dimension.to_dict` took apart."""
    if "range" not in data:
        return Dimension(data["name"], data["values"])
    bounds = data["range"]
    if not (
        isinstance(bounds, list | tuple)
        and len(bounds) == 3
        and all(type(one) is int and abs(one) < 2**62 for one in bounds)
        and bounds[2] > 0
    ):
        raise ModelError(f"a range must be three integers, not {show(bounds)}")
    return Dimension(data["name"], range(*bounds))


def check_dimensions(
    kind: str, dimensions: object, *, empty: bool = False
) -> tuple[Dimension, ...]:
    """Return dimensions that are given as a mapping of names to values.

    Args:
        kind: What messages call them: "states" or "actions".
        dimensions: A mapping, or a sequence of :class:`Dimension`.
        empty: Whether there may be none.
    """
    if isinstance(dimensions, Mapping):
        found = tuple(Dimension(name, values) for name, values in dimensions.items())
    elif isinstance(dimensions, list | tuple) and all(
        isinstance(one, Dimension) for one in dimensions
    ):
        found = tuple(dimensions)
    else:
        raise ModelError(
            f"{kind} must map names of dimensions to their values, such as "
            f'{{"stock": range(21)}}, not {show(dimensions)}'
        )
    if not found and not empty:
        raise ModelError(f"{kind} is empty: name at least one dimension and its values")
    names = [one.name for one in found]
    if len(set(names)) < len(names):
        raise ModelError(f"{kind} has the same name twice: {', '.join(names)}")
    return found


def _as_values(name: str, values: object) -> range | np.ndarray:
    """Return the values of a dimension, checked."""
    if isinstance(values, range):
        if not values:
            raise ModelError(f"the dimension {name} has no values: {values!r} is empty")
        return values if values.step > 0 else freeze(np.array(values))
    if isinstance(values, str | bytes | Mapping | set | frozenset) or not isinstance(
        values, Iterable
    ):
        raise ModelError(
            f"the values of {name} must be a range, a list or an array in their order, not "
            f"{show(values)}"
        )
    given = values if isinstance(values, np.ndarray) else _to_array(name, list(values))
    if given.dtype.kind not in "iufU" or given.ndim != 1 or not given.size:
        raise ModelError(
            f"the values of {name} must be one list of numbers or of names, not {show(values)}"
        )
    if given.dtype.kind in "iu":
        given = given.astype(np.int64)
    elif given.dtype.kind == "f":
        given = given.astype(np.float64)
        if not np.isfinite(given).all():
            raise ModelError(f"the values of {name} must be finite, not {show(values)}")
    distinct, counts = np.unique(given, return_counts=True)
    if distinct.size < given.size:
        twice = Dimension.show_value(distinct[counts > 1][0])
        raise ModelError(f"the values of {name} must differ, but {twice} is listed more than once")
    if given.dtype.kind == "i" and given.size > 1:
        steps = np.diff(given)
        if steps[0] > 0 and (steps == steps[0]).all():
            return range(int(given[0]), int(given[-1]) + 1, int(steps[0]))
    return freeze(np.array(given))


def _to_array(name: str, values: list[Any]) -> np.ndarray:
    """Return a list of numbers or of names as an array."""
    if not all(isinstance(value, str) for value in values) and not all(
        isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
        for value in values
    ):
        raise ModelError(
            f"the values of {name} must all be numbers, or all names, not {show(values)}"
        )
    try:
        return np.array(values)
    except (OverflowError, ValueError):
        raise ModelError(f"the values of {name} must be numbers of 64 bits") from None


def _positions(index: np.ndarray, found: np.ndarray) -> Positions:
    """Return positions, with a mask of what is missing only if something is."""
    return Positions(index, None if found.all() else ~found)
