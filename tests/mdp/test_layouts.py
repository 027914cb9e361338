"""Layouts: what they hold, what they refuse, and that models, files and solutions keep them."""

import json
import pickle

import numpy as np
import pytest

import regmdp as rm
from regmdp.mdp.layout_reader import read_layout

GRID = rm.models.russell_norvig()
LAYOUTS = [
    rm.GridLayout("S.\n#G", directions=[(0, 1), (0, 0)]),
    rm.LineLayout("mileage in miles", np.array([0.0, 5000.0, 2e4])),
    rm.LineLayout(),
]


def edit_meta(path, **changes):
    with np.load(path) as archive:
        arrays = dict(archive)
    meta = json.loads(arrays["meta"].item())
    del meta["digest"]  # a file without one is read, whatever it holds
    arrays["meta"] = np.array(json.dumps(meta | changes))
    with open(path, "wb") as file:
        np.savez(file, **arrays)


def test_a_grid_counts_its_free_cells_and_puts_values_there():
    layout = rm.GridLayout(
        """
        S.#T
        #..G
        """
    )
    assert layout.rows == ("..#T", "#..G")
    assert layout.n_states == 6
    assert layout.walls.tolist() == [[False, False, True, False], [True, False, False, False]]
    np.testing.assert_array_equal(
        layout.spread(np.arange(6.0)), [[0, 1, np.nan, 2], [np.nan, 3, 4, 5]]
    )
    two = layout.spread(np.arange(12.0).reshape(6, 2))
    assert two.shape == (2, 4, 2)
    assert two[1, 1].tolist() == [6.0, 7.0]


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: rm.GridLayout(""), "the drawing is empty"),
        (lambda: rm.GridLayout([]), "the drawing is empty"),
        (lambda: rm.GridLayout([1, 2]), "a drawing is text"),
        (lambda: rm.GridLayout("..\n.#."), "line 1 of the drawing has 3 cells, but line 0 has 2"),
        (lambda: rm.GridLayout("..\n.x"), "the drawing has 'x' in row 1, column 1"),
        (lambda: rm.GridLayout("..", [(0, 1), (1,)]), r"action 1 has \(1,\); a direction is two"),
        (lambda: rm.GridLayout("..", [(0, 1), 1]), "action 1 has 1; a direction is two"),
        (lambda: rm.GridLayout("..", [(0, 0.5)]), "direction of action 0 must be an integer"),
        (lambda: rm.LineLayout(3), "label must be text, not 3"),
        (lambda: rm.LineLayout("x", [0, 2, 2]), "position 1 is 2 and position 2 is 2"),
        (lambda: rm.LineLayout("x", [0, np.nan]), "position 1 must be a finite number"),
        (lambda: GRID.with_layout(rm.GridLayout("..")), "has 2 cells .* the model has 11 states"),
        (
            lambda: GRID.with_layout(rm.GridLayout("." * 11, [(0, 1)])),
            "directions for 1 actions, but the model has 4",
        ),
        (
            lambda: GRID.with_layout(rm.LineLayout("x", [0, 1])),
            "has 2 positions, but the model has 11",
        ),
        (lambda: GRID.with_layout("...G"), r"layout must be of class Layout, not '\.\.\.G'"),
        (lambda: read_layout({"kind": "torus"}), "no layout of the kind 'torus'"),
        (lambda: read_layout([1]), "must be a mapping"),
    ],
)
def test_wrong_layouts_are_refused(build, message):
    with pytest.raises(rm.ModelError, match=message):
        build()


@pytest.mark.parametrize("layout", LAYOUTS, ids=repr)
def test_layouts_are_values_that_json_and_pickle_keep(layout):
    assert read_layout(json.loads(json.dumps(layout.to_dict()))) == layout
    assert pickle.loads(pickle.dumps(layout)) == layout
    assert len({layout, read_layout(layout.to_dict())}) == 1
    with pytest.raises(AttributeError):
        layout.rows = ()


def test_the_named_models_have_layouts():
    assert GRID.layout.rows == ("...G", ".#.T", "....")
    mdp = rm.models.gridworld(5, 6, walls=rm.models.maze(5, 6), goal=(2, 4))
    np.testing.assert_array_equal(mdp.layout.walls, rm.models.maze(5, 6))
    assert mdp.layout.cells[2, 4] == "G"
    assert np.count_nonzero(mdp.layout.cells == "G") == 1
    for name in ("queue", "forest", "chain"):
        assert isinstance(rm.models.build_model(name).layout, rm.LineLayout)
    for name in ("bandit", "garnet"):
        assert rm.models.build_model(name).layout is None


def test_models_keep_their_layout(tmp_path):
    rm.io.save_model(GRID, tmp_path / "model.npz")
    rm.io.save_mapped(GRID, tmp_path / "mapped")
    kept = {
        "rewards": GRID.with_rewards(np.zeros((11, 4))),
        "discount": GRID.with_discount(0.5),
        "initial": GRID.with_initial(None),
        "available": GRID.with_available(np.ones((11, 4), dtype=bool)),
        "pickle": pickle.loads(pickle.dumps(GRID)),
        "file": rm.io.load_model(tmp_path / "model.npz"),
        "folder": rm.io.open_mapped(tmp_path / "mapped"),
    }
    assert {name: mdp.layout for name, mdp in kept.items()} == dict.fromkeys(kept, GRID.layout)
    assert GRID.with_layout(None).layout is None
    assert GRID.with_layout(None).digest == GRID.digest


def test_solutions_keep_layout_and_names_of_actions(tmp_path):
    solution = rm.solve(GRID.with_discount(0.9), rm.Shannon(0.1))
    assert solution.layout == GRID.layout
    assert solution.action_labels == ("up", "right", "down", "left")
    solution.save(tmp_path / "solution.npz")
    again = rm.Solution.load(tmp_path / "solution.npz")
    assert solution.layout is not None
    assert (again.layout, again.action_labels) == (solution.layout, solution.action_labels)
    bare = rm.solve(rm.models.garnet(5, 2, 2, rng=0))
    assert (bare.layout, bare.action_labels) == (None, None)


def test_files_without_a_layout_are_read(tmp_path):
    path = tmp_path / "solution.npz"
    rm.solve(GRID).save(path)
    edit_meta(path, layout=None, action_labels=None)
    assert rm.Solution.load(path).layout is None


@pytest.mark.parametrize(
    "changes",
    [
        {"layout": {"kind": "grid"}},
        {"layout": {"kind": "torus"}},
        {"layout": {"kind": "grid", "rows": ["."], "directions": []}},
        {"layout": {"kind": "grid", "rows": 3, "directions": []}},
        {"layout": {"kind": "line", "label": 0, "positions": None}},
        {"layout": {"kind": "line", "label": "", "positions": 5}},
        {"action_labels": ["up"]},
    ],
)
def test_damaged_layouts_in_files_are_format_errors(changes, tmp_path):
    path = tmp_path / "solution.npz"
    rm.solve(GRID).save(path)
    edit_meta(path, **changes)
    with pytest.raises(rm.FormatError, match="solution.npz (is not|does not hold)"):
        rm.Solution.load(path)
    path = tmp_path / "model.npz"
    rm.io.save_model(GRID, path)
    edit_meta(path, **changes)
    with pytest.raises(rm.FormatError, match="model.npz (is not|is incomplete|does not hold)"):
        rm.io.load_model(path)
