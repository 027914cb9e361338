"""Expected flows, and the likelihood of observed routes with its exact gradient: one transposed solve for all destinations."""

from __future__ import annotations

import numpy as np

from regmdp._internal.arrays import Float
from regmdp._internal.errors import ModelError
from regmdp.applications.routes.recursive_logit import RecursiveLogit
from regmdp.applications.routes.trips import Demand, Trips

__all__ = ["link_flows", "log_likelihood", "log_likelihood_gradient", "pair_flows"]


def pair_flows(model: RecursiveLogit, demand: Demand) -> Float[np.ndarray, " P"]:
    r"""(P,) expected travellers on every pair, to all destinations together.

    With G = F / z the flows F of one destination solve :math:`(I - M^\top) G = h`, h being what
    enters from the origins over z.

    Args:
        model: How they choose.
        demand: Who goes where.

    Raises:
        UnboundedError: if the value is infinite.
        ModelError: if the demand is of another network.
    """
    network = model.network
    _same(model, demand)
    flows = np.zeros(network.n_pairs)
    nodes, column = np.unique(demand.destination, return_inverse=True)
    n, last = network.n_link_pairs, network.n_links
    before, after = network.pair_state[:n], network.pair_link[:n]
    for block in model.blocks(nodes):
        log_z = block.log_z
        origins = model.origins(log_z)
        leaving = np.zeros((network.n_nodes, block.columns.size))
        place = np.full(nodes.size, -1)
        place[block.columns] = np.arange(block.columns.size)
        mine = place[column] >= 0
        np.add.at(leaving, (demand.origin[mine], place[column[mine]]), demand.flow[mine])
        out, first = network.pair_state[n:] - last, network.pair_link[n:]
        top = np.where(np.isfinite(origins), origins, 0.0)[out]
        entering = leaving[out] * np.exp(model.utility[n:, None] / model.scale + log_z[first] - top)
        flows[n:] += entering.sum(axis=1)
        inflow = np.zeros_like(log_z)
        np.add.at(inflow, first, entering)
        adjoint = block.factor.solve_transposed(inflow * block.inverse)
        flows[:n] += block.factor.weights.data * np.einsum(
            "pm,pm->p", adjoint[before], block.z[after]
        )
    return flows


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


def log_likelihood(model: RecursiveLogit, trips: Trips) -> float:
    """Return the log of the probability of all trips, from their origins to their destinations."""
    _same(model, trips)
    nodes, column = np.unique(trips.destination, return_inverse=True)
    value = model.values(nodes)[model.network.n_links + trips.origin, column]
    return float((model.utility[trips.pairs].sum() - value.sum()) / model.scale)


def log_likelihood_gradient(model: RecursiveLogit, trips: Trips) -> Float[np.ndarray, " K"]:
    """(K,) exact gradient of the log-likelihood: what was observed of each feature less what the model expects, over the scale."""
    _same(model, trips)
    observed = np.bincount(trips.pairs, minlength=model.network.n_pairs)
    return model.features.matrix.T @ (observed - pair_flows(model, trips.demand())) / model.scale


def _same(model: RecursiveLogit, data: Demand | Trips) -> None:
    if data.network is not model.network:
        raise ModelError("the model and the data are of different networks; build both on one")
