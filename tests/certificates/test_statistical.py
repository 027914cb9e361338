"""Certificates from samples: their coverage, their width, and their errors.

The truth is computed from models whose probabilities are known, up to rounding.
"""

from typing import NamedTuple

import numpy as np
import pytest
from scipy.stats import binom

import regmdp as rm
from regmdp.certificates import (
    concentration,
    empirical_bernstein_radius,
    enough_samples,
    hoeffding_radius,
)
from regmdp.samples import Dataset, TableSimulator, UserSimulator

BOUNDS = ["empirical-bernstein", "hoeffding"]
each_bound = pytest.mark.parametrize("bound", BOUNDS)


def ending_model():
    """Three states and a terminal one; one pair is missing, and some transitions terminate."""
    P = np.zeros((4, 2, 4))
    P[0, 0, [0, 1]], P[0, 1, [2, 3]] = (0.5, 0.3), (0.6, 0.4)
    P[1, 0, [0, 2]] = 0.2, 0.8
    P[2, 0, [1, 3]], P[2, 1, 2] = (0.9, 0.1), 0.7
    available = np.array([[True, True], [True, False], [True, True], [False, False]])
    rewards = np.where(available, np.array([[1.0, -0.5], [2.0, 0.0], [-1.0, 0.3], [0.0, 0.0]]), 0.0)
    termination = np.where(available, 1.0 - P.sum(axis=2), 0.0).round(12)
    return rm.MDP(P, rewards, 0.8, available=available, termination=termination)


def coin(discount=0.9):
    """One state that pays 1 and ends with probability 1/2: one pair, whose samples are 1 and 1 +
    γV.
    """
    return rm.MDP(np.array([[[0.5]]]), np.array([[1.0]]), discount, termination=np.array([[0.5]]))


MODELS = {
    "garnet": rm.models.garnet(6, 3, 3, discount=0.8),
    "chain": rm.models.chain(4, distraction=0.2, discount=0.8),
    "ending": ending_model(),
}
REGULARIZERS = {
    "none": None,
    "shannon": rm.Shannon(0.2),
    "tsallis": rm.Tsallis(2.0, temperature=0.3),
}


class Truth(NamedTuple):
    best: np.ndarray
    policy: np.ndarray
    own: np.ndarray


def truth(mdp, regularizer):
    best = rm.solve(mdp, regularizer, tol=1e-10).value
    policy = rm.uniform_policy(mdp)
    return Truth(best, policy, rm.evaluate(mdp, policy, regularizer).value)


def holds(certificate, true, initial, slack=1e-8):
    """Whether all bounds of the certificate hold."""
    return (
        np.all(certificate.lower <= true.best + slack)
        and np.all(true.best <= certificate.upper + slack)
        and np.all(certificate.policy_lower <= true.own + slack)
        and np.all(true.own <= certificate.policy_upper + slack)
        and np.max(true.best - true.own) <= certificate.gap + slack
        and initial @ (true.best - true.own) <= certificate.initial_gap + slack
        and certificate.initial_lower - slack
        <= initial @ true.best
        <= certificate.initial_upper + slack
    )


# ---- coverage ----


@pytest.mark.parametrize(
    ("model", "name", "bound"),
    [
        ("garnet", "none", "hoeffding"),
        ("garnet", "shannon", "empirical-bernstein"),
        ("chain", "none", "empirical-bernstein"),
        ("chain", "tsallis", "hoeffding"),
        ("ending", "none", "empirical-bernstein"),
        ("ending", "shannon", "hoeffding"),
        ("ending", "shannon", "empirical-bernstein"),
    ],
)
def test_all_bounds_hold_with_their_confidence(model, name, bound):
    mdp, regularizer = MODELS[model], REGULARIZERS[name]
    true, rng = truth(mdp, regularizer), np.random.default_rng(7)
    witness = np.round(true.best, 1)
    simulator, repetitions = TableSimulator(mdp), 300
    held = 0
    for _ in range(repetitions):
        certificate = rm.certify_from_samples(
            simulator,
            regularizer,
            policy=true.policy,
            value=witness,
            samples=100,
            rng=rng,
            confidence=0.9,
            inequality=bound,
        )
        held += holds(certificate, true, mdp.initial)
    assert held >= 0.9 * repetitions


def miss_rate(bound, repetitions, samples, confidence):
    """How often the certificate of the coin misses its value; with γ = 0.9 that is 1/(1 - 0.45)."""
    mdp, rng = coin(), np.random.default_rng(3)
    value = np.array([1.0 / 0.55])
    simulator, missed = TableSimulator(mdp), 0
    for _ in range(repetitions):
        certificate = rm.certify_from_samples(
            simulator,
            value=value,
            samples=samples,
            rng=rng,
            confidence=confidence,
            inequality=bound,
        )
        missed += not certificate.lower[0] <= value[0] <= certificate.upper[0]
    return missed / repetitions


def exact_miss_rate(bound, samples, confidence, shrink=1.0):
    """The probability of that, from the binomial distribution of the number k of samples that go
    on.
    """
    k = np.arange(samples + 1)
    variance = k * (samples - k) / samples / (samples - 1)
    delta = 1.0 - confidence
    if bound == "hoeffding":
        radius = np.sqrt(np.log(2 / delta) / (2 * samples))
    else:
        logarithm = np.log(3 / delta)
        radius = np.sqrt(2 * variance * logarithm / samples) + 7 * logarithm / (3 * (samples - 1))
    return float(binom.pmf(k, samples, 0.5)[np.abs(k / samples - 0.5) > shrink * radius].sum())


@each_bound
def test_one_interval_misses_with_the_binomial_probability(bound):
    repetitions, samples, confidence = 300, 2000, 0.5
    expected = exact_miss_rate(bound, samples, confidence)
    assert 0.02 < expected < 1 - confidence
    error = np.sqrt(expected * (1 - expected) / repetitions)
    assert abs(miss_rate(bound, repetitions, samples, confidence) - expected) < 4 * error


@each_bound
def test_intervals_a_quarter_as_long_would_fail(bound, monkeypatch):
    whole = concentration.RADII[bound]
    monkeypatch.setitem(concentration.RADII, bound, lambda *of: whole(*of) / 4)
    assert exact_miss_rate(bound, 400, 0.5, shrink=0.25) > 0.5
    assert miss_rate(bound, 120, 400, 0.5) > 0.55


def stopped_when_it_misses(rng, bound_delta, most):
    """Coin samples, drawn until Hoeffding's interval for their number misses the truth."""
    goes_on = rng.random(most) < 0.5
    n = np.arange(1, most + 1)
    missed = np.abs(np.cumsum(goes_on) / n - 0.5) > hoeffding_radius(n, 1.0, bound_delta)
    missed[:19] = False
    return goes_on[: np.argmax(missed) + 1] if missed.any() else goes_on


@pytest.mark.parametrize(("counts", "least", "most"), [("fixed", 0.6, 1.0), ("random", 0.0, 0.4)])
def test_numbers_of_samples_that_depend_on_the_samples(counts, least, most):
    """Stopping when the interval misses increases the failures with counts="fixed", but not with
    "random".
    """
    mdp, rng, repetitions = coin(), np.random.default_rng(5), 120
    value = np.array([1.0 / 0.55])
    missed = 0
    for _ in range(repetitions):
        goes_on = stopped_when_it_misses(rng, 0.4, 5000)
        zeros = np.zeros(goes_on.size, dtype=int)
        columns = {
            "state": zeros,
            "action": zeros,
            "reward": zeros + 1.0,
            "next_state": zeros,
            "terminated": ~goes_on,
        }
        data = Dataset.from_columns(columns)
        certificate = rm.certify_from_samples(
            mdp, value=value, data=data, counts=counts, confidence=0.6, inequality="hoeffding"
        )
        missed += not certificate.lower[0] <= value[0] <= certificate.upper[0]
    assert least <= missed / repetitions <= most


def test_a_policy_chosen_with_the_samples_is_bounded_as_well():
    mdp, regularizer = MODELS["garnet"], REGULARIZERS["shannon"]
    best, rng, held = rm.solve(mdp, regularizer, tol=1e-10).value, np.random.default_rng(2), 0
    for _ in range(100):
        certificate = rm.certify_from_samples(
            mdp, regularizer, value=best, samples=100, rng=rng, confidence=0.9
        )
        own = rm.evaluate(mdp, certificate.policy, regularizer).value
        held += holds(certificate, Truth(best, certificate.policy, own), mdp.initial)
        assert np.array_equal(certificate.lower, certificate.policy_lower) or np.all(
            certificate.lower >= certificate.policy_lower
        )
    assert held >= 90


@pytest.mark.parametrize("witness", [0.0, 5.0])
def test_bounds_hold_where_episodes_end(witness):
    certificate = rm.certify_from_samples(
        coin(), value=[witness], samples=1000, rng=np.random.default_rng(0)
    )
    assert certificate.lower[0] <= 1.0 / 0.55 <= certificate.upper[0]


def test_noisy_rewards():
    def sample(state, action, rng):
        return np.where(rng.random(state.shape) < 0.7, action, state), (
            rng.random(state.shape) < 0.2 + 0.5 * state
        ).astype(float)

    simulator = UserSimulator(sample, 2, 2, 0.8, reward_range=(0, 1))
    stay, move = np.eye(2), np.ones((2, 2)) * 0.3 * np.eye(2)
    P = np.zeros((2, 2, 2))
    for s in range(2):
        for a in range(2):
            P[s, a] = 0.7 * stay[a] + move[s]
    mdp = rm.MDP(P, np.array([[0.2, 0.2], [0.7, 0.7]]), 0.8)
    true, rng, held = truth(mdp, None), np.random.default_rng(11), 0
    for _ in range(100):
        certificate = rm.certify_from_samples(
            simulator, value=true.best, policy=true.policy, samples=200, rng=rng, confidence=0.8
        )
        held += holds(certificate, true, mdp.initial)
    assert held >= 80
    assert certificate.gap < 12


# ---- how tight ----


@pytest.mark.parametrize(
    ("bound", "sizes"),
    [("hoeffding", [500, 2000, 8000, 32000]), ("empirical-bernstein", [16000, 64000, 256000])],
)
def test_the_width_decreases_with_the_root_of_the_number_of_samples(bound, sizes):
    mdp = rm.models.forest(discount=0.8)
    value, width = rm.solve(mdp).value, []
    for samples in sizes:
        certificate = rm.certify_from_samples(
            mdp, value=value, samples=samples, rng=np.random.default_rng(0), inequality=bound
        )
        width.append(certificate.initial_upper - certificate.initial_lower)
    slope = np.polyfit(np.log(sizes), np.log(width), 1)[0]
    assert abs(slope + 0.5) < 0.05


def test_small_variances_give_shorter_intervals():
    mdp = rm.models.chain(5)
    value = rm.solve(mdp).value
    bernstein, hoeffding = (
        rm.certify_from_samples(
            mdp, value=value, samples=10_000, rng=np.random.default_rng(0), inequality=bound
        )
        for bound in BOUNDS
    )
    assert bernstein.gap < 0.1 * hoeffding.gap


def test_many_samples_give_the_certificate_of_the_model():
    mdp, regularizer = MODELS["ending"], REGULARIZERS["shannon"]
    policy, witness = rm.uniform_policy(mdp), np.array([1.0, 0.5, 0.0, 0.0])
    exact = rm.certificates.bound_values(mdp, regularizer, policy, witness)
    certificate = rm.certify_from_samples(
        mdp,
        regularizer,
        policy=policy,
        value=witness,
        samples=400_000,
        rng=np.random.default_rng(0),
    )
    for name in ("lower", "upper", "policy_lower", "policy_upper"):
        difference = getattr(certificate, name) - getattr(exact, name)
        outward = difference if "upper" in name else -difference
        assert np.all(outward >= 0)
        assert np.all(outward[:3] < 0.1)
    assert certificate.lower[3] == certificate.upper[3] == 0.0


def test_known_pairs_need_no_samples_and_no_union():
    """With a constant value and known rewards, samples of an endless model are all the same."""
    mdp = rm.models.forest()
    exact = rm.certify(mdp, value=np.full(3, 30.0))
    certificate = rm.certify_from_samples(
        mdp, value=np.full(3, 30.0), samples=1, rng=np.random.default_rng(0)
    )
    assert certificate.n_intervals == 0
    for outward in (exact.lower - certificate.lower, certificate.upper - exact.upper):
        assert np.all((outward > 0) & (outward < 1e-10))


def test_the_bounds_are_those_of_the_formulas():
    """The whole computation repeated, pair by pair."""
    mdp, confidence = MODELS["ending"], 0.9
    data = Dataset.from_pairs(mdp, 300, np.random.default_rng(4))
    value, gamma = np.array([1.0, 2.0, -0.5, 0.0]), 0.8
    pairs = list(zip(*np.nonzero(mdp.available), strict=True))
    low, high = np.full((4, 2), np.nan), np.full((4, 2), np.nan)
    for s, a in pairs:
        rows = (data.state == s) & (data.action == a)
        sample = data.reward[rows] + gamma * np.where(
            data.terminated[rows], 0.0, value[data.next_state[rows]]
        )
        radius = gamma * 2.5 * np.sqrt(np.log(2 * len(pairs) / 0.1) / 600)
        low[s, a] = max(sample.mean() - radius, mdp.rewards[s, a] - gamma * 0.5)
        high[s, a] = min(sample.mean() + radius, mdp.rewards[s, a] + gamma * 2.0)
    best_low, best_high = np.nanmax(low[:3], axis=1), np.nanmax(high[:3], axis=1)
    lower = best_low + 4.0 * min(0.0, np.min(best_low - value[:3]))
    upper = best_high + 4.0 * max(0.0, np.max(best_high - value[:3]))
    certificate = rm.certify_from_samples(
        mdp, value=value, data=data, counts="fixed", confidence=confidence, inequality="hoeffding"
    )
    np.testing.assert_allclose(certificate.lower[:3], lower, rtol=1e-10)
    np.testing.assert_allclose(certificate.upper[:3], upper, rtol=1e-10)
    assert (certificate.samples, certificate.min_count, certificate.n_intervals) == (1500, 300, 5)


def test_fresh_samples_and_the_same_ones_as_data_agree():
    mdp, value = MODELS["garnet"], np.linspace(0, 2, 6)
    fresh = rm.certify_from_samples(mdp, value=value, samples=200, rng=np.random.default_rng(1))
    data = Dataset.from_pairs(mdp, 200, np.random.default_rng(1))
    given = rm.certify_from_samples(mdp, value=value, data=data, counts="fixed")
    cautious = rm.certify_from_samples(mdp, value=value, data=data)
    assert np.array_equal(fresh.upper, given.upper)
    assert given.gap < cautious.gap


def test_the_value_at_terminal_states_is_ignored():
    data = Dataset.from_pairs(MODELS["ending"], 200, np.random.default_rng(1))
    right, wrong = (
        rm.certify_from_samples(
            MODELS["ending"], value=[1.0, 2.0, 0.5, end], data=data, counts="fixed"
        )
        for end in (0.0, 50.0)
    )
    assert np.array_equal(right.upper, wrong.upper)
    assert np.array_equal(right.lower, wrong.lower)


# ---- the radii ----


@each_bound
def test_enough_samples_is_sufficient_and_nearly_necessary(bound):
    for delta in (0.3, 0.05, 1e-6):
        n = enough_samples(bound, delta)
        worst = lambda n: concentration.RADII[bound](n, n / (4 * (n - 1)), 1.0, delta)  # noqa: B023, E731
        assert 2 * worst(n) < 1 <= 2 * worst(n - 1)


def test_radii_are_their_formulas():
    assert hoeffding_radius(50, 2.0, 0.1) == pytest.approx(2 * np.sqrt(np.log(20) / 100))
    assert hoeffding_radius(50, 2.0, 0.1, sides=1) == pytest.approx(2 * np.sqrt(np.log(10) / 100))
    one = np.sqrt(2 * 0.3 * np.log(20) / 50) + 7 * 2 * np.log(20) / (3 * 49)
    assert empirical_bernstein_radius(50, 0.3, 2.0, 0.1, sides=1) == pytest.approx(one)
    both = np.sqrt(2 * 0.3 * np.log(30) / 50) + 7 * 2 * np.log(30) / (3 * 49)
    assert empirical_bernstein_radius(50, 0.3, 2.0, 0.1) == pytest.approx(both)
    assert np.isinf(empirical_bernstein_radius(np.array([1, 2]), 0.0, 1.0, 0.1)).tolist() == [
        True,
        False,
    ]
    assert np.isinf(hoeffding_radius(0, 1.0, 0.1))


# ---- refusals ----


def test_repr():
    certificate = rm.certify_from_samples(
        MODELS["ending"], value=np.arange(4), samples=100, rng=np.random.default_rng(0)
    )
    text = repr(certificate)
    for part in (
        "with probability ≥ 0.95",
        "gap ≤",
        "≤ V* ≤",
        "500 samples",
        "100 or more of each pair",
        "5 empirical-bernstein",
    ):
        assert part in text


def call(mdp=MODELS["garnet"], **keywords):
    """The function itself, without the run-time checks of the tests: what is wrong has to be
    refused by the library.
    """
    given = {
        "value": np.arange(mdp.n_states),
        "samples": 100,
        "rng": np.random.default_rng(0),
        **keywords,
    }
    return rm.certify_from_samples(mdp, **given)


def pairs_once(mdp, **changed):
    data = Dataset.from_pairs(mdp, 60, np.random.default_rng(0))
    names = ("state", "action", "reward", "next_state", "terminated")
    columns = {name: np.array(getattr(data, name)) for name in names}
    for name, change in changed.items():
        columns[name] = change(columns[name])
    return {"data": Dataset.from_columns(columns), "samples": None, "rng": None}


def unknown_range():
    return UserSimulator(
        lambda s, a, rng: (s, np.zeros(s.shape)), 2, 2, 0.9, state_labels=["up", "down"]
    )


REFUSALS = {
    "undiscounted": (
        lambda: call(rm.models.russell_norvig()),
        rm.SampleError,
        "need a discount below 1",
    ),
    "confidence": (
        lambda: call(confidence=1.0),
        rm.SolverError,
        r"confidence must be a number in \(0, 1\), not 1.0",
    ),
    "no number": (
        lambda: call(confidence="much"),
        rm.SolverError,
        r"confidence must be a number in \(0, 1\), not 'much'",
    ),
    "bound": (
        lambda: call(inequality="chernoff"),
        rm.SolverError,
        "inequality must be 'empirical-bernstein' or 'hoeffding', not 'chernoff'",
    ),
    "counts": (
        lambda: call(counts="some"),
        rm.SolverError,
        "counts must be 'fixed' or 'random', not 'some'",
    ),
    "nothing": (lambda: call(samples=None), rm.SolverError, "give data, or samples"),
    "no rng": (lambda: call(rng=None), rm.SolverError, "rng to draw with"),
    "both": (
        lambda: call(data=Dataset.from_pairs(MODELS["garnet"], 5, np.random.default_rng(0))),
        rm.SolverError,
        "not both",
    ),
    "too few": (
        lambda: call(samples=10),
        rm.SampleError,
        (
            r"state 0, action 0 has 10 samples, too few .*; 18 of 18 pairs have too few; "
            r"\d+ samples of each pair"
        ),
    ),
    "never": (
        lambda: call(
            ending_model(), value=np.ones(4), **pairs_once(ending_model(), action=np.zeros_like)
        ),
        rm.SampleError,
        (
            "the reward of state 0, action 0 is -0.5, outside of its range, 1 to 1; "
            ".*give the correct reward_range"
        ),
    ),
    "not finite": (
        lambda: call(value=[0, np.nan, 0, 0, 0, 0]),
        rm.SolverError,
        "the value of state 1 is nan; 1 are not finite",
    ),
    "shape": (
        lambda: call(value=[0.0, 1.0]),
        rm.SolverError,
        r"must have shape \(S,\) = \(6,\), not \(2,\)",
    ),
    "words": (lambda: call(value="best"), rm.SolverError, "array of numbers|must have shape"),
    "range": (
        lambda: call(unknown_range()),
        rm.SampleError,
        (
            r"the range of the rewards of state 0 \(up\), action 0 is not known.* at 4 pairs; give "
            r"reward_range=\(lowest, highest\)"
        ),
    ),
    "order": (
        lambda: call(reward_range=(1, 0)),
        rm.SolverError,
        "lowest reward of state 0, action 0 is 1, above the highest, 0",
    ),
    "form": (lambda: call(reward_range=(1, 2, 3)), rm.SolverError, r"must be \(lowest, highest\)"),
    "ends": (
        lambda: call(ending_model(), may_terminate=False),
        rm.SolverError,
        "may_terminate=False contradicts the model",
    ),
    "terminated": (
        lambda: call(
            **pairs_once(
                MODELS["garnet"], terminated=lambda terminated: np.arange(terminated.size) == 7
            )
        ),
        rm.SampleError,
        r"row 7: the episode ended, which this model excludes; 1 of \d+ rows is wrong",
    ),
    "no process": (
        lambda: rm.certify_from_samples(3, value=np.zeros(2)),
        rm.SampleError,
        "an MDP, a simulator or another decision process",
    ),
    "regularizer": (
        lambda: call(regularizer=0.1),
        rm.SolverError,
        "must be a regmdp.Regularizer or None, not float",
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_refusals(name):
    act, error, message = REFUSALS[name]
    with pytest.raises(error, match=message):
        act()


def test_a_missing_pair_is_named():
    mdp = MODELS["garnet"]
    data = Dataset.from_pairs(mdp, 500, np.random.default_rng(0))
    kept = data.subset(~((data.state == 3) & (data.action == 1)))
    with pytest.raises(
        rm.SampleError, match=r"state 3, action 1 has 0 samples.* 1 of 18 pairs have too few"
    ):
        rm.certify_from_samples(mdp, value=np.arange(6), data=kept)


def test_the_number_of_samples_in_the_message_is_enough():
    mdp = MODELS["garnet"]
    few = Dataset.from_pairs(mdp, 3, np.random.default_rng(0))
    with pytest.raises(rm.SampleError) as refusal:
        rm.certify_from_samples(mdp, value=np.arange(6), data=few)
    asked = int(str(refusal.value).split("; ")[-1].split()[0])
    enough = Dataset.from_pairs(mdp, asked, np.random.default_rng(0))
    assert rm.certify_from_samples(mdp, value=np.arange(6), data=enough).min_count == asked
