"""Certificates: bounds on the optimal value and on the loss of a policy."""

from __future__ import annotations

import decimal
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from regmdp._internal.arrays import UNIT_ROUNDOFF, Float, freeze
from regmdp._internal.bounds import require_bounds, require_error_bound
from regmdp._internal.fields import ReadOnlyCopies
from regmdp._internal.html import html_rows
from regmdp._internal.status import Status

__all__ = ["BOUNDS", "NUMBERS", "Bounds", "Certificate", "CertifiedBounds", "summarize_stack"]

#: The (S,) bounds of a certificate by name.
BOUNDS = ("lower", "upper", "policy_lower", "policy_upper")
#: Its numbers by name.
NUMBERS = ("gap", "worst_state", "initial_lower", "initial_upper", "initial_gap")

#: The smallest positive double.
SMALLEST = float(np.finfo(np.float64).smallest_subnormal)


@dataclass(frozen=True, eq=False)
class Bounds(ReadOnlyCopies):
    """(S,) bounds on the optimal value and on the value of one policy.

    Attributes:
        lower: (S,) lower bound on the optimal value.
        upper: (S,) upper bound on the optimal value.
        policy_lower: (S,) lower bound on the value of the policy.
        policy_upper: (S,) upper bound on the value of the policy.
        limit: What keeps the bounds from being tighter, if known.

    Raises:
        CertificateError: if a lower bound is above its upper bound, or one of them is NaN.
    """

    lower: Float[np.ndarray, " S"]
    upper: Float[np.ndarray, " S"]
    policy_lower: Float[np.ndarray, " S"]
    policy_upper: Float[np.ndarray, " S"]
    limit: Status | None = None

    def __post_init__(self) -> None:
        require_bounds("the optimal value of the states", self.lower, self.upper)
        require_bounds("the policy's value of the states", self.policy_lower, self.policy_upper)

    def map(self, change: Callable[[Float[np.ndarray, " R"]], Float[np.ndarray, " S"]]) -> Bounds:
        """Return the bounds after a change of each, such as to other states."""
        return replace(self, **{name: change(getattr(self, name)) for name in BOUNDS})

    def intersection(self, other: Bounds) -> Bounds:
        """Return the tighter of two bounds on the same values, state by state."""
        return Bounds(
            lower=np.maximum(self.lower, other.lower),
            upper=np.minimum(self.upper, other.upper),
            policy_lower=np.maximum(self.policy_lower, other.policy_lower),
            policy_upper=np.minimum(self.policy_upper, other.policy_upper),
            limit=self.limit or other.limit,
        )


@dataclass(frozen=True, eq=False)
class CertifiedBounds(ReadOnlyCopies, ABC):
    """The bounds of any certificate: lower ≤ V* ≤ upper and V* - V^π ≤ gap.

    Attributes:
        lower: (S,) lower bound on the optimal value, in the unit of the rewards.
        upper: (S,) upper bound on the optimal value.
        policy_lower: (S,) lower bound on the value of the certified policy.
        policy_upper: (S,) upper bound on it.
        gap: Bound on V* - V^π in the worst state.
        worst_state: The state where that bound is largest.
        initial_lower: Lower bound on the optimal value from the initial distribution ρ.
        initial_upper: Upper bound on it.
        initial_gap: Bound on V*(ρ) - V^π(ρ).
    """

    lower: Float[np.ndarray, " S"]
    upper: Float[np.ndarray, " S"]
    policy_lower: Float[np.ndarray, " S"]
    policy_upper: Float[np.ndarray, " S"]
    gap: float
    worst_state: int
    initial_lower: float
    initial_upper: float
    initial_gap: float

    @abstractmethod
    def __repr__(self) -> str: ...

    def _summary(self, digits: int) -> str:
        """Return the gaps and the optimal value from ρ, the latter with so many digits."""
        low = format_bound(self.initial_lower, digits, -1)
        high = format_bound(self.initial_upper, digits, 1)
        gap, initial_gap = format_bound(self.gap, 3, 1), format_bound(self.initial_gap, 3, 1)
        return (
            f"gap ≤ {gap}; from the initial distribution {low} ≤ V* ≤ {high}, gap ≤ {initial_gap}"
        )


def summarize_bounds(initial: Float[np.ndarray, " S"], bounds: Bounds) -> dict[str, Any]:
    """Return the attributes of :class:`CertifiedBounds` for an initial distribution ρ."""
    summary = summarize_stack(initial, bounds)
    numbers = {name: summary[name].item() for name in NUMBERS}
    return {name: freeze(getattr(bounds, name)) for name in BOUNDS} | numbers


def summarize_stack(initial: Float[np.ndarray, "*batch S"], bounds: Bounds) -> dict[str, Any]:
    """(…, S) initial distributions and (…, S) bounds -> (…) the numbers of certificates by name."""
    with np.errstate(invalid="ignore", over="ignore"):
        distance = bounds.upper - bounds.policy_lower
    # inf - inf is an unknown distance; where every policy loses without bound, none is better
    distance = np.where(np.isnan(distance), np.inf, distance) * (1.0 + 2 * UNIT_ROUNDOFF)
    distance = np.where(np.isneginf(bounds.upper), 0.0, distance)
    require_error_bound("the policy's value of the states", distance)
    return {
        "gap": distance.max(axis=-1),
        "worst_state": distance.argmax(axis=-1),
        "initial_lower": _bound_expectation(initial, bounds.lower, -1),
        "initial_upper": _bound_expectation(initial, bounds.upper, 1),
        "initial_gap": _bound_expectation(initial, distance, 1),
    }


@dataclass(frozen=True, eq=False)
class Certificate(CertifiedBounds):
    """Bounds that hold with rounding errors included: lower ≤ V* ≤ upper and V* - V^π ≤ gap.

    Attributes:
        lower: (S,) lower bound on the optimal value, in the unit of the rewards.
        upper: (S,) upper bound on the optimal value.
        policy_lower: (S,) lower bound on the value of the certified policy.
        policy_upper: (S,) upper bound on it.
        gap: Bound on V* - V^π in the worst state.
        worst_state: The state where that bound is largest.
        initial_lower: Lower bound on the optimal value from the initial distribution ρ.
        initial_upper: Upper bound on it.
        initial_gap: Bound on V*(ρ) - V^π(ρ).
        limit: What keeps the bounds from being tighter, where that is known.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> mdp = rm.models.bandit()
        >>> certificate = rm.certify(mdp, policy=np.array([1]))
        >>> bool(certificate.lower[0] <= 1.0 <= certificate.upper[0]), round(certificate.gap, 6)
        (True, 0.1)
    """

    limit: Status | None = None

    @classmethod
    def from_bounds(cls, initial: Float[np.ndarray, " S"], bounds: Bounds) -> Certificate:
        """Summarize (S,) bounds for an initial distribution ρ."""
        return cls(**summarize_bounds(initial, bounds), limit=bounds.limit)

    @property
    def bounds(self) -> Bounds:
        """The (S,) bounds alone."""
        return Bounds(**{name: getattr(self, name) for name in BOUNDS}, limit=self.limit)

    def __repr__(self) -> str:
        return f"Certificate({self._summary(13)})"

    def _repr_html_(self) -> str:
        rows = self.lines(f"state {self.worst_state}")
        return html_rows(
            "Certificate", [*rows, *([("limit", str(self.limit))] if self.limit else [])]
        )

    def lines(self, worst_state: str, *, negated: bool = False) -> list[tuple[str, str]]:
        """Return a summary as (name, text) pairs; all numbers are rounded to the safe side.

        Args:
            worst_state: The name of the worst state.
            negated: Whether the bounds are those of the negated value, such as a cost.
        """
        lower, upper = self.initial_lower, self.initial_upper
        if negated:
            lower, upper = 0.0 - upper, 0.0 - lower
        low, high = format_bound(lower, 13, -1), format_bound(upper, 13, 1)
        worst, initial = format_bound(self.gap, 3, 1), format_bound(self.initial_gap, 3, 1)
        gap = (
            f"at most {worst} in {worst_state}, the worst, and {initial} from the initial "
            "distribution"
        )
        return [("optimum", f"between {low} and {high}"), ("gap", gap)]


def format_bound(bound: float, digits: int, direction: Literal[-1, 1]) -> str:
    """Return a bound in decimal digits, rounded down if the direction is -1, up if it is 1.

    >>> (
    ...     format_bound(1.0000000000000002, 13, 1),
    ...     format_bound(0.1234567, 3, -1),
    ...     format_bound(float("inf"), 3, 1),
    ... )
    ('1.000000000001', '0.123', 'inf')
    """
    if not np.isfinite(bound):
        return str(bound)
    rounding = decimal.ROUND_FLOOR if direction < 0 else decimal.ROUND_CEILING
    rounded = decimal.Context(prec=digits, rounding=rounding).create_decimal_from_float(bound)
    return f"{rounded:f}" if 1e-4 <= abs(rounded) < 1e9 or rounded == 0 else f"{rounded:e}"


def _bound_expectation(
    initial: Float[np.ndarray, "*batch S"],
    bound: Float[np.ndarray, "*batch S"],
    direction: Literal[-1, 1],
) -> Float[np.ndarray, "*batch"]:
    """Bound ρ · bound, rounding included; states of probability 0 do not count.

    The ρ of a process sums to 1 up to rounding. The bound is also one for the ρ that was given, of
    which the process holds the quotient by its sum: each entry is rounded, and the sum.
    """
    possible = initial > 0
    low, high = (np.any(possible & (bound == infinity), axis=-1) for infinity in (-np.inf, np.inf))
    finite = np.logical_and(possible, np.isfinite(bound))
    weights = initial / np.sum(initial, axis=-1, keepdims=True)
    values = np.where(finite, bound, 0.0)
    size, count = np.abs(values), np.sum(possible, axis=-1)
    slack = 2 * (count + 8) * UNIT_ROUNDOFF * np.sum(weights * size, axis=-1)
    # probabilities near the smallest double are rounded to multiples of it
    slack = slack + 4 * count * SMALLEST * (1.0 + np.max(size, axis=-1))
    found = np.sum(weights * values, axis=-1) + direction * slack
    infinite = np.where(np.logical_and(low, ~high), -np.inf, direction * np.inf)
    return np.where(np.logical_or(low, high), infinite, found)
