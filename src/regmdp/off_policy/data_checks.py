"""Checks of logged data against the evaluated policy and the range of the rewards."""

from __future__ import annotations

import numpy as np

from regmdp._internal.arrays import Float
from regmdp._internal.checks import describe_first
from regmdp._internal.errors import SampleError, SolverError
from regmdp.mdp import MDP, DecisionProcess
from regmdp.off_policy.episodes import Episodes
from regmdp.samples import Dataset
from regmdp.samples.simulator import read_limits

__all__ = ["read_reward_range", "require_coverage", "require_rewards_in_range"]


def read_reward_range(process: DecisionProcess, given: object) -> tuple[float, float]:
    """Return the lowest and the highest possible reward; infinite if not known.

    Raises:
        SolverError: if the given range is not two finite numbers in order.
    """
    if given is None:
        if isinstance(process, MDP):  # expected rewards, which do not bound logged ones
            return -np.inf, np.inf
        low, high = (
            np.broadcast_to(getattr(process, name, unknown), process.available.shape)
            for name, unknown in (("lowest_reward", -np.inf), ("highest_reward", np.inf))
        )
        return float(low[process.available].min()), float(high[process.available].max())
    return read_limits(given, finite=True, error=SolverError)


def require_rewards_in_range(
    data: Dataset, process: DecisionProcess, limits: tuple[float, float]
) -> None:
    """Check that no logged reward is outside of the range.

    Raises:
        SampleError: naming the first one.
    """
    outside = (data.reward < limits[0]) | (data.reward > limits[1])
    if outside.any():

        def describe(row: int) -> str:
            where = process.describe(int(data.state[row]), int(data.action[row]))
            return (
                f"the reward of {where} is {data.reward[row]:.12g} in row {row} of the steps used, "
                f"which is outside of reward_range, {limits[0]:.12g} to {limits[1]:.12g}"
            )

        raise SampleError(describe_first(outside, describe, "rows"))


def require_coverage(
    episodes: Episodes, process: DecisionProcess, policy: Float[np.ndarray, "S A"], allowed: float
) -> None:
    """Check that the data contain the policy's actions in the states that they visit.

    Args:
        episodes: The data.
        process: Names the states and actions.
        policy: (S, A) the evaluated policy.
        allowed: Fraction of the policy's discounted steps that may be missing.

    Raises:
        SampleError: if a larger fraction is missing.
    """
    data = episodes.data
    count = np.bincount(data.state * policy.shape[1] + data.action, minlength=policy.size).reshape(
        policy.shape
    )
    visits = count.sum(axis=1)
    missing = (visits > 0)[:, None] & (policy > 0.0) & (count == 0)
    if not missing.any():
        return
    lost = np.sum(np.where(missing, policy, 0.0), axis=1)
    reached = episodes.discounts * episodes.previous_weight
    share = float(reached @ lost[data.state]) / float(reached.sum())
    if share <= allowed:
        return
    state, action = (int(i) for i in np.unravel_index(np.argmax(missing), missing.shape))
    raise SampleError(
        f"the policy gives {process.describe(state, action)} probability "
        f"{policy[state, action]:.4g}, and the data, which visit that state {visits[state]} times, "
        "never contain it, so they say nothing about its consequences; "
        f"{int(np.count_nonzero(missing))} pairs in {int(np.count_nonzero(missing.any(axis=1)))} "
        f"states are missing, {100 * share:.3g} % of the policy's discounted steps; log more, "
        "evaluate another policy, or allow such a fraction with max_unseen="
    )
