"""Blocks of states that have their own numbers of columns, for counts of actions that differ much.

One state with many actions must not make the arrays of all states wide. States are divided into
runs of about equal numbers of actions, and each block of a run has as many columns as its states
have actions at most.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from regmdp._internal.arrays import Int
from regmdp._internal.width_table import WidthTable
from regmdp.mdp import transitions as base
from regmdp.mdp.deterministic import DeterministicPolicy
from regmdp.mdp.partition import Partition

__all__ = ["WidthPartition", "divide_states", "needs_widths"]

#: Smallest (S, n) array, in entries, of which states with fewer actions get narrower blocks, and
#: its entries for each pair from which they do.
MIN_SKEWED_SIZE, MAX_PADDING = 1 << 20, 8
#: Work on a block that does not depend on its size, in entries.
COST_OF_BLOCK = 4096


def needs_widths(count: Int[np.ndarray, " S"]) -> bool:
    """(S,) numbers of actions -> whether an (S, n) array would be mostly empty."""
    size = count.size * int(count.max(initial=0))
    return size > MIN_SKEWED_SIZE and size > MAX_PADDING * int(count.sum())


def divide_states(count: Int[np.ndarray, " S"]) -> tuple[tuple[slice, ...], tuple[int, ...]]:
    """(S,) numbers of actions -> blocks of states, and the columns of each.

    Runs of states whose numbers of actions are alike are joined with the next ones as long as that
    costs less than a block, and are then divided where that saves the most entries.
    """
    pending, runs = _join_runs(count), []
    while pending:
        first, last = pending.pop()
        cut = _find_cut(count[first:last])
        if cut is None:
            runs.append((first, last))
        else:
            pending += [(first + cut, last), (first, first + cut)]
    blocks: list[slice] = []
    widths: list[int] = []
    for first, last in sorted(runs):
        width = max(1, int(count[first:last].max()))
        size = max(1, base.MAX_PAIRS_PER_BLOCK // width)
        starts = range(first, last, size)
        blocks += [slice(start, min(start + size, last)) for start in starts]
        widths += [width] * len(starts)
    return tuple(blocks), tuple(widths)


def _join_runs(count: Int[np.ndarray, " S"]) -> list[tuple[int, int]]:
    """Return runs of states, joined where a block more costs more than the entries it saves."""
    level = np.log2(np.maximum(count, 1)) // 3  # alike: within a factor of 8
    first = np.flatnonzero(np.diff(level, prepend=-1.0))
    widest = np.maximum.reduceat(count, first)
    size = np.diff(np.append(first, count.size))
    joined: list[tuple[int, int]] = []  # the states and the width of each run
    for states, width in zip(size.tolist(), widest.tolist(), strict=True):
        run = states, width
        while joined:
            together = joined[-1][0] + run[0], max(joined[-1][1], run[1])
            apart = joined[-1][0] * joined[-1][1] + run[0] * run[1] + COST_OF_BLOCK
            if together[0] * together[1] > apart:
                break
            joined.pop()
            run = together
        joined.append(run)
    ends = np.cumsum([states for states, _ in joined]).tolist()
    return list(pairwise([0, *ends]))


def _find_cut(count: Int[np.ndarray, " n"]) -> int | None:
    """Return where to divide a run of states in two; None if that does not pay."""
    if count.size < 2:
        return None
    before = np.maximum.accumulate(count)[:-1]
    after = np.maximum.accumulate(count[::-1])[::-1][1:]
    length = np.arange(1, count.size)
    cost = before * length + after * (count.size - length)
    cut = int(np.argmin(cost))
    saved = int(count.max()) * count.size - int(cost[cut])
    return cut + 1 if saved > COST_OF_BLOCK else None


class WidthPartition(Partition):
    """Blocks with their own numbers of columns, all of them worked on by this process.

    Args:
        blocks: The blocks.
        widths: The number of columns of each.
    """

    def __init__(self, blocks: Sequence[slice], widths: Sequence[int]) -> None:
        super().__init__(blocks, max(widths))
        self.widths = tuple(widths)

    def __reduce__(self) -> tuple[object, ...]:
        return WidthPartition, (self.blocks, self.widths)

    def new_table(self) -> Any:
        return self._make(np.empty)

    def full_table(self, number: float) -> Any:
        return self._make(lambda shape, order: np.full(shape, number, order=order))

    def own_table(self, table: Any) -> Any:
        if isinstance(table, WidthTable):
            return table
        if isinstance(table, DeterministicPolicy):
            made = self._make(np.zeros)
            for block, part in zip(self.blocks, made.parts, strict=True):
                actions = table.actions[block]
                some = np.flatnonzero(actions >= 0)
                part[some, actions[some]] = 1.0
            return made
        whole = np.asarray(table)
        parts = [
            np.array(whole[block, :width], order="F")
            for block, width in zip(self.blocks, self.widths, strict=True)
        ]
        return WidthTable(parts, self.blocks, self.shape[1])

    def holds(self, table: object) -> bool:
        return isinstance(table, WidthTable)

    def whole(self, table: Any) -> Any:
        return table

    def deterministic(self, actions: Int[np.ndarray, " S"]) -> DeterministicPolicy:
        starts = [block.start for block in self.blocks]
        return DeterministicPolicy(
            actions, self.shape[1], dict(zip(starts, self.widths, strict=True))
        )

    def _make(self, create: Any) -> WidthTable:
        parts = [
            create((block.stop - block.start, width), order="F")
            for block, width in zip(self.blocks, self.widths, strict=True)
        ]
        return WidthTable(parts, self.blocks, self.shape[1])
