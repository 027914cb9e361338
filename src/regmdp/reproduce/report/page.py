"""The report: one HTML file without external resources."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from importlib import metadata, resources
from typing import Any

from regmdp._internal.errors import MissingExtraError
from regmdp.reproduce.report.chapters import Chapter, format_duration
from regmdp.reproduce.settings import format_setting
from regmdp.reproduce.superscripts import scripts_to_html

try:
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup, escape
except ImportError as error:
    raise MissingExtraError("jinja2", "plots") from error

__all__ = ["mathematics_to_html", "render_page", "render_template"]


def render_page(chapters: Sequence[Chapter], *, n_missing: int = 0) -> str:
    """Return the report as HTML with embedded style and figures, no scripts, no external resources.

    Args:
        chapters: The chapters, in order.
        n_missing: Number of experiments of the same run that are not finished yet.
    """
    checks = [check for chapter in chapters for check in chapter.record.checks]
    return render_template(
        "report.html",
        chapters=chapters,
        n_missing=n_missing,
        passed=sum(check.passed for check in checks),
        total=len(checks),
        seconds=sum(chapter.record.seconds for chapter in chapters),
        date=max((chapter.record.date for chapter in chapters), default=""),
        quick=any(chapter.record.quick for chapter in chapters),
        different=[chapter for chapter in chapters if chapter.record.changes],
        n_changed=sum(chapter.changed for chapter in chapters),
    )


def render_template(template: str, **content: Any) -> str:
    """Return a template of this package as HTML, with the common style and the version."""
    environment = Environment(
        loader=PackageLoader("regmdp.reproduce.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        mathematics=mathematics_to_html,
        data_uri=_data_uri,
        duration=format_duration,
        width=_natural_width,
        setting=format_setting,
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


def mathematics_to_html(text: str) -> Markup:
    """Return text as HTML, with superscripts and subscripts: see :func:`scripts_to_html`.

    >>> mathematics_to_html("gap < γ^{t+1} C_{1}")
    Markup('gap &lt; γ<sup>t+1</sup> C<sub>1</sub>')
    """
    return Markup(scripts_to_html(str(escape(text))))


def _data_uri(svg: str) -> str:
    """Return an SVG as a data URI."""
    # a separate image, so that names inside it cannot clash with names inside other figures
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode("utf-8")).decode("ascii")


def _natural_width(svg: str) -> int:
    """Return the width of a figure in CSS pixels; matplotlib writes it in points."""
    found = re.search(r'<svg[^>]*\swidth="(\d+(?:\.\d+)?)pt"', svg)
    return round(float(found[1]) * 4 / 3) if found else 800
