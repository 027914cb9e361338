"""PRISM's explicit files, as PRISM writes them."""

import numpy as np
import pytest

import regmdp as rm
from regmdp.io import formats

# a robot on a small map: two choices in some states, named actions, absorbing states
ROBOT = """\
# Transitions (MDP)
5 7 10
0 0 1 0.1 south
0 0 3 0.8 south
0 0 4 0.1 south
0 1 0 0.4 east
0 1 1 0.6 east
1 0 2 0.5 south
1 0 4 0.5 south
2 0 2 1
3 0 3 1
4 0 3 1 west
"""
FILES = {
    ".tra": ROBOT.replace("5 7 10", "5 6 10"),
    ".lab": '# Labels\n0="init" 1="deadlock" 2="goal"\n0: 0\n2: 1 2\n3: 2\n',
    ".srew": '# Reward structure "steps"\n# State rewards\n5 3\n0 1\n1 1\n4 2.5\n',
    ".trew": (
        '# Reward structure "steps"\n# Transition rewards\n5 6 3\n0 0 1 4\n1 0 2 -1\n1 0 4 -1\n'
    ),
    ".sta": "(x,y)\n0:(0,0)\n1:(0,1)\n2:(0,2)\n3:(1,0)\n4:(1,1)\n",
}


def put(folder, **changes):
    """Write the files, some of them changed, or left out if None; return the path of the first."""
    for suffix, text in (FILES | {f".{name}": text for name, text in changes.items()}).items():
        if text is not None:
            (folder / f"robot{suffix}").write_text(text)
    return folder / "robot.tra"


def test_what_prism_writes(tmp_path):
    mdp = rm.io.read_model(put(tmp_path), discount=0.5)
    assert mdp.action_labels == ("south", "east", "west")
    assert mdp.state_labels == ("(0,0)", "(0,1)", "(0,2)", "(1,0)", "(1,1)")
    np.testing.assert_array_equal(mdp.terminal, [False, False, True, True, False])
    np.testing.assert_array_equal(
        mdp.available[[0, 1, 4]], [[True, True, False], [True, False, False], [False, False, True]]
    )
    np.testing.assert_allclose(mdp.rewards[[0, 1, 4]], [[1.4, 1, 0], [0, 0, 0], [0, 0, 2.5]])
    np.testing.assert_array_equal(mdp.to_array()[0, 0], [0, 0.1, 0, 0.8, 0.1])
    np.testing.assert_array_equal(mdp.initial, [1, 0, 0, 0, 0])


def test_labels_and_goals(tmp_path):
    path = put(tmp_path)
    mdp = rm.io.read_model(path)
    assert {name: states.nonzero()[0].tolist() for name, states in mdp.labels.items()} == {
        "init": [0],
        "deadlock": [2],
        "goal": [2, 3],
    }
    # Pmax=? [F 3], named by its variables: south reaches it by .8 + .1 + .1 .5, east by .5
    reach = rm.io.read_model(path, goal="(1,0)", objective="reach")
    np.testing.assert_allclose(rm.solve(reach).value, [0.95, 0.5, 0, 1, 1], atol=1e-9)
    least = rm.io.read_model(path, goal=3, objective="reach", minimize=True)
    np.testing.assert_allclose(rm.solve(least).objective_value[0], 0.5, atol=1e-9)
    until = rm.io.read_model(path, goal=3, avoid=[1, 4], objective="reach")
    np.testing.assert_allclose(rm.solve(until).initial_value, 0.8, atol=1e-9)
    # south costs 1.4, and then perhaps 2.5; east costs 1/.6, and then 2.5 by half
    cost = rm.solve(rm.io.read_model(path, goal="goal", minimize=True))
    np.testing.assert_allclose(cost.objective_value, [1.775, 1.25, 0, 0, 2.5], atol=1e-9)
    assert rm.solve(rm.io.read_model(path, goal=3, minimize=True)).initial_value == -np.inf
    with pytest.raises(rm.ModelError, match="no label 'gaol'; did you mean 'goal'"):
        rm.io.read_model(path, goal="gaol")
    with pytest.raises(rm.ModelError, match="avoid= needs a goal="):
        rm.io.read_model(path, avoid="goal")


def test_without_a_discount_it_is_1(tmp_path):
    reading = formats.read_with_notes(put(tmp_path))
    assert reading.mdp.discount == 1.0
    assert reading.notes == ("the file has no discount; it is 1",)
    # south: 1.4 and then 0, or 0.1 of 2.5; east pays 1 a time until it leaves
    value = rm.solve(reading.mdp).value
    np.testing.assert_allclose(value[[4, 1, 0]], [2.5, 1.25, 2.9166666667], atol=1e-8)


def test_only_the_transitions(tmp_path):
    path = put(tmp_path, lab=None, srew=None, trew=None, sta=None)
    reading = formats.read_with_notes(path, discount=0.9)
    assert "the rewards are 0" in reading.notes[0]
    assert not reading.mdp.rewards.any()
    assert reading.mdp.initial[0] == 1.0


def test_states_without_choices_are_terminal(tmp_path):
    text = FILES[".tra"].replace("5 6 10", "5 4 8").replace("2 0 2 1\n3 0 3 1\n", "")
    mdp = rm.io.read_model(put(tmp_path, tra=text, trew=None))
    np.testing.assert_array_equal(mdp.terminal, [False, False, True, True, False])


def test_ambiguous_names_are_replaced_by_numbers(tmp_path):
    for text in (FILES[".tra"].replace("east", "south"), FILES[".tra"].replace(" east", "")):
        mdp = rm.io.read_model(put(tmp_path, tra=text))
        assert mdp.action_labels is None
        assert mdp.n_actions == 2


def test_lines_in_any_order(tmp_path):
    first, *rest = ROBOT.replace("5 7 10", "5 6 10").split("\n")[1:-1]
    mdp = rm.io.read_model(put(tmp_path))
    back = rm.io.read_model(put(tmp_path, tra="\n".join([first, *reversed(rest)])))
    # actions are numbered as they appear in the states' order, not the lines'
    assert back.digest == mdp.digest


def test_fractions_and_few_digits(tmp_path):
    thirds = "3 1 3\n0 0 0 {0}\n0 0 1 {0}\n0 0 2 {0}\n"
    path = put(tmp_path, tra=thirds.format("1/3"), lab=None, srew=None, trew=None, sta=None)
    np.testing.assert_array_equal(
        rm.io.read_model(path, discount=0.5).to_array()[0, 0], [1 / 3] * 3
    )
    path.write_text(thirds.format("0.33333"))
    with pytest.raises(
        rm.FormatError,
        match=r"line 2: the probabilities of state 0, choice 0, sum to 0.99999.*normalize=True",
    ):
        rm.io.read_model(path)
    np.testing.assert_allclose(
        rm.io.read_model(path, normalize=True).to_array()[0, 0], [1 / 3] * 3, rtol=1e-15
    )
    path.write_text(thirds.format("0.3"))
    with pytest.raises(rm.FormatError, match="line 2: .* sum to 0.9"):
        rm.io.read_model(path, normalize=True)


def test_several_reward_structures(tmp_path):
    path = put(tmp_path, srew=None, trew=None)
    for number, name, reward in ((1, "energy", 2), (2, "time", 1)):
        (tmp_path / f"robot{number}.srew").write_text(
            f'# Reward structure "{name}"\n# State rewards\n5 1\n0 {reward}\n'
        )
    with pytest.raises(
        rm.FormatError, match="several reward structures; choose one with rewards=: energy, time"
    ):
        rm.io.read_model(path)
    assert rm.io.read_model(path, rewards="energy").rewards[0, 0] == 2
    assert rm.io.read_model(path, rewards="time").rewards[0, 0] == 1
    with pytest.raises(rm.FormatError, match="no reward structure 'money'; it has: energy, time"):
        rm.io.read_model(path, rewards="money")


@pytest.mark.parametrize(
    "header",
    [
        '# Reward structure "{}"\n# State rewards\n',
        '# Reward structure: "{}"\n# State rewards\n',
        '# State rewards\n# Reward structure:  "{}"\n',
    ],
)
def test_names_of_structures_in_headers_of_any_version(tmp_path, header):
    path = put(tmp_path, srew=None, trew=None)
    for number, name in ((1, "energy"), (2, "time")):
        (tmp_path / f"robot{number}.srew").write_text(
            f"{header.format(name)}5 1\n0 {number}\n", newline="\r\n"
        )
    assert rm.io.read_model(path, rewards="time").rewards[0, 0] == 2
    assert rm.io.read_model(path, rewards="energy").rewards[0, 0] == 1


def test_structures_without_a_name_have_that_of_their_file(tmp_path):
    path = put(tmp_path, srew=None, trew=None)
    for number in (1, 2):
        text = f"# Reward structure\n# State rewards\n5 1\n0 {number}\n"
        (tmp_path / f"robot{number}.srew").write_text(text)
    with pytest.raises(rm.FormatError, match="rewards=: robot1, robot2"):
        rm.io.read_model(path)
    assert rm.io.read_model(path, rewards="robot2").rewards[0, 0] == 2


CHAIN = {
    ".tra": "3 4\n0 0 0.5 a\n0 1 0.5 b\n1 2 1\n2 2 1\n",
    ".lab": '0="init" 1="deadlock"\n0: 0\n2: 1\n',
    ".srew": "3 1\n1 2\n",
    ".trew": '# Reward structure "r"\n3 2\n0 0 1\n0 1 2\n',
    ".sta": None,
}


def put_chain(folder, **changes):
    return put(folder, **({suffix[1:]: text for suffix, text in CHAIN.items()} | changes))


@pytest.mark.parametrize("comment", ["", "# Transitions\n", "# Transitions (DTMC)\n"])
def test_markov_chains_have_one_action(tmp_path, comment):
    mdp = rm.io.read_model(put_chain(tmp_path, tra=comment + CHAIN[".tra"]))
    assert (mdp.n_actions, mdp.action_labels) == (1, None)
    np.testing.assert_array_equal(mdp.terminal, [False, False, True])
    np.testing.assert_allclose(rm.solve(mdp).value, [5, 2, 0], atol=1e-8)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# Transitions (CTMC)\n3 4\n0 1 0.5\n", r"line 1: .*'CTMC' \(.*continuous"),
        ("# Transitions (POMDP)\n3 4 4 1\n", r"line 1: .*'POMDP' \(.*hidden"),
        ("3 3 4 2\n0 0 1 1 0\n", r"line 1: .*'POMDP' \(.*hidden"),
        ("3 3 3\n0 0 1\n1 0 2\n2 0 2\n", r"line 2: .*'LTS' \(.*without probabilities"),
        ("3 3\n0 1 5\n1 2 1\n2 2 1\n", "line 2: .*sum to 5, .*if they are rates.*CTMC"),
        ("3 3\n0 1 1\n1 2 0.2\n2 2 1\n", "line 3: .*sum to 0.2, .*CTMC"),
        ("3 3\n0 1 1\n1 2 -0.2\n2 2 1\n", "line 3: expected a probability from 0 to 1"),
        ("3 3\n0 1 1 a b\n1 2 1\n2 2 1\n", "line 2: expected a state, a successor, a prob"),
        ("3 3 3\n0 0 1 [0.2,0.3]\n1 0 2 1\n2 0 2 1\n", "line 2: .*models with intervals"),
        ("# Transitions (MDP)\n3 4\n", r"line 2: .*first line of a Markov chain"),
        ("999999999 3\n0 1 1\n1 2 1\n2 2 1\n", "line 1: .*announces 999999999 states"),
    ],
)
def test_other_kinds_of_models_are_refused_by_name(tmp_path, text, message):
    with pytest.raises(rm.FormatError, match=message):
        rm.io.read_model(put_chain(tmp_path, tra=text))


@pytest.mark.parametrize(
    ("suffix", "old", "new", "message"),
    [
        (".trew", "3 2", "3 3 2", r"robot.trew, line 2: expected the numbers of states, trans"),
        (".trew", "0 1 2", "1 1 2", r"line 4: the .tra file has no such transition"),
        (".trew", "3 2", "4 2", r"line 2: expected \[3\] states"),
        (".srew", "3 1", "3 2", r"robot.srew, line 2: the file ends here"),
    ],
)
def test_errors_in_rewards_of_chains_name_the_line(tmp_path, suffix, old, new, message):
    text = CHAIN[suffix].replace(old, new, 1)
    with pytest.raises(rm.FormatError, match=message):
        rm.io.read_model(put_chain(tmp_path, **{suffix[1:]: text}))


@pytest.mark.parametrize(
    ("suffix", "old", "new", "message"),
    [
        (
            ".tra",
            "5 6 10",
            "5 10",
            (
                r"robot.tra, line 2: expected the numbers of states, choices, transitions.*Markov "
                r"chain"
            ),
        ),
        (".tra", "5 6 10", "5 6 10 3", r"line 2: .*hidden states"),
        (
            ".tra",
            "5 6 10",
            "5 6 11",
            r"line 12: the file ends here; .* announces 11 lines of .*, but there are 10",
        ),
        (
            ".tra",
            "5 6 10",
            "5 6 9",
            r"line 12: the first line announces 9 lines of .*, but there are 10",
        ),
        (
            ".tra",
            "5 6 10",
            "5 7 10",
            r"line 2: the first line announces 7 choices, but there are 6",
        ),
        (".tra", "5 6 10", "4 6 10", r"line 12: expected a state from 0 to 3, and found 4"),
        (".tra", "5 6 10", "500 6 10", r"line 2: the first line announces 500 states"),
        (
            ".tra",
            "0.8 south",
            "0.8 north",
            r"line 4: expected the name 'south', as before in this choice, and found 'north'",
        ),
        (".tra", "0 0 3 0.8", "0 0 1 0.8", r"line 4: this transition is repeated"),
        (
            ".tra",
            "0 0 3 0.8",
            "0 0 3 eight",
            r"line 4: expected a probability, a finite number, and found 'eight'",
        ),
        (
            ".tra",
            "0 0 3 0.8",
            "0 0 3 8",
            r"line 4: expected a probability from 0 to 1, and found 8",
        ),
        (
            ".tra",
            "0 0 3 0.8 south",
            "0 0 3",
            r"line 4: expected a state, a choice, .* and found 3 words",
        ),
        (
            ".tra",
            "0 0 3 0.8",
            "0 0 3 0.7",
            r"line 3: the probabilities of state 0, choice 0, sum to 0.9",
        ),
        (
            ".tra",
            "4 0 3",
            "4 1 3",
            r"line 12: the choices of a state are .*, but one of state 4 is missing",
        ),
        (".lab", '0="init" ', "", r"robot.lab, line 3: the first line does not declare label 0"),
        (".lab", "0: 0\n", "", r"line 4: the file ends here; no state has the label 'init'"),
        (".lab", "2: 1 2", "9: 1 2", r"line 4: expected a state from 0 to 4, and found 9"),
        (".lab", "3: 2", "2: 2", r"line 5: state 2 is repeated"),
        (".lab", '"deadlock"', '"init"', r"line 2: a label is repeated"),
        (
            ".srew",
            "5 3",
            "5 4",
            r"robot.srew, line 6: the file ends here; the first line announces 4 lines",
        ),
        (".srew", "5 3", "6 3", r"line 3: expected \[5\] states"),
        (".srew", "1 1", "0 1", r"line 5: this line is repeated"),
        (".srew", "2.5", "much", r"line 6: expected a reward, a finite number, and found 'much'"),
        (".trew", "5 6 3", "5 7 3", r"robot.trew, line 3: expected \[5, 6\] states"),
        (".trew", "1 0 2 -1", "1 0 3 -1", r"line 5: the .tra file has no such transition"),
        (".trew", "1 0 2 -1", "1 0 4 -1", r"line 6: this line is repeated"),
        (".sta", "3:(1,0)\n", "", r"robot.sta, line 5: the file ends here; expected 5 states"),
        (".sta", "3:", "4:", r"line 5: expected state 3 and its values"),
    ],
)
def test_errors_name_the_line(tmp_path, suffix, old, new, message):
    assert old in FILES[suffix]
    path = put(tmp_path, **{suffix[1:]: FILES[suffix].replace(old, new, 1)})
    with pytest.raises(rm.FormatError, match=message):
        rm.io.read_model(path)


def test_bytes_that_are_not_text(tmp_path):
    path = put(tmp_path)
    path.write_bytes(b"# Chad\xe8s\n" + FILES[".tra"].encode())
    assert rm.io.read_model(path).n_states == 5
    path.write_bytes(FILES[".tra"].encode() + b"\n\xff")
    with pytest.raises(
        rm.FormatError, match="line 14: expected text in UTF-8, and found the byte 0xff"
    ):
        rm.io.read_model(path)


def test_metadata_of_another_model_are_errors(tmp_path):
    path = tmp_path / "robot.tra"
    rm.io.write_model(rm.models.forest(), path)
    put(tmp_path)
    with pytest.raises(
        rm.FormatError, match=r"robot.regmdp.json, line 1: .*was changed after writing; remove them"
    ):
        rm.io.read_model(path)


def test_truncated_transitions_are_errors(tmp_path):
    lines = FILES[".tra"].splitlines(keepends=True)
    for end in range(len(lines)):
        with pytest.raises(rm.FormatError, match=r"robot.tra, line \d+: the file ends here"):
            rm.io.read_model(put(tmp_path, tra="".join(lines[:end])))


def test_labels_that_prism_does_not_read_are_noted(tmp_path):
    mdp = rm.MDP(np.ones((1, 1, 1)), [[0.0]], 1.0, labels={"on the way": [0], "goal": [0]})
    (note,) = rm.io.write_model(mdp, tmp_path / "x.tra")
    assert note.endswith("labels that are no identifiers: 'on the way'")
    assert rm.io.read_model(tmp_path / "x.tra").digest == mdp.digest
    assert rm.io.write_model(mdp, tmp_path / "x.drn") == ()


def put_combined(folder, old="", new=""):
    parts = [FILES[".tra"], FILES[".lab"], FILES[".srew"], FILES[".trew"]]
    parts.insert(1, f"# States\n{FILES['.sta']}")
    text = "\n".join(parts)
    assert old in text
    (folder / "robot.pexp").write_text(text.replace(old, new, 1))
    return folder / "robot.pexp"


def test_a_combined_file_is_the_same_model(tmp_path):
    expected = rm.io.read_model(put(tmp_path), discount=0.5)
    mdp = rm.io.read_model(put_combined(tmp_path), discount=0.5)
    assert mdp.digest == expected.digest
    assert mdp.state_labels == expected.state_labels
    np.testing.assert_array_equal(mdp.labels["goal"], expected.labels["goal"])
    assert rm.io.read_model(put_combined(tmp_path), rewards="steps").digest != mdp.digest
    with pytest.raises(rm.FormatError, match="can be read but not written"):
        rm.io.write_model(mdp, tmp_path / "x.pexp")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("(MDP)", "(CTMC)", r"robot.pexp, line 1: .*'CTMC' \(.*continuous"),
        ("# Transitions (MDP)", "# Labels", r"robot.pexp, line \d+: this section is repeated"),
        ("# Transitions (MDP)", "# Observations", r"robot.pexp has no transitions"),
        ("0 0 3 0.8", "0 0 3 eight", r"line 4: expected a probability, .* found 'eight'"),
        ("2: 1 2", "9: 1 2", r"line 25: expected a state from 0 to 4, and found 9"),
        ("4 2.5", "", r"line 35: the file ends here; .* announces 3 lines"),
        ("1 0 2 -1", "1 0 3 -1", r"line 39: the .tra file has no such transition"),
        ('"steps"\n# Tr', '"other"\n# Tr', r"choose one with rewards=: steps, other"),
        ("# Transition rewards", "# State rewards", r"line 3\d: this section is repeated"),
    ],
)
def test_errors_in_a_combined_file_name_the_line(tmp_path, old, new, message):
    with pytest.raises(rm.FormatError, match=message):
        rm.io.read_model(put_combined(tmp_path, old, new))
