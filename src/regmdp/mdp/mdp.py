"""The Markov decision process: frozen, validated data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Unpack

import numpy as np
import scipy

from regmdp._internal.arrays import Array, ArrayLike, Bool, Float, Int, SparseArray
from regmdp._internal.errors import ModelError
from regmdp._internal.parameters import Instance, checked
from regmdp.mdp.decision_process import DecisionProcess
from regmdp.mdp.dense_transitions import DenseTransitions, store_dense
from regmdp.mdp.digests import hash_tables
from regmdp.mdp.goals import end_at_goal, pursue_goal
from regmdp.mdp.labels import StatesLike, check_labels
from regmdp.mdp.layouts import Layout
from regmdp.mdp.model_data import ModelData, check_initial, check_model, check_rewards
from regmdp.mdp.objective import GoalOptions, Objective, ObjectiveKind
from regmdp.mdp.sparse_transitions import store_sparse
from regmdp.mdp.transitions import Transitions
from regmdp.mdp.validation import (
    as_action_matrices,
    as_available,
    as_dense,
    as_discount,
    as_flag,
    as_pairs,
    as_rewards,
    as_rows,
    count_columns,
    normalize_dense,
    normalize_sparse,
)

__all__ = ["MDP", "apply_goal", "expectation", "initial_value"]


class MDP(DecisionProcess):
    r"""A finite Markov decision process with rewards to be maximised.

    Action a in state s pays r(s, a). The episode then terminates with probability
    ``termination[s, a]``; otherwise the next state is drawn from the row P(s, a, ·). Rewards t
    steps ahead are discounted by \(\gamma^t\). A state without an available action is terminal
    and has value 0. An MDP is immutable; ``with_discount`` and ``with_rewards`` return new ones.

    Args:
        transitions: (S, A, S) array, ``transitions[s, a, t]`` the probability of going from s to t
            under a; or a SciPy sparse array of shape (S·A, S) whose row ``s * A + a`` belongs to
            (s, a). Rows of unavailable pairs are ignored.
        rewards: (S, A) expected reward of each pair. Values and bounds have the same unit.
        discount: γ, 0 ≤ γ ≤ 1. With γ = 1 episodes must terminate.
        initial: (S,) distribution ρ of the first state, which sums to 1 within 1e-9 and is
            normalised; by default uniform over the states that are not terminal.
        available: (S, A) bool, the actions that exist in each state; by default all.
        termination: (S, A) probability that the episode terminates on the transition, with value 0
            afterwards; by default 0. For every available pair the row of P plus this sums to 1
            within 1e-9.
        state_labels: S names, used in errors and summaries.
        action_labels: A names.
        labels: Sets of states by name, as state numbers or (S,) masks.
        normalize: Whether rows that sum to 1 only within 1e-2, with their termination, are divided
            by that sum, as numbers in single precision or of a few digits need.
        **goal: ``goal``, ``avoid``, ``objective``, ``minimize`` and ``goal_rewards`` of
            :meth:`with_goal`, which is then called.

    Raises:
        ModelError: if the data are inconsistent; the message names the first wrong place and how
            many there are.

    Examples:
        Two states; action 0 stays, action 1 moves to the other state. Staying in state 1 pays 1.

        >>> import numpy as np, regmdp as rm
        >>> P = np.array([[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [1.0, 0.0]]])
        >>> mdp = rm.MDP(P, np.array([[0.0, 0.0], [1.0, 0.0]]), discount=0.9)
        >>> mdp
        MDP(2 states, 2 actions, 8 transitions (dense), discount 0.9)
        >>> rm.solve(mdp).value.round(6)
        array([ 9., 10.])
    """

    transitions: Transitions
    rewards: Float[np.ndarray, "S A"]
    discount: float
    initial: Float[np.ndarray, " S"]
    available: Bool[np.ndarray, "S A"]
    termination: Float[np.ndarray, "S A"]
    #: (S,) bool, the states without an available action.
    terminal: Bool[np.ndarray, " S"]
    #: Whether every action is available in every state.
    all_available: bool
    #: Bound on how far the rows with their termination are from summing to 1, rounding included.
    mass_error: float
    #: What the rewards until a goal stand for, or None without a goal.
    objective: Objective | None

    def __init__(
        self,
        transitions: ArrayLike | SparseArray,
        rewards: ArrayLike,
        discount: float,
        *,
        initial: ArrayLike | None = None,
        available: ArrayLike | None = None,
        termination: ArrayLike | None = None,
        state_labels: Sequence[str] | None = None,
        action_labels: Sequence[str] | None = None,
        labels: Mapping[str, ArrayLike] | None = None,
        normalize: bool = False,
        **goal: Unpack[GoalOptions],
    ) -> None:
        table = as_rewards(rewards)
        n_states, n_actions = table.shape
        mask = as_available(available, table.shape)
        if scipy.sparse.issparse(transitions):
            rows = as_rows(transitions, (n_states * n_actions, n_states), table.shape)
            index = np.arange(n_states * n_actions).reshape(n_states, n_actions)
            if as_flag("normalize", normalize):
                rows, termination = normalize_sparse(rows, index, termination)
            stored: Transitions = store_sparse(rows, index, mask)
        else:
            dense = as_dense(transitions, table.shape)
            if as_flag("normalize", normalize):
                dense, termination = normalize_dense(dense, termination)
            stored = store_dense(dense, mask)
        data = check_model(
            stored,
            table,
            discount,
            available=mask,
            initial=initial,
            termination=termination,
            state_labels=state_labels,
            action_labels=action_labels,
        )
        self._set_data(_add_goal(data, labels, goal))

    @classmethod
    def from_action_matrices(
        cls,
        matrices: Sequence[ArrayLike | SparseArray] | ArrayLike,
        rewards: ArrayLike,
        discount: float,
        *,
        initial: ArrayLike | None = None,
        available: ArrayLike | None = None,
        termination: ArrayLike | None = None,
        state_labels: Sequence[str] | None = None,
        action_labels: Sequence[str] | None = None,
        labels: Mapping[str, ArrayLike] | None = None,
        normalize: bool = False,
        **goal: Unpack[GoalOptions],
    ) -> MDP:
        """Build a model from one (S, S) transition matrix for each action.

        Args:
            matrices: A matrices, dense or sparse, or an (A, S, S) array: ``matrices[a][s, t]`` is
                the probability of going from s to t under a.
            rewards: (S, A) rewards.
            discount: γ.
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
        mask = as_available(available, table.shape)
        parts = as_action_matrices(matrices, table.shape)
        if any(scipy.sparse.issparse(matrix) for matrix in parts):
            rows = scipy.sparse.csr_array(
                scipy.sparse.vstack(
                    [scipy.sparse.csr_array(matrix) for matrix in parts], format="csr"
                )
            )
            n_states, n_actions = table.shape
            index = np.arange(n_states * n_actions).reshape(n_actions, n_states).T
            rows = as_rows(rows, (n_states * n_actions, n_states), table.shape)
            if as_flag("normalize", normalize):
                rows, termination = normalize_sparse(rows, index, termination)
            stored: Transitions = store_sparse(rows, index, mask)
        else:
            dense = np.stack(parts, axis=1)
            if as_flag("normalize", normalize):
                dense, termination = normalize_dense(dense, termination)
            stored = store_dense(dense, mask)
        data = check_model(
            stored,
            table,
            discount,
            available=mask,
            initial=initial,
            termination=termination,
            state_labels=state_labels,
            action_labels=action_labels,
        )
        return cls.from_checked(_add_goal(data, labels, goal))

    @classmethod
    def from_pairs(
        cls,
        state: ArrayLike,
        action: ArrayLike,
        transitions: ArrayLike | SparseArray,
        rewards: ArrayLike,
        discount: float,
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
    ) -> MDP:
        """Build a model from a list of K state-action pairs; all others are unavailable.

        Args:
            state: (K,) state of each pair.
            action: (K,) action of each pair.
            transitions: (K, S) transition probabilities, dense or sparse.
            rewards: (K,) rewards.
            discount: γ.
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
        mask = as_available(available, shape) & (index >= 0)
        ends = None if termination is None else pairs.scatter("termination", termination, shape)
        if as_flag("normalize", normalize):
            rows, ends = normalize_sparse(rows, index, ends)
        data = check_model(
            store_sparse(rows, index, mask),
            pairs.scatter("rewards", rewards, shape),
            discount,
            available=mask,
            initial=initial,
            termination=ends,
            state_labels=state_labels,
            action_labels=action_labels,
        )
        return cls.from_checked(_add_goal(data, labels, goal))

    @classmethod
    def from_checked(cls, data: ModelData) -> MDP:
        """Return the model of data that have been checked; nothing is checked again."""
        mdp = cls.__new__(cls)
        mdp._set_data(data)
        return mdp

    def _set_data(self, data: ModelData) -> None:
        super().__init__(data.space, data.discount, data.initial)
        self._set_attributes(
            transitions=data.transitions,
            rewards=data.rewards,
            termination=data.termination,
            mass_error=data.mass_error,
            objective=data.objective,
        )

    @property
    def _data(self) -> ModelData:
        return ModelData(
            self.space,
            self.discount,
            self.initial,
            self.transitions,
            self.rewards,
            self.termination,
            self.mass_error,
            self.objective,
        )

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(
            f"an MDP is immutable: cannot set {name!r}; use with_discount or with_rewards, or "
            "build a new one"
        )

    @cached_property
    def terminates(self) -> bool:
        """Whether episodes can terminate, through a terminal state or ``termination``."""
        return bool(self.terminal.any() or np.any(self.termination > 0))

    @property
    def endless_value(self) -> float:
        """What an undiscounted episode counts that never ends, and pays nothing any more.

        0, or with the reward until a goal as the :attr:`objective`, ∞ as in model checkers, negated
        if that is minimised.
        """
        return 0.0 if self.objective is None else self.objective.endless_value

    @cached_property
    def reward_bound(self) -> float:
        """The largest absolute reward."""
        return max(float(np.max(self.rewards)), -float(np.min(self.rewards)))

    @cached_property
    def digest(self) -> str:
        """A SHA-256 of the model's numbers.

        Equal models have equal digests, whether their transitions are dense, sparse or mapped, and
        after every format that holds the model. Names are not part of it.
        """
        return self._digest(self.transitions.digest)

    def compute_digest(self) -> str:
        """Compute the digest from the data as they are now; it differs if they were overwritten."""
        return self._digest(self.transitions.compute_digest())

    def _digest(self, transitions: str) -> str:
        tables = self.rewards, self.available, self.termination
        return hash_tables(transitions, self.discount, self.initial, *tables, self.endless_value)

    def __copy__(self) -> MDP:
        return self  # it cannot change

    def __deepcopy__(self, memo: object) -> MDP:
        return self

    def __reduce__(self) -> tuple[object, ...]:
        return MDP.from_checked, (self._data,)

    def with_goal(
        self,
        goal: StatesLike,
        avoid: StatesLike | None = None,
        *,
        objective: ObjectiveKind = "reward",
        minimize: bool = False,
        goal_rewards: bool = False,
    ) -> MDP:
        r"""Return the model in which reaching a goal ends the episode.

        The states keep their numbers, and the initial distribution is the same. The transitions are
        copied, those of a mapped model into memory.

        "reach" has the value \(E[\gamma^T]\) with T the number of steps to the goal, ∞ if it is not
        reached: with γ = 1 the probability of reaching it. "reward" and "steps" are the expected
        sum of rewards, or number of steps, until then, of which minimised ones are negated. With
        γ = 1 they follow the convention of model checkers: an episode that never reaches the goal
        counts as ∞. If it is minimised, the value is -∞ in states from which no policy reaches a
        goal with probability 1. If it is maximised, and a policy may stay away from the goal where
        nothing is paid, solvers raise :class:`~regmdp.UnboundedError`.

        Args:
            goal: A label, a list of labels, state numbers, or a (S,) mask.
            avoid: States that must not be entered before the goal, in the same form.
            objective: "reward", the rewards until the goal; "reach", the probability of reaching
                it; or "steps", the number of steps until then.
            minimize: Whether it is minimised. The rewards of the model are then negated.
            goal_rewards: Whether the goal's own rewards count, once, for objective="reward".

        Raises:
            ModelError: if a label is unknown, or no state is in the goal, or one is both in the
                goal and to be avoided; or if a reward with γ < 1 has states to avoid.

        Examples:
            The shortest way to the end of a chain, and the probability of reaching it.

            >>> import numpy as np, regmdp as rm
            >>> P = np.array([[[0.5, 0.5], [0.0, 1.0]], [[0.0, 1.0], [0.0, 1.0]]])
            >>> mdp = rm.MDP(P, [[1.0, 3.0], [1.0, 1.0]], discount=1, labels={"end": [1]})
            >>> rm.solve(mdp.with_goal("end", minimize=True)).objective_value.round(6)
            array([2., 0.])
            >>> rm.solve(mdp.with_goal("end", objective="reach")).objective_value.round(6)
            array([1., 1.])

        Reference:
            Forejt, Kwiatkowska, Norman and Parker, Automated verification techniques for
            probabilistic systems, 2011, sections 4 and 5.
        """
        data = end_at_goal(self._data, goal, avoid, objective, minimize, goal_rewards)
        return MDP.from_checked(data)

    def with_objective(self, objective: Objective | None) -> MDP:
        """Return the same model, with the same rewards, that stand for something else.

        Files use it; :meth:`with_goal` changes the rewards, too.
        """
        if not isinstance(objective, Objective | None):
            raise ModelError(f"objective must be a regmdp.mdp.Objective or None, not {objective!r}")
        return MDP.from_checked(replace(self._data, objective=objective))

    def with_labels(self, labels: Mapping[str, ArrayLike] | None) -> MDP:
        """Return the same model with other labels: sets of states by name, as numbers or masks.

        >>> import regmdp as rm
        >>> rm.models.chain(3).with_labels({"ends": [0, 2]}).labels["ends"]
        array([ True, False,  True])
        """
        return MDP.from_checked(_add_goal(self._data, {} if labels is None else labels, {}))

    def with_discount(self, discount: float) -> MDP:
        """Return the same model with another discount γ.

        Raises:
            ModelError: if the model has a goal whose rewards mean something else without a
                discount, and one of the two discounts is 1.

        Examples:
            >>> import regmdp as rm
            >>> rm.models.chain(5).with_discount(0.5).discount
            0.5
        """
        checked = as_discount(discount)
        if self.endless_value and (checked == 1.0) != (self.discount == 1.0):
            raise ModelError(
                f"the {self.objective} is another model with discount {checked:g} than with "
                f"{self.discount:.15g}: set the discount first, and then the goal"
            )
        return MDP.from_checked(replace(self._data, discount=checked))

    def with_rewards(self, rewards: ArrayLike) -> MDP:
        """Return the same model with other (S, A) rewards, which are not probabilities any more."""
        checked = check_rewards(self.space, as_rewards(rewards, self.rewards.shape))
        objective = self.objective if self.endless_value else None
        return MDP.from_checked(replace(self._data, rewards=checked, objective=objective))

    def with_available(self, available: ArrayLike) -> MDP:
        """Return the same model without the actions for which this (S, A) mask is False."""
        kept = as_available(available, self.rewards.shape) & self.available
        if isinstance(self.transitions, DenseTransitions):
            stored: Transitions = store_dense(self.transitions.to_dense(), kept)
        else:
            index = np.arange(kept.size).reshape(kept.shape)
            stored = store_sparse(self.transitions.to_csr(), index, kept)
        data = check_model(
            stored,
            np.array(self.rewards, order="F"),
            self.discount,
            available=kept,
            initial=self.initial,
            termination=self.termination,
            state_labels=None,
            action_labels=None,
        )
        space = replace(self.space, available=data.space.available)
        return MDP.from_checked(replace(data, space=space, objective=self.objective))

    @checked(ModelError, layout=Instance(Layout) | None)
    def with_layout(self, layout: Layout | None) -> MDP:
        """Return the same model with another layout, which figures use, or without one.

        Raises:
            ModelError: if the layout has another number of states or actions.

        Examples:
            >>> import regmdp as rm
            >>> rm.models.chain(3).with_layout(rm.LineLayout("distance")).layout
            LineLayout(label='distance', positions=None)
        """
        if layout is not None:
            layout.require_fit(self.n_states, self.n_actions)
        return MDP.from_checked(replace(self._data, space=replace(self.space, layout=layout)))

    def with_initial(self, initial: ArrayLike | None) -> MDP:
        """Return the same model with another (S,) initial distribution ρ; None is the default."""
        return MDP.from_checked(replace(self._data, initial=check_initial(self.space, initial)))

    def to_array(self) -> Float[np.ndarray, "S A S"]:
        """Return the transitions as a new dense (S, A, S) array, 0 for unavailable pairs."""
        return self.transitions.to_dense()

    def to_action_matrices(self) -> list[scipy.sparse.csr_array]:
        """Return the transitions as A sparse matrices of shape (S, S)."""
        rows = self.transitions.to_csr()
        return [rows[action :: self.n_actions] for action in range(self.n_actions)]

    def to_pairs(
        self,
    ) -> tuple[
        Int[np.ndarray, " K"],
        Int[np.ndarray, " K"],
        scipy.sparse.csr_array,
        Float[np.ndarray, " K"],
    ]:
        """Return the K available pairs.

        Returns:
            (K,) states, (K,) actions, (K, S) sparse transitions and (K,) rewards.
        """
        state, action = np.nonzero(self.available)
        rows = self.transitions.to_csr()[state * self.n_actions + action]
        return state, action, rows, np.ascontiguousarray(self.rewards[state, action])

    def __repr__(self) -> str:
        parts = [_count(self.n_states, "state"), _count(self.n_actions, "action")]
        parts.append(
            f"{_count(self.transitions.n_stored, 'transition')} ({self.transitions.storage})"
        )
        if not self.all_available:
            parts.append(_count(int(np.count_nonzero(self.available)), "available pair"))
        if self.terminal.any():
            parts.append(f"{int(np.count_nonzero(self.terminal)):,} terminal")
        parts.append(f"discount {self.discount:.15g}")
        if self.objective is not None:
            parts.append(str(self.objective))
        return f"MDP({', '.join(parts)})"


def _add_goal(data: ModelData, labels: object, goal: GoalOptions) -> ModelData:
    """Return checked data with labels, and with a goal if one is given."""
    if labels is not None:
        space = replace(data.space, labels=check_labels(labels, data.space.n_states))
        data = replace(data, space=space)
    return pursue_goal(data, goal)


def apply_goal(mdp: MDP, goal: GoalOptions) -> MDP:
    """Return the model with the goal among the options, or the same one if there is none."""
    return MDP.from_checked(pursue_goal(mdp._data, goal)) if goal else mdp


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def initial_value(mdp: MDP, value: Float[Array, " S"]) -> float:
    """(S,) value -> its expectation under the initial distribution ρ."""
    return expectation(mdp.initial, value)


def expectation(initial: Float[Array, " S"], value: Float[Array, " S"]) -> float:
    """(S,) probabilities and (S,) values -> the expectation; values of probability 0 do not count.

    >>> expectation(np.array([1.0, 0.0]), np.array([2.0, -np.inf]))
    2.0
    """
    with np.errstate(invalid="ignore"):
        found = float(initial @ np.asarray(value))
    if np.isnan(found):  # an infinite value of probability 0
        possible = np.asarray(initial) > 0
        found = float(initial[possible] @ np.asarray(value)[possible])
    return found
