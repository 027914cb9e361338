"""Networks that learn, ours and Stable-Baselines3's: returns after the same number of steps, and
steps a second.

Run it with: python benchmarks/learning.py --task trpo-cartpole --seeds 3, or with --race for the
speed alone.

Each run is a process of its own, ours and the peer's in turn. What is done is appended to a file
and not done again, so that a long benchmark can be interrupted. The peer lives in a virtual
environment that is made on the first run. The figures of docs/learning.md are drawn from the same
file by learning_figures.py.
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
PEERS = ("stable-baselines3", "sb3-contrib", "gymnasium[mujoco]", "torch==2.13.0")
RUNS = FOLDER / "results" / "learning.jsonl"

Records: TypeAlias = dict[tuple[str, str, int], dict[str, Any]]


def main() -> None:
    """Read the command line, run what has not been run, and print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--task",
        nargs="+",
        choices=[*TASKS, *RACES],
        metavar="NAME",
        help=f"of {', '.join([*TASKS, *RACES])}",
    )
    parser.add_argument("--race", action="store_true", help="the races if no task is named")
    parser.add_argument("--seeds", type=int, default=3, help="runs of each")
    parser.add_argument("--who", nargs="+", choices=("regmdp", "sb3"), default=["regmdp", "sb3"])
    parser.add_argument(
        "--venv",
        type=Path,
        default=Path.home() / ".cache" / "regmdp-learners",
        help="the peer's environment",
    )
    parser.add_argument("--runs", type=Path, default=RUNS, help="what was run, and is added to")
    parser.add_argument("--out", type=Path, help="write the tables to this file")
    options = parser.parse_args()
    done = read(options.runs)
    for name in options.task or (RACES if options.race else TASKS):
        for seed in range(options.seeds):
            for who in options.who:
                if (name, who, seed) in done or (
                    who == "sb3" and {**TASKS, **RACES}[name].peer is None
                ):
                    continue
                print(
                    f"{name}, {who}, seed {seed}, load average {os.getloadavg()[0]:.2f}",
                    file=sys.stderr,
                    flush=True,
                )
                record = _run(name, who, seed, options.venv)
                with open(options.runs, "a", encoding="utf-8") as runs:
                    runs.write(json.dumps(record) + "\n")
                done[name, who, seed] = record
    text = f"## Returns\n\n{_returns(done)}\n## Speed\n\n{_speed(done)}"
    print(text)
    if options.out:
        options.out.write_text(text)


def read(path: Path) -> Records:
    """Return what was run."""
    if not path.exists():
        return {}
    records = (json.loads(line) for line in path.read_text().splitlines())
    return {(record["task"], record["who"], record["seed"]): record for record in records}


def runs_of(done: Records, name: str, who: str) -> list[dict[str, Any]]:
    """Return the runs of one side in one task, in the order of their seeds."""
    return [done[key] for key in sorted(done) if key[:2] == (name, who)]


def interquartile(values: Any, axis: int = 0) -> Any:
    """Return the mean of the middle half."""
    return stats.trim_mean(values, 0.25, axis=axis)


def interval(values: Any) -> tuple[Any, Any]:
    """(n, …) numbers of n runs -> the 95% bootstrap interval of their interquartile mean, low and
    high.
    """
    values = np.asarray(values, dtype=np.float64)
    if len(values) < 2:
        return values[0], values[0]
    found = stats.bootstrap(
        (values,), interquartile, n_resamples=5_000, method="percentile", axis=0, rng=0
    )
    return found.confidence_interval.low, found.confidence_interval.high


def _run(name: str, who: str, seed: int, venv: Path) -> dict[str, Any]:
    python = sys.executable if who == "regmdp" else str(_made(venv))
    script = FOLDER / "learners" / ("ours.py" if who == "regmdp" else "sb3.py")
    ended = subprocess.run(
        [python, str(script), name, str(seed)], stdout=subprocess.PIPE, check=True, text=True
    )
    return {"task": name, "who": who, "seed": seed, **json.loads(ended.stdout.splitlines()[-1])}


def _made(venv: Path) -> Path:
    python = venv / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *PEERS], check=True)
    return python


def _returns(done: Records) -> str:
    head = (
        "task",
        "who",
        "steps",
        "greedy return, each seed",
        "interquartile mean",
        "95% interval",
        "sampled, the same",
    )
    rows = [head, ["---"] * len(head)]
    for name, task in TASKS.items():
        for who in ("regmdp", "sb3"):
            runs = runs_of(done, name, who)
            if runs:
                greedy, sampled = (
                    [record[kind] for record in runs] for kind in ("greedy", "sampled")
                )
                low, high = interval(greedy)
                middle = (
                    f"{interquartile(greedy):.0f}",
                    f"{low:.0f} to {high:.0f}",
                    f"{interquartile(sampled):.0f}",
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
    return _lined(rows)


def _speed(done: Records) -> str:
    head = ("race", "steps", "ours, steps/s", "theirs", "ratio of pairs", "with compilation")
    rows = [head, ["---"] * len(head)]
    for name, task in RACES.items():
        ours, theirs = (runs_of(done, name, who) for who in ("regmdp", "sb3"))
        if ours:
            paces = [
                f"{statistics.median(run['pace'] for run in runs):,.0f}" if runs else ""
                for runs in (ours, theirs)
            ]
            ratios = [
                _ratio(ours, theirs, of) if theirs else "" for of in ("pace", "steps_per_second")
            ]
            rows.append([name, f"{task.steps:,}", *paces, *ratios])
    return _lined(rows)


def _ratio(ours: list[dict[str, Any]], theirs: list[dict[str, Any]], of: str) -> str:
    ratios = sorted(one[of] / other[of] for one, other in zip(ours, theirs, strict=False))
    return f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"


def _lined(rows: list[Any]) -> str:
    return "".join("| " + " | ".join(row) + " |\n" for row in rows)


if __name__ == "__main__":
    main()
