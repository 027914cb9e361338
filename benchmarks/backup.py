"""One regularized backup against SciPy's product P @ V alone: time, and memory beyond the result.

Run it with: python benchmarks/backup.py
"""

from __future__ import annotations

import tracemalloc

import numpy as np
from side_by_side import compare

import regmdp as rm

STATES, ACTIONS, SUCCESSORS = 100_000, 10, 10


def main() -> None:
    mdp = rm.models.garnet(STATES, ACTIONS, SUCCESSORS, rng=0, discount=0.99)
    rows = mdp.transitions.to_csr()
    value = np.random.default_rng(1).random(STATES)
    print(
        f"{STATES:,} states × {ACTIONS} actions × {SUCCESSORS} successors; time of one backup over "
        "time of P @ V alone"
    )
    reference = rm.uniform_policy(mdp)
    for regularizer in (None, rm.Shannon(0.1), rm.KL(reference, 0.1), rm.SquaredL2(0.1)):
        result = compare(
            lambda r=regularizer: rm.bellman.backup(mdp, r, value),
            lambda: rows @ value,
            repetitions=15,
        )
        tracemalloc.start()
        rm.bellman.backup(mdp, regularizer, value)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        name = "none" if regularizer is None else type(regularizer).__name__
        print(
            f"  {name:<10} {result.ratio():<44} {result.times():<34} peak "
            f"{peak / (8 * STATES * ACTIONS):.2f} of an (S, A) array"
        )


if __name__ == "__main__":
    main()
