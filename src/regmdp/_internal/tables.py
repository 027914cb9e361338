"""Tables of named columns, which data-frame libraries and CSV files take as they are."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from typing import IO

import numpy as np

from regmdp._internal.arrays import freeze
from regmdp._internal.checks import printable
from regmdp._internal.errors import FormatError
from regmdp._internal.files import replace_atomically
from regmdp._internal.html import html_table
from regmdp._internal.parameters import FileName, checked

__all__ = ["Table"]

#: Number of rows that are shown.
MAX_SHOWN = 10
#: Number of rows that are written at once.
ROWS_AT_ONCE = 1 << 16


class Table(dict[str, np.ndarray]):
    """Columns of equal length by name: a dictionary of arrays that is shown as a table.

    ``pandas.DataFrame(table)`` and ``polars.DataFrame(table)`` are data frames of it.

    Args:
        columns: (n,) array of each name.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> table = rm.Table({"stock": np.array([0, 1]), "order": np.array(["some", "none"])})
        >>> table
        stock  order
            0   some
            1   none
        >>> table["order"][0], table.n_rows
        (np.str_('some'), 2)
    """

    def __init__(self, columns: Mapping[str, np.ndarray]) -> None:
        super().__init__({name: freeze(np.asarray(column)) for name, column in columns.items()})

    @property
    def n_rows(self) -> int:
        """The number of rows."""
        return min((column.size for column in self.values()), default=0)

    @checked(FormatError, path=FileName())
    def to_csv(self, path: str | PathLike[str]) -> None:
        """Write the table to a CSV file, with a line of names first; whole or not at all.

        Args:
            path: The file.
        """
        replace_atomically(path, self._write)

    def _write(self, file: IO[bytes]) -> None:
        """Write the lines, some at a time; numbers read back exactly."""
        file.write(_format_lines([list(self)]))
        for start in range(0, self.n_rows, ROWS_AT_ONCE):
            parts = [column[start : start + ROWS_AT_ONCE].tolist() for column in self.values()]
            file.write(_format_lines(zip(*parts, strict=True)))

    def __reduce__(self) -> tuple[object, ...]:
        return Table, (dict(self),)

    def __repr__(self) -> str:
        cells = [list(self), *self._cells()]
        if not cells[0]:
            return "Table()"
        widths = [max(len(row[i]) for row in cells) for i in range(len(self))]
        lines = [
            "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
            for row in cells
        ]
        return "\n".join([*lines, *([self._note()] if self._note() else [])])

    def _repr_html_(self) -> str:
        return html_table("", list(self), self._cells(), note=self._note())

    def _cells(self) -> list[list[str]]:
        """Return the first rows as text."""
        columns = [column[:MAX_SHOWN].tolist() for column in self.values()]
        return [[_format_cell(cell) for cell in row] for row in zip(*columns, strict=True)]

    def _note(self) -> str:
        return "" if self.n_rows <= MAX_SHOWN else f"… ({self.n_rows:,} rows)"


def _format_lines(rows: Iterable[Sequence[object]]) -> bytes:
    """Return rows as lines of a CSV file."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def _format_cell(cell: object) -> str:
    return f"{cell:.6g}" if isinstance(cell, float) else printable(str(cell))
