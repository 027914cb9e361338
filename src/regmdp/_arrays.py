"""Array namespaces, shape annotations and the few array helpers that every layer shares.

Shape annotations such as ``Float[Array, "S A"]`` are jaxtyping's. They are checked when the test suite runs, which imports
jaxtyping first; otherwise they are inert, and the library neither needs it nor waits for it.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np
from array_api_compat import array_namespace as _array_namespace

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Bool, Float, Int, Shaped
else:

    class _Inert:
        def __class_getitem__(cls, item: Any) -> Any:
            return Any

    Bool = Float = Int = Shaped = _Inert

__all__ = [
    "UNIT_ROUNDOFF",
    "Array",
    "ArrayLike",
    "Bool",
    "Float",
    "Int",
    "Shaped",
    "array_namespace",
    "frozen",
    "one_hot",
    "write",
]

#: An array of any library that follows the Python array API standard.
Array = Any

#: Anything that numpy.asarray makes an array of.
ArrayLike = Any

#: Largest relative error of one correctly rounded double-precision operation, 2^-53.
UNIT_ROUNDOFF = float(np.finfo(np.float64).eps) / 2


def array_namespace(*arrays: Any) -> Any:
    """Return the array API namespace of the arrays; plain numbers are ignored."""
    found = [array for array in arrays if hasattr(array, "shape") and not np.isscalar(array)]
    if all(isinstance(array, np.ndarray) for array in found):
        return np
    return _array_namespace(*found)


def frozen(array: np.ndarray) -> np.ndarray:
    """Return a view of the array that cannot be written to."""
    view = array.view()
    view.flags.writeable = False
    return view


def one_hot(actions: Int[Array, "*batch"], n_actions: int) -> Float[Array, "*batch A"]:
    """(…) action indices -> (…, A) float64: 1 at the action, 0 elsewhere.

    >>> one_hot(np.array([2, 0]), 3)
    array([[0., 0., 1.],
           [1., 0., 0.]])
    """
    xp = array_namespace(actions)
    return xp.astype(actions[..., None] == xp.arange(n_actions), xp.float64)


def write(where: Any, *parts: tuple[np.ndarray, np.ndarray]) -> None:
    """Write parts, such as what was found for a block of states, into the arrays of all.

    >>> whole = np.zeros(3)
    >>> write(slice(1, 3), (whole, np.array([1.0, 2.0])))
    >>> whole
    array([0., 1., 2.])
    """
    for whole, part in parts:
        whole[where] = part
