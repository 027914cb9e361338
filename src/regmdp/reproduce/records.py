"""Files of a finished experiment: writing and reading them.

Each experiment has its own folder with ``record.json``, the tables as CSV, and each figure as SVG
and PNG. The folder is created only when all files are written, so it is complete even after a crash
or an interrupt.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from regmdp._internal.array_files import take_field
from regmdp._internal.checks import check_number
from regmdp._internal.errors import FormatError
from regmdp._internal.files import make_folder, writing
from regmdp._internal.temporaries import clean_up
from regmdp.reproduce.base import Check, Number, require_file_name
from regmdp.reproduce.settings import Change

__all__ = [
    "Record",
    "RecordedFigure",
    "format_csv",
    "package_versions",
    "replace_folder",
    "require_replaceable",
]

#: Version of the layout of a record.
RECORD_FORMAT = 2
RECORD_FILE = "record.json"


@dataclass(frozen=True)
class RecordedFigure:
    """A drawn figure: the files ``<name>.svg`` and ``<name>.png``, and their texts."""

    name: str
    caption: str
    alt: str


#: Entries of a record that are plain values, and their types.
_VALUES: dict[str, type] = {
    "experiment": str,
    "quick": bool,
    "settings": dict,
    "command": str,
    "date": str,
    "versions": dict,
    "machine": str,
}
#: Lists of a record, and the classes of their entries.
_PARTS: dict[str, Callable[..., Any]] = {
    "changes": Change,
    "figures": RecordedFigure,
    "numbers": Number,
    "checks": Check,
}


@dataclass(frozen=True)
class Record:
    """A finished run of an experiment.

    Attributes:
        experiment: Name of the experiment.
        quick: Whether the quick settings were used.
        settings: All settings.
        changes: The settings that differ from those of the full run.
        command: The command that repeats the run.
        date: Time of completion, in ISO 8601, in UTC.
        seconds: Duration.
        versions: Versions of regmdp, Python and the libraries.
        machine: Operating system and processor.
        tables: Names of the CSV files, without suffix.
        figures: The figures.
        numbers: Rows of the table of numbers.
        checks: The checks, with their outcomes.
        notes: Comparisons that do not apply to these settings, with the reasons.
    """

    experiment: str
    quick: bool
    settings: Mapping[str, Any]
    changes: tuple[Change, ...]
    command: str
    date: str
    seconds: float
    versions: Mapping[str, str]
    machine: str
    tables: tuple[str, ...]
    figures: tuple[RecordedFigure, ...]
    numbers: tuple[Number, ...]
    checks: tuple[Check, ...]
    notes: tuple[str, ...]

    @property
    def n_passed(self) -> int:
        """Number of checks that passed."""
        return sum(bool(check.passed) for check in self.checks)

    @property
    def all_passed(self) -> bool:
        """Whether all checks passed."""
        return self.n_passed == len(self.checks)

    def matches(self, settings: Mapping[str, Any]) -> bool:
        """Return whether the record has these settings and is from this version of the library."""
        return self.versions.get("regmdp") == package_versions()[
            "regmdp"
        ] and self.settings == json.loads(json.dumps(settings))

    def to_json(self) -> str:
        """Return the text of ``record.json``."""
        return (
            json.dumps(
                {
                    "kind": "experiment",
                    "format": RECORD_FORMAT,
                    **asdict(self),
                    "changes": [change._asdict() for change in self.changes],
                },
                indent=1,
                ensure_ascii=False,
            )
            + "\n"
        )

    @classmethod
    def load(cls, folder: Path) -> Record:
        """Read the record of a folder.

        Raises:
            FormatError: if there is none, it is damaged, or files that it names are missing.
        """
        path = folder / RECORD_FILE
        try:
            data = json.loads(path.read_text("utf-8"))
            if data.pop("kind") != "experiment" or data.pop("format") != RECORD_FORMAT:
                raise ValueError("it was written by another version")
            record = cls(**_check_types(data))
        except (
            OSError,
            ValueError,
            TypeError,
            KeyError,
            AttributeError,
            IndexError,
            RecursionError,
        ) as error:
            raise FormatError(f"{path} is not the record of an experiment: {error}") from error
        missing = [file for file in record.files() if not os.path.isfile(folder / file)]
        if missing:
            raise FormatError(
                f"{len(missing)} of the files of {path} are missing: {', '.join(missing)}"
            )
        return record

    def files(self) -> list[str]:
        """Return the names of the files beside ``record.json``."""
        return [f"{name}.csv" for name in self.tables] + [
            f"{figure.name}.{kind}" for figure in self.figures for kind in ("svg", "png")
        ]


def _check_types(data: dict[str, Any]) -> dict[str, Any]:
    """Return the entries of a record, lists as tuples, after checking the type of each.

    Names of files are checked like those of a result, so that none leads out of the folder.
    """
    for name, kind in _VALUES.items():
        take_field(data, name, kind)
    check_number("seconds", data["seconds"], 0.0)
    for name in ("tables", "notes"):
        data[name] = tuple(_check_text(name, entry) for entry in take_field(data, name, list))
    for name, make in _PARTS.items():
        entries = take_field(data, name, list)
        data[name] = tuple(make(**_check_entry(name, entry)) for entry in entries)
    for name in (*data["tables"], *(figure.name for figure in data["figures"])):
        require_file_name(name)
    for change in data["changes"]:
        str(change)  # its values can be shown
    return data


def _check_entry(name: str, entry: Any) -> dict[str, Any]:
    """Return an entry of a list of a record; all it holds is text, but values and outcomes."""
    for key in entry:
        if key == "passed":
            take_field(entry, key, bool)
        elif key not in ("value", "full"):
            _check_text(f"{key} in {name}", entry[key])
    return dict(entry)


def _check_text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{name} must be text, not {value!r:.80}")
    return value


def package_versions() -> dict[str, str]:
    """Return the versions of Python, regmdp and the packages that compute and draw."""
    packages = ("regmdp", "numpy", "scipy", "matplotlib", "mpltern")
    return {
        "python": platform.python_version(),
        **{package: metadata.version(package) for package in packages},
    }


def format_csv(columns: Mapping[str, np.ndarray]) -> str:
    r"""Return columns as CSV, with enough digits to recover every number exactly.

    >>> format_csv({"iteration": np.array([0, 1]), "error": np.array([1.0, 1 / 3])})
    'iteration,error\n0,1.0\n1,0.3333333333333333\n'
    """
    lists = [np.asarray(column).tolist() for column in columns.values()]
    rows = [",".join(map(_format_cell, row)) for row in zip(*lists, strict=True)]
    return "\n".join([",".join(map(_format_cell, columns)), *rows]) + "\n"


def _format_cell(value: object) -> str:
    """Return a cell of a CSV file, quoted if necessary."""
    text = repr(value) if isinstance(value, float) else str(value)
    return '"' + text.replace('"', '""') + '"' if any(sign in text for sign in ',"\n') else text


def require_replaceable(folder: Path) -> None:
    """Check that a folder is absent, empty, or holds the outputs of an earlier run.

    Raises:
        FileExistsError: if it holds anything else.
    """
    if folder.parent.is_dir():
        clean_up(folder)  # which may put a folder back that a killed run had moved away
    if (
        folder.exists()
        and not (folder / RECORD_FILE).is_file()
        and not (folder.is_dir() and not any(folder.iterdir()))
    ):
        raise FileExistsError(
            f"{folder} already exists and is not the folder of an experiment; choose another "
            "--output, or move it away"
        )


@contextmanager
def replace_folder(folder: Path) -> Iterator[Callable[[str, str | bytes], None]]:
    """Give a function that writes files into a folder that replaces the old one when all succeeds.

    The function takes the name and the content of a file.
    """
    require_replaceable(folder)
    with make_folder(folder, replace=True) as part:

        def write(name: str, content: str | bytes) -> None:
            with writing(folder / name):
                (part / name).write_bytes(
                    content.encode("utf-8") if isinstance(content, str) else content
                )

        yield write
