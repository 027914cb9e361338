"""Regularizers from user-defined functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from regmdp._internal.array_checks import check_array
from regmdp._internal.arrays import Array, ArrayLike, Bool, Float, freeze, read_only
from regmdp._internal.errors import RegularizerError
from regmdp._internal.fields import copy_with, set_fields
from regmdp._internal.parameters import Function, checked
from regmdp._internal.user_code import call_user
from regmdp.regularizers._allocate import SeparableTerms, allocate
from regmdp.regularizers._numerical_greedy import ACCURACY, maximise_numerically
from regmdp.regularizers._parameters import PARAMETERS, TEMPERATURE, PerState, check_temperature
from regmdp.regularizers._probability_bounds import ProbabilityBounds
from regmdp.regularizers.base import Regularizer
from regmdp.regularizers.separable import (
    Derivatives,
    SeparableRegularizer,
    bound_scores_below,
)

__all__ = ["Convex", "Separable"]

#: Relative step in p of the differences that approximate derivatives in log p.
DIFFERENCE_STEP = 1e-4

#: The smallest normal double.
TINY = float(np.finfo(np.float64).tiny)


class FunctionRegularizer(Regularizer):
    """A regularizer from user-defined functions, which may have parameters per state.

    Attributes:
        parameters: Arrays with one entry per state in their first axis, (S, ...), of at least two
            dimensions.
    """

    parameters: Mapping[str, Array]
    #: Results of `bounds` by number of actions.
    _bounds: dict[int, tuple[float, float]]

    @property
    def user_defined(self) -> bool:
        return True

    @property
    def n_states(self) -> int | None:
        return next((len(array) for array in self.parameters.values()), super().n_states)

    def at(self, states: int | slice | np.ndarray) -> Regularizer:
        part = super().at(states)
        if not self.parameters:
            return part
        parameters = {name: array[states] for name, array in self.parameters.items()}
        return copy_with(part, parameters=parameters, _bounds={})

    def check(self, available: Bool[Array, "S A"]) -> None:
        super().check(available)
        n_states = available.shape[0]
        for array in self.parameters.values():
            if len(array) != n_states:
                raise RegularizerError(
                    f"the parameters of {type(self).__name__} have {len(array)} entries for "
                    f"{n_states} states"
                )


@dataclass(frozen=True, eq=False, init=False, repr=False)
class Separable(FunctionRegularizer, SeparableRegularizer):
    r"""Sum over actions of a user-defined convex function, \(h(p) = \sum_a \varphi(p_a)\).

    The greedy policy solves \(\varphi'(p_a) = y_a - \lambda\), one equation in one unknown for each
    state. :func:`regmdp.testing.check_regularizer` tests whether φ is convex and the slope its
    derivative; certificates compare greedy policies with others, as for :class:`Convex`.

    Args:
        phi: From an array of probabilities, 0 and 1 included, to φ, elementwise; it may be infinite
            at 0.
        slope: The same for φ', which may be infinite at 0.
        temperature: τ ≥ 0, a number or one per state, in the unit of the rewards per unit of φ.
        curvature: The same for φ''; if it is not given, differences of the slope are used.
        parameters: Arrays with one entry per state in their first axis, (S,) or (S, A). The
            functions get them as keyword arguments, for the states of p and with two dimensions,
            so that they combine with (S, A) probabilities.

    Raises:
        RegularizerError: if a parameter does not have one entry per state.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> cubic = rm.Separable(lambda p: p**3 / 3, lambda p: p**2, temperature=0.5)
        >>> cubic.maximiser(np.array([1.0, 0.9, 0.1])).round(4)
        array([0.6, 0.4, 0. ])
        >>> priced = rm.Separable(
        ...     lambda p, price: price * p + p**2, lambda p, price: price + 2 * p, temperature=0.5,
        ...     parameters={"price": np.array([[0.0, 1.0], [1.0, 0.0]])},
        ... )
        >>> priced.maximiser(np.zeros((2, 2)))
        array([[0.75, 0.25],
               [0.25, 0.75]])
    """  # fmt: skip

    phi: Callable[..., Array]
    slope: Callable[..., Array]
    temperature: PerState
    curvature: Callable[..., Array] | None
    parameters: Mapping[str, Array]
    _bounds: dict[int, tuple[float, float]] = field(init=False)

    @checked(
        RegularizerError,
        phi=Function(),
        slope=Function(),
        temperature=TEMPERATURE,
        curvature=Function() | None,
        parameters=PARAMETERS,
    )
    def __init__(
        self,
        phi: Callable[..., Array],
        slope: Callable[..., Array],
        temperature: ArrayLike,
        curvature: Callable[..., Array] | None = None,
        parameters: Mapping[str, ArrayLike] | None = None,
    ) -> None:
        set_fields(
            self,
            phi=phi,
            slope=slope,
            temperature=check_temperature(temperature),
            curvature=curvature,
            parameters=_check_parameters(parameters or {}),
            _bounds={},
        )

    def terms(self, p: Float[Array, "*batch A"]) -> Float[Array, "*batch A"]:
        with np.errstate(all="ignore"):
            found = self._evaluate(self.phi, p)
            # p log p, for example, is NaN at 0; its value close to 0 is its limit
            return np.where(np.isnan(found), self._evaluate(self.phi, np.maximum(p, TINY)), found)

    def derivatives(
        self, p: Float[Array, "*batch A"], log_p: Float[Array, "*batch A"]
    ) -> Derivatives:
        with np.errstate(all="ignore"):
            first = self._evaluate(self.slope, p)
            if self.curvature is not None:
                first_dlog = p * self._evaluate(self.curvature, p)
                ahead = p * (1.0 + DIFFERENCE_STEP)
                change = ahead * self._evaluate(self.curvature, ahead) - first_dlog
                return Derivatives(first, first_dlog, change / DIFFERENCE_STEP)
            # from a positive point, at most to 1
            point = np.maximum(p, TINY)
            middle = np.where(p > 0, first, self._evaluate(self.slope, point))
            ahead, behind = (
                np.minimum(point * (1.0 + DIFFERENCE_STEP), np.maximum(point, 1.0)),
                point * (1.0 - DIFFERENCE_STEP),
            )
            up, down = np.log(ahead / point), np.log(point / behind)
            rise, fall = (
                self._evaluate(self.slope, ahead) - middle,
                middle - self._evaluate(self.slope, behind),
            )
            one_sided = up < 0.5 * DIFFERENCE_STEP
            first_dlog = np.where(one_sided, fall / down, (rise + fall) / (up + down))
            return Derivatives(
                first,
                first_dlog,
                np.where(one_sided, 0.0, 2.0 * (rise / up - fall / down) / (up + down)),
            )

    def greedy(
        self, y: Float[Array, "*batch A"], available: Bool[Array, "*batch A"] | None = None
    ) -> Float[Array, "*batch A"]:
        barrier = self.barrier
        bounds = ProbabilityBounds(0.0, 1.0).broadcast(y.shape, available, y)
        return allocate(
            SeparableTerms(self.derivatives, barrier),
            bound_scores_below(y, available) if barrier else y,
            bounds,
            bounded=False,
        )

    def conjugate(
        self, y: Float[Array, "*batch A"], available: Bool[Array, "*batch A"] | None = None
    ) -> Float[Array, "*batch"]:
        y = bound_scores_below(y, available) if self.barrier else y
        return super().conjugate(y, available)

    def bounds(self, n_actions: int) -> tuple[float, float]:
        if n_actions not in self._bounds:
            shape = (self.n_states or 1, n_actions)
            # where fewer actions are available, the terms of the others are omitted
            at_zero = np.maximum(self.terms(np.zeros(shape)), 0.0)
            others = (
                np.full(shape, np.inf)
                if np.isinf(at_zero).any()
                else at_zero.sum(axis=1, keepdims=True) - at_zero
            )
            high = self.terms(np.ones(shape)) + (others if n_actions > 1 else 0.0)
            with np.errstate(invalid="ignore"):
                low = self.value(self.greedy(np.zeros(shape))) - at_zero.sum(axis=1)
            low = np.where(
                np.isfinite(low), low, np.minimum(self._min_terms(shape), 0.0).sum(axis=1)
            )
            # the minimum of a function that is not convex may not be found, which
            # `check_regularizer` reports
            self._bounds[n_actions] = min(float(low.min()), float(high.max())), float(high.max())
        return self._bounds[n_actions]

    def magnitude(self, n_actions: int) -> float:
        low, high = self.bounds(n_actions)
        largest = float(np.max(np.abs(self.terms(self._zeros() + TINY)))) if np.isinf(high) else 0.0
        return max(abs(low), abs(high) if np.isfinite(high) else 1.0) + n_actions * largest

    def _min_terms(self, shape: tuple[int, int]) -> Float[np.ndarray, "S A"]:
        """Return the (S, A) smallest values of φ, where its slope changes sign."""
        low, high = np.zeros(shape), np.ones(shape)
        for _ in range(60):
            middle = 0.5 * (low + high)
            falls = self._evaluate(self.slope, middle) < 0
            low, high = np.where(falls, middle, low), np.where(falls, high, middle)
        return self.terms(high)

    def _evaluate(self, function: Callable[..., Array], p: Array) -> Array:
        found = call_user(RegularizerError, function, read_only(p), **self.parameters)
        return np.asarray(found, dtype=np.float64) + np.zeros(p.shape)

    def _zeros(self) -> Float[np.ndarray, "*batch A"]:
        return np.zeros(
            np.broadcast_shapes((1,), *(array.shape for array in self.parameters.values()))
        )


@dataclass(frozen=True, eq=False, init=False, repr=False)
class Convex(FunctionRegularizer):
    r"""A user-defined convex, differentiable function h, given by its value and gradient.

    Greedy policies are found by a general method: about ten to thirty Newton steps for each call,
    with differences of gradients. That is slow; where h is a sum over actions, use
    :class:`Separable`. The distance of each from the maximum is bounded by
    \(\max_{p'} \langle p' - p, y - \nabla h(p) \rangle\).

    Args:
        function: From (S, A) distributions, with zeros in them, to (S,) values of h, finite
            wherever the temperature matters.
        gradient: From (S, A) points with positive entries, whose sum may differ slightly from 1,
            to the (S, A) gradient. h must be convex at such points as well: if it is not, add a
            multiple of (Σ p - 1)².
        temperature: τ ≥ 0, a number or one per state, in the unit of the rewards per unit of h.
        parameters: Arrays with one entry per state in their first axis; the functions get them as
            keyword arguments, for the states of p.

    Both functions get read-only arrays.

    What is checked, and what is not: each greedy policy meets the conditions of optimality of
    ``gradient`` within :meth:`rounding`, or there is an error. Whether ``gradient`` belongs to
    ``function``, and whether that is convex, is not implied; in each certificate, the greedy
    policy of each state is compared by ``function`` with those that lie 1, 1/8, … and 8^-7 of the
    way to each of up to 16 actions, and there is an error if one of them is better by more than
    the certificate allows for. A wrong gradient is found where it makes a bound wrong along one of
    these lines. That is no proof: the bounds hold if h is convex and ``gradient`` its gradient.
    :func:`regmdp.testing.check_regularizer` tests it at random points.

    Raises:
        RegularizerError: if a parameter does not have one entry per state; in ``greedy``, if the
            error of a policy with respect to ``gradient`` may exceed :meth:`rounding`; in
            certificates, if some policy of the comparison is better than the greedy one.

    Examples:
        Similar actions, so that it costs less to spread over different ones:

        >>> import numpy as np, regmdp as rm
        >>> similarity = np.array([[1.0, 0.9, 0.0], [0.9, 1.0, 0.0], [0.0, 0.0, 1.0]])
        >>> spread = rm.Convex(
        ...     lambda p: 0.5 * np.sum(p * (p @ similarity), axis=-1),
        ...     lambda p: p @ similarity,
        ...     temperature=1.0,
        ... )
        >>> spread.maximiser(np.zeros((1, 3))).round(4)
        array([[0.2564, 0.2564, 0.4872]])

    References:
        Jaggi 2013, ICML, "Revisiting Frank-Wolfe", equation 2: the bound.
    """  # fmt: skip

    function: Callable[..., Array]
    gradient: Callable[..., Array]
    temperature: PerState
    parameters: Mapping[str, Array]
    _bounds: dict[int, tuple[float, float]] = field(init=False)

    @checked(
        RegularizerError,
        function=Function(),
        gradient=Function(),
        temperature=TEMPERATURE,
        parameters=PARAMETERS,
    )
    def __init__(
        self,
        function: Callable[..., Array],
        gradient: Callable[..., Array],
        temperature: ArrayLike,
        parameters: Mapping[str, ArrayLike] | None = None,
    ) -> None:
        set_fields(
            self,
            function=function,
            gradient=gradient,
            temperature=check_temperature(temperature),
            parameters=_check_parameters(parameters or {}),
            _bounds={},
        )

    def value(
        self, p: Float[Array, "*batch A"], available: Bool[Array, "*batch A"] | None = None
    ) -> Float[Array, "*batch"]:
        with np.errstate(all="ignore"):
            found = call_user(RegularizerError, self.function, read_only(p), **self.parameters)
            return np.asarray(found, dtype=np.float64) + np.zeros(p.shape[:-1])

    def greedy(
        self, y: Float[Array, "*batch A"], available: Bool[Array, "*batch A"] | None = None
    ) -> Float[Array, "*batch A"]:
        return maximise_numerically(self, ((1.0, self),), y, available)

    def subgradient(
        self, p: Float[Array, "*batch A"], available: Bool[Array, "*batch A"] | None = None
    ) -> Float[Array, "*batch A"]:
        with np.errstate(all="ignore"):
            found = call_user(RegularizerError, self.gradient, read_only(p), **self.parameters)
            return np.asarray(found, dtype=np.float64) + np.zeros(p.shape)

    def bounds(self, n_actions: int) -> tuple[float, float]:
        if n_actions not in self._bounds:
            zeros = np.zeros((self.n_states or 1, n_actions))
            high = max(float(np.max(self.value(zeros + vertex))) for vertex in np.eye(n_actions))
            try:
                lowest = float(np.min(-self.conjugate(zeros))) - self.rounding(n_actions)
            except RegularizerError:
                lowest = self._min_tangent(n_actions)
            # the minimum of a function that is not convex may not be found, which
            # `check_regularizer` reports
            self._bounds[n_actions] = min(lowest, high), high
        return self._bounds[n_actions]

    def magnitude(self, n_actions: int) -> float:
        low, zeros = self._min_tangent(n_actions), np.zeros((self.n_states or 1, n_actions))
        high = max(float(np.max(self.value(zeros + vertex))) for vertex in np.eye(n_actions))
        return max(abs(low), abs(high)) if np.isfinite(high) else abs(low) + 1.0

    def _min_tangent(self, n_actions: int) -> float:
        """Return the minimum of the tangent at the centre of the simplex, a lower bound on h."""
        centre = np.full((self.n_states or 1, n_actions), 1.0 / n_actions)
        slope = self.subgradient(centre)
        return float(np.min(self.value(centre) + np.min(slope, axis=1) - np.mean(slope, axis=1)))

    def rounding(self, n_actions: int) -> float:
        return ACCURACY * n_actions * (1.0 + self.magnitude(n_actions))


def _check_parameters(parameters: Mapping[str, ArrayLike]) -> dict[str, np.ndarray]:
    """Return the parameters as read-only arrays (S, …) of at least two dimensions."""
    checked = {}
    for name, given in parameters.items():
        array = np.array(check_array(f"the parameter {name}", given, error=RegularizerError))
        if array.ndim == 0:
            raise RegularizerError(
                f"the parameter {name} must be an array with one entry per state; put constants "
                "into the functions"
            )
        array = array[:, None] if array.ndim == 1 else array
        checked[name] = freeze(array)
    sizes = {name: len(array) for name, array in checked.items()}
    if len(set(sizes.values())) > 1:
        raise RegularizerError(f"the parameters have different numbers of states: {sizes}")
    return checked
