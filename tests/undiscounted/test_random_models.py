"""Small random models with γ = 1: bounds and verdicts compared with fractions."""

from fractions import Fraction

import numpy as np
import pytest
import total_reward
import truth
from tiers import tiered
from total_reward import GAINED, LOST

import regmdp as rm
from regmdp.undiscounted import acyclic

BATCH = 5


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
    if optimum.unbounded:
        assert not solution.status.ok
    elif not optimum.open:
        assert claimed == lost
        # where episodes take 2^40 steps, their rounding errors add up
        assert solution.status in (rm.Status.CONVERGED, rm.Status.ROUNDING_LIMIT)
    return solution.status


def check_model(seed):
    """Solve a model, certify values of it, and return the verdict."""
    model = total_reward.draw(seed)
    optimum = total_reward.solve(model)
    rng = np.random.default_rng(seed)
    try:
        solution = rm.solve(model.mdp(), tol=1e-6)
    except rm.UnboundedError:
        assert optimum.unbounded, "nothing gains without bound"
        return "unbounded"
    except rm.InfeasibleError:
        assert optimum.open or optimum.unbounded, "every state has an answer"
        return "infeasible"
    for value in (np.zeros(len(optimum.value)), rng.normal(size=len(optimum.value))):
        assert_covers(rm.certify(model.mdp(), value=value), optimum)
    return check_verdict(model, optimum, solution)


@pytest.mark.parametrize("batch", tiered(range(800), 2))
def test_solutions_and_verdicts_agree_with_fractions(batch):
    verdicts = []
    for seed in range(BATCH * batch, BATCH * (batch + 1)):
        try:
            verdicts.append(check_model(seed))
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error
    assert verdicts.count(rm.Status.ROUNDING_LIMIT) <= 2
    assert verdicts.count(rm.Status.CONVERGED) >= BATCH // 2


@pytest.mark.parametrize("batch", tiered(range(800, 1000), 1))
def test_models_of_which_only_cycles_are_solved_by_iterations_agree_with_fractions(
    batch, monkeypatch
):
    monkeypatch.setattr(acyclic, "FEW_STATES", 0)
    monkeypatch.setattr(acyclic, "LEAST_FRACTION", 0.01)
    for seed in range(BATCH * batch, BATCH * (batch + 1)):
        check_model(seed)


@pytest.mark.parametrize("batch", tiered(range(200), 1))
def test_regularized_solutions_agree_with_numbers_of_60_digits(batch):
    for seed in range(BATCH * batch, BATCH * (batch + 1)):
        problem = total_reward.draw_regularized(seed)
        solution = rm.solve(problem.mdp(), problem.regularizer(), tol=1e-6)
        own = problem.value_of(solution.policy)
        truth.assert_covers(solution.certificate, problem.initial, problem.optimum, own)
        assert solution.status in (rm.Status.CONVERGED, rm.Status.ROUNDING_LIMIT), f"seed {seed}"
