"""The peak memory of a solve, over that of the model.

Run it with: python benchmarks/memory.py. It needs Linux and its C library, where a process can
forget its peak.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import regmdp as rm

MODELS: dict[str, Callable[[], rm.MDP]] = {
    "Garnet 100,000 × 10, 10 successors": lambda: rm.models.garnet(
        100_000, 10, 10, rng=0, discount=0.99
    ),
    "Garnet 500,000 × 4, 8 successors": lambda: rm.models.garnet(
        500_000, 4, 8, rng=0, discount=0.99
    ),
    "Garnet 20,000 × 50, 20 successors": lambda: rm.models.garnet(
        20_000, 50, 20, rng=0, discount=0.99
    ),
    "gridworld 700 × 700": lambda: rm.models.gridworld(700, 700, discount=0.99),
    "queue of 1,000,000": lambda: rm.models.queue(1_000_000, discount=0.9999),
}
REGULARIZERS = {"none": None, "Shannon": rm.Shannon(0.1)}


def main() -> None:
    print(
        "peak memory while solving, the model included; the goal is 1.3 models + 4 (S,) vectors + "
        "one (S, A) array"
    )
    head = f"{'model, MiB':>10} {'peak, MiB':>10} {'goal, MiB':>10} {'of model':>9} {'goal':>6}"
    print(f"{'model':<36} {'regularizer':<12} {head}  status")
    # a process for each, which has nothing left of what others had
    with ProcessPoolExecutor(
        1, mp_context=get_context("spawn"), max_tasks_per_child=1
    ) as processes:
        for name in MODELS:
            for kind in REGULARIZERS:
                model, more, goal, status = processes.submit(measure, name, kind).result()
                cells = (
                    f"{model / 2**20:>10.0f} {(model + more) / 2**20:>10.0f} {goal / 2**20:>10.0f}"
                )
                print(
                    f"{name:<36} {kind:<12} {cells} {1 + more / model:>9.2f} {goal / model:>6.2f}  "
                    f"{status}",
                    flush=True,
                )


def measure(name: str, kind: str) -> tuple[int, int, float, str]:
    """Return the bytes of a model, those that solving it takes beyond, the goal for both together,
    and how it ended.
    """
    mdp, regularizer = MODELS[name](), REGULARIZERS[kind]
    model = mdp.transitions.nbytes + sum(
        array.nbytes
        for array in (mdp.rewards, mdp.available, mdp.termination, mdp.initial)
        if any(array.strides)
    )
    goal = 1.3 * model + 8 * (4 * mdp.n_states + mdp.n_states * mdp.n_actions)
    # what is loaded lazily is loaded
    rm.solve(rm.models.garnet(40_000, 4, 3, rng=0), regularizer, tol=1e-3)
    ctypes.CDLL(None).malloc_trim(
        0
    )  # what is free is given back, so that it is not taken again unseen
    before = _resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak is now what there is
    solution = rm.solve(
        mdp, regularizer, tol=1e-6 * max(1.0, mdp.reward_bound / (1.0 - mdp.discount))
    )
    return model, _resident("VmHWM") - before, goal, solution.status.word


def _resident(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(f"{field}:"))


if __name__ == "__main__":
    main()
