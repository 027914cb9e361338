"""Valid calls of models and the functions that solve them."""

from collections.abc import Callable

import numpy as np
from bad_input.fixtures import (
    MASK,
    POLICY,
    REWARDS,
    VALUE,
    listen,
    model,
    rng,
    sampled,
    transitions,
)

import regmdp as rm

__all__ = ["CALLS"]

CALLS: dict[str, Callable[[], dict[str, object]]] = {
    "regmdp.MDP": lambda: {
        "transitions": transitions(),
        "rewards": REWARDS,
        "discount": 0.9,
        "initial": np.array([0.5, 0.25, 0.25]),
        "available": MASK,
        "termination": np.zeros((3, 2)),
        "state_labels": ["a", "b", "c"],
        "normalize": False,
        "action_labels": ["left", "right"],
        "labels": {"goal": [2]},
    },
    "regmdp.MDP.from_action_matrices": lambda: {
        "matrices": np.moveaxis(transitions(), 1, 0),
        "rewards": REWARDS,
        "discount": 0.9,
        "initial": np.array([0.5, 0.25, 0.25]),
        "available": MASK,
        "termination": np.zeros((3, 2)),
        "state_labels": ["a", "b", "c"],
        "normalize": False,
        "action_labels": ["left", "right"],
        "labels": {"goal": [2]},
    },
    "regmdp.MDP.from_pairs": lambda: {
        "state": np.array([0, 1, 2]),
        "action": np.array([0, 1, 1]),
        "transitions": transitions()[:, 0],
        "rewards": VALUE,
        "discount": 0.9,
        "n_states": 3,
        "n_actions": 2,
        "initial": np.array([0.5, 0.25, 0.25]),
        "available": np.ones((3, 2), bool),
        "termination": np.zeros(3),
        "state_labels": ["a", "b", "c"],
        "normalize": False,
        "action_labels": ["left", "right"],
        "labels": {"goal": [2]},
    },
    "regmdp.solve": lambda: {
        "mdp": model(),
        "regularizer": rm.Shannon(0.1),
        "algorithm": rm.algorithms.ValueIteration(),
        "tol": 0.1,
        "absolute_tol": 0.1,
        "max_iterations": 3,
        "start": VALUE,
        "callback": listen,
    },
    "regmdp.solve#policy": lambda: {
        "mdp": model(),
        "regularizer": rm.Shannon(0.1),
        "tol": 0.1,
        "max_iterations": 3,
        "start": POLICY,
    },
    "regmdp.learn": lambda: {
        "source": model(),
        "regularizer": rm.Shannon(0.1),
        "algorithm": sampled(),
        "max_iterations": 2,
        "rng": rng(),
        "start": np.full((3, 2), 0.5),
        "callback": listen,
    },
    "regmdp.certify": lambda: {
        "mdp": model(),
        "regularizer": rm.Shannon(0.1),
        "policy": POLICY,
        "value": VALUE,
    },
    "regmdp.evaluate": lambda: {
        "mdp": model(),
        "policy": POLICY,
        "regularizer": rm.Shannon(0.1),
    },
    "regmdp.frontier": lambda: {
        "mdp": model(),
        "reference": np.full((3, 2), 0.5),
        "temperatures": [0.5, 1.0],
        "tol": 0.1,
        "absolute_tol": 0.1,
        "callback": listen,
    },
    "regmdp.occupancy": lambda: {"mdp": model(), "policy": POLICY},
    "regmdp.induced_chain": lambda: {
        "mdp": model(),
        "policy": POLICY,
        "regularizer": rm.Shannon(0.1),
    },
    "regmdp.visits": lambda: {"mdp": model(), "policy": POLICY},
    "regmdp.uniform_policy": lambda: {"mdp": model(), "regularizer": rm.Shannon(0.1)},
    "regmdp.set_num_threads": lambda: {"count": 1},
    "regmdp.get_num_threads": lambda: {},
    "regmdp.certificates.check_confidence": lambda: {"confidence": 0.5},
    "regmdp.certificates.empirical_bernstein_radius": lambda: {
        "count": np.array([3.0, 5.0]),
        "variance": np.array([0.5, 0.5]),
        "width": np.array([1.0, 2.0]),
        "delta": 0.1,
        "sides": 2,
    },
    "regmdp.certificates.enough_samples": lambda: {"inequality": "hoeffding", "delta": 0.1},
    "regmdp.certificates.hoeffding_radius": lambda: {
        "count": np.array([3.0, 5.0]),
        "width": np.array([1.0, 2.0]),
        "delta": 0.1,
        "sides": 2,
    },
}
