"""Samples to an accuracy: models, successes and the search, compared with independent code."""

from dataclasses import replace

import numpy as np
import pytest

import regmdp as rm
from regmdp.reproduce.experiments import sample_complexity
from regmdp.reproduce.experiments import sample_complexity_runs as runs
from regmdp.reproduce.experiments.sample_complexity_runs import (
    FRESH,
    LOOPS,
    RANDOM,
    REUSED,
    VALUE_DESCENT,
    SampleCount,
    SampleCurve,
    SampleTask,
    Settings,
)

TINY = Settings(
    shape=(4, 2, 2),
    models=2,
    horizon=4,
    accuracies=(0.7, 0.35),
    random_accuracies=(0.3, 0.1),
    accuracy=0.5,
    random_accuracy=0.2,
    horizons=(4, 8),
    runs=100,
    fresh_runs=40,
    share=0.9,
    seed=0,
)


def silent(fraction, text):
    pass


@pytest.mark.parametrize("horizon", [4, 8])
def test_the_two_loops(horizon):
    mdp = runs.make_problem(SampleTask(LOOPS, REUSED, horizon, 0.5, 0, TINY))
    always = [rm.certificates.evaluate(mdp, np.array([[1.0 - a, a]])).value[0] for a in (0.0, 1.0)]
    assert always == pytest.approx(
        [0.75 * horizon, 0.75 * horizon - 1.0]
    )  # the worse value is smaller by 2ε
    assert rm.solve(mdp, tol=1e-9).value[0] == pytest.approx(0.75 * horizon)


def test_a_random_model_does_not_change_with_the_discount_or_the_accuracy():
    one, other = (
        runs.make_problem(SampleTask(RANDOM, REUSED, horizon, 1.0 / horizon, 1, TINY))
        for horizon in (4, 8)
    )
    np.testing.assert_array_equal(one.to_array(), other.to_array())
    np.testing.assert_array_equal(one.rewards, other.rewards)
    assert (one.discount, other.discount) == (0.75, 0.875)


@pytest.mark.parametrize(("problem", "horizon"), [(LOOPS, 4), (RANDOM, 8)])
def test_temperature_and_iterations_meet_the_accuracy(problem, horizon):
    mdp = runs.make_problem(SampleTask(problem, REUSED, horizon, 0.5, 0, TINY))
    tau, count = runs.temperature_for_accuracy(mdp, 0.5), runs.count_iterations(mdp, 0.5)
    assert tau * np.log(mdp.n_actions) * horizon == pytest.approx(0.25)
    assert mdp.discount**count * horizon <= 0.125 < mdp.discount ** (count - 1) * horizon
    best = rm.solve(mdp, tol=1e-10).value
    policy = rm.solve(
        mdp, rm.Shannon(tau), rm.algorithms.SoftPolicyIteration(), tol=0, max_iterations=count
    ).policy
    assert runs.compute_gaps(mdp, best, policy[None])[0] <= 0.375
    assert runs.count_exact_iterations(SampleTask(problem, REUSED, horizon, 0.5, 0, TINY)) <= count


def test_gaps():
    mdp = runs.make_problem(SampleTask(RANDOM, REUSED, 4, 0.5, 0, TINY))
    best = rm.solve(mdp, tol=1e-10).value
    policies = np.random.default_rng(0).dirichlet(np.ones(2), (3, 4))
    expected = [np.max(best - rm.certificates.evaluate(mdp, policy).value) for policy in policies]
    np.testing.assert_allclose(runs.compute_gaps(mdp, best, policies), expected, rtol=1e-8)


def simulated(task, n, method, count):
    """Fraction of runs on the two loops within ε, by scalar recursions on binomial numbers."""
    discount, rng, many = 1.0 - 1.0 / task.horizon, np.random.default_rng(1), 20_000
    mdp = runs.make_problem(task)
    continuation, tau = mdp.to_array()[0, :, 0], runs.temperature_for_accuracy(mdp, task.accuracy)
    policy = np.full((many, 2), 0.5)
    frequency = rng.binomial(n, continuation, (many, 2)) / n
    for _ in range(count):
        if method == FRESH:
            frequency = rng.binomial(n, continuation, (many, 2)) / n
        entropy = -np.sum(policy * np.log(np.maximum(policy, 1e-300)), axis=1)
        value = (1.0 + tau * entropy) / (1.0 - discount * np.sum(policy * frequency, axis=1))
        q = 1.0 + discount * frequency * value[:, None]
        weight = np.exp((q - q.max(axis=1, keepdims=True)) / tau)
        policy = weight / weight.sum(axis=1, keepdims=True)
    value = 1.0 / (1.0 - discount * policy @ continuation)
    return np.mean(0.75 * task.horizon - value <= task.accuracy)


@pytest.mark.parametrize("method", [REUSED, FRESH])
def test_the_successes_on_the_two_loops(method):
    task = SampleTask(LOOPS, method, 4, 0.5, 0, replace(TINY, runs=200, fresh_runs=200))
    found = runs.find_sample_count(task)
    for n, successes in zip(found.tried, found.successes, strict=True):
        part = simulated(task, int(n), method, found.iterations)
        assert abs(successes / 200 - part) <= 4.0 * np.sqrt(part * (1.0 - part) / 200) + 0.005
    low, high = found.interval
    assert low <= found.total <= high
    assert found.total == found.samples * (found.iterations if method == FRESH else 1)
    # 90 % is between tried numbers
    assert found.successes[0] < 180 <= found.successes[-1]
    again = runs.find_sample_count(task)
    np.testing.assert_array_equal(found.successes, again.successes)
    assert found.samples == again.samples


@pytest.mark.parametrize(
    ("y", "goal", "expected"),
    [
        ([0.2, 0.5, 0.8, 1.0], 0.8, 4.0),
        ([0.2, 0.5, 0.7, 0.9], 0.8, 2.0**2.5),
        ([0.9, 0.95, 1.0, 1.0], 0.8, 1.0),
        ([0.1, 0.2, 0.3, 0.4], 0.8, 8.0),
        ([0.2, 0.9, 0.5, 1.0], 0.85, 2.0 ** (2.0 + 0.5)),  # 0.9 and 0.5 are averaged to 0.7
    ],
)
def test_crossings(y, goal, expected):
    assert runs.find_crossing(np.array([1.0, 2.0, 4.0, 8.0]), np.array(y), goal) == pytest.approx(
        expected
    )


def test_all_samples_of_value_mirror_descent():
    # 1/(1-γ) = 4: epochs of 5 iterations
    task = SampleTask(LOOPS, VALUE_DESCENT, 4, 0.5, 0, TINY)
    count = SampleCount(task, 15, np.ones(1), np.ones(1), 20.0, np.array([10.0, 20.0]))
    assert count.total == 3 * 20 + 12 * 4
    mdp = runs.make_problem(task)
    learned = rm.learn(
        mdp, rm.Shannon(0.1), runs._make_method(VALUE_DESCENT, 20), max_iterations=15,
        rng=np.random.default_rng(0),
    )  # fmt: skip
    assert learned.samples == 2 * count.total


def test_value_mirror_descent_reaches_the_accuracy():
    task = SampleTask(LOOPS, VALUE_DESCENT, 4, 0.5, 0, TINY)
    found = runs.find_sample_count(task)
    assert found.successes[-1] >= 36
    reused = runs.find_sample_count(task._replace(method=REUSED))
    assert 1.0 < found.total / reused.total < 10.0


def made_up(problem, method, sweep, power, factor):
    """A curve whose samples are a power law."""
    x, found = np.array([1.0, 2.0, 4.0]), []
    for one in x:
        task = SampleTask(problem, method, 4, 0.5, 0, TINY)
        samples = factor * one**power
        found.append(
            [
                SampleCount(
                    task,
                    10,
                    np.array([1.0]),
                    np.array([1.0]),
                    samples,
                    samples * np.ones(runs.N_RESAMPLES),
                )
            ]
        )
    return SampleCurve(problem, method, sweep, x, found)


def checks(reused, fresh, factor=1.0, descent=(2.0, 3.0)):
    """Outcomes of the checks for curves with these powers; ``factor`` multiplies fresh samples."""
    curves = [
        made_up(problem, method, sweep, power, factor if method == FRESH else 1.0)
        for problem in (LOOPS, RANDOM)
        for method, powers in ((REUSED, reused), (FRESH, fresh), (VALUE_DESCENT, descent))
        for sweep, power in zip(("accuracy", "horizon"), powers, strict=True)
    ]
    return [check.passed for check in sample_complexity._make_checks(curves)]


def test_exponents_of_power_laws():
    curve = made_up(LOOPS, FRESH, "horizon", 4.5, 3.0)
    assert curve.slope(curve.total) == pytest.approx(4.5)
    assert curve.slope_interval() == pytest.approx((4.5, 4.5))
    np.testing.assert_allclose(curve.total, 10.0 * curve.each)


def test_exponents_above_the_theory_are_detected():
    assert checks((2.0, 3.0), (2.0, 4.0)) == [True] * 10
    assert checks((2.0, 3.0), (2.0, 4.0), descent=(2.5, 3.5)) == [
        *[True] * 6,
        *[False] * 2,
        *[True] * 2,
    ]
    assert checks((1.5, 3.0), (2.0, 4.0)) == [False, *[True] * 9]
    assert checks((2.0, 3.5), (2.0, 4.0)) == [True, False, True, False, *[True] * 6]
    assert checks((2.0, 3.0), (2.5, 4.0)) == [True] * 4 + [False] + [True] * 5
    assert checks((2.0, 3.0), (2.0, 7.5)) == [True] * 5 + [False] + [True] * 4
    assert checks((2.0, 3.0), (2.0, 3.0), factor=0.1) == [True] * 8 + [False, True]
    assert checks((2.0, 3.0), (2.0, 3.0), factor=1e9) == [True] * 9 + [False]


@pytest.mark.parametrize(("problem", "spread"), [(LOOPS, 1.0), (RANDOM, None)])
def test_the_number_of_the_theory(problem, spread):
    """N · T for an accuracy of ε/2, at the temperature of the experiment."""
    task = SampleTask(problem, FRESH, 8, 0.5, 0, TINY)
    mdp = runs.make_problem(task)
    tau, discount = runs.temperature_for_accuracy(mdp, 0.5), 1.0 - 1.0 / 8
    delta = min(0.25 / 4, np.sqrt(tau * 0.25) / 2) / (8 * discount)
    # on the two loops the rewards are 1, and 0 after the end
    spread = np.ptp(mdp.rewards) if spread is None else spread
    each = np.ceil(spread**2 * 8**3 / delta**2)
    far = discount * 8 * (spread + 0.25 / 8)
    count = 1 + np.ceil(8 * np.log(8 * far / (3 * 0.25)))
    assert runs.predict_samples(task) == each * count
    curve = made_up(problem, FRESH, "horizon", 4.0, 1.0)
    np.testing.assert_array_equal(curve.predicted, runs.predict_samples(curve.found[0][0].task))


@pytest.fixture(scope="module")
def result():
    return sample_complexity.run(TINY, silent)


@pytest.mark.slow
def test_a_small_run(result):
    samples, tried = result.tables["samples"], result.tables["tried"]
    # two points of two sweeps with three methods, on the two loops and on two random models
    assert samples["samples"].size == 2 * 2 * 3 * (1 + 2)
    assert np.all(
        (samples["samples_low"] <= samples["samples"])
        & (samples["samples"] <= samples["samples_high"])
    )
    assert np.all(tried["successes"] <= tried["runs"])
    assert len(result.checks) == 10
    assert result.checks[-2].passed  # the others need more runs
    assert result.checks[-1].passed


@pytest.mark.slow
def test_the_figure_can_be_drawn(result):
    from regmdp import plots

    with plots.style():
        drawn = result.figures["samples"].draw()
        assert plots.to_svg(drawn).startswith("<svg")
    assert len(drawn.axes) == 4


@pytest.mark.slow
def test_progress_reaches_the_end():
    fractions = []
    settings = replace(TINY, models=1, runs=10, fresh_runs=10)
    sample_complexity.run(settings, lambda fraction, text: fractions.append(fraction))
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0


def test_texts_give_the_slopes_and_the_ratio_of_fresh_and_reused_samples():
    curves = [
        made_up(problem, method, sweep, *values)
        for problem in (LOOPS, RANDOM)
        for sweep in ("accuracy", "horizon")
        for method, values in (
            (REUSED, (2.0, 100.0)),
            (FRESH, (2.0, 700.0)),
            (VALUE_DESCENT, (2.0, 300.0)),
        )
    ]
    text = sample_complexity.figures.describe_curves(curves)
    by_key = {curve[:3]: curve for curve in curves}
    for problem in (LOOPS, RANDOM):
        for sweep, axis in (("accuracy", "1/ε"), ("horizon", "1/(1−γ)")):
            fresh, reused = by_key[problem, FRESH, sweep], by_key[problem, REUSED, sweep]
            ratio = np.median(fresh.total, axis=0) / np.median(reused.total, axis=0)
            assert (
                f"{problem.capitalize()}, {axis}: slopes {reused.slope(reused.total):.2f} (" in text
            )
            assert f"fresh samples are {ratio.min():.2g} to {ratio.max():.2g} times" in text


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shape": (4, 2, 5)}, "must be at most the 4 states, not 5"),
        ({"accuracies": (1.1, 0.5)}, "the largest of accuracies must be at most 1, because"),
        ({"accuracy": 1.1}, "accuracy must be at most 1, because with .* = 4 the values"),
        ({"accuracies": (0.7, 0.01)}, r"need about 6.4e\+05 samples of a pair, more than the 3e"),
        ({"horizons": (4, 64), "accuracy": 0.5}, r"need about 1.0e\+06 samples"),
        ({"random_accuracies": (0.3, 0.002)}, r"need about 1.6e\+07 samples"),
    ],
)
def test_settings_that_do_not_fit_are_refused(changes, message):
    with pytest.raises(rm.RegmdpError, match=message):
        replace(TINY, **changes)


def test_the_worse_loop_may_end_at_once():
    largest = SampleTask(LOOPS, REUSED, 4, 1.0, 0, TINY)
    assert runs.make_problem(largest).to_array()[0, 1, 0] == 0.0
