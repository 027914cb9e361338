"""Expected flows, and the likelihood of observed routes with its exact gradient.

They take one transposed solve for all destinations.
"""

from __future__ import annotations

import numpy as np

from regmdp._internal.arrays import Float
from regmdp._internal.errors import ModelError
from regmdp._internal.parameters import Instance, checked
from regmdp.applications.routes.network import require_same_network
from regmdp.applications.routes.recursive_logit import RecursiveLogit
from regmdp.applications.routes.trips import Demand, Trips

__all__ = ["link_flows", "log_likelihood", "log_likelihood_gradient", "pair_flows"]


MODEL, DEMAND, TRIPS = Instance(RecursiveLogit), Instance(Demand), Instance(Trips)


@checked(ModelError, model=MODEL, demand=DEMAND)
def pair_flows(model: RecursiveLogit, demand: Demand) -> Float[np.ndarray, " P"]:
    r"""(P,) expected travellers on every pair, to all destinations together.

    With G = F / z the flows F of one destination solve :math:`(I - M^\top) G = h`, where h is the
    flow from the origins over z.

    Args:
        model: The model of their choices.
        demand: The travellers of each pair of origin and destination.

    Raises:
        UnboundedError: if the value is infinite.
        ModelError: if the demand is of another network.
    """
    network = model.network
    require_same_network("the model and the demand", network, demand.network)
    flows = np.zeros(network.n_pairs)
    nodes, column = np.unique(demand.destination, return_inverse=True)
    n = network.n_link_pairs
    before, after = network.pair_state[:n], network.pair_link[:n]
    origin, first = network.pair_state[n:] - network.n_links, network.pair_link[n:]
    for block in model.solve_blocks(nodes):
        log_z = block.log_z
        origin_log_z = model.origin_log_z(log_z)
        # travellers that leave each node to each destination of the block
        leaving = np.zeros((network.n_nodes, block.columns.size))
        place = np.full(nodes.size, -1)
        place[block.columns] = np.arange(block.columns.size)
        mine = place[column] >= 0
        np.add.at(leaving, (demand.origin[mine], place[column[mine]]), demand.flow[mine])
        finite = np.where(np.isfinite(origin_log_z), origin_log_z, 0.0)
        exponent = model.utility[n:, None] / model.scale + log_z[first] - finite[origin]
        entering = leaving[origin] * np.exp(exponent)
        flows[n:] += entering.sum(axis=1)
        inflow = np.zeros_like(log_z)
        np.add.at(inflow, first, entering)
        adjoint = block.factor.solve_transposed(inflow * block.inverse)
        flows[:n] += block.factor.weights.data * np.einsum(
            "pm,pm->p", adjoint[before], block.z[after]
        )
    return flows


@checked(ModelError, model=MODEL, demand=DEMAND)
def link_flows(model: RecursiveLogit, demand: Demand) -> Float[np.ndarray, " L"]:
    """(L,) expected travellers on every link.

    Examples:
        >>> from regmdp.applications import routes
        >>> network = routes.RoadNetwork(
        ...     start=[0, 1, 0], end=[1, 2, 2], attributes={"length": [1.0, 1.0, 2.0]}
        ... )
        >>> features = routes.LinkFeatures(
        ...     network, {"length": routes.link_attribute(network, "length")}
        ... )
        >>> model = routes.RecursiveLogit(features, [-1.0])
        >>> routes.link_flows(model, routes.Demand(network, [0], [2], [10.0])).round(6)
        array([5., 5., 5.])
    """
    flows = pair_flows(model, demand)
    return np.bincount(model.network.pair_link, weights=flows, minlength=model.network.n_links)


@checked(ModelError, model=MODEL, trips=TRIPS)
def log_likelihood(model: RecursiveLogit, trips: Trips) -> float:
    """Return the logarithm of the probability of all trips, given origins and destinations."""
    require_same_network("the model and the trips", model.network, trips.network)
    nodes, column = np.unique(trips.destination, return_inverse=True)
    value = model.values(nodes)[model.network.n_links + trips.origin, column]
    return float((model.utility[trips.pairs].sum() - value.sum()) / model.scale)


@checked(ModelError, model=MODEL, trips=TRIPS)
def log_likelihood_gradient(model: RecursiveLogit, trips: Trips) -> Float[np.ndarray, " K"]:
    """(K,) exact gradient: sums of the observed features minus expected ones, over the scale."""
    require_same_network("the model and the trips", model.network, trips.network)
    observed = np.bincount(trips.pairs, minlength=model.network.n_pairs)
    return model.features.matrix.T @ (observed - pair_flows(model, trips.demand())) / model.scale
