"""Valid calls of experiments."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import regmdp as rm

__all__ = ["CALLS"]


def report(fraction: float, text: str) -> None:
    """Do nothing with progress."""


@cache
def finished() -> rm.reproduce.ExperimentRun:
    """Return a finished run."""
    return rm.reproduce.run("frontier", quick=True, n_states=12, policies=20)


CALLS: dict[str, Callable[[], dict[str, object]]] = {
    "regmdp.reproduce.run": lambda: {"name": "frontier", "quick": True, "progress": report},
    "regmdp.reproduce.ExperimentRun.draw": lambda: {"self": finished(), "name": "frontier"},
    "regmdp.reproduce.ExperimentRun.save": lambda: {"self": finished(), "folder": Path("report")},
}
