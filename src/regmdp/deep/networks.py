"""Networks as pairs of functions, ``init`` and ``apply``: a small perceptron of our own, and modules of Equinox."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from regmdp._internal.arrays import Array, Float, array_namespace
from regmdp._internal.errors import MissingExtraError, SolverError

__all__ = ["Network", "equinox", "mlp"]


class Network(NamedTuple):
    """A function with parameters.

    Attributes:
        init: From a JAX random key, the number of inputs and that of outputs to parameters, a
            pytree of arrays.
        apply: From parameters and (…, inputs) arrays to (…, outputs) arrays.
        spec: The arguments of :func:`mlp` if it is one; then a file can say what it is.
    """

    init: Callable[[Array, int, int], Any]
    apply: Callable[[Any, Array], Array]
    spec: dict[str, Any] | None = None


#: What may stand between layers.
ACTIVATIONS: dict[str, Callable[[Any, Array], Array]] = {
    "tanh": lambda xp, x: xp.tanh(x),
    "relu": lambda xp, x: xp.maximum(x, 0.0),
}


def mlp(hidden: Sequence[int] = (64, 64), activation: str = "tanh", last: float = 1.0) -> Network:
    """Return a perceptron with orthogonal weights, which runs on NumPy's arrays as well as on JAX's.

    Args:
        hidden: Units of each hidden layer; none for a linear function.
        activation: "tanh" or "relu".
        last: Scale of the last layer's weights at the start; small ones begin near the uniform
            policy.

    Raises:
        SolverError: if a layer or the activation is none.

    Examples:
        >>> import jax, numpy as np
        >>> network = mlp((8,))
        >>> params = network.init(jax.random.key(0), 3, 2)
        >>> network.apply(params, np.zeros((5, 3))).shape
        (5, 2)
    """
    return _perceptron(tuple(hidden), activation, last)


@cache
def _perceptron(sizes: tuple[int, ...], activation: str, last: float) -> Network:
    """Return the same network for the same arguments, so that what was compiled with one serves all."""
    if not all(isinstance(size, int) and size >= 1 for size in sizes):
        raise SolverError(f"hidden layers are numbers of units, 1 or more, not {sizes!r}")
    if activation not in ACTIVATIONS:
        raise SolverError(
            f"the activation must be one of {', '.join(ACTIVATIONS)}, not {activation!r}"
        )
    bend = ACTIVATIONS[activation]
    gain = math.sqrt(2.0)

    def init(key: Array, inputs: int, outputs: int) -> list[tuple[Array, Array]]:
        layers = []
        widths = (inputs, *sizes, outputs)
        for index, layer_key in enumerate(jax.random.split(key, len(widths) - 1)):
            scale = gain if index < len(sizes) else last
            weights = jax.nn.initializers.orthogonal(scale)(
                layer_key, widths[index : index + 2], jnp.float32
            )
            layers.append((weights, jnp.zeros(widths[index + 1])))
        return layers

    def apply(
        params: list[tuple[Array, Array]], x: Float[Array, "*batch inputs"]
    ) -> Float[Array, "*batch outputs"]:
        xp = array_namespace(x, params[0][0])
        for weights, bias in params[:-1]:
            x = bend(xp, x @ weights + bias)
        weights, bias = params[-1]
        return x @ weights + bias

    return Network(init, apply, {"hidden": list(sizes), "activation": activation, "last": last})


def equinox(make: Callable[[Array, int, int], Any]) -> Network:
    """Return an Equinox module as a network.

    Args:
        make: From a JAX random key, the number of inputs and that of outputs to a module for one
            input, as ``eqx.nn.MLP``.

    Raises:
        MissingExtraError: if Equinox is not installed.
    """
    try:
        import equinox as eqx
    except ImportError:
        raise MissingExtraError("equinox", "deep") from None
    fixed: dict[tuple[int, int], Any] = {}

    def init(key: Array, inputs: int, outputs: int) -> Any:
        params, fixed[inputs, outputs] = eqx.partition(make(key, inputs, outputs), eqx.is_array)
        return params

    def apply(params: Any, x: Array) -> Array:
        module = next(
            eqx.combine(params, static) for static in fixed.values() if _alike(static, params)
        )
        return jnp.vectorize(module, signature="(i)->(o)")(jnp.asarray(x))

    return Network(init, apply)


def _alike(static: Any, params: Any) -> bool:
    """Whether these are the two halves of one module."""
    return jax.tree.structure(static, is_leaf=_is_none) == jax.tree.structure(
        params, is_leaf=_is_none
    )


def _is_none(leaf: Any) -> bool:
    return leaf is None


def in_numpy(params: Any) -> Any:
    """Return parameters as NumPy's arrays, for what runs one step at a time: there a call of JAX takes longer than its work."""
    return jax.tree.map(np.asarray, params)
