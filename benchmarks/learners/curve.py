"""The learning curve of a run, mean returns in equal parts of its steps, and its speed."""

from __future__ import annotations

import math
import time

#: Equal parts of a run.
PARTS = 50


class Curve:
    """Mean returns of the episodes that ended in each part of a run.

    Args:
        steps: Steps of the run.
    """

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._returns: list[list[float]] = [[] for _ in range(PARTS)]
        self._n_added = 0
        self._begin = self._now = (0, time.perf_counter())

    def add(self, step: int, returns: list[float]) -> None:
        """Add the returns of all episodes ended until a step, except those added before."""
        self._returns[min(PARTS * step // self._steps, PARTS - 1)] += returns[self._n_added :]
        self._n_added = len(returns)
        if 5 * self._begin[0] < self._steps:
            self._begin = (step, time.perf_counter())
        self._now = (step, time.perf_counter())

    def means(self) -> list[float | None]:
        """Return the mean of each part, None where no episode ended."""
        return [round(math.fsum(part) / len(part), 2) if part else None for part in self._returns]

    def pace(self) -> float:
        """Return the steps per second after the first fifth, in which everything is compiled."""
        (before, begin), (after, end) = self._begin, self._now
        return (after - before) / (end - begin)
