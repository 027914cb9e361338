"""Runs with inexact evaluation: their traces, the error floors, and the admissible error."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from theory import loops
from theory.mutants import state_other_error

import regmdp as rm
from regmdp import algorithms
from regmdp.evaluation import GenerativeModel, MonteCarlo, Noisy
from regmdp.testing import strategies
from regmdp.theory import inexact, linear_rates

MDP = rm.models.garnet(5, 3, 4, discount=0.8, rng=2)
SHANNON = rm.Shannon(0.2)
few = settings(max_examples=settings().max_examples // 8)

#: The statements about inexact dual averaging.
FLOORS = [
    "error of Q",
    "error of V",
    "error of π",
    "error of Q, sharp floor",
    "error of V, sharp",
    "error of π, sharp floor",
]


def noisy_run(mdp, regularizer, algorithm, iterations, **keywords):
    return rm.theory.trace(
        mdp,
        regularizer,
        algorithm,
        max_iterations=iterations,
        rng=np.random.default_rng(0),
        **keywords,
    )


# ---- traces ----


def test_a_noisy_run_without_noise_is_the_exact_run():
    exact = rm.theory.trace(MDP, SHANNON, algorithms.NPG(0.3), max_iterations=8)
    noisy = noisy_run(MDP, SHANNON, algorithms.NPG(0.3, evaluation=Noisy(0.0)), 8)
    assert noisy.iterations == exact.iterations == 8
    np.testing.assert_allclose(noisy.policies, exact.policies, rtol=1e-9)
    np.testing.assert_allclose(noisy.values, exact.values, rtol=1e-9)
    report = rm.theory.check(noisy)
    assert report.holds, str(report)
    for name in ("error of Q", "error of log π", "three points", "monotone improvement"):
        assert report[name].holds


def test_the_values_of_a_trace_are_those_of_its_policies():
    run = noisy_run(MDP, SHANNON, algorithms.NPG(0.3, evaluation=Noisy(0.1, "sign")), 5)
    for k, (policy, value) in enumerate(zip(run.policies, run.values, strict=True)):
        np.testing.assert_allclose(value, loops.value_of(MDP, policy, 0.2, loops.entropy))
        if k < 5:
            # π_{k+1} is made from the recorded estimate of Q_k
            error = np.abs(run.states[k].estimate.q - loops.q_of(MDP, value))
            np.testing.assert_allclose(error, 0.1, rtol=1e-9)
            share = 0.3 * 0.2 / (1 - 0.8)
            following = loops.softmax(
                (1 - share) * np.log(policy) + share / 0.2 * run.states[k].estimate.q
            )
            np.testing.assert_allclose(run.policies[k + 1], following, rtol=1e-9)


def test_a_start_and_no_iterations():
    start = np.random.default_rng(0).dirichlet(np.ones(3), size=5)
    algorithm = algorithms.NPG(0.3, evaluation=Noisy(0.1))
    run = noisy_run(MDP, SHANNON, algorithm, 0, start=start)
    np.testing.assert_allclose(run.policies, start[None])
    assert not rm.theory.check(run).violations
    solution = rm.solve(MDP, SHANNON)
    run = noisy_run(MDP, SHANNON, algorithm, 1, start=solution)
    np.testing.assert_allclose(run.policies[0], solution.policy)


def test_a_generator_belongs_to_methods_that_draw_samples():
    with pytest.raises(rm.SolverError, match="draws samples: give rng"):
        rm.theory.trace(MDP, SHANNON, algorithms.NPG(0.3, evaluation=Noisy(0.1)), max_iterations=1)
    with pytest.raises(rm.SolverError, match="draws no samples: leave out rng"):
        noisy_run(MDP, SHANNON, algorithms.NPG(0.3), 1)


def test_several_runs_are_not_one_trace():
    recorder = algorithms.Recorder()
    algorithm = algorithms.NPG(0.3, evaluation=Noisy(0.1))
    rm.learn(
        MDP,
        SHANNON,
        algorithm,
        max_iterations=1,
        rng=[np.random.default_rng(seed) for seed in range(2)],
        callback=recorder,
    )
    with pytest.raises(rm.SolverError, match="one run of a method that draws samples"):
        rm.theory.Trace.from_learning(MDP, SHANNON, algorithm, recorder.states)


# ---- the statements on random models ----


@few
@given(st.data())
def test_inexact_npg(data):
    discounts = st.sampled_from([0.0, 0.1, 0.5, 0.9, 0.99])
    mdp = data.draw(strategies.mdps(discounts=discounts), label="model")
    tau = data.draw(st.sampled_from([0.01, 0.1, 1.0]), label="τ")
    delta = data.draw(st.sampled_from([1e-6, 1e-3, 0.1, 1.0]), label="δ")
    kind = data.draw(st.sampled_from(["uniform", "sign", "adversarial"]), label="kind")
    share = data.draw(st.sampled_from([0.05, 0.5, 1.0]), label="share")
    algorithm = algorithms.NPG(share * (1 - mdp.discount) / tau, evaluation=Noisy(delta, kind))
    report = rm.theory.check(noisy_run(mdp, rm.Shannon(tau), algorithm, 8))
    assert report.holds, str(report)
    for name in (
        *FLOORS,
        "error of log π",
        "error of log π, sharp floor",
        "error of the evaluation",
    ):
        assert report[name].holds
    assert "three points" in {left.name for left in report.not_applicable}


@few
@given(st.data())
def test_inexact_gpmd(data):
    discounts = st.sampled_from([0.1, 0.5, 0.9])
    mdp = data.draw(strategies.mdps(discounts=discounts), label="model")
    tau = data.draw(st.sampled_from([0.1, 1.0]), label="τ")
    delta = data.draw(st.sampled_from([1e-3, 0.1, 1.0]), label="δ")
    algorithm = algorithms.GPMD(
        data.draw(st.sampled_from([0.1, 1.0, 10.0])), evaluation=Noisy(delta, "sign")
    )
    report = rm.theory.check(noisy_run(mdp, rm.SquaredL2(tau), algorithm, 8))
    assert report.holds, str(report)
    for name in FLOORS:
        assert report[name].holds


def test_an_estimated_model_states_its_error():
    algorithm = algorithms.NPG(0.3, evaluation=GenerativeModel(200))
    report = rm.theory.check(noisy_run(MDP, SHANNON, algorithm, 5))
    assert report.holds, str(report)
    assert report["error of the evaluation"].holds
    assert report["error of Q, sharp floor"].holds


@pytest.mark.parametrize(
    ("algorithm", "name", "reason"),
    [
        (
            algorithms.NPG(0.3, evaluation=MonteCarlo(5)),
            "error of Q",
            "its evaluation states no bound on its errors",
        ),
        (
            algorithms.NPG(0.3, evaluation=Noisy(0.1)),
            "monotone improvement",
            "its policies are not evaluated exactly",
        ),
        (
            algorithms.NPG(0.3, evaluation=Noisy(0.0)),
            "error of Q, sharp floor",
            "its policies are evaluated exactly",
        ),
    ],
)
def test_reasons(algorithm, name, reason):
    report = rm.theory.check(noisy_run(MDP, SHANNON, algorithm, 2))
    assert {left.name: left.reason for left in report.not_applicable}[name] == reason


# ---- constants ----

#: The better of two arms looks worse: its reward is larger by δ, and the errors are ±δ.
DELTA, TAU, GAMMA = 0.3, 0.05, 0.5
ARMS = rm.models.bandit((DELTA, 0.0), discount=GAMMA)


def arms_run(share=1.0, iterations=60):
    algorithm = algorithms.NPG(share * (1 - GAMMA) / TAU, evaluation=Noisy(DELTA, "adversarial"))
    return noisy_run(ARMS, rm.Shannon(TAU), algorithm, iterations)


def test_the_floor_of_two_arms_is_known():
    """With errors that exchange the two arms the floor is γ/(1-γ) δ tanh(δ/2τ)."""
    run = arms_run()
    comparison = rm.theory.check(run)["error of Q, sharp floor"]
    floor = GAMMA / (1 - GAMMA) * DELTA * np.tanh(DELTA / (2 * TAU))
    assert comparison.measured[-1] == pytest.approx(floor, rel=1e-9)
    sharp = GAMMA / (1 - GAMMA) * (2 * DELTA + GAMMA * DELTA**2 / (2 * TAU * (1 - GAMMA)))
    assert comparison.predicted[-1] == pytest.approx(sharp, rel=1e-6)


FLOORS_OF_ARMS = {
    "error of V, sharp": (
        DELTA * np.tanh(DELTA / (2 * TAU)) / (1 - GAMMA),
        (2 * DELTA + GAMMA * DELTA**2 / (2 * TAU * (1 - GAMMA))) / (1 - GAMMA),
    ),
    "error of π, sharp floor": (
        2 * np.tanh(DELTA / (2 * TAU)),
        (rm.theory.sharp_inexact_floor(GAMMA, TAU, DELTA) + DELTA) / TAU,
    ),
    "error of log π, sharp floor": (
        DELTA / TAU,
        2 * (rm.theory.sharp_inexact_floor(GAMMA, TAU, DELTA) + DELTA) / TAU,
    ),
}


@pytest.mark.parametrize("name", FLOORS_OF_ARMS)
def test_the_floors_of_two_arms_are_known_for_value_and_policy(name):
    comparison = rm.theory.check(arms_run())[name]
    measured, predicted = FLOORS_OF_ARMS[name]
    assert comparison.measured[-1] == pytest.approx(measured, rel=1e-9)
    assert comparison.predicted[-1] == pytest.approx(predicted, rel=1e-6)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("share", [0.1, 0.6, 1.0])
def test_the_sharp_floors_with_plain_loops(seed, share):
    """Errors of ±δ against the better actions: all floors, and the rates of the exact method."""
    mdp = rm.models.garnet(6, 3, 3, discount=0.8, rng=seed)
    tau, delta = (0.05, 0.3) if seed % 2 else (0.5, 0.05)
    value = loops.optimal_value(mdp, tau)
    best = loops.q_of(mdp, value)
    log_best = np.log(loops.softmax(best / tau))
    logs = np.log(loops.uniform(mdp))
    constant, rate = None, 1 - share * (1 - mdp.discount)
    floors = {
        name: rm.theory.sharp_inexact_floor(mdp.discount, tau, delta, quantity=name)
        for name in ("q", "value", "policy", "log_policy")
    }
    for k in range(12):
        policy = np.exp(logs)
        own = loops.value_of(mdp, policy, tau, loops.entropy)
        q = loops.q_of(mdp, own)
        if k == 0:
            far = np.max(np.abs(log_best - logs))
            constant = np.max(np.abs(best - q)) + 2 * tau * (1 - share) * far
        else:
            decay = constant * rate ** (k - 1)
            assert np.max(np.abs(best - q)) <= 0.8 * decay + floors["q"]
            assert np.max(np.abs(value - own)) <= decay + floors["value"]
            distance = np.max(np.abs(np.exp(log_best) - policy).sum(axis=1))
            assert distance <= decay / tau + floors["policy"]
            assert np.max(np.abs(log_best - logs)) <= 2 * decay / tau + floors["log_policy"]
        noisy = q - delta * np.sign(q - np.sum(policy * q, axis=1, keepdims=True))
        logs = (1 - share) * logs + share * noisy / tau
        logs = logs - logs.max(axis=1, keepdims=True)
        logs = logs - np.log(np.exp(logs).sum(axis=1, keepdims=True))


def test_the_floors_are_related_by_the_linear_system():
    value, q, policy, logarithm = (
        rm.theory.sharp_inexact_floor(0.9, 0.2, 0.01, 0.5, quantity)
        for quantity in ("value", "q", "policy", "log_policy")
    )
    assert value == pytest.approx((2 * 0.01 + 0.9 * 0.01**2 / (2 * 0.5 * 0.2 * 0.1)) / 0.1)
    assert q == pytest.approx(0.9 * value)
    assert policy == pytest.approx((q + 0.01) / (0.5 * 0.2))
    assert logarithm == pytest.approx(2 * (q + 0.01) / 0.2)
    with pytest.raises(rm.SolverError, match="quantity must be 'q', 'value', .*not 'V'"):
        rm.theory.sharp_inexact_floor(0.9, 0.2, 0.01, quantity="V")


@pytest.mark.parametrize("regularizer", [SHANNON, rm.SquaredL2(0.2)], ids=["Shannon", "square"])
def test_the_rates_to_the_sharp_floors_have_one_constant(regularizer):
    """γ, 1, 1/(μτ) and 2/τ times C1 κ^k, each above its floor."""
    step, modulus = 0.8, 1.0 if regularizer is SHANNON else 1 / 3
    report = rm.theory.check(
        noisy_run(MDP, regularizer, algorithms.GPMD(step, evaluation=Noisy(0.02, "sign")), 6)
    )
    exact = rm.theory.gpmd_bounds(MDP, regularizer, step_size=step, iterations=6)
    decay = exact.q[1:] / 0.8
    factors = {"q": 0.8, "value": 1.0, "policy": 1.0 / (0.2 * modulus)}
    names = {"q": "error of Q, sharp floor", "value": "error of V, sharp"}
    names["policy"] = "error of π, sharp floor"
    if regularizer is SHANNON:
        factors["log_policy"], names["log_policy"] = 2.0 / 0.2, "error of log π, sharp floor"
    for quantity, factor in factors.items():
        floor = rm.theory.sharp_inexact_floor(0.8, 0.2, 0.02, modulus, quantity)
        np.testing.assert_allclose(
            report[names[quantity]].predicted, factor * decay + floor, rtol=1e-9
        )


@pytest.mark.parametrize("alpha", [0.0, 0.3, 0.9])
def test_the_published_floor_written_out(alpha):
    """Both errors, and their part in the bounds of Q, V and π."""
    gamma, e1, e2, tau = 0.8, 0.02, 0.05, 0.2
    propagated = 2 * gamma / ((1 - gamma) * (1 - alpha))
    written = ((2 + propagated) * e1 + (1 + propagated) * e2) / (1 - gamma)
    errors = {"evaluation_error": e1, "subproblem_gap": e2}
    assert rm.theory.inexact_floor(gamma, alpha, **errors) == pytest.approx(written)
    step = np.inf if alpha == 0.0 else (1 / alpha - 1) / tau
    for regularizer, modulus in ((SHANNON, 1.0), (rm.SquaredL2(tau), 1 / 3)):
        exact, inexact_bounds = (
            rm.theory.gpmd_bounds(MDP, regularizer, step_size=step, iterations=3, **given)
            for given in ({}, errors)
        )
        missed = (1 - alpha) * e2
        for name, expected in {
            "q": gamma * written,
            "value": (gamma + 2) * written + missed,
            "policy": written / (modulus * tau) + np.sqrt(2 * missed / (modulus * tau)),
        }.items():
            added = getattr(inexact_bounds, name)[1:] - getattr(exact, name)[1:]
            np.testing.assert_allclose(added, expected, rtol=1e-9)


def test_both_bounds_of_natural_policy_gradient_written_out():
    eta, delta = 0.3, 0.01
    exact = rm.theory.entropy_npg_bounds(MDP, SHANNON, step_size=eta, iterations=3).q[1:]
    published, sharp = rm.theory.inexact_entropy_npg_bounds(
        MDP, SHANNON, step_size=eta, iterations=3, error=delta
    )
    floor = 0.8 * 2 * delta / 0.2 * (1 + 0.8 / (eta * 0.2))
    np.testing.assert_allclose(published[1:] - exact, floor, rtol=1e-9)
    np.testing.assert_allclose(
        sharp[1:] - exact, rm.theory.sharp_inexact_floor(0.8, 0.2, delta), rtol=1e-9
    )


def test_exact_values_converge_without_the_published_constant():
    """‖V* - V_{k+1}‖ ≤ C1 κ^k: a third of the published bound."""
    run = rm.theory.trace(MDP, SHANNON, algorithms.NPG(0.3), max_iterations=8)
    report = rm.theory.check(run)
    published, sharp = report["error of V"], report["error of V, sharp"]
    assert sharp.holds
    np.testing.assert_allclose(published.predicted, (0.8 + 2.0) * sharp.predicted)


@pytest.mark.parametrize("name", ["error of Q", "error of V", "error of Q, sharp floor"])
def test_an_error_larger_than_stated_is_found(name):
    honest = arms_run()
    assert rm.theory.check(honest).holds
    report = rm.theory.check(state_other_error(honest, 0.01))
    assert not report[name].holds
    assert not report["error of the evaluation"].holds


def test_the_published_floor_is_linear_in_the_inverse_step():
    run = arms_run(share=0.1, iterations=5)
    report = rm.theory.check(run)
    published = report["error of Q"].predicted - report["error of Q, sharp floor"].predicted
    eta_tau = 0.1 * (1 - GAMMA)
    floor = GAMMA * 2 * DELTA / (1 - GAMMA) * (1 + GAMMA / eta_tau)
    sharp = rm.theory.sharp_inexact_floor(GAMMA, TAU, DELTA)
    np.testing.assert_allclose(published, floor - sharp, rtol=1e-9)


def test_a_smaller_constant_is_violated(monkeypatch):
    """With half of 2δ for two arms, and no term in δ², the sharp floor would be too low."""
    monkeypatch.setattr(
        inexact,
        "sharp_inexact_floor",
        lambda discount, tau, error, modulus, quantity: (
            0.95 * error / (1 - discount) * {"q": discount, "value": 1.0}.get(quantity, np.inf)
        ),
    )
    report = rm.theory.check(arms_run())
    assert [comparison.name for comparison in report.violations] == [
        "error of Q, sharp floor",
        "error of V, sharp",
    ]


def test_a_floor_of_log_policy_without_the_error_is_violated(monkeypatch):
    honest = rm.theory.check(arms_run())["error of log π"]
    assert honest.holds
    monkeypatch.setattr(linear_rates, "inexact_floor", lambda *args, **keywords: 0.0)
    assert not rm.theory.check(arms_run())["error of log π"].holds


# ---- the admissible error ----


@given(
    st.sampled_from([0.1, 0.5, 0.9, 0.99]),
    st.floats(1e-3, 10.0),
    st.floats(1e-6, 1.0),
    st.sampled_from([0.25, 1.0]),
)
def test_the_admissible_error(discount, tau, epsilon, modulus):
    delta = rm.theory.admissible_evaluation_error(discount, tau, epsilon, modulus)
    assert delta == pytest.approx(
        (1 - discount) / discount * min(epsilon / 4, np.sqrt(modulus * epsilon * tau) / 2)
    )
    floor = rm.theory.sharp_inexact_floor(discount, tau, delta, modulus)
    assert floor <= 5 / 8 * epsilon * (1 + 1e-12)


def test_where_the_admissible_error_is_attained():
    """Where both terms of the minimum are equal, ε = 4τμ, the floor is exactly 5ε/8."""
    tau, discount = 0.1, 0.9
    delta = rm.theory.admissible_evaluation_error(discount, tau, 4 * tau)
    assert rm.theory.sharp_inexact_floor(discount, tau, delta) == pytest.approx(5 / 8 * 4 * tau)


def test_a_discount_of_zero_admits_every_error():
    assert rm.theory.admissible_evaluation_error(0.0, 0.1, 0.01) == np.inf


@pytest.mark.parametrize("arguments", [(1.0, 0.1, 0.1), (0.5, 0.0, 0.1), (0.5, 0.1, 0.0)])
def test_arguments_out_of_range(arguments):
    with pytest.raises(rm.SolverError, match="a discount in|must be a finite number above 0"):
        rm.theory.admissible_evaluation_error(*arguments)
