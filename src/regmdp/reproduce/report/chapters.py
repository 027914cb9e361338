"""What the report says of one experiment: its description, its record, and its figures, read from disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from regmdp.reproduce.base import Experiment
from regmdp.reproduce.records import Record

__all__ = ["Chapter", "duration"]


@dataclass(frozen=True)
class Chapter:
    """An experiment and what it gave.

    Attributes:
        experiment: Its description.
        record: Its record.
        figures: The ``<svg>`` of each figure, by name.
    """

    experiment: Experiment
    record: Record
    figures: Mapping[str, str]

    @classmethod
    def read(cls, experiment: Experiment, record: Record, output: Path) -> Chapter:
        """Read the figures of a finished experiment from the output folder."""
        folder = output / experiment.name
        drawn = {
            figure.name: (folder / f"{figure.name}.svg").read_text("utf-8")
            for figure in record.figures
        }
        return cls(experiment, record, drawn)


def duration(seconds: float) -> str:
    """Say how long something took.

    >>> duration(0.3456), duration(12.34), duration(754.0)
    ('0.35 s', '12 s', '12 min 34 s')
    """
    if seconds < 9.95:
        return f"{seconds:.2g} s"
    whole = round(seconds)
    return f"{whole} s" if whole < 100 else f"{whole // 60} min {whole % 60} s"
