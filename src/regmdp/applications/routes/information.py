r"""Information and scores of observed routes, from the derivatives of the value.

The log-likelihood is concave where the value is finite, and its second derivative is minus the
covariance of the sum of the features of a route: with u = ∂V/∂β, the innovation of a step is
\(\delta = x(a|k) + u(a) - u(k)\), and the innovations of the steps of a route are uncorrelated.
"""

from __future__ import annotations

import numpy as np

from regmdp._internal.arrays import Float, Int
from regmdp.applications.routes.linear_systems import DestinationBlock
from regmdp.applications.routes.recursive_logit import RecursiveLogit
from regmdp.applications.routes.trips import Trips

__all__ = ["information_and_scores"]


def information_and_scores(
    model: RecursiveLogit, trips: Trips
) -> tuple[Float[np.ndarray, "K K"], Float[np.ndarray, "n K"]]:
    """Return the (K, K) information of the trips, and the (n, K) score of each."""
    network, k = model.network, model.features.n_features
    x = model.features.matrix.toarray()
    nodes, column = np.unique(trips.destination, return_inverse=True)
    scores = np.asarray((trips.pair_counts() @ model.features.matrix).toarray(), dtype=np.float64)
    information = np.zeros((k, k))
    for block in model.solve_blocks(nodes):
        log_z = np.concatenate((block.log_z, model.origin_log_z(block.log_z)))
        link_derivative = _differentiate_log_z(model, block, x)
        for place, number in enumerate(block.columns.tolist()):
            mine = column == number
            leaving = np.bincount(trips.origin[mine], minlength=network.n_nodes)
            probability = _pair_probabilities(model, log_z[:, place])
            # u of the links, and of the origins from that
            u = np.concatenate((link_derivative[:, place], np.zeros((network.n_nodes, k))))
            total = x + u[network.pair_link]
            origins = slice(network.n_link_pairs, None)
            np.add.at(u, network.pair_state[origins], probability[origins, None] * total[origins])
            scores[mine] -= u[network.n_links + trips.origin[mine]]
            flow = _pair_flows(model, block, place, probability, leaving)
            innovation = total - u[network.pair_state]
            information += innovation.T @ (flow[:, None] * innovation)
            # the last step is the arrival
            ends = np.flatnonzero(network.end == nodes[number])
            inflow = np.bincount(network.pair_link, weights=flow, minlength=network.n_links)[ends]
            arriving = inflow * np.exp(-log_z[ends, place])
            information += u[ends].T @ (arriving[:, None] * u[ends])
    return information / model.scale**2, scores / model.scale


def _differentiate_log_z(
    model: RecursiveLogit, block: DestinationBlock, x: Float[np.ndarray, "P K"]
) -> Float[np.ndarray, "L m K"]:
    """Return the derivatives of log z of the links with respect to the parameters over μ."""
    n = model.network.n_link_pairs
    before, after = model.network.pair_state[:n], model.network.pair_link[:n]
    derivatives = []
    for feature in x[:n].T:
        # the entries of M are in the order of the pairs
        right = np.zeros_like(block.z)
        np.add.at(right, before, (block.factor.weights.data * feature)[:, None] * block.z[after])
        derivatives.append(block.factor.solve(right) * block.inverse)
    return np.stack(derivatives, axis=2)


def _pair_probabilities(
    model: RecursiveLogit, log_z: Float[np.ndarray, " S"]
) -> Float[np.ndarray, " P"]:
    """Return the (P,) probabilities of the next links, 0 where the destination is out of reach."""
    before, after = log_z[model.network.pair_state], log_z[model.network.pair_link]
    usable = np.isfinite(before) & np.isfinite(after)
    exponent = np.full(usable.shape, -np.inf)
    exponent[usable] = (model.utility / model.scale)[usable] + after[usable] - before[usable]
    return np.exp(exponent)


def _pair_flows(
    model: RecursiveLogit,
    block: DestinationBlock,
    place: int,
    probability: Float[np.ndarray, " P"],
    leaving: Int[np.ndarray, " N"],
) -> Float[np.ndarray, " P"]:
    """Return the (P,) expected travellers on every pair to one destination.

    Args:
        model: The model.
        block: The block that holds the destination.
        place: Its column in the block.
        probability: (P,) probabilities of the next links.
        leaving: (N,) travellers that leave each node.
    """
    network = model.network
    n, n_links = network.n_link_pairs, network.n_links
    before, after = network.pair_state, network.pair_link
    flow = np.zeros(network.n_pairs)
    flow[n:] = leaving[before[n:] - n_links] * probability[n:]
    inflow = np.bincount(after[n:], weights=flow[n:], minlength=n_links)
    adjoint = block.factor.solve_transposed((inflow * block.inverse[:, place])[:, None])[:, 0]
    flow[:n] = block.factor.weights.data * adjoint[before[:n]] * block.z[after[:n], place]
    return flow
