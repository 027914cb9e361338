"""The report of all experiments whose outputs a folder holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from regmdp._internal.errors import FormatError, MissingExtraError
from regmdp._internal.files import replace_atomically, require_writable, writing
from regmdp.reproduce.base import Experiment
from regmdp.reproduce.records import Record, require_replaceable

__all__ = [
    "REPORT_FILE",
    "load_earlier_record",
    "make_report_writer",
    "prepare_output",
    "select_reported",
]

REPORT_FILE = "report.html"


def make_report_writer() -> Callable[[Path, list[tuple[Experiment, Record]], int], Path]:
    """Return a function that writes the report; missing packages are found before computing.

    Raises:
        MissingExtraError: if a package for drawing or for the report is missing.
    """
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


def prepare_output(output: Path, selected: Sequence[Experiment]) -> None:
    """Make the output folder, and check that the outputs of experiments can be written to it.

    Raises:
        FileExistsError: if it holds anything else where the outputs belong.
        WriteError: if it cannot be made or written to.
    """
    for experiment in selected:
        require_replaceable(output / experiment.name)
    with writing(output):
        output.mkdir(parents=True, exist_ok=True)
    require_writable(output / REPORT_FILE)


def select_reported(
    output: Path,
    available: Sequence[Experiment],
    selected: Sequence[Experiment],
    finished: Mapping[str, Record],
) -> list[tuple[Experiment, Record]]:
    """List the reported experiments: selected and finished ones, and others in the folder."""
    names = {experiment.name for experiment in selected}
    reported = []
    for experiment in [*available, *(one for one in selected if one not in available)]:
        record = finished.get(experiment.name)
        if record is None and experiment.name not in names:
            record = load_earlier_record(output / experiment.name)
        if record is not None:
            reported.append((experiment, record))
    return reported


def load_earlier_record(folder: Path, settings: Mapping[str, Any] | None = None) -> Record | None:
    """Return the record of an earlier run, if any; with the given settings, if given."""
    try:
        record = Record.load(folder)
    except FormatError:
        return None
    return record if settings is None or record.matches(settings) else None
