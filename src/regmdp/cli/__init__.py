"""The command line: parse, load, solve, show."""

from regmdp.cli.commands import app, main

__all__ = ["app", "main"]
