"""Valid calls of regularizers."""

from collections.abc import Callable

import numpy as np
from bad_input.fixtures import VALUE, half_square, half_square_entry, identity
from bad_input.surface import public_callables

import regmdp as rm

__all__ = ["CALLS"]

#: One regularizer of each class, under the name of the class.
INSTANCES: dict[str, Callable[[], rm.Regularizer]] = {
    "regmdp.KL": lambda: rm.KL(np.full((3, 2), 0.5), 0.5),
    "regmdp.Box": lambda: rm.Box(np.zeros(2), np.ones(2)),
    "regmdp.CapBarrier": lambda: rm.CapBarrier(np.array([True, False]), 0.5, 0.5),
    "regmdp.Convex": lambda: rm.Convex(half_square, identity, 0.5),
    "regmdp.LogBarrier": lambda: rm.LogBarrier(0.5),
    "regmdp.Renyi": lambda: rm.Renyi(0.5, 0.5),
    "regmdp.Separable": lambda: rm.Separable(half_square_entry, identity, 0.5),
    "regmdp.Shannon": lambda: rm.Shannon(0.5),
    "regmdp.SquaredL2": lambda: rm.SquaredL2(0.5),
    "regmdp.Sum": lambda: rm.Shannon(1.0) + rm.SquaredL2(1.0),
    "regmdp.Tsallis": lambda: rm.Tsallis(1.5, 0.5),
    "regmdp.Unregularized": rm.Unregularized,
    "regmdp.WeightedL1": lambda: rm.WeightedL1(np.array([0.5, 1.0]), 0.5),
    "regmdp.Regularizer": lambda: rm.Shannon(0.5),
}

#: The methods that return a constant for a number of actions, and their parameters.
CONSTANTS: dict[str, dict[str, object]] = {
    **{
        name: {"n_actions": 2}
        for name in (
            "bounds",
            "magnitude",
            "relative_strong_convexity",
            "rounding",
            "strong_convexity",
        )
    },
    "magnitude_within": {"n_actions": 2, "largest": 3.0},
    "rounding_within": {"n_actions": 2, "largest": 3.0},
}


def constant_calls() -> dict[str, Callable[[], dict[str, object]]]:
    """Return a call of each of these methods that a class defines itself."""
    return {
        f"{owner}.{method}": lambda make=make, given=given: {"self": make(), **given}
        for owner, make in INSTANCES.items()
        for method, given in CONSTANTS.items()
        if f"{owner}.{method}" in public_callables()
    }


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
    **constant_calls(),
}
