"""Time of values for many destinations at once, which share one matrix, against one by one.

    OPENBLAS_NUM_THREADS=1 python benchmarks/routes.py

The network is a square of two-way streets. One by one is timed twice: with a new model for each
destination, which factorizes the matrix again, as a loop over a solver for one destination does;
and with one model, which keeps the factorization.
"""

from __future__ import annotations

import numpy as np
from side_by_side import compare

from regmdp.applications import routes

SIDE, DESTINATIONS, REPETITIONS = 50, 100, 5
PARAMETERS = np.array([-2.0, -2.0])


def make_features():
    """Return the features of a square network."""
    node = np.arange(SIDE * SIDE).reshape(SIDE, SIDE)
    across = np.column_stack((node[:, :-1].ravel(), node[:, 1:].ravel()))
    down = np.column_stack((node[:-1].ravel(), node[1:].ravel()))
    pairs = np.concatenate((across, down))
    start, end = np.concatenate((pairs, pairs[:, ::-1])).T
    rng = np.random.default_rng(0)
    network = routes.RoadNetwork(start, end, {"length": rng.uniform(0.5, 1.5, start.size)})
    return routes.LinkFeatures(
        network,
        {"length": routes.link_attribute(network, "length"), "U-turn": routes.u_turns(network)},
    )


def solve_at_once(features, nodes):
    """Solve for all destinations together."""
    return routes.RecursiveLogit(features, PARAMETERS).values(nodes)


def solve_with_new_models(features, nodes):
    """Solve for each destination with a new model."""
    return [routes.RecursiveLogit(features, PARAMETERS).values([node]) for node in nodes]


def solve_with_one_model(features, nodes):
    """Solve for each destination with the same model."""
    model = routes.RecursiveLogit(features, PARAMETERS)
    return [model.values([node]) for node in nodes]


def main():
    """Print a table."""
    features = make_features()
    nodes = np.random.default_rng(1).choice(SIDE * SIDE, size=DESTINATIONS, replace=False)
    joint = solve_at_once(features, nodes)
    separate = np.column_stack(solve_with_new_models(features, nodes[:5]))
    print(
        f"{features.network}; largest difference between both ways "
        f"{np.nanmax(np.abs(joint[:, :5] - separate)):.1e}"
    )
    print(
        "| one by one | times, one by one against at once | one by one / at once, median of the "
        "pairs |"
    )
    print("|---|---|---|")
    for name, other in (
        ("each with its own factorization", solve_with_new_models),
        ("with one factorization", solve_with_one_model),
    ):
        timed = time_both(features, nodes, other)
        print(f"| {name} | {timed.times()} | {timed.ratio()} |", flush=True)


def time_both(features, nodes, other):
    """Time both methods alternately."""
    return compare(
        lambda: other(features, nodes), lambda: solve_at_once(features, nodes), REPETITIONS
    )


if __name__ == "__main__":
    main()
