"""The public callables: functions and classes of every namespace, and some methods of classes."""

import inspect
from collections.abc import Callable
from functools import cache
from importlib import import_module

NAMESPACES = (
    "regmdp",
    "regmdp.algorithms",
    "regmdp.bellman",
    "regmdp.certificates",
    "regmdp.evaluation",
    "regmdp.improvement",
    "regmdp.off_policy",
    "regmdp.regularizers",
    "regmdp.samples",
    "regmdp.theory",
    "regmdp.models",
    "regmdp.gradients",
    "regmdp.irl",
    "regmdp.io",
)

#: Under these names a subpackage is imported by users, but it lies elsewhere.
PLACES = {name: f"regmdp.applications.{name}" for name in ("choice", "irl", "routes")}


@cache
def public_callables() -> dict[str, Callable[..., object]]:
    """Return every public callable once, under the first name it has."""
    found: dict[str, Callable[..., object]] = {}
    seen: set[int] = set()
    for namespace in NAMESPACES:
        module = import_module(PLACES.get(namespace.removeprefix("regmdp."), namespace))
        for name in sorted(module.__all__):
            thing = getattr(module, name)
            if callable(thing) and id(thing) not in seen and not _is_exception(thing):
                seen.add(id(thing))
                found[f"{namespace}.{name}"] = thing
    return found


def _is_exception(thing: object) -> bool:
    return inspect.isclass(thing) and issubclass(thing, Exception)


def find(name: str) -> Callable[..., object]:
    """Return the callable of an entry: a function, a class, or a class's method made public."""
    name = name.partition("#")[0]
    found = public_callables()
    if name in found:
        return found[name]
    owner, _, method = name.rpartition(".")
    return getattr(found[owner], method)


def call(function: Callable[..., object], arguments: dict[str, object]) -> object:
    """Call a function with arguments by name, whether they are positional or not."""
    signature = inspect.signature(function)
    bound = inspect.BoundArguments(signature, {})  # type: ignore[arg-type]
    for name in signature.parameters:
        if name in arguments:
            bound.arguments[name] = arguments[name]
    return function(*bound.args, **bound.kwargs)
