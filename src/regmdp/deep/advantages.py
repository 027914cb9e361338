"""Advantages and returns of what was collected, over episodes that end and episodes that are cut off."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from regmdp._internal.arrays import Bool, Float

__all__ = ["Advantages", "generalized_advantages"]


class Advantages(NamedTuple):
    """What T steps of N copies tell: (T, N) advantages of the actions taken, and (T, N) targets for the values."""

    advantage: Float[np.ndarray, "T N"]
    target: Float[np.ndarray, "T N"]


def generalized_advantages(
    reward: Float[np.ndarray, "T N"],
    value: Float[np.ndarray, "T N"],
    successor_value: Float[np.ndarray, "T N"],
    terminated: Bool[np.ndarray, "T N"],
    truncated: Bool[np.ndarray, "T N"],
    discount: float,
    trace: float,
) -> Advantages:
    r"""Sum errors, \(A_t = \sum_l (\gamma\lambda)^l \delta_{t+l}\) with \(\delta = r + \gamma V' - V\), to an episode's end.

    A terminated episode has no value after its end. One that is cut off has that of the successor:
    only the sum stops there. With λ = 1 the targets are n-step returns, n the number of steps to
    the end of what was collected.

    Args:
        reward: (T, N) rewards, the regularizer's cost taken off if it is part of the values.
        value: (T, N) V where the actions were taken.
        successor_value: (T, N) V where they led.
        terminated: (T, N) whether the episode ended there.
        truncated: (T, N) whether it was cut off there.
        discount: γ.
        trace: λ.

    Examples:
        >>> one, no = np.ones((2, 1)), np.zeros((2, 1), dtype=bool)
        >>> generalized_advantages(
        ...     one, 0 * one, 5 * one, no, no, discount=0.5, trace=1.0
        ... ).target.ravel()
        array([5.25, 3.5 ])

    References:
        Schulman, Moritz, Levine, Jordan & Abbeel 2016, ICLR, "High-dimensional continuous control
        using generalized advantage estimation", equation 16.
    """
    error = reward + discount * np.where(terminated, 0.0, successor_value) - value
    keep = discount * trace * ~(terminated | truncated)
    advantage = np.empty_like(error)
    carried = np.zeros(error.shape[1])
    for step in reversed(range(error.shape[0])):
        carried = error[step] + keep[step] * carried
        advantage[step] = carried
    return Advantages(advantage, advantage + value)
