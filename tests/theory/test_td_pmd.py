"""Mirror descent with one sweep per step: bounds on random models from any start, and constants
recomputed from the formulas.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import regmdp as rm
from regmdp import algorithms
from regmdp.algorithms import State
from regmdp.testing import strategies
from regmdp.theory import td_pmd

ALWAYS = {"one sweep: monotone values", "one sweep: from above"}
STEPS = st.sampled_from([1e-2, 0.1, 1.0, 10.0, 1e3])
DISCOUNTED = st.sampled_from([0.0, 0.3, 0.8, 0.99])
GARNET = rm.models.garnet(6, 3, 2, discount=0.9)
few = settings(max_examples=settings().max_examples // 8)


def make_run(mdp, regularizer, algorithm, iterations, policy, value):
    """Return a run from any value: its first iterate is (π_0, V_0), unlike that of ``solve``."""
    regularizer = rm.Unregularized() if regularizer is None else regularizer
    improvement, states = algorithm.improvement, []
    dual = improvement.initial_dual(mdp, regularizer, policy)
    value, policy = np.where(mdp.terminal, 0.0, value), np.asarray(policy)
    for k in range(iterations + 1):
        if k > 0:
            value = rm.bellman.policy_backup(mdp, regularizer, policy, value)
        candidate = rm.improvement.Candidate(value, policy, dual, k)
        improved = improvement(mdp, regularizer, candidate)
        states.append(
            State(value, improved.backup, policy, improved.policy, improved.dual, k, improved.step)
        )
        policy, dual = np.asarray(improved.policy), improved.dual
    return rm.theory.Trace(mdp, regularizer, algorithm, states)


def require(run, names):
    report = rm.theory.check(run, td_pmd.STATEMENTS)
    assert report.holds, str(report)
    assert ALWAYS | set(names) <= {one.name for one in report.comparisons}, str(report)


def draw_start(data, mdp, regularizer):
    drawn = data.draw(strategies.policies(mdp, regularizer), label="start")
    policy = 0.9 * drawn + 0.1 * rm.uniform_policy(mdp, regularizer)
    scale = data.draw(st.sampled_from([0.0, 1.0, 100.0]), label="scale of the value")
    seed = data.draw(st.integers(0, 99), label="seed of the value")
    return policy, scale * np.random.default_rng(seed).normal(size=mdp.n_states)


@few
@given(st.data())
def test_constant_steps_without_a_regularizer(data):
    mdp = data.draw(strategies.mdps(discounts=DISCOUNTED), label="model")
    mirror = data.draw(st.sampled_from([None, rm.SquaredL2(1.0)]), label="mirror map")
    algorithm = algorithms.TDPMD(data.draw(STEPS), mirror)
    start = draw_start(data, mdp, None)
    run = make_run(mdp, None, algorithm, 8, *start)
    require(run, {"one sweep: sublinear gap", "one sweep: sublinear gap of π"})


@few
@given(st.data())
def test_constant_steps_with_a_regularizer(data):
    mdp = data.draw(strategies.mdps(discounts=DISCOUNTED), label="model")
    tau = data.draw(st.sampled_from([0.1, 1.0, 8.0]), label="temperature")
    regularizer = data.draw(
        st.sampled_from([rm.Shannon(tau), rm.SquaredL2(tau), rm.Tsallis(1.5, temperature=tau)])
    )
    step = data.draw(STEPS)
    algorithm = (
        algorithms.TDPMD(step)
        if isinstance(regularizer, rm.Shannon)
        else algorithms.GPMD(step, evaluation=rm.evaluation.Sweeps(1))
    )
    run = make_run(mdp, regularizer, algorithm, 8, *draw_start(data, mdp, regularizer))
    linear = {"one sweep: linear gap", "one sweep: linear gap of π"}
    require(run, linear | {"one sweep: sublinear gap"})


@few
@given(st.data())
def test_adaptive_and_growing_steps(data):
    mdp = data.draw(strategies.mdps(discounts=st.sampled_from([0.3, 0.8, 0.99])), label="model")
    regularizer = data.draw(st.sampled_from([None, rm.Shannon(0.1), rm.SquaredL2(1.0)]))
    initial, start = data.draw(STEPS), draw_start(data, mdp, regularizer)
    adaptive = algorithms.TDPMD(algorithms.Adaptive(initial))
    require(make_run(mdp, regularizer, adaptive, 8, *start), {"one sweep: adaptive steps"})
    growing = algorithms.ValueMirrorDescent(algorithms.Geometric(initial))
    names = {"one sweep: growing steps", "one sweep: bounded divergence"}
    run = make_run(mdp, regularizer, growing, 8, *start)
    require(run, names if run.optimum.stationary is not None else set())


def test_sublinear_constant_from_its_formula():
    value, step = np.random.default_rng(3).normal(size=6), 2.0
    bounds = rm.theory.td_pmd_sublinear_bounds(GARNET, step_size=step, iterations=10, value=value)
    best = rm.solve(GARNET, tol=1e-12)
    chosen = np.argmax(rm.bellman.q_values(GARNET, best.value), axis=1)
    chain = GARNET.to_array()[np.arange(6), chosen]
    swept = np.mean(GARNET.rewards + 0.9 * GARNET.to_array() @ value, axis=1)
    shift = max(0.0, np.max(value - swept)) / 0.1
    assert shift > 0.0
    source = 0.9 * chain @ (best.value - value) + np.log(3) / step
    constant = np.max(np.linalg.inv(np.eye(6) - 0.9 * chain) @ source) + 9.0 * shift
    times = np.arange(1, 11)
    np.testing.assert_allclose(bounds.policy[1:], constant / times, rtol=1e-8)
    np.testing.assert_allclose(
        bounds.value[1:], constant / times - shift * 0.9**times, rtol=1e-8, atol=1e-8
    )


def test_linear_constant_from_its_formula():
    tau, step = 0.2, 5.0
    shannon = rm.Shannon(tau)
    bounds = rm.theory.td_pmd_linear_bounds(GARNET, shannon, step_size=step, iterations=4)
    best = rm.solve(GARNET, shannon, tol=1e-12)
    start = GARNET.rewards.mean(axis=1) + tau * np.log(3)
    swept = start + 0.9 * GARNET.to_array().mean(axis=1) @ start
    shift = max(0.0, np.max(start - swept)) / 0.1
    best_q = rm.bellman.q_values(GARNET, best.value)
    q = rm.bellman.q_values(GARNET, start) - 0.9 * shift
    # τξ_0 is constant over actions; with h*(ξ_0) = h*(Q*/τ) it is V* - τ log A
    dual = np.broadcast_to((best.value - tau * np.log(3))[:, None], q.shape)
    alpha = 1.0 / (1.0 + step * tau)
    constant = (
        (1 - alpha) * np.max(best_q - q)
        + alpha * max(0.0, np.max(best_q - dual))
        + alpha * max(0.0, np.max(dual - q))
    )
    rate = 1 - (1 - alpha) * 0.1
    np.testing.assert_allclose(bounds.policy[1:], constant * rate ** np.arange(4), rtol=1e-7)


def test_value_iteration_is_the_limit_of_long_steps():
    shannon = rm.Shannon(0.2)
    bounds = rm.theory.td_pmd_linear_bounds(GARNET, shannon, step_size=np.inf, iterations=5)
    np.testing.assert_allclose(bounds.policy[2:] / bounds.policy[1:-1], 0.9)


def test_adaptive_bound_from_its_recursion():
    bound = rm.theory.td_pmd_adaptive_bound(GARNET, initial=0.7, iterations=6)
    gap = bound[0]
    for k in range(6):
        gap = 0.9 * gap + 0.9 ** (2 * (k + 1)) * 0.7
        np.testing.assert_allclose(bound[k + 1], gap)


@pytest.mark.parametrize("regularizer", [None, rm.Shannon(0.2)], ids=["none", "Shannon"])
def test_geometric_bound_from_its_formula(regularizer):
    initial, errors = 0.7, np.array([0.1, 0.0, 0.4, 0.2])
    start = np.random.default_rng(0).dirichlet(np.ones(3), size=6)
    value = np.random.default_rng(1).normal(size=6)
    bound = rm.theory.td_pmd_geometric_bound(
        GARNET,
        regularizer,
        initial=initial,
        iterations=4,
        errors=errors,
        start=start,
        value=value,
    )
    best = rm.solve(GARNET, regularizer, tol=1e-12)
    chain = np.einsum("sa,sat->st", best.policy, GARNET.to_array())
    nu = np.linalg.matrix_power(chain, 10_000)[0]
    ratio = np.where(best.policy > 0, best.policy / start, 1.0)
    divergence = np.sum(best.policy * np.log(ratio), axis=1)
    written = nu @ (best.value - value) + nu @ divergence / (0.9 * initial)
    for k in range(4):
        assert bound[k] == pytest.approx(written, rel=1e-6)
        written = 0.9 * written + errors[k]
    assert bound[4] == pytest.approx(written, rel=1e-6)


def test_predictions_of_a_run_written_out():
    """What does not need a function: monotone values, from above, and the bounded divergence."""
    start = np.random.default_rng(0).dirichlet(np.ones(3), size=6)
    value = 30.0 * np.random.default_rng(1).normal(size=6)
    growing = algorithms.ValueMirrorDescent(algorithms.Geometric(0.7))
    run = make_run(GARNET, None, growing, 5, start, value)
    report = rm.theory.check(run, td_pmd.STATEMENTS)
    powers = 0.9 ** np.arange(6)
    best = rm.solve(GARNET, tol=1e-12)
    swept = np.sum(start * (GARNET.rewards + 0.9 * GARNET.to_array() @ value), axis=1)
    decrease, above = np.max(value - swept), np.max(value - best.value)
    assert min(decrease, above) > 0.0
    monotone = report["one sweep: monotone values"]
    np.testing.assert_allclose(monotone.predicted, decrease * powers[:-1], rtol=1e-9)
    np.testing.assert_allclose(
        monotone.measured, np.max(run.values[:-1] - run.values[1:], axis=1), rtol=1e-9
    )
    np.testing.assert_allclose(
        report["one sweep: from above"].predicted, above * powers[1:], rtol=1e-6
    )
    nu = rm.theory.stationary_distribution(GARNET, best.policy)
    chosen = best.policy.argmax(axis=1)[None, :, None]
    divergence = -np.log(np.take_along_axis(run.policies, chosen, axis=2)[..., 0]) @ nu
    bounded = report["one sweep: bounded divergence"]
    np.testing.assert_allclose(bounded.measured, divergence[:-1] * powers[:-1] / 0.63, rtol=1e-6)
    constant = nu @ (best.value - value) + above + divergence[0] / 0.63
    np.testing.assert_allclose(bounded.predicted, constant * powers[:-1], rtol=1e-6)


def test_bounds_are_nearly_attained():
    # one state, where a step of the worst kind loses all that the bound allows
    mdp = rm.models.bandit([1.0, 0.0], discount=0.9)
    algorithm = algorithms.TDPMD(algorithms.Adaptive(1e-6))
    run = rm.theory.trace(mdp, None, algorithm, max_iterations=20)
    bound = rm.theory.td_pmd_adaptive_bound(mdp, initial=1e-6, iterations=20)
    gap = np.max(run.optimum.value - run.values, axis=1)
    assert np.all(gap[1:] > 0.99 * bound[1:])


def test_boundary_start_has_no_bound():
    start = np.tile([1.0, 0.0, 0.0], (6, 1))
    bounds = rm.theory.td_pmd_sublinear_bounds(GARNET, step_size=1.0, iterations=3, start=start)
    assert np.all(np.isinf(bounds.policy))


def test_growing_steps_need_a_stationary_distribution():
    with pytest.raises(rm.SolverError, match="no stationary distribution"):
        rm.theory.td_pmd_geometric_bound(
            rm.MDP(np.full((1, 2, 1), 0.5), np.ones((1, 2)), 0.9, termination=np.full((1, 2), 0.5)),
            initial=1.0,
            iterations=3,
        )
    with pytest.raises(rm.SolverError, match="a discount above 0"):
        rm.theory.td_pmd_geometric_bound(GARNET.with_discount(0.0), initial=1.0, iterations=3)
