"""Storm's explicit files before ``.drn``, without counts."""

import numpy as np
import pytest

import regmdp as rm

FILES = {
    "m.tra": "mdp\n0 0 0 0.5\n0 0 1 0.5 \n\n0 1 2 1\n1 0 2  1\n2 0 2 1\n2 1 2 1\n",
    "m.lab": "#DECLARATION\ninit done x\n#END\n0 init\n2 done x\n",
    "m.time.state.rew": "0 1\n1 2.5\n",
    "m.time.trans.rew": "0 0 0 3\n0 0 1 1\n",
    "m.cost.trans.rew": "1 0 2 7\n",
}
CHAIN = {
    "m.tra": "DTMC\n0 0 0.5\n0 1 0.5\n1 1 1\n",
    "m.lab": FILES["m.lab"].replace("2 done", "1 done"),
    "m.trans.rew": "0 0 2\n0 1 4\n",
}


def put(folder, files=FILES):
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder / "m.tra"


def test_a_decision_process(tmp_path):
    mdp = rm.io.read_model(put(tmp_path), rewards="time", discount=0.5)
    np.testing.assert_array_equal(mdp.terminal, [False, False, True])
    np.testing.assert_array_equal(mdp.to_array()[0], [[0.5, 0.5, 0], [0, 0, 1]])
    np.testing.assert_array_equal(mdp.rewards[:2], [[3, 1], [2.5, 0]])
    np.testing.assert_array_equal(mdp.initial, [1, 0, 0])
    np.testing.assert_array_equal(np.flatnonzero(mdp.labels["x"]), [2])
    assert rm.io.read_model(tmp_path / "m.tra", rewards="cost").rewards[1, 0] == 7
    with pytest.raises(rm.FormatError, match="choose one with rewards=: cost, time"):
        rm.io.read_model(tmp_path / "m.tra")


def test_a_chain(tmp_path):
    mdp = rm.io.read_model(put(tmp_path, CHAIN))
    assert mdp.n_actions == 1
    np.testing.assert_allclose(rm.solve(mdp).value, [6, 0], atol=1e-8)


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("m.tra", "mdp", "cTmC", r"m.tra, line 1: .*'cTmC' \(.*continuous"),
        ("m.tra", "0 1 2 1", "0 1 two 1", r"m.tra, line 5: expected a state, .*'two'"),
        ("m.tra", "0 1 2 1", "0 1 2", r"m.tra, line 5: expected a state, a choice.* 3 words"),
        ("m.tra", "0.5 \n", "0.4\n", r"m.tra, line 2: the probabilities of state 0, choice 0"),
        ("m.lab", "#END", "#ENDE", r"m.lab, line 1: expected labels between"),
        ("m.lab", "2 done", "2 dome", r"m.lab, line 5: the label 'dome' is not declared"),
        ("m.lab", "2 done", "9 done", r"m.lab, line 5: expected a state from 0 to 2"),
        ("m.time.state.rew", "1 2.5", "1 much", r"state.rew, line 2: expected a reward"),
        ("m.time.trans.rew", "0 0 1 1", "0 1 1 1", r"trans.rew, line 2: the .tra file has no"),
    ],
)
def test_errors_name_the_line(tmp_path, name, old, new, message):
    assert old in FILES[name]
    path = put(tmp_path)
    (tmp_path / name).write_text(FILES[name].replace(old, new, 1))
    with pytest.raises(rm.FormatError, match=message):
        rm.io.read_model(path, rewards="time")
