"""One-line representations of objects with functions and arrays in them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

__all__ = ["describe_attributes"]

#: Largest number of characters of the representation of one attribute.
MAX_CHARACTERS = 60


def describe_attributes(instance: object) -> str:
    """Return the class of an object and its public attributes, in one line.

    Functions are shown by name, a lambda with its line; arrays by shape. An attribute that is None
    or empty is omitted.

    Examples:
        >>> import numpy as np
        >>> class Priced:
        ...     def __init__(self, price, temperature):
        ...         self.price, self.temperature = price, temperature
        >>> describe_attributes(Priced(np.zeros((5, 2)), 0.5))
        'Priced(price of shape (5, 2), temperature=0.5)'
    """
    shown = [
        _describe_attribute(name, value)
        for name, value in vars(instance).items()
        if not name.startswith("_") and not _is_empty(value)
    ]
    return f"{type(instance).__name__}({', '.join(shown)})"


def _is_empty(value: object) -> bool:
    return value is None or (isinstance(value, Mapping | tuple | list) and not value)


def _describe_attribute(name: str, value: object) -> str:
    shape = getattr(value, "shape", ())
    if shape:
        return f"{name} of shape {tuple(shape)}"
    if isinstance(value, Mapping):
        inside = ", ".join(_describe_attribute(str(key), part) for key, part in value.items())
        return f"{name}={{{inside}}}"
    return f"{name}={_describe_value(value)}"


def _describe_value(value: object) -> str:
    if isinstance(value, np.generic) or getattr(value, "shape", None) == ():
        return repr(np.asarray(value).item())
    code = getattr(value, "__code__", None)
    if code is not None and getattr(value, "__name__", "") == "<lambda>":
        return f"<lambda in line {code.co_firstlineno} of {Path(code.co_filename).name}>"
    if callable(value):
        return str(getattr(value, "__qualname__", type(value).__name__)).replace("<locals>.", "")
    text = " ".join(repr(value).split())
    return text if len(text) <= MAX_CHARACTERS else f"{text[: MAX_CHARACTERS - 1]}…"
