"""Convex regularizers of a policy, one file a family."""

from regmdp.regularizers.base import Regularizer
from regmdp.regularizers.entropy import KL, Shannon
from regmdp.regularizers.euclidean import SquaredL2
from regmdp.regularizers.unregularized import Unregularized

__all__ = ["KL", "Regularizer", "Shannon", "SquaredL2", "Unregularized"]
