"""Undiscounted models of which only the part with cycles is solved by iterations."""

import numpy as np
import pytest
import scipy.sparse

import regmdp as rm
from regmdp.mdp.levels import find_levels


def draw(seed, n_levels=40, width=25):
    """Layers with a cyclic one in the middle, and an end; costs and rewards, ties and zeros."""
    rng = np.random.default_rng(seed)
    n = n_levels * width
    rows, state, action, rewards = [], [], [], []
    for s in range(n):
        level = s // width
        for a in range(1 + rng.integers(3)):
            row = np.zeros(n + 1)
            if level == n_levels // 2:  # this level leads to itself, too
                ahead = rng.integers(level * width, (level + 2) * width, 2)
            else:
                ahead = rng.integers((level + 1) * width, (level + 2) * width, 2)
            for target in np.minimum(ahead, n):
                row[target] += 0.5
            rows.append(row)
            state.append(s)
            action.append(a)
            rewards.append(float(rng.integers(-4, 2)) / 4)
    return rm.MDP.from_pairs(
        state, action, scipy.sparse.csr_array(np.array(rows)), rewards, 1.0, n_states=n + 1
    )


def solve_whole(mdp, **options):
    """Solve without a split: with a method that is asked for."""
    return rm.solve(mdp, None, rm.algorithms.PolicyIteration(), **options)


@pytest.mark.parametrize("seed", range(3))
def test_a_split_model_has_the_bounds_of_the_whole(seed):
    mdp = draw(seed)
    split, whole = rm.solve(mdp), solve_whole(mdp)
    assert "backward induction" in split.provenance.reason
    assert split.status is rm.Status.CONVERGED
    for bound in ("lower", "policy_lower"):
        assert np.all(getattr(split.certificate, bound) <= whole.certificate.upper)
    for bound in ("upper", "policy_upper"):
        assert np.all(getattr(split.certificate, bound) >= whole.certificate.policy_lower)
    own = rm.evaluate(mdp, split.policy)
    assert np.all(split.certificate.policy_lower <= own.upper)
    assert np.all(own.lower <= split.certificate.policy_upper)
    np.testing.assert_allclose(split.value, whole.value, rtol=1e-12, atol=1e-12)


def test_events_and_history_are_those_of_the_model():
    mdp, seen = draw(0), []
    solution = rm.solve(mdp, callback=seen.append)
    assert len(seen) == len(solution.history) == len(solution.history.value)
    last = seen[-1].state
    assert last.value.shape == (mdp.n_states,)
    assert last.policy.shape == (mdp.n_states, mdp.n_actions)
    np.testing.assert_allclose(last.value, solution.value, rtol=1e-12)
    assert solution.history.value[-1] == pytest.approx(mdp.initial @ solution.value, rel=1e-12)


def make_chain(n):
    """States in a row, each a cost of 1 from the next."""
    rows = scipy.sparse.eye_array(n, k=1, format="csr")
    left = np.arange(n)[:, None] < n - 1
    return rm.MDP(rows, np.where(left, -1.0, 0.0), 1.0, available=left)


@pytest.mark.parametrize("n", [200, 600])
def test_a_model_without_cycles_is_solved_exactly(n):
    # with 600 levels, not all of them are taken by induction
    solution = rm.solve(make_chain(n))
    np.testing.assert_array_equal(solution.value, np.arange(1.0 - n, 1.0))
    assert solution.status is rm.Status.CONVERGED


def test_a_callback_stops_a_run_without_cycles():
    mdp = draw(0).with_goal(np.arange(500, 525), objective="reach")
    seen = []
    solution = rm.solve(mdp, callback=lambda event: seen.append(event) or False)
    assert solution.status is rm.Status.STOPPED
    assert solution.provenance.algorithm == "backward induction"
    assert len(seen) == len(solution.history) == 1


def test_errors_name_states_of_the_model():
    mdp = draw(1)
    rewards = np.array(mdp.rewards)
    state, action, rows, _ = mdp.to_pairs()
    cyclic = np.flatnonzero(state // 25 == 20)[:1]
    matrix = scipy.sparse.lil_array(rows)
    matrix[cyclic[0]] = np.eye(1, mdp.n_states, state[cyclic[0]])[0]
    rewards = rewards[state, action]
    rewards[cyclic] = 1.0
    endless = rm.MDP.from_pairs(state, action, matrix.tocsr(), rewards, 1.0, n_states=1001)
    with pytest.raises(rm.UnboundedError, match=f"state {state[cyclic[0]]} "):
        rm.solve(endless)


def test_levels_are_in_order_and_complete():
    # 0 -> 1 <-> 2 -> 3 -> 4, and 5 -> 0
    edges = [(0, 1), (1, 2), (2, 1), (2, 3), (3, 4), (5, 0)]
    start, end = np.array(edges).T
    graph = scipy.sparse.csr_array((np.ones(len(edges), dtype=bool), (start, end)), shape=(6, 6))
    below, above = find_levels(graph)
    assert below.states.tolist() == [4, 3]
    assert above.states.tolist() == [0, 5]
    assert below.starts.tolist() == above.starts.tolist() == [0, 1, 2]


@pytest.mark.parametrize("minimize", [False, True])
def test_a_goal_that_is_reached_for_certain_needs_no_iteration(minimize):
    mdp = draw(2).with_goal([1000], objective="reach", minimize=minimize)
    solution = rm.solve(mdp)
    assert solution.provenance.algorithm == "backward induction"
    np.testing.assert_array_equal(solution.objective_value, 1.0)
    np.testing.assert_allclose(rm.evaluate(mdp, solution.policy).value, solution.value, rtol=1e-12)


def test_goals_beside_other_ends_are_not_certain():
    mdp = draw(2)
    goal, avoid = np.arange(975, 985), np.arange(985, 1000)
    for minimize in (False, True):
        asked = mdp.with_goal(goal, avoid, objective="reach", minimize=minimize)
        split, whole = rm.solve(asked), solve_whole(asked)
        np.testing.assert_allclose(split.value, whole.value, rtol=1e-8)
        assert np.all(split.certificate.lower <= whole.certificate.upper)
        assert np.all(whole.certificate.lower <= split.certificate.upper)
        assert 0.0 < split.objective_value[0] < 1.0
