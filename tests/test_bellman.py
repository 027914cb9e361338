"""The Bellman operators against einsum on dense arrays, and their algebraic properties."""

import numpy as np
import pytest
from small_solvers import model_arrays

import regmdp as rm
from regmdp.mdp import transitions


@pytest.fixture(params=["whole", "in blocks"])
def mdp(request, monkeypatch):
    if request.param == "in blocks":
        monkeypatch.setattr(transitions, "MAX_PAIRS_PER_BLOCK", 12)
    rng = np.random.default_rng(0)
    available = rng.random((10, 4)) < 0.7
    available[:, 1] = True
    available[9] = False
    ending = np.full((10, 4), 0.125)
    rows = rng.dirichlet(np.ones(10), size=(10, 4)) * 0.875
    return rm.MDP(rows, rng.normal(size=(10, 4)), 0.9, available=available, termination=ending)


REGULARIZERS = [
    rm.Unregularized(),
    rm.Shannon(temperature=0.5),
    rm.SquaredL2(temperature=np.linspace(0, 2, 10)),
    rm.KL(np.array([0.2, 0.3, 0.5, 0.0]), temperature=0.5),
]

each_regularizer = pytest.mark.parametrize(
    "regularizer", REGULARIZERS, ids=lambda regularizer: type(regularizer).__name__
)


def dense_q_values(mdp, value):
    P, r, discount, available = model_arrays(mdp)
    return np.where(available, r + discount * np.einsum("sat,t->sa", P, value), -np.inf)


def test_q_values(mdp):
    value = np.random.default_rng(1).normal(size=10)
    kept = value.copy()
    q = rm.bellman.q_values(mdp, value)
    np.testing.assert_allclose(q, dense_q_values(mdp, value), rtol=1e-14)
    np.testing.assert_array_equal(value, kept)
    assert q.flags.f_contiguous


def test_backup_matches_the_formula_of_each_regularizer(mdp):
    value = np.random.default_rng(1).normal(size=10)
    q, live = dense_q_values(mdp, value), ~mdp.terminal
    np.testing.assert_allclose(
        rm.bellman.backup(mdp, None, value), np.where(live, q.max(axis=1), 0.0), rtol=1e-14
    )
    soft = 0.5 * np.log(np.exp(q / 0.5).sum(axis=1, where=q > -np.inf, initial=1e-300))
    np.testing.assert_allclose(
        rm.bellman.backup(mdp, REGULARIZERS[1], value)[live], soft[live], rtol=1e-13
    )
    weighted = 0.5 * np.log((np.array([0.2, 0.3, 0.5, 0.0]) * np.exp(q / 0.5)).sum(axis=1) + 1e-300)
    np.testing.assert_allclose(
        rm.bellman.backup(mdp, REGULARIZERS[3], value)[live], weighted[live], rtol=1e-13
    )


@each_regularizer
def test_greedy_attains_the_backup(mdp, regularizer):
    value = np.random.default_rng(1).normal(size=10)
    best, policy = rm.bellman.greedy(mdp, regularizer, value)
    np.testing.assert_array_equal(best, rm.bellman.backup(mdp, regularizer, value))
    np.testing.assert_allclose(
        rm.bellman.policy_backup(mdp, regularizer, policy, value), best, rtol=1e-13
    )
    np.testing.assert_allclose(
        rm.bellman.residual(mdp, regularizer, value), best - value, rtol=1e-15
    )
    np.testing.assert_allclose(policy.sum(axis=1), np.where(mdp.terminal, 0.0, 1.0), rtol=1e-15)
    assert best[9] == 0.0


@each_regularizer
def test_backup_bounds_every_policy_backup(mdp, regularizer):
    rng = np.random.default_rng(2)
    value = rng.normal(size=10)
    best = rm.bellman.backup(mdp, regularizer, value)
    for _ in range(50):
        policy = rng.exponential(size=(10, 4)) * regularizer.domain(mdp.available)
        policy /= np.maximum(policy.sum(axis=1, keepdims=True), 1e-300)
        assert np.all(rm.bellman.policy_backup(mdp, regularizer, policy, value) <= best + 1e-13)


@each_regularizer
def test_policy_backup_and_expected_rewards(mdp, regularizer):
    P, r, discount, _ = model_arrays(mdp)
    value, policy = np.random.default_rng(1).normal(size=10), rm.uniform_policy(mdp, regularizer)
    rewards = (policy * r).sum(axis=1) - regularizer.cost(policy, mdp.available)
    np.testing.assert_allclose(
        rm.bellman.expected_rewards(mdp, regularizer, policy), rewards, rtol=1e-13, atol=1e-15
    )
    chain = np.einsum("sa,sat->st", policy, P)
    expected = rewards + discount * chain @ value
    np.testing.assert_allclose(
        rm.bellman.policy_backup(mdp, regularizer, policy, value), expected, rtol=1e-13, atol=1e-15
    )


def test_policy_backup_is_minus_infinity_outside_the_domain(mdp):
    policy = np.where(mdp.available, np.array([0.0, 1.0, 0.0, 0.0]), 0.0)
    state = int(np.flatnonzero(mdp.available[:, 3])[0])
    policy[state] = [0, 0, 0, 1]
    values = rm.bellman.policy_backup(mdp, REGULARIZERS[3], policy, np.zeros(10))
    np.testing.assert_array_equal(np.isneginf(values), np.arange(10) == state)


def test_blocks_use_the_regularizers_of_their_states(monkeypatch):
    value, tau = np.linspace(-1, 1, 50), np.geomspace(1e-3, 10, 50)
    mdp = rm.models.garnet(50, 3, 4, rng=3)
    whole = rm.bellman.backup(mdp, rm.Shannon(temperature=tau), value)
    monkeypatch.setattr(transitions, "MAX_PAIRS_PER_BLOCK", 21)
    cut = rm.models.garnet(50, 3, 4, rng=3)
    assert len(cut.transitions.blocks) > 5
    np.testing.assert_allclose(
        rm.bellman.backup(cut, rm.Shannon(temperature=tau), value), whole, rtol=1e-15
    )


def test_unregularized_improvement_takes_the_first_of_the_best_actions(mdp):
    value = np.round(np.random.default_rng(2).normal(size=10), 1)
    best, policy = rm.bellman.improve(mdp, rm.Unregularized(), value)
    q = rm.bellman.q_values(mdp, value)
    np.testing.assert_array_equal(policy.actions, np.where(mdp.terminal, -1, np.argmax(q, axis=1)))
    np.testing.assert_array_equal(best, rm.bellman.backup(mdp, None, value))
    _, probabilities = rm.bellman.greedy(mdp, None, value)
    np.testing.assert_array_equal(np.asarray(policy), probabilities)
    np.testing.assert_array_equal(np.asarray(policy)[2:5], np.asarray(policy[2:5]))
    np.testing.assert_array_equal(rm.policies.check_policy(mdp, policy), probabilities)
    np.testing.assert_allclose(rm.bellman.policy_backup(mdp, None, policy, value), best, rtol=1e-14)


def test_ties_go_to_the_first_available_action():
    q = np.asfortranarray([[1.0, 2.0, 2.0], [5.0, 0.0, 0.0], [0.0, 0.0, 0.0], [9.0, -3.0, 9.0]])
    available = np.array(
        [[True, True, True], [False, True, True], [False, False, False], [False, True, False]]
    )
    best, actions = rm.Unregularized().best(q, available)
    np.testing.assert_array_equal(actions, [1, 1, -1, 1])
    np.testing.assert_array_equal(best, [2.0, 0.0, 0.0, -3.0])
    np.testing.assert_array_equal(rm.Unregularized().maximum(q, available), best)
    np.testing.assert_array_equal(
        rm.Unregularized().maximiser(q, available).argmax(axis=1)[[0, 1, 3]], [1, 1, 1]
    )


@each_regularizer
def test_backup_of_zero(mdp, regularizer):
    expected = rm.bellman.backup(mdp, regularizer, np.zeros(10))
    np.testing.assert_array_equal(
        rm.bellman.backup_of_zero(mdp, regularizer or rm.Unregularized()), expected
    )


def test_maxima_are_relative_to_the_best_available_action():
    q = np.array([[-1.0, -2.0, 5.0], [0.0, 0.0, 0.0]])
    available = np.array([[True, True, False], [False, False, False]])
    block = rm.bellman.Block(slice(0, 2), q, available, rm.Shannon(1.0))
    log_sum = np.log(np.exp(-1.0) + np.exp(-2.0))
    np.testing.assert_allclose(
        block.relative_to_best(np.array([log_sum, 0.0])), [log_sum + 1.0, 0.0], rtol=1e-12
    )
