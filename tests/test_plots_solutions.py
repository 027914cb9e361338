"""Figures of solutions: lengths of arrows are probabilities, and colours are values."""

import numpy as np
import pytest

import regmdp as rm
from regmdp import plots
from regmdp.plots.grids import WIDE_OUTLINE, arrow_block, choose_limits

#: Walls, a goal and a trap; 10 states.
GRID = rm.GridLayout(
    """
    ..#G
    .#.T
    ....
    """
)
UP, RIGHT, DOWN, LEFT = range(4)


def axes_of_grid():
    with plots.style():
        _, axes = plots.subplots()
    return axes


def arrows(shapes):
    """Return the start and the vector of each arrow as (column, row), and its colour."""
    found = []
    for shape in shapes:
        outlines = shape.get_path().vertices.reshape(-1, len(WIDE_OUTLINE) + 1, 2)
        for corners in outlines:
            start = (corners[0] + corners[-2]) / 2
            found.append((*start, *(corners[3] - start), shape.get_facecolor()[:3]))
    return found


def random_policy(layout, rng):
    return rng.dirichlet(np.ones(len(layout.directions)), layout.n_states)


def test_an_arrow_is_half_a_cell_times_the_probability_in_its_direction():
    policy = random_policy(GRID, np.random.default_rng(0))
    shapes = plots.draw_grid_policy(axes_of_grid(), GRID, policy)
    cells = [(0, 0), (0, 1), (1, 0), (1, 2), (2, 0), (2, 1), (2, 2), (2, 3)]
    states = [0, 1, 3, 4, 6, 7, 8, 9]  # not the goal, 2, and the trap, 5
    expected = {
        (column, row, action): 0.5 * policy[state, action]
        for state, (row, column) in zip(states, cells, strict=True)
        for action in range(4)
        if policy[state, action] >= 0.005
    }
    steps = {(0, -1): UP, (1, 0): RIGHT, (0, 1): DOWN, (-1, 0): LEFT}
    found = {}
    for column, row, across, down, _ in arrows(shapes):
        length = np.hypot(across, down)
        action = steps[round(across / length), round(down / length)]
        found[round(column), round(row), action] = length
    assert found == pytest.approx(expected, rel=1e-12)


def test_a_certain_action_reaches_the_border_and_the_others_have_no_arrow():
    policy = np.zeros((10, 4))
    policy[:, RIGHT] = 1.0
    found = arrows(plots.draw_grid_policy(axes_of_grid(), GRID, policy))
    assert len(found) == 8
    for _, _, across, down, _ in found:
        assert (across, down) == pytest.approx((0.5, 0.0))


def test_equally_good_actions_have_equally_long_arrows():
    mdp = rm.models.gridworld(3, 3, walls="open", slip=0.0, discount=0.9)
    solution = rm.solve(mdp, rm.Shannon(0.01))
    found = arrows(plots.draw_grid_policy(axes_of_grid(), mdp.layout, solution.policy))
    at_start = [arrow[2:4] for arrow in found if arrow[:2] == pytest.approx((0.0, 0.0))]
    assert len(at_start) == 2
    assert np.hypot(*at_start[0]) == pytest.approx(np.hypot(*at_start[1]), rel=1e-6)
    assert {tuple(np.sign(np.round(vector, 6))) for vector in at_start} == {(1, 0), (0, 1)}


def test_diagonal_moves_are_as_long_and_staying_is_a_circle():
    layout = rm.GridLayout("..", directions=[(1, 1), (0, 0)])
    policy = np.array([[0.6, 0.4], [0.0, 1.0]])
    move, circles = plots.draw_grid_policy(axes_of_grid(), layout, policy)
    ((*_, across, down, _),) = arrows([move])
    assert (across, down) == pytest.approx((0.3 / np.sqrt(2), 0.3 / np.sqrt(2)))
    points = circles.get_path().vertices
    first, second = points[: len(points) // 2], points[len(points) // 2 :]
    # the last vertex of a circle closes it and has no place of its own
    assert np.hypot(*first[:-1:3].T) == pytest.approx(0.2)
    assert np.hypot(*(second[:-1:3] - [1, 0]).T) == pytest.approx(0.5)


@pytest.mark.parametrize(("side", "block"), [(32, 1), (33, 2), (48, 2), (49, 3), (200, 9)])
def test_large_grids_have_few_and_longer_arrows(side, block):
    walls = rm.models.maze(side, side, rng=1)
    layout = rm.models.gridworld(side, side, walls=walls).layout
    assert arrow_block(layout) == block
    policy = np.zeros((layout.n_states, 4))
    policy[:, DOWN] = 0.5
    found = arrows(plots.draw_grid_policy(axes_of_grid(), layout, policy))
    places = np.array([arrow[:2] for arrow in found]).round().astype(int)
    assert not layout.walls[places[:, 1], places[:, 0]].any()
    assert {round(arrow[3], 9) for arrow in found} == {0.25 * block}
    if block > 1:
        blocks = places // block
        assert len(np.unique(blocks, axis=0)) == len(found) <= 24**2
    # all blocks with a free cell that does not end the episode
    row, column = np.nonzero(layout.cells == ".")
    count = len(np.unique(np.column_stack((row, column)) // block, axis=0))
    assert len(found) == count


def test_the_arrow_of_a_block_belongs_to_the_free_cell_nearest_to_its_centre():
    rows = ["." * 72] * 72  # blocks of 3 × 3
    rows[:3] = ["##." + "." * 69, "##." + "." * 69, "..." + "." * 69]
    layout = rm.GridLayout(rows)
    policy = np.full((layout.n_states, 4), 0.25)
    found = arrows(plots.draw_grid_policy(axes_of_grid(), layout, policy))
    places = {(round(x), round(y)) for x, y, *_ in found}
    assert {place for place in places if max(place) < 3} in ({(2, 1)}, {(1, 2)})
    assert (4, 1) in places
    assert (70, 70) in places


def test_colours_are_values_and_walls_and_ends_have_none():
    value = np.arange(10.0) - 3.0
    value[[2, 5]] = -100.0, 100.0  # the ends, which do not count for the scale
    mesh = plots.draw_grid_value(axes_of_grid(), GRID, value)
    shown = mesh.get_array()
    expected = GRID.spread(value)
    coloured = GRID.cells == "."
    np.testing.assert_array_equal(shown[coloured], expected[coloured])
    np.testing.assert_array_equal(np.ma.getmaskarray(shown), ~coloured)
    assert mesh.get_clim() == (-3.0, 6.0) == choose_limits(GRID, value)
    colours = mesh.to_rgba(shown)
    assert (colours[~coloured][:, 3] == 0).all()
    lightness = colours[coloured] @ [0.2126, 0.7152, 0.0722, 0.0]
    assert (np.diff(lightness) > 0).all()  # cividis: lighter is more, in grey too
    # cells lie where the axes say: row 0 above row 1
    corners = mesh.get_coordinates()
    np.testing.assert_array_equal(corners[0, 0], [-0.5, -0.5])
    np.testing.assert_array_equal(corners[-1, -1], [3.5, 2.5])


def test_limits_of_constant_and_infinite_values():
    assert choose_limits(GRID, np.full(10, 2.0)) == (1.5, 2.5)
    value = np.arange(10.0)
    value[0] = -np.inf
    assert choose_limits(GRID, value) == (1.0, 9.0)
    assert choose_limits(GRID, np.full(10, -np.inf)) == (0.0, 1.0)
    axes = axes_of_grid()
    mesh = plots.draw_grid_value(axes, GRID, value)
    assert mesh.to_rgba(mesh.get_array())[0, :2, 3].tolist() == [0.0, 1.0]
    found = arrows(plots.draw_grid_policy(axes, GRID, np.full((10, 4), 0.25), mesh))
    assert all(sum(colour) < 1.0 for x, y, *_, colour in found if (round(x), round(y)) == (0, 0))


def test_arrows_contrast_with_their_cells():
    value = np.arange(10.0)
    axes = axes_of_grid()
    mesh = plots.draw_grid_value(axes, GRID, value)
    policy = np.zeros((10, 4))
    policy[:, UP] = 1.0
    found = arrows(plots.draw_grid_policy(axes, GRID, policy, mesh))
    colours = {(round(x), round(y)): sum(colour) for x, y, _, _, colour in found}
    assert colours[0, 0] == pytest.approx(3.0)  # white on dark blue
    assert colours[3, 2] < 1.0  # black on yellow
    assert len(colours) == 8


def test_walls_goals_traps_and_starts_are_marked():
    axes = axes_of_grid()
    plots.draw_grid(axes, GRID, np.eye(10)[3])
    walls, start = axes.patches
    squares = walls.get_path().vertices.reshape(-1, 5, 2)[:, :4].mean(axis=1)
    assert squares.tolist() == [[2.0, 0.0], [1.0, 1.0]]
    assert walls.get_hatch()
    marks = {line.get_marker(): line.get_xydata().tolist() for line in axes.lines}
    assert marks == {"*": [[3.0, 0.0]], "X": [[3.0, 1.0]]}
    assert start.get_center() == pytest.approx((0.0, 1.0))
    assert axes.yaxis_inverted()
    axes = axes_of_grid()
    everywhere = np.ones(10) / 8
    everywhere[[2, 5]] = 0.0
    plots.draw_grid(axes, GRID, everywhere)
    assert len(axes.patches) == 1


def legend_texts(figure):
    (legend,) = figure.legends
    return [legend.get_title().get_text(), *(text.get_text() for text in legend.get_texts())]


def test_a_gridworld_is_drawn_with_its_scale_and_legend():
    solution = rm.solve(rm.models.russell_norvig())
    figure = solution.plot()
    assert plots.to_svg(figure) == plots.to_svg(plots.plot_gridworld(solution))
    axes, bar = figure.axes
    assert "unit of the rewards" in bar.get_ylabel()
    first, second = figure.get_suptitle().splitlines()
    assert first == f"Value and policy, certified gap {solution.certificate.gap:.2g}"
    assert second == "no regularizer"
    title, *entries = legend_texts(figure)
    assert "reaches the border of its cell is 1" in title
    assert entries == ["wall", "goal", "trap", "start"]
    (mesh,) = axes.collections
    np.testing.assert_array_equal(mesh.get_array().compressed(), np.delete(solution.value, [3, 6]))


def test_a_large_gridworld_says_which_cells_have_arrows():
    mdp = rm.models.gridworld(40, 40, walls="open", discount=0.9)
    figure = rm.solve(mdp, rm.Shannon(0.01), tol=1e-3).plot()
    assert "in one cell of each 2 × 2;\nan arrow as long as 1 cell is 1" in legend_texts(figure)[0]


def test_a_queue_is_drawn_against_its_length():
    solution = rm.solve(rm.models.queue(20), rm.Shannon(0.1))
    figure = solution.plot()
    top, bottom = figure.axes
    (value,) = top.lines
    np.testing.assert_array_equal(value.get_xdata(), np.arange(21))
    np.testing.assert_array_equal(value.get_ydata(), solution.value)
    for action, line in enumerate(bottom.lines):
        np.testing.assert_array_equal(line.get_ydata(), solution.policy[:, action])
    assert [line.get_label() for line in bottom.lines] == ["reject", "admit"]
    assert bottom.get_xlabel() == "customers in the system"
    ticks = bottom.get_xticks()
    assert (ticks == np.round(ticks)).all()


def test_a_line_has_positions_and_no_policy_where_the_episode_has_ended():
    P, r = np.zeros((3, 2, 3)), np.ones((3, 2))
    P[:2, :, 2] = 1.0
    available = np.array([[True, True], [True, True], [False, False]])
    mdp = rm.MDP(P, r, 0.9, available=available)
    line = rm.LineLayout("mileage in 1,000 miles", [0.0, 5.0, 15.0])
    figure = plots.plot_line(rm.solve(mdp), line)
    top, bottom = figure.axes
    np.testing.assert_array_equal(top.lines[0].get_xdata(), [0.0, 5.0, 15.0])
    assert np.isnan([one.get_ydata()[2] for one in bottom.lines]).all()
    assert bottom.get_xlabel() == "mileage in 1,000 miles"
    assert [one.get_label() for one in bottom.lines] == ["action 0", "action 1"]


def test_many_actions_are_drawn_as_colours_and_many_states_are_thinned():
    mdp = rm.models.garnet(500, 9, 2).with_layout(rm.LineLayout("class"))
    solution = rm.solve(mdp, rm.Shannon(0.5), tol=1e-3)
    figure = solution.plot()
    assert figure.axes[1].get_xlabel() == "class (about 400 of 500 states drawn)"
    (mesh,) = figure.axes[1].collections
    assert mesh.get_array().shape[0] == 9
    np.testing.assert_array_equal(mesh.get_array()[:, 0], solution.policy[0])
    np.testing.assert_array_equal(mesh.get_array()[:, -1], solution.policy[-1])
    assert mesh.get_clim() == (0.0, 1.0)


def test_three_arms_are_drawn_on_the_simplex():
    solution = rm.solve(rm.models.bandit(), rm.Shannon(0.1))
    figure = solution.plot()
    (axes,) = figure.axes
    (point,) = (line for line in axes.lines if line.get_marker() == "o")
    p = solution.policy[0]
    height = np.sqrt(3) / 2
    assert point.get_xydata()[0] == pytest.approx([0.5 * p[0] + p[1], height * p[0]])
    assert {"arm 0", "arm 1", "arm 2"} <= {text.get_text() for text in axes.texts}
    assert axes.get_title(loc="left") == "0.731 arm 0, 0.269 arm 1, 9.02e-05 arm 2"


def test_lines_of_the_simplex_have_the_probabilities_of_their_labels():
    axes = axes_of_grid()
    plots.draw_simplex(axes, ("a", "b", "c"))
    corners = plots.to_plane(np.eye(3))
    numbers = [text for text in axes.texts if text.get_text() not in {"a", "b", "c"}]
    assert len(numbers) == 9
    for number, action in zip(numbers, np.repeat(np.arange(3), 3), strict=True):
        # the labels of an action lie on the edge from its corner to the next one
        at, following = np.array(number.xy), (action + 1) % 3
        share = np.linalg.norm(at - corners[following])
        assert share == pytest.approx(float(number.get_text()))
        assert np.linalg.norm(at - corners[action]) == pytest.approx(1.0 - share)
    names = {text.get_text(): text.xy for text in axes.texts}
    for name, corner in zip("abc", corners, strict=True):
        assert tuple(names[name]) == pytest.approx(tuple(corner))


def test_models_without_a_layout_have_an_overview():
    mdp = rm.models.garnet(30, 3, 2, rng=0)
    solution = rm.solve(mdp, rm.Shannon(0.1))
    top, bottom = solution.plot().axes
    order = np.argsort(-solution.value)
    np.testing.assert_array_equal(top.lines[0].get_ydata(), solution.value[order])
    policy = solution.policy[order]
    np.testing.assert_allclose(
        bottom.lines[0].get_ydata(), -np.sum(policy * np.log(policy), axis=1), rtol=1e-12
    )
    band = top.collections[0].get_paths()[0].vertices[:, 1]
    assert band.min() == solution.certificate.policy_lower.min()
    assert band.max() == solution.certificate.upper.max()


def test_the_overview_of_a_certain_policy_has_entropy_zero_and_of_one_state_bars():
    solution = rm.solve(rm.models.russell_norvig())
    entropy = plots.plot_overview(solution).axes[1].lines[0].get_ydata()
    assert np.count_nonzero(entropy == 0.0) == 9
    assert np.count_nonzero(np.isnan(entropy)) == 2
    solution = rm.solve(rm.models.bandit((1.0, 2.0)), rm.Shannon(1.0))
    (axes,) = solution.plot().axes
    assert [bar.get_height() for bar in axes.patches] == solution.policy[0].tolist()
    assert [text.get_text() for text in axes.get_xticklabels()] == ["arm 0", "arm 1"]


def test_a_layout_or_a_model_can_be_given(tmp_path):
    mdp = rm.models.russell_norvig()
    bare = rm.solve(mdp.with_layout(None))
    bare.save(tmp_path / "solution.npz")
    loaded = rm.Solution.load(tmp_path / "solution.npz")
    for given in (mdp, mdp.layout):
        assert loaded.plot(given).axes[0].get_xlabel() == "column"
    assert loaded.plot(rm.LineLayout("cell")).axes[1].get_xlabel() == "cell"
    rm.solve(mdp).save(tmp_path / "solution.npz")
    assert rm.Solution.load(tmp_path / "solution.npz").plot().axes[0].get_xlabel() == "column"


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda bare, _: plots.plot_gridworld(bare), r"has no layout: give a grid, .*GridLayout"),
        (lambda bare, _: plots.plot_line(bare), r"has no layout: give a line, .*LineLayout"),
        (lambda _, grid: plots.plot_line(grid), "has another layout, GridLayout: give a line"),
        (lambda bare, _: bare.plot(GRID), "10 cells that are not walls, .* 11 states"),
        (lambda bare, _: bare.plot("grid"), "layout must be .* not 'grid'"),
        (lambda bare, _: plots.plot_simplex(bare), "11 states and 4 actions; .*plot_overview"),
    ],
)
def test_what_cannot_be_drawn_is_an_error_that_says_what_to_do(draw, message):
    mdp = rm.models.russell_norvig()
    bare, grid = rm.solve(mdp.with_layout(None)), rm.solve(mdp)
    with pytest.raises(rm.ModelError, match=message):
        draw(bare, grid)


def test_figures_are_shown_by_notebooks_and_long_regularizers_are_cut():
    reference = np.full((11, 4), 0.25)
    mdp = rm.models.russell_norvig().with_discount(0.9)
    solution = rm.solve(mdp, rm.KL(reference, 0.1) + rm.Tsallis(1.5, 0.2) + rm.SquaredL2(0.1))
    figure = solution.plot()
    assert figure._repr_png_().startswith(b"\x89PNG")
    assert max(map(len, figure.get_suptitle().splitlines())) <= 58
    assert "<table" in solution._repr_html_()


def test_without_matplotlib_plot_names_the_install_command(monkeypatch):
    import sys

    solution = rm.solve(rm.models.bandit())
    for name in [name for name in sys.modules if name.startswith("regmdp.plots")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(rm.MissingExtraError, match=r"pip install 'regmdp\[plots\]'"):
        solution.plot()


def test_walls_of_large_grids_stand_out_from_the_scale_and_arrows_have_an_outline():
    mdp = rm.models.gridworld(60, 60, discount=0.9)
    axes = axes_of_grid()
    plots.draw_grid(axes, mdp.layout)
    (walls,) = axes.patches
    assert not walls.get_hatch()
    assert min(walls.get_facecolor()[:3]) > 0.9
    mesh = plots.draw_grid_value(axes, mdp.layout, np.linspace(0.0, 1.0, mdp.n_states))
    assert mesh.get_rasterized()
    for shape in plots.draw_grid_policy(axes, mdp.layout, rm.uniform_policy(mdp), mesh):
        fill, edge = shape.get_facecolor(), shape.get_edgecolor()
        assert abs(sum(fill[:3]) - sum(edge[:3])) > 2.0
        assert shape.get_linewidth() > 0
