"""Likelihood and flows of recursive logits, against dense solves and differences."""

import numpy as np
import pytest

import regmdp as rm
from regmdp.applications import routes


@pytest.fixture
def square():
    # a square with both directions, and a diagonal
    start, end = np.array([0, 1, 1, 2, 2, 3, 3, 0, 0]), np.array([1, 0, 2, 1, 3, 2, 0, 3, 2])
    network = routes.RoadNetwork(
        start, end, {"length": [1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7, 2.0]}
    )
    columns = {
        "length": routes.link_attribute(network, "length"),
        "U-turn": routes.u_turns(network),
    }
    trips = routes.Trips.from_sequences(network, [[0, 2], [8], [7, 5], [2, 4], [0, 1, 8], [6]])
    return routes.LinkFeatures(network, columns), trips


def dense_likelihood(features, trips, parameters, scale):
    """Return the log-likelihood by one dense solve per destination; parameters may be complex."""
    network = features.network
    v = features.matrix.toarray() @ parameters / scale
    total = v[trips.pairs].sum()
    for origin, destination in zip(trips.origin, trips.destination, strict=True):
        M = np.zeros((network.n_links, network.n_links), dtype=complex)
        n = network.n_link_pairs
        M[network.pair_state[:n], network.pair_link[:n]] = np.exp(v[:n])
        z = np.linalg.solve(
            np.eye(network.n_links) - M, (network.end == destination).astype(complex)
        )
        state = network.n_links + origin
        pairs = slice(network.pair_start[state], network.pair_start[state + 1])
        total -= np.log(np.exp(v[pairs]) @ z[network.pair_link[pairs]])
    return total


@pytest.mark.parametrize("scale", [0.3, 1.0])
def test_gradient_equals_complex_steps_and_differences(square, scale):
    features, trips = square
    parameters = np.array([-1.5, -0.7])
    found = routes.RecursiveLogit(features, parameters, scale)
    assert routes.log_likelihood(found, trips) == pytest.approx(
        dense_likelihood(features, trips, parameters, scale).real, rel=1e-12
    )
    exact = routes.log_likelihood_gradient(found, trips)
    for k, step in enumerate(np.eye(2)):
        complex_step = (
            dense_likelihood(features, trips, parameters + 1e-30j * step, scale).imag / 1e-30
        )
        assert exact[k] == pytest.approx(complex_step, rel=1e-10)
        high, low = (
            routes.log_likelihood(
                routes.RecursiveLogit(features, parameters + h * step, scale), trips
            )
            for h in (1e-5, -1e-5)
        )
        assert exact[k] == pytest.approx((high - low) / 2e-5, rel=1e-6)


def test_flows_are_conserved(square):
    features, trips = square
    network, demand = features.network, trips.demand()
    flow = routes.link_flows(routes.RecursiveLogit(features, [-1.5, -0.7]), demand)
    balance = np.bincount(network.end, flow, network.n_nodes) - np.bincount(
        network.start, flow, network.n_nodes
    )
    expected = np.bincount(demand.destination, demand.flow, 4) - np.bincount(
        demand.origin, demand.flow, 4
    )
    np.testing.assert_allclose(balance, expected, atol=1e-10)


def test_data_of_another_network_are_refused(square):
    features, _ = square
    other = routes.RoadNetwork([0], [1])
    with pytest.raises(rm.ModelError, match="different networks"):
        routes.link_flows(
            routes.RecursiveLogit(features, [-1.5, -0.7]), routes.Demand(other, [0], [1], [1.0])
        )
