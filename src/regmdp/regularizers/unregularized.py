"""No regularizer: the ordinary maximum."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from regmdp._internal.arrays import Array, Bool, Float, Int, array_namespace, is_traced, one_hot
from regmdp.regularizers.separable import Derivatives, SeparableRegularizer

__all__ = ["Unregularized"]


@dataclass(frozen=True, eq=False)
class Unregularized(SeparableRegularizer):
    """No regularizer, h = 0: the greedy policy takes the first of the best actions.

    ``solve`` uses it when no regularizer is given.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> rm.Unregularized().maximiser(np.array([1.0, 3.0, 2.0]))
        array([0., 1., 0.])
    """

    temperature = 0.0

    def terms(self, p: Float[Array, "*batch A"]) -> Float[Array, "*batch A"]:
        return array_namespace(p).zeros(p.shape)

    def derivatives(
        self, p: Float[Array, "*batch A"], log_p: Float[Array, "*batch A"]
    ) -> Derivatives:
        zeros = array_namespace(p).zeros(p.shape)
        return Derivatives(zeros, zeros, zeros)

    def greedy(
        self, y: Float[Array, "*batch A"], available: Bool[Array, "*batch A"] | None = None
    ) -> Float[Array, "*batch A"]:
        xp = array_namespace(y)
        best = y == xp.max(y, axis=-1, keepdims=True)
        if y.ndim > 1 and not is_traced(y) and xp.count_nonzero(best) == math.prod(y.shape[:-1]):
            return xp.astype(best, xp.float64)  # there are no ties
        return one_hot(xp.argmax(y, axis=-1), y.shape[-1])

    def conjugate(
        self, y: Float[Array, "*batch A"], available: Bool[Array, "*batch A"] | None = None
    ) -> Float[Array, "*batch"]:
        return array_namespace(y).max(y, axis=-1)

    def best(
        self, q: Float[np.ndarray, "b A"], available: Bool[np.ndarray, "b A"] | None
    ) -> tuple[Float[np.ndarray, " b"], Int[np.ndarray, " b"]]:
        """(b, A) values -> (b,) the largest value of each state, and the first action that has it.

        They are 0 and -1 where no action is available.

        Examples:
            >>> import numpy as np, regmdp as rm
            >>> rm.Unregularized().best(np.array([[1.0, 3.0, 3.0]]), None)
            (array([3.]), array([1], dtype=int32))
        """
        top, q, allowed = self._find_top(q, available)
        n_actions = q.shape[-1]
        first = q == top
        if allowed is not None:
            first &= allowed
        # the first of the best has the largest number counted from the end; NumPy's argmax takes
        # three times as long
        last = np.arange(n_actions, 0, -1, dtype=np.int16 if n_actions < 1 << 15 else np.int32)
        actions = n_actions - np.max(first * last, axis=-1).astype(np.int32)
        if allowed is not None:
            actions[actions == n_actions] = -1
        return top[..., 0], actions

    def bounds(self, n_actions: int) -> tuple[float, float]:
        return 0.0, 0.0

    def check(self, available: Bool[Array, "S A"]) -> None:
        pass
