"""One run of an experiment: from Python, and inside ``regmdp reproduce``."""

from __future__ import annotations

import base64
import html
import json
import os
import platform
import shlex
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from regmdp._internal.checks import check_option
from regmdp._internal.errors import MissingExtraError, RegmdpError
from regmdp._internal.files import save_or_rescue
from regmdp._internal.html import html_details, html_rows, html_table
from regmdp._internal.parameters import (
    FileName,
    Flag,
    Function,
    checked,
    checked_methods,
)
from regmdp.reproduce import experiments
from regmdp.reproduce.base import Check, Experiment, Number, ProgressFunction, Result
from regmdp.reproduce.interrupts import stop_on_interrupt
from regmdp.reproduce.records import (
    Record,
    RecordedFigure,
    format_csv,
    package_versions,
    replace_folder,
)
from regmdp.reproduce.report_writer import make_report_writer, prepare_output, select_reported
from regmdp.reproduce.settings import Change, format_setting, list_changes
from regmdp.reproduce.superscripts import scripts_to_html

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["ExperimentRun", "run", "run_experiment", "write_run"]


@checked_methods(RegmdpError, save={"folder": FileName()})
@dataclass(frozen=True, eq=False, repr=False)
class ExperimentRun:
    """A finished run of an experiment, as :func:`run` returns it.

    Attributes:
        experiment: The experiment.
        quick: Whether the run started from the quick settings.
        settings: Its settings, a dataclass.
        result: Its data, figures, numbers and checks.
        seconds: Duration.
    """

    experiment: Experiment[Any]
    quick: bool
    settings: Any
    result: Result
    seconds: float

    @property
    def tables(self) -> Mapping[str, Mapping[str, np.ndarray]]:
        """The data: columns, (n,) arrays by name, by the name of the table."""
        return self.result.tables

    @property
    def numbers(self) -> tuple[Number, ...]:
        """Rows of the table of numbers."""
        return self.result.numbers

    @property
    def checks(self) -> tuple[Check, ...]:
        """Claims of the theory, and whether the run agrees with them."""
        return self.result.checks

    @property
    def notes(self) -> tuple[str, ...]:
        """Comparisons that do not apply to these settings, with the reasons."""
        return self.result.notes

    @property
    def changes(self) -> tuple[Change, ...]:
        """Settings that differ from those of the full run."""
        return list_changes(self.settings, self.experiment.full)

    @property
    def all_passed(self) -> bool:
        """Whether all checks passed."""
        return all(check.passed for check in self.checks)

    @property
    def command(self) -> str:
        """The command that repeats the run."""
        base = self.experiment.quick if self.quick else self.experiment.full
        words = ["regmdp", "reproduce", self.experiment.name, *(["--quick"] if self.quick else [])]
        for name, value, _ in list_changes(self.settings, base):
            words += ["--seed" if name == "seed" else "--set"]
            words += [("" if name == "seed" else f"{name}=") + format_setting(value)]
        return shlex.join(words)

    @property
    def figure_names(self) -> tuple[str, ...]:
        """Names of the figures."""
        return tuple(self.result.figures)

    def draw(self, name: str | None = None) -> Figure:
        """Draw a figure.

        Args:
            name: Name of the figure; the default is the first.

        Raises:
            RegmdpError: if there is no such figure.
            MissingExtraError: if matplotlib is not installed.
        """
        from regmdp import plots

        chosen = self.figure_names[0] if name is None else name
        check_option("the name of a figure", chosen, self.figure_names, error=RegmdpError)
        with plots.style():
            return self.result.figures[chosen].draw()

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write data, figures, record and report into a folder, as ``regmdp reproduce`` does.

        Args:
            folder: The folder; created if absent. Other experiments in it stay in the report.

        Returns:
            Path of the report, one HTML file.

        Raises:
            FileExistsError: if the folder holds anything else where the outputs belong.
            WriteError: if the folder cannot be made or written to.
            MissingExtraError: if a package for drawing or for the report is missing.
        """
        output, name = Path(folder), self.experiment.name
        write_report = make_report_writer()
        prepare_output(output, [self.experiment])
        record = write_run(self, output / name)
        reported = select_reported(
            output, experiments.EXPERIMENTS, [self.experiment], {name: record}
        )
        return write_report(output, reported, 0)

    def __str__(self) -> str:
        lines = [f"{self.experiment.title}: {self._verdict}"]
        lines += [f"  setting {change}" for change in self.changes]
        for check in self.checks:
            outcome = "passed" if check.passed else "FAILED"
            lines.append(f"  {outcome}  {check.claim}: {check.measured}; expected {check.expected}")
        return "\n".join([*lines, *(f"  {note}" for note in self.notes)])

    def __repr__(self) -> str:
        changed = "".join(f", {name}={value!r}" for name, value, _ in self.changes)
        return f"ExperimentRun({self.experiment.name!r}, {self._verdict}{changed})"

    def _repr_html_(self) -> str:
        checks = html_table(
            f"{self.experiment.title}: {self._verdict}",
            ("", "claim", "measured", "expected"),
            [
                ("✓ pass" if one.passed else "✗ fail", one.claim, one.measured, one.expected)
                for one in self.checks
            ],
            note=" ".join(self.notes),
        )
        changes = html_table(
            "Settings that differ from the full run",
            ("setting", "this run", "full run"),
            [
                (one.name, format_setting(one.value), format_setting(one.full))
                for one in self.changes
            ],
        )
        numbers = html_table(
            "",
            ("quantity", "measured", "expected"),
            [(row.what, row.measured, row.expected) for row in self.numbers],
        )
        tables = [
            checks,
            *([changes] if self.changes else []),
            html_details(f"{len(self.numbers)} numbers", numbers),
        ]
        return "\n".join([*map(scripts_to_html, tables), *self._draw_images()])

    @property
    def _verdict(self) -> str:
        passed = sum(bool(check.passed) for check in self.checks)
        return f"{passed} of {len(self.checks)} checks passed"

    def _draw_images(self) -> Iterator[str]:
        """Return the figures as images with their captions; none without matplotlib."""
        try:
            from regmdp import plots
        except MissingExtraError:
            return
        for name, spec in self.result.figures.items():
            with plots.style():
                svg = plots.to_svg(self.draw(name))
            data = base64.b64encode(svg.encode("utf-8")).decode("ascii")
            # an image of its own, on white, so that it is readable on a dark page
            yield (
                f'<img src="data:image/svg+xml;base64,{data}" style="background: white; '
                f'max-width: 100%" alt="{html.escape(spec.alt)}">'
            )
            yield scripts_to_html(html_rows("", [(name, spec.caption)]))


@checked(RegmdpError, quick=Flag(), progress=Function() | None)
def run(
    name: str,
    *,
    quick: bool = False,
    progress: ProgressFunction | None = None,
    **settings: object,
) -> ExperimentRun:
    """Run one experiment of ``regmdp reproduce``, with settings of your choice.

    Args:
        name: Name of the experiment, as ``regmdp reproduce`` lists them.
        quick: Whether to start from the quick settings, which take a few seconds.
        progress: Called from time to time with the finished fraction and a description.
        settings: Settings that are changed, by name; ``seed`` for another draw. An unknown name is
            refused with the list of names.

    Raises:
        RegmdpError: if the experiment or a setting is unknown, or a value is out of its range.

    Examples:
        >>> import regmdp as rm
        >>> run = rm.reproduce.run(
        ...     "path", quick=True, temperatures=21, policies=1, n_states=6, branching=3
        ... )
        >>> sorted(run.tables["paths"])[:3]
        ['bound', 'largest_loss', 'probability_0']
        >>> run.changes[0]
        Change(name='n_states', value=6, full=30)
        >>> rm.reproduce.run("path", states=6)
        Traceback (most recent call last):
        ...
        regmdp.RegmdpError: experiment 'path' has no setting 'states'; did you mean 'n_states'? ...
    """
    (experiment,) = experiments.find_experiments(
        [
            check_option(
                "the experiment",
                name,
                [one.name for one in experiments.EXPERIMENTS],
                error=RegmdpError,
            )
        ]
    )
    report = progress if progress is not None else _ignore_progress
    with stop_on_interrupt() as wrap:
        return run_experiment(experiment, wrap(report), quick=quick, changes=settings)


def _ignore_progress(fraction: float, text: str) -> None:
    pass


def run_experiment(
    experiment: Experiment[Any],
    progress: ProgressFunction,
    *,
    quick: bool = False,
    changes: Mapping[str, object],
) -> ExperimentRun:
    """Run an experiment, without drawing or writing.

    Args:
        experiment: The experiment.
        progress: Called with the progress. An exception that it raises is propagated.
        quick: Whether to start from the quick settings.
        changes: Changed settings by name.
    """
    settings = experiment.configure(quick, changes)
    begin = time.perf_counter()
    progress(0.0, "starting")
    result = experiment.run(settings, progress)
    progress(1.0, "finished")
    return ExperimentRun(experiment, quick, settings, result, time.perf_counter() - begin)


def write_run(
    finished: ExperimentRun, folder: Path, progress: ProgressFunction = _ignore_progress
) -> Record:
    """Write the folder of a run: data, figures, record.

    Args:
        finished: The run.
        folder: Output folder; its parent must exist.
        progress: Called after each figure. If it raises an exception, nothing is written.

    Raises:
        WriteError: if the folder cannot be written; the message says where the files are instead.
    """
    begin, result = time.perf_counter(), finished.result
    files = dict(_draw_figures(result, progress))
    record = Record(
        experiment=finished.experiment.name,
        quick=finished.quick,
        settings=_as_json(asdict(finished.settings)),
        changes=tuple(Change(*_as_json(change)) for change in finished.changes),
        command=finished.command,
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=round(finished.seconds + time.perf_counter() - begin, 3),
        versions=package_versions(),
        machine=f"{platform.system()} on {platform.machine()}",
        tables=tuple(result.tables),
        figures=tuple(
            RecordedFigure(name, figure.caption, figure.alt)
            for name, figure in result.figures.items()
        ),
        numbers=tuple(result.numbers),
        checks=tuple(result.checks),
        notes=tuple(result.notes),
    )
    tables = {f"{name}.csv": format_csv(columns) for name, columns in result.tables.items()}
    files |= tables | {"record.json": record.to_json()}
    save_or_rescue(folder, lambda path: _write_files(path, files))
    return record


def _write_files(folder: Path, files: Mapping[str, str | bytes]) -> None:
    """Write the files of an experiment into a folder that replaces the old one."""
    with replace_folder(folder) as write:
        for name, content in files.items():
            write(name, content)


def _as_json(value: Any) -> Any:
    """Return a value as it is read from JSON: tuples as lists."""
    return json.loads(json.dumps(value))


def _draw_figures(result: Result, progress: ProgressFunction) -> Iterator[tuple[str, str | bytes]]:
    """Draw the figures, each as SVG and PNG: pairs of file name and content."""
    from regmdp import plots

    for name, spec in result.figures.items():
        with plots.style():
            figure = spec.draw()
            yield f"{name}.svg", plots.to_svg(figure)
            figure.set_layout_engine("none")  # keep the layout of the SVG
            yield f"{name}.png", plots.to_png(figure)
        progress(1.0, f"drew {name}")
