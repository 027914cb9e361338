"""The commands."""

from __future__ import annotations

import json
import sys
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

import regmdp as rm
from regmdp import io, models
from regmdp.cli import choices
from regmdp.cli.choices import AlgorithmName
from regmdp.cli.convert import convert
from regmdp.cli.exit_codes import FAILED, INTERRUPTED, NOT_MET
from regmdp.cli.experiments import reproduce
from regmdp.cli.frontier import frontier
from regmdp.cli.problem import Problem
from regmdp.cli.progress import ProgressLine, show_rows
from regmdp.cli.train import TrainCommand, train

__all__ = ["app", "main"]

app = typer.Typer(
    name="regmdp",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

ModelArgument = Annotated[
    str,
    typer.Argument(
        help=(
            "A named model (see: regmdp models), a file (.npz, .tra, .drn, .mdp), a folder, or "
            "gymnasium:ID."
        )
    ),
]
ParameterOption = Annotated[
    list[str] | None,
    typer.Option(
        "--param",
        "-p",
        help="A parameter of the named model, as in -p n_states=1000; may be repeated.",
    ),
]
DiscountOption = Annotated[
    float | None, typer.Option(help="Discount, in place of the model's own.")
]
RegularizerOption = Annotated[
    str,
    typer.Option(
        help=(
            "Regularizer of the policy: none, kl, shannon, squared-l2, tsallis:q=1.5, "
            "renyi:alpha=0.5, log-barrier."
        )
    ),
]
TemperatureOption = Annotated[
    float | None, typer.Option(help="Temperature of the regularizer, in the unit of the rewards.")
]
ReferenceOption = Annotated[
    str | None,
    typer.Option(
        help="Reference policy of kl: uniform, one the model comes with (expert), or a file."
    ),
]


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Solve regularized Markov decision processes, and say how far from optimal the answer can be."""
    if version:
        Console().print(f"regmdp {metadata.version('regmdp')}", highlight=False)
        raise typer.Exit


@app.command()
def solve(
    model: ModelArgument,
    regularizer: RegularizerOption = "none",
    temperature: TemperatureOption = None,
    reference: ReferenceOption = None,
    param: ParameterOption = None,
    discount: DiscountOption = None,
    algorithm: Annotated[AlgorithmName, typer.Option(help="Method.")] = AlgorithmName.auto,
    step_size: Annotated[
        str | None,
        typer.Option(
            help="Step size of the method: a number, maximum, geometric, adaptive or homotopic."
        ),
    ] = None,
    tol: Annotated[
        float, typer.Option(help="Certified gap to reach, in the unit of the rewards.")
    ] = 1e-8,
    max_iterations: Annotated[int | None, typer.Option(help="The most iterations to make.")] = None,
    start: Annotated[
        Path | None,
        typer.Option(help="A saved solution to go on from, after an interrupt for example."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where to save the policy.")
    ] = None,
) -> None:
    """Solve a model, print the certified answer, and save the policy.

    Exit code: 0 if the tolerance was met, 3 if not, 130 if interrupted (what there is is saved all
    the same), 1 on an error.
    """
    out = Console()
    problem = Problem.load(model, param, discount, regularizer, temperature, reference)
    problem.announce(out)
    path = output or Path(f"{problem.name}-policy.npz")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"cannot save to {path}: there is no folder {path.parent}")
    if algorithm is AlgorithmName.auto and step_size is not None:
        raise rm.SolverError("--step-size needs an --algorithm that has one")
    before = None if start is None else rm.Solution.load(start)
    method = "auto" if algorithm is AlgorithmName.auto else choices.algorithm(algorithm, step_size)
    with ProgressLine(Console(stderr=True)) as progress:
        solution = rm.solve(
            problem.mdp,
            problem.regularizer,
            method,
            tol=tol,
            max_iterations=max_iterations,
            start=before,
            callback=progress,
        )
    rows = [*solution.lines(), *problem.compared(solution.policy)]
    solution.save(path)
    show_rows(out, [*rows, ("saved", str(path))])
    if solution.status is rm.Status.INTERRUPTED:
        raise typer.Exit(INTERRUPTED)
    if not solution.status.ok:
        raise typer.Exit(NOT_MET)


@app.command()
def certify(
    model: ModelArgument,
    policy: Annotated[
        Path, typer.Argument(help="A saved solution, a .npz with an array 'policy', or a .npy.")
    ],
    regularizer: RegularizerOption = "none",
    temperature: TemperatureOption = None,
    reference: ReferenceOption = None,
    param: ParameterOption = None,
    discount: DiscountOption = None,
    tol: Annotated[
        float | None, typer.Option(help="Exit with code 3 if the gap is larger than this.")
    ] = None,
) -> None:
    """Bound how far anybody's policy is from optimal; the model is solved for it, so that the bound is sharp."""
    out = Console()
    problem = Problem.load(model, param, discount, regularizer, temperature, reference)
    problem.announce(out)
    judged = io.load_policy(policy)
    optimal = rm.solve(problem.mdp, problem.regularizer)
    certificate = rm.certify(problem.mdp, problem.regularizer, policy=judged, value=optimal.value)
    evaluated = rm.evaluate(problem.mdp, judged, problem.regularizer)
    show_rows(
        out,
        [
            ("problem", repr(problem.mdp)),
            ("regularizer", "none" if problem.regularizer is None else repr(problem.regularizer)),
            ("policy", str(policy)),
            ("value", f"{evaluated.initial_value:.10g} from the initial distribution"),
            *certificate.lines(problem.mdp.describe(certificate.worst_state)),
            *([] if certificate.limit is None else [("limit", str(certificate.limit))]),
            *problem.compared(judged),
        ],
    )
    if tol is not None and not certificate.gap <= tol:
        raise typer.Exit(NOT_MET)


@app.command()
def show(solution: Annotated[Path, typer.Argument(help="A saved solution.")]) -> None:
    """Print the summary of a saved solution."""
    show_rows(Console(), rm.Solution.load(solution).lines())


@app.command("models")
def list_models(
    name: Annotated[str | None, typer.Argument(help="Show this model's parameters.")] = None,
) -> None:
    """List the named models with their sizes, or show one and its parameters."""
    out = Console()
    if name is not None:
        entry = models.find_model(name)
        show_rows(
            out,
            [
                ("model", entry.name),
                ("", entry.description),
                (
                    "size",
                    (
                        f"{entry.n_states:,} states, {entry.n_actions:,} actions, discount "
                        f"{entry.discount:g}"
                    ),
                ),
                ("answer", entry.answer),
                *[
                    ("-p", f"{parameter}={_as_typed(default)}")
                    for parameter, default in entry.parameters.items()
                ],
                *(
                    [("install", f"python -m pip install 'regmdp[{entry.extra}]'")]
                    if entry.extra
                    else []
                ),
                *([("notice", entry.notice)] if entry.notice else []),
            ],
        )
        return
    table = Table(
        "model",
        "states",
        "actions",
        "discount",
        "what it is",
        "known answer",
        box=None,
        pad_edge=False,
    )
    table.columns[0].no_wrap = True
    for entry in models.list_models():
        table.add_row(
            entry.name,
            f"{entry.n_states:,}",
            f"{entry.n_actions:,}",
            f"{entry.discount:g}",
            entry.description,
            entry.answer,
        )
    out.print(table, highlight=False)
    out.print(
        "Sizes are those of the default parameters; regmdp models NAME shows them.",
        style="dim",
        highlight=False,
    )


app.command()(convert)
app.command()(frontier)
app.command()(reproduce)
app.command(cls=TrainCommand)(train)


def _as_typed(default: Any) -> str:
    """Show a default as it would be typed after -p."""
    return (
        json.dumps(default)
        if default is None or isinstance(default, int | float | str | bool | list | tuple)
        else str(default)
    )


def main() -> None:
    """Run the command line; errors of the library become one message and exit code 1."""
    try:
        app()
    except (rm.RegmdpError, OSError) as error:
        Console(stderr=True).print(
            f"[bold red]error[/]: {escape(str(error))}", highlight=False, soft_wrap=True
        )
        sys.exit(FAILED)
