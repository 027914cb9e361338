"""The type checker of calls at run time.

beartype, for which an int is as good as a float, as PEP 484 has it. Parameters of a public function
are checked for their shapes and dtypes where these are annotated; that it refuses other wrong types
with an error of the library's own is what the tests of bad input check.
"""

import inspect
from typing import Any, get_args

from beartype import BeartypeConf, beartype
from jaxtyping import AbstractArray

_check = beartype(conf=BeartypeConf(is_pep484_tower=True))


def typechecker(function):
    """Return the function with the types of its arguments and of what it returns checked."""
    if _is_public(function.__qualname__):
        function.__annotations__ = {
            name: hint if name == "return" or _has_shape(hint) else Any
            for name, hint in function.__annotations__.items()
        }
    return _check(function)


def _is_public(qualified_name):
    names = qualified_name.split(".")
    return not any(name.startswith("_") and not name.endswith("__") for name in names)


def _has_shape(hint):
    if inspect.isclass(hint) and issubclass(hint, AbstractArray):
        return True
    return any(_has_shape(part) for part in get_args(hint))
