"""Simulators: models of which only samples are known."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from regmdp._internal.arrays import Array, Float, Int, Shaped
from regmdp._internal.errors import SampleError
from regmdp.mdp import MDP, DecisionProcess
from regmdp.mdp.model_data import check_initial, check_space
from regmdp.mdp.validation import as_discount
from regmdp.samples.streams import RandomStreams
from regmdp.samples.transition_sampler import TransitionSampler

__all__ = [
    "Outcome",
    "Simulator",
    "TableSimulator",
    "UserSimulator",
    "as_simulator",
    "draw_categorical",
]


class Outcome(NamedTuple):
    """What came of some actions, arrays of one shape.

    Attributes:
        next_state: Where they led; meaningless where the episode ended.
        reward: What they were paid.
        terminated: Whether the episode ended with them, also because a terminal state was reached.
    """

    next_state: Int[Array, "*n"]
    reward: Float[Array, "*n"]
    terminated: Shaped[Array, "*n"]


class Simulator(DecisionProcess):
    """A model that can be asked what comes of any action in any state: a generative model.

    Attributes:
        lowest_reward: (S, A) or a number: no sampled reward is lower; -inf if nothing is known.
        highest_reward: (S, A) or a number: none is higher.
    """

    lowest_reward: Any
    highest_reward: Any

    @abstractmethod
    def draw(
        self, state: Int[Array, "N *n"], action: Int[Array, "N *n"], streams: RandomStreams
    ) -> Outcome:
        """(N, …) states and actions of N runs -> what comes of them, each run drawing from its own stream."""

    def sample(
        self, state: Int[Array, " n"], action: Int[Array, " n"], rng: np.random.Generator
    ) -> Outcome:
        """(n,) states and actions -> what comes of them."""
        outcome = self.draw(np.asarray(state)[None], np.asarray(action)[None], RandomStreams([rng]))
        return Outcome(*(array[0] for array in outcome))

    def draw_initial_states(self, streams: RandomStreams, count: int) -> Int[np.ndarray, "N n"]:
        """Return (N, n) first states, drawn from the initial distribution."""
        return draw_categorical(self.initial, streams.uniform(count))


class TableSimulator(Simulator):
    """A simulator made of a model whose transition probabilities are known.

    Rewards are the expected ones, without noise.

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

    def __init__(self, mdp: MDP) -> None:
        self.mdp = mdp
        super().__init__(mdp.space, mdp.discount, mdp.initial)
        self.table = TransitionSampler(mdp)
        self._rewards = np.where(mdp.available, mdp.rewards, 0.0).ravel()
        self.lowest_reward = self.highest_reward = mdp.rewards

    def draw(
        self, state: Int[Array, "N *n"], action: Int[Array, "N *n"], streams: RandomStreams
    ) -> Outcome:
        pair = np.asarray(state) * self.n_actions + action
        next_state, terminated = self.table.draw(pair, streams.uniform(*pair.shape[1:]))
        return Outcome(next_state, self._rewards[pair], terminated)


class UserSimulator(Simulator):
    """A simulator made of a function of the user's own.

    Args:
        sample: ``sample(state, action, rng)``, from (n,) states and (n,) actions to the (n,) next
            states, (n,) rewards and, if episodes end, (n,) bool whether this one did.
        n_states: S.
        n_actions: A.
        discount: γ.
        initial: (S,) distribution of the first state; by default uniform over the states that are
            not terminal.
        available: (S, A) bool, the actions that exist; by default all. A state without any is
            terminal: its episode has ended.
        reward_range: The lowest and the highest reward there can be, if that is known: bounds in
            probability need it.
        state_labels: S names, used in errors.
        action_labels: A names.

    Raises:
        SampleError: when it is drawn from, if the function returns something else; the message
            names the first such row.

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

    def __init__(
        self,
        sample: Any,
        n_states: int,
        n_actions: int,
        discount: float,
        *,
        initial: Any = None,
        available: Any = None,
        reward_range: tuple[float, float] | None = None,
        state_labels: Sequence[str] | None = None,
        action_labels: Sequence[str] | None = None,
    ) -> None:
        if not callable(sample):
            raise SampleError(f"sample must be a function of (state, action, rng), not {sample!r}")
        shape = (int(n_states), int(n_actions))
        if min(shape) < 1:
            raise SampleError(
                f"there must be at least one state and one action, not {shape[0]} and {shape[1]}"
            )
        self._sample = sample
        space = check_space(shape, available, state_labels, action_labels)
        super().__init__(space, as_discount(discount), check_initial(space, initial))
        low, high = (
            (-np.inf, np.inf)
            if reward_range is None
            else (float(reward_range[0]), float(reward_range[1]))
        )
        if not low <= high:
            raise SampleError(
                f"the range of the rewards must be (lowest, highest), not {reward_range}"
            )
        self.lowest_reward, self.highest_reward = low, high

    def draw(
        self, state: Int[Array, "N *n"], action: Int[Array, "N *n"], streams: RandomStreams
    ) -> Outcome:
        runs = [
            self._drawn(s.ravel(), a.ravel(), rng)
            for s, a, rng in zip(state, action, streams.separate, strict=True)
        ]
        shape = np.shape(state)
        return Outcome(*(np.stack(column).reshape(shape) for column in zip(*runs, strict=True)))

    def _drawn(
        self, state: np.ndarray, action: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, ...]:
        """(n,) states and actions of one run -> the checked arrays that the user's function returns."""
        returned = self._sample(state, action, rng)
        if not isinstance(returned, tuple | list) or len(returned) not in (2, 3):
            raise SampleError(
                "sample must return (next_state, reward) or (next_state, reward, terminated), arrays of "
                "one entry a row"
            )
        try:
            given = np.asarray(returned[0])
            columns = [given.astype(np.int64), np.asarray(returned[1], dtype=np.float64)]
        except (TypeError, ValueError):
            raise SampleError(
                "sample must return integers for next_state and numbers for reward"
            ) from None
        columns.append(
            np.asarray(returned[2], dtype=np.bool_)
            if len(returned) == 3
            else np.zeros(state.shape, dtype=np.bool_)
        )
        for name, column in zip(("next_state", "reward", "terminated"), columns, strict=True):
            if column.shape != state.shape:
                raise SampleError(
                    f"sample was asked for {state.size} rows and returned {name} of shape "
                    f"{column.shape}"
                )
        next_state, reward, terminated = columns
        self._refuse(~np.isfinite(reward), state, action, reward, "the reward")
        unknown = (
            (next_state < 0) | (next_state >= self.n_states) | (given != next_state)
        ) & ~terminated
        self._refuse(
            unknown,
            state,
            action,
            given,
            f"the next state, which must be an integer from 0 to {self.n_states - 1},",
        )
        outside = (reward < self.lowest_reward) | (reward > self.highest_reward)
        span = (
            f"the reward, outside of reward_range ({self.lowest_reward:g}, "
            f"{self.highest_reward:g}),"
        )
        self._refuse(outside, state, action, reward, span)
        next_state = np.where(terminated, state, next_state)
        return next_state, reward, terminated | self.terminal[next_state]

    def _refuse(
        self, bad: np.ndarray, state: np.ndarray, action: np.ndarray, values: np.ndarray, what: str
    ) -> None:
        if bad.any():
            row = int(np.argmax(bad))
            where = self.describe(int(state[row]), int(action[row]))
            raise SampleError(
                f"row {row} of what sample returned for {where}: {what} is {values[row]}; "
                f"{int(np.count_nonzero(bad))} of {bad.size} rows are wrong"
            )


def as_simulator(source: Any) -> Simulator:
    """Return a model as a simulator; a simulator as it is.

    Raises:
        SampleError: if it is neither.
    """
    if isinstance(source, MDP):
        return TableSimulator(source)
    if not isinstance(source, Simulator):
        raise SampleError(
            "a model to draw samples from is a regmdp.MDP or a simulator from regmdp.samples, not "
            f"{source!r}"
        )
    return source


def draw_categorical(
    distribution: Float[Array, "*batch A"], uniform: Float[Array, "*n"]
) -> Int[np.ndarray, "*n"]:
    """(…, A) distributions and uniform numbers that broadcast against (…) -> numbers of entries, by the inverse of the sums.

    >>> draw_categorical(np.array([0.5, 0.0, 0.5]), np.array([0.1, 0.5, 0.9]))
    array([0, 2, 2])
    """
    sums = np.cumsum(distribution, axis=-1)
    if sums.ndim == 1:
        drawn = np.searchsorted(sums, uniform * sums[-1], side="right")
    else:
        drawn = np.sum(sums <= (uniform * sums[..., -1])[..., None], axis=-1)
    # rounding may lead past the last entry with positive probability
    last = distribution.shape[-1] - 1 - np.argmax(distribution[..., ::-1] > 0, axis=-1)
    return np.minimum(drawn, last)
