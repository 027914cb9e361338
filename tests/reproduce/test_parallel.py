"""Independent runs in several processes."""

import math
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from regmdp.reproduce.parallel import map_in_processes


def silent(fraction, text):
    pass


@pytest.mark.parametrize("processes", [1, 2])
def test_answers_are_in_the_order_of_tasks(processes):
    assert map_in_processes(math.factorial, [5, 3, 4], silent, str, processes=processes) == [
        120,
        6,
        24,
    ]


def test_no_tasks():
    assert map_in_processes(math.factorial, [], silent, str) == []


def test_processes_use_one_thread_each():
    before = os.environ.get("OMP_NUM_THREADS")
    assert map_in_processes(
        os.getenv, ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"], silent, str, processes=2
    ) == ["1", "1"]
    assert os.environ.get("OMP_NUM_THREADS") == before


STARTED = """
import multiprocessing, time
from regmdp.reproduce.parallel import map_in_processes

def show(fraction, text):
    print(*(process.pid for process in multiprocessing.active_children()), flush=True)

map_in_processes(time.sleep, [0.0, 60.0, 60.0], show, str, processes=2)
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="it looks into /proc")
def test_processes_end_with_the_one_that_started_them():
    with subprocess.Popen([sys.executable, "-c", STARTED], stdout=subprocess.PIPE) as first:
        numbers = first.stdout.readline().split()
        first.kill()
    assert len(numbers) == 2
    end = time.monotonic() + 60
    while any(Path(f"/proc/{number.decode()}").exists() for number in numbers):
        assert time.monotonic() < end, "a process goes on without the one that started it"
        time.sleep(0.05)


@pytest.mark.parametrize("processes", [1, 2])
def test_progress_is_reported(processes):
    reports = []
    map_in_processes(
        math.factorial,
        [1, 2, 3, 4],
        lambda fraction, text: reports.append((fraction, text)),
        str,
        processes=processes,
    )
    assert [fraction for fraction, _ in reports] == [0.25, 0.5, 0.75, 1.0]
    assert sorted(text for _, text in reports) == ["1", "2", "3", "4"]


@pytest.mark.parametrize("processes", [1, 2])
def test_errors_of_tasks_are_propagated(processes):
    with pytest.raises(ValueError, match="math domain error|nonnegative"):
        map_in_processes(math.sqrt, [1.0, -1.0], silent, str, processes=processes)


@pytest.mark.parametrize("processes", [1, 2])
def test_interrupts_are_propagated(processes):
    def stop(fraction, text):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        map_in_processes(math.factorial, [1, 2, 3], stop, str, processes=processes)
