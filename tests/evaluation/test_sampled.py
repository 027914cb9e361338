"""Evaluations with known errors: noise, and empirical models."""

import numpy as np
import pytest
from scipy import stats

import regmdp as rm
from regmdp.evaluation import GenerativeModel, Noisy, RunBatch, tile_regularizer
from regmdp.samples import RandomStreams, TableSimulator, UserSimulator

GARNET = rm.models.garnet(8, 3, 3, rng=np.random.default_rng(0))
ENDING = rm.models.gridworld(3, 3)
REGULARIZERS = [rm.Unregularized(), rm.Shannon(0.3), rm.SquaredL2(np.linspace(0.1, 1.0, 8))]


def generators(count, first=0):
    return [np.random.default_rng(seed) for seed in range(first, first + count)]


def estimated(evaluation, mdp, regularizer, policy, runs, first=0, source=None):
    """Evaluate one policy in many runs: the estimate, its (N, S, A) action values, and the exact
    ones.
    """
    batch = RunBatch(mdp if source is None else source, RandomStreams(generators(runs, first)))
    estimate = evaluation(
        batch, tile_regularizer(regularizer, mdp, runs), np.tile(policy, (runs, 1)), None
    )
    return estimate, batch.split(estimate.q), rm.evaluate(mdp, policy, regularizer).q


@pytest.fixture
def policy():
    return np.random.default_rng(1).dirichlet(np.ones(3), size=8)


@pytest.mark.parametrize("kind", ["uniform", "sign", "adversarial"])
@pytest.mark.parametrize("regularizer", REGULARIZERS, ids=repr)
def test_noise_has_the_stated_size(kind, regularizer, policy):
    estimate, q, exact = estimated(Noisy(0.25, kind), GARNET, regularizer, policy, 40)
    error = q - exact
    assert np.abs(error).max() <= 0.25 * (1 + 1e-12)
    assert np.abs(error).max() > 0.2499 if kind != "uniform" else np.abs(error).max() > 0.24
    assert np.all(estimate.error == 0.25)
    assert estimate.samples == 0
    if kind == "uniform":
        assert stats.kstest(error.ravel(), stats.uniform(-0.25, 0.5).cdf).pvalue > 1e-3
    elif kind == "sign":
        assert np.allclose(np.abs(error), 0.25)
        assert abs(np.sign(error).mean()) < 4 / np.sqrt(error.size)
    else:
        better = exact > np.sum(policy * exact, axis=1, keepdims=True)
        assert np.allclose(error, np.where(better, -0.25, 0.25))


def test_no_noise_is_exact_evaluation(policy):
    _, q, exact = estimated(Noisy(0.0), GARNET, REGULARIZERS[1], policy, 2)
    assert np.allclose(q, exact, rtol=0, atol=1e-12)


def test_inexact_steps_without_noise_are_the_exact_steps():
    shannon, step = rm.Shannon(0.3), 0.1
    exact = rm.solve(GARNET, shannon, rm.algorithms.NPG(step), tol=0, max_iterations=7)
    noisy = rm.algorithms.NPG(step, evaluation=Noisy(0.0))
    result = rm.learn(GARNET, shannon, noisy, max_iterations=7, rng=np.random.default_rng(0))
    assert np.allclose(result.policy[0], exact.policy, rtol=0, atol=1e-12)


@pytest.mark.parametrize("reuse", [False, True])
@pytest.mark.parametrize("regularizer", REGULARIZERS, ids=repr)
def test_many_samples_give_the_exact_values(reuse, regularizer, policy):
    _, q, exact = estimated(GenerativeModel(200_000, reuse=reuse), GARNET, regularizer, policy, 1)
    assert np.abs(q - exact).max() < 0.05
    _, rough, _ = estimated(GenerativeModel(20, reuse=reuse), GARNET, regularizer, policy, 1)
    assert np.abs(rough - exact).max() > 0.1


def test_the_error_decreases_with_the_root_of_the_number_of_samples(policy):
    numbers = np.array([50, 200, 800, 3200])
    errors = []
    for number in numbers:
        _, q, exact = estimated(GenerativeModel(int(number)), GARNET, rm.Shannon(0.3), policy, 60)
        errors.append(np.sqrt(np.mean((q - exact) ** 2)))
    slope = np.polyfit(np.log(numbers), np.log(errors), 1)[0]
    assert abs(slope + 0.5) < 0.05


def test_the_mean_of_the_empirical_rows_is_the_row(policy):
    simulator = TableSimulator(GARNET)
    runs, samples = 300, 40
    pairs = np.arange(GARNET.rewards.size)
    transition, frequency = simulator.sampler.draw_frequencies(
        pairs, samples, RandomStreams(generators(runs))
    )
    rows = GARNET.to_array().reshape(-1, GARNET.n_states)
    expected = rows.ravel()[transition]
    z = (frequency.mean(axis=0) - expected) / np.sqrt(expected * (1 - expected) / (runs * samples))
    z = z[(expected > 0) & (expected < 1)]
    assert np.abs(z).max() < 4.5
    assert 0.7 < z.std() < 1.3


@pytest.mark.parametrize("regularizer", [rm.Unregularized(), rm.Shannon(0.3), rm.SquaredL2(2.0)])
def test_the_bound_on_the_error_is_hoeffdings_for_values_with_their_regularizer(
    regularizer, policy
):
    estimate, _, _ = estimated(GenerativeModel(50), GARNET, regularizer, policy, 1)
    costs = {"Unregularized": 0.0, "Shannon": 0.3 * np.log(3), "SquaredL2": 2.0 * (1 / 2 - 1 / 6)}
    width = (np.ptp(GARNET.rewards) + costs[type(regularizer).__name__]) / (1 - GARNET.discount)
    deviation = width * np.sqrt(np.log(4 * GARNET.rewards.size / 0.05) / (2 * 50))
    expected = GARNET.discount * deviation / (1 - GARNET.discount)
    assert estimate.error[0] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("reuse", [False, True])
@pytest.mark.parametrize("regularizer", REGULARIZERS, ids=repr)
def test_the_bound_on_the_error_holds_with_its_confidence(reuse, regularizer, policy):
    mdp = GARNET.with_discount(0.5)
    evaluation = GenerativeModel(30, reuse=reuse, confidence=0.8)
    estimate, q, exact = estimated(evaluation, mdp, regularizer, policy, 200)
    assert np.mean(np.abs(q - exact).max(axis=(1, 2)) <= estimate.error) >= 0.8
    # the bound decreases with the number of samples
    better, _, _ = estimated(
        GenerativeModel(3000, reuse=reuse, confidence=0.8), mdp, regularizer, policy, 1
    )
    assert better.error[0] < 0.2 * estimate.error[0]


def test_episodes_that_end(policy):
    uniform = rm.uniform_policy(ENDING)
    _, q, exact = estimated(GenerativeModel(50_000), ENDING, rm.Shannon(0.1), uniform, 1)
    known = np.isfinite(exact)
    assert np.array_equal(known, np.isfinite(q[0]))
    assert np.abs(q[0][known] - exact[known]).max() < 0.05


def test_a_user_simulator_gives_the_same_model(policy):
    rows, rewards = GARNET.to_array().cumsum(axis=2), GARNET.rewards

    def sample(state, action, rng):
        next_state = (rows[state, action] < rng.random(state.size)[:, None]).sum(axis=1)
        return next_state, rewards[state, action] + rng.choice([-1.0, 1.0], state.size)

    low, high = rewards.min() - 1, rewards.max() + 1
    simulator = UserSimulator(sample, 8, 3, GARNET.discount, reward_range=(low, high))
    estimate, q, exact = estimated(
        GenerativeModel(100_000), GARNET, rm.Shannon(0.3), policy, 2, source=simulator
    )
    assert np.abs(q - exact).max() < 0.15
    assert np.isfinite(estimate.error).all()
    assert not np.array_equal(q[0], q[1])
    unknown = UserSimulator(sample, 8, 3, GARNET.discount)
    estimate, _, _ = estimated(
        GenerativeModel(10), GARNET, rm.Shannon(0.3), policy, 1, source=unknown
    )
    assert estimate.error is None


def test_large_models_use_sparse_factorizations():
    mdp = rm.models.garnet(400, 2, 3, rng=np.random.default_rng(0))
    uniform = rm.uniform_policy(mdp)
    _, q, exact = estimated(GenerativeModel(20_000), mdp, rm.Shannon(0.1), uniform, 2)
    assert np.abs(q - exact).max() < 0.2


def test_a_reused_model_is_drawn_once():
    algorithm = rm.algorithms.SoftPolicyIteration(evaluation=GenerativeModel(50, reuse=True))
    learned = rm.learn(
        GARNET, rm.Shannon(0.3), algorithm, max_iterations=8, rng=np.random.default_rng(0)
    )
    assert learned.samples == 50 * 24
    # so policy iteration converges: to the optimum of that model
    again = rm.learn(
        GARNET, rm.Shannon(0.3), algorithm, max_iterations=9, rng=np.random.default_rng(0)
    )
    assert np.allclose(learned.policy, again.policy, atol=1e-10)
    fresh = rm.algorithms.SoftPolicyIteration(evaluation=GenerativeModel(50))
    assert (
        rm.learn(
            GARNET, rm.Shannon(0.3), fresh, max_iterations=8, rng=np.random.default_rng(0)
        ).samples
        == 50 * 24 * 8
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Noisy(-1.0), "delta must be a finite number, 0 or more"),
        (lambda: Noisy(np.nan), "delta must be a finite number, 0 or more"),
        (lambda: Noisy(1.0, "gaussian"), "kind must be .uniform., .sign. or .adversarial."),
        (lambda: GenerativeModel(0), "must be an integer, 1 or more"),
        (lambda: GenerativeModel(-3), "must be an integer, 1 or more"),
        (lambda: GenerativeModel(10, confidence=1.0), r"confidence must be a number in \(0, 1\)"),
    ],
)
def test_options_out_of_range(make, message):
    with pytest.raises(rm.RegmdpError, match=message):
        make()


@pytest.mark.parametrize("n_states", [20, 400])
def test_an_empirical_model_that_never_ends_is_an_error(n_states):
    """State 0 ends with probability 10^-6 only, which a few samples do not contain."""
    transitions, termination = np.zeros((n_states, 1, n_states)), np.zeros((n_states, 1))
    transitions[1:, 0, :-1] = np.eye(n_states - 1)
    transitions[0, 0, :2], termination[0, 0] = (0.5, 0.499999), 1e-6
    mdp = rm.MDP(transitions, np.ones((n_states, 1)), 1.0, termination=termination)
    algorithm = rm.algorithms.SoftPolicyIteration(evaluation=GenerativeModel(10))
    with pytest.raises(rm.SolverError, match="undiscounted policy never ends the episode"):
        rm.learn(mdp, None, algorithm, max_iterations=1, rng=np.random.default_rng(0))
