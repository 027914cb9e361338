"""Intervals for the value of a policy, from logged episodes."""

from __future__ import annotations

import numpy as np
import scipy

from regmdp._internal.arrays import Float
from regmdp.certificates import empirical_bernstein_radius
from regmdp.off_policy.episodes import Episodes

__all__ = ["finite_sample_interval", "normal_interval"]

#: Every tenth episode is used to choose the clipping threshold, the others for the bound.
SELECTION_STRIDE = 10
#: Number of thresholds to choose from.
N_THRESHOLDS = 200


def normal_interval(totals: Float[np.ndarray, "three N"], confidence: float) -> tuple[float, float]:
    """(3, N) totals of the value and of bounds on it -> Student's interval around the bounds."""
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
    """Bound the value for any number of episodes, by importance sampling, from (n,) costs."""
    failure = (1.0 - confidence) / 2.0
    reward = episodes.data.reward
    lower = _bound_below(episodes, reward, cost, rewards[0], costs[1], discount, failure)
    upper = -_bound_below(episodes, -reward, -cost, -rewards[1], -costs[0], discount, failure)
    return lower, upper


def _bound_below(
    episodes: Episodes,
    reward: Float[np.ndarray, " n"],
    cost: Float[np.ndarray, " n"],
    least: float,
    highest_cost: float,
    discount: float,
    failure: float,
) -> float:
    r"""Bound the value from below.

    With a bound s ≤ 0 below the reward of every step, and 0 after the end, \(V - s/(1-\gamma)\) is
    the expectation of the discounted sum of \(r_t - s \ge 0\) over all steps, those after the end
    included. Its weighted total X over an episode is not negative. Omitting steps after a
    truncation makes it only smaller; so does clipping it, and min(X, c) is bounded.
    """
    shift = min(least - highest_cost, 0.0)
    terms = episodes.weight * (reward - (highest_cost + shift)) + episodes.previous_weight * (
        highest_cost - cost
    )
    terms += np.where(
        episodes.terminated, episodes.weight * discount * -shift / (1.0 - discount), 0.0
    )
    return shift / (1.0 - discount) + _bound_clipped_mean(
        episodes.sum_by_episode(episodes.discounts * terms), failure
    )


def _bound_clipped_mean(totals: Float[np.ndarray, " N"], failure: float) -> float:
    """(N,) independent nonnegative numbers -> a lower bound on their expectation."""
    selection = np.arange(totals.size) % SELECTION_STRIDE == 0
    some, rest = np.sort(totals[selection]), totals[~selection]
    if some[-1] <= 0.0:
        return 0.0
    # from a threshold that clips nearly everything to one that clips nothing
    threshold = np.geomspace(1e-4 * some[-1], 10.0 * some[-1], N_THRESHOLDS)
    below = np.searchsorted(some, threshold)
    first, second = (np.concatenate(([0.0], np.cumsum(some**power)))[below] for power in (1, 2))
    mean = (first + (some.size - below) * threshold) / some.size
    variance = np.maximum((second + (some.size - below) * threshold**2) / some.size - mean**2, 0.0)
    estimate = mean - empirical_bernstein_radius(rest.size, variance, threshold, failure, sides=1)
    limit = float(threshold[np.argmax(estimate)])
    clipped = np.minimum(rest, limit)
    return max(
        float(
            clipped.mean()
            - empirical_bernstein_radius(rest.size, clipped.var(ddof=1), limit, failure, sides=1)
        ),
        0.0,
    )
