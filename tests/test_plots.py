"""Plots: equal figures give equal files, thinning keeps the shape, user settings are kept."""

import colorsys
import re
import subprocess
import sys

import matplotlib as mpl
import numpy as np
import pytest

import regmdp as rm
from regmdp import plots


def drawing():
    with plots.style():
        figure, axes = plots.subplots(1, 2)
        for axis in axes:
            plots.set_logarithmic(axis, x=True, y=True)
        x = np.arange(1, 3000)
        runs = np.outer([1.0, 2.0, 4.0], 1.0 / x)
        plots.draw_curve(axes[0], x, 1.0 / x, 0, "one")
        plots.draw_band(axes[0], x, runs, 1, "three")
        plots.draw_bound(axes[1], x, 5.0 / x, "bound")
        plots.draw_level(axes[1], 1e-2, "tolerance")
        plots.add_legend(axes[0], where="below")
        plots.add_panel_titles(axes, ["left", "right"])
        return plots.to_svg(figure), plots.to_png(figure)


def test_the_same_figure_is_the_same_file():
    first, second = drawing(), drawing()
    assert first == second
    assert first[0].startswith("<svg")
    assert first[1].startswith(b"\x89PNG")


def test_figures_contain_no_fonts_and_no_date():
    svg, _ = drawing()
    assert "<text" not in svg
    assert "<dc:date" not in svg
    assert "<dc:creator" not in svg


def test_coordinates_are_rounded_and_correct():
    with plots.style():
        figure, axes = plots.subplots(width=2, height=1)
        axes.set_position((0, 0, 1, 1))
        axes.axis("off")
        axes.set(xlim=(0, 1), ylim=(0, 1))
        axes.plot([0.0, 1 / 3, 1.0], [0.0, 1 / 3, 0.0])
        figure.set_layout_engine("none")
        svg = plots.to_svg(figure)
    # 2 by 1 inches are 144 by 72 points, counted from the top
    numbers = [re.findall(r"-?[\d.]+", path) for path in re.findall(r' d="([^"]*)"', svg)]
    assert ["0", "72", "48", "48", "144", "72"] in numbers
    assert not re.search(r' d="[^"]*\d\.\d{3}', svg)


def test_settings_of_the_user_are_kept():
    before = dict(mpl.rcParams)
    mpl.rcParams["lines.linewidth"] = 9.0
    try:
        with plots.style():
            assert mpl.rcParams["lines.linewidth"] < 3.0
            assert mpl.rcParams["axes.titlesize"] == 11
        assert mpl.rcParams["lines.linewidth"] == 9.0
    finally:
        mpl.rcParams["lines.linewidth"] = before["lines.linewidth"]
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize(
    "x", [np.arange(5000.0), np.arange(3.0), np.geomspace(1e-6, 1e9, 10_000), np.array([0.0, 1.0])]
)
def test_thinning_keeps_the_ends_and_is_even(x, log):
    index = plots.thin_indices(x, 200, log=log)
    assert index[0] == 0
    assert index[-1] == x.size - 1
    assert np.all(np.diff(index) > 0)
    assert index.size <= max(min(x.size, 202), 2)
    if x.size > 1000:
        scale = np.log(x[index][1:]) if log else x[index][1:]
        spread = scale[-1] - scale[0]
        assert np.max(np.diff(scale)) < (0.2 if log and x[0] == 0 else 0.011) * spread


def test_curves_omit_values_without_logarithm():
    with plots.style():
        _, axes = plots.subplots()
        plots.set_logarithmic(axes, x=True, y=True)
        plots.draw_curve(axes, [0, 1, 10, 100], [1.0, 0.1, 0.0, -1.0], 0)
        (line,) = axes.lines
        np.testing.assert_array_equal(line.get_xdata(), [1, 10, 100])
        np.testing.assert_array_equal(line.get_ydata(), [0.1, np.nan, np.nan])


def test_default_limits_are_those_of_the_data():
    with plots.style():
        _, axes = plots.subplots()
        plots.set_logarithmic(axes, x=True, y=True)
        plots.draw_curve(axes, [1, 10], [1e5, 1e9], 0)
        low, high = axes.get_ylim()
        assert low < 1e5
        assert high > 1e9
        plots.set_logarithmic(axes, y=True, limits=(1e-3, 1e12))
        assert axes.get_ylim() == (1e-3, 1e12)


def test_bands_cover_the_range_of_the_runs():
    with plots.style():
        _, axes = plots.subplots()
        runs = np.array([[1.0, 5.0], [2.0, 4.0], [9.0, 6.0]])
        plots.draw_band(axes, [0, 1], runs, 2, "runs")
        (filled,) = axes.collections
        corners = filled.get_paths()[0].vertices
        assert {tuple(corner) for corner in corners} >= {
            (0.0, 1.0),
            (0.0, 9.0),
            (1.0, 4.0),
            (1.0, 6.0),
        }
        np.testing.assert_array_equal(axes.lines[0].get_ydata(), [2.0, 5.0])


def test_arrows_follow_the_field_with_equal_lengths():
    with plots.style():
        _, axes = plots.subplots()
        plots.draw_arrows(
            axes,
            np.array([[0.0, 0.0], [5.0, 5.0], [1.0, 1.0]]),
            np.array([[3.0, 0.0], [0.0, -0.1], [0.0, 0.0]]),
            length=2.0,
        )
        axes.autoscale_view()
        assert axes.get_ylim()[0] <= -0.34 < 6.0 <= axes.get_ylim()[1]  # all arrows are in sight
        (shape,) = axes.patches
        outlines = shape.get_path().vertices.reshape(2, -1, 2)  # no arrow where the field is 0
    for outline, tip, tail in zip(
        outlines, ([1.0, 0.0], [5.0, 4.0]), ([-1.0, 0.0], [5.0, 6.0]), strict=True
    ):
        assert np.min(np.linalg.norm(outline - tip, axis=1)) < 1e-12
        assert np.min(np.linalg.norm(outline - tail, axis=1)) < 0.1


def draw_step(mirror, start, step):
    """The axes of a drawn step, and the numbered points by their number, on each axes."""
    with plots.style():
        figure, (dual, simplex) = plots.subplots(2, 1)
        plots.draw_mirror_step(simplex, dual, mirror, start, step, actions=("x", "y", "z"))
        svg = plots.to_svg(figure)
    numbered = [
        {
            text.get_text(): np.array(text.xy)
            for text in axes.texts
            if re.fullmatch(r"[1-5](, 4)?", text.get_text())
        }
        for axes in (simplex, dual)
    ]
    assert svg.startswith("<svg")
    return simplex, dual, *numbered


def project(vector):
    """The place of a vector without the part in which all coordinates are equal."""
    return plots.to_plane(vector - np.mean(vector))


def test_a_euclidean_step_is_projected():
    start, step = np.array([0.25, 0.55, 0.2]), np.array([1.7, 0.9, 0.4])
    simplex, dual, points, images = draw_step(rm.SquaredL2(1.0), start, step)
    # (-0.45, 0.65, 0.8), and the nearest point of the simplex
    nearest = np.array([0.0, 0.425, 0.575])
    assert set(points) == {"1", "5"}
    assert set(images) == {"2", "3", "4"}
    for found, expected in (
        (points["1"], plots.to_plane(start)),
        (points["5"], plots.to_plane(nearest)),
        (images["2"], project(start)),
        (images["3"], project(start - step)),
        (images["4"], project(nearest)),
    ):
        np.testing.assert_allclose(found, expected, atol=1e-12)
    names = {text.get_text() for text in dual.texts}
    assert {"−ηg", "projection", "∇h", "∇h*"} <= names
    assert {"x", "y", "z"} <= {text.get_text() for text in simplex.texts}
    # the ball is a circle around the start
    (ball,) = [part for part in simplex.collections if hasattr(part, "levels")]
    radius = np.hypot(*(points["5"] - points["1"]))
    outline = np.concatenate([path.vertices for path in ball.get_paths()])
    np.testing.assert_allclose(np.hypot(*(outline - points["1"]).T), radius, rtol=1e-2)


def test_a_step_of_entropy_needs_no_projection():
    start, step = np.array([0.25, 0.55, 0.2]), np.array([1.7, 0.9, 0.4])
    _, dual, points, images = draw_step(rm.Shannon(1.0), start, step)
    reached = start * np.exp(-step)
    reached = plots.to_plane(reached / reached.sum())
    np.testing.assert_allclose(points["5"], reached, atol=1e-12)
    assert set(images) == {"2", "3, 4"}
    np.testing.assert_allclose(images["2"], project(np.log(start)), atol=1e-12)
    np.testing.assert_allclose(images["3, 4"], project(np.log(start) - step), atol=1e-12)
    assert "projection" not in {text.get_text() for text in dual.texts}


@pytest.mark.parametrize("start", [[0.5, 0.5], [0.5, 0.5, 0.0], [0.5, 0.4, 0.3]])
def test_a_step_needs_a_start_inside_the_simplex(start):
    with plots.style():
        _, (dual, simplex) = plots.subplots(2, 1)
        with pytest.raises(rm.PolicyError, match="start must be|start.* above 0|start sums to"):
            plots.draw_mirror_step(simplex, dual, rm.Shannon(1.0), start, [1.0, 0.0, 0.0])


def luminance(color):
    """Relative luminance of WCAG 2."""
    channels = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_colours_contrast_with_white_and_their_neighbours():
    contrast = [1.05 / (luminance(color) + 0.05) for color in plots.COLORS]
    assert min(contrast) > 2.0
    for one, other in zip(plots.COLORS, plots.COLORS[1:], strict=False):
        light = abs(luminance(one) - luminance(other))
        hues = [
            colorsys.rgb_to_hls(*(int(c[place : place + 2], 16) / 255 for place in (1, 3, 5)))[0]
            for c in (one, other)
        ]
        assert light > 0.02 or abs(hues[0] - hues[1]) > 0.1


def test_every_curve_has_its_own_style():
    with plots.style():
        _, axes = plots.subplots()
        for number in range(len(plots.COLORS)):
            plots.draw_curve(axes, [0, 1], [0, 1], number)
        looks = [
            (line.get_color(), line.get_marker(), str(line._unscaled_dash_pattern))
            for line in axes.lines
        ]
    for part in zip(*looks, strict=True):
        assert len(set(part)) == len(plots.COLORS)


def test_without_matplotlib_the_error_names_the_install_command():
    code = (
        "import sys; sys.modules['matplotlib'] = None\nimport regmdp, "
        "regmdp.reproduce.experiments\nimport regmdp.plots"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert "MissingExtraError" in ended.stderr
    assert "python -m pip install 'regmdp[plots]'" in ended.stderr
