"""Progress lines and tables of results."""

from __future__ import annotations

import time
from typing import TypeVar

from rich.console import Console
from rich.status import Status as Spinner
from rich.table import Table

from regmdp import Event
from regmdp.cli.terminal import plain

__all__ = ["PROGRESS_EVERY", "IterationLine", "StatusLine", "show_rows"]

AnyLine = TypeVar("AnyLine", bound="StatusLine")

#: Seconds between progress lines if the output is not a terminal.
PROGRESS_EVERY = 10.0


class StatusLine:
    """A line about the progress of a run.

    It is updated in place on a terminal, printed at intervals elsewhere, and once at the end.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._spinner = Spinner("starting", console=console) if console.is_terminal else None
        self._last = time.monotonic()
        self._text = ""

    def __enter__(self: AnyLine) -> AnyLine:
        if self._spinner:
            self._spinner.start()
        return self

    def show(self, text: str) -> None:
        """Show a text instead of the last one."""
        self._text = text
        now = time.monotonic()
        if now - self._last >= (0.1 if self._spinner else PROGRESS_EVERY):
            self._last = now
            if self._spinner:
                self._spinner.update(self._text)
            else:
                self._print()

    def __exit__(self, *_: object) -> None:
        if self._spinner:
            self._spinner.stop()
        if self._text:
            self._print()

    def _print(self) -> None:
        self._console.print(plain(self._text), style="dim", highlight=False, soft_wrap=True)


class IterationLine(StatusLine):
    """A callback that shows the progress of an iteration."""

    def __call__(self, event: Event) -> None:
        measures = event.measures
        self.show(
            f"iteration {event.iteration:,}   residual {measures['residual']:.2e}   gap about "
            f"{measures['gap']:.2e}   value {measures['value']:.8g}   {event.seconds:.1f} s"
        )


def show_rows(out: Console, rows: list[tuple[str, str]]) -> None:
    """Print (name, text) rows in two columns."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in rows:
        table.add_row(plain(name), plain(text))
    out.print(table, highlight=False)
