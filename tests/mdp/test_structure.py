"""The graph of a model against brute force over sets of states and policies."""

import itertools

import numpy as np
import pytest
import scipy.sparse as sp
from tiers import tiered

import regmdp as rm
from regmdp.mdp.structure import (
    find_end_components,
    find_non_terminating_states,
    find_terminating_policy,
    label_strong_components,
)

SEEDS = range(150)


def random_model(seed):
    """A small model with few transitions, and a mask of allowed pairs."""
    rng = np.random.default_rng(seed)
    S, A = int(rng.integers(1, 6)), int(rng.integers(1, 4))
    leads = rng.random((S, A, S)) < rng.choice([0.2, 0.4])
    ends = rng.random((S, A)) < 0.15
    nowhere = ~leads.any(axis=-1) & ~ends
    leads[nowhere, rng.integers(S)] = True
    weight = np.concatenate([leads, ends[..., None]], axis=-1) * rng.uniform(
        1e-6, 1.0, size=(S, A, S + 1)
    )
    weight /= weight.sum(axis=-1, keepdims=True)
    available = rng.random((S, A)) < 0.85
    if not available.any():
        available[0] = True
    rows = weight[..., :S]
    stored = sp.csr_array(rows.reshape(-1, S)) if seed % 2 else rows
    mdp = rm.MDP(stored, np.zeros((S, A)), 1.0, available=available, termination=weight[..., S])
    return mdp, available & (rng.random((S, A)) < rng.choice([0.7, 1.0]))


def closed_pairs(mdp, allowed, states):
    """The allowed pairs that lead from these states into them with probability 1."""
    P = mdp.to_array()
    outside = [t for t in range(mdp.n_states) if t not in states]
    stays = allowed & (np.asarray(mdp.termination) == 0) & (P[..., outside] == 0).all(axis=-1)
    stays[outside] = False
    return stays


def reachable(mdp, pairs, start):
    """The states that these pairs can visit from this one, itself included."""
    P, found = mdp.to_array(), {start}
    while True:
        more = {
            int(t) for s in found for a in np.flatnonzero(pairs[s]) for t in np.flatnonzero(P[s, a])
        } | found
        if more == found:
            return found
        found = more


def components_by_enumeration(mdp, allowed):
    """The maximal closed sets of states in which every state reaches every other."""
    found = []
    for size in range(mdp.n_states, 0, -1):
        for states in map(set, itertools.combinations(range(mdp.n_states), size)):
            pairs = closed_pairs(mdp, allowed, states)
            held = all(pairs[s].any() for s in states)
            if (
                held
                and all(reachable(mdp, pairs, s) == states for s in states)
                and not any(states <= other for other, _ in found)
            ):
                found.append((states, pairs))
    return found


def can_terminate(mdp, allowed, start):
    return any(
        mdp.terminal[s] or (allowed[s] & (np.asarray(mdp.termination)[s] > 0)).any()
        for s in reachable(mdp, allowed, start)
    )


@pytest.mark.parametrize("seed", tiered(SEEDS, 20))
def test_end_components_are_the_maximal_closed_connected_sets(seed):
    mdp, allowed = random_model(seed)
    components = find_end_components(mdp, allowed)
    expected = components_by_enumeration(mdp, allowed)
    assert components.count == len(expected)
    found = {
        frozenset(map(int, np.flatnonzero(components.component == number)))
        for number in range(components.count)
    }
    assert found == {frozenset(states) for states, _ in expected}
    pairs = np.zeros(allowed.shape, dtype=bool)
    for _, stays in expected:
        pairs |= stays
    np.testing.assert_array_equal(components.pairs, pairs)
    assert np.all((components.component >= 0) == pairs.any(axis=1))


@pytest.mark.parametrize("seed", tiered(SEEDS, 20))
def test_non_terminating_states_have_no_path_to_the_end(seed):
    mdp, allowed = random_model(seed)
    expected = [not can_terminate(mdp, allowed, s) for s in range(mdp.n_states)]
    np.testing.assert_array_equal(find_non_terminating_states(mdp, allowed), expected)


@pytest.mark.parametrize("seed", tiered(SEEDS, 20))
def test_the_terminating_policy_terminates_where_some_policy_does(seed):
    mdp, allowed = random_model(seed)
    actions = find_terminating_policy(mdp, allowed)
    chosen = np.zeros(allowed.shape, dtype=bool)
    for s in range(mdp.n_states):
        if mdp.terminal[s] or not can_terminate(mdp, allowed, s):
            assert actions[s] == -1
        else:
            assert allowed[s, actions[s]]
            chosen[s, actions[s]] = True
    for s in np.flatnonzero(actions >= 0):
        # it reaches the end from every state that it visits, so in a finite model it terminates
        # with probability 1; states where no policy terminates cannot always be avoided
        assert can_terminate(mdp, chosen, s)


@pytest.mark.parametrize("seed", tiered(SEEDS, 20))
def test_the_terminating_policy_terminates_everywhere_if_possible(seed):
    mdp, allowed = random_model(seed)
    if find_non_terminating_states(mdp, allowed).any():
        return
    actions = find_terminating_policy(mdp, allowed)
    live = ~mdp.terminal
    chain = np.zeros((mdp.n_states, mdp.n_states))
    chain[live] = mdp.to_array()[live, actions[live]]
    assert np.max(np.abs(np.linalg.eigvals(chain))) < 1.0


def test_the_terminating_policy_takes_a_shortest_path():
    # from 0, action 0 goes round by 1, action 1 goes to 2 at once; 2 ends
    P = np.zeros((3, 2, 3))
    P[0, 0, 1] = P[0, 1, 2] = P[1, :, 2] = 1.0
    mdp = rm.MDP(P, np.zeros((3, 2)), 1.0, termination=np.array([[0, 0], [0, 0], [1.0, 1.0]]))
    np.testing.assert_array_equal(find_terminating_policy(mdp, mdp.available), [1, 0, 0])
    # and among the allowed pairs only
    allowed = np.array([[True, False], [False, True], [False, True]])
    np.testing.assert_array_equal(find_terminating_policy(mdp, allowed), [0, 1, 1])


def test_a_successor_is_found_however_small_its_probability():
    P = np.array([[[1.0 - 1e-16, 1e-300]], [[0.0, 0.0]]])
    mdp = rm.MDP(P, np.zeros((2, 1)), 1.0, termination=np.array([[0.0], [1.0]]))
    assert not find_non_terminating_states(mdp, mdp.available).any()
    assert find_end_components(mdp, mdp.available).count == 0


@pytest.mark.parametrize("n_actions", [255, 256, 257, 512])
def test_many_actions_with_the_same_successor_are_all_counted(n_actions):
    P = np.zeros((3, n_actions, 3))
    P[0, :, 1] = P[1, :, 0] = P[2, :, 0] = 1.0
    termination = np.zeros((3, n_actions))
    P[1, 0, 0], termination[1, 0] = 0.0, 1.0
    mdp = rm.MDP(P, np.zeros((3, n_actions)), 1.0, termination=termination)
    assert not find_non_terminating_states(mdp, mdp.available).any()
    assert find_end_components(mdp, mdp.available).component.tolist() == [0, 0, -1]


def test_a_long_chain_reaches_its_end():
    n = 5000
    rows = sp.csr_array((np.ones(n - 1), (np.arange(n - 1), np.arange(1, n))), shape=(n, n))
    termination = np.zeros((n, 1))
    termination[-1] = 1.0
    mdp = rm.MDP(rows, -np.ones((n, 1)), 1.0, termination=termination)
    assert not find_non_terminating_states(mdp, mdp.available).any()
    assert find_end_components(mdp, mdp.available).count == 0
    np.testing.assert_array_equal(find_terminating_policy(mdp, mdp.available), 0)


def test_components_with_several_actions_inside_are_counted_once():
    # two rings of three states; each state may also step to the other ring only from state 0
    n, P = 6, np.zeros((6, 3, 6))
    for s in range(n):
        ring = 3 * (s // 3)
        P[s, 0, ring + (s + 1) % 3] = P[s, 1, ring + (s + 2) % 3] = P[s, 2, s] = 1.0
    P[0, 2] = np.eye(n)[4]
    mdp = rm.MDP(P, np.zeros((n, 3)), 1.0, termination=None)
    components = find_end_components(mdp, mdp.available)
    assert components.count == 2
    assert not components.pairs[0, 2]
    assert components.pairs.sum() == 17


def closure(edges):
    """(S, S) bool: which states are reached from which."""
    closed = edges | np.eye(edges.shape[0], dtype=bool)
    for _ in range(6):  # 2^6 steps
        closed = closed @ closed
    return closed


@pytest.mark.parametrize("seed", range(20))
def test_components_of_graphs_with_edges_several_times(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(3, 40))
    targets = rng.integers(0, n, 3 * n)
    graph = sp.csr_array(
        (np.ones(3 * n, dtype=bool), targets, np.arange(0, 3 * n + 1, 3)), shape=(n, n)
    )
    edges = np.zeros((n, n), dtype=bool)
    edges[np.repeat(np.arange(n), 3), targets] = True
    there = closure(edges)
    label = label_strong_components(graph)
    np.testing.assert_array_equal(label[:, None] == label, there & there.T)
    assert np.all(label[targets] <= np.repeat(label, 3))
