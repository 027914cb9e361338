"""``regmdp reproduce``: run the experiments of the documentation.

The experiments are imported when the command is called, because other commands do not need them.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from regmdp import RegmdpError
from regmdp._internal.errors import WriteError
from regmdp._internal.kinds import Integer, Text
from regmdp.cli.assignments import parse_assignment
from regmdp.cli.declarations import Assignment, OutputFile, OutputFolder, argument, option
from regmdp.cli.exit_codes import INTERRUPTED, NOT_MET
from regmdp.cli.progress import show_rows

if TYPE_CHECKING:
    from regmdp.reproduce.base import Experiment
    from regmdp.reproduce.records import Record
    from regmdp.reproduce.running import Outcome

__all__ = ["reproduce"]


def reproduce(
    names: Annotated[
        list[str] | None,
        argument(Text(), "Experiments to run, or all. Without names, list them."),
    ] = None,
    quick: Annotated[
        bool,
        typer.Option(
            "--quick",
            help="Use smaller settings: all experiments in less than two minutes on two cores.",
        ),
    ] = False,
    changes: Annotated[
        list[str] | None,
        option(
            Assignment(),
            "Change a setting, as in --set temperature=0.05 --set steps=0.1,1; may be repeated. An "
            "unknown name lists the settings of the experiment.",
            "--set",
        ),
    ] = None,
    seed: Annotated[
        int | None, option(Integer(0), "Seed of random models and samples, instead of its own.")
    ] = None,
    output: Annotated[
        Path, option(OutputFolder(), "Folder of the report and the data.", "--output", "-o")
    ] = Path("regmdp-report"),
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Keep finished experiments of an earlier run with the same settings."
        ),
    ] = False,
    gallery: Annotated[
        Path | None,
        option(OutputFile(), "Also write a Markdown page with the figures beside it."),
    ] = None,
) -> None:
    """Reproduce the figures and tables of the documentation as an HTML page with data and figures.

    Exit code: 0 if all checks passed, 3 if one failed, 130 if interrupted (finished experiments are
    kept; --resume continues), 1 on an error.
    """
    from regmdp.reproduce import experiments
    from regmdp.reproduce.running import reproduce as run

    out = Console()
    if not names:
        _list_experiments(out, experiments.EXPERIMENTS)
        return
    selected = experiments.find_experiments(names)
    changed = _parse_changes(changes, seed)
    if gallery is not None and not gallery.suffix:
        raise WriteError(f"cannot write {gallery}: give the page an extension, such as .md")
    with _ProgressBars(Console(stderr=True), out, len(selected)) as display:
        outcome = run(
            selected,
            experiments.EXPERIMENTS,
            output,
            display,
            quick=quick,
            changes=changed,
            resume=resume,
        )
    if gallery is not None and not outcome.interrupted:
        _write_gallery(selected, outcome, output, gallery)
    _show_summary(out, outcome, len(selected), None if outcome.interrupted else gallery)
    if outcome.interrupted:
        raise typer.Exit(INTERRUPTED)
    if not outcome.all_passed:
        raise typer.Exit(NOT_MET)


def _parse_changes(texts: list[str] | None, seed: int | None) -> dict[str, object]:
    """Return the changed settings: the texts of ``--set`` by name, and the seed."""
    parts = [parse_assignment("--set", text) for text in texts or ()]
    if seed is not None:
        parts.append(("seed", str(seed)))
    names = [name for name, _ in parts]
    for name in names:
        if names.count(name) > 1:
            raise RegmdpError(f"{name} is set {names.count(name)} times; set it once")
    return dict(parts)


def _list_experiments(out: Console, all_experiments: tuple[Experiment, ...]) -> None:
    table = Table("experiment", "what it shows", box=None, pad_edge=False)
    table.columns[0].no_wrap = True
    for experiment in all_experiments:
        table.add_row(experiment.name, experiment.summary)
    out.print(table, highlight=False)
    out.print(
        "Run some with regmdp reproduce NAME..., or all with regmdp reproduce all.",
        style="dim",
        highlight=False,
    )


def _write_gallery(
    selected: list[Experiment], outcome: Outcome, output: Path, gallery: Path
) -> None:
    from regmdp.reproduce import report

    report.write_gallery(
        [report.Chapter.read(one, outcome.records[one.name], output) for one in selected], gallery
    )


def _show_summary(out: Console, outcome: Outcome, n_selected: int, gallery: Path | None) -> None:
    records = outcome.records.values()
    rows = [
        (
            "checks",
            (
                f"{sum(record.n_passed for record in records)} of "
                f"{sum(len(record.checks) for record in records)} passed"
            ),
        )
    ]
    if outcome.report is not None:
        rows.append(("report", str(outcome.report)))
    if gallery is not None:
        rows.append(("gallery", str(gallery)))
    if outcome.interrupted:
        rows.append(
            (
                "status",
                (
                    f"interrupted: {len(outcome.records)} of {n_selected} finished and kept; "
                    "continue with --resume"
                ),
            )
        )
    show_rows(out, rows)


class _ProgressBars:
    """Progress bar of the current experiment, and one line per finished one with failed checks."""

    def __init__(self, progress: Console, out: Console, total: int) -> None:
        self._out, self._total, self._number = out, total, 0
        self._console = progress
        self._bars = (
            Progress(
                TextColumn("{task.fields[name]}", style="bold"),
                BarColumn(),
                TimeElapsedColumn(),
                TextColumn("{task.description}", style="dim"),
                console=progress,
                transient=True,
            )
            if progress.is_terminal
            else None
        )
        self._task: TaskID | None = None

    def __enter__(self) -> _ProgressBars:
        if self._bars:
            self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bars:
            self._bars.stop()

    def start(self, experiment: Experiment) -> None:
        name = f"{experiment.name} ({self._number + 1} of {self._total})"
        if self._bars:
            self._task = self._bars.add_task("", name=name, total=1.0)
        else:
            self._console.print(f"{name} ...", style="dim", highlight=False, soft_wrap=True)

    def update(self, fraction: float, text: str) -> None:
        if self._bars and self._task is not None:
            self._bars.update(self._task, completed=fraction, description=text)

    def finish(self, experiment: Experiment, record: Record, resumed: bool) -> None:
        if self._bars and self._task is not None:
            self._bars.remove_task(self._task)
            self._task = None
        self._number += 1
        color = "green" if record.all_passed else "bold red"
        when = "from an earlier run" if resumed else f"{record.seconds:.1f} s"
        out = self._bars.console if self._bars and self._out.is_terminal else self._out
        outcome = f"[{color}]{record.n_passed} of {len(record.checks)} checks passed[/]"
        out.print(f"[bold]{experiment.name}[/]  {outcome}, {when}", highlight=False)
        lines = [f"setting {change}" for change in record.changes] + list(record.notes)
        for line in lines:
            out.print(f"  {line}", highlight=False, markup=False, soft_wrap=True, style="dim")
        for check in record.checks:
            if not check.passed:
                out.print(
                    f"  failed: {check.claim}: {check.measured}, expected {check.expected}",
                    highlight=False,
                    markup=False,
                    soft_wrap=True,
                )
