"""Ctrl-C in the middle of a change that must be whole."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["hold_interrupts"]


@contextmanager
def hold_interrupts() -> Iterator[None]:
    """Let a Ctrl-C that arrives in the block take effect after it.

    The block should be short. Other threads get no signals, and a program's own disposition of
    SIGINT that is not a function stays as it is.

    >>> done = []
    >>> try:
    ...     with hold_interrupts():
    ...         signal.raise_signal(signal.SIGINT)
    ...         done.append("both parts")
    ... except KeyboardInterrupt:
    ...     done.append("then the interrupt")
    >>> done
    ['both parts', 'then the interrupt']
    """
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield
        return
    arrived: list[tuple[int, FrameType | None]] = []
    signal.signal(signal.SIGINT, lambda number, frame: arrived.append((number, frame)))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if arrived:
            before(*arrived[0])
