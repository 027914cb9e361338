"""Valid calls of what reads Gymnasium's environments, and writes models in parts."""

import tempfile
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import ClassVar

import gymnasium
import numpy as np
from bad_input.fixtures import MASK, REWARDS, transitions

import regmdp as rm

__all__ = ["CALLS", "close_writers"]


class Corridor:
    """An environment of two states with a table, which needs no package."""

    P: ClassVar = {
        0: {0: [(1.0, 0, 0.0, False)], 1: [(0.5, 1, 1.0, False), (0.5, 0, 0.0, False)]},
        1: {0: [(1.0, 1, 0.0, True)], 1: [(1.0, 0, 2.0, False)]},
    }


def vector_env() -> gymnasium.vector.VectorEnv:
    """Return two frozen lakes."""
    return gymnasium.make_vec("FrozenLake-v1", num_envs=2)


_opened = ExitStack()


def open_writer() -> rm.io.ModelWriter:
    """Return a writer of a model of three states, of which none is written yet."""
    path = Path(tempfile.mkdtemp(dir=".")) / "model"
    writer = rm.io.ModelWriter(path, 3, 2, discount=0.9)
    _opened.enter_context(suppress(rm.ModelError))  # the model is not complete
    return _opened.enter_context(writer)


def close_writers() -> None:
    """Close the writers that were opened."""
    _opened.close()


ENVIRONMENT: dict[str, object] = {
    "discount": 0.5,
    "available": np.ones((16, 4), bool),
    "initial": np.full(16, 1 / 16),
    "state_labels": [f"s{i}" for i in range(16)],
    "action_labels": ["left", "down", "right", "up"],
}

CALLS: dict[str, Callable[[], dict[str, object]]] = {
    "regmdp.io.from_gymnasium": lambda: {"env": Corridor(), "discount": 0.5, "normalize": True},
    "regmdp.io.from_gymnasium#id": lambda: {"env": "FrozenLake-v1", "discount": 0.5},
    "regmdp.io.time_limit_note": lambda: {"env": "FrozenLake-v1"},
    "regmdp.io.from_vector_env": lambda: {"env": vector_env(), **ENVIRONMENT},
    "regmdp.io.Environment": lambda: {"env": vector_env(), **ENVIRONMENT},
    "regmdp.io.ModelWriter.write": lambda: {
        "self": open_writer(),
        "rows": transitions().reshape(6, 3) * np.repeat([1.0, 1.0, 0.5], 2)[:, None],
        "rewards": REWARDS,
        "available": MASK,
        "termination": np.repeat([0.0, 0.0, 0.5], 2).reshape(3, 2),
    },
}
