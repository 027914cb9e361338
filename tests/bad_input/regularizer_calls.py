"""Valid calls of regularizers."""

from collections.abc import Callable

import numpy as np
from bad_input.fixtures import (
    MASK,
    POLICY,
    REWARDS,
    VALUE,
    Q,
    half_square,
    half_square_entry,
    identity,
)
from bad_input.surface import public_callables

import regmdp as rm

__all__ = ["CALLS"]

#: One regularizer of each class, under the name of the class.
INSTANCES: dict[str, Callable[[], rm.Regularizer]] = {
    "regmdp.KL": lambda: rm.KL(np.full((3, 2), 0.5), 0.5),
    "regmdp.Box": lambda: rm.Box(np.zeros(2), np.ones(2)),
    "regmdp.CapBarrier": lambda: rm.CapBarrier(np.array([False, True]), 0.5, 0.5),
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

OTHER = np.array([[0.25, 0.75], [0.5, 0.5], [1.0, 0.0]])
INSIDE = np.array([[0.25, 0.75], [0.5, 0.5], [0.75, 0.25]])

#: The methods that take arrays, and their parameters.
ARRAYS: dict[str, dict[str, object]] = {
    **{
        name: {"p": POLICY, "available": MASK}
        for name in ("value", "cost", "subgradient", "inverse_second_derivative")
    },
    "second_derivatives": {"p": POLICY},
    "divergence": {"p": POLICY, "q": OTHER, "xi": Q, "available": MASK},
    "gradient_divergence": {"p": POLICY, "q": OTHER, "available": MASK},
    "terms": {"p": INSIDE},
    "derivatives": {"p": INSIDE, "log_p": np.log(INSIDE)},
    "divergence_terms": {"p": INSIDE, "q": OTHER},
    **{name: {"y": Q, "available": MASK} for name in ("greedy", "conjugate")},
    "hessian_vector_product": {"y": Q, "direction": REWARDS, "available": MASK},
    **{name: {"q": Q, "available": MASK} for name in ("maximum", "maximiser", "best")},
    "maximiser_jvp": {"q": Q, "direction": REWARDS, "available": MASK},
    **{name: {"available": MASK} for name in ("centre", "domain")},
    **{name: {"available": np.ones((3, 2), bool)} for name in ("check", "require_feasible")},
    "at": {"states": 1},
    "at#slice": {"states": slice(1, 3)},
    "at#array": {"states": np.array([2, 0])},
}

#: Another object than that of the class, where its own calls would not succeed.
OTHERS: dict[str, Callable[[], rm.Regularizer]] = {
    "regmdp.regularizers.SeparableRegularizer": lambda: rm.Shannon(VALUE),
}


def method_calls() -> dict[str, Callable[[], dict[str, object]]]:
    """Return a call of each of these methods that a class defines itself."""
    return {
        f"{owner}.{method}": lambda make=make, given=given: {"self": make(), **given}
        for owner, make in (INSTANCES | OTHERS).items()
        for method, given in (CONSTANTS | ARRAYS).items()
        if f"{owner}.{method.partition('#')[0]}" in public_callables()
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
    **method_calls(),
}
