"""Films of runs: frames show the iterates, files are whole or absent, and errors say what to do."""

import io
import shutil
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageSequence

import regmdp as rm
from regmdp import plots
from regmdp.plots.animations import _create_film
from regmdp.plots.grids import WIDE_OUTLINE, draw_grid_policy
from regmdp.plots.movies import write_gif, write_mp4

GRID = rm.models.gridworld(3, 4, walls="open", discount=0.9)
BANDIT = rm.models.bandit()
SHANNON = rm.Shannon(0.1)

#: A program that takes ffmpeg's arguments and writes what it is given.
FAKE = f"""#!{sys.executable}
import pathlib, sys
pathlib.Path(sys.argv[-1]).write_bytes(b"ftyp" + sys.stdin.buffer.read())
pathlib.Path(__file__).with_name("finished").touch()
"""
#: One that writes a part of the film.
PARTIAL = FAKE + "sys.exit('no space left')"
FAILING = f"""#!{sys.executable}
import sys
sys.exit("Unknown encoder 'libx264'")
"""


def record(mdp=GRID, algorithm=None, iterations=8, regularizer=SHANNON, start=None):
    recorder = rm.algorithms.Recorder()
    algorithm = algorithm or rm.algorithms.NPG(step_size=0.5)
    rm.solve(
        mdp, regularizer, algorithm, tol=0, max_iterations=iterations, start=start,
        callback=recorder,
    )  # fmt: skip
    return recorder


def read(path):
    with Image.open(path) as film:
        return [
            (np.asarray(frame.convert("RGB")), frame.info["duration"])
            for frame in ImageSequence.Iterator(film)
        ]


def install(folder, program):
    path = folder / "ffmpeg"
    path.write_text(program)
    path.chmod(0o755)
    return path


def test_a_gif_has_a_frame_for_each_iterate_and_is_the_same_each_time(tmp_path):
    recorder = record(iterations=4)
    shown = plots.animate(recorder, tmp_path / "a.gif", GRID, frames_per_second=5)
    assert shown.tolist() == [0, 1, 2, 3, 4]
    frames = read(tmp_path / "a.gif")
    assert [duration for _, duration in frames] == [200, 200, 200, 200, 1000]
    for (one, _), (other, _) in pairwise(frames):
        assert (one != other).any()
    plots.animate(recorder.states, tmp_path / "b.gif", GRID, frames_per_second=5)
    assert (tmp_path / "a.gif").read_bytes() == (tmp_path / "b.gif").read_bytes()
    assert (frames[0][0][0, 0] == 255).all()  # white is white


def test_frames_are_left_out_evenly_or_on_a_logarithmic_scale(tmp_path):
    recorder = record(BANDIT, iterations=100)
    path = tmp_path / "film.gif"
    assert plots.animate(recorder, path, max_frames=3).tolist() == [0, 50, 100]
    frames = read(path)
    assert len(frames) == 3
    assert (frames[0][0][0, 0] == 255).all()  # white is white
    assert plots.animate(recorder, path, max_frames=3, log=True).tolist() == [0, 10, 100]


@pytest.mark.parametrize("number", [0, 3, 8])
def test_a_frame_of_a_grid_has_the_value_and_the_policy_of_its_iterate(number):
    states = record().states
    with plots.style():
        film = _create_film(states, np.arange(9), GRID)
        film.paint(5)
        film.paint(number)
        (cells,) = film.axes.collections
        value = states[number].value
        np.testing.assert_array_equal(cells.get_array().compressed(), value[:-1])
        shown = np.stack([state.value[:-1] for state in states])
        assert cells.get_clim() == (shown.min(), shown.max())
        drawn = [p for p in film.axes.patches if len(p.get_path()) % (len(WIDE_OUTLINE) + 1) == 0]
        _, axes = plots.subplots()
        expected = draw_grid_policy(axes, GRID.layout, states[number].policy, cells)
    assert [patch.get_path().vertices.tolist() for patch in drawn] == [
        patch.get_path().vertices.tolist() for patch in expected
    ]
    assert film.axes.get_title(loc="left") == f"Value and policy\niteration {number} of 8"


def test_what_is_drawn_once_stays_and_what_moves_is_drawn_anew():
    states = record().states
    with plots.style():
        film = _create_film(states, np.arange(9), GRID)
        first = film.paint(0)
        film.paint(4)
        again = film.paint(0)
        other = _create_film(states, np.arange(9), GRID).paint(0)
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(first, other)


def test_value_iteration_has_colours_only():
    states = record(algorithm=rm.algorithms.ValueIteration(), regularizer=None).states
    with plots.style():
        film = _create_film(states, np.arange(9), GRID)
        film.paint(2)
    assert film.axes.get_title(loc="left") == "Value\niteration 2 of 8"
    assert len(film.axes.patches) == 1  # the start
    assert "arrows" not in film.axes.figure.legends[0].get_title().get_text()


def test_a_policy_moves_on_the_simplex_with_its_path():
    states = record(BANDIT, start=np.array([[0.1, 0.2, 0.7]])).states
    with plots.style():
        film = _create_film(states, np.arange(9), BANDIT)
        film.paint(5)
    path, end, start = film.axes.lines[-3:]
    points = plots.to_plane(np.stack([state.policy[0] for state in states]))
    np.testing.assert_array_equal(path.get_xydata(), points[:6])
    np.testing.assert_array_equal(end.get_xydata(), points[5:6])
    np.testing.assert_array_equal(start.get_xydata(), points[:1])
    assert "arm 2" in {text.get_text() for text in film.axes.texts}


def test_several_runs_are_several_points_and_start_where_no_sample_was_drawn():
    recorder = rm.algorithms.Recorder()
    algorithm = rm.algorithms.NPG(step_size=0.5, evaluation=rm.evaluation.Noisy(0.3))
    rng = [np.random.default_rng(seed) for seed in range(4)]
    rm.learn(BANDIT, SHANNON, algorithm, max_iterations=3, rng=rng, callback=recorder)
    with plots.style():
        film = _create_film(recorder.states, np.arange(4), None)
        film.paint(0)
        assert film.axes.get_title(loc="left") == "4 policies\niteration 0 of 3"
        film.paint(3)
    ends = [line.get_xydata()[0] for line in film.axes.lines if line.get_markersize() == 8]
    np.testing.assert_array_equal(ends, plots.to_plane(recorder.states[3].policy))


def test_callbacks_hear_of_each_frame_and_can_end_the_film(tmp_path):
    recorder, heard = record(), []
    shown = plots.animate(
        recorder,
        tmp_path / "film.gif",
        GRID,
        max_frames=5,
        callback=[heard.append, lambda event: event.measures["frame"] < 3],
    )
    assert shown.tolist() == [0, 2, 4]
    assert [event.iteration for event in heard] == [0, 2, 4]
    assert [event.measures["frame"] for event in heard] == [1, 2, 3]
    assert {event.measures["frames"] for event in heard} == {5}
    assert heard[1].state is recorder.states[2]
    assert len(read(tmp_path / "film.gif")) == 3


@pytest.mark.parametrize("suffix", [".gif", ".mp4"])
def test_an_interrupted_film_leaves_the_old_file_and_nothing_else(suffix, tmp_path, monkeypatch):
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(install(tmp_path / "bin", FAKE).parent))
    folder = tmp_path / "films"
    folder.mkdir()
    path = folder / f"film{suffix}"
    path.write_bytes(b"old")

    def interrupt(event):
        if event.iteration == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        plots.animate(record(), path, GRID, callback=interrupt)
    assert path.read_bytes() == b"old"
    assert list(folder.iterdir()) == [path]
    assert not (tmp_path / "bin" / "finished").exists()


def test_ffmpeg_is_given_the_frames_and_the_last_one_for_a_second(tmp_path, monkeypatch):
    program = install(tmp_path, FAKE)
    monkeypatch.setenv("PATH", str(tmp_path))
    plots.animate(record(iterations=2), tmp_path / "film.mp4", GRID, frames_per_second=4)
    written = (tmp_path / "film.mp4").read_bytes()
    assert written.startswith(b"ftyp")
    with plots.style():
        film = _create_film(record(iterations=2).states, np.arange(3), GRID)
        frames = [film.paint(number) for number in range(3)]
    pixels = np.frombuffer(written[4:], dtype=np.uint8).reshape(3 + 4, *frames[0].shape)
    np.testing.assert_array_equal(pixels, [*frames, *[frames[2]] * 4])
    assert program.with_name("finished").exists()


@pytest.mark.parametrize("program", [path for path in [shutil.which("ffmpeg")] if path] or [None])
def test_an_mp4_of_an_odd_size_is_written_where_ffmpeg_is(program, tmp_path):
    frames = [np.full((31, 45, 3), shade, dtype=np.uint8) for shade in (0, 100, 200)]
    file = io.BytesIO()
    program = program or str(install(tmp_path, FAKE))
    write_mp4(file, frames, 10.0, program)
    assert b"ftyp" in file.getvalue()[:12]


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (FAILING, "failed: Unknown encoder 'libx264'; install one with libx264, or write a .gif"),
        (PARTIAL, "failed: no space left"),
        (f"#!{sys.executable}\n", "failed: it says nothing"),
        (None, "an .mp4 needs the program ffmpeg, .* or write a .gif"),
    ],
)
def test_without_a_working_ffmpeg_the_error_says_so(program, message, tmp_path, monkeypatch):
    (tmp_path / "bin").mkdir()
    if program is not None:
        install(tmp_path / "bin", program)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(rm.MissingProgramError, match=message):
        plots.animate(record(iterations=40), tmp_path / "film.mp4", GRID)
    assert [path.name for path in tmp_path.iterdir()] == ["bin"]


def test_a_colour_keeps_its_place_in_the_palette():
    rng = np.random.default_rng(0)
    frames = [rng.integers(0, 256, (40, 40, 3)).astype(np.uint8) for _ in range(3)]
    for frame in frames:
        frame[:20] = 255
        frame[20:30] = (0, 34, 78)
    file = io.BytesIO()
    write_gif(file, frames, 10.0, frames)
    for image, _ in read(io.BytesIO(file.getvalue())):
        assert (image[:20] == 255).all()
        assert np.ptp(image[20:30].reshape(-1, 3), axis=0).max() == 0


@pytest.mark.parametrize(
    ("error", "message", "change"),
    [
        (rm.SolverError, "no iterates: give a recorder", {"run": rm.algorithms.Recorder()}),
        (rm.SolverError, "extension .* must be '.gif' or '.mp4', not '.webm'", {"path": "x.webm"}),
        (rm.SolverError, "max_frames must be an integer, 2 or more", {"max_frames": 1}),
        (rm.SolverError, r"must be a number in \(0, 50\], not 0", {"frames_per_second": 0}),
        (rm.ModelError, "12 cells .* 11 states", {"layout": rm.GridLayout(["...."] * 3 )}),
        (rm.SolverError, "layout must be of class Layout or MDP", {"layout": "grid"}),
        (rm.ModelError, "an animation shows a grid", {"layout": rm.LineLayout()}),
        (rm.ModelError, "an animation shows a grid", {"layout": None}),
        (FileNotFoundError, "there is no folder", {"path": "nowhere/film.gif"}),
    ],
)  # fmt: skip
def test_what_cannot_be_animated_is_an_error(error, message, change, tmp_path):
    small = rm.models.gridworld_from_drawing("....\n.#..\n...G", discount=0.9)
    options = {"run": record(small), "path": "film.gif", "layout": small, **change}
    run, path = options.pop("run"), tmp_path / Path(options.pop("path"))
    with pytest.raises(error, match=message):
        plots.animate(run, path, **options)
    assert not list(tmp_path.iterdir())


def test_iterates_of_two_models_are_not_one_run(tmp_path):
    states = [*record(BANDIT).states, *record().states]
    with pytest.raises(rm.SolverError, match="1 and 12 states: they are not of one run"):
        plots.animate(states, tmp_path / "film.gif")


def test_iterates_without_a_policy_do_not_move_on_the_simplex(tmp_path):
    states = [
        *record(BANDIT).states,
        *record(BANDIT, algorithm=rm.algorithms.ValueIteration()).states,
    ]
    with pytest.raises(rm.ModelError, match="some of the iterates have no policy"):
        plots.animate(states, tmp_path / "film.gif")
