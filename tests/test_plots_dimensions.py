"""Figures over named dimensions show the value, and the mean or likeliest action."""

import numpy as np
import pytest

import regmdp as rm
from regmdp import plots


def shop():
    return rm.MDP.from_function(
        lambda stock, price, order: (
            {"stock": np.clip(stock + order - 1, 0, 4), "price": price},
            3.0 * (stock > 0) - order * price,
        ),
        {"stock": range(5), "price": [1.0, 2.0, 4.0]},
        {"order": range(3), "speed": ["slow", "fast"]},
        discount=0.9,
    )


def test_maps_show_values_and_mean_actions():
    mdp = shop()
    solution = rm.solve(mdp, rm.Shannon(0.5))
    figure = plots.plot_solution(solution)
    value, order, speed = (axes.collections[0].get_array() for axes in figure.axes[:3])
    np.testing.assert_array_equal(value, solution.value.reshape(5, 3).T)
    mean = solution.policy @ mdp.layout.action_coordinates()["order"]
    np.testing.assert_allclose(order, mean.reshape(5, 3).T)
    assert set(np.unique(speed)) <= {0.0, 1.0}
    assert [axes.get_xlabel() for axes in figure.axes[:3]] == ["stock"] * 3


def test_curves_at_a_value_of_the_other_dimension():
    solution = rm.solve(shop())
    figure = plots.plot_dimensions(solution, over=["stock"], at={"price": 4.0})
    line = figure.axes[0].lines[0]
    np.testing.assert_array_equal(line.get_xdata(), range(5))
    np.testing.assert_array_equal(line.get_ydata(), solution.value.reshape(5, 3)[:, 2])
    assert "at price=4" in figure.get_suptitle()
    assert plots.to_svg(figure).startswith("<svg")


def test_states_that_do_not_exist_are_blank():
    mdp = rm.MDP.from_reachable(
        (0, 0),
        [(0, 1), (1, 0)],
        lambda at, by: [(1.0, (min(at[0] + by[0], 3), min(at[1] + by[1], 3 - at[0])), 1.0)],
        0.9,
        state_names=["x", "y"],
    )
    solution = rm.solve(mdp)
    figure = plots.plot_solution(solution)
    shown = figure.axes[0].collections[0].get_array()
    places = mdp.layout.state_coordinates()
    assert shown.count() == mdp.n_states < shown.size
    np.testing.assert_array_equal(shown[places["y"], places["x"]], solution.value)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"over": ["stok"]}, "did you mean 'stock'"),
        ({"over": ["stock", "stock"]}, "one or two different dimensions"),
        ({"over": []}, "one or two different dimensions"),
        ({"over": ["stock"], "at": {"price": 3.0}}, "price has no value 3.0"),
        ({"at": {"stock": 1}, "over": ["stock"]}, "at must be 'price'"),
    ],
)
def test_unknown_dimensions(keywords, message):
    with pytest.raises(rm.ModelError, match=message):
        plots.plot_dimensions(rm.solve(shop()), **keywords)


def test_models_without_dimensions():
    with pytest.raises(rm.ModelError, match="give a layout of dimensions"):
        plots.plot_dimensions(rm.solve(rm.models.chain(3)))
