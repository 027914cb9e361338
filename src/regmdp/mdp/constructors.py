"""Constructors of models from other data than one array of transitions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Self, Unpack

import numpy as np
import scipy

from regmdp._internal.arrays import ArrayLike, SparseArray
from regmdp.mdp.assembly import Extras, assemble_dense, assemble_sparse
from regmdp.mdp.discounts import is_list
from regmdp.mdp.objective import GoalOptions
from regmdp.mdp.validation import (
    as_action_matrices,
    as_available,
    as_pairs,
    as_rewards,
    as_rows,
    count_columns,
)
from regmdp.mdp.variants import ModelVariants

__all__ = ["ModelConstructors"]


class ModelConstructors(ModelVariants):
    """A model that is built from matrices, pairs or functions."""

    @classmethod
    def from_action_matrices(
        cls,
        matrices: Sequence[ArrayLike | SparseArray] | ArrayLike,
        rewards: ArrayLike,
        discount: float | ArrayLike,
        *,
        initial: ArrayLike | None = None,
        available: ArrayLike | None = None,
        termination: ArrayLike | None = None,
        state_labels: Sequence[str] | None = None,
        action_labels: Sequence[str] | None = None,
        labels: Mapping[str, ArrayLike] | None = None,
        normalize: bool = False,
        **goal: Unpack[GoalOptions],
    ) -> Self:
        """Build a model from one (S, S) transition matrix for each action.

        Args:
            matrices: A matrices, dense or sparse, or an (A, S, S) array: ``matrices[a][s, t]`` is
                the probability of going from s to t under a.
            rewards: (S, A) rewards.
            discount: γ, one number, one a state or one a pair, as for :class:`MDP`.
            initial: (S,), as for :class:`MDP`; so are the other keywords.
            available: (S, A) bool.
            termination: (S, A) probabilities.
            state_labels: S names.
            action_labels: A names.
            labels: Sets of states by name.
            normalize: Whether rows that sum to 1 only within 1e-2 are divided by their sums.
            **goal: ``goal`` and the other arguments of :meth:`with_goal`.

        Examples:
            >>> import numpy as np, regmdp as rm
            >>> stay, move = np.eye(2), np.eye(2)[::-1]
            >>> mdp = rm.MDP.from_action_matrices(
            ...     [stay, move], np.array([[0.0, 0.0], [1.0, 0.0]]), discount=0.9
            ... )
            >>> bool(np.all(mdp.to_array()[:, 1] == move))
            True
        """
        table = as_rewards(rewards)
        parts = as_action_matrices(matrices, table.shape)
        extras = Extras(
            discount,
            as_available(available, table.shape),
            goal,
            initial=initial,
            termination=termination,
            state_labels=state_labels,
            action_labels=action_labels,
            labels=labels,
            normalize=normalize,
        )
        if not any(scipy.sparse.issparse(matrix) for matrix in parts):
            return cls.from_checked(assemble_dense(np.stack(parts, axis=1), table, extras))
        matrices = [scipy.sparse.csr_array(matrix) for matrix in parts]
        rows = scipy.sparse.csr_array(scipy.sparse.vstack(matrices, format="csr"))
        n_states, n_actions = table.shape
        index = np.arange(n_states * n_actions).reshape(n_actions, n_states).T
        rows = as_rows(rows, (n_states * n_actions, n_states), table.shape)
        return cls.from_checked(assemble_sparse(rows, index, table, extras))

    @classmethod
    def from_pairs(
        cls,
        state: ArrayLike,
        action: ArrayLike,
        transitions: ArrayLike | SparseArray,
        rewards: ArrayLike,
        discount: float | ArrayLike,
        *,
        n_states: int | None = None,
        n_actions: int | None = None,
        initial: ArrayLike | None = None,
        available: ArrayLike | None = None,
        termination: ArrayLike | None = None,
        state_labels: Sequence[str] | None = None,
        action_labels: Sequence[str] | None = None,
        labels: Mapping[str, ArrayLike] | None = None,
        normalize: bool = False,
        **goal: Unpack[GoalOptions],
    ) -> Self:
        """Build a model from a list of K state-action pairs; all others are unavailable.

        Args:
            state: (K,) state of each pair.
            action: (K,) action of each pair.
            transitions: (K, S) transition probabilities, dense or sparse.
            rewards: (K,) rewards.
            discount: γ, one number or (K,) numbers, one a pair.
            n_states: S; by default the number of columns of the transitions.
            n_actions: A; by default the largest listed action plus 1.
            initial: (S,), as for :class:`MDP`.
            available: (S, A) bool; a listed pair that is False here is unavailable.
            termination: (K,) probability that the episode terminates on the transition.
            state_labels: S names.
            action_labels: A names.
            labels: Sets of states by name.
            normalize: Whether rows that sum to 1 only within 1e-2 are divided by their sums.
            **goal: ``goal`` and the other arguments of :meth:`with_goal`.

        Examples:
            State 1 has no pair, so it is terminal.

            >>> import numpy as np, regmdp as rm
            >>> P = np.array([[1.0, 0.0], [0.0, 1.0]])
            >>> mdp = rm.MDP.from_pairs([0, 0], [0, 1], P, [0.0, 3.0], discount=0.5, n_states=2)
            >>> mdp.terminal
            array([False,  True])
        """
        n_states = count_columns(transitions) if n_states is None else n_states
        pairs = as_pairs(state, action, n_states, n_actions, action_labels)
        shape = (n_states, pairs.n_actions)
        rows = as_rows(transitions, (pairs.state.size, n_states), shape, pairs)
        index = np.full(shape, -1)
        index[pairs.state, pairs.action] = np.arange(pairs.state.size)
        extras = Extras(
            pairs.scatter("discount", discount, shape) if is_list(discount) else discount,
            as_available(available, shape) & (index >= 0),
            goal,
            initial=initial,
            termination=None
            if termination is None
            else pairs.scatter("termination", termination, shape),
            state_labels=state_labels,
            action_labels=action_labels,
            labels=labels,
            normalize=normalize,
        )
        table = pairs.scatter("rewards", rewards, shape)
        return cls.from_checked(assemble_sparse(rows, index, table, extras))
