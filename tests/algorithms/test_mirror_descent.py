"""Mirror descent: each step maximises what it says it does, and the rules of step sizes are the
papers'.
"""

from itertools import pairwise

import numpy as np
import pytest
from scipy.optimize import minimize

import regmdp as rm
from regmdp.algorithms import (
    GPMD,
    PMD,
    TDPMD,
    Adaptive,
    Constant,
    Geometric,
    Homotopic,
    HomotopicPMD,
    Maximum,
    Recorder,
)


def model(seed, discount=0.9, n_states=5, n_actions=4, masked=False):
    rng = np.random.default_rng(seed)
    rows = rng.dirichlet(np.ones(n_states), size=(n_states, n_actions))
    available = (
        rng.random((n_states, n_actions)) < 0.7
        if masked
        else np.ones((n_states, n_actions), dtype=bool)
    )
    available[:, :2] = True
    return rm.MDP(rows, rng.normal(size=(n_states, n_actions)), discount, available=available)


def some_policy(mdp, seed):
    weight = (
        np.random.default_rng(seed).exponential(size=mdp.available.shape) * mdp.available
        + 0.05 * mdp.available
    )
    return weight / weight.sum(axis=1, keepdims=True)


def iterates(mdp, regularizer, algorithm, n, start=None):
    recorder = Recorder()
    rm.solve(mdp, regularizer, algorithm, tol=0, max_iterations=n, start=start, callback=recorder)
    return recorder.states


def kl(p, q):
    return np.sum(np.where(p > 0, p * (np.log(np.where(p > 0, p, 1.0)) - np.log(q)), 0.0))


def euclidean(p, q):
    return 0.5 * np.sum((p - q) ** 2)


def worth(regularizer, mdp, p, q, state, before, divergence, step):
    """⟨Q, p⟩ - τ h(p) - D(p, π)/η, the objective of a step in one state, over its available
    actions.
    """
    there = mdp.available[state]
    full = np.zeros(there.shape)
    full[there] = p / p.sum()  # the solver tries points outside of the simplex
    part = regularizer.at(slice(state, state + 1))
    cost = float(part.cost(full[None], mdp.available[[state]])[0])
    return q[state][there] @ p - cost - divergence(p, before[state][there]) / step


def best_found(objective, n, start):
    """Maximise over the simplex with a solver that knows nothing of the problem."""
    found = [
        minimize(
            lambda p: -objective(p),
            guess,
            bounds=[(1e-12, 1.0)] * n,
            constraints={"type": "eq", "fun": lambda p: p.sum() - 1.0, "jac": lambda p: np.ones(n)},
            method="SLSQP",
            options={"ftol": 1e-15, "maxiter": 500},
        )
        for guess in (start, np.full(n, 1.0 / n))
    ]
    return max(objective(np.maximum(f.x, 0) / np.maximum(f.x, 0).sum()) for f in found)


HS = {
    "none": lambda mdp: rm.Unregularized(),
    "Shannon": lambda mdp: rm.Shannon(0.3),
    "KL": lambda mdp: rm.KL(some_policy(mdp, 99), temperature=np.linspace(0.1, 0.5, mdp.n_states)),
    "Tsallis 2": lambda mdp: rm.Tsallis(2.0, temperature=0.3),
    "Tsallis 0.5": lambda mdp: rm.Tsallis(0.5, temperature=0.3),
    "squared norm": lambda mdp: rm.SquaredL2(temperature=np.linspace(0.1, 0.5, mdp.n_states)),
    "log barrier": lambda mdp: rm.LogBarrier(temperature=0.05),
    "weighted ℓ1": lambda mdp: rm.WeightedL1(np.arange(4.0), temperature=0.3),
    "Rényi": lambda mdp: rm.Renyi(0.5, temperature=0.3),
}


@pytest.mark.parametrize("name", HS)
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("step", [0.1, 3.0])
def test_a_step_in_kl_is_the_proximal_step(name, masked, step):
    mdp = model(1, masked=masked)
    regularizer = HS[name](mdp)
    _is_proximal(mdp, regularizer, PMD(step), kl, step)


@pytest.mark.parametrize("name", ["none", "Shannon", "Tsallis 2"])
@pytest.mark.parametrize("step", [0.1, 1.0])
def test_a_euclidean_step_is_a_projection(name, step):
    mdp = model(2)
    regularizer = HS[name](mdp)
    _is_proximal(mdp, regularizer, PMD(step, mirror=rm.SquaredL2(7.0)), euclidean, step)


def _is_proximal(mdp, regularizer, algorithm, divergence, step):
    states = iterates(mdp, regularizer, algorithm, 2, some_policy(mdp, 3))
    for before, after in pairwise(states):
        q = rm.bellman.q_values(mdp, before.value)
        for state in range(mdp.n_states):
            there = mdp.available[state]

            def objective(p, state=state, before=before, q=q):
                return worth(regularizer, mdp, p, q, state, before.policy, divergence, step)

            reached = objective(after.policy[state][there])
            best = best_found(objective, there.sum(), before.policy[state][there])
            assert reached >= best - 1e-9


def test_without_a_regularizer_the_euclidean_step_projects():
    mdp, step = model(2), 0.3
    first, second = iterates(mdp, None, PMD(step, mirror=rm.SquaredL2(1.0)), 1)
    moved = first.policy + step * rm.bellman.q_values(mdp, first.value)
    assert np.allclose(second.policy, rm.SquaredL2(1.0).greedy(moved), atol=1e-12)


@pytest.mark.parametrize(
    "name",
    [
        "Shannon",
        "KL",
        "Tsallis 2",
        "Tsallis 0.5",
        "squared norm",
        "log barrier",
        "weighted ℓ1",
        "Rényi",
    ],
)
def test_generalized_mirror_descent_averages_the_action_values(name):
    mdp, step = model(4), 0.7
    regularizer = HS[name](mdp)
    tau = np.broadcast_to(regularizer.temperature, mdp.n_states)[:, None]
    states = iterates(mdp, regularizer, GPMD(step), 6)
    xi = regularizer.subgradient(states[0].policy)
    for before, after in pairwise(states):
        xi = (xi + step * rm.bellman.q_values(mdp, before.value)) / (1 + step * tau)
        assert np.allclose(after.policy, regularizer.greedy(xi), atol=1e-10)


@pytest.mark.parametrize(
    "name", ["Shannon", "Tsallis 2", "Tsallis 0.5", "squared norm", "log barrier"]
)
@pytest.mark.parametrize("accuracy", [1e-2, 1e-5])
def test_an_inexact_subproblem_keeps_its_accuracy(name, accuracy):
    mdp, step = model(5, masked=True), 0.7
    regularizer = HS[name](mdp)
    tau = np.broadcast_to(regularizer.temperature, mdp.n_states)
    gaps = []
    for state in iterates(mdp, regularizer, GPMD(step, accuracy=accuracy), 5):
        xi = np.where(mdp.available, state.dual, 0.0)
        best = regularizer.conjugate(state.dual, mdp.available)
        reached = np.sum(state.next_policy * xi, axis=1) - regularizer.value(
            state.next_policy, mdp.available
        )
        gaps.append((1 / step + tau) * (best - reached))
    assert np.max(gaps) <= accuracy + 1e-12
    if (
        accuracy == 1e-2 and name != "Shannon"
    ):  # it does stop early; for Shannon the first step is exact
        assert np.max(gaps) > 1e-6


def test_generalized_mirror_descent_with_an_infinite_step_is_policy_iteration():
    mdp, regularizer = model(6), rm.Tsallis(1.5, temperature=0.2)
    one = iterates(mdp, regularizer, GPMD(Maximum()), 4)
    other = iterates(mdp, regularizer, rm.algorithms.PolicyIteration(), 4)
    for a, b in zip(one, other, strict=True):
        assert np.allclose(a.next_policy, b.next_policy, atol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_adaptive_steps_keep_up_with_policy_iteration(seed):
    mdp, first = model(seed), 0.5
    optimum = rm.solve(mdp, tol=1e-10).value
    for depth in (1, 3):
        states = iterates(mdp, None, PMD(Adaptive(first), lookahead=depth), 25)
        errors = np.array([np.max(np.abs(optimum - state.value)) for state in states])
        bound = 0.9 ** (depth * np.arange(26)) * (errors[0] + first / 0.1**2)
        assert np.all(errors <= bound + 1e-9)
        # the rule itself: the largest divergence of the policy restricted to its best actions, over
        # c_k
        for k in (0, 4):
            value = states[k].value
            for _ in range(depth - 1):
                value = rm.bellman.backup(mdp, None, value)
            q = rm.bellman.q_values(mdp, value)
            best = q == q.max(axis=1, keepdims=True)
            far = np.max(-np.log(np.sum(states[k].policy * best, axis=1)))
            assert states[k].step == pytest.approx(
                far / (0.9 ** (2 * depth * (k + 1)) * first), rel=1e-9
            )


def test_the_lookahead_uses_values_further_on():
    mdp, regularizer, step = model(7), rm.Shannon(0.2), 0.8
    first = iterates(mdp, regularizer, PMD(step, lookahead=3), 0)[0]
    value = rm.bellman.backup(mdp, regularizer, rm.bellman.backup(mdp, regularizer, first.value))
    xi = (np.log(first.policy) + step * rm.bellman.q_values(mdp, value)) / (1 + step * 0.2)
    assert np.allclose(first.next_policy, rm.Shannon(1.0).greedy(xi), atol=1e-12)
    assert np.allclose(first.backup, rm.bellman.backup(mdp, regularizer, first.value), atol=1e-13)


def test_geometric_steps_grow_and_stop_growing():
    mdp = model(8, discount=0.5)
    steps = [state.step for state in iterates(mdp, None, PMD(Geometric(initial=2.0)), 5)]
    assert steps == pytest.approx([2.0 * 2.0**k for k in range(6)])
    assert iterates(mdp, None, PMD(Geometric()), 0)[0].step == pytest.approx(np.log(4))
    assert iterates(mdp, None, PMD(Geometric(ratio=1e40)), 12)[-1].step == pytest.approx(1e250)
    assert np.isfinite(iterates(mdp, None, PMD(Geometric(ratio=1e40)), 12)[-1].dual).all()


def test_homotopic_descent_ends_in_the_optimal_policy_of_maximum_entropy():
    rng = np.random.default_rng(9)
    # actions 0 and 1 are the same, and so are 2 and 3
    rows = rng.dirichlet(np.ones(4), size=(4, 2)).repeat(2, axis=1)
    rewards = rng.normal(size=(4, 2)).repeat(2, axis=1)
    mdp = rm.MDP(rows, rewards, 0.8)
    best = rm.solve(mdp).policy.reshape(4, 2, 2).sum(axis=2)
    states = iterates(mdp, None, HomotopicPMD(), 60, some_policy(mdp, 1))
    assert np.allclose(states[-1].policy, 0.5 * best.repeat(2, axis=1), atol=1e-5)
    assert [state.step for state in states[:3]] == pytest.approx([0.8**-2, 0.8**-4, 0.8**-6])
    # the step as it is written, with 1 + η τ = 1/γ
    first, eta = states[0], 0.8**-2
    tau = (1 / 0.8 - 1) / eta
    q = rm.bellman.q_values(mdp, first.value)
    xi = (np.log(first.policy) + eta * q + eta * tau * np.log(np.full((4, 4), 0.25))) / (
        1 + eta * tau
    )
    assert np.allclose(first.next_policy, rm.Shannon(1.0).greedy(xi), atol=1e-12)


def test_one_sweep_evaluates_the_policy_once():
    mdp, regularizer = model(10), rm.Shannon(0.2)
    states = iterates(mdp, regularizer, TDPMD(1.0), 5)
    for before, after in pairwise(states):
        assert np.allclose(
            after.value,
            rm.bellman.policy_backup(mdp, regularizer, before.next_policy, before.value),
            atol=1e-12,
        )


def test_one_sweep_ends_where_its_policy_is_good():
    """With one state the span of T V - V is 0 from the start, but the policy is not yet good."""
    mdp = rm.MDP(np.ones((1, 3, 1)), np.array([[1.0, 0.5, 0.0]]), 0.5)
    solution = rm.solve(mdp, rm.Shannon(0.2), TDPMD(1.0), tol=1e-8)
    assert solution.status.ok
    assert solution.iterations > 5


def test_far_dual_variables_are_not_lost():
    """Steps that drive probabilities below the smallest double, and a change of mind afterwards."""
    mdp = rm.MDP(np.ones((1, 3, 1)), np.array([[1.0, 0.999, 0.0]]), 0.0)
    last = iterates(mdp, None, PMD(1000.0), 5)[-1]
    assert last.policy[0, 2] == 0.0
    assert last.dual[0] == pytest.approx([0.0, -6.0, -6000.0])


# ---- bad input ----


def test_mirror_descent_has_no_largest_step():
    with pytest.raises(rm.SolverError, match="there is no largest one: give a number"):
        rm.solve(model(0), rm.Shannon(0.1), PMD(Maximum()))
    with pytest.raises(rm.SolverError, match="there is no largest one: give a number"):
        rm.solve(model(0), None, HomotopicPMD(Maximum()))
    with pytest.raises(rm.SolverError, match="an infinite step size needs a positive temperature"):
        rm.solve(model(0), rm.Shannon(np.array([0.1, 0.1, 0.0, 0.1, 0.1])), GPMD(Maximum()))


def test_generalized_mirror_descent_needs_a_regularizer():
    with pytest.raises(
        rm.SolverError, match="GPMD measures its steps by the regularizer, and there is none"
    ):
        rm.solve(model(0), None, GPMD(1.0))
    assert rm.solve(model(0), rm.Shannon(0.0), GPMD(1.0), tol=1e-6).status.ok


def test_homotopic_descent_is_for_discounted_problems_without_a_regularizer():
    with pytest.raises(rm.SolverError, match="without a regularizer, not with Shannon"):
        rm.solve(model(0), rm.Shannon(0.1), HomotopicPMD())
    with pytest.raises(rm.SolverError, match="strictly between 0 and 1, not 0"):
        rm.solve(model(0, discount=0.0), None, HomotopicPMD())


@pytest.mark.parametrize("rule", [Adaptive(1.0), Geometric(), Homotopic()])
def test_rules_that_follow_the_discount_need_one(rule):
    rows = np.full((1, 2, 1), 0.5)
    mdp = rm.MDP(rows, np.array([[1.0, 0.0]]), 1.0, termination=np.full((1, 2), 0.5))
    with pytest.raises(rm.SolverError, match="discount"):
        rm.solve(mdp, None, PMD(rule))


@pytest.mark.parametrize("bad", [0, -1, True])
def test_the_depth_of_a_lookahead_is_a_positive_integer(bad):
    with pytest.raises(rm.SolverError, match="^depth must be an integer, 1 or more"):
        rm.improvement.Lookahead(rm.improvement.MirrorDescent(Constant(1.0)), bad)


def test_bad_parameters_of_rules_are_refused():
    with pytest.raises(rm.SolverError, match="^ratio must be a finite number, 1 or more"):
        Geometric(ratio=0.5)
    with pytest.raises(rm.SolverError, match=r"^initial must be a number in \(0, 1e\+250\]"):
        Geometric(initial=-1.0)
    with pytest.raises(rm.SolverError, match=r"^initial must be a number in \(0, 1e\+250\]"):
        Adaptive(0.0)
    with pytest.raises(rm.SolverError, match="^accuracy must be a finite number, 0 or more"):
        GPMD(1.0, accuracy=-1.0)
