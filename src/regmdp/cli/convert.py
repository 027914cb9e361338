"""``regmdp convert``: write a model in another format."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import regmdp as rm
from regmdp import io
from regmdp._internal.files import require_new_folder, require_writable
from regmdp._internal.kinds import Text
from regmdp.cli.declarations import argument, option
from regmdp.cli.loaded_problem import LoadedProblem
from regmdp.cli.options import DiscountOption, ModelArgument, NormalizeOption, ParameterOption
from regmdp.cli.progress import show_rows
from regmdp.cli.terminal import open_console
from regmdp.io import formats

__all__ = ["convert"]


def convert(
    source: ModelArgument,
    target: Annotated[
        str, argument(Text(), "The file: .npz, .tra (PRISM), .drn (Storm), or NAME.mapped.")
    ],
    format: Annotated[
        str | None,
        option(
            Text(),
            "Format to write, instead of that of the extension; needed for mdptoolbox and "
            "quantecon.",
        ),
    ] = None,
    param: ParameterOption = None,
    discount: DiscountOption = None,
    normalize: NormalizeOption = False,
) -> None:
    """Write a model in another format, and print what other programs see differently."""
    out = open_console()
    entry = formats.find_format(target, format)
    if entry.write is None:
        raise rm.FormatError(f"{target} has the format {entry.name}, which cannot be written")
    if Path(target).exists() and Path(source).exists() and Path(target).samefile(source):
        raise rm.FormatError(f"{source} and {target} are the same file")
    if entry.name == "mapped":
        require_new_folder(Path(target))
    else:
        require_writable(target)
    problem = LoadedProblem.load(source, param, discount, "none", None, None, normalize=normalize)
    problem.announce(out)
    notes = io.write_model(problem.mdp, target, format=format)
    show_rows(
        out,
        [
            ("read", f"{source}: {problem.mdp!r}"),
            ("written", f"{target}: {entry.about}"),
            *(("note", note) for note in notes),
        ],
    )
