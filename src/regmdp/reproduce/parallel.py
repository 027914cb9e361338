"""Independent runs of an experiment on several processor cores."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from types import ModuleType
from typing import TypeVar

from regmdp.reproduce.base import ProgressFunction

__all__ = ["map_in_processes"]

Task = TypeVar("Task")
Answer = TypeVar("Answer")

#: Environment variables with the number of threads of linear algebra libraries. It is set to 1 per
#: process, so that processes do not compete for cores.
_THREAD_VARIABLES = (
    "OPENBLAS_NUM_THREADS",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


def map_in_processes(
    function: Callable[[Task], Answer],
    tasks: Sequence[Task],
    progress: ProgressFunction,
    describe: Callable[[Task], str],
    *,
    processes: int | None = None,
) -> list[Answer]:
    """Apply a function to all tasks, one per core, and return the answers in the order of tasks.

    The answers do not depend on the number of processes. Put long tasks first. A KeyboardInterrupt,
    from the keyboard or from ``progress``, ends the processes and is propagated.

    Args:
        function: A function at the top level of a module.
        tasks: Its arguments; small, because they are sent to other processes.
        progress: Called when a task is finished.
        describe: Returns the text passed to ``progress`` for a task.
        processes: Number of processes; the default is the smaller of the numbers of cores and
            tasks. With 1 no new process is started.

    Examples:
        >>> map_in_processes(abs, [-1, 2, -3], lambda fraction, text: None, str, processes=1)
        [1, 2, 3]
    """
    count = min(len(tasks), processes or os.cpu_count() or 1)
    if count <= 1:
        answers: list[Answer] = []
        for number, task in enumerate(tasks):
            answers.append(function(task))
            progress((number + 1) / len(tasks), describe(task))
        return answers
    before = multiprocessing.active_children()
    with ProcessPoolExecutor(
        count, multiprocessing.get_context("spawn"), _start_in_process
    ) as pool:
        with _one_thread_per_process(), _without_main_module():
            futures = {pool.submit(function, task): number for number, task in enumerate(tasks)}
        try:
            for done, future in enumerate(as_completed(futures)):
                future.result()
                progress((done + 1) / len(tasks), describe(tasks[futures[future]]))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in set(multiprocessing.active_children()) - set(before):
                process.terminate()
            raise
    return [future.result() for future in futures]


def _start_in_process() -> None:
    """Prepare a process: it ends with the one that started it, even if that is killed."""
    # the terminal sends Ctrl-C to all processes; only the first reacts, and ends the others
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


@contextmanager
def _one_thread_per_process() -> Iterator[None]:
    """Limit processes that start now to one thread for linear algebra."""
    before = {name: os.environ.get(name) for name in _THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(_THREAD_VARIABLES, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _without_main_module() -> Iterator[None]:
    """Keep processes that start now from running the user's script.

    A new process imports the main module of its parent. That would start the experiment again if
    the script has no ``if __name__ == "__main__"``. Tasks are functions of this package and need
    no main module.
    """
    before = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = before
