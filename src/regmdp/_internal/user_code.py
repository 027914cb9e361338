"""Calls of functions and methods of users, whose writes to read-only arrays become clear errors.

Users' functions get arrays of models, iterates and certificates, which they must not change, so
these cannot be written to. NumPy then only says that some array is read-only. What these functions
pass to methods of the library is not checked as users' own calls are: an algorithm may call them at
points that are no distributions, and a check in each iteration would cost time.
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import numpy as np

from regmdp._internal.errors import RegmdpError

__all__ = ["call_user", "calls_user_code", "name_function", "user_methods"]

Class = TypeVar("Class", bound=type[Any])
Result = TypeVar("Result")


class _Depth(threading.local):
    """How many users' functions are being called by this thread, one from within the other."""

    calls = 0


_depth = _Depth()


def calls_user_code() -> bool:
    """Whether this thread is in a function of a user that the library has called."""
    return _depth.calls > 0


def call_user(
    error_class: type[RegmdpError],
    function: Callable[..., Result],
    /,
    *arguments: Any,
    **keywords: Any,
) -> Result:
    """Call a user's function.

    Args:
        error_class: Class of the exceptions.
        function: The function.
        arguments: Its arguments.
        keywords: Its arguments by keyword.

    Raises:
        RegmdpError: if it writes into an array that is read-only, naming it and its arguments.

    Examples:
        >>> from regmdp._internal.arrays import freeze
        >>> def double(p):
        ...     p *= 2
        >>> call_user(RegmdpError, double, freeze(np.ones(2)))
        Traceback (most recent call last):
        regmdp.RegmdpError: double writes into an array that is read-only: its argument p must ...
    """
    _depth.calls += 1
    try:
        return function(*arguments, **keywords)
    except ValueError as error:
        if isinstance(error, RegmdpError) or "read-only" not in str(error):
            raise
        raise error_class(
            f"{name_function(function)} writes into an array that is read-only: "
            f"{_name_arguments(function, arguments, keywords)} must not be changed; let "
            "the function work on a copy, such as p = p.copy()"
        ) from error
    finally:
        _depth.calls -= 1


def user_methods(error_class: type[RegmdpError]) -> Callable[[Class], Class]:
    """Call the methods that users' subclasses override as :func:`call_user` calls functions.

    Whatever calls them, wherever it is. Methods of this library's own classes stay as they are.
    """

    def decorate(cls: Any) -> Any:
        own = vars(cls).get("__init_subclass__")

        def init_subclass(subclass: type[Any], **keywords: Any) -> None:
            inherited = super(cls, subclass).__init_subclass__
            (inherited if own is None else own.__get__(None, subclass))(**keywords)
            if subclass.__module__.partition(".")[0] != "regmdp":
                _wrap_methods(cls, subclass, error_class)

        cls.__init_subclass__ = classmethod(init_subclass)
        return cls

    return decorate


def _wrap_methods(cls: type[Any], subclass: type[Any], error_class: type[RegmdpError]) -> None:
    """Replace the methods of a subclass that the class has, too."""
    for name, function in list(vars(subclass).items()):
        special = name.startswith("__") and name != "__call__"
        if inspect.isfunction(function) and hasattr(cls, name) and not special:
            setattr(subclass, name, _wrap(function, error_class))


def _wrap(function: Callable[..., Any], error_class: type[RegmdpError]) -> Callable[..., Any]:
    @wraps(function)
    def wrapper(*arguments: Any, **keywords: Any) -> Any:
        return call_user(error_class, function, *arguments, **keywords)

    return wrapper


def name_function(function: Any) -> str:
    """Return the name of a function, with its line if it has none of its own."""
    name = getattr(function, "__qualname__", type(function).__name__).rpartition("<locals>.")[2]
    code = getattr(function, "__code__", None)
    if name != "<lambda>" or code is None:
        return name
    return f"the lambda in line {code.co_firstlineno} of {code.co_filename}"


def _name_arguments(
    function: Callable[..., Any], arguments: tuple[Any, ...], keywords: dict[str, Any]
) -> str:
    """Return the names of the arguments that cannot be written to."""
    try:
        bound = inspect.signature(function).bind(*arguments, **keywords).arguments
    except (TypeError, ValueError):  # some functions have no signature
        return "what it is given"
    names = [name for name, value in bound.items() if name != "self" and _is_locked(value)]
    if not names:
        return "what it is given"
    return f"its argument{'s' if len(names) > 1 else ''} {' and '.join(names)}"


def _is_locked(value: object) -> bool:
    """Whether a value is a read-only array, or an object of this library, which may hold some."""
    if isinstance(value, np.ndarray):
        return not value.flags.writeable
    return type(value).__module__.partition(".")[0] == "regmdp"
