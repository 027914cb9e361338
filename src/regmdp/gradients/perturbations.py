"""Perturbations of a regularized problem, and the derivative of its solution along one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from regmdp._internal.arrays import Array, ArrayLike, Float
from regmdp._internal.checks import LARGE_ROOT
from regmdp._internal.fields import ReadOnlyCopies
from regmdp._internal.parameters import ArrayOf, Number, checked
from regmdp.gradients.shapes import TransitionLike, TransitionsOf

__all__ = ["Derivative", "Perturbation"]


#: Changes, whose products are numbers.
ANY_SHAPE = ArrayOf(minimum=-LARGE_ROOT, maximum=LARGE_ROOT)


@checked(
    rewards=ArrayOf("S A", minimum=-LARGE_ROOT, maximum=LARGE_ROOT) | None,
    temperature=ANY_SHAPE | None,
    discount=Number(-LARGE_ROOT, LARGE_ROOT) | None,
    reference=ANY_SHAPE | None,
    transitions=TransitionsOf() | None,
)
@dataclass(frozen=True, eq=False)
class Perturbation(ReadOnlyCopies):
    """A direction in which a problem changes; what is None does not change.

    Attributes:
        rewards: (S, A) change of the rewards; entries at unavailable pairs are ignored.
        temperature: Change of the temperature: a number, or (S,) where the temperature has one
            entry per state.
        discount: Change of γ.
        reference: Change of the probabilities of KL's reference, (S, A) or (A,) as that is. A
            probability of 0 can only rise.
        transitions: Change of the transition probabilities, (S, A, S), or a sparse (S·A, S) whose
            row ``s * A + a`` belongs to (s, a). The probability that the episode ends changes by
            minus the sum of the row.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> rm.gradients.Perturbation(temperature=1.0).discount is None
        True
    """

    rewards: Float[np.ndarray, "S A"] | None = None
    temperature: ArrayLike | None = None
    discount: float | None = None
    reference: Array | None = None
    transitions: TransitionLike | None = None


@dataclass(frozen=True, eq=False)
class Derivative:
    """Derivative of a solution along a perturbation.

    Attributes:
        value: (S,) change of the optimal value V*.
        q: (S, A) change of the optimal action values Q*, 0 at unavailable pairs.
        policy: (S, A) change of the optimal policy.
    """

    value: Float[np.ndarray, " S"]
    q: Float[np.ndarray, "S A"]
    policy: Float[np.ndarray, "S A"]
