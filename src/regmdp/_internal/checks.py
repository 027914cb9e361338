"""Checks of arguments: integers, numbers, options, and the first wrong entry of an array.

``name`` is what the message calls the argument, such as ``"max_iterations"``. Booleans and NaN are
never numbers here.
"""

from __future__ import annotations

import difflib
import math
import operator
from collections.abc import Callable, Collection
from numbers import Real
from typing import SupportsIndex, TypeVar

import numpy as np

from regmdp._internal.errors import RegmdpError, SolverError

__all__ = [
    "LARGE_ROOT",
    "check_integer",
    "check_number",
    "check_option",
    "describe_first",
    "describe_limits",
    "is_number",
    "join_advice",
    "printable",
    "show",
]

Option = TypeVar("Option", bound=str)

#: Largest number of a parameter that is squared or multiplied by others like it: no overflow.
LARGE_ROOT = 1e150

#: Number of characters of a value that a message shows at most.
LONGEST_SHOWN = 77


def check_integer(
    name: str,
    value: object,
    minimum: int | None = 1,
    maximum: int | None = None,
    *,
    error: type[RegmdpError] = SolverError,
    advice: str = "",
) -> int:
    """Return an integer between two limits, both included; None is no limit but that of 64 bits.

    Raises:
        RegmdpError: of the class ``error``, ending in ``advice``, if the value is anything else.

    Examples:
        >>> check_integer("max_iterations", 3)
        3
        >>> check_integer("max_iterations", 2.5)
        Traceback (most recent call last):
        regmdp.SolverError: max_iterations must be an integer, 1 or more, not 2.5
    """
    number = _as_integer(value)
    if (
        number is None
        or (minimum is not None and number < minimum)
        or (maximum is not None and number > maximum)
    ):
        limits = describe_limits(minimum, None, maximum, None)
        raise error(join_advice(f"{name} must be an integer{limits}, not {show(value)}", advice))
    if not -(2**63) <= number < 2**63:
        raise error(join_advice(f"{name} must be an integer of 64 bits, not {show(value)}", advice))
    return number


def check_number(
    name: str,
    value: object,
    minimum: float | None = None,
    maximum: float | None = None,
    *,
    above: float | None = None,
    below: float | None = None,
    finite: bool = True,
    error: type[RegmdpError] = SolverError,
    advice: str = "",
) -> float:
    """Return a real number within limits as a float.

    Args:
        name: What the message calls the argument.
        value: A number; an array without dimensions is one.
        minimum: Smallest value, if any.
        maximum: Largest value, if any.
        above: The value must be greater than this, if given.
        below: The value must be less than this, if given.
        finite: Whether infinite values are refused.
        error: Class of the exception.
        advice: What to do instead; the end of the message.

    Raises:
        RegmdpError: of the class ``error``, if the value is anything else.

    Examples:
        >>> check_number("discount", 1, 0.0, 1.0)
        1.0
        >>> check_number("power", 0.0, above=0.0, maximum=1.0)
        Traceback (most recent call last):
        regmdp.SolverError: power must be a number in (0, 1], not 0.0
    """
    number = _as_float(value)
    if (
        number is None
        or math.isnan(number)
        or (finite and math.isinf(number))
        or (minimum is not None and number < minimum)
        or (maximum is not None and number > maximum)
        or (above is not None and not number > above)
        or (below is not None and not number < below)
    ):
        if maximum == LARGE_ROOT and not (number or 0.0) > LARGE_ROOT:
            maximum = None  # this limit is not what is wrong
        if minimum == -LARGE_ROOT and not (number or 0.0) < -LARGE_ROOT:
            minimum = None
        limits = describe_limits(minimum, above, maximum, below)
        bounded = (minimum, above) != (None, None) and (maximum, below) != (None, None)
        kind = "a finite number" if finite and not bounded else "a number"
        raise error(join_advice(f"{name} must be {kind}{limits}, not {show(value)}", advice))
    return number


def check_option(
    name: str,
    value: object,
    options: Collection[Option],
    *,
    error: type[RegmdpError] = SolverError,
    advice: str = "",
) -> Option:
    """Return one of several strings.

    Raises:
        RegmdpError: of the class ``error``, if the value is none of them; it names the nearest one.

    Examples:
        >>> check_option("method", "exact", ["exact", "sweeps"])
        'exact'
        >>> check_option("method", "sweep", ["exact", "sweeps"])
        Traceback (most recent call last):
        regmdp.SolverError: method must be 'exact' or 'sweeps', not 'sweep'; did you mean 'sweeps'?
    """
    if isinstance(value, str):
        for option in options:
            if option == value:
                return option
    names = [repr(str(option)) for option in options]
    listed = " or ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
    message = f"{name} must be {listed}, not {show(value)}"
    near = difflib.get_close_matches(str(value), options, n=1) if isinstance(value, str) else []
    raise error(
        join_advice(join_advice(message, f"did you mean {str(near[0])!r}?" if near else ""), advice)
    )


def describe_first(
    bad: np.ndarray | np.bool_,
    describe: Callable[..., str],
    things: str,
    advice: str = "",
    *,
    of: int | None = None,
) -> str:
    """Return a message about the first wrong entry of an array, how many there are, and what to do.

    Args:
        bad: Mask of any shape: True where an entry is wrong. At least one is.
        describe: Called with the index of the first, one integer for each dimension; says where it
            is and what is wrong.
        things: What the entries are, in the plural: "states", "pairs", "rows".
        advice: What to do about them.
        of: The number of entries that could be wrong, if it is not the size of the mask.

    Examples:
        >>> p = np.array([[0.5, 0.5], [0.3, -0.1], [-1.0, 2.0]])
        >>> describe_first(p < 0, lambda s, a: f"p[{s}, {a}] is {p[s, a]}", "entries", "clip them")
        'p[1, 1] is -0.1; 2 of 6 entries are wrong; clip them'
    """
    bad = np.asarray(bad)
    index = (int(i) for i in np.unravel_index(np.argmax(bad), bad.shape))
    count, total = int(np.count_nonzero(bad)), bad.size if of is None else of
    verb = "is" if count == 1 else "are"
    message = describe(*index)
    if total > 1:
        message = f"{message}; {count} of {total} {things} {verb} wrong"
    return join_advice(message, advice)


def show(value: object) -> str:
    """Return a value as a message shows it: on one line, shortened, without control characters.

    >>> show(np.zeros((2, 2))), show(10**100)
    ('array([[0., 0.], [0., 0.]])',
     '1000000000000000000000000000000000000000000000000000000000000000000000000000…')
    """
    try:
        text = repr(value)
    except Exception:  # of a class of the user, or an integer of more digits than Python prints
        text = f"a value of type {type(value).__name__}"
    text = printable(" ".join(text.split()))
    return text if len(text) <= LONGEST_SHOWN else f"{text[: LONGEST_SHOWN - 1]}…"


def printable(text: str) -> str:
    r"""Return a text on one line, with its control characters and line breaks written out.

    >>> printable("left\n\x1b[31mred")
    'left\\n\\x1b[31mred'
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def is_number(value: object) -> bool:
    """Whether a value is a real number of any library; infinite ones and NaN are.

    >>> is_number(np.float32(1.0)), is_number(True), is_number(np.zeros(2)), is_number("1")
    (True, False, False, False)
    """
    if _is_no_number(value):
        return False
    if isinstance(value, Real):
        return True
    return getattr(value, "shape", None) == () and _as_float(value) is not None


def _as_integer(value: object) -> int | None:
    """Return an integer of any library; None for a boolean or anything else."""
    if type(value) is int:  # at once: inner loops come here
        return value
    if _is_no_number(value) or not isinstance(value, SupportsIndex):
        return None
    try:
        return operator.index(value)
    except TypeError:  # an array of several numbers, or of other ones
        return None


def _is_no_number(value: object) -> bool:
    """Whether a value is a boolean, a length of time or masked, which Python counts as numbers."""
    return isinstance(value, bool | np.timedelta64 | np.ma.MaskedArray)


def _as_float(value: object) -> float | None:
    """Return a real number as a float; None for a boolean, a complex number, text or an array."""
    if type(value) is float:  # at once: inner loops come here
        return value
    if _is_no_number(value):
        return None
    if isinstance(value, Real):
        try:
            return float(value)
        except OverflowError:
            return None
    if hasattr(value, "dtype"):
        try:
            array = np.asarray(value)
        except TypeError:  # an array that JAX traces
            return None
        return float(array) if array.ndim == 0 and array.dtype.kind in "iuf" else None
    return None


def describe_limits(
    minimum: float | None, above: float | None, maximum: float | None, below: float | None
) -> str:
    """Return the limits as the end of "must be a number": " in (0, 1]" or " above 0"."""
    low = minimum if above is None else above
    high = maximum if below is None else below
    if low is not None and high is not None:
        left, right = "[" if above is None else "(", "]" if below is None else ")"
        return f" in {left}{_show_limit(low)}, {_show_limit(high)}{right}"
    if low is not None:
        return f", {_show_limit(low)} or more" if above is None else f" above {_show_limit(low)}"
    if high is not None:
        return f", {_show_limit(high)} or less" if below is None else f" below {_show_limit(high)}"
    return ""


def _show_limit(limit: float) -> str:
    """Return a number, an integer with all digits."""
    return str(limit) if isinstance(limit, int) else f"{limit:g}"


def join_advice(message: str, advice: str) -> str:
    """Return a message with what to do about it, if there is any advice."""
    return f"{message}; {advice}" if advice else message
