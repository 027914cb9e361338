"""Derivatives through a solution: of the optimal value, the action values and the policy, with respect to all that made them."""

from regmdp.gradients.accuracy import Accuracy
from regmdp.gradients.changes import Change, Derivative, Ranked
from regmdp.gradients.errors import Errors
from regmdp.gradients.gradient import Gradient
from regmdp.gradients.linearization import Linearization, linearize
from regmdp.gradients.parameters import (
    Features,
    Function,
    Parameters,
    ValueAndGradient,
    value_and_gradient,
)

__all__ = [
    "Accuracy",
    "Change",
    "Derivative",
    "Errors",
    "Features",
    "Function",
    "Gradient",
    "Linearization",
    "Parameters",
    "Ranked",
    "ValueAndGradient",
    "linearize",
    "value_and_gradient",
]
