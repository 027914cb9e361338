"""``regmdp frontier``: the trade-off between value and divergence from a reference policy."""

from __future__ import annotations

import io
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

import regmdp as rm
from regmdp._frontier import make_writers
from regmdp._internal.arrays import ArrayLike
from regmdp._internal.files import (
    replace_together,
    require_writable,
    save_or_rescue,
    writing,
)
from regmdp._internal.kinds import Text
from regmdp.cli.declarations import OutputFolder, declaration_of, option
from regmdp.cli.exit_codes import INTERRUPTED, NOT_MET
from regmdp.cli.goal import Goal
from regmdp.cli.loaded_problem import LoadedProblem, ModelSource
from regmdp.cli.options import (
    AbsoluteTolOption,
    AvoidOption,
    DiscountOption,
    FormatOption,
    GoalOption,
    GoalRewardsOption,
    MinimizeOption,
    ModelArgument,
    NormalizeOption,
    ObjectiveOption,
    ParameterOption,
    ReferenceOption,
    RewardsOption,
)
from regmdp.cli.progress import StatusLine, show_rows
from regmdp.cli.terminal import open_console

__all__ = ["frontier"]


#: What the tolerance at each temperature may be.
TOL = declaration_of(rm.frontier, "tol")

#: Names of the files of a frontier.
FILES = tuple(f"frontier.{kind}" for kind in ("npz", "csv", "png", "svg", "html"))


def frontier(
    model: ModelArgument,
    reference: ReferenceOption = None,
    temperatures: Annotated[
        str | None,
        option(
            Text(),
            "Temperatures, as in 1,0.3,0.1; by default four a decade, around the mean price of a "
            "nat.",
        ),
    ] = None,
    param: ParameterOption = None,
    rewards: RewardsOption = None,
    discount: DiscountOption = None,
    goal: GoalOption = None,
    avoid: AvoidOption = None,
    objective: ObjectiveOption = None,
    minimize: MinimizeOption = False,
    goal_rewards: GoalRewardsOption = False,
    format: FormatOption = None,
    normalize: NormalizeOption = False,
    tol: Annotated[
        float,
        option(
            TOL,
            "Certified gap to reach at each temperature, divided by the size of the values.",
        ),
    ] = 1e-9,
    absolute_tol: AbsoluteTolOption = None,
    output: Annotated[
        Path | None,
        option(
            OutputFolder(),
            "Folder for a page, the numbers as CSV, the figure, and the policies.",
            "--output",
            "-o",
        ),
    ] = None,
) -> None:
    """Compute the trade-off between value and divergence from a reference policy.

    The bounds hold for every policy.

    Exit code: 0 if the tolerance was met at every temperature, 3 if not, 130 if interrupted (the
    finished points are shown and saved), 1 on an error.
    """
    out = open_console()
    if reference is None:
        raise rm.PolicyError(
            "say where to start from with --reference: uniform, one the model comes with (expert), "
            "or a file"
        )
    wanted = None if temperatures is None else _numbers(temperatures)
    if output is not None:
        _prepare(output)
    # the temperature is not used: what counts is the model and the reference
    question = Goal(goal, avoid, objective, minimize, goal_rewards)
    source = ModelSource(model, param, discount, format, normalize, rewards, question)
    problem = LoadedProblem.load(source, "kl", 1.0, reference)
    problem.announce(out)
    with _Points(open_console(stderr=True)) as points:
        found = rm.frontier(
            problem.mdp,
            _reference(problem),
            wanted,
            tol=tol,
            absolute_tol=absolute_tol,
            callback=points,
        )
    if output is not None:  # first, for the console may be a file on the same disk
        save_or_rescue(output, lambda folder: _write(folder, found, problem))
    _show(out, found)
    rows = [("answer", found.describe_half_gain())]
    if problem.mdp.objective is not None and minimize:
        rows.append(("values", f"are those of negated rewards, minus the {problem.mdp.objective}"))
    if output is not None:
        rows.append(("saved", str(output / "frontier.html")))
    if not found.complete:
        text = f"{found.status.word}: {len(found)} points are finished, and the bounds hold"
        rows.append(("status", text))
    show_rows(out, rows)
    if not found.complete:
        raise typer.Exit(INTERRUPTED)
    if not found.status.ok:
        raise typer.Exit(NOT_MET)


def _numbers(text: str) -> list[float]:
    numbers = []
    for part in text.split(","):
        try:
            numbers.append(float(part))
        except ValueError:
            raise rm.SolverError(
                f"--temperatures takes numbers with commas between them, as 1,0.3,0.1; {part!r} is "
                "none"
            ) from None
    return numbers


def _reference(problem: LoadedProblem) -> ArrayLike:
    regularizer = problem.regularizer
    assert isinstance(regularizer, rm.KL)
    return regularizer.reference


def _prepare(folder: Path) -> None:
    """Make the folder, and import the drawing libraries before the computation starts."""
    for name in ("plots", "reproduce.report"):
        import_module(f"regmdp.{name}")
    if not folder.parent.is_dir():
        raise FileNotFoundError(f"cannot write to {folder}: there is no folder {folder.parent}")
    with writing(folder):
        folder.mkdir(exist_ok=True)
    for name in FILES:
        require_writable(folder / name)


def _write(folder: Path, found: rm.Frontier, problem: LoadedProblem) -> None:
    """Write the numbers, the figure and the page into a folder, which is made if it is missing."""
    from regmdp import plots
    from regmdp.reproduce.experiments import frontier_figures
    from regmdp.reproduce.report.frontier import render_frontier_page

    with writing(folder):
        folder.mkdir(exist_ok=True)
    unit = "nats per episode" if problem.mdp.discount == 1.0 else "nats, discounted"
    with plots.style():
        figure = frontier_figures.draw_frontier(found, unit=unit)
        svg = plots.to_svg(figure)
        figure.set_layout_engine("none")  # it stays as it has been laid out
        png = plots.to_png(figure)
    caption, alt = frontier_figures.describe_frontier(found)
    page = render_frontier_page(
        found,
        name=problem.name,
        notice=_notice(problem),
        svg=svg,
        caption=caption,
        alt=alt,
    )
    drawn = {"png": png, "svg": svg.encode("utf-8"), "html": page.encode("utf-8")}
    writers = make_writers(found) | {
        kind: lambda file, content=content: file.write(content) for kind, content in drawn.items()
    }
    replace_together({folder / f"frontier.{kind}": write for kind, write in writers.items()})


def _notice(problem: LoadedProblem) -> str:
    """Return what the model has announced before any result."""
    said = io.StringIO()
    problem.announce(open_console(file=said, width=10_000))
    return said.getvalue().strip()


def _show(out: Console, found: rm.Frontier) -> None:
    heading, rows = found.table()
    table = Table(box=None, pad_edge=False)
    for number, name in enumerate(heading):
        table.add_column(
            name, justify="right" if number else "left", no_wrap=number == 0, overflow="fold"
        )
    for row in rows:
        table.add_row(*row)
    out.print(table, highlight=False)


class _Points(StatusLine):
    """A callback that shows which point is being solved for."""

    def __call__(self, event: rm.Event) -> None:
        at = event.measures
        points = f" of {at['total']}" if at["total"] else ""
        self.show(
            f"point {at['points'] + 1}{points}   temperature {at['temperature']:.4g}   iteration "
            f"{event.iteration:,}   gap about {at['gap']:.2e}"
        )
