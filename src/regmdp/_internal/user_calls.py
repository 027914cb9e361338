"""Checks of methods that users call and that the library calls in its loops.

The library has checked what it passes on, so calls from its own modules, and from functions of
users that it calls, are not checked: they cost one look at the caller.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from functools import wraps
from types import FrameType
from typing import Any, TypeVar

from regmdp._internal.arrays import is_traced
from regmdp._internal.kinds import Kind
from regmdp._internal.parameters import wrap_methods
from regmdp._internal.user_code import calls_user_code

__all__ = ["checked_for_users"]

#: Packages whose calls stand between a caller and a method while types are checked at run time.
RUN_TIME_CHECKERS = ("beartype", "jaxtyping")

Class = TypeVar("Class", bound=type[Any])

#: Checks the arguments of a call, and returns its answer. Its parameters are the function, the
#: object, the arguments by name, and what is declared of them.
Door = Callable[[Callable[..., Any], Any, dict[str, Any], Mapping[str, Kind]], Any]


def checked_for_users(door: Door, /, **methods: Mapping[str, Kind]) -> Callable[[Class], Class]:
    """Check calls of methods, and of the methods that override them, from outside of the library.

    Args:
        door: What checks a call and makes it.
        methods: For each method what its parameters may be. Abstract methods are not checked, nor
            are parameters that an overriding method calls otherwise. A call with a tracer of JAX
            among its arguments is not checked.
    """
    return wrap_methods(methods, lambda function, declarations: _wrap(function, declarations, door))


def _wrap(function: Any, declarations: Mapping[str, Kind], door: Door) -> Any:
    signature = inspect.signature(function)
    here = {name: kind for name, kind in declarations.items() if name in signature.parameters}

    @wraps(function)
    def wrapper(self: Any, *arguments: Any, **keywords: Any) -> Any:
        frame: FrameType | None = sys._getframe(1)
        caller = frame.f_globals.get("__name__", "")
        while frame and caller.partition(".")[0] in RUN_TIME_CHECKERS:
            frame = frame.f_back
            caller = frame.f_globals.get("__name__", "") if frame else ""
        if caller[:7] == "regmdp." or calls_user_code():
            return function(self, *arguments, **keywords)
        given = signature.bind(self, *arguments, **keywords).arguments
        del given[next(iter(given))]
        if is_traced(*given.values()):
            return function(self, *arguments, **keywords)
        return door(function, self, given, here)

    wrapper.declarations = here  # pyright: ignore[reportAttributeAccessIssue]
    return wrapper
