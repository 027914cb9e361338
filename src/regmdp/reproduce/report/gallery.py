"""The gallery of the documentation: a Markdown page with the figures of a run."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from pathlib import Path

from regmdp._internal.files import replace_atomically
from regmdp.reproduce.report.chapters import Chapter
from regmdp.reproduce.report.scripts import raise_and_lower

__all__ = ["write_gallery"]


def write_gallery(chapters: Sequence[Chapter], page: Path) -> list[Path]:
    """Write the figures of the experiments and a Markdown page that shows them.

    The figures go into a folder beside the page, named as it is: ``docs/gallery.md`` shows
    ``docs/gallery/bandit-curves.svg``.

    Args:
        chapters: What to show, in this order.
        page: Where the page goes; its folder has to be there.

    Returns:
        The files that were written.
    """
    folder = page.with_suffix("")
    folder.mkdir(exist_ok=True)
    text = [
        "# Gallery",
        "",
        (
            "What the theory says and what is measured, side by side. This page and its figures "
            "are made by"
        ),
        (
            "`regmdp reproduce all --gallery docs/gallery.md`, whose report has the numbers, the "
            "checks and the data as well."
        ),
        "",
        *(
            f"- [{chapter.experiment.title}](#{_anchor(chapter.experiment.title)})"
            for chapter in chapters
        ),
    ]
    written = []
    for chapter in chapters:
        experiment, record = chapter.experiment, chapter.record
        text += ["", f"## {experiment.title}", "", _plain(experiment.summary)]
        text += ["", f"> {_plain(experiment.caveat)}"] if experiment.caveat else []
        for figure in record.figures:
            file = folder / f"{experiment.name}-{figure.name}.svg"
            replace_atomically(
                file,
                lambda opened, svg=chapter.figures[figure.name]: opened.write(
                    (svg + "\n").encode("utf-8")
                ),
            )
            written.append(file)
            alt = _plain(figure.alt).replace("[", "(").replace("]", ")")
            text += ["", f"![{alt}]({folder.name}/{file.name})", "", _plain(figure.caption)]
        verdict = f"{record.passed} of {len(record.checks)} checks passed"
        text += [
            "",
            f"`regmdp reproduce {experiment.name}{' --quick' if record.quick else ''}`: {verdict}.",
        ]
    replace_atomically(page, lambda opened: opened.write(("\n".join(text) + "\n").encode("utf-8")))
    return [page, *written]


def _plain(text: str) -> str:
    """Return text for Markdown: what would be markup is escaped, what is raised or lowered is so in HTML, which it takes."""
    return raise_and_lower(re.sub(r"([\\`*\[\]|])", r"\\\1", html.escape(text, quote=False)))


def _anchor(title: str) -> str:
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
