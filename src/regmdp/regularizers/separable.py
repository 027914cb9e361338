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

__all__ = [
    "Derivatives",
    "SeparableRegularizer",
    "bound_scores_below",
    "inverse_second_derivative_within",
    "log",
]

#: Scores of available actions are raised to this, so that the arithmetic stays finite.
MIN_SCORE = -1e300


class Derivatives(NamedTuple):
    """First derivative of functions φ of probabilities, and its derivatives in log p; all (…, A).

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

    The greedy policy of a sum of such regularizers is the root of one equation in one unknown for
    each state: see :class:`Sum`.
    """

    @abstractmethod
    def terms(self, p: Float[Array, "*batch A"]) -> Float[Array, "*batch A"]:
        """(…, A) probabilities -> (…, A) φ(p)."""

    @abstractmethod
    def derivatives(
        self, p: Float[Array, "*batch A"], log_p: Float[Array, "*batch A"]
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

    def divergence_terms(
        self, p: Float[Array, "*batch A"], q: Float[Array, "*batch A"]
    ) -> Float[Array, "*batch A"]:
        """(…, A) probabilities -> (…, A) φ(p) - φ(q) - φ'(q) (p - q), where φ(p), φ(q) are finite.

        A subclass overrides it where a formula has smaller rounding errors for p close to q.
        """
        xp = array_namespace(p, q)
        slope = self.derivatives(q, log(q)).first
        steep = slope == -xp.inf
        found = self.terms(p) - self.terms(q) - (p - q) * xp.where(steep, 0.0, slope)
        return xp.where(steep & (p > 0), xp.inf, found)

    def gradient_divergence(
        self,
        p: Float[Array, "*batch A"],
        q: Float[Array, "*batch A"],
        available: Bool[Array, "*batch A"] | None = None,
    ) -> Float[Array, "*batch"]:
        xp = array_namespace(p, q)
        terms = self.divergence_terms(p, q)
        return xp.sum(terms if available is None else xp.where(available, terms, 0.0), axis=-1)

    def inverse_second_derivative(
        self, p: Float[Array, "*batch A"], available: Bool[Array, "*batch A"] | None = None
    ) -> Float[Array, "*batch A"]:
        """(…, A) distributions -> (…, A) 1/φ''(p).

        It is 0 where p is 0 or at a bound, and infinite where φ is linear.
        """
        return inverse_second_derivative_within(
            self.probability_bounds,
            p,
            available,
            lambda inside, log_inside: self.derivatives(inside, log_inside).first_dlog,
        )

    def hessian_vector_product(
        self,
        y: Float[Array, "*batch A"],
        direction: Float[Array, "*batch A"],
        available: Bool[Array, "*batch A"] | None = None,
    ) -> Float[Array, "*batch A"]:
        p = self.greedy(y, available)
        return diagonal_hessian_product(self.inverse_second_derivative(p, available), direction)

    @property
    def steep(self) -> bool:
        zeros = self._zeros()
        return bool(np.all(np.asarray(self.derivatives(zeros, log(zeros)).first) == -np.inf))

    @property
    def barrier(self) -> bool:
        """Whether some φ is infinite at 0, so that no probability may be 0."""
        return bool(np.any(np.isinf(np.asarray(self.terms(self._zeros())))))

    def _zeros(self) -> Float[np.ndarray, "*batch A"]:
        """Return probabilities 0 of the shape of the fields, at which to evaluate φ."""
        shapes: list[tuple[int, ...]] = [(1,)]
        for name, ndim in self.state_fields.items():
            shape = np.shape(getattr(self, name))
            if shape and name != "temperature":
                shapes.append((*shape, 1) if ndim == 1 else shape)
        return np.zeros(np.broadcast_shapes(*shapes))


def inverse_second_derivative_within(
    bounds: ProbabilityBounds | None,
    p: Float[Array, "*batch A"],
    available: Bool[Array, "*batch A"] | None,
    first_dlog: Callable[[Array, Array], Array],
) -> Float[Array, "*batch A"]:
    """(…, A) distributions -> (…, A) 1/φ''(p) where p is strictly between its bounds, else 0.

    Args:
        bounds: The bounds on probabilities; None if they are 0 and 1.
        p: (…, A) distributions.
        available: (…, A) mask, or None.
        first_dlog: From p and log p to p φ''(p).
    """
    xp = array_namespace(p)
    inside = p > 0
    if bounds is not None:
        wide, slack = bounds.broadcast(p.shape, available, p), rounding_slack(p.shape[-1])
        inside = inside & (p > wide.lower + slack) & (p < wide.upper - slack)
    safe = xp.where(inside, p, 1.0)
    found = first_dlog(safe, xp.log(safe))
    curved = found > 0
    inverse = xp.where(curved, safe / xp.where(curved, found, 1.0), xp.inf)
    return xp.astype(xp.where(inside, inverse, 0.0), p.dtype)


def log(p: Array) -> Array:
    """Logarithm with log 0 = -inf and no warning."""
    xp = array_namespace(p)
    return xp.where(p > 0, xp.log(xp.where(p > 0, p, 1.0)), -xp.inf)


def bound_scores_below(y: Array, available: Array | None) -> Array:
    """Return scores that are finite for available actions, which a barrier gives probability."""
    xp = array_namespace(y)
    bounded = xp.maximum(y, MIN_SCORE)
    if available is None:
        return bounded
    # a state without actions is terminal: its scores only have to be numbers
    return xp.where(available | ~xp.any(available, axis=-1, keepdims=True), bounded, -xp.inf)
