"""Random files in all forms that the formats allow are read as the model that they state."""

import shutil

import numpy as np
import pytest
from file_styles.cassandra import write_random
from file_styles.drn import write_drn
from file_styles.prism import combine, write_prism
from file_styles.stated import Stated, require_stated

import regmdp as rm

QUICK, THOROUGH = range(60), range(60, 1000)
SEEDS = pytest.mark.parametrize(
    "seeds", [QUICK, pytest.param(THOROUGH, marks=pytest.mark.slow)], ids=["some", "many"]
)


@SEEDS
def test_cassandra(tmp_path, seeds):
    path = tmp_path / "m.mdp"
    for seed in seeds:
        stated = write_random(np.random.default_rng(seed))
        path.write_text(stated.text, newline="")
        mdp = rm.io.read_model(path)
        P, rewards = stated.P.swapaxes(0, 1), (stated.P * stated.rewards).sum(axis=2).T
        stays = (np.eye(mdp.n_states)[:, None, :] == P).all(axis=(1, 2)) & ~rewards.any(axis=1)
        live = ~stays | stays.all()
        np.testing.assert_array_equal(mdp.terminal, ~live, err_msg=stated.text)
        np.testing.assert_allclose(mdp.to_array()[live], P[live], atol=1e-12, err_msg=stated.text)
        np.testing.assert_allclose(mdp.rewards[live], rewards[live], atol=1e-12)
        np.testing.assert_allclose(mdp.initial, stated.initial, atol=1e-12, err_msg=stated.text)
        assert mdp.discount == stated.discount


@SEEDS
def test_storm(tmp_path, seeds):
    path = tmp_path / "m.drn"
    for seed in seeds:
        stated = Stated(np.random.default_rng(seed))
        text, names = write_drn(stated)
        path.write_text(text, newline="")
        for which, name in enumerate(names or [None]):
            mdp = rm.io.read_model(path, rewards=name, discount=0.9)
            require_stated(mdp, stated, stated.expected(which))


@SEEDS
def test_prism(tmp_path, seeds):
    folder = tmp_path / "model"
    for seed in seeds:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        stated = Stated(np.random.default_rng(seed))
        files, names, of_transitions = write_prism(stated)
        for ending, text in files.items():
            (folder / f"m{ending}").write_text(text, newline="")
        for which, name in enumerate(names or [None]):
            mdp = rm.io.read_model(folder / "m.tra", rewards=name, discount=0.9)
            expected = stated.expected(which, of_transitions or None)
            require_stated(mdp, stated, expected)
        text, names = combine(stated, files, names)
        (folder / "m.pexp").write_text(text, newline="")
        for which, name in enumerate(names or [None]):
            mdp = rm.io.read_model(folder / "m.pexp", rewards=name, discount=0.9)
            require_stated(mdp, stated, stated.expected(which, of_transitions or None))
