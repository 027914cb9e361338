"""Named dimensions: values, coordinates, files, and what is refused."""

import json

import numpy as np
import pytest

import regmdp as rm
from regmdp.mdp.dimensions import Dimension
from regmdp.mdp.layout_reader import read_layout

LAYOUTS = {
    "product": rm.DimensionLayout(
        {"stock": range(0, 30, 10), "weather": ["dry", "wet"]}, {"order": [0.5, 1.5]}
    ),
    "part": rm.DimensionLayout(
        {"x": [3, 1, 2], "y": np.linspace(0, 1, 4)}, None, [[2, 3], [0, 0], [1, 1]]
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_coordinates_lead_back_to_the_state(layout):
    coordinates = layout.state_coordinates()
    for state in range(layout.n_states):
        one = {name: values[state] for name, values in coordinates.items()}
        assert layout.find_state(**one) == state
        for name, value in one.items():
            text = f"{value:.12g}" if isinstance(value, float) else str(value)
            assert f"{name}={text}" in layout.describe_state(state)


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_layouts_from_files_are_equal(layout):
    again = read_layout(json.loads(json.dumps(layout.to_dict())))
    assert again == layout
    assert hash(again) == hash(layout)
    assert layout != LAYOUTS["part" if layout is LAYOUTS["product"] else "product"]


def test_large_products_take_no_memory():
    layout = rm.DimensionLayout({"a": range(10**6), "b": range(10**6)}, {"c": range(10)})
    assert layout.n_states == 10**12
    assert layout.describe_state(10**12 - 1) == "a=999999, b=999999"


@pytest.mark.parametrize(
    ("values", "given", "missing"),
    [
        (range(5), [0, 4, 5, -1], [0, 0, 1, 1]),
        (range(2, 12, 3), [2, 11, 3, 14, -1], [0, 0, 1, 1, 1]),
        (range(5), [0.0, 4.0 + 1e-12, 2.5, np.nan, np.inf, -1.0], [0, 0, 1, 1, 1, 1]),
        ([4, 1, 9], [9, 1, 2, 4], [0, 0, 1, 0]),
        (np.linspace(0, 1, 11), [0.1 * 3, 0.35, 1.1, np.nan], [0, 1, 1, 1]),
        (["dry", "wet"], ["wet", "snow", ""], [0, 1, 1]),
        (range(2), [True, False], [0, 0]),
        (range(2), ["0", "1"], [1, 1]),
    ],
)
def test_values_are_found_up_to_rounding(values, given, missing):
    dimension = Dimension("d", values)
    given = np.array(given)
    found = dimension.find(given)
    mask = np.zeros(given.shape, bool) if found.missing is None else found.missing
    np.testing.assert_array_equal(mask, np.array(missing, bool))
    for value, at in zip(given[~mask], found.at[~mask], strict=True):
        assert dimension.values[at] == value or abs(dimension.values[at] - value) < 1e-10


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: rm.DimensionLayout({"x": [1, 2]}, None, [[0], [2]]), "state 1 has 2 in x"),
        (lambda: rm.DimensionLayout({"x": [1, 2]}, None, [[1], [1]]), "states 0 and 1 have the"),
        (lambda: rm.DimensionLayout({"x": [1, 2]}, None, [[1, 1]]), "positions must have shape"),
        (lambda: rm.DimensionLayout({"x": [1, "a"]}), "must all be numbers, or all names"),
        (lambda: rm.DimensionLayout({"x": [1.0, np.inf]}), "must be finite"),
        (lambda: rm.DimensionLayout({"lambda": [1]}), "must be letters, digits and underscores"),
        (lambda: rm.DimensionLayout({"x": 3}), "must be a range, a list or an array"),
        (lambda: rm.DimensionLayout(["x"]), "states must map names of dimensions"),
        (lambda: LAYOUTS["product"].find_state(stock=10), "needs a value of weather, too"),
        (lambda: LAYOUTS["product"].find_state(stok=1), "did you mean 'stock'"),
        (lambda: LAYOUTS["product"].find_state(stock=10, weather="hot"), "weather='hot' is not"),
        (lambda: LAYOUTS["part"].find_state(x=3, y=1.0), "there is no state with x=3, y=1"),
        (lambda: LAYOUTS["part"].describe_state(3), "there is no state 3; there are 3"),
        (lambda: rm.models.chain(3).with_layout(LAYOUTS["product"]), "dimensions have 6 states"),
        (lambda: read_layout({"kind": "dimensions", "states": [], "actions": [],
                              "positions": None}), "states is empty"),
        (lambda: read_layout({"kind": "dimensions", "states": [{"name": "x", "range": [0, 1]}],
                              "actions": [], "positions": None}), "must be three integers"),
    ],
)  # fmt: skip
def test_what_is_refused(call, message):
    with pytest.raises(rm.ModelError, match=message):
        call()
