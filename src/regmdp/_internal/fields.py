"""Fields of frozen objects: how they are set while one is made, and what copies keep."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np

__all__ = ["ReadOnlyCopies", "copy_with", "set_fields"]

Instance = TypeVar("Instance")


def set_fields(instance: object, **values: object) -> None:
    """Set fields of a frozen dataclass. Only its ``__init__`` may call this.

    Examples:
        >>> from dataclasses import dataclass
        >>> @dataclass(frozen=True, init=False)
        ... class Radius:
        ...     value: float
        ...
        ...     def __init__(self, value: float | str) -> None:
        ...         set_fields(self, value=float(value))
        >>> Radius("2")
        Radius(value=2.0)
    """
    for name, value in values.items():
        object.__setattr__(instance, name, value)


def copy_with(instance: Instance, **values: object) -> Instance:
    """Return a shallow copy of a frozen object with other values of some fields, unchecked.

    Examples:
        >>> import regmdp as rm
        >>> copy_with(rm.Shannon(temperature=0.1), temperature=0.2)
        Shannon(temperature=0.2)
    """
    other = copy.copy(instance)
    set_fields(other, **values)
    return other


class ReadOnlyCopies:
    """Base of objects whose read-only arrays are read-only in copies and after pickling, too.

    NumPy's copies can be written to.

    Examples:
        >>> from regmdp._internal.arrays import freeze
        >>> class Point(ReadOnlyCopies):
        ...     def __init__(self, place):
        ...         self.place = freeze(place)
        >>> copy.deepcopy(Point(np.zeros(2))).place.flags.writeable
        False
    """

    def __copy__(self: Instance) -> Instance:
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        return other

    def __getstate__(self) -> tuple[dict[str, Any], dict[str, list[bool]]]:
        fields = self.__dict__.copy()
        found = {name: _list_arrays(value) for name, value in fields.items()}
        writeable = {
            name: [array.flags.writeable for array in arrays] for name, arrays in found.items()
        }
        return fields, {name: flags for name, flags in writeable.items() if not all(flags)}

    def __setstate__(self, state: tuple[dict[str, Any], dict[str, list[bool]]]) -> None:
        fields, writeable = state
        for name, flags in writeable.items():
            for array, flag in zip(_list_arrays(fields[name]), flags, strict=True):
                if not flag:
                    array.flags.writeable = False
        self.__dict__.update(fields)


def _list_arrays(value: Any) -> list[np.ndarray]:
    """Return an array, or the arrays in tuples, lists and mappings."""
    if isinstance(value, np.ndarray):
        return [value]
    if isinstance(value, Mapping):
        value = list(value.values())
    if not isinstance(value, tuple | list):
        return []
    return [array for part in value for array in _list_arrays(part)]
