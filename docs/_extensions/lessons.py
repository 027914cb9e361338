"""Writes the lessons' pages into the site, with their data computed by the library.

python lessons.py FOLDER writes them elsewhere; each page also opens from a file.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np

SOURCE = Path(__file__).resolve().parents[1] / "lessons"


def compute_data() -> dict:
    """Return the models of the lessons and what is precomputed about them."""
    return {
        "bandit": {"rewards": [1.0, 0.9, 0.1]},
        "gridworld": _describe_gridworld(),
        "path": _compute_path(),
        "bound": _compute_bound(),
    }


def _describe_gridworld() -> dict:
    walls = np.zeros((8, 8), bool)
    walls[1:6, 3], walls[5, 4:7] = True, True
    return {"walls": walls.tolist(), "goal": [7, 7], "slip": 0.2}


def _compute_path() -> dict:
    import regmdp as rm

    mdp = rm.models.russell_norvig(discount=0.95)
    uniform = rm.uniform_policy(mdp)
    kinds = {
        "shannon": rm.Shannon,
        "kl": lambda temperature: rm.KL(uniform, temperature=temperature),
        "l2": rm.SquaredL2,
        "tsallis": lambda temperature: rm.Tsallis(1.5, temperature=temperature),
        "barrier": rm.LogBarrier,
    }
    temperatures = np.logspace(-4, -0.5, 41)
    paths = {name: _follow(mdp, kind, temperatures) for name, kind in kinds.items()}
    best = rm.solve(mdp).initial_value
    return {
        "temperatures": temperatures.tolist(),
        "cells": _cells(mdp),
        "paths": paths,
        "best": best,
    }


def _follow(mdp, kind, temperatures) -> dict:
    import regmdp as rm

    policies, rewards, start = [], [], None
    for temperature in temperatures:
        regularizer = kind(temperature=float(temperature))
        start = rm.solve(mdp, regularizer, tol=1e-12, start=start)
        # a gap of 1e-12 leaves an error of 1e-6 in a policy; each further iteration squares it
        start = rm.solve(mdp, regularizer, tol=0, max_iterations=3, start=start)
        policies.append(_rows(mdp, start.policy))
        rewards.append(rm.evaluate(mdp, start.policy).initial_value)
    return {"policy": policies, "reward": rewards}


def _rows(mdp, array) -> list[list[float]]:
    """Return the rows of an array over states and actions, empty for terminal states."""
    return [
        [] if end else list(map(float, row)) for end, row in zip(mdp.terminal, array, strict=True)
    ]


def _cells(mdp) -> list[list]:
    kinds = {"G": "goal-cell", "T": "trap-cell"}
    return [
        [row, column, kinds.get(character, "")]
        for row, line in enumerate(mdp.layout.rows)
        for column, character in enumerate(line)
        if character != "#"
    ]


def _compute_bound() -> dict:
    import regmdp as rm

    mdp, tau = rm.models.garnet(5, 3, 2, discount=0.8), 0.1
    optimum = rm.theory.compute_optimum(mdp, rm.Shannon(temperature=tau))
    transitions = mdp.to_array()
    following = [
        [[[int(t), float(row[t])] for t in np.flatnonzero(row)] for row in rows]
        for rows in transitions
    ]
    model = {"discount": 0.8, "rewards": mdp.rewards.tolist(), "next": following}
    known = {"q": optimum.q.tolist(), "logPolicy": np.log(optimum.policy).tolist()}
    return {"model": model, "tau": tau, "optimum": known}


def write_lessons(folder: Path) -> None:
    """Write the pages and data.js."""
    shutil.copytree(SOURCE, folder, dirs_exist_ok=True)
    data = json.dumps(compute_data(), separators=(",", ":"))
    (folder / "data.js").write_text(f"const DATA = {data};\n", encoding="utf-8")


def setup(app) -> dict[str, bool]:
    """Write the lessons when the other pages are there."""

    def write(app, _) -> None:
        write_lessons(Path(app.outdir) / "lessons")

    app.connect("build-finished", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


if __name__ == "__main__":
    write_lessons(Path(sys.argv[1]))
