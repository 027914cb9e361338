"""The peak memory of a solve, over that of the model.

Run it with: python benchmarks/memory.py. It needs Linux and its C library, where a process can forget its peak.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path

import regmdp as rm

MODELS: dict[str, Callable[[], rm.MDP]] = {
    "Garnet 100,000 × 10, 10 successors": lambda: rm.models.garnet(100_000, 10, 10, rng=0, discount=0.99),
    "Garnet 500,000 × 4, 8 successors": lambda: rm.models.garnet(500_000, 4, 8, rng=0, discount=0.99),
    "Garnet 20,000 × 50, 20 successors": lambda: rm.models.garnet(20_000, 50, 20, rng=0, discount=0.99),
    "gridworld 700 × 700": lambda: rm.models.gridworld(700, 700, discount=0.99),
    "queue of 1,000,000": lambda: rm.models.queue(1_000_000, discount=0.9999),
}


def main() -> None:
    print(
        "peak while solving, less what was there before, in MiB; the goal is 0.3 of the model + 4 (S,) vectors + one (S, A) array"
    )
    for name, build in MODELS.items():
        mdp = build()
        model = mdp.transitions.nbytes + sum(
            array.nbytes for array in (mdp.rewards, mdp.available, mdp.termination, mdp.initial) if any(array.strides)
        )
        goal = 0.3 * model + 8 * (4 * mdp.n_states + mdp.n_states * mdp.n_actions)
        # what is loaded lazily is loaded
        rm.solve(rm.models.garnet(40_000, 4, 3, rng=0), tol=1e-3)
        for regularizer in (None, rm.Shannon(0.1)):
            ctypes.CDLL(None).malloc_trim(0)  # what is free is given back, so that it is not taken again unseen
            before = _resident("VmRSS")
            Path("/proc/self/clear_refs").write_text("5")
            solution = rm.solve(mdp, regularizer, tol=1e-6 * max(1.0, mdp.reward_bound / (1.0 - mdp.discount)))
            more = _resident("VmHWM") - before
            kind = "none" if regularizer is None else "Shannon"
            print(
                f"{name:<36} {kind:<8} model {model / 2**20:6.0f}  peak + {more / 2**20:6.0f}  goal + {goal / 2**20:6.0f}  "
                f"(model + peak) / model {1 + more / model:.2f}  {solution.status.word}",
                flush=True,
            )
            del solution


def _resident(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(f"{field}:"))


if __name__ == "__main__":
    main()
