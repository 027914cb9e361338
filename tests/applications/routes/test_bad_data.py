"""Route choice: networks, trips, demand and files that are none are refused by name."""

import numpy as np
import pytest

import regmdp as rm
from regmdp import routes
from regmdp._internal import memory

LINKS = ([0, 1, 0, 1], [1, 2, 2, 0])
NETWORK = routes.RoadNetwork(*LINKS, {"length": [1.0, 1.0, 3.0, 1.0]})
FEATURES = routes.LinkFeatures(NETWORK, {"length": routes.link_attribute(NETWORK, "length")})
TRIPS = routes.Trips.from_sequences(NETWORK, [[0, 1], [2], [0, 1]])
MODEL = routes.RecursiveLogit(FEATURES, [-1.0])


def columns(**more):
    length = routes.link_attribute(NETWORK, "length")
    return routes.LinkFeatures(NETWORK, {"length": length, **more})


# ---- nodes that are names ----


def test_nodes_of_a_billion_are_refused_or_taken_as_names():
    message = (
        "the largest node is 1,000,000,000, and there are 2 links, .* use RoadNetwork.from_names, "
        "and if not, give node_names= or coordinates="
    )
    with pytest.raises(rm.ModelError, match=message):
        routes.RoadNetwork([10**9, 7], [7, 42])
    network = routes.RoadNetwork.from_names([10**9, 7], [7, 42], {"length": [1.0, 2.0]})
    assert network.node_names == ("7", "42", "1000000000")
    assert (network.start.tolist(), network.end.tolist()) == ([2, 0], [0, 1])
    assert network.node(10**9) == 2
    assert network.describe(0) == "link 0 (1000000000 → 7)"
    text = routes.RoadNetwork.from_names(["home", "shop"], ["shop", "work"], link_names=["a", "b"])
    assert (text.node_names, text.link_names) == (("home", "shop", "work"), ("a", "b"))


@pytest.mark.parametrize(
    ("start", "end", "message"),
    [
        ([0.5], [1], "start must be an array of integers, .* nodes have names: text or integers"),
        ([0, 1], [1], "start has 2 links and end has 1"),
        (["a"], [1], "the names in start and end must all be text, or all be integers"),
        ([0], None, "end"),
        (["a", None], ["b", "c"], "start.1. is None|start.0. is 'a'"),
    ],
)
def test_names_that_are_none_are_refused(start, end, message):
    with pytest.raises(rm.ModelError, match=message):
        routes.RoadNetwork.from_names(start, end)


def test_pairs_of_links_that_do_not_fit_into_memory_are_refused(monkeypatch):
    """All links begin and end at one node, so each can follow each."""
    monkeypatch.setattr(memory, "available_memory", lambda: 1e8)
    n = 3000
    with pytest.raises(rm.InsufficientMemoryError, match="9,003,000 pairs of consecutive links"):
        routes.RoadNetwork(np.zeros(n, dtype=int), np.zeros(n, dtype=int))


# ---- networks ----


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize(
    "nodes",
    [
        [0.5, 1, 0, 1],
        list("abcd"),
        [np.nan] * 4,
        [True] * 4,
        [[0], [1, 2]],
        3,
        None,
        [-1, 0, 1, 1],
        [2**63, 0, 1, 1],
        np.zeros(4, "M8[s]"),
        np.ma.array([0, 1, 0, 1], mask=[0, 1, 0, 0]),
        [1j] * 4,
        [0, 1],
    ],
    ids=str,
)
def test_nodes_that_are_none_are_refused(place, nodes):
    links = list(LINKS)
    links[place] = nodes
    with pytest.raises(rm.ModelError, match="start|end"):
        routes.RoadNetwork(*links)


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"length": [1, -1, 2, 1]}, r"link 1 has a negative length \(1 of 4 links\)"),
        ({"toll": [1, np.nan, 2, np.inf]}, r"link 1 has no finite toll \(2 of 4 links\)"),
        ({"length": [1, 2]}, r"attribute 'length' has shape \(2,\)"),
        ({"length": list("abcd")}, "attribute 'length' must be an array of numbers"),
        ({"length": [1j] * 4}, "attribute 'length' must be an array of numbers"),
        ({"length": [True] * 4}, "attribute 'length' must be an array of numbers"),
        ({"length": [[1], [1, 2]]}, "attribute 'length' is not an array of numbers"),
        ({1: [1.0] * 4}, "attributes must be arrays by name"),
        ([1.0] * 4, "attributes must be arrays by name, as in a dictionary, not list"),
    ],
)
def test_attributes_that_are_none_are_refused(attributes, message):
    with pytest.raises(rm.ModelError, match=message):
        routes.RoadNetwork(*LINKS, attributes)


@pytest.mark.parametrize("coordinates", [[[0, np.nan]] * 3, "a", [[0], [1, 2]], [[1j, 0]] * 3])
def test_coordinates_that_are_none_are_refused(coordinates):
    with pytest.raises(rm.ModelError, match="coordinates"):
        routes.RoadNetwork(*LINKS, coordinates=coordinates)


@pytest.mark.parametrize("kind", ["node", "link"])
@pytest.mark.parametrize("names", ["abcd", 3, ["a"], ["a"] * 4])
def test_names_are_lists_of_different_names(kind, names):
    with pytest.raises(rm.ModelError, match="name|twice|does not exist"):
        routes.RoadNetwork(*LINKS, **{f"{kind}_names": names})


def test_parallel_links_and_loops_are_links():
    network = routes.RoadNetwork([0, 0, 1, 1], [1, 1, 1, 2])
    assert (network.n_links, network.n_pairs) == (4, 10)


@pytest.mark.parametrize("nodes", [[9], [-1], ["a"], [0.5], None, [[0]]])
def test_destinations_that_are_no_nodes_are_refused(nodes):
    for act in (NETWORK.can_reach, MODEL.values):
        with pytest.raises(rm.ModelError, match="destinations|there is no node number"):
            act(nodes)


# ---- features ----


def test_features_that_determine_nothing_are_named():
    zero, where = np.zeros(NETWORK.n_pairs), "for every pair of consecutive links"
    with pytest.raises(rm.SampleError, match=f"the feature 'toll' is 0 {where}, so no data"):
        routes.estimate(columns(toll=zero), TRIPS)
    with pytest.raises(
        rm.SampleError, match=f"'length' and 'metres' are linearly dependent {where}"
    ):
        routes.estimate(columns(metres=1e3 * routes.link_attribute(NETWORK, "length")), TRIPS)


@pytest.mark.parametrize(
    "values", ["a", np.ones(3), np.full(NETWORK.n_pairs, np.nan), np.ones(NETWORK.n_pairs) * 1j,
               np.ones(NETWORK.n_pairs, dtype=bool), None, [[1], [1, 2]]],
    ids=["text", "shape", "nan", "complex", "boolean", "none", "ragged"],
)  # fmt: skip
def test_features_that_are_no_numbers_are_refused(values):
    with pytest.raises(rm.ModelError, match="feature 'toll'"):
        columns(toll=values)


def test_features_are_columns_by_name_of_a_network():
    for given in ([1.0], "a", {3: np.ones(NETWORK.n_pairs)}):
        with pytest.raises(rm.ModelError, match="the features must be columns by name"):
            routes.LinkFeatures(NETWORK, given)
    for act in (routes.link_attribute, routes.link_constants, routes.LinkFeatures):
        with pytest.raises(rm.ModelError, match="network must be of class RoadNetwork"):
            act(None, {"length": [1.0]})
    for links in ([9], [-1], ["a"], [0.5], [True], [[0]], None):
        with pytest.raises(rm.ModelError, match="link"):
            routes.link_constants(NETWORK, links)


# ---- trips and demand ----


@pytest.mark.parametrize(
    ("sequences", "message"),
    [
        ([], "there is no trip"),
        ([[0], []], r"trip 1"),
        ([[0], [0.5]], "trip 1 must be an array of integers"),
        ([[True]], "trip 0 must be an array of integers"),
        ([["a"]], "trip 0 must be an array of integers"),
        ([[None]], r"trip 0\[0\] is None"),
        ([[[0]]], "trip 0 must be an array with "),
        ([[9]], "trip 0, step 1: there is no link number 9"),
        ([[10**12]], "there is no link number 1000000000000"),
        ([[0, 2]], "trip 0, step 2: link 0 .* ends at node 1, but link 2"),
        (None, "the trips must be a list of lists of link numbers, not NoneType"),
        ("ab", "the trips must be a list of lists of link numbers, not str"),
    ],
)
def test_trips_that_are_none_are_refused(sequences, message):
    with pytest.raises(rm.SampleError, match=message):
        routes.Trips.from_sequences(NETWORK, sequences)


def test_arrays_of_trips_are_checked():
    for links, offsets in (([0.5, 1], [0, 2]), ([0, 1], [0, 1.5]), ([0, 1], [[0, 2]]), ([0], [])):
        with pytest.raises(rm.SampleError, match="links|offsets|trip"):
            routes.Trips(NETWORK, np.array(links), np.array(offsets))
    for names in (3, "ab", ["a"]):
        with pytest.raises(rm.SampleError, match="name"):
            routes.Trips.from_sequences(NETWORK, [[0], [2]], names)
    for which in ([9], [-1], ["a"], [0.5], None):
        with pytest.raises(rm.SampleError, match="which|there is no trip number"):
            TRIPS.select(which)


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize(
    "values", [[-1], "a", None, [np.nan], [True], [], [0, 1], [1j], [[0]], [[0], [1, 2]]], ids=str
)
def test_demands_that_are_none_are_refused(place, values):
    arguments = [[0], [2], [1.0]]
    arguments[place] = values
    with pytest.raises(rm.ModelError, match="demand|origin|destination|flow"):
        routes.Demand(NETWORK, *arguments)


def test_destinations_out_of_reach_are_refused():
    one_way = routes.RoadNetwork([0, 1], [1, 2])
    with pytest.raises(rm.ModelError, match="entry 1 .* from node 2 to node 0, has a destination"):
        routes.Demand(one_way, [0, 2], [2, 0], [1.0, 1.0])


# ---- estimation and simulation ----


@pytest.mark.parametrize("values", [[np.nan], ["a"], [1.0, 2.0], None, [1j], [np.inf], [-1e308]])
def test_parameters_that_are_none_are_refused(values):
    with pytest.raises(rm.ModelError, match="parameters"):
        routes.RecursiveLogit(FEATURES, values)
    if values is not None:
        with pytest.raises(rm.ModelError, match="parameters|start"):
            routes.estimate(FEATURES, TRIPS, start=values)


def test_objects_of_another_kind_are_named():
    demand, rng = TRIPS.demand(), np.random.default_rng(0)
    for act, name in (
        (lambda: routes.estimate(None, TRIPS), "features must be of class LinkFeatures"),
        (lambda: routes.estimate(FEATURES, None), "trips must be of class Trips"),
        (lambda: routes.RecursiveLogit(None, [1.0]), "features must be of class LinkFeat"),
        (lambda: routes.link_flows(MODEL, None), "demand must be of class Demand"),
        (lambda: routes.log_likelihood(None, TRIPS), "model must be of class RecursiveLo"),
        (lambda: routes.simulate_trips(MODEL, None, rng=rng), "demand must be of class De"),
        (lambda: routes.simulate_trips(None, demand, rng=rng), "model must be of class"),
        (lambda: routes.simulate_trips(MODEL, demand, rng=3), "rng must be a numpy.random.Gener"),
        (lambda: routes.estimate(FEATURES, TRIPS, scale=np.nan), "scale must be a finite number"),
    ):
        with pytest.raises(rm.ModelError, match=name):
            act()


@pytest.mark.parametrize(
    ("flow", "message"),
    [
        (0.5, "entry 0 of the demand has 0.5 travellers"),
        (1e12, "routes of 1,000,000,000,000 travellers need .*; simulate a part of them"),
        (1e120, "travellers need infinitely|travellers need .* of memory"),
    ],
)
def test_travellers_that_cannot_be_drawn_are_refused(flow, message):
    demand = routes.Demand(NETWORK, [0], [2], [flow])
    with pytest.raises(rm.RegmdpError, match=message):
        routes.simulate_trips(MODEL, demand, rng=np.random.default_rng(0))


# ---- files ----

FILES = {
    "link": "fid,O,D,length\n0,a,b,1\n1,b,c,2\n",
    "node": "fid,x,y\na,0,0\nb,1,0\nc,2,0\n",
    "od": "origin,destination,flow\na,c,5\n",
    "data_G0": "trip_id,link_id\nt,0\nt,1\n",
}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("node", b"\xff\xfe\x00", "node.csv: this is no CSV file in UTF-8"),
        ("node", "fid,x,y\na," + "1" * 200_000 + ",0\n", "node.csv: this is no CSV file in UTF-8"),
        ("node", 'fid,x,y\n"a"b,0,0\n', "node.csv: this is no CSV file in UTF-8"),
        ("link", "fid,O,D,length,length\n0,a,b,1,2\n", "link.csv, row 1: the column 'length' is t"),
        ("link", "fid,O,D,length\n0,a,b,nan\n", "row 2: length is 'nan', which is not a finite"),
        ("link", "fid,O,D,length\n0,a,b,-1\n", "row 2: link 0 has the negative length -1"),
        ("link", "fid,O,D,length\n0,a,z,1\n", "row 2: node 'z' does not exist"),
        ("od", "origin,destination,flow\nc,a,5\n", "od.csv, row 2: .*cannot be reached"),
        ("od", "origin,destination,flow\na,c,-5\n", "od.csv, row 2: .*negative"),
    ],
)
def test_files_that_are_none_are_refused(tmp_path, name, text, message):
    for file, content in {**FILES, name: text}.items():
        data = content if isinstance(content, bytes) else content.encode()
        (tmp_path / f"{file}.csv").write_bytes(data)
    with pytest.raises(rm.FormatError, match=message):
        routes.read_folder(tmp_path)
