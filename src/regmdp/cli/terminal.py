"""Output on the terminal: labels, paths and messages are shown as text, whatever they contain."""

from __future__ import annotations

import io
from typing import IO

from rich.console import Console

from regmdp._internal.checks import printable
from regmdp._internal.mpi import join_launched

__all__ = ["open_console", "plain"]


def open_console(
    *, stderr: bool = False, file: IO[str] | None = None, width: int | None = None
) -> Console:
    """Return a console that takes text literally: no markup, no links, no emoji codes.

    Of several processes, only the first one prints.
    """
    if file is None and not join_launched().leads:
        file = io.StringIO()
    return Console(
        stderr=stderr, file=file, width=width, markup=False, emoji=False, highlight=False
    )


def plain(text: str) -> str:
    r"""Return a text whose control characters are written out; line breaks are kept.

    >>> plain("a\x1b[31m")
    'a\\x1b[31m'
    """
    return "\n".join(map(printable, text.split("\n")))
