"""One Bellman backup of ours against the same one as a loop in C, and against the product P @ V
alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from client import TooLongError, Worker, WorkerError

__all__ = ["compare_sweeps"]

KINDS = ("hard", "Shannon", "SquaredL2", "Tsallis 1.5")
#: Seconds that the sweeps of one measurement should take together: much more than the clock can
#: resolve.
SPAN = 0.05


def compare_sweeps(
    case: str,
    n_states: int,
    temperature: float,
    workers: dict[str, Worker],
    threads: int,
    repetitions: int,
    limit: float,
    folder: Path,
) -> list[dict[str, Any]]:
    """Time backups of a random value with each regularizer, the workers taking turns.

    Args:
        case: Its name.
        n_states: S.
        temperature: That of all regularizers.
        workers: regmdp, c and scipy, with the model loaded.
        threads: How many each may use.
        repetitions: How often.
        limit: Seconds that one measurement may take.
        folder: Where files go.
    """
    source = folder / "value.npy"
    # values as large as the rewards: at some states one action is much the best, at others several
    # are close
    np.save(source, np.random.default_rng(0).standard_normal(n_states))
    results = []
    for kind in KINDS:
        result: dict[str, Any] = {
            "case": case,
            "kind": kind,
            "threads": threads,
            "seconds": [],
            "note": "",
        }
        ratios: dict[str, list[float]] = {"c": [], "scipy": []}
        try:
            counts = {}
            for name, worker in workers.items():
                answer = _sweep(worker, kind, temperature, source, 1, folder, limit)
                counts[name] = max(1, min(10_000, round(SPAN / max(answer["seconds"], 1e-9))))
            if "c" in workers:
                _agree(np.load(folder / "regmdp-sweep.npy"), np.load(folder / "c-sweep.npy"))
            for repetition in range(repetitions):
                names = list(workers) if repetition % 2 == 0 else list(workers)[::-1]
                taken = {
                    name: _sweep(
                        workers[name], kind, temperature, source, counts[name], folder, limit
                    )["seconds"]
                    for name in names
                }
                result["seconds"].append(taken["regmdp"])
                for name, of in ratios.items():
                    if name in taken:
                        of.append(taken["regmdp"] / taken[name])
        except (WorkerError, TooLongError) as trouble:
            result["note"], ratios = str(trouble), {"c": [], "scipy": []}
        results.append({**result, "over_c": ratios["c"], "over_product": ratios["scipy"]})
    return results


def _sweep(
    worker: Worker,
    kind: str,
    temperature: float,
    source: Path,
    count: int,
    folder: Path,
    limit: float,
) -> dict[str, Any]:
    out = folder / f"{worker.name}-sweep.npy"
    command = {
        "do": "sweep",
        "kind": kind,
        "temperature": temperature,
        "value": str(source),
        "count": count,
        "out": str(out),
    }
    return worker.ask(command, limit)


def _agree(ours: np.ndarray, theirs: np.ndarray) -> None:
    difference, scale = float(np.abs(ours - theirs).max()), max(1.0, float(np.abs(ours).max()))
    if not difference <= 1e-10 * scale:
        raise WorkerError(
            f"the two backups differ by {difference:.1e}, so their times are not compared"
        )
