"""Valid calls of the functions of ``regmdp.theory``, from one value of each parameter."""

import inspect
from collections.abc import Callable
from functools import cache, partial

import numpy as np
from bad_input.fixtures import POLICY, VALUE, Q, model, rng

import regmdp as rm
from regmdp import theory

__all__ = ["CALLS"]

UNIFORM = np.full((3, 2), 0.5)


@cache
def optimum(regularized: bool = True) -> theory.Optimum:
    """Return the optimum of the model."""
    return theory.compute_optimum(model(), rm.Shannon(0.1) if regularized else None)


@cache
def run() -> theory.Trace:
    """Return the trace of a run."""
    algorithm = rm.algorithms.NPG(0.5)
    return theory.trace(model(), rm.Shannon(0.1), algorithm, max_iterations=3)


def trajectory() -> theory.SimplexTrajectory:
    """Return a run of mirror descent on the simplex."""
    start = np.array([0.5, 0.25, 0.25])
    return theory.mirror_descent_on_simplex(
        np.array([1.0, 0.5, 0.0]), start, rm.Shannon(1.0), step_size=0.5, iterations=3
    )


#: One good value of each parameter.
ARGUMENTS: dict[str, Callable[[], object]] = {
    "mdp": model,
    "regularizer": lambda: rm.Shannon(0.1),
    "algorithm": lambda: rm.algorithms.NPG(0.5),
    "mirror": lambda: rm.Shannon(1.0),
    "optimum": optimum,
    "start": lambda: UNIFORM,
    "policy": lambda: POLICY,
    "other": lambda: UNIFORM,
    "value": lambda: VALUE,
    "q": lambda: Q,
    "run": run,
    "rng": rng,
    "initial": lambda: 0.5,
    "iterations": lambda: 3,
    "max_iterations": lambda: 3,
    "lookahead": lambda: 1,
    "step_size": lambda: 0.5,
    "accuracy": lambda: 0.1,
    "share": lambda: 0.5,
    "discount": lambda: 0.9,
    "temperature": lambda: 0.1,
    "weight": lambda: 0.5,
    "modulus": lambda: 1.0,
    "error": lambda: 0.1,
    "evaluation_error": lambda: 0.1,
    "subproblem_gap": lambda: 0.1,
    "quantity": lambda: "value",
    "errors": lambda: np.array([0.1, 0.1, 0.1]),
    "step_sizes": lambda: np.array([1.0, 2.0, 4.0]),
    "constants": lambda: np.array([0.5, 0.5, 0.5]),
    "smallest_probabilities": lambda: np.array([0.5, 0.4, 0.3]),
    "distribution": lambda: np.array([0.5, 0.25, 0.25]),
    "statements": lambda: theory.STATEMENTS,
    "gradient": lambda: np.array([1.0, 0.5, 0.0]),
    "comparator": lambda: np.array([0.0, 0.0, 1.0]),
}

#: Functions with a valid call of their own: arguments that differ from those above.
SPECIAL: dict[str, dict[str, Callable[[], object]]] = {
    "monotone_improvement": {"policy": lambda: UNIFORM},
    "mirror_descent_on_simplex": {"start": lambda: np.array([0.5, 0.25, 0.25])},
    "mirror_descent_regret": {"run": trajectory},
    "mirror_descent_regret_bound": {"run": trajectory},
    "trace": {"rng": lambda: None},
    "softmax_pg_bound": {"step_size": lambda: 1e-5},
    "linear_system": {"q": lambda: np.stack([Q, Q])},
}


def _make_arguments(name: str) -> dict[str, object]:
    """Return good values of all parameters of a function."""
    names = list(inspect.signature(getattr(theory, name)).parameters)
    makers = ARGUMENTS | SPECIAL.get(name, {})
    arguments = {parameter: makers[parameter]() for parameter in names}
    if "regularizer" not in names and "optimum" in names:
        arguments["optimum"] = optimum(regularized=False)
    return arguments


def _functions() -> list[str]:
    """Return the functions all of whose parameters have a good value."""
    return [
        name
        for name in theory.__all__
        if inspect.isfunction(getattr(theory, name))
        and inspect.signature(getattr(theory, name)).parameters.keys() <= ARGUMENTS.keys()
    ]


CALLS = {f"regmdp.theory.{name}": partial(_make_arguments, name) for name in _functions()}
