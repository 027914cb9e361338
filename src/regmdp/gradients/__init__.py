"""Derivatives through a solution: of V*, Q* and π* with respect to all data of the problem."""

from regmdp.gradients.accuracy import Accuracy
from regmdp.gradients.errors import GradientErrors
from regmdp.gradients.gradient import Gradient
from regmdp.gradients.linearization import Linearization, linearize
from regmdp.gradients.low_rank import LowRankGradient
from regmdp.gradients.objective import ValueAndGradient, value_and_gradient
from regmdp.gradients.parametric_models import (
    ModelFunction,
    ParametricModel,
    RewardFeatures,
)
from regmdp.gradients.perturbations import Derivative, Perturbation

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
