"""Valid calls of regularizers."""

from collections.abc import Callable

import numpy as np
from bad_input.fixtures import VALUE, half_square, half_square_entry, identity

import regmdp as rm

__all__ = ["CALLS"]

CALLS: dict[str, Callable[[], dict[str, object]]] = {
    "regmdp.KL": lambda: {"reference": np.full((3, 2), 0.5), "temperature": VALUE},
    "regmdp.Box": lambda: {"lower": np.zeros(2), "upper": np.ones(2)},
    "regmdp.CapBarrier": lambda: {
        "mask": np.array([True, False]),
        "cap": np.array([0.5, 0.25, 0.75]),
        "temperature": 0.5,
    },
    "regmdp.Convex": lambda: {
        "function": half_square,
        "gradient": identity,
        "temperature": 0.5,
        "parameters": {},
    },
    "regmdp.LogBarrier": lambda: {"temperature": 0.5},
    "regmdp.Renyi": lambda: {"alpha": 0.5, "temperature": 0.5},
    "regmdp.Separable": lambda: {
        "phi": half_square_entry,
        "slope": identity,
        "temperature": 0.5,
        "curvature": np.ones_like,
        "parameters": {},
    },
    "regmdp.Shannon": lambda: {"temperature": VALUE},
    "regmdp.SquaredL2": lambda: {"temperature": 0.5},
    "regmdp.Sum": lambda: {"parts": [rm.Shannon(1.0), rm.SquaredL2(1.0)], "temperature": 0.5},
    "regmdp.Tsallis": lambda: {"q": 1.5, "temperature": 0.5},
    "regmdp.Unregularized": lambda: {},
    "regmdp.WeightedL1": lambda: {"weights": np.array([0.5, 1.0]), "temperature": 0.5},
}
