r"""Estimators: from logged episodes to one number for each, whose mean estimates the value.

Each uses the (n,) rewards in three versions: as logged, and with the least and the largest possible
value of the steps after a truncation. So an estimate is (3, N) totals: of the value, of a lower
bound and of an upper bound on it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import scipy

from regmdp._internal.arrays import Float
from regmdp.off_policy.episodes import Episodes

__all__ = ["ESTIMATORS", "EstimationProblem", "Method"]

#: Names of the estimators.
Method: TypeAlias = Literal["doubly-robust", "importance-sampling", "weighted"]

#: Largest number of sweeps that evaluate the model of the doubly robust estimator, which is
#: unbiased whatever their result is.
MAX_SWEEPS = 1000


@dataclass(frozen=True, eq=False)
class EstimationProblem:
    """The policy, its costs, and known bounds on values.

    Attributes:
        policy: (S, A) π.
        cost: (S,) τ h(π), subtracted from the reward of each step.
        discount: γ.
        least: Lower bound on the value of any state; -inf if none is known.
        most: Upper bound on it.
    """

    policy: Float[np.ndarray, "S A"]
    cost: Float[np.ndarray, " S"]
    discount: float
    least: float
    most: float

    def estimate_remainder(
        self, episodes: Episodes, estimate: Float[np.ndarray, " n"]
    ) -> Float[np.ndarray, "three n"]:
        """(n,) estimated next values -> (3, n) discounted values after truncations."""
        if self.discount == 0.0 or not episodes.truncated.any():
            return np.zeros((3, episodes.number.size))
        bounds = (np.broadcast_to(bound, estimate.shape) for bound in (self.least, self.most))
        return np.where(episodes.truncated, self.discount * np.stack([estimate, *bounds]), 0.0)


def importance_sampling(
    episodes: Episodes, problem: EstimationProblem
) -> Float[np.ndarray, "three N"]:
    """Weight each reward by the ratios up to its step, and each cost by those before its step."""
    data = episodes.data
    rewards = data.reward + problem.estimate_remainder(episodes, np.zeros(len(data)))
    terms = episodes.discounts * (
        episodes.weight * rewards - episodes.previous_weight * problem.cost[data.state]
    )
    return np.stack([episodes.sum_by_episode(version) for version in terms])


def weighted_importance_sampling(
    episodes: Episodes, problem: EstimationProblem
) -> Float[np.ndarray, "three N"]:
    """Divide by the sum of the weights of each step, not by N: biased, consistent, less variance.

    The totals are linearized: their mean is the estimate, and their variance is N times its
    variance as N grows.
    """
    data = episodes.data
    rewards = data.reward + problem.estimate_remainder(episodes, np.zeros(len(data)))
    cost = -problem.cost[data.state]
    of_action = episodes.sum_by_step(episodes.weight, episodes.final_weight) / episodes.count
    of_state = np.concatenate(([1.0], of_action[:-1]))
    return np.stack(
        [
            _linearize(episodes, problem, episodes.weight, version, of_action)
            + _linearize(episodes, problem, episodes.previous_weight, cost, of_state)
            for version in rewards
        ]
    )


def _linearize(
    episodes: Episodes,
    problem: EstimationProblem,
    weight: Float[np.ndarray, " n"],
    terms: Float[np.ndarray, " n"],
    mean_weight: Float[np.ndarray, " L"],
) -> Float[np.ndarray, " N"]:
    """Return (N,) linearized totals of (n,) terms, with weights normalised in each step."""
    steps = mean_weight.size
    discounts = problem.discount ** np.arange(steps, dtype=np.float64)
    usable = np.where(mean_weight > 0.0, mean_weight, 1.0)
    mean = np.bincount(episodes.step, weight * terms, steps) / (episodes.count * usable)
    of_rows = episodes.discounts * weight / usable[episodes.step] * (terms - mean[episodes.step])
    # an episode that has ended earns 0 in every later step, with its last weight
    later = np.concatenate((np.cumsum((discounts * mean / usable)[::-1])[::-1], [0.0]))
    return (
        float(discounts @ mean)
        + episodes.sum_by_episode(of_rows)
        - episodes.final_weight * later[episodes.length]
    )


def doubly_robust(episodes: Episodes, problem: EstimationProblem) -> Float[np.ndarray, "three N"]:
    """Estimate with a model, and correct its errors by importance sampling.

    The model used in one half of the episodes is fitted to the other half.
    """
    data = episodes.data
    start = np.cumsum(episodes.length) - episodes.length
    totals = np.empty((3, episodes.count))
    for parity in (0, 1):
        value, q = _evaluate_in_model(episodes, problem, episodes.select_half(1 - parity))
        after = np.where(episodes.terminated, 0.0, value[data.next_state])
        remainder = np.where(
            episodes.truncated, 0.0, problem.discount * after
        ) + problem.estimate_remainder(episodes, after)
        terms = (
            episodes.discounts
            * episodes.weight
            * (data.reward + remainder - q[data.state, data.action])
        )
        chosen = np.arange(episodes.count) % 2 == parity
        for version in range(3):
            totals[version, chosen] = (
                value[data.state[start]] + episodes.sum_by_episode(terms[version])
            )[chosen]
    return totals


def _evaluate_in_model(
    episodes: Episodes, problem: EstimationProblem, rows: np.ndarray
) -> tuple[Float[np.ndarray, " S"], Float[np.ndarray, "S A"]]:
    """Return (S,) value and (S, A) action values of the policy in the model of some (n,) rows.

    A pair that does not occur gets the average reward and the average next state.
    """
    data, (n_states, n_actions) = episodes.data, problem.policy.shape
    pair = data.state[rows] * n_actions + data.action[rows]
    count = np.bincount(pair, minlength=n_states * n_actions)
    seen = count > 0
    divisor = np.where(seen, count, 1)
    mean = float(data.reward[rows].mean())
    reward = np.where(seen, np.bincount(pair, data.reward[rows], count.size) / divisor, mean)
    continued = ~episodes.terminated[rows]
    entry = pair[continued], data.next_state[rows][continued]
    transitions = scipy.sparse.csr_array(
        (1.0 / divisor[entry[0]], entry), shape=(count.size, n_states)
    )
    average = np.bincount(entry[1], minlength=n_states) / pair.size
    value, q = np.zeros(n_states), reward
    limit = min(MAX_SWEEPS, int(episodes.length.max())) if problem.discount >= 1.0 else MAX_SWEEPS
    for _ in range(limit):
        q = reward + problem.discount * np.where(seen, transitions @ value, average @ value)
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
ESTIMATORS: dict[Method, Callable[[Episodes, EstimationProblem], Float[np.ndarray, "three N"]]] = {
    "doubly-robust": doubly_robust,
    "importance-sampling": importance_sampling,
    "weighted": weighted_importance_sampling,
}
