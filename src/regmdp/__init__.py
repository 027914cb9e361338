"""Regularized Markov decision processes, solved with a certificate.

>>> import regmdp as rm
>>> mdp = rm.models.chain(5)
>>> solution = rm.solve(mdp, rm.Shannon(temperature=0.01), tol=1e-8)
>>> solution.certificate.gap <= 1e-8
True
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from regmdp import algorithms, bellman, evaluation, improvement, samples
from regmdp._errors import (
    FormatError,
    ImproperPolicyError,
    InfeasibleError,
    MissingExtraError,
    ModelError,
    PolicyError,
    RegmdpError,
    RegularizerError,
    SampleError,
    SolverError,
    UnboundedError,
)
from regmdp._status import Status
from regmdp._threads import get_num_threads, set_num_threads
from regmdp.certificates import Certificate, Evaluated, StatisticalCertificate, certify, certify_from_samples, evaluate
from regmdp.evaluation import occupancy, visits
from regmdp.frontier import Frontier, frontier
from regmdp.learn import Learned, learn
from regmdp.mdp import MDP
from regmdp.policies import uniform_policy
from regmdp.regularizers import (
    KL,
    Box,
    CapBarrier,
    Convex,
    LogBarrier,
    Regularizer,
    Renyi,
    Separable,
    Shannon,
    SquaredL2,
    Sum,
    Tsallis,
    Unregularized,
    WeightedL1,
)
from regmdp.solution import Solution
from regmdp.solve import solve

if TYPE_CHECKING:
    from regmdp import choice, deep, gradients, io, irl, models, off_policy, testing, theory

__all__ = [
    "KL",
    "MDP",
    "Box",
    "CapBarrier",
    "Certificate",
    "Convex",
    "Evaluated",
    "FormatError",
    "Frontier",
    "ImproperPolicyError",
    "InfeasibleError",
    "Learned",
    "LogBarrier",
    "MissingExtraError",
    "ModelError",
    "PolicyError",
    "RegmdpError",
    "Regularizer",
    "RegularizerError",
    "Renyi",
    "SampleError",
    "Separable",
    "Shannon",
    "Solution",
    "SolverError",
    "SquaredL2",
    "StatisticalCertificate",
    "Status",
    "Sum",
    "Tsallis",
    "UnboundedError",
    "Unregularized",
    "WeightedL1",
    "algorithms",
    "bellman",
    "certify",
    "certify_from_samples",
    "choice",
    "deep",
    "evaluate",
    "evaluation",
    "frontier",
    "get_num_threads",
    "gradients",
    "improvement",
    "io",
    "irl",
    "learn",
    "models",
    "occupancy",
    "off_policy",
    "samples",
    "set_num_threads",
    "solve",
    "testing",
    "theory",
    "uniform_policy",
    "visits",
]

_LAZY = ("choice", "deep", "gradients", "io", "irl", "models", "off_policy", "testing", "theory")


def __getattr__(name: str) -> Any:
    """Import a subpackage when it is first asked for, if solving does not need it."""
    if name in _LAZY:
        return import_module(f"regmdp.{name}")
    raise AttributeError(f"module 'regmdp' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
