"""Valid calls of simulators, logged data and estimates from them."""

from collections.abc import Callable

import numpy as np
from bad_input.fixtures import MASK, POLICY, VALUE, draw_next, log, model, rng

import regmdp as rm

__all__ = ["CALLS"]

CALLS: dict[str, Callable[[], dict[str, object]]] = {
    "regmdp.certify_from_samples": lambda: {
        "source": model(),
        "regularizer": rm.Shannon(0.1),
        "value": VALUE,
        "policy": POLICY,
        "samples": 20,
        "rng": rng(),
        "counts": "random",
        "confidence": 0.9,
        "inequality": "hoeffding",
        "reward_range": (0.0, 2.0),
        "may_terminate": False,
    },
    "regmdp.certify_from_samples#data": lambda: {
        "source": rm.samples.OfflineMDP(log(), 0.9),
        "value": VALUE,
        "data": rm.samples.Dataset.from_pairs(model(), 200, rng()),
        "reward_range": (0.0, 2.0),
    },
    "regmdp.samples.Dataset.from_columns": lambda: {
        "ignore": ["weight"],
        "columns": {
            "state": log().state,
            "action": log().action,
            "reward": log().reward,
            "next_state": log().next_state,
            "weight": np.ones(len(log())),
        },
        "n_states": 3,
        "n_actions": 2,
    },
    "regmdp.samples.Dataset.from_pairs": lambda: {"source": model(), "samples": 3, "rng": rng()},
    "regmdp.samples.Dataset.from_episodes": lambda: {
        "source": model(),
        "policy": np.full((3, 2), 0.5),
        "episodes": 2,
        "max_steps": 3,
        "rng": rng(),
    },
    "regmdp.samples.OfflineMDP": lambda: {
        "data": log(),
        "discount": 0.5,
        "n_states": 3,
        "n_actions": 2,
        "available": np.ones((3, 2), bool),
        "initial": np.array([0.5, 0.25, 0.25]),
        "state_labels": ["a", "b", "c"],
        "action_labels": ["left", "right"],
    },
    "regmdp.samples.TableSimulator": lambda: {"mdp": model()},
    "regmdp.samples.TransitionSampler": lambda: {"mdp": model()},
    "regmdp.samples.UserSimulator": lambda: {
        "sample": draw_next,
        "n_states": 3,
        "n_actions": 2,
        "discount": 0.5,
        "initial": np.array([0.5, 0.25, 0.25]),
        "available": MASK,
        "reward_range": (0.0, 1.0),
        "state_labels": ["a", "b", "c"],
        "action_labels": ["left", "right"],
    },
    "regmdp.samples.as_simulator": lambda: {"source": model()},
    "regmdp.samples.RandomStreams": lambda: {"generators": [rng(0), rng(1)]},
    "regmdp.off_policy.estimate_value": lambda: {
        "data": log(),
        "policy": POLICY,
        "regularizer": rm.Shannon(0.1),
        "discount": 0.5,
        "process": model(),
        "method": "doubly-robust",
        "interval": "finite-sample",
        "confidence": 0.5,
        "reward_range": (0.0, 2.0),
        "horizon": 3,
        "max_unseen": 0.5,
    },
}
