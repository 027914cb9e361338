"""Threads over blocks of states.

NumPy and SciPy release the interpreter's lock inside their loops, so that plain threads keep
several cores busy. The blocks do not depend on each other and each writes its own part of the
result: the number of threads never changes a bit of it.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from threading import Lock
from typing import Any, TypeVar

from regmdp._internal.checks import check_integer
from regmdp._internal.errors import SolverError
from regmdp._internal.heartbeat import beat

__all__ = ["get_num_threads", "parallel_map", "set_num_threads"]

Item = TypeVar("Item")
Result = TypeVar("Result")

#: Environment variable that sets the number of threads at the start.
VARIABLE = "REGMDP_NUM_THREADS"


class _WorkerPool:
    """The threads beside the calling ones, started when they are first needed.

    Several threads of the user may work at once, and set the number of threads meanwhile: what has
    been submitted is finished by the threads that were there.
    """

    def __init__(self) -> None:
        self.size: int | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._lock = Lock()

    def submit(self, count: int, work: Callable[[], object]) -> Future[object]:
        """Run a function on one of a number of threads."""
        with self._lock:  # so that no other thread shuts the pool down meanwhile
            if self._pool is None:
                self._pool = ThreadPoolExecutor(max(count, 1), thread_name_prefix="regmdp")
            return self._pool.submit(work)

    def resize(self, size: int) -> None:
        """Set the number of threads; those that work now go on until they have finished."""
        with self._lock:
            old = self._pool if size != self.size else None
            self.size = size
            if old is not None:
                self._pool = None
        if old is not None:
            old.shutdown(wait=False)

    def discard(self) -> None:
        """Drop the threads; a forked process does not inherit them."""
        self._pool, self._lock = None, Lock()


_pool = _WorkerPool()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.discard)


def get_num_threads() -> int:
    """Return how many threads work on one model: by default as many as this process may use cores.

    >>> import regmdp as rm
    >>> rm.get_num_threads() >= 1
    True
    """
    if _pool.size is None:
        given = os.environ.get(VARIABLE, "")
        if given and not (given.isdecimal() and int(given) >= 1):
            raise SolverError(
                f"the environment variable {VARIABLE} must be a number of threads, 1 or more, not "
                f"{given!r}"
            )
        _pool.size = int(given) if given else _cores()
    return _pool.size


def set_num_threads(count: int) -> None:
    """Set how many threads work on one model, from the next operation on.

    Results do not depend on it, to the last bit. Several threads may solve at once, and this may be
    called meanwhile.

    The environment variable ``REGMDP_NUM_THREADS`` sets it from outside. Dense models leave the
    threads to NumPy's BLAS, which has its own setting; models of at most 512 states use one thread
    of it.

    Args:
        count: The number of threads, 1 or more.

    Raises:
        SolverError: if it is not such a number.

    Examples:
        >>> import regmdp as rm
        >>> before = rm.get_num_threads()
        >>> rm.set_num_threads(1)
        >>> rm.get_num_threads()
        1
        >>> rm.set_num_threads(before)
    """
    _pool.resize(check_integer("the number of threads", count))


def parallel_map(
    items: Sequence[Item], work: Callable[[Item], Result], *, shared: bool = True
) -> list[Result]:
    """Apply a function to each item, on several threads, and return the results in order.

    Args:
        items: The items.
        work: Called with one item; calls must not depend on each other.
        shared: Whether there is enough work to use other threads.
    """
    threads = min(get_num_threads(), len(items)) if shared else 1
    if threads <= 1:
        return [_work_and_beat(work, item) for item in items]
    results: list[Any] = [None] * len(items)
    todo = deque(range(len(items)))
    helpers: list[Future[object]] = []
    try:
        for _ in range(threads - 1):
            # a context a thread: NumPy's error state is the caller's
            run: Callable[..., object] = copy_context().run
            task = partial(run, _take, todo, items, work, results)
            helpers.append(_pool.submit(get_num_threads() - 1, task))
        _take(todo, items, work, results)
    finally:
        todo.clear()  # if the work failed here, the others need not go on
        for helper in helpers:
            if not helper.cancel():  # one that never started has no result
                helper.result()
    return results


def _work_and_beat(work: Callable[[Item], Result], item: Item) -> Result:
    """Apply the function to an item, and give a sign of life."""
    result = work(item)
    beat()
    return result


def _take(
    todo: deque[int], items: Sequence[Any], work: Callable[[Any], Any], results: list[Any]
) -> None:
    """Apply the function to the remaining items, until there is none."""
    while True:
        try:
            index = todo.popleft()
        except IndexError:
            return
        results[index] = _work_and_beat(work, items[index])


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
