"""Walkers: what evaluations by rollouts share.

Each run draws as many numbers at every step, whatever the others do.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from regmdp._internal.arrays import Array, Float, Int
from regmdp._internal.errors import SampleError, SolverError
from regmdp.evaluation.sampled import require_count

__all__ = ["Chooser", "busy_walkers", "require_finite", "require_horizon", "require_patience"]

#: Steps after which an undiscounted episode is taken to go on for ever.
PATIENCE = 1_000_000


def busy_walkers(jobs: int) -> int:
    """Return how many walkers share a number of jobs: so few that most are busy until the end, and enough for long arrays."""
    return max(min(jobs, 64), jobs // 16)


class Chooser:
    """Draws actions from policies.

    Args:
        policy: (n, A) the policies of all states of all runs.
    """

    def __init__(self, policy: Float[Array, "n A"]) -> None:
        sums = np.cumsum(policy, axis=1)
        self._sums, self._total = np.ascontiguousarray(sums.T), np.ascontiguousarray(sums[:, -1])
        # rounding may lead past the last action with positive probability
        self._last = policy.shape[1] - 1 - np.argmax(policy[:, ::-1] > 0, axis=1)

    def __call__(
        self, row: Int[Array, "N M"], uniform: Float[Array, "N M"]
    ) -> Int[np.ndarray, "N M"]:
        """Rows of the policy and uniform numbers -> actions, by the inverse of the sums."""
        level = uniform * self._total[row]
        action = np.zeros(row.shape, dtype=np.int64)
        for sums in self._sums:
            action += sums[row] <= level
        return np.minimum(action, self._last[row])


def require_horizon(horizon: Any) -> None:
    """Check the horizon of rollouts.

    Raises:
        SolverError: if it is neither None nor a positive integer.
    """
    if horizon is not None:
        require_count("the horizon (None draws it at random)", horizon)


def require_patience(step: int, unfinished: int) -> None:
    """Check that undiscounted episodes end.

    Raises:
        SampleError: if they have not for long.
    """
    if step > PATIENCE:
        raise SampleError(
            f"{unfinished} undiscounted episodes have not ended after {PATIENCE:,} steps; give a "
            "horizon, after which they are cut off, or use a discount below 1"
        )


def require_finite(cost: Float[Array, " n"]) -> None:
    """Check that the regularizer is finite at the policy.

    Raises:
        SolverError: if it is not.
    """
    if not np.isfinite(cost).all():
        raise SolverError(
            "the regularizer is infinite at the policy in "
            f"{int(np.count_nonzero(~np.isfinite(cost)))} states; take smaller steps"
        )
