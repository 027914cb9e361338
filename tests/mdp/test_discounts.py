"""Discounts that differ between states or pairs: the values, and what is refused."""

import numpy as np
import pytest
import scipy.sparse as sp

import regmdp as rm

RNG = np.random.default_rng(3)
N_STATES, N_ACTIONS = 7, 3
P = RNG.dirichlet(np.ones(N_STATES), size=(N_STATES, N_ACTIONS))
R = RNG.normal(size=(N_STATES, N_ACTIONS))
BY_PAIR = RNG.uniform(0.0, 0.95, size=(N_STATES, N_ACTIONS))
BETA = RNG.uniform(0.0, 0.3, size=(N_STATES, N_ACTIONS))


def soft_value(discount, ends=0.0, temperature=0.3):
    """The fixed point of the soft Bellman operator with one discount a pair, by iteration."""
    value = np.zeros(N_STATES)
    for _ in range(2000):
        q = R + discount * (1.0 - ends) * (P @ value)
        value = temperature * np.log(np.exp(q / temperature).sum(axis=1))
    return value


def builders(discount, **more):
    state, action = np.divmod(np.arange(N_STATES * N_ACTIONS), N_ACTIONS)
    by_pair = np.broadcast_to(
        discount if np.ndim(discount) == 2 else np.asarray(discount)[:, None], R.shape
    )
    flat = {name: table.ravel() for name, table in more.items()}
    keep = 1.0 - more.get("termination", np.zeros(R.shape))
    rows = P * keep[..., None]
    sparse = sp.csr_array(rows.reshape(-1, N_STATES))
    return [
        rm.MDP(rows, R, discount, **more),
        rm.MDP(sparse, R, discount, **more),
        rm.MDP.from_action_matrices(rows.transpose(1, 0, 2), R, discount, **more),
        rm.MDP.from_action_matrices(
            [sp.csr_array(rows[:, a]) for a in range(N_ACTIONS)], R, discount, **more
        ),
        rm.MDP.from_pairs(state, action, sparse, R.ravel(), by_pair.ravel(), **flat),
    ]


@pytest.mark.parametrize("ends", [False, True], ids=["endless", "with termination"])
@pytest.mark.parametrize("by_state", [False, True], ids=["pair", "state"])
def test_value_is_that_of_the_discounted_equation(by_state, ends):
    discount = BY_PAIR[:, 0] if by_state else BY_PAIR
    more = {"termination": BETA} if ends else {}
    expected = soft_value(discount[:, None] if by_state else discount, BETA if ends else 0.0)
    for mdp in builders(discount, **more):
        assert mdp.discount == discount.max()
        solution = rm.solve(mdp, rm.Shannon(0.3), absolute_tol=1e-11)
        np.testing.assert_allclose(solution.value, expected, rtol=0, atol=1e-9)
        assert np.all(solution.certificate.lower <= expected + 1e-9)
        assert np.all(solution.certificate.upper >= expected - 1e-9)


def test_equal_discounts_are_one_discount():
    whole = rm.MDP(P, R, np.full(N_STATES, 0.9))
    assert whole.digest == rm.MDP(P, R, 0.9).digest


def test_discounts_of_missing_pairs_do_not_count():
    available = np.ones(R.shape, dtype=bool)
    available[2, 1] = False
    discount = np.where(available, 0.9, 7.0)
    mdp = rm.MDP(P, R, discount, available=available)
    assert mdp.discount == 0.9
    assert not mdp.termination.any()


def test_some_states_without_a_discount():
    discount = np.array([1.0] * (N_STATES - 1) + [0.5])
    mdp = rm.MDP(P, -np.abs(R), discount)
    value = np.zeros(N_STATES)
    for _ in range(5000):
        value = (-np.abs(R) + discount[:, None] * (P @ value)).max(axis=1)
    np.testing.assert_allclose(rm.solve(mdp, absolute_tol=1e-9).value, value, atol=1e-8)
    with pytest.raises(rm.ModelError, match="kept as probabilities of ending"):
        rm.MDP(P, R, discount, goal=[0])
    reach = rm.MDP(P, R, discount, goal=[0], objective="reach")
    expected = np.zeros(N_STATES)
    for _ in range(5000):
        expected = discount[:, None] * (P @ np.where(np.arange(N_STATES) == 0, 1.0, expected))
        expected = expected.max(axis=1)
    np.testing.assert_allclose(rm.solve(reach).value[1:], expected[1:], atol=1e-8)


@pytest.mark.parametrize(
    ("discount", "message"),
    [
        (np.full(N_ACTIONS, 0.9), r"discount must have shape \(S,\)"),
        (np.full((N_ACTIONS, N_STATES), 0.9), r"discount must have shape"),
        (np.where(np.arange(N_STATES) == 4, 1.5, 0.9), "state 4, action 0 has 1.5"),
        (np.where(np.arange(N_STATES) == 4, np.nan, 0.9), "state 4, action 0 has nan"),
        (["a"] * N_STATES, "discount"),
    ],
)
def test_wrong_discounts(discount, message):
    with pytest.raises(rm.ModelError, match=message):
        rm.MDP(P, R, discount)
