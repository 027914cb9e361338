r"""Learning rates: step sizes of temporal differences as functions of the number of updates."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from regmdp._internal.arrays import Array, Float
from regmdp._internal.errors import SolverError
from regmdp._internal.parameters import Instance, Number, checked
from regmdp._internal.user_code import user_methods
from regmdp.mdp import DecisionProcess

__all__ = ["RATE", "LearningRate", "PolynomialRate", "RescaledLinearRate", "make_learning_rate"]


@user_methods(SolverError)
class LearningRate(ABC):
    """The step size of an update as a function of the number of earlier updates.

    Immutable.
    """

    @abstractmethod
    def __call__(self, visits: Array, discount: float) -> Float[np.ndarray, "*n"]:
        """(…) numbers of earlier updates, and γ -> (…) step sizes in [0, 1]."""

    @abstractmethod
    def check(self, process: DecisionProcess) -> None:
        """Check that the rule is defined for this model.

        Raises:
            SolverError: if it is not.
        """


@dataclass(frozen=True)
class ConstantRate(LearningRate):
    """A constant step size; a plain number means this."""

    value: float

    def __call__(self, visits: Array, discount: float) -> Float[np.ndarray, "*n"]:
        return np.full(np.shape(visits), self.value)

    def check(self, process: DecisionProcess) -> None:
        """Accept every model."""


@dataclass(frozen=True)
class RescaledLinearRate(LearningRate):
    r"""Step sizes \(1/(1 + (1-\gamma) k)\) after k earlier updates, for γ < 1.

    The first update replaces the initial estimate. The factor 1-γ matters: with 1/(1 + k) the error
    would decrease like \(k^{-(1-\gamma)}\).

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
                "without discount the step sizes 1/(1 + (1-γ)k) would not decrease; use "
                "PolynomialRate"
            )


@checked(power=Number(above=0.0, maximum=1.0))
@dataclass(frozen=True)
class PolynomialRate(LearningRate):
    r"""Step sizes \((1 + k)^{-\omega}\) after k earlier updates; ω = 1 averages the targets.

    Args:
        power: ω, with 0 < ω ≤ 1; the estimates converge for ω > ½.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> rm.evaluation.PolynomialRate(0.5)(np.array([0, 3, 99]), discount=0.9)
        array([1. , 0.5, 0.1])

    References:
        Even-Dar & Mansour 2003, JMLR 5, "Learning rates for Q-learning".
    """

    power: float = 0.8

    def __call__(self, visits: Array, discount: float) -> Float[np.ndarray, "*n"]:
        return (1.0 + np.asarray(visits)) ** -float(self.power)

    def check(self, process: DecisionProcess) -> None:
        """Accept every model."""


#: What a learning rate is made from: a number for a constant one, or a rule.
RATE = Number(
    above=0.0, maximum=1.0, advice="or use RescaledLinearRate() or PolynomialRate(power)"
) | Instance(LearningRate)


def make_learning_rate(
    step_size: float | LearningRate | None, process: DecisionProcess
) -> LearningRate:
    """Return the learning rate for a process.

    The default is ``RescaledLinearRate()`` if γ < 1, and ``PolynomialRate()`` if γ = 1.

    Raises:
        SolverError: if the rule is not defined for it.
    """
    if step_size is None:
        step_size = RescaledLinearRate() if process.discount < 1.0 else PolynomialRate()
    rate = step_size if isinstance(step_size, LearningRate) else ConstantRate(step_size)
    rate.check(process)
    return rate
