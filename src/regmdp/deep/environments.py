"""TiledProcess of a Gymnasium environment, step by step, with the successor that each transition really led to."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import gymnasium
import numpy as np

from regmdp._internal.arrays import Bool, Float
from regmdp._internal.errors import SampleError, SolverError

__all__ = ["Environments", "Steps"]


class Steps(NamedTuple):
    """One step of N copies.

    Attributes:
        observation: (N, inputs) what to act on next: after an end, the first observation of the
            next episode.
        reward: (N,) rewards.
        terminated: (N,) whether the episode ended: its value from here on is 0.
        truncated: (N,) whether it was only cut off: its value from here on is that of the
            successor.
        successor: (N, inputs) where the step led, also at an end.
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
        SolverError: if a space is of another kind.
    """

    def __init__(self, env: Any, count: int) -> None:
        make: Any = partial(_named, env) if isinstance(env, str) else env
        if not callable(make):
            raise SolverError(
                f"the environment must be a name or a function that makes one, not {env!r}"
            )
        makers: Any = [make] * count
        self._copies = gymnasium.vector.SyncVectorEnv(
            makers, autoreset_mode=gymnasium.vector.AutoresetMode.SAME_STEP
        )
        self.count = count
        self.space: Any = self._copies.single_observation_space
        self.actions: Any = self._copies.single_action_space
        self.n_inputs = _inputs(self.space)
        discrete, box = (
            isinstance(self.actions, kind)
            for kind in (gymnasium.spaces.Discrete, gymnasium.spaces.Box)
        )
        if not discrete and not (
            box and len(self.actions.shape or ()) == 1 and np.isfinite(self.actions.low).all()
        ):
            raise SolverError(
                f"actions must be discrete, or a vector in a finite box, not {self.actions}"
            )
        self.returns: list[float] = []
        self._running = np.zeros(count)
        self._steps = 0

    def reset(self, seed: int) -> Float[np.ndarray, "N inputs"]:
        """Begin new episodes and return their (N, inputs) first observations."""
        self._running[:] = 0.0
        observation, _ = self._copies.reset(seed=seed)
        return self._checked(observation)

    def step(self, actions: np.ndarray) -> Steps:
        """Take an action in each copy; where an episode ends the next one begins."""
        if isinstance(self.actions, gymnasium.spaces.Discrete):
            actions = actions + self.actions.start
        observation, reward, terminated, truncated, info = self._copies.step(actions)
        self._steps += self.count
        if not np.isfinite(reward).all():
            raise SampleError(
                f"the environment gave a reward of {reward[~np.isfinite(reward)][0]} at step "
                f"{self._steps}"
            )
        observation = self._checked(observation)
        successor, ended = observation, terminated | truncated
        self._running += reward
        if ended.any():
            successor = observation.copy()
            final = np.stack([info["final_obs"][copy] for copy in np.flatnonzero(ended)])
            successor[ended] = self._checked(final)
            self.returns.extend(self._running[ended].tolist())
            self._running[ended] = 0.0
        return Steps(
            observation, np.asarray(reward, dtype=np.float64), terminated, truncated, successor
        )

    def encode(self, observations: Any) -> Float[np.ndarray, "N inputs"]:
        """(N, …) observations -> (N, inputs) what networks see: numbers in a row, and a 1 among zeros for one of n."""
        observations = np.asarray(observations)
        if isinstance(self.space, gymnasium.spaces.Discrete):
            return (observations[..., None] - self.space.start == np.arange(self.space.n)).astype(
                np.float32
            )
        return observations.reshape(-1, self.n_inputs).astype(np.float32)

    def close(self) -> None:
        """Close all copies."""
        self._copies.close()

    def _checked(self, observations: np.ndarray) -> Float[np.ndarray, "N inputs"]:
        encoded = self.encode(observations)
        if not np.isfinite(encoded).all():
            copy, number = (int(i) for i in np.argwhere(~np.isfinite(encoded))[0])
            raise SampleError(
                f"the environment gave an observation with {encoded[copy, number]} as number "
                f"{number} at step {self._steps}"
            )
        return encoded


def _named(name: str) -> gymnasium.Env:
    """Make an environment by its name."""
    try:
        return gymnasium.make(name)
    except (gymnasium.error.Error, ModuleNotFoundError) as error:
        raise SolverError(f"there is no environment {name!r}: {error}") from error


def _inputs(space: Any) -> int:
    """Return the numbers in one observation."""
    if isinstance(space, gymnasium.spaces.Discrete):
        return int(space.n)
    if isinstance(space, gymnasium.spaces.Box):
        return int(np.prod(space.shape))
    raise SolverError(
        f"observations must be numbers in a box, or one of n, not {space}; wrap the environment to "
        "flatten them"
    )
