"""A linear cost of actions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from regmdp._internal.arrays import Array, ArrayLike, Bool, Float, array_namespace, one_hot
from regmdp._internal.errors import RegularizerError
from regmdp.regularizers.base import check_temperature, require_shape
from regmdp.regularizers.separable import Derivatives, SeparableRegularizer

__all__ = ["WeightedL1"]


@dataclass(frozen=True, eq=False)
class WeightedL1(SeparableRegularizer):
    r"""Weighted ℓ1 norm, \(h(p) = \sum_a w_a p_a\): a price on actions.

    On the simplex it is linear, so greedy policies are deterministic: the first action that
    maximises y - w.

    Args:
        weights: (S, A) prices, or (A,) for the same in every state.
        temperature: τ ≥ 0, a number or one per state, in the unit of the rewards per unit of the
            weights.

    Raises:
        RegularizerError: if a weight is not finite.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> rm.WeightedL1(np.array([1.0, 0.0]), temperature=0.5).maximiser(np.array([1.0, 0.6]))
        array([0., 1.])
    """

    weights: ArrayLike
    temperature: ArrayLike

    state_fields: ClassVar[dict[str, int]] = {"temperature": 1, "weights": 2}

    def __post_init__(self) -> None:
        weights = np.array(self.weights, dtype=np.float64, order="F")
        if weights.ndim not in (1, 2) or not np.isfinite(weights).all():
            raise RegularizerError(
                f"the weights must be finite numbers of shape (S, A) or (A,), not {self.weights!r}"
            )
        weights.flags.writeable = False
        object.__setattr__(self, "weights", weights)
        object.__setattr__(self, "temperature", check_temperature(self.temperature))

    def terms(self, p: Float[Array, "*batch A"]) -> Float[Array, "*batch A"]:
        return p * self.weights

    def derivatives(
        self, p: Float[Array, "*batch A"], logarithm: Float[Array, "*batch A"]
    ) -> Derivatives:
        nothing = 0.0 * p
        return Derivatives(nothing + self.weights, nothing, nothing)

    def greedy(
        self, y: Float[Array, "*batch A"], available: Bool[Array, "*batch A"] | None = None
    ) -> Float[Array, "*batch A"]:
        xp = array_namespace(y)
        return one_hot(xp.argmax(y - self.weights, axis=-1), y.shape[-1])

    def conjugate(
        self, y: Float[Array, "*batch A"], available: Bool[Array, "*batch A"] | None = None
    ) -> Float[Array, "*batch"]:
        return array_namespace(y).max(y - self.weights, axis=-1)

    def bounds(self, n_actions: int) -> tuple[float, float]:
        return float(np.min(self.weights)), float(np.max(self.weights))

    def check(self, available: Bool[Array, "S A"]) -> None:
        super().check(available)
        require_shape("the weights", self.weights, available)
