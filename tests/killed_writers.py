"""Writers that are killed at random moments: a program that forks them.

``python killed_writers.py COUNT SEED FOLDER [WRITER ...]`` starts each kind of writer COUNT times,
in a process that writes again and again, and ends it with SIGKILL or SIGINT. After each, what was
complete before has to be readable, whole, and one of the objects that were written. The last line
of the output is a JSON object with the numbers of kills and of sets that were refused.
"""

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from toy_experiments import experiment

import regmdp as rm
from regmdp._internal.temporaries import clean_up
from regmdp.cli import app
from regmdp.reproduce.records import Record
from regmdp.reproduce.running import run_and_write

SIZES = (8, 40, 400)
MODELS = {size: rm.models.garnet(size, 2, 3, rng=0) for size in SIZES}
DIGESTS = {size: model.digest for size, model in MODELS.items()}


class Writer(NamedTuple):
    """Something that is written in a folder, by a command or a function.

    Attributes:
        write: Writes it, of a size, to a path.
        name: Its name; ``{}`` is a number if each has a new name.
        check: Checks what is there; returns whether it is refused.
    """

    write: Callable[[Path, int], object]
    name: str
    check: Callable[[Path], bool]


def call(*words):
    with contextlib.suppress(SystemExit):
        app([str(word) for word in words], standalone_mode=False)


def check_solution(path):
    solution = rm.Solution.load(path)
    assert solution.value.size in SIZES
    assert solution.certificate.gap >= 0
    return False


def check_model(path):
    mdp = rm.io.read_model(path, verify=True)
    assert mdp.digest == DIGESTS[mdp.n_states]
    return False


def check_set(path):
    """A set of files is that of one model, or is refused."""
    try:
        return check_model(path)
    except rm.FormatError as error:
        if "do not fit the model" not in str(error):
            raise
        return True


def check_record(path):
    clean_up(path)
    record = Record.load(path)
    assert record.experiment == "toy"
    return False


def write_record(path, size):
    run_and_write(experiment("toy"), path, lambda fraction, text: None)


@cache
def make_learner():
    """Return a learner, made before the first fork."""
    from regmdp.deep import A2C, mlp

    return A2C("CartPole-v1", network=mlp((64,)), critic=mlp((64,)), n_envs=1)


def check_learner(path):
    from regmdp.deep import A2C
    from regmdp.deep.checkpoints import read_snapshot

    assert read_snapshot(path, A2C.name).steps == 0
    return False


WRITERS = {
    "solve": Writer(
        lambda path, size: call("solve", path.parent / f"source{size}.npz", "-o", path),
        "p.npz",
        check_solution,
    ),
    "convert to npz": Writer(
        lambda path, size: call("convert", path.parent / f"source{size}.npz", path),
        "m.npz",
        check_model,
    ),
    "convert to drn": Writer(
        lambda path, size: call("convert", path.parent / f"source{size}.npz", path),
        "m.drn",
        check_model,
    ),
    "convert to PRISM": Writer(
        lambda path, size: call("convert", path.parent / f"source{size}.npz", path),
        "m.tra",
        check_set,
    ),
    "convert to mapped": Writer(
        lambda path, size: call("convert", path.parent / f"source{size}.npz", path),
        "m{}.mapped",
        check_model,
    ),
    "save a solution": Writer(
        lambda path, size: rm.solve(MODELS[size], tol=1.0).save(path), "s.npz", check_solution
    ),
    "mapped": Writer(
        lambda path, size: rm.io.save_mapped(MODELS[size], path), "n{}.mapped", check_model
    ),
    "save a learner": Writer(lambda path, size: make_learner().save(path), "l.npz", check_learner),
    "reproduce": Writer(write_record, "toy", check_record),
}


def write_repeatedly(writer, folder, start):
    """Write one after the other, until the process is ended, or was interrupted."""
    interrupts = []

    def interrupt(number, frame):
        interrupts.append(number)
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, interrupt)
    with open(os.devnull, "w") as nothing:
        os.dup2(nothing.fileno(), 1)
        os.dup2(nothing.fileno(), 2)
    number = start
    while not interrupts:  # a solver that is interrupted returns its last iterate
        writer.write(folder / writer.name.format(number), SIZES[number % len(SIZES)])
        number += 1


def kill_once(writer, folder, number, rng):
    """Start a writer, and end it at a random moment."""
    child = os.fork()
    if child == 0:
        try:
            write_repeatedly(writer, folder, 1000 * number)
        finally:
            os._exit(1)
    time.sleep(float(rng.uniform(0.0, 0.25)))
    os.kill(child, signal.SIGKILL if rng.random() < 0.6 else signal.SIGINT)
    for _ in range(600):
        if os.waitpid(child, os.WNOHANG)[0]:
            return
        time.sleep(0.05)
    os.kill(child, signal.SIGKILL)  # a solver that was interrupted may write its last iterate first
    os.waitpid(child, 0)


def main(count, seed, folder, *names):
    rng, refused = np.random.default_rng(seed), 0
    for name in names or WRITERS:
        writer = WRITERS[name]
        place = folder / name.replace(" ", "-")
        place.mkdir()
        for size, model in MODELS.items():
            rm.io.save_model(model, place / f"source{size}.npz")
        writer.write(place / writer.name.format(0), SIZES[0])
        for number in range(1, count + 1):
            kill_once(writer, place, number, rng)
            paths = list(place.glob(writer.name.format("*")))
            assert paths, f"{name}: nothing is there after kill {number}"
            refused += sum(writer.check(path) for path in paths)
        writer.write(place / writer.name.format(10**9), SIZES[1])
        left = [path.name for path in place.iterdir() if path.name.startswith(".")]
        assert not left, f"{name}: the next writer leaves {left}"
    report = {"kills": count * len(names or WRITERS), "refused": refused}
    sys.stdout.write(json.dumps(report) + "\n")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), *sys.argv[4:])
