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


SMALL = replace(
    QUICK,
    sizes=(100, 1000),
    shown_size=1000,
    horizon=3,
    discount=0.95,
    iterations=30,
    small_size=60,
    small_step=2.0,
    points=20,
)


def test_another_chain_is_compared_with_nothing_known():
    result = exponential.run(SMALL, silent)
    assert [check.claim for check in result.checks if not check.passed] == []
    assert len(result.checks) == 4
    assert len(result.notes) == 3
    assert "Times T_{s} are known for other chains only, and are not compared." in result.notes


def test_captions_give_the_slopes_and_times_of_the_run():
    result = exponential.run(SMALL, silent)
    table = result.tables["crossings"]
    small, large = (table["time"][table["size"] == size] for size in (100, 1000))
    slopes = ", ".join(f"{slope:.2f}" for slope in np.log10(large / small))
    crossings = result.figures["crossings"]
    assert f"Between 10^{{2}} and 10^{{3}} states the slopes for s = 1, …, 3 are {slopes}." in (
        crossings.caption
    )
    assert (
        f"With 10^{{3}} states the times are between {large.min():.1e} and {large.max():.1e}."
        in (crossings.alt)
    )
    waiting = result.figures["waiting"]
    assert f"between scaled times {large.min():.1e} and {large.max():.1e}" in waiting.alt
    assert ("each one after the previous one" in waiting.caption) == np.all(np.diff(large) > 0)
    # the gap of natural policy gradient is in the table, its crossings are counted independently
    short = exponential.run(replace(SMALL, iterations=1), silent)
    assert "more than 1 iterations of natural policy gradient" in short.figures["waiting"].caption
    assert not any("Natural policy" in check.claim for check in short.checks)


def test_wrong_known_times_are_detected(monkeypatch):
    settings = replace(SMALL, sizes=(10**3, 10**5), horizon=6, discount=0.97, iterations=2)
    monkeypatch.setattr(exponential, "SMALL_RANGE", (1.4e5, 6.0e5))
    result = exponential.run(settings, silent)
    assert result.checks[0].claim.startswith("With 10^{5} states the effect is not visible")
    assert result.checks[0].measured == "1.4e+05, 5.5e+05"
    assert [check.passed for check in result.checks][:2] == [False, True]


def test_targets_that_are_not_reached_are_an_error(monkeypatch):
    integrate = Flow.integrate

    def miss(chain, points):
        flow = integrate(chain, points)
        flow.crossings[1:] = np.inf
        return flow

    monkeypatch.setattr(exponential.Flow, "integrate", miss)
    with pytest.raises(rm.RegmdpError, match=r"with 100 states, V\(2, 3\) does not reach"):
        exponential.run(SMALL, silent)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shown_size": 10}, "shown_size must be one of sizes, 100,1000, not 10"),
        ({"discount": 0.9}, r"discount\^\(2 horizon\) is at least 2/3, not 0.531"),
        ({"horizon": 8, "discount": 0.99, "small_size": 15}, "size = 15 is too small"),
    ],
)
def test_settings_that_do_not_fit_are_refused(changes, message):
    with pytest.raises(rm.RegmdpError, match=message):
        replace(SMALL, **changes)
