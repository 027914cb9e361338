r"""Estimators: from logged episodes to one number an episode, whose mean estimates the value.

Each takes the (n,) rewards of the steps in three versions: as they are, and with the least and the
most that what was cut off can have been worth. So an estimate is (3, N) totals: of the value, of a
lower and of an upper bound on it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy

from regmdp._internal.arrays import Float
from regmdp.off_policy.episodes import Episodes

__all__ = ["ESTIMATORS", "EstimationProblem"]

#: Sweeps in which the model of the doubly robust estimator is evaluated, at most: it is unbiased
#: whatever that gives.
SWEEPS = 1000


@dataclass(frozen=True, eq=False)
class EstimationProblem:
    """What is estimated.

    Attributes:
        policy: (S, A) π.
        cost: (S,) τ h(π), what the regularizer takes off each step.
        discount: γ.
        least: Lower bound on the value of any state; -inf if none is known.
        most: Upper bound on it.
    """

    policy: Float[np.ndarray, "S A"]
    cost: Float[np.ndarray, " S"]
    discount: float
    least: float
    most: float

    def after_cut(
        self, episodes: Episodes, estimate: Float[np.ndarray, " n"]
    ) -> Float[np.ndarray, "three n"]:
        """(n,) estimates of the values of the next states -> (3, n) what is paid, for what was cut off, in the last step."""
        if self.discount == 0.0 or not episodes.truncated.any():
            return np.zeros((3, episodes.number.size))
        ends = (np.broadcast_to(end, estimate.shape) for end in (self.least, self.most))
        return np.where(episodes.truncated, self.discount * np.stack([estimate, *ends]), 0.0)


def importance_sampling(
    episodes: Episodes, problem: EstimationProblem
) -> Float[np.ndarray, "three N"]:
    """Weight each reward with the probability of the steps up to it, and each cost with that of the steps before it."""
    data = episodes.data
    rewards = data.reward + problem.after_cut(episodes, np.zeros(len(data)))
    terms = episodes.counted * (
        episodes.weight * rewards - episodes.before * problem.cost[data.state]
    )
    return np.stack([episodes.totals(version) for version in terms])


def weighted(episodes: Episodes, problem: EstimationProblem) -> Float[np.ndarray, "three N"]:
    """Divide by the sum of the weights of each step, not by N: biased, consistent, and of less variance.

    The totals are linearized: their mean is the estimate, and their variance is N times its
    variance as N grows.
    """
    data = episodes.data
    rewards = data.reward + problem.after_cut(episodes, np.zeros(len(data)))
    cost = -problem.cost[data.state]
    of_action = episodes.per_step(episodes.weight, episodes.final) / episodes.count
    of_state = np.concatenate(([1.0], of_action[:-1]))
    return np.stack(
        [
            _normalised(episodes, problem, episodes.weight, version, of_action)
            + _normalised(episodes, problem, episodes.before, cost, of_state)
            for version in rewards
        ]
    )


def _normalised(
    episodes: Episodes,
    problem: EstimationProblem,
    weight: Float[np.ndarray, " n"],
    paid: Float[np.ndarray, " n"],
    mean_weight: Float[np.ndarray, " L"],
) -> Float[np.ndarray, " N"]:
    """Return the (N,) linearized totals of what is paid, with weights that are normalised in each step."""
    steps = mean_weight.size
    counted = problem.discount ** np.arange(steps, dtype=np.float64)
    usable = np.where(mean_weight > 0.0, mean_weight, 1.0)
    mean = np.bincount(episodes.step, weight * paid, steps) / (episodes.count * usable)
    of_rows = episodes.counted * weight / usable[episodes.step] * (paid - mean[episodes.step])
    # an episode that is over is paid 0 in every later step, with the weight that it ended with
    later = np.concatenate((np.cumsum((counted * mean / usable)[::-1])[::-1], [0.0]))
    return (
        float(counted @ mean) + episodes.totals(of_rows) - episodes.final * later[episodes.length]
    )


def doubly_robust(episodes: Episodes, problem: EstimationProblem) -> Float[np.ndarray, "three N"]:
    """Estimate with a model, and correct it by importance sampling of what the model gets wrong.

    The model that serves in one half of the episodes is made from the other half.
    """
    data = episodes.data
    start = np.cumsum(episodes.length) - episodes.length
    totals = np.empty((3, episodes.count))
    for parity in (0, 1):
        value, q = _modelled(episodes, problem, episodes.half(1 - parity))
        after = np.where(episodes.terminated, 0.0, value[data.next_state])
        continued = np.where(episodes.truncated, 0.0, problem.discount * after) + problem.after_cut(
            episodes, after
        )
        terms = (
            episodes.counted
            * episodes.weight
            * (data.reward + continued - q[data.state, data.action])
        )
        mine = np.arange(episodes.count) % 2 == parity
        for version in range(3):
            totals[version, mine] = (value[data.state[start]] + episodes.totals(terms[version]))[
                mine
            ]
    return totals


def _modelled(
    episodes: Episodes, problem: EstimationProblem, rows: np.ndarray
) -> tuple[Float[np.ndarray, " S"], Float[np.ndarray, "S A"]]:
    """Return the (S,) value and the (S, A) action values of the policy in the model that some of the (n,) rows make.

    A pair that they do not contain is given the average reward and the average next state.
    """
    data, (n_states, n_actions) = episodes.data, problem.policy.shape
    pair = data.state[rows] * n_actions + data.action[rows]
    count = np.bincount(pair, minlength=n_states * n_actions)
    seen = count > 0
    often = np.where(seen, count, 1)
    mean = float(data.reward[rows].mean())
    reward = np.where(seen, np.bincount(pair, data.reward[rows], count.size) / often, mean)
    goes_on = ~episodes.terminated[rows]
    entry = pair[goes_on], data.next_state[rows][goes_on]
    moves = scipy.sparse.csr_array((1.0 / often[entry[0]], entry), shape=(count.size, n_states))
    average = np.bincount(entry[1], minlength=n_states) / pair.size
    value, q = np.zeros(n_states), reward
    limit = min(SWEEPS, int(episodes.length.max()) if problem.discount >= 1.0 else SWEEPS)
    for _ in range(limit):
        q = reward + problem.discount * np.where(seen, moves @ value, average @ value)
        after = np.clip(
            np.sum(problem.policy * q.reshape(problem.policy.shape), axis=1) - problem.cost,
            problem.least,
            problem.most,
        )
        change, value = float(np.max(np.abs(after - value))), after
        if change <= 1e-6 * float(np.max(np.abs(value))):
            break
    return value, q.reshape(problem.policy.shape)


#: The methods by name.
ESTIMATORS: dict[str, Callable[[Episodes, EstimationProblem], Float[np.ndarray, "three N"]]] = {
    "doubly-robust": doubly_robust,
    "importance-sampling": importance_sampling,
    "weighted": weighted,
}
