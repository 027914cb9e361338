"""Sums of regularizers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from regmdp._internal.arrays import (
    UNIT_ROUNDOFF,
    Array,
    ArrayLike,
    Bool,
    Float,
    array_namespace,
    is_traced,
)
from regmdp._internal.errors import RegularizerError
from regmdp._internal.fields import copy_with, set_fields
from regmdp._internal.parameters import Instance, check_sequence, checked
from regmdp.regularizers._allocate import SeparableTerms, allocate
from regmdp.regularizers._hessians import diagonal_hessian_product, rank_one_hessian_product
from regmdp.regularizers._numerical_greedy import ACCURACY, maximise_numerically
from regmdp.regularizers._parameters import TEMPERATURE, PerState, check_temperature
from regmdp.regularizers._probability_bounds import ProbabilityBounds
from regmdp.regularizers._weighted_sum import is_differentiable
from regmdp.regularizers.base import Regularizer, with_temperature
from regmdp.regularizers.entropy import KL, Shannon
from regmdp.regularizers.linear import WeightedL1
from regmdp.regularizers.renyi import Renyi, allocate_with_renyi
from regmdp.regularizers.separable import (
    Derivatives,
    SeparableRegularizer,
    bound_scores_below,
    inverse_second_derivative_within,
)
from regmdp.regularizers.unregularized import Unregularized

__all__ = ["Sum"]


@dataclass(frozen=True, eq=False, init=False)
class Sum(Regularizer):
    r"""Sum of regularizers with their temperatures, \(h(p) = \sum_i \tau_i h_i(p)\).

    The operator ``+`` makes it.

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
    temperature: PerState

    @checked(RegularizerError, temperature=TEMPERATURE)
    def __init__(self, parts: Iterable[Regularizer], temperature: ArrayLike = 1.0) -> None:
        flat: list[Regularizer] = []
        for part in check_sequence("parts", parts, Instance(Regularizer), RegularizerError):
            if is_traced(part.temperature):
                raise RegularizerError(
                    "JAX cannot trace the temperature of a part of a sum; give the parts numbers"
                )
            flat += _scale_parts(part) if isinstance(part, Sum) else [part]
        set_fields(self, parts=tuple(flat), temperature=check_temperature(temperature))

    def value(
        self, p: Float[Array, "*batch A"], available: Bool[Array, "*batch A"] | None = None
    ) -> Float[Array, "*batch"]:
        return _add_up(part.cost(p, available) for part in self.parts)

    def greedy(
        self, y: Float[Array, "*batch A"], available: Bool[Array, "*batch A"] | None = None
    ) -> Float[Array, "*batch A"]:
        single = self._as_single()
        if single is not None:
            regularizer, price = single
            return regularizer.maximiser(y - price, available)
        if not self._has_closed_form:
            separable = tuple(part for part in self.parts if isinstance(part, SeparableRegularizer))
            parts = tuple((part.temperature, part) for part in self._active_parts())
            return maximise_numerically(
                self, parts, y, available, rest=Sum(separable) if separable else None
            )
        y, terms, bounds = self._bound_scores(y, available), self._terms(), self.probability_bounds
        wide = (bounds or ProbabilityBounds(0.0, 1.0)).broadcast(y.shape, available, y)
        renyis = [part for part in self._active_parts() if isinstance(part, Renyi)]
        if renyis:
            return allocate_with_renyi(renyis[0], terms, y, wide, bounded=bounds is not None)
        return allocate(terms, y, wide, bounded=bounds is not None)

    def conjugate(
        self, y: Float[Array, "*batch A"], available: Bool[Array, "*batch A"] | None = None
    ) -> Float[Array, "*batch"]:
        single = self._as_single()
        if single is None:
            return super().conjugate(self._bound_scores(y, available), available)
        regularizer, price = single
        return regularizer.maximum(y - price, available)

    def hessian_vector_product(
        self,
        y: Float[Array, "*batch A"],
        direction: Float[Array, "*batch A"],
        available: Bool[Array, "*batch A"] | None = None,
    ) -> Float[Array, "*batch A"]:
        single = self._as_single()
        if single is not None:
            regularizer, price = single
            return regularizer.maximiser_jvp(y - price, direction, available)
        if not self._has_closed_form:
            return super().hessian_vector_product(y, direction, available)
        p = self.greedy(y, available)
        terms = self._terms()
        inverse = inverse_second_derivative_within(
            self.probability_bounds,
            p,
            available,
            lambda inside, log_inside: terms.derivatives(inside, log_inside).first_dlog,
        )
        for part in self._active_parts():
            if isinstance(part, Renyi):
                tau = array_namespace(p).asarray(part.temperature)[..., None]
                inverse_renyi, vector, weight = part.second_derivatives(p)
                inverse = _invert_sum(inverse, inverse_renyi, tau)
                return rank_one_hessian_product(inverse, vector, tau * weight, direction)
        return diagonal_hessian_product(inverse, direction)

    def _bound_scores(self, y: Array, available: Array | None) -> Array:
        """Make the scores finite if a barrier gives every available action some probability."""
        return bound_scores_below(y, available) if self._terms().barrier else y

    def _as_single(self) -> tuple[Regularizer, Array] | None:
        """Return one regularizer and prices of actions that are equal to the sum, if they exist."""
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

    def _active_parts(self) -> list[Regularizer]:
        """Return the parts with a positive temperature in some state."""
        return [part for part in self.parts if part.max_temperature > 0]

    @property
    def _has_closed_form(self) -> bool:
        """Whether all parts are sums over actions, except for at most one Rényi entropy."""
        others = [
            part for part in self._active_parts() if not isinstance(part, SeparableRegularizer)
        ]
        return not others or (len(others) == 1 and isinstance(others[0], Renyi))

    def _terms(self) -> SeparableTerms:
        """Return the sum of the active parts that are sums over actions."""
        parts = [
            (np.asarray(part.temperature)[..., None], part)
            for part in self._active_parts()
            if isinstance(part, SeparableRegularizer)
        ]

        def derivatives(p: Array, log_p: Array) -> Derivatives:
            found = [(tau, part.derivatives(p, log_p)) for tau, part in parts]
            return Derivatives(
                *(_add_up(_scale(tau, of_part[i]) for tau, of_part in found) for i in range(3))
            )

        return SeparableTerms(derivatives, any(part.barrier for _, part in parts))

    def subgradient(
        self, p: Float[Array, "*batch A"], available: Bool[Array, "*batch A"] | None = None
    ) -> Float[Array, "*batch A"]:
        xp = array_namespace(p)
        subgradients = (
            (xp.asarray(part.temperature)[..., None], part.subgradient(p, available))
            for part in self.parts
        )
        return _add_up(
            tau * xp.where(tau > 0, subgradient, 0.0) for tau, subgradient in subgradients
        )

    def domain(self, available: Bool[Array, "*batch A"] | None) -> Bool[Array, "*batch A"] | None:
        for part in self.parts:
            available = part.domain(available)
        return available

    @property
    def probability_bounds(self) -> ProbabilityBounds | None:
        found = None
        for part in self.parts:
            bounds = part.probability_bounds
            if bounds is not None:
                found = bounds if found is None else found.intersection(bounds)
        return found

    @property
    def n_states(self) -> int | None:
        found = (part.n_states for part in self.parts)
        return next((number for number in found if number is not None), super().n_states)

    def at(self, states: int | slice | np.ndarray) -> Regularizer:
        whole, parts = super().at(states), tuple(part.at(states) for part in self.parts)
        changed = any(new is not old for new, old in zip(parts, self.parts, strict=True))
        return copy_with(whole, parts=parts) if changed else whole

    def check(self, available: Bool[Array, "S A"]) -> None:
        super().check(available)
        for part in self.parts:
            part.check(available)
        self.require_feasible(available)

    @property
    def user_defined(self) -> bool:
        return any(part.user_defined for part in self.parts)

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

    def relative_strong_convexity(self, n_actions: int) -> float:
        return sum(
            float(np.min(part.temperature)) * part.relative_strong_convexity(n_actions)
            for part in self.parts
        )

    def gradient_divergence(
        self,
        p: Float[Array, "*batch A"],
        q: Float[Array, "*batch A"],
        available: Bool[Array, "*batch A"] | None = None,
    ) -> Float[Array, "*batch"]:
        xp = array_namespace(p, q)
        divergences = (
            (xp.asarray(part.temperature), part.divergence(p, q, available=available))
            for part in self._active_parts()
        )
        return _add_up(
            (
                xp.zeros(p.shape[:-1]),
                *(tau * xp.where(tau > 0, divergence, 0.0) for tau, divergence in divergences),
            )
        )

    def magnitude(self, n_actions: int) -> float:
        return sum(part.max_temperature * part.magnitude(n_actions) for part in self.parts)

    def rounding(self, n_actions: int) -> float:
        error = sum(part.max_temperature * part.rounding(n_actions) for part in self.parts)
        error += (len(self.parts) + 1) * UNIT_ROUNDOFF * self.magnitude(n_actions)
        if self._as_single() is not None or self._has_closed_form:
            return error
        scale = sum(part.max_temperature * (1.0 + part.magnitude(n_actions)) for part in self.parts)
        differentiable = all(is_differentiable(part) for part in self._active_parts())
        return error + (ACCURACY if differentiable else 1e2 * ACCURACY) * n_actions * scale

    def __repr__(self) -> str:
        text = " + ".join(repr(part) for part in self.parts)
        return text if _is_one(self.temperature) else f"{self.temperature!r} * ({text})"


Regularizer.make_sum = Sum


def _is_one(temperature: PerState) -> bool:
    return np.ndim(temperature) == 0 and bool(temperature == 1.0)


def _scale_parts(whole: Sum) -> list[Regularizer]:
    """Return the parts of a sum, each with the sum's temperature times its own."""
    if _is_one(whole.temperature):
        return list(whole.parts)
    tau = np.asarray(whole.temperature)
    return [with_temperature(part, tau * np.asarray(part.temperature)) for part in whole.parts]


def _invert_sum(inverse: Array, other: Array, tau: Array) -> Array:
    """Return 1/(1/s + τ/t), given inverses s and t of diagonal second derivatives."""
    xp = array_namespace(inverse)
    free = (inverse > 0) & (other > 0)
    safe = xp.where(free, other, 1.0)
    total = tau + safe / xp.where(free, inverse, 1.0)
    return xp.where(free, xp.where(total > 0, safe / xp.where(total > 0, total, 1.0), xp.inf), 0.0)


def _scale(tau: Array, field: Array) -> Array:
    """Return τ · field, 0 where τ is 0."""
    xp = array_namespace(tau, field)
    return tau * field if bool(xp.all(tau > 0)) else tau * xp.where(tau > 0, field, 0.0)


def _add_up(arrays: Iterable[Array]) -> Array:
    """Return the sum of arrays, of which there is at least one."""
    first, *others = arrays
    for array in others:
        first = first + array
    return first
