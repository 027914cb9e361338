"""Improvements: from a policy and its action values to a better policy."""

from regmdp.improvement.base import Candidate, Improvement, ImprovementResult
from regmdp.improvement.dual_averaging import DualAveraging, NaturalGradient
from regmdp.improvement.greedy import Greedy, Mixture, greedy_policy
from regmdp.improvement.homotopic import HomotopicMirrorDescent
from regmdp.improvement.lookahead import Lookahead
from regmdp.improvement.mirror_descent import MirrorDescent
from regmdp.improvement.perturbed import PerturbedDescent
from regmdp.improvement.softmax_gradient import FisherNaturalGradient, SoftmaxGradient, advantage
from regmdp.improvement.step_size_improvement import Constant, StepSize, StepSizeImprovement
from regmdp.improvement.step_sizes import Adaptive, Geometric, GeometricSteps, Homotopic, Maximum

__all__ = [
    "Adaptive",
    "Candidate",
    "Constant",
    "DualAveraging",
    "FisherNaturalGradient",
    "Geometric",
    "GeometricSteps",
    "Greedy",
    "Homotopic",
    "HomotopicMirrorDescent",
    "Improvement",
    "ImprovementResult",
    "Lookahead",
    "Maximum",
    "MirrorDescent",
    "Mixture",
    "NaturalGradient",
    "PerturbedDescent",
    "SoftmaxGradient",
    "StepSize",
    "StepSizeImprovement",
    "advantage",
    "greedy_policy",
]
