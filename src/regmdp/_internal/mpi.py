"""Processes joined by MPI; needs mpi4py, from the extra ``mpi``."""

from __future__ import annotations

import os
import pickle
import signal
import threading
import time
import weakref
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from types import FrameType
from typing import Any, TypeVar

import numpy as np

from regmdp._internal.communicator import ALONE, Communicator, Exchangeable
from regmdp._internal.errors import MissingExtraError, SolverError

__all__ = ["MPICommunicator", "count_launched", "join_all", "join_launched"]

Argument = TypeVar("Argument")
Result = TypeVar("Result")

#: Seconds after an interrupt in which further ones count as the same: a launcher passes Ctrl-C on
#: to all processes, not at the same moment.
SAME_INTERRUPT = 1.0
#: Largest number of bytes in one message: counts of MPI have 32 bits.
MAX_MESSAGE = 1 << 30
#: Environment variables in which launchers tell a process how many there are.
SIZE_VARIABLES = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MPI_LOCALNRANKS")
#: Seconds to wait for other processes before sleeping; the part of the time waited to sleep next,
#: and the most seconds of it.
MAX_AWAKE, SLEEP_FRACTION, MAX_SLEEP = 50e-6, 0.05, 1e-3
#: Name of the end of a session.
END = "end"
#: Attribute of an exception that all processes have agreed on.
AGREED = "_regmdp_agreed"


def count_launched(environment: Any = os.environ) -> int:
    """Return how many processes a launcher such as mpiexec or srun has started, 1 without one.

    >>> count_launched({"PMI_SIZE": "4", "PMI_RANK": "0"})
    4
    """
    found = [environment.get(name, "") for name in SIZE_VARIABLES]
    if "PMIX_RANK" in environment or "SLURM_STEP_ID" in environment:
        # a batch script itself has the number of tasks, but is not a step that srun started
        found.append(environment.get("SLURM_STEP_NUM_TASKS", ""))
    return max((int(text) for text in found if text.isdecimal()), default=1)


def join_launched() -> Communicator:
    """Return the communicator of the processes that a launcher has started; else one process.

    MPI is looked for only if there are several.

    Raises:
        MissingExtraError: if mpi4py is not installed, or finds no MPI.
    """
    return join_all() if count_launched() > 1 else ALONE


@cache
def join_all() -> Communicator:
    """Return the communicator of all processes of this job; alone if there is only one.

    Raises:
        MissingExtraError: if several have been launched, but mpi4py is not installed or finds no
            MPI.
    """
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        if count_launched() == 1:
            return ALONE
        raise MissingExtraError("mpi4py", "mpi") from error
    world = MPI.COMM_WORLD
    return ALONE if world.Get_size() == 1 else MPICommunicator(world.Dup())


class MPICommunicator(Communicator):
    """Processes joined by MPI, which is called by the main thread of each only.

    Args:
        comm: A communicator of mpi4py that nothing else uses.
    """

    def __init__(self, comm: Any) -> None:
        self._comm = comm
        self.rank, self.size = comm.Get_rank(), comm.Get_size()
        self._depth, self._interrupted, self._last_interrupt = 0, False, -np.inf
        self._leading = False
        #: The error with which a process has left the session, after which nothing can be agreed.
        self._lost: BaseException | None = None
        self._served: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()
        self._next = 0

    def __reduce__(self) -> tuple[object, ...]:
        return join_all, ()

    # ---- agreement ----

    def run(self, name: str, work: Callable[[], Result]) -> Result:
        failure: BaseException | None = None
        result: Any = None
        self._require_together(name)
        try:
            result = work()
        except BaseException as error:
            failure = error
        self._agree(name, failure)
        return result

    def _require_together(self, name: str) -> None:
        """Check that the other processes take part, too.

        Raises:
            SolverError: if a callback runs, which is called in the first process only.
        """
        if self._leading:
            raise SolverError(
                f"a callback runs in the first of {self.size} processes only, and cannot do what "
                f"needs all of them ({name}); let it read numbers, values and policies, and do the "
                "rest after the run"
            )

    def _agree(self, name: str, failure: BaseException | None) -> None:
        """Raise the failure of one process in all of them.

        Raises:
            SolverError: if they are not at the same point of the program.
        """
        if self._lost is not None:
            raise self._lost
        if failure is None and self._interrupted:
            failure = KeyboardInterrupt()
        mark = zlib.crc32(name.encode())
        failed = failure is not None
        # of several failures the first rank's counts
        own = np.array([(self.size - self.rank) * failed, mark, -mark, failed and name == END])
        agreed = np.empty_like(own)
        _wait(self._comm.Iallreduce(own, agreed, self._mpi.MAX))
        if agreed[0]:
            shared = self._share_failure(failure, self.size - int(agreed[0]))
            if agreed[3]:
                self._lost = shared
            raise shared
        if agreed[1] != -agreed[2]:
            names = self._comm.allgather(name)
            raise _mark(
                SolverError(
                    f"the {self.size} processes do not do the same: "
                    + ", ".join(f"{there!r} in rank {rank}" for rank, there in enumerate(names))
                    + "; all of them must run the same program with the same arguments, on "
                    "machines of the same kind"
                )
            )

    def _share_failure(self, failure: BaseException | None, rank: int) -> BaseException:
        """Return the failure of a rank, in all processes."""
        packed = self._comm.bcast(None if failure is None else _pack(failure), rank)
        # where all of them have raised the same, each keeps its own
        same = failure is not None and (self.rank == rank or _describe(failure) == packed[1])
        return self._raise_together(failure if same else _unpack(packed, rank))

    def _raise_together(self, failure: BaseException | None) -> BaseException:
        """Return an exception that all processes are about to raise, marked as such."""
        assert failure is not None
        if isinstance(failure, KeyboardInterrupt):
            self._interrupted, self._last_interrupt = False, time.monotonic()
        return _mark(failure)

    @property
    def _mpi(self) -> Any:
        from mpi4py import MPI

        return MPI

    # ---- exchange ----

    def collect(self, name: str, work: Callable[[], Result]) -> list[Result]:
        found = self.run(name, work)
        return self._comm.allgather(found)

    def fill_rows(self, array: np.ndarray, counts: Sequence[int]) -> None:
        width = array.itemsize * int(np.prod(array.shape[1:], dtype=np.int64))
        rows = array.reshape(-1).view(np.uint8)
        starts = np.concatenate(([0], np.cumsum(counts))) * width
        if starts[-1] <= MAX_MESSAGE:
            places = [int(size) for size in np.diff(starts)], [int(start) for start in starts[:-1]]
            _wait(self._comm.Iallgatherv(self._mpi.IN_PLACE, [rows, places, self._mpi.BYTE]))
            return
        for rank in range(self.size):
            for begin in range(int(starts[rank]), int(starts[rank + 1]), MAX_MESSAGE):
                end = min(begin + MAX_MESSAGE, int(starts[rank + 1]))
                self._comm.Bcast([rows[begin:end], self._mpi.BYTE], rank)

    def accumulate(self, name: str, add: Callable[[Any], Any]) -> Any:
        self.run(name, lambda: None)
        total, failure = None, None
        if self.rank > 0:
            total, failure = self._comm.recv(source=self.rank - 1)
        if failure is None:
            try:
                total = add(total)
            except BaseException as error:
                total, failure = None, error
        if self.rank + 1 < self.size:
            passed = failure if failure is None else KeyboardInterrupt()  # which can be sent
            self._comm.send((total, passed), dest=self.rank + 1)
        self._agree(name, failure)
        return self._comm.bcast(total, self.size - 1)

    def first(self, name: str, compute: Callable[[], Result]) -> Result:
        found: Any = self.run(name, lambda: compute() if self.leads else None)
        return self._comm.bcast(found, 0)

    # ---- what the first process does alone ----

    def lead(self, function: Callable[[Argument], Result]) -> Callable[[Argument], Result]:
        def call(argument: Argument) -> Result:
            self.run("callback", lambda: None)
            if not self.leads:
                return self._serve()
            failure: BaseException | None = None
            result: Any = None
            self._leading = True
            try:
                result = function(argument)
            except BaseException as error:
                failure = error
            finally:
                self._leading = False
            packed = None if failure is None else _pack(failure)
            self._comm.bcast(("done", packed, result), 0)
            if failure is not None:
                raise self._raise_together(failure)
            return result

        return call

    def _serve(self) -> Any:
        """Help the first process to read what is distributed, until its callback has returned."""
        while True:
            order, packed, content = self._comm.bcast(None, 0)
            if order == "done":
                if packed is not None:
                    raise self._raise_together(_unpack(packed, 0))
                return content
            item = self._served.get(content)
            if all(self._comm.allgather(item is not None)):
                assert item is not None
                item.exchange()

    def iterate_parts(self, name: str, parts: Sequence[np.ndarray]) -> Iterator[np.ndarray]:
        counts = self.collect(name, lambda: len(parts))
        for rank, count in enumerate(counts):
            for number in range(count):
                if rank == 0:
                    if self.leads:
                        yield parts[number]
                    continue
                self.run(name, lambda: None)
                if self.rank == rank:
                    self._comm.send(parts[number], dest=0)
                elif self.leads:
                    yield self._comm.recv(source=rank)

    def register(self, item: Exchangeable) -> int:
        self._next += 1
        self._served[self._next] = item
        return self._next

    def exchange(self, number: int) -> np.ndarray:
        item = self._served[number]
        if not self._leading:
            self.run("rows of all processes", lambda: None)
            return item.exchange()
        self._comm.bcast(("exchange", None, number), 0)
        if not all(self._comm.allgather(True)):
            raise SolverError(
                "the other processes do not hold this policy any more: a callback has to read the "
                "policy of an event before it returns, as np.asarray(event.state.policy)"
            )
        return item.exchange()

    # ---- errors and interrupts ----

    @contextmanager
    def session(self) -> Iterator[None]:
        if self._depth:
            yield
            return
        self._depth += 1
        before = signal.getsignal(signal.SIGINT)
        handled = threading.current_thread() is threading.main_thread() and callable(before)
        if handled:
            signal.signal(signal.SIGINT, self._note_interrupt)
        try:
            failure: BaseException | None = None
            try:
                yield
            except BaseException as error:
                failure = error
            if self._lost is None and not getattr(failure, AGREED, False):
                self._agree(END, failure)
            if self._lost is not None and self._lost is not failure:
                raise self._lost from failure
            if failure is not None:
                raise failure
        finally:
            self._depth, self._lost = self._depth - 1, None
            if handled:
                signal.signal(signal.SIGINT, before)

    def _note_interrupt(self, number: int, frame: FrameType | None) -> None:
        """Remember Ctrl-C until all processes agree on it."""
        if time.monotonic() - self._last_interrupt > SAME_INTERRUPT:
            self._interrupted = True


def _wait(request: Any) -> None:
    """Wait for an exchange: at first awake, then asleep most of the time.

    MPI itself would keep a core busy, which may be the one that another process waits for.
    """
    begin = time.perf_counter()
    while not request.Test():
        waited = time.perf_counter() - begin
        if waited > MAX_AWAKE:
            time.sleep(min(SLEEP_FRACTION * waited, MAX_SLEEP))


def _mark(failure: BaseException) -> BaseException:
    """Mark an exception as one that all processes raise."""
    setattr(failure, AGREED, True)
    return failure


def _describe(failure: BaseException) -> str:
    return f"{type(failure).__name__}: {failure}"


def _pack(failure: BaseException) -> tuple[bytes | None, str]:
    """Return an exception as bytes, None if it cannot be restored from them, and as text."""
    try:
        packed = pickle.dumps(failure)
        pickle.loads(packed)
    except Exception:
        return None, _describe(failure)
    return packed, _describe(failure)


def _unpack(packed: tuple[bytes | None, str], rank: int) -> BaseException:
    """Return the exception that another process has raised."""
    if packed[0] is not None:
        return pickle.loads(packed[0])
    return SolverError(f"rank {rank} failed: {packed[1]}")
