"""Drawing actions from policies."""

from __future__ import annotations

import numpy as np

from regmdp._internal.arrays import Array, Float, Int
from regmdp.evaluation.sampled import RunBatch
from regmdp.policies import uniform_policy
from regmdp.regularizers import Regularizer

__all__ = ["ActionSampler", "mix_with_uniform"]


class ActionSampler:
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
        """Rows of the policy and uniform numbers -> actions, by inverting cumulative sums."""
        level = uniform * self._total[row]
        action = np.zeros(row.shape, dtype=np.int64)
        for sums in self._sums:
            action += sums[row] <= level
        return np.minimum(action, self._last[row])


def mix_with_uniform(
    batch: RunBatch, regularizer: Regularizer, policy: Float[Array, "NS A"], share: float
) -> Float[Array, "NS A"]:
    """(N·S, A) policies -> (N·S, A) mixtures with a share of the uniform policy."""
    if not share:
        return policy
    return (1.0 - share) * policy + share * uniform_policy(batch, regularizer)
