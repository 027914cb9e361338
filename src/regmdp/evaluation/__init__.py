"""Evaluations: from a policy to its value."""

from regmdp.evaluation.base import Chain, Evaluation
from regmdp.evaluation.direct import Direct
from regmdp.evaluation.exact import Exact
from regmdp.evaluation.generative import Empirical, GenerativeModel
from regmdp.evaluation.growing import GeometricSamples
from regmdp.evaluation.krylov import Krylov
from regmdp.evaluation.linear import LinearEvaluation, System
from regmdp.evaluation.monte_carlo import MonteCarlo
from regmdp.evaluation.noisy import Noisy
from regmdp.evaluation.perturbed import DecayingEntropy, Perturbed
from regmdp.evaluation.rates import LearningRate, Polynomial, Rescaled
from regmdp.evaluation.replay import Buffer, CertaintyEquivalence, Replay
from regmdp.evaluation.rollouts import Rollouts
from regmdp.evaluation.sampled import Estimate, RunBatch, SampledEvaluation, copied
from regmdp.evaluation.sweeps import Sweeps
from regmdp.evaluation.td import TD, SynchronousTD
from regmdp.evaluation.visitation import occupancy, visits

__all__ = [
    "TD",
    "Buffer",
    "CertaintyEquivalence",
    "Chain",
    "DecayingEntropy",
    "Direct",
    "Empirical",
    "Estimate",
    "Evaluation",
    "Exact",
    "GenerativeModel",
    "GeometricSamples",
    "Krylov",
    "LearningRate",
    "LinearEvaluation",
    "MonteCarlo",
    "Noisy",
    "Perturbed",
    "Polynomial",
    "Replay",
    "Rescaled",
    "Rollouts",
    "RunBatch",
    "SampledEvaluation",
    "Sweeps",
    "SynchronousTD",
    "System",
    "copied",
    "occupancy",
    "visits",
]
