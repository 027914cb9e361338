"""A model of the time and memory of processes that share a model, fitted here, for larger machines.

Run it with: python benchmarks/distributed/cost.py, or mpiexec -n 2 python … to fit the exchange as
well. What it prints for several nodes is computed, not measured.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from run import BRANCHING, N_ACTIONS, write_garnet

import regmdp as rm
from regmdp._internal.mpi import join_launched

#: A usual cluster: cores of a node, their speed next to one core here when all are busy, bytes a
#: second and seconds of latency of the network, bytes of memory of a node.
CORES, SHARED_SPEED, BANDWIDTH, LATENCY, MEMORY = 32, 0.5, 12e9, 5e-6, 256e9
#: Vectors of doubles that each process holds, and (S, A) arrays that stay with the owners of rows;
#: fitted to the peaks of allocated memory of models with 2, 4 and 6 actions.
VECTORS, TABLES = 12.5, 3.4
NODES = (1, 4, 16, 64, 256)
MODELS = ((10**6, 10, 10), (10**7, 10, 10), (10**8, 10, 10), (10**8, 4, 3), (10**9, 4, 3))


def fit_sweep(n_states: int = 50_000, repeats: int = 7) -> float:
    """Return the seconds of a core for each transition of a sweep, the actions' share included."""
    with tempfile.TemporaryDirectory() as folder:
        write_garnet(Path(folder) / "model", n_states)
        mdp = rm.io.open_mapped(Path(folder) / "model")
        rm.set_num_threads(1)
        value, times = np.zeros(n_states), []
        for _ in range(repeats):
            begin = time.process_time()
            value = rm.bellman.backup(mdp, rm.Shannon(0.1), value)
            times.append(time.process_time() - begin)
    return float(np.median(times)) / (n_states * N_ACTIONS * BRANCHING)


def fit_exchange() -> tuple[float, float] | None:
    """Return latency and bytes a second of an exchange of vectors; None with one process."""
    ranks = join_launched()
    if ranks.size == 1:
        return None
    sizes = np.array([2**10, 2**14, 2**18, 2**21, 2**23])
    seconds = []
    for size in sizes:
        vector = np.zeros(size)
        counts = [int(part) for part in np.diff(np.linspace(0, size, ranks.size + 1).astype(int))]
        times = []
        for _ in range(9):
            begin = time.perf_counter()
            ranks.run("exchange", lambda: None)
            ranks.fill_rows(vector, counts)
            times.append(time.perf_counter() - begin)
        seconds.append(min(times))
    slope, start = np.polyfit(8.0 * sizes, seconds, 1, w=1.0 / np.array(seconds))
    return max(start, 0.0), 1.0 / slope


def predict(shape: tuple[int, int, int], nodes: int, sweep: float) -> tuple[float, float, float]:
    """Return seconds of work and of exchange of a sweep, and the bytes of a node."""
    n_states, n_actions, branching = shape
    work = sweep * n_states * n_actions * branching / (nodes * CORES * SHARED_SPEED)
    exchange = (nodes > 1) * (LATENCY * np.log2(nodes) + 8.0 * n_states / BANDWIDTH)
    rows = 12.0 * branching * n_states * n_actions / nodes
    tables = (TABLES + 1.0) * 8.0 * n_states * n_actions / nodes
    return work, exchange, rows + tables + VECTORS * 8.0 * n_states


def main() -> None:
    exchange = fit_exchange()
    if not join_launched().leads:
        return
    sweep = fit_sweep()
    print(f"a sweep takes {1e9 * sweep:.2f} ns of a core for each transition here")
    if exchange is not None:
        print(
            f"an exchange takes {1e6 * exchange[0]:.0f} µs and a second for {exchange[1]:.2g} bytes"
        )
    print(
        f"{'S':>8}{'A':>4}{'B':>4}{'nodes':>7}{'work':>12}{'exchange':>12}{'memory':>11}  speedup"
    )
    for shape in MODELS:
        one = sum(predict(shape, 1, sweep)[:2])
        for nodes in NODES:
            work, wait, memory = predict(shape, nodes, sweep)
            note = "  more than a node has" if memory > MEMORY else ""
            sizes = f"{shape[0]:>8.0e}{shape[1]:>4}{shape[2]:>4}{nodes:>7}"
            print(
                f"{sizes}{1e3 * work:>9.2f} ms{1e3 * wait:>9.2f} ms{memory / 1e9:>8.1f} GB"
                f"{one / (work + wait):>9.1f}{note}"
            )
    sys.stdout.flush()


if __name__ == "__main__":
    main()
