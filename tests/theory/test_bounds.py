"""Bounds and identities as functions, compared with explicit formulas on independent loops."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from theory import loops

import regmdp as rm
from regmdp.improvement.dual_variables import dual_from_policy
from regmdp.testing import strategies

MDP = rm.models.garnet(5, 3, 4, discount=0.8, rng=2)
TAU = 0.2
SHANNON = rm.Shannon(TAU)
few = settings(max_examples=settings().max_examples // 5)


def kl(p, q):
    return np.sum(np.where(p > 0, p * (np.log(np.where(p > 0, p, 1.0)) - np.log(q)), 0.0), axis=1)


def soft_optimum(mdp, tau):
    value = loops.optimal_value(mdp, tau)
    q = loops.q_of(mdp, value)
    return value, q, loops.softmax(q / tau)


def hard_optimum(mdp):
    value = loops.optimal_value(mdp)
    q = loops.q_of(mdp, value)
    return value, q, np.eye(mdp.n_actions)[q.argmax(axis=1)]


def stationary(mdp, policy):
    """Left eigenvector of the chain for the eigenvalue 1."""
    chain = np.einsum("sa,sat->st", policy, mdp.to_array())
    eigenvalues, vectors = np.linalg.eig(chain.T)
    vector = np.real(vectors[:, np.argmin(np.abs(eigenvalues - 1))])
    return vector / vector.sum()


# ---- identities ----


@few
@given(st.data())
def test_performance_difference(data):
    mdp = data.draw(strategies.mdps(discounts=st.sampled_from([0.0, 0.5, 0.9, 0.99])))
    regularizer = data.draw(strategies.regularizers(mdp))
    one, other = (data.draw(strategies.policies(mdp, regularizer)) for _ in range(2))
    values = [rm.evaluate(mdp, policy, regularizer) for policy in (one, other)]
    difference = values[0].initial_value - values[1].initial_value
    scale = 1.0 + max(np.max(np.abs(value.value)) for value in values)
    assert (
        abs(rm.theory.performance_difference(mdp, regularizer, one, other) - difference)
        <= 1e-10 * scale
    )


def test_performance_difference_written_out():
    rng = np.random.default_rng(0)
    one, other = (rng.dirichlet(np.ones(3), size=5) for _ in range(2))
    value = loops.value_of(MDP, other, TAU, loops.entropy)
    inner = (
        np.sum((one - other) * loops.q_of(MDP, value), axis=1)
        - TAU * loops.entropy(one)
        + TAU * loops.entropy(other)
    )
    written = loops.occupancy_of(MDP, one) @ inner / (1 - MDP.discount)
    assert np.isclose(
        rm.theory.performance_difference(MDP, SHANNON, one, other), written, rtol=1e-10
    )


@few
@given(st.data())
def test_gap_by_divergence(data):
    mdp = data.draw(strategies.mdps(discounts=st.sampled_from([0.0, 0.5, 0.9, 0.99])))
    tau = data.draw(st.sampled_from([0.1, 1.0]))
    regularizer = data.draw(
        st.sampled_from([rm.Shannon(tau), rm.SquaredL2(tau), rm.Tsallis(1.5, tau)])
    )
    policy = data.draw(strategies.policies(mdp))
    optimum = rm.theory.compute_optimum(mdp, regularizer)
    evaluated = rm.evaluate(mdp, policy, regularizer)
    gap = mdp.initial @ optimum.value - evaluated.initial_value
    assert abs(rm.theory.gap_by_divergence(mdp, regularizer, policy) - gap) <= 1e-9 * (
        1.0 + np.max(np.abs(optimum.value))
    )


def test_gap_by_divergence_written_out():
    _, _, best = soft_optimum(MDP, TAU)
    policy = np.random.default_rng(1).dirichlet(np.ones(3), size=5)
    written = TAU / (1 - MDP.discount) * loops.occupancy_of(MDP, policy) @ kl(policy, best)
    assert np.isclose(rm.theory.gap_by_divergence(MDP, SHANNON, policy), written, rtol=1e-9)


def test_gap_by_divergence_needs_a_regularizer():
    with pytest.raises(rm.SolverError, match="positive temperature"):
        rm.theory.gap_by_divergence(MDP, rm.Shannon(0.0), loops.uniform(MDP))


@pytest.mark.parametrize("share", [0.1, 0.6, 1.0])
def test_monotone_improvement_written_out(share):
    eta = share * (1 - MDP.discount) / TAU
    policy = np.random.default_rng(1).dirichlet(np.ones(3), size=5)
    (_, before), (after, improved) = loops.npg(MDP, TAU, eta, 1, policy)
    horizon = 1 / (1 - MDP.discount)
    written = loops.occupancy_of(MDP, after) @ (
        (1 / eta - TAU * horizon) * kl(after, policy) + kl(policy, after) / eta
    )
    assert np.isclose(written, MDP.initial @ (improved - before), rtol=1e-9)
    assert np.isclose(
        rm.theory.monotone_improvement(MDP, SHANNON, policy, step_size=eta), written, rtol=1e-9
    )


@pytest.mark.parametrize("eta", [0.3, 2.0, np.inf])
def test_three_points_written_out(eta):
    # for KL, and divided by η as in the library
    rng = np.random.default_rng(3)
    policy, p = (rng.dirichlet(np.ones(3), size=5) for _ in range(2))
    q = loops.q_of(MDP, loops.value_of(MDP, policy, TAU, loops.entropy))
    alpha = 1 / (1 + eta * TAU)
    after = loops.softmax(alpha * np.log(policy) + (1 - alpha) * q / TAU)
    left, right = rm.theory.three_point_identity(
        SHANNON,
        q,
        inverse_step=1 / eta,
        temperature=np.full(5, TAU),
        before=np.log(policy),
        after=np.log(after),
        policy=after,
        comparator=p,
        allowed=np.ones((5, 3), dtype=bool),
    )
    np.testing.assert_allclose(
        left, np.sum(q * (after - p), axis=1) - TAU * loops.entropy(after) + TAU * loops.entropy(p)
    )
    np.testing.assert_allclose(
        right,
        (1 / eta + TAU) * kl(p, after) + (kl(after, policy) - kl(p, policy)) / eta,
        atol=1e-12,
    )
    np.testing.assert_allclose(left, right, atol=1e-12)


# ---- rates, the constants written out ----


@pytest.mark.parametrize("share", [0.1, 0.6, 1.0])
def test_entropy_natural_gradient(share):
    eta = share * (1 - MDP.discount) / TAU
    value, q, best = soft_optimum(MDP, TAU)
    start = np.random.default_rng(1).dirichlet(np.ones(3), size=5)
    runs = list(loops.npg(MDP, TAU, eta, 8, start))
    alpha = 1 - eta * TAU / (1 - MDP.discount)
    first = np.max(np.abs(q - loops.q_of(MDP, runs[0][1])))
    constant = first + 2 * TAU * alpha * np.max(np.abs(np.log(best) - np.log(start)))
    bounds = rm.theory.entropy_npg_bounds(MDP, SHANNON, step_size=eta, iterations=8, start=start)
    rate = (1 - eta * TAU) ** np.arange(8)
    np.testing.assert_allclose(bounds.q[1:], 0.8 * constant * rate, rtol=1e-9)
    np.testing.assert_allclose(bounds.value[1:], 3 * constant * rate, rtol=1e-9)
    np.testing.assert_allclose(bounds.log_policy[1:], 2 * constant / TAU * rate, rtol=1e-9)
    for t, (policy, own) in enumerate(runs):
        assert np.max(np.abs(q - loops.q_of(MDP, own))) <= bounds.q[t] + 1e-12
        assert np.max(np.abs(value - own)) <= bounds.value[t] + 1e-12
        assert np.max(np.abs(np.log(best) - np.log(policy))) <= bounds.log_policy[t] + 1e-10


def test_generalized_mirror_descent_contains_npg():
    eta = 0.7
    own = (1 - MDP.discount) * eta / (1 + eta * TAU)
    general = rm.theory.gpmd_bounds(MDP, SHANNON, step_size=eta, iterations=5)
    npg = rm.theory.entropy_npg_bounds(MDP, SHANNON, step_size=own, iterations=5)
    np.testing.assert_allclose(general.q, npg.q)
    assert np.isclose(rm.theory.mirror_descent_step(MDP, SHANNON, own), eta)


def test_generalized_mirror_descent_with_half_the_square():
    eta, tau = 0.7, 0.5
    regularizer = rm.SquaredL2(tau)
    optimum = rm.theory.compute_optimum(MDP, regularizer)
    runs = list(loops.gpmd_half_square(MDP, tau, eta, 30))
    bounds = rm.theory.gpmd_bounds(MDP, regularizer, step_size=eta, iterations=30)
    alpha = 1 / (1 + eta * tau)
    rate = 1 - (1 - alpha) * (1 - MDP.discount)
    np.testing.assert_allclose(bounds.q[2:] / bounds.q[1:-1], rate)
    np.testing.assert_allclose(bounds.value[1:] / bounds.q[1:], (0.8 + 2) / 0.8)
    # the modulus of half the square in ℓ1 is 1/A
    np.testing.assert_allclose(bounds.policy[1:] / bounds.q[1:], 3 / tau / 0.8)
    for t, (policy, own) in enumerate(runs):
        assert np.max(np.abs(optimum.q - loops.q_of(MDP, own))) <= bounds.q[t] + 1e-9
        assert np.max(np.sum(np.abs(optimum.policy - policy), axis=1)) <= bounds.policy[t] + 1e-9


def test_mirror_descent_gap():
    share = 0.5
    eta = share * (1 - MDP.discount) / TAU
    value, _, best = soft_optimum(MDP, TAU)
    nu = stationary(MDP, best)
    runs = list(loops.npg(MDP, TAU, eta, 20))
    constant = nu @ (value - runs[0][1]) + (1 - MDP.discount) / eta * nu @ kl(best, runs[0][0])
    written = np.max(MDP.initial / nu) * max(0.8, 1 - share) ** np.arange(21) * constant
    bound = rm.theory.mirror_descent_gap_bound(
        MDP, SHANNON, step_size=rm.theory.mirror_descent_step(MDP, SHANNON, eta), iterations=20
    )
    np.testing.assert_allclose(bound, written, rtol=1e-8)
    assert np.all([MDP.initial @ (value - own) for _, own in runs] <= bound + 1e-12)


def test_linear_system_written_out():
    eta = 0.5 * (1 - MDP.discount) / TAU
    _, q, _ = soft_optimum(MDP, TAU)
    runs = list(loops.npg(MDP, TAU, eta, 6))
    qs = np.array([loops.q_of(MDP, own) for _, own in runs])
    # log ξ_0 = log π_0 + log ‖exp(Q*/τ)‖_1
    top = q.max(axis=1, keepdims=True) / TAU
    xi = np.log(loops.uniform(MDP)) + top + np.log(np.exp(q / TAU - top).sum(axis=1, keepdims=True))
    A = np.outer([0.8, 1.0], [0.5, 0.5])
    y = np.array([np.max(np.abs(qs[0] - TAU * xi)), 0.0])
    system = rm.theory.linear_system(
        MDP, SHANNON, qs, step_size=rm.theory.mirror_descent_step(MDP, SHANNON, eta)
    )
    for t in range(7):
        x = np.array([np.max(np.abs(q - qs[t])), np.max(np.abs(q - TAU * xi))])
        np.testing.assert_allclose(system.errors[t], x, rtol=1e-7, atol=1e-10)
        if t < 6:
            np.testing.assert_allclose(
                system.bounds[t + 1], A @ x + 0.8 * 0.5 ** (t + 1) * y, rtol=1e-7, atol=1e-10
            )
            xi = 0.5 * xi + 0.5 * qs[t] / TAU
    assert np.max(np.abs(np.linalg.eigvals(A))) == pytest.approx(1 - eta * TAU)


def test_linear_system_of_an_infinite_step():
    """Soft policy iteration: the first distance is that of τξ_0, not of 0."""
    _, q, _ = soft_optimum(MDP, TAU)
    top = q.max(axis=1, keepdims=True) / TAU
    xi = np.log(loops.uniform(MDP)) + top + np.log(np.exp(q / TAU - top).sum(axis=1, keepdims=True))
    run = rm.theory.trace(MDP, SHANNON, rm.algorithms.PolicyIteration(), max_iterations=3)
    system = rm.theory.linear_system(MDP, SHANNON, run.q, step_size=np.inf)
    assert system.errors[0, 1] == pytest.approx(np.max(np.abs(q - TAU * xi)), rel=1e-7)
    np.testing.assert_allclose(system.errors[1:, 1], system.errors[:-1, 0], atol=1e-10)
    np.testing.assert_allclose(system.bounds[1:, 0], 0.8 * system.errors[:-1, 0], atol=1e-10)
    assert np.all(system.errors <= system.bounds + 1e-10)


def test_linear_system_of_an_infinite_step_from_a_policy_without_dual():
    start = np.tile([1.0, 0.0, 0.0], (5, 1))
    run = rm.theory.trace(
        MDP, SHANNON, rm.algorithms.PolicyIteration(), max_iterations=3, start=start
    )
    system = rm.theory.linear_system(MDP, SHANNON, run.q, step_size=np.inf, start=start)
    assert np.isinf(system.errors[0, 1])
    np.testing.assert_array_equal(system.bounds[1:, 1], system.errors[:-1, 0])
    assert np.all(system.errors[1:] <= system.bounds[1:] + 1e-10)
    assert rm.theory.check(run)["linear system"].holds
    with pytest.raises(rm.SolverError, match="probability 0"):
        rm.theory.linear_system(MDP, SHANNON, run.q, step_size=1.0, start=start)


def test_quadratic_constant():
    _, _, best = soft_optimum(MDP, TAU)
    written = 4 * 0.8**2 / (0.2 * TAU) * np.max(1 / stationary(MDP, best))
    assert np.isclose(rm.theory.quadratic_constant(MDP, SHANNON), written, rtol=1e-8)
    assert np.isclose(rm.theory.newton_constant(MDP, SHANNON), 0.8**2 / (8 * TAU * 0.2))


def test_natural_gradient():
    value, _, best = hard_optimum(MDP)
    start = np.random.default_rng(1).dirichlet(np.ones(3), size=5)
    eta = 0.05
    rewards = np.ptp(MDP.rewards)
    bound = rm.theory.npg_bound(MDP, step_size=eta, iterations=40, start=start)
    constant = loops.occupancy_of(MDP, best) @ kl(best, start) / eta + rewards / 0.2**2
    np.testing.assert_allclose(bound[1:], constant / np.arange(1, 41))
    gaps = [MDP.initial @ (value - own) for _, own in loops.npg(MDP, 0.0, eta, 40, start)]
    assert np.all(gaps <= bound)
    # the published form, for the uniform policy
    published = np.log(3) / eta + rewards / 0.2**2
    assert rm.theory.npg_bound(MDP, step_size=eta, iterations=1)[1] <= published * (1 + 1e-12)


def test_geometric_mirror_descent():
    value, _, best = hard_optimum(MDP)
    bound = rm.theory.geometric_pmd_bound(MDP, initial=0.3, iterations=40)
    occupancy = loops.occupancy_of(MDP, best)
    theta = np.max(occupancy / MDP.initial) / 0.2
    runs = list(loops.pmd(MDP, 0.3 * 0.8 ** -np.arange(40)))
    constant = MDP.initial @ (value - runs[0][1]) + occupancy @ kl(best, runs[0][0]) / (
        0.2 * (theta - 1) * 0.3
    )
    np.testing.assert_allclose(bound, (1 - 1 / theta) ** np.arange(41) * constant, rtol=1e-9)
    assert np.all([MDP.initial @ (value - own) for _, own in runs] <= bound + 1e-12)
    # the usual form: rewards in [0, 1], and a first step of (1-γ)/γ times the divergence
    scaled = MDP.with_rewards((MDP.rewards - MDP.rewards.min()) / np.ptp(MDP.rewards))
    first = 0.2 / 0.8 * occupancy @ kl(best, runs[0][0])
    assert rm.theory.geometric_pmd_bound(scaled, initial=first, iterations=0)[0] <= 2 / 0.2


def test_geometric_bound_is_infinite_for_unreached_states():
    chain = rm.models.chain(4)  # ρ draws state 0 only
    assert np.all(np.isinf(rm.theory.geometric_pmd_bound(chain, initial=1.0, iterations=3)))


def test_adaptive_mirror_descent():
    value, _, _ = hard_optimum(MDP)
    gap = np.max(value - loops.value_of(MDP, loops.uniform(MDP)))
    bound = rm.theory.adaptive_pmd_bound(MDP, initial=0.5, iterations=6, lookahead=3)
    np.testing.assert_allclose(bound, 0.8 ** (3 * np.arange(7)) * (gap + 0.5 / 0.2**2))


def test_homotopic_gap_in_closed_form():
    value, _, best = hard_optimum(MDP)
    nu = stationary(MDP, best)
    steps = 0.8 ** (-2.0 * np.arange(1, 31))
    bound = rm.theory.homotopic_pmd_gap_bound(MDP, step_sizes=steps)
    constant = nu @ (value - loops.value_of(MDP, loops.uniform(MDP))) + (0.8 + 1.2 / 0.2) * np.log(
        3
    )
    assert np.all(bound <= 0.8 ** np.arange(31) * constant * (1 + 1e-12))
    runs = list(loops.homotopic(MDP, 30))
    assert np.all([nu @ (value - own) for _, own in runs] <= bound + 1e-12)


def test_homotopic_gap_by_its_recursion():
    value, _, best = hard_optimum(MDP)
    nu = stationary(MDP, best)
    start = np.random.default_rng(1).dirichlet(np.ones(3), size=5)
    steps = np.array([0.5, 2.0, 2.0, 9.0])
    bound = rm.theory.homotopic_pmd_gap_bound(MDP, step_sizes=steps, start=start)
    gap = nu @ (value - loops.value_of(MDP, start))
    assert bound[0] == pytest.approx(gap)
    scaled = 0.8 * gap + nu @ kl(best, start) / steps[0]  # γ Φ_0
    for k, step in enumerate(steps):
        following = scaled + 1.2 * np.log(3) / (0.8 * step)
        assert bound[k + 1] == pytest.approx(following, rel=1e-9)
        scaled = 0.8 * following


def test_homotopic_limit_is_the_policy_of_maximal_entropy():
    # action 2 is a copy of action 0
    rows, rewards = MDP.to_array(), np.array(MDP.rewards)
    rows[:, 2], rewards[:, 2] = rows[:, 0], rewards[:, 0]
    twin = rm.MDP(rows, rewards, 0.5)
    limit = rm.theory.maximum_entropy_policy(twin)
    assert set(np.unique(limit)) == {0.0, 0.5, 1.0}
    value, q, _ = hard_optimum(twin)
    assert np.all(q[limit > 0] >= np.repeat(value, (limit > 0).sum(axis=1)) - 1e-12)
    start = np.random.default_rng(1).dirichlet(np.ones(3), size=5)
    runs = list(loops.homotopic(twin, 15, start))
    errors = np.array([np.max(np.abs(q - loops.q_of(twin, own))) for _, own in runs])
    bound = rm.theory.homotopic_pmd_policy_bound(
        twin, step_sizes=0.5 ** (-2.0 * np.arange(1, 16)), errors=errors, start=start
    )
    distance = np.array([np.max(np.sum(np.abs(policy - limit), axis=1)) for policy, _ in runs])
    assert np.all(distance <= bound + 1e-10)
    assert bound[-1] < 1e-3


@pytest.mark.parametrize("share", [0.3, 1.0])
def test_softmax_gradient(share):
    tau = TAU
    spread = np.ptp(MDP.rewards)
    largest = 0.2**3 / (8 * spread + tau * (4 + 8 * np.log(3)))
    assert np.isclose(1 / rm.theory.smoothness_constant(MDP, SHANNON), largest)
    value, _, best = soft_optimum(MDP, tau)
    runs = list(loops.softmax_pg(MDP, tau, share * largest, 30))
    smallest = np.array([policy.min() for policy, _ in runs[:-1]])
    bound = rm.theory.softmax_pg_bound(MDP, SHANNON, smallest, step_size=share * largest)
    far = np.max(loops.occupancy_of(MDP, best) / MDP.initial)
    least = np.concatenate([[1.0], np.minimum.accumulate(smallest)])
    # as published for rewards in [0, 1], in the unit of the rewards
    rate = (
        share
        * 0.2**4
        / ((8 * spread / tau + 4 + 8 * np.log(3)) * 5)
        / far
        * MDP.initial.min()
        * least**2
    )
    gaps = np.array([MDP.initial @ (value - own) for _, own in runs])
    np.testing.assert_allclose(bound, gaps[0] * np.exp(-rate * np.arange(31)), rtol=1e-9)
    assert np.all(gaps <= bound + 1e-12)


def test_averaged_step():
    value, _, _ = soft_optimum(MDP, TAU)
    runs = list(loops.averaged_policy_iteration(MDP, TAU, 0.3, 20))
    gaps = np.array([np.max(value - own) for _, own in runs])
    bound = rm.theory.averaged_policy_iteration_bound(MDP, SHANNON, share=0.3, iterations=20)
    np.testing.assert_allclose(bound, gaps[0] * (1 - 0.3 * 0.2) ** np.arange(21), rtol=1e-9)
    assert np.all(gaps <= bound + 1e-12)


# ---- ingredients ----


def test_the_range_of_rewards():
    rewards = np.array([[1.0, 2.0], [1.5, 9.0]])
    available = np.array([[True, True], [True, False]])
    rows = np.full((2, 2, 2), 0.5) * available[..., None]
    endless = rm.MDP(rows, rewards, 0.5, available=available)
    assert rm.theory.reward_range(endless) == (1.0, 2.0)
    ending = rm.MDP(
        0.8 * rows, rewards, 0.5, available=available, termination=np.where(available, 0.2, 0.0)
    )
    # the reward after the end is 0
    assert rm.theory.reward_range(ending) == (0.0, 2.0)
    assert rm.theory.reward_range(ending.with_rewards(-rewards)) == (-2.0, 0.0)


@pytest.mark.parametrize("share", [0.3, 1.0])
def test_a_run_as_dual_averaging(share):
    """Natural policy gradient as ξ⁺ = αξ + (1-α)Q/τ, in the unit of mirror descent."""
    eta = share * (1 - MDP.discount) / TAU
    run = rm.theory.trace(MDP, SHANNON, rm.algorithms.NPG(eta), max_iterations=3)
    view = rm.theory.as_dual_averaging(run)
    np.testing.assert_allclose(view.inverse_steps, 0.2 / eta - TAU, atol=1e-15)
    np.testing.assert_allclose(view.weights, 1 - share, atol=1e-12)
    np.testing.assert_allclose(view.temperature, TAU)
    for k in range(3):
        averaged = (1 - share) * view.duals[k] + share * run.q[k] / TAU
        shift = view.duals[k + 1] - averaged
        np.testing.assert_allclose(shift, shift[:, :1] + np.zeros((5, 3)), atol=1e-10)
    optimal, q = run.optimum.policy, run.policies
    for k in range(4):
        np.testing.assert_allclose(view.divergence_to_optimum[k], kl(optimal, q[k]), atol=1e-12)
    with pytest.raises(rm.theory.NotApplicableError, match="is not dual averaging"):
        rm.theory.as_dual_averaging(
            rm.theory.trace(MDP, SHANNON, rm.algorithms.SoftmaxPG(0.01), max_iterations=1)
        )


def test_stationary_distribution():
    policy = np.random.default_rng(0).dirichlet(np.ones(3), size=5)
    found = rm.theory.stationary_distribution(MDP, policy)
    np.testing.assert_allclose(found, stationary(MDP, policy), atol=1e-12)


def test_stationary_distribution_of_several_classes():
    # two absorbing states, and one transient state
    rows = np.zeros((3, 1, 3))
    rows[0, 0, 0] = rows[1, 0, 1] = rows[2, 0, 1] = 1.0
    found = rm.theory.stationary_distribution(rm.MDP(rows, np.zeros((3, 1)), 0.5), np.ones((3, 1)))
    np.testing.assert_allclose(found, [0.5, 0.5, 0.0], atol=1e-12)


def test_no_stationary_distribution_if_episodes_end():
    mdp = rm.MDP(np.full((1, 1, 1), 0.9), np.ones((1, 1)), 0.5, termination=np.full((1, 1), 0.1))
    assert rm.theory.stationary_distribution(mdp, np.ones((1, 1))) is None
    for bound in (
        lambda: rm.theory.mirror_descent_gap_bound(
            mdp, rm.Shannon(1.0), step_size=1.0, iterations=1
        ),
        lambda: rm.theory.quadratic_constant(mdp, rm.Shannon(1.0)),
        lambda: rm.theory.homotopic_pmd_gap_bound(mdp, step_sizes=np.ones(1)),
    ):
        with pytest.raises(
            rm.SolverError, match="no stationary distribution, because episodes end"
        ):
            bound()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: rm.theory.compute_optimum(rm.models.forest(discount=0.9).with_discount(1.0)),
            "discount must be below 1",
        ),
        (
            lambda: rm.theory.entropy_npg_bounds(MDP, SHANNON, step_size=2.0, iterations=1),
            r"in \(0, \(1-γ\)/τ\] = \(0, 1\]",
        ),
        (
            lambda: rm.theory.entropy_npg_bounds(
                MDP, rm.SquaredL2(1.0), step_size=0.1, iterations=1
            ),
            "Shannon and KL, not",
        ),
        (
            lambda: rm.theory.gpmd_bounds(MDP, rm.Shannon(0.0), step_size=1.0, iterations=1),
            "the same positive temperature",
        ),
        (
            lambda: rm.theory.newton_constant(MDP, rm.WeightedL1(np.ones(3), 1.0)),
            "not known to be strongly convex",
        ),
        (
            lambda: rm.theory.softmax_pg_bound(MDP, SHANNON, np.ones(1), step_size=9.0),
            r"\(0, 1/β\]",
        ),
        (
            lambda: rm.theory.softmax_pg_bound(MDP, rm.SquaredL2(1.0), np.ones(1)),
            "Shannon entropy, not SquaredL2",
        ),
        (
            lambda: rm.theory.smoothness_constant(MDP, rm.SquaredL2(1.0)),
            "smoothness is known without a regularizer",
        ),
        (
            lambda: rm.theory.homotopic_pmd_gap_bound(
                MDP.with_discount(0.0), step_sizes=np.ones(1)
            ),
            "discount above 0",
        ),
        (
            lambda: rm.theory.homotopic_pmd_gap_bound(MDP, step_sizes=np.array([2.0, 1.0])),
            "must not decrease",
        ),
    ],
)
def test_inputs_outside_of_the_theorems_raise_errors(call, message):
    with pytest.raises(rm.SolverError, match=message):
        call()


def test_policy_bound_is_infinite_without_strong_convexity():
    bounds = rm.theory.gpmd_bounds(MDP, rm.WeightedL1(np.ones(3), 1.0), step_size=1.0, iterations=2)
    assert np.all(np.isinf(bounds.policy))
    assert np.all(np.isfinite(bounds.q[1:]))


def test_divergence_of_shannon_is_kullback_leibler():
    from regmdp.theory.dual_averaging import bregman_divergence

    rng = np.random.default_rng(0)
    p, q = (rng.dirichlet(np.ones(3), size=5) for _ in range(2))
    dual = dual_from_policy(MDP, SHANNON, SHANNON, q)
    np.testing.assert_allclose(
        bregman_divergence(SHANNON, p, dual, np.ones((5, 3), dtype=bool)), kl(p, q), atol=1e-14
    )
