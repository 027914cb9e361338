"""Independent runs of an experiment, on several processor cores."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from typing import TypeVar

from regmdp.reproduce.base import Progress

__all__ = ["run_all"]

Task = TypeVar("Task")
Answer = TypeVar("Answer")

#: What tells the libraries for linear algebra how many threads to use: one a process, or the
#: processes would fight for the cores.
_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def run_all(
    function: Callable[[Task], Answer],
    tasks: Sequence[Task],
    progress: Progress,
    doing: Callable[[Task], str],
    *,
    processes: int | None = None,
) -> list[Answer]:
    """Apply a function to all tasks, each on a core of its own, and return the answers in the order of the tasks.

    The answers do not depend on how many processes there are. Put tasks that take long first. A
    KeyboardInterrupt, from the keyboard or from ``progress``, ends the processes and goes on to the
    caller.

    Args:
        function: A function at the top level of a module.
        tasks: Its arguments, small and plain, for they are sent to other processes.
        progress: Called when a task is done.
        doing: From a task to what ``progress`` is told about it.
        processes: How many; by default as many as there are cores and tasks. 1 means: here, without
            a new process.

    Examples:
        >>> run_all(abs, [-1, 2, -3], lambda fraction, text: None, str, processes=1)
        [1, 2, 3]
    """
    count = min(len(tasks), processes or os.cpu_count() or 1)
    if count <= 1:
        answers: list[Answer] = []
        for number, task in enumerate(tasks):
            answers.append(function(task))
            progress((number + 1) / len(tasks), doing(task))
        return answers
    before = multiprocessing.active_children()
    # the terminal sends Ctrl-C to all processes; this one ends the others
    ignore = (signal.SIGINT, signal.SIG_IGN)
    with ProcessPoolExecutor(
        count, multiprocessing.get_context("spawn"), signal.signal, ignore
    ) as pool:
        with _one_thread_each():
            futures = {pool.submit(function, task): number for number, task in enumerate(tasks)}
        try:
            for done, future in enumerate(as_completed(futures)):
                future.result()
                progress((done + 1) / len(tasks), doing(tasks[futures[future]]))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in set(multiprocessing.active_children()) - set(before):
                process.terminate()
            raise
    return [future.result() for future in futures]


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Let processes that start now use one thread for linear algebra."""
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
