"""Evaluations: from a policy to its value."""

from regmdp.evaluation.base import Chain, Evaluation
from regmdp.evaluation.linear import Direct, Exact, Krylov, LinearEvaluation, System
from regmdp.evaluation.occupancy import occupancy, visits
from regmdp.evaluation.sweeps import Sweeps

__all__ = ["Chain", "Direct", "Evaluation", "Exact", "Krylov", "LinearEvaluation", "Sweeps", "System", "occupancy", "visits"]
