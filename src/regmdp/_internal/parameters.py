"""Declarations of what the parameters of a function or class may be, checked at each call.

A declaration stands above the function::

    @checked(count=Integer(minimum=1), rate=Number(above=0.0, maximum=1.0) | Instance(Rate) | None)
    def step(count: int, rate: float | Rate | None = None) -> None: ...

Arguments are checked, and converted, before the function runs: ``count`` is then an int, whichever
library it came from. Defaults are not checked. The tests of bad input read the declarations from
``step.declarations``, or from ``__init__`` of a class.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar

import numpy as np

from regmdp._internal.array_checks import ArrayKind, check_array, place
from regmdp._internal.checks import (
    check_integer,
    check_number,
    check_option,
    describe_first,
    describe_limits,
    is_number,
    show,
)
from regmdp._internal.errors import RegmdpError, SolverError

__all__ = [
    "ArrayOf",
    "Flag",
    "Function",
    "Instance",
    "Integer",
    "Kind",
    "Number",
    "Option",
    "Text",
    "check_sequence",
    "checked",
]

Target = TypeVar("Target", bound=Callable[..., Any])


class Kind(ABC):
    """What a parameter may be."""

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
class ArrayOf(Kind):
    """An array of one shape.

    Attributes:
        shape: Letters or numbers, such as ``"S A"``, ``""`` or ``"n 2"``. S and A are the sizes of
            the model among the arguments; any other letter is any size. None is any shape.
        kind: What the entries are.
        ignored: Whether entries of pairs that are not available may be anything.
        infinite: The infinite numbers that are accepted: none, -∞ or both.
        minimum: Smallest entry, if any.
        above: All entries are greater than this, if given.
        maximum: Largest entry, if any.
        empty: Whether it may have no entries.
    """

    shape: str | None = None
    kind: ArrayKind = "number"
    ignored: bool = False
    infinite: tuple[float, ...] = ()
    minimum: float | None = None
    above: float | None = None
    maximum: float | None = None
    empty: bool = False

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
        array = check_array(name, value, self.kind, error=error)
        if array.size == 0 and not self.empty:
            raise error(f"{name} must not be empty")
        if self.shape is not None:
            letters = self.shape.split()
            sizes = {} if model is None else {"S": model.n_states, "A": model.n_actions}
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
                here = f", here ({known}{comma})" if any(wanted) else ""
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
                what = "a number below ∞" if self.infinite else "a finite number"
                _require_all(name, array, good, what, error)
        if self.minimum is not None:
            _require_all(name, array, array >= self.minimum, f"{self.minimum:g} or more", error)
        if self.above is not None:
            _require_all(name, array, array > self.above, f"above {self.above:g}", error)
        if self.maximum is not None:
            _require_all(name, array, array <= self.maximum, f"{self.maximum:g} or less", error)
        return array


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


def checked(
    error_class: type[RegmdpError] = SolverError, /, **declarations: Kind
) -> Callable[[Target], Target]:
    """Check the arguments of a function, or of the constructor of a class, at each call.

    Args:
        error_class: Class of the exceptions.
        declarations: What each parameter may be. Those that are not named are not checked.

    Examples:
        >>> @checked(count=Integer(minimum=1), name=Text() | None)
        ... def repeat(count: int, name: str | None = None) -> str:
        ...     return (name or "-") * count
        >>> repeat(np.int8(3))
        '---'
        >>> repeat(2.5)
        Traceback (most recent call last):
        regmdp.SolverError: count must be an integer, 1 or more, not 2.5
        >>> repeat(2, name=3)
        Traceback (most recent call last):
        regmdp.SolverError: name must be a string, not 3
    """

    def decorate(target: Any) -> Any:
        if not isinstance(target, type):
            return _wrap(target, declarations, error_class)
        wrapper = _wrap(target.__init__, declarations, error_class)
        target.__init__ = wrapper
        return target

    return decorate


def _wrap(function: Any, declarations: Mapping[str, Kind], error: type[RegmdpError]) -> Any:
    """Return the function with its arguments checked."""
    parameters = inspect.signature(function).parameters
    names = [
        name
        for name, parameter in parameters.items()
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
    ]
    unknown = [name for name in declarations if name not in parameters]
    if unknown:
        raise TypeError(f"{function.__qualname__} has no parameters {unknown}")

    @wraps(function)
    def wrapper(*arguments: Any, **keywords: Any) -> Any:
        model = _find_model((*arguments, *keywords.values()))
        positional = [
            declarations[name].check(name, value, model, error) if name in declarations else value
            for name, value in zip(names, arguments, strict=False)
        ]
        for name, kind in declarations.items():
            if name in keywords:
                keywords[name] = kind.check(name, keywords[name], model, error)
        return function(*positional, *arguments[len(names) :], **keywords)

    wrapper.declarations = declarations  # pyright: ignore[reportAttributeAccessIssue]
    return wrapper


def _find_model(values: Iterable[object]) -> Any:
    """Return the first argument with states and actions, or None."""
    for value in values:
        if isinstance(getattr(value, "n_states", None), int) and hasattr(value, "n_actions"):
            return value
    return None
