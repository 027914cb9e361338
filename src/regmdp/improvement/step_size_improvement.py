"""Improvements with a step size: steps in a dual variable, followed by the mirror map."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from regmdp._internal.arrays import Array, Float
from regmdp._internal.errors import SolverError
from regmdp._internal.fields import set_fields
from regmdp._internal.parameters import Instance, Number, checked
from regmdp._internal.user_code import user_methods
from regmdp.improvement.base import (
    BlockRule,
    Candidate,
    Improvement,
    ImprovementResult,
    improve_blockwise,
)
from regmdp.improvement.dual_variables import dual_from_policy
from regmdp.mdp import DecisionProcess
from regmdp.regularizers import Regularizer

__all__ = [
    "MAX_STEP_SIZE",
    "STEP_SIZE",
    "STEP_SIZE_NUMBER",
    "Constant",
    "StepSize",
    "StepSizeImprovement",
    "as_step_size",
    "find_fixed_step",
    "require_discount",
    "require_finite_step",
    "require_step_within",
]

#: Largest step size; growing ones stop here, and the steps are greedy long before.
MAX_STEP_SIZE = 1e250


@user_methods(SolverError)
class StepSize(ABC):
    """A rule for the step sizes of an improvement. Immutable."""

    #: Whether the step sizes grow without limit.
    unbounded: ClassVar[bool]

    @abstractmethod
    def check(self, mdp: DecisionProcess) -> None:
        """Check that the rule is defined for this model.

        Raises:
            SolverError: if it is not.
        """

    @abstractmethod
    def __call__(
        self,
        mdp: DecisionProcess,
        regularizer: Regularizer,
        candidate: Candidate,
        improvement: StepSizeImprovement,
    ) -> float:
        """Return the step size of the next improvement."""


#: What step sizes are made from: a number for the same in each iteration, or a rule.
STEP_SIZE_NUMBER = Number(
    above=0.0, maximum=MAX_STEP_SIZE, advice="or use a step size object such as Geometric()"
)
STEP_SIZE = STEP_SIZE_NUMBER | Instance(StepSize)


@checked(value=STEP_SIZE_NUMBER)
@dataclass(frozen=True)
class Constant(StepSize):
    """The same step size η in each iteration. A plain number is converted to it.

    Args:
        value: η, positive and at most 1e250.

    Examples:
        >>> import regmdp as rm
        >>> rm.algorithms.NPG(step_size=0.1).improvement.step_size
        Constant(value=0.1)
    """

    value: float

    unbounded = False

    def check(self, mdp: DecisionProcess) -> None:
        """Accept every model."""

    def __call__(
        self,
        mdp: DecisionProcess,
        regularizer: Regularizer,
        candidate: Candidate,
        improvement: StepSizeImprovement,
    ) -> float:
        return self.value


def as_step_size(step_size: StepSize | float) -> StepSize:
    """Return a step size object; a number becomes a constant one."""
    return step_size if isinstance(step_size, StepSize) else Constant(step_size)


@dataclass(frozen=True, init=False)
class StepSizeImprovement(Improvement):
    r"""A step in the dual variable of the policy, then the mirror map \(\pi = \nabla \psi^*(\xi)\).

    Subclasses define the mirror map ψ and the step.

    Args:
        step_size: η > 0, a number or a step size object.
    """

    step_size: StepSize

    @checked(step_size=STEP_SIZE)
    def __init__(self, step_size: StepSize | float) -> None:
        set_fields(self, step_size=as_step_size(step_size))

    @abstractmethod
    def mirror_map(self, regularizer: Regularizer) -> Regularizer:
        """Return the mirror map ψ, whose Bregman divergence measures the length of a step."""

    @abstractmethod
    def make_rule(
        self, mdp: DecisionProcess, regularizer: Regularizer, candidate: Candidate, step: float
    ) -> BlockRule:
        """Return the rule that improves the policy in one block with this step size."""

    def max_step_size(self, mdp: DecisionProcess, regularizer: Regularizer) -> float:
        """Return the largest step size for which the theory holds; inf if there is none."""
        return math.inf

    def initial_dual(
        self, mdp: DecisionProcess, regularizer: Regularizer, policy: Float[Array, "S A"]
    ) -> Float[np.ndarray, "S A"]:
        return dual_from_policy(mdp, regularizer, self.mirror_map(regularizer), policy)

    def __call__(
        self, mdp: DecisionProcess, regularizer: Regularizer, candidate: Candidate
    ) -> ImprovementResult:
        step = self.step_size(mdp, regularizer, candidate, self)
        rule = self.make_rule(mdp, regularizer, candidate, step)
        return improve_blockwise(mdp, regularizer, candidate, rule, step)


def find_fixed_step(
    improvement: StepSizeImprovement, mdp: DecisionProcess, regularizer: Regularizer
) -> float | None:
    """Return the step size of every iteration; None if it grows.

    It is inf if it is the largest step size of a theory without one.

    Raises:
        SolverError: if the step size is not defined for the model.
    """
    improvement.step_size.check(mdp)
    if improvement.step_size.unbounded:
        return None
    zeros = Candidate(np.zeros(mdp.n_states), np.zeros((mdp.n_states, mdp.n_actions)))
    return improvement.step_size(mdp, regularizer, zeros, improvement)


def require_finite_step(
    improvement: StepSizeImprovement, mdp: DecisionProcess, regularizer: Regularizer
) -> None:
    """Check that the step size is not the largest of a theory without one.

    Raises:
        SolverError: if it is.
    """
    step = find_fixed_step(improvement, mdp, regularizer)
    if step is not None and math.isinf(step):
        raise SolverError(
            "every positive step size is allowed here, so there is no largest one: give a number"
        )


def require_step_within(
    improvement: StepSizeImprovement, mdp: DecisionProcess, regularizer: Regularizer, formula: str
) -> None:
    """Check that the step size is at most the largest one of the theory.

    Args:
        improvement: The improvement.
        mdp: The model.
        regularizer: The regularizer.
        formula: The largest step size as a formula, for the message.

    Raises:
        SolverError: with the range.
    """
    require_finite_step(improvement, mdp, regularizer)
    largest = improvement.max_step_size(mdp, regularizer)
    step = find_fixed_step(improvement, mdp, regularizer)
    if math.isinf(largest) or (step is not None and step <= largest * (1.0 + 1e-12)):
        return
    given = (
        f"{type(improvement.step_size).__name__}, which grows without limit"
        if step is None
        else f"{step:.6g}"
    )
    raise SolverError(
        f"the step size must be in (0, {formula}] = (0, {largest:.6g}], not {given}; the largest "
        "is Maximum()"
    )


def require_discount(mdp: DecisionProcess, method: str) -> None:
    """Check that the model is discounted.

    Raises:
        SolverError: if it is not.
    """
    if not mdp.discount < 1.0:
        raise SolverError(
            f"{method} needs a discount below 1; for an undiscounted model use policy iteration, "
            "PMD or GPMD"
        )
