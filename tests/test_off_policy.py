"""Off-policy evaluation: bias, coverage of the intervals, and errors.

Many data sets are parts of one long log, whose episodes are independent.
"""

import itertools

import numpy as np
import pytest

import regmdp as rm
from regmdp.off_policy import intervals
from regmdp.samples import Dataset, UserSimulator

METHODS = ["doubly-robust", "importance-sampling", "weighted"]
UNBIASED = METHODS[:2]
each_method = pytest.mark.parametrize("method", METHODS)


def ending_model(discount=0.9):
    """Three states, two actions; about a third of the transitions end the episode, or lead to the
    terminal state 3.
    """
    P = np.zeros((4, 2, 4))
    P[0, 0, [0, 1]], P[0, 1, [2, 3]] = (0.3, 0.4), (0.6, 0.2)
    P[1, 0, [0, 2]], P[1, 1, [1, 3]] = (0.2, 0.5), (0.3, 0.4)
    P[2, 0, [1, 3]], P[2, 1, 2] = (0.5, 0.2), 0.6
    rewards = np.array([[1.0, -0.5], [2.0, 0.5], [-1.0, 0.3], [0.0, 0.0]])
    available = np.array([[True, True]] * 3 + [[False, False]])
    termination = np.where(available, 1.0 - P.sum(axis=2), 0.0).round(12)
    return rm.MDP(
        P,
        rewards,
        discount,
        available=available,
        termination=termination,
        initial=[0.5, 0.5, 0.0, 0.0],
    )


MDP = ending_model()
RANGE = (-1.0, 2.0)
BEHAVIOUR = np.array([[0.5, 0.5], [0.6, 0.4], [0.4, 0.6], [0.0, 0.0]])
TARGET = np.array([[0.7, 0.3], [0.4, 0.6], [0.55, 0.45], [0.0, 0.0]])


def log(mdp, episodes, behaviour=BEHAVIOUR, steps=1000, seed=0):
    return Dataset.from_episodes(mdp, behaviour, episodes, steps, np.random.default_rng(seed))


def pieces(data, size):
    """Data sets of this number of episodes each."""
    ends = np.searchsorted(data.episode, np.arange(0, data.episode[-1] + 2, size))
    return [data.subset(slice(first, last)) for first, last in itertools.pairwise(ends)]


LOG = log(MDP, 30_000)
SOME = pieces(LOG, 200)[0]


def estimate(data, method, mdp=MDP, policy=TARGET, **keywords):
    return rm.off_policy.estimate_value(
        data, policy, **{"process": mdp, "method": method, "interval": "normal", **keywords}
    )


# ---- the estimates ----


def by_hand(data, policy, discount, cost, self_normalised):
    """Per-decision importance sampling, episode by episode and step by step."""
    episodes = [np.flatnonzero(data.episode == number) for number in np.unique(data.episode)]
    longest = max(map(len, episodes))
    weight, before = np.zeros((2, len(episodes), longest))
    reward, charge = np.zeros((2, len(episodes), longest))
    for i, rows in enumerate(episodes):
        product = 1.0
        for t in range(longest):
            before[i, t] = product
            if t < len(rows):
                s, a = data.state[rows[t]], data.action[rows[t]]
                product *= policy[s, a] / data.probability[rows[t]]
                reward[i, t], charge[i, t] = data.reward[rows[t]], cost[s]
            weight[i, t] = product
    if self_normalised:
        weight, before = (w / w.mean(axis=0) for w in (weight, before))
    return float(np.mean((weight * reward - before * charge) @ discount ** np.arange(longest)))


@pytest.mark.parametrize("regularizer", [None, rm.Shannon(0.4)])
@pytest.mark.parametrize("method", ["importance-sampling", "weighted"])
def test_importance_sampling_is_its_formula(method, regularizer):
    data = pieces(LOG, 60)[0]
    cost = (
        np.zeros(4) if regularizer is None else np.asarray(regularizer.cost(TARGET, MDP.available))
    )
    expected = by_hand(data, TARGET, 0.9, cost, method == "weighted")
    assert estimate(data, method, regularizer=regularizer).value == pytest.approx(
        expected, rel=1e-10
    )


@pytest.mark.parametrize("regularizer", [None, rm.Shannon(0.4)])
@pytest.mark.parametrize("discount", [0.9, 1.0])
@each_method
def test_large_data_give_the_value_within_their_error(method, discount, regularizer):
    """With so many episodes a bias would be visible; the error itself is checked below."""
    mdp = ending_model(discount)
    true = rm.evaluate(mdp, TARGET, regularizer).initial_value
    result = estimate(LOG, method, mdp, regularizer=regularizer)
    assert abs(result.value - true) < 4 * result.standard_error
    assert result.standard_error < 0.05


@pytest.mark.parametrize("method", UNBIASED)
def test_unbiased_with_few_episodes(method):
    """The models of the doubly robust estimates are poor here, which must not cause a bias."""
    true = rm.evaluate(MDP, TARGET).initial_value
    values = np.array([estimate(data, method).value for data in pieces(LOG, 30)[:300]])
    z = (values.mean() - true) / (values.std(ddof=1) / np.sqrt(values.size))
    assert abs(z) < 4


def test_the_model_is_corrected_by_other_episodes():
    """One step in one of 40 states: a model fitted to the episodes that correct it would reproduce
    them, and hardly be corrected.
    """
    rewards = np.tile([0.0, 1.0], (40, 1))
    mdp = rm.MDP(np.zeros((40, 2, 40)), rewards, 0.9, termination=np.ones((40, 2)))
    data, policy = log(mdp, 6000, rm.uniform_policy(mdp)), np.tile([0.2, 0.8], (40, 1))
    values = np.array(
        [
            estimate(some, "doubly-robust", mdp, policy, max_unseen=1.0).value
            for some in pieces(data, 40)
        ]
    )
    z = (values.mean() - 0.8) / (values.std(ddof=1) / np.sqrt(values.size))
    assert abs(z) < 4
    assert values.std() > 0


def test_the_weighted_estimate_is_closer_and_converges():
    true = rm.evaluate(MDP, TARGET).initial_value
    small = {
        method: np.array([estimate(data, method).value for data in pieces(LOG, 100)[:150]])
        for method in METHODS[1:]
    }
    error = {
        method: float(np.sqrt(np.mean((values - true) ** 2))) for method, values in small.items()
    }
    assert error["weighted"] < 0.9 * error["importance-sampling"]
    assert abs(estimate(LOG, "weighted").value - true) < 0.2 * error["weighted"]


@each_method
def test_the_standard_error_is_the_standard_deviation(method):
    results = [estimate(data, method) for data in pieces(LOG, 150)]
    spread = np.std([result.value for result in results], ddof=1)
    assert np.mean([result.standard_error for result in results]) == pytest.approx(spread, rel=0.15)


def test_the_model_reduces_the_variance():
    plain, robust = (
        estimate(LOG, method).standard_error for method in ("importance-sampling", "doubly-robust")
    )
    assert robust < 0.7 * plain


def test_doubly_robust_is_exact_in_deterministic_models():
    """Known rewards and transitions, every pair in both halves: the model is exact, and needs no
    correction.
    """
    P = np.zeros((4, 2, 4))
    for s in range(3):
        P[s, 0, s + 1], P[s, 1, 3] = 1.0, 1.0
    available = np.array([[True, True]] * 3 + [[False, False]])
    rewards = np.where(available, [[0.0, 0.5], [0.1, 1.0], [2.0, -1.0], [0.0, 0.0]], 0.0)
    mdp = rm.MDP(P, rewards, 0.9, available=available, initial=[1.0, 0.0, 0.0, 0.0])
    policy = np.array([[0.9, 0.1], [0.7, 0.3], [0.2, 0.8], [0.0, 0.0]])
    data = log(mdp, 200, rm.uniform_policy(mdp))
    result = estimate(data, "doubly-robust", mdp, policy)
    assert result.value == pytest.approx(rm.evaluate(mdp, policy).initial_value, rel=1e-9)
    assert result.standard_error < 1e-9
    assert estimate(data, "importance-sampling", mdp, policy).standard_error > 0.02


# ---- the intervals ----


@each_method
def test_normal_intervals_cover(method):
    true = rm.evaluate(MDP, TARGET).initial_value
    covered = [
        r.lower <= true <= r.upper for r in (estimate(data, method) for data in pieces(LOG, 100))
    ]
    assert len(covered) == 300
    assert 0.92 <= np.mean(covered) <= 0.98


@pytest.mark.parametrize("regularizer", [None, rm.Shannon(0.4)])
def test_finite_sample_intervals_cover_and_tighten(regularizer):
    true = rm.evaluate(MDP, TARGET, regularizer).initial_value
    width = []
    for size in (100, 10_000):
        results = [
            estimate(
                data,
                "doubly-robust",
                regularizer=regularizer,
                interval="finite-sample",
                reward_range=RANGE,
            )
            for data in pieces(LOG, size)[:150]
        ]
        assert np.mean([r.lower <= true <= r.upper for r in results]) >= 0.95
        width.append(np.mean([r.upper - r.lower for r in results]))
    assert width[1] < 0.2 * width[0]
    assert width[1] < 2.0


def test_students_interval_covers_normal_totals_with_its_confidence():
    rng, covered = np.random.default_rng(0), 0
    for totals in rng.standard_normal((2000, 5)):
        lower, upper = intervals.normal_interval(np.tile(totals, (3, 1)), 0.8)
        covered += lower <= 0.0 <= upper
    assert abs(covered / 2000 - 0.8) < 4 * np.sqrt(0.16 / 2000)


def test_clipped_bounds_hold_with_their_confidence():
    """Coins: Theorem 4 with δ = 1/2 lies 1.8 standard deviations below the mean, which 3.5 % of the
    means are above.
    """
    rng = np.random.default_rng(1)
    missed = [
        intervals._bound_clipped_mean(coins, 0.5) > 0.5
        for coins in (rng.random((1000, 2200)) < 0.5).astype(float)
    ]
    assert 0.01 < np.mean(missed) < 0.06


def test_clipping_helps_if_single_episodes_have_large_weights():
    rng = np.random.default_rng(2)
    totals = np.exp(2.0 * rng.standard_normal(20_000) - 2.0)
    bound = intervals._bound_clipped_mean(totals, 0.05)
    rest = totals[np.arange(totals.size) % intervals.SELECTION_STRIDE != 0]
    whole = rest.mean() - rm.certificates.empirical_bernstein_radius(
        rest.size, rest.var(), rest.max(), 0.05, sides=1
    )
    assert max(whole, 0.5) < bound < 1.0
    assert intervals._bound_clipped_mean(np.zeros(50), 0.05) == 0.0


def test_larger_totals_than_the_selected_ones_are_clipped():
    totals = np.ones(2000)
    totals[5::10] = 1e6
    assert 0.9 < intervals._bound_clipped_mean(totals, 0.05) < 10.0


@pytest.mark.parametrize("interval", ["normal", "finite-sample"])
@each_method
def test_truncations_widen_the_interval(method, interval):
    """Forests never end: the value of 15 steps is not that of all, and the interval has to include
    that of the rest.
    """
    mdp, policy = rm.models.forest(discount=0.8), np.array([[0.6, 0.4]] * 3)
    true, data = (
        rm.evaluate(mdp, policy).initial_value,
        log(mdp, 3000, rm.uniform_policy(mdp), steps=15),
    )
    results = [
        estimate(data, method, mdp, policy, interval=interval, reward_range=(0, 4), horizon=horizon)
        for horizon in (5, 10, None)
    ]
    assert all(r.lower <= true <= r.upper for r in results)
    assert results[0].upper - results[0].lower >= 0.8**5 * 4 / 0.2
    assert (
        results[0].upper - results[0].lower
        > results[1].upper - results[1].lower
        > results[2].upper - results[2].lower
    )
    if method != "doubly-robust":
        assert results[0].value + 5 * results[0].standard_error < true
    assert [r.truncated for r in results] == [3000] * 3
    assert [r.steps for r in results] == [15_000, 30_000, 45_000]


def test_without_support_only_the_finite_sample_interval_holds():
    mdp = rm.models.bandit((0.0, 1.0), discount=0.0)
    data = log(mdp, 2000, np.array([[1.0, 0.0]]), steps=1)
    policy = np.array([[0.7, 0.3]])
    finite, normal = (
        estimate(
            data,
            "importance-sampling",
            mdp,
            policy,
            interval=interval,
            reward_range=(0, 1),
            max_unseen=0.4,
        )
        for interval in ("finite-sample", "normal")
    )
    assert finite.lower <= 0.3 <= finite.upper
    assert not normal.lower <= 0.3 <= normal.upper


# ---- the effective size ----


def test_the_effective_size_of_on_policy_data_is_their_number():
    assert estimate(LOG, "weighted", policy=BEHAVIOUR).effective_size == pytest.approx(30_000)


def test_the_effective_size_of_one_step_is_kishs():
    mdp = rm.models.bandit((1.0, 0.0), discount=0.0)
    data, policy = log(mdp, 100, np.array([[0.5, 0.5]]), steps=1), np.array([[0.9, 0.1]])
    weight = policy[0, data.action] / 0.5
    assert estimate(data, "weighted", mdp, policy).effective_size == pytest.approx(
        weight.sum() ** 2 / (weight @ weight)
    )


def test_a_horizon_uses_the_first_steps():
    short = LOG.subset(np.concatenate([np.flatnonzero(np.diff(LOG.episode, prepend=-1))]))
    first = estimate(short, "importance-sampling", reward_range=RANGE)
    assert estimate(LOG, "importance-sampling", horizon=1, reward_range=RANGE).value == first.value


@each_method
def test_an_episode_that_reached_a_terminal_state_is_not_truncated(method):
    names = ("state", "action", "reward", "next_state", "probability", "episode")
    columns = {name: np.array(getattr(SOME, name)) for name in names}
    unsaid = SOME.terminated & (SOME.next_state == 3)
    assert unsaid.any()
    result = estimate(
        Dataset.from_columns({**columns, "terminated": SOME.terminated & ~unsaid}), method
    )
    assert (result.value, result.truncated) == (estimate(SOME, method).value, 0)


# ---- refusals ----


def refuse(data=SOME, policy=TARGET, **keywords):
    """Call the function with some wrong arguments."""
    return rm.off_policy.estimate_value(
        data, policy, **{"process": MDP, "interval": "normal", **keywords}
    )


def without(name):
    names = ("state", "action", "reward", "next_state", "terminated", "probability", "episode")
    return Dataset.from_columns(
        {n: getattr(SOME, n) for n in names if n != name}, n_states=4, n_actions=2
    )


def truncated(mdp=MDP):
    return log(mdp, 50, steps=2)


REFUSALS = {
    "probability": (
        lambda: refuse(without("probability")),
        rm.SampleError,
        "no column 'probability'.*probabilities of the logged actions",
    ),
    "episode": (
        lambda: refuse(without("episode")),
        rm.SampleError,
        "no column 'episode'.*which rows belong together",
    ),
    "no data": (
        lambda: refuse({"state": [0]}),
        rm.SampleError,
        "must be a regmdp.samples.Dataset, not dict",
    ),
    "no discount": (
        lambda: refuse(process=None),
        rm.SolverError,
        "give the discount, or a process",
    ),
    "method": (
        lambda: refuse(method="guess"),
        rm.SolverError,
        "method must be 'doubly-robust', .*not 'guess'",
    ),
    "interval": (
        lambda: refuse(interval="wide"),
        rm.SolverError,
        "interval must be 'normal' or 'finite-sample', not 'wide'",
    ),
    "confidence": (
        lambda: refuse(confidence=95),
        rm.SolverError,
        r"confidence must be a number in \(0, 1\), not 95",
    ),
    "horizon": (
        lambda: refuse(horizon=0),
        rm.SolverError,
        "horizon must be an integer, 1 or more, not 0",
    ),
    "unseen": (
        lambda: refuse(max_unseen=2.0),
        rm.SolverError,
        r"max_unseen must be a number in \[0, 1\], not 2.0",
    ),
    "regularizer": (
        lambda: refuse(regularizer=0.1),
        rm.SolverError,
        "must be a regmdp.Regularizer or None, not float",
    ),
    "range": (
        lambda: refuse(reward_range=(0, 2)),
        rm.SampleError,
        r"row \d+ .* outside of reward_range, 0 to 2; \d+ of \d+ rows",
    ),
    "order": (
        lambda: refuse(reward_range=(2, 0)),
        rm.SolverError,
        r"two numbers in order, not \(2, 0\)",
    ),
    "form": (lambda: refuse(reward_range=3), rm.SolverError, r"must be \(lowest, highest\), not 3"),
    "needs range": (
        lambda: refuse(interval="finite-sample"),
        rm.SampleError,
        "needs the range of the rewards",
    ),
    "truncated": (
        lambda: refuse(truncated()),
        rm.SampleError,
        r"\d+ of 50 episodes were cut off .* give reward_range",
    ),
    "cut for good": (
        lambda: refuse(truncated(), discount=1.0),
        rm.SampleError,
        r"\d+ of 50 episodes were cut off .* without discount",
    ),
    "undiscounted": (
        lambda: refuse(discount=1.0, interval="finite-sample", reward_range=RANGE),
        rm.SolverError,
        "discount below 1",
    ),
    "policy": (lambda: refuse(policy=TARGET[:, :1]), rm.PolicyError, r"shape \(S, A\) = \(4, 2\)"),
    "terminal": (
        lambda: refuse(policy=np.array([[0.5, 0.4]] * 4)),
        rm.PolicyError,
        "sums to 0.9 in state 0",
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_refusals(name):
    act, error, message = REFUSALS[name]
    with pytest.raises(error, match=message):
        act()


def test_a_missing_pair_is_named():
    data = log(MDP, 500, np.array([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0], [0.0, 0.0]]))
    message = (
        r"the policy gives state 0, action 1 probability 0.3, and the data, which visit that state "
        r"\d+ times, never contain it.*; 2 pairs in 2 states are missing, "
        r"[\d.]+ % of the policy's discounted steps;"
    )
    with pytest.raises(rm.SampleError, match=message):
        estimate(data, "weighted")
    assert estimate(data, "weighted", max_unseen=0.6).episodes == 500
    # states that the policy never comes to do not matter
    avoiding = np.array([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5], [0.0, 0.0]])
    only = data.subset(np.isin(data.episode, np.unique(data.episode[data.state == 1])))
    assert estimate(only, "weighted", policy=avoiding).episodes > 100


def test_too_few_effective_episodes_are_refused():
    greedy = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 0.0]])
    with pytest.raises(
        rm.SampleError,
        match=r"number of episodes is \d\.\d of 30, less than 10; .*horizon=",
    ):
        estimate(pieces(LOG, 30)[0], "weighted", policy=greedy)


def test_weights_that_overflow_are_refused():
    def sample(state, action, rng):
        return state, np.zeros(state.shape)

    simulator = UserSimulator(sample, 1, 2, 0.99, reward_range=(0, 1))
    data = log(simulator, 20, np.array([[0.999, 0.001]]), steps=200)
    with pytest.raises(rm.SampleError, match=r"row \d+: the importance weight reaches e\^\d+"):
        estimate(
            Dataset.from_columns(
                {
                    "state": data.state,
                    "action": np.ones(len(data)),
                    "reward": data.reward,
                    "next_state": data.next_state,
                    "probability": np.full(len(data), 0.001),
                    "episode": data.episode,
                },
            ),
            "weighted",
            simulator,
            np.array([[0.0, 1.0]]),
        )


def test_repr():
    text = repr(rm.off_policy.estimate_value(truncated(), TARGET, process=MDP, reward_range=RANGE))
    for part in (
        "finite-sample interval",
        "with confidence 0.95",
        "doubly-robust from 50 episodes",
        "of them cut off",
        "effectively",
    ):
        assert part in text


def test_without_a_process_all_actions_exist():
    data = without("nothing")
    policy = np.array(TARGET)
    policy[3] = 0.5
    bare = rm.off_policy.estimate_value(data, policy, discount=0.9, interval="normal")
    assert bare.value == pytest.approx(estimate(data, "doubly-robust").value, rel=1e-9)
