"""The barrier with thousands of actions: rounding errors against 40 digits, and certificates."""

import numpy as np
import pytest
from mpmath import mp, mpf
from tiers import tiered

import regmdp as rm
from regmdp._internal.arrays import block_sum

BARRIER = rm.LogBarrier(1.0)


@pytest.fixture(autouse=True)
def forty_digits(monkeypatch):
    monkeypatch.setattr(mp, "dps", 40)


def exact_conjugate(y):
    """The maximum of ⟨p, y⟩ + Σ log p, with p = 1/(λ - y): Newton's method for λ."""
    exact = [mpf(float(x)) for x in y]
    top = max(exact)
    below = [top - x for x in exact]
    low, high = mpf(1), mpf(len(y))
    multiplier = high
    for _ in range(300):
        p = [1 / (multiplier + b) for b in below]
        excess = mp.fsum(p) - 1
        if abs(excess) < mpf(10) ** -32:
            break
        low, high = (multiplier, high) if excess > 0 else (low, multiplier)
        # 1/Σp is nearly linear in λ
        multiplier += excess * (1 + excess) / mp.fsum(x * x for x in p)
        if not low < multiplier < high:
            multiplier = (low + high) / 2
    else:
        raise AssertionError("the multiplier was not found")
    return top - mp.fsum(x * b for x, b in zip(p, below, strict=True)) + mp.fsum(map(mp.log, p))


def draw_scores(n_actions, spread, seed):
    y = -spread * np.random.default_rng(seed).random((2, n_actions))
    return np.asfortranarray(y - y.max(axis=1, keepdims=True))


@pytest.mark.parametrize("n_actions", tiered([1, 2, 64, 65, 700, 10_000], lambda n: n < 5000))
@pytest.mark.parametrize("spread", [0.0, 1e-3, 1.0, 1e3, 1e9])
def test_the_rounding_error_is_bounded(n_actions, spread):
    y = draw_scores(n_actions, spread, n_actions)
    found = BARRIER.conjugate(y)
    p = BARRIER.greedy(y)
    cost = BARRIER.value(p)
    largest = float(max(np.abs(found).max(), np.abs(cost).max()))
    bound = BARRIER.rounding_within(n_actions, largest)
    assert bound <= BARRIER.rounding(n_actions)
    for row in range(2):
        error = abs(mpf(float(found[row])) - exact_conjugate(y[row]))
        assert error <= bound, f"the conjugate is off by {float(error):.3g}, not {bound:.3g}"
        # the policy that a row stands for is the row divided by its exact sum
        exact = [mpf(float(x)) for x in p[row]]
        total = mp.fsum(exact)
        error = abs(mpf(float(cost[row])) + mp.fsum(mp.log(x / total) for x in exact))
        assert error <= bound, f"the value is off by {float(error):.3g}, not {bound:.3g}"


@pytest.mark.parametrize("n", [0, 1, 64, 65, 1000, 12_345])
def test_sums_in_blocks_are_accurate(n):
    terms = np.random.default_rng(n).random((3, n)) * 10.0 ** np.arange(3)[:, None]
    for array in (terms, np.asfortranarray(terms)):
        for row, found in zip(array, block_sum(array), strict=True):
            exact = mp.fsum(mpf(float(x)) for x in row)
            assert abs(mpf(float(found)) - exact) <= 2 * (np.sqrt(n) + 1) * 2.0**-53 * exact


@pytest.mark.parametrize("temperature", [1e-6, 0.01, 1.0])
def test_thousands_of_actions_are_certified_accurately(temperature):
    mdp = rm.models.garnet(3, 10_000, 2, discount=0.9)
    solution = rm.solve(mdp, rm.LogBarrier(temperature), tol=1e-12)
    assert solution.status.ok or solution.certificate.gap <= 1e-9 + 1e-12 * solution.value.max()
    assert solution.certificate.gap <= 1e-9 + 1e-11 * np.abs(solution.value).max()


def test_the_bound_depends_on_the_policy_that_is_certified():
    # a policy with tiny probabilities has a larger h, whose rounding error is larger
    mdp = rm.models.garnet(3, 200, 2, discount=0.9)
    barrier = rm.LogBarrier(1e-3)
    plain = rm.uniform_policy(mdp)
    extreme = np.full((3, 200), 1e-300)
    extreme[:, 0] = 1.0
    widths = []
    for policy in (plain, extreme):
        found = rm.evaluate(mdp, policy, barrier)
        widths.append(np.max(found.upper - found.lower))
        exact = float(np.max(np.abs(found.value)))
        assert widths[-1] <= 1e-11 * max(exact, 1.0)
    assert widths[1] > 10 * widths[0]
