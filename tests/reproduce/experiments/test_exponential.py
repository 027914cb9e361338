"""The exponential chain: gradients by finite differences, and the flow by small explicit steps."""

from dataclasses import replace

import numpy as np
import pytest

import regmdp as rm
from regmdp.models import ExponentialChain
from regmdp.reproduce.experiments import exponential
from regmdp.reproduce.experiments.exponential import QUICK
from regmdp.reproduce.experiments.softmax_flow import (
    Flow,
    LumpedGradient,
    find_crossings,
    find_watched_states,
)


def silent(fraction, text):
    pass


def test_the_gradient_is_the_derivative_of_the_value_of_the_full_chain():
    chain = ExponentialChain(90, horizon=4)
    gradient, mdp = LumpedGradient(chain), chain.full()
    logits = np.random.default_rng(1).normal(size=gradient.n)
    of = np.repeat(np.arange(chain.copies.size), chain.copies)
    firsts = np.concatenate([[0], np.cumsum(chain.copies)[:-1]])
    policy = gradient.policy(logits)
    several = np.argwhere(
        chain.lumped().available & (chain.lumped().available.sum(axis=1) > 1)[:, None]
    )
    assert len(several) == gradient.n
    expected = []
    for kind, action in several:
        # only one copy of the class has its logit changed
        ends = []
        for change in (1e-5, -1e-5):
            changed = policy[of].copy()
            row = changed[firsts[kind]]
            row[action] *= np.exp(change)
            row /= row.sum()
            ends.append(rm.evaluate(mdp, changed).initial_value)
        expected.append((ends[0] - ends[1]) / 2e-5)
    np.testing.assert_allclose(gradient(logits), expected, atol=1e-9)
    assert np.max(np.abs(expected)) > 1e-3


def test_values_equal_those_of_the_library():
    chain = ExponentialChain(10**6)
    gradient = LumpedGradient(chain)
    logits = np.random.default_rng(2).normal(size=gradient.n)
    expected = rm.evaluate(chain.lumped(), gradient.policy(logits)).value
    np.testing.assert_allclose(gradient.value(logits), expected, atol=1e-12)


def test_gradient_is_accurate_for_nearly_deterministic_policies():
    chain = ExponentialChain(10**8)
    gradient = LumpedGradient(chain)
    logits = np.zeros(gradient.n)
    logits[0] = -50.0  # action 0 of buffer 1
    p = 1.0 / (1.0 + np.exp(50.0))
    # visits to one copy, times π(0) π(1) (Q(0) - Q(1))
    visits = rm.visits(chain.lumped(), gradient.policy(logits))[1] / chain.copies[1]
    assert gradient(logits)[0] == pytest.approx(
        -visits * p * (1.0 - p) * 2.0 * chain.discount**2, rel=1e-12
    )


def test_the_flow_is_the_limit_of_small_steps():
    chain = ExponentialChain(120, horizon=4)
    flow = Flow.integrate(chain, 50)
    gradient = LumpedGradient(chain)
    logits, step, values = np.zeros(gradient.n), 0.25, []
    for _ in range(int(1.05 * flow.crossings[-1] / step)):
        values.append(gradient.value(logits))
        logits = logits + step * gradient(logits)
    counted = np.array(find_crossings(chain, np.array(values)))
    np.testing.assert_allclose(counted * step, flow.crossings, rtol=5e-3)
    assert np.all(np.diff(flow.times) > 0)
    # it ends long after the last crossing, near the optimum
    assert flow.times[-1] > 10 * flow.crossings[-1]
    assert np.max(np.abs(flow.values[-1] - rm.solve(chain.lumped()).value)) < 0.05


def test_states_that_never_reach_their_targets():
    chain = ExponentialChain(10**8)
    values = np.zeros((3, chain.copies.size))
    values[2, find_watched_states(chain)[:2]] = 1.0
    assert find_crossings(chain, values) == [2, 2, -1, -1, -1, -1]


def test_caveat():
    assert "could not be read" in exponential.EXPERIMENT.caveat
    assert "reconstruction" in exponential.EXPERIMENT.caveat


def test_checks_fail_for_another_chain():
    settings = replace(QUICK, discount=0.98, small_size=60, iterations=5, points=20)
    result = exponential.run(settings, silent)
    failed = [check.claim for check in result.checks if not check.passed]
    assert any(claim.startswith("T_{1}") for claim in failed)
    assert any(claim.startswith("With 10^{5} states") for claim in failed)
    assert not any("lumped gradient" in claim for claim in failed)
