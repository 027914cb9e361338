"""Networks as pairs of functions, ``init`` and ``apply``: a perceptron, and modules of Equinox."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from regmdp._internal.arrays import Float, array_namespace
from regmdp._internal.errors import MissingExtraError
from regmdp._internal.memory import require_memory
from regmdp._internal.parameters import (
    Function,
    Instance,
    Integer,
    Number,
    Option,
    SequenceOf,
    checked,
)
from regmdp.deep.types import AnyArray, JaxArray, Params

__all__ = ["NetworkFunctions", "convert_to_numpy", "from_equinox", "mlp"]

#: Memory that a weight takes when it is drawn.
BYTES_PER_WEIGHT = 4.0


@checked(init=Function(), apply=Function(), spec=Instance(dict) | None)
@dataclass(frozen=True)
class NetworkFunctions:
    """A network as functions of its parameters.

    Attributes:
        init: From a JAX random key, the number of inputs and that of outputs to parameters, a
            pytree of arrays.
        apply: From parameters and (…, inputs) arrays to (…, outputs) arrays.
        spec: The arguments of :func:`mlp` if it was made by that; a file can hold these.
    """

    init: Callable[[JaxArray, int, int], Params]
    apply: Callable[[Params, AnyArray], JaxArray]
    spec: dict[str, Any] | None = None


#: Activation functions, of an array namespace and an array.
ACTIVATIONS: dict[str, Callable[[Any, AnyArray], AnyArray]] = {
    "tanh": lambda xp, x: xp.tanh(x),
    "relu": lambda xp, x: xp.maximum(x, 0.0),
}


@checked(hidden=SequenceOf(Integer()), activation=Option(*ACTIVATIONS), output_scale=Number())
def mlp(
    hidden: Sequence[int] = (64, 64), activation: str = "tanh", output_scale: float = 1.0
) -> NetworkFunctions:
    """Return a perceptron with orthogonal initial weights, which runs on NumPy's and JAX's arrays.

    Args:
        hidden: Units of each hidden layer; none for a linear function.
        activation: "tanh" or "relu".
        output_scale: Scale of the initial weights of the output layer; a small one starts near the
            uniform policy.

    Raises:
        SolverError: if a layer or the activation is invalid.

    Examples:
        >>> import jax, numpy as np
        >>> network = mlp((8,))
        >>> params = network.init(jax.random.key(0), 3, 2)
        >>> network.apply(params, np.zeros((5, 3))).shape
        (5, 2)
    """
    return _make_perceptron(tuple(hidden), activation, output_scale)


@cache
def _make_perceptron(
    sizes: tuple[int, ...], activation: str, output_scale: float
) -> NetworkFunctions:
    """Return the same network for the same arguments, so that compiled functions are shared."""
    activate = ACTIVATIONS[activation]
    gain = math.sqrt(2.0)

    def init(key: JaxArray, inputs: int, outputs: int) -> list[tuple[JaxArray, JaxArray]]:
        layers = []
        widths = (inputs, *sizes, outputs)
        require_memory(
            f"layers of {', '.join(map(str, widths))} units",
            BYTES_PER_WEIGHT * sum(one * other for one, other in pairwise(widths)),
        )
        for index, layer_key in enumerate(jax.random.split(key, len(widths) - 1)):
            scale = gain if index < len(sizes) else output_scale
            weights = jax.nn.initializers.orthogonal(scale)(
                layer_key, widths[index : index + 2], jnp.float32
            )
            layers.append((weights, jnp.zeros(widths[index + 1])))
        return layers

    def apply(
        params: list[tuple[JaxArray, JaxArray]], x: Float[Any, "*batch inputs"]
    ) -> Float[JaxArray, "*batch outputs"]:
        xp = array_namespace(x, params[0][0])
        for weights, bias in params[:-1]:
            x = activate(xp, x @ weights + bias)
        weights, bias = params[-1]
        return x @ weights + bias

    spec = {"hidden": list(sizes), "activation": activation, "output_scale": output_scale}
    return NetworkFunctions(init, apply, spec)


@checked(make=Function() | Instance(type))
def from_equinox(
    make: Callable[[JaxArray, int, int], Callable[[JaxArray], JaxArray]],
) -> NetworkFunctions:
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
    static_parts: dict[tuple[int, int], Any] = {}

    def init(key: JaxArray, inputs: int, outputs: int) -> Params:
        params, static_parts[inputs, outputs] = eqx.partition(
            make(key, inputs, outputs), eqx.is_array
        )
        return params

    def apply(params: Params, x: AnyArray) -> JaxArray:
        module = next(
            eqx.combine(params, static)
            for static in static_parts.values()
            if _have_same_structure(static, params)
        )
        return jnp.vectorize(module, signature="(i)->(o)")(jnp.asarray(x))

    return NetworkFunctions(init, apply)


def _have_same_structure(static: Any, params: Params) -> bool:
    """Whether these are the two parts of one module."""
    return jax.tree.structure(static, is_leaf=_is_none) == jax.tree.structure(
        params, is_leaf=_is_none
    )


def _is_none(leaf: object) -> bool:
    return leaf is None


def convert_to_numpy(params: Params) -> Params:
    """Return parameters as NumPy arrays, which are faster where steps are computed one by one."""
    return jax.tree.map(np.asarray, params)
