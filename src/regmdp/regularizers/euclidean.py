"""The squared Euclidean norm, whose greedy policies are sparse."""

from __future__ import annotations

from dataclasses import dataclass

from regmdp._internal.arrays import Array, ArrayLike, Bool, Float, array_namespace
from regmdp._internal.errors import RegularizerError
from regmdp._internal.fields import set_fields
from regmdp._internal.parameters import checked
from regmdp.regularizers._parameters import TRACED_TEMPERATURE, PerState, check_temperature
from regmdp.regularizers.separable import Derivatives, SeparableRegularizer

__all__ = ["SquaredL2"]


@dataclass(frozen=True, eq=False, init=False)
class SquaredL2(SeparableRegularizer):
    r"""Half the squared Euclidean norm, \(h(p) = \tfrac12 \sum_a p_a^2\).

    The greedy policy is the Euclidean projection of q/τ on the simplex (sparsemax): actions far
    from the best get probability 0.

    Args:
        temperature: τ ≥ 0, a number or one per state, in the unit of the rewards.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> rm.SquaredL2(temperature=1.0).maximiser(np.array([1.0, 0.5, -3.0]))
        array([0.75, 0.25, 0.  ])

    References:
        Martins & Astudillo 2016, ICML, "From softmax to sparsemax", Algorithm 1.
    """

    temperature: PerState

    @checked(RegularizerError, temperature=TRACED_TEMPERATURE)
    def __init__(self, temperature: ArrayLike) -> None:
        set_fields(self, temperature=check_temperature(temperature))

    def terms(self, p: Float[Array, "*batch A"]) -> Float[Array, "*batch A"]:
        return 0.5 * p * p

    def derivatives(
        self, p: Float[Array, "*batch A"], log_p: Float[Array, "*batch A"]
    ) -> Derivatives:
        return Derivatives(p, p, p)

    def greedy(
        self, y: Float[Array, "*batch A"], available: Bool[Array, "*batch A"] | None = None
    ) -> Float[Array, "*batch A"]:
        xp = array_namespace(y)
        # an action more than 1 below the best has probability 0, however far below it is
        y = xp.maximum(y - xp.max(y, axis=-1, keepdims=True), -2.0)
        descending = -xp.sort(-y, axis=-1)
        rank = xp.arange(1, y.shape[-1] + 1, dtype=y.dtype)
        total = xp.cumulative_sum(descending, axis=-1)
        inside = 1.0 + rank * descending > total
        size = xp.count_nonzero(inside, axis=-1, keepdims=True)
        threshold = (xp.take_along_axis(total, size - 1, axis=-1) - 1.0) / size
        return xp.maximum(y - threshold, 0.0)

    def divergence_terms(
        self, p: Float[Array, "*batch A"], q: Float[Array, "*batch A"]
    ) -> Float[Array, "*batch A"]:
        return 0.5 * (p - q) * (p - q)

    def bounds(self, n_actions: int) -> tuple[float, float]:
        return 0.5 / n_actions, 0.5

    def strong_convexity(self, n_actions: int) -> float:
        return 1.0 / n_actions
