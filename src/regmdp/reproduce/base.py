"""What an experiment is: a statement of theory, a computation, and checks of one against the other.

An experiment module defines a frozen dataclass ``Settings`` with the instances ``FULL`` and
``QUICK``, a function ``run(settings, progress)`` that returns a :class:`Result`, and
``EXPERIMENT``, which combines them. Users change settings, so ``Settings`` checks its fields (see
:mod:`regmdp.reproduce.settings`), and the texts of a result say what this run has shown. Nothing
here needs matplotlib: a figure is a function that is called when the figure is drawn.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

from regmdp._internal.errors import RegmdpError
from regmdp.reproduce.settings import change_settings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "Check",
    "Experiment",
    "FigureSpec",
    "Number",
    "ProgressFunction",
    "Result",
    "require_file_name",
]

#: Called by an experiment from time to time with the finished fraction, 0 to 1, and a description
#: of the current work. It may raise KeyboardInterrupt, which must be propagated.
ProgressFunction = Callable[[float, str], object]

Settings = TypeVar("Settings")

_NO_CHANGES: Mapping[str, object] = MappingProxyType({})

_FILE_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


@dataclass(frozen=True)
class Check:
    """A theoretical claim or a known number, and whether the run agrees with it.

    Attributes:
        claim: The claim, as a sentence.
        measured: Result of the run, as text.
        expected: Expected result, as text.
        passed: Whether the two agree.
    """

    claim: str
    measured: str
    expected: str
    passed: bool | np.bool_

    def __post_init__(self) -> None:
        object.__setattr__(self, "passed", bool(self.passed))  # np.bool_ is not valid JSON


@dataclass(frozen=True)
class Number:
    """A row of the table of numbers; ``expected`` is empty if no value is known in advance."""

    what: str
    measured: str
    expected: str = ""


@dataclass(frozen=True)
class FigureSpec:
    """A figure to draw: the drawing function and the texts.

    Attributes:
        draw: Returns a :class:`matplotlib.figure.Figure` made with
            :func:`regmdp.plots.subplots`. It is called within :func:`regmdp.plots.style` and draws
            computed data without further computation.
        caption: Text below the figure: what is drawn and what it shows.
        alt: Alternative text: the kind of plot, the axes, and what happens there.
    """

    draw: Callable[[], Figure]
    caption: str
    alt: str


@dataclass(frozen=True, eq=False)
class Result:
    """Result of an experiment.

    Attributes:
        tables: Data behind the figures: columns, (n,) arrays by name, by file name without suffix.
        figures: Figures by file name without suffix.
        numbers: Rows of the table of numbers.
        checks: Checks of the theory.
        notes: Comparisons that do not apply to the settings of this run, each a sentence with the
            reason.

    Raises:
        ValueError: if the columns of a table differ in length, or a name is not a valid file name.

    Examples:
        >>> Result(
        ...     {"curve": {"iteration": np.arange(3), "error": np.array([1.0, 0.5])}}, {}, (), ()
        ... )
        Traceback (most recent call last):
        ...
        ValueError: the columns of table 'curve' must be (n,) arrays of equal length; ...
    """

    tables: Mapping[str, Mapping[str, np.ndarray]]
    figures: Mapping[str, FigureSpec]
    numbers: tuple[Number, ...]
    checks: tuple[Check, ...]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in (*self.tables, *self.figures):
            require_file_name(name)
        for name, columns in self.tables.items():
            shapes = {column: np.shape(values) for column, values in columns.items()}
            if len(set(shapes.values())) != 1 or any(len(shape) != 1 for shape in shapes.values()):
                listed = ", ".join(f"{column} {shape}" for column, shape in shapes.items())
                raise ValueError(
                    f"the columns of table {name!r} must be (n,) arrays of equal length; "
                    + (f"their shapes are {listed}" if listed else "it has no columns")
                )


@dataclass(frozen=True, eq=False)
class Experiment(Generic[Settings]):
    """An experiment.

    Attributes:
        name: Name on the command line.
        title: Heading.
        summary: One line for the list of experiments.
        theory: What the theory states, in paragraphs of plain text. A paragraph that starts with
            four spaces is shown as a formula. In all texts ^ and _ raise and lower the letter, the
            number or the group in braces that follows.
        sources: References, one citation each.
        full: Settings of the full run: a frozen dataclass of numbers, texts and tuples of them;
            with ``seed`` if the run is random.
        quick: Settings of a coarser run of a few seconds that shows the same.
        run: The computation, ``run(settings, progress)``.
        caveat: Limitations that a reader must know, or an empty string.
    """

    name: str
    title: str
    summary: str
    theory: tuple[str, ...]
    sources: tuple[str, ...]
    full: Settings
    quick: Settings
    run: Callable[[Settings, ProgressFunction], Result] = field(repr=False)
    caveat: str = ""

    def __post_init__(self) -> None:
        require_file_name(self.name)
        for settings in (self.full, self.quick):
            if not is_dataclass(settings):
                raise TypeError(
                    f"the settings of experiment {self.name!r} must be a dataclass, not "
                    f"{settings!r}"
                )

    @property
    def setting_names(self) -> tuple[str, ...]:
        """Names of the settings."""
        full: Any = self.full
        return tuple(field.name for field in fields(full))

    def configure(self, quick: bool, changes: Mapping[str, object] = _NO_CHANGES) -> Settings:
        """Return the settings of a run.

        Args:
            quick: Whether to start from the quick settings.
            changes: New values by name; texts are read as the types of the fields.

        Raises:
            RegmdpError: if a name is unknown, or a value is not of the type or out of its range.
        """
        if "seed" in changes and "seed" not in self.setting_names:
            raise RegmdpError(
                f"experiment {self.name!r} draws no random numbers, so it takes no seed"
            )
        return change_settings(self.name, self.quick if quick else self.full, changes)

    def settings(self, quick: bool, changes: Mapping[str, object] = _NO_CHANGES) -> dict[str, Any]:
        """Return the settings of a run as they are recorded."""
        settings: Any = self.configure(quick, changes)
        return asdict(settings)


def require_file_name(name: str) -> None:
    """Check that a name is a valid file name on every system.

    Raises:
        ValueError: if it is not.
    """
    if not _FILE_NAME.fullmatch(name):
        raise ValueError(
            f"{name!r} is not a valid file name: use lower-case letters and digits, with single "
            "dashes between them"
        )
