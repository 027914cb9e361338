"""Checks and sizes for evaluations that simulate many episodes in parallel."""

from __future__ import annotations

from regmdp._internal.checks import check_integer
from regmdp._internal.errors import SampleError

__all__ = ["check_horizon", "count_parallel_episodes", "require_termination"]

#: Steps after which an undiscounted episode counts as endless.
MAX_UNDISCOUNTED_STEPS = 1_000_000


def count_parallel_episodes(episodes: int) -> int:
    """Return how many episodes run at a time.

    They are few, so that most places are busy until the end, but enough for long arrays.
    """
    return max(min(episodes, 64), episodes // 16)


def check_horizon(horizon: int | None) -> None:
    """Check the horizon of rollouts.

    Raises:
        SolverError: if it is neither None nor a positive integer.
    """
    if horizon is not None:
        check_integer("horizon", horizon, advice="None draws it at random")


def require_termination(step: int, unfinished: int) -> None:
    """Check that undiscounted episodes end.

    Raises:
        SampleError: if they have not ended after 1,000,000 steps.
    """
    if step > MAX_UNDISCOUNTED_STEPS:
        raise SampleError(
            f"{unfinished} undiscounted episodes have not ended after {MAX_UNDISCOUNTED_STEPS:,} "
            "steps; give a horizon, after which they are cut off, or use a discount below 1"
        )
