"""Which process works on which blocks of states, and (S, A) arrays that stay with their process.

A process owns a run of blocks. All of them hold whole (S,) vectors: after each works on its own
blocks, what it wrote is passed on to the others. An (S, A) array is as large as a part of the
model, so each process keeps its own rows of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from itertools import pairwise
from typing import Any, TypeVar, cast

import numpy as np

from regmdp._internal import threads
from regmdp._internal.arrays import Array, Float, Int
from regmdp._internal.communicator import ALONE, Communicator
from regmdp.mdp.deterministic import DeterministicPolicy
from regmdp.mdp.rank_table import RankTable

__all__ = ["Partition", "together"]

Function = TypeVar("Function", bound=Callable[..., Any])
Result = TypeVar("Result")


class Partition:
    """The blocks of a model, and those that this process works on: all of them if it is alone.

    Args:
        blocks: Slices that partition the states, in order.
        n_actions: A.
        communicator: The processes.
        sizes: The work that each block stands for; by default its number of states.

    Attributes:
        blocks: All blocks.
        own: Those of this process.
        rows: The states of this process.
        counts: The number of states of each process.
    """

    def __init__(
        self,
        blocks: Sequence[slice],
        n_actions: int,
        communicator: Communicator = ALONE,
        sizes: Sequence[int] | None = None,
    ) -> None:
        self.blocks, self.communicator = tuple(blocks), communicator
        self.shape = (self.blocks[-1].stop, n_actions)
        work = [block.stop - block.start for block in blocks] if sizes is None else sizes
        runs = _split_evenly(work, communicator.size)
        self._runs = runs
        self.own = self.blocks[runs[communicator.rank]]
        starts = [
            self.blocks[run.start].start if run.start < len(blocks) else self.shape[0]
            for run in runs
        ]
        ends = [*starts[1:], self.shape[0]]
        self.counts = [end - start for start, end in zip(starts, ends, strict=True)]
        self.rows = slice(starts[communicator.rank], ends[communicator.rank])

    @property
    def alone(self) -> bool:
        """Whether there is one process only."""
        return self.communicator is ALONE

    def each(
        self, work: Callable[[slice], object], *vectors: np.ndarray, shared: bool = True
    ) -> None:
        """Call a function with each block, in the process that owns it.

        Args:
            work: Called with a block, by several threads in any order.
            vectors: (S, …) arrays, contiguous, of which it writes the rows of the block; then they
                are whole in all processes.
            shared: Whether there is enough work to use other threads.
        """
        communicator = self.communicator
        communicator.run(_name(work), lambda: threads.parallel_map(self.own, work, shared=shared))
        for vector in vectors:
            communicator.fill_rows(vector, self.counts)

    def map(
        self, work: Callable[[slice], Result], *vectors: np.ndarray, shared: bool = True
    ) -> list[Result]:
        """Do what :meth:`each` does, and return the results of all blocks in order."""
        communicator = self.communicator
        parts = communicator.collect(
            _name(work), lambda: threads.parallel_map(self.own, work, shared=shared)
        )
        for vector in vectors:
            communicator.fill_rows(vector, self.counts)
        return [result for part in parts for result in part]

    def add_up(
        self, work: Callable[[slice], Float[np.ndarray, " n"]], *, shared: bool = True
    ) -> Float[np.ndarray, " n"]:
        """Return the sum over all blocks of an array that a function returns, in order."""

        def add(total: Any) -> Any:
            parts = threads.parallel_map(self.own, work, shared=shared)
            return np.sum(parts if total is None else [total, *parts], axis=0)

        return self.communicator.accumulate(_name(work), add)

    def decide(self, work: Callable[[slice], Result]) -> Result:
        """Return what a function says of the first block, to all processes."""
        return self.communicator.first(_name(work), lambda: work(self.blocks[0]))

    def new_table(self) -> Any:
        """Return an (S, A) array of doubles to be written block by block, in each process's own."""
        if self.alone:
            return np.empty(self.shape, order="F")
        own = self.rows.stop - self.rows.start
        return self._share(np.empty((own, self.shape[1]), order="F"))

    def full_table(self, number: float) -> Any:
        """Return an (S, A) array with the same number everywhere."""
        table = self.new_table()
        (table if self.alone else table.own)[...] = number
        return table

    def own_table(self, table: Any) -> Any:
        """(S, A) array that all processes have -> the same, of which each keeps its own rows."""
        if self.alone:
            return np.asarray(table)
        if isinstance(table, RankTable):
            if table.rows == self.rows and table.communicator is self.communicator:
                return table
            table = np.asarray(table)
        return self._share(np.array(np.asarray(table[self.rows]), order="F"))

    def holds(self, table: object) -> bool:
        """Whether an array is in the form of this partition's, which it is left in."""
        return isinstance(table, RankTable) and not self.alone

    def whole(self, table: Any) -> Any:
        """Return an array of this partition as users see it."""
        return np.asarray(table)

    def deterministic(self, actions: Int[np.ndarray, " S"]) -> DeterministicPolicy:
        """(S,) actions, -1 for none -> the policy that takes them."""
        return DeterministicPolicy(actions, self.shape[1])

    def join_rows(self, own: Array) -> Any:
        """(n, A) rows of each process -> the (S, A) array of which they are the rows."""
        return np.asfortranarray(own) if self.alone else self._share(np.asfortranarray(own))

    def _share(self, own: np.ndarray) -> RankTable:
        return RankTable(own, self.counts, self.communicator)


def together(function: Function) -> Function:
    """Let the processes that share a model, the first argument, agree on errors and Ctrl-C.

    Where there is one process, or the argument is no model, nothing changes.
    """

    @wraps(function)
    def wrapper(mdp: Any, *arguments: Any, **keywords: Any) -> Any:
        partition = getattr(mdp, "partition", None)
        if not isinstance(partition, Partition) or partition.alone:
            return function(mdp, *arguments, **keywords)
        with partition.communicator.session():
            return function(mdp, *arguments, **keywords)

    return cast("Function", wrapper)


def _split_evenly(sizes: Sequence[int], count: int) -> list[slice]:
    """Return runs of about equal total size; the first one is not empty."""
    ends = np.cumsum(np.asarray(sizes, dtype=np.float64))
    middles = ends - 0.5 * np.asarray(sizes, dtype=np.float64)
    owner = np.minimum((middles / max(ends[-1], 1.0) * count).astype(np.int64), count - 1)
    owner[0] = 0
    bounds = np.searchsorted(owner, np.arange(count + 1))
    return [slice(int(a), int(b)) for a, b in pairwise(bounds)]


def _name(work: Callable[..., object]) -> str:
    return getattr(work, "__qualname__", type(work).__name__)
