r"""Learning rates: how far an estimate moves towards the next target, by how often it has been moved before."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np

from regmdp._internal.arrays import Array, Float
from regmdp._internal.errors import SolverError
from regmdp.mdp import DecisionProcess

__all__ = ["LearningRate", "PolynomialRate", "RescaledLinearRate", "learning_rate"]


class LearningRate(ABC):
    """A rule that says how far an estimate moves, by how often it has been moved before.

    Immutable.
    """

    @abstractmethod
    def __call__(self, visits: Array, discount: float) -> Float[np.ndarray, "*n"]:
        """(…) numbers of earlier moves, and γ -> (…) step sizes in [0, 1]."""

    @abstractmethod
    def check(self, process: DecisionProcess) -> None:
        """Check that the rule is defined for this model.

        Raises:
            SolverError: if it is not.
        """


@dataclass(frozen=True)
class Fixed(LearningRate):
    """The same step size always. A plain number stands for it."""

    value: float

    def __call__(self, visits: Array, discount: float) -> Float[np.ndarray, "*n"]:
        return np.full(np.shape(visits), self.value)

    def check(self, process: DecisionProcess) -> None:
        """Take every model."""


@dataclass(frozen=True)
class RescaledLinearRate(LearningRate):
    r"""Step sizes \(1/(1 + (1-\gamma) k)\) after k earlier moves; the first estimate is forgotten at once. It needs γ < 1.

    The factor 1-γ matters: with 1/(1 + k) the error would shrink like \(k^{-(1-\gamma)}\).

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> rm.evaluation.RescaledLinearRate()(np.array([0, 1, 9]), discount=0.0)
        array([1. , 0.5, 0.1])

    References:
        Wainwright 2019, "Stochastic approximation with cone-contractive operators: sharp ℓ∞-bounds
        for Q-learning", where k counts from 1.
    """

    def __call__(self, visits: Array, discount: float) -> Float[np.ndarray, "*n"]:
        return 1.0 / (1.0 + (1.0 - discount) * np.asarray(visits))

    def check(self, process: DecisionProcess) -> None:
        if process.discount == 1.0:
            raise SolverError(
                "without discount the steps 1/(1 + (1-γ)k) would never become smaller; use "
                "PolynomialRate"
            )


@dataclass(frozen=True)
class PolynomialRate(LearningRate):
    r"""Step sizes \((1 + k)^{-\omega}\) after k earlier moves. ω = 1 takes averages.

    Args:
        power: ω, with 0 < ω ≤ 1; above ½ the estimates converge.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> rm.evaluation.PolynomialRate(0.5)(np.array([0, 3, 99]), discount=0.9)
        array([1. , 0.5, 0.1])

    References:
        Even-Dar & Mansour 2003, JMLR 5, "Learning rates for Q-learning".
    """

    power: float = 0.8

    def __post_init__(self) -> None:
        if (
            isinstance(self.power, bool)
            or not isinstance(self.power, Real)
            or not 0.0 < self.power <= 1.0
        ):
            raise SolverError(
                f"the power of a polynomial learning rate must be in (0, 1], not {self.power!r}"
            )

    def __call__(self, visits: Array, discount: float) -> Float[np.ndarray, "*n"]:
        return (1.0 + np.asarray(visits)) ** -float(self.power)

    def check(self, process: DecisionProcess) -> None:
        """Take every model."""


def as_learning_rate(step_size: Any) -> LearningRate | None:
    """Return a learning rate; a number is the same one always, and None stays None.

    Raises:
        SolverError: if it is none of these, or a number out of (0, 1].
    """
    if step_size is None or isinstance(step_size, LearningRate):
        return step_size
    if (
        isinstance(step_size, bool)
        or not isinstance(step_size, int | float | np.floating)
        or not 0.0 < step_size <= 1.0
    ):
        raise SolverError(
            "the step size of a temporal difference is a number in (0, 1], RescaledLinearRate() or "
            f"PolynomialRate(power), not {step_size!r}"
        )
    return Fixed(float(step_size))


def learning_rate(step_size: Any, process: DecisionProcess) -> LearningRate:
    """Return the learning rate for a model: ``RescaledLinearRate()`` by default, and ``PolynomialRate()`` if it is not discounted.

    Raises:
        SolverError: if the rule is not defined for it.
    """
    rate = as_learning_rate(step_size) or (
        RescaledLinearRate() if process.discount < 1.0 else PolynomialRate()
    )
    rate.check(process)
    return rate
