"""Running several experiments in sequence, keeping finished ones if a later one fails."""

from __future__ import annotations

import json
import platform
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any, Protocol, runtime_checkable

from regmdp._internal.errors import FormatError, MissingExtraError
from regmdp._internal.files import replace_atomically
from regmdp.reproduce.base import Experiment, ProgressFunction, Result
from regmdp.reproduce.records import (
    Record,
    RecordedFigure,
    format_csv,
    package_versions,
    replace_folder,
    require_replaceable,
)

__all__ = ["Outcome", "ProgressDisplay", "reproduce", "run_and_write"]

REPORT_FILE = "report.html"


@runtime_checkable
class ProgressDisplay(Protocol):
    """Display of the progress of several experiments."""

    def start(self, experiment: Experiment) -> object:
        """Show that an experiment starts."""

    def update(self, fraction: float, text: str) -> object:
        """Show the finished fraction of the current experiment and its current work."""

    def finish(self, experiment: Experiment, record: Record, resumed: bool) -> object:
        """Show a finished experiment; ``resumed`` if its outputs are from an earlier run."""


@dataclass(frozen=True)
class Outcome:
    """Outcome of a run of several experiments.

    Attributes:
        records: Records of the selected experiments that are finished, by name.
        interrupted: Whether the run was interrupted.
        report: Path of the report; None if no experiment is finished.
    """

    records: dict[str, Record]
    interrupted: bool
    report: Path | None

    @property
    def all_passed(self) -> bool:
        """Whether all checks passed."""
        return all(record.all_passed for record in self.records.values())


def reproduce(
    selected: Sequence[Experiment],
    available: Sequence[Experiment],
    output: Path,
    display: ProgressDisplay,
    *,
    quick: bool = False,
    resume: bool = False,
) -> Outcome:
    """Run experiments; write the outputs and a report of all finished ones after each.

    A KeyboardInterrupt ends the run; finished experiments are kept.

    Args:
        selected: Experiments to run, in this order.
        available: All experiments, in the order of the report. Those that are not selected are
            reported too if the folder holds their outputs.
        output: Output folder; created if absent.
        display: Display of the progress.
        quick: Whether to use the quick settings.
        resume: Whether to keep outputs in the folder that have the same settings and version.

    Raises:
        MissingExtraError: if a package for drawing or for the report is missing.
        FileExistsError: if an output folder contains anything else.
    """
    write_report = _make_report_writer()
    for experiment in selected:
        require_replaceable(output / experiment.name)
    output.mkdir(parents=True, exist_ok=True)
    records: dict[str, Record] = {}
    report: Path | None = None
    interrupted = False
    with _remember_interrupts() as was_interrupted:
        try:
            for experiment in selected:
                folder = output / experiment.name
                record = (
                    _load_earlier_record(folder, experiment.settings(quick)) if resume else None
                )
                resumed = record is not None
                if record is None:
                    display.start(experiment)
                    record = run_and_write(
                        experiment,
                        folder,
                        _stop_on_interrupt(display.update, was_interrupted),
                        quick=quick,
                    )
                records[experiment.name] = record
                report = write_report(
                    output,
                    _select_reported(output, available, selected, records),
                    len(selected) - len(records),
                )
                display.finish(experiment, record, resumed)
        except KeyboardInterrupt:
            interrupted = True
    return Outcome(records, interrupted, report)


def run_and_write(
    experiment: Experiment, folder: Path, progress: ProgressFunction, *, quick: bool = False
) -> Record:
    """Run one experiment and write its folder: data, figures, record.

    Args:
        experiment: The experiment.
        folder: Output folder; its parent must exist.
        progress: Called with the progress. If it raises an exception, nothing is written.
        quick: Whether to use the quick settings.
    """
    begin = time.perf_counter()
    progress(0.0, "starting")
    result = experiment.run(experiment.quick if quick else experiment.full, progress)
    progress(1.0, "drawing")
    files = dict(_draw_figures(result, progress))
    record = Record(
        experiment=experiment.name,
        quick=quick,
        settings=json.loads(json.dumps(experiment.settings(quick))),
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=round(time.perf_counter() - begin, 3),
        versions=package_versions(),
        machine=f"{platform.system()} on {platform.machine()}",
        tables=tuple(result.tables),
        figures=tuple(
            RecordedFigure(name, figure.caption, figure.alt)
            for name, figure in result.figures.items()
        ),
        numbers=tuple(result.numbers),
        checks=tuple(result.checks),
    )
    with replace_folder(folder) as write:
        for name, columns in result.tables.items():
            write(f"{name}.csv", format_csv(columns))
        for name, content in files.items():
            write(name, content)
        write("record.json", record.to_json())
    return record


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


def _make_report_writer() -> Callable[[Path, list[tuple[Experiment, Record]], int], Path]:
    """Return a function that writes the report; missing packages are found before computing."""
    from regmdp import plots  # noqa: F401
    from regmdp.reproduce import report

    try:
        import mpltern  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("mpltern", "plots") from error

    def write(output: Path, reported: list[tuple[Experiment, Record]], n_missing: int) -> Path:
        page = report.render_page(
            [report.Chapter.read(experiment, record, output) for experiment, record in reported],
            n_missing=n_missing,
        )
        path = output / REPORT_FILE
        replace_atomically(path, lambda file: file.write(page.encode("utf-8")))
        return path

    return write


def _select_reported(
    output: Path,
    available: Sequence[Experiment],
    selected: Sequence[Experiment],
    finished: dict[str, Record],
) -> list[tuple[Experiment, Record]]:
    """List the reported experiments: selected and finished ones, and others in the folder."""
    names = {experiment.name for experiment in selected}
    reported = []
    for experiment in [*available, *(one for one in selected if one not in available)]:
        record = finished.get(experiment.name)
        if record is None and experiment.name not in names:
            record = _load_earlier_record(output / experiment.name)
        if record is not None:
            reported.append((experiment, record))
    return reported


def _load_earlier_record(folder: Path, settings: dict[str, Any] | None = None) -> Record | None:
    """Return the record of an earlier run, if any; with the given settings, if given."""
    try:
        record = Record.load(folder)
    except FormatError:
        return None
    return record if settings is None or record.matches(settings) else None


def _stop_on_interrupt(
    progress: ProgressFunction, was_interrupted: Callable[[], bool]
) -> ProgressFunction:
    """Return a progress function that raises KeyboardInterrupt after an interrupt."""

    def update(fraction: float, text: str) -> None:
        if was_interrupted():
            raise KeyboardInterrupt
        progress(fraction, text)

    return update


@contextmanager
def _remember_interrupts() -> Iterator[Callable[[], bool]]:
    """Record whether SIGINT arrived, without changing its effect.

    An interrupted solver ends its run and returns its current result. The experiment cannot tell
    this from a regular end and would report a wrong result, so it is checked afterwards whether
    there was an interrupt.
    """
    arrived = threading.Event()
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield arrived.is_set
        return

    def remember(number: int, frame: FrameType | None) -> None:
        arrived.set()
        before(number, frame)

    signal.signal(signal.SIGINT, remember)
    try:
        yield arrived.is_set
    finally:
        signal.signal(signal.SIGINT, before)
