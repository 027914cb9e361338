"""The page that shows a frontier, in one file."""

from __future__ import annotations

from regmdp._frontier import Frontier
from regmdp.reproduce.report.page import render_template

__all__ = ["render_frontier_page"]


def render_frontier_page(
    found: Frontier, *, name: str, notice: str, svg: str, caption: str, alt: str
) -> str:
    """Return a frontier as HTML: table, figure and what the bounds mean, nothing fetched from anywhere.

    Args:
        found: What to show.
        name: Of the model.
        notice: What has to be said wherever results of the model are shown, or an empty string.
        svg: The ``<svg>`` of the figure.
        caption: Below it.
        alt: For those who cannot see it.
    """
    heading, rows = found.table()
    return render_template(
        "frontier.html",
        name=name,
        notice=notice,
        problem=found.problem,
        interrupted=not found.complete,
        answer=found.describe_half_gain(),
        heading=heading,
        rows=rows,
        svg=svg,
        caption=caption,
        alt=alt,
    )
