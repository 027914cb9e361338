"""Intervals for the value of a policy, from logged episodes."""

from __future__ import annotations

import numpy as np
import scipy

from regmdp._internal.arrays import Float
from regmdp.certificates import empirical_bernstein_radius
from regmdp.off_policy.episodes import Episodes

__all__ = ["finite_sample_interval", "normal_interval"]

#: One episode in so many chooses the threshold, and the others are bounded with it.
CHOOSING = 10
#: How many thresholds there are to choose from.
THRESHOLDS = 200


def normal_interval(totals: Float[np.ndarray, "three N"], confidence: float) -> tuple[float, float]:
    """(3, N) totals of the value, and of a lower and an upper bound on it -> Student's interval for whatever lies between them."""
    count = totals.shape[1]
    error = (
        totals.std(axis=1, ddof=1)
        / np.sqrt(count)
        * scipy.special.stdtrit(count - 1, 0.5 + confidence / 2.0)
    )
    mean = totals.mean(axis=1)
    return float(mean[1] - error[1]), float(mean[2] + error[2])


def finite_sample_interval(
    episodes: Episodes,
    cost: Float[np.ndarray, " n"],
    rewards: tuple[float, float],
    costs: tuple[float, float],
    discount: float,
    confidence: float,
) -> tuple[float, float]:
    """Bound the value at any number of episodes, by importance sampling, from (n,) costs and the ranges of rewards and costs."""
    failure = (1.0 - confidence) / 2.0
    reward = episodes.data.reward
    lower = _lower(episodes, reward, cost, rewards[0], costs[1], discount, failure)
    upper = -_lower(episodes, -reward, -cost, -rewards[1], -costs[0], discount, failure)
    return lower, upper


def _lower(
    episodes: Episodes,
    reward: Float[np.ndarray, " n"],
    cost: Float[np.ndarray, " n"],
    least: float,
    dearest: float,
    discount: float,
    failure: float,
) -> float:
    r"""Bound the value from below.

    With s ≤ 0 a bound on the reward of a step and on what comes after the end, 0,
    \(V - s/(1-\gamma)\) is the expectation of the discounted sum of \(r_t - s \ge 0\) over all
    steps, those after the end included. Its weighted total X of an episode is not negative, and
    leaving off what was cut makes it only smaller. So does clipping it, and min(X, c) is bounded.
    """
    shift = min(least - dearest, 0.0)
    paid = episodes.weight * (reward - (dearest + shift)) + episodes.before * (dearest - cost)
    paid += np.where(
        episodes.terminated, episodes.weight * discount * -shift / (1.0 - discount), 0.0
    )
    return shift / (1.0 - discount) + _clipped_lower(
        episodes.totals(episodes.counted * paid), failure
    )


def _clipped_lower(totals: Float[np.ndarray, " N"], failure: float) -> float:
    """(N,) independent numbers that are not negative -> a lower bound on their expectation."""
    choosing = np.arange(totals.size) % CHOOSING == 0
    some, rest = np.sort(totals[choosing]), totals[~choosing]
    if some[-1] <= 0.0:
        return 0.0
    # from where nearly everything is clipped to where nothing is
    threshold = np.geomspace(1e-4 * some[-1], 10.0 * some[-1], THRESHOLDS)
    below = np.searchsorted(some, threshold)
    first, second = (np.concatenate(([0.0], np.cumsum(some**power)))[below] for power in (1, 2))
    mean = (first + (some.size - below) * threshold) / some.size
    variance = np.maximum((second + (some.size - below) * threshold**2) / some.size - mean**2, 0.0)
    promise = mean - empirical_bernstein_radius(rest.size, variance, threshold, failure, sides=1)
    limit = float(threshold[np.argmax(promise)])
    clipped = np.minimum(rest, limit)
    return max(
        float(
            clipped.mean()
            - empirical_bernstein_radius(rest.size, clipped.var(ddof=1), limit, failure, sides=1)
        ),
        0.0,
    )
