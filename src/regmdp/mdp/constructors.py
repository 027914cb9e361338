"""Constructors of models from other data than one array of transitions."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any, Unpack

import numpy as np
import scipy

from regmdp._internal.arrays import ArrayLike, SparseArray
from regmdp._internal.self_type import Self
from regmdp.mdp.assembly import Extras, assemble_dense, assemble_sparse
from regmdp.mdp.block_widths import needs_widths
from regmdp.mdp.dimensions import DimensionValues
from regmdp.mdp.discounts import is_discounted, is_list
from regmdp.mdp.from_function import FunctionArguments, FunctionStorage, build_from_function
from regmdp.mdp.from_reachable import ReachableArguments, build_reachable
from regmdp.mdp.objective import GoalOptions
from regmdp.mdp.outcomes import OutcomeLike
from regmdp.mdp.ragged_assembly import assemble_ragged
from regmdp.mdp.validation import (
    as_action_matrices,
    as_available,
    as_pairs,
    as_rewards,
    as_rows,
    count_columns,
    number_actions,
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

        If the pairs would fill less than a quarter of a large (S, A) array, as with actions that
        are numbered like their successors, the model is *ragged*: its arrays have a column for each
        action of a state, in the order of the actions' numbers, ``numbering`` holds the
        numbers, and ``n_actions`` is the largest number n of actions of a state. Policies and
        action values of its results are sparse, by numbers, and policies are taken so;
        :meth:`to_columns` and :meth:`to_sparse` convert other arrays. If few states have many
        actions, and γ < 1, blocks of states have as many columns as they need: NumPy reads such a
        table as the whole (S, n) array, if that fits into memory.

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
        listed = as_pairs(state, action, n_states, n_actions, action_labels)
        exists = as_available(available, (n_states, listed.n_actions))[listed.state, listed.action]
        if needs_widths(np.bincount(listed.state, minlength=n_states)) and is_discounted(discount):
            shape = listed.state.size, n_states
            more = Extras(
                listed.as_column("discount", discount) if is_list(discount) else discount,
                exists[:, None],
                goal,
                initial=initial,
                termination=listed.as_column("termination", termination),
                state_labels=state_labels,
                action_labels=action_labels,
                labels=labels,
                normalize=normalize,
            )
            found = as_rows(transitions, shape, (n_states, listed.n_actions), listed)
            return cls.from_checked(
                assemble_ragged(listed, found, listed.as_column("rewards", rewards), more)
            )
        pairs, numbering = number_actions(listed, n_states)
        shape = (n_states, pairs.n_actions)
        rows = as_rows(transitions, (pairs.state.size, n_states), shape, pairs)
        index = np.full(shape, -1)
        index[pairs.state, pairs.action] = np.arange(pairs.state.size)
        mask = index >= 0
        mask[pairs.state, pairs.action] = exists
        extras = Extras(
            pairs.scatter("discount", discount, shape) if is_list(discount) else discount,
            mask,
            goal,
            initial=initial,
            termination=None
            if termination is None
            else pairs.scatter("termination", termination, shape),
            state_labels=state_labels,
            action_labels=action_labels,
            labels=labels,
            normalize=normalize,
            numbering=numbering,
        )
        table = pairs.scatter("rewards", rewards, shape)
        return cls.from_checked(assemble_sparse(rows, index, table, extras))

    @classmethod
    def from_function(
        cls,
        function: Callable[..., Any],
        states: Mapping[str, DimensionValues],
        actions: Mapping[str, DimensionValues],
        discount: float | ArrayLike,
        *,
        outcomes: Mapping[str, OutcomeLike] | None = None,
        clip: bool | Iterable[str] = False,
        initial: ArrayLike | Mapping[str, Any] | None = None,
        labels: Mapping[str, ArrayLike] | None = None,
        storage: FunctionStorage = "sparse",
        **goal: Unpack[GoalOptions],
    ) -> Self:
        """Build a model from a function of named states, actions and random outcomes.

        The states are all combinations of the values of their dimensions, and so are the actions.
        The function is called with arrays for many states at once, one for each of its parameters,
        which are named after dimensions and outcomes; the arrays broadcast against each other. It
        returns a tuple of two to four things:

        - the next state: its coordinates in the order of the dimensions, as a tuple, or by name;
        - the reward;
        - the probability that the episode terminates (or True where it does), or None;
        - the mask of the actions that are available, or None; it depends on no outcome.

        A successor that can be reached must be a state: each of its coordinates one of the values
        of its dimension, up to rounding. Equal successors of a pair are merged.

        Args:
            function: The function. It must depend on nothing but its arguments.
            states: Values of each dimension of the states by name: a range, a list or an array of
                numbers or of names. S is the product of their numbers.
            actions: The same of the actions, A of them.
            discount: γ, one number, one a state or one a pair, as for :class:`MDP`.
            outcomes: Independent random outcomes by name, each a mapping from values to
                probabilities, or a tuple (values, probabilities), where the probabilities are an
                array or a function of parameters that are named like those of ``function``: the
                outcome itself, states, actions and earlier outcomes.
            clip: Dimensions by name, or True for all numbers, in which successors beyond the
                smallest or largest value are moved there.
            initial: (S,) distribution, or the coordinates of one state by name.
            labels: Sets of states by name.
            storage: "sparse", or "function": the transitions are not stored but computed anew for
                each block of states in each sweep. Memory is then needed for (S, A) rewards and a
                few values.
            **goal: ``goal`` and the other arguments of :meth:`with_goal`.

        Raises:
            ModelError: if a successor is no state, naming the state, the action and the outcome it
                comes from; or if anything else is wrong.

        Examples:
            A shop with up to 20 articles orders up to 20; demand is 0, 1 or 2 a day.

            >>> import numpy as np, regmdp as rm
            >>> def day(stock, order, demand):
            ...     left = np.maximum(stock + order - demand, 0)
            ...     sold = stock + order - left
            ...     return (left,), 5 * sold - 2 * order - 0.1 * stock, None, stock + order <= 20
            >>> mdp = rm.MDP.from_function(
            ...     day,
            ...     states={"stock": range(21)},
            ...     actions={"order": range(21)},
            ...     outcomes={"demand": {0: 0.3, 1: 0.4, 2: 0.3}},
            ...     discount=0.99,
            ... )
            >>> mdp
            MDP(21 states, 21 actions, 689 transitions (sparse), 231 available pairs, discount 0.99)
            >>> mdp.describe(3, 2)
            'state (stock=3), action (order=2)'
            >>> rm.solve(mdp).policy[:4].argmax(axis=1)
            array([2, 1, 0, 0])
        """
        given = FunctionArguments(
            function, states, actions, discount, outcomes, clip, initial, labels, storage, goal
        )
        return cls.from_checked(build_from_function(given))

    @classmethod
    def from_reachable(
        cls,
        initial: Any,
        actions: Callable[[Any], Iterable[Hashable]] | Iterable[Hashable],
        successors: Callable[[Any, Any], Iterable[tuple[Any, ...]]],
        discount: float,
        *,
        state_names: Sequence[str] | None = None,
        labels: Mapping[str, Callable[[Any], bool]] | None = None,
        max_states: int = 1_000_000,
        **goal: Unpack[GoalOptions],
    ) -> Self:
        """Build the model of the states that can be reached from the first ones.

        States and actions are any hashable objects: numbers, texts, tuples, frozen dataclasses.
        States are numbered in the order in which they are found, breadth first, and actions too. A
        state without an action is terminal. The functions are called once for each state or pair,
        a few microseconds each; :meth:`from_function` is much faster where states are a grid.

        Args:
            initial: The first state, or a mapping from first states to their probabilities.
            actions: The actions of all states, or a function from a state to its actions.
            successors: Function from a state and an action to a list of (probability, next state,
                reward); None as the next state ends the episode. A fourth entry says whether the
                episode ends, as in the tables of Gymnasium.
            discount: γ, one number.
            state_names: Names of the parts of states that are tuples, or of the state itself; by
                default the names of the fields of named tuples. Errors and tables then speak of
                them; other states are called by their text.
            labels: For each label, a function from a state to whether it has the label.
            max_states: Largest number of states; more are an error.
            **goal: ``goal`` and the other arguments of :meth:`with_goal`.

        Raises:
            ModelError: if there are more states, or the functions return something else.

        Examples:
            A machine ages until it is replaced; it fails more often when it is old.

            >>> import regmdp as rm
            >>> def work(age, action):
            ...     if action == "replace":
            ...         return [(1.0, 0, -10.0)]
            ...     return [(0.9**age, age + 1, 3.0), (1 - 0.9**age, 0, -15.0)]
            >>> mdp = rm.MDP.from_reachable(
            ...     0,
            ...     lambda age: ["keep", "replace"] if age < 20 else ["replace"],
            ...     work,
            ...     discount=0.95,
            ...     state_names=["age"],
            ... )
            >>> mdp
            MDP(21 states, 2 actions, 60 transitions (sparse), 41 available pairs, discount 0.95)
            >>> mdp.describe(3, 1)
            'state (age=3), action (action=replace)'
        """
        given = ReachableArguments(
            initial, actions, successors, discount, state_names, labels, max_states, goal
        )
        return cls.from_checked(build_reachable(given))
