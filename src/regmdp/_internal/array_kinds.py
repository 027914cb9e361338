"""What a parameter may be: arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from regmdp._internal.array_checks import ArrayKind, check_array, place
from regmdp._internal.arrays import is_traced
from regmdp._internal.checks import describe_first
from regmdp._internal.errors import RegmdpError
from regmdp._internal.kinds import Kind, OneOf
from regmdp._internal.width_table import WidthTable

__all__ = ["ArrayOf", "Distributions", "find_shared_letters", "require_same_sizes"]

#: Largest difference from 1 of the sum of a distribution.
SUM_TOLERANCE = 1e-9


@dataclass(frozen=True)
class ArrayOf(Kind):
    """An array of one shape.

    Attributes:
        shape: Letters or numbers, such as ``"S A"``, ``""`` or ``"n 2"``. S and A are the sizes of
            the model among the arguments, or what its ``dimensions`` name; any other letter is any
            size. None is any shape.
        kind: What the entries are.
        ignored: Whether entries of pairs that are not available may be anything.
        infinite: The infinite numbers that are accepted: none, -∞ or both.
        minimum: Smallest entry, if any.
        above: All entries are greater than this, if given.
        maximum: Largest entry, if any.
        empty: Whether it may have no entries.
        missing: Whether entries may be NaN.
        traced: Whether a tracer of JAX, whose entries are not known yet, passes as it is.
    """

    shape: str | None = None
    kind: ArrayKind = "number"
    ignored: bool = False
    infinite: tuple[float, ...] = ()
    minimum: float | None = None
    above: float | None = None
    maximum: float | None = None
    empty: bool = False
    missing: bool = False
    traced: bool = False

    @property
    def needs_model(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether the shape or the exempt entries depend on the model."""
        return self.ignored or bool(self.shape)

    def describe(self) -> str:
        if self.shape is None:
            return "an array"
        letters = self.shape.split()
        return f"an array of shape ({', '.join(letters)}{',' if len(letters) == 1 else ''})"

    def matches(self, value: object) -> bool:
        if isinstance(value, bool | np.bool_):
            return self.kind == "boolean"
        return hasattr(value, "__array__") or isinstance(value, list | tuple | int | float)

    def check(self, name: str, value: Any, model: Any, error: type[RegmdpError]) -> np.ndarray:
        if self.traced and is_traced(value):
            return value
        numbering = getattr(model, "numbering", None)
        if numbering is not None and self.shape == "S A":  # what is given by numbers of actions
            value = numbering.to_columns(name, value, error)
            if isinstance(value, WidthTable):
                return value  # type: ignore[return-value]  # which has the part of its interface
        array = check_array(name, value, self.kind, error=error)
        if array.size == 0 and not self.empty:
            raise error(f"{name} must not be empty")
        if self.shape is not None:
            letters = self.shape.split()
            sizes = find_sizes(model)
            wanted = [int(s) if s.isdigit() else sizes.get(s) for s in letters]
            if array.ndim != len(wanted) or any(
                size is not None and size != found
                for size, found in zip(wanted, array.shape, strict=True)
            ):
                known = ", ".join(
                    letter if size is None else str(size)
                    for letter, size in zip(letters, wanted, strict=True)
                )
                comma = "," if len(letters) == 1 else ""
                replaced = any(sizes.get(letter) for letter in letters)
                here = f", here ({known}{comma})" if replaced else ""
                raise error(f"{name} must be {self.describe()}{here}, not {array.shape}")
        if self.kind == "boolean":
            return array
        exempt = ~model.available if self.ignored and model is not None else np.False_
        return self._check_entries(name, array, exempt, error)

    def _check_entries(
        self, name: str, array: np.ndarray, exempt: np.ndarray | np.bool_, error: type[RegmdpError]
    ) -> np.ndarray:
        if array.dtype.kind == "f":
            bad = ~np.isfinite(array)
            if bad.any():
                good = ~bad | np.isin(array, self.infinite) | exempt
                if self.missing:
                    good = good | np.isnan(array)
                what = "a number below ∞" if self.infinite else "a finite number"
                _require_all(name, array, good, what, error)
        if self.minimum is not None:
            good = (array >= self.minimum) | exempt
            _require_all(name, array, good, f"{self.minimum:g} or more", error)
        if self.above is not None:
            good = (array > self.above) | exempt
            _require_all(name, array, good, f"above {self.above:g}", error)
        if self.maximum is not None:
            good = (array <= self.maximum) | exempt
            _require_all(name, array, good, f"{self.maximum:g} or less", error)
        return array


@dataclass(frozen=True)
class Distributions(ArrayOf):
    """Probabilities that sum to 1 along the last axis, within 1e-9."""

    minimum: float | None = 0.0
    maximum: float | None = 1.0 + SUM_TOLERANCE

    def check(self, name: str, value: Any, model: Any, error: type[RegmdpError]) -> np.ndarray:
        array = super().check(name, value, model, error)
        sums = array.sum(axis=-1)
        if array.ndim == 1:
            if abs(sums - 1.0) > SUM_TOLERANCE:
                raise error(f"{name} sums to {sums:.12g}, not to 1; normalise it")
            return array
        bad = np.abs(sums - 1.0) > SUM_TOLERANCE
        if bad.any():
            raise error(
                describe_first(
                    bad,
                    lambda *index: f"{place(name, index)} sums to {sums[index]:.12g}, not to 1",
                    "rows",
                    "normalise them",
                )
            )
        return array


def find_shared_letters(declarations: Mapping[str, Kind]) -> dict[str, list[tuple[str, int]]]:
    """Return the letters of sizes that several parameters have, with the parameters and axes.

    >>> find_shared_letters({"x": ArrayOf("n"), "y": ArrayOf("n 2"), "z": ArrayOf("m")})
    {'n': [('x', 0), ('y', 0)]}
    """
    places: dict[str, list[tuple[str, int]]] = {}
    for name, declaration in declarations.items():
        kinds = declaration.kinds if isinstance(declaration, OneOf) else (declaration,)
        for kind in kinds:
            if isinstance(kind, ArrayOf):
                for axis, letter in enumerate((kind.shape or "").split()):
                    if not letter.isdigit():
                        places.setdefault(letter, []).append((name, axis))
    return {letter: found for letter, found in places.items() if len(dict(found)) > 1}


def require_same_sizes(
    shared: Mapping[str, list[tuple[str, int]]],
    arguments: Mapping[str, Any],
    error: type[RegmdpError],
) -> None:
    """Check that arguments have the same size along axes with the same letter.

    Raises:
        RegmdpError: of the class ``error``, if they have not.
    """
    for letter, places in shared.items():
        sizes = {
            name: arguments[name].shape[axis]
            for name, axis in places
            if isinstance(arguments.get(name), np.ndarray)
        }
        if len(set(sizes.values())) > 1:
            listed = ", ".join(f"{name} has {size}" for name, size in sizes.items())
            raise error(f"{' and '.join(sizes)} must have the same size {letter}, but {listed}")


def find_sizes(model: Any) -> Mapping[str, int]:
    """Return the sizes that the letters of shapes stand for in a call with this model."""
    if model is None:
        return {}
    named = getattr(model, "dimensions", None)
    return {"S": model.n_states, "A": model.n_actions} if named is None else named


def _require_all(
    name: str,
    array: np.ndarray,
    good: np.ndarray | np.bool_,
    what: str,
    error: type[RegmdpError],
) -> None:
    if not np.all(good):
        raise error(
            describe_first(
                ~good,
                lambda *index: f"{place(name, index)} is {array[index]}, not {what}",
                "entries",
            )
        )
