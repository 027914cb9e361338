from fractions import Fraction

import numpy as np
import pytest
import scipy.sparse as sp

import regmdp as rm

P = np.array([[[0.5, 0.5], [0.0, 1.0]], [[0.25, 0.75], [1.0, 0.0]]])
R = np.array([[1.0, 2.0], [3.0, 4.0]])


@pytest.fixture
def mdp():
    return rm.MDP(P, R, 0.9, state_labels=["a", "b"], action_labels=["x", "y"])


def test_a_model_is_immutable(mdp):
    with pytest.raises(
        AttributeError,
        match="an MDP is immutable: cannot set 'discount'; use with_discount or with_rewards",
    ):
        mdp.discount = 0.5
    for name in ("rewards", "initial", "available", "termination", "terminal"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(mdp, name)[...] = 0


@pytest.mark.parametrize("store", [np.array, lambda P: sp.csr_array(np.reshape(P, (4, 2)))])
def test_a_model_copies_its_arrays(store):
    rows, rewards, initial = store(P), R.copy(), np.array([0.5, 0.5])
    available, ending = np.ones((2, 2), dtype=bool), np.zeros((2, 2))
    mdp = rm.MDP(rows, rewards, 0.9, initial=initial, available=available, termination=ending)
    digest = mdp.digest
    (rows.data if sp.issparse(rows) else rows)[...] = 7.0
    rewards[...] = initial[...] = ending[...] = 7.0
    available[...] = False
    np.testing.assert_array_equal(mdp.to_array(), P)
    np.testing.assert_array_equal(mdp.rewards, R)
    assert rm.MDP(P, R, 0.9, initial=[0.5, 0.5]).transitions.n_states == 2
    assert type(mdp).digest.func(mdp) == digest


def test_with_methods_leave_the_model_unchanged(mdp):
    assert mdp.digest
    other = mdp.with_discount(0.5)
    assert (mdp.discount, other.discount) == (0.9, 0.5)
    assert other.transitions is mdp.transitions
    assert other.digest != mdp.digest
    other = mdp.with_rewards(2 * R)
    np.testing.assert_array_equal(other.rewards, 2 * R)
    assert (mdp.reward_bound, other.reward_bound) == (4.0, 8.0)
    np.testing.assert_array_equal(mdp.with_initial([0.25, 0.75]).initial, [0.25, 0.75])
    assert other.state_labels == mdp.state_labels


def test_with_available_only_removes_actions(mdp):
    other = mdp.with_available([[True, False], [False, False]])
    np.testing.assert_array_equal(other.terminal, [False, True])
    assert not other.to_array()[1].any()
    assert other.with_available(np.ones((2, 2))).available.sum() == 1
    assert mdp.all_available
    assert other.state_labels == ("a", "b")


def test_equal_data_have_equal_digests(mdp):
    again = rm.MDP(P.copy(), R.copy(), 0.9)
    assert again.digest == mdp.digest  # names are not data
    changes = [
        again.with_rewards(R + 1e-15),
        again.with_discount(0.9 + 1e-15),
        again.with_initial([0.4, 0.6]),
        again.with_available([[True, False], [True, True]]),
        rm.MDP(P[:, ::-1], R, 0.9),
    ]
    assert len({model.digest for model in [mdp, *changes]}) == 6


def test_the_initial_distribution_is_uniform_over_the_states_that_are_not_terminal():
    mdp = rm.MDP(
        np.full((4, 1, 4), 0.25),
        np.zeros((4, 1)),
        0.9,
        available=np.array([[True], [False], [True], [True]]),
    )
    np.testing.assert_allclose(mdp.initial, [1 / 3, 0, 1 / 3, 1 / 3])


def test_axis_orders_are_never_guessed():
    # S = A, so the shapes do not tell the axes apart
    by_state, by_action = rm.MDP(P, R, 0.9), rm.MDP.from_action_matrices(P, R, 0.9)
    np.testing.assert_array_equal(by_state.to_array(), P)
    np.testing.assert_array_equal(by_action.to_array(), P.transpose(1, 0, 2))
    np.testing.assert_array_equal(
        [matrix.toarray() for matrix in by_action.to_action_matrices()], P
    )


def test_from_pairs():
    mdp = rm.MDP.from_pairs(
        [2, 0, 0], [1, 0, 2], np.eye(3), [5.0, 6.0, 7.0], 0.5, termination=[0.0, 0.0, 0.0]
    )
    assert (mdp.n_states, mdp.n_actions) == (3, 3)
    np.testing.assert_array_equal(mdp.available, [[1, 0, 1], [0, 0, 0], [0, 1, 0]])
    state, action, rows, rewards = mdp.to_pairs()
    np.testing.assert_array_equal([state, action], [[0, 0, 2], [0, 2, 1]])
    np.testing.assert_array_equal(rewards, [6.0, 7.0, 5.0])
    np.testing.assert_array_equal(rows.toarray(), np.eye(3)[[1, 2, 0]])


def test_sparse_and_repeated_successors_are_added_up():
    rows = sp.coo_array(([0.25, 0.25, 0.5, 1.0], ([0, 0, 0, 1], [1, 1, 0, 1])), shape=(2, 2))
    mdp = rm.MDP(rows, np.zeros((2, 1)), 0.9)
    np.testing.assert_array_equal(mdp.to_array()[:, 0], [[0.5, 0.5], [0.0, 1.0]])
    assert mdp.transitions.n_stored == 3
    assert mdp.transitions.branching == 2


def test_sizes_and_repr(mdp):
    assert repr(mdp) == "MDP(2 states, 2 actions, 8 transitions (dense), discount 0.9)"
    masked = rm.MDP(sp.csr_array(P.reshape(4, 2)), R, 1, available=[[True, False], [False, False]])
    assert repr(masked) == (
        "MDP(2 states, 2 actions, 2 transitions (sparse), 1 available pair, 1 terminal, discount 1)"
    )
    assert masked.terminates
    assert not mdp.terminates
    assert mdp.transitions.nbytes >= 64
    assert mdp.describe(0) == "state 0 (a)"
    assert mdp.describe(1, 0) == "state 1 (b), action 0 (x)"
    assert rm.MDP(P, R, 0.9).describe(1, 0) == "state 1, action 0"


def test_accepts_lists_and_other_dtypes():
    mdp = rm.MDP(P.tolist(), R.astype(int).tolist(), 1, available=np.ones((2, 2), int))
    np.testing.assert_array_equal(mdp.to_array(), P)
    assert mdp.rewards.dtype == np.float64
    assert mdp.discount == 1.0
    np.testing.assert_array_equal(rm.MDP(P.astype(np.float32), R, 0.9).to_array(), P)


# ---- the initial distribution ----


@pytest.mark.parametrize("seed", range(40))
def test_an_initial_distribution_is_normalised_once(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 60))
    given = rng.dirichlet(np.full(n, 0.1)) * (1.0 + rng.uniform(-9e-10, 9e-10))
    given[rng.random(n) < 0.2] *= 1e-320 if seed % 4 == 0 else 1.0
    if abs(given.sum() - 1.0) > 9.9e-10:
        given = np.eye(n)[0] * (1.0 + rng.uniform(-9e-10, 9e-10))
    mdp = rm.MDP(np.eye(n)[:, None], np.ones((n, 1)), 0.5, initial=given)
    exact = [Fraction(float(x)) for x in given]
    held = [Fraction(float(x)) for x in mdp.initial]
    total = sum(exact)
    for one, other in zip(held, exact, strict=True):
        assert abs(one - other / total) <= 6 * Fraction(2) ** -53 * one + Fraction(2) ** -1074
    again = rm.MDP(np.eye(n)[:, None], np.ones((n, 1)), 0.5, initial=mdp.initial)
    np.testing.assert_array_equal(again.initial, mdp.initial)
    assert again.digest == mdp.digest


@pytest.mark.parametrize("given", [[1e308, 1e308], [2.0, 0.0], [0.5, 0.5 + 2e-9]])
def test_what_is_no_distribution_is_refused(given):
    with pytest.raises(rm.ModelError, match="initial sums to"):
        rm.MDP(np.eye(2)[:, None], np.ones((2, 1)), 0.5, initial=given)


@pytest.mark.parametrize("excess", [9e-10, -9e-10, 3e-16, 0.0])
def test_values_and_bounds_are_from_the_same_initial_distribution(excess):
    mdp = rm.MDP(np.eye(2)[:, None], np.ones((2, 1)), 0.9, initial=[0.5 + excess, 0.5])
    solution = rm.solve(mdp)
    evaluated = rm.evaluate(mdp, [0, 0])
    bounds = solution.certificate
    for value in (solution.initial_value, evaluated.initial_value, solution.history.value[-1]):
        assert bounds.initial_lower <= value <= bounds.initial_upper
