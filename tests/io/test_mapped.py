"""Models in folders, larger than memory: the same answers as in memory, and no folder that is half
a model.
"""

import errno
import hashlib
import json
import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import scipy.sparse as sp

import regmdp as rm
from regmdp.mdp.digests import RowsHash, combine_hashes, hash_tables

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
    changed = rm.io.open_mapped(tmp_path / "model")
    for use in (rm.solve, rm.MDP.compute_digest, rm.MDP.to_array):
        with pytest.raises(rm.FormatError, match="block 0, states 0 to 299: the rows do not have"):
            use(changed)
    with pytest.raises(rm.FormatError, match="block 0, states 0 to 299: the rows do not have"):
        rm.io.open_mapped(tmp_path / "model", verify=True)


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
    refused("written by another version of regmdp")
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


# ---- folders that were changed ----


def write_small(folder):
    """Write a model with an action that does not exist, and one that ends the episode."""
    with rm.io.ModelWriter(folder, 3, 2, 0.9, initial=[0.5, 0.5, 0.0]) as writer:
        writer.write(
            [[0.5, 0.5, 0], [0, 0, 1], [0, 0.25, 0.5], [0, 0, 0], [0, 0, 1], [1, 0, 0]],
            [[0.0, 1.0], [2.0, 0.0], [-1.0, 0.0]],
            available=[[True, True], [True, False], [True, True]],
            termination=[[0, 0], [0.25, 0], [0, 0]],
        )


def edit(folder, name, change):
    """Replace the entries of a file of the rows, or of an array."""
    if name.endswith(".npy"):
        array = np.load(folder / name)
        np.save(folder / name, change(array))
    else:
        kind = {"data": np.float64}.get(name, np.int32)
        change(np.fromfile(folder / name, dtype=kind)).astype(kind).tofile(folder / name)


def forge(folder, **changes):
    """Change model.json as somebody does who knows how its checksum is made."""
    fields = json.loads((folder / "model.json").read_text())
    fields |= changes
    fields.pop("seal")
    seal = hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()
    (folder / "model.json").write_text(json.dumps({**fields, "seal": seal}))


def at(place, number):
    """Return a change of one entry."""

    def change(array):
        array = np.array(array, order="F")
        array[place] = number
        return array

    return change


EDITS = {
    "a probability": ("data", at(0, 0.25)),
    "a negative probability": ("data", at(0, -0.5)),
    "a probability that is NaN": ("data", at(2, np.nan)),
    "a probability that is 0": ("data", at(5, 0.0)),
    "an infinite probability": ("data", at(5, np.inf)),
    "a small shift between two": ("data", lambda a: a + np.array([1e-12, -1e-12, 0, 0, 0, 0, 0])),
    "a successor": ("indices", at(2, 0)),
    "a successor far above": ("indices", at(2, 2**31 - 1)),
    "a successor far below": ("indices", at(2, -(2**31))),
    "a successor S": ("indices", at(6, 3)),
    "two equal successors": ("indices", at(1, 0)),
    "a pointer far above": ("indptr", at(2, 2**31 - 1)),
    "a pointer far below": ("indptr", at(2, -(2**31))),
    "pointers that descend": ("indptr", at(1, 6)),
    "a pointer moved by one": ("indptr", at(1, 1)),
    "a first pointer above 0": ("indptr", at(0, 1)),
    "a last pointer below": ("indptr", at(-1, 6)),
    "a reward": ("rewards.npy", at((0, 1), 1.5)),
    "a reward that is NaN": ("rewards.npy", at((0, 1), np.nan)),
    "a reward of no action": ("rewards.npy", at((1, 1), 1.0)),
    "rewards of another shape": ("rewards.npy", lambda a: a.T),
    "rewards of another type": ("rewards.npy", lambda a: a.astype(np.float32)),
    "an action more": ("available.npy", at((1, 1), True)),
    "an action less": ("available.npy", at((0, 0), False)),
    "no action": ("available.npy", lambda a: a & False),
    "a mask of numbers": ("available.npy", lambda a: a.astype(np.int8)),
    "a mask of 2s": ("available.npy", lambda a: (2 * a.view(np.uint8)).view(np.bool_)),
    "a termination": ("termination.npy", at((1, 0), 0.5)),
    "a negative termination": ("termination.npy", at((1, 0), -0.25)),
    "a termination that is NaN": ("termination.npy", at((1, 0), np.nan)),
    "an initial distribution": ("initial.npy", at(0, 1.0)),
    "an initial distribution that is NaN": ("initial.npy", at(0, np.nan)),
    "an initial distribution of one state": ("initial.npy", lambda a: a[:1]),
    "an initial distribution of text": ("initial.npy", lambda a: a.astype(str)),
}


@pytest.mark.parametrize("case", EDITS)
def test_edited_files_are_refused(tmp_path, case):
    folder = tmp_path / "model"
    write_small(folder)
    assert rm.solve(rm.io.open_mapped(folder)).status.ok
    edit(folder, *EDITS[case])
    with pytest.raises(rm.FormatError, match="model"):
        rm.solve(rm.io.open_mapped(folder))
    with pytest.raises(rm.FormatError, match="model"):
        rm.io.open_mapped(folder, verify=True)


@pytest.mark.parametrize("name", ["data", "indices", "indptr", "rewards.npy", "model.json"])
@pytest.mark.parametrize("change", ["cut", "longer", "empty", "missing", "a folder"])
def test_files_of_other_sizes_are_refused_at_once(tmp_path, name, change):
    folder = tmp_path / "model"
    write_small(folder)
    whole = (folder / name).read_bytes()
    (folder / name).unlink()
    if change == "a folder":
        (folder / name).mkdir()
    elif change != "missing":
        (folder / name).write_bytes(
            {"cut": whole[:-1], "longer": whole + b"0", "empty": b""}[change]
        )
    with pytest.raises(rm.FormatError, match="model is not a mapped model, or it is damaged"):
        rm.io.open_mapped(folder)


DESCRIPTIONS = [
    {"branching": 1},
    {"branching": 0},
    {"branching": -1},
    {"branching": 10**9},
    {"branching": 2.0},
    {"branching": True},
    {"mass_error": 0.0},
    {"mass_error": -1.0},
    {"mass_error": 1.0},
    {"mass_error": float("nan")},
    {"mass_error": "0"},
    {"discount": 0.95},
    {"discount": 2.0},
    {"discount": float("nan")},
    {"discount": None},
    {"shape": [2, 3]},
    {"shape": [3]},
    {"shape": [3, 2, 1]},
    {"shape": [10**9, 10**9]},
    {"shape": [-3, -2]},
    {"shape": "32"},
    {"stored": [6]},
    {"stored": [3, 4]},
    {"stored": [10**18]},
    {"stored": [-7]},
    {"stored": 7},
    {"hashes": []},
    {"hashes": ["00" * 96]},
    {"hashes": ["zz"]},
    {"hashes": [7]},
    {"digest": "00"},
    {"digest": 7},
    {"state_labels": "abc"},
    {"state_labels": ["a"]},
    {"state_labels": [1, 2, 3]},
    {"action_labels": {"a": 1}},
    {"layout": 3},
    {"layout": {"kind": "cake"}},
    {"layout": {}},
]


@pytest.mark.parametrize("changes", DESCRIPTIONS, ids=str)
def test_edited_descriptions_are_refused(tmp_path, changes):
    """Also with a checksum that fits: nothing that a certificate needs is taken on trust."""
    folder = tmp_path / "model"
    write_small(folder)
    forge(folder)
    assert rm.io.open_mapped(folder, verify=True).n_states == 3
    whole = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps(whole | changes))
    with pytest.raises(rm.FormatError, match=r"model\.json was changed|not fit|damaged"):
        rm.io.open_mapped(folder)
    forge(folder, **changes)
    with pytest.raises(rm.FormatError, match="model"):
        rm.solve(rm.io.open_mapped(folder))


@pytest.mark.parametrize("text", ["", "[]", "3", "null", "{}", "[" * 100_000, "\x00"])
def test_what_is_no_description_is_refused(tmp_path, text):
    folder = tmp_path / "model"
    write_small(folder)
    (folder / "model.json").write_text(text)
    with pytest.raises(rm.FormatError, match="model"):
        rm.io.open_mapped(folder)
    (folder / "model.json").write_bytes(b"\xff\xfe")
    with pytest.raises(rm.FormatError, match="model"):
        rm.io.open_mapped(folder)


@pytest.mark.parametrize("name", ["data", "indices", "indptr"])
def test_a_folder_that_changes_while_it_is_open_is_refused(tmp_path, name):
    folder = tmp_path / "model"
    write_small(folder)
    mdp = rm.io.open_mapped(folder)
    assert rm.solve(mdp).status.ok
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(whole[:-4])
    with pytest.raises(rm.FormatError, match="was changed since it was opened"):
        rm.solve(mdp)
    (folder / name).unlink()
    with pytest.raises(rm.FormatError, match="cannot be read any more"):
        rm.solve(mdp)


def test_each_block_is_checked(tmp_path):
    mdp = MODELS["many blocks"]
    rm.io.save_mapped(mdp, tmp_path / "model")
    last = rm.io.open_mapped(tmp_path / "model").transitions.blocks[-1]
    edit(tmp_path / "model", "data", lambda a: np.append(a[:-2], a[-2:] + np.array([1e-3, -1e-3])))
    changed = rm.io.open_mapped(tmp_path / "model")
    value = np.ones(mdp.n_states)
    changed.transitions.matvec(value, changed.transitions.blocks[0])
    with pytest.raises(rm.FormatError, match=f"states {last.start} to {last.stop - 1}"):
        changed.transitions.matvec(value, last)


def test_sums_are_checked_even_with_hashes_that_fit(tmp_path):
    """Probabilities that are no distribution, with all digests made anew."""
    folder = tmp_path / "model"
    write_small(folder)
    edit(folder, "data", at(0, 0.4))
    data, indices = np.fromfile(folder / "data"), np.fromfile(folder / "indices", np.int32)
    lengths = np.diff(np.fromfile(folder / "indptr", np.int32))
    rows_hash = RowsHash()
    rows_hash.add(data, indices, lengths)
    block = rows_hash.digest()
    forge(folder, hashes=[block.hex()])
    arrays = {name: np.load(folder / f"{name}.npy") for name in ("rewards", "available")}
    digest = hash_tables(
        combine_hashes([block]), 0.9, np.load(folder / "initial.npy"),
        arrays["rewards"], arrays["available"], np.load(folder / "termination.npy"),
    )  # fmt: skip
    forge(folder, digest=digest)
    with pytest.raises(rm.FormatError, match="state 0, action 0 sums to 0.9 with its termination"):
        rm.solve(rm.io.open_mapped(folder))


# ---- writing ----


def test_a_full_disk_is_an_error_that_names_the_folder(tmp_path, monkeypatch):
    def full(descriptor, offset, size):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(rm.WriteError, match=rf"cannot write {tmp_path}/model: No space left"):
        write_small(tmp_path / "model")
    assert list(tmp_path.iterdir()) == []
    monkeypatch.delattr(os, "posix_fallocate")
    write_small(tmp_path / "model")
    assert rm.io.open_mapped(tmp_path / "model", verify=True).n_states == 3


def test_a_model_without_actions_or_with_a_wrong_start_is_refused(tmp_path):
    def attempt(available, initial=None):
        with rm.io.ModelWriter(tmp_path / "model", 1, 1, 0.9, initial=initial) as writer:
            writer.write([[1.0]], [[0.0]], available=available)

    with pytest.raises(rm.ModelError, match="no state has an action"):
        attempt([[False]])
    for initial in ([0.5], [np.nan], [1.0, 0.0]):
        with pytest.raises(rm.ModelError, match="initial"):
            attempt([[True]], initial)
    with pytest.raises(rm.ModelError, match="state_labels has 2 names"):
        rm.io.ModelWriter(tmp_path / "model", 1, 1, 0.9, state_labels=["a", "b"])
    assert list(tmp_path.iterdir()) == []


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
