"""The memory that the steps of episodes need, checked before they are drawn."""

from __future__ import annotations

from regmdp._internal.memory import require_memory
from regmdp.samples.simulator import Simulator, TableSimulator

__all__ = ["BYTES_PER_ROW", "MemoryBudget"]

#: Bytes for each row and step while episodes are drawn: the columns, and their copies in the end.
BYTES_PER_ROW, BYTES_PER_STEP = 3 * 50, 1000
#: Factor by which the memory that is checked in advance exceeds what is needed at the moment.
CHECKED_GROWTH = 1.25


class MemoryBudget:
    """Checks that the steps of episodes fit into memory, before they are drawn.

    Args:
        simulator: The process; where episodes never end, all of their steps are counted at once.
        episodes: Number of episodes.
        max_steps: Largest number of steps of each.
    """

    def __init__(self, simulator: Simulator, episodes: int, max_steps: int) -> None:
        self.episodes, self.max_steps = episodes, max_steps
        self.rows = self.steps = 0
        self.next_check = 0.0
        endless = isinstance(simulator, TableSimulator) and not simulator.mdp.terminates
        self._require(episodes * max_steps if endless else episodes, 0)

    def require_step(self, rows: int) -> None:
        """Count a step of some episodes."""
        self.rows, self.steps = self.rows + rows, self.steps + 1
        if BYTES_PER_ROW * self.rows + BYTES_PER_STEP * self.steps > self.next_check:
            self._require(int(CHECKED_GROWTH * self.rows), int(CHECKED_GROWTH * self.steps))

    def _require(self, rows: int, steps: int) -> None:
        """Check that this many rows and steps would fit."""
        self.next_check = size = BYTES_PER_ROW * rows + BYTES_PER_STEP * steps
        require_memory(
            f"{rows:,} steps of {self.episodes:,} episodes of at most {self.max_steps:,} steps",
            size,
            "draw fewer episodes, or give a smaller max_steps",
        )
