"""Learning from logged data, whose empirical model is known, and from replay buffers."""

import numpy as np
import pytest
from small_solvers import policy_value

import regmdp as rm
from regmdp.evaluation import (
    CertaintyEquivalence,
    OfflineTD,
    PolynomialRate,
    ReplayTD,
    RunBatch,
    offline,
    tile_regularizer,
)
from regmdp.evaluation.action_values import Transitions
from regmdp.evaluation.replay import ReplayBuffer
from regmdp.samples import Dataset, OfflineMDP, RandomStreams

AVAILABLE = np.array([[1, 1], [1, 0], [1, 1], [0, 0]], dtype=bool)


def logged(n=400, seed=0):
    """A log of four states, the last terminal, with all five available pairs; some transitions
    terminate.
    """
    rng = np.random.default_rng(seed)
    pair = np.concatenate((np.arange(5), rng.integers(0, 5, size=n - 5)))
    state, action = (index[pair] for index in np.nonzero(AVAILABLE))
    columns = {
        "state": state,
        "action": action,
        "reward": rng.normal(size=n),
        "next_state": rng.integers(0, 4, size=n),
        "terminated": rng.random(n) < 0.1,
    }
    return Dataset.from_columns(columns, n_states=4, n_actions=2)


def log(discount=0.8, **keywords):
    return OfflineMDP(logged(), discount, available=AVAILABLE, **keywords)


def per_state():
    return rm.Shannon(temperature=np.array([0.5, 0.1, 1.0, 0.3]))


def policies(count):
    weight = np.random.default_rng(1).exponential(size=(count, 4, 2)) * AVAILABLE
    return weight / np.maximum(weight.sum(axis=2, keepdims=True), 1e-300)


def counted(data):
    """(4, 2, 4) frequencies, (4, 2) mean rewards and (4, 2) frequencies of the end, row by row."""
    rows, rewards, ends, times = (
        np.zeros((4, 2, 4)),
        np.zeros((4, 2)),
        np.zeros((4, 2)),
        np.zeros((4, 2)),
    )
    for s, a, r, t, terminated in zip(
        data.state, data.action, data.reward, data.next_state, data.terminated, strict=True
    ):
        times[s, a] += 1
        rewards[s, a] += r
        if terminated:
            ends[s, a] += 1
        else:
            rows[s, a, t] += 1
    times = np.maximum(times, 1)
    return rows / times[..., None], rewards / times, ends / times


def estimate(evaluation, source, regularizer, policy, *, iterations=1):
    """(N, S, A) action values of (N, S, A) policies, one a run."""
    runs = len(policy)
    batch = RunBatch(source, RandomStreams(np.random.default_rng(0).spawn(runs)))
    after = None
    for _ in range(iterations):
        after = evaluation(
            batch,
            tile_regularizer(regularizer, source, runs),
            policy.reshape(-1, policy.shape[2]),
            after,
        )
    return batch.split(after.q), after


def test_the_empirical_model_is_that_of_the_frequencies():
    rows, rewards, ends = counted(logged())
    model = log().estimate_model()
    np.testing.assert_allclose(model.to_array(), rows, atol=1e-14)
    np.testing.assert_allclose(model.rewards, rewards, atol=1e-14)
    np.testing.assert_allclose(model.termination, ends, atol=1e-14)
    assert np.array_equal(model.available, AVAILABLE)
    assert np.array_equal(model.terminal, [False, False, False, True])
    assert model.discount == 0.8


@pytest.mark.parametrize("dense", [True, False])
@pytest.mark.parametrize("discount", [0.8, 1.0])
def test_certainty_equivalence_is_the_solution_of_the_empirical_model(dense, discount, monkeypatch):
    monkeypatch.setattr(offline, "MAX_DENSE_STATES", 256 if dense else 0)
    source, policy, regularizer = log(discount), policies(3), per_state()
    found, after = estimate(CertaintyEquivalence(), source, regularizer, policy)
    rows, rewards, _ = counted(logged())
    for run in range(3):
        p = policy[run]
        entropy = np.where(p > 0, p * np.log(np.where(p > 0, p, 1.0)), 0.0).sum(axis=1)
        chain = np.einsum("sa,sat->st", p, rows)
        reward = (p * rewards).sum(axis=1) - per_state().temperature * entropy
        value = np.linalg.solve(np.eye(4) - discount * chain, reward)
        np.testing.assert_allclose(
            found[run][AVAILABLE], (rewards + discount * rows @ value)[AVAILABLE], atol=1e-11
        )
        np.testing.assert_allclose(after.value.reshape(3, 4)[run], value, atol=1e-11)
    assert np.all(np.isneginf(found[:, ~AVAILABLE]))
    assert after.samples == 400


def test_mirror_descent_from_a_log_solves_its_model():
    regularizer = per_state()
    algorithm = rm.algorithms.PMD(step_size=1.0, evaluation=CertaintyEquivalence())
    learned = rm.learn(
        log(), regularizer, algorithm, max_iterations=60, rng=np.random.default_rng(0)
    )
    best = rm.solve(log().estimate_model(), regularizer, tol=1e-10)
    np.testing.assert_allclose(learned.policy[0], best.policy, atol=1e-4)
    assert rm.certify(log().estimate_model(), regularizer, policy=learned.policy[0]).gap < 1e-4


@pytest.mark.parametrize("target", ["expected", "optimal"])
@pytest.mark.parametrize(
    ("name", "discount"),
    [("Shannon, per state", 0.8), ("squared norm", 0.8), ("none", 0.8), ("none", 1.0)],
)
def test_offline_td_converges_to_the_solution_of_the_empirical_model(target, name, discount):
    regularizer = {
        "Shannon, per state": per_state(),
        "squared norm": rm.SquaredL2(0.4),
        "none": rm.Unregularized(),
    }[name]
    source, policy = log(discount), policies(1)
    model = source.estimate_model()
    solved = (
        rm.solve(model, regularizer, tol=1e-10)
        if target == "optimal"
        else rm.evaluate(model, policy[0], regularizer)
    )
    exact = rm.bellman.q_values(model, solved.value)[AVAILABLE]

    def found(updates):
        q, after = estimate(
            OfflineTD(updates, batch_size=64, target=target),
            source,
            regularizer,
            np.repeat(policy, 20, axis=0),
        )
        np.testing.assert_allclose(after.value.reshape(20, 4)[:, 3], 0.0)
        return q[:, AVAILABLE]

    few, many = (np.sqrt(np.mean((found(updates) - exact) ** 2)) for updates in (25, 400))
    assert many < 0.4 * few, (few, many)
    assert many < 0.12, many


def test_minibatches_are_drawn_uniformly():
    """With the step sizes 1/k and γ = 0 the estimates are the means of the rewards drawn."""
    source = log(0.0)
    found, after = estimate(
        OfflineTD(300, batch_size=1, step_size=PolynomialRate(1.0)),
        source,
        rm.Unregularized(),
        np.repeat(policies(1), 400, axis=0),
    )
    visits = after.memory.reshape(400, 4, 2)
    share = source.counts / 400
    assert np.all(visits.sum(axis=(1, 2)) == 300)
    score = (visits.mean(axis=0) - 300 * share) / np.sqrt(
        np.maximum(300 * share * (1 - share), 1e-300) / 400
    )
    assert np.abs(score[AVAILABLE]).max() < 5.7
    error = found[:, AVAILABLE] - source.estimate_model().rewards[AVAILABLE]
    score = error.mean(axis=0) / (error.std(axis=0, ddof=1) / 20)
    assert np.abs(score).max() < 5.7


# ---- missing pairs ----


def test_missing_pairs_are_named():
    available = AVAILABLE.copy()
    available[1, 1] = available[3, 0] = True
    labels = {"state_labels": ["north", "east", "south", "west"], "action_labels": ["stay", "go"]}
    source = OfflineMDP(logged(), 0.9, available=available, **labels)
    assert repr(source) == "OfflineMDP(400 transitions, 5 of 7 available pairs seen, discount 0.9)"
    message = (
        r"state 1 \(east\), action 1 \(go\) does not occur in the log; 2 of 7 available pairs are "
        r"missing: .*restrict_to_seen"
    )
    for evaluation in (CertaintyEquivalence(), OfflineTD(5)):
        algorithm = rm.algorithms.PolicyIteration(evaluation)
        with pytest.raises(rm.SampleError, match=message):
            rm.learn(
                source, rm.Shannon(0.1), algorithm, max_iterations=1, rng=np.random.default_rng(0)
            )
    with pytest.raises(rm.SampleError, match=message):
        source.estimate_model()


def test_missing_pairs_can_be_excluded():
    data = Dataset.from_columns(
        {
            "state": [0, 0, 1],
            "action": [0, 1, 1],
            "reward": [0.0, 1.0, 2.0],
            "next_state": [1, 0, 1],
        }
    )
    source = OfflineMDP(data, 0.5).restrict_to_seen()
    assert source.available.tolist() == [[True, True], [False, True]]
    assert not source.unseen.any()
    # the value of staying in state 1 is 2/(1-γ) = 4, that of going there γ times that
    np.testing.assert_allclose(rm.solve(source.estimate_model(), tol=1e-10).value, [2.0, 4.0])
    algorithm = rm.algorithms.PolicyIteration(CertaintyEquivalence())
    learned = rm.learn(source, None, algorithm, max_iterations=5, rng=np.random.default_rng(0))
    np.testing.assert_allclose(learned.value, [[2.0, 4.0]])


def test_states_without_logged_actions_are_terminal_if_never_reached():
    # the next state of the last step is ignored: the episode has ended
    columns = {
        "state": [1, 1],
        "action": [0, 1],
        "reward": [1.0, 3.0],
        "next_state": [1, 0],
        "terminated": [False, True],
    }
    source = OfflineMDP(Dataset.from_columns(columns, n_states=3), 0.5).restrict_to_seen()
    assert source.terminal.tolist() == [True, False, True]
    assert source.initial.tolist() == [0.0, 1.0, 0.0]
    np.testing.assert_allclose(rm.solve(source.estimate_model(), tol=1e-10).value, [0.0, 3.0, 0.0])


def test_states_without_logged_actions_must_not_be_reached():
    columns = {"state": [0, 0], "action": [0, 1], "reward": [1.0, 3.0], "next_state": [2, 1]}
    data = Dataset.from_columns(columns)
    with pytest.raises(
        rm.SampleError,
        match=r"state 1 is reached in the log, but no action .* so in 2 of 3 states",
    ):
        OfflineMDP(data, 0.5).restrict_to_seen()
    # a state that is known to be terminal may be
    available = np.array([[True, True], [False, False], [False, False]])
    assert OfflineMDP(data, 0.5, available=available).restrict_to_seen().terminal.tolist() == [
        False,
        True,
        True,
    ]
    columns["terminated"] = [True, True]
    with pytest.raises(rm.SampleError, match=r"state 2 is reached"):
        OfflineMDP(
            Dataset.from_columns(columns, n_states=3), 0.5, initial=[0.5, 0.0, 0.5]
        ).restrict_to_seen()


def test_the_initial_distribution_is_that_of_the_logged_episodes():
    columns = {
        "state": [1, 0, 1, 2],
        "action": [0, 0, 0, 0],
        "reward": np.zeros(4),
        "next_state": [0, 1, 2, 2],
        "episode": [3, 3, 4, 7],
    }
    np.testing.assert_allclose(
        OfflineMDP(Dataset.from_columns(columns), 0.9).initial, [0.0, 2 / 3, 1 / 3]
    )
    del columns["episode"]
    np.testing.assert_allclose(
        OfflineMDP(Dataset.from_columns(columns), 0.9).initial, [1 / 3, 1 / 3, 1 / 3]
    )


def test_like_copies_the_properties_of_a_process():
    mdp = rm.models.chain(4)
    policy = rm.uniform_policy(mdp)
    source = OfflineMDP.like(
        mdp, Dataset.from_episodes(mdp, policy, 40, 60, np.random.default_rng(0))
    )
    assert source.discount == mdp.discount
    assert np.array_equal(source.available, mdp.available)
    assert np.array_equal(source.initial, mdp.initial)
    assert source.action_labels == mdp.action_labels
    found, _ = estimate(CertaintyEquivalence(), source, rm.Unregularized(), policy[None])
    exact = rm.bellman.q_values(mdp, policy_value(mdp, policy))
    # its transitions are deterministic: one sample determines them
    np.testing.assert_allclose(found[0], exact, atol=1e-11)


def test_data_that_do_not_fit_are_refused():
    with pytest.raises(rm.SampleError, match="not available in that state"):
        OfflineMDP(logged(), 0.9, available=AVAILABLE & [True, False])
    with pytest.raises(
        rm.SampleError, match="the data have 4 states and 2 actions, the model 3 and 2"
    ):
        OfflineMDP(logged(), 0.9, n_states=3)
    for evaluation in (CertaintyEquivalence(), OfflineTD(1)):
        with pytest.raises(
            rm.SampleError,
            match="learns from logged transitions, a regmdp.samples.OfflineMDP, not from MDP",
        ):
            evaluation.check(rm.models.chain(3), rm.Unregularized())
    with pytest.raises(
        rm.SampleError,
        match=(
            "follows the policy, which needs an MDP, a simulator or an environment, not OfflineMDP"
        ),
    ):
        ReplayTD(1, 1).check(log(), rm.Unregularized())


# ---- buffers ----


def test_a_buffer_keeps_the_last_transitions():
    kept = ReplayBuffer(2, 5)
    for first in range(0, 12, 2):
        number = np.array([[first, first + 1], [100 + first, 101 + first]])
        kept.add(Transitions(number, number / 2.0, number + 1, number % 3 == 0))
        assert kept.size == min(first + 2, 5)
    for run, start in enumerate((0, 100)):
        last = np.arange(start + 7, start + 12)
        order = np.argsort(kept.pair[run])
        assert np.array_equal(kept.pair[run][order], last)
        assert np.array_equal(kept.reward[run][order], last / 2.0)
        assert np.array_equal(kept.after[run][order], last + 1)
        assert np.array_equal(kept.terminated[run][order], last % 3 == 0)


@pytest.mark.parametrize("target", ["expected", "optimal"])
def test_replay_td_evaluates_the_policy_whatever_was_followed(target):
    mdp, regularizer = log().estimate_model(), per_state()
    policy = np.where(AVAILABLE.any(axis=1)[:, None], [1.0, 0.0], 0.0)[
        None
    ]  # which never tries the second action
    evaluation = ReplayTD(250, 400, 64, target=target, n_envs=8, exploration=0.5)
    found, after = estimate(evaluation, mdp, regularizer, np.repeat(policy, 20, axis=0))
    solved = (
        rm.solve(mdp, regularizer, tol=1e-10)
        if target == "optimal"
        else rm.evaluate(mdp, policy[0], regularizer)
    )
    exact = rm.bellman.q_values(mdp, solved.value)[AVAILABLE]
    assert np.sqrt(np.mean((found[:, AVAILABLE] - exact) ** 2)) < 0.15
    assert np.abs(found[:, AVAILABLE].mean(axis=0) - exact).max() < 0.08
    assert after.samples == 2000
    assert after.memory.buffer.size == 2000


@pytest.mark.parametrize(
    "name", ["OfflineTD", "OfflineTD, optimal", "ReplayTD", "CertaintyEquivalence"]
)
def test_a_run_does_not_depend_on_the_others(name):
    evaluation, source = {
        "OfflineTD": (OfflineTD(10, 16), log()),
        "OfflineTD, optimal": (OfflineTD(10, 16, target="optimal"), log()),
        "ReplayTD": (
            ReplayTD(10, 10, 16, buffer_size=25, n_envs=2, exploration=0.2),
            log().estimate_model(),
        ),
        "CertaintyEquivalence": (CertaintyEquivalence(), log()),
    }[name]
    algorithm = rm.algorithms.PMD(step_size=1.0, evaluation=evaluation)

    def learned(which):
        return rm.learn(
            source,
            per_state(),
            algorithm,
            max_iterations=3,
            rng=[np.random.default_rng(seed) for seed in which],
        )

    together = learned(range(4))
    for run in range(4):
        alone = learned([run])
        assert np.array_equal(alone.q[0], together.q[run])
        assert np.array_equal(alone.policy[0], together.policy[run])
    assert np.array_equal(together.q[0], together.q[1]) == (name == "CertaintyEquivalence")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: OfflineTD(0), "updates must be an integer"),
        (lambda: OfflineTD(1, batch_size=0), "batch_size must be"),
        (lambda: OfflineTD(1, step_size=0.0), "in (0, 1]"),
        (lambda: ReplayTD(0, 1), "steps must be an integer"),
        (lambda: ReplayTD(1, 1, buffer_size=0), "buffer_size must be"),
        (lambda: ReplayTD(1, 1, buffer_size=3, n_envs=4), "all 4 environments, and has room for 3"),
        (lambda: ReplayTD(1, 1, exploration=2.0), "exploration must be a number in [0, 1]"),
    ],
)
def test_options_out_of_range_are_refused(make, message):
    with pytest.raises(rm.SolverError) as caught:
        make()
    assert message in str(caught.value)
