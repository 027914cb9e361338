"""Exit codes of the command line besides 0 for success."""

from __future__ import annotations

from typing import Final

__all__ = ["FAILED", "INTERRUPTED", "NOT_MET", "WRONG_USAGE"]

#: The command ended with an error.
FAILED: Final = 1
#: A command, option or value that Typer cannot read.
WRONG_USAGE: Final = 2
#: The result was computed, but a tolerance or a check was not met.
NOT_MET: Final = 3
#: The command was interrupted; finished results are kept.
INTERRUPTED: Final = 130
