"""Dense storage of transition probabilities."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import scipy

from regmdp._internal import threads
from regmdp._internal.arrays import Array, Bool, Float, Int, assign, freeze
from regmdp.mdp import transitions as base
from regmdp.mdp.deterministic import find_actions
from regmdp.mdp.transitions import RowArrays, Transitions, needs_threads, state_blocks

__all__ = ["DenseTransitions", "list_successors", "store_dense"]

#: Largest number of entries whose positions are listed at once: 8 MiB of probabilities.
MAX_ENTRIES_AT_ONCE = 1 << 20


class DenseTransitions(Transitions):
    """Dense storage: one (A, S, S) array. The products run in BLAS, which has its own threads.

    Args:
        action_state_state: (A, S, S) transition probabilities.
    """

    storage = "dense"

    def __init__(self, action_state_state: Float[np.ndarray, "A S S"]) -> None:
        self._rows = freeze(np.ascontiguousarray(action_state_state))
        self.n_actions, self.n_states, _ = self._rows.shape
        self.blocks = state_blocks(self.n_states, self.n_actions)
        branching = threads.parallel_map(
            list(self._rows),
            lambda rows: int(np.count_nonzero(rows, axis=-1).max()),
            shared=needs_threads(self._rows.size),
        )
        self.branching = max(branching, default=0)
        self.n_stored = self._rows.size
        self.digest = self.compute_digest()

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self._rows,)

    @property
    def shared(self) -> bool:
        return False

    def matvec(self, value: Float[Array, " S"], block: slice) -> Float[Array, "b A"]:
        return np.matmul(self._rows[:, block, :], value).T

    def rmatvec(self, weights: Float[Array, "b A"], block: slice) -> Float[np.ndarray, " S"]:
        reached = np.zeros(self.n_states)
        for action in range(self.n_actions):
            reached += weights[:, action] @ self._rows[action, block]
        return reached

    def policy_matrix(self, policy: Float[Array, "S A"]) -> Array:
        actions = find_actions(policy)
        if actions is not None and np.all(actions >= 0):
            return self._rows[actions, np.arange(self.n_states)]
        policy = np.asarray(policy)
        matrix = np.empty((self.n_states, self.n_states))
        size = max(1, base.MAX_PAIRS_PER_BLOCK // self.n_states)
        parts = [
            slice(start, min(start + size, self.n_states))
            for start in range(0, self.n_states, size)
        ]
        threads.parallel_map(
            parts,
            lambda states: assign(states, (matrix, self._mix_rows(policy, states))),
            shared=needs_threads(self._rows.size),
        )
        return matrix

    def _mix_rows(self, policy: Float[Array, "S A"], states: slice) -> Float[np.ndarray, "b S"]:
        """Return the rows of the policy's matrix for some states."""
        mixed = policy[states, 0, None] * self._rows[0, states]
        for action in range(1, self.n_actions):
            mixed += policy[states, action, None] * self._rows[action, states]
        return mixed

    def successors(self, states: Int[np.ndarray, " k"]) -> Int[np.ndarray, " n"]:
        found = np.zeros(self.n_states, dtype=np.bool_)
        for state in states:
            found |= np.any(self._rows[:, state] > 0, axis=0)
        return np.flatnonzero(found)

    def to_csr(self) -> scipy.sparse.csr_array:
        return scipy.sparse.csr_array(self.to_dense().reshape(-1, self.n_states))

    def to_dense(self) -> Float[np.ndarray, "S A S"]:
        return np.array(self._rows.transpose(1, 0, 2), order="C")

    @property
    def n_parts(self) -> int:
        return self.n_actions

    def iterate_rows(self, block: slice) -> Iterator[RowArrays]:
        rows = self._rows[:, block]
        if rows.size <= MAX_ENTRIES_AT_ONCE:
            yield list_successors(rows.reshape(-1, self.n_states))
            return
        size = max(1, MAX_ENTRIES_AT_ONCE // self.n_states)
        for of_action in rows:
            for start in range(0, of_action.shape[0], size):
                yield list_successors(of_action[start : start + size])

    def part_arrays(self, part: int) -> tuple[np.ndarray, ...]:
        return (self._rows[part],)


def list_successors(rows: Float[np.ndarray, "k S"]) -> RowArrays:
    """Return the probabilities that are not 0, their columns, and their numbers in each row."""
    present = rows != 0
    lengths = np.count_nonzero(present, axis=1)
    if present.all():
        return rows.ravel(), np.tile(np.arange(rows.shape[1], dtype=np.int32), len(rows)), lengths
    return rows[present], np.nonzero(present)[1], lengths


def store_dense(
    state_action_state: Float[np.ndarray, "S A S"], available: Bool[np.ndarray, "S A"]
) -> DenseTransitions:
    """(S, A, S) array -> dense transitions without the rows of unavailable pairs."""
    rows = np.array(np.asarray(state_action_state, dtype=np.float64).transpose(1, 0, 2), order="C")
    if not available.all():
        rows[~available.T] = 0.0
    return DenseTransitions(rows)
