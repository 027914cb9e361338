"""The program ``regmdp``: its commands, and the messages for errors."""

from __future__ import annotations

import sys
from importlib import metadata
from typing import Annotated, Any

import typer
from rich.text import Text

import regmdp as rm
from regmdp._internal.mpi import join_launched
from regmdp.cli.commands import certify, show, solve
from regmdp.cli.convert import convert
from regmdp.cli.exit_codes import FAILED, INTERRUPTED, WRONG_USAGE
from regmdp.cli.experiments import reproduce
from regmdp.cli.frontier import frontier
from regmdp.cli.model_list import list_models
from regmdp.cli.terminal import open_console, plain
from regmdp.cli.train import TrainCommand, train

__all__ = ["app", "main"]

#: Commands that several processes can run together.
SHARED = {"certify", "solve"}
#: Wrong usage, which Typer's releases define in different modules.
USAGE_ERROR: type[Exception] = typer.BadParameter.__mro__[1]

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
    """Run the program; an error ends it with one sentence and an exit code."""
    try:
        communicator = join_launched()
        with communicator.session():
            if communicator.size > 1:
                _require_sharing(sys.argv[1:])
            code = app(standalone_mode=False) or 0
        sys.exit(code)
    except typer.Abort:  # Ctrl-C, where Typer does not give its exit code
        sys.exit(INTERRUPTED)
    except USAGE_ERROR as error:
        _print_error(_describe_wrong_usage(error))
        sys.exit(WRONG_USAGE)
    except (rm.RegmdpError, OSError) as error:
        _print_error(str(error))
        sys.exit(FAILED)


def _require_sharing(arguments: list[str]) -> None:
    """Check that a command can be run by several processes.

    Raises:
        SolverError: if each of them would do the same, and write the same files.
    """
    command = next((word for word in arguments if not word.startswith("-")), None)
    if command in _list_commands() - SHARED:
        raise rm.SolverError(
            f"regmdp {command} is for one process, and mpiexec has started several; "
            f"{' and '.join(sorted(SHARED))} are for several"
        )


def _list_commands() -> set[str]:
    """Return the names of the commands."""
    return set(typer.main.get_command(app).commands)  # pyright: ignore[reportAttributeAccessIssue]


def _describe_wrong_usage(error: Any) -> str:
    """Return the message of Typer's error in one sentence; empty if it has printed the help."""
    message = " ".join(error.format_message().split()).removesuffix(".")
    for noise in (" (env var: 'None')", "Value error, "):  # of some releases of Typer
        message = message.replace(noise, "")
    if not message or error.ctx is None:
        return message
    return f"{message[0].lower()}{message[1:]}; see {error.ctx.command_path} --help"


def _print_error(message: str) -> None:
    if message:
        text = Text.assemble(("error", "bold red"), f": {plain(message)}")
        open_console(stderr=True).print(text, soft_wrap=True)
