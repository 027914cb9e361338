"""Runs experiments one after the other, and keeps what is finished whatever happens to the rest."""

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
from regmdp.reproduce.base import Experiment, Progress, Result
from regmdp.reproduce.records import (
    Figure,
    Record,
    comma_separated,
    demand_replaceable,
    replace_folder,
    versions,
)

__all__ = ["Outcome", "Watcher", "reproduce", "run_and_write"]

REPORT = "report.html"


@runtime_checkable
class Watcher(Protocol):
    """Who is told how far the work is."""

    def started(self, experiment: Experiment) -> object:
        """An experiment begins."""

    def progress(self, fraction: float, text: str) -> object:
        """This fraction of it is done, and this is being done."""

    def finished(self, experiment: Experiment, record: Record, resumed: bool) -> object:
        """It has ended and is written, or was there already."""


@dataclass(frozen=True)
class Outcome:
    """How a run of several experiments ended.

    Attributes:
        records: Of those asked for that are finished, by name.
        interrupted: Whether the rest was cut off.
        report: Where the report lies; None if there is nothing to report.
    """

    records: dict[str, Record]
    interrupted: bool
    report: Path | None

    @property
    def ok(self) -> bool:
        """Whether all checks passed."""
        return all(record.ok for record in self.records.values())


def reproduce(
    wanted: Sequence[Experiment],
    known: Sequence[Experiment],
    output: Path,
    watcher: Watcher,
    *,
    quick: bool = False,
    resume: bool = False,
) -> Outcome:
    """Run experiments, write the outputs of each as it ends, and after each a report of all that are finished.

    A KeyboardInterrupt ends the run; what is finished is kept.

    Args:
        wanted: What to run, in this order.
        known: All there are, in the order of the report. Those not asked for are reported too if
            the folder holds them.
        output: The folder; it is made if it is not there.
        watcher: Who is told of the progress.
        quick: Whether with the quick settings.
        resume: Whether to take what the folder holds already, if it was made with the same settings
            and the same version.

    Raises:
        MissingExtraError: if a package that draws or typesets is missing.
        FileExistsError: if something else lies where the outputs are to be.
    """
    write_report = _report_writer()
    for experiment in wanted:
        demand_replaceable(output / experiment.name)
    output.mkdir(parents=True, exist_ok=True)
    records: dict[str, Record] = {}
    report: Path | None = None
    interrupted = False
    with _remembered_interrupts() as asked_to_stop:
        try:
            for experiment in wanted:
                folder = output / experiment.name
                record = _earlier(folder, experiment.settings(quick)) if resume else None
                resumed = record is not None
                if record is None:
                    watcher.started(experiment)
                    record = run_and_write(
                        experiment, folder, _stoppable(watcher.progress, asked_to_stop), quick=quick
                    )
                records[experiment.name] = record
                report = write_report(
                    output, _shown(output, known, wanted, records), len(wanted) - len(records)
                )
                watcher.finished(experiment, record, resumed)
        except KeyboardInterrupt:
            interrupted = True
    return Outcome(records, interrupted, report)


def run_and_write(
    experiment: Experiment, folder: Path, progress: Progress, *, quick: bool = False
) -> Record:
    """Run one experiment and write its folder: data, figures, record.

    Args:
        experiment: What to run.
        folder: Where; its parent has to be there.
        progress: What is told of the progress. If it raises, nothing is written.
        quick: Whether with the quick settings.
    """
    begin = time.perf_counter()
    progress(0.0, "starting")
    result = experiment.run(experiment.quick if quick else experiment.full, progress)
    progress(1.0, "drawing")
    files = dict(_drawn(result, progress))
    record = Record(
        experiment=experiment.name,
        quick=quick,
        settings=json.loads(json.dumps(experiment.settings(quick))),
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=round(time.perf_counter() - begin, 3),
        versions=versions(),
        machine=f"{platform.system()} on {platform.machine()}",
        tables=tuple(result.tables),
        figures=tuple(
            Figure(name, drawing.caption, drawing.alt) for name, drawing in result.figures.items()
        ),
        numbers=tuple(result.numbers),
        checks=tuple(result.checks),
    )
    with replace_folder(folder) as write:
        for name, columns in result.tables.items():
            write(f"{name}.csv", comma_separated(columns))
        for name, content in files.items():
            write(name, content)
        write("record.json", record.to_json())
    return record


def _drawn(result: Result, progress: Progress) -> Iterator[tuple[str, str | bytes]]:
    """Draw the figures, each as SVG and PNG."""
    from regmdp import plots

    for name, drawing in result.figures.items():
        with plots.style():
            figure = drawing.draw()
            yield f"{name}.svg", plots.to_svg(figure)
            figure.set_layout_engine("none")  # it stays as it has been laid out
            yield f"{name}.png", plots.to_png(figure)
        progress(1.0, f"drew {name}")


def _report_writer() -> Callable[[Path, list[tuple[Experiment, Record]], int], Path]:
    """Return a function that writes the report; whatever is missing for it is found missing before hours of computation."""
    from regmdp import plots  # noqa: F401
    from regmdp.reproduce import report

    try:
        import mpltern  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("mpltern", "plots") from error

    def write(output: Path, shown: list[tuple[Experiment, Record]], left: int) -> Path:
        page = report.render_page(
            [report.Chapter.read(experiment, record, output) for experiment, record in shown],
            left=left,
        )
        path = output / REPORT
        replace_atomically(path, lambda file: file.write(page.encode("utf-8")))
        return path

    return write


def _shown(
    output: Path, known: Sequence[Experiment], wanted: Sequence[Experiment], done: dict[str, Record]
) -> list[tuple[Experiment, Record]]:
    """List what a report shows: what was asked for and is finished, and what else the folder holds."""
    asked = {experiment.name for experiment in wanted}
    shown = []
    for experiment in [*known, *(one for one in wanted if one not in known)]:
        record = done.get(experiment.name)
        if record is None and experiment.name not in asked:
            record = _earlier(output / experiment.name)
        if record is not None:
            shown.append((experiment, record))
    return shown


def _earlier(folder: Path, settings: dict[str, Any] | None = None) -> Record | None:
    """Return the record of an earlier run, if there is one, made with these settings if any are given."""
    try:
        record = Record.load(folder)
    except FormatError:
        return None
    return record if settings is None or record.made_with(settings) else None


def _stoppable(progress: Progress, asked_to_stop: Callable[[], bool]) -> Progress:
    def tell(fraction: float, text: str) -> None:
        if asked_to_stop():
            raise KeyboardInterrupt
        progress(fraction, text)

    return tell


@contextmanager
def _remembered_interrupts() -> Iterator[Callable[[], bool]]:
    """Let SIGINT do what it does, and remember that it came.

    A solver that is interrupted ends its run and returns what it has. To an experiment that looks
    like any other end, and its result would be wrong: so it is asked afterwards whether there was
    an interrupt.
    """
    came = threading.Event()
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield came.is_set
        return

    def remember(number: int, frame: FrameType | None) -> None:
        came.set()
        before(number, frame)

    signal.signal(signal.SIGINT, remember)
    try:
        yield came.is_set
    finally:
        signal.signal(signal.SIGINT, before)
