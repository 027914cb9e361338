"""Logged transitions: states, actions, rewards and next states."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, runtime_checkable

import numpy as np

from regmdp._internal.arrays import ArrayLike, Bool, Float, Int, freeze
from regmdp._internal.checks import check_integer, describe_first
from regmdp._internal.errors import SampleError
from regmdp.mdp import MDP, DecisionProcess, StateActionSpace
from regmdp.samples.simulator import Simulator, as_simulator, draw_categorical
from regmdp.samples.streams import RandomStreams

__all__ = ["Dataset"]

_REQUIRED = ("state", "action", "reward", "next_state")
_OPTIONAL = ("terminated", "probability", "episode")


@runtime_checkable
class Columns(Protocol):
    """Columns by name, as a dictionary of arrays, a data frame or a structured array has them."""

    def __getitem__(self, name: str, /) -> ArrayLike: ...


@dataclass(frozen=True, eq=False)
class Dataset:
    """Observed transitions, in the order in which they were observed.

    Unknown columns are None.

    Make one with :meth:`from_columns`, which checks everything; with :meth:`from_pairs` from a
    generative model; or with :meth:`from_episodes` by following a policy.

    Attributes:
        state: (n,) states.
        action: (n,) actions taken.
        reward: (n,) rewards.
        next_state: (n,) next states; meaningless where the episode terminated.
        terminated: (n,) bool, whether the episode ended with this transition; False where it was
            only truncated.
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
        cls, columns: Columns, *, n_states: int | None = None, n_actions: int | None = None
    ) -> Dataset:
        """Check columns: a dictionary of arrays, a pandas or polars table, or a structured array.

        Args:
            columns: ``state``, ``action``, ``reward`` and ``next_state``, and, if known,
                ``terminated``, ``probability`` and ``episode``; others are ignored.
            n_states: S; by default the largest state that occurs plus 1.
            n_actions: A; by default the largest action that occurs plus 1.

        Raises:
            SampleError: if a column is missing or an entry is impossible; the message names the
                first such row.
        """
        given = _read_columns(columns)
        reward = _as_finite("reward", given["reward"])
        terminated = (
            _as_mask("terminated", given["terminated"])
            if "terminated" in given
            else np.zeros(reward.shape, dtype=np.bool_)
        )
        state = _as_indices("state", given["state"], n_states)
        action = _as_indices("action", given["action"], n_actions)
        next_state = _as_indices("next_state", given["next_state"], n_states, terminated)
        probability = _as_probability(given["probability"]) if "probability" in given else None
        episode = (
            _as_episode(given["episode"], state, next_state, terminated)
            if "episode" in given
            else None
        )
        shape = (
            n_states or int(max(state.max(), next_state.max())) + 1,
            n_actions or int(action.max()) + 1,
        )
        return cls._freeze(
            state, action, reward, next_state, terminated, probability, episode, shape
        )

    @classmethod
    def from_pairs(cls, source: MDP | Simulator, samples: int, rng: np.random.Generator) -> Dataset:
        """Draw every available pair of a model or simulator a number of times.

        Args:
            source: An MDP or a simulator.
            samples: Number of samples of each pair.
            rng: The generator.

        Raises:
            SampleError: if the number is not a positive integer.
        """
        check_integer("samples", samples, error=SampleError)
        simulator = as_simulator(source)
        state, action = (np.repeat(index, samples) for index in np.nonzero(simulator.available))
        outcome = simulator.sample(state, action, rng)
        reward, next_state, terminated = outcome.reward, outcome.next_state, outcome.terminated
        shape = simulator.n_states, simulator.n_actions
        return cls._freeze(state, action, reward, next_state, terminated, None, None, shape)

    @classmethod
    def from_episodes(
        cls,
        source: MDP | Simulator,
        policy: Float[np.ndarray, "S A"],
        episodes: int,
        max_steps: int,
        rng: np.random.Generator,
    ) -> Dataset:
        """Follow a policy in a model or simulator, and log its probabilities.

        Args:
            source: An MDP or a simulator.
            policy: (S, A) probabilities.
            episodes: Number of episodes, each started from the initial distribution.
            max_steps: Number of steps after which an episode is truncated.
            rng: The generator.

        Raises:
            SampleError: if no episode has a step.
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
            probability = policy[state, action]
            row = (state, action, outcome.reward, outcome.next_state, outcome.terminated)
            rows.append((number, *(column[0] for column in (*row, probability))))
            alive, state = ~outcome.terminated[0], outcome.next_state
        if not rows:
            raise SampleError(
                "no episode has a step: the initial distribution begins in terminal states, or "
                "max_steps is 0"
            )
        episode, *columns = (np.concatenate(column) for column in zip(*rows, strict=True))
        order = np.argsort(episode, kind="stable")
        return cls._freeze(
            *(column[order] for column in columns),
            episode=episode[order],
            shape=(simulator.n_states, simulator.n_actions),
        )

    @classmethod
    def _freeze(
        cls,
        state: np.ndarray,
        action: np.ndarray,
        reward: np.ndarray,
        next_state: np.ndarray,
        terminated: np.ndarray,
        probability: np.ndarray | None,
        episode: np.ndarray | None,
        shape: tuple[int, int],
    ) -> Dataset:
        """Return the data set of checked columns, which become read-only."""
        return cls(
            freeze(state),
            freeze(action),
            freeze(reward),
            freeze(next_state),
            freeze(terminated),
            None if probability is None else freeze(probability),
            None if episode is None else freeze(episode),
            *shape,
        )

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
        """(S, A) number of transitions of each pair."""
        return np.bincount(self.pair, minlength=self.n_states * self.n_actions).reshape(
            self.n_states, self.n_actions
        )

    def subset(self, rows: slice | Bool[np.ndarray, " n"] | Int[np.ndarray, " k"]) -> Dataset:
        """Return some of the rows: a slice, a mask or integers."""
        return self._freeze(
            self.state[rows],
            self.action[rows],
            self.reward[rows],
            self.next_state[rows],
            self.terminated[rows],
            None if self.probability is None else self.probability[rows],
            None if self.episode is None else self.episode[rows],
            (self.n_states, self.n_actions),
        )

    def require_fit(self, process: DecisionProcess | StateActionSpace) -> None:
        """Check that a process has these states, actions and available pairs.

        Raises:
            SampleError: naming the first row that does not fit.
        """
        if self.n_states > process.n_states or self.n_actions > process.n_actions:
            raise SampleError(
                f"the data have {self.n_states} states and {self.n_actions} actions, the model "
                f"{process.n_states} and {process.n_actions}"
            )
        _require_rows(
            "action",
            process.available[self.state, self.action],
            self.action,
            "is not available in that state",
        )


def _read_columns(columns: Columns) -> dict[str, np.ndarray]:
    """Return the known columns as arrays of one shape (n,), with n > 0."""
    names = _find_names(columns)
    missing = [name for name in _REQUIRED if name not in names]
    if missing:
        more = f" ({len(missing)} are missing: {missing})" if len(missing) > 1 else ""
        raise SampleError(
            f"the data have no column {missing[0]!r}{more}; there are {sorted(names)}; needed are "
            f"{list(_REQUIRED)}"
        )
    given = {name: np.asarray(columns[name]) for name in (*_REQUIRED, *_OPTIONAL) if name in names}
    shape = given["state"].shape
    for name, column in given.items():
        if column.ndim != 1 or column.shape != shape:
            raise SampleError(
                f"column {name!r} has shape {column.shape}, and 'state' {shape}; all must be (n,)"
            )
    if not shape[0]:
        raise SampleError("the data have no rows")
    return given


def _find_names(columns: object) -> set[str]:
    """Return the names of the columns."""
    dtype = getattr(columns, "dtype", None)
    if dtype is not None and getattr(dtype, "names", None):
        return set(dtype.names)
    if isinstance(columns, Mapping):
        return {str(name) for name in columns}
    names = getattr(columns, "columns", None)
    if names is not None:
        return {str(name) for name in names}
    raise SampleError(
        "the data must be columns by name, as in a dictionary of arrays, not "
        f"{type(columns).__name__}"
    )


def _require_rows(name: str, good: np.ndarray, values: np.ndarray, what: str) -> None:
    """Check a (n,) mask, and name the first row where it is False."""
    if not good.all():
        raise SampleError(
            describe_first(
                ~good, lambda row: f"row {row}: {name} is {values[row]}, which {what}", "rows"
            )
        )


def _as_floats(name: str, values: np.ndarray, kind: str) -> Float[np.ndarray, " n"]:
    """Return a column as doubles."""
    try:
        return values.astype(np.float64)
    except (TypeError, ValueError):
        raise SampleError(f"column {name!r} must hold {kind}, not {values.dtype}") from None


def _as_finite(name: str, values: np.ndarray) -> Float[np.ndarray, " n"]:
    """Return a column of finite numbers."""
    numbers = _as_floats(name, values, "numbers")
    _require_rows(name, np.isfinite(numbers), numbers, "is not finite")
    return numbers


def _as_indices(
    name: str, values: np.ndarray, count: int | None, ignored: np.ndarray | None = None
) -> Int[np.ndarray, " n"]:
    """Return a column of integers from 0 to count - 1; rows that are ignored become 0."""
    numbers = _as_floats(name, values, "integers")
    if ignored is not None:
        numbers = np.where(ignored, 0.0, numbers)
    whole = (numbers >= 0) & (numbers == np.floor(numbers)) & (numbers < 2.0**53)
    _require_rows(name, whole, values, "is not an integer, 0 or more")
    if count is not None:
        _require_rows(name, numbers < count, values, f"is too large: the largest is {count - 1}")
    return numbers.astype(np.int64)


def _as_mask(name: str, values: np.ndarray) -> Bool[np.ndarray, " n"]:
    """Return a column of truth values."""
    _require_rows(name, np.isin(values, (0, 1)), values, "is neither true nor false")
    return values.astype(np.bool_)


def _as_probability(values: np.ndarray) -> Float[np.ndarray, " n"]:
    """Return the column of probabilities of the actions taken."""
    numbers = _as_finite("probability", values)
    _require_rows(
        "probability",
        (numbers > 0) & (numbers <= 1),
        numbers,
        "is impossible for an action that was taken: it must be in (0, 1]",
    )
    return numbers


def _as_episode(
    values: np.ndarray, state: np.ndarray, next_state: np.ndarray, terminated: np.ndarray
) -> Int[np.ndarray, " n"]:
    """Return the column of episodes, after checking that the rows of each follow one another."""
    numbers = _as_indices("episode", values, None)
    _require_rows(
        "episode",
        np.diff(numbers, prepend=numbers[0]) >= 0,
        numbers,
        "comes after a larger one; sort the rows by episode",
    )
    continued = numbers[1:] == numbers[:-1]
    early = np.append(continued & terminated[:-1], False)
    _require_rows("terminated", ~early, terminated, "is true before the last row of the episode")
    torn = np.append(False, continued & (state[1:] != next_state[:-1]))
    _require_rows(
        "state",
        ~torn,
        state,
        "is not the next_state of the previous row of the same episode",
    )
    return numbers
