"""The bandit experiment: counts of an independent loop, and steps against iterates."""

from dataclasses import replace

import numpy as np
import pytest

import regmdp as rm
from regmdp.reproduce.experiments import bandit
from regmdp.reproduce.experiments.bandit import QUICK
from regmdp.reproduce.experiments.bandit_figures import compute_log_step
from regmdp.reproduce.experiments.bandit_runs import (
    METHODS,
    find_first_below,
    iterate_gradient_ascent,
    iterate_method,
    optimal_policy,
)


def silent(fraction, text):
    pass


def count(rewards, temperature, step_size, policy, tolerance, natural):
    """Iterations until |π - π*| is within the tolerance, in plain Python."""
    import math

    total = sum(math.exp(r / temperature) for r in rewards)
    best = [math.exp(r / temperature) / total for r in rewards]
    logits = [math.log(p) for p in policy]
    for iteration in range(10_000):
        weights = [math.exp(logit - max(logits)) for logit in logits]
        policy = [weight / sum(weights) for weight in weights]
        if max(abs(p - b) for p, b in zip(policy, best, strict=True)) <= tolerance:
            return iteration
        soft = [r - temperature * math.log(p) for r, p in zip(rewards, policy, strict=True)]
        value = sum(p * s for p, s in zip(policy, soft, strict=True))
        logits = [
            logit + step_size * (s - value) * (1.0 if natural else p)
            for logit, s, p in zip(logits, soft, policy, strict=True)
        ]  # fmt: skip
    return None


@pytest.mark.parametrize(
    ("temperature", "natural", "expected"), [(0.1, True, 755), (1.0, True, 82), (1.0, False, 353)]
)
def test_known_counts_equal_those_of_an_independent_loop(temperature, natural, expected):
    assert count((1.0, 0.9, 0.1), temperature, 0.1, (0.05, 0.05, 0.9), 1e-4, natural) == expected
    method = "natural policy gradient" if natural else "policy gradient"
    assert bandit.KNOWN_COUNTS[temperature, method] == expected


def test_policy_gradient_needs_more_than_two_hundred_thousand_iterations():
    policies = iterate_gradient_ascent(
        np.array([1.0, 0.9, 0.1]), 0.1, 0.1, np.array([0.05, 0.05, 0.9]), 200_000
    )
    errors = np.abs(policies - optimal_policy(np.array([1.0, 0.9, 0.1]), 0.1)).max(axis=1)
    assert find_first_below(errors, 1e-4) is None
    assert errors[-1] == pytest.approx(1.27e-4, rel=0.01)


def test_first_iteration_below_the_tolerance():
    assert find_first_below(np.array([3.0, 1.0, 2.0, 0.5]), 1.0) == 1
    assert find_first_below(np.array([3.0, 2.0]), 1.0) is None


@pytest.mark.parametrize("method", list(METHODS))
def test_flow_field_equals_the_steps_of_the_method(method):
    algorithm = {
        "policy gradient": rm.algorithms.SoftmaxPG,
        "natural policy gradient": rm.algorithms.NPG,
    }[method](QUICK.step_size)
    policies = iterate_method(QUICK, algorithm, 0.1, (0.2, 0.3, 0.5), 5)
    steps = np.diff(np.log(policies), axis=0)
    np.testing.assert_allclose(
        compute_log_step(method, QUICK, 0.1, policies[:-1]), steps, atol=1e-13
    )


def test_optimum_equals_that_of_the_library():
    solution = rm.solve(rm.models.bandit(), rm.Shannon(0.1), tol=1e-12)
    np.testing.assert_allclose(
        solution.policy[0], optimal_policy(np.array([1.0, 0.9, 0.1]), 0.1), atol=1e-9
    )


SMALL = replace(
    QUICK,
    temperatures=(1.0,),
    most_iterations=1000,
    natural_iterations=100,
    compared_iterations=10,
    trajectory_iterations=10,
)


def test_checks_fail_with_other_settings():
    known = bandit.run(SMALL, silent)
    assert all(check.passed for check in known.checks)
    other = bandit.run(replace(SMALL, tolerance=1e-3), silent)
    failed = [check.claim for check in other.checks if not check.passed]
    assert len(failed) == 2
    assert all("until" in claim for claim in failed)


def test_tables_contain_the_drawn_data():
    result = bandit.run(SMALL, silent)
    errors = result.tables["errors-1"]
    assert errors["iteration"][0] == 0
    assert errors["iteration"][-1] == 1000
    assert errors["natural_policy_gradient"][0] == errors["policy_gradient"][0]
    assert np.isnan(errors["natural_policy_gradient"][-1])
    paths = result.tables["trajectories-1"]
    np.testing.assert_allclose(paths["p1"] + paths["p2"] + paths["p3"], 1.0)
