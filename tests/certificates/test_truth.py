"""The certified interval and the truth on random problems, compared as exact numbers without a
tolerance.
"""

import numpy as np
import pytest
import truth
from mpmath import mpf
from tiers import tiered

import regmdp as rm

PROBLEMS = range(480)
ALGORITHMS = {
    "policy iteration": rm.algorithms.PolicyIteration(),
    "policy iteration, Krylov": rm.algorithms.PolicyIteration(rm.evaluation.Krylov()),
    "value iteration": rm.algorithms.ValueIteration(),
    "modified policy iteration": rm.algorithms.ModifiedPolicyIteration(5),
}


def size(problem):
    """The largest number that occurs in a problem or in its optimal value."""
    return problem.reward_scale + float(max(abs(x) for x in problem.optimum))


@pytest.mark.parametrize("seed", tiered(PROBLEMS, 32))
def test_solutions_are_certified_by_intervals_that_contain_the_truth(seed):
    problem = truth.problem(seed)
    mdp, regularizer = problem.mdp(), problem.regularizer()
    tol = 1e-9 * size(problem)
    solution = rm.solve(mdp, regularizer, absolute_tol=tol, max_iterations=500)
    truth.assert_covers(
        solution.certificate, problem.initial, problem.optimum, problem.value_of(solution.policy)
    )
    # and they are tight
    assert solution.status in (rm.Status.CONVERGED, rm.Status.ROUNDING_LIMIT)
    assert solution.status is not rm.Status.CONVERGED or solution.certificate.gap <= tol
    assert solution.certificate.gap <= 1e-8 * size(problem)
    assert np.all(solution.certificate.upper - solution.certificate.lower <= 2e-8 * size(problem))
    assert solution.certificate.initial_gap <= 1.1e-8 * size(problem)


@pytest.mark.parametrize("seed", tiered(PROBLEMS, 32))
def test_truncated_runs_are_certified_by_intervals_that_contain_the_truth(seed):
    problem = truth.problem(seed)
    mdp, regularizer = problem.mdp(), problem.regularizer()
    name = list(ALGORITHMS)[seed % 4 if seed % 16 < 8 else (seed + 1) % 4]
    tol = 1e-7 * size(problem)
    solution = rm.solve(
        mdp, regularizer, ALGORITHMS[name], absolute_tol=tol, max_iterations=seed % 23
    )
    own = (
        problem.value_of(solution.policy)
        if np.isfinite(solution.certificate.policy_lower).all()
        else None
    )
    truth.assert_covers(solution.certificate, problem.initial, problem.optimum, own)
    assert solution.status is not rm.Status.CONVERGED or solution.certificate.gap <= tol
    assert solution.iterations <= seed % 23


@pytest.mark.parametrize("seed", tiered(PROBLEMS, 32))
def test_any_candidate_is_certified_by_an_interval_that_contains_the_truth(seed):
    problem = truth.problem(seed)
    mdp, regularizer = problem.mdp(), problem.regularizer()
    rng = np.random.default_rng([1, seed])
    near = np.array([float(x) for x in problem.optimum])
    value = (
        size(problem) * 10.0 ** rng.uniform(-18, 4) * rng.normal(size=problem.n_states)
        + rng.choice([0, 1]) * near
    )
    policy = truth.random_policy(rng, problem, spread=rng.choice([0.5, 12.0]))
    own = problem.value_of(policy)
    for certificate in (
        rm.certify(mdp, regularizer, policy=policy),
        rm.certify(mdp, regularizer, policy=policy, value=value),
    ):
        truth.assert_covers(certificate, problem.initial, problem.optimum, own)
    truth.assert_covers(rm.certify(mdp, regularizer, value=value), problem.initial, problem.optimum)
    greedy = rm.bellman.greedy(mdp, regularizer, value)[1]
    if problem.discount < 1.0:
        certificate = rm.certify(mdp, regularizer, value=value)
        truth.assert_covers(certificate, problem.initial, problem.optimum, problem.value_of(greedy))
    if problem.discount < 1.0 and problem.family == "none":
        actions = np.where(problem.available.any(axis=1), greedy.argmax(axis=1), -99)
        certificate = rm.certify(mdp, policy=actions)
        truth.assert_covers(certificate, problem.initial, problem.optimum, problem.value_of(greedy))


@pytest.mark.parametrize("seed", tiered(PROBLEMS, 32))
def test_policies_are_evaluated_between_bounds_that_contain_their_value(seed):
    problem = truth.problem(seed)
    mdp, regularizer = problem.mdp(), problem.regularizer()
    rng = np.random.default_rng([2, seed])
    for policy in (
        truth.random_policy(rng, problem, spread=3.0),
        rm.uniform_policy(mdp, regularizer),
    ):
        own = problem.value_of(policy)
        evaluated = rm.evaluate(mdp, policy, regularizer)
        truth.assert_between(evaluated.lower, own, evaluated.upper, "policy")
        scale = problem.reward_scale + float(max(abs(x) for x in own))
        assert np.all(evaluated.upper - evaluated.lower <= 1e-8 * scale)
        assert np.all((evaluated.lower <= evaluated.value) & (evaluated.value <= evaluated.upper))
        assert (
            abs(truth.expected(problem.initial, own) - mpf(evaluated.initial_value)) <= 1e-8 * scale
        )


@pytest.mark.parametrize(
    "kind",
    [*truth.FAMILIES, "terminal", "masked", "tied", "sparse", "off by 1e-10", "state by state"],
)
def test_the_random_problems_are_of_every_kind(kind):
    problems = [truth.problem(seed) for seed in PROBLEMS]
    count = {
        "terminal": sum(not p.available.any(axis=1).all() for p in problems),
        "masked": sum(not p.available.all() for p in problems),
        "tied": sum(
            p.r.shape[1] > 1 and bool((p.r[:, :1] == p.r[:, 1:]).all(axis=0).any())
            for p in problems
        ),
        "sparse": sum(p.sparse for p in problems),
        "off by 1e-10": sum(
            np.abs((p.P.sum(axis=-1) + p.termination - 1.0)[p.available]).max() > 1e-12
            for p in problems
        ),
        "state by state": sum(np.unique(p.temperature).size > 1 for p in problems),
    } | {family: sum(p.family == family for p in problems) for family in truth.FAMILIES}
    assert count[kind] >= 60
