"""The live lessons compute what the library computes, wherever their controls are."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from browser import browser
from site_pages import Visitor
from tiers import tiered

import regmdp as rm

__all__ = ["browser"]

WRITER = Path(__file__).resolve().parents[2] / "docs" / "_extensions" / "lessons.py"
CLOSE = {"rtol": 0, "atol": 1e-8}


@pytest.fixture(scope="module")
def lessons(tmp_path_factory):
    """A folder with the pages and their data."""
    spec = importlib.util.spec_from_file_location("lessons", WRITER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    folder = tmp_path_factory.mktemp("lessons")
    module.write_lessons(folder)
    return folder


@pytest.fixture(scope="module")
def visitor(browser, lessons):
    with Visitor(browser, lessons) as opened:
        yield opened
        assert opened.problems == []


class Lesson:
    """A lesson that is open: its controls, and what it has computed."""

    def __init__(self, visitor, name):
        visitor.open(f"{name}.html")
        self.page = visitor.page

    def set(self, **controls):
        for name, value in controls.items():
            control = self.page.locator(f"#{name}")
            if control.evaluate("element => element.tagName") == "SELECT":
                control.select_option(value)
            else:
                control.fill(str(value))

    def read(self):
        return self.page.evaluate("window.lesson")


def last_iterate(mdp, regularizer, algorithm, n, start):
    recorder = rm.algorithms.Recorder()
    rm.solve(mdp, regularizer, algorithm, tol=0, max_iterations=n, start=start, callback=recorder)
    return recorder.states[-1]


BANDITS = [
    {"tau": -0.7, "eta": 0.0, "iterations": 40, "h": "shannon"},
    {"tau": -0.7, "eta": 0.25, "iterations": 7, "h": "l2"},
    {"tau": 0.5, "eta": -1.0, "iterations": 100, "h": "l2"},
    {"tau": -2, "eta": 1.5, "iterations": 30, "h": "shannon"},
    {"tau": -1.5, "eta": -1.5, "iterations": 200, "h": "l2"},
]


@pytest.mark.parametrize("controls", tiered(BANDITS, 1), ids=str)
def test_the_bandit(visitor, controls):
    lesson = Lesson(visitor, "bandit")
    lesson.set(**controls)
    simplex = lesson.page.locator("#simplex")
    simplex.scroll_into_view_if_needed()
    box = simplex.bounding_box()
    lesson.page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.8 * box["height"])
    lesson.page.mouse.down()
    lesson.page.mouse.move(box["x"] + 0.4 * box["width"], box["y"] + 0.7 * box["height"])
    lesson.page.mouse.up()
    simplex.press("ArrowLeft")
    shown = lesson.read()
    start = np.array([shown["settings"]["start"]])
    # where the point was dragged to, in the coordinates of the picture, and a step to the left
    first = (284 - 0.7 * 300) / 270
    second = (0.4 * 340 - 14 - 156 * first) / 312
    np.testing.assert_allclose(
        start, [[first, second - 0.02, 1 - first - second + 0.02]], rtol=0, atol=5e-3
    )
    assert shown["settings"]["tau"] == pytest.approx(10.0 ** controls["tau"])

    tau, eta = shown["settings"]["tau"], shown["settings"]["eta"]
    mdp, shannon = rm.models.bandit(), rm.Shannon(temperature=tau)
    h = shannon if controls["h"] == "shannon" else rm.SquaredL2(temperature=tau)
    runs = {
        "pg": (shannon, rm.algorithms.SoftmaxPG(step_size=eta)),
        "npg": (shannon, rm.algorithms.NPG(step_size=min(eta, 1 / tau))),
        "gpmd": (h, rm.algorithms.GPMD(step_size=eta)),
    }
    for name, (regularizer, algorithm) in runs.items():
        state = last_iterate(mdp, regularizer, algorithm, controls["iterations"], start)
        np.testing.assert_allclose(
            shown["runs"][name]["policies"][-1], state.policy[0], err_msg=name, **CLOSE
        )
        gap = (
            rm.solve(mdp, regularizer).value[0] - rm.evaluate(mdp, state.policy, regularizer).value
        )
        np.testing.assert_allclose(shown["runs"][name]["gaps"][-1], gap[0], err_msg=name, **CLOSE)


GRIDS = [
    {"method": "value", "h": "shannon", "tau": -2, "discount": 0.9, "iterations": 25},
    {"method": "policy", "h": "l2", "tau": -1, "discount": 0.95, "iterations": 4},
    {"method": "value", "h": "hard", "discount": 0.99, "iterations": 60},
    {"method": "policy", "h": "hard", "discount": 0.5, "iterations": 12},
    {"method": "policy", "h": "shannon", "tau": -3, "discount": 0.99, "iterations": 3},
    {"method": "value", "h": "l2", "tau": 0, "discount": 0.7, "iterations": 0},
]


@pytest.mark.parametrize("controls", tiered(GRIDS, 2), ids=str)
def test_the_gridworld(visitor, controls):
    lesson = Lesson(visitor, "gridworld")
    lesson.set(**controls)
    before = np.array(lesson.read()["settings"]["walls"])
    grid = lesson.page.locator("#grid")
    side = grid.bounding_box()["width"] / 8
    grid.click(position={"x": 1.5 * side, "y": 6.5 * side})
    grid.click(position={"x": 3.5 * side, "y": 4.5 * side})
    for key in ("ArrowDown", "ArrowRight", "Space"):
        grid.press(key)
    shown = lesson.read()
    walls = np.array(shown["settings"]["walls"])
    assert np.argwhere(walls != before).tolist() == [[1, 1], [4, 3], [6, 1]]

    mdp = rm.models.gridworld(8, 8, walls=walls, discount=controls["discount"])
    tau = 10.0 ** controls.get("tau", 0)
    regularizer = {
        "hard": None,
        "shannon": rm.Shannon(temperature=tau),
        "l2": rm.SquaredL2(temperature=tau),
    }[controls["h"]]
    algorithm = {
        "value": rm.algorithms.ValueIteration(),
        "policy": rm.algorithms.PolicyIteration(evaluation=rm.evaluation.Exact()),
    }[controls["method"]]
    state = last_iterate(
        mdp, regularizer, algorithm, controls["iterations"], np.zeros(mdp.n_states)
    )
    np.testing.assert_allclose(shown["V"], state.value, **CLOSE)
    certificate = rm.certify(mdp, regularizer, value=np.array(shown["V"]))
    np.testing.assert_allclose(shown["lower"], certificate.lower, **CLOSE)
    np.testing.assert_allclose(shown["upper"], certificate.upper, **CLOSE)


PATHS = [("shannon", 20), ("l2", 33), ("tsallis", 0), ("kl", 40), ("barrier", 11)]


@pytest.mark.parametrize(("h", "position"), tiered(PATHS, 1))
def test_the_regularization_path(visitor, h, position):
    lesson = Lesson(visitor, "path")
    lesson.set(h=h, position=position)
    shown = lesson.read()
    mdp = rm.models.russell_norvig(discount=0.95)
    tau = np.logspace(-4, -0.5, 41)[position]
    assert shown["temperature"] == pytest.approx(tau, rel=1e-12)
    regularizer = {
        "shannon": rm.Shannon(temperature=tau),
        "kl": rm.KL(rm.uniform_policy(mdp), temperature=tau),
        "l2": rm.SquaredL2(temperature=tau),
        "tsallis": rm.Tsallis(1.5, temperature=tau),
        "barrier": rm.LogBarrier(temperature=tau),
    }[h]
    near = rm.solve(mdp, regularizer, tol=1e-12)
    solution = rm.solve(mdp, regularizer, tol=0, max_iterations=5, start=near)
    for row, policy in zip(shown["policy"], solution.policy, strict=True):
        if row:
            np.testing.assert_allclose(row, policy, **CLOSE)
    reward = rm.evaluate(mdp, solution.policy).initial_value
    assert shown["reward"] == pytest.approx(reward, rel=0, abs=1e-8)
    best = rm.solve(mdp).initial_value
    assert shown["loss"] == pytest.approx(max(best - reward, 0.0), rel=0, abs=1e-8)


BOUNDS = [
    {"share": 0.3, "delta": -6, "iterations": 60},
    {"share": 0.5, "delta": -2, "iterations": 40},
    {"share": 1, "delta": -3.5, "iterations": 20},
    {"share": 0.02, "delta": -1, "iterations": 150},
]


@pytest.mark.parametrize("controls", tiered(BOUNDS, 1), ids=str)
def test_the_bound(visitor, controls):
    lesson = Lesson(visitor, "bound")
    lesson.set(**controls)
    shown = lesson.read()
    mdp, shannon = rm.models.garnet(5, 3, 2, discount=0.8), rm.Shannon(temperature=0.1)
    eta, n = controls["share"] * 0.2 / 0.1, controls["iterations"]
    delta = 0.0 if controls["delta"] == -6 else 10.0 ** controls["delta"]
    published, _ = rm.theory.inexact_entropy_npg_bounds(
        mdp, shannon, step_size=eta, iterations=n, error=delta
    )
    np.testing.assert_allclose(shown["bound"][1:], published[1:], **CLOSE)
    noisy = rm.evaluation.Noisy(delta, "adversarial")
    result = rm.learn(
        mdp,
        shannon,
        rm.algorithms.NPG(step_size=eta, evaluation=noisy),
        max_iterations=n,
        rng=np.random.default_rng(0),
    )
    policy = np.asarray(result.policy).reshape(5, 3)
    np.testing.assert_allclose(shown["policy"], policy, **CLOSE)
    q = rm.bellman.q_values(mdp, rm.evaluate(mdp, policy, shannon).value)
    optimum = rm.theory.compute_optimum(mdp, shannon)
    assert shown["errors"][-1] == pytest.approx(np.abs(q - optimum.q).max(), rel=0, abs=1e-8)
    assert np.all(np.array(shown["errors"][1:]) <= np.array(shown["bound"][1:]) + 1e-12)


@pytest.mark.parametrize("name", tiered(["bandit", "gridworld", "path", "bound"], 1))
def test_a_lesson_fits_a_phone_and_is_legible(visitor, name):
    Lesson(visitor, name)
    contrast = (Path(__file__).parent / "contrast.js").read_text(encoding="utf-8")
    assert visitor.page.evaluate("document.documentElement.scrollWidth") <= 390
    for scheme in ("light", "dark"):
        visitor.set_scheme(scheme)
        assert visitor.page.evaluate(contrast) == []
