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


ROUNDED = """\
values: reward states: 3 actions: 1
start: 0.333 0.333 0.333
T: 0
{0} {0} {0}
0 1 0
0 0 1
R: 0 : 0 : * : * + 1  R: 0 : 1 : 1 -0.5
"""


def test_rounded_rows_and_a_missing_discount(tmp_path):
    for digits in ("0.33", "0.333", "0.3333333"):
        path = put(tmp_path, ROUNDED.format(digits))
        with pytest.raises(rm.FormatError, match=r"line 2: .*\(or give discount= or --discount\)"):
            rm.io.read_model(path)
        with pytest.raises(rm.FormatError, match=r"line 2: the initial prob.* normalize=True"):
            rm.io.read_model(path, discount=0.5)
        path = put(tmp_path, ROUNDED.format(digits).replace("start: 0.333 0.333 0.333", ""))
        with pytest.raises(
            rm.FormatError, match=r"line 3: .* action 0 in state 0 .*normalize=True"
        ):
            rm.io.read_model(path, discount=0.5)
        mdp = rm.io.read_model(put(tmp_path, ROUNDED.format(digits)), discount=0.5, normalize=True)
        np.testing.assert_allclose(mdp.to_array()[0, 0], [1 / 3] * 3, rtol=1e-15)
        np.testing.assert_allclose(mdp.initial, [1 / 3] * 3, rtol=1e-15)
        np.testing.assert_allclose(rm.solve(mdp).value, [1.0, -1.0, 0.0], atol=1e-8)
    with pytest.raises(rm.FormatError, match="sum to 0.96, not to 1 within 0.01"):
        rm.io.read_model(put(tmp_path, ROUNDED.format("0.32")), discount=0.5, normalize=True)
    path = put(tmp_path, "discount: 0.9 " + ROUNDED.format("0.333"))
    assert rm.io.read_model(path, normalize=True).discount == 0.9
    assert rm.io.read_model(path, normalize=True, discount=0.25).discount == 0.25


def test_reset_leads_to_the_initial_distribution(tmp_path):
    text = TEXT.replace("start: new", "start: 0.25 0.75").replace("* : new 1", "* reset")
    mdp = rm.io.read_model(put(tmp_path, text))
    np.testing.assert_array_equal(mdp.to_array()[:, 1], [[0.25, 0.75]] * 2)
    with pytest.raises(rm.FormatError, match="line 9: expected start: before reset"):
        rm.io.read_model(put(tmp_path, text.replace("start: 0.25 0.75\n", "")))


def test_numbers_in_place_of_names(tmp_path):
    text = TEXT.replace("new worn", "0 1").replace("new", "0").replace("worn", "1")
    mdp = rm.io.read_model(put(tmp_path, text))
    assert mdp.state_labels is None
    np.testing.assert_array_equal(mdp.rewards, rm.io.read_model(put(tmp_path)).rewards)


def test_extensions(tmp_path):
    for name in ("x.pomdp", "x.POMDP", "x.MDP"):
        (tmp_path / name).write_text(TEXT)
        assert rm.io.read_model(tmp_path / name).n_states == 2
    (tmp_path / "x.pomdp").write_text(TEXT.replace("actions", "observations: a b\nactions"))
    with pytest.raises(rm.FormatError, match=r"line 5: .*\(POMDP\) is not supported"):
        rm.io.read_model(tmp_path / "x.pomdp")


def test_comments_of_any_encoding(tmp_path):
    path = put(tmp_path)
    path.write_bytes(TEXT.replace("a machine", "the model of Chadès").encode("latin-1"))
    assert rm.io.read_model(path).n_states == 2
    path.write_bytes(TEXT.replace("worn", "usé").encode("latin-1"))
    with pytest.raises(rm.FormatError, match="line 4: expected text in UTF-8.*0xe9"):
        rm.io.read_model(path)


def test_absorbing_states_without_rewards_are_terminal(tmp_path):
    text = "discount: 1 values: cost states: 2 actions: 2\n"
    text += "T: * : 0 uniform T: * : 1 : 1 1\nR: * : 0 1 1"
    mdp = rm.io.read_model(put(tmp_path, text))
    np.testing.assert_array_equal(mdp.terminal, [False, True])
    np.testing.assert_array_equal(mdp.initial, [0.5, 0.5])
    np.testing.assert_allclose(rm.solve(mdp).value, [-2.0, 0.0], atol=1e-8)
    assert not rm.io.read_model(put(tmp_path, text + " R: 1 : 1 : 1 1")).terminal.any()


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
