import numpy as np
import pytest
from scipy.ndimage import label
from small_solvers import optimal_value

import regmdp as rm


def test_russell_norvig_has_the_values_of_the_book():
    # Russell and Norvig, 3rd edition, figure 17.3; read row by row
    expected = [0.812, 0.868, 0.918, 0.0, 0.762, 0.660, 0.0, 0.705, 0.655, 0.611, 0.388]
    mdp = rm.models.russell_norvig()
    np.testing.assert_array_equal(optimal_value(mdp).round(3), expected)
    assert mdp.initial @ optimal_value(mdp) == pytest.approx(0.705, abs=5e-4)


def test_value_on_an_open_grid_without_slip_depends_on_the_distance():
    mdp = rm.models.gridworld(
        4, 6, walls="open", slip=0.0, goal=(1, 2), goal_reward=2.0, discount=0.9
    )
    row, column = np.indices((4, 6))
    distance = np.abs(row - 1) + np.abs(column - 2)
    expected = np.where(distance > 0, 2.0 * 0.9 ** (distance - 1.0), 0.0)
    np.testing.assert_allclose(optimal_value(mdp), expected.ravel(), rtol=1e-12)


def test_slip_moves_to_either_side_and_walls_block():
    # cells 0 1 / # 2: from 1, down goes to 2, sideways to 0 or against the border
    mdp = rm.models.gridworld_from_drawing("S.\n#G", slip=0.2, step_reward=-1.0, goal_reward=10.0)
    P = mdp.to_array()
    np.testing.assert_allclose(P[1, 2], [0.1, 0.1, 0.8])  # down
    np.testing.assert_allclose(P[0, 0], [0.9, 0.1, 0.0])  # up: border, and to the right
    np.testing.assert_allclose(P[0, 2], [0.9, 0.1, 0.0])  # down: wall
    np.testing.assert_allclose(
        mdp.rewards[1], [-1.0, -1.0 + 0.1 * 10, -1.0 + 0.8 * 10, -1.0 + 0.1 * 10]
    )
    assert mdp.terminal.tolist() == [False, False, True]
    assert mdp.initial.tolist() == [1.0, 0.0, 0.0]


def test_slip_of_one_never_moves_ahead():
    mdp = rm.models.gridworld(3, 3, walls="open", slip=1.0)
    np.testing.assert_allclose(mdp.to_array()[4, 0], np.array([0, 0, 0, 0.5, 0, 0.5, 0, 0, 0]))


def test_initial_distribution_is_uniform_over_starts_or_free_cells():
    assert rm.models.gridworld_from_drawing("SSG").initial.tolist() == [0.5, 0.5, 0.0]
    assert rm.models.gridworld_from_drawing("..T").initial.tolist() == [0.5, 0.5, 0.0]


@pytest.mark.parametrize(
    ("height", "width"), [(1, 1), (2, 9), (5, 5), (5, 6), (11, 11), (12, 40), (100, 3)]
)
def test_rooms_are_connected(height, width):
    assert label(~rm.models.rooms(height, width))[1] == 1


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 8), (3, 3), (7, 12), (41, 30)])
def test_a_maze_is_a_tree(height, width):
    free = ~rm.models.maze(height, width, rng=4)
    assert label(free)[1] == 1
    edges = (free[1:] & free[:-1]).sum() + (free[:, 1:] & free[:, :-1]).sum()
    assert edges == free.sum() - 1


def test_mazes_differ_with_the_seed():
    assert (rm.models.maze(9, 9, rng=1) != rm.models.maze(9, 9, rng=2)).any()
    generator = np.random.default_rng(1)
    np.testing.assert_array_equal(rm.models.maze(9, 9, rng=1), rm.models.maze(9, 9, rng=generator))


def test_cells_are_named_up_to_a_limit():
    assert (
        rm.models.gridworld(3, 3, walls="open").describe(5, 3)
        == "state 5 (row 1, column 2), action 3 (left)"
    )
    assert rm.models.gridworld(101, 101, walls="open").state_labels is None


def test_a_large_grid_is_built_from_whole_arrays():
    assert rm.models.gridworld(400, 400, walls="maze").n_states > 79_000


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"slip": 1.1}, r"slip must be a number in \[0, 1\]"),
        ({"height": 0}, "height must be an integer, 1 or more"),
        ({"height": 1, "width": 1}, "walls leave 1 free cells"),
        ({"walls": "roms"}, "walls is 'roms'; it must be one of open, rooms, maze"),
        (
            {"walls": np.zeros((2, 2), dtype=bool)},
            r"walls must have shape \(height, width\) = \(11, 11\), not \(2, 2\)",
        ),
        ({"walls": np.zeros((11, 11))}, "walls must be an array of bools.*float64"),
        ({"goal": (5, 5)}, "goal is row 5, column 5, which is a wall"),
        (
            {"start": (11, 0)},
            "start is row 11, column 0, outside the grid of 11 rows and 11 columns",
        ),
        ({"start": (0, 0), "goal": (0, 0)}, "start and goal are the same cell"),
        ({"step_reward": float("inf")}, "step_reward must be a finite number"),
    ],
)
def test_gridworld_rejects_bad_parameters(parameters, message):
    with pytest.raises(rm.ModelError, match=message):
        rm.models.gridworld(**parameters)


@pytest.mark.parametrize(
    ("drawing", "message"),
    [
        ("  \n ", "the drawing is empty"),
        ("..G\n..", "line 1 of the drawing has 2 cells, but line 0 has 3"),
        ("..G\n.x.", "the drawing has 'x' in row 1, column 1"),
        ("GT", "no free cell"),
    ],
)
def test_gridworld_rejects_bad_drawings(drawing, message):
    with pytest.raises(rm.ModelError, match=message):
        rm.models.gridworld_from_drawing(drawing)
