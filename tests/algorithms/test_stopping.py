"""The unit of the rewards changes neither policies nor verdicts; large rewards loosen nothing."""

from __future__ import annotations

import numpy as np
import pytest

import regmdp as rm
from regmdp.algorithms import Tolerance
from tests.tiers import tiered

ALGORITHMS = {
    "auto": "auto",
    "value iteration": rm.algorithms.ValueIteration(),
    "modified policy iteration": rm.algorithms.ModifiedPolicyIteration(5),
    "policy iteration": rm.algorithms.PolicyIteration(),
}
#: Powers of two: multiplying by them is exact, so everything must be equal to the last bit.
UNITS = [2.0**-400, 2.0**-33, 2.0**14, 2.0**40, 2.0**400]


@pytest.mark.parametrize("algorithm", list(ALGORITHMS))
@pytest.mark.parametrize("temperature", [None, 0.0, 0.1])
@pytest.mark.parametrize("unit", tiered(UNITS, 3))
@pytest.mark.parametrize("discount", [0.0, 0.9, 0.999])
def test_a_run_in_another_unit_is_the_same_run(algorithm, temperature, unit, discount):
    mdp = rm.models.garnet(60, 4, 3, discount=discount)
    soft = [
        None if temperature is None else rm.Shannon(temperature=temperature * factor)
        for factor in (1.0, unit)
    ]
    one = rm.solve(mdp, soft[0], ALGORITHMS[algorithm])
    other = rm.solve(mdp.with_rewards(mdp.rewards * unit), soft[1], ALGORITHMS[algorithm])
    assert one.status is other.status is rm.Status.CONVERGED
    assert one.iterations == other.iterations
    np.testing.assert_array_equal(one.policy, other.policy)
    np.testing.assert_array_equal(one.value * unit, other.value)


@pytest.mark.parametrize(
    "make",
    [
        lambda t: rm.Tsallis(2.0, temperature=t),
        lambda t: rm.Tsallis(1.5, temperature=t),
        lambda t: rm.LogBarrier(temperature=t),
        lambda t: rm.KL([0.7, 0.2, 0.1], temperature=t),
    ],
)
@pytest.mark.parametrize("unit", [1e-10, 1e-4, 1e9])
def test_a_regularized_model_in_another_unit_has_the_same_policy(make, unit):
    mdp = rm.models.garnet(30, 3, 3, discount=0.95)
    one = rm.solve(mdp, make(0.1))
    other = rm.solve(mdp.with_rewards(mdp.rewards * unit), make(0.1 * unit))
    assert one.status is other.status is rm.Status.CONVERGED
    np.testing.assert_allclose(one.policy, other.policy, atol=1e-7)
    np.testing.assert_allclose(one.value, other.value / unit, rtol=1e-7)


@pytest.mark.parametrize("algorithm", list(ALGORITHMS))
def test_a_penalty_that_forbids_an_action_loosens_nothing(algorithm):
    mdp = rm.models.garnet(40, 3, 3, discount=0.9)
    rewards = mdp.rewards.copy()
    rewards[:, 2] = -1e5  # an action that no good policy takes
    solution = rm.solve(mdp.with_rewards(rewards), None, ALGORITHMS[algorithm])
    assert solution.certificate.gap <= 1e-9 * np.abs(solution.value).max() < 1e-6


@pytest.mark.parametrize("size", [1e-12, 1.0, 1e12])
@pytest.mark.parametrize("algorithm", list(ALGORITHMS))
def test_a_model_in_which_nothing_need_be_paid_converges(algorithm, size):
    # the optimal value is 0 in every state; relative to it no gap is small
    mdp = rm.models.garnet(20, 3, 3, discount=0.9)
    costs = -np.ones_like(mdp.rewards) * size
    costs[:, 0] = 0.0
    solution = rm.solve(mdp.with_rewards(costs), None, ALGORITHMS[algorithm])
    assert solution.status.ok
    assert (solution.policy[:, 0] == 1.0).all()
    assert solution.certificate.gap <= 1e-8 * size


def test_without_rewards_the_temperature_is_the_unit():
    mdp = rm.MDP(np.ones((1, 2, 1)), np.zeros((1, 2)), 0.9)
    solution = rm.solve(mdp, rm.KL([0.5, 0.5], temperature=1e-6))
    assert solution.status.ok
    assert solution.certificate.gap <= 1e-14
    assert rm.solve(mdp).status.ok  # with nothing that has a size


@pytest.mark.parametrize("absolute", [1e-2, 1e-3])
def test_an_absolute_tolerance_is_in_the_unit_of_the_rewards(absolute):
    mdp = rm.models.garnet(40, 3, 3, discount=0.99)
    large = mdp.with_rewards(mdp.rewards * 1e6)
    method = rm.algorithms.ValueIteration()
    loose = rm.solve(large, None, method, tol=0.1)
    tight = rm.solve(large, None, method, absolute_tol=absolute)
    assert tight.certificate.gap <= absolute < loose.certificate.gap
    assert loose.status.ok
    assert tight.status.ok
    assert loose.iterations < tight.iterations
    assert tight.provenance.options["absolute_tol"] == absolute


@pytest.mark.parametrize("wrong", [0.0, -1.0, np.nan, np.inf, "1e-6", True])
def test_an_absolute_tolerance_is_a_positive_number(wrong):
    with pytest.raises(rm.SolverError, match="absolute_tol must be a finite number above 0"):
        rm.solve(rm.models.bandit(), absolute_tol=wrong)


def test_a_value_that_shrinks_does_not_meet_a_tolerance_relative_to_what_it_was():
    # the start is a million times too large: predictions relative to it would be met at once
    mdp = rm.models.garnet(40, 3, 3, discount=0.9)
    start = np.full(mdp.n_states, 1e8)
    solution = rm.solve(mdp, None, rm.algorithms.ValueIteration(), start=start)
    assert solution.status.ok
    assert solution.certificate.gap <= 1e-9 * np.abs(solution.value).max()


def test_a_certificate_meets_a_tolerance_by_the_smallest_value_that_it_allows():
    mdp = rm.models.bandit()
    certificate = rm.certify(mdp, value=np.array([0.5]))
    assert certificate.upper[0] >= 1.0
    within = Tolerance(relative=1e-3).met_by(certificate, mdp, rm.Unregularized())
    assert within == (certificate.gap <= 1e-3)
