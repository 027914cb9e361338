"""Convex regularizers of a policy."""

from regmdp.regularizers._hessians import diagonal_hessian_product
from regmdp.regularizers._probability_bounds import ProbabilityBounds
from regmdp.regularizers.barrier import LogBarrier
from regmdp.regularizers.base import Regularizer
from regmdp.regularizers.box import Box
from regmdp.regularizers.cap import CapBarrier
from regmdp.regularizers.custom import Convex, Separable
from regmdp.regularizers.entropy import KL, Shannon
from regmdp.regularizers.euclidean import SquaredL2
from regmdp.regularizers.linear import WeightedL1
from regmdp.regularizers.renyi import Renyi
from regmdp.regularizers.separable import SeparableRegularizer
from regmdp.regularizers.sum import Sum
from regmdp.regularizers.tsallis import Tsallis
from regmdp.regularizers.unregularized import Unregularized

__all__ = [
    "KL",
    "Box",
    "CapBarrier",
    "Convex",
    "LogBarrier",
    "ProbabilityBounds",
    "Regularizer",
    "Renyi",
    "Separable",
    "SeparableRegularizer",
    "Shannon",
    "SquaredL2",
    "Sum",
    "Tsallis",
    "Unregularized",
    "WeightedL1",
    "diagonal_hessian_product",
]
