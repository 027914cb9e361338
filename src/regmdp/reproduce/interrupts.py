"""Interrupts that reach a solver, which ends its run and returns its current result."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from regmdp.reproduce.base import ProgressFunction

__all__ = ["stop_on_interrupt"]


@contextmanager
def stop_on_interrupt() -> Iterator[Callable[[ProgressFunction], ProgressFunction]]:
    """Give a function that makes progress functions raise KeyboardInterrupt after an interrupt.

    An interrupted solver ends its run and returns its current result. An experiment cannot
    distinguish this from a regular end and would report a wrong result, so its progress function
    checks whether there was an interrupt. The effect of SIGINT itself does not change.
    """
    with _remember_interrupts() as was_interrupted:

        def wrap(progress: ProgressFunction) -> ProgressFunction:
            def update(fraction: float, text: str) -> None:
                if was_interrupted():
                    raise KeyboardInterrupt
                progress(fraction, text)

            return update

        yield wrap


@contextmanager
def _remember_interrupts() -> Iterator[Callable[[], bool]]:
    """Record whether SIGINT arrived, without changing its effect."""
    arrived = threading.Event()
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield arrived.is_set
        return

    def remember(number: int, frame: FrameType | None) -> None:
        arrived.set()
        before(number, frame)

    signal.signal(signal.SIGINT, remember)
    try:
        yield arrived.is_set
    finally:
        signal.signal(signal.SIGINT, before)
