"""The experiment bears out its theory, and its checks notice when a bound is wrong."""

from dataclasses import replace

import numpy as np
import pytest

import regmdp as rm
from regmdp._frontier import Frontier
from regmdp.reproduce.experiments import frontier as experiment
from regmdp.reproduce.experiments.frontier_figures import describe_frontier

SMALL = replace(experiment.QUICK, n_states=20, policies=30)


def quiet(fraction, text):
    assert 0.0 <= fraction <= 1.0


def test_all_checks_pass():
    result = experiment.run(SMALL, quiet)
    assert all(check.passed for check in result.checks), [
        check for check in result.checks if not check.passed
    ]
    assert len(result.tables["frontier"]["value"]) == 19


def test_an_upper_bound_that_is_too_low_is_detected(monkeypatch):
    upper = Frontier.upper
    monkeypatch.setattr(
        Frontier, "upper", lambda self, divergence: np.asarray(upper(self, divergence) - 0.01)
    )
    assert not experiment.run(SMALL, quiet).checks[0].passed


def test_a_lower_curve_that_is_too_high_is_detected(monkeypatch):
    lower = Frontier.lower
    monkeypatch.setattr(
        Frontier, "lower", lambda self, divergence: np.asarray(lower(self, divergence) + 0.1)
    )
    assert not experiment.run(SMALL, quiet).checks[1].passed


def test_an_upper_bound_that_is_too_high_at_a_point_is_detected(monkeypatch):
    ceiling = Frontier.ceiling.fget
    monkeypatch.setattr(Frontier, "ceiling", property(lambda self: ceiling(self) + 1e-6))
    assert [check.passed for check in experiment.run(SMALL, quiet).checks][2] is False


def test_texts_give_the_band_and_half_of_the_gain():
    mdp = rm.models.bandit()
    found = rm.frontier(mdp, rm.uniform_policy(mdp))
    nats = np.linspace(0.0, found.divergence[-1], 2000)
    height = np.max(found.upper(nats) - found.lower(nats)) / (found.value[-1] - found.value[0])
    low, high = found.divergence_for(0.5 * (found.value[-1] - found.value[0]))
    for text in describe_frontier(found):
        assert (
            f"The height of the band is at most {100 * height:.2g} % of the largest gain." in text
        )
        assert f"Half of that gain takes a divergence between {low:.3g} and {high:.3g}." in text
    assert "to that of the optimum, 1, at a divergence of 1.099." in describe_frontier(found)[1]


def test_a_reference_that_is_best_has_no_gain():
    mdp = rm.MDP(np.ones((1, 2, 1)), np.zeros((1, 2)), 0.5)
    for text in describe_frontier(rm.frontier(mdp, rm.uniform_policy(mdp))):
        assert "Half" not in text


def test_settings_that_do_not_fit_are_refused():
    with pytest.raises(rm.RegmdpError, match="branching must be at most the 20 states, not 21"):
        replace(SMALL, branching=21)
