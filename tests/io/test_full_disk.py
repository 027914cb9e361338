"""Every writer on a disk without room: the error names the file, and the old one stays whole.

The limit on the size of files stands for the disk: the system refuses to write more.
"""

import sys
from contextlib import contextmanager

import numpy as np
import pytest

import regmdp as rm

resource = pytest.importorskip("resource")

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="other systems end the process at the limit"
)

MDP = rm.models.garnet(30, 3, 4, rng=0)
OTHER = rm.models.garnet(40, 3, 4, rng=1)


@contextmanager
def room(size):
    """Let no file be longer than some bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def write_policy_frontier(mdp):
    return rm.frontier(mdp, rm.uniform_policy(mdp), [1.0])


WRITERS = {
    "m.npz": (rm.io.write_model, rm.io.read_model),
    "m.drn": (rm.io.write_model, rm.io.read_model),
    "m.tra": (rm.io.write_model, rm.io.read_model),
    "toolbox.npz": (
        lambda mdp, path: rm.io.write_model(mdp, path, format="mdptoolbox"),
        rm.io.read_model,
    ),
    "quantecon.npz": (
        lambda mdp, path: rm.io.write_model(mdp, path, format="quantecon"),
        rm.io.read_model,
    ),
    "s.npz": (lambda mdp, path: rm.solve(mdp).save(path), rm.Solution.load),
    "f.npz": (lambda mdp, path: write_policy_frontier(mdp).save(path), rm.Frontier.load),
    "f.csv": (
        lambda mdp, path: write_policy_frontier(mdp).to_csv(path),
        lambda path: np.genfromtxt(path, delimiter=",", names=True, dtype=None, encoding="utf-8"),
    ),
}


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("size", [0, 100, 400])
def test_the_old_file_stays_whole(name, size, tmp_path):
    write, read = WRITERS[name]
    write(MDP, tmp_path / name)
    before = content(tmp_path)
    stem = name.partition(".")[0]
    with room(size), pytest.raises(rm.WriteError, match=rf"cannot write .*/{stem}\."):
        write(OTHER, tmp_path / name)
    assert content(tmp_path) == before
    read(tmp_path / name)
    write(OTHER, tmp_path / name)
    read(tmp_path / name)


@pytest.mark.parametrize("size", [0, 100, 400, 2000])
def test_no_mapped_model_is_half_there(size, tmp_path):
    with room(size), pytest.raises(rm.WriteError, match=r"cannot write .*/m\.mapped"):
        rm.io.write_model(MDP, tmp_path / "m.mapped")
    assert content(tmp_path) == {}
    rm.io.write_model(MDP, tmp_path / "m.mapped")
    assert rm.io.read_model(tmp_path / "m.mapped", verify=True).digest == MDP.digest
