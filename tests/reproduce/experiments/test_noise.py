"""Inexact values: errors and bounds compared with plain loops and closed forms."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import log_softmax

import regmdp as rm
from regmdp.reproduce.experiments import noise
from regmdp.reproduce.experiments import noise_runs as runs
from regmdp.reproduce.experiments import noise_texts as texts
from regmdp.reproduce.experiments.noise_runs import ARMS, GARNET, NoiseTask, Settings

TINY = Settings(
    shape=(5, 3, 5),
    branching=2,
    models=1,
    runs=2,
    temperature=0.02,
    deltas=(1e-3, 1e-2, 1e-1, 3e-1),
    shares=(1.0, 0.3),
    delta=1e-2,
    swept=(1.0, 0.3, 0.1),
    length=30.0,
    least=60,
    seed=0,
)


def silent(fraction, text):
    pass


def loop(mdp, tau, step, error, iterations):
    """Q_t and log π_t of entropy-regularized natural policy gradient with inexact values."""
    P, r, gamma = mdp.to_array(), np.asarray(mdp.rewards), mdp.discount
    log_policy = np.full(r.shape, -np.log(r.shape[1]))
    for _ in range(iterations + 1):
        policy = np.exp(log_policy)
        chain = np.einsum("sa,sat->st", policy, P)
        value = np.linalg.solve(
            np.eye(len(r)) - gamma * chain, (policy * (r - tau * log_policy)).sum(axis=1)
        )
        q = r + gamma * P @ value
        yield q, log_policy
        noisy = q + error(policy, q)
        log_policy = log_softmax(
            (1.0 - step * tau / (1.0 - gamma)) * log_policy + step * noisy / (1.0 - gamma), axis=1
        )


@pytest.mark.parametrize("kind", ["uniform", "sign", "adversarial"])
@pytest.mark.parametrize("share", [1.0, 0.3])
def test_errors_and_bounds_equal_those_of_plain_loops(kind, share):
    settings = replace(TINY, runs=1)
    delta, tau = 0.03, settings.temperature
    task = NoiseTask(GARNET, kind, delta, share, 0, settings)
    mdp = runs.make_problem(task)
    gamma = mdp.discount
    step, n = share * (1.0 - gamma) / tau, runs.count_iterations(share, settings)
    rng = np.random.default_rng(
        [0, runs.KINDS.index(kind), round(1e9 * delta), round(1e9 * share), 0, 0]
    )

    def error(policy, q):
        if kind == "adversarial":
            return np.where(q > (policy * q).sum(axis=1, keepdims=True), -delta, delta)
        u = rng.random(q.shape)
        return delta * (2.0 * u - 1.0) if kind == "uniform" else np.where(u < 0.5, -delta, delta)

    *_, (best, _) = loop(mdp, tau, (1.0 - gamma) / tau, lambda policy, q: 0.0, 40)
    best_log = log_softmax(best / tau, axis=1)
    iterates = list(loop(mdp, tau, step, error, n))
    one = runs.run_task(task)
    np.testing.assert_allclose(
        one.errors["q"][:, 0], [np.abs(best - q).max() for q, _ in iterates], rtol=1e-6, atol=1e-11
    )
    np.testing.assert_allclose(
        one.errors["log_policy"][:, 0],
        [tau * np.abs(best_log - logs).max() for _, logs in iterates],
        rtol=1e-6,
        atol=1e-11,
    )
    first = (
        np.abs(best - iterates[0][0]).max()
        + 2 * tau * (1.0 - share) * np.abs(best_log - iterates[0][1]).max()
    )
    power = (1.0 - step * tau) ** np.arange(n)
    earlier = gamma * 2.0 * delta / (1.0 - gamma) * (1.0 + gamma / (step * tau))
    improved = (
        gamma / (1.0 - gamma) * (2.0 * delta + gamma * delta**2 / (2.0 * tau * (1.0 - gamma)))
    )
    assert one.earlier_floor == pytest.approx(earlier)
    assert one.improved_floor == pytest.approx(improved)
    np.testing.assert_allclose(one.earlier[1:], gamma * first * power + earlier)
    np.testing.assert_allclose(one.improved[1:], gamma * first * power + improved)


@pytest.mark.parametrize("delta", [1e-3, 0.03, 1.0])
def test_adversary_exchanges_the_probabilities_of_two_arms(delta):
    task = NoiseTask(ARMS, "adversarial", delta, 1.0, 0, TINY)
    one, x = runs.run_task(task), delta / TINY.temperature
    p = 1.0 / (1.0 + np.exp(-x))
    divergence = (1.0 - 2.0 * p) * np.log((1.0 - p) / p) if p < 1.0 else x
    floor = 4.0 * TINY.temperature * divergence  # γ/(1-γ) = 4
    np.testing.assert_allclose(one.late("q"), floor, rtol=1e-6)
    np.testing.assert_allclose(one.late("log_policy"), delta, rtol=1e-6)
    assert noise.exact_arms_floor(delta, 0.8, TINY.temperature) == pytest.approx(floor, rel=1e-9)


def test_runs_with_random_errors_differ_and_can_be_repeated():
    task = NoiseTask(GARNET, "sign", 0.03, 1.0, 0, TINY)
    one, again = runs.run_task(task), runs.run_task(task)
    np.testing.assert_array_equal(one.errors["q"], again.errors["q"])
    assert one.errors["q"].shape == (TINY.least + 1, 2)
    assert np.all(one.errors["q"][1:, 0] != one.errors["q"][1:, 1])


def test_floors_are_means_over_the_second_half():
    track = runs.run_task(NoiseTask(ARMS, "adversarial", 0.03, 1.0, 0, TINY))
    steps = np.concatenate([np.full(30, 9.0), np.full(31, 2.0)])[:, None]
    made_up = track._replace(errors={"q": steps, "log_policy": steps + 1.0})
    (floors,) = runs.compute_floors([made_up]).values()
    assert (floors["q"], floors["log_policy"]) == ([2.0], [3.0])


@pytest.fixture(scope="module")
def result():
    return noise.run(TINY, silent)


@pytest.mark.slow
def test_a_small_run(result):
    failed = [f"{check.claim}: {check.measured}" for check in result.checks if not check.passed]
    assert failed == []
    floors = result.tables["floors"]
    # two random kinds of two runs, and the adversary; 8 pairs of δ and step, and one more step; the
    # arms
    assert floors["q_error"].size == 5 * 9 + 4
    assert result.tables["errors"]["iteration"].size == 61 + 101 + 301


@pytest.mark.parametrize(
    ("name", "panels"), [("floor-against-error", 4), ("floor-against-step", 2)]
)
@pytest.mark.slow
def test_the_figures_can_be_drawn(result, name, panels):
    from regmdp import plots

    with plots.style():
        drawn = result.figures[name].draw()
        assert plots.to_svg(drawn).startswith("<svg")
    assert len(drawn.axes) == panels


def test_progress_reaches_the_end():
    fractions = []
    settings = replace(
        TINY, deltas=(1e-3, 1e-2), shares=(1.0,), swept=(1.0, 0.5), length=1.0, least=4
    )
    noise.run(settings, lambda fraction, text: fractions.append(fraction))
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0


def test_an_error_above_a_bound_is_detected():
    track = runs.run_task(NoiseTask(GARNET, "sign", 0.03, 1.0, 0, TINY))
    assert [check.passed for check in noise._check_bounds([track])] == [True] * 4
    once = track.errors["q"].copy()
    once[3, 1] = 1.001 * track.improved[3]  # below the earlier bound, and before the second half
    assert track.improved[3] < track.earlier[3]
    assert [
        check.passed for check in noise._check_bounds([track._replace(errors={"q": once})])
    ] == [True, True, False, True]
    late = track.errors["q"].copy()
    late[-1, 0] = 1.001 * track.earlier_floor
    assert not any(
        check.passed for check in noise._check_bounds([track._replace(errors={"q": late})])[1::2]
    )


def made_up_floors(power, step_power):
    """Floors of Q ∝ δ^power and the step to a power, for random errors; those of log π ∝ δ."""
    floors = {}
    for delta in TINY.deltas:
        for share in TINY.swept:
            for kind in noise.KINDS:
                q = delta**power * (
                    1.0 if kind == "adversarial" else (share / (2.0 - share)) ** step_power
                )
                floors[GARNET, kind, delta, share] = {
                    "q": np.array([q]),
                    "log_policy": np.array([delta]),
                }
        floors[ARMS, "adversarial", delta, 1.0] = {
            "q": np.array([noise.exact_arms_floor(delta, 0.8, TINY.temperature)])
        }
    return floors


@pytest.mark.parametrize(
    ("power", "step_power", "steps", "slopes"),
    [
        (2.0, 1.0, [True] * 4, [True] * 4),
        (1.0, 1.0, [True] * 4, [False, True, True, True]),
        (2.0, -1.0, [False, False, True, False], [True] * 4),
        (2.0, 0.5, [True, True, True, False], [True] * 4),
    ],
)
def test_other_powers_are_detected(power, step_power, steps, slopes):
    floors = made_up_floors(power, step_power)
    assert [check.passed for check in noise._check_steps(floors, TINY)] == steps
    assert [check.passed for check in noise._check_exponents(floors, TINY)] == slopes


def test_texts_give_the_powers_and_factors_of_the_floors():
    caption, alt = texts.describe_floors_by_error(made_up_floors(2.0, 1.0), TINY)
    for text in (caption, alt):
        assert (
            "For δ of at most τ/2 the floor of Q on random models grows like δ to the power of "
            "2.00 to 2.00, that of log π to the power of 1.00 to 1.00."
        ) in text
        assert "On two arms the power is 1.01 for δ of 3τ and more." in text
    assert (
        "to the power of 1.50 to 1.50"
        in (texts.describe_floors_by_error(made_up_floors(1.5, 1.0), TINY)[0])
    )
    factor = (0.1 / 1.9) / 1.0
    for text in texts.describe_floors_by_step(made_up_floors(2.0, 1.0), TINY):
        assert (
            f"From 1 to 0.1 of the largest step the floor changes by the factors {factor:.2g} "
            f"(uniform errors), {factor:.2g} (sign errors) and 1 (adversarial errors), the earlier "
            "bound by 8.2 and the improved bound by 1."
        ) in text


def test_powers_without_two_errors_are_left_out_and_named():
    floors = made_up_floors(2.0, 1.0)
    few = replace(TINY, temperature=0.5)
    assert noise._make_notes(floors, TINY) == ()
    assert len(noise._make_notes(floors, replace(TINY, temperature=1e-3))) == 1
    assert len(noise._make_notes(floors, few)) == 1
    cold, warm = (
        [check.claim for check in noise._check_exponents(floors, replace(TINY, temperature=tau))]
        for tau in (1e-3, 0.5)
    )
    assert not any("below τ/2" in claim for claim in cold)
    assert not any("3τ" in claim for claim in warm)
    assert "On two arms the power" not in texts.describe_floors_by_error(floors, few)[0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"branching": 6}, "branching must be at most the 5 states, not 6"),
        ({"length": 1e4, "swept": (1.0, 0.002)}, "gives 5,000,000 iterations, more than 1,000,000"),
    ],
)
def test_settings_that_do_not_fit_are_refused(changes, message):
    with pytest.raises(rm.RegmdpError, match=message):
        replace(TINY, **changes)


def test_temperatures_at_which_probabilities_vanish_are_refused():
    settings = replace(TINY, temperature=1e-4, runs=1)
    with pytest.raises(rm.RegmdpError, match="a probability is 0 in floating point"):
        runs.run_task(NoiseTask(GARNET, "sign", 0.5, 1.0, 0, settings))
