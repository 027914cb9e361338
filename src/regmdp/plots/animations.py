"""Animations of a run: how values and policies move over the iterations."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from os import PathLike
from pathlib import Path
from typing import IO

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch

from regmdp._internal.arrays import Float, Int
from regmdp._internal.checks import check_option
from regmdp._internal.errors import ModelError, SolverError
from regmdp._internal.events import CALLBACK, CallbackLike, Event, as_callback
from regmdp._internal.files import replace_atomically
from regmdp._internal.parameters import (
    FileName,
    Flag,
    Instance,
    Integer,
    Number,
    SequenceOf,
    checked,
)
from regmdp.algorithms import Recorder, State
from regmdp.mdp import MDP, GridLayout, Layout
from regmdp.plots.curves import thin_indices
from regmdp.plots.grids import (
    add_value_bar,
    choose_limits,
    create_grid_figure,
    draw_grid,
    draw_grid_policy,
    draw_grid_value,
    key_grid,
    to_colors,
)
from regmdp.plots.movies import Pixels, require_ffmpeg, write_gif, write_mp4
from regmdp.plots.simplex import draw_simplex, to_plane
from regmdp.plots.styling import BLACK, COLORS, style, subplots

__all__ = ["animate"]

DOTS_PER_INCH = 100
FORMATS = (".gif", ".mp4")


@checked(
    run=Instance(Recorder) | SequenceOf(Instance(State)),
    path=FileName(),
    layout=Instance(Layout, MDP) | None,
    max_frames=Integer(2),
    frames_per_second=Number(above=0.0, maximum=50.0),
    log=Flag(),
    callback=CALLBACK,
)
def animate(
    run: Recorder | Sequence[State],
    path: str | PathLike[str],
    layout: Layout | MDP | None = None,
    *,
    max_frames: int = 100,
    frames_per_second: float = 10.0,
    log: bool = False,
    callback: CallbackLike = None,
) -> Int[np.ndarray, " frames"]:
    """Write a film of a run: the values and policies of its iterates, one after the other.

    On a grid, the colours are the values V_k and the arrows the policies π_k, as in
    :func:`plot_gridworld`; a method that keeps no policy has colours only. Without a layout,
    policies over three actions move on the simplex: each state, and each of several runs, is a
    point with its path. The scale of colours is the same in all frames. The file is written whole
    or not at all, and the same run gives the same GIF.

    Args:
        run: A recorder that was the callback of :func:`regmdp.solve` or :func:`regmdp.learn`; or
            iterates, as the ``states`` of :func:`regmdp.theory.trace`.
        path: The file. Its extension is ``.gif``, or ``.mp4`` if the program ffmpeg is installed.
        layout: The grid, or the model, whose names of actions and initial states are drawn, too.
        max_frames: The most frames, 2 or more. If there are more iterates, some are left out,
            evenly.
        frames_per_second: Speed, up to 50. The last frame stays for a second.
        log: Whether iterates are left out evenly in the logarithm of their numbers, which shows
            more of the beginning.
        callback: A function, or several, called with an :class:`regmdp.Event` after each frame,
            whose measures are ``frame`` and ``frames``. Returning False ends the film there.

    Returns:
        (frames,) the iterations that are shown.

    Raises:
        SolverError: if there are no iterates, or an option is out of range.
        ModelError: if there is no way to draw the policies, or the layout does not fit.
        MissingProgramError: if the file is an MP4 and ffmpeg is not installed.

    Examples:
        >>> import pathlib, tempfile, regmdp as rm
        >>> mdp, recorder = rm.models.gridworld(3, 3, discount=0.9), rm.algorithms.Recorder()
        >>> algorithm = rm.algorithms.NPG(step_size=0.5)
        >>> _ = rm.solve(mdp, rm.Shannon(0.05), algorithm, tol=1e-3, callback=recorder)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder) / "run.gif"
        ...     shown = rm.plots.animate(recorder, path, mdp, max_frames=3)
        ...     print(path.read_bytes()[:6], shown.size)
        b'GIF89a' 3
    """
    states = run.states if isinstance(run, Recorder) else run
    speed = frames_per_second
    path = Path(path)
    suffix = check_option("the extension of the file", path.suffix.lower(), FORMATS)
    _check_states(states)
    proceed = as_callback(callback)
    numbers = thin_indices(np.arange(1.0, len(states) + 1.0), max_frames, log=log)
    program = require_ffmpeg() if suffix == ".mp4" else ""
    shown = 0

    def paint_all() -> Iterator[Pixels]:
        nonlocal shown
        begin = time.perf_counter()
        for frame, number in enumerate(numbers.tolist()):
            yield film.paint(number)
            shown = frame + 1
            measures = {"frame": float(shown), "frames": float(numbers.size)}
            if not proceed(Event(number, time.perf_counter() - begin, measures, states[number])):
                return

    def write(file: IO[bytes]) -> None:
        if program:
            write_mp4(file, paint_all(), speed, program)
        else:
            samples = [film.paint(int(numbers[at])) for at in (0, numbers.size // 2, -1)]
            write_gif(file, paint_all(), speed, samples)

    with style():
        film = _create_film(states, numbers, layout)
        replace_atomically(path, write)
    return numbers[:shown]


class _Film(ABC):
    """A figure that shows one iterate after the other.

    Attributes:
        axes: The axes with what moves.
        states: All iterates.
    """

    def __init__(self, figure: Figure, axes: Axes, states: Sequence[State]) -> None:
        self.axes, self.states = axes, states
        figure.set_dpi(DOTS_PER_INCH)
        self._canvas = FigureCanvasAgg(figure)
        self._background: object = None

    @abstractmethod
    def show(self, number: int) -> str:
        """Change the figure to show an iterate; return what is shown."""

    def paint(self, number: int) -> Pixels:
        """Return the pixels of an iterate.

        Texts, ticks and the layout are those of the first one, and drawn once.
        """
        what = self.show(number)
        title = self.axes.set_title(f"{what}\niteration {number:,} of {len(self.states) - 1:,}")
        axes = self.axes
        frame = axes.spines.values() if axes.axison else ()
        drawn = [*axes.collections, *axes.patches, *axes.lines, *frame, title]
        for artist in drawn:
            artist.set_animated(True)
        if self._background is None:
            self._canvas.draw()
            self._canvas.figure.set_layout_engine("none")
            self._background = self._canvas.copy_from_bbox(self._canvas.figure.bbox)
        self._canvas.restore_region(self._background)
        for artist in sorted(drawn, key=lambda artist: artist.get_zorder()):
            axes.draw_artist(artist)
        return np.array(self._canvas.buffer_rgba())[..., :3]


class _GridFilm(_Film):
    """Values and policies on a grid."""

    def __init__(
        self,
        states: Sequence[State],
        numbers: Int[np.ndarray, " frames"],
        layout: GridLayout,
        initial: Float[np.ndarray, " S"] | None,
    ) -> None:
        figure, axes = create_grid_figure(layout)
        super().__init__(figure, axes, states)
        self._layout = layout
        values = np.stack([states[number].value for number in numbers])
        limits = choose_limits(layout, values)
        self._cells = draw_grid_value(axes, layout, values[0], limits)
        draw_grid(axes, layout, initial)
        policies = any(_policy(states[number]) is not None for number in numbers)
        key_grid(figure, layout, arrows=policies, initial=initial)
        add_value_bar(axes, layout, self._cells)
        self._title = "Value and policy" if policies else "Value"
        self._arrows: list[PathPatch] = []

    def show(self, number: int) -> str:
        state = self.states[number]
        self._cells.set_array(to_colors(self._layout, state.value))
        for arrow in self._arrows:
            arrow.remove()
        policy = _policy(state)
        self._arrows = (
            [] if policy is None else draw_grid_policy(self.axes, self._layout, policy, self._cells)
        )
        return self._title


class _SimplexFilm(_Film):
    """Policies over three actions on the simplex, each a point with its path."""

    def __init__(self, states: Sequence[State], labels: Sequence[str]) -> None:
        figure, axes = subplots(width=5.0, height=4.8)
        super().__init__(figure, axes, states)
        policies = [_policy(state) for state in states]
        self._points = to_plane(np.stack([policy for policy in policies if policy is not None]))
        draw_simplex(axes, labels)
        self._paths, self._ends = [], []
        for row, start in enumerate(self._points[0]):
            color = COLORS[row % len(COLORS)]
            (path,) = axes.plot([], [], color=color, zorder=2)
            (end,) = axes.plot([], [], "o", color=color, markersize=8, zorder=3)
            axes.plot(*start, "o", color=BLACK, markersize=4, zorder=2.5)
            self._paths.append(path)
            self._ends.append(end)

    def show(self, number: int) -> str:
        for row, (path, end) in enumerate(zip(self._paths, self._ends, strict=True)):
            points = self._points[: number + 1, row]
            path.set_data(*points.T)
            end.set_data(*points[-1:].T)
        return "Policy" if len(self._paths) == 1 else f"{len(self._paths)} policies"


def _create_film(
    states: Sequence[State], numbers: Int[np.ndarray, " frames"], layout: object
) -> _Film:
    """Return the film that fits the layout, or the policies."""
    model = layout if isinstance(layout, MDP) else None
    found = layout if model is None else model.layout
    if found is not None and not isinstance(found, Layout):
        raise ModelError(
            f"layout must be a regmdp.GridLayout, or a model that has one, not {layout!r}"
        )
    policies = [_policy(state) for state in states]
    first = next((policy for policy in policies if policy is not None), None)
    if isinstance(found, GridLayout):
        n_actions = len(found.directions) if first is None else first.shape[1]
        found.require_fit(states[0].value.size, n_actions)
        return _GridFilm(states, numbers, found, None if model is None else model.initial)
    if found is None and first is not None and first.shape[1] == 3:
        if any(policy is None for policy in policies):
            raise ModelError("some of the iterates have no policy, so none can move on the simplex")
        labels = None if model is None else model.action_labels
        return _SimplexFilm(states, labels or ("action 0", "action 1", "action 2"))
    raise ModelError(
        "an animation shows a grid, layout=mdp or layout=regmdp.GridLayout(…); or, without a "
        "layout, policies over three actions on the simplex"
    )


def _policy(state: State) -> Float[np.ndarray, "S A"] | None:
    """Return the policy of an iterate: the evaluated one, or before any evaluation the next."""
    return state.next_policy if state.policy is None else state.policy


def _check_states(states: Sequence[State]) -> None:
    """Check that there are iterates, and that they are of one model."""
    if not states:
        raise SolverError(
            "there are no iterates: give a recorder that was the callback of a run, "
            "regmdp.solve(…, callback=recorder)"
        )
    sizes = {state.value.size for state in states}
    if len(sizes) > 1:
        raise SolverError(
            f"the iterates have {' and '.join(map(str, sorted(sizes)))} states: they are not of "
            "one run; take a new recorder for each"
        )
