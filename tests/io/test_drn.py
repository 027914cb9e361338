"""Storm's files, as Storm and PRISM write them."""

import re

import numpy as np
import pytest

import regmdp as rm
from regmdp.io import formats

ROBOT = """\
// Exported by storm
// Original model type: MDP
@type: MDP
@parameters

@reward_models
move energy
@nr_states
4
@nr_choices
5
@model
state 0 [0, 2.5] init
//[x=0]
\taction south [1, 0]
\t\t1 : 0.25
\t\t3 : 0.75
\taction east [1, 0.5]
\t\t0 : 0.5
\t\t1 : 0.5
state 1 [0, 2] hazard "in danger"
\taction south [1, 0]
\t\t2 : 1
state 2 [0, 0] deadlock
\taction __NOLABEL__ [0, 0]
\t\t2 : 1
state 3 [0, 0] goal
\taction stuck [0, 0]
\t\t3 : 1
"""


def put(folder, text=ROBOT):
    path = folder / "robot.drn"
    path.write_text(text)
    return path


def test_what_storm_writes(tmp_path):
    reading = formats.read_with_notes(put(tmp_path), rewards="energy")
    mdp = reading.mdp
    assert reading.notes == ("the file has no discount; it is 1",)
    assert mdp.action_labels == ("south", "east")
    np.testing.assert_array_equal(mdp.terminal, [False, False, True, True])
    np.testing.assert_array_equal(mdp.rewards[:2], [[2.5, 3.0], [2.0, 0.0]])
    np.testing.assert_array_equal(mdp.to_array()[0], [[0, 0.25, 0, 0.75], [0.5, 0.5, 0, 0]])
    np.testing.assert_array_equal(mdp.initial, [1, 0, 0, 0])
    np.testing.assert_allclose(rm.solve(mdp).value, [8, 2, 0, 0], atol=1e-8)
    assert rm.io.read_model(put(tmp_path), rewards="move", discount=0.5).rewards[0, 0] == 1


def test_several_reward_models_need_a_choice(tmp_path):
    with pytest.raises(
        rm.FormatError, match="several reward models; choose one with rewards=: move, energy"
    ):
        rm.io.read_model(put(tmp_path))
    with pytest.raises(rm.FormatError, match="no reward model 'money'; it has: move, energy"):
        rm.io.read_model(put(tmp_path), rewards="money")


def test_numbered_actions_and_no_rewards(tmp_path):
    text = re.sub(
        r" \[.*\]", "", ROBOT.replace("move energy", "").replace("east", "1").replace("south", "0")
    )
    reading = formats.read_with_notes(put(tmp_path, text), discount=0.9)
    assert reading.mdp.action_labels is None
    assert reading.mdp.n_actions == 2
    assert reading.notes == ("the file has no rewards; they are 0",)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("@nr_choices\n5\n", ""),
        ("@type: MDP\n", "@value_type: double\n@type: mdp\n"),
        ("@nr_states", "@placeholders\n$p : 0.75\n$q : $p\n$half : 1/2\n@nr_states"),
        ("[1, 0.5]", "[1,1/2] also a label of choices"),
        ("\taction __NOLABEL__ [0, 0]\n", ""),
        ('hazard "in danger"', '"hazard" in_danger'),
        ("@parameters\n\n", ""),
        ("state 2 [0, 0]", "state 2"),
        ("state 2 [0, 0]", "state 2 []"),
        ("move energy", "move\tenergy "),
        ("@nr_choices", "// a comment\n\n@nr_choices"),
    ],
)
def test_legal_variants_are_the_same_model(tmp_path, old, new):
    assert old in ROBOT
    text = ROBOT.replace(old, new, 1)
    if "$p" in new:
        text = text.replace("3 : 0.75", "3 : $q").replace("[1, 0.5]", "[1, $half]")
    expected = rm.io.read_model(put(tmp_path), rewards="energy")
    assert rm.io.read_model(put(tmp_path, text), rewards="energy").digest == expected.digest


def test_rewards_without_names(tmp_path):
    """PRISM's models may have them; Storm writes an empty name and a space."""
    expected = rm.io.read_model(put(tmp_path), rewards="energy").digest
    text = ROBOT.replace("move energy", "")
    with pytest.raises(rm.FormatError, match="choose one with rewards=: rew0, rew1"):
        rm.io.read_model(put(tmp_path, text))
    assert rm.io.read_model(put(tmp_path, text), rewards="rew1").digest == expected
    text = ROBOT.replace("move energy", " energy ")
    with pytest.raises(rm.FormatError, match="choose one with rewards=: rew0, energy"):
        rm.io.read_model(put(tmp_path, text))
    assert rm.io.read_model(put(tmp_path, text), rewards="energy").digest == expected
    single = re.sub(r"\[(\S+), \S+\]", r"[\1]", ROBOT.replace("move energy", " "))
    np.testing.assert_array_equal(
        rm.io.read_model(put(tmp_path, single)).rewards,
        rm.io.read_model(put(tmp_path), rewards="move").rewards,
    )


def test_labels_with_brackets_and_spaces(tmp_path):
    """Storm writes labels without quotes if they have no spaces."""
    text = ROBOT.replace('hazard "in danger"', 'x]y "in danger" [1] 0 été')
    mdp = rm.io.read_model(put(tmp_path, text), rewards="energy")
    for label in ("x]y", "in danger", "[1]", "0", "été"):
        np.testing.assert_array_equal(np.flatnonzero(mdp.labels[label]), [1])
    mdp = rm.io.read_model(
        put(tmp_path, text.replace("state 2 [0, 0]", "state 2 a[0]")), rewards="move"
    )
    np.testing.assert_array_equal(np.flatnonzero(mdp.labels["a[0]"]), [2])


def test_a_final_state_of_several_loops_is_terminal(tmp_path):
    loops = "\taction a [0, 0]\n\t\t3 : 1\n\taction b [0, 0]\n\t\t3 : 1\n"
    text = ROBOT.replace("\taction stuck [0, 0]\n\t\t3 : 1\n", loops).replace("\n5\n", "\n6\n")
    expected = rm.io.read_model(put(tmp_path), rewards="energy")
    mdp = rm.io.read_model(put(tmp_path, text), rewards="energy")
    assert mdp.digest == expected.digest
    assert rm.solve(mdp, rm.Shannon(temperature=0.1)).status.ok
    paid = text.replace("b [0, 0]", "b [0, -1]")
    assert not rm.io.read_model(put(tmp_path, paid), rewards="energy").terminal[3]


CHAIN = """\
@type: DTMC
@reward_models
r
@nr_states
3
@model
state 0 [1] init
\taction 0 [0.5]
\t\t0 : 0.5
\t\t1 : 0.5
state 1 [2]
\t2 : 1
state 2 done
\taction 0
\t\t2 : 1
"""


def test_markov_chains_have_one_action(tmp_path):
    mdp = rm.io.read_model(put(tmp_path, CHAIN))
    assert mdp.n_actions == 1
    np.testing.assert_array_equal(mdp.terminal, [False, False, True])
    np.testing.assert_allclose(rm.solve(mdp).value, [5, 2, 0], atol=1e-8)
    more = CHAIN.replace("state 2", "\taction 1\n\t\t2 : 1\nstate 2")
    with pytest.raises(rm.FormatError, match="line 12: expected a state or an action"):
        rm.io.read_model(put(tmp_path, more))
    more = CHAIN.replace("state 2", "state 2\n\taction 1\n\t\t2 : 1")
    with pytest.raises(rm.FormatError, match=r"line 13: .* 2 actions, but a DTMC has one"):
        rm.io.read_model(put(tmp_path, more))


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        ("CTMC", "a Markov chain in continuous time"),
        ("Markov Automaton", "in continuous time"),
        ("POMDP", "hidden states"),
        ("IMDP", "intervals"),
        ("SMG", "a game"),
        ("banana", "'banana', which is not supported"),
    ],
)
def test_other_kinds_of_models_are_refused_by_name(tmp_path, kind, what):
    with pytest.raises(rm.FormatError, match=rf"line 1: .*'{kind}'.*not supported") as raised:
        rm.io.read_model(put(tmp_path, CHAIN.replace("DTMC", kind)))
    assert what in str(raised.value)


def test_intervals_and_parameters_are_refused(tmp_path):
    with pytest.raises(rm.FormatError, match=r"line 9: .*'\[0.4, 0.6\]' \(models with intervals"):
        rm.io.read_model(put(tmp_path, CHAIN.replace("0 : 0.5", "0 : [0.4, 0.6]")))
    for section in ("$p : q", "p : 0.5", "$p : 0.5\n$p : 0.5"):
        text = CHAIN.replace("@nr_states", f"@placeholders\n{section}\n@nr_states")
        with pytest.raises(rm.FormatError, match=r"line [56]: .*(number|placeholder)"):
            rm.io.read_model(put(tmp_path, text))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "MDP\n@par",
            "CTMC\n@par",
            r"robot.drn, line 3: expected a model of the type MDP or DTMC.*'CTMC' \(.*continuous",
        ),
        ("@parameters\n", "@parameters\np q\n", "line 5: expected no parameters"),
        (
            "@parameters\n",
            "@value_type: double-interval\n@parameters\n",
            "line 4: expected double or rational values",
        ),
        ("@parameters\n", "@parametres\n", "line 4: expected @type.*and found '@parametres'"),
        (
            "@nr_states\n4",
            "@nr_states\n5",
            r"line 29: the file ends here; the header announces 5 states, but there are 4",
        ),
        (
            "@nr_states\n4",
            "@nr_states\nfour",
            r"line 9: expected a count, an integer, and found 'four'",
        ),
        ("@nr_states\n4\n", "@nr_states\n", r"line 9: expected a number after @nr_states"),
        ("@nr_states\n4\n", "", r"line 10: expected @nr_states before the model"),
        (
            "@nr_choices\n5",
            "@nr_choices\n6",
            r"line 29: the file ends here; the header announces 6 choices, but there are 5",
        ),
        ("@nr_choices\n5", "@nr_choices\n4", r"the header announces 4 choices, but there are 5"),
        ("state 1", "state 2", r"line 21: expected state 1: states are in order"),
        (
            "state 0 [0, 2.5]",
            "state 0 [0, 2.5, 1]",
            r"line 13: expected 2 rewards between the brackets, and found 3",
        ),
        (
            "state 0 [0, 2.5]",
            "state 0 [0, much]",
            r"line 13: expected a reward, a finite number, and found 'much'",
        ),
        ("state 0 [0, 2.5]", "state 0 [0, 2.5", r"line 13: expected a state, as in"),
        ("action east [1, 0.5]", "action [1, 0.5]", r"line 18: expected an action, as in"),
        (
            "\taction south [1, 0]\n\t\t2 : 1\n",
            "",
            r"state 1 has no action|announces .* choices",
        ),
        (
            "\taction south [1, 0]\n\t\t2 : 1",
            "\t\t2 : 1\n\taction south [1, 0]",
            r"line 22: expected a state or an action",
        ),
        ("3 : 0.75", "1 : 0.75", r"line 17: this transition is repeated"),
        ("3 : 0.75", "4 : 0.75", r"line 17: expected a successor from 0 to 3, and found 4"),
        ("3 : 0.75", "3 0.75", r"line 17: expected a successor and its probability"),
        ("3 : 0.75", "3 : 0.65", r"line 15: the probabilities of state 0, choice 0, sum to 0.9"),
        (
            "3 : 0.75",
            "3 : 3/4x",
            r"line 17: expected a probability, a finite number, and found '3/4x'",
        ),
    ],
)
def test_errors_name_the_line(tmp_path, old, new, message):
    assert old in ROBOT
    with pytest.raises(rm.FormatError, match=message):
        rm.io.read_model(put(tmp_path, ROBOT.replace(old, new, 1)), rewards="energy")


def test_truncated_files_are_errors(tmp_path):
    lines = ROBOT.splitlines(keepends=True)
    for end in range(len(lines)):
        with pytest.raises(rm.FormatError, match=r"robot\.drn"):
            rm.io.read_model(put(tmp_path, "".join(lines[:end])), rewards="energy")


def test_files_edited_after_writing_are_errors(tmp_path):
    path = tmp_path / "x.drn"
    rm.io.write_model(rm.models.forest(), path)
    path.write_text(path.read_text().replace("[4.0]", "[5.0]"))
    with pytest.raises(
        rm.FormatError, match=r"x.drn, line 1: .*was changed after writing; remove them"
    ):
        rm.io.read_model(path)
    path.write_text(path.read_text().partition("\n")[2])
    assert rm.io.read_model(path, discount=0.9).rewards.max() == 5.0
