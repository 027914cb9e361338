"""Types of arrays, parameters and environments."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import gymnasium
import numpy as np

__all__ = ["ActionSpace", "AnyArray", "EnvironmentLike", "JaxArray", "ObservationSpace", "Params"]

if TYPE_CHECKING:
    import jax

    #: An array of JAX.
    JaxArray: TypeAlias = jax.Array
    #: An array of JAX or of NumPy.
    AnyArray: TypeAlias = jax.Array | np.ndarray
else:
    # at run time NumPy's arrays and the values that JAX traces are accepted as well
    JaxArray = AnyArray = Any

#: A pytree of arrays.
Params: TypeAlias = Any

#: The name of a Gymnasium environment, or a function that makes one.
EnvironmentLike: TypeAlias = str | Callable[[], gymnasium.Env]

ActionSpace: TypeAlias = gymnasium.spaces.Discrete | gymnasium.spaces.Box
ObservationSpace: TypeAlias = gymnasium.spaces.Discrete | gymnasium.spaces.Box
