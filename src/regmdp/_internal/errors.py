"""Exceptions. Each message says what is wrong, where, how many, and what to do."""

from __future__ import annotations

__all__ = [
    "CertificateError",
    "FormatError",
    "ImproperPolicyError",
    "InfeasibleError",
    "InsufficientMemoryError",
    "MissingExtraError",
    "MissingProgramError",
    "ModelError",
    "PolicyError",
    "RegmdpError",
    "RegularizerError",
    "SampleError",
    "SingularError",
    "SolverError",
    "UnboundedError",
    "WriteError",
]


class RegmdpError(Exception):
    """Base class of every error that this library raises on purpose."""


class ModelError(RegmdpError, ValueError):
    """The data of a Markov decision process are wrong or inconsistent."""


class PolicyError(RegmdpError, ValueError):
    """An array that should be a policy of the model is not one."""


class RegularizerError(RegmdpError, ValueError):
    """A regularizer's parameters are wrong or do not fit the model."""


class SampleError(RegmdpError, ValueError):
    """Samples are wrong, missing, or too few for what is asked of them."""


class SolverError(RegmdpError, ValueError):
    """An option of a solver is out of its range."""


class SingularError(SolverError):
    """The evaluation equation of a policy has no solution in double precision."""


class InfeasibleError(RegmdpError, ValueError):
    """Undiscounted model: from some state no policy ends the episode."""


class ImproperPolicyError(RegmdpError, ValueError):
    """Undiscounted model: this policy does not end the episode from some state."""


class UnboundedError(RegmdpError, ValueError):
    """Undiscounted model: the value of some policy is unbounded, so there is no optimum."""


class InsufficientMemoryError(RegmdpError, MemoryError):
    """What is asked for needs more memory than is left; nothing was allocated."""


class CertificateError(RegmdpError, ArithmeticError):
    """Computed bounds contradict each other, or one of them is NaN: there is no certificate."""


class FormatError(RegmdpError, ValueError):
    """A file is damaged, incomplete, or not of the expected kind."""


class WriteError(RegmdpError, OSError):
    """A file or folder cannot be written; the message names it.

    Attributes:
        errno: The number of the system's error, such as ``errno.ENOSPC``, or None.
    """

    def __init__(self, message: str, errno: int | None = None) -> None:
        super().__init__(message)
        self.errno = errno


class MissingExtraError(RegmdpError, ImportError):
    """An optional dependency is not installed."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(
            f"this needs the package {package!r}; install it with: python -m pip install "
            f"'regmdp[{extra}]'"
        )


class MissingProgramError(RegmdpError, OSError):
    """A program that is not part of Python is not installed, or fails."""
