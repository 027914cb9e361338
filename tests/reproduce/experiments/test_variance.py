"""Estimates of the policy gradient: exact quantities compared with independent computations."""

from dataclasses import replace

import numpy as np
import pytest

import regmdp as rm
from regmdp.evaluation import RunBatch
from regmdp.reproduce.experiments import variance
from regmdp.reproduce.experiments import variance_figures as figures
from regmdp.reproduce.experiments import variance_gradients as gradients
from regmdp.reproduce.experiments import variance_runs as runs
from regmdp.reproduce.experiments.variance import QUICK
from regmdp.reproduce.experiments.variance_gradients import PlugInGradient
from regmdp.reproduce.experiments.variance_runs import (
    EstimationTask,
    GradientErrors,
    LearningCurves,
    LearningTask,
)
from regmdp.samples import RandomStreams


@pytest.fixture(scope="module")
def mdp():
    return runs.make_problem(QUICK)


@pytest.fixture(scope="module")
def policy():
    return runs.draw_policy(QUICK)


def regularizer():
    return rm.Shannon(QUICK.temperature)


def differences(value, policy, step=1e-5):
    """Central differences of a function of the policy with respect to its logits."""
    gradient = np.zeros(policy.shape)
    for place in np.ndindex(policy.shape):
        ends = []
        for sign in (1, -1):
            logits = np.log(policy)
            logits[place] += sign * step
            moved = np.exp(logits)
            ends.append(value(moved / moved.sum(axis=1, keepdims=True)))
        gradient[place] = (ends[0] - ends[1]) / (2 * step)
    return gradient


def test_exact_gradient_is_the_derivative_of_the_value(mdp, policy):
    slope = differences(lambda p: rm.evaluate(mdp, p, regularizer()).initial_value, policy)
    np.testing.assert_allclose(
        gradients.compute_gradient(mdp, regularizer(), policy), slope, atol=1e-8
    )


def test_long_episodes_estimate_the_gradient_itself(mdp, policy):
    exact = gradients.compute_gradient(mdp, regularizer(), policy)
    np.testing.assert_allclose(
        gradients.compute_truncated_gradient(mdp, regularizer(), policy, 200), exact, atol=1e-12
    )
    assert (
        np.abs(gradients.compute_truncated_gradient(mdp, regularizer(), policy, 3) - exact).max()
        > 1e-3
    )


def test_many_samples_give_the_exact_gradient(mdp, policy):
    batch = RunBatch(mdp, RandomStreams([np.random.default_rng(seed) for seed in range(2)]))
    estimate = PlugInGradient(300_000)(batch, regularizer(), np.tile(policy, (2, 1)), None)
    exact = gradients.compute_gradient(mdp, regularizer(), policy)
    for gradient in batch.split(estimate.gradient):
        assert np.abs(gradient - exact).max() < 5e-3
    assert estimate.samples == 300_000 * policy.size


def test_the_variance_of_the_plug_in_gradient_is_its_closed_form(mdp, policy):
    pair, count = 400, 1500
    batch = RunBatch(mdp, RandomStreams([np.random.default_rng(seed) for seed in range(count)]))
    estimate = PlugInGradient(pair)(batch, regularizer(), np.tile(policy, (count, 1)), None)
    seen = pair * batch.split(estimate.gradient).var(axis=0, ddof=1).sum()
    assert seen == pytest.approx(
        gradients.compute_plug_in_variance(mdp, regularizer(), policy), rel=0.12
    )


def test_learning_starts_from_the_uniform_policy_and_counts_samples(mdp):
    settings = QUICK
    track = runs.run_task(LearningTask(runs.GENERATIVE, 0.5, settings))
    first = (
        rm.solve(mdp, regularizer()).initial_value
        - rm.evaluate(mdp, rm.uniform_policy(mdp), regularizer()).initial_value
    )
    np.testing.assert_allclose(track.gaps[0], first, atol=1e-7)
    assert track.samples[0] == 0
    assert np.all(np.diff(track.samples) == settings.budget(settings.pair))
    assert track.gaps[-1].mean() < track.gaps[0].mean()
    np.testing.assert_allclose(runs.compute_exact_gaps(0.5, settings)[0], first, atol=1e-7)


def test_a_biased_gradient_is_detected():
    """The check of unbiasedness fails if a bias is added to the errors."""
    estimated = runs.run_task(EstimationTask(runs.PLAIN, QUICK.pairs[0], QUICK))
    deviation = estimated.errors.std(axis=0, ddof=1) / np.sqrt(QUICK.runs)
    z = estimated.errors.mean(axis=0) / deviation
    assert np.abs(z).max() < 4.5
    assert np.abs((estimated.errors + 6 * deviation).mean(axis=0) / deviation).max() > 4.5
    assert estimated.squares.mean() == pytest.approx(estimated.variance, rel=0.1)


def test_exponent_of_a_power_law():
    x = np.array([1.0, 10.0, 100.0])
    assert runs.fit_exponent(x, 3 * x**-0.5) == pytest.approx(-0.5)
    assert np.isnan(runs.fit_exponent(x[:1], x[:1]))


def make_errors(arm, pair, size):
    """Errors of 40 runs that are a multiple of the same normal numbers."""
    drawn = np.random.default_rng(1).normal(size=(40, 8))
    return GradientErrors(EstimationTask(arm, pair, QUICK), pair, size * drawn)


def test_texts_give_errors_ratios_and_gaps():
    sizes = {runs.PLAIN: 4.0, runs.BASELINE: 2.0, runs.WHOLE: 1.0, runs.GENERATIVE: 0.5}
    estimates = [
        make_errors(arm, pair, size * np.sqrt(factor))
        for arm, size in sizes.items()
        for pair, factor in ((40, 1.0), (640, 1.0 / 16.0))
    ]
    unit = np.sqrt(np.mean(make_errors(runs.PLAIN, 40, 1.0).squares))
    alt = figures.make_errors_alt(estimates, unit, 0.3)
    assert "4 to 1 (REINFORCE), 2 to 0.5 (REINFORCE, baseline)" in alt
    assert "0.25 with the smallest budget, 0.25 with the largest, and a dashed limit at 0.3." in alt
    tracks = [
        LearningCurves(LearningTask(arm, 0.5, QUICK), np.arange(2), np.array([[1.0], [end]]))
        for arm, end in zip(runs.ARMS, (0.9, 0.8, 0.2, 1.5), strict=True)
    ]
    text = figures.make_learning_alt(tracks, {0.5: np.array([1.0, 0.1])})
    assert (
        "With step 0.5 the median gap goes from 1 to 0.9 (REINFORCE), 0.8 (REINFORCE, baseline), "
        "0.2 (whole episodes, baseline) and 1.5 (generative model); with exact gradients to 0.1."
    ) in text


def test_two_budgets_are_enough_for_an_exponent():
    found = [make_errors(runs.PLAIN, 40, 1.0), make_errors(runs.PLAIN, 4000, 0.1)]
    assert variance.fit_error_exponent(found) == pytest.approx(-0.5)
    assert variance.fit_error_exponent([make_errors(runs.PLAIN, 4, 9.0), *found]) == (
        pytest.approx(-0.5)
    )


def test_entries_without_variance_have_no_deviation():
    one = make_errors(runs.PLAIN, 40, 1.0)
    errors = one.errors.copy()
    errors[:, 0] = 3.0
    assert variance.count_deviations(one._replace(errors=errors)) < 4.5


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shape": (4, 2, 5)}, "must be at most the 4 states, not 5"),
        ({"shape": (4, 2, 1)}, r"shape\[2\] must be an integer in \[2, 50\], not 1"),
        ({"pairs": (5, 640)}, "pairs and pair has 2 episodes, fewer than 4"),
        ({"pair": 5}, "pairs and pair has 2 episodes, fewer than 4"),
        ({"runs": 10_000, "pairs": (40, 100_000)}, "would draw 8.0e.09 transitions"),
    ],
)
def test_settings_that_do_not_fit_are_refused(changes, message):
    with pytest.raises(rm.RegmdpError, match=message):
        replace(QUICK, **changes)
