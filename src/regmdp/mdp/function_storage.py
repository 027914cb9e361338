"""Transitions that a function computes whenever they are needed: only values are stored."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property

import numpy as np
import scipy

from regmdp._internal import threads
from regmdp._internal.arrays import Array, Float, Int, assign
from regmdp.mdp.deterministic import find_actions
from regmdp.mdp.merging import SortedRows, join_rows, merge_successors
from regmdp.mdp.policy_rows import PolicyRows
from regmdp.mdp.sparse_transitions import MixedRows, SparseTransitions
from regmdp.mdp.step_function import StepFunction, Steps
from regmdp.mdp.transitions import RowArrays, Transitions, needs_threads, state_blocks

__all__ = ["FunctionTransitions", "compute_rows", "split_states"]

#: Largest number of transitions that are computed at once, 2 MiB of next states.
MAX_TRANSITIONS_AT_ONCE = 1 << 18


class FunctionTransitions(Transitions):
    """Transitions that are computed anew for each block in each sweep.

    Args:
        function: The user's function.
        survival: (S, A) factors of the probabilities, which discounts that differ leave; or None.
    """

    storage = "function"

    def __init__(
        self, function: StepFunction, survival: Float[np.ndarray, "S A"] | None = None
    ) -> None:
        self.function, self._survival = function, survival
        self.n_states, self.n_actions = function.layout.n_states, function.layout.n_actions
        self.blocks = state_blocks(self.n_states, self.n_actions)
        #: A bound: successors that are equal are not merged in products.
        self.branching = function.outcomes.count
        self.n_stored = self.n_states * self.n_actions * self.branching

    @cached_property
    def digest(self) -> str:  # type: ignore[override]  # computed on demand: it takes a sweep
        """SHA-256 of the rows, computed when it is asked for."""
        return self.compute_digest()

    @property
    def shared(self) -> bool:
        return needs_threads(self.n_stored)

    def steps(self, states: slice) -> Steps:
        """Return the steps from some states, all actions in turn."""
        return self._scale(
            self.function.evaluate(
                np.arange(states.start, states.stop), np.arange(self.n_actions)[:, None]
            ),
            None if self._survival is None else self._survival[states].T,
        )

    def steps_of(self, states: Int[np.ndarray, " b"], actions: Int[np.ndarray, " b"]) -> Steps:
        """Return the steps from some states, after one action each."""
        return self._scale(
            self.function.evaluate(states, actions[None]),
            None if self._survival is None else self._survival[states, actions][None],
        )

    @staticmethod
    def _scale(steps: Steps, survival: Float[np.ndarray, "A b"] | None) -> Steps:
        """Return steps whose probabilities are multiplied by what survives."""
        if survival is None:
            return steps
        return replace(steps, weights=steps.weights * survival)

    def parts(self, block: slice) -> list[slice]:
        """Return parts of a block whose transitions are computed at once."""
        return split_states(block, self.n_actions * self.branching)

    def matvec(self, value: Float[Array, " S"], block: slice) -> Float[Array, "b A"]:
        numbers = np.asarray(value)
        out = np.empty((self.n_actions, block.stop - block.start))
        for part in self.parts(block):
            inside = slice(part.start - block.start, part.stop - block.start)
            out[:, inside] = average_values(self.steps(part), numbers)
        return out.T

    def rmatvec(self, weights: Float[Array, "b A"], block: slice) -> Float[np.ndarray, " S"]:
        given, out = np.asarray(weights), np.zeros(self.n_states)
        for part in self.parts(block):
            steps = self.steps(part)
            flow = steps.weights * given[part.start - block.start : part.stop - block.start].T
            out += np.bincount(steps.successors.ravel(), flow.ravel(), minlength=self.n_states)
        return out

    def policy_operator(self, policy: Float[Array, "S A"]) -> Array | PolicyRows:
        actions = find_actions(policy)
        return MixedRows(self, policy) if actions is None else ComputedRows(self, actions)

    def policy_matrix(self, policy: Float[Array, "S A"]) -> Array:
        return self.to_sparse().policy_matrix(policy)

    def successors(self, states: Int[np.ndarray, " k"]) -> Int[np.ndarray, " n"]:
        steps = self.function.evaluate(np.asarray(states), np.arange(self.n_actions)[:, None])
        reached = np.broadcast_to(steps.weights > 0.0, steps.successors.shape)
        return steps.successors[reached].astype(np.int64)

    def block_rows(self, block: slice) -> scipy.sparse.csr_array:
        """Return the rows of a block as a matrix, action-major."""
        parts = [compute_rows(self.steps(part)) for part in self.parts(block)]
        return join_rows(parts, self.n_actions, self.n_states)

    def to_sparse(self) -> SparseTransitions:
        """Return the same transitions, stored."""
        blocks = state_blocks(self.n_states, self.n_actions)
        matrices = threads.parallel_map(blocks, self.block_rows, shared=self.shared)
        return SparseTransitions(tuple(matrices), self.n_states, self.n_actions)

    def to_csr(self) -> scipy.sparse.csr_array:
        return self.to_sparse().to_csr()

    def to_dense(self) -> Float[np.ndarray, "S A S"]:
        return self.to_sparse().to_dense()

    def iterate_rows(self, block: slice) -> Iterator[RowArrays]:
        rows = self.block_rows(block)
        yield rows.data, rows.indices, np.diff(rows.indptr)

    @property
    def n_parts(self) -> int:
        return 0

    def part_arrays(self, part: int) -> tuple[np.ndarray, ...]:
        raise IndexError(f"there is no part {part}: nothing is stored")


class ComputedRows(PolicyRows):
    """P_π of a deterministic policy as an operator that computes the rows of its actions.

    Args:
        transitions: The transitions.
        actions: (S,) action of each state, -1 where there is none.
    """

    def __init__(self, transitions: FunctionTransitions, actions: Int[np.ndarray, " S"]) -> None:
        self._transitions, self._actions = transitions, actions
        self.shape = (transitions.n_states, transitions.n_states)

    @property
    def n_entries(self) -> int:
        return self.shape[0] * self._transitions.branching

    def __matmul__(self, value: Float[Array, " S"]) -> Float[np.ndarray, " S"]:
        transitions, numbers = self._transitions, np.asarray(value)
        out = np.empty(self.shape[0])
        whole = slice(0, self.shape[0])

        def average(part: slice) -> None:
            actions = self._actions[part]
            steps = transitions.steps_of(np.arange(part.start, part.stop), np.maximum(actions, 0))
            found = np.where(actions < 0, 0.0, average_values(steps, numbers)[0])
            assign(part, (out, found))

        parts = split_states(whole, transitions.branching)
        threads.parallel_map(parts, average, shared=transitions.shared)
        return out

    def to_matrix(self) -> Array:
        policy = np.zeros((self.shape[0], self._transitions.n_actions), order="F")
        chosen = np.flatnonzero(self._actions >= 0)
        policy[chosen, self._actions[chosen]] = 1.0
        return self._transitions.policy_matrix(policy)

    def successors(self, states: Int[np.ndarray, " k"]) -> Int[np.ndarray, " n"]:
        return self._transitions.successors(states)


def average_values(steps: Steps, value: Float[np.ndarray, " S"]) -> Float[np.ndarray, "A b"]:
    """(S,) value of the next state -> (A, b) expectations.

    The outcomes are added in their order, each to all pairs at once.
    """
    out = np.zeros(steps.successors.shape[1:])
    term = np.empty(out.shape)
    for successors, weights in zip(steps.successors, steps.weights, strict=True):
        np.take(value, successors, out=term, mode="clip")  # all are states
        with np.errstate(invalid="ignore"):
            np.multiply(term, weights, out=term)
        out += term
    if np.isnan(out).any():  # infinite values that are not reached
        reached = np.where(steps.weights > 0.0, value[steps.successors], 0.0)
        out = np.sum(steps.weights * reached, axis=0)
    return out


def compute_rows(steps: Steps) -> SortedRows:
    """Return the rows of the pairs, action-major."""
    count = steps.successors.shape[0]
    return merge_successors(steps.successors.reshape(count, -1), steps.weights.reshape(count, -1))


def split_states(block: slice, transitions_per_state: int) -> list[slice]:
    """Return parts of a block, each with few enough transitions to be computed at once."""
    size = max(1, MAX_TRANSITIONS_AT_ONCE // transitions_per_state)
    return [
        slice(start, min(start + size, block.stop))
        for start in range(block.start, block.stop, size)
    ]
