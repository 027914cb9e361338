"""What a finished experiment leaves on disk, and how it is read again.

A folder of its own holds ``record.json``, the tables as CSV, and each figure as SVG and PNG. The
folder appears when all of it is there, so that after a crash or an interrupt what is found is
whole.
"""

from __future__ import annotations

import json
import os
import platform
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from regmdp._internal.errors import FormatError
from regmdp.reproduce.base import Check, Number

__all__ = [
    "Figure",
    "Record",
    "comma_separated",
    "demand_replaceable",
    "replace_folder",
    "versions",
]

#: Version of the layout of a record.
FORMAT = 1
RECORD = "record.json"


@dataclass(frozen=True)
class Figure:
    """A figure that was drawn: the files ``<name>.svg`` and ``<name>.png``, and their texts."""

    name: str
    caption: str
    alt: str


@dataclass(frozen=True)
class Record:
    """A finished run of an experiment.

    Attributes:
        experiment: Its name.
        quick: Whether with the quick settings.
        settings: All of them.
        date: When it ended, in ISO 8601, in UTC.
        seconds: How long it took.
        versions: Of regmdp, Python and the libraries.
        machine: On what.
        tables: Names of the CSV files, without suffix.
        figures: What was drawn.
        numbers: Rows of the table of numbers.
        checks: What had to hold, and whether it did.
    """

    experiment: str
    quick: bool
    settings: Mapping[str, Any]
    date: str
    seconds: float
    versions: Mapping[str, str]
    machine: str
    tables: tuple[str, ...]
    figures: tuple[Figure, ...]
    numbers: tuple[Number, ...]
    checks: tuple[Check, ...]

    @property
    def passed(self) -> int:
        """Number of checks that passed."""
        return sum(bool(check.passed) for check in self.checks)

    @property
    def ok(self) -> bool:
        """Whether all checks passed."""
        return self.passed == len(self.checks)

    def made_with(self, settings: Mapping[str, Any]) -> bool:
        """Return whether it is what this version of the library would compute with these settings."""
        return self.versions.get("regmdp") == versions()["regmdp"] and self.settings == json.loads(
            json.dumps(settings)
        )

    def to_json(self) -> str:
        """Return the text of ``record.json``."""
        return (
            json.dumps(
                {"kind": "experiment", "format": FORMAT, **asdict(self)},
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
        path = folder / RECORD
        try:
            data = json.loads(path.read_text("utf-8"))
            if data.pop("kind") != "experiment" or data.pop("format") != FORMAT:
                raise ValueError("it was written by another version")
            data["tables"] = tuple(data["tables"])
            for name, kind in (("figures", Figure), ("numbers", Number), ("checks", Check)):
                data[name] = tuple(kind(**entry) for entry in data[name])
            record = cls(**data)
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise FormatError(f"{path} is not the record of an experiment: {error}") from error
        missing = [file for file in record.files() if not (folder / file).is_file()]
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


def versions() -> dict[str, str]:
    """Return the versions of what computes and draws."""
    packages = ("regmdp", "numpy", "scipy", "matplotlib", "mpltern")
    return {
        "python": platform.python_version(),
        **{package: metadata.version(package) for package in packages},
    }


def comma_separated(columns: Mapping[str, np.ndarray]) -> str:
    r"""Return columns as CSV: every number with the digits that give it back exactly.

    >>> comma_separated({"iteration": np.array([0, 1]), "error": np.array([1.0, 1 / 3])})
    'iteration,error\n0,1.0\n1,0.3333333333333333\n'
    """
    lists = [np.asarray(column).tolist() for column in columns.values()]
    rows = [",".join(map(_cell, row)) for row in zip(*lists, strict=True)]
    return "\n".join([",".join(map(_cell, columns)), *rows]) + "\n"


def _cell(value: Any) -> str:
    text = repr(value) if isinstance(value, float) else str(value)
    return '"' + text.replace('"', '""') + '"' if any(sign in text for sign in ',"\n') else text


def demand_replaceable(folder: Path) -> None:
    """Check that nothing but an earlier run's outputs lies where those of a new one will be.

    Raises:
        FileExistsError: if something else does.
    """
    if (
        folder.exists()
        and not (folder / RECORD).is_file()
        and not (folder.is_dir() and not any(folder.iterdir()))
    ):
        raise FileExistsError(
            f"{folder} is there already and holds no experiment; choose another --output, or move "
            "it away"
        )


@contextmanager
def replace_folder(folder: Path) -> Iterator[Callable[[str, str | bytes], None]]:
    """Give a function that writes files, by name and content, into a folder that appears, whole, when all went well."""
    demand_replaceable(folder)
    for stale in folder.parent.glob(f".{folder.name}.*.part"):
        shutil.rmtree(stale, ignore_errors=True)
    tag = secrets.token_hex(6)
    part, old = (folder.with_name(f".{folder.name}.{tag}.{kind}.part") for kind in ("new", "old"))
    part.mkdir()

    def write(name: str, content: str | bytes) -> None:
        (part / name).write_bytes(content.encode("utf-8") if isinstance(content, str) else content)

    try:
        yield write
        if folder.exists():
            os.rename(folder, old)
        os.rename(part, folder)
    except BaseException:
        if old.exists() and not folder.exists():
            os.rename(old, folder)
        raise
    finally:
        for leftover in (part, old):
            shutil.rmtree(leftover, ignore_errors=True)
