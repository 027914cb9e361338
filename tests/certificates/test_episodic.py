"""γ = 1: each error and status in its case, and bounds that hold where episodes may never end."""

import warnings
from fractions import Fraction

import numpy as np
import pytest
import scipy.sparse as sp
import truth
from mpmath import mp, mpf
from tiers import tiered

import regmdp as rm
from regmdp.undiscounted import require_bounded

INF = float("inf")


def model(moves, *, n_states=None, discount=1.0, **keywords):
    """A model from {(state, action): (reward, {successor: probability})}; what is missing from 1
    ends the episode.
    """
    n_states = n_states or 1 + max(s for s, _ in moves)
    n_actions = 1 + max(a for _, a in moves)
    P, r = np.zeros((n_states, n_actions, n_states)), np.zeros((n_states, n_actions))
    available, termination = np.zeros(r.shape, dtype=bool), np.zeros(r.shape)
    for (s, a), (reward, successors) in moves.items():
        available[s, a], r[s, a] = True, reward
        for t, probability in successors.items():
            P[s, a, t] = probability
        termination[s, a] = 1.0 - sum(successors.values())
    return rm.MDP(P, r, discount, available=available, termination=termination, **keywords)


def arrays(mdp):
    return (
        mdp.to_array(),
        np.asarray(mdp.rewards),
        np.asarray(mdp.termination),
        np.asarray(mdp.available),
    )


def best(mdp):
    """The exact optimal value by enumeration of the deterministic policies."""
    return truth.exact(truth.best_total_reward(*arrays(mdp)))


def own_value(mdp, policy):
    """The exact value of a policy, its rows divided by their exact sums."""
    P, r, termination, available = arrays(mdp)
    return truth.Problem(P, r, 1.0, available, termination, np.asarray(mdp.initial)).value_of(
        policy
    )


def own_total_reward(mdp, policy):
    """The exact total reward of a policy, which may stay for ever: 0 where nothing is paid."""
    P, r, termination, _ = arrays(mdp)
    rows, rewards, ends = [], [], []
    for s, row in enumerate(policy):
        weights = [Fraction(float(x)) for x in row]
        total = sum(weights) or Fraction(1)
        weights = [x / total for x in weights]
        rows.append(
            [
                sum(x * Fraction(float(P[s, a, t])) for a, x in enumerate(weights))
                for t in range(len(r))
            ]
        )
        rewards.append(sum(x * Fraction(float(r[s, a])) for a, x in enumerate(weights)))
        taken = [a for a, x in enumerate(weights) if x]
        ends.append(not taken or any(termination[s, a] > 0 for a in taken))
    return truth.exact(truth.total_reward(rows, rewards, ends))


# ---- which error ----


STUCK = {(0, 0): (-1.0, {1: 1.0}), (0, 1): (0.0, {}), (1, 0): (-1.0, {1: 1.0})}
EXIT_OR_STAY = {(0, 0): (0.0, {0: 1.0}), (0, 1): (-5.0, {})}


@pytest.mark.parametrize(
    "algorithm", ["auto", rm.algorithms.ValueIteration(), rm.algorithms.ModifiedPolicyIteration()]
)
def test_the_value_is_minus_infinity_where_every_policy_loses_without_bound(algorithm):
    # from "start" the episode can end with 0; "trap" costs 1 a step, and nothing leads out
    mdp = model(STUCK, state_labels=["start", "trap"])
    solution = rm.solve(mdp, algorithm=algorithm)
    assert solution.status.ok
    assert solution.value.tolist() == [0.0, -INF]
    assert solution.policy[0].tolist() == [0.0, 1.0]
    for certificate in (
        solution.certificate,
        rm.certify(mdp, value=np.zeros(2)),
        rm.certify(mdp, policy=np.array([1, 0])),
    ):
        assert certificate.gap <= 1e-9
        assert certificate.lower[1] == certificate.upper[1] == -INF
        assert certificate.initial_upper == -INF  # half of the episodes start in the trap
    # a policy that enters the trap
    poor = rm.certify(mdp, policy=np.array([0, 0]))
    assert poor.policy_upper.tolist() == [-INF, -INF]
    assert poor.gap == INF
    assert poor.lower[0] <= 0.0 <= poor.upper[0] <= 1e-9
    evaluated = rm.evaluate(mdp, np.array([1, 0]))
    assert evaluated.value.tolist() == [0.0, -INF]
    assert evaluated.q[0].tolist() == [-INF, 0.0]


OPEN = {**STUCK, (1, 0): (1.0, {2: 1.0}), (2, 0): (-1.0, {1: 1.0})}


def test_a_state_about_which_nothing_can_be_said_is_named():
    # a trap with the rewards +1 and -1 in turn
    mdp = model(OPEN, state_labels=["start", "trap", "pit"])
    message = r"no policy ends the episode from state 1 \(trap\) \(such states: 2\)"
    for use in (
        rm.solve,
        lambda mdp: rm.certify(mdp, value=np.zeros(3)),
        lambda mdp: rm.evaluate(mdp, np.array([1, 0, 0])),
    ):
        with pytest.raises(rm.InfeasibleError, match=message):
            use(mdp)


def test_a_gain_is_found_in_a_set_that_is_seldom_left():
    # a policy may stay in state 1 for 1 a step; both states together mix in 2^20 steps
    seldom = 2.0**-20
    mdp = model(
        {
            (0, 0): (-1.0, {0: 1.0 - seldom, 1: seldom}),
            (0, 1): (0.0, {}),
            (1, 0): (1.0, {1: 1.0}),
            (1, 1): (0.0, {0: 1.0}),
        }
    )
    with pytest.raises(rm.UnboundedError, match="collects positive rewards again and again"):
        rm.solve(mdp)


def test_a_trap_that_gains_is_unbounded():
    mdp = model({**STUCK, (1, 0): (1.0, {1: 1.0})}, state_labels=["start", "trap"])
    with pytest.raises(rm.UnboundedError, match=r"state 1 \(trap\).* set of 1 state "):
        rm.solve(mdp)


def test_a_discount_makes_the_same_model_solvable():
    solution = rm.solve(model(STUCK, discount=0.9))
    assert solution.status.ok
    np.testing.assert_allclose(solution.value, [0.0, -10.0], atol=1e-8)


def test_a_policy_that_does_not_end_raises_its_own_error():
    mdp = model({(0, 0): (-1.0, {0: 1.0}), (0, 1): (-5.0, {}), (1, 0): (0.0, {})})
    for refuse in (
        rm.evaluate,
        lambda mdp, policy: rm.certify(mdp, policy=policy),
        lambda mdp, policy: rm.solve(mdp, start=policy),
    ):
        with pytest.raises(rm.ImproperPolicyError, match="does not end the episode from state 0"):
            refuse(mdp, np.array([[1.0, 0.0], [1.0, 0.0]]))
    # any positive termination probability counts for the graph, even if doubles cannot evaluate it
    rm.evaluate(mdp, np.array([[1.0 - 1e-9, 1e-9], [1.0, 0.0]]))


def test_unbounded_reward_raises_its_own_error():
    mdp = model(
        {(0, 0): (1e-3, {1: 1.0}), (1, 0): (0.0, {0: 1.0}), (0, 1): (5.0, {}), (1, 1): (100.0, {})}
    )
    with pytest.raises(rm.UnboundedError, match="state 0 some policy never ends"):
        rm.solve(mdp)
    # certify makes no such search, and states no upper bound
    certificate = rm.certify(mdp, value=np.array([1e6, 1e6]))
    assert np.all(certificate.upper == INF)
    assert certificate.limit is rm.Status.UNBOUNDED_ABOVE


def test_a_missed_tolerance_is_no_error():
    mdp = model(
        {
            (0, 0): (-1.0, {0: 0.5, 1: 0.25}),
            (1, 0): (-1.0, {0: 0.75}),
            (0, 1): (-7.0, {}),
            (1, 1): (-5.0, {}),
        }
    )
    solution = rm.solve(
        mdp, rm.Shannon(temperature=0.5), rm.algorithms.ValueIteration(), max_iterations=1
    )
    assert solution.status is rm.Status.ITERATION_LIMIT
    P, r, termination, available = arrays(mdp)
    problem = truth.Problem(
        P, r, 1.0, available, termination, np.asarray(mdp.initial), "shannon", np.full(2, 0.5)
    )
    truth.assert_covers(
        solution.certificate, mdp.initial, problem.optimum, problem.value_of(solution.policy)
    )
    assert np.isfinite(solution.certificate.gap)


def test_a_reference_that_excludes_the_exit():
    # what is left, staying for reward 0, is free; a cost of staying is paid for ever
    mdp, costly = model(EXIT_OR_STAY), model({**EXIT_OR_STAY, (0, 0): (-1.0, {0: 1.0})})
    stays = rm.KL(np.array([[1.0, 0.0]]), temperature=0.1)
    for candidate in (rm.solve(mdp, stays).certificate, rm.certify(mdp, stays, value=np.zeros(1))):
        assert candidate.lower[0] == candidate.upper[0] == 0.0
    assert rm.solve(costly, stays).value.tolist() == [-INF]
    assert rm.solve(mdp, rm.KL(np.array([[0.0, 1.0]]), temperature=0.1)).status.ok
    with pytest.raises(rm.PolicyError, match="forbids"):
        rm.certify(mdp, rm.KL(np.array([[0.0, 1.0]]), temperature=0.1), policy=np.array([0]))


# ---- loops of reward 0 ----


@pytest.mark.parametrize("value", [-5.0, -4.999, -100.0, 0.0, 7.0])
def test_an_exit_worse_than_staying_is_not_taken(value):
    # U = -5 satisfies T U = U, but staying is worth 0
    mdp = model(EXIT_OR_STAY)
    best = rm.certify(mdp, value=np.array([value]))
    assert 0.0 <= best.upper[0] <= 1e-9
    assert -1e-9 <= best.lower[0] <= 0.0
    leaves = rm.certify(mdp, policy=np.array([1]), value=np.array([value]))
    assert leaves.policy_lower[0] <= -5.0 <= leaves.policy_upper[0] <= -5.0 + 1e-9
    assert leaves.gap >= 5.0
    stays = rm.certify(mdp, policy=np.array([0]), value=np.array([value]))
    assert -1e-300 <= stays.policy_lower[0] <= 0.0 <= stays.policy_upper[0] <= 1e-300
    assert stays.gap <= 1e-9


@pytest.mark.parametrize(
    "algorithm", ["auto", rm.algorithms.ValueIteration(), rm.algorithms.ModifiedPolicyIteration(3)]
)
def test_staying_where_nothing_is_paid_is_optimal(algorithm):
    solution = rm.solve(model(EXIT_OR_STAY), algorithm=algorithm)
    assert solution.status.ok
    assert solution.policy.tolist() == [[1.0, 0.0]]
    truth.assert_covers(solution.certificate, [1.0], [mpf(0)], [mpf(0)])


def test_an_exit_with_positive_reward_is_optimal():
    solution = rm.solve(model({(0, 0): (0.0, {0: 1.0}), (0, 1): (5.0, {})}))
    assert solution.status.ok
    truth.assert_covers(solution.certificate, [1.0], [mpf(5)], [mpf(5)])


def test_an_exit_from_a_costly_loop_is_optimal():
    solution = rm.solve(model({(0, 0): (-1e-6, {0: 1.0}), (0, 1): (-5.0, {})}))
    assert solution.status.ok
    truth.assert_covers(solution.certificate, [1.0], [mpf(-5)], [mpf(-5)])


@pytest.mark.parametrize("seed", tiered(range(120), 16))
def test_loops_of_reward_zero_with_several_exits(seed):
    # lakes: moves have reward 0 and slip; exits have a reward or a cost. Rows are multiples of 1/8,
    # so they sum to exactly 1
    rng = np.random.default_rng(seed)
    S, A = int(rng.integers(1, 5)), int(rng.integers(1, 4))
    P = (
        np.stack(
            [
                np.stack([rng.multinomial(8, rng.dirichlet(np.full(S, 0.3))) for _ in range(A)])
                for _ in range(S)
            ]
        )
        / 8.0
    )
    r, termination = np.zeros((S, A)), np.zeros((S, A))
    for s, a in np.argwhere(rng.random((S, A)) < 0.35):
        share = rng.integers(1, 9) / 8.0
        termination[s, a], r[s, a] = share, float(rng.integers(-3, 4)) / 4.0
        P[s, a] = (1.0 - share) * np.eye(S)[rng.integers(S)]
    if seed % 3 == 0:  # a step that costs here and there
        r[(termination == 0) & (rng.random((S, A)) < 0.4)] = -0.5
    available = rng.random((S, A)) < 0.9
    available[:, 0] = True
    mdp = rm.MDP(
        P if seed % 2 else sp.csr_array(P.reshape(-1, S)),
        r,
        1.0,
        available=available,
        termination=termination,
    )
    try:
        solution = rm.solve(mdp)
    except rm.InfeasibleError:
        return
    except rm.UnboundedError:
        assert r.max() > 0.0  # (a reward on the way round)
        return
    optimum = best(mdp)
    own = own_total_reward(mdp, solution.policy)
    truth.assert_covers(solution.certificate, mdp.initial, optimum, own)
    truth.assert_covers(rm.certify(mdp, policy=solution.policy), mdp.initial, optimum, own)
    rng_value = rng.normal(size=S) * 3.0
    for certificate in (
        rm.certify(mdp, value=rng_value),
        rm.certify(mdp, value=np.full(S, -9.0)),
        rm.certify(mdp, value=np.zeros(S)),
    ):
        truth.assert_covers(certificate, mdp.initial, optimum)
    assert solution.status.ok
    assert solution.certificate.gap <= 1e-8


def test_frozen_lake():
    # slippery 4 × 4: the best probability of reaching the goal is 14/17, by linear programming in
    # fractions
    holes, goal = {5, 7, 11, 12}, 15
    P, r, termination = np.zeros((16, 4, 16)), np.zeros((16, 4)), np.zeros((16, 4))
    available = np.ones((16, 4), dtype=bool)
    available[[*holes, goal]] = False
    steps = [(0, -1), (1, 0), (0, 1), (-1, 0)]
    for s in set(range(16)) - holes - {goal}:
        for a in range(4):
            for turn in (-1, 0, 1):
                down, right = steps[(a + turn) % 4]
                t = 4 * min(max(s // 4 + down, 0), 3) + min(max(s % 4 + right, 0), 3)
                P[s, a, t] += 1 / 3
                r[s, a] += (t == goal) / 3
    mdp = rm.MDP(P, r, 1.0, available=available, termination=termination, initial=np.eye(16)[0])
    for algorithm in (
        "auto",
        rm.algorithms.ValueIteration(),
        rm.algorithms.ModifiedPolicyIteration(),
    ):
        solution = rm.solve(mdp, algorithm=algorithm, tol=1e-7)
        assert solution.status.ok
        assert (
            solution.certificate.initial_lower - 1e-15
            <= 14 / 17
            <= solution.certificate.initial_upper + 1e-15
        )
        assert solution.certificate.upper[0] - solution.certificate.lower[0] <= 1e-7


# ---- other loops ----


@pytest.mark.parametrize("seed", tiered(range(80), 12))
def test_mazes_with_step_costs(seed):
    rng = np.random.default_rng(seed)
    S, A = int(rng.integers(2, 5)), int(rng.integers(2, 4))
    P = (
        np.stack(
            [
                np.stack([rng.multinomial(4, rng.dirichlet(np.full(S, 0.3))) for _ in range(A)])
                for _ in range(S)
            ]
        )
        / 4.0
    )
    termination = np.zeros((S, A))
    P[0, 0], termination[0, 0] = 0.0, 1.0
    for s in range(1, S):
        P[s, 0] = np.eye(S)[s - 1]
    mdp = rm.MDP(
        P, np.full((S, A), -1.0) * rng.integers(1, 4, size=(S, A)), 1.0, termination=termination
    )
    optimum = best(mdp)
    for algorithm in ("auto", rm.algorithms.ValueIteration()):
        solution = rm.solve(mdp, algorithm=algorithm)
        assert solution.status.ok
        truth.assert_covers(
            solution.certificate, mdp.initial, optimum, own_value(mdp, solution.policy)
        )
        assert np.all(solution.certificate.upper - solution.certificate.lower <= 1e-8)
    for value in (rng.normal(size=S) * 100.0, np.full(S, 1e6), np.full(S, -1e6)):
        truth.assert_covers(rm.certify(mdp, value=value), mdp.initial, optimum)


@pytest.mark.parametrize(
    "algorithm",
    [
        rm.algorithms.PolicyIteration(),
        rm.algorithms.ValueIteration(),
        rm.algorithms.ModifiedPolicyIteration(3),
    ],
)
@pytest.mark.parametrize(
    "regularizer", [None, rm.Shannon(temperature=0.01), rm.SquaredL2(temperature=0.01)]
)
def test_any_value_is_a_valid_start(algorithm, regularizer):
    mdp = model({(0, 0): (-1.0, {0: 1.0}), (0, 1): (-5.0, {})})
    solution = rm.solve(mdp, regularizer, algorithm, start=np.array([100.0]))
    assert solution.status.ok
    assert abs(solution.value[0] + 5.0) < 0.1


@pytest.mark.parametrize("exits", [(-3.0, -4.0), (0.25, -4.0), (-0.5, 0.75), (0.0, 0.0)])
@pytest.mark.parametrize("regularizer", [None, rm.Shannon(temperature=0.0)])
def test_bounds_hold_with_a_loop_of_total_reward_0(exits, regularizer):
    # +1 then -1: looping has no total reward; the exits bound the value of every policy that ends
    mdp = model(
        {
            (0, 0): (1.0, {1: 1.0}),
            (1, 0): (-1.0, {0: 1.0}),
            (0, 1): (exits[0], {}),
            (1, 1): (exits[1], {}),
        }
    )
    attained = [max(exits[0], 1.0 + exits[1]), max(exits[1], exits[0] - 1.0)]
    solution = rm.solve(mdp, regularizer, max_iterations=50)
    assert np.all(solution.certificate.lower <= attained)
    assert np.all(solution.certificate.upper >= attained)
    own = own_value(mdp, solution.policy)
    truth.assert_between(
        solution.certificate.policy_lower, own, solution.certificate.policy_upper, "policy"
    )
    for value in ([-50.0, -51.0], [0.0, 0.0], [9.0, 8.0]):
        certificate = rm.certify(mdp, regularizer, value=np.array(value))
        # no finite upper bound on the value of looping exists, so none may be stated
        assert np.all(certificate.upper >= attained)
        assert np.all(certificate.lower <= attained)


@pytest.mark.parametrize("gain", [1e-9, 1e-3, 1.0, 1e6])
def test_a_loop_with_a_gain_is_an_error(gain):
    mdp = model({(0, 0): (1.0 + gain, {1: 1.0}), (1, 0): (-1.0, {0: 1.0}), (0, 1): (0.0, {})})
    with pytest.raises(rm.UnboundedError, match="never ends the episode and gains"):
        rm.solve(mdp)
    assert np.all(rm.certify(mdp, value=np.array([1e9, 1e9])).upper == INF)


def test_a_gain_may_need_a_choice_in_every_state():
    # only the loop 0 -> 1 -> 2 -> 0 by action 1 has a gain; leaving it is possible and costs
    moves = {(s, 1): ([4.0, -2.0, -1.5][s], {(s + 1) % 3: 1.0}) for s in range(3)} | {
        (s, 0): (-1.0, {s: 0.5}) for s in range(3)
    }
    with pytest.raises(rm.UnboundedError):
        rm.solve(model(moves))
    moves[0, 1] = (3.0, {1: 1.0})
    assert rm.solve(model(moves)).status.ok


# ---- entropy ----


@pytest.mark.parametrize("temperature", [0.5, 0.8, 3.0])
def test_entropy_can_make_the_value_of_a_loop_infinite(temperature):
    # two loops, each of reward -½: choosing between them at random gains τ log 2 - ½ a step
    moves = {(0, 0): (-0.5, {0: 1.0}), (0, 1): (-0.5, {0: 1.0}), (0, 2): (0.0, {})}
    mdp = model(moves)
    if temperature * np.log(2) > 0.5:
        with pytest.raises(rm.UnboundedError, match="regularizer"):
            rm.solve(mdp, rm.Shannon(temperature=temperature))
        assert np.all(
            rm.certify(mdp, rm.Shannon(temperature=temperature), value=np.array([1e9])).upper == INF
        )
    else:
        solution = rm.solve(mdp, rm.Shannon(temperature=temperature))
        assert solution.status.ok
        # V = τ log(2 e^{(V - ½)/τ} + 1), so V = -τ log(1 - 2 e^{-1/(2τ)})
        tau = mpf(temperature)
        optimum = -tau * mp.log(1 - 2 * mp.exp(-mpf(1) / (2 * tau)))
        truth.assert_between(
            solution.certificate.lower, [optimum], solution.certificate.upper, "optimum"
        )


@pytest.mark.parametrize("share", [0.5, 0.9, 0.99, 0.9999, 0.999999, 1.0 - 1e-9])
def test_temperatures_close_to_the_critical_one(share):
    # the critical temperature is ½ / log 2
    mdp = model({(0, 0): (-0.5, {0: 1.0}), (0, 1): (-0.5, {0: 1.0}), (0, 2): (0.0, {})})
    temperature = share * 0.5 / np.log(2)
    tau = mpf(temperature)
    optimum = -tau * mp.log(1 - 2 * mp.exp(-mpf(1) / (2 * tau)))
    solution = rm.solve(mdp, rm.Shannon(temperature=temperature), tol=1e-6)
    truth.assert_between(
        solution.certificate.lower, [optimum], solution.certificate.upper, "optimum"
    )
    for value in (0.0, -10.0, float(optimum), 100.0):
        certificate = rm.certify(mdp, rm.Shannon(temperature=temperature), value=np.array([value]))
        truth.assert_between(certificate.lower, [optimum], certificate.upper, "optimum")


@pytest.mark.parametrize("temperature", [1e-9, 0.1, 10.0])
def test_a_free_loop_and_entropy_have_no_optimum(temperature):
    # V = τ log(e^{V/τ} + e^{c/τ}) has no solution: the less often a policy leaves, the more
    # entropy
    with pytest.raises(rm.UnboundedError, match="the less often a policy leaves it"):
        rm.solve(model(EXIT_OR_STAY), rm.Shannon(temperature=temperature))
    certificate = rm.certify(
        model(EXIT_OR_STAY), rm.Shannon(temperature=temperature), value=np.array([1e6])
    )
    assert certificate.upper[0] == INF
    # nor has a loop of total reward 0
    mdp = model(
        {(0, 0): (1.0, {1: 1.0}), (1, 0): (-1.0, {0: 1.0}), (0, 1): (0.0, {}), (1, 1): (0.0, {})}
    )
    certificate = rm.certify(
        mdp, rm.Shannon(temperature=temperature), value=np.array([1e3, 1e3 - 1.0])
    )
    assert np.all(certificate.upper == INF)


@pytest.mark.parametrize("temperature", [1e-6, 0.1, 10.0])
def test_a_free_loop_and_a_divergence_have_an_optimum(temperature):
    # V = τ log(½ e^{V/τ} + ½ e^{c/τ}) gives V = c: staying costs τ log 2 a step
    kl = rm.KL(np.array([[0.5, 0.5]]), temperature=temperature)
    solution = rm.solve(model(EXIT_OR_STAY), kl)
    assert solution.status.ok
    truth.assert_between(
        solution.certificate.lower, [mpf(-5)], solution.certificate.upper, "optimum"
    )


def test_entropy_in_some_states_does_not_affect_loops_elsewhere():
    # state 0 may stay with reward 0, without entropy; state 1 has entropy, and ends
    mdp = model({(0, 0): (0.0, {0: 1.0}), (0, 1): (-5.0, {}), (1, 0): (1.0, {}), (1, 1): (1.0, {})})
    tau = np.array([0.0, 1.0])
    certificate = rm.certify(mdp, rm.Shannon(temperature=tau), value=np.array([-5.0, 0.0]))
    truth.assert_between(certificate.lower, [mpf(0), 1 + mp.log(2)], certificate.upper, "optimum")


# ---- long episodes ----


@pytest.mark.parametrize("length", [10, 300])
def test_chains_with_an_early_exit(length):
    # a step costs 1, the exit costs three quarters of the chain: in its last three quarters
    # continuing is better
    index = np.arange(length)
    rows = sp.csr_array(
        (np.ones(length - 1), (2 * index[:-1], index[1:])), shape=(2 * length, length)
    )
    termination = np.stack([index == length - 1, np.ones(length)], axis=1)
    r = np.stack([np.full(length, -1.0), np.full(length, -0.75 * length)], axis=1)
    solution = rm.solve(rm.MDP(rows, r, 1.0, termination=termination))
    optimum = np.maximum(index - length, -0.75 * length)  # exact in doubles
    assert solution.status.ok
    assert np.all((solution.certificate.lower <= optimum) & (optimum <= solution.certificate.upper))


@pytest.mark.parametrize("length", tiered([1000, 50_000], 1))
def test_long_chains(length):
    index = np.arange(length)
    rows = sp.csr_array((np.ones(length - 1), (index[:-1], index[1:])), shape=(length, length))
    termination = (index == length - 1)[:, None]
    solution = rm.solve(
        rm.MDP(rows, np.full((length, 1), -0.5), 1.0, termination=termination), tol=1e-4
    )
    optimum = 0.5 * (index - length)
    assert solution.status.ok
    assert np.all((solution.certificate.lower <= optimum) & (optimum <= solution.certificate.upper))


@pytest.mark.parametrize("length", [3, 12, 20])
def test_episodes_that_may_take_exponentially_long(length):
    # action 0 moves forward or back to the start with probability ½; action 1 ends for -2. Every
    # policy ends, some after 2^length steps
    moves = {
        (s, 0): (-1.0 if s else -0.5, {0: 0.5, s + 1: 0.5} if s else {1: 1.0})
        for s in range(length - 1)
    }
    moves[length - 1, 0] = (0.0, {0: 0.5})
    moves |= {(s, 1): (-2.0 - s, {}) for s in range(length)}
    mdp = model(moves)
    fixed = np.zeros(length, dtype=np.int64)
    policy = np.eye(2)[fixed]
    exact = truth.total_reward(
        [[Fraction(float(x)) for x in mdp.to_array()[s, 0]] for s in range(length)],
        [Fraction(float(mdp.rewards[s, 0])) for s in range(length)],
        [float(mdp.termination[s, 0]) for s in range(length)],
    )
    evaluated = rm.evaluate(mdp, policy)
    truth.assert_between(evaluated.lower, truth.exact(exact), evaluated.upper, "policy")
    solution = rm.solve(mdp)
    assert solution.status.ok
    problem = truth.Problem(
        *arrays(mdp)[:2], 1.0, arrays(mdp)[3], arrays(mdp)[2], np.asarray(mdp.initial)
    )
    truth.assert_covers(
        solution.certificate, mdp.initial, problem.optimum, problem.value_of(solution.policy)
    )
    for certificate in (rm.certify(mdp, policy=fixed), rm.certify(mdp, value=np.full(length, 1e3))):
        truth.assert_covers(certificate, mdp.initial, problem.optimum)


@pytest.mark.parametrize("chance", [1e-3, 1e-6, 1e-9, 1e-12, 2.0**-50])
def test_tiny_termination_probabilities(chance):
    # the row and its termination sum to exactly 1
    mdp = rm.MDP(
        np.array([[[1.0 - chance]]]),
        np.array([[-1.0]]),
        1.0,
        termination=np.array([[1.0 - (1.0 - chance)]]),
    )
    own = -1 / mpf(1.0 - (1.0 - chance))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        evaluated = rm.evaluate(mdp, np.array([0]))
        solution = rm.solve(mdp)
    truth.assert_between(evaluated.lower, [own], evaluated.upper, "policy")
    truth.assert_covers(solution.certificate, [1.0], [own], [own])


@pytest.mark.parametrize("row", [1.0 + 2e-10, 1.0 + 4e-10, 1.0])
@pytest.mark.parametrize("reward", [-1.0, 1.0])
def test_rows_with_excess_mass_are_not_certified(row, reward):
    # within the tolerance for rows, but as stored the mass does not decay: there is no value, and
    # its sign is unknown
    mdp = rm.MDP(np.array([[[row]]]), np.array([[reward]]), 1.0, termination=np.array([[5e-10]]))
    try:
        evaluated = rm.evaluate(mdp, np.array([0]))
    except rm.RegmdpError:
        pass
    else:
        assert evaluated.lower[0] <= evaluated.upper[0]
        assert evaluated.upper[0] == INF or evaluated.lower[0] == -INF
    try:
        solution = rm.solve(mdp, max_iterations=50)
    except rm.RegmdpError:
        return
    assert solution.status is not rm.Status.CONVERGED
    assert solution.certificate.lower[0] <= solution.certificate.upper[0]


# ---- how a run ends ----


@pytest.mark.parametrize("discount", [0.9, 1.0])
@pytest.mark.parametrize("at", [0, 1, 3])
@pytest.mark.parametrize(
    "algorithm", [rm.algorithms.PolicyIteration(), rm.algorithms.ValueIteration()]
)
def test_an_interruption_returns_the_last_iterate(discount, at, algorithm):
    problem = truth.problem(7)
    mdp = problem.mdp().with_discount(discount)
    seen = []

    def stop(event):
        seen.append(event.iteration)
        if event.iteration == at:
            raise KeyboardInterrupt

    solution = rm.solve(mdp, algorithm=algorithm, tol=0.0, max_iterations=10, callback=stop)
    assert solution.status is rm.Status.INTERRUPTED
    assert seen == list(range(at + 1))
    assert solution.iterations == at
    interrupted = truth.Problem(
        problem.P,
        problem.r,
        discount,
        problem.available,
        problem.termination,
        problem.initial,
        seed=problem.seed,
    )
    truth.assert_covers(
        solution.certificate,
        problem.initial,
        interrupted.optimum,
        interrupted.value_of(solution.policy),
    )


def test_an_interruption_during_an_iteration_returns_the_one_before():
    class Interrupted(rm.algorithms.Algorithm):
        name = "value iteration, interrupted"
        inner = rm.algorithms.ValueIteration()

        def check(self, mdp, regularizer):
            self.inner.check(mdp, regularizer)

        def init(self, mdp, regularizer, start):
            return self.inner.init(mdp, regularizer, start)

        def step(self, mdp, regularizer, state):
            if state.value.any():
                raise KeyboardInterrupt
            return self.inner.step(mdp, regularizer, state)

        def policy(self, mdp, regularizer, state):
            return self.inner.policy(mdp, regularizer, state)

    mdp = rm.models.garnet(20, 3, 2, discount=0.9)
    solution = rm.solve(mdp, algorithm=Interrupted())
    assert solution.status is rm.Status.INTERRUPTED
    assert solution.iterations == 1
    assert np.all(solution.certificate.lower <= solution.certificate.upper)
    assert np.isfinite(solution.certificate.gap)


@pytest.mark.parametrize(
    "algorithm",
    [
        rm.algorithms.PolicyIteration(),
        rm.algorithms.ValueIteration(),
        rm.algorithms.ModifiedPolicyIteration(),
    ],
)
@pytest.mark.parametrize("seed", tiered([1, 3, 4, 7, 9, 15, 17, 23, 25, 31], 3))
@pytest.mark.parametrize("tol", [1e-30, 5e-324])
def test_a_tolerance_below_rounding_ends_with_the_bound_that_was_reached(algorithm, seed, tol):
    problem = truth.problem(seed)
    solution = rm.solve(
        problem.mdp(), problem.regularizer(), algorithm, tol=tol, max_iterations=100_000
    )
    scale = problem.reward_scale + float(max(abs(x) for x in problem.optimum))
    # (an exact answer is possible: all rewards 0, or γ = 0)
    assert solution.status is rm.Status.ROUNDING_LIMIT or solution.certificate.gap <= tol
    assert solution.certificate.gap <= 1e-8 * scale
    assert solution.iterations < 100_000
    truth.assert_covers(
        solution.certificate, problem.initial, problem.optimum, problem.value_of(solution.policy)
    )


@pytest.mark.parametrize("n", [0, 1, 2, 17, 400])
@pytest.mark.parametrize("discount", [0.0, 0.9, 1.0])
def test_without_a_tolerance_exactly_the_iterations_asked_for_are_made(n, discount):
    rng = np.random.default_rng(n)
    P, r = rng.dirichlet(np.ones(6), size=(5, 3)), rng.normal(size=(5, 3))
    mdp = rm.MDP(P[..., :5], r, discount, termination=P[..., 5])
    solution = rm.solve(mdp, algorithm=rm.algorithms.ValueIteration(), tol=0, max_iterations=n)
    value = np.zeros(5)
    for _ in range(n):
        value = (r + discount * P[..., :5] @ value).max(axis=1)
    np.testing.assert_allclose(solution.value, value, rtol=1e-13, atol=1e-14)
    assert solution.iterations == n
    assert solution.history.iteration.tolist() == list(range(n + 1))
    assert solution.status is rm.Status.ITERATION_LIMIT
    for algorithm in (rm.algorithms.PolicyIteration(), rm.algorithms.ModifiedPolicyIteration(4)):
        assert rm.solve(mdp, algorithm=algorithm, tol=0, max_iterations=n).iterations == n


def test_a_gain_of_0_is_left_undecided():
    # a gain of exactly 0: neither refused nor certified
    mdp = model({(0, 0): (1.0, {1: 1.0}), (1, 0): (-1.0, {0: 1.0}), (0, 1): (0.0, {})})
    require_bounded(mdp, rm.Unregularized())
    assert rm.solve(mdp, max_iterations=10_000).status is rm.Status.UNBOUNDED_ABOVE


@pytest.mark.parametrize("unit", [2.0**-200, 2.0**-50, 2.0**200])
@pytest.mark.parametrize("seed", tiered([5, 6, 15, 31, 39, 55, 79], 3))
def test_the_unit_of_the_rewards_does_not_matter(seed, unit):
    # a power of 2 changes no digit of any number
    problem = truth.problem(seed)
    mdp = problem.mdp()
    tol = 1e-9 * problem.reward_scale
    one = rm.solve(mdp, absolute_tol=tol, max_iterations=2000)
    other = rm.solve(
        mdp.with_rewards(unit * mdp.rewards), absolute_tol=unit * tol, max_iterations=2000
    )
    assert other.status is one.status
    np.testing.assert_array_equal(other.policy, one.policy)
    np.testing.assert_allclose(other.value, unit * one.value, rtol=1e-12)
    assert other.certificate.gap == pytest.approx(unit * one.certificate.gap, rel=1e-3)
