"""Rows of few digits, in files of every format and in tables, are normalised on request."""

import json
import re

import numpy as np
import pytest

import regmdp as rm

#: One action leads everywhere, the other to state 0; three digits are written.
P = np.zeros((3, 2, 3))
P[:, 0], P[:, 1, 0] = 1 / 3, 1.0
R = np.array([[1.0, 0.0], [2.0, 0.5], [-1.0, 0.25]])
EXACT = rm.MDP(P, R, 0.9)


def rounded(array):
    return np.round(array, 3)


def write_npz(path):
    rm.io.save_model(EXACT, path)
    arrays = dict(np.load(path))
    meta = json.loads(str(arrays["meta"]))
    del meta["digest"]
    arrays |= {"meta": np.array(json.dumps(meta)), "transitions": rounded(arrays["transitions"])}
    np.savez(path, **arrays)


def write_sparse_npz(path):
    rm.io.save_model(rm.MDP(EXACT.transitions.to_csr(), R, 0.9), path)
    arrays = dict(np.load(path))
    meta = json.loads(str(arrays["meta"]))
    del meta["digest"]
    data = rounded(arrays["transitions_data"])
    np.savez(path, **arrays | {"meta": np.array(json.dumps(meta)), "transitions_data": data})


def write_text(path):
    rm.io.write_model(EXACT, path)
    text = re.sub(r"0\.33333\d+", "0.333", path.read_text())
    path.write_text("".join(line for line in text.splitlines(True) if not line.startswith("//")))
    path.with_suffix(".regmdp.json").unlink(missing_ok=True)


def write_mdptoolbox(path):
    np.savez(path, P=rounded(P.transpose(1, 0, 2)), R=R, discount=0.9)


def write_quantecon(path):
    np.savez(path, R=R, Q=rounded(P), beta=0.9)


def write_cassandra(path):
    lines = ["discount: 0.9", "values: reward", "states: 3", "actions: 2", "T: 1", *["1 0 0"] * 3]
    lines += ["T: 0", *["0.333 0.333 0.333"] * 3]
    lines += [f"R: {a} : {s} : * : * {R[s, a]}" for s in range(3) for a in range(2)]
    path.write_text("\n".join(lines) + "\n")


FILES = {
    "dense.npz": write_npz,
    "sparse.npz": write_sparse_npz,
    "m.tra": write_text,
    "m.drn": write_text,
    "mdptoolbox.npz": write_mdptoolbox,
    "quantecon.npz": write_quantecon,
    "m.mdp": write_cassandra,
}


def require_exact(mdp):
    np.testing.assert_allclose(mdp.to_array(), P, rtol=1e-15)
    np.testing.assert_allclose(mdp.rewards, R, rtol=1e-12)
    assert mdp.mass_error < 1e-14


@pytest.mark.parametrize("name", FILES)
def test_files_of_few_digits_are_normalised_on_request(name, tmp_path):
    FILES[name](tmp_path / name)
    with pytest.raises(rm.FormatError, match=r"sums? to 0\.999.*normalize=True"):
        rm.io.read_model(tmp_path / name)
    require_exact(rm.io.read_model(tmp_path / name, normalize=True, discount=0.9))


@pytest.mark.parametrize("name", ["m.npz", "m.tra", "m.drn", "m.mapped"])
def test_rows_with_all_digits_stay_as_they_are(name, tmp_path):
    mdp = rm.models.garnet(20, 3, 7, rng=0)
    rm.io.write_model(mdp, tmp_path / name)
    assert rm.io.read_model(tmp_path / name, normalize=True).digest == mdp.digest


def test_rows_are_normalised_when_a_mapped_model_is_written(tmp_path):
    rows = rounded(P).reshape(6, 3)
    with (
        pytest.raises(rm.ModelError, match=r"sums to 0\.999 .*pass normalize=True"),
        rm.io.ModelWriter(tmp_path / "m", 3, 2, 0.9) as writer,
    ):
        writer.write(rows, R)
    with rm.io.ModelWriter(tmp_path / "m", 3, 2, 0.9, normalize=True) as writer:
        writer.write(rows[:2], R[:1])
        writer.write(rows[2:], R[1:])
    require_exact(rm.io.open_mapped(tmp_path / "m", verify=True))


def test_a_writer_normalises_rows_with_their_termination(tmp_path):
    rows, ends = np.full((2, 2), 0.333), np.full((2, 1), 0.333)
    with rm.io.ModelWriter(tmp_path / "m", 2, 1, 0.9, normalize=True) as writer:
        writer.write(rows, np.ones((2, 1)), termination=ends)
    mdp = rm.io.open_mapped(tmp_path / "m", verify=True)
    np.testing.assert_allclose(mdp.termination, 1 / 3, rtol=1e-15)
    np.testing.assert_allclose(mdp.to_array(), 1 / 3, rtol=1e-15)


def test_rewards_of_transitions_are_weighted_by_normalised_rows():
    paid = np.zeros((2, 3, 3)) + np.array([3.0, 6.0, 9.0])
    mdp = rm.io.from_mdptoolbox(rounded(P.transpose(1, 0, 2)), paid, 0.9, normalize=True)
    np.testing.assert_allclose(mdp.rewards, [[6.0, 3.0]] * 3, rtol=1e-14)


def test_rewards_of_transitions_in_a_file_are_weighted_by_normalised_rows(tmp_path):
    (tmp_path / "m.tra").write_text("2 2 4\n0 0 0 0.333\n0 0 1 0.666\n1 0 0 0.5\n1 0 1 0.5\n")
    (tmp_path / "m.trew").write_text("2 2 2\n0 0 0 3\n0 0 1 6\n")
    mdp = rm.io.read_model(tmp_path / "m.tra", normalize=True, discount=0.5)
    np.testing.assert_allclose(mdp.rewards.ravel(), [5.0, 0.0], rtol=1e-14)


class Table:
    """An environment with a transition table of few digits, one of whose outcomes ends it."""

    def __init__(self):
        self.P = {
            s: {0: [(0.333, s, 3.0, False), (0.333, 1 - s, 6.0, False), (0.333, 0, 9.0, True)]}
            for s in range(2)
        }
        self.unwrapped, self.spec = self, None


def test_tables_of_environments_are_normalised_on_request():
    with pytest.raises(rm.ModelError, match="pass normalize=True"):
        rm.io.from_gymnasium(Table(), discount=0.9)
    mdp = rm.io.from_gymnasium(Table(), discount=0.9, normalize=True)
    np.testing.assert_allclose(mdp.rewards, 6.0, rtol=1e-14)
    np.testing.assert_allclose(mdp.termination, 1 / 3, rtol=1e-14)
    np.testing.assert_allclose(mdp.to_array()[:, 0], 1 / 3, rtol=1e-14)
