"""Decision processes known only by logged transitions."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import scipy

from regmdp._internal.arrays import ArrayLike, Bool, Float, Int
from regmdp._internal.errors import SampleError
from regmdp._internal.memory import require_memory
from regmdp._internal.parameters import Instance, Integer, checked
from regmdp.mdp import MDP, DecisionProcess
from regmdp.mdp.model_data import check_initial, check_space
from regmdp.mdp.validation import as_discount
from regmdp.samples.dataset import Dataset

__all__ = ["OfflineMDP"]

#: Number of (S, A) tables that learning needs at least: counts, rewards, values, a policy.
TABLES = 4


class OfflineMDP(DecisionProcess):
    """A source of samples that is only logged transitions: nothing new can be drawn from it.

    Every available pair must occur in the data; otherwise the methods that learn from them raise
    an error that names the missing pairs. Exclude actions with ``available``, or with
    :meth:`restrict_to_seen`.

    Args:
        data: The transitions.
        discount: γ.
        n_states: S; by default that of the data.
        n_actions: A; by default that of the data.
        available: (S, A) bool, the actions that exist; by default all. A state without any is
            terminal: its episode has ended.
        initial: (S,) distribution of the first state; by default that of the logged episodes if
            they are numbered, and otherwise uniform over the states that are not terminal.
        state_labels: S names, used in errors; by default those of the data.
        action_labels: A names; by default those of the data.

    Raises:
        SampleError: if the data have more states or actions, or an action that is not available.
        InsufficientMemoryError: if tables of this size do not fit into memory.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> columns = {
        ...     "state": [0, 1, 1],
        ...     "action": [1, 0, 1],
        ...     "reward": [0.0, 1.0, 0.5],
        ...     "next_state": [1, 0, 1],
        ... }
        >>> log = rm.samples.OfflineMDP(rm.samples.Dataset.from_columns(columns), discount=0.9)
        >>> log
        OfflineMDP(3 transitions, 3 of 4 available pairs seen, discount 0.9)
        >>> log.require_coverage()
        Traceback (most recent call last):
            ...
        regmdp.SampleError: state 0, action 0 does not occur in the log; 1 of 4 ... missing: ...
        >>> log.restrict_to_seen().estimate_model().available
        array([[False,  True],
               [ True,  True]])
    """

    @checked(SampleError, n_states=Integer() | None, n_actions=Integer() | None)
    def __init__(
        self,
        data: Dataset,
        discount: float,
        *,
        n_states: int | None = None,
        n_actions: int | None = None,
        available: ArrayLike | None = None,
        initial: ArrayLike | None = None,
        state_labels: Sequence[str] | None = None,
        action_labels: Sequence[str] | None = None,
    ) -> None:
        if not isinstance(data, Dataset):
            raise SampleError(
                "the data must be a regmdp.samples.Dataset, which Dataset.from_columns makes, not "
                f"{type(data).__name__}"
            )
        shape = (
            data.n_states if n_states is None else n_states,
            data.n_actions if n_actions is None else n_actions,
        )
        require_memory(
            f"tables of {shape[0]:,} states with {shape[1]:,} actions each",
            8 * TABLES * shape[0] * shape[1],
            "if the states are names, make the data with Dataset.from_labels",
        )
        self.data = data
        if state_labels is None and shape[0] == data.n_states:
            state_labels = data.state_labels
        if action_labels is None and shape[1] == data.n_actions:
            action_labels = data.action_labels
        space = check_space(shape, available, state_labels, action_labels)
        discount = as_discount(discount)
        data.require_fit(space)
        self._knows_starts = initial is not None or data.episode is not None
        if initial is None and data.episode is not None:
            first = np.diff(data.episode, prepend=data.episode[0] - 1) > 0
            initial = np.bincount(data.state[first], minlength=shape[0]) / np.count_nonzero(first)
        super().__init__(space, discount, check_initial(space, initial))

    @classmethod
    @checked(SampleError, process=Instance(DecisionProcess), data=Instance(Dataset))
    def like(cls, process: DecisionProcess, data: Dataset) -> OfflineMDP:
        """Return the log of a process whose states, actions, discount and first states are known.

        Args:
            process: A model or simulator.
            data: The transitions.
        """
        return cls(
            data,
            process.discount,
            n_states=process.n_states,
            n_actions=process.n_actions,
            available=process.available,
            initial=process.initial,
            state_labels=process.state_labels,
            action_labels=process.action_labels,
        )

    def __repr__(self) -> str:
        available = int(np.count_nonzero(self.available))
        seen = available - int(np.count_nonzero(self.unseen))
        return (
            f"OfflineMDP({len(self.data):,} transitions, {seen:,} of {available:,} available pairs "
            f"seen, discount {self.discount:g})"
        )

    @cached_property
    def counts(self) -> Float[np.ndarray, "S A"]:
        """(S, A) number of transitions of each pair, as floats."""
        return self._sum_by_pair(self.data.state * self.n_actions + self.data.action)

    @cached_property
    def unseen(self) -> Bool[np.ndarray, "S A"]:
        """(S, A) the available pairs that do not occur in the data."""
        return self.available & (self.counts == 0)

    def require_coverage(self) -> None:
        """Check that every available pair occurs in the data.

        Raises:
            SampleError: naming the first one that does not.
        """
        if self.unseen.any():
            state, action = np.unravel_index(np.argmax(self.unseen), self.unseen.shape)
            missing = int(np.count_nonzero(self.unseen))
            raise SampleError(
                f"{self.describe(int(state), int(action))} does not occur in the log; {missing:,} "
                f"of {int(np.count_nonzero(self.available)):,} available pairs "
                f"{'is' if missing == 1 else 'are'} missing: log them, exclude actions with "
                "available=, or exclude all missing pairs with OfflineMDP.restrict_to_seen()"
            )

    def restrict_to_seen(self) -> OfflineMDP:
        """Return the process in which only the pairs that occur in the data are available.

        Its optimal policy is the best of those that take only logged actions. A state without
        logged actions becomes terminal. Its value is unknown, so no transition may lead there.

        Raises:
            SampleError: if a state without logged actions that is not terminal is a next state, or
                may be the first state.
        """
        data, seen = self.data, self.counts > 0
        without_actions = ~seen.any(axis=1) & ~self.terminal
        reached = np.zeros(self.n_states, dtype=np.bool_)
        reached[data.next_state[~data.terminated]] = True
        if self._knows_starts:
            reached |= self.initial > 0
        bad = without_actions & reached
        if bad.any():
            raise SampleError(
                f"{self.describe(int(np.argmax(bad)))} is reached in the log, but no action was "
                "logged there, so its value is unknown; this is so in "
                f"{int(np.count_nonzero(bad)):,} of {self.n_states:,} states: if the episode ends "
                "there, mark that with terminated or with available=; otherwise log actions there"
            )
        return OfflineMDP(
            data,
            self.discount,
            n_states=self.n_states,
            n_actions=self.n_actions,
            available=seen,
            initial=self.initial if self._knows_starts else None,
            state_labels=self.state_labels,
            action_labels=self.action_labels,
        )

    def estimate_model(self) -> MDP:
        """Return the empirical model: mean rewards, and frequencies of next states and of ends.

        Raises:
            SampleError: if an available pair does not occur in the data.
        """
        return self._empirical_model

    @cached_property
    def _empirical_model(self) -> MDP:
        self.require_coverage()
        data, size = self.data, self.n_states * self.n_actions
        pair = data.state * self.n_actions + data.action
        share = 1.0 / self.counts.ravel()[pair]
        continued = ~data.terminated
        rows = scipy.sparse.coo_array(
            (share[continued], (pair[continued], data.next_state[continued])),
            shape=(size, self.n_states),
        ).tocsr()
        return MDP(
            rows,
            self._sum_by_pair(pair, share * data.reward),
            self.discount,
            initial=self.initial,
            available=self.available,
            termination=self._sum_by_pair(pair[~continued], share[~continued]),
            state_labels=self.state_labels,
            action_labels=self.action_labels,
        )

    def _sum_by_pair(
        self, pair: Int[np.ndarray, " n"], weight: Float[np.ndarray, " n"] | None = None
    ) -> Float[np.ndarray, "S A"]:
        """(n,) pairs and (n,) weights, by default 1, -> (S, A) their sums."""
        sums = np.bincount(pair, weight, minlength=self.n_states * self.n_actions)
        return sums.reshape(self.n_states, self.n_actions).astype(np.float64)
