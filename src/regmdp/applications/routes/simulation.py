"""Routes drawn from a recursive logit."""

from __future__ import annotations

import numpy as np

from regmdp._internal.errors import ModelError
from regmdp.applications.routes.recursive_logit import RecursiveLogit
from regmdp.applications.routes.trips import Demand, Trips

__all__ = ["simulate_trips"]


def simulate_trips(model: RecursiveLogit, demand: Demand, *, rng: np.random.Generator) -> Trips:
    """Draw a route for every traveller of a demand, whose flows are whole numbers.

    Args:
        model: How they choose.
        demand: Who goes where.
        rng: The random generator.

    Raises:
        ModelError: if a flow is not a whole number, or the demand is of another network.
        UnboundedError: if the value is infinite.

    Examples:
        >>> import numpy as np
        >>> from regmdp.applications import routes
        >>> network = routes.RoadNetwork(
        ...     start=[0, 1, 0], end=[1, 2, 2], attributes={"length": [1.0, 1.0, 2.0]}
        ... )
        >>> model = routes.RecursiveLogit(
        ...     routes.LinkFeatures(network, {"length": routes.link_attribute(network, "length")}),
        ...     [-1.0],
        ... )
        >>> routes.simulate_trips(
        ...     model, routes.Demand(network, [0], [2], [4.0]), rng=np.random.default_rng(0)
        ... )
        Trips(4 trips, 7 links travelled, 1 pairs of origin and destination)
    """
    network = model.network
    if demand.network is not network:
        raise ModelError("the model and the demand are of different networks; build both on one")
    counts = demand.flow.astype(np.int64)
    if np.any(counts != demand.flow):
        entry = int(np.argmax(counts != demand.flow))
        raise ModelError(
            f"entry {entry} of the demand has {demand.flow[entry]:g} travellers; routes are drawn "
            "for whole ones"
        )
    origin, destination = np.repeat(demand.origin, counts), np.repeat(demand.destination, counts)
    routes: list[list[int]] = [[] for _ in range(origin.size)]
    for node in np.unique(destination):
        rows = model.probabilities(int(node))
        level = np.concatenate(([0.0], np.cumsum(rows.data)))
        who = np.flatnonzero(destination == node)
        state = network.n_links + origin[who]
        while who.size:
            first, last = rows.indptr[state], rows.indptr[state + 1]
            drawn = level[first] + rng.random(who.size) * (level[last] - level[first])
            link = rows.indices[
                np.clip(np.searchsorted(level, drawn, side="right") - 1, first, last - 1)
            ]
            going = link < network.n_links
            who, state = who[going], link[going]
            for traveller, taken in zip(who.tolist(), state.tolist(), strict=True):
                routes[traveller].append(taken)
    return Trips.from_sequences(network, routes)
