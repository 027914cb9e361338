"""The gallery of the documentation: a Markdown page with the figures of a run."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

from regmdp._internal.files import replace_together, writing
from regmdp.reproduce.report.chapters import Chapter
from regmdp.reproduce.superscripts import scripts_to_html

__all__ = ["write_gallery"]


def write_gallery(chapters: Sequence[Chapter], page: Path) -> list[Path]:
    """Write the figures of the experiments and a Markdown page with them.

    The figures are in a folder beside the page with the same name: ``docs/gallery.md`` shows
    ``docs/gallery/bandit-curves.svg``.

    Args:
        chapters: The chapters, in order.
        page: Path of the page; its folder must exist.

    Returns:
        The written files.
    """
    folder = page.with_suffix("")
    with writing(folder):
        folder.mkdir(exist_ok=True)
    text = [
        "# Gallery",
        "",
        (
            "Theoretical statements and measurements side by side. This page and its figures are "
            "made by"
        ),
        (
            "`regmdp reproduce all --gallery docs/gallery.md`. Its report also contains the "
            "numbers, the checks and the data."
        ),
        "",
        *(
            f"- [{chapter.experiment.title}](#{_anchor(chapter.experiment.title)})"
            for chapter in chapters
        ),
    ]
    files: dict[Path, Callable[[IO[bytes]], object]] = {}
    for chapter in chapters:
        experiment, record = chapter.experiment, chapter.record
        text += ["", f"## {experiment.title}", "", _escape_markdown(experiment.summary)]
        text += ["", f"> {_escape_markdown(experiment.caveat)}"] if experiment.caveat else []
        for figure in record.figures:
            file = folder / f"{experiment.name}-{figure.name}.svg"
            files[file] = _make_writer(chapter.figures[figure.name] + "\n")
            alt = _escape_markdown(figure.alt).replace("[", "(").replace("]", ")")
            text += [
                "",
                f"![{alt}]({folder.name}/{file.name})",
                "",
                _escape_markdown(figure.caption),
            ]
        outcome = f"{record.n_passed} of {len(record.checks)} checks passed"
        text += ["", f"`{record.command}`: {outcome}."]
        text += [line for note in record.notes for line in ("", _escape_markdown(note))]
    replace_together({**files, page: _make_writer("\n".join(text) + "\n")})
    return [page, *files]


def _make_writer(text: str) -> Callable[[IO[bytes]], object]:
    return lambda file: file.write(text.encode("utf-8"))


def _escape_markdown(text: str) -> str:
    """Return text for Markdown: markup is escaped, superscripts and subscripts are HTML."""
    return scripts_to_html(re.sub(r"([\\`*\[\]|])", r"\\\1", html.escape(text, quote=False)))


def _anchor(title: str) -> str:
    """Return the anchor that Markdown gives a heading."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
