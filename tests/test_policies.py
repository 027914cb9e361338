import numpy as np
import pytest

import regmdp as rm
from regmdp.policies import check_policy

LABELS = {"state_labels": ["a", "b", "c"], "action_labels": ["x", "y"]}


@pytest.fixture
def mdp():
    """Three states, of which the last is terminal; in the second only the first action exists."""
    available = np.array([[True, True], [True, False], [False, False]])
    return rm.MDP(np.full((3, 2, 3), 1 / 3), np.zeros((3, 2)), 0.9, available=available, **LABELS)


def test_uniform_policy(mdp):
    np.testing.assert_array_equal(rm.uniform_policy(mdp), [[0.5, 0.5], [1, 0], [0, 0]])
    kl = rm.KL(np.array([[0.0, 1.0], [0.5, 0.5], [1.0, 0.0]]), temperature=1.0)
    np.testing.assert_array_equal(rm.uniform_policy(mdp, kl), [[0, 1], [1, 0], [0, 0]])


def test_policies_of_numbers_and_of_actions(mdp):
    np.testing.assert_array_equal(check_policy(mdp, [1, 0, 99]), [[0, 1], [1, 0], [0, 0]])
    np.testing.assert_array_equal(
        check_policy(mdp, np.array([[1, 0], [1, 0], [0, 0]])), [[1, 0], [1, 0], [0, 0]]
    )
    # what stands in a terminal state does not matter
    np.testing.assert_array_equal(
        check_policy(mdp, [[0.25, 0.75], [1, 0], [np.nan, -1]]), [[0.25, 0.75], [1, 0], [0, 0]]
    )


def test_rows_are_normalised_to_rounding(mdp):
    given = np.array([[0.3 + 3e-10, 0.7], [1.0 - 1e-10, 0.0], [0.0, 0.0]])
    kept = given.copy()
    policy = check_policy(mdp, given)
    np.testing.assert_allclose(policy.sum(axis=1), [1, 1, 0], rtol=0, atol=2e-16)
    np.testing.assert_array_equal(given, kept)


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        (
            np.zeros((2, 2)),
            (
                r"a policy must have shape \(S, A\) = \(3, 2\), or \(S,\) if it holds action "
                r"numbers, not \(2, 2\)"
            ),
        ),
        (np.zeros(3), r"a policy must have shape .* not \(3,\)"),
        ([0, 0], r"a policy of action numbers must have shape \(S,\) = \(3,\), not \(2,\)"),
        (
            [0, 2, 0],
            (
                r"the policy takes action 2 in state 1 \(b\), but actions run from 0 to 1; 1 "
                r"of 3 states is wrong"
            ),
        ),
        ([-1, 0, 0], r"the policy takes action -1 in state 0 \(a\)"),
        (
            [0, 1, 0],
            (
                r"gives state 1 \(b\), action 1 \(y\) probability 1, but that action is not "
                r"available; 1 of [0-9]+ entries is wrong"
            ),
        ),
        (
            [[0.5, 0.5], [0.5, 0.5], [0, 0]],
            (
                r"gives state 1 \(b\), action 1 \(y\) probability 0\.5, but that action is not "
                r"available"
            ),
        ),
        (
            [[1.5, -0.5], [1, 0], [0, 0]],
            (
                r"gives state 0 \(a\), action 1 \(y\) probability -0\.5, which is not a "
                r"probability; 1 of 6 entries is wrong"
            ),
        ),
        (
            [[np.nan, 1], [1, 0], [0, 0]],
            r"gives state 0 \(a\), action 0 \(x\) probability nan, which is not a probability",
        ),
        (
            [[0.5, 0.4], [0.9, 0], [0, 0]],
            r"sums to 0\.9 in state 0 \(a\), not to 1; 2 of 2 states are wrong; normalise the rows",
        ),
        ([["a", "b"], ["c", "d"], ["e", "f"]], "the policy must be an array of numbers"),
    ],
)
def test_what_is_not_a_policy(mdp, policy, message):
    for use in (check_policy, rm.evaluate, lambda mdp, policy: rm.certify(mdp, policy=policy)):
        with pytest.raises(rm.PolicyError, match=message):
            use(mdp, policy)


def test_policies_must_stay_where_the_regularizer_is_finite(mdp):
    kl = rm.KL(np.array([1.0, 0.0]), temperature=1.0)
    message = (
        r"gives state 0 \(a\), action 1 \(y\) probability 0\.5, which the regularizer forbids: it "
        r"is infinite there"
    )
    for use in (
        lambda policy: rm.evaluate(mdp, policy, kl),
        lambda policy: rm.certify(mdp, kl, policy=policy),
        lambda policy: rm.solve(mdp, kl, start=policy),
    ):
        with pytest.raises(rm.PolicyError, match=message):
            use([[0.5, 0.5], [1.0, 0.0], [0.0, 0.0]])


# ---- undiscounted: two verdicts, never confused ----


@pytest.fixture
def maze():
    """Undiscounted: 0 goes on to 1 or stays, 1 ends or goes back, 2 stays or goes to 3, 3 stays or
    goes to 2.
    """
    P = np.zeros((4, 2, 4))
    P[0, 0, 1] = P[0, 1, 0] = P[1, 1, 0] = P[2, 0, 2] = P[2, 1, 3] = P[3, 0, 3] = P[3, 1, 2] = 1.0
    ending = np.zeros((4, 2))
    ending[1, 0] = 1.0
    names = {"state_labels": ["hall", "door", "pit", "cave"]}
    return rm.MDP(P, np.full((4, 2), -1.0), 1.0, termination=ending, **names)


def test_no_policy_ends(maze):
    message = (
        r"no policy ends the episode from state 2 \(pit\) \(such states: 2\), .*use a "
        r"discount below 1, or mark where"
    )
    with pytest.raises(rm.InfeasibleError, match=message):
        rm.visits(maze, [0, 0, 0, 0])
    # the value is known all the same: every step costs 1, for ever
    expected = [-2.0, -1.0, -np.inf, -np.inf]
    np.testing.assert_allclose(rm.solve(maze).value, expected, atol=1e-9)
    np.testing.assert_allclose(rm.evaluate(maze, [0, 0, 0, 0]).value, expected, atol=1e-9)


def test_this_policy_does_not_end(maze):
    available = np.ones((4, 2), dtype=bool)
    available[2:] = False
    mdp = maze.with_available(available)
    message = (
        r"this policy does not end the episode from state 0 \(hall\) \(such states: 2\), "
        r".*other policies do end it"
    )
    for use in (
        lambda policy: rm.evaluate(mdp, policy),
        lambda policy: rm.certify(mdp, policy=policy),
        lambda policy: rm.solve(mdp, start=policy),
        lambda policy: rm.visits(mdp, policy),
    ):
        with pytest.raises(rm.ImproperPolicyError, match=message):
            use([0, 1, 0, 0])
    with pytest.raises(rm.ImproperPolicyError, match=r"from state 0 \(hall\) \(such states: 1\)"):
        rm.evaluate(mdp, [1, 0, 0, 0])
    np.testing.assert_allclose(rm.evaluate(mdp, [0, 0, 0, 0]).value, [-2, -1, 0, 0], rtol=1e-14)
    # what a regularizer forbids does not end an episode either
    stays = rm.KL(np.array([[0.5, 0.5], [0.0, 1.0], [0.5, 0.5], [0.5, 0.5]]), temperature=1.0)
    assert rm.solve(mdp, stays).value.tolist() == [-np.inf, -np.inf, 0.0, 0.0]
    # and with a discount nothing has to end
    assert rm.solve(maze.with_discount(0.9)).status.ok


def test_limits_on_probabilities_without_a_discount_need_that_all_policies_end():
    rows = np.array([[[0.5], [1.0]]])
    loops = rm.MDP(rows, np.array([[1.0, 0.0]]), 1.0, termination=1.0 - rows[..., 0])
    with pytest.raises(
        rm.RegularizerError, match="Box limits probabilities.* from state 0 one may never end it"
    ):
        rm.solve(loops, rm.Box(0.0, 0.6))
    rows = np.array([[[0.5], [0.9]]])
    ends = rm.MDP(rows, np.array([[1.0, 0.0]]), 1.0, termination=1.0 - rows[..., 0])
    solution = rm.solve(ends, rm.Box(0.0, 0.6))
    # 0.6 of the first action, 0.4 of the second: V = 0.6 + (0.6 · 0.5 + 0.4 · 0.9) V
    assert solution.status.ok
    assert solution.initial_value == pytest.approx(0.6 / (1 - 0.66), abs=1e-8)
