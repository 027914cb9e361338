"""Observations of mean 0 and deviation 1, and a unit of returns, from what has been seen so far."""

from __future__ import annotations

import numpy as np
from gymnasium.wrappers.utils import RunningMeanStd

from regmdp._internal.arrays import Bool, Float

__all__ = ["Normalizer"]

#: Where normalised observations are cut off.
FARTHEST = 10.0


class Normalizer:
    """Running means and deviations of each number in an observation, and of discounted returns.

    Args:
        n_inputs: Numbers in an observation.
        discount: γ.
    """

    def __init__(self, n_inputs: int, discount: float) -> None:
        self._discount = discount
        self._moments = RunningMeanStd(epsilon=0.0, shape=(n_inputs + 1,))

    def seen(
        self, observations: Float[np.ndarray, "*batch inputs"]
    ) -> Float[np.ndarray, "*batch inputs"]:
        """(…, inputs) observations -> (…, inputs) centred, in units of their deviations."""
        deviation = np.sqrt(self._moments.var[:-1] + 1e-8)
        return np.clip(
            (observations - self._moments.mean[:-1]) / deviation, -FARTHEST, FARTHEST
        ).astype(np.float32)

    @property
    def unit(self) -> float:
        """The deviation of discounted returns."""
        return float(np.sqrt(self._moments.var[-1]) + 1e-8)

    def add(
        self,
        observations: Float[np.ndarray, "T N inputs"],
        rewards: Float[np.ndarray, "T N"],
        ended: Bool[np.ndarray, "T N"],
        running: Float[np.ndarray, " N"],
    ) -> Float[np.ndarray, " N"]:
        """Take in T steps of N copies.

        Args:
            observations: (T, N, inputs) where actions were taken.
            rewards: (T, N) what they gave.
            ended: (T, N) whether an episode ended there.
            running: (N,) discounted returns of the episodes until then.

        Returns:
            (N,) those of the episodes that still run.
        """
        returns = np.empty_like(rewards)
        for step, reward in enumerate(rewards):
            returns[step] = running = self._discount * running + reward
            running = np.where(ended[step], 0.0, running)
        self._moments.update(
            np.concatenate([observations, returns[..., None]], axis=-1).reshape(
                -1, observations.shape[-1] + 1
            )
        )
        return running

    @property
    def moments(self) -> Float[np.ndarray, " k"]:
        """(k,) count, means and variances, as a file or another process keeps them."""
        return np.concatenate([[self._moments.count], self._moments.mean, self._moments.var])

    @moments.setter
    def moments(self, row: Float[np.ndarray, " k"]) -> None:
        means, variances = np.split(row[1:], 2)
        self._moments.count, self._moments.mean, self._moments.var = row[0], means, variances
