"""Termination statuses and their messages."""

from __future__ import annotations

from enum import Enum

__all__ = ["Status"]


class Status(Enum):
    """Why a run stopped. Only ``CONVERGED`` says that the tolerance was met.

    What else is known of a result stands with the result: of a solution, its certified gap.

    >>> Status.CONVERGED.ok
    True
    >>> str(Status.INTERRUPTED)
    'interrupted: stopped by the user; this is the last complete iterate'
    """

    CONVERGED = "converged: the tolerance was met"
    ITERATION_LIMIT = "iteration limit: the allowed number of iterations was used up"
    STEP_LIMIT = "step limit: the requested number of environment steps was taken"
    ROUNDING_LIMIT = (
        "rounding limit: what is left is of the size of the rounding errors of double precision, "
        "and larger than the tolerance"
    )
    INTERRUPTED = "interrupted: stopped by the user; this is the last complete iterate"
    STOPPED = "stopped: a callback returned False; this is the last complete iterate"
    UNBOUNDED_ABOVE = (
        "no upper bound: some policy may never terminate and lose no reward, so no upper bound on "
        "the optimum was found; the bounds on this policy's own value hold"
    )
    STALLED = (
        "stalled: the iterates stopped improving before the tolerance was met; another method or "
        "another start may reach it"
    )

    @property
    def ok(self) -> bool:
        """Whether the tolerance was met."""
        return self is Status.CONVERGED

    @property
    def word(self) -> str:
        """The status in a word or two, as it stands before the colon."""
        return self.value.partition(":")[0]

    def __str__(self) -> str:
        return self.value
