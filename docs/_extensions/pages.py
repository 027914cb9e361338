"""Makes pages that are read on GitHub pages of the site, too.

The documents name each other by file, also those in the root of the repository, and hold no table
of contents for Sphinx: both are supplied when a page is read.
"""

from __future__ import annotations

import re
from pathlib import Path

from sphinx.application import Sphinx

#: Documents of the root, by the page of the site that shows them.
ROOT = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "reference/contributing.myst",
    "CHANGELOG.md": "reference/changelog.myst",
}

#: Title and pages of each part of the table of contents.
CONTENTS = (
    (
        "First steps",
        ("installation", "models", "regularizers", "choosing", "guarantees", "command_line"),
    ),
    (
        "Guide",
        (
            "methods",
            "gpmd_or_pmd",
            "sampling",
            "deep",
            "learning",
            "gradients",
            "formats",
            "goals",
            "figures",
            "speed",
            "machines",
            "notation",
        ),
    ),
    (
        "Tutorials",
        (
            "tutorials/sepsis",
            "tutorials/rust",
            "tutorials/frontier",
            "tutorials/inverse",
            "tutorials/routes",
        ),
    ),
    ("Theory", ("lessons", "theory", "lecture", "gallery", "reproduce")),
    ("Reference", ("reference/index", "reference/contributing", "reference/changelog")),
)


def _write_contents() -> str:
    parts = []
    for title, pages in CONTENTS:
        parts += ["```{toctree}", ":hidden:", f":caption: {title}", "", *pages, "```", ""]
    return "\n".join(parts)


def _read(app: Sphinx, page: str, source: list[str]) -> None:
    up = "../" * (page.count("/") + 1)
    for name, target in ROOT.items():
        source[0] = source[0].replace(f"]({up}{name}", f"]({'../' * page.count('/')}{target}")
    # a document that is no page of the site is copied as it is
    source[0] = re.sub(r"\]\(((?:\.\./)+benchmarks/[^)#]*\.md)\)", r"](path:\1)", source[0])
    if page == "index":
        source[0] += "\n" + _write_contents()


def _copy_root(app: Sphinx) -> None:
    """Write the documents of the root among the generated pages, without links to other files."""
    for name, page in ROOT.items():
        target = Path(app.srcdir) / page
        if target.suffix == ".myst":
            text = (Path(app.srcdir).parent / name).read_text(encoding="utf-8")
            text = re.sub(r"\[([^]]+)\]\((?![a-z]+:)[^)]*\)", r"\1", text)
            target.parent.mkdir(exist_ok=True)
            if not target.exists() or target.read_text(encoding="utf-8") != text:
                target.write_text(text, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Supply what Sphinx needs beside the documents."""
    app.connect("source-read", _read)
    app.connect("builder-inited", _copy_root)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
