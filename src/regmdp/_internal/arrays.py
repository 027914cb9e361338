"""Array namespaces, shape annotations and array functions for all layers.

Shape annotations such as ``Float[Array, "S A"]`` are jaxtyping's: a type checker reads the type of
the array, and the tests check shapes and dtypes at run time.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
from array_api_compat import array_namespace as _array_namespace
from jaxtyping import Bool, Float, Int, Shaped

__all__ = [
    "UNIT_ROUNDOFF",
    "Array",
    "ArrayLike",
    "Bool",
    "Float",
    "Int",
    "Shaped",
    "SparseArray",
    "array_namespace",
    "assign",
    "block_sum",
    "freeze",
    "freeze_fields",
    "is_traced",
    "one_hot",
    "read_only",
    "repeat_while",
    "unit_roundoff",
]

if TYPE_CHECKING:

    class SupportsArray(Protocol):
        """An array of any library that NumPy can read."""

        def __array__(self, *args: Any, **keywords: Any) -> np.ndarray: ...

    #: An array; where regularizers, improvements and certificates are evaluated in JAX, one of JAX.
    Array: TypeAlias = np.ndarray[Any, Any]

    class SparseArray(Protocol):
        """A sparse array or matrix of SciPy."""

        @property
        def shape(self) -> Any: ...

        def tocsr(self, copy: bool = ...) -> Any: ...

    #: Real numbers that numpy.asarray makes an array of: a number, an array, or a nested list.
    ArrayLike: TypeAlias = (
        float
        | SupportsArray
        | Sequence[float]
        | Sequence[SupportsArray]
        | Sequence[Sequence[float]]
        | Sequence[Sequence[Sequence[float]]]
    )
else:
    Array = ArrayLike = SparseArray = Any

#: Largest relative error of one correctly rounded double-precision operation, 2^-53.
UNIT_ROUNDOFF = float(np.finfo(np.float64).eps) / 2

#: Most numbers that are summed without blocks.
MAX_PLAIN_SUM = 64


def array_namespace(*arrays: Any) -> Any:
    """Return the array API namespace of the arrays.

    Numbers are ignored, and so are NumPy arrays next to arrays of another library.
    """
    found = [
        array
        for array in arrays
        if hasattr(array, "shape") and not isinstance(array, np.ndarray | np.generic)
    ]
    return _array_namespace(*found) if found else np


def is_traced(*arrays: Any) -> bool:
    """Whether some of the arrays are JAX tracers, without values while JAX compiles."""
    jax = sys.modules.get("jax")
    return jax is not None and any(isinstance(array, jax.core.Tracer) for array in arrays)


def repeat_while(
    step: Callable[[Any], Any], going: Callable[[Any], Array], state: tuple[Array, ...], limit: int
) -> tuple[Array, ...]:
    """Repeat a step from arrays to arrays while a (…) mask has a true entry, up to a limit.

    If the arrays are traced by JAX, the loop is compiled.

    >>> repeat_while(
    ...     lambda state: (state[0] / 2,), lambda state: state[0] > 1, (np.array([8.0]),), 100
    ... )
    (array([1.]),)
    """
    for count in range(limit):
        left = going(state)
        if is_traced(left):
            return _repeat_compiled(step, going, state, limit - count)
        if not bool(array_namespace(left).any(left)):
            break
        state = step(state)
    return state


def _repeat_compiled(
    step: Callable[[Any], Any], going: Callable[[Any], Array], state: tuple[Array, ...], limit: int
) -> tuple[Array, ...]:
    """Repeat a step in a loop of JAX."""
    import jax  # which made the arrays

    _, state = jax.lax.while_loop(
        lambda counted: (counted[0] < limit) & jax.numpy.any(going(counted[1])),
        lambda counted: (counted[0] + 1, step(counted[1])),
        (0, state),
    )
    return state


def unit_roundoff(array: Array) -> float:
    """Return the largest relative rounding error of one operation in the dtype of an array.

    >>> unit_roundoff(np.zeros(3)) == UNIT_ROUNDOFF
    True
    """
    return float(array_namespace(array).finfo(array.dtype).eps) / 2


def freeze(array: np.ndarray) -> np.ndarray:
    """Return a view of the array that cannot be written to."""
    view = array.view()
    view.flags.writeable = False
    return view


def block_sum(array: Float[Array, "*batch A"]) -> Float[Array, "*batch"]:
    """Sum the last axis in about √n blocks of √n numbers, or in any order if there are few.

    The error is at most 2(√n + 1) u times the sum of the absolute values, where that of a sum from
    left to right may be n u (Higham 2002, *Accuracy and Stability of Numerical Algorithms*, section
    4.2).

    >>> float(block_sum(np.full((1000,), 0.1))) == 100.0
    True
    """
    xp, n_numbers = array_namespace(array), array.shape[-1]
    if n_numbers <= MAX_PLAIN_SUM:
        return xp.sum(array, axis=-1)
    size = math.isqrt(n_numbers - 1) + 1
    parts = [
        xp.sum(array[..., first : first + size], axis=-1) for first in range(0, n_numbers, size)
    ]
    return xp.sum(xp.stack(parts, axis=-1), axis=-1)


def freeze_fields(instance: object, *names: str) -> None:
    """Make fields of a new frozen dataclass that are arrays of NumPy read-only views of them."""
    for name in names:
        object.__setattr__(instance, name, read_only(getattr(instance, name)))


def read_only(array: Array) -> Array:
    """Return an array that a user's function cannot write to: a view, if it is one of NumPy.

    >>> read_only(np.zeros(2)).flags.writeable
    False
    """
    return freeze(array) if isinstance(array, np.ndarray) else array


def one_hot(actions: Int[Array, "*batch"], n_actions: int) -> Float[Array, "*batch A"]:
    """(…) action indices -> (…, A) float64: 1 at the action, 0 elsewhere.

    >>> one_hot(np.array([2, 0]), 3)
    array([[0., 0., 1.],
           [1., 0., 0.]])
    """
    xp = array_namespace(actions)
    return xp.astype(actions[..., None] == xp.arange(n_actions), xp.float64)


def assign(where: Any, *parts: tuple[np.ndarray, np.ndarray]) -> None:
    """Write the results of a block of states into the arrays of all states.

    >>> whole = np.zeros(3)
    >>> assign(slice(1, 3), (whole, np.array([1.0, 2.0])))
    >>> whole
    array([0., 1., 2.])
    """
    for whole, part in parts:
        whole[where] = part
