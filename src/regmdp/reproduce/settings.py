"""Settings of experiments: what a field may be, and how a user changes it.

A field is annotated with what it may be, once, as a parameter of a function is declared
(:mod:`regmdp._internal.kinds`), and everything else follows: the type of a text, the check of a
value, and the message. ``Annotated[float, Number(above=0.0)]`` is a positive number,
``Annotated[tuple[int, ...], Items(order="increasing")]`` a tuple of increasing integers.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import (
    Annotated,
    Any,
    Literal,
    NamedTuple,
    TypeVar,
    get_args,
    get_origin,
    get_type_hints,
)

import numpy as np

from regmdp._internal.errors import RegmdpError
from regmdp._internal.kinds import Integer, Kind, Number, Text

__all__ = [
    "Change",
    "Items",
    "change_settings",
    "check_fields",
    "format_setting",
    "list_changes",
    "require",
    "require_branching",
]

Settings = TypeVar("Settings")

#: What a field is whose annotation is a type alone.
UNLIMITED: dict[type, Kind] = {int: Integer(None), float: Number(), str: Text()}

#: Signs between the entries of a tuple, and between the numbers of an entry.
SEPARATORS = (",", ":")


@dataclass(frozen=True)
class Items:
    """Requirements on a tuple: numbers of entries, and their order.

    Attributes:
        least: Smallest number of entries.
        most: Largest number of entries.
        order: ``"increasing"``, ``"decreasing"``, both strictly, or ``"different"``, if any.
    """

    least: int = 1
    most: int = 100
    order: Literal["increasing", "decreasing", "different"] | None = None


class Change(NamedTuple):
    """A setting that differs from the one of the full run: its name and both values."""

    name: str
    value: Any
    full: Any

    def __str__(self) -> str:
        return f"{self.name} = {format_setting(self.value)} (full run: {format_setting(self.full)})"


def require(condition: bool | np.bool_, message: str) -> None:
    """Raise an error with a message unless a condition holds.

    Raises:
        RegmdpError: if it does not.
    """
    if not condition:
        raise RegmdpError(message)


def require_branching(shape: tuple[int, int, int]) -> None:
    """Check that a random model (S, A, successors) has no more successors than states.

    Raises:
        RegmdpError: if it has.
    """
    require(
        shape[2] <= shape[0],
        f"the successors, shape[2], must be at most the {shape[0]} states, not {shape[2]}",
    )


def check_fields(settings: object) -> None:
    """Check that every field of a dataclass is what its annotation says.

    Raises:
        RegmdpError: if one is not.

    Examples:
        >>> @dataclass(frozen=True)
        ... class Settings:
        ...     temperature: Annotated[float, Number(above=0.0)]
        >>> check_fields(Settings(0.0))
        Traceback (most recent call last):
        ...
        regmdp.RegmdpError: temperature must be a finite number above 0, not 0.0
    """
    kinds = get_type_hints(type(settings), include_extras=True)
    for field in fields(settings):  # type: ignore[arg-type]
        _convert(field.name, getattr(settings, field.name), kinds[field.name])


def change_settings(experiment: str, settings: Settings, changes: Mapping[str, object]) -> Settings:
    """Return settings with some fields changed.

    Args:
        experiment: Name of the experiment, for messages.
        settings: The settings, a dataclass.
        changes: New values by name. A text is read as the type of the field: the entries of a tuple
            are separated by commas, and the numbers of an entry that is a tuple by colons.

    Raises:
        RegmdpError: if a name is unknown, or a value is not of the type or out of its range.

    Examples:
        >>> @dataclass(frozen=True)
        ... class Settings:
        ...     steps: Annotated[tuple[float, ...], Items(order="increasing")] = (1.0,)
        ...     shapes: tuple[tuple[int, float], ...] = ()
        >>> change_settings("toy", Settings(), {"steps": "0.1,2", "shapes": "3:0.5,4:1"})
        Settings(steps=(0.1, 2.0), shapes=((3, 0.5), (4, 1.0)))
        >>> change_settings("toy", Settings(), {"step": "0.1"})
        Traceback (most recent call last):
        ...
        regmdp.RegmdpError: experiment 'toy' has no setting 'step'; did you mean 'steps'? ...
    """
    kinds = get_type_hints(type(settings), include_extras=True)
    names = [field.name for field in fields(settings)]  # type: ignore[arg-type]
    values: dict[str, Any] = {}
    try:
        for name, value in changes.items():
            if name not in names:
                raise RegmdpError(_describe_unknown(experiment, name, names))
            raw = _read_text(name, value, kinds[name]) if isinstance(value, str) else value
            values[name] = _convert(name, raw, kinds[name])
        return replace(settings, **values)  # type: ignore[type-var]
    except RegmdpError as error:
        known = str(error).startswith("experiment ")
        raise RegmdpError(str(error) if known else f"experiment {experiment!r}: {error}") from None


def list_changes(settings: object, full: object) -> tuple[Change, ...]:
    """Return the settings that differ from those of the full run."""
    pairs = (
        (field.name, getattr(settings, field.name), getattr(full, field.name))
        for field in fields(settings)  # type: ignore[arg-type]
    )
    return tuple(Change(*pair) for pair in pairs if pair[1] != pair[2])


def format_setting(value: object) -> str:
    """Return a value as the text that :func:`change_settings` reads.

    Examples:
        >>> format_setting(((20, 0.1), (50, 1e-9))), format_setting((2,)), format_setting("a")
        ('20:0.1,50:1e-09', '2', 'a')
    """
    return _format(value, 0)


def _format(value: object, depth: int) -> str:
    if isinstance(value, tuple | list):
        return SEPARATORS[depth].join(_format(entry, depth + 1) for entry in value)
    return str(value)


def _describe_unknown(experiment: str, name: str, names: list[str]) -> str:
    near = difflib.get_close_matches(name.lower().replace("-", "_"), names, n=1, cutoff=0.6)
    hint = f"; did you mean {near[0]!r}? " if near else ". "
    return f"experiment {experiment!r} has no setting {name!r}{hint}Its settings are " + ", ".join(
        names
    )


def _split(kind: Any) -> tuple[Any, list[Any]]:
    """Return a type without its annotations, and the annotations."""
    if get_origin(kind) is Annotated:
        base, *extras = get_args(kind)
        return base, extras
    return kind, []


def _find(extras: list[Any], kind: type) -> Any:
    """Return the annotation of a class, or its default."""
    return next((extra for extra in extras if isinstance(extra, kind)), None)


def _read_text(name: str, text: str, kind: Any, depth: int = 0) -> object:
    """Return a text as numbers, texts and tuples of them, as the type says."""
    base, _ = _split(kind)
    if get_origin(base) is not tuple:
        return _read_scalar(name, text.strip(), base)
    parts = text.split(SEPARATORS[depth]) if text.strip() else []
    entries = get_args(base)
    if entries[-1] is Ellipsis:
        entries = (entries[0],) * len(parts)
    _require_length(name, parts, entries)
    return tuple(
        _read_text(name, part, entry, depth + 1) for part, entry in zip(parts, entries, strict=True)
    )


def _read_scalar(name: str, text: str, kind: Any) -> object:
    """Return a text as a number or itself; a text that is no number is kept, to be refused."""
    if kind is str:
        return text
    for read in (int, float):
        try:
            number = read(text)
        except ValueError:
            continue
        whole = isinstance(number, float) and number.is_integer() and "." not in text
        return int(number) if kind is int and whole and abs(number) < 2.0**53 else number
    return text


def _require_length(name: str, parts: Sequence[object], entries: tuple[Any, ...]) -> None:
    require(len(parts) == len(entries), f"{name} must have {len(entries)} values, not {len(parts)}")


def _convert(name: str, value: object, kind: Any) -> Any:
    """Return a value as its type says, with Python's own numbers and tuples.

    Raises:
        RegmdpError: if it is anything else.
    """
    base, extras = _split(kind)
    if get_origin(base) is tuple:
        return _convert_tuple(name, value, base, _find(extras, Items) or Items(least=0))
    kind = _find(extras, Kind) or UNLIMITED[base]
    return kind.check(name, value, None, RegmdpError)


def _convert_tuple(name: str, value: object, base: Any, items: Items) -> tuple[Any, ...]:
    entries = get_args(base)
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if not isinstance(value, tuple | list):
        require(entries[-1] is Ellipsis, f"{name} must be a tuple, not {value!r}")
        value = (value,)
    if entries[-1] is not Ellipsis:
        _require_length(name, value, entries)
        return tuple(
            _convert(f"{name}[{index}]", part, entry)
            for index, (part, entry) in enumerate(zip(value, entries, strict=True))
        )
    several = f"between {items.least} and {items.most} entries"
    require(
        items.least <= len(value) <= items.most, f"{name} must have {several}, not {len(value)}"
    )
    converted = tuple(
        _convert(f"{name}[{index}]", part, entries[0]) for index, part in enumerate(value)
    )
    if items.order is not None:
        _require_order(name, converted, items.order)
    return converted


#: What two successive entries must satisfy, by the name of the order.
_ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "increasing": lambda first, second: first < second,
    "decreasing": lambda first, second: first > second,
}


def _require_order(name: str, values: tuple[Any, ...], order: str) -> None:
    compare = _ORDERS.get(order)
    if compare is None:
        good = len(set(values)) == len(values)
    else:
        good = all(map(compare, values, values[1:]))
    adverb = "" if compare is None else "strictly "
    require(good, f"the entries of {name} must be {adverb}{order}, not {format_setting(values)}")
