"""What a run tells of its way: mean returns of the episodes that ended in each stretch of its
steps, and its pace.
"""

from __future__ import annotations

import math
import time

#: Stretches of a run.
STRETCHES = 50


class Curve:
    """Returns of episodes while they are played.

    Args:
        steps: Steps of the whole run.
    """

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._returns: list[list[float]] = [[] for _ in range(STRETCHES)]
        self._known = 0
        self._begin = self._now = (0, time.perf_counter())

    def add(self, step: int, returns: list[float]) -> None:
        """Enter the returns of all episodes that had ended at a step; those that were entered
        before are not entered again.
        """
        self._returns[min(STRETCHES * step // self._steps, STRETCHES - 1)] += returns[self._known :]
        self._known = len(returns)
        if 5 * self._begin[0] < self._steps:
            self._begin = (step, time.perf_counter())
        self._now = (step, time.perf_counter())

    def means(self) -> list[float | None]:
        """Return the mean of each stretch, None where no episode ended."""
        return [
            round(math.fsum(stretch) / len(stretch), 2) if stretch else None
            for stretch in self._returns
        ]

    def pace(self) -> float:
        """Return the steps a second after the first fifth, in which all is compiled."""
        (before, begin), (after, end) = self._begin, self._now
        return (after - before) / (end - begin)
