"""Temporal differences: means of targets, λ-returns by their definition, independence of runs."""

import numpy as np
import pytest

import regmdp as rm
from regmdp.evaluation import (
    TD,
    Estimate,
    PolynomialRate,
    RescaledLinearRate,
    RunBatch,
    SynchronousTD,
    tile_regularizer,
)
from regmdp.samples import EpisodicProcess, RandomStreams, Rollout, Step, UserSimulator

TARGETS = ("expected", "sampled", "optimal")
each_target = pytest.mark.parametrize("target", TARGETS)


def masked(discount=0.8):
    """Six states, the last terminal; some pairs are unavailable, and some transitions end the
    episode.
    """
    rng = np.random.default_rng(3)
    available = np.array(
        [[1, 1, 1], [1, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0], [0, 0, 0]], dtype=bool
    )
    termination = rng.uniform(0.1, 0.3, size=(6, 3)) * available
    rows = rng.dirichlet(np.ones(6), size=(6, 3)) * (1 - termination)[..., None]
    return rm.MDP(
        rows, rng.normal(size=(6, 3)), discount, available=available, termination=termination
    )


def some_policy(mdp, seed=0):
    weight = np.random.default_rng(seed).uniform(0.5, 1.5, size=mdp.rewards.shape) * mdp.available
    return weight / np.maximum(weight.sum(axis=1, keepdims=True), 1e-300)


def per_state():
    return rm.Shannon(temperature=np.array([0.0, 0.2, 0.5, 1.0, 0.3, 0.7]))


def generators(count, seed=0):
    return np.random.default_rng(seed).spawn(count)


def estimate(evaluation, source, regularizer, policy, runs, *, q=None, iterations=1, seed=0):
    """(N, S, A) action values after some evaluations of one policy, from (S, A) values."""
    batch = RunBatch(source, RandomStreams(generators(runs, seed)))
    tiled, parts = np.tile(policy, (runs, 1)), tile_regularizer(regularizer, source, runs)
    before = None if q is None else Estimate(np.tile(q, (runs, 1)), np.zeros(batch.n_states), 0)
    for _ in range(iterations):
        before = evaluation(batch, parts, tiled, before)
    return batch.split(before.q), before


def true_q(mdp, regularizer, policy):
    return rm.bellman.q_values(mdp, rm.evaluate(mdp, policy, regularizer).value)


def best_q(mdp, regularizer):
    return rm.bellman.q_values(mdp, rm.solve(mdp, regularizer, tol=1e-10).value)


def root_mean_square(found, exact, mdp):
    return np.sqrt(np.mean((found[:, mdp.available] - exact[mdp.available]) ** 2))


def one_backup(mdp, regularizer, policy, q, target):
    """The expectation of a target: r + γ P W, with W the value that the policy, or the best one,
    makes of q.
    """
    finite = np.where(mdp.available, q, 0.0)
    if target == "optimal":
        ahead = regularizer.maximum(finite, mdp.available)
    else:
        ahead = np.where(
            mdp.terminal,
            0.0,
            (policy * finite).sum(axis=1) - regularizer.cost(policy, mdp.available),
        )
    return rm.bellman.q_values(mdp, ahead)


def assert_mean(samples, expected):
    """(n, k) independent samples have the (k,) expected means, by a test that fails once in ten
    million times.
    """
    error = samples.std(axis=0, ddof=1) / np.sqrt(len(samples))
    score = np.abs(samples.mean(axis=0) - expected) / np.maximum(error, 1e-12)
    assert score.max() < 5.7, score


@each_target
@pytest.mark.parametrize("name", ["Shannon, per state", "Tsallis", "none"])
def test_one_sweep_is_a_backup_on_average(target, name):
    mdp, policy = masked(), some_policy(masked())
    regularizer = {
        "Shannon, per state": per_state(),
        "Tsallis": rm.Tsallis(1.5, 0.4),
        "none": rm.Unregularized(),
    }[name]
    q = np.where(mdp.available, np.random.default_rng(1).normal(size=mdp.rewards.shape), -np.inf)
    found, after = estimate(
        SynchronousTD(1, step_size=1.0, target=target), mdp, regularizer, policy, 4000, q=q
    )
    expected = one_backup(mdp, regularizer, policy, q, target)
    assert_mean(found[:, mdp.available], expected[mdp.available])
    assert np.all(np.isneginf(found[:, ~mdp.available]))
    assert after.samples == np.count_nonzero(mdp.available)


@each_target
def test_one_step_is_on_average_a_backup_of_the_visited_pair(target):
    mdp, policy, regularizer = masked(), some_policy(masked()), per_state()
    q = np.where(mdp.available, np.random.default_rng(1).normal(size=mdp.rewards.shape), -np.inf)
    found, _ = estimate(
        TD(1, step_size=1.0, target=target, n_envs=1), mdp, regularizer, policy, 20_000, q=q
    )
    expected = one_backup(mdp, regularizer, policy, q, target)
    moved = found != q
    assert np.all(moved.sum(axis=(1, 2)) == 1)
    for state, action in zip(*np.nonzero(mdp.available), strict=True):
        chosen = moved[:, state, action]
        # episodes start in the initial distribution, and take actions with the probabilities of
        # the policy
        share = mdp.initial[state] * policy[state, action]
        assert abs(chosen.mean() - share) < 5.7 * np.sqrt(share / len(found))
        assert_mean(found[chosen][:, [state], [action]], expected[state, action])


def test_exploration_follows_another_policy_and_evaluates_the_given_one():
    mdp, regularizer = masked(), rm.SquaredL2(0.3)
    policy = np.zeros(mdp.rewards.shape)
    policy[np.arange(5), np.argmax(mdp.available, axis=1)[:5]] = 1.0
    alone, _ = estimate(TD(300, n_envs=8), mdp, regularizer, policy, 8)
    found, _ = estimate(TD(1000, n_envs=8, exploration=0.5), mdp, regularizer, policy, 8)
    never = (policy == 0) & mdp.available
    assert np.all(alone[:, never] == 0.0)
    exact = true_q(mdp, regularizer, policy)
    assert root_mean_square(found, exact, mdp) < 0.1 * np.abs(exact[never]).mean()


@each_target
@pytest.mark.parametrize("evaluation", ["walks", "sweeps"])
def test_estimates_converge(target, evaluation):
    mdp, policy, regularizer = masked(), some_policy(masked()), per_state()
    exact = best_q(mdp, regularizer) if target == "optimal" else true_q(mdp, regularizer, policy)

    def error(times):
        method = (
            TD(60 * times, target=target, n_envs=4)
            if evaluation == "walks"
            else SynchronousTD(30 * times, target=target)
        )
        found, _ = estimate(method, mdp, regularizer, policy, 50)
        return root_mean_square(found, exact, mdp)

    few, many = error(1), error(16)
    assert many < 0.4 * few, (few, many)
    assert many < 0.1, many


@pytest.mark.parametrize("discount", [0.0, 1.0])
@pytest.mark.parametrize(
    "evaluation",
    [TD(1000, n_envs=4), TD(1000, n_envs=4, trace_decay=0.7), SynchronousTD(500)],
    ids=repr,
)
def test_discounts_0_and_1(evaluation, discount):
    mdp, policy, regularizer = masked(discount), some_policy(masked()), per_state()
    found, _ = estimate(evaluation, mdp, regularizer, policy, 20)
    exact = true_q(mdp, regularizer, policy)
    assert root_mean_square(found, exact, mdp) < 0.15
    assert np.abs(found.mean(axis=0)[mdp.available] - exact[mdp.available]).max() < 0.1


# ---- λ-returns, against their definition ----


class Script(EpisodicProcess):
    """Episodes in which everything but the actions is given; the steps are recorded.

    Arrays (N, M, T): next states, rewards, terminations, truncations, and first states.
    """

    def __init__(self, frame, columns):
        self.n_states, self.n_actions, self.discount = (
            frame.n_states,
            frame.n_actions,
            frame.discount,
        )
        self.initial, self.available, self.terminal, self.all_available = (
            frame.initial, frame.available, frame.terminal, frame.all_available
        )  # fmt: skip
        self.columns, self.done = columns, []

    @classmethod
    def random(cls, frame, shape, seed=0, *, cuts):
        rng = np.random.default_rng(seed)
        live = np.flatnonzero(~frame.terminal)
        terminated = rng.random(shape) < 0.15
        truncated = ~terminated & (rng.random(shape) < 0.1) if cuts else np.zeros(shape, dtype=bool)
        terminated[..., -1] |= not cuts
        return cls(
            frame,
            (
                rng.choice(live, shape),
                rng.normal(size=shape),
                terminated,
                truncated,
                rng.choice(live, shape),
            ),
        )

    def start_rollout(self, count, streams):
        return ScriptedRollout(self, count)


class ScriptedRollout(Rollout):
    def __init__(self, script, count):
        self.script, self.steps = script, 0
        self.state = script.columns[4][:, :count, -1]

    def step(self, action):
        next_state, reward, terminated, truncated, anew = (
            column[..., self.steps] for column in self.script.columns
        )
        self.script.done.append((self.state, action, reward, next_state, terminated, truncated))
        self.state, self.steps = np.where(terminated | truncated, anew, next_state), self.steps + 1
        return Step(next_state, reward, terminated, truncated)


def forward_view(script, regularizer, policy, *, trace_decay, target, power):
    """(S, A) action values by the definition: after each step, all earlier pairs of the run move to
    their λ-returns so far.
    """
    gamma, cost = script.discount, regularizer.cost(policy, script.available)
    done = [[column[0] for column in row] for row in script.done]
    n_envs = range(len(done[0][0]))
    q0 = np.zeros((script.n_states, script.n_actions))
    q = q0.copy()
    # the value of the state after each step, by the estimates at that time
    ahead = []
    for now in range(len(done)):
        row = []
        for m in n_envs:
            _, _, _, after, terminated, truncated = (column[m] for column in done[now])
            mean = policy[after] @ q[after]
            # the next action is the one that is taken there
            sampled = (
                target == "sampled" and not truncated and not terminated and now + 1 < len(done)
            )
            row.append(q[after, done[now + 1][1][m]] if sampled else mean)
        ahead.append(row)
        q, visits = q0.copy(), np.zeros(q0.shape)
        for k in range(now + 1):
            returns = {}
            for m in n_envs:
                total, j = 0.0, now
                # the last step that belongs to the same episode
                for j in range(k, now + 1):
                    if done[j][4][m] or done[j][5][m]:
                        break
                for i in range(j, k - 1, -1):
                    _, _, reward, after, terminated, _ = (column[m] for column in done[i])
                    if terminated:
                        total = reward
                    elif i == j:
                        total = reward + gamma * (ahead[i][m] - cost[after])
                    else:
                        total = reward + gamma * (
                            (1 - trace_decay) * ahead[i][m] + trace_decay * total - cost[after]
                        )
                returns.setdefault((done[k][0][m], done[k][1][m]), []).append(total)
            for pair, totals in returns.items():
                q[pair] += (1 + visits[pair]) ** -power * (np.mean(totals) - q[pair])
                visits[pair] += 1
    return q


@pytest.mark.parametrize("target", ["expected", "sampled"])
@pytest.mark.parametrize("n_envs", [1, 3])
@pytest.mark.parametrize("trace_decay", [0.0, 0.6, 1.0])
def test_estimates_are_the_lambda_returns_after_every_step(target, n_envs, trace_decay):
    mdp, policy, regularizer = masked(0.9), some_policy(masked()), per_state()
    script = Script.random(mdp, (1, n_envs, 30), seed=n_envs, cuts=True)
    # the action after the last step is not recorded: there the episodes end
    script.columns[2][..., -1], script.columns[3][..., -1] = True, False
    found, _ = estimate(
        TD(30, PolynomialRate(0.6), target, trace_decay, n_envs), script, regularizer, policy, 1
    )
    expected = forward_view(
        script, regularizer, policy, trace_decay=trace_decay, target=target, power=0.6
    )
    np.testing.assert_allclose(found[0][mdp.available], expected[mdp.available], rtol=0, atol=1e-12)


@pytest.mark.parametrize("target", ["expected", "sampled"])
def test_lambda_1_is_monte_carlo(target):
    mdp, policy, regularizer = masked(0.9), some_policy(masked()), per_state()
    script = Script.random(mdp, (3, 1, 60), cuts=False)
    found, _ = estimate(
        TD(60, PolynomialRate(1.0), target, trace_decay=1.0), script, regularizer, policy, 3
    )
    cost = regularizer.cost(policy, mdp.available)
    for run in range(3):
        sums, counts, total = np.zeros((6, 3)), np.zeros((6, 3)), 0.0
        for state, action, reward, after, terminated, _ in (
            [column[run, 0] for column in row] for row in reversed(script.done)
        ):
            total = reward if terminated else reward + 0.9 * (total - cost[after])
            sums[state, action] += total
            counts[state, action] += 1
        seen = counts > 0
        np.testing.assert_allclose(found[run][seen], sums[seen] / counts[seen], rtol=0, atol=1e-12)


def test_environments_in_the_same_pair_update_it_once_towards_the_mean():
    mdp = rm.MDP(np.ones((1, 1, 1)), np.zeros((1, 1)), discount=0.0)
    script = Script.random(mdp, (2, 5, 3), cuts=False)
    found, after = estimate(
        TD(3, PolynomialRate(1.0), n_envs=5), script, rm.Unregularized(), np.ones((1, 1)), 2
    )
    np.testing.assert_allclose(found[:, 0, 0], script.columns[1].mean(axis=(1, 2)), atol=1e-15)
    assert after.memory.visits.tolist() == [3, 3]
    assert after.samples == 15


# ---- runs ----

EVALUATIONS = {
    "expected": TD(20, n_envs=3),
    "sampled": TD(20, target="sampled", n_envs=3),
    "optimal": TD(20, target="optimal", n_envs=3, exploration=0.2),
    "traces": TD(20, target="sampled", trace_decay=0.8, n_envs=3),
    "sweeps": SynchronousTD(4),
    "sampled sweeps": SynchronousTD(4, target="sampled"),
    "optimal sweeps": SynchronousTD(4, target="optimal"),
}


@pytest.mark.parametrize("evaluation", EVALUATIONS.values(), ids=EVALUATIONS)
def test_a_run_does_not_depend_on_the_others(evaluation):
    algorithm = rm.algorithms.PMD(step_size=1.0, evaluation=evaluation)

    def learned(which):
        rng = [np.random.default_rng(seed) for seed in which]
        return rm.learn(masked(), per_state(), algorithm, max_iterations=3, rng=rng)

    together = learned(range(4))
    for run in range(4):
        alone = learned([run])
        assert np.array_equal(alone.q[0], together.q[run])
        assert np.array_equal(alone.policy[0], together.policy[run])
    assert not np.array_equal(together.q[0], together.q[1])


@pytest.mark.parametrize(
    "evaluation",
    [TD(4, n_envs=2), *(SynchronousTD(3, target=target) for target in TARGETS)],
    ids=repr,
)
def test_a_run_of_a_user_simulator_does_not_depend_on_the_others(evaluation):
    def sample(state, action, rng):
        return rng.integers(0, 3, size=state.shape), rng.normal(size=state.shape) + action

    simulator = UserSimulator(sample, n_states=3, n_actions=2, discount=0.9)

    def found(which):
        algorithm = rm.algorithms.PolicyIteration(evaluation)
        return rm.learn(
            simulator,
            rm.Shannon(0.5),
            algorithm,
            max_iterations=3,
            rng=[np.random.default_rng(i) for i in which],
        ).q

    together = found([0, 1, 2])
    assert all(np.array_equal(found([run])[0], together[run]) for run in range(3))


@pytest.mark.parametrize(("target", "goes_on"), [("expected", False), ("optimal", True)])
def test_visits_are_counted_from_0_unless_targets_are_optimal(target, goes_on):
    mdp = masked()
    _, after = estimate(
        SynchronousTD(5, target=target), mdp, per_state(), some_policy(mdp), 2, iterations=3
    )
    assert set(after.memory.visits.reshape(2, 6, 3)[:, mdp.available].ravel()) == {
        15 if goes_on else 5
    }


# ---- options ----


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 0}, "steps must be an integer"),
        ({"steps": 1, "n_envs": True}, "n_envs must be an integer"),
        ({"steps": 1, "step_size": 1.5}, "in (0, 1]"),
        ({"steps": 1, "trace_decay": 1.1}, "trace_decay must be a number in [0, 1]"),
        ({"steps": 1, "exploration": -0.1}, "exploration must be a number in [0, 1]"),
        (
            {"steps": 1, "trace_decay": 0.5, "target": "optimal"},
            "λ-returns are those of the policy that is followed",
        ),
        (
            {"steps": 1, "trace_decay": 0.5, "exploration": 0.1},
            "λ-returns are those of the policy that is followed",
        ),
        ({"steps": 1, "target": "sampled", "exploration": 0.1}, 'use target="expected"'),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(rm.SolverError) as caught:
        TD(**options)
    assert message in str(caught.value)


def test_episodes_that_start_in_terminal_states_are_not_drawn():
    start = np.array([0.0, 0.25, 0.0, 0.0, 0.0, 0.75])
    mdp = masked()
    source = rm.MDP(
        mdp.to_array(),
        mdp.rewards,
        mdp.discount,
        available=mdp.available,
        termination=mdp.termination,
        initial=start,
    )
    _, after = estimate(TD(50, n_envs=4), source, rm.Unregularized(), some_policy(mdp), 5)
    assert after.memory.visits.reshape(5, 6, 3)[:, 5].sum() == 0
    source = rm.MDP(
        mdp.to_array(),
        mdp.rewards,
        mdp.discount,
        available=mdp.available,
        termination=mdp.termination,
        initial=np.eye(6)[5],
    )
    with pytest.raises(rm.SampleError, match="every episode begins in a terminal state"):
        estimate(TD(1), source, rm.Unregularized(), some_policy(mdp), 1)


def test_learning_rates():
    with pytest.raises(rm.SolverError, match="power"):
        PolynomialRate(0.0)
    with pytest.raises(rm.SolverError, match="sweeps must be an integer"):
        SynchronousTD(0)
    np.testing.assert_allclose(RescaledLinearRate()(np.arange(3), 0.9), [1.0, 1 / 1.1, 1 / 1.2])
    algorithm = rm.algorithms.PolicyIteration(TD(1, RescaledLinearRate()))
    with pytest.raises(rm.SolverError, match="would not decrease"):
        rm.learn(masked(1.0), None, algorithm, max_iterations=1, rng=np.random.default_rng(0))


def test_other_sources_are_refused():
    script = Script.random(masked(), (1, 1, 5), cuts=False)
    with pytest.raises(rm.SampleError, match="needs an MDP or a simulator, not Script"):
        SynchronousTD(1).check(script, rm.Unregularized())
    policy = np.array([[1.0, 0.0, 0.0]])
    with pytest.raises(rm.SolverError, match="infinite at the policy in 1 states"):
        estimate(TD(1), rm.models.bandit(), rm.LogBarrier(0.1), policy, 1)
