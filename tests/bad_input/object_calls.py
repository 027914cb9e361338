"""Valid calls of methods of models, solutions, frontiers, data and runs, and of files."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
from bad_input.fixtures import MASK, POLICY, REWARDS, draw_next, log, model, rng

import regmdp as rm

__all__ = ["CALLS"]


@cache
def solution() -> rm.Solution:
    """Return a solution."""
    return rm.solve(model(), rm.Shannon(0.1), tol=1e-3)


@cache
def frontier() -> rm.Frontier:
    """Return a frontier."""
    return rm.frontier(model(), np.full((3, 2), 0.5), [0.5, 1.0], tol=1e-2)


@cache
def run() -> rm.theory.Trace:
    """Return the trace of a run."""
    return rm.theory.trace(model(), rm.Shannon(0.1), rm.algorithms.NPG(0.5), max_iterations=2)


@cache
def states() -> list[object]:
    """Return the iterates of a run that draws samples."""
    recorder = rm.algorithms.Recorder()
    algorithm = rm.algorithms.NPG(0.5, rm.evaluation.Noisy(1e-3))
    rm.learn(model(), rm.Shannon(0.1), algorithm, max_iterations=2, rng=rng(), callback=recorder)
    return list(recorder.states)


@cache
def grid() -> rm.GridLayout:
    """Return a grid of three cells."""
    return rm.GridLayout(["..", "#G"])


def simulator() -> rm.samples.Simulator:
    """Return a simulator."""
    return rm.samples.TableSimulator(model())


def written(name: str, write: Callable[[Path], object]) -> Path:
    """Write a file once, and return its path."""
    path = Path(name)
    if not path.exists():
        write(path)
    return path


def fresh(name: str) -> Path:
    """Return a path at which nothing is."""
    number = 0
    while (path := Path(f"{name}{number}")).exists():
        number += 1
    return path


def model_file() -> Path:
    """Return a file with the model."""
    return written("model.npz", lambda path: rm.io.save_model(model(), path))


def checkpoint_file() -> Path:
    """Return a checkpoint of the model."""

    def write(path: Path) -> None:
        checkpoint = rm.algorithms.Checkpoint(path, model(), iterations=1)
        rm.solve(model(), None, "auto", max_iterations=1, tol=0, callback=checkpoint)

    return written("checkpoint.npz", write)


def model_folder() -> Path:
    """Return a folder with the model."""
    return written("model.mapped", lambda path: rm.io.save_mapped(model(), path))


CALLS: dict[str, Callable[[], dict[str, object]]] = {
    "regmdp.MDP.describe": lambda: {"self": model(), "state": 1, "action": 1},
    "regmdp.MDP.to_columns": lambda: {"self": model(), "numbers": REWARDS},
    "regmdp.MDP.to_sparse": lambda: {"self": model(), "table": REWARDS},
    "regmdp.MDP.with_available": lambda: {"self": model(), "available": MASK},
    "regmdp.MDP.with_discount": lambda: {"self": model(), "discount": 0.5},
    "regmdp.MDP.with_initial": lambda: {"self": model(), "initial": np.array([0.5, 0.25, 0.25])},
    "regmdp.MDP.with_layout": lambda: {"self": model(), "layout": rm.LineLayout("state")},
    "regmdp.MDP.with_rewards": lambda: {"self": model(), "rewards": REWARDS},
    "regmdp.GridLayout.spread": lambda: {"self": grid(), "values": np.array([1.0, 2.0, 3.0])},
    "regmdp.Solution.save": lambda: {"self": solution(), "path": Path("solution.npz")},
    "regmdp.Solution.load": lambda: {"path": written("solution.npz", solution().save)},
    "regmdp.Frontier.save": lambda: {"self": frontier(), "path": Path("frontier.npz")},
    "regmdp.Frontier.load": lambda: {"path": written("frontier.npz", frontier().save)},
    "regmdp.Frontier.to_csv": lambda: {"self": frontier(), "path": Path("frontier.csv")},
    "regmdp.Frontier.divergence_for": lambda: {"self": frontier(), "gain": 0.1},
    **{
        f"regmdp.Frontier.{bound}": lambda: {
            "self": frontier(),
            "divergence": np.array([0.1, 0.2]),
        }
        for bound in ("lower", "upper")
    },
    "regmdp.samples.Dataset.from_labels": lambda: {
        "columns": {
            "state": ["a", "b"],
            "action": ["x", "y"],
            "reward": np.array([1.0, 2.0]),
            "next_state": ["b", "a"],
            "weight": np.ones(2),
        },
        "ignore": ["weight"],
    },
    "regmdp.samples.Dataset.require_fit": lambda: {"self": log(), "process": model()},
    "regmdp.samples.Dataset.subset": lambda: {"self": log(), "rows": np.array([0, 2])},
    "regmdp.samples.OfflineMDP.like": lambda: {"process": model(), "data": log()},
    "regmdp.samples.Simulator.sample": lambda: {
        "self": simulator(),
        "state": np.array([0, 1]),
        "action": np.array([1, 0]),
        "rng": rng(),
    },
    "regmdp.samples.Simulator.sample#user": lambda: {
        "self": rm.samples.UserSimulator(draw_next, 3, 2, 0.5),
        "state": np.array([0, 1]),
        "action": np.array([1, 0]),
        "rng": rng(),
    },
    "regmdp.samples.Simulator.draw_initial_states": lambda: {
        "self": simulator(),
        "streams": rm.samples.RandomStreams([rng()]),
        "count": 2,
    },
    "regmdp.theory.Statement.compare": lambda: {
        "self": rm.theory.STATEMENTS[0],
        "run": run(),
    },
    "regmdp.theory.Trace.cost": lambda: {"self": run(), "policy": POLICY},
    "regmdp.theory.Trace.step_gain": lambda: {"self": run(), "policy": POLICY, "iterate": 1},
    "regmdp.theory.Trace.from_learning": lambda: {
        "mdp": model(),
        "regularizer": rm.Shannon(0.1),
        "algorithm": rm.algorithms.NPG(0.5),
        "states": states(),
    },
    "regmdp.models.ExponentialChain.target": lambda: {
        "self": rm.models.ExponentialChain(10**6, 4, 0.5),
        "s": 2,
    },
    "regmdp.io.save_model": lambda: {"mdp": model(), "path": Path("saved.npz")},
    "regmdp.algorithms.Checkpoint": lambda: {
        "path": Path("new-checkpoint.npz"),
        "mdp": model(),
        "minutes": 1.0,
        "iterations": 2,
    },
    "regmdp.algorithms.load_checkpoint": lambda: {"path": checkpoint_file(), "mdp": model()},
    "regmdp.io.load_model": lambda: {"path": model_file(), "normalize": False},
    "regmdp.io.save_mapped": lambda: {"mdp": model(), "path": fresh("folder")},
    "regmdp.io.open_distributed": lambda: {"path": model_folder(), "verify": False},
    "regmdp.io.open_mapped": lambda: {"path": model_folder(), "verify": False},
    "regmdp.io.read_model": lambda: {
        "path": model_file(),
        "format": "npz",
        "discount": 0.5,
        "rewards": None,
        "normalize": False,
        "verify": False,
    },
    "regmdp.io.write_model": lambda: {
        "mdp": model(),
        "path": Path("written.npz"),
        "format": "npz",
    },
    "regmdp.io.load_policy": lambda: {
        "path": written("policy.npy", lambda path: np.save(path, POLICY))
    },
    "regmdp.io.ModelWriter": lambda: {
        "path": fresh("writer"),
        "n_states": 3,
        "n_actions": 2,
        "discount": 0.5,
        "initial": np.array([0.5, 0.25, 0.25]),
        "state_labels": ["a", "b", "c"],
        "action_labels": ["left", "right"],
        "layout": rm.LineLayout("state"),
        "normalize": False,
        "labels": {"start": [0]},
        "objective": None,
    },
}
