"""Learning curves: the plotted values equal those of ``rm.learn``."""

from dataclasses import replace

import numpy as np
import pytest

import regmdp as rm
from regmdp.reproduce.experiments import learning_curves as curves
from regmdp.reproduce.experiments import learning_curves_runs as runs
from regmdp.reproduce.experiments.learning_curves_runs import METHODS, CurveTask, Settings

TINY = Settings(("FrozenLake-v1",), discount=0.9, seeds=3, length=0.05, marks=4, resamples=50)


@pytest.mark.parametrize("method", METHODS)
def test_curves_are_exact_values_of_learned_policies(method):
    task = CurveTask("FrozenLake-v1", method, TINY)
    curve = runs.compute_curve(task)
    mdp, regularizer = runs.make_problem(task.environment, TINY)
    algorithm, iterations = runs.make_algorithm(task)
    generators = [np.random.default_rng([METHODS.index(method), seed]) for seed in range(3)]
    learned = rm.learn(mdp, regularizer, algorithm, max_iterations=iterations, rng=generators)
    assert curve.samples[-1] == learned.samples
    exact = [rm.evaluate(mdp, policy, regularizer).initial_value for policy in learned.policy]
    np.testing.assert_allclose(curve.values[-1], exact, rtol=1e-12)
    assert curve.reproduced
    assert np.all(np.diff(curve.samples) > 0)


def test_bounds_enclose_the_optimum():
    found = runs.compute_reference("FrozenLake-v1", TINY)
    mdp, regularizer = runs.make_problem("FrozenLake-v1", TINY)
    best = rm.solve(mdp, regularizer, tol=1e-11).initial_value
    assert found.lower <= best <= found.upper
    assert found.upper - found.lower < 1e-7
    assert found.uniform < found.lower


def test_intervals_of_means():
    values = np.random.default_rng(1).normal(size=(5, 400)) + np.arange(5)[:, None]
    low, high = runs.bootstrap_interval(values, 2000)
    width = 2 * 1.96 * values.std(axis=1) / 20
    np.testing.assert_allclose(high - low, width, rtol=0.1)
    assert np.all((low < values.mean(axis=1)) & (values.mean(axis=1) < high))


def test_a_method_that_learns_nothing_fails_its_check(monkeypatch):
    weak = {
        "FrozenLake-v1": runs.TUNING["FrozenLake-v1"]._replace(
            steps=1, n_envs=1, share=1e-9, samples=1
        )
    }
    monkeypatch.setattr(runs, "TUNING", weak)
    monkeypatch.setattr(
        curves,
        "map_in_processes",
        lambda function, tasks, progress, describe: [function(task) for task in tasks],
    )
    monkeypatch.setattr(curves, "find_required_fractions", lambda settings: (0.7, 0.5))
    result = curves.run(replace(TINY, seeds=2), lambda fraction, text: None)
    failed = [check.claim for check in result.checks if not check.passed]
    assert any(claim.startswith("Soft Q-learning") for claim in failed)
    assert any(claim.startswith("Stochastic mirror descent") for claim in failed)
    assert not any(claim.startswith("No policy") or claim.startswith("A run") for claim in failed)


def test_gains_are_required_for_the_full_discount_and_a_long_run_only():
    assert curves.find_required_fractions(curves.FULL) == (0.95, 0.9)
    assert curves.find_required_fractions(curves.QUICK) == (0.7, 0.5)
    assert curves.find_required_fractions(replace(curves.QUICK, length=0.4)) == ()
    assert curves.find_required_fractions(replace(curves.FULL, discount=0.9)) == ()


def test_texts_give_the_fraction_of_the_gap_that_is_closed(monkeypatch):
    monkeypatch.setattr(
        curves,
        "map_in_processes",
        lambda function, tasks, progress, describe: [function(task) for task in tasks],
    )
    settings = replace(TINY, seeds=1, length=0.02, marks=2)
    result = curves.run(settings, lambda fraction, text: None)
    table, reference = (
        result.tables["curves"],
        runs.compute_reference("FrozenLake-v1", settings),
    )
    for method in METHODS:
        end = table["value"][table["method"] == method][-1]
        fraction = (end - reference.uniform) / (reference.lower - reference.uniform)
        assert f"{100 * fraction:.0f} % ({method})" in result.figures["curves"].alt
    assert len(result.notes) == 1
    assert not any("closes most of the gap" in check.claim for check in result.checks)


def test_the_seed_changes_the_runs():
    task = CurveTask("FrozenLake-v1", METHODS[1], replace(TINY, seeds=1, length=0.02, marks=1))
    other = task._replace(settings=replace(task.settings, seed=1))
    assert not np.array_equal(runs.compute_curve(task).values, runs.compute_curve(other).values)


def test_unknown_environments_are_refused():
    with pytest.raises(rm.RegmdpError, match="did you mean 'FrozenLake-v1'"):
        replace(TINY, environments=("FrozenLake",))
