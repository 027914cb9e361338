"""Methods of the library compared with independent loops, iterate by iterate."""

import numpy as np
import pytest
from theory import loops

import regmdp as rm
from regmdp import algorithms

MODELS = {
    "garnet": rm.models.garnet(6, 3, 4, discount=0.9),
    "slow": rm.models.garnet(5, 2, 3, discount=0.99, rng=1),
    "bandit": rm.models.bandit(discount=0.5),
}
STEPS = 12

each_model = pytest.mark.parametrize("mdp", MODELS.values(), ids=MODELS)
from_anywhere = pytest.mark.parametrize("seed", [None, 0])


def start_of(mdp, seed):
    return (
        None
        if seed is None
        else np.random.default_rng(seed).dirichlet(np.ones(mdp.n_actions), size=mdp.n_states)
    )


def agree(mdp, regularizer, algorithm, loop, start):
    run = rm.theory.trace(mdp, regularizer, algorithm, max_iterations=STEPS, start=start)
    pairs = list(loop)
    assert len(pairs) == len(run.states)
    for k, (policy, value) in enumerate(pairs):
        np.testing.assert_allclose(
            run.policies[k], policy, rtol=0, atol=1e-10, err_msg=f"policy of iterate {k}"
        )
        np.testing.assert_allclose(
            run.values[k], value, rtol=1e-10, atol=1e-9, err_msg=f"value of iterate {k}"
        )


@each_model
@from_anywhere
@pytest.mark.parametrize("share", [0.1, 0.7, 1.0])
def test_entropy_regularized_npg(mdp, seed, share):
    tau, start = 0.3, start_of(mdp, seed)
    eta = share * (1 - mdp.discount) / tau
    agree(mdp, rm.Shannon(tau), algorithms.NPG(eta), loops.npg(mdp, tau, eta, STEPS, start), start)


@each_model
@from_anywhere
def test_npg(mdp, seed):
    start = start_of(mdp, seed)
    agree(mdp, None, algorithms.NPG(0.1), loops.npg(mdp, 0.0, 0.1, STEPS, start), start)


@each_model
def test_gpmd_with_entropy_is_npg(mdp):
    tau, eta = 0.3, 2.0
    own = (1 - mdp.discount) * eta / (1 + eta * tau)
    agree(mdp, rm.Shannon(tau), algorithms.GPMD(eta), loops.npg(mdp, tau, own, STEPS), None)


@each_model
@from_anywhere
def test_gpmd_with_half_the_square(mdp, seed):
    start = start_of(mdp, seed)
    agree(
        mdp,
        rm.SquaredL2(0.5),
        algorithms.GPMD(0.7),
        loops.gpmd_half_square(mdp, 0.5, 0.7, STEPS, start),
        start,
    )


@each_model
@from_anywhere
def test_pmd_with_geometric_steps(mdp, seed):
    start = start_of(mdp, seed)
    etas = 0.1 * mdp.discount ** -np.arange(STEPS)
    agree(
        mdp,
        None,
        algorithms.PMD(algorithms.Geometric(initial=0.1)),
        loops.pmd(mdp, etas, start),
        start,
    )


@each_model
def test_homotopic_pmd(mdp):
    start = start_of(mdp, 0)
    agree(mdp, None, algorithms.HomotopicPMD(), loops.homotopic(mdp, STEPS, start), start)


@each_model
@from_anywhere
@pytest.mark.parametrize("tau", [0.0, 0.3])
def test_softmax_pg(mdp, seed, tau):
    start = start_of(mdp, seed)
    regularizer = rm.Shannon(tau) if tau else None
    agree(
        mdp,
        regularizer,
        algorithms.SoftmaxPG(0.05),
        loops.softmax_pg(mdp, tau, 0.05, STEPS, start),
        start,
    )


@each_model
@pytest.mark.parametrize("share", [0.4, 1.0])
def test_soft_policy_iteration(mdp, share):
    loop = loops.averaged_policy_iteration(mdp, 0.3, share, STEPS)
    agree(mdp, rm.Shannon(0.3), algorithms.SoftPolicyIteration(share), loop, None)


@each_model
@pytest.mark.parametrize("tau", [0.0, 0.3])
def test_optimum(mdp, tau):
    found = rm.theory.compute_optimum(mdp, rm.Shannon(tau) if tau else None)
    value = loops.optimal_value(mdp, tau)
    assert found.error < 1e-9
    # value iteration stops at its rounding error, that of an iteration times the horizon
    np.testing.assert_allclose(
        found.value,
        value,
        rtol=0,
        atol=found.error + 1e-13 / (1 - mdp.discount) * np.max(np.abs(value)),
    )
