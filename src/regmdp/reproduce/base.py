"""What an experiment is: a statement of theory, a computation, and what the two have to agree on.

An experiment module defines a frozen dataclass ``Settings`` with the instances ``FULL`` and
``QUICK``, a function ``run(settings, progress)`` that returns a :class:`Result`, and
``EXPERIMENT``, which joins them. Nothing here needs matplotlib: a figure is a function that draws
it when it is wanted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, is_dataclass
from typing import Any

import numpy as np

__all__ = ["Check", "Drawing", "Experiment", "Number", "Progress", "Result"]

#: What an experiment calls now and then, with the fraction that is done, 0 to 1, and what it is
#: doing. It may raise KeyboardInterrupt, which has to be let through.
Progress = Callable[[float, str], object]

_FILE_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


@dataclass(frozen=True)
class Check:
    """A claim of the theory, or a number that is known, and whether the run bears it out.

    Attributes:
        claim: A sentence.
        measured: What the run gave, as text.
        expected: What it should give, as text.
        passed: Whether the two agree.
    """

    claim: str
    measured: str
    expected: str
    passed: bool | np.bool_

    def __post_init__(self) -> None:
        object.__setattr__(self, "passed", bool(self.passed))  # NumPy's own kind cannot be recorded


@dataclass(frozen=True)
class Number:
    """A row of the table of numbers; ``expected`` is empty where nothing is known beforehand."""

    what: str
    measured: str
    expected: str = ""


@dataclass(frozen=True)
class Drawing:
    """A figure that has not been drawn yet.

    Attributes:
        draw: Returns a :class:`matplotlib.figure.Figure`, made with :func:`regmdp.plots.subplots`; it
            is called within :func:`regmdp.plots.style`, and only draws what has been computed
            already.
        caption: Shown below the figure: what is drawn, and what to see in it.
        alt: For those who cannot see it: the kind of plot, the axes, and what happens there.
    """

    draw: Callable[[], Any]
    caption: str
    alt: str


@dataclass(frozen=True, eq=False)
class Result:
    """What a run of an experiment gives.

    Attributes:
        tables: The data behind the figures: file name without suffix, and its columns, (n,) arrays
            by name.
        figures: File name without suffix, and the figure.
        numbers: Rows of the table of headline numbers.
        checks: What has to hold.

    Raises:
        ValueError: if the columns of a table differ in length, or a name is not one for a file.

    Examples:
        >>> Result(
        ...     {"curve": {"iteration": np.arange(3), "error": np.array([1.0, 0.5])}}, {}, (), ()
        ... )
        Traceback (most recent call last):
        ...
        ValueError: the columns of table 'curve' must be (n,) arrays of one length; they have the shapes iteration (3,), error (2,)
    """

    tables: Mapping[str, Mapping[str, np.ndarray]]
    figures: Mapping[str, Drawing]
    numbers: tuple[Number, ...]
    checks: tuple[Check, ...]

    def __post_init__(self) -> None:
        for name in (*self.tables, *self.figures):
            _demand_file_name(name)
        for name, columns in self.tables.items():
            shapes = {column: np.shape(values) for column, values in columns.items()}
            if len(set(shapes.values())) != 1 or any(len(shape) != 1 for shape in shapes.values()):
                listed = ", ".join(f"{column} {shape}" for column, shape in shapes.items())
                raise ValueError(
                    f"the columns of table {name!r} must be (n,) arrays of one length; they have "
                    f"the shapes {listed or 'of none'}"
                )


@dataclass(frozen=True, eq=False)
class Experiment:
    """An experiment.

    Attributes:
        name: As on the command line.
        title: The heading.
        summary: One line for the list of experiments.
        theory: What the theory says, in paragraphs of plain text. One that begins with four spaces
            is shown as a formula. In all texts ^ and _ raise and lower the letter, the number or
            the group in braces that follows.
        sources: What to read, one citation each.
        full: Settings of the full run, a frozen dataclass of numbers, texts and tuples of them;
            with ``seed`` if it is random.
        quick: Settings of a run of a few seconds that shows the same, more coarsely.
        run: The computation, ``run(settings, progress)``.
        caveat: What a reader has to know before believing it, or an empty string.
    """

    name: str
    title: str
    summary: str
    theory: tuple[str, ...]
    sources: tuple[str, ...]
    full: Any
    quick: Any
    run: Callable[[Any, Progress], Result] = field(repr=False)
    caveat: str = ""

    def __post_init__(self) -> None:
        _demand_file_name(self.name)
        for settings in (self.full, self.quick):
            if not is_dataclass(settings):
                raise TypeError(
                    f"the settings of experiment {self.name!r} must be a dataclass, not "
                    f"{settings!r}"
                )

    def settings(self, quick: bool) -> dict[str, Any]:
        """Return the settings as they are recorded."""
        return asdict(self.quick if quick else self.full)


def _demand_file_name(name: str) -> None:
    if not _FILE_NAME.fullmatch(name):
        raise ValueError(
            f"{name!r} is no name for a file: lower-case letters, digits, and single dashes "
            "between them"
        )
