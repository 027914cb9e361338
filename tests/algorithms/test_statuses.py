"""Statuses are true: rounding is blamed only where no certificate could meet the tolerance."""

import numpy as np
import pytest
from tiers import tiered

import regmdp as rm
from regmdp.certificates import rounding_gap

A = rm.algorithms
METHODS = {
    "value iteration": A.ValueIteration(),
    "modified policy iteration": A.ModifiedPolicyIteration(5),
    "policy iteration": A.PolicyIteration(),
    "auto": "auto",
}


def slow_chain(discount):
    """A small model on which value iteration needs thousands of iterations."""
    P = np.zeros((4, 3, 4))
    P[0, :, :2], P[3, :, 3] = [0.98, 0.02], 1.0
    P[1, :, 1:3], P[2, :, 2:] = [0.9, 0.1], [0.4, 0.6]
    P[1, 2], P[2, 2] = [0.6, 0.4, 0.0, 0.0], [0.2, 0.0, 0.6, 0.2]
    return rm.MDP(P, np.array([[1.0, 0.8, 0.1]] * 3 + [[0.0, 0.0, 0.0]]), discount)


def problem(seed):
    rng = np.random.default_rng(seed)
    discount = (0.5, 0.9, 0.99)[seed % 3]
    mdp = rm.models.garnet(6, 3, 2, discount=discount, rng=seed)
    if seed % 2:  # ties: two actions that do the same
        P, r = mdp.to_array(), np.array(mdp.rewards)
        P[:, 1], r[:, 1] = P[:, 0], r[:, 0]
        mdp = rm.MDP(P, r, discount)
    regularizer = (None, rm.Shannon(10.0 ** rng.uniform(-3, 0)), rm.SquaredL2(0.1))[seed // 3 % 3]
    return mdp, regularizer


@pytest.mark.parametrize("seed", tiered(range(90), 6))
def test_rounding_is_blamed_only_if_no_method_meets_the_tolerance(seed):
    mdp, regularizer = problem(seed)
    best = rm.solve(mdp, regularizer, A.PolicyIteration(), tol=1e-15)
    for factor in (0.3, 0.9, 1.1, 1.5, 3.0, 30.0):
        tol = factor * best.certificate.gap
        found = {
            name: rm.solve(mdp, regularizer, method, absolute_tol=tol)
            for name, method in METHODS.items()
        }
        statuses = {solution.status for solution in found.values()}
        assert statuses <= {rm.Status.CONVERGED, rm.Status.ROUNDING_LIMIT, rm.Status.STALLED}
        if rm.Status.ROUNDING_LIMIT in statuses:
            assert rm.Status.CONVERGED not in statuses
        limit = rounding_gap(mdp, regularizer or rm.Unregularized(), best.value)
        for solution in found.values():
            if solution.status is rm.Status.ROUNDING_LIMIT:
                assert limit > tol * (1.0 - 1e-6)
            assert (solution.certificate.gap <= tol) == solution.status.ok


@pytest.mark.parametrize("name", METHODS)
def test_slow_methods_reach_the_accuracy_of_fast_ones(name):
    mdp = slow_chain(0.99)
    limit = rounding_gap(mdp, rm.Unregularized(), rm.solve(mdp).value)
    within = rm.solve(mdp, None, METHODS[name], absolute_tol=1.2 * limit)
    assert within.status is rm.Status.CONVERGED
    below = rm.solve(mdp, None, METHODS[name], absolute_tol=0.9 * limit)
    assert below.status is rm.Status.ROUNDING_LIMIT
    assert below.iterations <= within.iterations + 10


@pytest.mark.parametrize("seed", range(20))
def test_the_gap_of_a_certificate_is_at_least_that_of_rounding(seed):
    mdp, regularizer = problem(seed)
    value = np.random.default_rng(seed).normal(size=6) * 10.0 ** (seed % 5 - 3)
    optimum = rm.solve(mdp, regularizer).value
    for candidate in (optimum, value, optimum + 1e-12 * value):
        gap = rm.certify(mdp, regularizer, value=candidate).gap
        assert gap >= rounding_gap(mdp, regularizer or rm.Unregularized(), candidate) * (1 - 1e-12)


class Frozen(A.Algorithm):
    """A method that never changes its iterate."""

    name = "frozen"

    def check(self, mdp, regularizer):
        pass

    def init(self, mdp, regularizer, start):
        return A.ValueIteration().init(mdp, regularizer, start)

    def step(self, mdp, regularizer, state):
        return state

    def policy(self, mdp, regularizer, state):
        return A.ValueIteration().policy(mdp, regularizer, state)


def test_a_method_at_fault_is_called_stalled():
    mdp = rm.models.garnet(6, 3, 2, discount=0.9)
    assert rm.solve(mdp, None, Frozen()).status is rm.Status.STALLED
    # so is one that is within a few roundings of the optimum
    near = rm.solve(mdp, tol=1e-13)
    limit = rounding_gap(mdp, rm.Unregularized(), near.value)
    shifted = near.value + 5e-16 * np.arange(6)
    stopped = rm.solve(mdp, None, Frozen(), absolute_tol=1.01 * limit, start=shifted)
    assert stopped.status is rm.Status.STALLED
    assert stopped.iterations < 100


@pytest.mark.parametrize("status", rm.Status)
def test_sentences_hold_for_every_kind_of_run(status):
    word, _, sentence = str(status).partition(": ")
    assert word == status.word
    assert sentence
    # fits and learners of networks end with the same statuses, and certify nothing
    if status.name != "UNBOUNDED_ABOVE":
        assert "certif" not in sentence
        assert "gap" not in sentence
        assert "model" not in sentence
