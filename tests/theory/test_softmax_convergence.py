"""The gradient in the logits, the Fisher matrix, and the convergence of softmax policy gradient."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from theory import loops

import regmdp as rm
from regmdp import algorithms
from regmdp.testing import strategies
from regmdp.theory import softmax_convergence

MDP = rm.models.garnet(5, 3, 4, discount=0.8, rng=2)
few = settings(max_examples=settings().max_examples // 5)


def drawn_policy(seed=0, shape=(5, 3)):
    return np.random.default_rng(seed).dirichlet(np.ones(shape[1]), size=shape[0])


def initial_value(logits, tau):
    policy = loops.softmax(logits)
    return MDP.initial @ loops.value_of(MDP, policy, tau, loops.entropy)


@pytest.mark.parametrize("tau", [0.0, 0.3])
def test_the_gradient_by_differences(tau):
    policy = drawn_policy()
    regularizer = rm.Shannon(tau) if tau else None
    gradient = rm.theory.softmax_gradient(MDP, regularizer, policy)
    logits, width = np.log(policy), 1e-5
    for s, a in np.ndindex(5, 3):
        moved = np.zeros((5, 3))
        moved[s, a] = width
        slope = (initial_value(logits + moved, tau) - initial_value(logits - moved, tau)) / (
            2 * width
        )
        assert gradient[s, a] == pytest.approx(slope, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("kind", [rm.SquaredL2(0.3), rm.Tsallis(1.5, 0.3)])
def test_the_gradient_of_other_regularizers_by_differences(kind):
    policy = drawn_policy()
    gradient = rm.theory.softmax_gradient(MDP, kind, policy)
    logits, width = np.log(policy), 1e-5

    def value(moved):
        return rm.evaluate(MDP, loops.softmax(logits + moved), kind).initial_value

    for s, a in ((0, 0), (3, 2)):
        moved = np.zeros((5, 3))
        moved[s, a] = width
        slope = (value(moved) - value(-moved)) / (2 * width)
        assert gradient[s, a] == pytest.approx(slope, rel=1e-5, abs=1e-8)


def test_the_fisher_matrix_is_the_expected_outer_product():
    policy = drawn_policy()
    d = loops.occupancy_of(MDP, policy)
    expected = np.zeros((5, 3, 3))
    for s, a in np.ndindex(5, 3):
        score = np.eye(3)[a] - policy[s]  # ∇ log π(a|s) in the logits of state s
        expected[s] += d[s] * policy[s, a] * np.outer(score, score)
    np.testing.assert_allclose(rm.theory.fisher_matrix(MDP, policy), expected, atol=1e-15)


@pytest.mark.parametrize("tau", [0.0, 0.3])
def test_the_natural_gradient_is_the_advantage(tau):
    policy = drawn_policy()
    regularizer = rm.Shannon(tau) if tau else None
    gradient = rm.theory.softmax_gradient(MDP, regularizer, policy)
    natural = (np.linalg.pinv(rm.theory.fisher_matrix(MDP, policy)) @ gradient[..., None])[..., 0]
    value = loops.value_of(MDP, policy, tau, loops.entropy)
    soft = loops.q_of(MDP, value) - tau * np.log(policy) - value[:, None]
    difference = natural - soft / (1 - MDP.discount)
    np.testing.assert_allclose(difference - difference.mean(axis=1, keepdims=True), 0.0, atol=1e-9)


@few
@given(st.data())
def test_gradient_dominance(data):
    discounts = st.sampled_from([0.0, 0.5, 0.9])
    mdp = data.draw(strategies.mdps(discounts=discounts))
    policy = data.draw(strategies.policies(mdp))
    policy = 0.9 * policy + 0.1 * rm.uniform_policy(mdp)
    optimum = rm.theory.compute_optimum(mdp)
    constant = rm.theory.gradient_dominance_constant(mdp, policy, optimum)
    gap = mdp.initial @ (optimum.value - rm.evaluate(mdp, policy).value)
    norm = np.linalg.norm(rm.theory.softmax_gradient(mdp, None, policy))
    assert 0.0 <= constant <= 1.0
    assert constant * gap <= norm + 1e-9 * (1.0 + np.max(np.abs(optimum.value)))


def test_the_constant_written_out():
    policy = drawn_policy()
    q = loops.q_of(MDP, loops.optimal_value(MDP))
    best = q.argmax(axis=1)
    far = np.max(loops.occupancy_of(MDP, np.eye(3)[best]) / loops.occupancy_of(MDP, policy))
    expected = policy[np.arange(5), best].min() / far / np.sqrt(5)
    assert rm.theory.gradient_dominance_constant(MDP, policy) == pytest.approx(expected)


def test_the_constant_cannot_be_larger_than_the_square_root_of_the_number_of_arms():
    """Without 1/√S it is too large: S equal states that lose equally, S = 25."""
    states = 25
    rows = np.repeat(np.eye(states)[:, None, :], 2, axis=1)
    mdp = rm.MDP(rows, np.tile([1.0, 0.0], (states, 1)), 0.5)
    policy = np.full((states, 2), 0.5)
    policy[:] = (0.999, 0.001)
    constant = rm.theory.gradient_dominance_constant(mdp, policy)
    gap = 2.0 * 0.001
    norm = np.linalg.norm(rm.theory.softmax_gradient(mdp, None, policy))
    assert constant * gap <= norm
    assert np.sqrt(states) * constant * gap > norm


def test_the_bound_written_out_and_the_limit():
    arms = rm.models.bandit((1.0, 0.0), discount=0.5)
    step = 1.0 / rm.theory.smoothness_constant(arms)
    runs = list(loops.softmax_pg(arms, 0.0, step, 3000))
    gaps = np.array([2.0 - value[0] for _, value in runs])
    constants = np.array([policy[0, 0] for policy, _ in runs[:-1]])  # S = 1
    bound = rm.theory.softmax_pg_asymptotic_bound(arms, constants, step_size=step)
    expected = 1.0 / (1.0 / gaps[0] + step / 2 * np.concatenate([[0], np.cumsum(constants**2)]))
    np.testing.assert_allclose(bound, expected, rtol=1e-12)
    assert np.all(gaps <= bound + 1e-12)
    # it tends to 0 like 2/(ηt), as c tends to 1
    assert bound[-1] < 0.06
    assert bound[-1] * step * 3000 / 2 == pytest.approx(1.0, abs=0.15)


@pytest.mark.parametrize("regularizer", [None, rm.Shannon(0.3)], ids=["none", "Shannon"])
def test_the_ascent_written_out(regularizer):
    algorithm = algorithms.SoftmaxPG(algorithms.Maximum())
    run = rm.theory.trace(MDP, regularizer, algorithm, max_iterations=4, start=drawn_policy())
    step = 1.0 / rm.theory.smoothness_constant(MDP, regularizer)
    ascent = rm.theory.check(run)["ascent"]
    for k in range(4):
        gradient = rm.theory.softmax_gradient(MDP, regularizer, run.policies[k])
        least = step / 2 * np.sum(gradient**2)
        assert ascent.measured[k] - run.values_from_start[k] == pytest.approx(least, rel=1e-6)
        assert ascent.predicted[k] == run.values_from_start[k + 1]
        assert least > 1e3 * ascent.slack[k]


def test_a_faster_rate_is_violated(monkeypatch):
    """With 50 times the gain of a step the bound would be below the gap of two arms."""
    arms = rm.models.bandit((1.0, 0.0), discount=0.5)
    run = rm.theory.trace(arms, None, algorithms.SoftmaxPG(algorithms.Maximum()), max_iterations=50)
    assert rm.theory.check(run)["asymptotic gap"].holds
    original = softmax_convergence.softmax_pg_asymptotic_bound
    monkeypatch.setattr(
        softmax_convergence,
        "softmax_pg_asymptotic_bound",
        lambda mdp, constants, *, step_size, start, optimum: original(
            mdp, constants, step_size=50 * step_size, start=start, optimum=optimum
        ),
    )
    assert not rm.theory.check(run)["asymptotic gap"].holds


def test_a_start_at_the_optimum():
    arms = rm.models.bandit((1.0, 0.0), discount=0.5)
    best = np.array([[1.0, 0.0]])
    bound = rm.theory.softmax_pg_asymptotic_bound(arms, np.ones(3), step_size=0.01, start=best)
    np.testing.assert_array_equal(bound, np.zeros(4))


def test_a_regularized_optimum_is_refused():
    optimum = rm.theory.compute_optimum(MDP, rm.Shannon(0.1))
    with pytest.raises(rm.SolverError, match="without a regularizer"):
        rm.theory.gradient_dominance_constant(MDP, drawn_policy(), optimum)


def test_reasons():
    run = rm.theory.trace(
        MDP, rm.Shannon(0.1), algorithms.SoftmaxPG(algorithms.Maximum()), max_iterations=1
    )
    reasons = {left.name: left.reason for left in rm.theory.check(run).not_applicable}
    for name in ("rise in each state", "gradient dominance", "asymptotic gap"):
        assert reasons[name] == "there is a regularizer"
