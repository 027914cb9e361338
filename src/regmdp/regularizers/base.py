r"""What a regularizer is: a convex function h of the policy in one state, and everything that follows from it.

With a temperature τ the policy p in a state with action values q is worth ⟨p, q⟩ - τ h(p). The best
such policy and its worth are \(\nabla h^*(q/\tau)\) and \(\tau h^*(q/\tau)\), where h* is the
convex conjugate of h over the simplex. Both are computed relative to the largest available value,
so that nothing overflows however small τ is; τ = 0 is the limit, the ordinary maximum.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from typing import Any, ClassVar, NamedTuple

import numpy as np

from regmdp._internal.arrays import UNIT_ROUNDOFF, Array, ArrayLike, Bool, Float, array_namespace
from regmdp._internal.errors import RegularizerError
from regmdp.regularizers import defaults
from regmdp.regularizers._hessians import hessian_product_by_differences
from regmdp.regularizers._probability_bounds import ProbabilityBounds, require_feasible

__all__ = ["Regularizer"]


class Regularizer(ABC):
    """A convex function h of the distribution over actions, and a temperature.

    Subclasses define ``value`` and ``greedy``; the rest is derived, and overridden where a formula
    is faster, tighter or more accurate. All methods work on arrays whose last axis is actions.
    ``available`` masks that axis: an unavailable action has probability 0, and its score is -inf.

    Attributes:
        temperature: τ ≥ 0, a number or one per state, (S,). Its unit is that of the rewards per
            unit of h.

    Examples:
        A regularizer of one's own, half the squared distance from the uniform distribution over
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

    temperature: ArrayLike

    #: Fields that may have one entry per state, and the number of dimensions they have then.
    state_fields: ClassVar[dict[str, int]] = {"temperature": 1}

    @abstractmethod
    def value(
        self, p: Float[Array, "*batch A"], available: Bool[Array, "*batch A"] | None = None
    ) -> Float[Array, "*batch"]:
        """(…, A) distributions -> (…) h(p), without the temperature."""

    @abstractmethod
    def greedy(
        self, y: Float[Array, "*batch A"], available: Bool[Array, "*batch A"] | None = None
    ) -> Float[Array, "*batch A"]:
        """(…, A) scores -> (…, A) the distribution that maximises ⟨p, y⟩ - h(p), the gradient of the conjugate."""

    def conjugate(
        self, y: Float[Array, "*batch A"], available: Bool[Array, "*batch A"] | None = None
    ) -> Float[Array, "*batch"]:
        """(…, A) scores -> (…) h*(y), the maximum of ⟨p, y⟩ - h(p) over distributions."""
        p = self.greedy(y, available)
        return inner(p, y) - self.value(p, available)

    def subgradient(
        self, p: Float[Array, "*batch A"], available: Bool[Array, "*batch A"] | None = None
    ) -> Float[Array, "*batch A"]:
        """(…, A) distributions -> (…, A) a subgradient of h: scores whose greedy distribution is p."""
        return defaults.subgradient(self, p, available)

    def hessian_vector_product(
        self,
        y: Float[Array, "*batch A"],
        direction: Float[Array, "*batch A"],
        available: Bool[Array, "*batch A"] | None = None,
    ) -> Float[Array, "*batch A"]:
        r"""(…, A) scores and (…, A) direction -> (…, A) \(\nabla^2 h^*(y)\) times it: how the greedy distribution moves.

        Where it has a kink, the derivative is that of the side on which the actions without
        probability stay without. What is derived here of ``greedy`` alone are differences, right to
        about eight digits.
        """
        return hessian_product_by_differences(self, y, direction, available)

    def bounds(self, n_actions: int) -> tuple[float, float]:
        """Return (L, U) with L ≤ h ≤ U on the simplex of n actions, and where only some of them are available."""
        return defaults.bounds(self, n_actions)

    def strong_convexity(self, n_actions: int) -> float:
        """Return the modulus of strong convexity of h in the ℓ1 norm; 0 if none is known."""
        return 0.0

    @property
    def steep(self) -> bool:
        """Whether greedy policies give every action of the domain positive probability, however low its score.

        Then h is infinitely steep at the boundary of the simplex.
        """
        return False

    def magnitude(self, n_actions: int) -> float:
        """Return a bound on the terms that are summed to compute h or h*, for scores whose maximum is 0."""
        low, high = self.bounds(n_actions)
        return max(abs(low), abs(high)) if np.isfinite(high) else abs(low) + 1.0

    def rounding(self, n_actions: int) -> float:
        """Return a bound on the rounding error of ``value``, and of ``conjugate`` for scores whose maximum is 0.

        Where there are limits, ⟨p, y⟩ has an error in proportion to the largest |y|, besides: see
        `certificates.rounding`.
        """
        return UNIT_ROUNDOFF * (n_actions + 32) * (1.0 + self.magnitude(n_actions))

    def domain(self, available: Bool[Array, "*batch A"] | None) -> Bool[Array, "*batch A"] | None:
        """(…, A) mask of available actions -> those where h is finite; None stands for all."""
        return available

    @property
    def probability_bounds(self) -> ProbabilityBounds | None:
        """The limits between which probabilities have to lie for h to be finite; None if there are none but 0 and 1."""
        return None

    def centre(self, available: Bool[Array, "S A"]) -> Float[Array, "S A"]:
        """(S, A) mask of available actions -> (S, A) a distribution inside the domain: uniform on it, if h is finite there."""
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
        """The number of states that fields with one entry per state speak of; None if no field has."""
        for name, ndim in self.state_fields.items():
            if np.ndim(getattr(self, name)) == ndim:
                return int(np.shape(getattr(self, name))[0])
        return None

    def at(self, states: Any) -> Regularizer:
        """Return the regularizer of some of the states: any index of an array's first axis."""
        per_state = [
            name for name, ndim in self.state_fields.items() if np.ndim(getattr(self, name)) == ndim
        ]
        if not per_state:
            return self
        part = copy.copy(self)
        for name in per_state:
            object.__setattr__(part, name, getattr(self, name)[states])
        return part

    def __add__(self, other: Regularizer) -> Regularizer:
        from regmdp.regularizers.sum import Sum  # which is built on this module

        return Sum((self, other)) if isinstance(other, Regularizer) else NotImplemented

    def check(self, available: Bool[Array, "S A"]) -> None:
        """Check that the regularizer fits a model with this (S, A) mask of available actions.

        Raises:
            RegularizerError: if a parameter has the wrong shape or value.
        """
        if getattr(self, "temperature", None) is None:
            raise RegularizerError(
                f"{type(self).__name__} has no temperature; give it one, a number or one per state"
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
        """Check that the limits leave a policy where h is finite in every state of a model with this (S, A) mask.

        Raises:
            RegularizerError: naming the first state where they do not.
        """
        if self.probability_bounds is not None:
            domain = self.domain(available)
            allowed = available if domain is None else np.broadcast_to(domain, available.shape)
            require_feasible(
                self.probability_bounds,
                available,
                allowed,
                self.cost(self.centre(available), available),
                type(self).__name__,
            )

    # ---- what the temperature makes of h; not to be overridden ----

    @property
    def max_temperature(self) -> float:
        """The largest temperature of any state."""
        return float(np.max(self.temperature))

    def maximum(
        self, q: Float[Array, "*batch A"], available: Bool[Array, "*batch A"] | None = None
    ) -> Float[Array, "*batch"]:
        """(…, A) values -> (…) the largest ⟨p, q⟩ - τ h(p); 0 where no action is available."""
        if self._hard and self.probability_bounds is None:
            return self._top(q, available)[0][..., 0]
        scores = self._scores(q, available)
        xp = array_namespace(q)
        best = xp.asarray(scores.tau) * self.conjugate(scores.y, scores.allowed)
        if scores.limits is not None:
            best = xp.where(
                scores.cold, inner(scores.limits.linear_maximiser(scores.below), scores.below), best
            )
        best = scores.top + best
        return (
            best if scores.allowed is None else xp.where(xp.any(scores.allowed, axis=-1), best, 0.0)
        )

    def maximiser(
        self, q: Float[Array, "*batch A"], available: Bool[Array, "*batch A"] | None = None
    ) -> Float[Array, "*batch A"]:
        """(…, A) values -> (…, A) the distribution with the largest ⟨p, q⟩ - τ h(p); 0 where no action is available."""
        xp = array_namespace(q)
        if self._hard and self.probability_bounds is None:
            top, q, allowed = self._top(q, available)
            p = self.greedy(xp.where(q == top, 0.0, -xp.inf), allowed)
            p = xp.where(q == top, p, 0.0)  # only the best actions are left
            return p if allowed is None else xp.where(allowed, p, 0.0)
        scores = self._scores(q, available)
        p = self.greedy(scores.y, scores.allowed)
        if scores.limits is not None:
            p = xp.where(scores.cold[..., None], scores.limits.linear_maximiser(scores.below), p)
        elif np.any(
            np.asarray(self.temperature) == 0
        ):  # at temperature 0 only the best actions are left
            p = xp.where((xp.asarray(self.temperature)[..., None] == 0) & (scores.y < 0), 0.0, p)
        return p if scores.allowed is None else xp.where(scores.allowed, p, 0.0)

    def maximiser_jvp(
        self,
        q: Float[Array, "*batch A"],
        direction: Float[Array, "*batch A"],
        available: Bool[Array, "*batch A"] | None = None,
    ) -> Float[Array, "*batch A"]:
        """(…, A) values and (…, A) direction -> (…, A) the derivative of :meth:`maximiser` in it; 0 at temperature 0."""
        xp = array_namespace(q)
        tau = xp.asarray(self.temperature, dtype=xp.float64)
        if self._hard:
            return xp.zeros(q.shape)
        scores = self._scores(q, available)
        warm = xp.broadcast_to((tau > 0)[..., None], q.shape)
        live = warm if scores.allowed is None else warm & xp.broadcast_to(scores.allowed, q.shape)
        scaled = xp.where(live, direction, 0.0) / xp.where(tau > 0, tau, 1.0)[..., None]
        return xp.where(live, self.hessian_vector_product(scores.y, scaled, scores.allowed), 0.0)

    def cost(
        self, p: Float[Array, "*batch A"], available: Bool[Array, "*batch A"] | None = None
    ) -> Float[Array, "*batch"]:
        """(…, A) distributions -> (…) τ h(p); 0 where no action is available."""
        xp = array_namespace(p)
        if self._hard and self.domain(None) is None and self.probability_bounds is None:
            return xp.zeros(p.shape[:-1])
        value, tau = self.value(p, available), xp.asarray(self.temperature)
        # at temperature 0 a barrier costs nothing; what is forbidden, `domain` says
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
    def _hard(self) -> bool:
        """Whether the temperature is 0 everywhere, so that the largest value is all that counts."""
        return np.ndim(self.temperature) == 0 and self.temperature == 0

    def _top(
        self, q: Float[Array, "*batch A"], available: Bool[Array, "*batch A"] | None
    ) -> tuple[
        Float[Array, "*batch one"], Float[Array, "*batch A"], Bool[Array, "*batch A"] | None
    ]:
        """(…, A) values -> (…, 1) the largest allowed one; (…, A) the values, -inf where not allowed; the mask of those allowed."""
        xp = array_namespace(q)
        allowed = self.domain(available)
        if allowed is not None:
            allowed = xp.broadcast_to(allowed, q.shape)
            some = xp.any(allowed, axis=-1, keepdims=True)
            # the scores of a state without available actions are 0, to keep the arithmetic finite
            q = xp.where(allowed, q, xp.where(some, -xp.inf, 0.0))
        return xp.max(q, axis=-1, keepdims=True), q, allowed

    def _scores(
        self, q: Float[Array, "*batch A"], available: Bool[Array, "*batch A"] | None
    ) -> _Scores:
        xp = array_namespace(q)
        top, q, allowed = self._top(q, available)
        below = q - top
        tau = self.temperature
        with np.errstate(
            over="ignore"
        ):  # a score of -inf is right when (q - top)/τ is too large for a double
            if np.ndim(tau) == 0 and tau > 0:
                scores = below / tau
            else:
                tau = xp.asarray(tau)[..., None]
                limit = xp.where(below == 0, 0.0, -xp.inf)
                scores = xp.where(tau > 0, below / xp.where(tau > 0, tau, 1.0), limit)
        if self.probability_bounds is None:
            return _Scores(top[..., 0], below, scores, allowed, self.temperature, None, False)
        # actions far from the best may have to have some probability: their order matters, so their
        # scores have to be finite
        spread = -xp.min(xp.where(below > -xp.inf, below, 0.0), axis=-1)
        tau = xp.broadcast_to(xp.asarray(self.temperature, dtype=xp.float64), spread.shape)
        usable = xp.where(tau > 0, xp.maximum(tau, 1e-300 * spread), 1.0)
        return _Scores(
            top[..., 0],
            below,
            below / usable[..., None],
            allowed,
            usable,
            self.probability_bounds.broadcast(q.shape, allowed, q),
            tau == 0,
        )


class _Scores(NamedTuple):
    """Action values q as the methods without a temperature see them.

    Attributes:
        top: (…) largest allowed value.
        below: (…, A) q - top, -inf at actions that are not allowed.
        y: (…, A) (q - top)/τ.
        allowed: (…, A) mask of the actions in the domain, or None.
        tau: τ, or, if there are limits, what stands for it where the quotient would overflow, or τ
            is 0.
        limits: The (…, A) limits on their probabilities, or None.
        cold: (…) whether there are limits and τ is 0, so that the order of the values decides.
    """

    top: Array
    below: Array
    y: Array
    allowed: Array | None
    tau: ArrayLike
    limits: ProbabilityBounds | None
    cold: Any


def with_temperature(regularizer: Regularizer, temperature: ArrayLike) -> Regularizer:
    """Return the same regularizer with another temperature, a number or one per state, (S,)."""
    other = copy.copy(regularizer)
    object.__setattr__(
        other, "temperature", temperature if np.ndim(temperature) else float(temperature)
    )
    return other


def check_temperature(temperature: Any) -> float | np.ndarray:
    """Return the temperature as a float or a read-only (S,) array."""
    return check_per_state("temperature", temperature, positive=False)


def check_per_state(name: str, given: Any, *, positive: bool) -> float | np.ndarray:
    """Return a parameter that is finite, and positive or not negative, as a float or a read-only (S,) array."""
    try:
        values = np.array(given, dtype=np.float64)
    except (TypeError, ValueError):
        raise RegularizerError(f"{name} must be a number or one per state, not {given!r}") from None
    if values.ndim > 1:
        raise RegularizerError(f"{name} must be a number or have shape (S,), not {values.shape}")
    bad = ~((values > 0 if positive else values >= 0) & np.isfinite(values))
    if bad.any():
        where = f" of state {int(np.argmax(bad))}" if values.ndim else ""
        count = f"; {int(np.count_nonzero(bad))} are wrong" if values.ndim else ""
        needed = "positive and finite" if positive else "finite and not negative"
        raise RegularizerError(
            f"the {name}{where} must be {needed}, not {values.flat[np.argmax(bad)]}{count}"
        )
    if values.ndim == 0:
        return float(values)
    values.flags.writeable = False
    return values


def require_shape(name: str, field: np.ndarray, available: Bool[Array, "S A"]) -> None:
    """Check that a field over actions, or states and actions, has the shape of a model."""
    if field.shape not in (available.shape, available.shape[1:]):
        raise RegularizerError(
            f"{name} must have the model's shape (S, A) = {available.shape} or (A,), not "
            f"{field.shape}"
        )


def inner(p: Array, y: Array) -> Array:
    """⟨p, y⟩ over the last axis, where 0 · -inf is 0."""
    xp = array_namespace(p, y)
    return xp.sum(p * xp.where(p > 0, y, 0.0), axis=-1)
