"""Models side by side: every operation of the storage, compared with one dense model."""

import numpy as np
import pytest

import regmdp as rm
from regmdp.evaluation import Chain, StackedDirect
from regmdp.mdp import transitions
from regmdp.mdp.deterministic import DeterministicPolicy
from regmdp.problem import Problem
from regmdp.stack import Stack


def make_stack(*, one_model):
    """Return a stack of four masked models, or of one with four rewards, and the dense model."""
    models = []
    for seed in range(4):
        rng = np.random.default_rng(0 if one_model else seed)
        rows = rng.dirichlet(np.ones(5), size=(5, 3)) * (rng.random((5, 3, 5)) < 0.7)
        rows[..., 0] += 0.05
        rows /= rows.sum(axis=2, keepdims=True)
        available = rng.random((5, 3)) < 0.8
        available[:, 0], available[4] = True, False
        rewards = np.random.default_rng(seed).normal(size=(5, 3))
        models.append(rm.MDP(rows, rewards, 0.9, available=available))
    if one_model:
        models = [models[0].with_rewards(mdp.rewards) for mdp in models]
    mdp = Stack([Problem(mdp, rm.Unregularized()) for mdp in models]).mdp
    whole = rm.MDP(mdp.to_array(), mdp.rewards, 0.9, available=mdp.available, initial=mdp.initial)
    for i, model in enumerate(models):
        part = slice(5 * i, 5 * i + 5)
        assert np.array_equal(mdp.to_array()[part, :, part], model.to_array())
        assert np.array_equal(mdp.rewards[part], model.rewards)
        assert np.array_equal(mdp.available[part], model.available)
    return mdp, whole


@pytest.mark.parametrize("pairs_per_block", [1, 30, 1 << 16])
@pytest.mark.parametrize("one_model", [False, True])
def test_operations_are_those_of_the_dense_model(one_model, pairs_per_block, monkeypatch):
    monkeypatch.setattr(transitions, "MAX_PAIRS_PER_BLOCK", pairs_per_block)
    mdp, whole = make_stack(one_model=one_model)
    rng = np.random.default_rng(5)
    value, weights = rng.normal(size=20), rng.random((20, 3))
    policy = np.where(mdp.available, weights, 0.0)
    policy /= np.maximum(policy.sum(axis=1, keepdims=True), 1e-300)
    actions = np.where(mdp.terminal, -1, 0)
    assert len(mdp.transitions.blocks) == {1: 4, 30: 2, 1 << 16: 1}[pairs_per_block]
    assert pairs_per_block < 1 << 16 or mdp.digest == whole.digest
    for function in (
        lambda m: rm.bellman.expected_values(m, value),
        lambda m: rm.bellman.next_state_weights(m, weights),
        lambda m: m.transitions.row_sums(),
        lambda m: m.transitions.to_csr().toarray(),
        lambda m: Chain.from_policy(m, policy).rows @ value,
        lambda m: Chain.from_policy(m, DeterministicPolicy(actions, 3)).rows @ value,
    ):
        np.testing.assert_allclose(function(mdp), function(whole), rtol=0, atol=1e-14)
    for states in (np.array([0]), np.array([7, 19])):
        rows = Chain.from_policy(mdp, policy).rows
        reached = np.flatnonzero(whole.transitions.policy_matrix(policy)[states].any(axis=0))
        assert set(rows.successors(states)) == set(reached)
        reached = np.flatnonzero(whole.to_array()[states].any(axis=(0, 1)))
        assert set(mdp.transitions.successors(states)) == set(reached)


def test_systems_are_those_of_the_dense_model():
    mdp, whole = make_stack(one_model=False)
    policy, right = rm.uniform_policy(mdp), np.random.default_rng(1).normal(size=20)
    system = StackedDirect().prepare(Chain.from_policy(mdp, policy))
    other = rm.evaluation.Direct().prepare(Chain.from_policy(whole, policy))
    np.testing.assert_allclose(system.solve(right, right), other.solve(right, right), atol=1e-12)
    np.testing.assert_allclose(
        system.solve_transposed(right), other.solve_transposed(right), atol=1e-12
    )
    single = StackedDirect().prepare(Chain.from_policy(whole, policy))
    np.testing.assert_allclose(single.solve(right, right), other.solve(right, right), atol=1e-12)
