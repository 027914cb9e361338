"""The Markov decision process: frozen, validated data."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import scipy

from regmdp._internal.arrays import Array, Bool, Float, Int, freeze
from regmdp.mdp import validation
from regmdp.mdp.decision_process import DecisionProcess
from regmdp.mdp.transitions import (
    DenseTransitions,
    Transitions,
    dense_of_available,
    sparse_of_available,
)

__all__ = ["MDP"]


class MDP(DecisionProcess):
    r"""A finite Markov decision process with rewards to be maximised.

    In state s the action a is paid r(s, a); then the episode ends with probability
    ``termination[s, a]``, and otherwise the next state is drawn from the rest of the row P(s, a,
    ·). What comes t steps later counts \(\gamma^t\). A state without an available action is
    terminal and has value 0. An MDP is immutable; ``with_discount`` and ``with_rewards`` make new
    ones.

    Args:
        transitions: (S, A, S) array, ``transitions[s, a, t]`` the probability of going from s to t
            under a; or a SciPy sparse array of shape (S·A, S) whose row ``s * A + a`` belongs to
            (s, a). Rows of unavailable pairs are ignored.
        rewards: (S, A) expected reward of each pair, in any unit; values and bounds are in the same
            unit.
        discount: γ, 0 ≤ γ ≤ 1. With γ = 1 the episodes must end.
        initial: (S,) probabilities of the first state ρ; by default uniform over the states that
            are not terminal.
        available: (S, A) bool, the actions that exist in each state; by default all.
        termination: (S, A) probability that the episode ends on the transition, worth 0 afterwards;
            by default 0. For every available pair the row of P plus this is 1 within 1e-9.
        state_labels: S names, used in errors and summaries.
        action_labels: A names.

    Raises:
        ModelError: if the data are inconsistent; the message names the first offending place and
            how many there are.

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

    def __init__(
        self,
        transitions: Any,
        rewards: Any,
        discount: float,
        *,
        initial: Any = None,
        available: Any = None,
        termination: Any = None,
        state_labels: Sequence[str] | None = None,
        action_labels: Sequence[str] | None = None,
    ) -> None:
        rewards = validation.as_rewards(rewards)
        n_states, n_actions = rewards.shape
        available = validation.as_available(available, rewards.shape)
        if scipy.sparse.issparse(transitions):
            rows = validation.as_rows(transitions, (n_states * n_actions, n_states), rewards.shape)
            index = np.arange(n_states * n_actions).reshape(n_states, n_actions)
            stored: Transitions = sparse_of_available(rows, index, available)
        else:
            stored = dense_of_available(validation.as_dense(transitions, rewards.shape), available)
        self._set(
            stored, rewards, discount, initial, available, termination, state_labels, action_labels
        )

    @classmethod
    def from_action_matrices(
        cls,
        P: Any,
        r: Any,
        discount: float,
        *,
        initial: Any = None,
        available: Any = None,
        termination: Any = None,
        state_labels: Sequence[str] | None = None,
        action_labels: Sequence[str] | None = None,
    ) -> MDP:
        """Build a model from A matrices of shape (S, S), dense or sparse, or an (A, S, S) array, and (S, A) rewards.

        Args:
            P: A matrices; ``P[a][s, t]`` is the probability of going from s to t under a.
            r: (S, A) rewards.
            discount: γ.
            initial: As for :class:`MDP`; so are the other keywords.
            available: (S, A) bool.
            termination: (S, A).
            state_labels: S names.
            action_labels: A names.

        Examples:
            >>> import numpy as np, regmdp as rm
            >>> stay, move = np.eye(2), np.eye(2)[::-1]
            >>> mdp = rm.MDP.from_action_matrices(
            ...     [stay, move], np.array([[0.0, 0.0], [1.0, 0.0]]), discount=0.9
            ... )
            >>> bool(np.all(mdp.to_array()[:, 1] == move))
            True
        """
        rewards = validation.as_rewards(r)
        available = validation.as_available(available, rewards.shape)
        matrices = validation.as_action_matrices(P, rewards.shape)
        if any(scipy.sparse.issparse(matrix) for matrix in matrices):
            rows = scipy.sparse.csr_array(
                scipy.sparse.vstack(
                    [scipy.sparse.csr_array(matrix) for matrix in matrices], format="csr"
                )
            )
            n_states, n_actions = rewards.shape
            index = np.arange(n_states * n_actions).reshape(n_actions, n_states).T
            rows = validation.as_rows(rows, (n_states * n_actions, n_states), rewards.shape)
            stored: Transitions = sparse_of_available(rows, index, available)
        else:
            stored = dense_of_available(
                np.stack([np.asarray(m, dtype=np.float64) for m in matrices], axis=1), available
            )
        mdp = cls.__new__(cls)
        mdp._set(
            stored, rewards, discount, initial, available, termination, state_labels, action_labels
        )
        return mdp

    @classmethod
    def from_pairs(
        cls,
        state: Any,
        action: Any,
        P: Any,
        r: Any,
        discount: float,
        *,
        n_states: int | None = None,
        n_actions: int | None = None,
        initial: Any = None,
        available: Any = None,
        termination: Any = None,
        state_labels: Sequence[str] | None = None,
        action_labels: Sequence[str] | None = None,
    ) -> MDP:
        """Build a model from a list of K state-action pairs; the pairs that are not listed are unavailable.

        Args:
            state: (K,) state of each pair.
            action: (K,) action of each pair.
            P: (K, S) transition probabilities, dense or sparse.
            r: (K,) rewards.
            discount: γ.
            n_states: S; by default the number of columns of P.
            n_actions: A; by default the largest listed action plus 1.
            initial: (S,), as for :class:`MDP`.
            available: (S, A) bool; a listed pair that is False here is left out.
            termination: (K,) probability that the episode ends on the transition.
            state_labels: S names.
            action_labels: A names.

        Examples:
            State 1 is terminal, for it has no pair.

            >>> import numpy as np, regmdp as rm
            >>> P = np.array([[1.0, 0.0], [0.0, 1.0]])
            >>> mdp = rm.MDP.from_pairs([0, 0], [0, 1], P, [0.0, 3.0], discount=0.5, n_states=2)
            >>> mdp.terminal
            array([False,  True])
        """
        n_states = int(np.shape(P)[-1]) if n_states is None else n_states
        pairs = validation.as_pairs(state, action, n_states, n_actions, action_labels)
        shape = (n_states, pairs.n_actions)
        rows = validation.as_rows(P, (pairs.state.size, n_states), shape, pairs)
        index = np.full(shape, -1)
        index[pairs.state, pairs.action] = np.arange(pairs.state.size)
        mask = validation.as_available(available, shape) & (index >= 0)
        rewards = pairs.scatter("rewards", r, shape)
        ends = None if termination is None else pairs.scatter("termination", termination, shape)
        mdp = cls.__new__(cls)
        mdp._set(
            sparse_of_available(rows, index, mask),
            rewards,
            discount,
            initial,
            mask,
            ends,
            state_labels,
            action_labels,
        )
        return mdp

    def _set(
        self,
        transitions: Transitions,
        rewards: Float[np.ndarray, "S A"],
        discount: float,
        initial: Any,
        available: Bool[np.ndarray, "S A"],
        termination: Any,
        state_labels: Sequence[str] | None,
        action_labels: Sequence[str] | None,
        mass_error: float | None = None,
    ) -> None:
        """Validate what does not depend on the storage, and freeze; with a known mass error, rows and tables have been checked."""
        shape = rewards.shape
        fields = self._fields
        fields["transitions"] = transitions
        fields["n_states"], fields["n_actions"] = shape
        fields["state_labels"] = validation.as_labels("state_labels", state_labels, shape[0])
        fields["action_labels"] = validation.as_labels("action_labels", action_labels, shape[1])
        fields["discount"] = validation.as_discount(discount)
        fields["all_available"] = bool(available.all())
        # a constant mask or termination costs no memory
        fields["available"] = (
            np.broadcast_to(True, shape)
            if self.all_available
            else freeze(np.asfortranarray(available))
        )
        fields["terminal"] = freeze(np.logical_not(np.any(available, axis=1)))
        if mass_error is None:
            rewards, termination = (
                validation.checked_rewards(self, rewards),
                validation.checked_termination(self, termination),
            )
        fields["rewards"], fields["termination"] = rewards, termination
        fields["mass_error"] = validation.checked_mass(self) if mass_error is None else mass_error
        fields["initial"] = validation.checked_initial(self, initial)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(
            f"an MDP is immutable: cannot set {name!r}; use with_discount or with_rewards, or "
            "build a new one"
        )

    @cached_property
    def terminates(self) -> bool:
        """Whether some transition ends the episode, through a terminal state or ``termination``."""
        return bool(self.terminal.any() or np.any(self.termination > 0))

    @cached_property
    def reward_bound(self) -> float:
        """The largest absolute reward."""
        return max(float(np.max(self.rewards)), -float(np.min(self.rewards)))

    @cached_property
    def digest(self) -> str:
        """A SHA-256 of the model's data: equal models have equal digests."""
        return self._digest(self.transitions.digest)

    def compute_digest(self) -> str:
        """Return the digest, computed afresh: it is another one only if something has written into the model."""
        return self._digest(self.transitions.compute_digest())

    def _digest(self, transitions: str) -> str:
        kind = f"{transitions} {self.n_states} {self.n_actions} {self.discount!r}"
        digest = hashlib.sha256(kind.encode())
        for array in (self.rewards, self.available, self.termination, self.initial):
            # a broadcast constant is hashed by its one element
            whole = array if any(array.strides) or array.size <= 1 else array[:1, :1]
            digest.update(np.ascontiguousarray(whole.T).data)
        return digest.hexdigest()

    def with_discount(self, discount: float) -> MDP:
        """Return the same model with another discount γ.

        >>> import regmdp as rm
        >>> rm.models.chain(5).with_discount(0.5).discount
        0.5
        """
        return self._changed(discount=validation.as_discount(discount))

    def with_rewards(self, rewards: Any) -> MDP:
        """Return the same model with other (S, A) rewards."""
        rewards = validation.as_rewards(rewards, self.rewards.shape)
        return self._changed(rewards=validation.checked_rewards(self, rewards))

    def with_available(self, available: Any) -> MDP:
        """Return the same model with only those of its actions that this (S, A) mask leaves available."""
        kept = validation.as_available(available, self.rewards.shape) & self.available
        if isinstance(self.transitions, DenseTransitions):
            transitions: Transitions = dense_of_available(self.transitions.to_dense(), kept)
        else:
            transitions = sparse_of_available(
                self.transitions.to_csr(), np.arange(kept.size).reshape(kept.shape), kept
            )
        mdp = MDP.__new__(MDP)
        mdp._set(
            transitions, np.array(self.rewards, order="F"), self.discount, self.initial, kept,
            self.termination, self.state_labels, self.action_labels,
        )  # fmt: skip
        return mdp

    def with_initial(self, initial: Any) -> MDP:
        """Return the same model with another (S,) initial distribution ρ."""
        return self._changed(initial=validation.checked_initial(self, initial))

    def _changed(self, **fields: Any) -> MDP:
        mdp = MDP.__new__(MDP)
        cached = {"digest", "terminates", "reward_bound"}
        mdp._fields.update(
            {name: value for name, value in self._fields.items() if name not in cached}, **fields
        )
        return mdp

    def to_array(self) -> Float[np.ndarray, "S A S"]:
        """Return the transitions as a new dense (S, A, S) array; rows of unavailable pairs are zero."""
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
        """Return the K available pairs as (K,) states, (K,) actions, (K, S) sparse transitions and (K,) rewards."""
        state, action = np.nonzero(self.available)
        rows = self.transitions.to_csr()[state * self.n_actions + action]
        return state, action, rows, np.ascontiguousarray(self.rewards[state, action])

    def __repr__(self) -> str:
        parts = [_counted(self.n_states, "state"), _counted(self.n_actions, "action")]
        parts.append(
            f"{_counted(self.transitions.n_stored, 'transition')} ({self.transitions.storage})"
        )
        if not self.all_available:
            parts.append(_counted(int(np.count_nonzero(self.available)), "available pair"))
        if self.terminal.any():
            parts.append(f"{int(np.count_nonzero(self.terminal)):,} terminal")
        parts.append(f"discount {self.discount:.15g}")
        return f"MDP({', '.join(parts)})"


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def initial_value(mdp: MDP, value: Float[Array, " S"]) -> float:
    """(S,) value -> its expectation under the initial distribution ρ."""
    return float(mdp.initial @ np.asarray(value))
