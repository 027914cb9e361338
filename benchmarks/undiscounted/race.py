"""The queries of one case, solved by regmdp and by Storm in turn, in one process.

Run by ``run.py``; prints a line of JSON for each query.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import peer
from cases import CASES, Case, Query

import regmdp as rm

__all__ = ["TOLERANCE"]

TOLERANCE = 1e-8
#: What Storm's precision refers to: the value of each state, or the largest of all, as regmdp's.
RELATIVE, ABSOLUTE = "relative", "absolute"
#: Rounding of values in Storm, relative to the largest, that its bounds do not allow for.
ROUNDING = 1e-11


def main() -> None:
    name, repetitions, limit = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    case = next(case for case in CASES if case.name == name)
    explored = case.explore()
    labels, costs = case.label(explored), case.price(explored)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.drn"
        peer.write_drn(path, explored, labels, costs)
        model = peer.load(path)
    rm.solve(rm.models.chain(5), tol=1e-3)  # what is loaded lazily is loaded
    for query in case.queries:
        mdp = query.model(explored, labels, costs)
        record = _race(case, query, mdp, model, ~labels[query.goal], repetitions, limit)
        sizes = {"states": len(explored.states), "transitions": int(explored.rows.nnz)}
        print(json.dumps(sizes | record), flush=True)


def _race(
    case: Case,
    query: Query,
    mdp: rm.MDP,
    model: object,
    compared: np.ndarray,
    repetitions: int,
    limit: float,
) -> dict[str, Any]:
    """Time a query in turn, and compare the values of all states but some."""
    solution, first = _time(lambda: rm.solve(mdp, tol=TOLERANCE))
    sign, certificate = (1.0 if query.most else -1.0), solution.certificate
    bounds = [certificate.lower, certificate.upper]
    if not query.most:
        bounds = [-certificate.upper, -certificate.lower]
    size = float(np.max(np.abs(solution.value[np.isfinite(solution.value)]), initial=0.0))
    seconds: dict[str, list[float]] = {"regmdp": [first]}
    runs: dict[str, Callable[[], object]] = {"regmdp": lambda: rm.solve(mdp, tol=TOLERANCE)}
    apart, limit = {}, max(limit, 3.0 * first)
    for criterion, precision in ((RELATIVE, TOLERANCE), (ABSOLUTE, TOLERANCE * size)):
        for method in peer.METHODS:
            key = f"{method}, {criterion}"
            relative = criterion == RELATIVE
            if f"{method}, {RELATIVE}" in seconds and f"{method}, {RELATIVE}" not in runs:
                seconds[key] = seconds[f"{method}, {RELATIVE}"]  # it would be stopped again
                continue
            run = peer.prepare(model, query.formula, method, precision, relative)
            found, taken = _time(lambda run=run: peer.run_within(run, limit))
            seconds[key] = [taken]
            if found is not None:
                runs[key] = run
                apart[key] = _distance(peer.read(found), bounds, compared) / (size or 1.0)
    for _ in range(repetitions - 1):
        for key, run in runs.items():
            seconds[key].append(_time(run)[1])
    return {
        "case": case.name,
        "query": query.name,
        "formula": query.formula,
        "size": size,
        "status": solution.status.word,
        "gap": certificate.gap,
        "value": sign * float(solution.value[0]),
        "limit": limit,
        "seconds": seconds,
        "unfinished": [key for key in seconds if key not in runs],
        "apart": apart,
        "disagree": [key for key, distance in apart.items() if distance > ROUNDING],
    }


def _time(function: Callable[[], Any]) -> tuple[Any, float]:
    begin = time.process_time()  # on one thread, whatever else the machine does
    result = function()
    return result, time.process_time() - begin


def _distance(answer: peer.Answer, bounds: list[np.ndarray], compared: np.ndarray) -> float:
    """Return how far the interval of a state is from ours; ∞ if one is infinite, ours is not."""
    lower, upper = (bound[compared] for bound in bounds)
    theirs = [array[compared] for array in answer]
    infinite = np.isinf(lower)
    if not all(np.array_equal(np.isinf(array), infinite) for array in (theirs[0], upper)):
        return float("inf")
    known = ~infinite
    below = lower[known] - np.maximum(theirs[0], theirs[2])[known]
    above = np.minimum(theirs[0], theirs[1])[known] - upper[known]
    return float(max(below.max(initial=0.0), above.max(initial=0.0)))


if __name__ == "__main__":
    main()
