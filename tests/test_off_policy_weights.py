"""Off-policy evaluation from logs whose probabilities contradict their actions."""

import itertools

import numpy as np
import pytest
from tiers import tiered

import regmdp as rm
from regmdp.off_policy import evaluation, weight_checks
from regmdp.samples import Dataset

METHODS = ["doubly-robust", "importance-sampling", "weighted"]
INTERVALS = ["finite-sample", "normal"]
each_kind = pytest.mark.parametrize(
    ("method", "interval"), list(itertools.product(METHODS, INTERVALS))
)


def steps(action, probability, state=None, reward=None):
    """A log of episodes of one step."""
    n = len(action)
    state = np.zeros(n, dtype=int) if state is None else state
    return Dataset.from_columns(
        {
            "state": state,
            "action": action,
            "reward": (action == 0) * 1.0 if reward is None else reward,
            "next_state": state,
            "terminated": np.ones(n, dtype=bool),
            "episode": np.arange(n),
            "probability": np.broadcast_to(probability, (n,)),
        }
    )


def uniform(n, logged, n_states=1, seed=0):
    """Three actions drawn with probability 1/3 in some states, logged with another one."""
    g = np.random.default_rng(seed)
    return steps(g.integers(3, size=n), logged, g.integers(n_states, size=n))


def estimate(data, policy=(0.4, 0.3, 0.3), **options):
    policy = np.tile(np.asarray(policy), (data.n_states, 1))
    options = {"discount": 0.9, "reward_range": (-1, 1), **options}
    return rm.off_policy.estimate_value(data, policy, **options)


def make_log(rng, episodes=None):
    """A random process, a behaviour and a target policy, and some episodes."""
    n_states, n_actions = int(rng.integers(1, 12)), int(rng.integers(2, 6))
    ending = rng.uniform(0.05, 0.6, size=(n_states, n_actions))
    transitions = rng.dirichlet(np.full(n_states, 0.5), size=(n_states, n_actions))
    mdp = rm.MDP(
        transitions * (1.0 - ending)[..., None],
        rng.uniform(-1.0, 1.0, size=(n_states, n_actions)),
        float(rng.uniform(0.0, 0.95)),
        termination=ending,
    )
    weights = np.full(n_actions, rng.choice([0.3, 1.0, 5.0]))
    behaviour = 0.9 * rng.dirichlet(weights, size=n_states) + 0.1 / n_actions
    target = 0.5 * behaviour + 0.5 * rng.dirichlet(weights, size=n_states)
    count = int(rng.choice([30, 100, 400])) if episodes is None else episodes
    data = Dataset.from_episodes(mdp, behaviour, count, int(rng.choice([1, 5, 50])), rng)
    return mdp, target, data


# ---- contradictions ----


@each_kind
def test_actions_that_their_probabilities_exclude_are_refused(method, interval):
    """Drawn with probability 1/3, logged as 1/4: then the mean weight is 4/3."""
    message = (
        r"'probability' contradicts .* state 0, action \d was taken in \d+ of 2,000 visits, 3\d.\d "
        r"%, and its logged probability is 0.25; if .* at most e\^-\d+ \(betting"
    )
    with pytest.raises(rm.SampleError, match=message):
        estimate(uniform(2000, 0.25), method=method, interval=interval)


def test_the_evidence_is_a_betting_score():
    """Computed row by row: every part is a product of g / b with a g that was known before."""
    g = np.random.default_rng(3)
    data = steps(g.integers(3, size=40), g.uniform(0.2, 0.5, size=40), g.integers(2, size=40))
    policy = np.array([[0.4, 0.3, 0.3], [0.2, 0.2, 0.6]])
    process = evaluation._UnknownProcess((2, 3), 0.9)
    episodes = evaluation.Episodes.from_data(data, process, policy, 0.9, None)
    table = weight_checks._PairTable.from_episodes(episodes, (2, 3))

    of_state, overall, bets = np.ones(2), 1.0, np.ones((2, 3))
    count = np.zeros((2, 3))
    for s, a, b in zip(data.state, data.action, data.probability, strict=True):
        of_state[s] *= (count[s, a] + 0.5) / (count[s].sum() + 1.5) / b
        overall *= (count[:, a].sum() + 0.5) / (count.sum() + 1.5) / b
        for row, ratio in enumerate((policy[s, a] / b, 1 / 3 / b)):
            bets[row] *= 1.0 + np.array([0.1, 0.5, 1.0]) * (ratio - 1.0)
        count[s, a] += 1
    parts = [of_state.mean(), of_state.prod(), overall, *bets.ravel()]
    assert weight_checks._log_evidence(episodes, table, process, policy) == pytest.approx(
        np.log(np.mean(parts)), abs=1e-10
    )


@pytest.mark.parametrize(
    ("data", "policy"),
    [
        # one state of two hundred
        (
            steps(
                np.random.default_rng(0).permutation(np.arange(40_000) % 4),
                np.where(np.arange(40_000) % 200 == 7, 0.2, 0.25),
                np.arange(40_000) % 200,
            ),
            (0.25,) * 4,
        ),
        # never the same state twice
        (uniform(400, 0.25, n_states=10**5), (1 / 3,) * 3),
        (uniform(2000, 0.3, n_states=10**5), (1 / 3,) * 3),
    ],
    ids=["one state", "new states", "slightly"],
)
def test_contradictions_in_few_rows_of_each_state_are_found(data, policy):
    with pytest.raises(rm.SampleError, match="the column 'probability' contradicts"):
        estimate(data, policy, max_unseen=1.0)


def test_probabilities_that_sum_to_more_than_one_are_refused():
    message = (
        "the logged probabilities of the actions in state 0 sum to 0.5 . 0.5 . 0.5 = 1.5, which is "
        "more than 1; 1 of 1|check which probabilities were logged"
    )
    with pytest.raises(rm.SampleError, match=message):
        estimate(uniform(200, 0.5))


def test_probabilities_rounded_to_two_decimals_are_not_refused():
    action = np.random.default_rng(0).integers(6, size=600)
    data = steps(action, 0.17)  # six times 0.17 is 1.02
    findings = estimate(data, (1 / 6,) * 6).findings
    assert any("sum to 0.17 + 0.17" in finding for finding in findings)
    with pytest.raises(rm.SampleError, match=r"sum to .* = 1.08"):
        estimate(steps(action, 0.18), (1 / 6,) * 6)


def test_a_policy_that_changes_may_have_any_probabilities():
    """Two ε-greedy policies in turn: every action is logged with 0.9 and with 0.1."""
    g, n = np.random.default_rng(0), 3000
    greedy = np.arange(n) % 2
    action = np.where(g.random(n) < 0.9, greedy, 1 - greedy)
    result = estimate(steps(action, np.where(action == greedy, 0.9, 0.1)), (0.5, 0.5))
    assert result.findings == ()
    assert result.lower <= 0.5 <= result.upper


@pytest.mark.parametrize("seed", tiered(range(2000), 100))
def test_right_probabilities_are_not_refused(seed, monkeypatch):
    monkeypatch.setattr(evaluation, "MIN_EFFECTIVE_EPISODES", 0.0)
    mdp, target, data = make_log(np.random.default_rng(seed))
    options = {"process": mdp, "reward_range": (-1, 1), "max_unseen": 1.0}
    true = rm.evaluate(mdp, target).initial_value
    for method, interval in zip(METHODS, ["finite-sample", "normal", "finite-sample"], strict=True):
        result = rm.off_policy.estimate_value(
            data, target, method=method, interval=interval, **options
        )
        assert result.lower <= result.upper
        if interval == "finite-sample":  # whose bounds are so wide that they always hold
            assert result.lower <= true <= result.upper
        # p-values are uniformly distributed: 6000 of them are above 1e-5 with probability 0.94
        assert result.weight_test.p_value > 1e-5


def test_the_evidence_is_rarely_large_with_right_probabilities():
    """Its expectation is at most 1, so it exceeds 20 in at most 5 % of the logs."""
    rng, large, total = np.random.default_rng(0), 0, 300
    for _ in range(total):
        mdp, target, data = make_log(rng, episodes=20)
        episodes = evaluation.Episodes.from_data(data, mdp, target, mdp.discount, None)
        table = weight_checks._PairTable.from_episodes(episodes, target.shape)
        large += weight_checks._log_evidence(episodes, table, mdp, target) > np.log(20)
    assert large <= 0.05 * total


@pytest.mark.parametrize("seed", range(60))
def test_no_interval_is_empty_whatever_the_probabilities_are(seed):
    rng = np.random.default_rng(seed)
    mdp, target, data = make_log(rng)
    columns = {name: getattr(data, name) for name in ("state", "action", "reward", "next_state")}
    wrong = np.clip(data.probability * rng.choice([0.9, 0.97, 1.1]), 0.0, 1.0)
    data = Dataset.from_columns(
        {**columns, "terminated": data.terminated, "episode": data.episode, "probability": wrong},
        n_states=mdp.n_states,
        n_actions=mdp.n_actions,
    )
    for interval, confidence in itertools.product(INTERVALS, [0.01, 0.5, 0.95]):
        try:
            result = rm.off_policy.estimate_value(
                data,
                target,
                process=mdp,
                interval=interval,
                confidence=confidence,
                reward_range=(-1, 1),
                max_unseen=1.0,
            )
        except rm.SampleError:
            continue
        assert result.lower <= result.upper


def test_bounds_that_cross_are_exchanged_or_refused():
    crossed = {0.5: (2.0, 1.0), 1.0 - 1e-6: (0.0, 3.0)}
    lower, upper, finding = evaluation._bound_value(crossed.__getitem__, 0.5)
    assert (lower, upper) == (1.0, 2.0)
    assert "above the upper one" in finding
    assert evaluation._bound_value(lambda _: (1.0, 1.0), 0.5) == (1.0, 1.0, None)
    for always in ((2.0, 1.0), (np.nan, 1.0)):
        with pytest.raises(rm.SampleError, match="the data contradict themselves: .* 1e-06"):
            evaluation._bound_value(lambda _, bounds=always: bounds, 0.5)


def test_bounds_of_a_log_that_cross_are_reported():
    """All rewards are 1, and the weights slightly too large: the bounds are close, and cross."""
    crossed = 0
    for seed in range(20):
        data = steps(np.random.default_rng(seed).integers(3, size=500), 0.325, reward=np.ones(500))
        result = estimate(data, confidence=0.001)
        assert result.lower <= result.upper
        crossed += any("the lower bound was above" in finding for finding in result.findings)
    assert crossed > 0


# ---- the mean weight ----


@pytest.mark.parametrize("seed", range(4))  # with means on both sides
def test_the_mean_weight_is_tested(seed):
    """By hand: z is the sum of the deviations over the root of the sum of their squares."""
    data = uniform(300, 1 / 3, seed=seed)
    weight = np.array([0.6, 0.3, 0.1])[data.action] * 3
    z = np.sum(weight - 1.0) / np.sqrt(np.sum((weight - 1.0) ** 2))
    test = estimate(data, (0.6, 0.3, 0.1)).weight_test
    assert test.mean == pytest.approx(weight.mean())
    assert test.expected == 1.0
    # two-sided, from the series of the error function
    assert test.p_value == pytest.approx(_two_sided(z), rel=1e-6)
    assert not test.is_far


def _two_sided(z):
    terms, term = [], abs(z) / np.sqrt(2.0)
    for k in range(200):
        terms.append(term / (2 * k + 1))
        term *= -(z**2) / 2.0 / (k + 1)
    return 1.0 - 2.0 / np.sqrt(np.pi) * np.sum(terms)


def test_a_mean_weight_far_from_one_is_reported():
    """Probabilities of about 1/2 for three actions: nothing excludes that the policy changes, but
    the weights are too small.
    """
    g = np.random.default_rng(0)
    data = steps(g.integers(3, size=1000), g.uniform(0.45, 0.55, size=1000))
    result = estimate(data)
    assert result.weight_test.mean == pytest.approx(2 / 3, abs=0.03)
    assert result.weight_test.is_far
    for text in (repr(result), result._repr_html_()):
        assert "the mean weight of a step is 0.6" in text
        assert "and 1 is expected (martingale z-test: p = " in text
    (finding,) = result.findings
    assert finding.endswith("do not rely on the interval")
    assert "mean weight" in estimate(uniform(100, 1 / 3))._repr_html_()


def test_weights_of_the_behaviour_policy_itself_are_one():
    probability = np.array([0.1, 0.2, 0.7])
    action = np.random.default_rng(0).choice(3, size=200, p=probability)
    result = estimate(steps(action, probability[action]), probability)
    assert (result.weight_test.mean, result.weight_test.p_value) == (1.0, 1.0)
    assert result.findings == ()


def test_actions_that_the_data_lack_lower_the_expectation():
    data = steps(np.random.default_rng(0).integers(2, size=500), 0.5)
    result = estimate(data, (0.3, 0.3, 0.4), max_unseen=0.5, process=None, discount=0.5)
    assert result.weight_test.mean == pytest.approx(0.6)
    assert result.weight_test.expected == pytest.approx(0.6)
    assert result.weight_test.p_value == 1.0
    above = estimate(uniform(500, 1 / 3), (0.6, 0.3, 0.1)).weight_test
    assert above.expected == 1.0


def test_weights_and_rewards_beyond_doubles_are_refused():
    data = steps(np.random.default_rng(0).integers(3, size=100), 1 / 3, reward=np.full(100, 1e200))
    for method in METHODS:
        with pytest.raises(rm.SampleError, match="with rewards of up to 1e.200 exceed the range"):
            estimate(data, method=method, interval="normal", reward_range=(0, 1e201))


def test_a_weight_beyond_doubles_after_an_action_that_the_policy_never_takes():
    """That episode has weight 0 from then on, and no other one depends on it."""
    g, n = np.random.default_rng(0), 100
    action = g.integers(2, size=(n, 2))
    probability = np.full((n, 2), 0.5)
    action[7], probability[7] = (2, 0), (0.5, 1e-310)
    data = Dataset.from_columns(
        {
            "state": np.zeros(2 * n, dtype=int),
            "action": action.ravel(),
            "reward": np.ones(2 * n),
            "next_state": np.zeros(2 * n, dtype=int),
            "terminated": np.tile([False, True], n),
            "episode": np.repeat(np.arange(n), 2),
            "probability": probability.ravel(),
        }
    )
    options = {"discount": 0.5, "interval": "normal", "method": "importance-sampling"}
    policy = np.array([[0.5, 0.5, 0.0]])
    episodes = evaluation.Episodes.from_data(
        data, evaluation._UnknownProcess((1, 3), 0.5), policy, 0.5, None
    )
    expected = np.ones((n, 2))
    expected[7] = 0.0
    np.testing.assert_allclose(episodes.weight.reshape(n, 2), expected, rtol=1e-12)
    assert np.isfinite(weight_checks.compare_weights(episodes, policy).mean)
    with pytest.raises(rm.SampleError, match="state 0, action 0 .* is 1e-310 to 0.5, 0.4944 on"):
        rm.off_policy.estimate_value(data, policy, **options)


@pytest.mark.parametrize("value", [(0, "1"), (True, 2), (0, np.nan), (-np.inf, 0), (0, 1, 2), "01"])
def test_ranges_that_are_no_numbers_are_refused(value):
    with pytest.raises(rm.SolverError, match="reward_range"):
        estimate(uniform(100, 1 / 3), reward_range=value)


def test_a_ragged_policy_is_refused():
    data = uniform(100, 1 / 3)
    with pytest.raises(
        rm.PolicyError, match="the policy is not an array of numbers: .*inhomogeneous"
    ):
        rm.off_policy.estimate_value(data, [[0.5], [0.5, 0.5]], discount=0.9)
