"""Derivatives through a solution: of the optimal value, the action values and the policy, with respect to all that made them."""

from regmdp.gradients.accuracy import Accuracy
from regmdp.gradients.errors import GradientErrors
from regmdp.gradients.gradient import Gradient
from regmdp.gradients.linearization import Linearization, linearize
from regmdp.gradients.parameters import (
    ModelFunction,
    ParametricModel,
    RewardFeatures,
    ValueAndGradient,
    value_and_gradient,
)
from regmdp.gradients.perturbations import Derivative, LowRankGradient, Perturbation

__all__ = [
    "Accuracy",
    "Derivative",
    "Gradient",
    "GradientErrors",
    "Linearization",
    "LowRankGradient",
    "ModelFunction",
    "ParametricModel",
    "Perturbation",
    "RewardFeatures",
    "ValueAndGradient",
    "linearize",
    "value_and_gradient",
]
