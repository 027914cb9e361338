"""Networks that learn, ours and Stable-Baselines3's: returns after the same number of steps, and steps a second.

Run it with: python benchmarks/learning.py --task trpo-cartpole --seeds 3

Each run is a process of its own, ours and the peer's in turn. What is done is appended to a file and not done again, so that a
long benchmark can be interrupted. The peer lives in a virtual environment that is made on the first run.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER / "learners"))
from tasks import TASKS  # noqa: E402

PEERS = ("stable-baselines3", "sb3-contrib", "gymnasium[mujoco]", "torch==2.13.0")


def main() -> None:
    """Read the command line, run what has not been run, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", nargs="+", choices=TASKS, metavar="NAME", default=list(TASKS), help=f"of {', '.join(TASKS)}")
    parser.add_argument("--seeds", type=int, default=3, help="runs of each")
    parser.add_argument("--who", nargs="+", choices=("regmdp", "sb3"), default=["regmdp", "sb3"])
    parser.add_argument("--venv", type=Path, default=Path.home() / ".cache" / "regmdp-learners", help="the peer's environment")
    parser.add_argument("--runs", type=Path, default=FOLDER / "results" / "learning.jsonl", help="what was run, and is added to")
    parser.add_argument("--out", type=Path, help="write the table to this file")
    options = parser.parse_args()
    done = _read(options.runs)
    for name in options.task:
        for seed in range(options.seeds):
            for who in options.who:
                if (name, who, seed) in done or (who == "sb3" and TASKS[name].peer is None):
                    continue
                print(f"{name}, {who}, seed {seed}, load average {os.getloadavg()[0]:.2f}", file=sys.stderr, flush=True)
                record = _run(name, who, seed, options.venv)
                with open(options.runs, "a", encoding="utf-8") as runs:
                    runs.write(json.dumps(record) + "\n")
                done[name, who, seed] = record
    text = _table(done)
    print(text)
    if options.out:
        options.out.write_text(text)


def _read(path: Path) -> dict[tuple[str, str, int], dict[str, Any]]:
    if not path.exists():
        return {}
    records = (json.loads(line) for line in path.read_text().splitlines())
    return {(record["task"], record["who"], record["seed"]): record for record in records}


def _run(name: str, who: str, seed: int, venv: Path) -> dict[str, Any]:
    python = sys.executable if who == "regmdp" else str(_made(venv))
    script = FOLDER / "learners" / ("ours.py" if who == "regmdp" else "sb3.py")
    ended = subprocess.run([python, str(script), name, str(seed)], stdout=subprocess.PIPE, check=True, text=True)
    return {"task": name, "who": who, "seed": seed, **json.loads(ended.stdout.splitlines()[-1])}


def _made(venv: Path) -> Path:
    python = venv / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *PEERS], check=True)
    return python


def _table(done: dict[tuple[str, str, int], dict[str, Any]]) -> str:
    lines = [
        "| task | who | steps | greedy return, each seed | median | sampled, median | steps/s, median |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, task in TASKS.items():
        for who in ("regmdp", "sb3"):
            runs = [record for (of_task, of_who, _), record in sorted(done.items()) if (of_task, of_who) == (name, who)]
            if runs:
                greedy, sampled, speed = ([record[key] for record in runs] for key in ("greedy", "sampled", "steps_per_second"))
                each = ", ".join(f"{value:.0f}" for value in greedy)
                medians = (statistics.median(values) for values in (greedy, sampled, speed))
                lines.append(
                    "| " + " | ".join([name, who, f"{task.steps:,}", each, *(f"{value:,.0f}" for value in medians)]) + " |"
                )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
