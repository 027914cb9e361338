"""Small random models with γ = 1: bounds and verdicts compared with fractions."""

from fractions import Fraction

import numpy as np
import pytest
import total_reward
from tiers import tiered
from total_reward import GAINED, LOST

import regmdp as rm

BATCH = 20


def assert_between(lower, exact, upper):
    for s, x in enumerate(exact):
        if x == LOST:
            assert lower[s] == -np.inf, f"state {s} is lost, and its lower bound is {lower[s]}"
        elif x == GAINED:
            assert upper[s] == np.inf, f"state {s} gains, and its upper bound is {upper[s]}"
        else:
            assert lower[s] == -np.inf or Fraction(float(lower[s])) <= x, (s, x, lower[s])
            assert upper[s] == np.inf or x <= Fraction(float(upper[s])), (s, x, upper[s])


def assert_covers(certificate, optimum, own=None):
    """Bounds that hold; of an open optimum only a lower bound is known."""
    below = np.full_like(certificate.lower, -np.inf) if optimum.open else certificate.lower
    assert_between(below, optimum.value, certificate.upper)
    if own is not None and None not in own:
        assert_between(certificate.policy_lower, own, certificate.policy_upper)


def check_verdict(model, optimum, solution):
    """Bounds, and -∞ where it is claimed."""
    lost = [s for s, x in enumerate(optimum.value) if x == LOST]
    claimed = np.flatnonzero(np.isneginf(solution.value)).tolist()
    assert set(claimed) <= set(lost), "a state is lost without cause"
    assert_covers(solution.certificate, optimum, total_reward.evaluate(model, solution.policy))
    if not optimum.open:
        assert claimed == lost
        assert solution.status.ok, solution.status
    if optimum.unbounded:
        assert not solution.status.ok


@pytest.mark.parametrize("batch", tiered(range(250), 2))
def test_solutions_and_verdicts_agree_with_fractions(batch):
    for seed in range(BATCH * batch, BATCH * (batch + 1)):
        model = total_reward.draw(seed)
        optimum = total_reward.solve(model)
        rng = np.random.default_rng(seed)
        try:
            solution = rm.solve(model.mdp(), tol=1e-6)
        except rm.UnboundedError:
            assert optimum.unbounded, f"seed {seed}: nothing gains without bound"
            continue
        except rm.InfeasibleError:
            assert optimum.open or optimum.unbounded, f"seed {seed}: every state has an answer"
            continue
        try:
            check_verdict(model, optimum, solution)
            for value in (np.zeros(len(optimum.value)), rng.normal(size=len(optimum.value))):
                assert_covers(rm.certify(model.mdp(), value=value), optimum)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error
