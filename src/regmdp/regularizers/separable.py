r"""Regularizers that are sums over actions, \(h(p) = \sum_a \varphi_a(p_a)\)."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from regmdp._internal.arrays import Array, Bool, Float, array_namespace
from regmdp.regularizers._hessians import diagonal_hessian_product
from regmdp.regularizers._probability_bounds import ProbabilityBounds, rounding_slack
from regmdp.regularizers.base import Regularizer

__all__ = ["Derivatives", "SeparableRegularizer", "inverse_second_derivative_within", "log"]


class Derivatives(NamedTuple):
    """How steep functions φ of probabilities are, each (…, A).

    Attributes:
        first: φ'(p), up to a constant for each state.
        first_dlog: dφ'/d(log p), which is p φ''(p).
        first_dlog2: d²φ'/d(log p)².
    """

    first: Array
    first_dlog: Array
    first_dlog2: Array


class SeparableRegularizer(Regularizer):
    r"""A regularizer \(h(p) = \sum_a \varphi_a(p_a)\), with each φ convex.

    Sums of such regularizers have greedy policies that take the root of one equation in one
    unknown: see :class:`Sum`.
    """

    @abstractmethod
    def terms(self, p: Float[Array, "*batch A"]) -> Float[Array, "*batch A"]:
        """(…, A) probabilities -> (…, A) φ(p)."""

    @abstractmethod
    def derivatives(
        self, p: Float[Array, "*batch A"], logarithm: Float[Array, "*batch A"]
    ) -> Derivatives:
        """(…, A) probabilities and their logarithms -> φ' and its derivatives in log p."""

    def value(
        self, p: Float[Array, "*batch A"], available: Bool[Array, "*batch A"] | None = None
    ) -> Float[Array, "*batch"]:
        xp = array_namespace(p)
        terms = self.terms(p)
        return xp.sum(
            terms if available is None else xp.where(available | (p > 0), terms, 0.0), axis=-1
        )

    def subgradient(
        self, p: Float[Array, "*batch A"], available: Bool[Array, "*batch A"] | None = None
    ) -> Float[Array, "*batch A"]:
        return self.derivatives(p, log(p)).first

    def inverse_second_derivative(
        self, p: Float[Array, "*batch A"], available: Bool[Array, "*batch A"] | None = None
    ) -> Float[Array, "*batch A"]:
        """(…, A) distributions -> (…, A) 1/φ''(p): 0 where p is 0 or at a limit, infinite where φ is linear."""
        return inverse_second_derivative_within(
            self.probability_bounds,
            p,
            available,
            lambda inside, logarithm: self.derivatives(inside, logarithm).first_dlog,
        )

    def hessian_vector_product(
        self,
        y: Float[Array, "*batch A"],
        direction: Float[Array, "*batch A"],
        available: Bool[Array, "*batch A"] | None = None,
    ) -> Float[Array, "*batch A"]:
        return diagonal_hessian_product(
            self.inverse_second_derivative(self.greedy(y, available), available), direction
        )

    @property
    def steep(self) -> bool:
        nothing = self._nothing()
        return bool(np.all(np.asarray(self.derivatives(nothing, log(nothing)).first) == -np.inf))

    @property
    def barrier(self) -> bool:
        """Whether some φ is infinite at 0, so that no probability may be 0."""
        return bool(np.any(np.isinf(np.asarray(self.terms(self._nothing())))))

    def _nothing(self) -> Float[np.ndarray, "*batch A"]:
        """Return zeros of the shape of the fields, to look at φ there."""
        shapes: list[tuple[int, ...]] = [(1,)]
        for name, ndim in self.state_fields.items():
            shape = np.shape(getattr(self, name))
            if shape and name != "temperature":
                shapes.append((*shape, 1) if ndim == 1 else shape)
        return np.zeros(np.broadcast_shapes(*shapes))


def inverse_second_derivative_within(
    limits: ProbabilityBounds | None,
    p: Float[Array, "*batch A"],
    available: Bool[Array, "*batch A"] | None,
    stretch: Callable[[Array, Array], Array],
) -> Float[Array, "*batch A"]:
    """Return (…, A) p over its stretch, 1/φ''(p), where p is positive and strictly within the limits, and 0 elsewhere."""
    xp = array_namespace(p)
    inside = p > 0
    if limits is not None:
        over = limits.broadcast(p.shape, available, p)
        inside = (
            inside
            & (p > over.lower + rounding_slack(p.shape[-1]))
            & (p < over.upper - rounding_slack(p.shape[-1]))
        )
    within = xp.where(inside, p, 1.0)
    found = stretch(within, xp.log(within))
    curved = found > 0
    inverse = xp.where(curved, within / xp.where(curved, found, 1.0), xp.inf)
    return xp.astype(xp.where(inside, inverse, 0.0), p.dtype)


def log(p: Array) -> Array:
    """Logarithm with log 0 = -inf and no warning."""
    xp = array_namespace(p)
    return xp.where(p > 0, xp.log(xp.where(p > 0, p, 1.0)), -xp.inf)
