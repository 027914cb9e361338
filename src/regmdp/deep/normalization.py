"""Running moments of observations and returns, which normalise what networks see."""

from __future__ import annotations

import numpy as np
from gymnasium.wrappers.utils import RunningMeanStd

from regmdp._internal.arrays import Bool, Float
from regmdp._internal.interrupts import hold_interrupts

__all__ = ["Normalizer", "merge_moments"]

#: Normalised observations are clipped to this many standard deviations.
MAX_DEVIATIONS = 10.0


class Normalizer:
    """Running means and deviations of each entry of an observation, and of discounted returns.

    Args:
        n_inputs: Length of an observation.
        discount: γ.
    """

    def __init__(self, n_inputs: int, discount: float) -> None:
        self._discount = discount
        self._moments = RunningMeanStd(epsilon=0.0, shape=(n_inputs + 1,))
        self._latest = np.zeros(1 + 2 * (n_inputs + 1))

    def normalize(
        self, observations: Float[np.ndarray, "*batch inputs"]
    ) -> Float[np.ndarray, "*batch inputs"]:
        """(…, inputs) observations -> (…, inputs) less their means, over their deviations."""
        deviation = np.sqrt(self._moments.var[:-1] + 1e-8)
        return np.clip(
            (observations - self._moments.mean[:-1]) / deviation, -MAX_DEVIATIONS, MAX_DEVIATIONS
        ).astype(np.float32)

    @property
    def unit(self) -> float:
        """Standard deviation of discounted returns."""
        return float(np.sqrt(self._moments.var[-1]) + 1e-8)

    def add(
        self,
        observations: Float[np.ndarray, "T N inputs"],
        rewards: Float[np.ndarray, "T N"],
        ended: Bool[np.ndarray, "T N"],
        running: Float[np.ndarray, " N"],
    ) -> Float[np.ndarray, " N"]:
        """Update the moments with T steps of N copies of the environment.

        Args:
            observations: (T, N, inputs) observations where actions were taken.
            rewards: (T, N) rewards.
            ended: (T, N) whether an episode ended there.
            running: (N,) discounted returns of the current episodes before these steps.

        Returns:
            (N,) discounted returns of the current episodes after these steps.
        """
        returns = np.empty_like(rewards)
        for step, reward in enumerate(rewards):
            returns[step] = running = self._discount * running + reward
            running = np.where(ended[step], 0.0, running)
        samples = np.concatenate([observations, returns[..., None]], axis=-1).reshape(
            -1, observations.shape[-1] + 1
        )
        latest = np.concatenate([[len(samples)], samples.mean(axis=0), samples.var(axis=0)])
        with hold_interrupts():
            self._latest = latest
            self._moments.update(samples)
        return running

    @property
    def latest_moments(self) -> Float[np.ndarray, " k"]:
        """(k,) count, means and variances of the steps of the latest update alone."""
        return self._latest

    @property
    def moments(self) -> Float[np.ndarray, " k"]:
        """(k,) count, means and variances, for a file or another process."""
        return np.concatenate([[self._moments.count], self._moments.mean, self._moments.var])

    @moments.setter
    def moments(self, row: Float[np.ndarray, " k"]) -> None:
        means, variances = np.split(row[1:], 2)
        self._moments.count, self._moments.mean, self._moments.var = row[0], means, variances


def merge_moments(rows: Float[np.ndarray, "n k"]) -> Float[np.ndarray, " k"]:
    """(n, k) counts, means and variances of n samples -> (k,) those of all samples together.

    The first row is returned if no sample has an entry.

    References:
        Chan, Golub & LeVeque 1983, The American Statistician 37(3), "Algorithms for computing the
        sample variance".

    >>> merge_moments(np.array([[1.0, 2.0, 0.0], [3.0, 6.0, 1.0]]))
    array([4.  , 5.  , 3.75])
    """
    rows = np.asarray(rows, dtype=np.float64)
    count = rows[:, 0].sum()
    if not count > 0.0:
        return rows[0].copy()
    means, variances = np.split(rows[:, 1:], 2, axis=1)
    weights = rows[:, 0] / count
    mean = weights @ means
    return np.concatenate([[count], mean, weights @ (variances + np.square(means - mean))])
