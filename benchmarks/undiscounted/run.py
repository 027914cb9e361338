"""regmdp and Storm on undiscounted models: one command for all cases, and the table.

Both solve every query in all states, on one thread, with the model in memory, in turn and in one
process for each case: regmdp to a certified gap of 1e-8 of the largest value, Storm by each of its
methods for MDPs that bound their error, to a relative error of 1e-8 in each state, and to the
absolute error that regmdp certifies. It needs the package stormpy. Run it with:

    python benchmarks/undiscounted/run.py --out benchmarks/results/undiscounted.md
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from cases import CASES
from table import page

HERE = Path(__file__).resolve().parent
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "REGMDP_NUM_THREADS"), "1"
)


def main() -> None:
    options = _parse()
    records: list[dict[str, Any]] = []
    for case in CASES:
        if not any(fnmatch.fnmatch(case.name, pattern) for pattern in options.case or ["*"]):
            continue
        print(case.name, file=sys.stderr, flush=True)
        records += _race(case.name, options)
        text = page(records, options.repetitions)
        if options.out:
            options.out.write_text(text)
            options.out.with_suffix(".json").write_text(json.dumps(records, indent=1) + "\n")
    if not options.out:
        print(page(records, options.repetitions))


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--case", action="append", help="name of a case, with * for any text")
    parser.add_argument("--repetitions", type=int, default=3, help="of each solve; default 3")
    parser.add_argument("--limit", type=float, default=20.0, help="seconds for one solve of Storm")
    parser.add_argument("--out", type=Path, help="Markdown file; the numbers go beside it")
    return parser.parse_args()


def _race(name: str, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Run a case in a process of its own."""
    command = [sys.executable, str(HERE / "race.py"), name]
    process = subprocess.run(
        [*command, str(options.repetitions), str(options.limit)],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        env=os.environ | ONE_THREAD,
    )
    lines = [line for line in process.stdout.splitlines() if line.startswith("{")]
    if process.returncode:
        print(f"{name} ended with {process.returncode}", file=sys.stderr)
    return [json.loads(line) for line in lines]


if __name__ == "__main__":
    main()
