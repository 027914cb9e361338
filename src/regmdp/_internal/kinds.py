"""What a parameter may be: a number, an option, text, an object, or a sequence of these."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from os import PathLike
from typing import Any, ClassVar

import numpy as np

from regmdp._internal.checks import (
    check_integer,
    check_number,
    check_option,
    describe_limits,
    is_number,
    show,
)
from regmdp._internal.errors import RegmdpError, SolverError

__all__ = [
    "FileName",
    "Flag",
    "Function",
    "Generator",
    "Instance",
    "Integer",
    "Kind",
    "MappingOf",
    "Number",
    "Option",
    "SequenceOf",
    "Text",
    "check_sequence",
]


class Kind(ABC):
    """What a parameter may be."""

    #: Whether the check needs the model among the arguments.
    needs_model: ClassVar[bool] = False

    @abstractmethod
    def describe(self) -> str:
        """Return what follows "must be" in messages."""

    @abstractmethod
    def matches(self, value: object) -> bool:
        """Whether a value is of this kind, though perhaps out of its range."""

    @abstractmethod
    def check(self, name: str, value: Any, model: Any, error: type[RegmdpError]) -> Any:
        """Return the value, perhaps converted.

        Args:
            name: What the message calls the parameter.
            value: The argument.
            model: The first of the arguments that has states and actions; None if there is none.
            error: Class of the exception.

        Raises:
            RegmdpError: of the class ``error``, if it is not of this kind or out of range.
        """

    def __or__(self, other: Kind | None) -> Kind:
        kinds = (self,) if not isinstance(self, OneOf) else self.kinds
        return OneOf((*kinds, Nothing() if other is None else other))


@dataclass(frozen=True)
class OneOf(Kind):
    """A value of one of several kinds; written ``first | second``."""

    kinds: tuple[Kind, ...]

    @property
    def needs_model(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether the check of one of the kinds needs the model."""
        return any(kind.needs_model for kind in self.kinds)

    def describe(self) -> str:
        *first, last = (kind.describe() for kind in self.kinds)
        comma = "," if any("," in text for text in first) else ""  # as in "an integer, 1 or more"
        return f"{', '.join(first)}{comma} or {last}"

    def matches(self, value: object) -> bool:
        return any(kind.matches(value) for kind in self.kinds)

    def check(self, name: str, value: Any, model: Any, error: type[RegmdpError]) -> Any:
        for kind in self.kinds:
            if kind.matches(value):
                return kind.check(name, value, model, error)
        first, *others = [kind for kind in self.kinds if not isinstance(kind, Nothing)]
        if not others:
            return first.check(name, value, model, error)  # whose message is more precise
        raise error(f"{name} must be {self.describe()}, not {show(value)}")


@dataclass(frozen=True)
class Nothing(Kind):
    """None; written ``kind | None``."""

    def describe(self) -> str:
        return "None"

    def matches(self, value: object) -> bool:
        return value is None

    def check(self, name: str, value: Any, model: Any, error: type[RegmdpError]) -> Any:
        if value is not None:
            raise error(f"{name} must be None, not {show(value)}")


@dataclass(frozen=True)
class Integer(Kind):
    """An integer between two limits, both included; None is no limit."""

    minimum: int | None = 1
    maximum: int | None = None
    advice: str = ""

    def describe(self) -> str:
        return f"an integer{describe_limits(self.minimum, None, self.maximum, None)}"

    def matches(self, value: object) -> bool:
        return is_number(value) and not isinstance(value, float)

    def check(self, name: str, value: Any, model: Any, error: type[RegmdpError]) -> int:
        return check_integer(
            name, value, self.minimum, self.maximum, error=error, advice=self.advice
        )


@dataclass(frozen=True)
class Number(Kind):
    """A real number within limits; see :func:`regmdp._internal.checks.check_number`."""

    minimum: float | None = None
    maximum: float | None = None
    above: float | None = None
    below: float | None = None
    finite: bool = True
    advice: str = ""

    def describe(self) -> str:
        return f"a number{describe_limits(self.minimum, self.above, self.maximum, self.below)}"

    def matches(self, value: object) -> bool:
        return is_number(value)

    def check(self, name: str, value: Any, model: Any, error: type[RegmdpError]) -> float:
        return check_number(
            name,
            value,
            self.minimum,
            self.maximum,
            above=self.above,
            below=self.below,
            finite=self.finite,
            error=error,
            advice=self.advice,
        )


@dataclass(frozen=True, init=False)
class Option(Kind):
    """One of several strings."""

    options: tuple[str, ...]

    def __init__(self, *options: str) -> None:
        object.__setattr__(self, "options", options)

    def describe(self) -> str:
        return " or ".join(repr(option) for option in self.options)

    def matches(self, value: object) -> bool:
        return isinstance(value, str)

    def check(self, name: str, value: Any, model: Any, error: type[RegmdpError]) -> str:
        return check_option(name, value, self.options, error=error)


@dataclass(frozen=True)
class Flag(Kind):
    """True or False; a number is neither."""

    def describe(self) -> str:
        return "True or False"

    def matches(self, value: object) -> bool:
        return isinstance(value, bool | np.bool_)

    def check(self, name: str, value: Any, model: Any, error: type[RegmdpError]) -> bool:
        if not self.matches(value):
            raise error(f"{name} must be True or False, not {show(value)}")
        return bool(value)


@dataclass(frozen=True)
class Text(Kind):
    """A string."""

    def describe(self) -> str:
        return "a string"

    def matches(self, value: object) -> bool:
        return isinstance(value, str)

    def check(self, name: str, value: Any, model: Any, error: type[RegmdpError]) -> str:
        if not isinstance(value, str):
            raise error(f"{name} must be a string, not {show(value)}")
        return value


@dataclass(frozen=True)
class Function(Kind):
    """Something that can be called."""

    def describe(self) -> str:
        return "a function"

    def matches(self, value: object) -> bool:
        return callable(value) and not inspect.isclass(value)

    def check(self, name: str, value: Any, model: Any, error: type[RegmdpError]) -> Any:
        if not callable(value):
            raise error(f"{name} must be a function, not {show(value)}")
        return value


@dataclass(frozen=True, init=False)
class Instance(Kind):
    """An object of one of several classes."""

    classes: tuple[type[Any], ...]

    def __init__(self, *classes: type[Any]) -> None:
        object.__setattr__(self, "classes", classes)

    def describe(self) -> str:
        return "of class " + " or ".join(cls.__name__ for cls in self.classes)

    def matches(self, value: object) -> bool:
        return isinstance(value, self.classes)

    def check(self, name: str, value: Any, model: Any, error: type[RegmdpError]) -> Any:
        if not isinstance(value, self.classes):
            hint = "; did you forget the parentheses?" if inspect.isclass(value) else ""
            raise error(f"{name} must be {self.describe()}, not {show(value)}{hint}")
        return value


@dataclass(frozen=True)
class Generator(Kind):
    """A random generator of NumPy."""

    def describe(self) -> str:
        return "a numpy.random.Generator, such as numpy.random.default_rng(0)"

    def matches(self, value: object) -> bool:
        return isinstance(value, np.random.Generator)

    def check(self, name: str, value: Any, model: Any, error: type[RegmdpError]) -> Any:
        if not isinstance(value, np.random.Generator):
            raise error(f"{name} must be {self.describe()}, not {show(value)}")
        return value


@dataclass(frozen=True)
class FileName(Kind):
    """The name of a file or folder: text, or a path."""

    def describe(self) -> str:
        return "the name of a file or folder"

    def matches(self, value: object) -> bool:
        return isinstance(value, str | PathLike)

    def check(self, name: str, value: Any, model: Any, error: type[RegmdpError]) -> Any:
        if not isinstance(value, str | PathLike):
            raise error(f"{name} must be {self.describe()}, not {show(value)}")
        return value  # a slash at the end of text, which a path does not keep, may mean something


@dataclass(frozen=True)
class SequenceOf(Kind):
    """A sequence of things of one kind; text and dictionaries are none.

    Attributes:
        kind: What each item is.
        length: The number of items, if only one is right.
        minimum: The smallest number of items.
    """

    kind: Kind
    length: int | None = None
    minimum: int = 0

    def describe(self) -> str:
        return "a sequence"

    def matches(self, value: object) -> bool:
        return isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping)

    def check(self, name: str, value: Any, model: Any, error: type[RegmdpError]) -> list[Any]:
        items = check_sequence(name, value, self.kind, error)
        if self.length is not None and len(items) != self.length:
            raise error(f"{name} must have {self.length} items, not {len(items)}")
        if len(items) < self.minimum:
            raise error(f"{name} must have at least {self.minimum} items, not {len(items)}")
        return items


@dataclass(frozen=True)
class MappingOf(Kind):
    """A dictionary from text to things of one kind."""

    kind: Kind

    def describe(self) -> str:
        return "a dictionary"

    def matches(self, value: object) -> bool:
        return isinstance(value, Mapping)

    def check(self, name: str, value: Any, model: Any, error: type[RegmdpError]) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise error(f"{name} must be a dictionary, not {show(value)}")
        return {
            Text().check(f"a key of {name}", key, None, error): self.kind.check(
                f"{name}[{key!r}]", one, None, error
            )
            for key, one in value.items()
        }


def check_sequence(
    name: str, values: object, kind: Kind, error: type[RegmdpError] = SolverError
) -> list[Any]:
    """Return the items of a sequence or iterator, each checked.

    >>> check_sequence("names", ["a", 3], Text())
    Traceback (most recent call last):
    regmdp.SolverError: names[1] must be a string, not 3
    """
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        raise error(f"{name} must be a sequence, not {show(values)}")
    return [kind.check(f"{name}[{i}]", value, None, error) for i, value in enumerate(values)]
