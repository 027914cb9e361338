"""Models in folders, larger than memory: the same answers as in memory, and no folder that is half
a model.
"""

import json
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import scipy.sparse as sp

import regmdp as rm

MODELS = {
    "garnet": rm.models.garnet(300, 4, 5, rng=0, discount=0.95),
    "dense": rm.models.garnet(40, 3, 30, rng=0, discount=0.9),
    "maze": rm.models.gridworld(12, 12, discount=0.99),
    "many blocks": rm.models.garnet(40_000, 4, 2, rng=0, discount=0.9),
    "terminating": rm.MDP(
        sp.csr_array(0.9 * rm.models.garnet(50, 2, 3, rng=0).transitions.to_csr()),
        np.ones((50, 2)), 0.99, termination=np.full((50, 2), 0.1), initial=np.eye(50)[7],
    ),
}  # fmt: skip


@pytest.fixture(params=MODELS.values(), ids=MODELS)
def mdp(request):
    return request.param


@pytest.fixture
def mapped(mdp, tmp_path):
    rm.io.save_mapped(mdp, tmp_path / "model")
    return rm.io.open_mapped(tmp_path / "model")


@pytest.mark.parametrize(
    "regularizer", [None, rm.Shannon(temperature=0.1)], ids=["hard", "Shannon"]
)
def test_solutions_match_the_model_in_memory(mdp, mapped, regularizer):
    value = np.random.default_rng(0).normal(size=mdp.n_states)
    keywords = {"available": mdp.available, "termination": mdp.termination}
    in_memory = rm.MDP(mdp.transitions.to_csr(), mdp.rewards, mdp.discount, **keywords)
    np.testing.assert_array_equal(
        rm.bellman.backup(mapped, regularizer, value),
        rm.bellman.backup(in_memory, regularizer, value),
    )
    ours, theirs = rm.solve(mapped, regularizer), rm.solve(in_memory, regularizer)
    assert ours.status.ok
    np.testing.assert_array_equal(ours.value, theirs.value)
    np.testing.assert_array_equal(ours.policy, theirs.policy)


def test_mapped_models_pass_the_checks_of_models(mapped):
    if mapped.n_states < 1000:  # dense forms of it are looked at, too
        rm.testing.check_mdp(mapped)


def test_the_digest_matches_the_model_in_memory_and_detects_changes(tmp_path):
    mdp = MODELS["garnet"]
    rm.io.save_mapped(mdp, tmp_path / "model")
    mapped = rm.io.open_mapped(tmp_path / "model")
    assert mapped.digest == mapped.compute_digest() == mdp.digest
    data = np.fromfile(tmp_path / "model" / "data")
    data[[3, 4]] = data[[4, 3]]
    data.tofile(tmp_path / "model" / "data")
    assert rm.io.open_mapped(tmp_path / "model").compute_digest() != mdp.digest


@pytest.mark.parametrize(
    "sizes", [[300], [1] * 300, [7, 13, 280]], ids=["at once", "one by one", "pieces"]
)
def test_models_may_be_written_in_parts_of_any_size(sizes, tmp_path):
    mdp = MODELS["garnet"]
    rows = mdp.transitions.to_csr()
    with rm.io.ModelWriter(tmp_path / "model", 300, 4, 0.95) as writer:
        start = 0
        for size in sizes:
            writer.write(rows[4 * start : 4 * (start + size)], mdp.rewards[start : start + size])
            start += size
    assert rm.io.open_mapped(tmp_path / "model").digest == mdp.digest


def write(path, rows, rewards=None, n_states=2, **keywords):
    rows = np.asarray(rows, dtype=float)
    with rm.io.ModelWriter(path, n_states, 1, 0.9) as writer:
        writer.write(rows, np.zeros((rows.shape[0], 1)) if rewards is None else rewards, **keywords)


@pytest.mark.parametrize(
    ("arguments", "keywords", "message"),
    [
        (
            ([[1, 0], [0.5, 0.4]],),
            {},
            "the row of state 1, action 0 sums to 0.9 with its termination, not to 1",
        ),
        (([[1, 0], [-1, 2]],), {}, r"state 1, action 0 has the probability -1.0; 1 entries"),
        (([[1, 0], [np.nan, 1]],), {}, "state 1, action 0 has the probability nan"),
        (
            ([[1, 0], [0, 1]], [[0], [np.inf]]),
            {},
            "rewards: state 1, action 0 has inf; 1 of these are not finite",
        ),
        (([[1, 0]],), {}, "1 states were written, but the model has 2"),
        (([[1, 0]] * 3,), {}, "3 states were written, but the model has 2"),
        (
            ([[1, 0], [0, 1]], [[0, 1], [0, 1]]),
            {},
            r"rewards of n states must have shape \(n, A\) = \(n, 1\), not \(2, 2\)",
        ),
        (
            ([[1, 0, 0], [0, 1, 0]],),
            {},
            r"the rows of 2 states must have shape \(2, 2\), not \(2, 3\)",
        ),
        (
            ([[1, 0], [0, 1]],),
            {"termination": np.zeros(2)},
            r"termination must have the shape of the rewards, \(2, 1\), not \(2,\)",
        ),
        (
            ([[1, 0], [0, 1]],),
            {"termination": np.array([[0], [0.1]])},
            "state 1, action 0 sums to 1.1 with its termination",
        ),
    ],
)
def test_bad_data_are_errors_and_leave_no_files(tmp_path, arguments, keywords, message):
    with pytest.raises(rm.ModelError, match=message):
        write(tmp_path / "model", *arguments, **keywords)
    assert list(tmp_path.iterdir()) == []


def test_existing_paths_are_not_overwritten(tmp_path):
    write(tmp_path / "model", [[1, 0], [0, 1]])
    with pytest.raises(
        FileExistsError,
        match="model exists already; choose another name, or remove it",
    ):
        write(tmp_path / "model", [[1, 0], [0, 1]])
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        write(tmp_path / "nowhere" / "model", [[1, 0], [0, 1]])
    with pytest.raises(FileNotFoundError, match="there is no folder .*nothing"):
        rm.io.open_mapped(tmp_path / "nothing")


def test_damage_is_detected(tmp_path):
    folder = tmp_path / "model"
    write(folder, [[1, 0], [0.5, 0.5]])
    whole = (folder / "model.json").read_text()

    def refused(message):
        with pytest.raises(rm.FormatError, match=message):
            rm.io.open_mapped(folder)

    (folder / "model.json").write_text(json.dumps(json.loads(whole) | {"format": 99}))
    refused("written by a newer version of regmdp")
    (folder / "model.json").write_text(json.dumps(json.loads(whole) | {"kind": "cake"}))
    refused("holds a cake, not a mapped model")
    (folder / "model.json").write_text("{")
    refused("is not a mapped model, or it is damaged")
    (folder / "model.json").write_text(whole)
    with open(folder / "data", "ab") as file:
        file.write(b"more")
    refused("data has 28 bytes and not 24")
    (folder / "data").unlink()
    refused("is not a mapped model, or it is damaged")


LIMITED = """
    import resource, sys
    import numpy as np
    import regmdp as rm

    rm.set_num_threads(2)
    # load lazy modules and start threads
    rm.solve(rm.models.garnet(40_000, 4, 3, rng=0), tol=1e-4)
    now = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + int(sys.argv[2]), now + int(sys.argv[2])))
    try:
        np.ones(int(sys.argv[3]) // 8)
    except MemoryError:
        print("the model does not fit")
    mdp = rm.io.open_mapped(sys.argv[1])
    regularizer = rm.Shannon(temperature=0.1) if sys.argv[4] == "soft" else None
    solution = rm.solve(mdp, regularizer, tol=1e-6)
    print(solution.status.word, solution.initial_value)
"""


@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="the limit on the address space is Linux's"
)
@pytest.mark.parametrize("kind", ["hard", "soft"])
@pytest.mark.slow
def test_a_model_larger_than_the_address_space_is_solved(tmp_path, kind):
    mdp = rm.models.garnet(100_000, 10, 30, rng=0, discount=0.9)
    rm.io.save_mapped(mdp, tmp_path / "model")
    size = sum(file.stat().st_size for file in (tmp_path / "model").iterdir())
    limit = size // 2
    command = [
        sys.executable,
        "-c",
        textwrap.dedent(LIMITED),
        str(tmp_path / "model"),
        str(limit),
        str(size),
        kind,
    ]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert result.returncode == 0, result.stderr
    expected = rm.solve(mdp, rm.Shannon(temperature=0.1) if kind == "soft" else None, tol=1e-6)
    lines = result.stdout.splitlines()
    assert lines[0] == "the model does not fit"
    assert lines[1].split()[0] == "converged"
    assert float(lines[1].split()[1]) == pytest.approx(expected.initial_value, abs=1e-6)
