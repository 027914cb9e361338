"""Lower and upper limits on probabilities: the part of the simplex that they leave, and linear functions on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from regmdp._internal.arrays import UNIT_ROUNDOFF, Array, ArrayLike, Bool, Float, array_namespace
from regmdp._internal.errors import RegularizerError

__all__ = ["ProbabilityBounds", "require_feasible", "rounding_slack"]


@dataclass(frozen=True, eq=False)
class ProbabilityBounds:
    """The distributions with lower ≤ p ≤ upper.

    Attributes:
        lower: Smallest probabilities, of any shape that broadcasts to (…, A).
        upper: Largest probabilities, likewise.
    """

    lower: ArrayLike
    upper: ArrayLike

    def broadcast(
        self, shape: tuple[int, ...], allowed: Bool[Array, "*batch A"] | None, like: Array
    ) -> ProbabilityBounds:
        """Return the limits as arrays of a shape, 0 where an action is not allowed; where none is, they limit nothing.

        Args:
            shape: (…, A).
            allowed: (…, A) mask, or None if every action is.
            like: An array of the library that the limits are to be arrays of.
        """
        xp = array_namespace(like)
        lower, upper = (
            xp.broadcast_to(xp.asarray(limit, dtype=xp.float64), shape)
            for limit in (self.lower, self.upper)
        )
        if allowed is None:
            return ProbabilityBounds(lower, upper)
        some = xp.any(allowed, axis=-1, keepdims=True)
        return ProbabilityBounds(
            xp.where(allowed, lower, 0.0), xp.where(allowed, upper, xp.where(some, 0.0, 1.0))
        )

    def intersection(self, other: ProbabilityBounds) -> ProbabilityBounds:
        """Return the limits that both set."""
        xp = array_namespace(self.lower, self.upper, other.lower, other.upper)
        return ProbabilityBounds(
            xp.maximum(self.lower, other.lower), xp.minimum(self.upper, other.upper)
        )

    def linear_maximiser(self, y: Float[Array, "*batch A"]) -> Float[Array, "*batch A"]:
        """(…, A) scores -> (…, A) the distribution within the limits that maximises ⟨p, y⟩: each action in turn, best first."""
        xp = array_namespace(y)
        order = xp.argsort(-y, axis=-1, stable=True)
        lower, upper = (
            xp.take_along_axis(limit, order, axis=-1) for limit in (self.lower, self.upper)
        )
        room = upper - lower
        before = xp.cumulative_sum(room, axis=-1) - room
        rest = 1.0 - xp.sum(lower, axis=-1, keepdims=True)
        given = lower + xp.minimum(xp.maximum(rest - before, 0.0), room)
        p = xp.take_along_axis(given, xp.argsort(order, axis=-1), axis=-1)
        return p / xp.sum(p, axis=-1, keepdims=True)

    def marginal(
        self, y: Float[Array, "*batch A"]
    ) -> tuple[Float[Array, "*batch"], Float[Array, "*batch"]]:
        """(…, A) scores -> (…) that of the action at which :meth:`linear_maximiser` has more than 1 to give, and (…) what it has there.

        Where the limits never sum to more than 1, it is the last action that has any room.
        """
        xp = array_namespace(y)
        order = xp.argsort(-y, axis=-1, stable=True)
        room = xp.take_along_axis(self.upper - self.lower, order, axis=-1)
        total = xp.sum(self.lower, axis=-1, keepdims=True) + xp.cumulative_sum(room, axis=-1)
        last = xp.max(xp.where(room > 0, xp.arange(y.shape[-1]), 0), axis=-1)
        beyond = total > 1.0
        at = xp.where(xp.any(beyond, axis=-1), xp.argmax(beyond, axis=-1), last)[..., None]
        return xp.take_along_axis(y, xp.take_along_axis(order, at, axis=-1), axis=-1)[
            ..., 0
        ], xp.take_along_axis(total, at, axis=-1)[..., 0]

    def centre(self) -> Float[Array, "*batch A"]:
        """Return the (…, A) distribution that stands at the same fraction between the limits of every action."""
        xp = array_namespace(self.lower)
        room = self.upper - self.lower
        rest = 1.0 - xp.sum(self.lower, axis=-1, keepdims=True)
        total = xp.sum(room, axis=-1, keepdims=True)
        share = xp.where(total > 0, rest / xp.where(total > 0, total, 1.0), 0.0)
        return self.lower + xp.minimum(xp.maximum(share, 0.0), 1.0) * room

    def contains(self, p: Float[Array, "*batch A"]) -> Bool[Array, "*batch"]:
        """(…, A) distributions -> (…) whether they lie within the limits, up to the rounding of a normalised distribution."""
        xp = array_namespace(p)
        outside = xp.maximum(p - self.upper, 0.0) + xp.maximum(self.lower - p, 0.0)
        return xp.sum(outside, axis=-1) <= rounding_slack(p.shape[-1])


def rounding_slack(n_actions: int) -> float:
    """Return by how much a distribution within the limits may leave them when it is rounded and normalised."""
    return 4 * (n_actions + 4) * UNIT_ROUNDOFF


def require_feasible(
    limits: ProbabilityBounds,
    available: Bool[np.ndarray, "S A"],
    allowed: Bool[np.ndarray, "S A"],
    cost: Float[np.ndarray, " S"],
    name: str,
) -> None:
    """Check that limits leave a distribution in every state.

    Args:
        limits: The limits of a regularizer.
        available: (S, A) mask of the available actions.
        allowed: (S, A) mask of those in its domain.
        cost: (S,) what the regularizer costs at the centre of the limits.
        name: How to call the regularizer.

    Raises:
        RegularizerError: naming the first state where there is none.
    """
    over = limits.broadcast(available.shape, allowed, np.empty(0))
    live = available.any(axis=1)
    least, most = (
        np.sum(np.where(allowed, over.lower, 0.0), axis=1),
        np.sum(np.where(allowed, over.upper, 0.0), axis=1),
    )
    rounding = rounding_slack(available.shape[1])
    crossed = np.any(allowed & (over.lower > over.upper), axis=1)
    for bad, what in (
        (live & crossed, lambda state: "a lower limit is above the upper limit of the same action"),
        (
            live & (least > 1.0 + rounding),
            lambda state: (
                f"the lower limits of its actions sum to {least[state]:.12g}, more than 1"
            ),
        ),
        (
            live & (most < 1.0 - rounding),
            lambda state: f"the upper limits of its actions sum to {most[state]:.12g}, less than 1",
        ),
        (
            live & ~np.isfinite(cost),
            lambda state: (
                f"all its actions are capped, and the caps sum to {most[state]:.12g}, not above 1"
            ),
        ),
    ):
        if bad.any():
            state = int(np.argmax(bad))
            raise RegularizerError(
                f"{name} leaves no policy in state {state}: {what(state)}; "
                f"{int(np.count_nonzero(bad))} states are like that; widen the limits, or leave an "
                "action without one"
            )
