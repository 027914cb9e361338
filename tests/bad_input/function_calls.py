"""Valid calls of models from functions, and of their dimensions."""

from collections.abc import Callable

import numpy as np
from bad_input.fixtures import model

import regmdp as rm

__all__ = ["CALLS"]


def step(stock, order, demand):
    """Return the stock of the next day, and the profit."""
    return np.clip(stock + order - demand, 0, 2), demand - 0.5 * order


def layout() -> rm.DimensionLayout:
    """Return three states and two actions with names."""
    return rm.DimensionLayout({"stock": range(3)}, {"order": range(2)})


CALLS: dict[str, Callable[[], dict[str, object]]] = {
    "regmdp.MDP.from_function": lambda: {
        "function": step,
        "states": {"stock": range(3)},
        "actions": {"order": range(2)},
        "discount": 0.9,
        "outcomes": {"demand": {0: 0.5, 1: 0.5}},
        "clip": True,
        "initial": np.array([0.5, 0.25, 0.25]),
        "labels": {"empty": [0]},
        "storage": "sparse",
    },
    "regmdp.MDP.from_reachable": lambda: {
        "initial": 0,
        "actions": [0, 1],
        "successors": lambda state, action: [(1.0, 0, 0.5)],
        "discount": 0.9,
        "state_names": ["place"],
        "labels": {"first": lambda state: state == 0},
        "max_states": 10,
    },
    "regmdp.DimensionLayout": lambda: {
        "states": {"stock": range(3)},
        "actions": {"order": range(2)},
        "positions": np.array([[0], [2], [1]]),
    },
    "regmdp.DimensionLayout.state_coordinates": lambda: {
        "self": layout(),
        "states": np.array([0, 2]),
    },
    "regmdp.DimensionLayout.action_coordinates": lambda: {
        "self": layout(),
        "actions": np.array([0, 1]),
    },
    "regmdp.DimensionLayout.describe_state": lambda: {"self": layout(), "state": 1},
    "regmdp.DimensionLayout.describe_action": lambda: {"self": layout(), "action": 1},
    "regmdp.Solution.policy_frame": lambda: {"self": rm.solve(model()), "min_probability": 0.5},
    "regmdp.Table.to_csv": lambda: {
        "self": rm.Table({"stock": np.arange(2)}),
        "path": "policy.csv",
    },
}
