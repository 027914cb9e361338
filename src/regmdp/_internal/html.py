"""Results as small HTML tables, for notebooks.

The tables set no colours, so that they are readable on a light and on a dark page; they hold no
scripts, and every text is escaped.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

__all__ = ["html_details", "html_rows", "html_table"]

_CELL = "text-align: left; vertical-align: top; padding: 0.15em 1em 0.15em 0"
_RULE = "border-bottom: 1px solid currentColor"
_TABLE = "border-collapse: collapse; margin: 0.3em 0; font-size: 0.95em"


def html_table(
    title: str, heading: Sequence[str], rows: Sequence[Sequence[str]], *, note: str = ""
) -> str:
    """Return a table with a title above, a row of headings, and a note below.

    Args:
        title: Plain text, shown in bold type; empty for none.
        heading: Names of the n columns.
        rows: Rows of n cells of plain text.
        note: Plain text; empty for none.

    Examples:
        >>> text = html_table("gap < 1", ["state"], [["<b>"]])
        >>> "gap &lt; 1" in text, "&lt;b&gt;" in text
        (True, True)
    """
    head = "".join(
        f'<th scope="col" style="{_CELL}; {_RULE}">{escape(name)}</th>' for name in heading
    )
    body = [_format_row(f'<td style="{_CELL}">{escape(cell)}</td>' for cell in row) for row in rows]
    return _join(title, [f"<thead><tr>{head}</tr></thead>"], body, note)


def html_rows(title: str, rows: Sequence[tuple[str, str]]) -> str:
    """Return a table of names and texts, with the title above.

    Args:
        title: Plain text, shown in bold type.
        rows: Pairs of name and text; the name may be empty.

    Examples:
        >>> html_rows("Certificate", [("gap", "≤ 1e-8")]).count("<tr")
        1
    """
    body = [
        _format_row(
            (
                f'<th scope="row" style="{_CELL}; font-weight: normal; opacity: 0.75">'
                f"{escape(name)}</th>",
                f'<td style="{_CELL}">{escape(text)}</td>',
            )
        )
        for name, text in rows
    ]
    return _join(title, [], body, "")


def html_details(summary: str, content: str) -> str:
    """Return HTML that is hidden until the reader opens it.

    Args:
        summary: Plain text that is always shown.
        content: HTML, such as a table from this module.
    """
    return f"<details><summary>{escape(summary)}</summary>{content}</details>"


def _format_row(cells: Iterable[str]) -> str:
    return "<tr>" + "".join(cells) + "</tr>"


def _join(title: str, head: list[str], body: list[str], note: str) -> str:
    parts = [f"<strong>{escape(title)}</strong>"] if title else []
    parts += [f'<table style="{_TABLE}">', *head, "<tbody>", *body, "</tbody></table>"]
    parts += [f"<p>{escape(note)}</p>"] if note else []
    return "<div>" + "\n".join(parts) + "</div>"
