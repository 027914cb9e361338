"""Deep learning results of regmdp and Stable-Baselines3: returns after the same steps, and speed.

Run it with: python benchmarks/learning.py --task trpo-cartpole --seeds 3, or with --race for the
speed only.

Each run is one process, of the two libraries alternately. Results are appended to a file, and runs
that are in the file are skipped, so that a long benchmark can be interrupted. Stable-Baselines3 is
installed in a virtual environment on the first run. learning_figures.py makes the figures of
docs/learning.md from the same file.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from learners.tasks import RACES, TASKS
from scipy import stats

FOLDER = Path(__file__).resolve().parent
SB3_PACKAGES = ("stable-baselines3", "sb3-contrib", "gymnasium[mujoco]", "torch==2.13.0")
LIBRARIES = ("regmdp", "sb3")
RUNS = FOLDER / "results" / "learning.jsonl"

Records: TypeAlias = dict[tuple[str, str, int], dict[str, Any]]


def main() -> None:
    """Read the command line, do the missing runs, and print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--task",
        nargs="+",
        choices=[*TASKS, *RACES],
        metavar="NAME",
        help=f"tasks to run: {', '.join([*TASKS, *RACES])}",
    )
    parser.add_argument("--race", action="store_true", help="run the races if no task is named")
    parser.add_argument("--seeds", type=int, default=3, help="number of runs of each task")
    parser.add_argument(
        "--library",
        nargs="+",
        choices=LIBRARIES,
        default=LIBRARIES,
        help="libraries to run",
    )
    parser.add_argument(
        "--venv",
        type=Path,
        default=Path.home() / ".cache" / "regmdp-learners",
        help="virtual environment of Stable-Baselines3",
    )
    parser.add_argument(
        "--runs",
        type=Path,
        default=RUNS,
        help="file of the results, to which new ones are appended",
    )
    parser.add_argument("--out", type=Path, help="write the tables to this file")
    options = parser.parse_args()
    done = read(options.runs)
    for name in options.task or (RACES if options.race else TASKS):
        for seed in range(options.seeds):
            for who in options.library:
                if (name, who, seed) in done or (
                    who == "sb3" and {**TASKS, **RACES}[name].sb3_method is None
                ):
                    continue
                print(
                    f"{name}, {who}, seed {seed}, load average {os.getloadavg()[0]:.2f}",
                    file=sys.stderr,
                    flush=True,
                )
                record = _run_task(name, who, seed, options.venv)
                with open(options.runs, "a", encoding="utf-8") as runs:
                    runs.write(json.dumps(record) + "\n")
                done[name, who, seed] = record
    text = f"## Returns\n\n{_format_returns(done)}\n## Speed\n\n{_format_speed(done)}"
    print(text)
    if options.out:
        options.out.write_text(text)


def read(path: Path) -> Records:
    """Read the results of earlier runs."""
    if not path.exists():
        return {}
    records = (json.loads(line) for line in path.read_text().splitlines())
    return {(record["task"], record["who"], record["seed"]): record for record in records}


def runs_of(done: Records, name: str, who: str) -> list[dict[str, Any]]:
    """Return the runs of one library in one task, ordered by seed."""
    return [done[key] for key in sorted(done) if key[:2] == (name, who)]


def interquartile_mean(values: Any, axis: int = 0) -> Any:
    """Return the mean of the middle half of the values."""
    return stats.trim_mean(values, 0.25, axis=axis)


def bootstrap_interval(values: Any) -> tuple[Any, Any]:
    """(n, …) numbers of n runs -> (low, high) 95% bootstrap interval of the interquartile mean."""
    values = np.asarray(values, dtype=np.float64)
    if len(values) < 2:
        return values[0], values[0]
    found = stats.bootstrap(
        (values,), interquartile_mean, n_resamples=5_000, method="percentile", axis=0, rng=0
    )
    return found.confidence_interval.low, found.confidence_interval.high


def _run_task(name: str, who: str, seed: int, venv: Path) -> dict[str, Any]:
    python = sys.executable if who == "regmdp" else str(_make_venv(venv))
    script = FOLDER / "learners" / f"run_{who}.py"
    process = subprocess.run(
        [python, str(script), name, str(seed)], stdout=subprocess.PIPE, check=True, text=True
    )
    return {"task": name, "who": who, "seed": seed, **json.loads(process.stdout.splitlines()[-1])}


def _make_venv(venv: Path) -> Path:
    python = venv / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *SB3_PACKAGES], check=True)
    return python


def _format_returns(done: Records) -> str:
    head = (
        "task",
        "library",
        "steps",
        "greedy return, each seed",
        "interquartile mean",
        "95% interval",
        "sampled, interquartile mean",
    )
    rows = [head, ["---"] * len(head)]
    for name, task in TASKS.items():
        for who in LIBRARIES:
            runs = runs_of(done, name, who)
            if runs:
                greedy, sampled = (
                    [record[kind] for record in runs] for kind in ("greedy", "sampled")
                )
                low, high = bootstrap_interval(greedy)
                middle = (
                    f"{interquartile_mean(greedy):.0f}",
                    f"{low:.0f} to {high:.0f}",
                    f"{interquartile_mean(sampled):.0f}",
                )
                rows.append(
                    [
                        name,
                        who,
                        f"{task.steps:,}",
                        ", ".join(f"{value:.0f}" for value in greedy),
                        *middle,
                    ]
                )
    return _format_table(rows)


def _format_speed(done: Records) -> str:
    head = (
        "race",
        "steps",
        "regmdp, steps/s",
        "sb3, steps/s",
        "ratio of pairs",
        "with compilation",
    )
    rows = [head, ["---"] * len(head)]
    for name, task in RACES.items():
        regmdp_runs, sb3_runs = (runs_of(done, name, who) for who in LIBRARIES)
        if regmdp_runs:
            paces = [
                f"{statistics.median(run['pace'] for run in runs):,.0f}" if runs else ""
                for runs in (regmdp_runs, sb3_runs)
            ]
            ratios = [
                _format_ratio(regmdp_runs, sb3_runs, of) if sb3_runs else ""
                for of in ("pace", "steps_per_second")
            ]
            rows.append([name, f"{task.steps:,}", *paces, *ratios])
    return _format_table(rows)


def _format_ratio(
    regmdp_runs: list[dict[str, Any]], sb3_runs: list[dict[str, Any]], of: str
) -> str:
    ratios = sorted(one[of] / other[of] for one, other in zip(regmdp_runs, sb3_runs, strict=False))
    return f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"


def _format_table(rows: list[Any]) -> str:
    return "".join("| " + " | ".join(row) + " |\n" for row in rows)


if __name__ == "__main__":
    main()
