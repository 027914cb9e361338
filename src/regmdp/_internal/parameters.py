"""Declarations of what the parameters of a function or class may be, checked at each call.

A declaration stands above the function::

    @checked(count=Integer(minimum=1), rate=Number(above=0.0, maximum=1.0) | Instance(Rate) | None)
    def step(count: int, rate: float | Rate | None = None) -> None: ...

Arguments are checked, and converted, before the function runs: ``count`` is then an int, whichever
library it came from. Defaults are not checked. The tests of bad input read the declarations from
``step.declarations``, or from ``__init__`` of a class, or from the class.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from typing import Any, TypeVar

from regmdp._internal.array_kinds import (
    ArrayOf,
    Distributions,
    find_shared_letters,
    require_same_sizes,
)
from regmdp._internal.errors import RegmdpError, SolverError
from regmdp._internal.kinds import (
    FileName,
    Flag,
    Function,
    Generator,
    Instance,
    Integer,
    Kind,
    MappingOf,
    Number,
    Option,
    SequenceOf,
    Text,
    check_sequence,
)

__all__ = [
    "ArrayOf",
    "Distributions",
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
    "checked",
    "checked_methods",
]

Target = TypeVar("Target", bound=Callable[..., Any])
Class = TypeVar("Class", bound=type[Any])


def checked(
    error_class: type[RegmdpError] = SolverError, /, **declarations: Kind
) -> Callable[[Target], Target]:
    """Check the arguments of a function, or of the constructor of a class, at each call.

    Args:
        error_class: Class of the exceptions.
        declarations: What each parameter may be. Those that are not named are not checked.

    Examples:
        >>> import numpy as np
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


def checked_methods(
    error_class: type[RegmdpError] = SolverError, /, **methods: Mapping[str, Kind]
) -> Callable[[Class], Class]:
    """Check the arguments of methods of a class, and of the methods that override them.

    Args:
        error_class: Class of the exceptions.
        methods: For each method what its parameters may be. Abstract methods are not checked, nor
            are parameters that an overriding method calls otherwise.

    Examples:
        >>> @checked_methods(steps=dict(count=Integer(minimum=1)))
        ... class Walk:
        ...     def steps(self, count: int) -> int: ...
        >>> class LongWalk(Walk):
        ...     def steps(self, count: int) -> int:
        ...         return 1000 * count
        >>> LongWalk().steps(0)
        Traceback (most recent call last):
        regmdp.SolverError: count must be an integer, 1 or more, not 0
    """

    def wrap(function: Any, declarations: Mapping[str, Kind]) -> Any:
        known = inspect.signature(function).parameters
        here = {one: kind for one, kind in declarations.items() if one in known}
        return _wrap(function, here, error_class)

    return wrap_methods(methods, wrap)


def wrap_methods(
    methods: Mapping[str, Mapping[str, Kind]],
    wrap: Callable[[Any, Mapping[str, Kind]], Any],
) -> Callable[[Class], Class]:
    """Replace methods of a class, and those that override them, by functions around them.

    Args:
        methods: For each method what its parameters may be. Abstract methods are left alone.
        wrap: Makes the new function from a method and what is declared of its parameters.
    """

    def wrap_own(cls: type[Any]) -> None:
        for name, declarations in methods.items():
            function = vars(cls).get(name)
            if inspect.isfunction(function) and not getattr(
                function, "__isabstractmethod__", False
            ):
                setattr(cls, name, wrap(function, declarations))

    def decorate(cls: Any) -> Any:
        own = vars(cls).get("__init_subclass__")

        def init_subclass(subclass: type[Any], **keywords: Any) -> None:
            inherited = super(cls, subclass).__init_subclass__
            (inherited if own is None else own.__get__(None, subclass))(**keywords)
            wrap_own(subclass)

        wrap_own(cls)
        cls.__init_subclass__ = classmethod(init_subclass)
        return cls

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

    needs_model = any(kind.needs_model for kind in declarations.values())
    shared = find_shared_letters(declarations)

    @wraps(function)
    def wrapper(*arguments: Any, **keywords: Any) -> Any:
        model = _find_model((*arguments, *keywords.values())) if needs_model else None
        positional = [
            declarations[name].check(name, value, model, error) if name in declarations else value
            for name, value in zip(names, arguments, strict=False)
        ]
        for name, kind in declarations.items():
            if name in keywords:
                keywords[name] = kind.check(name, keywords[name], model, error)
        if shared:
            given = {**dict(zip(names, positional, strict=False)), **keywords}
            require_same_sizes(shared, given, error)
        return function(*positional, *arguments[len(names) :], **keywords)

    wrapper.declarations = declarations  # pyright: ignore[reportAttributeAccessIssue]
    return wrapper


def _find_model(values: Iterable[object]) -> Any:
    """Return the first argument with named dimensions, or with states and actions, or None."""
    for value in values:
        if isinstance(getattr(value, "dimensions", None), Mapping):
            return value
        if isinstance(getattr(value, "n_states", None), int) and hasattr(value, "n_actions"):
            return value
    return None
