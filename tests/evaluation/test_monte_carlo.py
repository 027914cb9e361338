"""Returns of episodes from every pair: their means, their bias, and independence of the runs."""

import numpy as np
import pytest

import regmdp as rm
from regmdp.evaluation import MonteCarlo, RunBatch, parallel_episodes
from regmdp.samples import RandomStreams, UserSimulator

REGULARIZERS = {
    "none": rm.Unregularized(),
    "Shannon": rm.Shannon(0.3),
    "squared norm": rm.SquaredL2(temperature=0.5),
}


def model(discount=0.7, *, ends=0.0):
    """Five states of three actions, some of which are missing, and a terminal one."""
    rng = np.random.default_rng(4)
    available = np.ones((6, 3), dtype=bool)
    available[1, 0] = available[3, 1:] = available[5] = False
    termination = np.full((6, 3), ends)
    rows = rng.dirichlet(np.full(6, 0.5), size=(6, 3)) * (1 - ends)
    return rm.MDP(
        rows, rng.normal(size=(6, 3)), discount, available=available, termination=termination
    )


def some_policy(mdp):
    weight = (np.random.default_rng(5).exponential(size=mdp.available.shape) + 0.1) * mdp.available
    return weight / np.maximum(weight.sum(axis=1, keepdims=True), 1e-300)


def generators(count, seed=0):
    return [np.random.default_rng([seed, i]) for i in range(count)]


def estimates(evaluation, source, regularizer, policy, runs, seed=0):
    """(N, S, A) estimates, and the number of transitions of a run."""
    batch = RunBatch(source, RandomStreams(generators(runs, seed)))
    estimate = evaluation(batch, regularizer, np.tile(policy, (runs, 1)), None)
    return batch.split(estimate.q), estimate


def deviations(samples, truth):
    """The means of (N, …) samples minus their expectations, in standard errors."""
    spread = samples.std(axis=0, ddof=1)
    assert (spread > 0).all()
    return (samples.mean(axis=0) - truth) / (spread / np.sqrt(len(samples)))


def action_values(mdp, regularizer, policy):
    return rm.bellman.q_values(mdp, rm.evaluate(mdp, policy, regularizer).value)


@pytest.mark.parametrize("name", REGULARIZERS)
def test_a_random_horizon_is_unbiased(name):
    mdp, regularizer = model(), REGULARIZERS[name]
    policy = some_policy(mdp)
    q, estimate = estimates(MonteCarlo(8), mdp, regularizer, policy, runs=1500)
    z = deviations(q[:, mdp.available], action_values(mdp, regularizer, policy)[mdp.available])
    assert np.abs(z).max() < 4.5
    assert (q[:, ~mdp.available] == -np.inf).all()
    # an episode takes a step, and another one with probability γ, unless it reached the terminal
    # state
    steps = rm.evaluate(mdp.with_rewards(np.ones((6, 3))), policy).value
    expected = (
        8 * rm.bellman.q_values(mdp.with_rewards(np.ones((6, 3))), steps)[mdp.available].sum()
    )
    assert estimate.samples == pytest.approx(expected, rel=0.01)


def test_the_value_follows_from_the_action_values():
    mdp, regularizer = model(), rm.Shannon(0.3)
    policy = some_policy(mdp)
    q, estimate = estimates(MonteCarlo(3), mdp, regularizer, policy, runs=4)
    entropy = -(policy * np.log(np.where(policy > 0, policy, 1.0))).sum(axis=1)
    expected = (policy * np.where(mdp.available, q, 0.0)).sum(axis=2) + 0.3 * entropy
    np.testing.assert_allclose(estimate.value.reshape(4, 6), expected, atol=1e-12)
    assert (estimate.value.reshape(4, 6)[:, 5] == 0).all()


def test_a_fixed_horizon_is_the_number_of_steps():
    """The mean of the first H discounted rewards is that of H sweeps over a
    value of 0.
    """
    mdp, regularizer = model(), rm.Shannon(0.3)
    policy = some_policy(mdp)
    value = np.zeros(6)
    for _ in range(4):
        value = rm.bellman.policy_backup(mdp, regularizer, policy, value)
    short = rm.bellman.q_values(mdp, value)
    q, estimate = estimates(MonteCarlo(8, horizon=5), mdp, regularizer, policy, runs=1500)
    z = deviations(q[:, mdp.available], short[mdp.available])
    assert np.abs(z).max() < 4.5
    assert estimate.samples <= 5 * 8 * np.count_nonzero(mdp.available)
    # the bias is measurable, and within its bound
    truth = rm.evaluate(mdp, policy, regularizer).value
    exact = rm.bellman.q_values(mdp, truth)
    assert np.abs(deviations(q[:, mdp.available], exact[mdp.available])).max() > 10
    assert np.abs(short[mdp.available] - exact[mdp.available]).max() <= 0.7**5 * np.abs(truth).max()


def test_undiscounted_episodes_continue_until_they_end():
    mdp, regularizer = model(1.0, ends=0.3), rm.Shannon(0.3)
    policy = some_policy(mdp)
    q, _ = estimates(MonteCarlo(8), mdp, regularizer, policy, runs=800)
    z = deviations(q[:, mdp.available], action_values(mdp, regularizer, policy)[mdp.available])
    assert np.abs(z).max() < 4.5


def test_discount_0_needs_one_step():
    mdp = model(0.0)
    q, estimate = estimates(MonteCarlo(2), mdp, rm.Unregularized(), some_policy(mdp), runs=2)
    np.testing.assert_array_equal(q[:, mdp.available], np.tile(mdp.rewards[mdp.available], (2, 1)))
    assert estimate.samples == 2 * np.count_nonzero(mdp.available)


def test_the_error_decreases_with_the_root_of_the_number_of_samples():
    mdp, regularizer = model(), rm.Shannon(0.3)
    policy = some_policy(mdp)
    truth = action_values(mdp, regularizer, policy)[mdp.available]
    sizes, errors = [4, 16, 64, 256], []
    for episodes in sizes:
        q, _ = estimates(MonteCarlo(episodes), mdp, regularizer, policy, runs=60)
        errors.append(np.sqrt(np.mean((q[:, mdp.available] - truth) ** 2)))
    slope = np.polyfit(np.log(sizes), np.log(errors), 1)[0]
    assert slope == pytest.approx(-0.5, abs=0.04)


def walker(state, action, rng):
    """A random walk on two states with noisy rewards that sometimes terminates."""
    terminated = rng.random(state.shape) < 0.2
    return (
        np.where(rng.random(state.shape) < 0.8, action, state),
        state + rng.normal(size=state.shape),
        terminated,
    )


@pytest.mark.parametrize("horizon", [None, 7])
@pytest.mark.parametrize("kind", ["model", "function"])
def test_a_run_does_not_depend_on_the_others(horizon, kind):
    source = model() if kind == "model" else UserSimulator(walker, 2, 2, 0.8)
    algorithm = rm.algorithms.NPG(0.1, evaluation=MonteCarlo(6, horizon=horizon))
    together = rm.learn(source, rm.Shannon(0.3), algorithm, max_iterations=3, rng=generators(4))
    assert not np.array_equal(together.q[0], together.q[1])
    for run in (0, 3):
        alone = rm.learn(
            source, rm.Shannon(0.3), algorithm, max_iterations=3, rng=generators(4)[run]
        )
        np.testing.assert_array_equal(alone.q[0], together.q[run])
        np.testing.assert_array_equal(alone.policy[0], together.policy[run])


def test_a_user_simulator_gives_the_values_of_its_model():
    # the same walk as a model: it goes to the state of the action with probability 0.8, and ends
    # with probability 0.2
    rows = 0.8 * (
        0.8 * np.eye(2)[None].repeat(2, axis=0) + 0.2 * np.eye(2)[:, None].repeat(2, axis=1)
    )
    mdp = rm.MDP(rows, np.array([[0.0, 0.0], [1.0, 1.0]]), 0.8, termination=np.full((2, 2), 0.2))
    policy = np.array([[0.3, 0.7], [0.6, 0.4]])
    q, _ = estimates(
        MonteCarlo(100), UserSimulator(walker, 2, 2, 0.8), rm.Shannon(0.5), policy, runs=40
    )
    z = deviations(q, action_values(mdp, rm.Shannon(0.5), policy))
    assert np.abs(z).max() < 4.5


# ---- errors ----


@pytest.mark.parametrize("given", [0, -1, True])
def test_options_are_positive_integers(given):
    with pytest.raises(rm.SolverError, match="episodes must be an integer, 1 or more"):
        MonteCarlo(given)
    with pytest.raises(rm.SolverError, match="horizon must be an integer, 1 or more"):
        MonteCarlo(1, horizon=given)


def test_an_undiscounted_episode_that_does_not_end_is_an_error(monkeypatch):
    monkeypatch.setattr(parallel_episodes, "MAX_UNDISCOUNTED_STEPS", 50)
    mdp = rm.MDP(np.ones((1, 1, 1)), np.ones((1, 1)), 0.5)
    loop = UserSimulator(lambda state, action, rng: (state, np.ones(state.shape)), 1, 1, 1.0)
    with pytest.raises(
        rm.SampleError,
        match="3 undiscounted episodes have not ended after 50 steps; give a horizon",
    ):
        estimates(MonteCarlo(3), loop, rm.Unregularized(), np.ones((1, 1)), runs=1)
    q, _ = estimates(MonteCarlo(3, horizon=60), loop, rm.Unregularized(), np.ones((1, 1)), runs=1)
    assert q[0, 0, 0] == 60
    assert np.isfinite(
        estimates(MonteCarlo(3), mdp, rm.Unregularized(), np.ones((1, 1)), runs=1)[0]
    ).all()


def test_a_regularizer_that_is_infinite_is_refused():
    mdp = model()
    policy = (mdp.available & (np.cumsum(mdp.available, axis=1) == 1)).astype(float)
    with pytest.raises(
        rm.SolverError, match="the regularizer is infinite at the policy in 4 states"
    ):
        estimates(MonteCarlo(1), mdp, rm.LogBarrier(temperature=0.1), policy, runs=1)


def test_environments_are_refused():
    class Path(rm.samples.EpisodicProcess):
        def start_rollout(self, count, streams):
            raise AssertionError("no episode is started")

    with pytest.raises(
        rm.SampleError, match="needs an MDP or a simulator, not Path; Rollouts start where"
    ):
        rm.learn(
            Path(rm.mdp.StateActionSpace(np.ones((1, 1), dtype=bool)), 0.5, np.ones(1)),
            None,
            rm.algorithms.NPG(0.1, evaluation=MonteCarlo(1)),
            max_iterations=1,
            rng=np.random.default_rng(0),
        )
