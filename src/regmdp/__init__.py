"""Regularized Markov decision processes, solved with a certificate.

>>> import regmdp as rm
>>> mdp = rm.models.chain(5)
>>> solution = rm.solve(mdp, rm.Shannon(temperature=0.01), tol=1e-8)
>>> solution.certificate.gap <= 1e-8
True
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from regmdp import algorithms, bellman, evaluation, improvement, samples
from regmdp._frontier import Frontier, frontier
from regmdp._internal.errors import (
    CertificateError,
    FormatError,
    ImproperPolicyError,
    InfeasibleError,
    InsufficientMemoryError,
    MissingExtraError,
    MissingProgramError,
    ModelError,
    PolicyError,
    RegmdpError,
    RegularizerError,
    SampleError,
    SolverError,
    UnboundedError,
    WriteError,
)
from regmdp._internal.events import Event
from regmdp._internal.status import Status
from regmdp._internal.tables import Table
from regmdp._internal.threads import get_num_threads, set_num_threads
from regmdp._learn import LearningResult, learn
from regmdp._many import SolutionBatch, solve_many
from regmdp._solve import solve
from regmdp.certificates import (
    Certificate,
    PolicyEvaluation,
    StatisticalCertificate,
    certify,
    certify_from_samples,
    evaluate,
)
from regmdp.evaluation import induced_chain, occupancy, visits
from regmdp.mdp import MDP, DimensionLayout, GridLayout, LineLayout
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

if TYPE_CHECKING:
    from regmdp import deep as deep
    from regmdp import gradients as gradients
    from regmdp import io as io
    from regmdp import models as models
    from regmdp import off_policy as off_policy
    from regmdp import plots as plots
    from regmdp import reproduce as reproduce
    from regmdp import testing as testing
    from regmdp import theory as theory
    from regmdp.applications import choice as choice
    from regmdp.applications import irl as irl
    from regmdp.applications import routes as routes

    __version__: str

__all__ = [
    "KL",
    "MDP",
    "Box",
    "CapBarrier",
    "Certificate",
    "CertificateError",
    "Convex",
    "DimensionLayout",
    "Event",
    "FormatError",
    "Frontier",
    "GridLayout",
    "ImproperPolicyError",
    "InfeasibleError",
    "InsufficientMemoryError",
    "LearningResult",
    "LineLayout",
    "LogBarrier",
    "MissingExtraError",
    "MissingProgramError",
    "ModelError",
    "PolicyError",
    "PolicyEvaluation",
    "RegmdpError",
    "Regularizer",
    "RegularizerError",
    "Renyi",
    "SampleError",
    "Separable",
    "Shannon",
    "Solution",
    "SolutionBatch",
    "SolverError",
    "SquaredL2",
    "StatisticalCertificate",
    "Status",
    "Sum",
    "Table",
    "Tsallis",
    "UnboundedError",
    "Unregularized",
    "WeightedL1",
    "WriteError",
    "algorithms",
    "bellman",
    "certify",
    "certify_from_samples",
    "evaluate",
    "evaluation",
    "frontier",
    "get_num_threads",
    "improvement",
    "induced_chain",
    "learn",
    "occupancy",
    "samples",
    "set_num_threads",
    "solve",
    "solve_many",
    "uniform_policy",
    "visits",
]

#: Subpackages that solving does not need, imported when they are first used, and where they lie.
_LAZY = {
    "choice": "regmdp.applications.choice",
    "deep": "regmdp.deep",
    "gradients": "regmdp.gradients",
    "io": "regmdp.io",
    "irl": "regmdp.applications.irl",
    "models": "regmdp.models",
    "off_policy": "regmdp.off_policy",
    "plots": "regmdp.plots",
    "reproduce": "regmdp.reproduce",
    "routes": "regmdp.applications.routes",
    "testing": "regmdp.testing",
    "theory": "regmdp.theory",
}

#: The package that a subpackage cannot be imported without, where that is an optional dependency.
_NEEDED = {"deep": "jax", "plots": "matplotlib"}

#: Earlier names, and what is written instead.
_RENAMED = {"Evaluated": "PolicyEvaluation", "Learned": "LearningResult"}

for _error in (
    CertificateError,
    FormatError,
    ImproperPolicyError,
    InfeasibleError,
    InsufficientMemoryError,
    MissingExtraError,
    MissingProgramError,
    ModelError,
    PolicyError,
    RegmdpError,
    RegularizerError,
    SampleError,
    SolverError,
    UnboundedError,
    WriteError,
):
    _error.__module__ = "regmdp"  # the name under which users catch it, and which a traceback shows


if not TYPE_CHECKING:  # a type checker reports a name that does not exist

    def __getattr__(name: str) -> Any:
        """Import a subpackage when it is first used, or read the version."""
        if name in _LAZY:
            return import_module(_LAZY[name])
        if name == "__version__":
            return version("regmdp")
        hint = f"; it is called {_RENAMED[name]}" if name in _RENAMED else ""
        raise AttributeError(f"module 'regmdp' has no attribute {name!r}{hint}")


def __dir__() -> list[str]:
    """List the public names, without the subpackages whose optional dependency is not installed."""
    lazy = [name for name in _LAZY if name not in _NEEDED or find_spec(_NEEDED[name]) is not None]
    return sorted([*__all__, *lazy, "__version__", "__doc__", "__path__", "__all__"])
