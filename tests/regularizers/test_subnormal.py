"""References and temperatures near the smallest double are valid."""

import numpy as np
import pytest

import regmdp as rm

MDP = rm.MDP(np.stack([np.eye(2), [[0.1, 0.9], [0.9, 0.1]]], axis=1), [[0.0, 0.0], [1.0, 0.0]], 0.9)
REFERENCES = [[1.0, 5e-324], [1.0, 1e-310], [1.0, 3e-308], [5e-324, 1.0]]
SUMS = {
    "alone": lambda kl: kl,
    "with the squared norm": lambda kl: kl + rm.SquaredL2(0.1),
    "with a barrier": lambda kl: kl + rm.LogBarrier(0.1),
    "with Rényi": lambda kl: kl + rm.Renyi(0.5, 0.1),
    "within limits": lambda kl: kl + rm.Box(0.0, 0.7),
}


@pytest.mark.parametrize("reference", REFERENCES)
@pytest.mark.parametrize("kind", SUMS)
def test_a_reference_may_have_subnormal_probabilities(reference, kind):
    for temperature in (1.0, 1e-12):
        regularizer = SUMS[kind](rm.KL(reference, temperature))
        assert rm.solve(MDP, regularizer).status.ok
        low, high = regularizer.bounds(2)
        assert np.isfinite(low)
        assert low <= high
        assert not np.isnan(high)


@pytest.mark.parametrize("reference", REFERENCES)
@pytest.mark.parametrize("kind", ["alone", "with the squared norm"])
def test_derivatives_with_such_a_reference_are_numbers(reference, kind):
    regularizer = SUMS[kind](rm.KL(reference, 1.0))
    solution = rm.solve(MDP, regularizer)
    gradient = rm.gradients.linearize(MDP, regularizer, solution).gradient()
    assert np.isfinite(gradient.reference).all()
    assert not np.isnan(gradient.errors.reference).any()
    np.testing.assert_allclose(gradient.rewards.sum(), 10.0)
    if kind == "alone":
        # τ times the visits times the ratio of the policy and the reference
        visits = rm.visits(MDP, solution.policy)
        ratio = np.exp(rm.bellman.q_values(MDP, solution.value) - solution.value[:, None])
        np.testing.assert_allclose(gradient.reference, visits @ ratio, rtol=1e-6)
    else:
        tiny = np.asarray(reference) < 2.3e-308
        assert np.isinf(gradient.errors.reference[tiny]).all()
        assert np.isfinite(gradient.errors.reference[~tiny]).all()


@pytest.mark.parametrize("excess", [9e-10, -9e-10])
def test_the_bounds_of_kl_hold_for_a_reference_that_sums_to_nearly_1(excess):
    reference = np.array([0.25, 0.75 + excess])
    kl = rm.KL(reference, 1.0)
    low, high = kl.bounds(2)
    p = reference / reference.sum()
    assert low <= kl.value(p) + 1e-16
    assert high >= kl.value(np.array([1.0, 0.0]))


@pytest.mark.parametrize("temperature", [5e-324, 1e-310, 1e-300])
@pytest.mark.parametrize("kind", [rm.Shannon, rm.SquaredL2, rm.LogBarrier])
def test_a_temperature_may_be_subnormal(temperature, kind):
    solution = rm.solve(MDP, kind(temperature))
    assert solution.status.ok
    np.testing.assert_allclose(solution.value, rm.solve(MDP).value, atol=1e-6)
