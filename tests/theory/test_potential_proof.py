"""The proof of the potential step by step, against independent computations and wrong constants."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from theory import loops

import regmdp as rm
from regmdp import algorithms
from regmdp.testing import strategies

MDP = rm.models.garnet(5, 3, 4, discount=0.8, rng=2)
TAU, ETA = 0.2, 0.7
few = settings(max_examples=settings().max_examples // 5)
PROOF = [
    "occupancy ratio",
    "gain in each state",
    "gain from ν*",
    "optimal gain from ν*",
    "three points from ν*",
]


def kl(p, q):
    return np.sum(p * (np.log(p) - np.log(q)), axis=1)


@pytest.fixture(scope="module")
def report():
    run = rm.theory.trace(MDP, rm.Shannon(TAU), algorithms.GPMD(ETA), max_iterations=6)
    return rm.theory.check(run)


def test_the_chain_written_out(report):
    """All terms of the proof, from the loop of natural policy gradient on dense arrays."""
    value = loops.optimal_value(MDP, TAU)
    best = loops.softmax(loops.q_of(MDP, value) / TAU)
    chain = np.einsum("sa,sat->st", best, MDP.to_array())
    nu = np.linalg.matrix_power(chain, 10_000)[0]
    step = (1 - MDP.discount) * ETA / (1 + ETA * TAU)
    runs = list(loops.npg(MDP, TAU, step, 6))
    from_nu = MDP.with_initial(nu / nu.sum())
    for k in range(6):
        (policy, own), (after, next_value) = runs[k], runs[k + 1]
        q = loops.q_of(MDP, own)

        def gain(p, policy=policy, q=q):
            return np.sum(q * (p - policy), axis=1) - TAU * (
                loops.entropy(p) - loops.entropy(policy)
            )

        expected = {
            "occupancy ratio": (
                1 - MDP.discount,
                np.min(loops.occupancy_of(from_nu, after) / nu),
            ),
            "gain in each state": (0.0, np.min(gain(after))),
            "gain from ν*": (nu @ gain(after), nu @ (next_value - own)),
            "optimal gain from ν*": (nu @ gain(best), (1 - MDP.discount) * nu @ (value - own)),
            "three points from ν*": (
                nu @ ((1 / ETA + TAU) * kl(best, after) - kl(best, policy) / ETA),
                nu @ (gain(after) - gain(best)),
            ),
        }
        for name, (measured, predicted) in expected.items():
            comparison = report[name]
            assert comparison.measured[k] == pytest.approx(measured, rel=1e-7, abs=1e-9), name
            assert comparison.predicted[k] == pytest.approx(predicted, rel=1e-7, abs=1e-9), name


def test_the_steps_add_up_to_the_potential(report):
    """γ gap + E D/η - the three inequalities' slack is the left side of the statement."""
    potential = report["potential"]
    lost = report["gain from ν*"].predicted - report["gain from ν*"].measured
    dropped = report["three points from ν*"].predicted - report["three points from ν*"].measured
    np.testing.assert_allclose(
        potential.predicted - potential.measured, lost + dropped, rtol=1e-9, atol=1e-12
    )


def test_the_ratio_is_the_smallest():
    policy = np.random.default_rng(0).dirichlet(np.ones(3), size=5)
    nu = np.array([0.1, 0.2, 0.3, 0.4, 0.0])
    ratios = loops.occupancy_of(MDP.with_initial(nu), policy)[:4] / nu[:4]
    found = rm.theory.occupancy_ratio(MDP, policy, nu)
    assert found == pytest.approx(np.min(ratios), rel=1e-12)
    assert np.max(ratios) > 1.5 * found


def test_the_ratio_of_a_policy_that_leaves_every_state():
    """On a cycle of n states the occupancy from one state is (1-γ)/(1-γ^n) there."""
    rows = np.roll(np.eye(4), 1, axis=1)[:, None, :]
    cycle = rm.MDP(rows, np.zeros((4, 1)), 0.9)
    start = np.array([0.0, 0.0, 1.0, 0.0])
    ratio = rm.theory.occupancy_ratio(cycle, np.ones((4, 1)), start)
    assert ratio == pytest.approx(0.1 / (1 - 0.9**4), rel=1e-12)
    # a larger constant than 1 - γ is wrong
    long = rm.MDP(np.roll(np.eye(60), 1, axis=1)[:, None, :], np.zeros((60, 1)), 0.5)
    ratio = rm.theory.occupancy_ratio(long, np.ones((60, 1)), np.eye(60)[0])
    assert ratio == pytest.approx(1 - 0.5, rel=1e-12)


@few
@given(st.data())
def test_the_ratio_is_bounded_on_random_models(data):
    mdp = data.draw(strategies.mdps(discounts=st.sampled_from([0.1, 0.5, 0.9, 0.99])))
    policy = data.draw(strategies.policies(mdp))
    ratio = rm.theory.occupancy_ratio(mdp, policy, np.asarray(mdp.initial))
    assert ratio >= (1 - mdp.discount) * (1 - 1e-9)


def test_arguments_out_of_range():
    uniform = rm.uniform_policy(MDP)
    for wrong in (np.ones(5), np.ones(4) / 4, np.array([2.0, -1.0, 0.0, 0.0, 0.0])):
        with pytest.raises(
            rm.SolverError,
            match="an array of shape|not 0 or more|sums to .*, not to 1",
        ):
            rm.theory.occupancy_ratio(MDP, uniform, wrong)


def test_episodes_that_end_have_no_stationary_distribution():
    mdp = rm.MDP(np.full((1, 1, 1), 0.9), np.ones((1, 1)), 0.5, termination=np.full((1, 1), 0.1))
    run = rm.theory.trace(mdp, rm.Shannon(1.0), algorithms.GPMD(1.0), max_iterations=2)
    reasons = {left.name: left.reason for left in rm.theory.check(run).not_applicable}
    for name in ("occupancy ratio", "gain from ν*", "optimal gain from ν*"):
        assert "episodes end" in reasons[name]
