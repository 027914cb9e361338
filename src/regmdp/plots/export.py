"""Figures as SVG text and PNG bytes."""

from __future__ import annotations

import io
import re

from matplotlib.figure import Figure

from regmdp._internal.parameters import checked
from regmdp.plots.arguments import FIGURE
from regmdp.plots.styling import style

__all__ = ["to_png", "to_svg"]


@checked(figure=FIGURE)
def to_svg(figure: Figure) -> str:
    """Return a figure as an ``<svg>`` element; equal figures give equal text.

    Coordinates are in points of 1/72 inch with two decimal places; matplotlib writes six.
    """
    file = io.StringIO()
    with style():
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    text = file.getvalue()
    text = re.sub(
        r'(?<= d=")[^"]*',
        lambda path: re.sub(r"-?\d+\.\d{3,}", _round_number, path[0]),
        text[text.index("<svg") :],
    )
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


@checked(figure=FIGURE)
def to_png(figure: Figure) -> bytes:
    """Return a figure as the bytes of a PNG file."""
    file = io.BytesIO()
    with style():
        figure.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()


def _round_number(number: re.Match[str]) -> str:
    return f"{float(number[0]):.2f}".rstrip("0").rstrip(".")
