"""A linear cost of actions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from regmdp._internal.arrays import Array, ArrayLike, Bool, Float, array_namespace, freeze, one_hot
from regmdp._internal.errors import RegularizerError
from regmdp._internal.fields import set_fields
from regmdp._internal.parameters import checked
from regmdp.regularizers._parameters import (
    FIELD,
    TRACED_TEMPERATURE,
    PerState,
    check_temperature,
    require_shape,
)
from regmdp.regularizers.separable import Derivatives, SeparableRegularizer

__all__ = ["WeightedL1"]


@dataclass(frozen=True, eq=False, init=False)
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

    weights: Array
    temperature: PerState

    state_fields: ClassVar[dict[str, int]] = {"temperature": 1, "weights": 2}

    @checked(RegularizerError, weights=FIELD, temperature=TRACED_TEMPERATURE)
    def __init__(self, weights: ArrayLike, temperature: ArrayLike) -> None:
        set_fields(
            self, weights=_check_weights(weights), temperature=check_temperature(temperature)
        )

    def terms(self, p: Float[Array, "*batch A"]) -> Float[Array, "*batch A"]:
        return p * self.weights

    def derivatives(
        self, p: Float[Array, "*batch A"], log_p: Float[Array, "*batch A"]
    ) -> Derivatives:
        zero = 0.0 * p
        return Derivatives(zero + self.weights, zero, zero)

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


def _check_weights(weights: ArrayLike) -> np.ndarray:
    """Return weights as a read-only array."""
    try:
        values = np.array(weights, dtype=np.float64, order="F")
    except (TypeError, ValueError):
        values = np.full(1, np.nan)
    if values.ndim not in (1, 2) or not np.isfinite(values).all():
        raise RegularizerError(
            f"the weights must be finite numbers of shape (S, A) or (A,), not {weights!r}"
        )
    return freeze(values)
