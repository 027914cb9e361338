import json
import pickle

import numpy as np
import pytest

import regmdp as rm


def masked():
    P = rm.models.garnet(6, 3, 2, rng=1).to_array()
    available = np.array([[True, False, True]] * 5 + [[False] * 3])
    termination = np.full((6, 3), 0.25)
    return rm.MDP(
        P * 0.75,
        np.arange(18.0).reshape(6, 3),
        0.7,
        available=available,
        termination=termination,
        initial=[0.5, 0.5, 0.0, 0.0, 0.0, 0.0],
        state_labels=["α", "b", "", "d\0", "e", "日本"],
        action_labels=["x", "y", "z"],
    )


MODELS = {
    "dense": lambda: rm.models.garnet(5, 3, 4, rng=1),
    "sparse": lambda: rm.models.garnet(50, 3, 4, rng=1),
    "masked": masked,
    "terminal": rm.models.gridworld,
    "many blocks": lambda: rm.models.garnet(20_000, 4, 2),
    "bandit": rm.models.bandit,
}


@pytest.mark.parametrize("build", MODELS.values(), ids=MODELS)
def test_round_trip(build, tmp_path):
    mdp, path = build(), tmp_path / "model"
    rm.io.save_model(mdp, path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["model"]
    back = rm.io.load_model(path)
    assert repr(back) == repr(mdp)
    assert back.digest == mdp.digest
    assert (back.state_labels, back.action_labels) == (mdp.state_labels, mdp.action_labels)
    np.testing.assert_array_equal(back.initial, mdp.initial)
    np.testing.assert_array_equal(back.termination, mdp.termination)
    np.testing.assert_array_equal(back.available, mdp.available)


def test_the_file_can_be_read_with_numpy_alone(tmp_path):
    mdp, path = rm.models.garnet(5, 3, 4), tmp_path / "model.npz"
    rm.io.save_model(mdp, path)
    with np.load(path, allow_pickle=False) as archive:
        np.testing.assert_array_equal(archive["transitions"], mdp.to_array())
        assert json.loads(archive["meta"].item())["discount"] == 0.95


def test_a_failed_save_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "model.npz"
    rm.io.save_model(rm.models.forest(), path)
    old = path.read_bytes()

    def broken(file, array, **options):
        file.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(np.lib.format, "write_array", broken)
    with pytest.raises(OSError, match="disk full"):
        rm.io.save_model(rm.models.chain(), path)
    assert path.read_bytes() == old
    assert list(tmp_path.iterdir()) == [path]


def saved(path):
    rm.io.save_model(rm.models.garnet(50, 3, 4), path)
    return path.read_bytes()


@pytest.mark.parametrize("kept", [0, 1, 10, 100, 1000, -1, -30])
def test_truncated_files(tmp_path, kept):
    path = tmp_path / "model.npz"
    path.write_bytes(saved(path)[:kept])
    with pytest.raises(rm.FormatError, match="model.npz"):
        rm.io.load_model(path)


def test_damaged_files_are_errors_or_read_correctly(tmp_path):
    # a byte may be one that nothing depends on, such as a date: then the model must be what it was
    path, rng = tmp_path / "model.npz", np.random.default_rng(0)
    whole = saved(path)
    digest = rm.io.load_model(path).digest
    refused = 0
    for _ in range(300):
        damaged = bytearray(whole)
        for place in rng.integers(0, len(whole), 3):
            damaged[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        try:
            assert rm.io.load_model(path).digest == digest
        except rm.FormatError:
            refused += 1
    assert refused > 250


def test_foreign_files(tmp_path):
    path = tmp_path / "x.npz"
    for content in (
        b"",
        np.random.default_rng(1).bytes(1000),
        b"hello\n",
        pickle.dumps({"rewards": 1}),
    ):
        path.write_bytes(content)
        with pytest.raises(rm.FormatError, match="x.npz"):
            rm.io.load_model(path)
    np.savez(path, rewards=np.zeros((2, 2)))
    with pytest.raises(rm.FormatError, match="x.npz is not a regmdp file.*meta"):
        rm.io.load_model(path)


def test_pickles_are_never_loaded(tmp_path):
    path = tmp_path / "x.npz"

    class Bomb:
        def __reduce__(self):
            return (pytest.fail, ("a pickle was loaded",))

    np.savez(
        path,
        meta=np.array(json.dumps({"kind": "model", "format": 1})),
        rewards=np.array([Bomb()], dtype=object),
    )
    with pytest.raises(rm.FormatError, match="allow_pickle"):
        rm.io.load_model(path)


def write(path, arrays, **meta):
    header = {
        "kind": "model",
        "format": 1,
        "discount": 0.5,
        "state_labels": None,
        "action_labels": None,
        **meta,
    }
    np.savez(path, meta=np.array(json.dumps(header)), **arrays)


def test_inconsistent_and_incomplete_files(tmp_path):
    path = tmp_path / "x.npz"
    good = {"rewards": np.zeros((1, 2)), "initial": np.ones(1), "transitions": np.ones((1, 2, 1))}
    write(path, good)
    assert rm.io.load_model(path).n_actions == 2
    for name in ("rewards", "initial", "transitions"):
        write(path, {key: array for key, array in good.items() if key != name})
        with pytest.raises(rm.FormatError, match=f"x.npz is incomplete: it has no {name}"):
            rm.io.load_model(path)
    write(path, good | {"transitions": np.full((1, 2, 1), 0.5)})
    with pytest.raises(
        rm.FormatError, match=r"x.npz does not hold a consistent model: .* sums to 0.5"
    ):
        rm.io.load_model(path)
    write(path, good | {"rewards": np.zeros(3)})
    with pytest.raises(rm.FormatError, match="x.npz does not hold a consistent model"):
        rm.io.load_model(path)
    sparse = {
        "transitions_data": np.ones(2),
        "transitions_indices": np.array([0, 7]),
        "transitions_indptr": np.arange(3),
    }
    write(path, {"rewards": np.zeros((1, 2)), "initial": np.ones(1)} | sparse)
    with pytest.raises(rm.FormatError, match="x.npz does not hold a consistent model"):
        rm.io.load_model(path)


def test_another_kind_and_a_newer_format(tmp_path):
    path = tmp_path / "x.npz"
    write(path, {}, kind="solution")
    with pytest.raises(rm.FormatError, match="x.npz holds a solution, not a model"):
        rm.io.load_model(path)
    write(path, {}, format=99)
    with pytest.raises(rm.FormatError, match="newer version of regmdp"):
        rm.io.load_model(path)


def test_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere.npz"):
        rm.io.load_model(tmp_path / "nowhere.npz")
