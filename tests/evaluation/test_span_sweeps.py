"""Sweeps instead of a linear solve, and the operators that they multiply with."""

import numpy as np
import pytest

import regmdp as rm
from regmdp.evaluation import Chain, Direct, Exact
from regmdp.evaluation.span_sweeps import MAX_SWEEPS, sweep_policy
from regmdp.mdp.policy_rows import StackedRows
from regmdp.mdp.sparse_transitions import MixedRows


def chain_of(mdp, *, pure=False):
    rng = np.random.default_rng(0)
    policy = rng.dirichlet(np.ones(mdp.n_actions), size=mdp.n_states)
    return Chain.from_policy(mdp, np.eye(mdp.n_actions)[policy.argmax(axis=1)] if pure else policy)


def exact(chain, b):
    return np.linalg.solve(np.eye(chain.n_states) - chain.discount * dense(chain.matrix), b)


def dense(matrix):
    return matrix.toarray() if hasattr(matrix, "toarray") else np.asarray(matrix)


@pytest.mark.parametrize("discount", [0.5, 0.99, 1 - 1e-6])
@pytest.mark.parametrize("accuracy", [1e-2, 1e-6, 1e-10])
def test_a_mixing_chain_converges_at_the_rate_of_the_span(discount, accuracy):
    chain = chain_of(rm.models.garnet(500, 3, 8, rng=1, discount=discount))
    b = np.random.default_rng(2).normal(size=500)
    swept = sweep_policy(chain, b, np.zeros(500), accuracy)
    assert swept.done
    assert swept.rate < 0.6
    residual = chain.residual(swept.value, b)
    scale = np.abs(swept.value).max()
    assert np.abs(residual).max() <= accuracy + 1e-14 * scale
    np.testing.assert_allclose(
        swept.value,
        exact(chain, b),
        rtol=0,
        atol=accuracy / (1 - discount) + 1e-15 * scale / (1 - discount),
    )


def test_no_shift_is_removed_where_episodes_end():
    mdp = rm.models.garnet(300, 2, 6, rng=1, discount=0.6)
    ending = rm.MDP(
        0.9 * mdp.transitions.to_csr(), mdp.rewards, 0.6, termination=np.full((300, 2), 0.1)
    )
    chain = chain_of(ending)
    assert chain.leak == np.inf
    b = np.ones(300)
    swept = sweep_policy(chain, b, np.zeros(300), 1e-8)
    assert swept.done
    assert swept.rate == pytest.approx(0.54, abs=0.02)
    np.testing.assert_allclose(swept.value, exact(chain, b), rtol=0, atol=1e-7)


def test_sweeps_stop_early_if_a_chain_mixes_slowly():
    mdp = rm.models.gridworld(30, 30, discount=0.999)
    products = []

    class Counted(Chain):
        def propagate(self, value):
            products.append(value)
            return super().propagate(value)

    chain = chain_of(mdp)
    swept = sweep_policy(
        Counted(chain.rows, chain.discount, chain.leak),
        np.ones(mdp.n_states),
        np.zeros(mdp.n_states),
        1e-8,
    )
    assert not swept.done
    assert len(products) < MAX_SWEEPS / 4
    # the next solver starts from their result
    value = Exact().prepare(chain).solve(np.ones(mdp.n_states), np.zeros(mdp.n_states))
    np.testing.assert_allclose(
        value,
        Direct().prepare(chain).solve(np.ones(mdp.n_states), np.zeros(mdp.n_states)),
        rtol=1e-10,
    )


def test_the_guess_is_not_changed():
    chain = chain_of(rm.models.garnet(300, 2, 6, rng=1))
    guess = np.ones(300)
    sweep_policy(chain, np.zeros(300), guess, 1e-3)
    np.testing.assert_array_equal(guess, 1.0)


@pytest.mark.parametrize(("pure", "kind"), [(False, MixedRows), (True, StackedRows)])
def test_large_chains_are_operators_that_multiply_like_their_matrix(pure, kind):
    mdp = rm.models.garnet(30_000, 3, 10, rng=0)
    chain = chain_of(mdp, pure=pure)
    assert isinstance(chain.rows, kind)
    value = np.random.default_rng(1).normal(size=30_000)
    np.testing.assert_allclose(chain.rows @ value, chain.matrix @ value, rtol=0, atol=1e-14)
    states = np.array([3, 29_999, 4])
    assert set(chain.matrix[states].indices) <= set(chain.rows.successors(states))
    assert chain.rows.shape == chain.matrix.shape


def test_overlapping_rows_and_small_models_are_merged():
    assert not isinstance(chain_of(rm.models.gridworld(150, 150)).rows, MixedRows)
    assert not isinstance(chain_of(rm.models.garnet(100, 3, 4)).rows, MixedRows)


def test_terminal_states_have_empty_rows():
    mdp = rm.models.gridworld(60, 60)
    chain = chain_of(mdp, pure=True)
    assert chain.matrix[np.flatnonzero(mdp.terminal)].nnz == 0
