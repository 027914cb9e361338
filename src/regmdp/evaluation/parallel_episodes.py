"""Checks and sizes for evaluations that simulate many episodes in parallel."""

from __future__ import annotations

from regmdp._internal.errors import SampleError
from regmdp._internal.parameters import Integer

__all__ = ["HORIZON", "count_parallel_episodes", "require_termination"]

#: Steps after which an undiscounted episode counts as endless.
MAX_UNDISCOUNTED_STEPS = 1_000_000

#: The horizon of rollouts: a number of steps, or None.
HORIZON = Integer(advice="None draws it at random") | None


def count_parallel_episodes(episodes: int) -> int:
    """Return how many episodes run at a time.

    They are few, so that most places are busy until the end, but enough for long arrays.
    """
    return max(min(episodes, 64), episodes // 16)


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
