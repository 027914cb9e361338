"""First and second derivatives of weighted sums of regularizers, exact or by differences."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from regmdp._internal.arrays import Array, Bool, Float
from regmdp.regularizers._parameters import PerState
from regmdp.regularizers.base import Regularizer, inner_product
from regmdp.regularizers.separable import SeparableRegularizer

__all__ = ["WeightedSum", "is_differentiable"]

#: Relative step of the differences of gradients that approximate second derivatives.
GRADIENT_STEP = 1e-6

#: Relative step of second differences of values.
VALUE_STEP = 0.02


def is_differentiable(regularizer: Regularizer) -> bool:
    """Return whether a regularizer overrides the default ``subgradient``, which is numerical."""
    return type(regularizer).subgradient is not Regularizer.subgradient


@dataclass(frozen=True, eq=False)
class WeightedSum:
    """A weighted sum of regularizers, differentiable where allowed probabilities are positive.

    Attributes:
        parts: The weight, (N,) or a number, and the regularizer.
        allowed: (N, A) mask of the actions that may have positive probability.
    """

    parts: tuple[tuple[PerState, Regularizer], ...]
    allowed: Bool[np.ndarray, "N A"]

    def gradients(self, p: Float[np.ndarray, "N A"]) -> list[Float[np.ndarray, "N A"]]:
        """(N, A) points -> (N, A) gradient of each part, unweighted; 0 where not allowed."""
        return [np.where(self.allowed, self._gradient(part, p), 0.0) for _, part in self.parts]

    def weighted_sum(self, gradients: list[Float[np.ndarray, "N A"]]) -> Float[np.ndarray, "N A"]:
        """Return the (N, A) weighted sum of the gradients of the parts."""
        total = np.zeros(self.allowed.shape)
        for (weight, _), gradient in zip(self.parts, gradients, strict=True):
            times = np.broadcast_to(weight, total.shape[:1])[:, None]
            total = total + times * np.where(times > 0, gradient, 0.0)
        return total

    def gradient(self, p: Float[np.ndarray, "N A"]) -> Float[np.ndarray, "N A"]:
        """(N, A) points -> (N, A) gradient of the sum."""
        return self.weighted_sum(self.gradients(p))

    def tangent_error(
        self, p: Float[np.ndarray, "N A"], gradients: list[Float[np.ndarray, "N A"]]
    ) -> Float[np.ndarray, " N"]:
        """Return (N,) bounds on how far tangents with these gradients at p exceed the function.

        Where a gradient z is a difference, the bound is h*(z) + h(p) - ⟨z, p⟩.
        """
        total = np.zeros(len(p))
        for (weight, part), z in zip(self.parts, gradients, strict=True):
            if not is_differentiable(part):
                top = np.max(np.where(self.allowed, z, -np.inf), axis=1, keepdims=True)
                scores = np.where(self.allowed, z - top, -np.inf)
                loss = (
                    part.conjugate(scores, self.allowed)
                    + part.value(p, self.allowed)
                    - inner_product(p, scores)
                )
                total += weight * np.maximum(loss, 0.0)
        return total

    def hessian(
        self, p: Float[np.ndarray, "N A"], size: Float[np.ndarray, "N A"]
    ) -> Float[np.ndarray, "N A A"]:
        """Return the (N, A, A) second derivatives with respect to p / size, for (N, A) sizes.

        The sizes are the distances within which the function is smooth.
        """
        n_actions = p.shape[1]
        total = np.zeros((*p.shape, n_actions))
        diagonal = np.arange(n_actions)
        for weight, part in self.parts:
            times = np.broadcast_to(weight, p.shape[:1])
            if isinstance(part, SeparableRegularizer):
                first_dlog = part.derivatives(p, np.log(np.maximum(p, 1e-300))).first_dlog
                own = np.where(size > 0, size * first_dlog * (size / np.maximum(p, 1e-300)), 0.0)
                total[:, diagonal, diagonal] += times[:, None] * np.where(
                    times[:, None] > 0, own, 0.0
                )
                continue
            own = (
                self._hessian_from_gradients(part, p, size)
                if is_differentiable(part)
                else self._hessian_from_values(part, p, size)
            )
            total += times[:, None, None] * np.nan_to_num(own)
        return np.where((size > 0)[:, :, None] & (size > 0)[:, None, :], total, 0.0)

    def _gradient(self, part: Regularizer, p: Array) -> Array:
        if isinstance(part, SeparableRegularizer):
            return part.derivatives(p, np.log(np.maximum(p, 1e-300))).first
        if is_differentiable(part):
            return part.subgradient(p, self.allowed)
        columns = []
        # the step with the smallest error for a function as curved as p log p
        size = np.minimum(5e-6 * np.abs(p) ** (2 / 3), 0.5 * p)
        for action in range(p.shape[1]):
            values = []
            for side in (1.0, -1.0):
                moved = p.copy()
                moved[:, action] += side * size[:, action]
                values.append((moved[:, action], part.value(moved, self.allowed)))
            apart = values[0][0] - values[1][0]
            columns.append((values[0][1] - values[1][1]) / np.where(apart > 0, apart, 1.0))
        return np.stack(columns, axis=1)

    def _hessian_from_gradients(self, part: Regularizer, p: Array, size: Array) -> Array:
        base = part.subgradient(p, self.allowed)
        columns = []
        for action in range(p.shape[1]):
            moved = _displace(p, size, {action: GRADIENT_STEP})
            shift = moved[:, action] - p[:, action]
            difference = (part.subgradient(moved, self.allowed) - base) / np.where(
                shift != 0, shift, 1.0
            )[:, None]
            columns.append(size * difference * size[:, action, None])
        matrix = np.stack(columns, axis=2)
        return 0.5 * (matrix + matrix.transpose(0, 2, 1))

    def _hessian_from_values(self, part: Regularizer, p: Array, size: Array) -> Array:
        step = VALUE_STEP

        def value(moves: dict[int, float]) -> Array:
            return part.value(_displace(p, size, moves), self.allowed)

        base = value({})
        ahead = [value({action: step}) for action in range(p.shape[1])]
        behind = [value({action: -step}) for action in range(p.shape[1])]
        matrix = np.zeros((*p.shape, p.shape[1]))
        for one in range(p.shape[1]):
            matrix[:, one, one] = (ahead[one] - 2 * base + behind[one]) / step**2
            for other in range(one):
                mixed = value({one: step, other: step}) - ahead[one] - ahead[other] + base
                matrix[:, one, other] = matrix[:, other, one] = mixed / step**2
        return matrix


def _displace(p: Array, size: Array, moves: dict[int, float]) -> Array:
    """Return points with some probabilities changed by multiples of their sizes."""
    moved = p.copy()
    for action, step in moves.items():
        moved[:, action] += step * size[:, action]
    return moved
