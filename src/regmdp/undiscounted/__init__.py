"""Undiscounted models: what staying without end brings, and the model that is left without it."""

from regmdp.undiscounted.gain import require_bounded
from regmdp.undiscounted.policy import PolicyRestriction, restrict_to_policy
from regmdp.undiscounted.reduction import Reduction, reduce_model

__all__ = [
    "PolicyRestriction",
    "Reduction",
    "reduce_model",
    "require_bounded",
    "restrict_to_policy",
]
