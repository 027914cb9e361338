"""Valid calls of the functions that draw, and of the public checks."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
from bad_input.fixtures import listen, model, rng
from matplotlib.figure import Figure

import regmdp as rm
from regmdp import plots

__all__ = ["CALLS"]

X, Y = np.array([1.0, 2.0, 3.0]), np.array([0.5, 0.25, 0.125])
POINTS = np.array([[0.0, 0.0], [1.0, 0.5]])
DRAWING = "S.\n.G"


@cache
def grid() -> rm.MDP:
    """Return a grid of four cells."""
    return rm.models.gridworld_from_drawing(DRAWING)


@cache
def solution() -> rm.Solution:
    """Return a solution of the grid."""
    return rm.solve(grid(), rm.Shannon(0.5))


@cache
def queue() -> rm.Solution:
    """Return a solution of a model whose states lie on a line."""
    return rm.solve(rm.models.queue(3), rm.Shannon(0.5))


@cache
def arms() -> rm.Solution:
    """Return a solution of a model with one state and three actions."""
    return rm.solve(rm.models.bandit(), rm.Shannon(0.5))


@cache
def recorder() -> rm.algorithms.Recorder:
    """Return the recorder of a run on the grid."""
    found = rm.algorithms.Recorder()
    rm.solve(grid(), rm.Shannon(0.5), max_iterations=1, callback=found)
    return found


def axes() -> object:
    """Return axes."""
    return plots.subplots()[1]


def labelled() -> object:
    """Return axes with a curve in the legend."""
    found = axes()
    plots.draw_curve(found, X, Y, 0, "curve")
    return found


def pair() -> np.ndarray:
    """Return two axes of one figure."""
    return plots.subplots(1, 2)[1]


def figure() -> Figure:
    """Return a small figure."""
    return plots.subplots(width=1.0, height=1.0)[0]


def mirror_step() -> dict[str, object]:
    """Return the arguments of a step of mirror descent."""
    simplex, dual = pair()
    return {
        "simplex": simplex,
        "dual": dual,
        "mirror": rm.Shannon(1.0),
        "start": np.array([0.25, 0.5, 0.25]),
        "step": np.array([0.5, -0.1, -0.4]),
        "actions": ["a", "b", "c"],
    }


CALLS: dict[str, Callable[[], dict[str, object]]] = {
    "regmdp.plots.add_legend": lambda: {"axes": labelled(), "columns": 2, "where": "below"},
    "regmdp.plots.add_panel_titles": lambda: {"axes": list(pair()), "titles": ["one", "two"]},
    "regmdp.plots.animate": lambda: {
        "run": recorder(),
        "path": Path("run.gif"),
        "layout": grid().layout,
        "max_frames": 2,
        "frames_per_second": 2.0,
        "log": False,
        "callback": listen,
    },
    "regmdp.plots.draw_arrows": lambda: {
        "axes": axes(),
        "at": POINTS,
        "direction": POINTS,
        "length": 0.5,
        "color": "white",
    },
    "regmdp.plots.draw_band": lambda: {
        "axes": axes(),
        "x": X,
        "runs": np.stack([Y, 2 * Y]),
        "number": 1,
        "label": "runs",
        "markers": 3,
    },
    "regmdp.plots.draw_bound": lambda: {"axes": axes(), "x": X, "y": Y, "label": "bound"},
    "regmdp.plots.draw_curve": lambda: {
        "axes": axes(),
        "x": X,
        "y": Y,
        "number": 1,
        "label": "curve",
        "markers": 3,
    },
    "regmdp.plots.draw_grid": lambda: {
        "axes": axes(),
        "layout": grid().layout,
        "initial": grid().initial,
    },
    "regmdp.plots.draw_grid_policy": lambda: {
        "axes": axes(),
        "layout": grid().layout,
        "policy": solution().policy,
        "cells": plots.draw_grid_value(axes(), grid().layout, solution().value),
    },
    "regmdp.plots.draw_grid_value": lambda: {
        "axes": axes(),
        "layout": grid().layout,
        "value": solution().value,
        "limits": (0.0, 1.0),
    },
    "regmdp.plots.draw_level": lambda: {
        "axes": axes(),
        "y": 0.5,
        "text": "level",
        "right_end": 0.5,
    },
    "regmdp.plots.draw_links": lambda: {
        "axes": axes(),
        "start": POINTS,
        "end": POINTS + 1.0,
        "size": np.array([1.0, 2.0]),
        "label": "flow",
        "offset": 0.1,
    },
    "regmdp.plots.draw_mirror_step": mirror_step,
    "regmdp.plots.draw_simplex": lambda: {"axes": axes(), "labels": ["a", "b", "c"]},
    "regmdp.plots.draw_vectors": lambda: {
        "axes": axes(),
        "start": POINTS,
        "vector": POINTS,
        "outline": ((0.0, 0.0), (1.0, 0.0), (0.5, 0.5)),
    },
    **{
        f"regmdp.plots.{name}": lambda: {"solution": solution(), "layout": grid().layout}
        for name in ("plot_gridworld", "plot_solution")
    },
    "regmdp.plots.plot_dimensions": lambda: {
        "solution": queue(),
        "layout": rm.DimensionLayout({"customers": range(queue().policy.shape[0])}),
        "over": ["customers"],
        "at": {},
    },
    "regmdp.plots.plot_line": lambda: {"solution": queue(), "layout": rm.LineLayout("customers")},
    "regmdp.plots.plot_overview": lambda: {"solution": queue()},
    "regmdp.plots.plot_simplex": lambda: {"solution": arms()},
    "regmdp.Solution.plot": lambda: {"self": solution(), "layout": grid().layout},
    "regmdp.plots.set_logarithmic": lambda: {
        "axes": axes(),
        "x": True,
        "y": True,
        "limits": (0.1, 1.0),
    },
    "regmdp.plots.style": dict,
    "regmdp.plots.subplots": lambda: {"rows": 1, "columns": 2, "width": 3.0, "height": 2.0},
    "regmdp.plots.thin_indices": lambda: {"x": X, "max_points": 2, "log": True},
    "regmdp.plots.to_plane": lambda: {"policy": np.full((2, 3), 1 / 3)},
    "regmdp.plots.to_png": lambda: {"figure": figure()},
    "regmdp.plots.to_svg": lambda: {"figure": figure()},
    "regmdp.testing.check_algorithm": lambda: {
        "algorithm": rm.algorithms.PolicyIteration(),
        "tol": 1e-3,
        "rng": rng(),
    },
    "regmdp.testing.check_mdp": lambda: {"mdp": model()},
    "regmdp.testing.check_regularizer": lambda: {
        "regularizer": rm.Shannon(1.0),
        "n_actions": 2,
        "rng": rng(),
    },
}
