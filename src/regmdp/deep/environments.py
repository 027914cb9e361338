"""Copies of a Gymnasium environment, stepped together, with the true successor of each step."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import gymnasium
import numpy as np

from regmdp._internal.array_checks import check_array
from regmdp._internal.arrays import ArrayLike, Bool, Float
from regmdp._internal.checks import show
from regmdp._internal.errors import RegmdpError, SampleError, SolverError
from regmdp._internal.memory import require_memory
from regmdp._internal.parameters import Integer, Kind, checked, checked_methods
from regmdp.deep.types import ActionSpace, EnvironmentLike, ObservationSpace

__all__ = ["EnvironmentMaker", "EnvironmentStep", "Environments"]

#: Memory that a copy of an environment takes at least, in bytes.
BYTES_PER_COPY = 5000.0


class EnvironmentStep(NamedTuple):
    """One step of N copies of an environment.

    Attributes:
        observation: (N, inputs) where the next actions are taken: after the end of an episode, the
            first observation of the next one.
        reward: (N,) rewards.
        terminated: (N,) whether the episode terminated: the value from here on is 0.
        truncated: (N,) whether it was truncated: the value from here on is that of the successor.
        successor: (N, inputs) observation after the step, also at the end of an episode.
    """

    observation: Float[np.ndarray, "N inputs"]
    reward: Float[np.ndarray, " N"]
    terminated: Bool[np.ndarray, " N"]
    truncated: Bool[np.ndarray, " N"]
    successor: Float[np.ndarray, "N inputs"]


@dataclass(frozen=True)
class EnvironmentMaker(Kind):
    """The name of a Gymnasium environment, or a function or class that makes one."""

    def describe(self) -> str:
        return "a name or a function that makes an environment"

    def matches(self, value: object) -> bool:
        return isinstance(value, str) or callable(value)

    def check(self, name: str, value: Any, model: Any, error: type[RegmdpError]) -> Any:
        if not self.matches(value):
            raise error(f"{name} must be {self.describe()}, not {show(value)}")
        return value


@checked(env=EnvironmentMaker(), count=Integer())
@checked_methods(reset={"seed": Integer(0)})
class Environments:
    """N copies of an environment with discrete or box actions.

    Args:
        env: The name of an environment, or a function that makes one.
        count: N.

    Raises:
        SolverError: if the environment does not exist, or a space is of another kind.
        InsufficientMemoryError: if there is not enough memory for so many copies.
    """

    def __init__(self, env: EnvironmentLike, count: int) -> None:
        require_memory(f"{count:,} copies of the environment", count * BYTES_PER_COPY)
        self._copies = gymnasium.vector.SyncVectorEnv(
            [partial(_make_environment, env)] * count,
            autoreset_mode=gymnasium.vector.AutoresetMode.SAME_STEP,
        )
        self.count = count
        self.space = _check_observation_space(self._copies.single_observation_space)
        self.actions = _check_action_space(self._copies.single_action_space)
        self.n_inputs = (
            int(self.space.n)
            if isinstance(self.space, gymnasium.spaces.Discrete)
            else int(np.prod(self.space.shape))
        )
        self.returns: list[float] = []
        self._running_returns = np.zeros(count)
        self._steps = 0

    def reset(self, seed: int) -> Float[np.ndarray, "N inputs"]:
        """Start new episodes and return their (N, inputs) first observations."""
        self._running_returns[:] = 0.0
        observation, _ = self._copies.reset(seed=seed)
        return self._encode_and_check(observation)

    def step(self, actions: np.ndarray) -> EnvironmentStep:
        """Take an action in each copy; a copy whose episode ends starts the next one.

        Args:
            actions: (N,) numbers of discrete actions, from 0, or (N, d) points of a box.

        Raises:
            SolverError: if they are not N actions.
            SampleError: if a reward or an observation is not finite.
        """
        self._require_actions(actions)
        if isinstance(self.actions, gymnasium.spaces.Discrete):
            actions = actions + self.actions.start
        observation, reward, terminated, truncated, info = self._copies.step(actions)
        self._steps += self.count
        reward = np.asarray(reward, dtype=np.float64)
        if not np.isfinite(reward).all():
            raise SampleError(
                f"the environment gave a reward of {reward[~np.isfinite(reward)][0]} at step "
                f"{self._steps}"
            )
        observation = self._encode_and_check(observation)
        successor, ended = observation, terminated | truncated
        self._running_returns += reward
        if ended.any():
            successor = observation.copy()
            final = np.stack([info["final_obs"][copy] for copy in np.flatnonzero(ended)])
            successor[ended] = self._encode_and_check(final)
            self.returns.extend(self._running_returns[ended].tolist())
            self._running_returns[ended] = 0.0
        return EnvironmentStep(observation, reward, terminated, truncated, successor)

    def encode(self, observations: ArrayLike) -> Float[np.ndarray, "N inputs"]:
        """(N, …) observations -> (N, inputs) numbers: a flattened box, or a one-hot row of n.

        Raises:
            SampleError: if they are not observations of the environment.
        """
        discrete = isinstance(self.space, gymnasium.spaces.Discrete)
        array = check_array(
            "the observations", observations, "integer" if discrete else "number", error=SampleError
        )
        shape = self.space.shape or ()
        if array.ndim != len(shape) + 1 or array.shape[1:] != shape:
            sizes = "".join(f", {size}" for size in shape) or ","
            raise SampleError(f"the observations must have shape (N{sizes}), not {array.shape}")
        if isinstance(self.space, gymnasium.spaces.Discrete):
            _require_indices("the observations", array, self.space, SampleError)
        return self._encode_and_check(array)

    def _encode(self, observations: np.ndarray) -> Float[np.ndarray, "N inputs"]:
        if isinstance(self.space, gymnasium.spaces.Discrete):
            return (observations[..., None] - self.space.start == np.arange(self.space.n)).astype(
                np.float32
            )
        with np.errstate(over="ignore"):  # infinite numbers are refused
            return observations.reshape(-1, self.n_inputs).astype(np.float32)

    def close(self) -> None:
        """Close all copies."""
        self._copies.close()

    def _require_actions(self, actions: object) -> None:
        """Check that these are N actions."""
        discrete = isinstance(self.actions, gymnasium.spaces.Discrete)
        shape = (self.count, *(self.actions.shape or ()))
        array = actions if type(actions) is np.ndarray else None
        if (
            array is None
            or array.shape != shape
            or array.dtype.kind not in "iu" + "f" * (not discrete)
        ):
            what = "integers" if discrete else "numbers"
            raise SolverError(f"actions must be {shape} {what} in an array, not {show(actions)}")
        if isinstance(self.actions, gymnasium.spaces.Discrete):
            _require_indices("actions", array + self.actions.start, self.actions, SolverError)
        elif not np.isfinite(array).all():
            raise SolverError(f"actions must be finite, not {show(actions)}")

    def _encode_and_check(self, observations: np.ndarray) -> Float[np.ndarray, "N inputs"]:
        encoded = self._encode(observations)
        if not np.isfinite(encoded).all():
            copy, number = (int(i) for i in np.argwhere(~np.isfinite(encoded))[0])
            raise SampleError(
                f"the environment gave an observation with {encoded[copy, number]} as number "
                f"{number} at step {self._steps}"
            )
        return encoded


def _require_indices(
    name: str,
    array: np.ndarray,
    space: gymnasium.spaces.Discrete,
    error: type[RegmdpError],
) -> None:
    """Check that all entries are in a discrete space.

    Raises:
        RegmdpError: of the class ``error``, if one is not.
    """
    first, last = int(space.start), int(space.start + space.n) - 1
    if ((array < first) | (array > last)).any():
        raise error(f"{name} must be from {first} to {last}, not {show(array)}")


def _make_environment(env: EnvironmentLike) -> gymnasium.Env:
    """Make an environment by its name, or by a function.

    Raises:
        SolverError: if there is none, or it cannot be made, or the function returns another thing.
    """
    made = _make_by_name(env) if isinstance(env, str) else env()
    if not isinstance(made, gymnasium.Env):
        raise SolverError(
            f"env must be a name or a function that makes an environment; {show(env)} makes "
            f"{show(made)}"
        )
    return made


def _make_by_name(name: str) -> gymnasium.Env:
    try:
        return gymnasium.make(name)
    except (gymnasium.error.Error, ModuleNotFoundError) as error:
        raise SolverError(f"there is no environment {name!r}: {error}") from error
    except Exception as error:  # whatever an environment raises, or Gymnasium about its name
        raise SolverError(
            f"the environment {name!r} could not be made: {type(error).__name__}: {error}"
        ) from error


def _check_observation_space(space: gymnasium.Space) -> ObservationSpace:
    """Return the space of observations if networks can read them."""
    if isinstance(space, gymnasium.spaces.Discrete | gymnasium.spaces.Box):
        return space
    raise SolverError(
        f"observations must be numbers in a box, or one of n, not {space}; wrap the environment to "
        "flatten them"
    )


def _check_action_space(space: gymnasium.Space) -> ActionSpace:
    """Return the space of actions if there are policies over it."""
    if isinstance(space, gymnasium.spaces.Discrete):
        return space
    if (
        isinstance(space, gymnasium.spaces.Box)
        and len(space.shape) == 1
        and np.isfinite([space.low, space.high]).all()
    ):
        return space
    raise SolverError(f"actions must be discrete, or a vector in a finite box, not {space}")
