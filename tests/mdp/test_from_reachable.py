"""Models of the states that are reached from the first ones."""

from typing import NamedTuple

import numpy as np
import pytest

import regmdp as rm
from regmdp.testing import check_mdp


class Shop(NamedTuple):
    stock: int
    weather: str


def actions(shop):
    return range(4 - shop.stock)


def day(shop, order):
    stock = shop.stock + order
    for weather, chance in (("dry", 0.7), ("wet", 0.3)):
        for demand, p in ((0, 0.5), (2, 0.5)):
            sold = min(stock, demand + (shop.weather == "wet"))
            yield chance * p, Shop(stock - sold, weather), 3.0 * sold - order


def test_model_is_that_of_a_function():
    found = rm.MDP.from_reachable(Shop(3, "dry"), actions, day, 0.9)
    check_mdp(found)

    def step(stock, weather, order, tomorrow, demand):
        sold = np.minimum(stock + order, demand + (weather == "wet"))
        return (stock + order - sold, tomorrow), 3.0 * sold - order, None, stock + order <= 3

    grid = rm.MDP.from_function(
        step,
        {"stock": range(4), "weather": ["dry", "wet"]},
        {"order": range(4)},
        0.9,
        outcomes={"tomorrow": {"dry": 0.7, "wet": 0.3}, "demand": {0: 0.5, 2: 0.5}},
    )
    where = [
        grid.layout.find_state(stock=stock, weather=weather)
        for stock, weather in zip(*found.layout.state_coordinates().values(), strict=True)
    ]
    assert found.n_states == grid.n_states
    np.testing.assert_array_equal(found.available, grid.available[where])
    np.testing.assert_allclose(found.rewards, grid.rewards[where], atol=1e-15)
    np.testing.assert_allclose(found.to_array(), grid.to_array()[where][..., where], atol=1e-15)
    assert found.describe(0, 0) == "state (stock=3, weather=dry), action (action=0)"
    assert found.initial[0] == 1.0


def test_any_objects_labels_and_ends():
    def move(place, step):
        if place == ("goal",):
            return []
        if place == "edge":
            return [(1.0, None, -1.0)]
        return [(0.5, ("goal",), 2.0), (0.25, "edge", 0.0), (0.25, place, 0.0, True)]

    mdp = rm.MDP.from_reachable(
        {frozenset({1}): 0.5, "edge": 0.5},
        lambda place: [] if place == ("goal",) else [frozenset()],
        move,
        1.0,
        labels={"end": lambda place: place == ("goal",)},
    )
    assert mdp.state_labels == ("frozenset({1})", "edge", "('goal',)")
    np.testing.assert_array_equal(mdp.labels["end"], [False, False, True])
    np.testing.assert_array_equal(mdp.termination[:, 0], [0.25, 1.0, 0.0])
    np.testing.assert_allclose(rm.solve(mdp).value, [0.75, -1.0, 0.0], atol=1e-9)


def test_states_are_numbered_breadth_first():
    mdp = rm.MDP.from_reachable(
        0, [1, 2], lambda n, by: [(1.0, min(n + by, 9), 1.0)], 0.5, state_names=["n"]
    )
    np.testing.assert_array_equal(mdp.layout.state_coordinates()["n"], range(10))
    assert rm.MDP.from_reachable(
        9, [2, 5], lambda n, by: [(1.0, (n + by) % 10, 1.0)], 0.5
    ).state_labels == tuple("9143658702")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"successors": lambda n, a: [(1.0, n + 1, 0.0)]}, "more than 50 states .* last one is 50"),
        ({"successors": lambda n, a: [(1.0, [n], 0.0)]}, r"state 0, action 1 is \[0\], which is"),
        ({"successors": lambda n, a: n}, "of state 0, action 1 must be a list of"),
        ({"successors": lambda n, a: [(1.0, n)]}, r"must be a list of .* not of \(1.0, 0\)"),
        ({"successors": lambda n, a: [(2.0, n, 0.0)]}, r"\(2.0, 0, 0.0\) must be"),
        ({"successors": lambda n, a: [(0.5, n, 0.0)]}, r"row of state \(n=0\), action .* to 0.5"),
        ({"successors": lambda n, a: [(1.0, n, np.inf)]}, r"rewards: state \(n=0\)"),
        ({"successors": 3}, "successors must be a function"),
        ({"actions": "ab"}, "actions must be a list, or a function"),
        ({"actions": [1, 1]}, "actions have one twice"),
        ({"actions": [[1]]}, "actions must be hashable"),
        ({"actions": lambda n: []}, "no action is available"),
        ({"actions": lambda n: None}, "the actions of state 0 must be a list, not None"),
        ({"initial": None}, "initial must be a state"),
        ({"initial": {0: 0.5, 1: 0.2}}, "initial sums to 0.7"),
        ({"initial": {}}, "initial is empty"),
        ({"state_names": ["n", "m"]}, "state_names has 2 names, but the state .* has 1 parts"),
        ({"state_names": "n"}, "state_names must be a list of names"),
        ({"labels": {"zero": 0}}, "labels must map names to functions"),
        ({"max_states": 0}, "max_states must be an integer, 1 or more"),
        ({"discount": 2.0}, "discount"),
    ],
)
def test_careless_models(change, message):
    keywords = {
        "initial": 0,
        "actions": [1, 2],
        "successors": lambda n, by: [(1.0, (n + by) % 10, 0.0)],
        "discount": 0.9,
        "state_names": ["n"],
        "max_states": 50,
        **change,
    }
    with pytest.raises(rm.ModelError, match=message):
        rm.MDP.from_reachable(**keywords)
