"""Tables of action values that temporal differences update, and the values of next states."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np

from regmdp._internal.arrays import Array, Bool, Float, Int
from regmdp.evaluation.learning_rates import LearningRate
from regmdp.evaluation.sampled import Estimate, RunBatch, evaluate_q, require_finite_cost
from regmdp.regularizers import Regularizer

__all__ = ["ActionValues", "NextStateValue", "OfflineTarget", "Target", "Transitions"]

#: Targets of temporal differences, and those that do not depend on the action taken next.
Target: TypeAlias = Literal["expected", "sampled", "optimal"]
OfflineTarget: TypeAlias = Literal["expected", "optimal"]


class Transitions(NamedTuple):
    """Transitions of N runs.

    Attributes:
        pair: (N, n) pairs, numbered among those of all runs.
        reward: (N, n) rewards.
        after: (N, n) next states, numbered among those of all runs.
        terminated: (N, n) whether the episode ended.
    """

    pair: Int[np.ndarray, "N n"]
    reward: Float[np.ndarray, "N n"]
    after: Int[np.ndarray, "N n"]
    terminated: Bool[np.ndarray, "N n"]


class NextStateValue:
    """The value of a next state, regularizer included, for the policy or for the optimal one.

    Args:
        batch: The runs.
        regularizer: The regularizer of the states of all runs.
        policy: (N·S, A) the policies.
        optimal: Whether it is the largest value over all policies, not that of the given one.

    Attributes:
        cost: (N·S,) τ h(π); 0 if the value is the largest one.
    """

    cost: Float[np.ndarray, " NS"]

    def __init__(
        self,
        batch: RunBatch,
        regularizer: Regularizer,
        policy: Float[Array, "NS A"],
        optimal: bool,
    ) -> None:
        self._regularizer, self._optimal = regularizer, optimal
        self._available = None if batch.all_available else batch.available
        # row-major, so that the order of summation does not depend on the number of runs
        self._policy = np.ascontiguousarray(policy)
        self.cost = (
            np.zeros(batch.n_states)
            if optimal
            else np.asarray(regularizer.cost(policy, self._available))
        )
        require_finite_cost(self.cost)

    def __call__(
        self, q: Float[np.ndarray, "NS A"], row: Int[np.ndarray, "N n"]
    ) -> Float[np.ndarray, "N n"]:
        """(N·S, A) action values and (N, n) states -> (N, n) values."""
        if row.size >= q.shape[0]:  # each state is computed once, and then looked up
            return self._evaluate(q, slice(None))[row]
        return self._evaluate(q, row.reshape(-1)).reshape(row.shape)

    def _evaluate(
        self, q: Float[np.ndarray, "NS A"], states: slice | Int[np.ndarray, " n"]
    ) -> Float[np.ndarray, " n"]:
        """Return the values of some states."""
        if not self._optimal:
            return np.sum(self._policy[states] * q[states], axis=-1) - self.cost[states]
        available = None if self._available is None else self._available[states]
        return np.asarray(self._regularizer.at(states).maximum(q[states], available))

    def evaluate_all(
        self, batch: RunBatch, q: Float[np.ndarray, "NS A"]
    ) -> Float[np.ndarray, " NS"]:
        """(N·S, A) action values -> (N·S,) values of all states."""
        if not self._optimal:
            return evaluate_q(batch, self._regularizer, self._policy, q)
        return np.asarray(self._regularizer.maximum(q, self._available))


class ActionValues:
    """Estimated action values of all runs, updated towards targets.

    A pair with several targets at a time moves to their mean.

    Args:
        batch: The runs.
        rate: The learning rate.
        previous: The estimate to start from; None for 0.
        visits: (N·S·A,) number of earlier updates of each pair; None for 0.

    Attributes:
        q: (N·S, A) the action values; 0 at unavailable pairs.
        visits: (N·S·A,) number of updates of each pair.
    """

    q: Float[np.ndarray, "NS A"]
    visits: Int[np.ndarray, " NSA"]

    def __init__(
        self,
        batch: RunBatch,
        rate: LearningRate,
        previous: Estimate | None,
        visits: Int[np.ndarray, " NSA"] | None = None,
    ) -> None:
        shape = (batch.n_states, batch.n_actions)
        self.q = np.zeros(shape) if previous is None else np.array(previous.q, order="C")
        self.q[~batch.available] = 0.0
        self.visits = np.zeros(self.q.size, dtype=np.int64) if visits is None else visits.copy()
        self._flat, self._rate, self._discount = self.q.reshape(-1), rate, batch.discount
        self._sum, self._hits = np.zeros(self.q.size), np.zeros(self.q.size)

    def update(
        self,
        pair: Int[np.ndarray, "N n"],
        target: Float[np.ndarray, "N n"],
        ignored: Bool[np.ndarray, "N n"] | None = None,
    ) -> tuple[Float[np.ndarray, "N n"], Float[np.ndarray, "N n"]]:
        """Update (N, n) pairs, numbered as in ``visits``, towards (N, n) targets, except some.

        Returns:
            (N, n) step sizes, 0 where ignored, and (N, n) numbers of targets of the same pair.
        """
        if ignored is not None and ignored.any():
            step, hits = np.zeros(pair.shape), np.ones(pair.shape)
            used = self.update(pair[~ignored][None], target[~ignored][None])
            step[~ignored], hits[~ignored] = used[0][0], used[1][0]
            return step, hits
        flat, goal = pair.reshape(-1), target.reshape(-1)
        hits = np.ones(flat.size)
        if pair.shape[1] > 1:
            np.add.at(self._hits, flat, 1.0)
            np.add.at(self._sum, flat, goal)
            hits = self._hits[flat]
            goal = self._sum[flat] / hits
            self._hits[flat], self._sum[flat] = 0.0, 0.0
        step = self._rate(self.visits[flat], self._discount)
        # a pair that occurs several times is assigned the same value several times
        self._flat[flat] += step * (goal - self._flat[flat])
        self.visits[flat] += 1
        return step.reshape(pair.shape), hits.reshape(pair.shape)

    def learn(self, transitions: Transitions, next_value: NextStateValue) -> None:
        """Update the pairs of transitions towards reward plus discounted next value."""
        rest = np.where(transitions.terminated, 0.0, next_value(self.q, transitions.after))
        self.update(transitions.pair, transitions.reward + self._discount * rest)

    def estimate(
        self, batch: RunBatch, next_value: NextStateValue, samples: int, memory: Any
    ) -> Estimate:
        """Return the estimate."""
        q = self.q if batch.all_available else np.where(batch.available, self.q, -np.inf)
        return Estimate(q, next_value.evaluate_all(batch, q), samples, memory=memory)
