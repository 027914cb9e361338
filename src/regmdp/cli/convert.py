"""``regmdp convert``: write a model in another format."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

import regmdp as rm
from regmdp import io
from regmdp.cli.problem import Problem
from regmdp.cli.progress import show_rows
from regmdp.io import formats

__all__ = ["convert"]


def convert(
    source: Annotated[str, typer.Argument(help="A model file, a named model, or gymnasium:ID.")],
    target: Annotated[
        str,
        typer.Argument(
            help="Where to write: .npz, .tra (PRISM), .drn (Storm), or a folder NAME.mapped."
        ),
    ],
    format: Annotated[
        str | None,
        typer.Option(
            help="Format to write, whatever the extension: mdptoolbox and quantecon are chosen so."
        ),
    ] = None,
    param: Annotated[
        list[str] | None,
        typer.Option(
            "--param", "-p", help="A parameter of a named model; rewards=NAME picks one of several."
        ),
    ] = None,
    discount: Annotated[
        float | None, typer.Option(help="Discount, in place of the model's own.")
    ] = None,
    normalize: Annotated[
        bool,
        typer.Option(
            "--normalize",
            help="Divide by their sums probabilities that were written with few digits.",
        ),
    ] = False,
) -> None:
    """Write a model in another format, and say what is different in it."""
    out = Console()
    if formats.find_format(target, format).write is None:
        raise rm.FormatError(
            f"{target} would be of the format {formats.find_format(target, format).name}, which is "
            "only read"
        )
    if Path(target).exists() and Path(source).exists() and Path(target).samefile(source):
        raise rm.FormatError(f"{source} and {target} are the same file")
    problem = Problem.load(source, param, discount, "none", None, None, normalize=normalize)
    problem.announce(out)
    notes = io.write_model(problem.mdp, target, format=format)
    show_rows(
        out,
        [
            ("read", f"{source}: {problem.mdp!r}"),
            ("written", f"{target}: {formats.find_format(target, format).about}"),
            *(("note", note) for note in notes),
        ],
    )
