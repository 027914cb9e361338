"""Logs: models of which nothing is known but logged transitions."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import scipy

from regmdp._internal.arrays import Bool, Float, Int
from regmdp._internal.errors import SampleError
from regmdp.mdp import MDP, DecisionProcess
from regmdp.mdp.model_data import check_initial, check_space
from regmdp.mdp.validation import as_discount
from regmdp.samples.dataset import Dataset

__all__ = ["OfflineMDP"]


class OfflineMDP(DecisionProcess):
    """Logged transitions, and what policies need to know beyond them: a source of samples from which nothing new can be drawn.

    What was never seen is not made up: what comes of every available pair has to be in the data, or
    the methods that learn from them refuse and name what is missing. What must not be taken,
    ``available`` says, or :meth:`restrict_to_seen` makes it say.

    Args:
        data: The transitions.
        discount: γ.
        n_states: S; by default that of the data.
        n_actions: A; by default that of the data.
        available: (S, A) bool, the actions that exist; by default all. A state without any is
            terminal: its episode has ended.
        initial: (S,) distribution of the first state; by default where the logged episodes begin,
            if they are numbered, and uniform over the states that are not terminal, if they are
            not.
        state_labels: S names, used in errors.
        action_labels: A names.

    Raises:
        SampleError: if the data are of more states or actions, or an action was taken that is not
            available.

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
        regmdp.SampleError: state 0, action 0 was never seen in the log; 1 of 4 available pairs was not: ...
        >>> log.restrict_to_seen().estimate_model().available
        array([[False,  True],
               [ True,  True]])
    """

    def __init__(
        self,
        data: Dataset,
        discount: float,
        *,
        n_states: int | None = None,
        n_actions: int | None = None,
        available: Any = None,
        initial: Any = None,
        state_labels: Sequence[str] | None = None,
        action_labels: Sequence[str] | None = None,
    ) -> None:
        if not isinstance(data, Dataset):
            raise SampleError(
                "a log is made of a Dataset, as Dataset.from_columns gives it, not of "
                f"{type(data).__name__}"
            )
        shape = (
            data.n_states if n_states is None else int(n_states),
            data.n_actions if n_actions is None else int(n_actions),
        )
        self.data = data
        space = check_space(shape, available, state_labels, action_labels)
        discount = as_discount(discount)
        data.require_fit(space)
        self._begun = initial is not None or data.episode is not None
        if initial is None and data.episode is not None:
            first = np.diff(data.episode, prepend=data.episode[0] - 1) > 0
            initial = np.bincount(data.state[first], minlength=shape[0]) / np.count_nonzero(first)
        super().__init__(space, discount, check_initial(space, initial))

    @classmethod
    def like(cls, frame: DecisionProcess, data: Dataset) -> OfflineMDP:
        """Return a log of transitions of a model of which the rest is known: states, actions, discount, first states.

        Args:
            frame: A model or simulator.
            data: The transitions.
        """
        return cls(
            data,
            frame.discount,
            n_states=frame.n_states,
            n_actions=frame.n_actions,
            available=frame.available,
            initial=frame.initial,
            state_labels=frame.state_labels,
            action_labels=frame.action_labels,
        )

    def __repr__(self) -> str:
        available = int(np.count_nonzero(self.available))
        seen = available - int(np.count_nonzero(self.unseen))
        return (
            f"OfflineMDP({len(self.data):,} transitions, {seen:,} of {available:,} available pairs seen, "
            f"discount {self.discount:g})"
        )

    @cached_property
    def counts(self) -> Float[np.ndarray, "S A"]:
        """(S, A) how often each pair was seen, as floats."""
        return self._table(self.data.state * self.n_actions + self.data.action)

    @cached_property
    def unseen(self) -> Bool[np.ndarray, "S A"]:
        """(S, A) the available pairs that were never seen."""
        return self.available & (self.counts == 0)

    def require_coverage(self) -> None:
        """Check that every available pair was seen.

        Raises:
            SampleError: naming the first one that was not.
        """
        if self.unseen.any():
            missing, available = (
                int(np.count_nonzero(self.unseen)),
                int(np.count_nonzero(self.available)),
            )
            first = (
                int(index) for index in np.unravel_index(np.argmax(self.unseen), self.unseen.shape)
            )
            raise SampleError(
                f"{self.describe(*first)} was never seen in the log; {missing:,} of {available:,} "
                f"available pairs {'was' if missing == 1 else 'were'} not: log them, mark what "
                "must not be taken with available=, or forbid all that was not seen with "
                "OfflineMDP.restrict_to_seen()"
            )

    def restrict_to_seen(self) -> OfflineMDP:
        """Return the log of the model in which only the pairs that were seen are available.

        Its best policy is the best of those that do only what was logged. A state in which nothing
        was logged becomes terminal; but what a state is worth in which nothing was logged, nobody
        can tell, so none may be reached.

        Raises:
            SampleError: if a state is reached, or begun in, in which nothing was logged, though it
                is not terminal.
        """
        data, seen = self.data, self.counts > 0
        silent = ~seen.any(axis=1) & ~self.terminal
        reached = np.zeros(self.n_states, dtype=np.bool_)
        reached[data.next_state[~data.terminated]] = True
        if self._begun:
            reached |= self.initial > 0
        bad = silent & reached
        if bad.any():
            raise SampleError(
                f"{self.describe(int(np.argmax(bad)))} is reached in the log, but no action was "
                f"logged there, so nothing is known of its value; {int(np.count_nonzero(bad)):,} "
                f"of {self.n_states:,} states are like that: if the episode is over there, say so "
                "with terminated or with available=; if not, log what comes of some action there"
            )
        return OfflineMDP(
            data,
            self.discount,
            n_states=self.n_states,
            n_actions=self.n_actions,
            available=seen,
            initial=self.initial if self._begun else None,
            state_labels=self.state_labels,
            action_labels=self.action_labels,
        )

    def estimate_model(self) -> MDP:
        """Return the empirical model: mean rewards, and the frequencies of the next states and of the end.

        Raises:
            SampleError: if an available pair was never seen.
        """
        return self._model

    @cached_property
    def _model(self) -> MDP:
        self.require_coverage()
        data, size = self.data, self.n_states * self.n_actions
        pair = data.state * self.n_actions + data.action
        share = 1.0 / self.counts.ravel()[pair]
        on = ~data.terminated
        rows = scipy.sparse.coo_array(
            (share[on], (pair[on], data.next_state[on])), shape=(size, self.n_states)
        ).tocsr()
        return MDP(
            rows,
            self._table(pair, share * data.reward),
            self.discount,
            initial=self.initial,
            available=self.available,
            termination=self._table(pair[~on], share[~on]),
            state_labels=self.state_labels,
            action_labels=self.action_labels,
        )

    def _table(
        self, pair: Int[np.ndarray, " n"], weight: Float[np.ndarray, " n"] | None = None
    ) -> Float[np.ndarray, "S A"]:
        """(n,) pairs and (n,) weights, by default 1, -> (S, A) their sums."""
        sums = np.bincount(pair, weight, minlength=self.n_states * self.n_actions)
        return sums.reshape(self.n_states, self.n_actions).astype(np.float64)
