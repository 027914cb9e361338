"""Simulation of routes by a recursive logit."""

from __future__ import annotations

import numpy as np

from regmdp._internal.errors import ModelError
from regmdp._internal.memory import require_memory
from regmdp._internal.parameters import Generator, Instance, checked
from regmdp.applications.routes.network import require_same_network
from regmdp.applications.routes.recursive_logit import RecursiveLogit
from regmdp.applications.routes.trips import Demand, Trips

__all__ = ["simulate_trips"]

#: Bytes for each traveller while routes are drawn: a list, its first links, and their copies.
BYTES_PER_TRAVELLER = 250


@checked(ModelError, model=Instance(RecursiveLogit), demand=Instance(Demand), rng=Generator())
def simulate_trips(model: RecursiveLogit, demand: Demand, *, rng: np.random.Generator) -> Trips:
    """Draw a route for every traveller of a demand.

    Args:
        model: The model of their choices.
        demand: The travellers of each pair of origin and destination, whole numbers.
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
    require_same_network("the model and the demand", network, demand.network)
    travellers = float(demand.flow.sum())
    require_memory(
        f"routes of {travellers:,.0f} travellers",
        BYTES_PER_TRAVELLER * travellers,
        "simulate a part of them",
    )
    counts = demand.flow.astype(np.int64)
    if np.any(counts != demand.flow):
        entry = int(np.argmax(counts != demand.flow))
        raise ModelError(
            f"entry {entry} of the demand has {demand.flow[entry]:g} travellers; routes are drawn "
            "for whole numbers of them"
        )
    origin, destination = np.repeat(demand.origin, counts), np.repeat(demand.destination, counts)
    routes: list[list[int]] = [[] for _ in range(origin.size)]
    for node in np.unique(destination).tolist():
        rows = model.probabilities(node)
        cumulative = np.concatenate(([0.0], np.cumsum(rows.data)))
        travellers = np.flatnonzero(destination == node)
        state = network.n_links + origin[travellers]
        while travellers.size:
            first, last = rows.indptr[state], rows.indptr[state + 1]
            width = cumulative[last] - cumulative[first]
            level = cumulative[first] + rng.random(travellers.size) * width
            entry = np.searchsorted(cumulative, level, side="right") - 1
            link = rows.indices[np.clip(entry, first, last - 1)]
            travelling = link < network.n_links
            travellers, state = travellers[travelling], link[travelling]
            for traveller, taken in zip(travellers.tolist(), state.tolist(), strict=True):
                routes[traveller].append(taken)
    return Trips.from_sequences(network, routes)
