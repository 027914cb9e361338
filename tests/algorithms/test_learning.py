"""The methods that learn from samples reach what they should, on their own schedules."""

import math

import numpy as np
import pytest

import regmdp as rm
from regmdp.algorithms import SoftActorCritic, SoftQLearning, StochasticAPMD, StochasticPMD
from regmdp.evaluation import GenerativeModel, GeometricSamples, Noisy, PolynomialRate

REGULARIZERS = {
    "none": rm.Unregularized(),
    "Shannon": rm.Shannon(0.5),
    "Tsallis": rm.Tsallis(1.5, 0.5),
    "squared norm, a temperature per state": rm.SquaredL2(np.array([0.2, 0.4, 0.6, 0.8, 1.0])),
}
each_regularizer = pytest.mark.parametrize("regularizer", REGULARIZERS.values(), ids=REGULARIZERS)


def garnet(discount=0.8):
    return rm.models.garnet(5, 2, 3, discount=discount, rng=0)


def learn(algorithm, regularizer, iterations, *, runs=20, mdp=None, **keywords):
    rng = np.random.default_rng(0).spawn(runs)
    return rm.learn(
        mdp or garnet(), regularizer, algorithm, max_iterations=iterations, rng=rng, **keywords
    )


def gaps(learned, regularizer, mdp=None):
    return np.array(
        [rm.certify(mdp or garnet(), regularizer, policy=policy).gap for policy in learned.policy]
    )


def q_error(learned, regularizer):
    """Root mean square over the runs and pairs."""
    mdp = garnet()
    exact = rm.bellman.q_values(mdp, rm.solve(mdp, regularizer, tol=1e-10).value)
    return np.sqrt(np.mean((learned.q - exact) ** 2))


@each_regularizer
def test_soft_q_learning_reaches_the_optimal_action_values(regularizer):
    algorithm = SoftQLearning(steps=20, exploration=0.3, n_envs=8)
    few, many = (learn(algorithm, regularizer, iterations) for iterations in (1, 16))
    assert q_error(many, regularizer) < 0.4 * q_error(few, regularizer)
    assert q_error(many, regularizer) < 0.15
    assert gaps(many, regularizer).mean() < 0.05


@each_regularizer
def test_soft_actor_critic_reaches_the_optimum(regularizer):
    algorithm = SoftActorCritic(steps=20, updates=20, batch_size=64, n_envs=4, exploration=0.2)
    learned = learn(algorithm, regularizer, 20)
    start = rm.certify(garnet(), regularizer, policy=rm.uniform_policy(garnet())).gap
    assert gaps(learned, regularizer).mean() < 0.1 * start


def test_an_actor_with_a_step_size_makes_steps_of_mirror_descent():
    steps = []
    algorithm = SoftActorCritic(steps=20, updates=20, n_envs=4, actor_step_size=2.0)
    learned = learn(
        algorithm, rm.SquaredL2(0.5), 20, callback=[lambda event: steps.append(event.state.step)]
    )
    assert steps == [None] + [2.0] * 20
    assert gaps(learned, rm.SquaredL2(0.5)).mean() < 0.1


# ---- stochastic policy mirror descent ----


def test_samples_grow_fourfold_in_each_period():
    mdp, discount = garnet(), 0.8
    length = math.ceil(math.log(1 / 4) / math.log(discount))
    assert length == 7
    drawn = []
    learn(
        StochasticPMD(3),
        rm.Shannon(0.5),
        16,
        runs=2,
        callback=[lambda event: drawn.append(event.measures["samples"])],
    )
    pairs = np.count_nonzero(mdp.available)
    assert np.diff(drawn).tolist() == [3 * pairs] * 7 + [12 * pairs] * 7 + [48 * pairs] * 2


def test_growing_numbers():
    assert [GeometricSamples(3, 1.5, period=1).at(k, 0.9) for k in range(4)] == [3, 5, 7, 11]
    assert [GeometricSamples(1).at(k, 0.5) for k in range(5)] == [1, 1, 4, 4, 16]
    with pytest.raises(rm.SolverError, match="factor must be a finite number, 1 or more"):
        GeometricSamples(1, 0.5)
    with pytest.raises(rm.SolverError, match="drawn once"):
        GenerativeModel(GeometricSamples(1), reuse=True)
    with pytest.raises(rm.SolverError, match="give period="):
        GenerativeModel(GeometricSamples(1)).check(garnet(1.0), rm.Unregularized())


def test_the_bound_on_the_error_follows_the_number_of_samples():
    bounds = []
    learn(
        rm.algorithms.PMD(1.0, evaluation=GenerativeModel(GeometricSamples(10, period=1))),
        None,
        3,
        runs=1,
        callback=[
            lambda event: bounds.append(event.state.estimate.error[0]) if event.iteration else None
        ],
    )
    np.testing.assert_allclose(bounds[1:], np.array(bounds[:-1]) / 2)


def test_stochastic_mirror_descent_uses_its_step_size():
    """Log π⁺ ∝ γ log π + (1-γ) Q/τ, with the exact action values."""
    mdp, tau, discount = garnet(), 0.5, 0.8
    states = []
    learn(
        StochasticPMD(evaluation=Noisy(0.0)),
        rm.Shannon(tau),
        6,
        runs=1,
        callback=[lambda event: states.append(event.state)],
    )
    assert states[1].step == pytest.approx((1 - discount) / (discount * tau))
    policy = rm.uniform_policy(mdp)
    for state in states[1:]:
        q = rm.bellman.q_values(mdp, rm.evaluate(mdp, policy, rm.Shannon(tau)).value)
        logits = discount * np.log(policy) + (1 - discount) * q / tau
        policy = np.exp(logits - logits.max(axis=1, keepdims=True))
        policy /= policy.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(state.next_policy, policy, atol=1e-12)


def test_the_step_size_is_that_of_the_smallest_temperature():
    steps = []
    learn(
        StochasticPMD(), REGULARIZERS["squared norm, a temperature per state"], 1, runs=1,
        callback=[lambda event: steps.append(event.state.step)],
    )  # fmt: skip
    assert steps[1] == pytest.approx(0.2 / (0.8 * 0.2))


def test_stochastic_approximate_mirror_descent_halves_its_entropy():
    """Log π⁺ ∝ γ log π + (1-γ) Q_k/τ_k, with the exact action values of the perturbed problem."""
    mdp, discount = garnet(), 0.8
    states = []
    learn(
        StochasticAPMD(evaluation=Noisy(0.0)),
        None,
        16,
        runs=1,
        callback=[lambda event: states.append(event.state)],
    )
    policy = rm.uniform_policy(mdp)
    for iteration, state in enumerate(states[1:]):
        tau = 0.5 ** (iteration // 7 + 1)
        q = rm.bellman.q_values(mdp, rm.evaluate(mdp, policy, rm.Shannon(tau)).value)
        np.testing.assert_allclose(state.estimate.q, q, atol=1e-10)
        assert state.step == pytest.approx((1 - discount) / (discount * tau))
        logits = discount * np.log(policy) + (1 - discount) * q / tau
        policy = np.exp(logits - logits.max(axis=1, keepdims=True))
        policy /= policy.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(state.next_policy, policy, atol=1e-10)
    assert len(states) == 17


@pytest.mark.parametrize("name", ["SPMD", "SAPMD"])
def test_gaps_halve_in_each_period(name):
    regularizer = rm.SquaredL2(0.5) if name == "SPMD" else None
    algorithm = StochasticPMD(20) if name == "SPMD" else StochasticAPMD(20)
    means = [
        gaps(learn(algorithm, regularizer, 7 * periods), regularizer).mean()
        for periods in (1, 3, 5)
    ]
    # two periods each, so a quarter; up to a factor of 2 for the constants
    assert means[1] < means[0] / 2
    assert means[2] < means[1] / 2
    assert means[2] < 0.05


@pytest.mark.parametrize(
    ("algorithm", "regularizer", "discount", "message"),
    [
        (StochasticPMD(), None, 0.9, "use StochasticAPMD"),
        (
            StochasticPMD(),
            rm.Shannon(np.array([0.0, 1.0, 1.0, 1.0, 1.0])),
            0.9,
            "a positive temperature in every state",
        ),
        (StochasticPMD(evaluation=Noisy(0.0)), rm.Shannon(1.0), 0.0, "strictly between 0 and 1"),
        (StochasticAPMD(), rm.Shannon(1.0), 0.9, "use StochasticPMD"),
        (StochasticAPMD(), rm.Box(0.0, 0.8), 0.9, "use StochasticPMD"),
        (StochasticAPMD(), None, 1.0, "strictly between 0 and 1"),
    ],
)
def test_problems_that_they_are_not_for_are_refused(algorithm, regularizer, discount, message):
    with pytest.raises(rm.SolverError, match=message):
        learn(algorithm, regularizer, 1, mdp=garnet(0.9).with_discount(discount))


def test_the_first_temperature_is_positive():
    with pytest.raises(rm.SolverError, match="^temperature must be a finite number above 0"):
        StochasticAPMD(temperature=0.0)


# ---- runs ----


@pytest.mark.parametrize(
    "algorithm",
    [
        SoftQLearning(10, PolynomialRate(0.7), n_envs=2),
        SoftActorCritic(10, 5, 8, buffer_size=30, n_envs=2, exploration=0.1, actor_step_size=1.0),
        StochasticPMD(2),
        StochasticAPMD(2),
    ],
    ids=lambda algorithm: algorithm.name,
)
def test_a_run_does_not_depend_on_those_beside_it(algorithm):
    regularizer = None if "approximate" in algorithm.name else rm.Shannon(np.linspace(0.1, 0.5, 5))

    def learned(which):
        return rm.learn(
            garnet(),
            regularizer,
            algorithm,
            max_iterations=3,
            rng=[np.random.default_rng(seed) for seed in which],
        )

    together = learned(range(3))
    for run in range(3):
        alone = learned([run])
        assert np.array_equal(alone.q[0], together.q[run])
        assert np.array_equal(alone.policy[0], together.policy[run])
    assert not np.array_equal(together.q[0], together.q[1])


def test_a_learned_policy_has_a_small_certified_gap():
    result = rm.learn(
        garnet(),
        rm.Shannon(0.5),
        SoftQLearning(50, n_envs=8),
        rng=np.random.default_rng(0),
        max_iterations=20,
    )
    assert rm.certify(garnet(), rm.Shannon(0.5), policy=result.policy[0]).gap < 0.1
