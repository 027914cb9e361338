"""First and second derivatives of regularizers that are not sums over actions, exact ones or differences."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from regmdp._internal.arrays import Array, Bool, Float
from regmdp.regularizers.base import Regularizer, inner
from regmdp.regularizers.separable import SeparableRegularizer

__all__ = ["Smooth", "is_differentiable"]

#: Relative size of the differences of gradients that stand for second derivatives.
DIFFERENCE = 1e-6

#: The same for second differences of values.
SECOND_DIFFERENCE = 0.02


def is_differentiable(regularizer: Regularizer) -> bool:
    """Return whether a regularizer has a subgradient of its own, not the one that is derived of its greedy distributions."""
    return type(regularizer).subgradient is not Regularizer.subgradient


@dataclass(frozen=True, eq=False)
class Smooth:
    """A weighted sum of regularizers, as a function that has derivatives where all allowed probabilities are positive.

    Attributes:
        parts: The weight, (N,) or a number, and the regularizer.
        allowed: (N, A) mask of the actions that may have positive probability.
    """

    parts: tuple[tuple[Array, Regularizer], ...]
    allowed: Bool[np.ndarray, "N A"]

    def gradients(self, p: Float[np.ndarray, "N A"]) -> list[Float[np.ndarray, "N A"]]:
        """(N, A) points -> the (N, A) gradient of each part, without its weight; 0 at actions that are not allowed."""
        return [np.where(self.allowed, self._gradient(part, p), 0.0) for _, part in self.parts]

    def total(self, gradients: list[Float[np.ndarray, "N A"]]) -> Float[np.ndarray, "N A"]:
        """Return the (N, A) weighted sum of the gradients of the parts."""
        total = np.zeros(self.allowed.shape)
        for (weight, _), gradient in zip(self.parts, gradients, strict=True):
            times = np.broadcast_to(weight, total.shape[:1])[:, None]
            total = total + times * np.where(times > 0, gradient, 0.0)
        return total

    def gradient(self, p: Float[np.ndarray, "N A"]) -> Float[np.ndarray, "N A"]:
        """(N, A) points -> (N, A) gradient of the sum."""
        return self.total(self.gradients(p))

    def unsure(
        self, p: Float[np.ndarray, "N A"], gradients: list[Float[np.ndarray, "N A"]]
    ) -> Float[np.ndarray, " N"]:
        """Return (N,) by how much tangents with these (N, A) gradients at p may exceed the function anywhere.

        Where a gradient is a difference, z, that is h*(z) + h(p) - ⟨z, p⟩.
        """
        total = np.zeros(len(p))
        for (weight, part), z in zip(self.parts, gradients, strict=True):
            if not is_differentiable(part):
                top = np.max(np.where(self.allowed, z, -np.inf), axis=1, keepdims=True)
                scores = np.where(self.allowed, z - top, -np.inf)
                loss = (
                    part.conjugate(scores, self.allowed)
                    + part.value(p, self.allowed)
                    - inner(p, scores)
                )
                total += weight * np.maximum(loss, 0.0)
        return total

    def curvature(
        self, p: Float[np.ndarray, "N A"], size: Float[np.ndarray, "N A"]
    ) -> Float[np.ndarray, "N A A"]:
        """Return the (N, A, A) second derivatives in units of (N, A) sizes, within which the function changes regularly."""
        n_actions = p.shape[1]
        total = np.zeros((*p.shape, n_actions))
        diagonal = np.arange(n_actions)
        for weight, part in self.parts:
            times = np.broadcast_to(weight, p.shape[:1])
            if isinstance(part, SeparableRegularizer):
                stretch = part.derivatives(p, np.log(np.maximum(p, 1e-300))).first_dlog
                own = np.where(size > 0, size * stretch * (size / np.maximum(p, 1e-300)), 0.0)
                total[:, diagonal, diagonal] += times[:, None] * np.where(
                    times[:, None] > 0, own, 0.0
                )
                continue
            own = (
                self._of_gradients(part, p, size)
                if is_differentiable(part)
                else self._of_values(part, p, size)
            )
            total += times[:, None, None] * np.nan_to_num(own)
        return np.where((size > 0)[:, :, None] & (size > 0)[:, None, :], total, 0.0)

    def _gradient(self, part: Regularizer, p: Array) -> Array:
        if isinstance(part, SeparableRegularizer):
            return part.derivatives(p, np.log(np.maximum(p, 1e-300))).first
        if is_differentiable(part):
            return part.subgradient(p, self.allowed)
        columns = []
        # what is best against rounding, for a function as curved as p log p
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

    def _of_gradients(self, part: Regularizer, p: Array, size: Array) -> Array:
        base = part.subgradient(p, self.allowed)
        columns = []
        for action in range(p.shape[1]):
            moved = _moved(p, size, {action: DIFFERENCE})
            shift = moved[:, action] - p[:, action]
            difference = (part.subgradient(moved, self.allowed) - base) / np.where(
                shift != 0, shift, 1.0
            )[:, None]
            columns.append(size * difference * size[:, action, None])
        matrix = np.stack(columns, axis=2)
        return 0.5 * (matrix + matrix.transpose(0, 2, 1))

    def _of_values(self, part: Regularizer, p: Array, size: Array) -> Array:
        step = SECOND_DIFFERENCE

        def value(moves: dict[int, float]) -> Array:
            return part.value(_moved(p, size, moves), self.allowed)

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


def _moved(p: Array, size: Array, moves: dict[int, float]) -> Array:
    moved = p.copy()
    for action, step in moves.items():
        moved[:, action] += step * size[:, action]
    return moved
