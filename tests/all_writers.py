"""Everything that the library and the command line write: functions from a model to files."""

import io
import tempfile
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from toy_experiments import experiment, result

import regmdp as rm
from regmdp.cli import app, train
from regmdp.reproduce.records import Record
from regmdp.reproduce.running import run_and_write

MDP = rm.models.garnet(30, 3, 4, rng=0)
OTHER = rm.models.garnet(40, 3, 4, rng=1)


class Writer(NamedTuple):
    """Something that is written.

    Attributes:
        write: Writes what belongs to a model to a path.
        read: Reads it, after which it is known to be whole.
        heavy: Whether it takes long, or needs packages that take long to import.
        replaces: Whether it replaces what is there.
    """

    write: Callable[[rm.MDP, Path], object]
    read: Callable[[Path], Any]
    heavy: bool = False
    replaces: bool = True


def call(*words: object) -> None:
    """Run a command; its errors are raised, and what it prints is not."""
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        app([str(word) for word in words], standalone_mode=False)


def find_frontier(mdp):
    return rm.frontier(mdp, rm.uniform_policy(mdp), [1.0])


def model_file(**options):
    return Writer(lambda mdp, path: rm.io.write_model(mdp, path, **options), rm.io.read_model)


def animate(mdp, path, **options):
    recorder = rm.algorithms.Recorder()
    grid = rm.models.gridworld(2, 2 + mdp.n_states // 40, discount=0.9)
    rm.solve(grid, rm.Shannon(0.1), tol=0, max_iterations=2, callback=recorder)
    rm.plots.animate(recorder, path, grid, max_frames=2, **options)


def read_film(path):
    from PIL import Image

    with Image.open(path) as film:
        film.load()


@cache
def make_learner(units):
    from regmdp.deep import A2C, mlp

    return A2C("CartPole-v1", network=mlp((units,)), critic=mlp((units,)), n_envs=1)


def load_learner(path):
    from regmdp.deep import A2C

    return A2C.load(path)


def write_experiment(mdp, path):
    size = mdp.n_states
    toy = experiment("toy", lambda settings, progress: result(type(settings)(size=size)))
    run_and_write(toy, path, lambda fraction, text: None)


@cache
def make_record():
    with tempfile.TemporaryDirectory() as folder:
        return run_and_write(experiment("toy"), Path(folder) / "toy", lambda fraction, text: None)


def write_gallery(mdp, path):
    from regmdp.reproduce.report import Chapter, write_gallery

    figures = {"curve": f"<svg>{mdp.rewards.tolist()}</svg>"}
    write_gallery([Chapter(experiment("toy"), make_record(), figures)], path)


def write_frontier(mdp, path):
    sizes = ("-p", f"n_states={mdp.n_states}", "-p", "n_actions=3", "-p", "branching=4")
    call("frontier", "garnet", *sizes, "--reference", "uniform", "--temperatures", 1, "-o", path)


def read_frontier(path):
    assert (path / "frontier.html").read_text().rstrip().endswith("</html>")
    return rm.Frontier.load(path / "frontier.npz")


def write_curve(mdp, path):
    train._write_curve(path, [(float(state), state % 7) for state in range(mdp.n_states)])


def read_text_with_end(end):
    def read(path):
        assert path.read_text().rstrip().endswith(end)

    return read


def read_table(path):
    return np.genfromtxt(path, delimiter=",", names=True, dtype=None, encoding="utf-8")


#: By the name of the file or folder.
WRITERS = {
    "m.npz": model_file(),
    "m.drn": model_file(),
    "m.tra": model_file(),
    "toolbox.npz": model_file(format="mdptoolbox"),
    "quantecon.npz": model_file(format="quantecon"),
    "m.mapped": model_file()._replace(replaces=False),
    "s.npz": Writer(lambda mdp, path: rm.solve(mdp).save(path), rm.Solution.load),
    "f.npz": Writer(lambda mdp, path: find_frontier(mdp).save(path), rm.Frontier.load),
    "f.csv": Writer(lambda mdp, path: find_frontier(mdp).to_csv(path), read_table),
    "run.gif": Writer(animate, read_film, heavy=True),
    "learner.npz": Writer(
        lambda mdp, path: make_learner(mdp.n_states // 10).save(path), load_learner, heavy=True
    ),
    "toy": Writer(write_experiment, Record.load, heavy=True),
    "shown.md": Writer(write_gallery, read_text_with_end("passed."), heavy=True),
    "answer": Writer(write_frontier, read_frontier, heavy=True),
    "curve.svg": Writer(write_curve, read_text_with_end("</svg>"), heavy=True),
}


def content(folder: Path) -> dict[str, bytes]:
    """Return the contents of all files below a folder, by their paths."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
