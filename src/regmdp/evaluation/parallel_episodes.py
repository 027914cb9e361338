"""Checks and sizes for evaluations that simulate many episodes in parallel."""

from __future__ import annotations

from regmdp._internal.errors import SampleError
from regmdp.evaluation.sampled import require_count

__all__ = ["count_parallel_episodes", "require_horizon", "require_termination"]

#: Steps after which an undiscounted episode counts as endless.
MAX_UNDISCOUNTED_STEPS = 1_000_000


def count_parallel_episodes(episodes: int) -> int:
    """Return how many of the episodes run at a time: few, so that most places stay busy until the end, but enough for long arrays."""
    return max(min(episodes, 64), episodes // 16)


def require_horizon(horizon: int | None) -> None:
    """Check the horizon of rollouts.

    Raises:
        SolverError: if it is neither None nor a positive integer.
    """
    if horizon is not None:
        require_count("the horizon (None draws it at random)", horizon)


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
