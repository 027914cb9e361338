"""Seconds to estimate Rust's model from the files, by groups of buses, with standard errors.

    python benchmarks/choice.py FOLDER      (with the files of the bus data)

Each estimation is also timed in a new process, with the imports. There is no other implementation
to compare with: the replication package is not on the package index, where its name belongs to
another project.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

from regmdp.applications import choice

REPETITIONS = 9
#: Groups of buses, numbers of bins, and by how many bins at most a month adds, plus one.
CASES = (
    ((1, 2, 3), 90, 3),
    ((4,), 90, 3),
    ((1, 2, 3, 4), 90, 3),
    ((1, 2, 3), 175, 5),
    ((1, 2, 3, 4), 175, 6),
)


def estimate(
    folder: Path, groups: tuple[int, ...], n_bins: int, n_increments: int
) -> choice.Estimates:
    """Read the files, estimate the model, and compute the standard errors."""
    model = choice.bus_engine_model(n_bins=n_bins, n_increments=n_increments)
    estimates = choice.nested_fixed_point(model, choice.read_buses(folder, groups, n_bins=n_bins))
    estimates.standard_errors()
    return estimates


def main(folder: Path) -> None:
    """Print a table of the times."""
    print(
        "| groups | bins | seconds, median (least, most) | CPU seconds | with the imports, in a "
        "new process | models solved |"
    )
    print("|---|---|---|---|---|---|")
    for groups, n_bins, n_increments in CASES:
        taken, busy, fresh = [], [], []
        for _ in range(REPETITIONS):
            begin, begin_busy = time.perf_counter(), time.process_time()
            estimates = estimate(folder, groups, n_bins, n_increments)
            taken.append(time.perf_counter() - begin)
            busy.append(time.process_time() - begin_busy)
        for _ in range(3):
            begin = time.perf_counter()
            numbers = [n_bins, n_increments, *groups]
            subprocess.run([sys.executable, __file__, str(folder), *map(str, numbers)], check=True)
            fresh.append(time.perf_counter() - begin)
        name = ", ".join(map(str, groups))
        seconds = f"{statistics.median(taken):.3f} ({min(taken):.3f}, {max(taken):.3f})"
        print(
            f"| {name} | {n_bins} | {seconds} | {statistics.median(busy):.3f} | "
            f"{statistics.median(fresh):.2f} | {estimates.iterations} |",
            flush=True,
        )


if __name__ == "__main__":
    if len(sys.argv) > 2:
        n_bins, n_increments, *groups = map(int, sys.argv[2:])
        estimate(Path(sys.argv[1]), tuple(groups), n_bins, n_increments)
    else:
        main(Path(sys.argv[1]))
