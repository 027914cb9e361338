"""Advantages and targets of collected steps, at terminated and at truncated episodes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from regmdp._internal.arrays import ArrayLike, Bool, Float
from regmdp._internal.errors import SolverError
from regmdp._internal.parameters import ArrayOf, Number, checked

__all__ = ["Advantages", "generalized_advantages"]


class Advantages(NamedTuple):
    """(T, N) advantages of the actions taken, and (T, N) targets of the values."""

    advantage: Float[np.ndarray, "T N"]
    target: Float[np.ndarray, "T N"]


@checked(
    **dict.fromkeys(("reward", "value", "successor_value"), ArrayOf("T N")),
    **dict.fromkeys(("terminated", "truncated"), ArrayOf("T N", "boolean")),
    discount=Number(0.0, 1.0),
    gae_lambda=Number(0.0, 1.0),
)
def generalized_advantages(
    reward: ArrayLike,
    value: ArrayLike,
    successor_value: ArrayLike,
    terminated: ArrayLike,
    truncated: ArrayLike,
    discount: float,
    gae_lambda: float,
) -> Advantages:
    r"""Return \(A_t = \sum_l (\gamma\lambda)^l \delta_{t+l}\) with \(\delta = r + \gamma V' - V\).

    The sum stops at the end of an episode. The value after a terminated episode is 0; the value
    after a truncated one is that of the successor. With λ = 1 the targets are n-step returns, where
    n is the number of steps to the end of the collected ones.

    Args:
        reward: (T, N) rewards, less the regularizer's cost if it is part of the values.
        value: (T, N) V where the actions were taken.
        successor_value: (T, N) V of the successors.
        terminated: (T, N) whether the episode terminated.
        truncated: (T, N) whether it was truncated.
        discount: γ.
        gae_lambda: λ.

    Raises:
        SolverError: if an array is no (T, N) array of finite numbers or truth values, their shapes
            differ, a number is out of range, or the advantages are too large.

    Examples:
        >>> one, no = np.ones((2, 1)), np.zeros((2, 1), dtype=bool)
        >>> generalized_advantages(
        ...     one, 0 * one, 5 * one, no, no, discount=0.5, gae_lambda=1.0
        ... ).target.ravel()
        array([5.25, 3.5 ])

    References:
        Schulman, Moritz, Levine, Jordan & Abbeel 2016, ICLR, "High-dimensional continuous control
        using generalized advantage estimation", equation 16.
    """
    reward, value, successor_value = map(np.asarray, (reward, value, successor_value))
    terminated, truncated = np.asarray(terminated), np.asarray(truncated)
    shapes = {reward.shape, value.shape, successor_value.shape, terminated.shape, truncated.shape}
    if len(shapes) > 1:
        raise SolverError(
            "reward, value, successor_value, terminated and truncated must have one shape (T, N), "
            f"not {' and '.join(map(str, sorted(shapes)))}"
        )
    with np.errstate(over="ignore", invalid="ignore"):  # checked below
        advantage = _accumulate(
            reward, value, successor_value, terminated, truncated, discount, gae_lambda
        )
        target = advantage + value
    if not (np.isfinite(advantage).all() and np.isfinite(target).all()):
        raise SolverError("advantages are too large for double precision: scale the rewards down")
    return Advantages(advantage, target)


def _accumulate(
    reward: Float[np.ndarray, "T N"],
    value: Float[np.ndarray, "T N"],
    successor_value: Float[np.ndarray, "T N"],
    terminated: Bool[np.ndarray, "T N"],
    truncated: Bool[np.ndarray, "T N"],
    discount: float,
    gae_lambda: float,
) -> Float[np.ndarray, "T N"]:
    """Return the advantages of arrays that are checked."""
    error = reward + discount * np.where(terminated, 0.0, successor_value) - value
    weight = discount * gae_lambda * ~(terminated | truncated)
    advantage = np.empty_like(error)
    following = np.zeros(error.shape[1])
    for step in reversed(range(error.shape[0])):
        following = error[step] + weight[step] * following
        advantage[step] = following
    return advantage
