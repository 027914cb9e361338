"""Set the fields of frozen objects: while they are made, and in copies of them."""

from __future__ import annotations

import copy
from typing import TypeVar

__all__ = ["copy_with", "set_fields"]

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
