"""Whole commands that are killed at random moments, and started again: a program.

``python killed_commands.py COUNT SEED FOLDER [COMMAND ...]`` runs each command again and again, and
ends it COUNT times with SIGKILL or SIGINT. What was complete before has to be there, whole, and
the command that goes on has to come to the result of a run that nothing ended. The last line of
the output is a JSON object with the numbers of kills, of runs that came to their end, and of those
whose results were compared.
"""

import json
import os
import shutil
import signal
import sys
import time
import traceback
from abc import ABC, abstractmethod
from pathlib import Path

import numpy as np
import toy_experiments

from regmdp.cli import main, train
from regmdp.reproduce import experiments
from regmdp.reproduce.records import Record

INTERRUPTED = 130
#: Exit code of an error that no command should have.
CRASHED = 70


class Command(ABC):
    """A command, what it leaves, and how it goes on.

    Attributes:
        folder: Where it writes.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @abstractmethod
    def words(self) -> list[str]:
        """Return the words of the command, which goes on if there is something to go on from."""

    @abstractmethod
    def check(self) -> None:
        """Check what is there after a kill, an interrupt or the end."""

    @abstractmethod
    def result(self) -> dict[str, object]:
        """Return what a run that came to its end has written, by name."""

    def clear(self) -> None:
        """Remove everything, for a new run."""
        shutil.rmtree(self.folder)
        self.folder.mkdir()


class Train(Command):
    """``regmdp train``, which saves its learner every 200 steps."""

    STEPS = 1_000

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.path, self.log, self.steps = folder / "learner.npz", folder / "log.jsonl", 0

    def words(self):
        resume = ["--resume", self.path] if self.path.exists() else []
        options = ["--algorithm", "a2c", "--until", self.STEPS, "--episodes", 1]
        return ["train", "CartPole-v1", *options, "-o", self.path, "--log", self.log, *resume]

    def check(self):
        from regmdp.deep import A2C
        from regmdp.deep.checkpoints import read_snapshot

        assert self.path.exists() or not self.steps, "a saved learner is lost"
        if self.path.exists():
            found = read_snapshot(self.path, A2C.name).steps
            assert found >= self.steps, f"{found} steps are saved where {self.steps} were"
            assert found % train.CHECKPOINT_STEPS == 0, f"the file holds {found} steps"
            self.steps = found
        if self.log.exists():
            whole = self.log.read_text().rpartition("\n")[0].splitlines()
            assert all("steps" in json.loads(line) for line in whole)

    def result(self):
        with np.load(self.path) as archive:
            arrays = {name: archive[name].tobytes() for name in archive.files}
        lines = [json.loads(line) for line in self.log.read_text().splitlines()]
        return arrays | {"log": [{**line, "seconds": 0.0} for line in lines]}

    def clear(self):
        super().clear()
        self.steps = 0


class Reproduce(Command):
    """``regmdp reproduce`` with three experiments of a few tenths of a second."""

    NAMES = ("one", "two", "three")

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.records: dict[str, bytes] = {}

    def words(self):
        return ["reproduce", *self.NAMES, "--resume", "-o", self.folder]

    def check(self):
        for name in self.NAMES:
            path = self.folder / name / "record.json"
            assert name not in self.records or path.exists(), f"experiment {name} is lost"
            if path.exists():
                Record.load(path.parent)
                content = path.read_bytes()
                assert self.records.get(name, content) == content, f"{name} was run again"
                self.records[name] = content
        report = self.folder / "report.html"
        assert not report.exists() or report.read_text().rstrip().endswith("</html>")

    def result(self):
        left = [path.name for path in self.folder.iterdir() if path.name.startswith(".")]
        assert not left, f"the last run leaves {left}"
        found: dict[str, object] = {}
        for path in sorted(self.folder.glob("*/*")):
            found[f"{path.parent.name}/{path.name}"] = path.read_bytes()
            if path.name == "record.json":
                record = json.loads(path.read_text())
                del record["date"], record["seconds"]
                found[f"{path.parent.name}/{path.name}"] = record
        return found

    def clear(self):
        super().clear()
        self.records.clear()


COMMANDS = {"train": Train, "reproduce": Reproduce}


def run_slowly(settings, progress):
    """An experiment that reports its progress."""
    for number in range(10):
        time.sleep(0.01)
        progress(number / 10, "working")
    return toy_experiments.result(settings)


def prepare():
    """Make learners save often, and replace the experiments by small ones."""
    train.CHECKPOINT_STEPS = 200
    experiments.EXPERIMENTS = tuple(
        toy_experiments.experiment(name, run_slowly) for name in Reproduce.NAMES
    )


def start(command):
    """Run a command in a new process; return its number."""
    words = [str(word) for word in command.words()]
    child = os.fork()
    if child:
        return child
    code = CRASHED
    try:
        for number, name in ((1, os.devnull), (2, command.folder.parent / "errors.txt")):
            os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        sys.argv = ["regmdp", *words]
        main()
        code = 0
    except SystemExit as ended:
        code = ended.code or 0
    except KeyboardInterrupt:  # before the command has begun
        code = INTERRUPTED
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def wait(command, child):
    """Wait for the end of a process; return its exit code, negative for a signal."""
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    errors = (command.folder.parent / "errors.txt").read_text(errors="replace")
    assert code in (0, INTERRUPTED, -signal.SIGKILL, -signal.SIGINT), f"exit code {code}: {errors}"
    return code


def finish(command):
    """Run a command to its end, and return the result."""
    assert wait(command, start(command)) == 0
    return command.result()


def kill_often(command, count, rng, report):
    """Kill a command at random moments, start it again, and compare its results with one."""
    begin = time.perf_counter()
    expected, longest = finish(command), time.perf_counter() - begin
    command.clear()
    kills, how, code = 0, signal.SIGKILL, None
    while kills < count or code != 0:  # the last run comes to its end
        if not list(command.folder.iterdir()):  # a run is ended in one way only
            how = signal.SIGKILL if rng.random() < 0.6 else signal.SIGINT
        child = start(command)
        if kills < count:
            kills += 1
            time.sleep(float(rng.uniform(0.0, longest)))
            os.kill(child, how)
        code = wait(command, child)
        command.check()
        if code == 0:
            report["ends"] += 1
            found = command.result()
            report["compared"] += 1
            different = {key for key in expected | found if expected.get(key) != found.get(key)}
            assert not different, f"the result differs in {sorted(different)}"
            command.clear()
    report["kills"] += kills


def main_program(count, seed, folder, *names):
    prepare()
    rng, report = np.random.default_rng(seed), dict.fromkeys(("kills", "ends", "compared"), 0)
    for name in names or COMMANDS:
        if name == "train":  # imported before the first fork; JAX starts its threads after it
            import gymnasium  # noqa: F401

            import regmdp.deep  # noqa: F401
        else:
            from regmdp import plots  # noqa: F401
        place = folder / name / "output"
        place.mkdir(parents=True)
        kill_often(COMMANDS[name](place), count, rng, report)
    sys.stdout.write(json.dumps(report) + "\n")


if __name__ == "__main__":
    main_program(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), *sys.argv[4:])
