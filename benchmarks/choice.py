"""Seconds to estimate Rust's model from the files, by groups of buses: transitions, then utilities.

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
GROUPS = ((1, 2, 3), (4,), (1, 2, 3, 4))


def estimate(folder: Path, groups: tuple[int, ...]) -> choice.Estimates:
    """Read the files and estimate the model."""
    return choice.nested_fixed_point(choice.bus_engine_model(), choice.read_buses(folder, groups))


def main(folder: Path) -> None:
    """Print a table of the times."""
    print(
        "| groups | seconds, median (least, most) | with the imports, in a new process | models "
        "solved |"
    )
    print("|---|---|---|---|")
    for groups in GROUPS:
        taken, fresh = [], []
        for _ in range(REPETITIONS):
            begin = time.perf_counter()
            estimates = estimate(folder, groups)
            taken.append(time.perf_counter() - begin)
        for _ in range(3):
            begin = time.perf_counter()
            subprocess.run([sys.executable, __file__, str(folder), *map(str, groups)], check=True)
            fresh.append(time.perf_counter() - begin)
        name = ", ".join(map(str, groups))
        seconds = f"{statistics.median(taken):.3f} ({min(taken):.3f}, {max(taken):.3f})"
        print(
            f"| {name} | {seconds} | {statistics.median(fresh):.2f} | {estimates.iterations} |",
            flush=True,
        )


if __name__ == "__main__":
    if len(sys.argv) > 2:
        estimate(Path(sys.argv[1]), tuple(map(int, sys.argv[2:])))
    else:
        main(Path(sys.argv[1]))
