"""Lower and upper bounds on probabilities: the distributions between them, and linear functions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from regmdp._internal.arrays import UNIT_ROUNDOFF, Array, ArrayLike, Bool, Float, array_namespace
from regmdp._internal.checks import describe_first
from regmdp._internal.errors import RegularizerError
from regmdp._internal.fields import set_fields

__all__ = ["ProbabilityBounds", "require_feasible", "rounding_slack"]


@dataclass(frozen=True, eq=False, init=False)
class ProbabilityBounds:
    """The distributions with lower ≤ p ≤ upper.

    Attributes:
        lower: Smallest probabilities, of any shape that broadcasts to (…, A).
        upper: Largest probabilities, likewise.
    """

    lower: Array
    upper: Array

    def __init__(self, lower: ArrayLike, upper: ArrayLike) -> None:
        set_fields(self, lower=_as_array(lower), upper=_as_array(upper))

    def broadcast(
        self, shape: tuple[int, ...], allowed: Bool[Array, "*batch A"] | None, like: Array
    ) -> ProbabilityBounds:
        """Return the bounds as arrays of one shape, both 0 where an action is not allowed.

        Where no action is allowed they are 0 and 1.

        Args:
            shape: (…, A).
            allowed: (…, A) mask, or None if every action is.
            like: An array of the library whose arrays the bounds become.
        """
        xp = array_namespace(like)
        lower, upper = (
            xp.broadcast_to(xp.asarray(bound, dtype=xp.float64), shape)
            for bound in (self.lower, self.upper)
        )
        if allowed is None:
            return ProbabilityBounds(lower, upper)
        some = xp.any(allowed, axis=-1, keepdims=True)
        return ProbabilityBounds(
            xp.where(allowed, lower, 0.0), xp.where(allowed, upper, xp.where(some, 0.0, 1.0))
        )

    def intersection(self, other: ProbabilityBounds) -> ProbabilityBounds:
        """Return the bounds of the distributions that satisfy both."""
        xp = array_namespace(self.lower, self.upper, other.lower, other.upper)
        return ProbabilityBounds(
            xp.maximum(self.lower, other.lower), xp.minimum(self.upper, other.upper)
        )

    def linear_maximiser(self, y: Float[Array, "*batch A"]) -> Float[Array, "*batch A"]:
        """(…, A) scores -> (…, A) the distribution between the bounds that maximises ⟨p, y⟩.

        Each action in turn, best first, is raised to its upper bound while probability is left.
        """
        xp = array_namespace(y)
        order = xp.argsort(-y, axis=-1, stable=True)
        lower, upper = (
            xp.take_along_axis(bound, order, axis=-1) for bound in (self.lower, self.upper)
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
        """Find the action at which :meth:`linear_maximiser` runs out of probability.

        Args:
            y: (…, A) scores.

        Returns:
            The (…) score of that action, and the (…) sum of the upper bounds of the actions up to
            it and of the lower bounds of the others, which is more than 1. If the upper bounds sum
            to no more than 1, the action is the last one whose bounds differ.
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
        """Return the (…, A) distribution at the same fraction between the bounds of each action."""
        xp = array_namespace(self.lower)
        room = self.upper - self.lower
        rest = 1.0 - xp.sum(self.lower, axis=-1, keepdims=True)
        total = xp.sum(room, axis=-1, keepdims=True)
        share = xp.where(total > 0, rest / xp.where(total > 0, total, 1.0), 0.0)
        return self.lower + xp.minimum(xp.maximum(share, 0.0), 1.0) * room

    def contains(self, p: Float[Array, "*batch A"]) -> Bool[Array, "*batch"]:
        """(…, A) distributions -> (…) whether they are between the bounds, up to rounding."""
        xp = array_namespace(p)
        outside = xp.maximum(p - self.upper, 0.0) + xp.maximum(self.lower - p, 0.0)
        return xp.sum(outside, axis=-1) <= rounding_slack(p.shape[-1])


def _as_array(bound: ArrayLike) -> Array:
    return bound if hasattr(bound, "shape") else np.asarray(bound)  # pyright: ignore[reportReturnType]


def rounding_slack(n_actions: int) -> float:
    """Return by how much rounding and normalising may move a distribution out of its bounds."""
    return 4 * (n_actions + 4) * UNIT_ROUNDOFF


def require_feasible(
    bounds: ProbabilityBounds,
    available: Bool[np.ndarray, "S A"],
    allowed: Bool[np.ndarray, "S A"],
    cost: Float[np.ndarray, " S"],
    name: str,
) -> None:
    """Check that the bounds permit a distribution in every state.

    Args:
        bounds: The bounds on probabilities of a regularizer.
        available: (S, A) mask of the available actions.
        allowed: (S, A) mask of those in its domain.
        cost: (S,) cost of the regularizer at the centre of the bounds.
        name: Name of the regularizer, for messages.

    Raises:
        RegularizerError: naming the first state where there is none.
    """
    wide = bounds.broadcast(available.shape, allowed, np.empty(0))
    live = available.any(axis=1)
    least, most = (
        np.sum(np.where(allowed, bound, 0.0), axis=1) for bound in (wide.lower, wide.upper)
    )
    rounding = rounding_slack(available.shape[1])
    crossed = np.any(allowed & (wide.lower > wide.upper), axis=1)

    def refuse(bad: Bool[np.ndarray, " S"], reason: Callable[[int], str]) -> None:
        bad = live & bad
        if bad.any():
            raise RegularizerError(
                describe_first(
                    bad,
                    lambda state: f"{name} permits no policy in state {state}: {reason(state)}",
                    "states",
                    "widen the bounds, or leave an action without one",
                )
            )

    refuse(crossed, lambda _: "a lower bound is above the upper bound of the same action")
    refuse(
        least > 1.0 + rounding,
        lambda state: f"the lower bounds of its actions sum to {least[state]:.12g}, more than 1",
    )
    refuse(
        most < 1.0 - rounding,
        lambda state: f"the upper bounds of its actions sum to {most[state]:.12g}, less than 1",
    )
    refuse(
        ~np.isfinite(cost),
        lambda state: (
            f"all its actions are capped, and the caps sum to {most[state]:.12g}, not above 1"
        ),
    )
