"""Signs of life from inside a long computation.

A long computation calls :func:`beat` every few milliseconds. The caller may listen, and is
then called about every half second.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from typing import Any, TypeVar

__all__ = ["INTERVAL", "beat", "listen", "run_beating"]

Result = TypeVar("Result")

#: Seconds between two calls of a reporter.
INTERVAL = 0.5


class _Reporter:
    """A function that is called when it is due."""

    def __init__(self, report: Callable[[], None]) -> None:
        self._report, self._last = report, time.perf_counter()
        self._thread, self._active = threading.get_ident(), False

    def call_if_due(self) -> None:
        """Call the function if the last call was long ago."""
        if time.perf_counter() - self._last < INTERVAL:
            return
        if self._active or threading.get_ident() != self._thread:
            return
        self._active = True  # what the function itself computes does not call it
        try:
            self._report()
        finally:
            self._active = False
            self.rest()

    def rest(self) -> None:
        """Start the time until the next call anew."""
        self._last = time.perf_counter()


_reporter: ContextVar[_Reporter | None] = ContextVar("reporter", default=None)


def beat() -> None:
    """Call the reporter, if there is one on this thread and its last call was long ago.

    An exception that it raises leaves the computation.
    """
    reporter = _reporter.get()
    if reporter is not None:
        reporter.call_if_due()


@contextmanager
def listen(report: Callable[[], None] | None) -> Iterator[Callable[[], None]]:
    """Have a function called about every half second by the computations within the block.

    The block gets a function that starts the time until the next call anew. With None nothing is
    called.

    >>> with listen(lambda: print("still running")):
    ...     beat()  # at once: nothing is due
    ...     time.sleep(1.1 * INTERVAL)
    ...     beat()
    still running
    """
    reporter = _Reporter(report or (lambda: None))
    token = _reporter.set(None if report is None else reporter)
    try:
        yield reporter.rest
    finally:
        _reporter.reset(token)


def run_beating(work: Callable[[], Result]) -> Result:
    """Call a function that gives no signs of life on another thread, and give them meanwhile.

    Ctrl-C, and what a reporter raises, leave it at once; the function then ends on its own.

    >>> run_beating(lambda: 6 * 7)
    42
    """
    if _reporter.get() is None:
        return work()
    outcome: list[tuple[bool, Any]] = []

    def call() -> None:
        try:
            outcome.append((True, work()))
        except BaseException as error:
            outcome.append((False, error))

    thread = threading.Thread(target=copy_context().run, args=(call,), daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(INTERVAL / 4)
        beat()
    done, result = outcome[0]
    if not done:
        raise result
    return result
