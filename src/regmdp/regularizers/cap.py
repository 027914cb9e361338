"""A logarithmic barrier below caps on the probabilities of some actions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from regmdp._internal.arrays import (
    UNIT_ROUNDOFF,
    Array,
    ArrayLike,
    Bool,
    Float,
    array_namespace,
    freeze,
    one_hot,
)
from regmdp._internal.checks import describe_first
from regmdp._internal.errors import RegularizerError
from regmdp._internal.fields import set_fields
from regmdp._internal.parameters import ArrayOf, checked
from regmdp.regularizers._divergences import logarithm_divergence
from regmdp.regularizers._parameters import (
    PER_STATE,
    TEMPERATURE,
    PerState,
    check_per_state,
    check_temperature,
    require_shape,
)
from regmdp.regularizers._probability_bounds import ProbabilityBounds
from regmdp.regularizers._roots import solve_probabilities
from regmdp.regularizers.separable import Derivatives, SeparableRegularizer

__all__ = ["CapBarrier"]

#: Where all actions are capped, the caps must sum to more than 1 plus this.
MIN_SPARE_PROBABILITY = 1e-9


@dataclass(frozen=True, eq=False, init=False)
class CapBarrier(SeparableRegularizer):
    r"""Logarithmic barrier below a cap, \(h(p) = -\sum_{a \in \Phi} \log(b - p_a)\).

    The sum is over the available actions of a set Φ, whose probabilities stay below b. The greedy
    policy gives them \(p_a = [b - 1/(y_a - \lambda)]_+\), and the rest to the best of the other
    actions. At temperature 0 only the cap remains: p ≤ b.

    Args:
        mask: (S, A) or (A,) True at the capped actions, Φ.
        cap: b > 0, a number or one per state.
        temperature: τ ≥ 0, a number or one per state, in the unit of the rewards.

    Raises:
        RegularizerError: if the mask is not boolean, or a cap is not positive; in ``check``, if all
            actions of a state are capped and the caps sum to less than 1 + 1e-9.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> capped = rm.CapBarrier(np.array([True, False, False]), 0.4, temperature=0.1)
        >>> capped.maximiser(np.array([2.0, 1.0, 0.0]))
        array([0.3, 0.7, 0. ])

    References:
        Zhan, Cen, Huang, Chen, Lee & Chi 2023, SIAM Journal on Optimization 33(2), "Policy mirror
        descent for regularized reinforcement learning: a generalized framework with linear
        convergence", section 1: constraints by barriers.
    """

    mask: Array
    cap: PerState
    temperature: PerState

    state_fields: ClassVar[dict[str, int]] = {"temperature": 1, "mask": 2, "cap": 1}

    @checked(
        RegularizerError, mask=ArrayOf(None, "boolean"), cap=PER_STATE, temperature=TEMPERATURE
    )
    def __init__(self, mask: ArrayLike, cap: ArrayLike, temperature: ArrayLike) -> None:
        set_fields(
            self,
            mask=_check_mask(mask),
            cap=check_per_state("cap", cap, positive=True),
            temperature=check_temperature(temperature),
        )

    @property
    def probability_bounds(self) -> ProbabilityBounds:
        xp = array_namespace(self.mask)
        return ProbabilityBounds(
            0.0, xp.where(self.mask, xp.minimum(xp.asarray(self.cap)[..., None], 1.0), 1.0)
        )

    def terms(self, p: Float[Array, "*batch A"]) -> Float[Array, "*batch A"]:
        xp = array_namespace(p)
        below = xp.where(self.mask, xp.asarray(self.cap)[..., None] - p, 1.0)
        return xp.where(below > 0, -xp.log(xp.where(below > 0, below, 1.0)), xp.inf)

    def derivatives(
        self, p: Float[Array, "*batch A"], log_p: Float[Array, "*batch A"]
    ) -> Derivatives:
        xp = array_namespace(p)
        below = xp.asarray(self.cap)[..., None] - p
        first = xp.where(below > 0, 1.0 / xp.where(below > 0, below, 1.0), xp.inf)
        ratio = p * first
        first_dlog = ratio * first
        return Derivatives(
            *(
                xp.where(self.mask, part, 0.0)
                for part in (first, first_dlog, first_dlog * (1.0 + 2.0 * ratio))
            )
        )

    def greedy(
        self, y: Float[Array, "*batch A"], available: Bool[Array, "*batch A"] | None = None
    ) -> Float[Array, "*batch A"]:
        xp = array_namespace(y)
        n_actions = y.shape[-1]
        bounds = self.probability_bounds.broadcast(y.shape, available, y)
        allowed = bounds.upper > 0
        capped = allowed & self.mask
        cap = xp.asarray(self.cap)[..., None]
        # relative to the action at which the caps are used up, so that scores far from it cost no
        # accuracy
        middle, total = bounds.marginal(xp.where(allowed, y, -xp.inf))
        y = xp.where(allowed, y - middle[..., None], -xp.inf)
        free = xp.where(allowed & ~capped, y, -xp.inf)
        best_free = xp.max(free, axis=-1)
        most = xp.broadcast_to(cap * (1.0 - 2 * (n_actions + 4) * UNIT_ROUNDOFF), y.shape)

        def within(multiplier: Array) -> tuple[Array, Array]:
            gap = y - multiplier[..., None]
            inside = capped & (gap * cap > 1.0)
            inverse = 1.0 / xp.where(inside, gap, 1.0)
            return xp.where(inside, xp.minimum(cap - inverse, most), 0.0), xp.where(
                inside, inverse * inverse, 0.0
            )

        some_free = best_free > -xp.inf
        at_best = within(xp.where(some_free, best_free, 0.0))[0]
        left = 1.0 - xp.sum(at_best, axis=-1)
        plateau = some_free & (left >= 0)
        # the actions up to the marginal one have at least cap - 1/x at λ = -x
        count = xp.sum(xp.astype(capped & (y >= 0), xp.float64), axis=-1)
        spare = xp.maximum(total - 1.0, UNIT_ROUNDOFF)
        low = xp.maximum(best_free, -count / spare)
        centre = bounds.centre()
        high = xp.max(
            xp.where(capped, y - 1.0 / xp.where(capped, cap - centre, 1.0), -xp.inf), axis=-1
        )
        low, high = (xp.where(plateau, 0.0, end) for end in (low, xp.maximum(low, high)))
        filled = at_best + one_hot(xp.argmax(free, axis=-1), n_actions) * left[..., None]
        filled = filled / xp.sum(filled, axis=-1, keepdims=True)
        return xp.where(
            plateau[..., None], filled, solve_probabilities(within, low, high, n_actions)
        )

    def divergence_terms(
        self, p: Float[Array, "*batch A"], q: Float[Array, "*batch A"]
    ) -> Float[Array, "*batch A"]:
        xp = array_namespace(p, q)
        below = xp.asarray(self.cap)[..., None] - q
        capped = self.mask & (below > 0)
        change = xp.where(capped, (q - p) / xp.where(capped, below, 1.0), 0.0)
        return logarithm_divergence(change)

    def bounds(self, n_actions: int) -> tuple[float, float]:
        least, most = float(np.min(self.cap)), float(np.max(self.cap))
        low = min(0.0, -n_actions * math.log(most))
        return low, math.inf if least <= 1.0 else max(0.0, -math.log(least - 1.0))

    def magnitude(self, n_actions: int) -> float:
        # a cap less a probability is a double of at least half a rounding of the cap, or of 1
        return n_actions * (38.0 + float(np.max(np.abs(np.log(self.cap)))))

    def rounding(self, n_actions: int) -> float:
        # if n actions are available, and all are capped, h has a slope of about n/(nb - 1), which
        # multiplies the rounding error of Σ p
        n_capped = np.arange(
            1, min(n_actions, int(np.max(np.sum(np.asarray(self.mask), axis=-1)))) + 1
        )
        spare = np.asarray(self.cap)[..., None] * n_capped - 1.0
        room = spare > MIN_SPARE_PROBABILITY
        slope = np.max(np.where(room, n_capped / np.where(room, spare, 1.0), 0.0), initial=0.0)
        return super().rounding(n_actions) + float(slope) * (n_actions + 4) * UNIT_ROUNDOFF

    def check(self, available: Bool[Array, "S A"]) -> None:
        super().check(available)
        require_shape("the mask", self.mask, available)
        self.require_feasible(available)
        spare = np.asarray(self.cap) * np.sum(available, axis=1) - 1.0
        crowded = (
            np.all(np.asarray(self.mask) | ~available, axis=1)
            & available.any(axis=1)
            & (np.asarray(self.temperature) > 0)
        )
        crowded &= spare <= MIN_SPARE_PROBABILITY
        if crowded.any():
            raise RegularizerError(
                describe_first(
                    crowded,
                    lambda state: (
                        f"all actions of state {state} are capped, and the caps sum to 1 "
                        f"{spare[state]:+.3g}, less than 1 + {MIN_SPARE_PROBABILITY:g}"
                    ),
                    "states",
                    "raise the cap, or leave an action without one",
                )
            )

    def __repr__(self) -> str:
        return (
            f"CapBarrier(mask of shape {self.mask.shape}, cap={self.cap!r}, "
            f"temperature={self.temperature!r})"
        )


def _check_mask(mask: ArrayLike) -> np.ndarray:
    """Return a boolean mask as a read-only array."""
    values = np.array(mask, order="F")
    if values.dtype != np.bool_ or values.ndim not in (1, 2):
        raise RegularizerError(
            f"the mask must be a boolean array of shape (S, A) or (A,), not {values.dtype} of "
            f"{values.shape}"
        )
    return freeze(values)
