"""Logged transitions: what some policy did, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from regmdp._internal.arrays import Bool, Float, Int, freeze
from regmdp._internal.errors import SampleError
from regmdp.mdp import DecisionProcess, StateActionSpace
from regmdp.samples.simulator import as_simulator, draw_categorical
from regmdp.samples.streams import RandomStreams

__all__ = ["Dataset"]

_NEEDED = ("state", "action", "reward", "next_state")
_OPTIONAL = ("terminated", "probability", "episode")


@dataclass(frozen=True, eq=False)
class Dataset:
    """Transitions that were observed, in the order in which they were.

    Columns that are not known are None.

    Make one with :meth:`from_columns`, which checks everything; with :meth:`from_pairs` from a
    generative model; or with :meth:`from_episodes` by following a policy.

    Attributes:
        state: (n,) states.
        action: (n,) actions that were taken.
        reward: (n,) what they were paid.
        next_state: (n,) where they led; meaningless where the episode ended.
        terminated: (n,) bool, whether the episode ended with this transition, for good and not because
            it was cut off.
        probability: (n,) probability with which the action was chosen, or None.
        episode: (n,) numbers of the episodes, not decreasing, or None. Rows of one episode are in
            their order.
        n_states: S.
        n_actions: A.

    Examples:
        >>> import regmdp as rm
        >>> data = rm.samples.Dataset.from_columns(
        ...     {"state": [0, 1], "action": [1, 0], "reward": [0.0, 1.0], "next_state": [1, 0]}
        ... )
        >>> data
        Dataset(2 transitions, 2 states, 2 actions)
        >>> data.counts
        array([[0, 1],
               [1, 0]])
    """

    state: Int[np.ndarray, " n"]
    action: Int[np.ndarray, " n"]
    reward: Float[np.ndarray, " n"]
    next_state: Int[np.ndarray, " n"]
    terminated: Bool[np.ndarray, " n"]
    probability: Float[np.ndarray, " n"] | None
    episode: Int[np.ndarray, " n"] | None
    n_states: int
    n_actions: int

    @classmethod
    def from_columns(
        cls, columns: Any, *, n_states: int | None = None, n_actions: int | None = None
    ) -> Dataset:
        """Check columns from outside: a dictionary of arrays, a pandas or polars table, a NumPy structured array.

        Args:
            columns: ``state``, ``action``, ``reward`` and ``next_state``, and, if known, ``terminated``,
                ``probability`` and ``episode``; others are left out of account.
            n_states: S; by default the largest state that occurs plus 1.
            n_actions: A; by default the largest action that occurs plus 1.

        Raises:
            SampleError: if a column is missing or an entry is impossible; the message names the
                first such row.
        """
        names = _names(columns)
        missing = [name for name in _NEEDED if name not in names]
        if missing:
            raise SampleError(
                "the data have no column "
                f"{missing[0]!r}{f' ({len(missing)} are missing: {missing})' if len(missing) > 1 else ''}; "
                f"there are {sorted(names)}; needed are {list(_NEEDED)}"
            )
        given = {
            name: np.asarray(columns[name]) for name in (*_NEEDED, *_OPTIONAL) if name in names
        }
        shape = given["state"].shape
        for name, column in given.items():
            if column.ndim != 1 or column.shape != shape:
                raise SampleError(
                    f"column {name!r} has shape {column.shape}, and 'state' {shape}; all must be "
                    "(n,)"
                )
        if not shape[0]:
            raise SampleError("the data have no rows")
        reward = _numbers("reward", given["reward"])
        terminated = (
            _flags(given["terminated"])
            if "terminated" in given
            else np.zeros(shape, dtype=np.bool_)
        )
        state = _indices("state", given["state"], n_states)
        action = _indices("action", given["action"], n_actions)
        next_state = _indices("next_state", given["next_state"], n_states, terminated)
        probability = _probabilities(given["probability"]) if "probability" in given else None
        episode = (
            _episodes(given["episode"], state, next_state, terminated)
            if "episode" in given
            else None
        )
        data = cls(
            state, action, reward, next_state, terminated, probability, episode,
            n_states or int(max(state.max(), next_state.max())) + 1,
            n_actions or int(action.max()) + 1,
        )  # fmt: skip
        return data._frozen()

    @classmethod
    def from_pairs(cls, source: Any, samples: int, rng: np.random.Generator) -> Dataset:
        """Draw every available pair of a model or simulator a number of times.

        Args:
            source: An MDP or a simulator.
            samples: How often each pair is drawn.
            rng: The generator.
        """
        if samples < 1:
            raise SampleError(f"the number of samples of a pair must be at least 1, not {samples}")
        simulator = as_simulator(source)
        state, action = (np.repeat(index, samples) for index in np.nonzero(simulator.available))
        outcome = simulator.sample(state, action, rng)
        data = cls(
            state,
            action,
            outcome.reward,
            outcome.next_state,
            outcome.terminated,
            None,
            None,
            *simulator.available.shape,
        )
        return data._frozen()

    @classmethod
    def from_episodes(
        cls,
        source: Any,
        policy: Float[np.ndarray, "S A"],
        episodes: int,
        max_steps: int,
        rng: np.random.Generator,
    ) -> Dataset:
        """Follow a policy in a model or simulator, and log its probabilities.

        Args:
            source: An MDP or a simulator.
            policy: (S, A) probabilities.
            episodes: How many episodes, each begun in the initial distribution.
            max_steps: After how many steps an episode is cut off.
            rng: The generator.
        """
        simulator, streams = as_simulator(source), RandomStreams([rng])
        state = simulator.draw_initial_states(streams, episodes)
        number, rows = np.arange(episodes), []
        alive = ~simulator.terminal[state[0]]
        for _ in range(max_steps):
            state, number = state[:, alive], number[alive]
            if not number.size:
                break
            action = draw_categorical(policy[state], streams.uniform(number.size))
            outcome = simulator.draw(state, action, streams)
            chance = policy[state, action]
            rows.append(
                (
                    number,
                    state[0],
                    action[0],
                    outcome.reward[0],
                    outcome.next_state[0],
                    outcome.terminated[0],
                    chance[0],
                )
            )
            alive, state = ~outcome.terminated[0], outcome.next_state
        if not rows:
            raise SampleError(
                "no episode has a step: the initial distribution begins in terminal states, or "
                "max_steps is 0"
            )
        episode, *columns = (np.concatenate(column) for column in zip(*rows, strict=True))
        order = np.argsort(episode, kind="stable")
        state, action, reward, next_state, terminated, probability = (
            column[order] for column in columns
        )
        shape = simulator.available.shape
        return cls(
            state, action, reward, next_state, terminated, probability, episode[order], *shape
        )._frozen()

    def __len__(self) -> int:
        return self.state.size

    def __repr__(self) -> str:
        episodes = "" if self.episode is None else f" in {np.unique(self.episode).size:,} episodes"
        return (
            f"Dataset({len(self):,} transitions{episodes}, {self.n_states:,} states, "
            f"{self.n_actions:,} actions)"
        )

    @cached_property
    def pair(self) -> Int[np.ndarray, " n"]:
        """(n,) numbers of the pairs, ``state * A + action``."""
        return self.state * self.n_actions + self.action

    @cached_property
    def counts(self) -> Int[np.ndarray, "S A"]:
        """(S, A) how often each pair was seen."""
        return np.bincount(self.pair, minlength=self.n_states * self.n_actions).reshape(
            self.n_states, self.n_actions
        )

    def subset(self, which: Any) -> Dataset:
        """Return some of the rows: any index of the columns."""
        names = (*_NEEDED, *_OPTIONAL)
        kept = {
            name: getattr(self, name)[which] for name in names if getattr(self, name) is not None
        }
        return replace(self, **kept)._frozen()

    def require_fit(self, frame: DecisionProcess | StateActionSpace) -> None:
        """Check that the data are of a model with these states, actions and available pairs.

        Raises:
            SampleError: naming the first row that is not.
        """
        if self.n_states > frame.n_states or self.n_actions > frame.n_actions:
            raise SampleError(
                f"the data speak of {self.n_states} states and {self.n_actions} actions, the model "
                f"of {frame.n_states} and {frame.n_actions}"
            )
        _refuse(
            "action",
            ~frame.available[self.state, self.action],
            self.action,
            "is not available in that state",
        )

    def _frozen(self) -> Dataset:
        for name in (*_NEEDED, *_OPTIONAL):
            column = getattr(self, name)
            if column is not None:
                object.__setattr__(self, name, freeze(column))
        return self


def _names(columns: Any) -> set[str]:
    dtype = getattr(columns, "dtype", None)
    if dtype is not None and getattr(dtype, "names", None):
        return set(dtype.names)
    for attribute in ("keys", "columns"):
        found: Any = getattr(columns, attribute, None)
        if found is not None:
            names: Any = found() if callable(found) else found
            return {str(name) for name in names}
    raise SampleError(
        "the data must be columns by name, as in a dictionary of arrays, not "
        f"{type(columns).__name__}"
    )


def _refuse(name: str, bad: np.ndarray, values: np.ndarray, why: str) -> None:
    if bad.any():
        row = int(np.argmax(bad))
        raise SampleError(
            f"row {row}: {name} is {values[row]}, which {why}; {int(np.count_nonzero(bad))} of "
            f"{bad.size} rows are wrong"
        )


def _numbers(name: str, values: np.ndarray) -> np.ndarray:
    try:
        numbers = values.astype(np.float64)
    except (TypeError, ValueError):
        raise SampleError(f"column {name!r} must hold numbers, not {values.dtype}") from None
    _refuse(name, ~np.isfinite(numbers), numbers, "is not finite")
    return numbers


def _indices(
    name: str, values: np.ndarray, count: int | None, meaningless: np.ndarray | None = None
) -> np.ndarray:
    """Return a column of whole numbers from 0 to count - 1; rows that mean nothing become 0."""
    try:
        numbers = values.astype(np.float64)
    except (TypeError, ValueError):
        raise SampleError(f"column {name!r} must hold integers, not {values.dtype}") from None
    if meaningless is not None:
        numbers = np.where(meaningless, 0.0, numbers)
    _refuse(
        name,
        ~((numbers >= 0) & (numbers == np.floor(numbers)) & (numbers < 2.0**53)),
        values,
        "is not a number of one",
    )
    if count is not None:
        _refuse(name, numbers >= count, values, f"is too large: they run from 0 to {count - 1}")
    return numbers.astype(np.int64)


def _flags(values: np.ndarray) -> np.ndarray:
    _refuse("terminated", ~np.isin(values, (0, 1)), values, "is neither true nor false")
    return values.astype(np.bool_)


def _probabilities(values: np.ndarray) -> np.ndarray:
    numbers = _numbers("probability", values)
    _refuse(
        "probability",
        ~((numbers > 0) & (numbers <= 1)),
        numbers,
        "is impossible for an action that was taken: it must be in (0, 1]",
    )
    return numbers


def _episodes(
    values: np.ndarray, state: np.ndarray, next_state: np.ndarray, terminated: np.ndarray
) -> np.ndarray:
    numbers = _indices("episode", values, None)
    _refuse(
        "episode",
        np.diff(numbers, prepend=numbers[0]) < 0,
        numbers,
        "comes after a larger one; sort the rows by episode",
    )
    same = numbers[1:] == numbers[:-1]
    late = np.concatenate((same & terminated[:-1], [False]))
    _refuse("terminated", late, terminated, "is true before the last row of the episode")
    torn = np.concatenate(([False], same & (state[1:] != next_state[:-1])))
    _refuse(
        "state",
        torn,
        state,
        "is not the next_state of the row before, though it is of the same episode",
    )
    return numbers
