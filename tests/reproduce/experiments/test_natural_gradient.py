"""Natural policy gradient and its theory: errors and bounds computed independently.

Some are computed with 60 digits.
"""

from dataclasses import replace

import mpmath
import numpy as np
import pytest
from scipy.special import log_softmax, softmax

import regmdp as rm
from regmdp.reproduce.experiments import natural_gradient as npg
from regmdp.reproduce.experiments import natural_gradient_fits as fits
from regmdp.reproduce.experiments import natural_gradient_runs as runs
from regmdp.reproduce.experiments import natural_gradient_texts as texts
from regmdp.reproduce.experiments.natural_gradient_runs import Settings

TINY = Settings(
    rungs=60,
    shape=(6, 3, 5),
    branching=3,
    steps=(0.5, 2.0),
    plain_iterations=100,
    temperature=0.2,
    shares=(1.0, 0.25),
    soft_iterations=40,
    quadratic=((12, 4, 20, 0.05),),
    quadratic_iterations=8,
    seed=0,
)


def silent(fraction, text):
    pass


@pytest.mark.parametrize("step", [0.5, 2.0])
def test_the_gap_on_the_ladder_has_a_closed_form(step):
    # one state: Q differs from r by a constant, so that after t iterations π ∝ exp(tηr/(1-γ))
    mdp = runs.make_ladder(60, 5)
    loss = 0.5 ** np.arange(1, 61)
    one = runs.run_unregularized("ladder", mdp, step, 50)
    gaps = [5.0 * (softmax(-t * step * 5.0 * loss) @ (loss - loss[-1])) for t in range(1, 51)]
    np.testing.assert_allclose(one.gap, gaps, rtol=1e-10)


def test_the_bound_without_entropy():
    # the best action is one of 60, and the losses are between 0 and 1/2
    one = runs.run_unregularized("ladder", runs.make_ladder(60, 5), 0.5, 50)
    np.testing.assert_allclose(
        one.bound, (np.log(60) / 0.5 + 0.5 * 5**2) / np.arange(1, 51), rtol=1e-9
    )
    assert one.report.holds
    assert np.all(one.gap <= one.bound)


def soft_loop(mdp, tau, step, iterations):
    """Q_t, V_t and log π_t of entropy-regularized natural policy gradient, t = 0 … n."""
    P, r, gamma = mdp.to_array(), np.asarray(mdp.rewards), mdp.discount
    log_policy = np.full(r.shape, -np.log(r.shape[1]))
    for _ in range(iterations + 1):
        policy = np.exp(log_policy)
        chain = np.einsum("sa,sat->st", policy, P)
        value = np.linalg.solve(
            np.eye(len(r)) - gamma * chain, (policy * (r - tau * log_policy)).sum(axis=1)
        )
        q = r + gamma * P @ value
        yield q, value, log_policy
        log_policy = log_softmax(
            (1.0 - step * tau / (1.0 - gamma)) * log_policy + step * q / (1.0 - gamma), axis=1
        )


@pytest.mark.parametrize("share", [1.0, 0.25])
def test_the_errors_with_entropy_and_their_bounds(share):
    mdp, tau = runs.make_random_model(TINY.shape, TINY), TINY.temperature
    gamma = mdp.discount
    step = share * (1.0 - gamma) / tau
    # the optimum by soft policy iteration
    *_, (best_q, best_value, best_log) = soft_loop(mdp, tau, (1.0 - gamma) / tau, 40)
    one = runs.run_with_entropy(mdp, share, TINY)
    loop = list(soft_loop(mdp, tau, step, TINY.soft_iterations))
    measured = {
        "q": [np.abs(best_q - q).max() for q, _, _ in loop],
        "value": [np.abs(best_value - value).max() for _, value, _ in loop],
        "log_policy": [np.abs(best_log - log_policy).max() for _, _, log_policy in loop],
        "gap": [np.mean(best_value - value) for _, value, _ in loop],
    }
    for name, errors in measured.items():
        np.testing.assert_allclose(one.errors[name], errors, rtol=1e-6, atol=1e-12, err_msg=name)
    first_q, first_value, first_log = loop[0]
    constant = (
        np.abs(best_q - first_q).max() + 2 * tau * (1 - share) * np.abs(best_log - first_log).max()
    )
    power = (1.0 - step * tau) ** np.arange(TINY.soft_iterations)
    np.testing.assert_allclose(one.bounds["q"][1:], gamma * constant * power)
    np.testing.assert_allclose(one.bounds["value"][1:], 3 * constant * power)
    np.testing.assert_allclose(one.bounds["log_policy"][1:], 2 * constant / tau * power)
    chain = np.einsum("sa,sat->st", np.exp(best_log), mdp.to_array())
    nu = np.linalg.matrix_power(chain, 1000)[0]
    far = np.sum(np.exp(best_log) * (best_log - first_log), axis=1)
    potential = nu @ (best_value - first_value) + (
        nu @ far * (1.0 - gamma) / step if share < 1.0 else 0.0
    )
    rate = max(gamma, 1 - share)
    np.testing.assert_allclose(
        one.bounds["gap"],
        (1 / len(nu) / nu).max() * potential * rate ** np.arange(len(loop)),
        rtol=1e-6,
    )
    assert one.report.holds


def exact_gaps(mdp, tau, iterations):
    """V*(ν*) - V_t(ν*) of soft policy iteration with 60 digits."""
    P, n, m = mdp.to_array(), mdp.n_states, mdp.n_actions
    with mpmath.workdps(60):
        tau, gamma = mpmath.mpf(tau), mpmath.mpf(mdp.discount)
        r = mpmath.matrix(np.asarray(mdp.rewards).tolist())
        policy = mpmath.ones(n, m) / m
        values, chains = [], []
        for _ in range(iterations + 4):
            chain = mpmath.matrix(n, n)
            reward = mpmath.matrix(n, 1)
            for s in range(n):
                for a in range(m):
                    reward[s] += policy[s, a] * (r[s, a] - tau * mpmath.log(policy[s, a]))
                    for t in np.flatnonzero(P[s, a]):
                        chain[s, int(t)] += policy[s, a] * P[s, a, t]
            value = mpmath.lu_solve(mpmath.eye(n) - gamma * chain, reward)
            values.append(value)
            chains.append(chain)
            for s in range(n):
                ahead = [
                    mpmath.fsum(P[s, a, t] * value[int(t)] for t in np.flatnonzero(P[s, a]))
                    for a in range(m)
                ]
                q = [r[s, a] + gamma * ahead[a] for a in range(m)]
                weights = [mpmath.exp((x - max(q)) / tau) for x in q]
                for a in range(m):
                    policy[s, a] = weights[a] / mpmath.fsum(weights)
        # ν (P - 1) = 0, with one equation replaced by Σν = 1
        system = (chains[-1] - mpmath.eye(n)).T
        for t in range(n):
            system[n - 1, t] = 1
        goal = mpmath.zeros(n, 1)
        goal[n - 1] = 1
        nu = mpmath.lu_solve(system, goal)
        return [float((nu.T * (values[-1] - value))[0]) for value in values[: iterations + 1]]


def test_gap_is_accurate_far_below_rounding():
    shape = (6, 3, 20, 0.1)
    one = runs.run_policy_iteration(shape, replace(TINY, quadratic_iterations=6))
    exact = np.array(exact_gaps(runs.make_random_model(shape[:3], TINY), 0.1, 6))
    assert one.gap.min() < 1e-16
    # the gap is quadratic in δ: an error of √noise in δ changes it by 2√(noise · gap) + noise
    assert np.all(np.abs(one.gap - exact) <= 2.0 * np.sqrt(one.noise * exact) + one.noise)
    assert np.all(np.abs(one.gap - exact)[:5] <= 1e-3 * exact[:5])


def test_the_series_for_small_arguments():
    delta = np.array([[-3.0, -0.5, -0.3, -1e-3, 0.0, 1e-8, 0.2, 0.49, 0.5, 2.0]])
    with mpmath.workdps(40):
        exact = [float(x * mpmath.exp(x) - mpmath.expm1(x)) for x in map(mpmath.mpf, delta[0])]
    np.testing.assert_allclose(runs._weigh_phi(delta, np.zeros((1, 10)))[0], exact, rtol=1e-13)


def test_gaps_are_finite_where_a_ratio_of_probabilities_overflows():
    best = np.array([[-900.0, 0.0]])
    weighed = runs._weigh_phi(np.array([[-np.log(2.0)] * 2]), best)[0]
    # π (δ - 1) + π* with π = 1/2
    expected = [0.5 * (900.0 - np.log(2.0) - 1.0), 0.5 * (-np.log(2.0) - 1.0) + 1.0]
    np.testing.assert_allclose(weighed, expected, rtol=1e-14)


def test_rates_of_sequences_whose_rates_are_known():
    t = np.arange(200)
    np.testing.assert_allclose(fits.fit_rate(5.0 * 0.9**t + 1e-16, 1e-8, 1e-2), 0.9, rtol=1e-6)
    assert np.isnan(fits.fit_rate(0.1**t, 1e-3, 1e-1))
    t = np.arange(1, 201)
    power = runs.UnregularizedRun("x", 1.0, 3.0 / t**1.5, 1.0 / t, None)
    np.testing.assert_allclose(fits.fit_exponent(power), -1.5)


@pytest.fixture(scope="module")
def result():
    return npg.run(TINY, silent)


def test_a_small_run(result):
    assert [check.claim for check in result.checks if not check.passed] == []
    sizes = {name: next(iter(table.values())).size for name, table in result.tables.items()}
    assert sizes == {
        "without-entropy": 2 * 2 * 100,
        "with-entropy": 2 * 41,
        "soft-policy-iteration": 9,
    }


def test_guaranteed_iterations(result):
    mdp = runs.make_random_model(TINY.shape, TINY)
    for share in TINY.shares:
        step = share * (1.0 - mdp.discount) / TINY.temperature
        bound = rm.theory.entropy_npg_bounds(
            mdp, rm.Shannon(TINY.temperature), step_size=step, iterations=1000
        ).q
        (number,) = [
            one for one in result.numbers if one.what.startswith(f"with entropy, {share:g} of")
        ]
        assert number.expected == f"at most {np.argmax(bound <= 1e-8)}"


@pytest.mark.parametrize(
    ("name", "panels"), [("without-entropy", 2), ("with-entropy", 3), ("soft-policy-iteration", 2)]
)
def test_the_figures_can_be_drawn(result, name, panels):
    from regmdp import plots

    with plots.style():
        drawn = result.figures[name].draw()
        assert plots.to_svg(drawn).startswith("<svg")
    assert len(drawn.axes) == panels


def test_progress_reaches_the_end():
    fractions = []
    npg.run(
        replace(TINY, plain_iterations=20, soft_iterations=5),
        lambda fraction, text: fractions.append(fraction),
    )
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0


def test_half_of_the_claimed_step_size_is_detected():
    mdp = runs.make_random_model(TINY.shape, TINY)
    regularizer, step = rm.Shannon(TINY.temperature), 0.5 * (1 - mdp.discount) / TINY.temperature
    slower = rm.theory.trace(mdp, regularizer, rm.algorithms.NPG(step / 2), max_iterations=20)
    claimed = rm.theory.Trace(mdp, regularizer, rm.algorithms.NPG(step), slower.states)
    one = runs.run_with_entropy(mdp, 0.5, TINY)._replace(report=rm.theory.check(claimed))
    assert [check.passed for check in npg._check_entropy([one])] == [False, True]


def test_a_sequence_that_is_not_quadratic_is_detected():
    one = runs.run_policy_iteration(TINY.quadratic[0], TINY)
    assert all(check.passed for check in npg._check_policy_iteration([one]))
    linear = one._replace(gap=0.1 ** np.arange(1.0, one.gap.size + 1.0))
    assert [check.passed for check in npg._check_policy_iteration([linear])] == [False, False]
    jumped = one._replace(constant=1e-6 * one.constant)
    assert [check.passed for check in npg._check_policy_iteration([jumped])] == [True, False]


def test_a_rate_other_than_one_over_t_is_detected():
    one = runs.run_unregularized("ladder", runs.make_ladder(60, 5), 2.0, 100)
    slow = one._replace(gap=one.gap[0] / np.sqrt(np.arange(1, 101)))
    assert [check.passed for check in npg._check_unregularized([slow])] == [True, False]


def test_texts_without_entropy_give_fitted_exponents_and_the_largest_ratio(result):
    table, text = result.tables["without-entropy"], result.figures["without-entropy"]
    for step in (0.5, 2.0):
        gap = table["gap"][(table["problem"] == "ladder") & (table["step"] == step)]
        t = np.arange(1, 101)[3:]
        slope = np.polyfit(np.log(t), np.log(gap[3:]), 1)[0]
        assert f"{slope:.2f} (η = {step:g})" in text.caption
    ratio = np.max(table["gap"] / table["bound"])
    for one in (text.caption, text.alt):
        assert f"The gap is at most {ratio:.2g} of its bound." in one
    ladder = runs.run_unregularized("ladder", runs.make_ladder(60, 5), 2.0, 100)
    other = ladder._replace(problem="random model")
    steep = ladder._replace(gap=ladder.gap[0] / np.arange(1, 101) ** 2.0)
    assert "-2.00 (η = 2) on the ladder" in texts.describe_unregularized([steep, other])[0]
    short = ladder._replace(gap=ladder.gap[:2], bound=ladder.bound[:2])
    assert "not measured (η = 2) on the ladder" in texts.describe_unregularized([short, other])[0]


def test_texts_with_entropy_give_rates_and_iterations(result):
    table, text = result.tables["with-entropy"], result.figures["with-entropy"]
    for share in TINY.shares:
        errors = table["q_error"][table["share_of_largest_step"] == share]
        first = np.argmax(errors <= 1e-8)
        count = f"{first}" if errors[first] <= 1e-8 else "more than 40"
        assert f"{count} iterations with {share:g} of the largest step" in text.alt
    assert "with 0.25 of the largest step, where α = 0.75 and α² = 0.562" in text.caption
    assert "All curves are below their bounds." in text.alt
    one = runs.run_with_entropy(runs.make_random_model(TINY.shape, TINY), 0.25, TINY)
    violated = one._replace(report=replace(one.report, comparisons=()))
    assert "All curves are below" not in texts.describe_entropy([violated])[1]
    few = one._replace(errors={name: values[:2] for name, values in one.errors.items()})
    caption, alt = texts.describe_entropy([few])
    assert "Near the optimum" not in caption
    assert "more than 1 iterations with 0.25 of the largest step" in alt


def test_texts_of_soft_policy_iteration_give_digits_and_the_smallest_gap(result):
    table, text = result.tables["soft-policy-iteration"], result.figures["soft-policy-iteration"]
    gap = table["gap"]
    last = np.flatnonzero(gap > 1e4 * table["noise"])[-1]
    assert f"they fall to {gap[last]:.0e} after {last} iterations" in text.alt
    at = [t for t in range(last) if gap[t] < 0.1]
    digits = [np.log(gap[t + 1]) / np.log(gap[t]) for t in at]
    assert f"grows {min(digits):.2f}- to {max(digits):.2f}-fold" in text.caption


def test_rates_that_a_short_run_does_not_show_are_named():
    short = replace(
        TINY, plain_iterations=2, soft_iterations=2, quadratic_iterations=1, steps=(1.0,)
    )
    found = npg.run(short, silent)
    assert [check.claim for check in found.checks if not check.passed] == []
    assert len(found.notes) == 3
    assert not any("1/t is attained" in check.claim for check in found.checks)
    assert not any("near the optimum" in check.claim for check in found.checks)
    assert not any("digits doubles" in check.claim for check in found.checks)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"branching": 7}, "branching must be at most the number of states of every model, 6"),
        ({"plain_iterations": 100_000, "shape": (300, 100, 5)}, "must be at most 10⁸, not 3e"),
    ],
)
def test_settings_that_do_not_fit_are_refused(changes, message):
    with pytest.raises(rm.RegmdpError, match=message):
        replace(TINY, **changes)


def test_temperatures_at_which_probabilities_vanish_are_refused():
    cold = replace(TINY, temperature=1e-3, shape=(6, 3, 50))
    with pytest.raises(rm.RegmdpError, match="use a temperature of at least"):
        runs.run_with_entropy(runs.make_random_model(cold.shape, cold), 1.0, cold)
