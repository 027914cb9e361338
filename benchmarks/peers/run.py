"""regmdp and its peers side by side: the same models, answers equally right, runs in turn, ratios
out.

Run it with: python benchmarks/peers/run.py --quick

Every peer lives in a virtual environment and a process of its own. The environments are made on the
first run and kept.
"""

from __future__ import annotations

import argparse
import datetime
import fnmatch
import json
import os
import platform
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

import table
from cases import CASES, Case
from client import TooLongError, Worker, WorkerError
from environments import PEERS, Peer, UnavailableError, default_folder, library, python_of
from race import Record, Rules, race
from sweeps import compare_sweeps

REPOSITORY = Path(__file__).resolve().parents[2]


def main() -> None:
    """Read the command line, run, and print."""
    options = _options()
    cases = _chosen(options)
    signal.signal(
        signal.SIGTERM, signal.default_int_handler
    )  # what there is gets printed, as after Ctrl-C
    threads = options.threads or len(os.sched_getaffinity(0))
    run: dict[str, Any] = {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": _machine(),
        "threads": threads,
        "absent": {},
        "records": [],
        "sweeps": [],
    }
    with tempfile.TemporaryDirectory(prefix="regmdp-peers-") as name:
        folder = Path(name)
        workers = _workers(options, threads, folder, run["absent"])
        try:
            for case in cases:
                print(f"{case.name}, load average {_load()}", file=sys.stderr, flush=True)
                _measure(case, workers, options, threads, folder, run)
        except KeyboardInterrupt:
            print("interrupted: what there is follows", file=sys.stderr)
        finally:
            for worker in workers.values():
                worker.stop()
    run["machine"]["load"]["end"] = _load()
    text = table.page(run)
    print(text)
    if options.out:
        options.out.write_text(text)
        options.out.with_suffix(".json").write_text(json.dumps(run, indent=1) + "\n")


def _measure(
    case: Case,
    workers: dict[str, Worker],
    options: Any,
    threads: int,
    folder: Path,
    run: dict[str, Any],
) -> None:
    """Run one case, and add what was measured to the run."""
    path = folder / "model.npz"
    model = case.write(path)
    base = {
        "case": case.name,
        "states": model.n_states,
        "actions": model.n_actions,
        "transitions": model.rows.nnz,
        "discount": model.discount,
    }
    loaded, failed = {}, {}
    for name, worker in workers.items():
        try:
            worker.load(path, 10 * options.limit)
            loaded[name] = worker
        except (WorkerError, TooLongError) as trouble:
            failed[name] = f"the model cannot be loaded: {trouble}"
    if "regmdp" not in loaded:
        raise SystemExit(f"{case.name}: {failed['regmdp']}")
    if options.sweeps:
        run["sweeps"] += compare_sweeps(
            case.name,
            model.n_states,
            case.temperature,
            loaded,
            threads,
            options.repetitions,
            options.limit,
            folder,
        )
        return
    rules = Rules(options.repetitions, options.limit, folder)
    for temperature in (None, case.temperature):
        regularizer = "none" if temperature is None else f"Shannon({temperature:g})"
        run["records"] += [
            record.as_dict()
            for record in race(
                {**base, "regularizer": regularizer}, model, loaded, temperature, rules
            )
        ]
    for name, why in failed.items():
        run["records"].append(_missing(base, name, why))


def _missing(base: dict[str, Any], name: str, why: str) -> dict[str, Any]:
    return Record(**base, regularizer="none", peer=name, method="all methods", note=why).as_dict()


def _workers(options: Any, threads: int, folder: Path, absent: dict[str, str]) -> dict[str, Worker]:
    """Return the workers that can run; those that cannot are noted with the reason."""
    names = (
        ["c", "scipy"]
        if options.sweeps
        else options.peer or [peer.name for peer in PEERS.values() if peer.by_default]
    )
    memory = int(options.memory * 2**30)
    workers = {}
    for name in dict.fromkeys(("regmdp", *names)):
        try:
            floor = library(options.venvs) if name == "c" else None
            # SciPy's product needs no environment beside ours
            python = python_of(PEERS.get(name, Peer(name, None, {})), options.venvs)
        except UnavailableError as reason:
            absent[name] = str(reason)
            print(f"{name} is left out: {reason}", file=sys.stderr)
            continue
        workers[name] = Worker(name, python, threads, memory, floor, folder / f"{name}.log")
    return workers


def _options() -> Any:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--case",
        nargs="+",
        metavar="NAME",
        help="cases to run, wildcards allowed; all of them by default",
    )
    parser.add_argument(
        "--list", action="store_true", help="print the names of the cases and leave"
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="small cases only, three repetitions, 20 seconds a solution",
    )
    parser.add_argument(
        "--sweeps", action="store_true", help="time single backups instead of solutions"
    )
    others = [name for name in PEERS if name != "regmdp"]
    parser.add_argument(
        "--peer",
        nargs="+",
        metavar="NAME",
        choices=others,
        help=f"peers: {', '.join(others)}; mdpax only if asked for",
    )
    parser.add_argument("--repetitions", type=int, help="rounds of measurements; 5 by default")
    parser.add_argument(
        "--limit", type=float, help="seconds that one solution may take; 60 by default"
    )
    parser.add_argument(
        "--threads", type=int, help="threads that each may use; all cores by default"
    )
    parser.add_argument(
        "--memory",
        type=float,
        default=0.75 * _memory(),
        help="GiB that each may use; 3/4 of the machine's by default",
    )
    parser.add_argument(
        "--venvs",
        type=Path,
        default=default_folder(),
        help="folder for the environments; default %(default)s",
    )
    parser.add_argument(
        "--out",
        type=Path,
        help="write the page to this file, and the numbers beside it with the suffix .json",
    )
    options = parser.parse_args()
    options.repetitions = options.repetitions or (3 if options.quick else 5)
    options.limit = options.limit or (20.0 if options.quick else 60.0)
    options.venvs = options.venvs.expanduser().resolve()
    if options.venvs.is_relative_to(REPOSITORY):
        parser.error(f"--venvs must lie outside the repository, {REPOSITORY}")
    if options.out and (not options.out.resolve().parent.is_dir() or options.out.suffix == ".json"):
        parser.error(
            "--out must be a file in a folder that exists, and not end in .json, for the numbers "
            "go there"
        )
    if options.list:
        print(
            "\n".join(f"{case.name}{' (quick)' if case.quick else ''}" for case in CASES.values())
        )
        sys.exit()
    return options


def _chosen(options: Any) -> list[Case]:
    patterns = options.case or ["*"]
    for pattern in patterns:
        if not fnmatch.filter(CASES, pattern):
            sys.exit(f"no case is called {pattern!r}; --list prints their names")
    chosen = [
        case
        for case in CASES.values()
        if any(fnmatch.fnmatch(case.name, pattern) for pattern in patterns)
    ]
    chosen = [case for case in chosen if case.quick or not options.quick]
    if not chosen:
        sys.exit("none of these cases is among the small ones; leave --quick out")
    return chosen


def _machine() -> dict[str, Any]:
    processor = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        processor = next(
            (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")),
            processor,
        )
    except OSError:
        pass
    system = f"{platform.system()}, Python {platform.python_version()}, {_memory():.0f} GiB"
    return {
        "processor": processor,
        "cores": os.cpu_count(),
        "system": system,
        "load": {"start": _load(), "end": ""},
    }


def _memory() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def _load() -> str:
    return f"{os.getloadavg()[0]:.2f}"


if __name__ == "__main__":
    main()
