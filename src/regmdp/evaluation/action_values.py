"""What evaluations by temporal differences share: what a next state is worth, and a table that moves towards targets."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from regmdp._internal.arrays import Array, Bool, Float, Int
from regmdp._internal.errors import SolverError
from regmdp.evaluation.learning_rates import LearningRate
from regmdp.evaluation.sampled import Estimate, RunBatch, require_finite_cost, value_of
from regmdp.regularizers import Regularizer

__all__ = ["ActionValues", "NextStateValue", "require_target"]

Target = Literal["expected", "sampled", "optimal"]


def require_target(target: Any, known: tuple[str, ...]) -> None:
    """Check the name of a target.

    Raises:
        SolverError: if it is not known.
    """
    if target not in known:
        names = ", ".join(f'"{name}"' for name in known[:-1])
        raise SolverError(f'the target must be {names} or "{known[-1]}", not {target!r}')


class NextStateValue:
    """What a state is worth to the step that leads there.

    Args:
        batch: The runs.
        regularizer: The regularizer of the states of all runs.
        policy: (N·S, A) the policies.
        optimal: Whether it is what the best policy makes of the action values there, not what the
            given one makes of them.

    Attributes:
        cost: (N·S,) τ h(π); 0 if it is what the best policy makes of it.
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
        # in rows, so that what is gathered of it is summed in the same order however many runs
        # there are
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
        """(N·S, A) action values and (N, n) states -> (N, n) what they are worth."""
        if row.size >= q.shape[0]:  # more than there are: each is computed once, and then looked up
            return self._worth(q, slice(None))[row]
        return self._worth(q, row.reshape(-1)).reshape(row.shape)

    def _worth(self, q: Float[np.ndarray, "NS A"], some: Any) -> Float[np.ndarray, " n"]:
        """Return what some of the states are worth."""
        if not self._optimal:
            return np.sum(self._policy[some] * q[some], axis=-1) - self.cost[some]
        available = None if self._available is None else self._available[some]
        return np.asarray(self._regularizer.at(some).maximum(q[some], available))

    def value(self, batch: RunBatch, q: Float[np.ndarray, "NS A"]) -> Float[np.ndarray, " NS"]:
        """(N·S, A) action values -> (N·S,) what all states are worth."""
        if not self._optimal:
            return value_of(batch, self._regularizer, self._policy, q)
        return np.asarray(self._regularizer.maximum(q, self._available))


class ActionValues:
    """Estimated action values of all runs, which move towards targets; pairs that are hit several times at once, to their mean.

    Args:
        batch: The runs.
        rate: The learning rate.
        previous: The estimate to start from; None for 0.
        visits: (N·S·A,) how often each pair was moved before; None for never.

    Attributes:
        q: (N·S, A) the action values; 0 at unavailable pairs.
        visits: (N·S·A,) how often each pair has been moved.
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

    def move(
        self,
        pair: Int[np.ndarray, "N n"],
        target: Float[np.ndarray, "N n"],
        idle: Bool[np.ndarray, "N n"] | None = None,
    ) -> tuple[Float[np.ndarray, "N n"], Float[np.ndarray, "N n"]]:
        """Move (N, n) pairs, numbered as in ``visits``, towards (N, n) targets; but not those that are idle.

        Returns:
            (N, n) the step sizes, 0 where idle, and (N, n) how many of the targets are of the same
            pair.
        """
        if idle is not None and idle.any():
            step, hits = np.zeros(pair.shape), np.ones(pair.shape)
            moved = self.move(pair[~idle][None], target[~idle][None])
            step[~idle], hits[~idle] = moved[0][0], moved[1][0]
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
        # a pair that is hit more than once is assigned to more than once, but the same
        self._flat[flat] += step * (goal - self._flat[flat])
        self.visits[flat] += 1
        return step.reshape(pair.shape), hits.reshape(pair.shape)

    def estimate(
        self, batch: RunBatch, next_value: NextStateValue, samples: int, memory: Any
    ) -> Estimate:
        """Return what has been learned."""
        q = self.q if batch.all_available else np.where(batch.available, self.q, -np.inf)
        return Estimate(q, next_value.value(batch, q), samples, memory=memory)
