"""The sign of the gain of end components, where sweeps would take long to show it."""

from itertools import product

import numpy as np
import pytest
import scipy

import regmdp as rm
from regmdp.mdp.structure import find_end_components
from regmdp.undiscounted.gain import bound_gains
from tests.tiers import tiered

REGULARIZERS = {
    "none": rm.Unregularized(),
    "Shannon": rm.Shannon(0.01),
    "Tsallis": rm.Tsallis(2.0, 0.01),
}


def assert_sign(low, high, gain, noise=0.0):
    """The bounds hold, where they say more than the sign, and the sign is certain."""
    assert low[0] == np.inf or low[0] - noise <= gain
    assert high[0] == -np.inf or gain <= high[0] + noise
    if abs(gain) > noise:
        assert (low[0] > 0) == (gain > 0)
        assert (high[0] < 0) == (gain < 0)


def bounds(mdp, regularizer=None):
    components = find_end_components(mdp, mdp.available)
    return bound_gains(mdp, regularizer or rm.Unregularized(), components)


def ring(n: int, gain: float) -> rm.MDP:
    """A ring that pays once a round and costs in every other step, or waits at a cost."""
    rewards = np.full((n, 2), -1.0)
    rewards[0, 0] = n - 1 + n * gain
    forward = scipy.sparse.csr_array((np.ones(n), (np.arange(n), (np.arange(n) + 1) % n)))
    wait = scipy.sparse.csr_array(scipy.sparse.eye(n))
    return rm.MDP.from_action_matrices([forward, wait], rewards, discount=1.0)


@pytest.mark.parametrize("gain", [0.1, -0.1, 1e-4, -1e-4])
@pytest.mark.parametrize("n", [3, 1000])
def test_a_ring_that_pays_once_a_round(n, gain):
    assert_sign(*bounds(ring(n, gain)), gain)


@pytest.mark.parametrize("regularizer", REGULARIZERS.values(), ids=REGULARIZERS)
def test_a_penalty_leaves_no_doubt(regularizer):
    mdp = ring(200, 0.5)
    rewards = np.array(mdp.rewards)
    rewards[:, 1] = -1e9
    low, high = bounds(mdp.with_rewards(rewards), regularizer)
    assert 0 < low[0] <= high[0]


def best_gain(P, R):
    """The largest gain of any policy from any state, by enumeration and Cesàro limits."""
    n_actions, n_states, _ = P.shape
    best = -np.inf
    for choice in product(range(n_actions), repeat=n_states):
        chain = P[choice, np.arange(n_states)]
        lazy = np.linalg.matrix_power(0.5 * (chain + np.eye(n_states)), 2**30)
        best = max(best, (lazy @ R[np.arange(n_states), choice]).max())
    return best


@pytest.mark.parametrize("seed", tiered(range(60), 6))
def test_random_components_with_penalties(seed):
    rng = np.random.default_rng(seed)
    n_states, n_actions = int(rng.integers(2, 6)), 2
    P = rng.dirichlet(np.full(n_states, 0.3), (n_actions, n_states))
    P = np.where(P < 0.1, 0.0, P)
    # every state leads on to the next, so that all are one component
    P[0, np.arange(n_states), (np.arange(n_states) + 1) % n_states] += 0.05
    P /= P.sum(axis=2, keepdims=True)
    R = rng.normal(size=(n_states, n_actions))
    R[rng.random(R.shape) < 0.2] = -(10.0 ** rng.integers(3, 10))
    mdp = rm.MDP.from_action_matrices(list(P), R, discount=1.0)
    assert_sign(*bounds(mdp), best_gain(P, R), noise=1e-6 * np.abs(R).max())


def test_two_closed_classes_of_one_component():
    # each state may stay, for -1 and for ±0.01, or move to the other at a cost
    stay = scipy.sparse.csr_array(scipy.sparse.eye(2))
    move = scipy.sparse.csr_array(np.array([[0.0, 1.0], [1.0, 0.0]]))
    for gain in (0.01, -0.01):
        rewards = np.array([[-1.0, -1e6], [gain, -1e6]])
        mdp = rm.MDP.from_action_matrices([stay, move], rewards, discount=1.0)
        assert_sign(*bounds(mdp), gain, noise=1e-9)


def test_gains_are_refused_by_name():
    with pytest.raises(rm.UnboundedError, match=r"gains at least .* in a set of 1000 states"):
        rm.solve(ring(1000, 1e-3))
