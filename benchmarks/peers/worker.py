"""The process in which one peer lives: it reads commands as JSON lines from its standard input and
answers each with one line.

It is started by the driver with the Python of the peer's environment: python worker.py ADAPTER
MEMORY THREADS, where MEMORY is the limit on the address space in bytes, or 0, and THREADS the
number of cores to keep to. The commands are

- {"do": "load", "model": file}: reads a model and converts it to what the peer wants;
- {"do": "prepare", "method": …, "tolerance": …, "temperature": …}: makes what has to be new for
  each solution;
- {"do": "solve", "out": file}: solves what was prepared, once, and writes the (S,) value to an .npy
  file;
- {"do": "reference", "temperature": …, "out": file}: solves it as exactly as rounding allows, with
  a bound on the error;
- {"do": "sweep", "kind": …, "temperature": …, "value": file, "count": …, "out": file}: backs a
  value up, count times.

Only the peer's own work is timed: neither the conversion, nor reading and writing files, nor the
interpreter's start.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import resource
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from model import load


def main() -> None:
    """Answer commands until the input ends."""
    name, memory, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    if memory:
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    # some libraries know no other limit on their threads than the cores there are
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    # Peers print what they like, from C++ too: the answers go out on a copy of the standard output,
    # which then becomes standard error.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    adapter: Any = None
    for line in sys.stdin:
        command = json.loads(line)
        try:
            if adapter is None:
                adapter = importlib.import_module(f"adapters.{name}").Adapter()
            answer = ACTIONS[command["do"]](adapter, command)
        except KeyboardInterrupt:
            return
        except BaseException as error:  # some peers leave with SystemExit where others raise
            text = str(error).strip().splitlines()
            answer = {"error": f"{type(error).__name__}: {text[0] if text else 'no message'}"}
        print(json.dumps(answer), file=answers, flush=True)


def load_model(adapter: Any, command: dict[str, Any]) -> dict[str, Any]:
    """Hand the adapter a model."""
    begin = time.perf_counter()
    adapter.load(load(command["model"]))
    gc.collect()
    return {
        "seconds": time.perf_counter() - begin,
        "versions": {package: found(package) for package in adapter.packages},
    }


#: What was prepared, until it is solved.
READY: list[Any] = []


def prepare(adapter: Any, command: dict[str, Any]) -> dict[str, Any]:
    """Make ready for one solution, in place of what was made ready before."""
    READY.clear()
    begin = time.perf_counter()
    READY.append(adapter.prepare(command["method"], command["tolerance"], command["temperature"]))
    return {"seconds": time.perf_counter() - begin}


def solve(adapter: Any, command: dict[str, Any]) -> dict[str, Any]:
    """Time one solution."""
    run, collect = READY.pop()
    # a pause for what earlier runs left behind is not this run's
    gc.collect()
    forget_peak()
    # on one thread, what other programs do on the machine does not count
    clock = time.process_time if alone() else time.perf_counter
    start = clock()
    result = run()
    seconds = clock() - start
    peak = peak_memory()
    np.save(command["out"], np.asarray(collect(result), dtype=np.float64))
    return {"seconds": seconds, "peak": peak}


def alone() -> bool:
    """Whether one thread is all that may be used."""
    return int(sys.argv[3]) == 1


def reference(adapter: Any, command: dict[str, Any]) -> dict[str, Any]:
    """Find the optimal value as exactly as can be."""
    value, error = adapter.reference(command["temperature"])
    np.save(command["out"], value)
    return {"error_bound": error}


def sweep(adapter: Any, command: dict[str, Any]) -> dict[str, Any]:
    """Time some backups of the same value, and return the seconds of one."""
    value = np.load(command["value"])
    run = adapter.sweep(command["kind"], command["temperature"])
    result = run(value)
    start = time.perf_counter()
    for _ in range(command["count"]):
        result = run(value)
    seconds = (time.perf_counter() - start) / command["count"]
    np.save(command["out"], result)
    return {"seconds": seconds}


ACTIONS = {
    "load": load_model,
    "prepare": prepare,
    "solve": solve,
    "reference": reference,
    "sweep": sweep,
}


def forget_peak() -> None:
    """Start a new measurement of the peak memory, where the system can."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_memory() -> int:
    """Return the largest resident size in bytes: since :func:`forget_peak` on Linux, of the whole
    life elsewhere.
    """
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return 1024 * int(line.split()[1])
    except OSError:
        pass
    # macOS counts bytes
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (
        1 if sys.platform == "darwin" else 1024
    )


def found(package: str) -> str:
    """Return the version of a package, as far as it has one."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


if __name__ == "__main__":
    main()
