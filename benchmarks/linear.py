"""How the cost of a backup and of a solve grows with the number of transitions.

Run it with: python benchmarks/linear.py, or with --large for 10^8 transitions, which takes minutes
and needs 8 GiB.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import sys
import time
from collections.abc import Callable

import numpy as np

import regmdp as rm

ACTIONS, SUCCESSORS = 10, 10
FAMILIES: dict[str, Callable[[int], rm.MDP]] = {
    "Garnet": lambda transitions: rm.models.garnet(
        transitions // 100, ACTIONS, SUCCESSORS, rng=0, discount=0.99
    ),
    "gridworld": lambda transitions: rm.models.gridworld(
        *2 * (round((transitions / 12) ** 0.5),), discount=0.99
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--large", action="store_true", help="go on to 10^8 transitions, Garnets only"
    )
    sizes = [10**5, 10**6, 10**7]
    large = parser.parse_args().large
    print(
        f"{rm.get_num_threads()} threads; nanoseconds a transition; a solve is to 1e-8 of the "
        "largest value, certificate included"
    )
    head = (
        f"{'hard backup':>12} {'Shannon backup':>15} {'hard solve':>11} {'Shannon solve':>14} "
        f"{'GiB so far':>10}"
    )
    print(f"{'model':<10} {'transitions':>12} {head}")
    for name, build in FAMILIES.items():
        table = []
        for size in sizes + ([10**8] if large and name == "Garnet" else []):
            mdp = build(size)
            value = np.random.default_rng(0).standard_normal(mdp.n_states)
            # the largest value, up to what a rough solution leaves open; it also loads what is
            # loaded lazily
            scale = max(1.0, float(np.abs(rm.solve(mdp, tol=1e-2 * mdp.reward_bound).value).max()))
            row = [mdp.transitions.n_stored]
            both, once = (None, rm.Shannon(0.1)), 1 if size > 10**6 else 3
            row += [
                timed(lambda m=mdp, r=regularizer, v=value: rm.bellman.backup(m, r, v), 7)
                for regularizer in both
            ]
            row += [
                timed(lambda m=mdp, r=regularizer, t=1e-8 * scale: rm.solve(m, r, tol=t), once)
                for regularizer in both
            ]
            table.append(row)
            cells = [f"{1e9 * seconds / row[0]:.3g}" for seconds in row[1:]]
            print(
                f"{name:<10} {row[0]:>12,} {cells[0]:>12} {cells[1]:>15} {cells[2]:>11} "
                f"{cells[3]:>14} {peak():>10.2f}",
                flush=True,
            )
            del mdp
        logs = np.log(np.array(table))
        slopes = [f"{np.polyfit(logs[:, 0], logs[:, column], 1)[0]:.2f}" for column in range(1, 5)]
        print(
            f"{name:<10} {'slope':>12} {slopes[0]:>12} {slopes[1]:>15} {slopes[2]:>11} "
            f"{slopes[3]:>14}",
            flush=True,
        )


def peak() -> float:
    """Return the most memory that this process has had so far, what it takes to build the models
    included.
    """
    # macOS counts bytes
    return (
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        * (1 if sys.platform == "darwin" else 1024)
        / 2**30
    )


def timed(work: Callable[[], object], repetitions: int) -> float:
    """Return the median time of some repetitions, after one that is not counted."""
    taken = []
    for repetition in range(repetitions + (repetitions > 1)):
        begin = time.perf_counter()
        work()
        if repetition or repetitions == 1:
            taken.append(time.perf_counter() - begin)
    return statistics.median(taken)


if __name__ == "__main__":
    main()
