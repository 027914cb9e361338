"""Timing things side by side: interleaved in one process, repeated, medians with spread, and their
ratio.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import NamedTuple

__all__ = ["Comparison", "compare"]


class Comparison(NamedTuple):
    """Seconds of each repetition, in the order they were taken."""

    ours: list[float]
    theirs: list[float]

    def ratio(self, scale: float = 1.0) -> str:
        """Return ours / theirs: median over the pairs, with the smallest and the largest; all of
        them times a scale.
        """
        ratios = sorted(
            scale * ours / theirs for ours, theirs in zip(self.ours, self.theirs, strict=True)
        )
        return (
            f"{statistics.median(ratios):.3g} (from {ratios[0]:.3g} to {ratios[-1]:.3g} over "
            f"{len(ratios)} pairs)"
        )

    def times(self) -> str:
        """Return both medians."""
        return (
            f"{statistics.median(self.ours) * 1e3:.4g} ms against "
            f"{statistics.median(self.theirs) * 1e3:.4g} ms"
        )


def compare(
    ours: Callable[[], object], theirs: Callable[[], object], repetitions: int, warm_up: int = 1
) -> Comparison:
    """Time two functions in turn, so that whatever else the machine does hits both."""
    seconds: Comparison = Comparison([], [])
    for repetition in range(-warm_up, repetitions):
        for function, taken in zip((ours, theirs), seconds, strict=True):
            begin = time.perf_counter()
            function()
            if repetition >= 0:
                taken.append(time.perf_counter() - begin)
    return seconds
