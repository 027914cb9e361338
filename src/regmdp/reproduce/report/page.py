"""The report: one HTML file with everything in it."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from importlib import metadata, resources
from typing import Any

from regmdp._internal.errors import MissingExtraError
from regmdp.reproduce.report.chapters import Chapter, duration
from regmdp.reproduce.report.scripts import raise_and_lower

try:
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup, escape
except ImportError as error:
    raise MissingExtraError("jinja2", "plots") from error

__all__ = ["mathematics", "render_page", "render_template"]


def render_page(chapters: Sequence[Chapter], *, left: int = 0) -> str:
    """Return the report as HTML: style and figures inside, no script, nothing fetched from anywhere.

    Args:
        chapters: What to show, in this order.
        left: How many experiments of the same run are not finished yet.
    """
    checks = [check for chapter in chapters for check in chapter.record.checks]
    return render_template(
        "report.html",
        chapters=chapters,
        left=left,
        passed=sum(check.passed for check in checks),
        total=len(checks),
        seconds=sum(chapter.record.seconds for chapter in chapters),
        date=max((chapter.record.date for chapter in chapters), default=""),
        quick=any(chapter.record.quick for chapter in chapters),
    )


def render_template(template: str, **content: Any) -> str:
    """Return a template of this package as HTML, with the style of all its pages and the version."""
    environment = Environment(
        loader=PackageLoader("regmdp.reproduce.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        mathematics=mathematics, data_uri=_data_uri, duration=duration, width=_width
    )
    return environment.get_template(template).render(
        style=Markup(
            resources.files("regmdp.reproduce.report")
            .joinpath("templates/report.css")
            .read_text("utf-8")
        ),
        version=metadata.version("regmdp"),
        **content,
    )


def mathematics(text: str) -> Markup:
    """Return text as HTML, with what follows ^ and _ raised and lowered: see :func:`raise_and_lower`.

    >>> mathematics("gap < γ^{t+1} C_{1}")
    Markup('gap &lt; γ<sup>t+1</sup> C<sub>1</sub>')
    """
    return Markup(raise_and_lower(str(escape(text))))


def _data_uri(svg: str) -> str:
    # as an image of its own, so that the names inside it cannot clash with those inside another
    # figure
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode("utf-8")).decode("ascii")


def _width(svg: str) -> int:
    """Return the natural width of a figure in CSS pixels; matplotlib writes it in points."""
    found = re.search(r'<svg[^>]*\swidth="([\d.]+)pt"', svg)
    return round(float(found[1]) * 4 / 3) if found else 800
