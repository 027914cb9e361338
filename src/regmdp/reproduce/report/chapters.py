"""One chapter of the report: an experiment with its record and its figures, read from disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from regmdp.reproduce.base import Experiment
from regmdp.reproduce.records import Record

__all__ = ["Chapter", "format_duration"]


@dataclass(frozen=True)
class Chapter:
    """An experiment and its results.

    Attributes:
        experiment: The experiment.
        record: Its record.
        figures: The ``<svg>`` of each figure, by name.
    """

    experiment: Experiment
    record: Record
    figures: Mapping[str, str]

    @property
    def changed(self) -> bool:
        """Whether the user changed settings, apart from choosing the quick ones."""
        words = self.record.command.split()
        return "--set" in words or "--seed" in words

    @classmethod
    def read(cls, experiment: Experiment, record: Record, output: Path) -> Chapter:
        """Read the figures of a finished experiment from the output folder."""
        folder = output / experiment.name
        figures = {
            figure.name: (folder / f"{figure.name}.svg").read_text("utf-8", errors="replace")
            for figure in record.figures
        }
        return cls(experiment, record, figures)


def format_duration(seconds: float) -> str:
    """Format a duration in seconds as text.

    >>> format_duration(0.3456), format_duration(12.34), format_duration(754.0)
    ('0.35 s', '12 s', '12 min 34 s')
    """
    if seconds < 9.95:
        return f"{seconds:.2g} s"
    whole = round(seconds)
    return f"{whole} s" if whole < 100 else f"{whole // 60} min {whole % 60} s"
