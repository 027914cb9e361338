"""Occupancies, and the identities that they appear in."""

import numpy as np
import pytest
from small_solvers import model_arrays

import regmdp as rm


def some_policy(mdp, seed):
    rng = np.random.default_rng(seed)
    policy = rng.exponential(size=mdp.rewards.shape) ** 3 * mdp.available
    return policy / np.maximum(policy.sum(axis=1, keepdims=True), 1e-300)


@pytest.mark.parametrize("discount", [0.0, 0.5, 0.99])
def test_occupancy_is_a_distribution_where_no_episode_ends(discount):
    mdp = rm.models.garnet(30, 3, 4, rng=1, discount=discount)
    policy = some_policy(mdp, 0)
    d = rm.occupancy(mdp, policy)
    assert np.all(d >= 0)
    np.testing.assert_allclose(d.sum(), 1.0, rtol=1e-13)
    chain = np.einsum("sa,sat->st", policy, mdp.to_array())
    np.testing.assert_allclose(
        d, (1 - discount) * mdp.initial + discount * d @ chain, rtol=0, atol=1e-15
    )
    # the definition, as a series
    term, total = mdp.initial.copy(), np.zeros(30)
    for _ in range(4000):
        total += (1 - discount) * term
        term = discount * term @ chain
    np.testing.assert_allclose(d, total, rtol=0, atol=1e-12)


@pytest.mark.parametrize("discount", [0.9, 1.0])
def test_the_value_is_the_mean_reward_under_the_occupancy(discount):
    mdp = rm.models.gridworld().with_discount(discount)
    policy = some_policy(mdp, 1)
    visits = rm.visits(mdp, policy)
    paid = visits @ rm.bellman.expected_rewards(mdp, None, policy)
    np.testing.assert_allclose(paid, rm.evaluate(mdp, policy).initial_value, rtol=1e-9)


def test_visits_of_an_undiscounted_chain():
    # 0 → 1 → 2 → end, from state 0; from state 1 half of the episodes end at once
    P = np.zeros((4, 1, 4))
    P[0, 0, 1] = P[2, 0, 3] = 1.0
    P[1, 0, 2] = 0.5
    ending = np.array([[0.0], [0.5], [0.0], [0.0]])
    available = np.array([[True], [True], [True], [False]])
    mdp = rm.MDP(
        P, np.zeros((4, 1)), 1.0, initial=[1, 0, 0, 0], termination=ending, available=available
    )
    np.testing.assert_allclose(rm.visits(mdp, [0, 0, 0, 0]), [1.0, 1.0, 0.5, 0.5], rtol=1e-15)
    np.testing.assert_allclose(
        rm.occupancy(mdp.with_discount(0.5), [0, 0, 0, 0]), [0.5, 0.25, 0.0625, 0.03125], rtol=1e-15
    )


def test_the_undiscounted_occupancy_is_refused():
    with pytest.raises(
        rm.SolverError, match=r"needs a discount below 1; for an undiscounted model use visits\(\)"
    ):
        rm.occupancy(
            rm.models.gridworld().with_discount(1.0), rm.uniform_policy(rm.models.gridworld())
        )


REGULARIZERS = [
    None,
    rm.Shannon(temperature=0.3),
    rm.SquaredL2(temperature=np.linspace(0.0, 1.0, 20)),
    rm.KL(np.array([0.2, 0.3, 0.5]), temperature=0.3),
]


@pytest.mark.parametrize(
    "regularizer", REGULARIZERS, ids=lambda regularizer: type(regularizer).__name__
)
@pytest.mark.parametrize("discount", [0.0, 0.9, 0.999])
def test_performance_difference(regularizer, discount):
    # V^π(ρ) - V^π'(ρ) = 1/(1-γ) E_{s∼d^π}[⟨Q^π', π - π'⟩ - τ h(π) + τ h(π')]
    mdp = rm.models.garnet(20, 3, 5, rng=2, discount=discount)
    one, other = some_policy(mdp, 1), some_policy(mdp, 2)
    left = rm.evaluate(mdp, one, regularizer).initial_value
    baseline = rm.evaluate(mdp, other, regularizer)
    h = regularizer or rm.Unregularized()
    step = (
        ((one - other) * baseline.q).sum(axis=1)
        - h.cost(one, mdp.available)
        + h.cost(other, mdp.available)
    )
    right = rm.occupancy(mdp, one) @ step / (1 - discount)
    np.testing.assert_allclose(
        left - baseline.initial_value, right, rtol=0, atol=1e-12 / (1 - discount)
    )


@pytest.mark.parametrize(
    "make", [rm.Shannon, lambda temperature: rm.KL(np.array([0.2, 0.3, 0.5]), temperature)]
)
def test_entropy_gap(make):
    # V*(ρ) - V^π(ρ) = τ/(1-γ) E_{s∼d^π} KL(π(s) ‖ π*(s))
    mdp = rm.models.garnet(20, 3, 5, rng=2, discount=0.9)
    regularizer = make(temperature=0.3)
    best, policy = rm.solve(mdp, regularizer, tol=1e-11), some_policy(mdp, 1)
    divergence = (policy * np.log(policy / best.policy)).sum(axis=1)
    right = 0.3 / (1 - 0.9) * rm.occupancy(mdp, policy) @ divergence
    left = best.initial_value - rm.evaluate(mdp, policy, regularizer).initial_value
    np.testing.assert_allclose(left, right, rtol=0, atol=2e-8)


@pytest.mark.parametrize("discount", [0.9, 1.0])
def test_fields_of_policy_evaluation(discount):
    mdp = rm.models.gridworld().with_discount(discount)
    policy = some_policy(mdp, 3)
    found = rm.evaluate(mdp, policy)
    P, r, _, available = model_arrays(mdp)
    np.testing.assert_allclose(
        found.q, np.where(available, r + discount * P @ found.value, -np.inf), rtol=1e-13
    )
    assert np.all(found.lower <= found.value)
    assert np.all(found.value <= found.upper)
    assert np.max(found.upper - found.lower) < 1e-6
    np.testing.assert_allclose(found.initial_value, mdp.initial @ found.value, rtol=1e-15)
    with pytest.raises(ValueError, match="read-only"):
        found.value[0] = 0.0
    assert "from the initial distribution" in repr(found)
