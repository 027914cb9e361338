"""Properties of operators and certificates, for every model and regularizer."""

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st
from small_solvers import model_arrays

import regmdp as rm
from regmdp.certificates import backup_error
from regmdp.testing import strategies

discounted = st.sampled_from([0.0, 0.1, 0.5, 0.9, 0.99])
either = st.sampled_from([0.0, 0.5, 0.9, 1.0])


def problem(data, discounts=discounted):
    mdp = data.draw(strategies.mdps(discounts=discounts), label="model")
    return mdp, data.draw(strategies.regularizers(mdp), label="regularizer")


@given(st.data())
def test_the_backup_is_monotone(data):
    mdp, regularizer = problem(data, either)
    low, other = data.draw(strategies.values(mdp)), data.draw(strategies.values(mdp))
    high = np.maximum(low, other)
    slack = 2 * backup_error(mdp, regularizer, np.maximum(np.abs(low), np.abs(high)))
    assert np.all(
        rm.bellman.backup(mdp, regularizer, low)
        <= rm.bellman.backup(mdp, regularizer, high) + slack
    )


@given(st.data())
def test_the_backup_is_a_contraction(data):
    mdp, regularizer = problem(data, either)
    one, other = data.draw(strategies.values(mdp)), data.draw(strategies.values(mdp))
    distance = np.max(np.abs(one - other))
    slack = 2 * backup_error(mdp, regularizer, np.maximum(np.abs(one), np.abs(other)))
    moved = np.max(
        np.abs(
            rm.bellman.backup(mdp, regularizer, one) - rm.bellman.backup(mdp, regularizer, other)
        )
    )
    assert moved <= mdp.discount * distance + slack


@given(st.data(), st.integers(-64, 64))
def test_a_constant_is_discounted_where_no_episode_ends(data, constant):
    mdp = data.draw(strategies.mdps(endings=False, masks=False, discounts=discounted))
    regularizer = data.draw(strategies.regularizers(mdp))
    value = data.draw(strategies.values(mdp))
    slack = 4 * backup_error(mdp, regularizer, np.abs(value) + abs(constant))
    moved = rm.bellman.backup(mdp, regularizer, value + constant)
    np.testing.assert_allclose(
        moved,
        rm.bellman.backup(mdp, regularizer, value) + mdp.discount * constant,
        rtol=0,
        atol=slack,
    )


@given(st.data())
def test_the_greedy_policy_is_the_best_for_one_step(data):
    mdp, regularizer = problem(data, either)
    value, policy = (
        data.draw(strategies.values(mdp)),
        data.draw(strategies.policies(mdp, regularizer)),
    )
    best, greedy = rm.bellman.greedy(mdp, regularizer, value)
    slack = 2 * backup_error(mdp, regularizer, value)
    assert np.all(rm.bellman.policy_backup(mdp, regularizer, policy, value) <= best + slack)
    assert np.all(np.abs(rm.bellman.policy_backup(mdp, regularizer, greedy, value) - best) <= slack)


@given(st.data())
def test_the_greedy_policy_improves_on_a_policy(data):
    mdp, regularizer = problem(data, either)
    policy = data.draw(strategies.policies(mdp, regularizer))
    before = rm.evaluate(mdp, policy, regularizer)
    after = rm.evaluate(mdp, rm.bellman.greedy(mdp, regularizer, before.value)[1], regularizer)
    assert np.all(after.upper >= before.lower)
    # no value decreases by more than rounding errors
    assert np.all(after.value >= before.value - 1e-9 * (1 + np.abs(before.value)))


@given(st.data())
def test_values_of_policy_iteration_never_decrease(data):
    mdp, regularizer = problem(data)
    value = -np.inf
    for count in range(4):
        solution = rm.solve(
            mdp, regularizer, rm.algorithms.PolicyIteration(), tol=0, max_iterations=count
        )
        assert np.all(solution.value >= value - 1e-9 * (1 + np.abs(solution.value)))
        value = solution.value


@given(st.data())
def test_evaluations_agree(data):
    mdp, regularizer = problem(data, either)
    policy = data.draw(strategies.policies(mdp, regularizer))
    found = rm.evaluate(mdp, policy, regularizer)
    for evaluation in (rm.evaluation.Direct(), rm.evaluation.Krylov(), rm.evaluation.Exact()):
        value = evaluation(mdp, regularizer, policy, np.zeros(mdp.n_states))
        np.testing.assert_allclose(value, found.value, rtol=1e-10, atol=1e-10)
    residual = rm.bellman.policy_backup(mdp, regularizer, policy, found.value) - found.value
    assert np.max(np.abs(residual)) <= 1e-12 * (1 + np.max(np.abs(found.value)))


@given(st.data())
def test_performance_difference(data):
    mdp, regularizer = problem(data)
    one, other = (
        data.draw(strategies.policies(mdp, regularizer)),
        data.draw(strategies.policies(mdp, regularizer)),
    )
    baseline = rm.evaluate(mdp, other, regularizer)
    advantage = rm.bellman.policy_backup(mdp, regularizer, one, baseline.value) - baseline.value
    right = rm.visits(mdp, one) @ advantage
    left = rm.evaluate(mdp, one, regularizer).initial_value - baseline.initial_value
    np.testing.assert_allclose(left, right, rtol=1e-9, atol=1e-9)
    if not mdp.terminates:
        np.testing.assert_allclose(rm.occupancy(mdp, one).sum(), 1.0, rtol=1e-12)


# ---- certificates, compared with a long run of value iteration ----


def iterate_values(mdp, regularizer):
    """The optimal value, the limit of V ← T V on all these models, with operators written here."""
    P, r, discount, available = model_arrays(mdp)
    if isinstance(regularizer, rm.KL):
        available = available & (regularizer.reference > 0)
        shift = np.log(np.where(available, regularizer.reference, 1.0))
    live, tau = available.any(axis=1), np.broadcast_to(regularizer.temperature, len(r))
    warm = np.where(tau > 0, tau, 1.0)
    value = np.zeros(len(r))
    for _ in range(4000):
        q = np.where(
            available,
            r + discount * np.einsum("sat,t->sa", P, value),
            np.where(live[:, None], -np.inf, 0.0),
        )
        top = q.max(axis=1)
        y = (q - top[:, None]) / warm[:, None]
        if isinstance(regularizer, rm.KL):
            y = y + shift
        conjugate = (
            sparsemax(y) if isinstance(regularizer, rm.SquaredL2) else np.log(np.exp(y).sum(axis=1))
        )
        new = np.where(live, top + tau * conjugate, 0.0)
        done = np.max(np.abs(new - value)) <= 1e-13 * (1 + np.max(np.abs(new)))
        value = new
        if done:
            break
    return value


def sparsemax(y):
    """Maximum of ⟨p, y⟩ - ‖p‖²/2, by trying every size of the support."""
    ordered = -np.sort(-y, axis=1)
    best = np.full(len(y), np.inf)
    for size in range(1, y.shape[1] + 1):
        threshold = (ordered[:, :size].sum(axis=1) - 1.0) / size
        threshold = np.where(np.isfinite(threshold), threshold, np.inf)
        p = np.maximum(y - threshold[:, None], 0.0)
        objective = (p * np.where(p > 0, y, 0.0)).sum(axis=1) - 0.5 * (p * p).sum(axis=1)
        best = np.where(np.isinf(best) & (np.abs(p.sum(axis=1) - 1.0) < 1e-9), objective, best)
    return best


@given(st.data())
def test_certificates_of_any_candidate_are_correct(data):
    mdp, regularizer = problem(data, either)
    truth = iterate_values(mdp, regularizer)
    slack = 1e-9 * (1 + np.max(np.abs(truth)))
    value, policy = (
        data.draw(strategies.values(mdp)),
        data.draw(strategies.policies(mdp, regularizer)),
    )
    own = rm.evaluate(mdp, policy, regularizer).value
    for certificate in (
        rm.certify(mdp, regularizer, value=value),
        rm.certify(mdp, regularizer, policy=policy),
        rm.certify(mdp, regularizer, policy=policy, value=value),
    ):
        assert np.all(certificate.lower <= truth + slack)
        assert np.all(truth - slack <= certificate.upper)
        assert np.all(certificate.policy_lower <= certificate.policy_upper)
    assert np.all(certificate.policy_lower <= own + slack)
    assert np.all(own - slack <= certificate.policy_upper)
    assert np.max(truth - own) <= certificate.gap + slack


@given(st.data())
def test_the_certificate_of_a_solution_is_correct(data):
    mdp, regularizer = problem(data, either)
    truth = iterate_values(mdp, regularizer)
    assume(np.max(np.abs(truth)) < 1e5)
    slack = 1e-9 * (1 + np.max(np.abs(truth)))
    solution = rm.solve(mdp, regularizer, absolute_tol=1e-8)
    assert solution.status.ok, solution.status
    assert np.max(np.abs(solution.value - truth)) <= 1e-8 + slack
    assert (
        np.max(truth - rm.evaluate(mdp, solution.policy, regularizer).value)
        <= solution.certificate.gap + slack
    )
