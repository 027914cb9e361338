"""Simulators: models known only by their samples."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np

from regmdp._internal.arrays import Array, ArrayLike, Bool, Float, Int, read_only
from regmdp._internal.checks import check_number, describe_first, show
from regmdp._internal.errors import RegmdpError, SampleError
from regmdp._internal.memory import require_memory
from regmdp._internal.parameters import ArrayOf, Generator, Instance, Integer, checked
from regmdp._internal.user_code import call_user, user_methods
from regmdp.mdp import MDP, DecisionProcess
from regmdp.mdp.model_data import check_initial, check_space
from regmdp.mdp.validation import as_discount
from regmdp.samples.column import Column
from regmdp.samples.streams import RandomStreams
from regmdp.samples.transition_sampler import TransitionSampler

__all__ = [
    "Outcome",
    "Simulator",
    "TableSimulator",
    "UserSimulator",
    "as_simulator",
    "draw_categorical",
    "read_limits",
]


#: A user's function: (n,) states and actions, and a generator -> next states, rewards, and, if
#: episodes end, whether they did.
SampleFunction: TypeAlias = Callable[
    [np.ndarray, np.ndarray, np.random.Generator],
    "tuple[ArrayLike, ArrayLike] | tuple[ArrayLike, ArrayLike, ArrayLike]",
]


class Outcome(NamedTuple):
    """Results of some actions, arrays of one shape.

    Attributes:
        next_state: Next states; meaningless where the episode terminated.
        reward: Rewards.
        terminated: Whether the episode ended, also because a terminal state was reached.
    """

    next_state: Int[Array, "*n"]
    reward: Float[Array, "*n"]
    terminated: Bool[Array, "*n"]


@user_methods(SampleError)
class Simulator(DecisionProcess):
    """A generative model: next state and reward can be sampled for any state and action.

    Attributes:
        lowest_reward: (S, A) or a number: lower bound on sampled rewards; -inf if none is known.
        highest_reward: (S, A) or a number: upper bound on them.
    """

    lowest_reward: float | Float[np.ndarray, "S A"]
    highest_reward: float | Float[np.ndarray, "S A"]

    @abstractmethod
    def draw(
        self, state: Int[Array, "N *n"], action: Int[Array, "N *n"], streams: RandomStreams
    ) -> Outcome:
        """(N, …) states and actions of N runs -> results, drawn from the stream of each run."""

    @checked(
        SampleError,
        state=ArrayOf("n", "integer", minimum=0, empty=True),
        action=ArrayOf("n", "integer", minimum=0, empty=True),
        rng=Generator(),
    )
    def sample(
        self, state: Int[Array, " n"], action: Int[Array, " n"], rng: np.random.Generator
    ) -> Outcome:
        """(n,) states and actions -> their results."""
        self._require_pairs(np.asarray(state), np.asarray(action))
        outcome = self.draw(np.asarray(state)[None], np.asarray(action)[None], RandomStreams([rng]))
        return Outcome(*(array[0] for array in outcome))

    def _require_pairs(self, state: np.ndarray, action: np.ndarray) -> None:
        """Check that states and actions exist, and that the actions are available."""
        for name, numbers, count in (
            ("state", state, self.n_states),
            ("action", action, self.n_actions),
        ):
            wrong = numbers >= count
            if wrong.any():
                raise SampleError(f"there is no {name} {numbers[wrong][0]}; there are {count}")
        missing = ~self.available[state, action]
        if missing.any():
            row = int(np.argmax(missing))
            where = self.describe(int(state[row]), int(action[row]))
            raise SampleError(f"row {row}: {where} is not available")

    @checked(SampleError, streams=Instance(RandomStreams), count=Integer())
    def draw_initial_states(self, streams: RandomStreams, count: int) -> Int[np.ndarray, "N n"]:
        """Return (N, n) first states, drawn from the initial distribution."""
        return draw_categorical(self.initial, streams.uniform(count))


class TableSimulator(Simulator):
    """A simulator of a model whose transition probabilities are known.

    Rewards are expected rewards, without noise.

    Args:
        mdp: The model.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> simulator = rm.samples.TableSimulator(rm.models.chain(5))
        >>> simulator.sample(
        ...     np.array([0, 0]), np.array([1, 1]), np.random.default_rng(0)
        ... ).next_state.shape
        (2,)
    """

    @checked(SampleError, mdp=Instance(MDP))
    def __init__(self, mdp: MDP) -> None:
        self.mdp = mdp
        super().__init__(mdp.space, mdp.discount, mdp.initial)
        self.sampler = TransitionSampler(mdp)
        self._rewards = np.where(mdp.available, mdp.rewards, 0.0).ravel()
        self.lowest_reward = self.highest_reward = mdp.rewards

    def draw(
        self, state: Int[Array, "N *n"], action: Int[Array, "N *n"], streams: RandomStreams
    ) -> Outcome:
        pair = np.asarray(state) * self.n_actions + action
        next_state, terminated = self.sampler.draw(pair, streams.uniform(*pair.shape[1:]))
        return Outcome(next_state, self._rewards[pair], terminated)


class UserSimulator(Simulator):
    """A simulator made of a user's function.

    Args:
        sample: ``sample(state, action, rng)``: (n,) states and (n,) actions -> (n,) next states,
            (n,) rewards and, if episodes end, (n,) bool: whether this one did.
        n_states: S.
        n_actions: A.
        discount: γ.
        initial: (S,) distribution of the first state; by default uniform over the states that are
            not terminal.
        available: (S, A) bool, the actions that exist; by default all. A state without any is
            terminal: its episode has ended.
        reward_range: Lowest and highest possible reward, if known; bounds from samples need it.
        state_labels: S names, used in errors.
        action_labels: A names.

    Raises:
        SampleError: if an option is wrong; and when samples are drawn, if the function returns
            anything else; the message names the first such row.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> def sample(state, action, rng):
        ...     return np.where(rng.random(state.shape) < 0.9, action, state), (state == 1).astype(
        ...         float
        ...     )
        >>> simulator = rm.samples.UserSimulator(
        ...     sample, n_states=2, n_actions=2, discount=0.9, reward_range=(0, 1)
        ... )
        >>> simulator.sample(np.array([0, 1]), np.array([1, 1]), np.random.default_rng(0)).reward
        array([0., 1.])
    """

    @checked(SampleError, n_states=Integer(), n_actions=Integer())
    def __init__(
        self,
        sample: SampleFunction,
        n_states: int,
        n_actions: int,
        discount: float,
        *,
        initial: ArrayLike | None = None,
        available: ArrayLike | None = None,
        reward_range: tuple[float, float] | None = None,
        state_labels: Sequence[str] | None = None,
        action_labels: Sequence[str] | None = None,
    ) -> None:
        if not callable(sample):
            raise SampleError(f"sample must be a function of (state, action, rng), not {sample!r}")
        shape = (n_states, n_actions)
        require_memory(
            f"tables of {shape[0]:,} states with {shape[1]:,} actions each", 8 * shape[0] * shape[1]
        )
        self._sample = sample
        space = check_space(shape, available, state_labels, action_labels)
        super().__init__(space, as_discount(discount), check_initial(space, initial))
        low, high = (-np.inf, np.inf) if reward_range is None else read_limits(reward_range)
        self.lowest_reward, self.highest_reward = low, high

    def draw(
        self, state: Int[Array, "N *n"], action: Int[Array, "N *n"], streams: RandomStreams
    ) -> Outcome:
        runs = [
            self._draw_run(s.ravel(), a.ravel(), rng)
            for s, a, rng in zip(state, action, streams.user_generators, strict=True)
        ]
        shape = np.shape(state)
        return Outcome(*(np.stack(column).reshape(shape) for column in zip(*runs, strict=True)))

    def _draw_run(
        self, state: np.ndarray, action: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, ...]:
        """(n,) states and actions of one run -> the checked results of the user's function."""
        state, action = read_only(state), read_only(action)
        given, reward, terminated = self._read(
            call_user(SampleError, self._sample, state, action, rng), state.shape
        )
        self._refuse(~np.isfinite(reward), state, action, reward, "the reward")
        unknown = ~((given >= 0) & (given < self.n_states) & (given == np.floor(given)))
        self._refuse(
            unknown & ~terminated,
            state,
            action,
            given,
            f"the next state, which must be an integer from 0 to {self.n_states - 1},",
        )
        outside = (reward < self.lowest_reward) | (reward > self.highest_reward)
        limits = f"({self.lowest_reward:g}, {self.highest_reward:g})"
        what = f"the reward, outside of reward_range {limits},"
        self._refuse(outside, state, action, reward, what)
        next_state = np.where(terminated, state, np.where(unknown, 0, given).astype(np.int64))
        return next_state, reward, terminated | self.terminal[next_state]

    @staticmethod
    def _read(returned: object, shape: tuple[int, ...]) -> tuple[np.ndarray, ...]:
        """Return what the function returned as three arrays of one shape."""
        if not isinstance(returned, tuple | list) or len(returned) not in (2, 3):
            raise SampleError(
                "sample must return (next_state, reward) or (next_state, reward, terminated), "
                "arrays with one entry for each row"
            )
        next_state, reward = (np.asarray(part) for part in returned[:2])
        if next_state.dtype.kind not in "iuf" or reward.dtype.kind not in "iuf":
            raise SampleError(
                "sample must return integers for next_state and numbers for reward, not "
                f"{next_state.dtype} and {reward.dtype}"
            )
        reward = reward.astype(np.float64)
        if len(returned) == 3:
            terminated = np.asarray(returned[2])
            if terminated.shape == shape:
                terminated = Column("terminated, as returned by sample,", terminated).as_mask()
        else:
            terminated = np.zeros(shape, dtype=np.bool_)
        columns = (next_state, reward, terminated)
        for name, column in zip(("next_state", "reward", "terminated"), columns, strict=True):
            if column.shape != shape:
                raise SampleError(
                    f"sample was called with {shape[0]} rows and returned {name} of shape "
                    f"{column.shape}"
                )
        return columns

    def _refuse(
        self, bad: np.ndarray, state: np.ndarray, action: np.ndarray, values: np.ndarray, what: str
    ) -> None:
        """Raise an error that names the first bad row, if there is one."""
        if bad.any():

            def describe(row: int) -> str:
                where = self.describe(int(state[row]), int(action[row]))
                return f"row {row} of what sample returned for {where}: {what} is {values[row]}"

            raise SampleError(describe_first(bad, describe, "rows"))


def read_limits(
    given: object, *, finite: bool = False, error: type[RegmdpError] = SampleError
) -> tuple[float, float]:
    """Return the lowest and the highest possible reward.

    Args:
        given: Two numbers in order.
        finite: Whether infinite ones are refused.
        error: Class of the exception.

    Raises:
        RegmdpError: of the class ``error``, if they are not two numbers in order.
    """
    if not isinstance(given, Sequence | np.ndarray) or isinstance(given, str) or len(given) != 2:
        raise error(f"reward_range must be (lowest, highest), not {show(given)}")
    low, high = (
        check_number(f"the {which} reward in reward_range", end, finite=finite, error=error)
        for which, end in zip(("lowest", "highest"), given, strict=True)
    )
    if not low <= high:
        raise error(
            f"reward_range must be (lowest, highest), two numbers in order, not ({low:g}, {high:g})"
        )
    return low, high


def as_simulator(source: object) -> Simulator:
    """Return the simulator of a model; a simulator is returned unchanged.

    Raises:
        SampleError: if it is neither.
    """
    if isinstance(source, MDP):
        return TableSimulator(source)
    if not isinstance(source, Simulator):
        raise SampleError(
            "samples are drawn from a regmdp.MDP or a simulator from regmdp.samples, not from "
            f"{source!r}"
        )
    return source


def draw_categorical(
    distribution: Float[Array, "*batch A"], uniform: Float[Array, "*n"]
) -> Int[np.ndarray, "*n"]:
    """(…, A) distributions, and uniform numbers that broadcast with (…) -> indices of entries.

    >>> draw_categorical(np.array([0.5, 0.0, 0.5]), np.array([0.1, 0.5, 0.9]))
    array([0, 2, 2])
    """
    # inversion of the cumulative sums
    sums = np.cumsum(distribution, axis=-1)
    if sums.ndim == 1:
        entry = np.searchsorted(sums, uniform * sums[-1], side="right")
    else:
        entry = np.sum(sums <= (uniform * sums[..., -1])[..., None], axis=-1)
    # rounding may lead past the last entry with positive probability
    last = distribution.shape[-1] - 1 - np.argmax(distribution[..., ::-1] > 0, axis=-1)
    return np.minimum(entry, last)
