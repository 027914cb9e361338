"""Flow utilities that depend on parameters."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from regmdp._internal.arrays import ArrayLike, Float, freeze
from regmdp._internal.errors import SampleError

__all__ = ["LinearUtilities", "Utilities", "UtilityFunction"]


class Utilities(ABC):
    """Flow utility of each choice in each state, u(s, a; θ)."""

    #: The names of the K parameters.
    names: Sequence[str]

    @abstractmethod
    def values(self, theta: Float[np.ndarray, " K"]) -> Float[np.ndarray, "S A"]:
        """(K,) θ -> (S, A) utilities."""

    @abstractmethod
    def derivative(self, theta: Float[np.ndarray, " K"]) -> Float[np.ndarray, "S A K"]:
        """(K,) θ -> (S, A, K) derivatives of the utilities."""


@dataclass(frozen=True, eq=False)
class LinearUtilities(Utilities):
    r"""Utilities that are linear in the parameters, \(u(s, a) = b(s, a) + \sum_k \theta_k x_k(s, a)\).

    Args:
        features: (S, A, K) x.
        names: The names of the K parameters.
        base: (S, A) b; 0 by default.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> costs = rm.choice.LinearUtilities(-np.ones((2, 1, 1)), ["cost"])
        >>> costs.values(np.array([3.0]))
        array([[-3.],
               [-3.]])
    """

    features: ArrayLike
    names: Sequence[str]
    base: ArrayLike = 0.0

    def __post_init__(self) -> None:
        features = np.array(self.features, dtype=np.float64)
        if features.ndim != 3 or not np.isfinite(features).all():
            raise SampleError(
                "the features must be finite numbers of shape (S, A, K), and not of shape "
                f"{features.shape}"
            )
        if len(self.names) != features.shape[2] or len(set(self.names)) != len(self.names):
            raise SampleError(
                f"{features.shape[2]} parameters need as many different names, not "
                f"{list(self.names)}"
            )
        object.__setattr__(self, "features", freeze(features))

    def values(self, theta: Float[np.ndarray, " K"]) -> Float[np.ndarray, "S A"]:
        return self.base + self.features @ theta

    def derivative(self, theta: Float[np.ndarray, " K"]) -> Float[np.ndarray, "S A K"]:
        return self.features


@dataclass(frozen=True, eq=False)
class UtilityFunction(Utilities):
    """Utilities that are any function of the parameters, with its derivative.

    Args:
        function: From (K,) θ to (S, A) utilities.
        jacobian: From (K,) θ to their (S, A, K) derivatives.
        names: The names of the K parameters.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> wear = rm.choice.UtilityFunction(
        ...     lambda theta: -np.exp(theta[0]) * np.ones((2, 1)),
        ...     lambda theta: -np.exp(theta[0]) * np.ones((2, 1, 1)),
        ...     ["log cost"],
        ... )
        >>> wear.values(np.zeros(1)).ravel()
        array([-1., -1.])
    """

    function: Callable[[Float[np.ndarray, " K"]], Any]
    jacobian: Callable[[Float[np.ndarray, " K"]], Any]
    names: Sequence[str]

    def values(self, theta: Float[np.ndarray, " K"]) -> Float[np.ndarray, "S A"]:
        return _finite("utilities", self.function(theta), 2)

    def derivative(self, theta: Float[np.ndarray, " K"]) -> Float[np.ndarray, "S A K"]:
        return _finite("derivatives of the utilities", self.jacobian(theta), 3)


def _finite(what: str, made: Any, ndim: int) -> np.ndarray:
    array = np.asarray(made, dtype=np.float64)
    if array.ndim != ndim or not np.isfinite(array).all():
        shape = "(S, A)" if ndim == 2 else "(S, A, K)"
        raise SampleError(
            f"the {what} must be finite numbers of shape {shape}; the function gave an array of "
            f"shape {array.shape}"
        )
    return array
