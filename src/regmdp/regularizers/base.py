r"""The base class of regularizers: a convex function h of the policy in each state.

With a temperature τ, the policy p in a state with action values q has the objective
⟨p, q⟩ - τ h(p). Its maximiser is \(\nabla h^*(q/\tau)\) and its maximum \(\tau h^*(q/\tau)\),
where h* is the convex conjugate of h over the simplex. Both are computed relative to the largest
available value, so that nothing overflows however small τ is; τ = 0 is the limit, the ordinary
maximum.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, NamedTuple

import numpy as np

from regmdp._internal.arrays import (
    UNIT_ROUNDOFF,
    Array,
    Bool,
    Float,
    array_namespace,
    is_traced,
    read_only,
)
from regmdp._internal.checks import describe_first
from regmdp._internal.errors import RegularizerError
from regmdp._internal.fields import ReadOnlyCopies, copy_with
from regmdp._internal.parameters import Integer, Number, checked_methods
from regmdp._internal.representation import describe_attributes
from regmdp._internal.user_calls import checked_for_users
from regmdp._internal.user_code import user_methods
from regmdp.regularizers import defaults
from regmdp.regularizers._array_methods import METHODS, call_method
from regmdp.regularizers._parameters import PerState, check_temperature
from regmdp.regularizers._probability_bounds import ProbabilityBounds, require_feasible

__all__ = ["Regularizer", "inner_product", "with_temperature"]


#: What the parameters of the methods that return a constant may be.
N_ACTIONS = {"n_actions": Integer()}
WITHIN = {**N_ACTIONS, "largest": Number(0.0, finite=False)}


@checked_for_users(call_method, **METHODS)
@checked_methods(
    RegularizerError,
    bounds=N_ACTIONS,
    strong_convexity=N_ACTIONS,
    relative_strong_convexity=N_ACTIONS,
    magnitude=N_ACTIONS,
    magnitude_within=WITHIN,
    rounding=N_ACTIONS,
    rounding_within=WITHIN,
)
@user_methods(RegularizerError)
class Regularizer(ReadOnlyCopies, ABC):
    """A convex function h of the distribution over actions, and a temperature.

    Subclasses define ``value`` and ``greedy``. The other methods have defaults, which a subclass
    overrides where a formula is faster, tighter or more accurate. All methods work on arrays whose
    last axis is actions. ``available`` masks that axis: an unavailable action has probability 0,
    and its score is -inf. A method never writes into its arguments: they are read-only. Several
    threads may call it at once.

    Certificates rely on the methods. For a regularizer that is not one of this library's they
    compare the greedy policy with others, near and far, and raise a :class:`RegularizerError` that
    names a better one. That finds errors, but proves nothing: test yours with
    :func:`regmdp.testing.check_regularizer`.

    Attributes:
        temperature: τ ≥ 0, a number or one per state, (S,). Its unit is that of the rewards per
            unit of h. In functions that JAX compiles, maps or differentiates, it may be a tracer:
            of Shannon, KL, Tsallis, Renyi, SquaredL2, LogBarrier and WeightedL1.

    Examples:
        A user-defined regularizer, half the squared distance from the uniform distribution over
        three actions:

        >>> import numpy as np, regmdp as rm
        >>> class Spread(rm.Regularizer):
        ...     def __init__(self, temperature):
        ...         self.temperature = temperature
        ...
        ...     def value(self, p, available=None):
        ...         return 0.5 * np.sum((p - 1 / 3) ** 2, axis=-1)
        ...
        ...     def greedy(self, y, available=None):
        ...         return rm.SquaredL2(temperature=1.0).greedy(y + 1 / 3, available)
        >>> solution = rm.solve(rm.models.bandit(), Spread(temperature=1.0))
        >>> solution.policy[0].round(4)
        array([0.55, 0.45, 0.  ])
    """

    temperature: PerState

    def __repr__(self) -> str:
        """Return the class and the public attributes, in one line."""
        return describe_attributes(self)

    #: Fields that may have one entry per state, and the number of dimensions they have then.
    state_fields: ClassVar[dict[str, int]] = {"temperature": 1}

    #: Makes a sum. The module of sums, which is built on this one, sets it.
    make_sum: ClassVar[Callable[[tuple[Regularizer, ...]], Regularizer]]

    @abstractmethod
    def value(
        self, p: Float[Array, "*batch A"], available: Bool[Array, "*batch A"] | None = None
    ) -> Float[Array, "*batch"]:
        """(…, A) distributions -> (…) h(p), without the temperature."""

    @abstractmethod
    def greedy(
        self, y: Float[Array, "*batch A"], available: Bool[Array, "*batch A"] | None = None
    ) -> Float[Array, "*batch A"]:
        """(…, A) scores -> (…, A) the maximiser of ⟨p, y⟩ - h(p), the gradient of the conjugate."""

    def conjugate(
        self, y: Float[Array, "*batch A"], available: Bool[Array, "*batch A"] | None = None
    ) -> Float[Array, "*batch"]:
        """(…, A) scores -> (…) h*(y), the maximum of ⟨p, y⟩ - h(p) over distributions."""
        p = self.greedy(y, available)
        return inner_product(p, y) - self.value(p, available)

    def subgradient(
        self, p: Float[Array, "*batch A"], available: Bool[Array, "*batch A"] | None = None
    ) -> Float[Array, "*batch A"]:
        """(…, A) distributions -> (…, A) a subgradient of h: scores with the greedy policy p."""
        return defaults.subgradient(self, p, available)

    def divergence(
        self,
        p: Float[Array, "*batch A"],
        q: Float[Array, "*batch A"],
        xi: Float[Array, "*batch A"] | None = None,
        available: Bool[Array, "*batch A"] | None = None,
    ) -> Float[Array, "*batch"]:
        r"""(…, A) distributions p and q -> (…) the divergence of p from q, without the temperature.

        .. math::
            D_h(p, q; \xi) = h(p) - h(q) - \langle \xi, p - q \rangle

        It is 0 or more if ξ is a subgradient of h at q. Without ξ it is the Bregman divergence,
        with :meth:`subgradient`, and is computed without cancellation where there is a formula. A
        constant added to ξ changes nothing. It is infinite where h(p) or h(q) is infinite, where p
        or q gives probability to an action that is not available, and where ξ is -inf at an action
        of p. It is 0 where no action is available.

        Args:
            p: (…, A) distributions.
            q: (…, A) distributions.
            xi: (…, A) ξ, a subgradient of h at q; None for that of :meth:`subgradient`.
            available: (…, A) mask of the available actions; None stands for all.

        Examples:
            >>> import numpy as np, regmdp as rm
            >>> p, q = np.array([0.5, 0.5, 0.0]), np.array([0.25, 0.25, 0.5])
            >>> float(rm.Shannon(1.0).divergence(p, q).round(4))  # log 2
            0.6931
            >>> float(rm.SquaredL2(1.0).divergence(p, q).round(4))  # half the squared distance
            0.1875

            At a corner of the simplex the squared norm has other subgradients than q:

            >>> corner = np.array([1.0, 0.0, 0.0])
            >>> xi = np.array([1.0, 0.0, -2.0])
            >>> float(rm.SquaredL2(1.0).divergence(q, corner, xi))
            1.4375

        References:
            Zhan, Cen, Huang, Chen, Lee & Chi 2023, SIAM Journal on Optimization 33(2), equation 16:
            the generalized divergence; Bregman 1967.
        """
        return defaults.divergence(self, p, q, xi, available)

    def gradient_divergence(
        self,
        p: Float[Array, "*batch A"],
        q: Float[Array, "*batch A"],
        available: Bool[Array, "*batch A"] | None = None,
    ) -> Float[Array, "*batch"]:
        """Compute :meth:`divergence` without ξ where h(p) and h(q) are finite.

        A subclass overrides it where a formula is more accurate than the definition.
        """
        return defaults.divergence_by_definition(
            self, p, q, self.subgradient(q, available), available
        )

    def hessian_vector_product(
        self,
        y: Float[Array, "*batch A"],
        direction: Float[Array, "*batch A"],
        available: Bool[Array, "*batch A"] | None = None,
    ) -> Float[Array, "*batch A"]:
        r"""(…, A) scores y and directions d -> (…, A) \(\nabla^2 h^*(y)\,d\).

        This is the derivative of the greedy distribution in the direction d. At a kink it is
        one-sided: actions with probability 0 keep it. The default takes differences of ``greedy``,
        accurate to about eight digits.
        """
        return defaults.hessian_vector_product(self, y, direction, available)

    def bounds(self, n_actions: int) -> tuple[float, float]:
        """Return (L, U) with L ≤ h ≤ U on the simplex of n actions, or of any subset of them."""
        return defaults.bounds(self, n_actions)

    def strong_convexity(self, n_actions: int) -> float:
        """Return the modulus of strong convexity of h in the ℓ1 norm; 0 if none is known."""
        return 0.0

    def relative_strong_convexity(self, n_actions: int) -> float:
        r"""Return κ, the modulus of strong convexity of h relative to negative entropy.

        It is the largest known κ for which h(p) - κ Σ p log p is convex on the simplex; 0 if none
        is known. Policy mirror descent with step size η contracts by 1/(1 + ητκ), see
        :class:`regmdp.algorithms.PMD`.

        If h is a sum over actions of φ(p), and w(p) = p φ''(p) falls and is convex, then κ is
        w(1/2). Proof. For the tangent v with Σ v = 0 let x be the only probability above 1/2, if
        there is one, and S the sum of v²/p over the other actions. By Cauchy and Schwarz the
        change of x has v_x² ≤ (1 - x) S, so that Σ v²/p (w(p) - κ) ≥ S (x w(1 - x) + (1 - x) w(x) -
        κ)/x, and by Jensen that is at least S (w(2x(1 - x)) - κ)/x ≥ 0. With two actions of
        probability 1/2 equality is reached.

        Examples:
            >>> import regmdp as rm
            >>> rm.Shannon(1.0).relative_strong_convexity(5)
            1.0
            >>> rm.LogBarrier(1.0).relative_strong_convexity(5)
            2.0
            >>> rm.SquaredL2(1.0).relative_strong_convexity(5)
            0.0

        References:
            Lu, Freund & Nesterov 2018, SIAM Journal on Optimization 28(1), "Relatively smooth
            convex optimization by first-order methods", Definition 1.2.
        """
        return 0.0

    @property
    def user_defined(self) -> bool:
        """Whether it is not one of this library's: certificates then compare greedy policies."""
        return type(self).__module__.partition(".")[0] != "regmdp"

    @property
    def steep(self) -> bool:
        """Whether h is infinitely steep at the boundary of the simplex.

        Then greedy policies give every action of the domain a positive probability.
        """
        return False

    def magnitude(self, n_actions: int) -> float:
        """Bound the terms that are summed to compute h or h*, for scores with maximum 0."""
        low, high = self.bounds(n_actions)
        return max(abs(low), abs(high)) if np.isfinite(high) else abs(low) + 1.0

    def rounding(self, n_actions: int) -> float:
        """Bound the rounding error of ``value``, and of ``conjugate`` for scores with maximum 0.

        With bounds on probabilities, ⟨p, y⟩ has an additional error in proportion to the largest
        |y|: see `regmdp.rounding`.
        """
        return UNIT_ROUNDOFF * (n_actions + 32) * (1.0 + self.magnitude(n_actions))

    def rounding_within(self, n_actions: int, largest: float) -> float:
        """Bound the same errors as :meth:`rounding` where |h| and |h*| are at most ``largest``."""
        return self.rounding(n_actions)

    def magnitude_within(self, n_actions: int, largest: float) -> float:
        """Bound the same terms as :meth:`magnitude` where |h| and |h*| are at most ``largest``."""
        return self.magnitude(n_actions)

    def domain(self, available: Bool[Array, "*batch A"] | None) -> Bool[Array, "*batch A"] | None:
        """(…, A) mask of available actions -> those where h is finite; None stands for all."""
        return available

    @property
    def probability_bounds(self) -> ProbabilityBounds | None:
        """The bounds on probabilities outside which h is infinite; None if they are 0 and 1."""
        return None

    def centre(self, available: Bool[Array, "S A"]) -> Float[Array, "S A"]:
        """(S, A) mask of available actions -> (S, A) distributions in the domain.

        They are uniform where h is finite there.
        """
        xp = array_namespace(available)
        domain = self.domain(available)
        allowed = available if domain is None else xp.broadcast_to(domain, available.shape)
        weight = xp.astype(allowed, xp.float64)
        uniform = weight / xp.maximum(xp.sum(weight, axis=-1, keepdims=True), 1.0)
        if self.probability_bounds is None:
            return uniform
        finite = xp.isfinite(self.cost(uniform, available))[..., None]
        inside = self.probability_bounds.broadcast(available.shape, allowed, weight).centre()
        return xp.where(allowed, xp.where(finite, uniform, inside), 0.0)

    @property
    def n_states(self) -> int | None:
        """Number of states of the fields with one entry per state; None if there is none."""
        for name, ndim in self.state_fields.items():
            if np.ndim(getattr(self, name)) == ndim:
                return int(np.shape(getattr(self, name))[0])
        return None

    def at(self, states: int | slice | np.ndarray) -> Regularizer:
        """Return the regularizer of some states, given by an index of an array's first axis."""
        per_state = [
            name for name, ndim in self.state_fields.items() if np.ndim(getattr(self, name)) == ndim
        ]
        if not per_state:
            return self
        return copy_with(self, **{name: getattr(self, name)[states] for name in per_state})

    def __add__(self, other: Regularizer) -> Regularizer:
        return (
            type(self).make_sum((self, other)) if isinstance(other, Regularizer) else NotImplemented
        )

    def check(self, available: Bool[Array, "S A"]) -> None:
        """Check that the regularizer fits a model with this (S, A) mask of available actions.

        Raises:
            RegularizerError: if a parameter has the wrong shape or value.
        """
        if getattr(self, "temperature", None) is None:
            raise RegularizerError(
                f"{type(self).__name__} has no temperature; give it one, a number or one per state"
            )
        if is_traced(self.temperature):
            raise RegularizerError(
                "the temperature is traced by JAX, and solvers need numbers; compile methods of "
                "the regularizer, or solve for many temperatures with regmdp.solve_many"
            )
        check_temperature(self.temperature)
        n_states = available.shape[0]
        for name, ndim in self.state_fields.items():
            field = getattr(self, name)
            if np.ndim(field) == ndim and np.shape(field)[0] != n_states:
                raise RegularizerError(
                    f"{name} of {type(self).__name__} has {np.shape(field)[0]} entries for "
                    f"{n_states} states"
                )

    def require_feasible(self, available: Bool[Array, "S A"]) -> None:
        """Check that in every state with actions some policy has a finite h.

        Args:
            available: (S, A) mask of the available actions.

        Raises:
            RegularizerError: naming the first state where none has.
        """
        domain, bounds = self.domain(available), self.probability_bounds
        allowed = available if domain is None else np.broadcast_to(domain, available.shape)
        name = type(self).__name__
        if bounds is not None:
            cost = self.cost(self.centre(available), available)
            require_feasible(bounds, available, allowed, cost, name)
            return
        infinite = available.any(axis=1) & ~allowed.any(axis=1)
        if np.isinf(self.bounds(available.shape[1])[1]):
            infinite |= ~np.isfinite(self.cost(self.centre(available), available))
        if infinite.any():
            raise RegularizerError(
                describe_first(
                    infinite,
                    lambda state: (
                        f"{name} permits no policy in state {state}: it is infinite at every "
                        "distribution over the actions that all its parts allow"
                    ),
                    "states",
                    "forbid no action that a barrier needs, or remove it with available=",
                )
            )

    # ---- methods that take the temperature into account; not to be overridden ----

    @property
    def max_temperature(self) -> float:
        """The largest temperature of any state."""
        return float(np.max(self.temperature))

    def maximum(
        self, q: Float[Array, "*batch A"], available: Bool[Array, "*batch A"] | None = None
    ) -> Float[Array, "*batch"]:
        """(…, A) values -> (…) the largest ⟨p, q⟩ - τ h(p); 0 where no action is available."""
        if self._is_cold and self.probability_bounds is None:
            return self._find_top(q, available)[0][..., 0]
        scores = self._compute_scores(q, available)
        xp = array_namespace(scores.y)
        best = xp.asarray(scores.tau) * self.conjugate(scores.y, scores.allowed)
        if scores.bounds is not None:
            best = xp.where(
                scores.cold,
                inner_product(scores.bounds.linear_maximiser(scores.below), scores.below),
                best,
            )
        best = scores.top + best
        return (
            best if scores.allowed is None else xp.where(xp.any(scores.allowed, axis=-1), best, 0.0)
        )

    def maximiser(
        self, q: Float[Array, "*batch A"], available: Bool[Array, "*batch A"] | None = None
    ) -> Float[Array, "*batch A"]:
        """(…, A) values -> (…, A) the maximiser of ⟨p, q⟩ - τ h(p); 0 without actions."""
        xp = array_namespace(q, self.temperature)
        if self._is_cold and self.probability_bounds is None:
            top, q, allowed = self._find_top(q, available)
            p = self.greedy(read_only(xp.where(q == top, 0.0, -xp.inf)), allowed)
            p = xp.where(q == top, p, 0.0)  # only the best actions are left
            return p if allowed is None else xp.where(allowed, p, 0.0)
        scores = self._compute_scores(q, available)
        p = self.greedy(scores.y, scores.allowed)
        if scores.bounds is not None:
            p = xp.where(scores.cold[..., None], scores.bounds.linear_maximiser(scores.below), p)
        elif is_traced(self.temperature) or np.any(np.asarray(self.temperature) == 0):
            # at temperature 0 only the best actions are left
            p = xp.where((xp.asarray(self.temperature)[..., None] == 0) & (scores.y < 0), 0.0, p)
        return p if scores.allowed is None else xp.where(scores.allowed, p, 0.0)

    def maximiser_jvp(
        self,
        q: Float[Array, "*batch A"],
        direction: Float[Array, "*batch A"],
        available: Bool[Array, "*batch A"] | None = None,
    ) -> Float[Array, "*batch A"]:
        """(…, A) values and directions -> (…, A) the directional derivative of :meth:`maximiser`.

        It is a Jacobian-vector product, and 0 at temperature 0.
        """
        xp = array_namespace(q, self.temperature)
        tau = xp.asarray(self.temperature, dtype=xp.float64)
        if self._is_cold:
            return xp.zeros(q.shape)
        scores = self._compute_scores(q, available)
        warm = xp.broadcast_to((tau > 0)[..., None], q.shape)
        live = warm if scores.allowed is None else warm & xp.broadcast_to(scores.allowed, q.shape)
        scaled = xp.where(live, direction, 0.0) / xp.where(tau > 0, tau, 1.0)[..., None]
        return xp.where(live, self.hessian_vector_product(scores.y, scaled, scores.allowed), 0.0)

    def cost(
        self, p: Float[Array, "*batch A"], available: Bool[Array, "*batch A"] | None = None
    ) -> Float[Array, "*batch"]:
        """(…, A) distributions -> (…) τ h(p); 0 where no action is available."""
        xp = array_namespace(p, self.temperature)
        if self._is_cold and self.domain(None) is None and self.probability_bounds is None:
            return xp.zeros(p.shape[:-1])
        value, tau = self.value(read_only(p), available), xp.asarray(self.temperature)
        # at temperature 0 a barrier costs nothing; `domain` has the actions that are forbidden
        cost = tau * xp.where(tau > 0, value, 0.0)
        if self.probability_bounds is not None:
            allowed = self.domain(available)
            allowed = None if allowed is None else xp.broadcast_to(allowed, p.shape)
            cost = xp.where(
                (tau == 0) & ~self.probability_bounds.broadcast(p.shape, allowed, p).contains(p),
                xp.inf,
                cost,
            )
        return cost if available is None else xp.where(xp.any(available, axis=-1), cost, 0.0)

    @property
    def _is_cold(self) -> bool:
        """Whether the temperature is 0 everywhere, so that only the largest value counts."""
        tau = self.temperature
        return np.ndim(tau) == 0 and not is_traced(tau) and bool(tau == 0)

    def _find_top(
        self, q: Float[Array, "*batch A"], available: Bool[Array, "*batch A"] | None
    ) -> tuple[
        Float[Array, "*batch one"], Float[Array, "*batch A"], Bool[Array, "*batch A"] | None
    ]:
        """Find the largest allowed value.

        Args:
            q: (…, A) values.
            available: (…, A) mask of the available actions; None stands for all.

        Returns:
            The (…, 1) largest allowed value; the (…, A) values, -inf where not allowed; and the
            (…, A) mask of the allowed ones.
        """
        xp = array_namespace(q)
        allowed = self.domain(available)
        if allowed is not None:
            allowed = xp.broadcast_to(allowed, q.shape)
            some = xp.any(allowed, axis=-1, keepdims=True)
            # the scores of a state without available actions are 0, to keep the arithmetic finite
            q = xp.where(allowed, q, xp.where(some, -xp.inf, 0.0))
            allowed = read_only(allowed)
        return xp.max(q, axis=-1, keepdims=True), q, allowed

    def _compute_scores(
        self, q: Float[Array, "*batch A"], available: Bool[Array, "*batch A"] | None
    ) -> _Scores:
        """Divide action values, relative to the largest, by the temperature."""
        xp = array_namespace(q, self.temperature)
        top, q, allowed = self._find_top(q, available)
        below, tau = q - top, self.temperature
        # a score of -inf is right when (q - top)/τ is too large for a double
        with np.errstate(over="ignore"):
            if np.ndim(tau) == 0 and not is_traced(tau) and tau > 0:
                scores = below / tau
            elif is_traced(tau):
                scores = _divide_traced(below, xp.asarray(tau)[..., None])
            else:
                tau = xp.asarray(tau)[..., None]
                limit = xp.where(below == 0, 0.0, -xp.inf)
                scores = xp.where(tau > 0, below / xp.where(tau > 0, tau, 1.0), limit)
        if self.probability_bounds is None:
            return _Scores(
                top[..., 0],
                below,
                read_only(scores),
                allowed,
                self.temperature,
                None,
                np.zeros(()),
            )
        # actions far from the best may need some probability: their order matters, so their scores
        # have to be finite
        spread = -xp.min(xp.where(below > -xp.inf, below, 0.0), axis=-1)
        tau = xp.broadcast_to(xp.asarray(self.temperature, dtype=xp.float64), spread.shape)
        usable = xp.where(tau > 0, xp.maximum(tau, 1e-300 * spread), 1.0)
        return _Scores(
            top[..., 0],
            below,
            read_only(below / usable[..., None]),
            allowed,
            usable,
            self.probability_bounds.broadcast(q.shape, allowed, q),
            tau == 0,
        )


class _Scores(NamedTuple):
    """Action values q, converted to scores for the methods without a temperature.

    Attributes:
        top: (…) largest allowed value.
        below: (…, A) q - top, -inf at actions that are not allowed.
        y: (…, A) (q - top)/τ.
        allowed: (…, A) mask of the actions in the domain, or None.
        tau: τ. With bounds on probabilities, where τ is 0 or the quotient would overflow, a
            positive number that replaces it.
        bounds: The (…, A) bounds on probabilities, or None.
        cold: (…) whether there are bounds and τ is 0, so that the order of the values decides.
    """

    top: Array
    below: Array
    y: Array
    allowed: Array | None
    tau: PerState
    bounds: ProbabilityBounds | None
    cold: Array


def _divide_traced(below: Array, tau: Array) -> Array:
    """Divide values, 0 or less, by temperatures that JAX traces.

    Only what is finite is divided: the derivative of -inf/τ would be infinite.
    """
    xp = array_namespace(below, tau)
    warm, finite = tau > 0, below > -xp.inf
    scores = xp.where(finite, below, 0.0) / xp.where(warm, tau, 1.0)
    return xp.where(finite & (warm | (below == 0)), scores, -xp.inf)


def with_temperature(regularizer: Regularizer, temperature: PerState) -> Regularizer:
    """Return the same regularizer with another temperature, a number or one per state, (S,)."""
    number = np.ndim(temperature) == 0 and not is_traced(temperature)
    return copy_with(regularizer, temperature=float(temperature) if number else temperature)


def inner_product(p: Array, y: Array) -> Array:
    """⟨p, y⟩ over the last axis, where 0 · -inf is 0."""
    xp = array_namespace(p, y)
    return xp.sum(p * xp.where(p > 0, y, 0.0), axis=-1)
