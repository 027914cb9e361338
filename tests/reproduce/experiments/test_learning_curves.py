"""Learning curves: what is plotted is what a user of the front door gets."""

from dataclasses import replace

import numpy as np
import pytest

import regmdp as rm
from regmdp.reproduce.experiments import learning_curves as curves
from regmdp.reproduce.experiments.learning_curves import METHODS, Settings, Task

TINY = Settings(("FrozenLake-v1",), discount=0.9, seeds=3, length=0.05, marks=4, resamples=50)


@pytest.mark.parametrize("method", METHODS)
def test_a_curve_is_the_exact_value_of_what_is_learned(method):
    task = Task("FrozenLake-v1", method, TINY)
    curve = curves.track(task)
    mdp, regularizer = curves.problem(task.environment, TINY)
    algorithm, iterations = curves.algorithm(task)
    generators = [np.random.default_rng([METHODS.index(method), seed]) for seed in range(3)]
    learned = rm.learn(mdp, regularizer, algorithm, max_iterations=iterations, rng=generators)
    assert curve.samples[-1] == learned.samples
    exact = [rm.evaluate(mdp, policy, regularizer).initial_value for policy in learned.policy]
    np.testing.assert_allclose(curve.values[-1], exact, rtol=1e-12)
    assert curve.reproduced
    assert np.all(np.diff(curve.samples) > 0)


def test_bounds_enclose_the_optimum():
    found = curves.reference("FrozenLake-v1", TINY)
    mdp, regularizer = curves.problem("FrozenLake-v1", TINY)
    best = rm.solve(mdp, regularizer, tol=1e-11).initial_value
    assert found.lower <= best <= found.upper
    assert found.upper - found.lower < 1e-7
    assert found.uniform < found.lower


def test_intervals_are_those_of_means():
    values = np.random.default_rng(1).normal(size=(5, 400)) + np.arange(5)[:, None]
    low, high = curves.interval(values, 2000)
    width = 2 * 1.96 * values.std(axis=1) / 20
    np.testing.assert_allclose(high - low, width, rtol=0.1)
    assert np.all((low < values.mean(axis=1)) & (values.mean(axis=1) < high))


def test_a_method_that_learns_nothing_fails_its_check(monkeypatch):
    quiet = {
        "FrozenLake-v1": curves.TUNING["FrozenLake-v1"]._replace(
            steps=1, n_envs=1, share=1e-9, samples=1
        )
    }
    monkeypatch.setattr(curves, "TUNING", quiet)
    monkeypatch.setattr(
        curves,
        "map_in_processes",
        lambda function, tasks, progress, doing: [function(task) for task in tasks],
    )
    result = curves.run(replace(TINY, seeds=2), lambda fraction, text: None)
    failed = [check.claim for check in result.checks if not check.passed]
    assert any(claim.startswith("Soft Q-learning") for claim in failed)
    assert any(claim.startswith("Stochastic mirror descent") for claim in failed)
    assert not any(claim.startswith("No policy") or claim.startswith("A run") for claim in failed)
