"""Networks in which only listed links may follow a link."""

import numpy as np
import pytest

import regmdp as rm
from regmdp.applications import routes

SIDE = 4


def make_network(*, share=0.8):
    """A square of two-way streets without U-turns, and without some other turns."""
    rng = np.random.default_rng(0)
    node = np.arange(SIDE * SIDE).reshape(SIDE, SIDE)
    across = np.column_stack((node[:, :-1].ravel(), node[:, 1:].ravel()))
    down = np.column_stack((node[:-1].ravel(), node[1:].ravel()))
    two = np.concatenate((across, down))
    start, end = np.concatenate((two, two[:, ::-1])).T
    length = {"length": rng.uniform(0.5, 1.5, start.size)}
    free = routes.RoadNetwork(start, end, length)
    n = free.n_link_pairs
    before, after = free.pair_state[:n], free.pair_link[:n]
    may = (start[before] != end[after]) & (rng.random(n) < share)
    turns = np.column_stack((before[may], after[may]))
    return routes.RoadNetwork(start, end, length, turns=rng.permutation(turns)), turns


def make_model(network):
    columns = {"length": routes.link_attribute(network, "length")}
    return routes.RecursiveLogit(routes.LinkFeatures(network, columns), [-2.0], scale=0.7)


def test_values_solve_the_equation_of_the_listed_turns():
    network, turns = make_network()
    model, length = make_model(network), network.attributes["length"]
    matrix = np.zeros((network.n_links, network.n_links))
    matrix[turns[:, 0], turns[:, 1]] = np.exp(-2.0 * length[turns[:, 1]] / 0.7)
    for destination in (0, 5, 15):
        arrives = (network.end == destination).astype(float)
        z = np.linalg.solve(np.eye(network.n_links) - matrix, arrives)
        with np.errstate(divide="ignore"):
            expected = 0.7 * np.log(np.where(z > 1e-14, z, 0.0))
        found = model.values([destination])[: network.n_links, 0]
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)
        reaching = network.links_reaching(np.array([destination]))[:, 0]
        np.testing.assert_array_equal(reaching, z > 1e-14)
        from_nodes = network.can_reach(np.array([destination]))[:, 0]
        by_links = {*network.start[reaching].tolist(), destination}
        assert set(np.flatnonzero(from_nodes).tolist()) == by_links


def test_the_model_of_a_destination_has_the_same_values():
    network, _ = make_network()
    model = make_model(network)
    mdp = model.mdp(5)
    value = rm.solve(mdp, rm.Shannon(temperature=0.7)).value
    kept = np.isfinite(model.values([5])[:, 0])
    np.testing.assert_allclose(value[:-1], model.values([5])[kept, 0], atol=1e-7)


def test_with_all_turns_it_is_the_unrestricted_network():
    network, _ = make_network()
    free = routes.RoadNetwork(network.start, network.end, network.attributes)
    n = free.n_link_pairs
    every = np.column_stack((free.pair_state[:n], free.pair_link[:n]))
    same = routes.RoadNetwork(network.start, network.end, network.attributes, turns=every[::-1])
    for one, other in zip(same.pairs, free.pairs, strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(make_model(same).values([1, 7]), make_model(free).values([1, 7]))


def test_simulated_trips_take_listed_turns_and_give_the_parameters_back():
    network, turns = make_network()
    demand = routes.Demand(network, [0, 3, 12], [15, 12, 3], [300.0, 300.0, 300.0])
    trips = routes.simulate_trips(make_model(network), demand, rng=np.random.default_rng(0))
    allowed = set(map(tuple, turns.tolist()))
    inner = np.ones(trips.links.size, dtype=bool)
    inner[trips.offsets[:-1]] = False
    at = np.flatnonzero(inner)
    assert set(zip(trips.links[at - 1].tolist(), trips.links[at].tolist(), strict=True)) <= allowed
    columns = {"length": routes.link_attribute(network, "length")}
    found = routes.estimate(routes.LinkFeatures(network, columns), trips)
    assert abs(found.parameters["length"] + 2.0 / 0.7) < 0.5


def test_trips_with_a_forbidden_turn_are_refused():
    network = routes.RoadNetwork([0, 1, 1], [1, 2, 3], turns=[(0, 1)])
    assert routes.Trips.from_sequences(network, [[0, 1], [2]]).pairs.tolist() == [1, 0, 3]
    with pytest.raises(rm.SampleError, match=r"trip 1, step 2: link 2 \(1 → 3\) may not follow li"):
        routes.Trips.from_sequences(network, [[0, 1], [0, 2]])


def test_wrong_turns_are_refused():
    for turns, message in (
        ([(0, 3)], r"turns\[0\] is of the links \[0, 3\]; there are 3"),
        ([(0, 1), (1, 0)], r"turns\[1\] goes from link 1 \(1 → 2\) to link 0 .* at another node"),
        ([(0, -1)], "turns"),
        ([0, 1], "turns must be an array of shape"),
        ([(0.5, 1)], "turns must be an array of integers"),
    ):
        with pytest.raises(rm.ModelError, match=message):
            routes.RoadNetwork([0, 1, 1], [1, 2, 3], turns=turns)
    none = routes.RoadNetwork([0, 1], [1, 2], turns=np.empty((0, 2), dtype=int))
    assert none.can_reach(np.array([2]))[:, 0].tolist() == [False, True, True]
