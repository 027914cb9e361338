"""Transition probabilities of several models of one size, side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property

import numpy as np
import scipy

from regmdp._internal.arrays import Array, Float, Int, freeze
from regmdp.mdp.dense_transitions import list_successors
from regmdp.mdp.deterministic import find_actions
from regmdp.mdp.policy_rows import PolicyRows
from regmdp.mdp.transitions import RowArrays, Transitions, state_blocks

__all__ = ["StackedPolicyRows", "StackedTransitions"]


class StackedTransitions(Transitions):
    """Dense rows of N models side by side: state s of model i is ``i * S + s``.

    No model leads to another: the matrix of a policy has N blocks of shape (S, S), which are
    multiplied and factorized one by one. Blocks of states hold whole models; where these are other
    ones than those of one large model, so is the digest.

    Args:
        rows: (A, N, S, S) transition probabilities; or (A, 1, S, S), the same for all models.
        count: N.
        branching: Largest number of successors of a state-action pair.
    """

    storage = "stacked"

    def __init__(self, rows: Float[np.ndarray, "A K S S"], count: int, branching: int) -> None:
        self._rows, self._count = freeze(rows), count
        self.n_actions, _, self._size, _ = rows.shape
        self.n_states = count * self._size
        self.blocks = tuple(
            slice(part.start * self._size, part.stop * self._size)
            for part in state_blocks(count, self.n_actions * self._size)
        )
        self.branching = branching
        self.n_stored = rows.size

    @cached_property
    def digest(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """:meth:`compute_digest` of the rows, computed when it is first used."""
        return self.compute_digest()

    @property
    def shared(self) -> bool:
        return False

    @property
    def _has_one_model(self) -> bool:
        """Whether all models have the same rows."""
        return self._rows.shape[1] == 1

    def _parts(self, block: slice) -> slice:
        """Return the models of a block of states."""
        return slice(block.start // self._size, block.stop // self._size)

    def _part_rows(self, parts: slice) -> Float[np.ndarray, "A n S S"]:
        """Return the rows of some models."""
        if not self._has_one_model:
            return self._rows[:, parts]
        shape = self.n_actions, parts.stop - parts.start, self._size, self._size
        return np.broadcast_to(self._rows, shape)

    def matvec(self, value: Float[Array, " S"], block: slice) -> Float[Array, "b A"]:
        parts = self._parts(block)
        values = np.asarray(value)[block].reshape(-1, self._size)
        if self._has_one_model:  # a product of matrices
            found = np.matmul(self._rows[:, 0], values.T).transpose(0, 2, 1)
        else:
            found = np.matmul(self._rows[:, parts], values[..., None])
        return found.reshape(self.n_actions, -1).T

    def rmatvec(self, weights: Float[Array, "b A"], block: slice) -> Float[np.ndarray, " S"]:
        reached, rows = np.zeros(self.n_states), self._part_rows(self._parts(block))
        given = np.asarray(weights).reshape(-1, self._size, self.n_actions)
        reached[block] = np.einsum("nsa,anst->nt", given, rows).ravel()
        return reached

    def policy_operator(self, policy: Float[Array, "S A"]) -> StackedPolicyRows:
        return StackedPolicyRows(self._policy_matrices(policy))

    def policy_matrix(self, policy: Float[Array, "S A"]) -> scipy.sparse.csr_array:
        return self.policy_operator(policy).to_matrix()

    def _policy_matrices(self, policy: Float[Array, "S A"]) -> Float[np.ndarray, "N S S"]:
        """Return the (N, S, S) transition matrices of a policy, one a model."""
        n, size = self._count, self._size
        actions = find_actions(policy)
        if actions is not None:
            part = np.zeros(1, np.intp) if self._has_one_model else np.arange(n)
            taken = actions.reshape(n, size)
            rows = self._rows[np.maximum(taken, 0), part[:, None], np.arange(size)]
            rows[taken < 0] = 0.0
            return rows
        weights = np.asarray(policy).reshape(n, size, self.n_actions)
        if self._has_one_model:  # for each state a product of matrices
            return np.matmul(
                weights.transpose(1, 0, 2), self._rows[:, 0].transpose(1, 0, 2)
            ).transpose(1, 0, 2)
        # for each state of each model the product of a row and a matrix
        return np.matmul(weights[:, :, None, :], self._rows.transpose(1, 2, 0, 3))[:, :, 0]

    def successors(self, states: Int[np.ndarray, " k"]) -> Int[np.ndarray, " n"]:
        part, state = np.divmod(states, self._size)
        rows = self._rows[:, 0 if self._has_one_model else part, state]
        row, column = np.nonzero(np.any(rows > 0, axis=0))
        return part[row] * self._size + column

    def to_csr(self) -> scipy.sparse.csr_array:
        rows = self._part_rows(slice(0, self._count)).transpose(1, 2, 0, 3)
        shape = self._size * self.n_actions, self._size
        parts = [scipy.sparse.csr_array(part.reshape(shape)) for part in rows]
        return scipy.sparse.csr_array(scipy.sparse.block_diag(parts, format="csr"))

    def to_dense(self) -> Float[np.ndarray, "S A S"]:
        return self.to_csr().toarray().reshape(self.n_states, self.n_actions, self.n_states)

    @property
    def n_parts(self) -> int:
        return self.n_actions

    def part_arrays(self, part: int) -> tuple[np.ndarray, ...]:
        return (self._rows[part],)

    def iterate_rows(self, block: slice) -> Iterator[RowArrays]:
        parts = self._parts(block)
        first = np.repeat(np.arange(parts.start, parts.stop) * self._size, self._size)
        for of_action in self._part_rows(parts):
            found, successors, lengths = list_successors(of_action.reshape(-1, self._size))
            yield found, successors + np.repeat(first, lengths), lengths


class StackedPolicyRows(PolicyRows):
    """The transition matrices of a policy, one a model.

    Args:
        matrices: (N, S, S) one matrix a model.
    """

    def __init__(self, matrices: Float[np.ndarray, "N S S"]) -> None:
        self.matrices = matrices
        n_states = matrices.shape[0] * matrices.shape[1]
        self.shape = n_states, n_states

    @property
    def n_entries(self) -> int:
        return self.matrices.size

    def __matmul__(self, value: Float[Array, " S"]) -> Float[np.ndarray, " S"]:
        values = np.asarray(value).reshape(*self.matrices.shape[:2], 1)
        return np.matmul(self.matrices, values).ravel()

    def to_matrix(self) -> scipy.sparse.csr_array:
        parts: Sequence[np.ndarray] = list(self.matrices)
        return scipy.sparse.csr_array(scipy.sparse.block_diag(parts, format="csr"))

    def successors(self, states: Int[np.ndarray, " k"]) -> Int[np.ndarray, " n"]:
        size = self.matrices.shape[1]
        part, state = np.divmod(states, size)
        row, column = np.nonzero(self.matrices[part, state] > 0)
        return part[row] * size + column
