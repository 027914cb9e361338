"""The Bellman operators on action values: definition, monotonicity, contraction, all storages."""

import numpy as np
import pytest
import scipy.sparse as sp
from contract.lists import MODELS, REGULARIZERS, STORAGES
from hypothesis import given
from hypothesis import strategies as st
from small_solvers import model_arrays
from tiers import tiered

import regmdp as rm
from regmdp.certificates import backup_error
from regmdp.testing import strategies

discounts = st.sampled_from([0.0, 0.5, 0.9, 1.0])


def draw_problem(data):
    mdp = data.draw(strategies.mdps(discounts=discounts), label="model")
    return mdp, data.draw(strategies.regularizers(mdp), label="regularizer")


def draw_q(data, mdp):
    """Draw finite action values; those of unavailable pairs are arbitrary, -inf or NaN."""
    value = np.stack([data.draw(strategies.values(mdp)) for _ in range(mdp.n_actions)], axis=1)
    junk = data.draw(st.sampled_from([0.0, 1e9, -np.inf, np.nan]))
    return np.where(mdp.available, value, junk)


def bound_rounding(mdp, regularizer, *q):
    """Twice the rounding error of the operator at action values of this size."""
    largest = max(np.max(np.abs(np.where(mdp.available, one, 0.0))) for one in q)
    size = np.full(mdp.n_states, largest + regularizer.max_temperature * 800.0 * mdp.n_actions)
    return 4 * backup_error(mdp, regularizer, size)


def require_monotone(operator, mdp, low, high, slack):
    """Fail if T low ≤ T high is violated, given low ≤ high at the available pairs."""
    one, other = operator(low)[mdp.available], operator(high)[mdp.available]
    assert np.all(one <= other + slack)


def require_contraction(operator, mdp, one, other, slack):
    """Fail if ‖T Q - T Q'‖ ≤ γ ‖Q - Q'‖ is violated, over the available pairs."""
    live = mdp.available
    distance = np.max(np.abs(one[live] - other[live]), initial=0.0)
    moved = np.abs(operator(one)[live] - operator(other)[live])
    assert np.max(moved, initial=0.0) <= mdp.discount * distance + slack


@given(st.data())
def test_the_operator_on_q_is_a_monotone_contraction(data):
    mdp, regularizer = draw_problem(data)
    one, other = draw_q(data, mdp), draw_q(data, mdp)
    slack = bound_rounding(mdp, regularizer, one, other)

    def operator(q):
        return rm.bellman.q_backup(mdp, regularizer, q)

    require_contraction(operator, mdp, one, other, slack)
    require_monotone(operator, mdp, one, np.fmax(one, other), slack)


@given(st.data())
def test_the_operator_of_a_policy_is_a_monotone_contraction_below(data):
    mdp, regularizer = draw_problem(data)
    policy = data.draw(strategies.policies(mdp, regularizer))
    one, other = draw_q(data, mdp), draw_q(data, mdp)
    slack = bound_rounding(mdp, regularizer, one, other)

    def operator(q):
        return rm.bellman.q_policy_backup(mdp, regularizer, policy, q)

    require_contraction(operator, mdp, one, other, slack)
    require_monotone(operator, mdp, one, np.fmax(one, other), slack)
    best = rm.bellman.q_backup(mdp, regularizer, one)
    assert np.all(operator(one)[mdp.available] <= best[mdp.available] + slack)


@given(st.data())
def test_the_fixed_points_are_the_action_values(data):
    mdp, regularizer = draw_problem(data)
    policy = data.draw(strategies.policies(mdp, regularizer))
    q = rm.bellman.q_values(mdp, rm.evaluate(mdp, policy, regularizer).value)
    found = rm.bellman.q_policy_backup(mdp, regularizer, policy, q)
    live = mdp.available
    size = 1.0 + np.max(np.abs(q[live]))
    np.testing.assert_allclose(found[live], q[live], rtol=0, atol=1e-11 * size)
    best = rm.solve(mdp, regularizer)
    q = rm.bellman.q_values(mdp, best.value)
    found = rm.bellman.q_backup(mdp, regularizer, q)
    np.testing.assert_allclose(found[live], q[live], rtol=0, atol=4e-8 + 1e-11 * size)
    assert np.all(np.isneginf(found[~live]))


# ---- the definition, on every storage of every model ----


def compute_q_backup(mdp, regularizer, q, policy=None):
    """T Q or T_π Q with dense arrays, state by state."""
    P, r, discount, available = model_arrays(mdp)
    value = np.zeros(mdp.n_states)
    for s in range(mdp.n_states):
        mask = available[s]
        if not mask.any():
            continue
        one = regularizer.at(slice(s, s + 1))
        p = policy[s : s + 1] if policy is not None else None
        scores = np.where(mask, q[s], 0.0)[None]
        if p is None:
            p = np.asarray(one.maximiser(scores, mask[None]))
        value[s] = np.sum(p * scores) - one.cost(p, mask[None])[0]
    return np.where(available, r + discount * np.einsum("sat,t->sa", P, value), -np.inf)


@pytest.mark.parametrize(
    "storage", tiered(STORAGES, ("dense, blocks", "sparse, blocks", "from_pairs", "mapped"))
)
@pytest.mark.parametrize("model", tiered(MODELS, ("masked", "undiscounted", "bandit")))
def test_every_storage_computes_the_definition(model, storage):
    mdp = STORAGES[storage](MODELS[model](np.random.default_rng(0)))
    rng = np.random.default_rng(1)
    q = np.where(mdp.available, rng.normal(size=mdp.rewards.shape), np.nan)
    for name in ("none", "Shannon", "KL, everything per state", "Tsallis, sparse", "log barrier"):
        regularizer = REGULARIZERS[name](mdp.rewards.shape, np.random.default_rng(2))
        policy = rm.uniform_policy(mdp, regularizer)
        np.testing.assert_allclose(
            rm.bellman.q_backup(mdp, regularizer, q),
            compute_q_backup(mdp, regularizer, q),
            rtol=1e-12,
            atol=1e-12,
        )
        np.testing.assert_allclose(
            rm.bellman.q_policy_backup(mdp, regularizer, policy, q),
            compute_q_backup(mdp, regularizer, q, policy),
            rtol=1e-12,
            atol=1e-12,
        )


def test_the_operator_without_a_model_of_next_states_gives_the_rewards():
    mdp = rm.models.bandit(discount=0.0)
    np.testing.assert_array_equal(
        rm.bellman.q_backup(mdp, rm.Shannon(1.0), np.full((1, 3), 7.0)), mdp.rewards
    )


def test_entropy_has_the_closed_form_of_the_literature():
    mdp = rm.models.garnet(7, 3, 2, discount=0.8)
    q = np.random.default_rng(0).normal(size=(7, 3))
    soft = 0.3 * np.log(np.exp(q / 0.3).sum(axis=1))
    expected = mdp.rewards + 0.8 * mdp.to_array() @ soft
    np.testing.assert_allclose(rm.bellman.q_backup(mdp, rm.Shannon(0.3), q), expected, rtol=1e-13)
    expected = mdp.rewards + 0.8 * mdp.to_array() @ q.max(axis=1)
    np.testing.assert_allclose(rm.bellman.q_backup(mdp, None, q), expected, rtol=1e-13)


@pytest.mark.parametrize("storage", ["dense", "sparse"])
def test_a_policy_of_infinite_cost_makes_only_its_predecessors_infinite(storage):
    rows = np.zeros((3, 2, 3))
    rows[0, 0, 1] = rows[0, 1, 2] = rows[1, :, 1] = rows[2, :, 2] = 1.0
    stored = sp.csr_array(rows.reshape(6, 3)) if storage == "sparse" else rows
    mdp = rm.MDP(stored, np.zeros((3, 2)), 0.5)
    policy = np.array([[0.5, 0.5], [1.0, 0.0], [0.5, 0.5]])
    found = rm.bellman.q_policy_backup(mdp, rm.LogBarrier(1.0), policy, np.zeros((3, 2)))
    np.testing.assert_array_equal(np.isneginf(found), [[True, False], [True, True], [False] * 2])


# ---- wrong operators violate the statements ----

GARNET = rm.models.garnet(8, 3, 2, discount=0.7)
Q = np.random.default_rng(3).normal(size=(8, 3))


def test_an_operator_without_its_discount_is_detected():
    whole = GARNET.with_discount(1.0 - 1e-12)

    def wrong(q):
        return rm.bellman.q_backup(whole, rm.Shannon(0.1), q)

    with pytest.raises(AssertionError):
        require_contraction(wrong, GARNET, Q, Q + 1.0, 1e-12)


def test_an_operator_that_scales_its_temperature_wrongly_is_detected():
    def wrong(q):
        value = 2.0 * 0.1 * np.log(np.exp(q / 0.1).sum(axis=1))
        return rm.bellman.q_values(GARNET, value)

    with pytest.raises(AssertionError):
        require_contraction(wrong, GARNET, Q, Q + 1.0, 1e-12)


def test_an_operator_that_takes_the_value_of_another_action_is_detected():
    def wrong(q):
        # the mean of the scores minus their spread falls where a bad action gets better
        return rm.bellman.q_values(GARNET, q.max(axis=1) - 2.0 * (q.max(axis=1) - q.mean(axis=1)))

    high = Q.copy()
    high[np.arange(8), Q.argmax(axis=1)] += 1.0
    with pytest.raises(AssertionError):
        require_monotone(wrong, GARNET, Q, high, 1e-12)
