r"""Translates the markup of the docstrings to reStructuredText.

A docstring is written to be read with `help()`: formulas are \(…\) and \[…\], and |h|, V* and π_0
are plain text. Code (in backquotes, after >>>) and roles stay as they are.
"""

from __future__ import annotations

import re

from sphinx.application import Sphinx

#: What is kept: literals, roles and plain backquotes.
KEPT = re.compile(r"``.+?``|(?::[\w:]+:)?`[^`]+`_{0,2}", re.DOTALL)
INLINE = re.compile(r"\\\((.+?)\\\)(?=(\w?))", re.DOTALL)
DISPLAY = re.compile(r"^([ ]*)\\\[(.+?)\\\]", re.DOTALL | re.MULTILINE)
TABLE = re.compile(r"\s*==+(  +==+)+ *$", re.MULTILINE)
EXAMPLE = re.compile(r"^\s*>>>")


def _write_inline(match: re.Match[str]) -> str:
    formula = " ".join(match[1].split())
    return f":math:`{formula}`" + (r"\ " if match[2] else "")


def _write_display(match: re.Match[str]) -> str:
    return f"\n{match[1]}.. math:: {' '.join(match[2].split())}\n"


def _escape(text: str) -> str:
    """Escape what reStructuredText would take for markup outside of code and roles."""
    parts, end = [], 0
    for match in KEPT.finditer(text):
        parts += [_escape_plain(text[end : match.start()]), match[0]]
        end = match.end()
    return "".join([*parts, _escape_plain(text[end:])])


def _escape_plain(text: str) -> str:
    text = re.sub(r"(?<!\*)\*(?!\*)", r"\\*", text)
    return re.sub(r"\|", r"\\|", re.sub(r"(?<=\w)_(?!\w)", r"\\_", text))


def translate(lines: list[str]) -> list[str]:
    """Return the lines of a docstring as reStructuredText, paragraph by paragraph."""
    paragraphs = re.split(r"(\n[ ]*\n)", "\n".join(lines))
    in_directive: int | None = None
    translated = []
    for paragraph in paragraphs:
        first = paragraph.lstrip("\n")
        indent = len(first) - len(first.lstrip())
        if paragraph.strip() and in_directive is not None and indent <= in_directive:
            in_directive = None
        if re.match(r"\s*\.\. \w+::", paragraph):
            in_directive = indent
        if paragraph.strip() and in_directive is None and not EXAMPLE.match(paragraph):
            translated.append(_translate_paragraph(paragraph))
        else:
            translated.append(paragraph)
    return "".join(translated).split("\n")


def _translate_table(text: str) -> str:
    """Translate a simple table cell by cell, and lay it out for the new widths."""
    lines = text.splitlines()
    spans = [match.span() for match in re.finditer("=+", lines[0])]
    starts, ends = [start for start, _ in spans], [end for _, end in spans[:-1]]
    rows = [
        [
            "=" if line.lstrip().startswith("==") else _translate_text(line[start:end].strip())
            for start, end in zip(starts, [*ends, None], strict=True)
        ]
        for line in lines
    ]
    widths = [max(len(row[column]) for row in rows) + 1 for column in range(len(spans))]
    margin = " " * starts[0]
    laid = [
        margin
        + "  ".join(
            (cell * width if cell == "=" else cell.ljust(width))
            for cell, width in zip(row, widths, strict=True)
        )
        for row in rows
    ]
    return "\n".join(line.rstrip() for line in laid)


def _translate_text(text: str) -> str:
    return _escape(DISPLAY.sub(_write_display, INLINE.sub(_write_inline, text)))


def _translate_paragraph(text: str) -> str:
    if TABLE.match(text):
        return _translate_table(text)
    head, examples = text, ""
    if (start := re.search(r"^[ ]*>>>", text, re.MULTILINE)) is not None:
        head, examples = text[: start.start()], text[start.start() :]
    return _translate_text(head) + examples


def _process(app, what, name, obj, options, lines: list[str]) -> None:
    lines[:] = translate(lines)
    if what in ("attribute", "data", "property"):
        # napoleon takes what stands before a colon for a type, but not in a comment
        lines[:] = ["..", "", *lines]


def setup(app: Sphinx) -> dict[str, bool]:
    """Translate before napoleon reads the sections."""
    app.connect("autodoc-process-docstring", _process, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
