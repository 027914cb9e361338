"""Checks and sizes for evaluations that simulate many episodes in parallel."""

from __future__ import annotations

from regmdp._internal.errors import SampleError
from regmdp._internal.memory import require_memory
from regmdp._internal.parameters import Integer

__all__ = ["HORIZON", "count_parallel_episodes", "require_stored_steps", "require_termination"]

#: Steps after which an undiscounted episode counts as endless.
MAX_UNDISCOUNTED_STEPS = 1_000_000

#: Largest number of episodes of a run that are simulated at a time.
MAX_PARALLEL_EPISODES = 1 << 16
#: Bytes of a stored step: for each episode, and for its arrays.
BYTES_PER_EPISODE, BYTES_PER_STEP = 40, 600

#: The horizon of rollouts: a number of steps, or None.
HORIZON = Integer(advice="None draws it at random") | None


def count_parallel_episodes(episodes: int) -> int:
    """Return how many episodes run at a time.

    They are few, so that most places are busy until the end, but enough for long arrays.
    """
    return max(min(episodes, 64), min(episodes // 16, MAX_PARALLEL_EPISODES))


def require_stored_steps(steps: int, episodes: int, horizon: int | None) -> None:
    """Check that as many further steps of some episodes fit into memory as are stored already.

    It compares sizes whenever the number of steps has doubled.

    Args:
        steps: Number of stored steps.
        episodes: Number of episodes of all runs.
        horizon: Largest number of steps; None if there is no limit.

    Raises:
        InsufficientMemoryError: if they do not fit.
    """
    if steps & (steps - 1):
        return
    further = steps if horizon is None else min(steps, horizon - steps)
    limit = "" if horizon is None else f" of a horizon of {horizon:,}"
    require_memory(
        f"{further:,} further steps{limit} of {episodes:,} episodes",
        further * (BYTES_PER_STEP + BYTES_PER_EPISODE * episodes),
        "give a smaller horizon",
    )


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
