"""Cassandra's files."""

import numpy as np
import pytest

import regmdp as rm

TEXT = """\
# a machine
discount: 0.9
values: cost
states: new worn
actions: run mend
start: new
T: run : new
0.5 0.5
T: run : worn : worn 1.0
T: mend : * : new 1
R: run : worn : * : * 4
R: mend : * : * 2.5  # always
R: run : new : worn 1
"""


def put(folder, text=TEXT):
    path = folder / "machine.mdp"
    path.write_text(text)
    return path


def test_costs_become_rewards(tmp_path):
    mdp = rm.io.read_model(put(tmp_path))
    np.testing.assert_array_equal(mdp.rewards, [[-0.5, -2.5], [-4.0, -2.5]])
    np.testing.assert_array_equal(mdp.to_array(), [[[0.5, 0.5], [1, 0]], [[0, 1], [1, 0]]])
    np.testing.assert_array_equal(mdp.initial, [1, 0])
    assert (mdp.state_labels, mdp.action_labels) == (("new", "worn"), ("run", "mend"))


def test_matrices_and_keywords(tmp_path):
    text = "discount: 0.5 values: reward states: 2 actions: 3 start: 0.25 0.75\n"
    text += (
        "T: 0 identity T: 1 uniform T: 2\n0 1\n1 0\nT: 1 : 0 : 0 1.0 T: 1 : 0 : 1 0.0 R: 2 1 2 3 4 "
        "R: 0 : 1 5 6"
    )
    mdp = rm.io.read_model(put(tmp_path, text))
    np.testing.assert_array_equal(mdp.to_array()[0], [[1, 0], [1, 0], [0, 1]])
    np.testing.assert_array_equal(mdp.to_array()[1], [[0, 1], [0.5, 0.5], [1, 0]])
    np.testing.assert_array_equal(mdp.rewards, [[0, 0, 2], [6, 0, 3]])
    np.testing.assert_array_equal(mdp.initial, [0.25, 0.75])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("discount: 0.9", "discount: 9", "line 2: expected a discount from 0 to 1"),
        ("values: cost", "values: money", "line 3: expected reward or cost"),
        (
            "start: new",
            "start: old",
            "line 6: expected a probability, a finite number, and found 'old'",
        ),
        ("0.5 0.5", "0.5", "line 9: expected a probability, a finite number, and found 'T'"),
        ("0.5 0.5", "0.5 0.4", "line 7: the probabilities of action 0 in state 0 sum to 0.9"),
        (
            "run : worn : worn",
            "run : broken : worn",
            "line 9: expected a state, and found 'broken'",
        ),
        ("values: cost\n", "", "expected values: before this"),
        ("actions:", "observations: 2\nactions:", "line 5: expected a model with observed states"),
    ],
)
def test_errors_name_the_line(tmp_path, old, new, message):
    assert old in TEXT
    with pytest.raises(rm.FormatError, match=message):
        rm.io.read_model(put(tmp_path, TEXT.replace(old, new, 1)))
