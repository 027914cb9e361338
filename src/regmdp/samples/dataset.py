"""Logged transitions: states, actions, rewards and next states."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from regmdp._internal.array_checks import check_array
from regmdp._internal.arrays import ArrayLike, Bool, Float, Int, freeze
from regmdp._internal.errors import RegmdpError, SampleError
from regmdp._internal.fields import ReadOnlyCopies
from regmdp._internal.memory import require_memory
from regmdp._internal.parameters import ArrayOf, Generator, Instance, Integer, Kind, checked
from regmdp.mdp import MDP, DecisionProcess, StateActionSpace
from regmdp.policies import check_policy
from regmdp.samples.column import Column, factorize, number_blocks, require_rows
from regmdp.samples.columns import Columns, check_episodes, read_columns, read_ends
from regmdp.samples.memory_budget import BYTES_PER_ROW, MemoryBudget
from regmdp.samples.simulator import Simulator, as_simulator, draw_categorical
from regmdp.samples.streams import RandomStreams

__all__ = ["Dataset"]

#: Largest number of states or actions, relative to the number of rows, that is taken from the
#: largest number that occurs: beyond it, the numbers are names.
MAX_COUNT_PER_ROW, MIN_SUSPICIOUS_COUNT = 1000, 10**6
#: The columns, with or without values.
_COLUMNS = (
    "state",
    "action",
    "reward",
    "next_state",
    "terminated",
    "truncated",
    "probability",
    "episode",
)


class RowsOf(Kind):
    """Rows of the data set: a slice, a mask, or numbers."""

    needs_model = True

    def describe(self) -> str:
        return "a slice, a mask or numbers of rows"

    def matches(self, value: object) -> bool:
        return isinstance(value, slice) or ArrayOf().matches(value)

    def check(self, name: str, value: Any, model: Any, error: type[RegmdpError]) -> Any:
        if isinstance(value, slice):
            return value
        count = len(model)
        if getattr(value, "dtype", None) == np.bool_:
            mask = check_array(name, value, "boolean", ndim=1, error=error)
            if mask.size != count:
                raise error(f"{name} has {mask.size} entries, but there are {count} rows")
            return mask
        numbers = check_array(name, value, "integer", ndim=1, error=error)
        wrong = (numbers < -count) | (numbers >= count)
        if wrong.any():
            raise error(f"there is no row {numbers[wrong][0]}; there are {count}, from 0 on")
        return numbers


@dataclass(frozen=True, eq=False)
class Dataset(ReadOnlyCopies):
    """Observed transitions, in the order in which they were observed.

    Unknown columns are None.

    Make one with :meth:`from_columns`, which checks everything; with :meth:`from_labels` where
    states and actions have names; with :meth:`from_pairs` from a generative model; or with
    :meth:`from_episodes` by following a policy.

    Attributes:
        state: (n,) states.
        action: (n,) actions taken.
        reward: (n,) rewards.
        next_state: (n,) next states; meaningless where the episode terminated.
        terminated: (n,) bool, whether the episode ended with this transition; False where it was
            only truncated.
        truncated: (n,) bool, whether the episode was cut off after it, or None.
        probability: (n,) probability with which the action was chosen, or None.
        episode: (n,) numbers of the episodes, not decreasing, or None. Rows of one episode are in
            their order.
        n_states: S.
        n_actions: A.
        state_labels: S names, or None.
        action_labels: A names, or None.

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
    truncated: Bool[np.ndarray, " n"] | None
    probability: Float[np.ndarray, " n"] | None
    episode: Int[np.ndarray, " n"] | None
    n_states: int
    n_actions: int
    state_labels: tuple[str, ...] | None = None
    action_labels: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        """Make the columns read-only."""
        for name, column in self._columns().items():
            object.__setattr__(self, name, freeze(column))

    @classmethod
    @checked(SampleError, n_states=Integer() | None, n_actions=Integer() | None)
    def from_columns(
        cls,
        columns: Columns,
        *,
        n_states: int | None = None,
        n_actions: int | None = None,
        ignore: Collection[str] = (),
    ) -> Dataset:
        """Check columns: a dictionary of arrays, a pandas or polars table, or a structured array.

        Args:
            columns: ``state``, ``action``, ``reward`` and ``next_state``, and, if known,
                ``terminated``, ``truncated``, ``probability`` and ``episode``. The names of
                Gymnasium, D4RL and Minari are understood: ``observations``, ``actions``,
                ``rewards``, ``next_observations``, ``terminals`` or ``terminations`` for
                ``terminated``, ``timeouts`` or ``truncations`` for ``truncated``. A column ``done``
                is understood beside one of these. ``step`` counts the rows of an episode and
                ``time`` increases in it; both are only checked.
            n_states: S; by default the largest state that occurs plus 1.
            n_actions: A; by default the largest action that occurs plus 1.
            ignore: Names of columns that are not needed. Other unknown columns are refused.

        Raises:
            SampleError: if a column is missing or unknown, an entry is impossible, or the columns
                contradict each other; the message names the first such row.
            InsufficientMemoryError: if one number for each pair does not fit into memory.

        Examples:
            >>> import regmdp as rm
            >>> columns = {"state": [0], "action": [0], "reward": [1.0], "next_state": [0]}
            >>> rm.samples.Dataset.from_columns({**columns, "done": [True]})
            Traceback (most recent call last):
                ...
            regmdp.SampleError: the column 'done' does not say why an episode ended: ...
        """
        given = read_columns(columns, ignore)
        terminated, truncated = read_ends(given, given["reward"].values.size)
        indices = {
            "state": given["state"].as_indices(n_states),
            "action": given["action"].as_indices(n_actions),
            "next_state": given["next_state"].without(terminated, 0).as_indices(n_states),
        }
        episode = given["episode"].as_indices() if "episode" in given else None
        largest = int(max(indices["state"].max(), indices["next_state"].max()))
        shape = (
            _count("states", n_states, largest, terminated.size),
            _count("actions", n_actions, int(indices["action"].max()), terminated.size),
        )
        _require_counts_fit(*shape)
        return cls._from_checked(given, indices, terminated, truncated, episode, shape)

    @classmethod
    def from_labels(cls, columns: Columns, *, ignore: Collection[str] = ()) -> Dataset:
        """Check columns in which states, actions and episodes have names, and number them.

        Names are text or integers, such as customers' numbers. States and actions are numbered in
        the order of their names, episodes in that of the rows.

        Args:
            columns: As for :meth:`from_columns`.
            ignore: Names of columns that are not needed. Other unknown columns are refused.

        Raises:
            SampleError: as :meth:`from_columns`, or if an entry is no name.

        Examples:
            >>> import regmdp as rm
            >>> columns = {
            ...     "state": [10**9, 7],
            ...     "action": ["stay", "go"],
            ...     "reward": [0.0, 1.0],
            ...     "next_state": [7, 10**9],
            ... }
            >>> data = rm.samples.Dataset.from_labels(columns)
            >>> data.state, data.state_labels, data.action_labels
            (array([1, 0]), ('7', '1000000000'), ('go', 'stay'))
        """
        given = read_columns(columns, ignore)
        terminated, truncated = read_ends(given, given["reward"].values.size)
        n = terminated.size
        continued = Column(given["next_state"].name, given["next_state"].values[~terminated])
        states, codes = factorize(given["state"], continued)
        actions, action = factorize(given["action"])
        next_state = np.zeros(n, dtype=np.int64)
        next_state[~terminated] = codes[n:]
        indices = {"state": codes[:n], "action": action, "next_state": next_state}
        episode = number_blocks(given["episode"]) if "episode" in given else None
        shape = len(states), len(actions)
        _require_counts_fit(*shape)
        return cls._from_checked(
            given, indices, terminated, truncated, episode, shape, (states, actions)
        )

    @classmethod
    def _from_checked(
        cls,
        given: Mapping[str, Column],
        indices: Mapping[str, Int[np.ndarray, " n"]],
        terminated: Bool[np.ndarray, " n"],
        truncated: Bool[np.ndarray, " n"] | None,
        episode: Int[np.ndarray, " n"] | None,
        shape: tuple[int, int],
        labels: tuple[tuple[str, ...] | None, tuple[str, ...] | None] = (None, None),
    ) -> Dataset:
        """Check the order of the rows, and return the data set."""
        ends = {"terminated": terminated, "truncated": truncated}
        check_episodes(given, episode, indices["state"], indices["next_state"], ends)
        probability = given["probability"].as_probability() if "probability" in given else None
        return cls(
            **indices,
            reward=given["reward"].as_numbers(),
            terminated=terminated,
            truncated=truncated,
            probability=probability,
            episode=episode,
            n_states=shape[0],
            n_actions=shape[1],
            state_labels=labels[0],
            action_labels=labels[1],
        )

    @classmethod
    @checked(SampleError, samples=Integer(), rng=Generator())
    def from_pairs(cls, source: MDP | Simulator, samples: int, rng: np.random.Generator) -> Dataset:
        """Draw every available pair of a model or simulator a number of times.

        Args:
            source: An MDP or a simulator.
            samples: Number of samples of each pair.
            rng: The generator.

        Raises:
            SampleError: if the number is not a positive integer.
        """
        simulator = as_simulator(source)
        pairs = int(np.count_nonzero(simulator.available))
        require_memory(
            f"{samples:,} samples of each of {pairs:,} pairs", BYTES_PER_ROW * samples * pairs
        )
        state, action = (np.repeat(index, samples) for index in np.nonzero(simulator.available))
        outcome = simulator.sample(state, action, rng)
        return cls(
            state=state,
            action=action,
            reward=outcome.reward,
            next_state=outcome.next_state,
            terminated=outcome.terminated,
            truncated=None,
            probability=None,
            episode=None,
            n_states=simulator.n_states,
            n_actions=simulator.n_actions,
            state_labels=simulator.state_labels,
            action_labels=simulator.action_labels,
        )

    @classmethod
    @checked(SampleError, episodes=Integer(), max_steps=Integer(), rng=Generator())
    def from_episodes(
        cls,
        source: MDP | Simulator,
        policy: ArrayLike,
        episodes: int,
        max_steps: int,
        rng: np.random.Generator,
    ) -> Dataset:
        """Follow a policy in a model or simulator, and log its probabilities.

        Args:
            source: An MDP or a simulator.
            policy: (S, A) probabilities, or (S,) action numbers.
            episodes: Number of episodes, each started from the initial distribution.
            max_steps: Number of steps after which an episode is truncated.
            rng: The generator.

        Raises:
            SampleError: if no episode has a step, or a number is not a positive integer.
            PolicyError: if the policy is not one.
            InsufficientMemoryError: if the steps do not fit into memory.
        """
        simulator, streams = as_simulator(source), RandomStreams([rng])
        policy = check_policy(simulator, policy)
        budget = MemoryBudget(simulator, episodes, max_steps)
        state = simulator.draw_initial_states(streams, episodes)
        number, rows = np.arange(episodes), []
        alive = ~simulator.terminal[state[0]]
        for _ in range(max_steps):
            state, number = state[:, alive], number[alive]
            if not number.size:
                break
            budget.require_step(number.size)
            action = draw_categorical(policy[state], streams.uniform(number.size))
            outcome = simulator.draw(state, action, streams)
            probability = policy[state, action]
            row = (state, action, outcome.reward, outcome.next_state, outcome.terminated)
            rows.append((number, *(column[0] for column in (*row, probability))))
            alive, state = ~outcome.terminated[0], outcome.next_state
        if not rows:
            raise SampleError(
                "no episode has a step: the initial distribution begins in terminal states"
            )
        episode, *columns = (np.concatenate(column) for column in zip(*rows, strict=True))
        order = np.argsort(episode, kind="stable")
        episode = episode[order]
        names = ("state", "action", "reward", "next_state", "terminated", "probability")
        ordered = {name: column[order] for name, column in zip(names, columns, strict=True)}
        last = np.diff(episode, append=episode[-1] + 1) > 0
        return cls(
            **ordered,
            truncated=last & ~ordered["terminated"],
            episode=episode,
            n_states=simulator.n_states,
            n_actions=simulator.n_actions,
            state_labels=simulator.state_labels,
            action_labels=simulator.action_labels,
        )

    def _columns(self) -> dict[str, np.ndarray]:
        """Return the known columns by name."""
        columns = {name: getattr(self, name) for name in _COLUMNS}
        return {name: column for name, column in columns.items() if column is not None}

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

    @checked(SampleError, rows=RowsOf())
    def subset(self, rows: slice | Bool[np.ndarray, " n"] | Int[np.ndarray, " k"]) -> Dataset:
        """Return some of the rows: a slice, a mask or integers."""
        return replace(self, **{name: column[rows] for name, column in self._columns().items()})

    @checked(SampleError, process=Instance(DecisionProcess, StateActionSpace))
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
        require_rows(
            "action",
            process.available[self.state, self.action],
            self.action,
            "is not available in that state",
        )


def _count(things: str, given: int | None, largest: int, rows: int) -> int:
    """Return the number of states or actions: as given, or one more than the largest that occurs.

    Raises:
        SampleError: if the largest is so large that the numbers must be names.
    """
    if given is not None:
        return given
    if largest >= max(MAX_COUNT_PER_ROW * rows, MIN_SUSPICIOUS_COUNT):
        raise SampleError(
            f"the largest of the {things} is {largest:,}, and there are {rows:,} rows, so there "
            f"would be {largest + 1:,} {things}, nearly all of them without data; if the numbers "
            f"are names, use Dataset.from_labels, and if not, give n_{things}="
        )
    return largest + 1


def _require_counts_fit(n_states: int, n_actions: int) -> None:
    """Check that one number for each pair fits into memory."""
    require_memory(
        f"counts of {n_states:,} states with {n_actions:,} actions each",
        8 * n_states * n_actions,
        "if the numbers are names, use Dataset.from_labels",
    )
