"""Bad values of a parameter, made from a good one.

Each has a label, under which ``ACCEPTED`` in ``valid_calls`` can say that a parameter takes it.
"""

import enum
import inspect
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse as sp

from regmdp._internal.kinds import Integer, Kind, Number, OneOf
from regmdp._internal.parameters import ArrayOf

HUGE = 10**400
LARGEST = 1.7e308

#: Labels of values that are in the range of some parameters; the others are of a wrong kind.
RANGES = {"-1", "0", "2", "inf", "-inf", "sevens", "negative", "zeros", "a row more", "a row less"}
RANGES |= {
    "a column more",
    "empty",
    "no dimension",
    "another dimension",
    "3",
    "0.5",
    "unknown",
    "list",
    "array",
    "largest",
}


def is_never_good(label: str) -> bool:
    """Whether a value is of a wrong kind for every parameter whose good value it replaced."""
    return label not in RANGES


class Nothing:
    """An object of a class that the library does not know."""

    def __repr__(self) -> str:
        return "Nothing()"


def bad_values(
    parameter: inspect.Parameter, good: object, declaration: Kind | None = None
) -> Iterator[tuple[str, object]]:
    """Return labelled values that the parameter should refuse.

    Args:
        parameter: The parameter.
        good: A good value.
        declaration: What it is declared to be, if it is; then values just outside of its limits are
            among those returned.
    """
    yield from _outside(declaration, good)
    if parameter.default is not None and "None" not in str(parameter.annotation):
        yield "None", None
    yield "object", Nothing()
    yield from _other_kinds(good)
    if isinstance(good, bool | np.bool_):
        yield from (("text", "yes"), ("2", 2), ("0.5", 0.5), ("array", np.array([True, False])))
    elif isinstance(good, int) and not isinstance(good, enum.Enum):
        yield from _integers()
    elif isinstance(good, float):
        yield from _numbers()
    elif isinstance(good, str | Path):
        yield from (("3", 3), ("bytes", b"text"), ("unknown", "no such option"), ("list", ["a"]))
    elif isinstance(good, np.ndarray) or _is_nested_list(good):
        yield from _arrays(np.asarray(good))
    elif isinstance(good, list | tuple):
        yield from (("3", 3), ("text", "text"), ("list of objects", [Nothing()]))
        yield "list of None", [None]
    else:
        yield from (("3", 3), ("text", "text"), ("array", np.zeros(2)))
    if isinstance(good, np.random.Generator):
        yield "RandomState", np.random.RandomState(0)
        yield "module", np.random


def _outside(declaration: Kind | None, good: object) -> Iterator[tuple[str, object]]:
    """Return values just outside of the limits that are declared for numbers and arrays of them."""
    kinds = declaration.kinds if isinstance(declaration, OneOf) else (declaration,)
    limited = [kind for kind in kinds if isinstance(kind, Integer | Number | ArrayOf)]
    if len(limited) != 1:
        return
    kind = limited[0]
    whole = isinstance(kind, Integer) or getattr(kind, "kind", "") == "integer"
    step = 1 if whole else 1e-9
    for name, sign, open_interval in (
        ("minimum", -1, False),
        ("above", -1, True),
        ("maximum", 1, False),
        ("below", 1, True),
    ):
        limit = getattr(kind, name, None)
        if limit is not None:
            outside = limit if open_interval else limit + sign * step * max(1, abs(limit))
            if isinstance(kind, ArrayOf):
                outside = np.full(np.shape(good), outside)
            yield f"outside of {name}", outside


def _other_kinds(good: object) -> Iterator[tuple[str, object]]:
    if not isinstance(good, dict):
        yield "dict", {"a": 1}
    if inspect.isclass(type(good)) and type(good).__module__.startswith("regmdp"):
        yield "class", type(good)


def _integers() -> Iterator[tuple[str, object]]:
    yield from (("2.5", 2.5), ("2.0", 2.0), ("nan", np.nan), ("inf", np.inf), ("True", True))
    yield from (("text", "3"), ("complex", 3 + 0j), ("huge", HUGE), ("list", [3]), ("-1", -1))
    yield from (("0", 0), ("timedelta", np.timedelta64(3)), ("array", np.array([1, 2])))
    yield from (("-huge", -HUGE), ("masked", np.ma.masked))


def _numbers() -> Iterator[tuple[str, object]]:
    yield from (("nan", np.nan), ("inf", np.inf), ("-inf", -np.inf), ("True", True))
    yield from (("text", "0.5"), ("complex", 0.5 + 0j), ("huge", HUGE), ("list", [0.5]))
    yield from (
        ("-1", -1.0),
        ("0", 0.0),
        ("2", 2.0),
        ("largest", LARGEST),
        ("timedelta", np.timedelta64(3)),
    )
    yield from (("array", np.array([0.5, 0.5])), ("masked", np.ma.masked))


def _is_nested_list(good: object) -> bool:
    if not isinstance(good, list | tuple) or not good:
        return False
    first = good[0]
    return isinstance(first, int | float) or _is_nested_list(first)


def _arrays(good: np.ndarray) -> Iterator[tuple[str, object]]:
    yield from (("text", "text"), ("complex", good + 0j), ("text entries", good.astype(str)))
    yield "date", np.zeros(good.shape, "M8[s]")
    yield "timedelta", np.zeros(good.shape, "m8[s]")
    yield "ragged", [[0.0, 1.0], [0.0]]
    yield "empty", np.zeros((0,) * good.ndim, good.dtype)
    yield "no dimension", good.dtype.type(0)
    yield "another dimension", np.broadcast_to(good, (2, *good.shape)).copy()
    if good.ndim:
        yield "a row more", np.concatenate([good, good[:1]])
        yield "a row less", good[:-1]
        if good.size:
            yield "masked", np.ma.array(good, mask=np.arange(good.size).reshape(good.shape) == 0)
        yield "records", np.zeros(good.shape, "f8,f8")
    if good.ndim in (1, 2) and len(good) > 1:
        frame = pd.DataFrame if good.ndim == 2 else pd.Series
        yield "shuffled frame", frame(good, index=range(len(good))[::-1])
    if good.ndim == 2:
        yield "a column more", np.concatenate([good, good[:, :1]], axis=1)
        yield "sparse", sp.csr_array(good)
    entries = good.astype(object)
    if good.size:
        yield "missing entry", _replace(entries, None)
        yield "object entry", _replace(entries, Nothing())
        yield "huge entry", _replace(entries, HUGE)
    if good.dtype.kind == "b":
        yield from (("sevens", np.full(good.shape, 7)), ("halves", np.full(good.shape, 0.5)))
    elif good.size:
        yield "nan", _replace(good.astype(float), np.nan)
        yield "inf", _replace(good.astype(float), np.inf)
        yield "boolean", np.ones(good.shape, bool)
        yield "sevens", np.full_like(good, 7)
        yield "negative", np.full_like(good, -1)
        yield "zeros", np.zeros_like(good)
        yield "largest", np.full(good.shape, LARGEST)
    if good.dtype.kind == "i":
        yield "halves", good + 0.5
        yield "doubles", good.astype(float)


def _replace(array: np.ndarray, entry: object) -> np.ndarray:
    array = np.array(array)
    array.flat[0] = entry
    return array
