"""Time and memory of processes that share a model, on one machine.

Run it with: python benchmarks/distributed/run.py [STATES [REPEATS]]. It needs the extra mpi, and a
folder for the model: 1.4 GB for a million states. Every variant is timed in turn, and the medians
are compared; the memory is the largest of each process, mapped files included.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import scipy.sparse as sp

import regmdp as rm
from regmdp._internal.mpi import join_launched

N_ACTIONS, BRANCHING, DISCOUNT = 10, 10, 0.99
#: Processes and threads of each; the first one is what a single program does.
VARIANTS = ((0, 1), (0, 2), (1, 1), (2, 1), (4, 1))
STATES_AT_ONCE = 20_000


def write_garnet(path: Path, n_states: int) -> None:
    """Write a random model some states at a time."""
    rng = np.random.default_rng(0)
    with rm.io.ModelWriter(path, n_states, N_ACTIONS, DISCOUNT, normalize=True) as writer:
        for first in range(0, n_states, STATES_AT_ONCE):
            count = min(STATES_AT_ONCE, n_states - first)
            shape = (count * N_ACTIONS, BRANCHING)
            # distinct successors: one in each of as many equal parts
            part = n_states // BRANCHING
            successors = rng.integers(0, part, size=shape) + part * np.arange(BRANCHING)
            weights = rng.exponential(size=shape)
            weights /= weights.sum(axis=1, keepdims=True)
            pointers = np.arange(0, successors.size + 1, BRANCHING)
            rows = sp.csr_array(
                (weights.ravel(), successors.ravel(), pointers), shape=(shape[0], n_states)
            )
            writer.write(rows, rng.random((count, N_ACTIONS)))


def read_peak() -> float:
    """Return the peak memory of this process in MiB."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return 0.0


def solve(path: str, temperature: float) -> None:
    """Solve in this process, or in all that mpiexec has started, and print what it took."""
    ranks = join_launched()
    base = read_peak()
    mdp = rm.io.open_distributed(path) if ranks.size > 1 else rm.io.open_mapped(path)
    regularizer = rm.Shannon(temperature) if temperature else None
    begin = time.perf_counter()
    solution = rm.solve(mdp, regularizer)
    seconds = time.perf_counter() - begin
    peaks = ranks.collect("peaks", lambda: read_peak() - base)
    cpu = ranks.collect("cpu", time.process_time)
    if ranks.leads:
        result = {"seconds": seconds, "peaks": peaks, "cpu": cpu}
        result |= {"status": solution.status.word, "bits": solution.value.tobytes().hex()[:64]}
        print(json.dumps(result))


def run(path: Path, temperature: float, processes: int, threads: int) -> dict:
    command = [sys.executable, __file__, "--solve", str(path), str(temperature)]
    if processes:
        command = ["mpiexec", "-n", str(processes), *command]
    environment = {**os.environ, "REGMDP_NUM_THREADS": str(threads), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    if "--solve" in sys.argv:
        solve(sys.argv[2], float(sys.argv[3]))
        return
    n_states = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    repeats = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "garnet"
        write_garnet(path, n_states)
        print(f"{n_states:,} states, {N_ACTIONS} actions, {BRANCHING} successors", flush=True)
        print(
            f"{'regularizer':<12}{'processes':>10}{'threads':>8}{'seconds':>9}{'CPU, s':>8}  peaks"
        )
        for temperature in (0.0, 0.1):
            runs = {variant: [] for variant in VARIANTS}
            for _ in range(repeats):
                for variant in VARIANTS:
                    runs[variant].append(run(path, temperature, *variant))
            bits = {result["bits"] for results in runs.values() for result in results}
            assert len(bits) == 1, "the results differ"
            for (processes, threads), results in runs.items():
                seconds = statistics.median(result["seconds"] for result in results)
                cpu = statistics.median(sum(result["cpu"]) for result in results)
                peaks = ", ".join(f"{peak:.0f}" for peak in results[0]["peaks"])
                print(
                    f"{'Shannon' if temperature else 'none':<12}{processes or '-':>10}{threads:>8}"
                    f"{seconds:>9.2f}{cpu:>8.1f}  {peaks} MiB",
                    flush=True,
                )


if __name__ == "__main__":
    main()
