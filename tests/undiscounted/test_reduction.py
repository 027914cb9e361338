"""What is left of an undiscounted model, and the way back to the original states."""

import numpy as np
import pytest
import scipy.sparse as sp
from tiers import tiered

import regmdp as rm
from regmdp.undiscounted import reduce_model


def ring(exits, n_states=12):
    """A ring of moves of reward 0, forwards by action 0; action 1 of some states ends."""
    here = np.arange(n_states)
    state = np.concatenate((here, np.array(list(exits), dtype=int)))
    action = np.concatenate((np.zeros(n_states, dtype=int), np.ones(len(exits), dtype=int)))
    rows = sp.lil_array((state.size, n_states))
    rows[here, (here + 1) % n_states] = 1.0
    rewards = np.concatenate((np.zeros(n_states), np.array(list(exits.values()), dtype=float)))
    termination = (action == 1) * 1.0
    return rm.MDP.from_pairs(
        state, action, rows.tocsr(), rewards, 1.0, n_states=n_states, termination=termination
    )


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7, 12])
def test_a_resting_set_takes_its_best_way_out(count):
    rng = np.random.default_rng(count)
    exits = dict(
        zip(rng.permutation(12)[:count].tolist(), rng.permutation(count) + 0.5, strict=True)
    )
    mdp = ring(exits)
    reduction = reduce_model(mdp, rm.Unregularized())
    # one state represents all; behind it are states that choose among two ways each
    further = reduction.reduced.n_states - 12
    assert (further > 0) == (count + 1 > 2)
    assert further <= 2 * count
    assert int((~reduction.reduced.terminal).sum()) == 1 + further
    solution = rm.solve(mdp)
    assert solution.status.ok
    best = max(exits, key=exits.get)
    np.testing.assert_allclose(solution.value, exits[best], atol=1e-8)
    assert solution.policy[:, 1].argmax() == best
    assert solution.policy[best, 1] == 1.0
    assert solution.policy[:, 1].sum() == 1.0
    # the policy has that value in the original model too
    np.testing.assert_allclose(rm.evaluate(mdp, solution.policy).value, exits[best], atol=1e-9)


def test_a_resting_set_whose_ways_out_all_cost_is_not_left():
    mdp = ring({3: -1.0, 5: -0.1})
    solution = rm.solve(mdp)
    assert solution.value.tolist() == [0.0] * 12
    assert (solution.policy[:, 0] == 1.0).all()
    assert rm.evaluate(mdp, solution.policy).value.tolist() == [0.0] * 12


def test_free_states_are_found_behind_each_other():
    # 0 -> 1 -> 2 -> 2, nothing is paid after the first step
    P = np.zeros((3, 1, 3))
    P[0, 0, 1] = P[1, 0, 2] = P[2, 0, 2] = 1.0
    mdp = rm.MDP(P, [[4.0], [0.0], [0.0]], 1.0)
    reduction = reduce_model(mdp, rm.Unregularized())
    assert reduction.free.tolist() == [False, True, True]
    for regularizer in (None, rm.Shannon(temperature=0.3), rm.Tsallis(2.0, temperature=0.3)):
        np.testing.assert_allclose(rm.solve(mdp, regularizer).value, [4.0, 0.0, 0.0], atol=1e-8)


def test_a_sink_with_two_actions_is_not_free_with_entropy():
    P = np.zeros((2, 2, 2))
    P[:, :, 1] = 1.0
    mdp = rm.MDP(P, [[1.0, 1.0], [0.0, 0.0]], 1.0)
    assert rm.solve(mdp).value.tolist() == pytest.approx([1.0, 0.0], abs=1e-8)
    with pytest.raises(rm.UnboundedError):
        rm.solve(mdp, rm.Shannon(temperature=0.1))
    kept = rm.solve(mdp, rm.KL([0.3, 0.7], temperature=0.1))
    np.testing.assert_allclose(kept.value, [1.0, 0.0], atol=1e-8)
    np.testing.assert_allclose(kept.policy, [[0.3, 0.7]] * 2, atol=1e-8)


def test_a_barrier_cannot_avoid_a_trap():
    P = np.zeros((2, 2, 2))
    P[0, 1, 1] = P[1, :, 1] = 1.0
    termination = np.zeros((2, 2))
    termination[0, 0] = 1.0
    mdp = rm.MDP(P, -np.ones((2, 2)), 1.0, termination=termination)
    assert rm.solve(mdp).value.tolist() == pytest.approx([-1.0, -np.inf], abs=1e-8)
    assert rm.solve(mdp, rm.Shannon(temperature=0.1)).value[1] == -np.inf
    with pytest.raises(rm.InfeasibleError, match="forces every action"):
        rm.solve(mdp, rm.LogBarrier(temperature=0.1))


def test_all_states_may_lose():
    mdp = rm.MDP(np.ones((1, 2, 1)), [[-1.0, -2.0]], 1.0)
    solution = rm.solve(mdp)
    assert solution.value.tolist() == [-np.inf]
    assert solution.initial_value == -np.inf
    assert solution.certificate.gap == 0.0


def gridworld(n, slip=0.1):
    """Only two goals, which end the episode, and one bad field pay."""
    moves = [(-1, 0), (1, 0), (0, -1), (0, 1)]
    P = np.zeros((n * n, 4, n * n))
    for s in range(n * n):
        for b, (down, right) in enumerate(moves):
            t = np.clip(s // n + down, 0, n - 1) * n + np.clip(s % n + right, 0, n - 1)
            P[s, :, t] += np.where(np.arange(4) == b, 1 - 3 * slip, slip)
    goals = [(n // 3) * n + n // 4, (2 * n // 3) * n + 3 * n // 4]
    rewards, termination = np.zeros((n * n, 4)), np.zeros((n * n, 4))
    rewards[goals], rewards[(n // 2) * n + n // 2] = 10.0, -10.0
    termination[goals], P[goals] = 1.0, 0.0
    return rm.MDP(P, rewards, 1.0, termination=termination)


@pytest.mark.parametrize("n", tiered([8, 14, 20], 2))
def test_an_end_that_can_be_delayed_at_almost_no_loss_is_certified(n):
    # a policy can stay in a corner for about 7^n steps
    mdp = gridworld(n)
    solution = rm.solve(mdp, absolute_tol=1e-7)
    assert solution.status.ok
    value = np.zeros(n * n)
    for _ in range(60 * n):
        value = rm.bellman.backup(mdp, None, value)
    np.testing.assert_allclose(solution.value, value, atol=2e-7)
    assert np.all(value <= solution.certificate.upper + 1e-12)  # the sweeps come from below


def test_a_tolerance_that_the_reduced_model_meets_is_compared_with_the_values_of_the_model():
    # many ways out cost 10⁹: states that only choose among them have such values, too
    mdp = ring({s: 1.0 if s == 5 else -1e9 for s in range(12)})
    solution = rm.solve(mdp)
    assert solution.status.ok == (solution.certificate.gap <= 1e-9)
    np.testing.assert_allclose(solution.value, 1.0)


# ---- what callbacks see ----


def gambler():
    """A ring with ways out, a state that only loses, a free one, and one that chooses."""
    inner = ring({3: -1.0, 5: 2.0, 7: 0.5})
    P = np.zeros((15, 2, 15))
    P[:12, :, :12] = inner.to_array()
    P[12, 0, 12] = 1.0  # loses for ever
    P[13, 0, 13] = 1.0  # nothing is paid
    P[14, 0, 0] = P[14, 1, 12] = 1.0
    rewards = np.zeros((15, 2))
    rewards[:12], rewards[12, 0], rewards[14] = inner.rewards, -1.0, (-0.25, 5.0)
    available = np.zeros((15, 2), dtype=bool)
    available[:12], available[12:, 0], available[14, 1] = inner.available, True, True
    termination = np.zeros((15, 2))
    termination[:12] = inner.termination
    return rm.MDP(P, rewards, 1.0, available=available, termination=termination)


@pytest.mark.parametrize(
    ("algorithm", "keeps_policies"),
    [
        (rm.algorithms.ValueIteration(), False),
        (rm.algorithms.PolicyIteration(), True),
        (rm.algorithms.PMD(step_size=10.0), True),
    ],
)
def test_callbacks_see_the_states_of_the_model(algorithm, keeps_policies):
    mdp, recorder, numbers = gambler(), rm.algorithms.Recorder(), []
    solution = rm.solve(
        mdp,
        None,
        algorithm,
        max_iterations=500,
        callback=[recorder, lambda event: numbers.append(event.measures["value"])],
    )
    np.testing.assert_allclose(solution.value[[0, 5, 13, 14]], [2.0, 2.0, 0.0, 1.75], atol=1e-6)
    assert solution.value[12] == -np.inf
    for state in recorder.states:
        for values in (state.value, state.backup):
            assert values.shape == (15,)
            assert values[12] == -np.inf
            assert np.unique(values[:12]).size == 1
        assert state.dual is None
        for policy in (state.policy, state.next_policy):
            if policy is not None:
                assert policy.shape == (15, 2)
                np.testing.assert_allclose(policy.sum(axis=1), 1.0)
                assert not policy.flags.writeable
    last = recorder.states[-1]
    np.testing.assert_allclose(last.value, solution.value, atol=1e-6)
    policies = [policy for policy in (last.policy, last.next_policy) if policy is not None]
    assert bool(policies) == keeps_policies
    for policy in policies:
        np.testing.assert_allclose(rm.evaluate(mdp, policy).value, solution.value, atol=1e-6)
    # from a start that may lose for ever, the value is -∞
    assert numbers == [-np.inf] * len(numbers)
    assert (solution.history.value == -np.inf).all()


def test_the_value_that_callbacks_see_is_that_of_the_start():
    mdp = ring({3: -1.0, 5: 2.0})
    seen = []
    solution = rm.solve(mdp, callback=lambda event: seen.append(event.measures["value"]))
    np.testing.assert_array_equal(seen, solution.history.value)
    assert np.isclose(seen[-1], 2.0)


def test_a_regularizer_without_a_temperature_only_forbids_actions():
    # the ways out of a cycle bring 5 and 7, and 9 by an action that the reference never takes
    P = np.zeros((3, 3, 3))
    P[0, 0, 1] = P[1, 0, 0] = P[:2, 1:, 2] = 1.0
    available = np.array([[True] * 3] * 2 + [[False] * 3])
    mdp = rm.MDP(P, [[0, 5, 9], [0, 7, 9], [0, 0, 0]], 1.0, available=available)
    reference = np.array([[0.5, 0.5, 0.0]] * 3)
    solution = rm.solve(mdp, rm.KL(reference, temperature=0.0))
    assert solution.status.ok
    np.testing.assert_allclose(solution.value, [7.0, 7.0, 0.0], atol=1e-9)
    assert solution.policy[:2].argmax(axis=1).tolist() == [0, 1]
    certificate = rm.certify(mdp, rm.KL(reference, temperature=0.0), policy=[1, 1, 0])
    np.testing.assert_allclose(certificate.gap, 2.0, atol=1e-6)
    assert rm.frontier(mdp, reference, [1.0]).status.ok


def test_a_start_values_the_choices_among_ways_out():
    # nine ways out are chosen among in several steps, and only the last one pays
    mdp = ring(dict.fromkeys(range(8), 0.5) | {8: 3.0})
    certificate = rm.certify(mdp, value=rm.solve(mdp).value)
    assert certificate.gap < 1e-8


def test_of_two_ways_out_with_the_same_share_the_better_one_is_taken():
    # state 0 may stay with reward 0, or leave, seldom, for a state that costs 1 on average
    seldom = 2.0**-20
    mdp = rm.MDP(
        np.array([[[1.0, 0.0], [1.0 - seldom, seldom]], [[0.0, 1.0 - seldom], [0.0, 0.0]]]),
        np.array([[0.0, 0.0], [-seldom, 0.0]]),
        1.0,
        available=np.array([[True, True], [True, False]]),
        termination=np.array([[0.0, 0.0], [seldom, 0.0]]),
    )
    solution = rm.solve(mdp, tol=1e-5)
    assert solution.status.ok
    assert solution.policy[0].tolist() == [1.0, 0.0]
    np.testing.assert_allclose(solution.value, [0.0, -1.0], atol=1e-9)
