"""``regmdp models``: list the named models."""

from __future__ import annotations

import json
from typing import Annotated

from rich.console import Console
from rich.table import Table

from regmdp import models
from regmdp._internal.kinds import Text
from regmdp.cli.declarations import argument
from regmdp.cli.progress import show_rows
from regmdp.cli.terminal import open_console

__all__ = ["list_models"]


def list_models(
    name: Annotated[str | None, argument(Text(), "Show this model and its parameters.")] = None,
) -> None:
    """List the named models with their sizes, or show one with its parameters."""
    out = open_console()
    if name is None:
        _show_all(out)
    else:
        _show_model(out, models.find_model(name))


def _show_all(out: Console) -> None:
    headings = ("model", "states", "actions", "discount", "description", "known answer")
    table = Table(*headings, box=None, pad_edge=False)
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


def _show_model(out: Console, entry: models.NamedModel) -> None:
    size = f"{entry.n_states:,} states, {entry.n_actions:,} actions, discount {entry.discount:g}"
    rows = [
        ("model", entry.name),
        ("", entry.description),
        ("size", size),
        ("answer", entry.answer),
    ]
    for parameter, default in entry.parameters.items():
        rows.append(("-p", f"{parameter}={_format_default(default)}"))
    if entry.extra:
        rows.append(("install", f"python -m pip install 'regmdp[{entry.extra}]'"))
    if entry.notice:
        rows.append(("notice", entry.notice))
    show_rows(out, rows)


def _format_default(default: object) -> str:
    """Return a default value as it is written after -p."""
    if default is None or isinstance(default, int | float | str | bool | list | tuple):
        return json.dumps(default)
    return str(default)
