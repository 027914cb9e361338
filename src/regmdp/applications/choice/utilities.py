"""Flow utilities that depend on parameters."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from regmdp._internal.array_checks import check_array
from regmdp._internal.arrays import ArrayLike, Float, freeze, read_only
from regmdp._internal.checks import show
from regmdp._internal.errors import SampleError
from regmdp._internal.fields import ReadOnlyCopies
from regmdp._internal.parameters import (
    ArrayOf,
    Function,
    SequenceOf,
    Text,
    checked,
    checked_methods,
)
from regmdp._internal.user_code import call_user, user_methods

__all__ = ["LinearUtilities", "Utilities", "UtilityFunction"]


THETA = ArrayOf("K", empty=True)


@checked_methods(SampleError, values={"theta": THETA}, derivative={"theta": THETA})
@user_methods(SampleError)
class Utilities(ReadOnlyCopies, ABC):
    """Flow utility of each choice in each state, u(s, a; θ)."""

    #: The names of the K parameters.
    names: Sequence[str]

    @property
    def dimensions(self) -> dict[str, int]:
        """The number of parameters, K."""
        return {"K": len(self.names)}

    @abstractmethod
    def values(self, theta: Float[np.ndarray, " K"]) -> Float[np.ndarray, "S A"]:
        """(K,) θ -> (S, A) utilities."""

    @abstractmethod
    def derivative(self, theta: Float[np.ndarray, " K"]) -> Float[np.ndarray, "S A K"]:
        """(K,) θ -> (S, A, K) derivatives of the utilities."""


class LinearUtilities(Utilities):
    r"""Utilities linear in the parameters, \(u(s, a) = b(s, a) + \sum_k \theta_k x_k(s, a)\).

    Args:
        features: (S, A, K) x.
        names: The names of the K parameters.
        base: (S, A) b; 0 by default.

    Attributes:
        features: (S, A, K) x.
        names: The names.
        base: (S, A) b.

    Raises:
        SampleError: if the features are not finite numbers of this shape, or the names do not fit.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> costs = rm.choice.LinearUtilities(-np.ones((2, 1, 1)), ["cost"])
        >>> costs.values(np.array([3.0]))
        array([[-3.],
               [-3.]])
    """

    @checked(
        SampleError,
        features=ArrayOf("S A K", empty=True),
        names=SequenceOf(Text()),
        base=ArrayOf(),
    )
    def __init__(self, features: ArrayLike, names: Sequence[str], base: ArrayLike = 0.0) -> None:
        x = np.array(features)
        if len(names) != x.shape[2] or len(set(names)) != len(names):
            raise SampleError(
                f"{x.shape[2]} parameters need as many different names, not {list(names)}"
            )
        b = np.asarray(base)
        if b.shape not in ((), x.shape[:2]):
            raise SampleError(
                f"base must be one number or an array of shape {x.shape[:2]}, not {b.shape}"
            )
        self.features: Final[Float[np.ndarray, "S A K"]] = freeze(x)
        self.names = tuple(names)
        self.base: Final[Float[np.ndarray, "S A"]] = np.broadcast_to(b.copy(), x.shape[:2])

    def values(self, theta: Float[np.ndarray, " K"]) -> Float[np.ndarray, "S A"]:
        with np.errstate(over="ignore", invalid="ignore"):
            return _check_finite("utilities", self.base + self.features @ theta, 2)

    def derivative(self, theta: Float[np.ndarray, " K"]) -> Float[np.ndarray, "S A K"]:
        return self.features

    def __repr__(self) -> str:
        n_states, n_choices, _ = self.features.shape
        return f"LinearUtilities({', '.join(self.names)}; {n_states} states, {n_choices} choices)"


@checked(SampleError, function=Function(), jacobian=Function(), names=SequenceOf(Text()))
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

    function: Callable[[Float[np.ndarray, " K"]], ArrayLike]
    jacobian: Callable[[Float[np.ndarray, " K"]], ArrayLike]
    names: Sequence[str]

    def values(self, theta: Float[np.ndarray, " K"]) -> Float[np.ndarray, "S A"]:
        found = call_user(SampleError, self.function, read_only(theta))
        return _check_finite("utilities", found, 2)

    def derivative(self, theta: Float[np.ndarray, " K"]) -> Float[np.ndarray, "S A K"]:
        found = call_user(SampleError, self.jacobian, read_only(theta))
        return _check_finite("derivatives of the utilities", found, 3)


def _check_finite(what: str, values: ArrayLike, ndim: int) -> np.ndarray:
    """Return what a function gave as an array, if it has the right shape and finite entries."""
    array = check_array(f"the {what}", values, error=SampleError)
    if array.ndim != ndim or not np.isfinite(array).all():
        shape = "(S, A)" if ndim == 2 else "(S, A, K)"
        raise SampleError(
            f"the {what} must be finite numbers of shape {shape}, and they are {show(array)}, of "
            f"shape {array.shape}"
        )
    return array
