"""Evaluations: methods that compute the value of a policy."""

from regmdp.evaluation.base import Chain, Evaluation
from regmdp.evaluation.decaying_entropy import DecayingEntropy, PerturbedEvaluation
from regmdp.evaluation.direct import Direct
from regmdp.evaluation.empirical_model import EmpiricalModels
from regmdp.evaluation.exact import Exact
from regmdp.evaluation.generative import GenerativeModel
from regmdp.evaluation.krylov import Krylov
from regmdp.evaluation.learning_rates import LearningRate, PolynomialRate, RescaledLinearRate
from regmdp.evaluation.linear import LinearEvaluation, System
from regmdp.evaluation.monte_carlo import MonteCarlo
from regmdp.evaluation.noisy import Noisy
from regmdp.evaluation.offline import CertaintyEquivalence, OfflineTD
from regmdp.evaluation.policy_chain import induced_chain
from regmdp.evaluation.replay import ReplayTD
from regmdp.evaluation.rollouts import Rollouts
from regmdp.evaluation.sample_schedules import GeometricSamples
from regmdp.evaluation.sampled import Estimate, RunBatch, SampledEvaluation, tile_regularizer
from regmdp.evaluation.stacked import StackedDirect
from regmdp.evaluation.sweeps import Sweeps
from regmdp.evaluation.td import TD, SynchronousTD
from regmdp.evaluation.variance_reduced import VarianceReducedSweep
from regmdp.evaluation.visitation import occupancy, visits

__all__ = [
    "TD",
    "CertaintyEquivalence",
    "Chain",
    "DecayingEntropy",
    "Direct",
    "EmpiricalModels",
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
    "OfflineTD",
    "PerturbedEvaluation",
    "PolynomialRate",
    "ReplayTD",
    "RescaledLinearRate",
    "Rollouts",
    "RunBatch",
    "SampledEvaluation",
    "StackedDirect",
    "Sweeps",
    "SynchronousTD",
    "System",
    "VarianceReducedSweep",
    "induced_chain",
    "occupancy",
    "tile_regularizer",
    "visits",
]
