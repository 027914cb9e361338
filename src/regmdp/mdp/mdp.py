"""The Markov decision process: frozen, validated data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Unpack

import numpy as np
import scipy

from regmdp._internal.arrays import Array, ArrayLike, Bool, Float, Int, SparseArray
from regmdp.mdp.assembly import Extras, assemble_dense, assemble_sparse
from regmdp.mdp.columns import order_by_columns, order_by_numbers
from regmdp.mdp.constructors import ModelConstructors
from regmdp.mdp.digests import hash_pairs, hash_tables
from regmdp.mdp.goals import pursue_goal
from regmdp.mdp.model_data import ModelData
from regmdp.mdp.objective import GoalOptions, Objective
from regmdp.mdp.partition import Partition
from regmdp.mdp.transitions import Transitions
from regmdp.mdp.validation import as_available, as_dense, as_rewards, as_rows

__all__ = ["MDP", "apply_goal", "expectation", "initial_value"]


class MDP(ModelConstructors):
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
        discount: γ, 0 ≤ γ ≤ 1, one number, (S,) numbers, one a state, or (S, A) numbers, one a
            pair. With γ = 1 episodes must terminate. If they differ, ``discount`` is the
            largest, and what a pair has less becomes a probability of termination: the values are
            the same.
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
    ) -> None:
        table = as_rewards(rewards)
        n_states, n_actions = table.shape
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
        if scipy.sparse.issparse(transitions):
            rows = as_rows(transitions, (n_states * n_actions, n_states), table.shape)
            index = np.arange(n_states * n_actions).reshape(n_states, n_actions)
            self._set_data(assemble_sparse(rows, index, table, extras))
        else:
            dense = as_dense(transitions, table.shape)
            self._set_data(assemble_dense(dense, table, extras))

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
    def partition(self) -> Partition:
        """The blocks of states, and which process works on which."""
        return self.transitions.partition

    @cached_property
    def terminates(self) -> bool:
        """Whether episodes can terminate, through a terminal state or ``termination``."""
        return bool(self.terminal.any()) or any(
            self.partition.map(lambda block: bool(self.termination[block].any()), shared=False)
        )

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
        return max(
            self.partition.map(
                lambda block: float(np.max(np.abs(self.rewards[block]))), shared=False
            )
        )

    @cached_property
    def digest(self) -> str:
        """A SHA-256 of the model's numbers.

        Equal models have equal digests, whether their transitions are dense, sparse or mapped, and
        after every format that holds the model. Names are not part of it. That of a ragged model is
        not that of the same model in larger arrays.
        """
        if self.numbering is not None:
            return self._digest_of_pairs()
        return self.partition.communicator.first(
            "digest", lambda: self._digest(self.transitions.digest)
        )

    def compute_digest(self) -> str:
        """Compute the digest from the data as they are now; it differs if they were overwritten."""
        if self.numbering is not None:
            return self._digest_of_pairs()
        return self._digest(self.transitions.compute_digest())

    def _digest(self, transitions: str) -> str:
        tables = self.rewards, self.available, self.termination
        return hash_tables(transitions, self.discount, self.initial, *tables, self.endless_value)

    def _digest_of_pairs(self) -> str:
        """Return the digest of a ragged model, which does not depend on its columns."""
        state, action, rows, rewards = self.to_pairs()
        numbers = *(state, action, rewards), self.to_sparse(self.termination).data
        shape = self.n_states, self.space.n_action_numbers
        return hash_pairs(shape, self.discount, self.initial, numbers, rows, self.endless_value)

    def __copy__(self) -> MDP:
        return self  # it cannot change

    def __deepcopy__(self, memo: object) -> MDP:
        return self

    def __reduce__(self) -> tuple[object, ...]:
        return MDP.from_checked, (self._data,)

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
        if self.numbering is None:
            state, action = np.nonzero(self.available)
            rows = self.transitions.to_csr()[state * self.n_actions + action]
            return state, action, rows, np.ascontiguousarray(self.rewards[state, action])
        numbering = self.numbering
        exists = np.flatnonzero(numbering.from_table(self.available))
        state, column = numbering.state[exists], numbering.column[exists]
        rows = self.transitions.rows_of_pairs(state, column)
        return state, numbering.action[exists], rows, numbering.from_table(self.rewards)[exists]

    def to_columns(self, numbers: ArrayLike | SparseArray) -> Float[np.ndarray, "S n"]:
        """Return numbers of pairs in the order of the model's own arrays.

        Those of a ragged model have a column for each action of a state, in the order of the
        actions' numbers. Regularizers with parameters of pairs take them so.

        Args:
            numbers: (S, A), dense or sparse, by numbers of states and actions; or (A,), the same in
                every state.

        Raises:
            ModelError: if their shape is another, or sparse ones are not 0 for a pair that does not
                exist.

        Examples:
            Each of 400 states leads to the next two, by actions numbered like them.

            >>> import numpy as np, scipy.sparse as sp, regmdp as rm
            >>> state = np.repeat(np.arange(400), 2)
            >>> action = (state + np.tile([1, 2], 400)) % 400
            >>> P = sp.csr_array((np.ones(800), action, np.arange(801)), shape=(800, 400))
            >>> mdp = rm.MDP.from_pairs(state, action, P, np.ones(800), discount=0.9)
            >>> reference = sp.csr_array((np.full(800, 0.5), (state, action)), shape=(400, 400))
            >>> mdp.to_columns(reference).shape
            (400, 2)
            >>> rm.solve(mdp, rm.KL(mdp.to_columns(reference), temperature=1.0)).policy.shape
            (400, 400)
        """
        return order_by_columns("numbers", numbers, self.space)

    def to_sparse(self, table: ArrayLike) -> scipy.sparse.csr_array:
        """(S, n) array in the order of the model's own -> (S, A) sparse, by numbers of actions.

        It has an entry for each pair that exists: action values, for example, are only there.

        Examples:
            >>> import numpy as np, regmdp as rm
            >>> mdp = rm.models.chain(3)
            >>> print(mdp.to_sparse(rm.bellman.q_values(mdp, np.zeros(3))).toarray())
            [[0. 0.]
             [0. 0.]
             [0. 1.]]
        """
        return order_by_numbers("table", table, self.space)

    def __repr__(self) -> str:
        n_actions = self.space.n_action_numbers
        parts = [_count(self.n_states, "state"), _count(n_actions, "action")]
        storage = self.transitions.storage if self.numbering is None else "ragged"
        parts.append(f"{_count(self.transitions.n_stored, 'transition')} ({storage})")
        if not self.all_available:
            parts.append(_count(int(np.sum(self.available)), "available pair"))
        if self.terminal.any():
            parts.append(f"{int(np.count_nonzero(self.terminal)):,} terminal")
        parts.append(f"discount {self.discount:.15g}")
        if self.objective is not None:
            parts.append(str(self.objective))
        return f"MDP({', '.join(parts)})"


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
