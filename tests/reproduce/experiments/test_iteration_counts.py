"""Numbers of iterations: measured ones against independent loops, counts against formulas."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import log_softmax, softmax

import regmdp as rm
from regmdp.reproduce.experiments import iteration_counts
from regmdp.reproduce.experiments import iteration_counts_runs as runs
from regmdp.reproduce.experiments.iteration_counts_runs import (
    RANDOM,
    RARE,
    AccuracyCurve,
    Settings,
    StepCurve,
)

TINY = Settings(
    shape=(5, 3, 10),
    branching=3,
    temperature=0.2,
    accuracy=0.02,
    shares=(0.02, 0.05, 0.1, 0.4, 1.0),
    rare=1e-9,
    accuracies=(1.0, 1e-3, 1e-6),
    rungs=20,
    ladder_horizon=4,
    ladder_accuracies=(0.02, 0.005),
    seed=0,
)


def silent(*_):
    pass


def soft_loop(mdp, tau, share):
    """Q_t, V_t of entropy-regularized natural policy gradient from the uniform policy."""
    P, r, gamma = mdp.to_array(), np.asarray(mdp.rewards), mdp.discount
    log_policy = np.full(r.shape, -np.log(r.shape[1]))
    while True:
        policy = np.exp(log_policy)
        chain = np.einsum("sa,sat->st", policy, P)
        expected = (policy * (r - tau * log_policy)).sum(axis=1)
        value = np.linalg.solve(np.eye(len(r)) - gamma * chain, expected)
        q = r + gamma * P @ value
        yield q, value, policy
        log_policy = log_softmax((1 - share) * log_policy + share * q / tau, axis=1)


def optimum(mdp, tau):
    loop = soft_loop(mdp, tau, 1.0)
    for _ in range(60):
        found = next(loop)
    return found


def first_within(errors, accuracy):
    return next(t for t, error in enumerate(errors) if error <= accuracy)


@pytest.fixture(scope="module")
def curves():
    return [
        runs.measure_by_step(name, mdp, TINY, silent)
        for name, mdp in (
            (RANDOM, runs.make_random_model(TINY)),
            (RARE, runs.make_rare_start(TINY)),
        )
    ]


@pytest.mark.parametrize("index", [0, 1])
def test_measured_iterations_and_counts(curves, index):
    mdp = (runs.make_random_model, runs.make_rare_start)[index](TINY)
    curve, tau, horizon = curves[index], TINY.temperature, 10
    best_q, best_value, best_policy = optimum(mdp, tau)
    chain = np.einsum("sa,sat->st", best_policy, mdp.to_array())
    nu = np.linalg.matrix_power(chain, 100_000)[1]
    mismatch = np.max(mdp.initial / nu)
    assert curve.mismatch == pytest.approx(mismatch, rel=1e-6)
    first_q, first_value, _ = next(soft_loop(mdp, tau, 1.0))
    divergence = np.sum(best_policy * np.log(3 * best_policy), axis=1)
    for share, measured, by_sup_norm, by_potential in zip(
        curve.shares, curve.measured, curve.by_sup_norm, curve.by_potential, strict=True
    ):
        gaps = (mdp.initial @ (best_value - value) for _, value, _ in soft_loop(mdp, tau, share))
        assert measured == first_within(gaps, TINY.accuracy)
        far = np.max(np.abs(np.log(3 * best_policy)))
        constant = np.max(np.abs(best_q - first_q)) + 2 * tau * (1 - share) * far
        assert by_sup_norm == 1 + np.ceil(np.log(3 * constant / TINY.accuracy) * horizon / share)
        constant = nu @ (best_value - first_value) + (
            tau / share * nu @ divergence if share < 1 else 0.0
        )
        assert by_potential == np.ceil(
            max(horizon, 1 / share) * np.log(mismatch * constant / TINY.accuracy)
        )


def test_the_rare_start():
    mdp = runs.make_rare_start(TINY)
    rows, inner = mdp.to_array(), runs.make_random_model(TINY)
    np.testing.assert_allclose(rows.sum(axis=2), 1.0)
    np.testing.assert_allclose(rows[..., 0], 1e-9)
    np.testing.assert_allclose(rows[1:, :, 1:], inner.to_array(), rtol=1e-8)
    np.testing.assert_array_equal(mdp.rewards[1:], inner.rewards)
    assert mdp.initial[0] == 1.0


def test_soft_policy_iterations():
    mdp, tau = runs.make_random_model(TINY), TINY.temperature
    curve = runs.measure_by_accuracy(mdp, TINY)
    best_q, _, _ = optimum(mdp, tau)
    first_q, _, _ = next(soft_loop(mdp, tau, 1.0))
    for accuracy, measured, counted in zip(
        TINY.accuracies, curve.measured, curve.counted, strict=True
    ):
        errors = (np.max(np.abs(best_q - q)) for q, _, _ in soft_loop(mdp, tau, 1.0))
        assert measured == first_within(errors, accuracy)
        distance = np.max(np.abs(best_q - first_q))
        assert counted == 1 + max(0, np.ceil(10 * np.log(0.9 * distance / accuracy)))


def test_iterations_on_the_ladder_have_a_closed_form():
    """One state: after t iterations π ∝ exp(-tη loss/(1-γ))."""
    curve = runs.measure_unregularized(runs.make_ladder(TINY), TINY)
    loss = 0.5 ** np.arange(1, 21)
    spread = loss[0] - loss[-1]
    step = np.log(20) / 16 / spread
    gaps = [4 * softmax(-t * step * 4 * loss) @ (loss - loss[-1]) for t in range(2000)]
    for accuracy, measured, counted in zip(
        TINY.ladder_accuracies, curve.measured, curve.counted, strict=True
    ):
        assert measured == first_within(gaps, accuracy)
        # D = log A, as the optimal policy is pure, and half of the count is log A/η
        assert counted == np.ceil(2 * spread * 16 / accuracy * (1 - 1e-9))


def test_too_few_iterations_are_not_hidden():
    with pytest.raises(AssertionError, match="iterations of the theory are not enough"):
        runs.find_first_iterations(
            runs.make_random_model(TINY),
            rm.Shannon(TINY.temperature),
            rm.algorithms.NPG(0.01),
            lambda state: 1.0,
            (0.5,),
            3,
        )


def made_up(problem, measured, by_sup_norm, by_potential):
    """A curve whose numbers of iterations are given for four step sizes."""
    return StepCurve(
        problem,
        1.0,
        np.array([0.01, 0.02, 0.1, 1.0]),
        np.array(measured, dtype=float),
        np.array(by_sup_norm, dtype=float),
        np.array(by_potential, dtype=float),
    )


def outcomes(random, rare):
    curves = [made_up(RANDOM, *random), made_up(RARE, *rare)]
    return [check.passed for check in iteration_counts._check_steps(curves, TINY)]


def test_wrong_numbers_of_iterations_are_detected():
    random = ([100, 50, 10, 1], [9000, 4500, 900, 90], [900, 450, 90, 90])
    rare = ([100, 50, 10, 1], [9000, 4500, 900, 90], [3000, 1500, 300, 300])
    assert outcomes(random, rare) == [True] * 5
    assert outcomes(([1000, 500, 100, 10], *random[1:]), rare) == [False, *[True] * 4]
    assert outcomes((random[0], random[1], [9500, 450, 90, 90]), rare)[1] is False
    assert outcomes(random, (rare[0], rare[1], [9500, 1500, 300, 300]))[2] is False
    assert outcomes(random, (rare[0], rare[1], [3000, 1500, 300, 80]))[3] is False
    assert outcomes(([100, 80, 50, 30], *random[1:]), rare)[4] is False


def test_wrong_rates_are_detected():
    accuracies = np.array([1e-1, 1e-2, 1e-3])

    def curve(measured, counted):
        return AccuracyCurve("", accuracies, np.array(measured, float), np.array(counted, float))

    def passed(soft, plain):
        return [one.passed for one in iteration_counts._check_accuracies(soft, plain)]

    soft, plain = curve([1, 2, 3], [30, 60, 90]), curve([1, 10, 100], [50, 500, 5000])
    assert passed(soft, plain) == [True] * 3
    assert passed(curve([1, 2, 100], [30, 60, 90]), plain) == [False, True, True]
    assert passed(soft, curve([1, 10, 100], [50, 500, 5e5]))[2] is False
    assert passed(soft, curve([60, 600, 6000], [50, 500, 5000])) == [True, False, True]


@pytest.fixture(scope="module")
def result():
    return iteration_counts.run(TINY, silent)


def test_a_small_run(result):
    assert all(check.passed for check in result.checks if "ladder" not in check.claim)
    assert len(result.checks) == 8
    assert result.tables["step-size"]["iterations"].size == 2 * 5
    assert result.tables["without-entropy"]["count"].size == 2
    assert len(result.numbers) == 6


@pytest.mark.slow
def test_the_figure_can_be_drawn(result):
    from regmdp import plots

    with plots.style():
        drawn = result.figures["counts"].draw()
        assert plots.to_svg(drawn).startswith("<svg")
    assert len(drawn.axes) == 4


def test_progress_reaches_the_end():
    fractions = []
    settings = replace(TINY, shares=(0.05, 0.1, 0.4, 1.0))
    iteration_counts.run(settings, lambda fraction, text: fractions.append(fraction))
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0


def test_texts_give_the_counts_at_the_ends_and_the_slopes(result):
    steps, text = result.tables["step-size"], result.figures["counts"]
    for problem in (RANDOM, RARE):
        here = steps["problem"] == problem
        ratio = steps["by_potential"][here] / steps["by_sup_norm"][here]
        sentence = (
            f"The count by the potential is {ratio[0]:.2g} times (η = 0.02 of the largest) and "
            f"{ratio[-1]:.2g} times (η = 1 of the largest) the count by the sup norm."
        )
        assert sentence in text.caption
        assert sentence in text.alt
        measured = steps["iterations"][here]
        fraction = np.max(measured / np.minimum(steps["by_potential"], steps["by_sup_norm"])[here])
        assert (
            f"the measured iterations go from {measured[0]:,.0f} to {measured[-1]:,.0f}, at most "
            f"{fraction:.2g} of the smaller count."
        ) in text.alt
    plain = result.tables["without-entropy"]
    slopes = [np.diff(np.log(plain[name]))[0] / np.log(4.0) for name in ("iterations", "count")]
    assert f"The slopes in 1/ε are {slopes[0]:.2f} and {slopes[1]:.2f}." in text.caption
    soft = result.tables["soft-policy-iteration"]
    assert (
        f"From ε = 1 to 1e-06 the measured iterations go from {soft['iterations'][0]:.0f} to "
        f"{soft['iterations'][-1]:.0f}"
    ) in text.caption


def test_comparisons_without_points_are_left_out_and_named():
    settings = replace(
        TINY,
        shape=(3, 2, 2),
        shares=(0.6,),
        accuracy=100.0,
        accuracies=(1000.0,),
        ladder_accuracies=(100.0, 50.0),
    )
    found = iteration_counts.run(settings, silent)
    assert [check.claim for check in found.checks if not check.passed] == []
    assert len(found.checks) == 3
    assert len(found.notes) == 4
    assert "Too few accuracies take iterations for a slope." in found.figures["counts"].caption


def test_a_start_that_is_never_returned_to_has_no_count_by_the_potential():
    settings = replace(TINY, shape=(8, 2, 5), branching=1, shares=(0.5,))
    mdp = runs.make_random_model(settings)
    one = runs.measure_by_step(RANDOM, mdp, settings, silent)
    assert one.mismatch == np.inf
    assert np.isinf(one.by_potential).all()
    assert one.smaller == one.by_sup_norm


def test_settings_that_do_not_fit_are_refused():
    with pytest.raises(rm.RegmdpError, match="branching must be at most the 5 states, not 6"):
        replace(TINY, branching=6)
