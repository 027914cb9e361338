"""The public callables: functions and classes of every namespace, and the methods of the classes.

A method is listed once, under the first public class it is defined in or inherited by. Methods
without a parameter are not listed, and neither are abstract ones, which do nothing.
"""

import inspect
from collections.abc import Callable, Iterator
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
    "regmdp.choice",
    "regmdp.routes",
    "regmdp.plots",
    "regmdp.testing",
    "regmdp.reproduce",
    "regmdp.deep",
    "regmdp.cli",
)

#: Under these names a subpackage is imported by users, but it lies elsewhere.
PLACES = {name: f"regmdp.applications.{name}" for name in ("choice", "irl", "routes")}

#: Special methods that users call by an operator.
OPERATORS = ("__call__", "__getitem__")


@cache
def public_callables() -> dict[str, Callable[..., object]]:
    """Return every public function, class and method once, under the first name it has."""
    names = public_names()
    owners = {thing: name for name, thing in names.items() if inspect.isclass(thing)}
    found, listed = dict(names), set()
    for owner, name in owners.items():
        for method, definer in _methods(owner):
            if (definer, method) not in listed:
                listed.add((definer, method))
                found[f"{owners.get(definer, name)}.{method}"] = getattr(owner, method)
    return found


@cache
def public_names() -> dict[str, Callable[..., object]]:
    """Return every public function and class once, under the first name it has."""
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


def _methods(owner: type) -> Iterator[tuple[str, type]]:
    """Return the library's public methods of a class, and the class that defines each."""
    for name in dir(owner):
        definer = next((cls for cls in owner.__mro__ if name in vars(cls)), object)
        raw = vars(definer).get(name)
        if (
            (not name.startswith("_") or name in OPERATORS)
            and definer.__module__.startswith("regmdp")
            and (inspect.isfunction(raw) or isinstance(raw, classmethod | staticmethod))
            and not getattr(raw, "__isabstractmethod__", False)
            and _takes_something(getattr(owner, name), bound=not inspect.isfunction(raw))
        ):
            yield name, definer


def _takes_something(function: Callable[..., object], *, bound: bool) -> bool:
    return len(inspect.signature(function).parameters) > (0 if bound else 1)


def protocol_of(name: str) -> str | None:
    """Return the name of the public base class whose method this one overrides, if any."""
    owner, _, method = name.rpartition(".")
    cls = public_names().get(owner)
    if not inspect.isclass(cls):
        return None
    classes = {thing: place for place, thing in public_names().items() if inspect.isclass(thing)}
    bases = [base for base in cls.__mro__ if base in classes and method in vars(base)]
    return classes[bases[-1]] if bases else None


def find(name: str) -> Callable[..., object]:
    """Return the callable of an entry: a function, a class, or a method of a class.

    A method of objects takes the object as its argument ``self``.
    """
    return public_callables()[name.partition("#")[0]]


def call(function: Callable[..., object], arguments: dict[str, object]) -> object:
    """Call a function with arguments by name, whether they are positional or not."""
    signature = inspect.signature(function)
    bound = inspect.BoundArguments(signature, {})  # type: ignore[arg-type]
    for name in signature.parameters:
        if name in arguments:
            bound.arguments[name] = arguments[name]
    return function(*bound.args, **bound.kwargs)
