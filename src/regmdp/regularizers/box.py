"""Lower and upper bounds on the probabilities of actions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from regmdp._internal.arrays import Array, ArrayLike, Bool, Float, array_namespace, freeze
from regmdp._internal.checks import check_number, describe_first
from regmdp._internal.errors import RegularizerError
from regmdp._internal.fields import set_fields
from regmdp._internal.parameters import Number, checked
from regmdp.regularizers._parameters import FIELD, PerState, require_shape
from regmdp.regularizers._probability_bounds import ProbabilityBounds, rounding_slack
from regmdp.regularizers.separable import Derivatives, SeparableRegularizer

__all__ = ["Box"]


@dataclass(frozen=True, eq=False, init=False)
class Box(SeparableRegularizer):
    r"""Bounds on probabilities, lower ≤ p ≤ upper: h is 0 between them and infinite outside.

    The greedy policy gives every action its lower bound, and the rest to the best actions in turn,
    up to their upper bounds. An action that is not available has probability 0 whatever its bounds.
    In a sum, as in ``Shannon(0.1) + Box(0.05, 0.6)``, it restricts the policies of the other parts.
    There is no temperature: any multiple of h is h.

    Args:
        lower: Smallest probabilities, a number, (A,), or (S, A).
        upper: Largest probabilities, likewise.

    Raises:
        RegularizerError: if a bound is not in [0, 1], a lower bound is above the upper one, the
            lower bounds of a state sum to more than 1, or the upper ones to less. Upper bounds that
            are all 0 in a state mark it as terminal.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> rm.Box(0.1, 0.6).maximiser(np.array([3.0, 2.0, 1.0]))
        array([0.6, 0.3, 0.1])
        >>> limited = rm.Shannon(temperature=0.5) + rm.Box(0.1, 0.6)
        >>> limited.maximiser(np.array([3.0, 2.0, 1.0]))
        array([0.6, 0.3, 0.1])

    References:
        Givan, Leach & Dean 2000, Artificial Intelligence 122, "Bounded-parameter Markov decision
        processes": the order in which the bounds are filled.
    """

    lower: float | Array
    upper: float | Array

    #: Any multiple of 0 and ∞ is the same.
    temperature: PerState = field(default=1.0, init=False, repr=False)

    state_fields: ClassVar[dict[str, int]] = {"lower": 2, "upper": 2}

    @checked(RegularizerError, lower=Number(0.0, 1.0) | FIELD, upper=Number(0.0, 1.0) | FIELD)
    def __init__(self, lower: ArrayLike, upper: ArrayLike) -> None:
        set_fields(self, lower=_check_bound("lower", lower), upper=_check_bound("upper", upper))
        _require_compatible(np.asarray(self.lower), np.asarray(self.upper))

    @property
    def probability_bounds(self) -> ProbabilityBounds:
        return ProbabilityBounds(self.lower, self.upper)

    def value(
        self, p: Float[Array, "*batch A"], available: Bool[Array, "*batch A"] | None = None
    ) -> Float[Array, "*batch"]:
        return array_namespace(p).where(
            self.probability_bounds.broadcast(p.shape, available, p).contains(p), 0.0, np.inf
        )

    def terms(self, p: Float[Array, "*batch A"]) -> Float[Array, "*batch A"]:
        # between the bounds; `value` is infinite outside
        return array_namespace(p).zeros(p.shape)

    def derivatives(
        self, p: Float[Array, "*batch A"], log_p: Float[Array, "*batch A"]
    ) -> Derivatives:
        zeros = array_namespace(p).zeros(p.shape)
        return Derivatives(zeros, zeros, zeros)

    def greedy(
        self, y: Float[Array, "*batch A"], available: Bool[Array, "*batch A"] | None = None
    ) -> Float[Array, "*batch A"]:
        return self.probability_bounds.broadcast(
            y.shape, self.domain(available), y
        ).linear_maximiser(y)

    def bounds(self, n_actions: int) -> tuple[float, float]:
        return 0.0, 0.0

    def rounding(self, n_actions: int) -> float:
        # h is 0 exactly
        return float(np.finfo(np.float64).tiny)

    def domain(self, available: Bool[Array, "*batch A"] | None) -> Bool[Array, "*batch A"] | None:
        possible = array_namespace(self.upper).asarray(self.upper) > 0
        if available is not None:
            return available & possible
        return None if np.ndim(possible) == 0 or possible.all() else possible

    def check(self, available: Bool[Array, "S A"]) -> None:
        super().check(available)
        for name in ("lower", "upper"):
            if np.ndim(getattr(self, name)):
                require_shape(f"the {name} bounds", getattr(self, name), available)
        self.require_feasible(available)

    def __repr__(self) -> str:
        shown = (
            repr(bound) if np.ndim(bound) == 0 else f"of shape {np.shape(bound)}"
            for bound in (self.lower, self.upper)
        )
        return "Box(lower={}, upper={})".format(*shown)


def _check_bound(name: str, bound: ArrayLike) -> float | Array:
    """Return a bound as a float, or as a read-only (A,) or (S, A) array, in [0, 1]."""
    try:
        values = np.array(bound, order="F")
        single = values.ndim == 0
        values = values if single else values.astype(np.float64)
    except (TypeError, ValueError):
        raise RegularizerError(
            f"{name} must be a number, or an array of shape (A,) or (S, A), not {bound!r}"
        ) from None
    if single:
        return check_number(name, bound, 0.0, 1.0, error=RegularizerError)
    if values.ndim > 2 or values.size == 0:
        raise RegularizerError(
            f"{name} must be a number, or have shape (A,) or (S, A), not {values.shape}"
        )
    bad = ~((values >= 0) & (values <= 1))
    if bad.any():
        raise RegularizerError(
            describe_first(
                bad,
                lambda *at: f"{name} must be between 0 and 1, not {values[at]} at {at}",
                "entries",
            )
        )
    return freeze(values)


def _require_compatible(lower: np.ndarray, upper: np.ndarray) -> None:
    """Check that the bounds permit a distribution in every state, whatever is available."""
    try:
        lower, upper = np.broadcast_arrays(lower, upper)
    except ValueError:
        raise RegularizerError(
            f"the bounds do not fit together: lower has shape {lower.shape}, upper {upper.shape}"
        ) from None
    crossed = lower > upper
    if crossed.any():
        raise RegularizerError(
            describe_first(
                crossed,
                lambda *at: (
                    f"the lower bound, {lower[at]}, is above the upper bound, {upper[at]}"
                    + (f", at {at}" if at else "")
                ),
                "entries",
            )
        )
    if lower.ndim == 0:
        return
    slack = rounding_slack(lower.shape[-1])
    least, most = np.atleast_1d(lower.sum(axis=-1)), np.atleast_1d(upper.sum(axis=-1))
    _require_sum("lower", least, least > 1.0 + slack, "more than 1", lower.ndim == 2)
    # the row of a terminal state may be empty
    _require_sum("upper", most, (most < 1.0 - slack) & (most > 0), "less than 1", lower.ndim == 2)


def _require_sum(
    name: str, sums: np.ndarray, bad: np.ndarray, reason: str, per_state: bool
) -> None:
    """Refuse bounds whose sums permit no distribution."""
    if bad.any():
        raise RegularizerError(
            describe_first(
                bad,
                lambda row: (
                    f"the {name} bounds{f' of state {row}' if per_state else ''} sum to "
                    f"{sums[row]:.12g}, {reason}: no policy is between the bounds"
                ),
                "states",
            )
        )
