"""Copies of a Gymnasium environment, stepped together, with the true successor of each step."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import gymnasium
import numpy as np

from regmdp._internal.arrays import ArrayLike, Bool, Float
from regmdp._internal.errors import SampleError, SolverError
from regmdp._internal.memory import require_memory
from regmdp.deep.types import ActionSpace, EnvironmentLike, ObservationSpace

__all__ = ["EnvironmentStep", "Environments"]

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
        make = partial(_make_environment, env) if isinstance(env, str) else env
        if not callable(make):
            raise SolverError(
                f"the environment must be a name or a function that makes one, not {env!r}"
            )
        self._copies = gymnasium.vector.SyncVectorEnv(
            [make] * count, autoreset_mode=gymnasium.vector.AutoresetMode.SAME_STEP
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
        """Take an action in each copy; a copy whose episode ends starts the next one."""
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
        """(N, …) observations -> (N, inputs) numbers: a flattened box, or a one-hot row of n."""
        observations = np.asarray(observations)
        if isinstance(self.space, gymnasium.spaces.Discrete):
            return (observations[..., None] - self.space.start == np.arange(self.space.n)).astype(
                np.float32
            )
        return observations.reshape(-1, self.n_inputs).astype(np.float32)

    def close(self) -> None:
        """Close all copies."""
        self._copies.close()

    def _encode_and_check(self, observations: np.ndarray) -> Float[np.ndarray, "N inputs"]:
        encoded = self.encode(observations)
        if not np.isfinite(encoded).all():
            copy, number = (int(i) for i in np.argwhere(~np.isfinite(encoded))[0])
            raise SampleError(
                f"the environment gave an observation with {encoded[copy, number]} as number "
                f"{number} at step {self._steps}"
            )
        return encoded


def _make_environment(name: str) -> gymnasium.Env:
    """Make an environment by its name.

    Raises:
        SolverError: if there is none, or it cannot be made.
    """
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
