"""Consistent style for all figures, and the few kinds of plot they consist of.

The colours are those of Okabe and Ito, which remain distinct with any form of colour vision; line
style and marker repeat the information for grey print. Figures are made without pyplot, so they
keep no global state and need no display:

>>> import numpy as np
>>> from regmdp import plots
>>> with plots.style():
...     figure, axes = plots.subplots()
...     plots.draw_curve(axes, np.arange(50), 0.9 ** np.arange(50), 0, "NPG")
...     plots.set_logarithmic(axes, y=True)
...     plots.add_legend(axes)
...     svg = plots.to_svg(figure)
>>> svg == svg.strip() and svg.startswith("<svg")
True
"""

from __future__ import annotations

from regmdp._internal.errors import MissingExtraError

try:
    import matplotlib  # noqa: F401
except ImportError as error:
    raise MissingExtraError("matplotlib", "plots") from error

from regmdp.plots.animations import animate
from regmdp.plots.axes import add_legend, add_panel_titles, set_logarithmic
from regmdp.plots.curves import draw_band, draw_bound, draw_curve, draw_level, thin_indices
from regmdp.plots.dimensions import plot_dimensions
from regmdp.plots.export import to_png, to_svg
from regmdp.plots.grids import draw_grid, draw_grid_policy, draw_grid_value
from regmdp.plots.maps import draw_arrows, draw_links, draw_vectors
from regmdp.plots.mirror import draw_mirror_step
from regmdp.plots.simplex import draw_simplex, to_plane
from regmdp.plots.solutions import (
    plot_gridworld,
    plot_line,
    plot_overview,
    plot_simplex,
    plot_solution,
)
from regmdp.plots.styling import BLACK, COLORS, GREY, PAGE_WIDTH, style, subplots

__all__ = [
    "BLACK",
    "COLORS",
    "GREY",
    "PAGE_WIDTH",
    "add_legend",
    "add_panel_titles",
    "animate",
    "draw_arrows",
    "draw_band",
    "draw_bound",
    "draw_curve",
    "draw_grid",
    "draw_grid_policy",
    "draw_grid_value",
    "draw_level",
    "draw_links",
    "draw_mirror_step",
    "draw_simplex",
    "draw_vectors",
    "plot_dimensions",
    "plot_gridworld",
    "plot_line",
    "plot_overview",
    "plot_simplex",
    "plot_solution",
    "set_logarithmic",
    "style",
    "subplots",
    "thin_indices",
    "to_plane",
    "to_png",
    "to_svg",
]
