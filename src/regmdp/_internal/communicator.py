"""Processes that work on one model together, and what they have to agree on.

All of them run the same program with the same arguments; each works on its own part. What one of
them finds, an error or Ctrl-C, all of them learn at the same point of the program, so that all of
them go on, or all of them end with the same error, and none waits without end for another.

The base class is one process that works alone, at no cost: the default.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np

__all__ = ["ALONE", "Communicator", "Exchangeable"]

Argument = TypeVar("Argument")
Result = TypeVar("Result")


@runtime_checkable
class Exchangeable(Protocol):
    """An array of which each process has a part."""

    def exchange(self) -> np.ndarray:
        """Return the whole array; all processes take part."""
        ...


class Communicator:
    """One process that works alone; subclasses join several.

    Attributes:
        rank: The number of this process, from 0 on. The first one reports and writes files.
        size: The number of processes.
    """

    rank = 0
    size = 1

    @property
    def leads(self) -> bool:
        """Whether this is the first process, which calls back, prints and writes."""
        return self.rank == 0

    def run(self, name: str, work: Callable[[], Result]) -> Result:
        """Call a function in each process, and return its result in this one.

        Args:
            name: The same in all processes; where it differs, they have lost each other.
            work: What this process does, without the others.

        Raises:
            BaseException: in all processes, what the function raised in one of them.
        """
        return work()

    def collect(self, name: str, work: Callable[[], Result]) -> list[Result]:
        """Call a function in each process, and return all results in all, in order of rank.

        Raises:
            BaseException: in all processes, what the function raised in one of them.
        """
        return [work()]

    def fill_rows(self, array: np.ndarray, counts: Sequence[int]) -> None:
        """Make an array whole, of which each process has its own rows, one run after the other.

        It follows directly on :meth:`run`, which has agreed on it.

        Args:
            array: (S, …) array, contiguous.
            counts: The number of rows of each process; they add up to S.
        """

    def accumulate(self, name: str, add: Callable[[Any], Any]) -> Any:
        """Let each process in turn add to a total, None at first; return the last one to all.

        The order of the additions is that of one process alone.
        """
        return add(None)

    def first(self, name: str, compute: Callable[[], Result]) -> Result:
        """Return what a function of the first process returns; the others do not call it.

        Raises:
            BaseException: in all processes, what it raises.
        """
        return compute()

    def lead(self, function: Callable[[Argument], Result]) -> Callable[[Argument], Result]:
        """Return a function that is called in the first process only, with its result in all."""
        return function

    def iterate_parts(self, name: str, parts: Sequence[np.ndarray]) -> Iterator[np.ndarray]:
        """Iterate over the arrays of all processes, in order of rank, in the first process.

        The others send theirs, and iterate over nothing.
        """
        return iter(parts)

    def register(self, item: Exchangeable) -> int:
        """Return a number by which a distributed array is known in all processes."""
        return 0

    def exchange(self, number: int) -> np.ndarray:
        """Return a distributed array whole, by its ``exchange`` method, in which all take part.

        In a callback, which the first process runs alone, the others are asked to.

        Raises:
            SolverError: if they do not have the array any more.
        """
        raise NotImplementedError("one process has no distributed arrays")

    @contextmanager
    def session(self) -> Iterator[None]:
        """Agree on errors in the block, wherever they arise, and on Ctrl-C."""
        yield


#: The default: one process.
ALONE = Communicator()
