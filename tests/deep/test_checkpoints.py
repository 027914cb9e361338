"""Files of learners are data: they choose from a table, and name nothing that is imported."""

import json

import numpy as np
import pytest

import regmdp as rm
from regmdp._internal import array_files
from regmdp.deep import A2C, SAC, AdaptiveStepSize, mlp
from regmdp.deep.checkpoints import REGULARIZERS, convert_option_to_json, read_snapshot
from regmdp.deep.environments import Environments
from regmdp.deep.replay import ReplayBuffer

METHOD = A2C.name


@pytest.fixture(scope="module")
def learner():
    return A2C("CartPole-v1", network=mlp((4,)), critic=mlp((4,)), n_envs=2, seed=1)


@pytest.fixture
def saved(learner, tmp_path):
    learner.save(tmp_path / "learner.npz")
    return tmp_path / "learner.npz"


def rewrite(path, arrays=None, **changes):
    """Change the content of a file, with a digest that fits."""
    found, meta = array_files.read_arrays(path, "learner")
    array_files.write_arrays(path, "learner", found | (arrays or {}), meta | changes)


def with_option(path, name, value):
    _, meta = array_files.read_arrays(path, "learner")
    rewrite(path, options=meta["options"] | {name: value})


# ---- what a file may name ----


def test_an_environment_of_a_file_is_not_imported(saved, tmp_path, monkeypatch):
    (tmp_path / "evilmod.py").write_text("open('PWNED', 'w').close()")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("evilmod:Evil-v0", "evilmod:CartPole-v1", "Evil-v0", "CartPole", 7, None):
        with_option(saved, "env", name)
        with pytest.raises(rm.FormatError, match=r"learner\.npz"):
            A2C.load(saved)
        assert not (tmp_path / "PWNED").exists()
    with_option(saved, "env", "evilmod:Evil-v0")
    with pytest.raises(rm.FormatError, match="nothing that a file names is imported"):
        A2C.load(saved)
    # the caller may name it, or trust the file
    assert A2C.load(saved, env="CartPole-v1").steps == 0
    assert not (tmp_path / "PWNED").exists()
    with pytest.raises(rm.FormatError, match="there is no environment 'evilmod:Evil-v0'"):
        A2C.load(saved, trust_environment=True)
    assert (tmp_path / "PWNED").exists()


@pytest.mark.parametrize(
    "value",
    [
        {"regularizer": "Sum"},
        {"regularizer": "Convex", "value": "x"},
        {"regularizer": "diagonal_hessian_product"},
        {"regularizer": "__class__"},
        {"regularizer": "Shannon", "temperature": -1.0},
        {"regularizer": "Shannon", "temperature": float("nan")},
        {"regularizer": "Shannon", "other": 1.0},
        {"regularizer": "Shannon"},
        {"regularizer": 7},
        {"other": 7},
        {"mlp": {"hidden": [10**9], "activation": "tanh", "output_scale": 1.0}},
        {"mlp": {"hidden": [4, 10**9, 4], "activation": "tanh", "output_scale": 1.0}},
        {"mlp": {"hidden": [-4], "activation": "tanh", "output_scale": 1.0}},
        {"mlp": {"hidden": "44", "activation": "tanh", "output_scale": 1.0}},
        {"mlp": {"hidden": [4], "activation": "system", "output_scale": 1.0}},
        {"mlp": {"hidden": [4], "activation": "tanh", "output_scale": "1"}},
        {"mlp": {"hidden": [4], "activation": "tanh"}},
        {"mlp": []},
        {"adaptive": {"target": 1.0}},
        {"adaptive": 1.0},
        [1, 2],
        None,
    ],
    ids=str,
)
def test_wrong_options_are_refused(saved, value):
    with_option(saved, "network", value)
    with pytest.raises(rm.FormatError, match=r"learner\.npz"):
        read_snapshot(saved, METHOD)


def test_all_regularizers_of_the_table_are_read_back():
    for kind in (rm.Shannon(0.5), rm.Tsallis(1.5, 0.1), rm.KL([0.25, 0.75], temperature=2.0)):
        encoded = json.loads(json.dumps(convert_option_to_json(kind)))
        name = encoded.pop("regularizer")
        assert repr(REGULARIZERS[name](**encoded)) == repr(kind)
    assert convert_option_to_json(rm.Shannon(0.5) + rm.SquaredL2(0.5)) is None
    assert convert_option_to_json(AdaptiveStepSize(0.01))["adaptive"]["target_kl"] == 0.01


# ---- content ----


@pytest.mark.parametrize(
    "changes",
    [
        {"steps": -1},
        {"steps": 1.5},
        {"steps": True},
        {"steps": None},
        {"returns": 7},
        {"returns": ["x"]},
        {"returns": [float("nan")]},
        {"generator": 7},
        {"options": []},
        {"options": None},
        {"method": 7},
        {"version": "2"},
    ],
    ids=str,
)
def test_wrong_entries_are_refused(saved, changes):
    rewrite(saved, **changes)
    with pytest.raises(rm.FormatError, match=r"learner\.npz"):
        read_snapshot(saved, METHOD)


@pytest.mark.parametrize("name", ["steps", "returns", "generator", "options"])
def test_missing_entries_are_refused(saved, name):
    arrays, meta = array_files.read_arrays(saved, "learner")
    del meta[name]
    array_files.write_arrays(saved, "learner", arrays, meta)
    with pytest.raises(rm.FormatError, match=f"not a complete learner: '{name}'"):
        read_snapshot(saved, METHOD)


def test_a_training_state_that_does_not_fit_is_refused(saved):
    arrays, meta = array_files.read_arrays(saved, "learner")
    leaf = next(name for name, array in arrays.items() if array.ndim == 2)
    wrong = {
        "not finite": {leaf: np.full_like(arrays[leaf], np.nan)},
        "other shapes or types": {leaf: arrays[leaf].astype(np.float64)},
        "does not fit": {leaf: arrays[leaf][:-1]},
        "holds more": {"other more": np.zeros(3)},
    }
    for message, changes in wrong.items():
        array_files.write_arrays(saved, "learner", arrays | changes, meta)
        with pytest.raises(rm.FormatError, match=rf"learner\.npz.*({message}|does not use)"):
            A2C.load(saved)
    for generator in ({}, {"bit_generator": "MT19937"}, meta["generator"] | {"state": {}}):
        array_files.write_arrays(saved, "learner", arrays, meta | {"generator": generator})
        with pytest.raises(rm.FormatError, match=r"learner\.npz"):
            A2C.load(saved)
    for changes in ({"discount": 2.0}, {"n_envs": 0}, {"n_envs": "x"}, {"unknown": 1}):
        options = meta["options"] | changes
        array_files.write_arrays(saved, "learner", arrays, meta | {"options": options})
        with pytest.raises(rm.FormatError, match=r"learner\.npz"):
            A2C.load(saved)


def test_sizes_beyond_the_memory_are_refused(saved):
    with_option(saved, "n_envs", 10**15)
    with pytest.raises(rm.InsufficientMemoryError, match="copies of the environment"):
        A2C.load(saved)
    with pytest.raises(rm.InsufficientMemoryError, match="1,000,000,000,000 copies"):
        Environments("CartPole-v1", 10**12)
    with pytest.raises(rm.InsufficientMemoryError, match="transitions of the replay buffer"):
        SAC("CartPole-v1", buffer_size=10**15)


@pytest.mark.parametrize(
    "changes",
    [
        {"next": np.array(-1)},
        {"next": np.array(5)},
        {"next": np.array(2)},
        {"next": np.array(0.5)},
        {"next": np.array([3])},
        {"reward": np.zeros(9, np.float32)},
        {"reward": np.zeros(2, np.float32)},
        {"reward": np.full(3, np.nan, np.float32)},
        {"observation": np.zeros((3, 7), np.float32)},
        {"observation": np.zeros((3, 2), np.int32)},
        {"action": np.zeros((3, 1), np.float32)},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_wrong_replay_buffers_are_refused(changes):
    arrays = {
        "observation": np.zeros((3, 2), np.float32),
        "action": np.zeros(3, np.int32),
        "reward": np.zeros(3, np.float32),
        "successor": np.zeros((3, 2), np.float32),
        "terminated": np.zeros(3, np.float32),
        "next": np.array(3),
    }
    buffer = ReplayBuffer(5, 2, np.array(0))
    buffer.restore(arrays)
    assert buffer.count == 3
    with pytest.raises(ValueError, match=next(iter(changes)) + "|replay buffer"):
        buffer.restore(arrays | changes)
