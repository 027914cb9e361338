"""Policies as tables of named columns."""

import csv
import pickle

import numpy as np
import pytest

import regmdp as rm


def shop(**more):
    return rm.MDP.from_function(
        lambda stock, value, order: ((np.minimum(stock + order, 2), value), stock - order + 0.0),
        {"stock": range(3), "value": ["low", "high"]},
        {"order": [0, 2], "speed": ["slow", "fast"]},
        0.5,
        **more,
    )


def test_rows_are_the_positive_probabilities():
    mdp = shop()
    solution = rm.solve(mdp, rm.Tsallis(2.0, temperature=1.0))
    frame = solution.policy_frame()
    assert list(frame) == ["stock", "value", "order", "speed", "probability", "value_"]
    assert frame.n_rows == np.count_nonzero(solution.policy)
    for row in zip(*(column.tolist() for column in frame.values()), strict=True):
        state = mdp.layout.find_state(stock=row[0], value=row[1])
        action = [0, 2].index(row[2]) * 2 + ["slow", "fast"].index(row[3])
        assert row[4:] == (solution.policy[state, action], solution.value[state])
    few = solution.policy_frame(min_probability=0.4)
    assert few["probability"].min() >= 0.4
    assert few.n_rows == np.count_nonzero(solution.policy >= 0.4)


def test_models_without_dimensions_have_numbers_or_labels():
    frame = rm.solve(rm.models.chain(4)).policy_frame()
    assert list(frame) == ["state", "action", "probability", "value"]
    np.testing.assert_array_equal(frame["state"], range(4))
    frame = rm.solve(rm.models.forest()).policy_frame()
    assert frame["action"].dtype.kind == "U"


def test_ragged_policies_have_own_numbers():
    state = np.repeat(np.arange(500), 2)
    action = np.concatenate([[s, 1000 + s] for s in range(500)])
    rows = np.zeros((1000, 500))
    rows[np.arange(1000), (state * 7 + 1) % 500] = 1.0
    mdp = rm.MDP.from_pairs(state, action, rows, action / 1000.0, 0.5, n_states=500)
    assert mdp.numbering is not None
    frame = rm.solve(mdp).policy_frame()
    np.testing.assert_array_equal(frame["action"], 1000 + np.arange(500))


def test_csv_reads_back_exactly(tmp_path):
    frame = rm.solve(shop(), rm.Shannon(0.3)).policy_frame()
    frame.to_csv(tmp_path / "policy.csv")
    with open(tmp_path / "policy.csv", newline="", encoding="utf-8") as file:
        head, *rows = csv.reader(file)
    assert head == list(frame)
    for name, column in zip(head, zip(*rows, strict=True), strict=True):
        np.testing.assert_array_equal(np.array(column, dtype=frame[name].dtype), frame[name])


def test_tables_show_their_first_rows():
    table = rm.Table({"n": np.arange(12), "x": np.linspace(0, 1, 12)})
    assert repr(table).splitlines()[:2] == ["n          x", "0          0"]
    assert repr(table).endswith("… (12 rows)")
    assert "<td" in table._repr_html_()
    assert repr(pickle.loads(pickle.dumps(table))) == repr(table)
    with pytest.raises(ValueError, match="read-only"):
        table["n"][0] = 1
    assert repr(rm.Table({})) == "Table()"
