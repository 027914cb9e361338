"""The command line: parse, load, solve, show."""

from regmdp.cli.commands import app, main
from regmdp.cli.reproduce import reproduce

__all__ = ["app", "main"]

app.command()(reproduce)
