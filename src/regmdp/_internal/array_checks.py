"""Conversion of what users pass into arrays of numbers, integers or truth values.

Nothing is guessed: text, complex numbers, dates, truth values where numbers are meant, missing
entries of masked arrays, and tables whose rows are in another order are refused.
"""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, Literal, NoReturn, TypeAlias

import numpy as np

from regmdp._internal.checks import describe_first, join_advice, show
from regmdp._internal.errors import RegmdpError, SolverError

__all__ = ["ArrayKind", "check_array", "check_shape", "place"]

#: What the entries of an array are: real numbers, integers, or truth values.
ArrayKind: TypeAlias = Literal["number", "integer", "boolean"]

_DTYPES = {"number": np.float64, "integer": np.int64, "boolean": np.bool_}
_ENTRIES = {"number": "numbers", "integer": "integers", "boolean": "True or False"}
_ONE_ENTRY = {"number": "a real number", "integer": "an integer", "boolean": "True or False"}
_ADVICE = {
    "b": "write 1.0 and 0.0, or .astype(float)",
    "c": "take the real part with .real",
    "M": "measure times in a unit, as numbers",
    "m": "measure times in a unit, as numbers",
    "S": "convert text to numbers first",
    "U": "convert text to numbers first",
}
#: Kinds of dtype that are accepted without a look at the entries.
_ACCEPTED = {"number": "iuf", "integer": "iu", "boolean": "b"}


def check_array(
    name: str,
    value: object,
    kind: ArrayKind = "number",
    *,
    ndim: int | None = None,
    finite: bool = False,
    error: type[RegmdpError] = SolverError,
    advice: str = "",
) -> np.ndarray:
    """Return an array of doubles, of 64-bit integers or of booleans; not always a new one.

    Args:
        name: What the message calls the array.
        value: An array of any library, a number or a nested sequence.
        kind: What the entries must be. 0 and 1 count as truth values; truth values are no numbers,
            and 2.0 is no integer.
        ndim: Number of dimensions, if only one is right.
        finite: Whether NaN and infinite entries are refused.
        error: Class of the exception.
        advice: What to do instead; the end of the message.

    Raises:
        RegmdpError: of the class ``error``, if the value is anything else. It names the first wrong
            entry, and how many there are.

    Examples:
        >>> check_array("rewards", [[0, 1], [2, 3]])
        array([[0., 1.],
               [2., 3.]])
        >>> check_array("rewards", [0.0, None, 1.0])
        Traceback (most recent call last):
        regmdp.SolverError: rewards[1] is None, not a real number; 1 of 3 entries is wrong
        >>> check_array("action", [0.5, 1.0], "integer")
        Traceback (most recent call last):
        regmdp.SolverError: action must be an array of integers, not of float64
    """
    array = _convert(name, _without_labels(name, value, error), kind, error, advice)
    if ndim is not None and array.ndim != ndim:
        message = f"{name} must be an array with ndim={ndim}, not of shape {array.shape}"
        raise error(join_advice(message, advice))
    if finite and kind == "number" and not np.isfinite(array).all():
        raise error(
            describe_first(
                ~np.isfinite(array),
                lambda *index: f"{place(name, index)} is {array[index]}, not a finite number",
                "entries",
                advice,
            )
        )
    return array


def check_shape(
    name: str,
    array: np.ndarray,
    shape: tuple[int, ...],
    meaning: str,
    *,
    error: type[RegmdpError] = SolverError,
) -> None:
    """Raise unless an array has the shape that the model asks for.

    >>> check_shape("the value", np.zeros(2), (3,), "(S,)")
    Traceback (most recent call last):
    regmdp.SolverError: the value must have shape (S,) = (3,), not (2,)
    """
    if array.shape != shape:
        raise error(f"{name} must have shape {meaning} = {shape}, not {array.shape}")


def _without_labels(name: str, value: Any, error: type[RegmdpError]) -> object:
    """Refuse what NumPy would read by position although its entries have names or are missing."""
    if hasattr(value, "tocsr"):
        raise error(f"{name} must be a dense array here, not a sparse one; use .toarray()")
    if isinstance(value, list | tuple):
        for part in value:
            if isinstance(part, np.ma.MaskedArray) or hasattr(part, "iloc"):
                _without_labels(name, part, error)
        return value
    if isinstance(value, np.ma.MaskedArray):
        _require_unmasked(name, value, error)
        return value.data
    if hasattr(value, "iloc"):  # a table or a column of pandas
        for axis, labels in enumerate(value.axes):
            if not _in_order(labels):
                kind = "columns" if axis == 1 else "index"
                raise error(
                    f"the {kind} of {name} is not 0, 1, …, {len(labels) - 1} in this order, so it "
                    "is not clear what each entry belongs to; sort it and pass .to_numpy()"
                )
    return value


def _require_unmasked(
    name: str, array: np.ma.MaskedArray[Any, Any], error: type[RegmdpError]
) -> None:
    mask = np.ma.getmaskarray(array)
    if mask.any():
        raise error(
            describe_first(
                mask,
                lambda *index: f"{place(name, index)} is masked, which is no value",
                "entries",
                "fill them in, with .filled(…)",
            )
        )


def _in_order(labels: Any) -> bool:
    positions = np.asarray(labels)
    return positions.dtype.kind in "iu" and np.array_equal(positions, np.arange(len(positions)))


def _convert(
    name: str, value: object, kind: ArrayKind, error: type[RegmdpError], advice: str
) -> np.ndarray:
    try:
        array = np.asarray(value)
    except Exception as problem:  # whatever the array of another library raises
        first_line = str(problem).strip().partition("\n")[0]
        raise error(f"{name} is not an array of {_ENTRIES[kind]}: {first_line}") from None
    if array.dtype.kind == "O":
        return _convert_objects(name, array, kind, error)
    if array.dtype.kind in _ACCEPTED[kind] or (array.size == 0 and array.dtype.kind in "fiub"):
        return _cast(name, array, kind, error)
    if kind == "boolean" and array.dtype.kind in "iuf" and np.isin(array, (0, 1)).all():
        return array.astype(np.bool_)
    given = show(value) if array.ndim == 0 else f"of {array.dtype}"
    message = f"{name} must be an array of {_ENTRIES[kind]}, not {given}"
    if kind == "number":
        advice = advice or _ADVICE.get(array.dtype.kind, "")
    raise error(join_advice(message, advice))


def _cast(name: str, array: np.ndarray, kind: ArrayKind, error: type[RegmdpError]) -> np.ndarray:
    with np.errstate(over="ignore"):  # a number of a wider type, refused below
        converted = np.asarray(array, dtype=_DTYPES[kind])
    if array.dtype.itemsize > 8 or (array.dtype == np.uint64 and kind == "integer"):
        lost = np.isfinite(array) & ~np.isfinite(converted) if kind == "number" else converted < 0
        if lost.any():
            _refuse(name, array, lost, "too large", error)
    return converted


def _convert_objects(
    name: str, array: np.ndarray, kind: ArrayKind, error: type[RegmdpError]
) -> np.ndarray:
    """Convert Python objects one by one: fractions and large integers are numbers, None is none."""
    convert: Callable[[Any], Any] = {"number": float, "integer": int, "boolean": bool}[kind]
    if array.ndim == 0 and not _is_entry(array.item(), kind):
        raise error(f"{name} must be an array of {_ENTRIES[kind]}, not {show(array.item())}")
    wrong = np.reshape([not _is_entry(entry, kind) for entry in array.flat], array.shape)
    if wrong.any():
        _refuse(name, array, wrong, f"not {_ONE_ENTRY[kind]}", error)
    try:
        return np.array([convert(entry) for entry in array.flat], _DTYPES[kind]).reshape(
            array.shape
        )
    except OverflowError:
        large = np.reshape([_overflows(entry, convert) for entry in array.flat], array.shape)
        _refuse(name, array, large, "too large", error)


def _is_entry(entry: object, kind: ArrayKind) -> bool:
    if isinstance(entry, bool | np.bool_):
        return kind == "boolean"
    if isinstance(entry, np.timedelta64):  # which counts as an integer of Python
        return False
    return kind != "boolean" and isinstance(entry, Integral if kind == "integer" else Real)


def _overflows(entry: Any, convert: Callable[[Any], Any]) -> bool:
    try:
        number = convert(entry)
        return isinstance(number, int) and not -(2**63) <= number < 2**63
    except OverflowError:
        return True


def _refuse(
    name: str, array: np.ndarray, wrong: np.ndarray, why: str, error: type[RegmdpError]
) -> NoReturn:
    raise error(
        describe_first(
            wrong,
            lambda *index: f"{place(name, index)} is {show(array[index])}, {why}",
            "entries",
        )
    )


def place(name: str, index: tuple[int, ...]) -> str:
    """Return an entry of an array as Python writes it, such as ``rewards[0, 1]``."""
    return f"{name}[{', '.join(map(str, index))}]" if index else name
