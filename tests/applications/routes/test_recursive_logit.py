"""Values of recursive logits against their equation and the solver, and bad input."""

import numpy as np
import pytest

import regmdp as rm
from regmdp.applications import routes


def make_grid(n, rng):
    index = np.arange(n * n).reshape(n, n)
    along = np.concatenate(
        [
            np.stack((index[:, :-1].ravel(), index[:, 1:].ravel())),
            np.stack((index[:-1].ravel(), index[1:].ravel())),
        ],
        axis=1,
    )
    start, end = np.concatenate((along, along[::-1]), axis=1)
    coordinates = np.stack((index.ravel() % n, index.ravel() // n), axis=1).astype(float)
    return routes.RoadNetwork(
        start, end, {"length": 1.0 + rng.random(start.size)}, coordinates=coordinates
    )


def make_model(network, parameters=(-2.0, -1.0, -0.3), scale=1.0):
    columns = {
        "length": routes.link_attribute(network, "length"),
        "U-turn": routes.u_turns(network),
        "left turn": routes.left_turns(network),
    }
    return routes.RecursiveLogit(routes.LinkFeatures(network, columns), parameters, scale)


def make_chain(n):
    network = routes.RoadNetwork(np.arange(n), np.arange(1, n + 1), {"length": np.ones(n)})
    return routes.LinkFeatures(network, {"length": routes.link_attribute(network, "length")})


@pytest.mark.parametrize("scale", [1e-3, 0.1, 1.0])
def test_values_of_many_destinations_equal_those_of_each_and_solve_the_equation(scale):
    found = make_model(make_grid(6, np.random.default_rng(0)), scale=scale)
    destinations = np.arange(0, 36, 5)
    joint = found.values(destinations)
    separate = np.concatenate([found.values([node]) for node in destinations], axis=1)
    np.testing.assert_allclose(joint, separate, rtol=1e-11, atol=1e-12)
    network = found.network
    for column, node in enumerate(destinations):
        for state in range(network.n_states):
            pairs = slice(network.pair_start[state], network.pair_start[state + 1])
            ahead = (found.utility[pairs] + joint[network.pair_link[pairs], column]) / scale
            arrived = [0.0] if state < network.n_links and network.end[state] == node else []
            expected = scale * np.logaddexp.reduce([*ahead, *arrived])
            assert joint[state, column] == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("scale", [0.05, 1.0])
def test_the_mdp_has_the_same_values(scale):
    found = make_model(make_grid(4, np.random.default_rng(1)), scale=scale)
    solution = rm.solve(found.mdp(5), rm.Shannon(temperature=scale), tol=1e-8)
    value = found.values([5])[:, 0]
    assert solution.status.ok
    assert (solution.certificate.lower[:-1] <= value + 1e-12).all()
    assert (value - 1e-12 <= solution.certificate.upper[:-1]).all()


def test_values_of_a_long_chain_at_a_small_scale():
    features = make_chain(20_000)
    value = routes.RecursiveLogit(features, [-1.0], scale=1e-3).values([20_000, 10_000])
    np.testing.assert_allclose(
        value[:20_000, 0], -np.arange(19_999.0, -1.0, -1.0), rtol=1e-12, atol=1e-12
    )
    assert np.isneginf(value[10_000, 1])


@pytest.mark.parametrize(("factor", "finite"), [(1.0 - 1e-6, False), (1.0 + 1e-6, True)])
def test_finiteness_on_both_sides_of_spectral_radius_1(factor, finite):
    # two parallel links of length 1 in each direction: the spectral radius is 2 exp(-b)
    network = routes.RoadNetwork([0, 0, 1, 1], [1, 1, 0, 0], {"length": np.ones(4)})
    features = routes.LinkFeatures(network, {"length": routes.link_attribute(network, "length")})
    found = routes.RecursiveLogit(features, [-np.log(2.0) * factor])
    radius = found.spectral_radius()
    assert radius.lower <= np.log(2.0) * (1.0 - factor) + 1e-15
    assert radius.upper >= np.log(2.0) * (1.0 - factor) - 1e-15
    if finite:
        assert np.isfinite(found.values([0])).all()
    else:
        with pytest.raises(
            rm.UnboundedError, match="spectral radius of M = exp.* between 1.0000006"
        ):
            found.values([0])


def test_probabilities_sum_to_one():
    rows = make_model(make_grid(5, np.random.default_rng(2))).probabilities(7).sum(axis=1)
    np.testing.assert_allclose(rows, 1.0, rtol=1e-10)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ([0, 5], [1, 1], None, {"node_names": ["a", "b"]}),
            "link 1 starts at a node that does not exist",
        ),
        (([0, 1], [1, 0], {"length": [1.0, -2.0]}, {}), "link 1 has a negative length"),
        (([0, 1], [1, 0], None, {"link_names": ["x", "x"]}), "link 'x' is there twice"),
    ],
)
def test_bad_networks_are_refused(arguments, message):
    start, end, attributes, names = arguments
    with pytest.raises(rm.ModelError, match=message):
        routes.RoadNetwork(start, end, attributes, **names)


@pytest.mark.parametrize(
    ("trips", "message"),
    [
        ([[0], [0, 2]], "trip 1, step 2"),
        ([[0], []], "trip 1 is empty"),
        ([[7]], "there is no link number 7"),
    ],
)
def test_bad_trips_are_refused(trips, message):
    with pytest.raises(rm.RegmdpError, match=message):
        routes.Trips.from_sequences(routes.RoadNetwork([0, 1, 0], [1, 2, 2]), trips)


def test_a_destination_out_of_reach_is_refused():
    with pytest.raises(
        rm.ModelError,
        match=(
            "entry 0 of the demand, from node 2 to node 0, has a destination that cannot be reached"
        ),
    ):
        routes.Demand(routes.RoadNetwork([0, 1], [1, 2]), [2], [0], [1.0])
