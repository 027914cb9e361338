"""Running several experiments in sequence, keeping finished ones if a later one fails."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Protocol, runtime_checkable

from regmdp._internal.errors import RegmdpError
from regmdp.reproduce.base import Experiment, ProgressFunction
from regmdp.reproduce.experiment_run import run_experiment, write_run
from regmdp.reproduce.interrupts import stop_on_interrupt
from regmdp.reproduce.records import Record, require_replaceable
from regmdp.reproduce.report_writer import (
    load_earlier_record,
    make_report_writer,
    prepare_output,
    select_reported,
)

__all__ = ["Outcome", "ProgressDisplay", "check_changes", "reproduce", "run_and_write"]

_NO_CHANGES: Mapping[str, object] = MappingProxyType({})


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
    changes: Mapping[str, object] = _NO_CHANGES,
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
        changes: Changed settings by name; all selected experiments must have them.
        resume: Whether to keep outputs in the folder that have the same settings and version.

    Raises:
        MissingExtraError: if a package for drawing or for the report is missing.
        FileExistsError: if an output folder contains anything else.
        WriteError: if the output folder cannot be made or written to. What cannot be written after
            an experiment is kept in a temporary folder that the message names.
        RegmdpError: if an experiment does not have a changed setting, or does not take its value.
    """
    check_changes(selected, changes, quick=quick)
    write_report = make_report_writer()
    prepare_output(output, selected)
    records: dict[str, Record] = {}
    report: Path | None = None
    interrupted = False
    with stop_on_interrupt() as wrap:
        try:
            for experiment in selected:
                folder = output / experiment.name
                settings = experiment.settings(quick, changes)
                record = load_earlier_record(folder, settings) if resume else None
                resumed = record is not None
                if record is None:
                    display.start(experiment)
                    record = run_and_write(
                        experiment,
                        folder,
                        wrap(display.update),
                        quick=quick,
                        changes=changes,
                    )
                records[experiment.name] = record
                report = write_report(
                    output,
                    select_reported(output, available, selected, records),
                    len(selected) - len(records),
                )
                display.finish(experiment, record, resumed)
        except KeyboardInterrupt:
            interrupted = True
    return Outcome(records, interrupted, report)


def run_and_write(
    experiment: Experiment,
    folder: Path,
    progress: ProgressFunction,
    *,
    quick: bool = False,
    changes: Mapping[str, object] = _NO_CHANGES,
) -> Record:
    """Run one experiment and write its folder: data, figures, record.

    Args:
        experiment: The experiment.
        folder: Output folder; its parent must exist.
        progress: Called with the progress. If it raises an exception, nothing is written.
        quick: Whether to use the quick settings.
        changes: Changed settings by name.
    """
    require_replaceable(folder)
    finished = run_experiment(experiment, progress, quick=quick, changes=changes)
    return write_run(finished, folder, progress)


def check_changes(
    selected: Sequence[Experiment], changes: Mapping[str, object], *, quick: bool = False
) -> None:
    """Check that all experiments have the changed settings, and that these take the values.

    Raises:
        RegmdpError: if one does not; of several experiments, the message names all without it.
    """
    for name in changes if len(selected) > 1 else ():
        lacking = [one.name for one in selected if name not in one.setting_names]
        if lacking:
            verb = "draw no random numbers" if name == "seed" else f"have no setting {name!r}"
            raise RegmdpError(
                f"{name!r} cannot be set for all selected experiments: {len(lacking)} of "
                f"{len(selected)} {verb}: {', '.join(lacking)}; run them separately"
            )
    for experiment in selected:
        experiment.configure(quick, changes)
