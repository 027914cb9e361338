"""The replay buffer of off-policy methods."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from regmdp._internal.array_files import take_array
from regmdp._internal.interrupts import hold_interrupts
from regmdp._internal.memory import require_memory
from regmdp.deep.environments import EnvironmentStep
from regmdp.deep.types import JaxArray

__all__ = ["ReplayBuffer", "Transitions"]


class Transitions(NamedTuple):
    """n transitions.

    Attributes:
        observation: (n, inputs) observations.
        action: n actions.
        reward: (n,) rewards.
        successor: (n, inputs) observations of the successors.
        terminated: (n,) 1 where the episode terminated, which a truncated one did not.
    """

    observation: JaxArray
    action: JaxArray
    reward: JaxArray
    successor: JaxArray
    terminated: JaxArray


class ReplayBuffer:
    """The last transitions, up to a given number; a new one overwrites the oldest.

    Args:
        size: The largest number of transitions.
        n_inputs: Length of an observation.
        action: An action, for its shape and dtype.

    Raises:
        InsufficientMemoryError: if there is not enough memory.
    """

    def __init__(self, size: int, n_inputs: int, action: np.ndarray) -> None:
        self.size, self.count, self._next = size, 0, 0
        size_of_one = 4.0 * (2 * n_inputs + 2 + np.size(action))
        require_memory(f"{size:,} transitions of the replay buffer", size * size_of_one)
        dtype = np.int32 if action.dtype.kind == "i" else np.float32
        self._arrays = {
            "observation": np.empty((size, n_inputs), dtype=np.float32),
            "action": np.empty((size, *action.shape), dtype=dtype),
            "reward": np.empty(size, dtype=np.float32),
            "successor": np.empty((size, n_inputs), dtype=np.float32),
            "terminated": np.empty(size, dtype=np.float32),
        }

    def add(self, observation: np.ndarray, action: np.ndarray, step: EnvironmentStep) -> None:
        """Add one step of N copies of the environment."""
        where = (self._next + np.arange(observation.shape[0])) % self.size
        new = {
            "observation": observation,
            "action": action,
            "reward": step.reward,
            "successor": step.successor,
            "terminated": step.terminated,
        }
        with hold_interrupts():
            for name, part in new.items():
                self._arrays[name][where] = part
            self._next = int(where[-1] + 1) % self.size
            self.count = min(self.count + observation.shape[0], self.size)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return the contents as arrays, for a file."""
        arrays = {name: array[: self.count] for name, array in self._arrays.items()}
        return {**arrays, "next": np.array(self._next)}

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Restore what :meth:`to_arrays` returned.

        Raises:
            KeyError: if an array is missing.
            ValueError: if the arrays are not those of a buffer of this size.
        """
        count = take_array(arrays, "reward", (None,)).size
        last = int(take_array(arrays, "next", (), "iu"))
        if count > self.size or not 0 <= last < self.size or (count < self.size and last != count):
            raise ValueError(
                f"the replay buffer holds {count} transitions up to number {last}, but its size is "
                f"{self.size}"
            )
        for name, array in self._arrays.items():
            found = take_array(arrays, name, (count, *array.shape[1:]), array.dtype.kind)
            if not np.isfinite(found).all():
                raise ValueError(f"the replay buffer holds entries of {name} that are not finite")
            array[:count] = found
        self._next, self.count = last, count

    def sample(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Transitions:
        """Draw transitions with replacement; the given shape comes first in each array."""
        where = rng.integers(self.count, size=shape)
        return Transitions(
            **{name: jnp.asarray(array[where]) for name, array in self._arrays.items()}
        )
