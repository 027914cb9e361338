"""Maps of networks; they need matplotlib, from the extra ``plots``."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from regmdp import plots
from regmdp._internal.arrays import ArrayLike
from regmdp._internal.errors import ModelError
from regmdp.applications.routes.network import RoadNetwork

__all__ = ["draw_flows"]


def draw_flows(network: RoadNetwork, flows: ArrayLike, label: str = "travellers") -> Figure:
    """Draw a map of a network: the larger its flow, the wider and darker a link.

    The two directions of a street lie side by side, each on its right-hand side.

    Args:
        network: A network with coordinates.
        flows: (L,) flow of each link.
        label: What flows, with its unit.

    Returns:
        A matplotlib figure; draw it within ``plots.style()``, and write it with ``plots.to_svg``.

    Raises:
        ModelError: if the network has no coordinates, or the flows do not fit it.

    Examples:
        >>> from regmdp import plots
        >>> from regmdp.applications import routes
        >>> from regmdp.applications.routes.maps import draw_flows
        >>> network = routes.RoadNetwork([0, 1, 0], [1, 2, 2], coordinates=[[0, 0], [1, 1], [2, 0]])
        >>> with plots.style():
        ...     figure = draw_flows(network, [5.0, 5.0, 1.0])
        >>> len(figure.axes)  # the map and the scale of colours
        2
    """
    size = np.asarray(flows, dtype=np.float64)
    if network.coordinates is None:
        raise ModelError(
            "the network has no coordinates to draw it with; give some, RoadNetwork(…, "
            "coordinates=…)"
        )
    if size.shape != (network.n_links,) or not np.isfinite(size).all() or (size < 0).any():
        raise ModelError(
            f"flows must be {network.n_links} numbers, not negative, one for each link; their "
            f"shape is {size.shape}"
        )
    places = network.coordinates
    extent = float(np.max(np.ptp(places, axis=0), initial=0.0))
    figure, axes = plots.subplots(width=6.4, height=6.4)
    plots.draw_links(
        axes, places[network.start], places[network.end], size, label, offset=0.011 * extent
    )
    axes.plot(
        *places.T, "o", markersize=15, markerfacecolor="white", markeredgecolor=plots.GREY, zorder=3
    )
    for place, name in zip(places, network.node_names, strict=True):
        axes.annotate(name, place, ha="center", va="center", fontsize=8, zorder=4)
    axes.set_axis_off()
    return figure
