"""The command line: parse, load, solve, show."""

from regmdp.cli.commands import app, main
from regmdp.cli.experiments import reproduce

__all__ = ["app", "main"]

app.command()(reproduce)
