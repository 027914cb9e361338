"""Sweeps with reduced variance, and stochastic value mirror descent: compared with exact sweeps."""

from itertools import pairwise

import numpy as np
import pytest

import regmdp as rm
from regmdp.algorithms import Geometric, Recorder, StochasticVMD, ValueMirrorDescent
from regmdp.evaluation import GeometricSamples, VarianceReducedSweep

GARNET = rm.models.garnet(6, 3, 3, discount=0.9)
SHANNON = rm.Shannon(0.1)


def learn(mdp, regularizer, algorithm, iterations, runs=1, seed=0):
    """Return the result, and the states of the iterations that drew samples."""
    recorder = Recorder()
    generators = [np.random.default_rng([seed, run]) for run in range(runs)]
    result = rm.learn(
        mdp, regularizer, algorithm, max_iterations=iterations, rng=generators, callback=recorder
    )
    return result, recorder.states[1:]


@pytest.mark.parametrize("regularizer", [None, SHANNON, rm.SquaredL2(0.5)])
def test_deterministic_transitions_give_the_exact_method(regularizer):
    mdp = rm.models.garnet(6, 3, 1, discount=0.9)
    sweep = VarianceReducedSweep(samples=1, period=4)
    _, states = learn(mdp, regularizer, ValueMirrorDescent(evaluation=sweep), 15)
    exact = rm.theory.trace(mdp, regularizer, ValueMirrorDescent(), max_iterations=14)
    for state, other in zip(states, exact.states, strict=True):
        np.testing.assert_allclose(state.value, other.value, rtol=1e-10, atol=1e-10)
        np.testing.assert_allclose(state.next_policy, other.next_policy, atol=1e-8)


def test_draws_of_each_iteration():
    sweep = VarianceReducedSweep(GeometricSamples(8, period=3), period=3)
    result, states = learn(GARNET, SHANNON, ValueMirrorDescent(evaluation=sweep), 7)
    expected = 18 * np.cumsum([8, 3, 3, 32, 11, 11, 128])
    assert [state.estimate.samples for state in states] == list(expected)
    assert result.samples == expected[-1]


def test_iterates_obey_their_equations():
    # V_k is one sweep of the last estimate; around the reference the estimate has its mean
    sweep = VarianceReducedSweep(samples=50, inner_samples=3, period=5)
    _, states = learn(GARNET, SHANNON, ValueMirrorDescent(evaluation=sweep), 9, runs=2)
    for last, state in pairwise(states):
        policy = state.policy
        swept = np.sum(policy * last.estimate.q, axis=1) - 0.1 * np.sum(
            policy * np.log(policy), axis=1
        )
        np.testing.assert_allclose(state.value, swept, rtol=1e-12)
    memory = states[4].estimate.memory
    np.testing.assert_array_equal(memory.reference, states[0].value)
    np.testing.assert_array_equal(states[5].estimate.memory.reference, states[5].value)


def test_estimates_are_unbiased_with_a_smaller_variance():
    runs = 500
    sweep = VarianceReducedSweep(samples=200, inner_samples=2, period=8)
    _, states = learn(GARNET, SHANNON, ValueMirrorDescent(10.0, evaluation=sweep), 24, runs=runs)
    state = states[-1]
    memory, value = state.estimate.memory, state.value.reshape(runs, 6)
    reference = memory.reference.reshape(runs, 6)
    inner = (memory.q - memory.reference_q).reshape(runs, 6, 3)
    expected = 0.9 * np.einsum("sat,nt->nsa", GARNET.to_array(), value - reference)
    deviation = np.std(inner - expected, axis=0) + 1e-12
    assert np.all(np.abs(np.mean(inner - expected, axis=0)) <= 5.0 * deviation / np.sqrt(runs))
    # two draws of V itself
    plain = 0.9**2 * (
        np.einsum("sat,t->sa", GARNET.to_array(), value[0] ** 2)
        - np.einsum("sat,t->sa", GARNET.to_array(), value[0]) ** 2
    )
    assert np.mean(deviation**2) < 0.2 * np.mean(plain / 2.0)


@pytest.mark.parametrize("regularizer", [None, SHANNON])
def test_gap_is_bounded_by_the_errors_of_the_run(regularizer):
    mdp, initial = GARNET, 2.0
    sweep = VarianceReducedSweep(samples=20)
    method = ValueMirrorDescent(Geometric(initial), evaluation=sweep)
    _, states = learn(mdp, regularizer, method, 30)
    optimum = rm.theory.compute_optimum(mdp, regularizer)
    errors = [
        np.max(rm.bellman.q_values(mdp, state.value) - state.estimate.q, initial=0.0)
        for state in states
    ]
    assert np.min(errors) > 0.0
    measured = [optimum.stationary @ (optimum.value - state.value) for state in states]
    options = {"initial": initial, "iterations": 29, "value": states[0].value}
    bound = rm.theory.td_pmd_geometric_bound(mdp, regularizer, errors=errors, **options)
    assert np.all(measured <= bound + 1e-9)
    # without the errors it does not hold
    assert np.any(measured > rm.theory.td_pmd_geometric_bound(mdp, regularizer, **options) + 1e-9)


def test_epochs_halve_the_error():
    mdp = GARNET
    best = rm.solve(mdp, SHANNON, tol=1e-10).value
    period, runs = 14, 10
    _, states = learn(mdp, SHANNON, StochasticVMD(samples=2), 6 * period, runs=runs)
    error = [
        np.median(np.max(np.abs(best - states[k].value.reshape(runs, 6)), axis=1))
        for k in (3 * period - 1, 6 * period - 1)
    ]
    # three epochs: 1/8
    assert error[1] < 0.25 * error[0]


def test_many_runs_equal_single_ones():
    generators = [np.random.default_rng(seed) for seed in (3, 4)]
    algorithm = StochasticVMD(samples=5)
    both = rm.learn(GARNET, SHANNON, algorithm, max_iterations=20, rng=generators)
    alone = rm.learn(GARNET, SHANNON, algorithm, max_iterations=20, rng=np.random.default_rng(4))
    np.testing.assert_array_equal(both.policy[1], alone.policy[0])


def test_large_models_use_sparse_frequencies():
    mdp = rm.models.garnet(300, 2, 2, discount=0.8)
    result = rm.learn(
        mdp,
        rm.Shannon(0.1),
        StochasticVMD(samples=20),
        max_iterations=20,
        rng=[np.random.default_rng(0), np.random.default_rng(1)],
    )
    start = rm.certify(mdp, rm.Shannon(0.1), policy=rm.uniform_policy(mdp, rm.Shannon(0.1))).gap
    for policy in result.policy:
        assert rm.certify(mdp, rm.Shannon(0.1), policy=policy).gap < 0.2 * start


def test_masks_and_ends():
    mdp = rm.models.chain(4, discount=0.9)
    available = np.ones((4, 2), dtype=bool)
    available[0, 1] = False
    limited = rm.MDP(
        mdp.to_array(), mdp.rewards, 0.9, available=available, termination=np.full((4, 2), 0.1) * 0
    )
    result, _ = learn(limited, SHANNON, StochasticVMD(samples=10), 40)
    assert np.all(result.policy[0][~available] == 0.0)
    assert np.all(np.isneginf(result.q[0][~available]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"samples": 0}, "samples must be an integer"),
        ({"samples": 1, "inner_samples": 0}, "inner_samples must be an integer"),
        ({"samples": 1, "period": 0}, "period must be an integer"),
    ],
)
def test_options_out_of_range(options, message):
    with pytest.raises(rm.SolverError, match=message):
        VarianceReducedSweep(**options)


def test_sources_that_cannot_be_asked():
    sweep = VarianceReducedSweep(samples=1)
    undiscounted = rm.models.chain(3).with_discount(0.0)
    with pytest.raises(rm.SolverError, match="default period needs a discount"):
        rm.learn(
            undiscounted, SHANNON, ValueMirrorDescent(1.0, evaluation=sweep), max_iterations=1,
            rng=np.random.default_rng(0),
        )  # fmt: skip
