"""The memory of methods that learn from what any policy did."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from regmdp._internal.arrays import Array
from regmdp.deep.environments import Steps

__all__ = ["Memory", "Transitions"]


class Transitions(NamedTuple):
    """n remembered transitions: (n, inputs) observations, n actions, (n,) rewards, (n, inputs) successors, (n,) terminated."""

    observation: Array
    action: Array
    reward: Array
    successor: Array
    terminated: Array


class Memory:
    """The last transitions, up to a number of them; the oldest are overwritten.

    A cut-off episode is not a terminated one.

    Args:
        size: How many are kept.
        n_inputs: Numbers in an observation.
        action: An action, for its shape and kind.
    """

    def __init__(self, size: int, n_inputs: int, action: Any) -> None:
        self.size, self.count, self._next = size, 0, 0
        self._kept = Transitions(
            np.empty((size, n_inputs), dtype=np.float32),
            np.empty(
                (size, *action.shape), dtype=np.int32 if action.dtype.kind == "i" else np.float32
            ),
            np.empty(size, dtype=np.float32),
            np.empty((size, n_inputs), dtype=np.float32),
            np.empty(size, dtype=np.float32),
        )

    def add(self, observation: np.ndarray, action: np.ndarray, steps: Steps) -> None:
        """Remember one step of N copies."""
        where = (self._next + np.arange(observation.shape[0])) % self.size
        new = (observation, action, steps.reward, steps.successor, steps.terminated)
        for kept, part in zip(self._kept, new, strict=True):
            kept[where] = part
        self._next = int(where[-1] + 1) % self.size
        self.count = min(self.count + observation.shape[0], self.size)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return all that is remembered, for a file."""
        kept = {name: array[: self.count] for name, array in self._kept._asdict().items()}
        return {**kept, "next": np.array(self._next)}

    def fill(self, arrays: dict[str, np.ndarray]) -> None:
        """Take back what :meth:`arrays` gave."""
        self._next, self.count = int(arrays["next"]), arrays["reward"].shape[0]
        for name, array in self._kept._asdict().items():
            array[: self.count] = arrays[name]

    def drawn(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Transitions:
        """Draw transitions with replacement; each of its arrays begins with the shape."""
        where = rng.integers(self.count, size=shape)
        return Transitions(*(kept[where] for kept in self._kept))
