"""Values of many destinations at once, against one after another: what it is worth that one matrix
serves them all.

    OPENBLAS_NUM_THREADS=1 python benchmarks/routes.py

The network is a square of two-way streets. One after another is timed twice: with a new model for
each destination, so that each has its own factorization, as a loop over a solver for one
destination has; and on one model, which keeps it.
"""

from __future__ import annotations

import numpy as np
from side_by_side import compare

from regmdp.applications import routes

SIDE, DESTINATIONS, REPETITIONS = 50, 100, 5
PARAMETERS = np.array([-2.0, -2.0])


def network():
    """Return the network and its features."""
    node = np.arange(SIDE * SIDE).reshape(SIDE, SIDE)
    across = np.column_stack((node[:, :-1].ravel(), node[:, 1:].ravel()))
    down = np.column_stack((node[:-1].ravel(), node[1:].ravel()))
    pairs = np.concatenate((across, down))
    start, end = np.concatenate((pairs, pairs[:, ::-1])).T
    rng = np.random.default_rng(0)
    made = routes.RoadNetwork(start, end, {"length": rng.uniform(0.5, 1.5, start.size)})
    return routes.LinkFeatures(
        made, {"length": routes.link_attribute(made, "length"), "U-turn": routes.u_turns(made)}
    )


def at_once(features, nodes):
    """Solve for all of them."""
    return routes.RecursiveLogit(features, PARAMETERS).values(nodes)


def each_anew(features, nodes):
    """Solve for one after another, each with a model of its own."""
    return [routes.RecursiveLogit(features, PARAMETERS).values([node]) for node in nodes]


def each_in_turn(features, nodes):
    """Solve for one after another, with one model."""
    model = routes.RecursiveLogit(features, PARAMETERS)
    return [model.values([node]) for node in nodes]


def main():
    """Print a table."""
    features = network()
    nodes = np.random.default_rng(1).choice(SIDE * SIDE, size=DESTINATIONS, replace=False)
    together = at_once(features, nodes)
    apart = np.column_stack(each_anew(features, nodes[:5]))
    print(
        f"{features.network}; largest difference between both ways "
        f"{np.nanmax(np.abs(together[:, :5] - apart)):.1e}"
    )
    print(
        "| one after another | times, one after another against at once | one after another / at "
        "once, median of the pairs |"
    )
    print("|---|---|---|")
    for name, other in (
        ("each with its own factorization", each_anew),
        ("with one factorization", each_in_turn),
    ):
        timed = timings(features, nodes, other)
        print(f"| {name} | {timed.times()} | {timed.ratio()} |", flush=True)


def timings(features, nodes, other):
    """Time both ways in turn."""
    return compare(lambda: other(features, nodes), lambda: at_once(features, nodes), REPETITIONS)


if __name__ == "__main__":
    main()
