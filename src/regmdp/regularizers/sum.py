"""Sums of regularizers."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np

from regmdp._internal.arrays import UNIT_ROUNDOFF, Array, ArrayLike, Bool, Float, array_namespace
from regmdp.regularizers._allocate import Terms, allocate
from regmdp.regularizers._generic import ACCURACY, maximise_numerically
from regmdp.regularizers._hessians import diagonal_hessian_product, rank_one_hessian_product
from regmdp.regularizers._probability_bounds import ProbabilityBounds
from regmdp.regularizers._smooth import is_differentiable
from regmdp.regularizers.barrier import finite
from regmdp.regularizers.base import Regularizer, check_temperature, with_temperature
from regmdp.regularizers.entropy import KL, Shannon
from regmdp.regularizers.linear import WeightedL1
from regmdp.regularizers.renyi import Renyi, allocate_with_renyi
from regmdp.regularizers.separable import (
    Derivatives,
    SeparableRegularizer,
    inverse_second_derivative_within,
)
from regmdp.regularizers.unregularized import Unregularized

__all__ = ["Sum"]


@dataclass(frozen=True, eq=False)
class Sum(Regularizer):
    r"""Sum of regularizers with their temperatures, \(h(p) = \sum_i \tau_i h_i(p)\): what ``+`` makes of them.

    Args:
        parts: The regularizers, each with its own temperature.
        temperature: τ ≥ 0 for the whole, a number or one per state; 1 by default.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> both = rm.Shannon(temperature=0.1) + rm.KL(np.array([0.1, 0.9]), temperature=0.2)
        >>> both.maximiser(np.array([1.0, 0.5])).round(4)
        array([0.5503, 0.4497])
    """

    parts: tuple[Regularizer, ...]
    temperature: ArrayLike = 1.0

    def __post_init__(self) -> None:
        flat: list[Regularizer] = []
        for part in self.parts:
            flat += _scaled(part) if isinstance(part, Sum) else [part]
        object.__setattr__(self, "parts", tuple(flat))
        object.__setattr__(self, "temperature", check_temperature(self.temperature))

    def value(
        self, p: Float[Array, "*batch A"], available: Bool[Array, "*batch A"] | None = None
    ) -> Float[Array, "*batch"]:
        return _total(part.cost(p, available) for part in self.parts)

    def greedy(
        self, y: Float[Array, "*batch A"], available: Bool[Array, "*batch A"] | None = None
    ) -> Float[Array, "*batch A"]:
        single = self._single()
        if single is not None:
            regularizer, price = single
            return regularizer.maximiser(y - price, available)
        if not self._is_closed:
            separable = tuple(part for part in self.parts if isinstance(part, SeparableRegularizer))
            parts = tuple((part.temperature, part) for part in self._curved())
            return maximise_numerically(
                self, parts, y, available, rest=Sum(separable) if separable else None
            )
        y = self._finite(y, available)
        limits = (self.probability_bounds or ProbabilityBounds(0.0, 1.0)).broadcast(
            y.shape, available, y
        )
        renyis = [part for part in self._curved() if isinstance(part, Renyi)]
        if renyis:
            return allocate_with_renyi(
                renyis[0], self._terms(), y, limits, limited=self.probability_bounds is not None
            )
        return allocate(self._terms(), y, limits, limited=self.probability_bounds is not None)

    def conjugate(
        self, y: Float[Array, "*batch A"], available: Bool[Array, "*batch A"] | None = None
    ) -> Float[Array, "*batch"]:
        single = self._single()
        if single is None:
            return super().conjugate(self._finite(y, available), available)
        regularizer, price = single
        return regularizer.maximum(y - price, available)

    def hessian_vector_product(
        self,
        y: Float[Array, "*batch A"],
        direction: Float[Array, "*batch A"],
        available: Bool[Array, "*batch A"] | None = None,
    ) -> Float[Array, "*batch A"]:
        single = self._single()
        if single is not None:
            regularizer, price = single
            return regularizer.maximiser_jvp(y - price, direction, available)
        if not self._is_closed:
            return super().hessian_vector_product(y, direction, available)
        p = self.greedy(y, available)
        spread = inverse_second_derivative_within(
            self.probability_bounds,
            p,
            available,
            lambda within, logarithm: self._terms().derivatives(within, logarithm).first_dlog,
        )
        for part in self._curved():
            if isinstance(part, Renyi):
                tau = array_namespace(p).asarray(part.temperature)[..., None]
                own, slope, weight = part.second_derivatives(p)
                return rank_one_hessian_product(
                    _both(spread, own, tau), slope, tau * weight, direction
                )
        return diagonal_hessian_product(spread, direction)

    def _finite(self, y: Array, available: Array | None) -> Array:
        """Keep the scores finite if every action has some probability, however low they are."""
        return finite(y, available) if self._terms().barrier else y

    def _single(self) -> tuple[Regularizer, Array] | None:
        """Return a single regularizer and a price on actions that the sum amounts to, if it does."""
        if self.probability_bounds is not None:
            return None
        price, entropy, others = np.zeros(1), np.zeros(()), []
        for part in self.parts:
            tau = np.asarray(part.temperature)
            if isinstance(part, WeightedL1):
                price = price + tau[..., None] * part.weights
            elif isinstance(part, KL):
                price, entropy = price - tau[..., None] * part.log_reference, entropy + tau
            elif isinstance(part, Shannon):
                entropy = entropy + tau
            elif part.max_temperature > 0:
                others.append(part)
        if np.any(entropy > 0):
            others.append(Shannon(temperature=entropy))
        if len(others) > 1:
            return None
        return (others[0] if others else Unregularized()), price

    def _curved(self) -> list[Regularizer]:
        """Return the parts with a positive temperature anywhere."""
        return [part for part in self.parts if part.max_temperature > 0]

    @property
    def _is_closed(self) -> bool:
        """Whether at most one part is not a sum over actions, and that a Rényi entropy."""
        others = [part for part in self._curved() if not isinstance(part, SeparableRegularizer)]
        return not others or (len(others) == 1 and isinstance(others[0], Renyi))

    def _separable(self) -> list[SeparableRegularizer]:
        return [part for part in self._curved() if isinstance(part, SeparableRegularizer)]

    def _terms(self) -> Terms:
        parts = [(np.asarray(part.temperature)[..., None], part) for part in self._separable()]

        def derivatives(p: Array, logarithm: Array) -> Derivatives:
            found = [(tau, part.derivatives(p, logarithm)) for tau, part in parts]
            return Derivatives(
                *(_total(_times(tau, of_part[i]) for tau, of_part in found) for i in range(3))
            )

        return Terms(derivatives, any(part.barrier for _, part in parts))

    def subgradient(
        self, p: Float[Array, "*batch A"], available: Bool[Array, "*batch A"] | None = None
    ) -> Float[Array, "*batch A"]:
        xp = array_namespace(p)
        slopes = (
            (xp.asarray(part.temperature)[..., None], part.subgradient(p, available))
            for part in self.parts
        )
        return _total(tau * xp.where(tau > 0, slope, 0.0) for tau, slope in slopes)

    def domain(self, available: Bool[Array, "*batch A"] | None) -> Bool[Array, "*batch A"] | None:
        for part in self.parts:
            available = part.domain(available)
        return available

    @property
    def probability_bounds(self) -> ProbabilityBounds | None:
        found = None
        for part in self.parts:
            if part.probability_bounds is not None:
                found = (
                    part.probability_bounds
                    if found is None
                    else found.intersection(part.probability_bounds)
                )
        return found

    @property
    def n_states(self) -> int | None:
        found = (part.n_states for part in self.parts)
        return next((number for number in found if number is not None), super().n_states)

    def at(self, states: Any) -> Regularizer:
        part = super().at(states)
        if any(inner.at(states) is not inner for inner in self.parts):
            part = copy.copy(part)
            object.__setattr__(part, "parts", tuple(inner.at(states) for inner in self.parts))
        return part

    def check(self, available: Bool[Array, "S A"]) -> None:
        super().check(available)
        for part in self.parts:
            part.check(available)
        self.require_feasible(available)

    @property
    def steep(self) -> bool:
        return any(
            part.steep and bool(np.all(np.asarray(part.temperature) > 0)) for part in self.parts
        )

    def bounds(self, n_actions: int) -> tuple[float, float]:
        low = high = 0.0
        for part in self.parts:
            least, most = (float(extreme(part.temperature)) for extreme in (np.min, np.max))
            of_part = part.bounds(n_actions)
            low += of_part[0] * (most if of_part[0] < 0 else least)
            high += 0.0 if most == 0 else of_part[1] * (most if of_part[1] > 0 else least)
        return low, high

    def strong_convexity(self, n_actions: int) -> float:
        return sum(
            float(np.min(part.temperature)) * part.strong_convexity(n_actions)
            for part in self.parts
        )

    def magnitude(self, n_actions: int) -> float:
        return sum(part.max_temperature * part.magnitude(n_actions) for part in self.parts)

    def rounding(self, n_actions: int) -> float:
        own = sum(part.max_temperature * part.rounding(n_actions) for part in self.parts)
        own += (len(self.parts) + 1) * UNIT_ROUNDOFF * self.magnitude(n_actions)
        if self._single() is not None or self._is_closed:
            return own
        scale = sum(part.max_temperature * (1.0 + part.magnitude(n_actions)) for part in self.parts)
        differentiable = all(is_differentiable(part) for part in self._curved())
        return own + (ACCURACY if differentiable else 1e2 * ACCURACY) * n_actions * scale

    def __repr__(self) -> str:
        text = " + ".join(repr(part) for part in self.parts)
        return (
            text
            if np.ndim(self.temperature) == 0 and self.temperature == 1.0
            else f"{self.temperature!r} * ({text})"
        )


def _scaled(whole: Sum) -> list[Regularizer]:
    """Return the parts of a sum, each with the sum's temperature times its own."""
    tau = np.asarray(whole.temperature)
    if np.ndim(tau) == 0 and tau == 1.0:
        return list(whole.parts)
    return [with_temperature(part, tau * np.asarray(part.temperature)) for part in whole.parts]


def _both(spread: Array, other: Array, tau: Array) -> Array:
    """Return the inverse of the sum of two diagonal second derivatives, given their inverses, the second times τ."""
    xp = array_namespace(spread)
    free = (spread > 0) & (other > 0)
    safe = xp.where(free, other, 1.0)
    total = tau + safe / xp.where(free, spread, 1.0)
    return xp.where(free, xp.where(total > 0, safe / xp.where(total > 0, total, 1.0), xp.inf), 0.0)


def _times(tau: Array, field: Array) -> Array:
    """Return τ · field, 0 where τ is 0."""
    xp = array_namespace(tau, field)
    return tau * field if bool(xp.all(tau > 0)) else tau * xp.where(tau > 0, field, 0.0)


def _total(items: Any) -> Any:
    items = iter(items)
    total = next(items)
    for item in items:
        total = total + item
    return total
