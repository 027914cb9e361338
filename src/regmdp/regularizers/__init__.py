"""Convex regularizers of a policy, one file a family."""

from regmdp.regularizers.barrier import LogBarrier
from regmdp.regularizers.base import Regularizer
from regmdp.regularizers.entropy import KL, Shannon
from regmdp.regularizers.euclidean import SquaredL2
from regmdp.regularizers.linear import WeightedL1
from regmdp.regularizers.renyi import Renyi
from regmdp.regularizers.tsallis import Tsallis
from regmdp.regularizers.unregularized import Unregularized

__all__ = [
    "KL",
    "LogBarrier",
    "Regularizer",
    "Renyi",
    "Shannon",
    "SquaredL2",
    "Tsallis",
    "Unregularized",
    "WeightedL1",
]
