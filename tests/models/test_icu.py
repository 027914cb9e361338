import importlib.util
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from small_solvers import optimal_value, policy_value

import regmdp as rm


@pytest.fixture(scope="module")
def mdp():
    return rm.models.icu_sepsis()


def test_sizes_and_structure(mdp):
    assert (mdp.n_states, mdp.n_actions, mdp.discount) == (716, 25, 1.0)
    assert np.flatnonzero(mdp.terminal).tolist() == [713, 714, 715]
    assert mdp.available[:713].all()
    assert mdp.transitions.storage == "sparse"
    assert mdp.initial[713:].sum() == 0.0
    assert mdp.describe(714) == "state 714 (survival)"
    assert mdp.action_labels[24] == "fluids 4, vasopressors 4"


def test_the_reward_is_the_probability_of_survival(mdp):
    P = mdp.to_array()
    np.testing.assert_allclose(mdp.rewards[:713], P[:713, :, 714], rtol=1e-14, atol=0)


def test_known_values(mdp):
    # Choudhary, Gupta and Thomas 2024 report 0.78, 0.78 and 0.88, from simulation
    uniform = rm.uniform_policy(mdp)
    assert mdp.initial @ policy_value(mdp, uniform) == pytest.approx(0.7801, abs=5e-5)
    assert mdp.initial @ policy_value(mdp, rm.models.icu_sepsis_expert()) == pytest.approx(
        0.7818, abs=5e-5
    )
    assert mdp.initial @ optimal_value(mdp) == pytest.approx(0.8751, abs=5e-5)


def test_the_clinicians_policy():
    policy = rm.models.icu_sepsis_expert()
    assert policy.shape == (716, 25)
    np.testing.assert_allclose(policy[:713].sum(axis=1), 1.0, rtol=1e-14)
    assert (policy >= 0).all()
    assert not policy[713:].any()


def test_the_package_itself_is_not_imported():
    code = (
        "import sys, regmdp.models as m; m.icu_sepsis_expert(); sys.exit(any(n in sys.modules for "
        "n in ('gym', 'icu_sepsis')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_error_without_the_package_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(rm.MissingExtraError, match=r"python -m pip install 'regmdp\[icu\]'"):
        rm.models.icu_sepsis()


def test_a_package_without_its_data(monkeypatch, tmp_path):
    spec = SimpleNamespace(submodule_search_locations=[str(tmp_path)])
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    with pytest.raises(rm.FormatError, match="dynamics.npz is not the expected data file"):
        rm.models.icu_sepsis_expert()
    (tmp_path / "envs" / "assets").mkdir(parents=True)
    np.savez(tmp_path / "envs" / "assets" / "dynamics.npz", expert_policy=np.ones((2, 2)))
    with pytest.raises(rm.FormatError, match=r"expert_policy has shape \(2, 2\), not \(716, 25\)"):
        rm.models.icu_sepsis_expert()


def test_the_notice_says_research_only():
    assert "research only" in rm.models.ICU_NOTICE
