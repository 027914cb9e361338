"""Estimation of recursive logits, derivatives against differences, and simulated routes."""

import numpy as np
import pytest
from data import folder

import regmdp as rm
from regmdp.applications import routes
from regmdp.applications.routes.information import information_and_scores

TRUTH = np.array([-1.0, -2.0, -0.3])


def make_grid(side=4):
    """A square of two-way streets of different lengths."""
    rng = np.random.default_rng(0)
    node = np.arange(side * side).reshape(side, side)
    pairs = np.concatenate(
        (
            np.column_stack((node[:, :-1].ravel(), node[:, 1:].ravel())),
            np.column_stack((node[:-1].ravel(), node[1:].ravel())),
        )
    )
    start, end = np.concatenate((pairs, pairs[:, ::-1])).T
    places = np.column_stack((np.tile(np.arange(side), side), np.repeat(np.arange(side), side)))
    return routes.RoadNetwork(
        start, end, {"length": rng.uniform(0.5, 1.5, start.size)}, coordinates=places
    )


def make_features(network):
    columns = {
        "length": routes.link_attribute(network, "length"),
        "U-turn": routes.u_turns(network),
        "left": routes.left_turns(network),
    }
    return routes.LinkFeatures(network, columns)


@pytest.fixture(scope="module")
def simulated():
    network = make_grid()
    features = make_features(network)
    model = routes.RecursiveLogit(features, TRUTH)
    demand = routes.Demand(network, [0, 3, 5, 12], [15, 12, 15, 2], [500.0, 400.0, 300.0, 300.0])
    return (
        features,
        model,
        demand,
        routes.simulate_trips(model, demand, rng=np.random.default_rng(1)),
    )


def test_estimates_are_close_to_the_true_parameters(simulated):
    features, _, _, trips = simulated
    found = routes.estimate(features, trips)
    errors = np.array(list(found.standard_errors().values()))
    assert found.converged
    assert np.all(np.abs(found.model.parameters - TRUTH) < 4.0 * errors)
    assert np.all(errors < 0.3)
    for kind in ("opg", "sandwich"):
        assert np.all(
            np.abs(np.log(np.array(list(found.standard_errors(kind).values())) / errors)) < 0.25
        )
    with pytest.raises(rm.SampleError, match="kind must be 'information', 'opg' or 'sandwich'"):
        found.covariance("other")
    text = found.summary()
    for part in ("1,500 trips", "length", "U-turn", "std. error", "spectral radius", "converged"):
        assert part in text


def test_information_and_scores_are_derivatives(simulated):
    features, model, _, trips = simulated
    information, scores = information_and_scores(model, trips)
    steps = 1e-6 * np.eye(3)
    ahead, behind = (
        [routes.RecursiveLogit(features, TRUTH + sign * step) for step in steps]
        for sign in (1.0, -1.0)
    )
    slopes = [
        (routes.log_likelihood_gradient(one, trips) - routes.log_likelihood_gradient(other, trips))
        / 2e-6
        for one, other in zip(ahead, behind, strict=True)
    ]
    assert np.allclose(
        information, -np.array(slopes), rtol=1e-6, atol=1e-6 * np.abs(information).max()
    )
    assert np.allclose(
        scores.sum(axis=0), routes.log_likelihood_gradient(model, trips), rtol=1e-8, atol=1e-8
    )
    for which in (0, 700, 1400):
        one_trip = trips.select(np.array([which]))
        differences = [
            (routes.log_likelihood(one, one_trip) - routes.log_likelihood(other, one_trip)) / 2e-6
            for one, other in zip(ahead, behind, strict=True)
        ]
        assert np.allclose(scores[which], differences, atol=1e-6)


@pytest.mark.parametrize(("status", "interrupt"), [("STOPPED", False), ("INTERRUPTED", True)])
def test_a_stopped_search_returns_the_best_parameters(simulated, status, interrupt):
    def stop(event):
        events.append(event)
        if len(events) == 3 and interrupt:
            raise KeyboardInterrupt
        return len(events) < 3

    events = []
    features, _, _, trips = simulated
    found = routes.estimate(features, trips, callback=stop)
    assert found.status is rm.Status[status]
    assert not found.converged
    assert [event.iteration for event in events] == sorted({event.iteration for event in events})
    best = max(events, key=lambda event: event.measures["log_likelihood"])
    assert found.model is best.state
    assert found.log_likelihood == best.measures["log_likelihood"]


def test_estimates_of_sioux_falls():
    data = routes.read_folder(folder("sioux_falls"))
    network = data.network
    features = routes.LinkFeatures(
        network,
        {"length": routes.link_attribute(network, "length"), "U-turn": routes.u_turns(network)},
    )
    found = routes.estimate(features, data.trips)
    assert found.converged
    # some parameters that were tried had an infinite value
    assert found.infeasible >= 1
    assert found.parameters["length"] == pytest.approx(-0.3300, abs=1e-4)
    assert found.parameters["U-turn"] == pytest.approx(-3.1318, abs=1e-4)
    assert found.log_likelihood == pytest.approx(-6057.838, abs=1e-3)


def test_a_start_with_an_infinite_value_is_refused(simulated):
    features, _, _, trips = simulated
    with pytest.raises(rm.UnboundedError, match="the spectral radius of M"):
        routes.estimate(features, trips, start=np.zeros(3))


def test_collinear_features_are_named(simulated):
    _, model, _, trips = simulated
    length = routes.link_attribute(model.network, "length")
    twice = routes.LinkFeatures(model.network, {"length": length, "half": 0.5 * length})
    with pytest.raises(rm.SampleError, match="'length' and 'half' are linearly dependent"):
        routes.estimate(twice, trips).standard_errors()


def test_trips_of_another_network_are_refused(simulated):
    _, _, _, trips = simulated
    with pytest.raises(rm.ModelError, match="different networks"):
        routes.estimate(make_features(make_grid()), trips)


def test_simulated_flows_equal_expected_flows(simulated):
    _, model, demand, trips = simulated
    assert len(trips) == 1500
    assert np.all(np.bincount(trips.destination)[[2, 12, 15]] == [300, 400, 800])
    expected = routes.link_flows(model, demand)
    observed = np.bincount(trips.links, minlength=model.network.n_links)
    assert np.all(np.abs(observed - expected) < 6.0 * np.sqrt(expected + 1.0))
    again = routes.simulate_trips(model, demand, rng=np.random.default_rng(1))
    assert np.array_equal(again.links, trips.links)


def test_fractional_demand_cannot_be_simulated(simulated):
    _, model, _, _ = simulated
    with pytest.raises(rm.ModelError, match="entry 0 of the demand has 1.5 travellers"):
        routes.simulate_trips(
            model, routes.Demand(model.network, [0], [3], [1.5]), rng=np.random.default_rng(0)
        )


def test_a_map_needs_coordinates_and_valid_flows():
    from regmdp.applications.routes.maps import draw_flows

    with pytest.raises(rm.ModelError, match="no coordinates"):
        draw_flows(routes.RoadNetwork([0], [1]), [1.0])
    with pytest.raises(rm.ModelError, match="flows must be 48 numbers, not negative"):
        draw_flows(make_grid(), np.full(48, -1.0))
