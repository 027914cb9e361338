"""The program ``regmdp``: its commands, and the messages for errors."""

from __future__ import annotations

import sys
from importlib import metadata
from typing import Annotated

import typer
from rich.text import Text

import regmdp as rm
from regmdp.cli.commands import certify, show, solve
from regmdp.cli.convert import convert
from regmdp.cli.exit_codes import FAILED
from regmdp.cli.experiments import reproduce
from regmdp.cli.frontier import frontier
from regmdp.cli.model_list import list_models
from regmdp.cli.terminal import open_console, plain
from regmdp.cli.train import TrainCommand, train

__all__ = ["app", "main"]

app = typer.Typer(
    name="regmdp",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def _print_version(requested: bool) -> None:
    if requested:
        open_console().print(f"regmdp {metadata.version('regmdp')}")
        raise typer.Exit


@app.callback()
def describe_program(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_print_version,
            is_eager=True,
            help="Print the version and exit.",
        ),
    ] = False,
) -> None:
    """Solve regularized Markov decision processes, with certified bounds on the optimum."""


app.command()(solve)
app.command()(certify)
app.command()(show)
app.command("models")(list_models)
app.command()(convert)
app.command()(frontier)
app.command()(reproduce)
app.command(cls=TrainCommand)(train)


def main() -> None:
    """Run the program; errors of the library end it with one message and exit code 1."""
    try:
        app()
    except (rm.RegmdpError, OSError) as error:
        message = Text.assemble(("error", "bold red"), f": {plain(str(error))}")
        open_console(stderr=True).print(message, soft_wrap=True)
        sys.exit(FAILED)
