"""The experiment bears out its theory, and its checks notice when a bound is wrong."""

from dataclasses import replace

import numpy as np

from regmdp._frontier import Frontier
from regmdp.reproduce.experiments import frontier as experiment

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
