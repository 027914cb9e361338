"""The page of a frontier, in one file."""

from __future__ import annotations

from regmdp._frontier import Frontier
from regmdp.reproduce.report.page import render_template

__all__ = ["render_frontier_page"]


def render_frontier_page(
    frontier: Frontier, *, name: str, notice: str, svg: str, caption: str, alt: str
) -> str:
    """Return a frontier as one HTML file without external resources: table, figure, explanation.

    Args:
        frontier: The frontier.
        name: Name of the model.
        notice: Notice required with all results of the model, or an empty string.
        svg: The ``<svg>`` of the figure.
        caption: Caption of the figure.
        alt: Alternative text of the figure.
    """
    heading, rows = frontier.table()
    return render_template(
        "frontier.html",
        name=name,
        notice=notice,
        problem=frontier.problem,
        interrupted=not frontier.complete,
        answer=frontier.describe_half_gain(),
        heading=heading,
        rows=rows,
        svg=svg,
        caption=caption,
        alt=alt,
    )
