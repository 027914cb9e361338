"""REINFORCE: unbiased gradients for every baseline, and averages that give the natural gradient."""

import numpy as np
import pytest

import regmdp as rm
from regmdp.evaluation import Estimate, Rollouts, RunBatch, parallel_episodes
from regmdp.samples import (
    EpisodicProcess,
    RandomStreams,
    Rollout,
    SimulatedRollout,
    Step,
    TableSimulator,
    UserSimulator,
)

REGULARIZERS = {
    "none": rm.Unregularized(),
    "Shannon": rm.Shannon(1.0),
    "squared norm": rm.SquaredL2(temperature=2.0),
}

each_regularizer = pytest.mark.parametrize("regularizer", REGULARIZERS.values(), ids=REGULARIZERS)


def model(discount=0.6, *, ends=0.0, mean=0.0):
    """Four states of three actions, one of which is missing, and a terminal one, where some
    episodes even begin.
    """
    rng = np.random.default_rng(4)
    available = np.ones((5, 3), dtype=bool)
    available[1, 0] = available[4] = False
    rows = rng.dirichlet(np.full(5, 0.5), size=(5, 3)) * (1 - ends)
    return rm.MDP(
        rows,
        mean + 0.5 * rng.normal(size=(5, 3)),
        discount,
        available=available,
        termination=np.full((5, 3), ends),
        initial=np.array([0.4, 0.3, 0.1, 0.1, 0.1]),
    )


def some_policy(mdp, seed=5):
    weight = (
        np.random.default_rng(seed).exponential(size=mdp.available.shape) + 0.2
    ) * mdp.available
    return weight / np.maximum(weight.sum(axis=1, keepdims=True), 1e-300)


def generators(count, seed=0):
    return [np.random.default_rng([seed, i]) for i in range(count)]


def run(evaluation, source, regularizer, policy, runs=1, before=None, seed=0):
    """The estimate of several runs, all of the same policy."""
    return evaluation(
        RunBatch(source, RandomStreams(generators(runs, seed))),
        regularizer,
        np.tile(policy, (runs, 1)),
        before,
    )


def deviations(samples, truth):
    """The means of (N, …) samples minus their expectations, in standard errors."""
    spread = samples.std(axis=0, ddof=1)
    assert (spread > 0).all()
    return (samples.mean(axis=0) - truth) / (spread / np.sqrt(len(samples)))


def action_values(mdp, regularizer, policy):
    return rm.bellman.q_values(mdp, rm.evaluate(mdp, policy, regularizer).value)


def slope(regularizer, policy):
    """τ h'(π), up to a constant for each state, computed independently of the library."""
    kind = type(regularizer).__name__
    h = {
        "Unregularized": np.zeros_like,
        "Shannon": lambda p: np.log(np.where(p > 0, p, 1.0)),
        "SquaredL2": lambda p: p,
    }[kind]
    return regularizer.temperature * h(policy)


def gradient(mdp, regularizer, policy):
    """The exact gradient with respect to the logits: visits times π times what an action gains over
    the mean.
    """
    net = np.where(mdp.available, action_values(mdp, regularizer, policy), 0.0) - slope(
        regularizer, policy
    )
    return (
        rm.visits(mdp, policy)[:, None] * policy * (net - (policy * net).sum(axis=1, keepdims=True))
    )


# ---- the gradient ----


@each_regularizer
@pytest.mark.parametrize("baseline", [False, True])
def test_the_gradient_is_unbiased(regularizer, baseline):
    mdp = model()
    policy, runs = some_policy(mdp), 2000
    evaluation = Rollouts(20, baseline=baseline)
    first = run(evaluation, mdp, regularizer, policy, runs)
    again = run(evaluation, mdp, regularizer, policy, runs, before=first, seed=1)
    exact = gradient(mdp, regularizer, policy)
    for estimate in (first, again):
        sampled = estimate.gradient.reshape(runs, 5, 3)
        assert (sampled[:, ~mdp.available] == 0).all()
        np.testing.assert_allclose(sampled.sum(axis=2), 0.0, atol=1e-10)
        assert np.abs(deviations(sampled[:, mdp.available], exact[mdp.available])).max() < 4.5
    # steps before the sample, and steps of the return
    assert again.samples == pytest.approx(2 * first.samples, rel=0.02)


@each_regularizer
def test_whole_episodes_without_discount(regularizer):
    mdp = model(1.0, ends=0.3)
    policy, runs = some_policy(mdp), 1500
    first = run(Rollouts(10), mdp, regularizer, policy, runs)
    sampled = run(
        Rollouts(10), mdp, regularizer, policy, runs, before=first, seed=1
    ).gradient.reshape(runs, 5, 3)
    exact = gradient(mdp, regularizer, policy)
    assert np.abs(deviations(sampled[:, mdp.available], exact[mdp.available])).max() < 4.5


def truncated_gradient(mdp, regularizer, policy, horizon):
    """The expectation of whole episodes of H steps, by dynamic programming."""
    left = np.zeros(mdp.n_states)  # the value of the steps that are left
    net = []
    for _ in range(horizon):
        q = np.where(mdp.available, rm.bellman.q_values(mdp, left), 0.0)
        left = rm.bellman.policy_backup(mdp, regularizer, policy, left)
        net.append(q - slope(regularizer, policy))
    total, where = np.zeros((5, 3)), mdp.initial
    for t in range(horizon):
        gain = net[horizon - 1 - t]
        total += (
            mdp.discount**t
            * where[:, None]
            * policy
            * (gain - (policy * gain).sum(axis=1, keepdims=True))
        )
        where = np.einsum("s,sa,sat->t", where, policy, mdp.to_array())
    return total


def test_a_horizon_biases_the_gradient_within_the_bound():
    mdp, regularizer, horizon, runs = model(mean=2.0), rm.Shannon(0.3), 4, 4000
    policy = some_policy(mdp)
    sampled = run(Rollouts(20, horizon=horizon), mdp, regularizer, policy, runs).gradient.reshape(
        runs, 5, 3
    )
    expected, exact = (
        truncated_gradient(mdp, regularizer, policy, horizon),
        gradient(mdp, regularizer, policy),
    )
    assert np.abs(deviations(sampled[:, mdp.available], expected[mdp.available])).max() < 4.5
    # the bias is measurable, and within its bound
    assert np.abs(deviations(sampled[:, mdp.available], exact[mdp.available])).max() > 10
    value = rm.evaluate(mdp, policy, regularizer).value
    net = (action_values(mdp, regularizer, policy) - slope(regularizer, policy))[mdp.available]
    advantage = np.ptp(net)
    bound = mdp.discount**horizon * (
        2 * horizon * np.abs(value).max() + advantage / (1 - mdp.discount)
    )
    assert 0 < np.abs(expected - exact).sum() <= bound
    # and with it goes away
    np.testing.assert_allclose(truncated_gradient(mdp, regularizer, policy, 80), exact, atol=1e-14)


@pytest.mark.parametrize("horizon", [None, 12])
def test_a_baseline_reduces_the_variance(horizon):
    # rewards of about 2 in every step: returns that depend little on the actions
    mdp, runs = model(mean=2.0), 300
    policy = some_policy(mdp)
    spread = {}
    for baseline in (False, True):
        evaluation = Rollouts(50, horizon=horizon, baseline=baseline)
        first = run(evaluation, mdp, rm.Shannon(0.3), policy, runs)
        again = run(evaluation, mdp, rm.Shannon(0.3), policy, runs, before=first, seed=1)
        spread[baseline] = again.gradient.reshape(runs, 5, 3).var(axis=0).sum()
    assert spread[True] < 0.7 * spread[False]


@pytest.mark.parametrize("horizon", [None, 40])
def test_the_error_decreases_with_the_root_of_the_number_of_samples(horizon):
    mdp, regularizer = model(), rm.Shannon(0.3)
    policy = some_policy(mdp)
    exact, sizes, errors, samples = gradient(mdp, regularizer, policy), [8, 32, 128, 512], [], []
    for episodes in sizes:
        estimate = run(Rollouts(episodes, horizon=horizon), mdp, regularizer, policy, runs=80)
        errors.append(np.sqrt(np.mean((estimate.gradient.reshape(80, 5, 3) - exact) ** 2)))
        samples.append(estimate.samples)
    assert np.polyfit(np.log(samples), np.log(errors), 1)[0] == pytest.approx(-0.5, abs=0.05)


# ---- the action values, and the natural gradient ----


@each_regularizer
@pytest.mark.parametrize("horizon", [None, 40])
def test_action_values_of_visited_pairs(regularizer, horizon):
    mdp, runs = model(), 60
    policy = some_policy(mdp)
    estimate = run(Rollouts(2000, horizon=horizon), mdp, regularizer, policy, runs)
    q = estimate.q.reshape(runs, 5, 3)
    exact = action_values(mdp, regularizer, policy)[mdp.available]
    # with whole episodes they are quotients of sums, whose bias is of the order of one over the
    # number of episodes
    tolerance = 4.5 * q[:, mdp.available].std(axis=0) / np.sqrt(runs) + (
        0 if horizon is None else 1e-2
    )
    assert (np.abs(q[:, mdp.available].mean(axis=0) - exact) < tolerance).all()
    assert (q[:, ~mdp.available] == -np.inf).all()


@pytest.mark.parametrize(
    "regularizer", [rm.Unregularized(), rm.Shannon(0.3)], ids=["none", "Shannon"]
)
def test_natural_gradient_is_compatible_function_approximation(regularizer):
    """Least squares of the returns on ∇ log π(a|s), with a constant for each state, is the average
    of each pair.
    """
    mdp, step = model(), 0.2
    policy = some_policy(mdp)

    # the samples themselves, drawn here: states, actions and returns
    rng = np.random.default_rng(0)
    state = rng.integers(0, 4, 400)
    action = np.array([rng.choice(3, p=policy[s]) for s in state])
    returns = action_values(mdp, regularizer, policy)[state, action] + rng.normal(size=400)

    count, total = np.zeros((5, 3)), np.zeros((5, 3))
    np.add.at(count, (state, action), 1)
    np.add.at(total, (state, action), returns)
    assert (count[mdp.available] > 0).all()
    averages = np.where(mdp.available, total / np.maximum(count, 1), -np.inf)

    features = np.zeros((400, 5, 3))
    features[np.arange(400), state] = np.eye(3)[action] - policy[state]
    constants = np.eye(5)[state]
    net = returns - slope(regularizer, policy)[state, action]
    weights = np.linalg.lstsq(np.hstack((features.reshape(400, 15), constants)), net, rcond=None)[
        0
    ][:15].reshape(5, 3)
    # θ ← θ + η w/(1-γ), as log π ← log π + η w/(1-γ) up to a constant for each state
    moved = np.where(mdp.available, policy * np.exp(step * weights / (1 - mdp.discount)), 0.0)
    moved = moved / np.maximum(moved.sum(axis=1, keepdims=True), 1e-300)

    class Averages(rm.evaluation.SampledEvaluation):
        def check(self, source, regularizer):
            pass

        def __call__(self, batch, regularizer, policy, before):
            return Estimate(averages, np.zeros(5), 400)

    algorithm = rm.algorithms.NPG(step, evaluation=Averages())
    learned = rm.learn(mdp, regularizer, algorithm, max_iterations=1, rng=rng, start=policy)
    np.testing.assert_allclose(learned.policy[0], moved, atol=1e-12)
    assert np.abs(moved - policy).max() > 0.1


def test_the_averages_are_those_of_the_returns():
    """With rewards that are known and no future, the average of a pair is its reward, and the
    gradient adds up by hand.
    """
    mdp = model(0.0)
    policy = some_policy(mdp)
    estimate = run(Rollouts(300), mdp, rm.Unregularized(), policy)
    seen = mdp.available & (mdp.initial > 0)[:, None]
    np.testing.assert_allclose(estimate.q[seen], mdp.rewards[seen], rtol=1e-12)
    assert estimate.samples < 300  # some episodes end where they begin
    # the gradient is Σ count r (e_a - π) / episodes: from it the counts come back
    design = np.zeros((4, 3, 3))
    for s, a in np.argwhere(mdp.available):
        design[s, :, a] = mdp.rewards[s, a] * (np.eye(3)[a] - policy[s]) / 300
    gradient = estimate.gradient
    for s in range(4):
        count, *_ = np.linalg.lstsq(design[s], gradient[s], rcond=None)
        np.testing.assert_allclose(design[s] @ count, gradient[s], atol=1e-12)


@each_regularizer
def test_states_that_were_not_visited_do_not_change(regularizer):
    # states 2 and 3 are never reached, and few of the pairs of the others
    mdp = rm.MDP(
        np.eye(4)[:, None].repeat(4, axis=1),
        np.arange(16.0).reshape(4, 4),
        0.5,
        initial=np.array([0.5, 0.5, 0, 0]),
    )
    policy = np.random.default_rng(0).dirichlet(np.ones(4), size=4)
    before = None
    for seed in range(3):
        before = run(Rollouts(2), mdp, regularizer, policy, before=before, seed=seed)
        assert (before.gradient[:2] != 0).any()
        assert (before.gradient[2:] == 0).all()
        # states that were not visited: all advantages are 0
        net = before.q - slope(regularizer, policy)
        np.testing.assert_allclose(np.ptp(net[2:], axis=1), 0.0, atol=1e-12)
        np.testing.assert_allclose(before.value[2:], 0.0, atol=1e-12)
    methods = [rm.algorithms.SoftmaxPG, rm.algorithms.PMD]
    if not isinstance(regularizer, rm.SquaredL2):
        methods.append(rm.algorithms.NPG)
    for method in methods:
        algorithm = method(0.1, evaluation=Rollouts(3))
        learned = rm.learn(
            mdp,
            regularizer,
            algorithm,
            max_iterations=5,
            rng=np.random.default_rng(0),
            start=policy,
        )
        np.testing.assert_allclose(learned.policy[0, 2:], policy[2:], atol=1e-12)
        assert np.abs(learned.policy[0, :2] - policy[:2]).max() > 1e-3


@each_regularizer
def test_pairs_that_were_not_visited_get_advantage_0(regularizer):
    mdp = rm.MDP(np.ones((1, 3, 1)), np.array([[5.0, 1.0, -2.0]]), 0.0)
    policy = np.array([[0.5, 0.3, 0.2]])
    price = slope(regularizer, policy)[0]
    cost = float(regularizer.cost(policy)[0])
    first = run(Rollouts(1), mdp, regularizer, policy)
    (taken,) = np.flatnonzero(first.q[0] == mdp.rewards[0])
    # only one return is known: all actions have the same value, net of the regularizer
    np.testing.assert_allclose(first.q[0] - price, mdp.rewards[0, taken] - price[taken], atol=1e-12)
    # with a previous value, the others stay at its level, and the action taken moves relative to it
    before = Estimate(first.q, np.array([3.0]), 1, memory=np.array([True]))
    second = run(Rollouts(1), mdp, regularizer, policy, before=before)
    others = np.arange(3) != taken
    level = 3.0 + cost - policy[0] @ price
    np.testing.assert_allclose(second.q[0, others] - price[others], level, atol=1e-12)
    assert second.q[0, taken] == mdp.rewards[0, taken]
    push = mdp.rewards[0, taken] - price[taken] - level
    np.testing.assert_allclose(
        second.gradient[0], push * (np.eye(3)[taken] - policy[0]), atol=1e-12
    )


@pytest.mark.parametrize(
    ("method", "horizon"),
    [(rm.algorithms.NPG, None), (rm.algorithms.NPG, 15), (rm.algorithms.SoftmaxPG, None)],
)
def test_policy_gradients_learn(method, horizon):
    mdp = model()
    algorithm = method(
        0.1 if method is rm.algorithms.NPG else 1.0, evaluation=Rollouts(100, horizon=horizon)
    )
    learned = rm.learn(mdp, rm.Shannon(0.1), algorithm, max_iterations=30, rng=generators(3))
    optimum = rm.solve(mdp, rm.Shannon(0.1)).initial_value
    start = rm.evaluate(
        mdp,
        mdp.available / np.maximum(mdp.available.sum(axis=1, keepdims=True), 1),
        rm.Shannon(0.1),
    ).initial_value
    for policy in learned.policy:
        assert optimum - rm.evaluate(mdp, policy, rm.Shannon(0.1)).initial_value < 0.25 * (
            optimum - start
        )


# ---- batches of runs, and other sources ----


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
    algorithm = rm.algorithms.SoftmaxPG(0.1, evaluation=Rollouts(90, horizon=horizon))
    together = rm.learn(source, rm.Shannon(0.3), algorithm, max_iterations=3, rng=generators(4))
    assert not np.array_equal(together.q[0], together.q[1])
    for i in (0, 3):
        alone = rm.learn(source, rm.Shannon(0.3), algorithm, max_iterations=3, rng=generators(4)[i])
        np.testing.assert_array_equal(alone.q[0], together.q[i])
        np.testing.assert_array_equal(alone.policy[0], together.policy[i])


class Path(EpisodicProcess):
    """An environment of 8 parallel episodes, with a time limit, and with or without a reset step
    after each end.
    """

    n_envs = 8

    def __init__(self, mdp, limit=None, rests=False):
        self.simulator, self.limit, self.rests = TableSimulator(mdp), limit, rests
        self.n_states, self.n_actions, self.discount, self.initial = (
            mdp.n_states,
            mdp.n_actions,
            mdp.discount,
            mdp.initial,
        )
        self.available, self.terminal, self.all_available = (
            mdp.available,
            mdp.terminal,
            mdp.all_available,
        )

    def start_rollout(self, count, streams):
        assert count == 8
        return Limited(self, count, streams)


class Limited(Rollout):
    def __init__(self, path, count, streams):
        self.path, self.inner, self.steps = (
            path,
            SimulatedRollout(path.simulator, count, streams),
            0,
        )
        self.state, self.age, self.streams = (
            self.inner.state,
            np.zeros(self.inner.state.shape),
            streams,
        )
        self.resetting = np.zeros(self.age.shape, dtype=bool) if path.rests else None

    def step(self, action):
        mdp = self.path.simulator.mdp
        # a terminal state has no transitions: a place that resets there draws from another state
        self.inner.state = np.where(mdp.terminal[self.state], 0, self.state)
        live = np.where(
            mdp.available[self.inner.state, action],
            action,
            np.argmax(mdp.available[self.inner.state], axis=-1),
        )
        step = self.inner.step(live)
        self.steps, self.age = self.steps + 1, self.age + 1
        truncated = ~step.terminated & (self.age >= (self.path.limit or np.inf))
        over = step.terminated | truncated
        anew = self.path.simulator.draw_initial_states(self.streams, action.shape[1])
        if self.resetting is None:
            self.state, self.age = (
                np.where(over, anew, step.next_state),
                np.where(over, 0, self.age),
            )
            return Step(step.next_state, step.reward, step.terminated, truncated)
        rested, self.resetting = self.resetting, over & ~self.resetting
        self.state = np.where(rested, anew, step.next_state)
        self.age = np.where(rested, 0, self.age)
        # the reward of a reset step is meaningless
        return Step(
            step.next_state,
            np.where(rested, 1e6, step.reward),
            step.terminated & ~rested,
            np.where(rested, True, truncated),
        )


@pytest.mark.parametrize("horizon", [None, 40])
@pytest.mark.parametrize("rests", [False, True])
def test_episodes_of_an_environment_run_to_their_end(horizon, rests):
    mdp, regularizer, runs = (
        model(ends=0.2).with_initial(np.array([0.5, 0.3, 0.1, 0.1, 0.0])),
        rm.Shannon(0.3),
        600,
    )
    policy = some_policy(mdp)
    estimate = run(Rollouts(40, horizon=horizon), Path(mdp, rests=rests), regularizer, policy, runs)
    sampled, exact = estimate.gradient.reshape(runs, 5, 3), gradient(mdp, regularizer, policy)
    assert np.abs(sampled).max() < 100  # no reward of a reset step
    assert np.abs(deviations(sampled[:, mdp.available], exact[mdp.available])).max() < 4.5


@pytest.mark.parametrize("horizon", [None, 40])
def test_a_truncated_episode_uses_the_previous_value(horizon):
    mdp, regularizer, runs = (
        model(mean=2.0).with_initial(np.array([0.5, 0.3, 0.1, 0.1, 0.0])),
        rm.Shannon(0.3),
        100,
    )
    policy = some_policy(mdp)
    truth = rm.evaluate(mdp, policy, regularizer).value
    before = Estimate(
        np.zeros((runs * 5, 3)), np.tile(truth, runs), 0, memory=np.ones(runs * 5, dtype=bool)
    )
    q, blind = (
        run(
            Rollouts(300, horizon=horizon),
            Path(mdp, limit=3),
            regularizer,
            policy,
            runs,
            before=given,
        ).q.reshape(runs, 5, 3)
        for given in (before, None)
    )
    exact = action_values(mdp, regularizer, policy)[mdp.available]
    tolerance = 0.0 if horizon is None else 0.02
    error = np.abs(q[:, mdp.available].mean(axis=0) - exact)
    assert (error < 4.5 * q[:, mdp.available].std(axis=0) / np.sqrt(runs) + tolerance).all()
    assert np.abs(blind[:, mdp.available].mean(axis=0) - exact).max() > 0.1


# ---- errors ----


@pytest.mark.parametrize("given", [0, -1, True])
def test_options_are_positive_integers(given):
    with pytest.raises(rm.SolverError, match="episodes must be an integer, 1 or more"):
        Rollouts(given)
    with pytest.raises(rm.SolverError, match="horizon must be an integer, 1 or more"):
        Rollouts(1, horizon=given)


def test_an_undiscounted_episode_that_does_not_end_is_an_error(monkeypatch):
    monkeypatch.setattr(parallel_episodes, "MAX_UNDISCOUNTED_STEPS", 50)
    loop = UserSimulator(lambda state, action, rng: (state, np.ones(state.shape)), 1, 2, 1.0)
    with pytest.raises(
        rm.SampleError,
        match="3 undiscounted episodes have not ended after 50 steps; give a horizon",
    ):
        run(Rollouts(3), loop, rm.Unregularized(), np.full((1, 2), 0.5))
    assert (
        run(Rollouts(3, horizon=60), loop, rm.Unregularized(), np.full((1, 2), 0.5)).samples == 180
    )


def test_logged_data_are_refused():
    class OfflineMDP(rm.mdp.DecisionProcess):
        pass

    with pytest.raises(
        rm.SampleError,
        match=(
            "Rollouts follow a policy in an MDP, a simulator or an environment, not in OfflineMDP"
        ),
    ):
        rm.learn(
            OfflineMDP(rm.mdp.StateActionSpace(np.ones((1, 1), dtype=bool)), 0.5, np.ones(1)),
            None,
            rm.algorithms.NPG(0.1, evaluation=Rollouts(1)),
            max_iterations=1,
            rng=np.random.default_rng(0),
        )
