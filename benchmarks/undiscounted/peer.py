"""Storm, through its Python bindings: models from a file in its format, and its sound methods."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from guarded import Explored

__all__ = ["METHODS", "Answer", "load", "prepare", "read", "run_within", "write_drn"]

#: The methods for MDPs that bound their error, by their names in Storm.
METHODS = {
    "sound": "SOUND_VALUE_ITERATION",
    "optimistic": "OPTIMISTIC_VALUE_ITERATION",
    "interval": "INTERVAL_ITERATION",
    "topological": "TOPOLOGICAL",
}


def write_drn(
    path: Path, explored: Explored, labels: dict[str, np.ndarray], costs: dict[str, np.ndarray]
) -> None:
    """Write a model with its labels and costs."""
    rows = explored.rows
    targets, weights, ends = rows.indices.tolist(), rows.data.tolist(), rows.indptr.tolist()
    named = {name: set(np.flatnonzero(mask).tolist()) for name, mask in labels.items()}
    paid = list(zip(*(cost.tolist() for cost in costs.values()), strict=True))
    free = f"[{', '.join('0' * len(costs))}] " if costs else ""
    with path.open("w") as file:
        file.write(f"@type: MDP\n@parameters\n\n@reward_models\n{' '.join(costs)}\n")
        file.write(f"@nr_states\n{rows.shape[1]}\n@nr_choices\n{rows.shape[0]}\n@model\n")
        before, action = -1, 0
        for choice, state in enumerate(explored.source.tolist()):
            if state != before:
                marks = ["init"] * (state == 0) + [n for n, of in named.items() if state in of]
                file.write(f"state {state} {free}{' '.join(marks)}\n")
                before, action = state, 0
            cost = f" [{', '.join(map(repr, paid[choice]))}]" if paid else ""
            file.write(f"\taction {action}{cost}\n")
            action += 1
            for entry in range(ends[choice], ends[choice + 1]):
                file.write(f"\t\t{targets[entry]} : {weights[entry]!r}\n")


def load(path: Path) -> object:
    """Read a model."""
    import stormpy

    return stormpy.build_model_from_drn(str(path))


class Answer(NamedTuple):
    """(S,) values, and bounds on them."""

    value: np.ndarray
    lower: np.ndarray
    upper: np.ndarray


def prepare(
    model: object, formula: str, method: str, precision: float, relative: bool
) -> Callable[[], object]:
    """Return a function that solves a query in all states by a method."""
    import stormpy
    from stormpy import environments

    (asked,) = stormpy.parse_properties(formula)
    environment = environments.sound()
    solver = environment.solver().min_max()
    solver.method = getattr(environments.MinMaxMethod, METHODS[method])
    solver.precision = stormpy.Rational(repr(precision))
    solver.relative_termination_criterion = relative
    return lambda: stormpy.model_checking(
        model, asked, only_initial_states=False, environment=environment
    )


def read(found: Any) -> Answer:
    """Return the numbers of an answer."""
    value = np.array(found.get_value_vector())
    lower = np.array(found.get_lower_bound_vector()) if found.has_lower_bounds() else value
    upper = np.array(found.get_upper_bound_vector()) if found.has_upper_bounds() else value
    return Answer(value, lower, upper)


def run_within(run: Callable[[], object], limit: float) -> object | None:
    """Run with a limit in seconds, after which Storm is stopped, and return None then."""
    from stormpy import developer

    limit = max(1, round(limit))
    developer.install_signal_handler(60)
    developer.set_timeout_alarm(limit)
    begin = time.perf_counter()
    try:
        found = run()  # what it has, if it was stopped
    finally:
        developer.reset_timeout_alarm()
    return found if time.perf_counter() - begin < limit else None
