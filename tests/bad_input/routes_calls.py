"""Valid calls of route choice: networks, trips, demand, estimation, files."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
from bad_input.fixtures import listen, rng

from regmdp import routes

__all__ = ["CALLS"]

START, END = np.array([0, 1, 0, 1]), np.array([1, 2, 2, 0])
LENGTH = np.array([1.0, 1.0, 3.0, 1.0])
TURNS = np.array([[0, 1], [0, 3], [3, 0], [3, 2]])
COORDINATES = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]])

#: Files of a network of two nodes and two links.
FILES = {
    "link.csv": "fid,O,D,length\na,x,y,1\nb,y,x,2\n",
    "node.csv": "fid,x,y\nx,0,0\ny,1,1\n",
    "od.csv": "origin,destination,flow\nx,y,3\n",
    "trips.csv": "trip_id,link_id\n1,a\n",
}


@cache
def network() -> routes.RoadNetwork:
    """Return a network of three nodes and four links."""
    return routes.RoadNetwork(START, END, {"length": LENGTH}, coordinates=COORDINATES)


@cache
def features() -> routes.LinkFeatures:
    """Return one feature."""
    return routes.LinkFeatures(network(), {"length": routes.link_attribute(network(), "length")})


@cache
def trips() -> routes.Trips:
    """Return three trips."""
    return routes.Trips.from_sequences(network(), [[0, 1], [2], [0, 1]])


@cache
def demand() -> routes.Demand:
    """Return demand between two pairs of nodes."""
    return routes.Demand(network(), [0, 1], [2, 2], [3.0, 2.0])


@cache
def model() -> routes.RecursiveLogit:
    """Return a model."""
    return routes.RecursiveLogit(features(), [-1.0])


@cache
def estimates() -> routes.RouteEstimates:
    """Return estimates."""
    return routes.estimate(features(), trips())


def folder() -> Path:
    """Write a folder of files, and return it."""
    place = Path("files")
    place.mkdir(exist_ok=True)
    for name, text in FILES.items():
        (place / name).write_text(text)
    return place


def small_network() -> routes.RoadNetwork:
    """Return the network of the files."""
    return routes.read_network(folder() / "link.csv", folder() / "node.csv")


CALLS: dict[str, Callable[[], dict[str, object]]] = {
    "regmdp.routes.RoadNetwork": lambda: {
        "start": START,
        "end": END,
        "attributes": {"length": LENGTH},
        "coordinates": COORDINATES,
        "node_names": ["a", "b", "c"],
        "link_names": ["k", "l", "m", "n"],
        "turns": TURNS,
    },
    "regmdp.routes.RoadNetwork.from_names": lambda: {
        "start": ["a", "b"],
        "end": ["b", "c"],
        "attributes": {"length": np.ones(2)},
        "link_names": ["k", "l"],
        "turns": TURNS[:1],
    },
    "regmdp.routes.RoadNetwork.can_reach": lambda: {
        "self": network(),
        "destinations": np.array([1, 2]),
    },
    "regmdp.routes.RoadNetwork.links_reaching": lambda: {
        "self": network(),
        "destinations": np.array([1, 2]),
    },
    "regmdp.routes.RoadNetwork.describe": lambda: {"self": network(), "link": 1},
    "regmdp.routes.RoadNetwork.link": lambda: {"self": network(), "name": "1"},
    "regmdp.routes.RoadNetwork.node": lambda: {"self": network(), "name": "1"},
    "regmdp.routes.LinkFeatures": lambda: {
        "network": network(),
        "columns": {"length": routes.link_attribute(network(), "length")},
    },
    "regmdp.routes.link_attribute": lambda: {"network": network(), "attribute": "length"},
    "regmdp.routes.link_constants": lambda: {"network": network(), "links": np.array([0, 2])},
    **{
        f"regmdp.routes.{name}": lambda: {"network": network()}
        for name in ("constant", "left_turns", "u_turns")
    },
    "regmdp.routes.Trips": lambda: {
        "network": network(),
        "links": np.array([0, 1, 2]),
        "offsets": np.array([0, 2, 3]),
        "names": ["there", "back"],
    },
    "regmdp.routes.Trips.from_sequences": lambda: {
        "network": network(),
        "sequences": [[0, 1], [0, 1]],
        "names": ["there", "back"],
    },
    "regmdp.routes.Trips.select": lambda: {"self": trips(), "which": np.array([0, 2])},
    "regmdp.routes.Demand": lambda: {
        "network": network(),
        "origin": np.array([0, 1]),
        "destination": np.array([2, 2]),
        "flow": np.array([3.0, 2.0]),
    },
    "regmdp.routes.RecursiveLogit": lambda: {
        "features": features(),
        "parameters": np.array([-1.0]),
        "scale": 0.5,
    },
    "regmdp.routes.RecursiveLogit.mdp": lambda: {"self": model(), "destination": 2},
    "regmdp.routes.RecursiveLogit.probabilities": lambda: {"self": model(), "destination": 2},
    "regmdp.routes.RecursiveLogit.values": lambda: {
        "self": model(),
        "destinations": np.array([0, 2]),
    },
    "regmdp.routes.RecursiveLogit.solve_blocks": lambda: {
        "self": model(),
        "nodes": np.array([0, 2]),
    },
    "regmdp.routes.RecursiveLogit.origin_log_z": lambda: {
        "self": model(),
        "inner": np.zeros((4, 1)),
    },
    **{
        f"regmdp.routes.{name}": lambda: {"model": model(), "demand": demand()}
        for name in ("link_flows", "pair_flows")
    },
    **{
        f"regmdp.routes.{name}": lambda: {"model": model(), "trips": trips()}
        for name in ("log_likelihood", "log_likelihood_gradient")
    },
    "regmdp.routes.simulate_trips": lambda: {
        "model": model(),
        "demand": demand(),
        "rng": rng(),
    },
    "regmdp.routes.estimate": lambda: {
        "features": features(),
        "trips": trips(),
        "start": np.array([-1.0]),
        "scale": 0.5,
        "callback": listen,
    },
    **{
        f"regmdp.routes.RouteEstimates.{method}": lambda: {"self": estimates(), "kind": "opg"}
        for method in ("covariance", "standard_errors", "summary")
    },
    "regmdp.routes.read_folder": lambda: {"folder": folder(), "trips": "trips.csv"},
    "regmdp.routes.read_network": lambda: {
        "links": folder() / "link.csv",
        "nodes": folder() / "node.csv",
    },
    "regmdp.routes.read_trips": lambda: {
        "file": folder() / "trips.csv",
        "network": small_network(),
    },
    "regmdp.routes.read_demand": lambda: {
        "file": folder() / "od.csv",
        "network": small_network(),
    },
}
