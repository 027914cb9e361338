"""Lower and upper limits on the probabilities of actions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from regmdp._internal.arrays import Array, ArrayLike, Bool, Float, array_namespace
from regmdp._internal.errors import RegularizerError
from regmdp.regularizers._probability_bounds import ProbabilityBounds, rounding_slack
from regmdp.regularizers.base import require_shape
from regmdp.regularizers.separable import Derivatives, SeparableRegularizer

__all__ = ["Box"]


@dataclass(frozen=True, eq=False)
class Box(SeparableRegularizer):
    r"""Limits on probabilities, lower ≤ p ≤ upper: h is 0 between them and infinite outside.

    The greedy policy gives every action its lower limit, and the rest to the best actions in turn,
    up to their upper limits. An action that is not available has probability 0 whatever its limits.
    In a sum, as in ``Shannon(0.1) + Box(0.05, 0.6)``, it limits the policies of the other parts.
    There is no temperature: any multiple of h is h.

    Args:
        lower: Smallest probabilities, a number, (A,), or (S, A).
        upper: Largest probabilities, likewise.

    Raises:
        RegularizerError: if a limit is not in [0, 1], a lower limit is above the upper one, the
            lower limits of a state sum to more than 1, or the upper ones to less. Upper limits that
            are all 0 in a state stand for a terminal state.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> rm.Box(0.1, 0.6).maximiser(np.array([3.0, 2.0, 1.0]))
        array([0.6, 0.3, 0.1])
        >>> limited = rm.Shannon(temperature=0.5) + rm.Box(0.1, 0.6)
        >>> limited.maximiser(np.array([3.0, 2.0, 1.0]))
        array([0.6, 0.3, 0.1])

    References:
        Givan, Leach & Dean 2000, Artificial Intelligence 122, "Bounded-parameter Markov decision
        processes": the order in which the limits are filled.
    """

    lower: ArrayLike
    upper: ArrayLike

    #: Any multiple of 0 and ∞ is the same.
    temperature: ArrayLike = field(default=1.0, init=False, repr=False)

    state_fields: ClassVar[dict[str, int]] = {"lower": 2, "upper": 2}

    def __post_init__(self) -> None:
        for name in ("lower", "upper"):
            object.__setattr__(self, name, _check_limit(name, getattr(self, name)))
        _require_room(np.asarray(self.lower), np.asarray(self.upper))

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
        # between the limits; what is outside, `value` and `limits` say
        return array_namespace(p).zeros(p.shape)

    def derivatives(
        self, p: Float[Array, "*batch A"], logarithm: Float[Array, "*batch A"]
    ) -> Derivatives:
        nothing = array_namespace(p).zeros(p.shape)
        return Derivatives(nothing, nothing, nothing)

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
                require_shape(f"the {name} limits", getattr(self, name), available)
        self.require_feasible(available)

    def __repr__(self) -> str:
        shown = (
            repr(limit) if np.ndim(limit) == 0 else f"of shape {np.shape(limit)}"
            for limit in (self.lower, self.upper)
        )
        return "Box(lower={}, upper={})".format(*shown)


def _check_limit(name: str, limit: Any) -> float | np.ndarray:
    try:
        values = np.array(limit, dtype=np.float64, order="F")
    except (TypeError, ValueError):
        raise RegularizerError(
            f"{name} must be a number, or an array of shape (A,) or (S, A), not {limit!r}"
        ) from None
    if values.ndim > 2 or values.size == 0:
        raise RegularizerError(
            f"{name} must be a number, or have shape (A,) or (S, A), not {values.shape}"
        )
    bad = ~((values >= 0) & (values <= 1))
    if bad.any():
        where = tuple(int(i) for i in np.unravel_index(np.argmax(bad), bad.shape))
        place = (
            f" at {where}; {int(np.count_nonzero(bad))} entries are wrong" if values.ndim else ""
        )
        raise RegularizerError(
            f"{name} limits are probabilities, between 0 and 1, and not {values[where]}{place}"
        )
    if values.ndim == 0:
        return float(values)
    values.flags.writeable = False
    return values


def _require_room(lower: np.ndarray, upper: np.ndarray) -> None:
    """Check that some distribution is within the limits in every state, as far as that can be said without a model."""
    try:
        lower, upper = np.broadcast_arrays(lower, upper)
    except ValueError:
        raise RegularizerError(
            f"the limits do not fit together: lower has shape {lower.shape}, upper {upper.shape}"
        ) from None
    crossed = lower > upper
    if crossed.any():
        where = tuple(int(i) for i in np.unravel_index(np.argmax(crossed), crossed.shape))
        place = (
            f" at {where}; {int(np.count_nonzero(crossed))} pairs are like that"
            if crossed.ndim
            else ""
        )
        raise RegularizerError(
            f"the lower limit, {lower[where]}, is above the upper limit, {upper[where]}{place}"
        )
    if lower.ndim == 0:
        return
    rounding = rounding_slack(lower.shape[-1])
    for sums, wrong, what in (
        (
            lower.sum(axis=-1),
            lambda total: total > 1.0 + rounding,
            "more than 1: no policy is within the lower limits",
        ),
        # the row of a terminal state may be empty
        (
            upper.sum(axis=-1),
            lambda total: (total < 1.0 - rounding) & (total > 0),
            "less than 1: no policy is within the upper limits",
        ),
    ):
        bad = np.atleast_1d(wrong(sums))
        if bad.any():
            row = int(np.argmax(bad))
            where = f"of state {row} " if lower.ndim == 2 else ""
            count = (
                f"; {int(np.count_nonzero(bad))} states are like that" if lower.ndim == 2 else ""
            )
            raise RegularizerError(
                f"the limits {where}sum to {np.atleast_1d(sums)[row]:.12g}, {what}{count}"
            )
