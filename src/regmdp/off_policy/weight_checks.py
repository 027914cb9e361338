r"""Whether the logged probabilities agree with the logged actions, and the weights with both.

Let b be the behaviour policy and g any policy that is chosen before an action is seen. Given what
came before, \(g(a|s)/b(a|s)\) has the expectation \(\sum_{a: b(a|s) > 0} g(a|s) \le 1\). So if the
logged probabilities are right, the product of these ratios over all rows has an expectation of at
most 1, and by Markov's inequality exceeds 1/α with a probability of at most α, for any number of
rows and any behaviour policy, also one that changes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy

from regmdp._internal.arrays import Bool, Float, Int
from regmdp._internal.checks import describe_first
from regmdp._internal.errors import SampleError
from regmdp.mdp import DecisionProcess
from regmdp.off_policy.episodes import MAX_LOG_RATIO, Episodes

__all__ = [
    "CONTRADICTION_LEVEL",
    "WeightTest",
    "compare_weights",
    "describe_sums",
    "require_possible_probabilities",
]

#: Probability with which right probabilities are refused.
CONTRADICTION_LEVEL = 1e-6
#: Fractions of the wealth that are bet on the ratios of a fixed policy.
BETS = np.array([0.1, 0.5, 1.0])
#: Largest error of a probability that was rounded to two decimals.
MAX_ROUNDING = 0.005
#: Number of rows of each action from which on the sum of their probabilities is refused, and
#: reported.
MIN_REFUSED_ROWS, MIN_REPORTED_ROWS = 30, 2
#: p-value below which a mean weight is reported as far from its expectation.
FAR_FROM_EXPECTED = 1e-3


@dataclass(frozen=True)
class WeightTest:
    r"""Mean of the weights of single steps, \(\pi(a|s)/b(a|s)\), and a test of its expectation.

    The differences of the weights from their expectations are uncorrelated, whatever the behaviour
    policy is. So their sum over the root of the sum of their squares is nearly normally distributed
    if the probabilities are right.

    Attributes:
        mean: Mean of the weights.
        expected: Its expectation: 1; where the data lack some of the policy's actions, the nearest
            of the possible ones.
        p_value: Probability of a mean at least so far from it, in the limit of many steps.
    """

    mean: float
    expected: float
    p_value: float

    @property
    def is_far(self) -> bool:
        """Whether the mean is so far from its expectation that this is reported."""
        return self.p_value < FAR_FROM_EXPECTED

    def describe(self) -> str:
        """Return the finding as a sentence."""
        return (
            f"the mean weight of a step is {self.mean:.4g}, and {self.expected:.4g} is expected "
            f"(martingale z-test: p = {self.p_value:.2g}): the probabilities are wrong, or actions "
            "of the policy are missing or rare in the data; do not rely on the interval"
        )


def compare_weights(episodes: Episodes, policy: Float[np.ndarray, "S A"]) -> WeightTest:
    """Compare the mean of the steps' weights with its expectation."""
    data = episodes.data
    seen = np.zeros(policy.shape, dtype=np.bool_)
    seen[data.state, data.action] = True
    covered = 1.0 - np.sum(np.where(seen, 0.0, policy), axis=1)[data.state]
    # the expectation is somewhere between these two: an unseen action may have been possible
    for expected, sign in ((np.ones(len(data)), 1.0), (covered, -1.0)):
        z = sign * _standardize(episodes.ratio, expected)
        if z > 0.0:
            break
    return WeightTest(
        mean=float(episodes.ratio.mean()),
        expected=float(expected.mean()),
        p_value=float(scipy.special.erfc(max(z, 0.0) / np.sqrt(2.0))),
    )


def _standardize(ratio: Float[np.ndarray, " n"], expected: Float[np.ndarray, " n"]) -> float:
    """Return the sum of the differences over the root of the sum of their squares."""
    # in units of the largest, whose square may not be a double
    difference = (ratio - expected) / max(float(ratio.max()), 1.0)
    spread = float(np.sqrt(difference @ difference))
    rounding = 8.0 * np.finfo(np.float64).eps * np.sqrt(ratio.size)
    return float(difference.sum()) / spread if spread > rounding else 0.0


def require_possible_probabilities(
    episodes: Episodes, process: DecisionProcess, policy: Float[np.ndarray, "S A"]
) -> None:
    """Check that the logged actions are possible with the logged probabilities.

    Raises:
        SampleError: if the probabilities of a state's actions sum to more than 1, or the actions
            were taken so much more often than their probabilities say that this happens by chance
            with a probability of at most CONTRADICTION_LEVEL.
    """
    table = _PairTable.from_episodes(episodes, policy.shape)
    tolerance = MAX_ROUNDING * np.count_nonzero(table.count, axis=1)
    bad = table.find_excess(MIN_REFUSED_ROWS, tolerance)
    if bad.any():
        raise SampleError(
            describe_first(
                bad,
                lambda state: table.describe_sum(state, process, MIN_REFUSED_ROWS),
                "states",
                "check which probabilities were logged",
            )
        )
    evidence = _log_evidence(episodes, table, process, policy)
    if evidence > -np.log(CONTRADICTION_LEVEL):
        raise SampleError(
            f"the column 'probability' contradicts the logged actions: {table.describe(process)}; "
            "if the probabilities were right, data that contradict them so clearly would occur "
            f"with a probability of at most e^{-evidence:.0f} (betting on the actions, Markov's "
            "inequality); log the probabilities with which the actions were drawn"
        )


def describe_sums(
    episodes: Episodes, process: DecisionProcess, policy: Float[np.ndarray, "S A"]
) -> str | None:
    """Return a finding about states whose probabilities sum to more than 1, if there are any."""
    table = _PairTable.from_episodes(episodes, policy.shape)
    bad = table.find_excess(MIN_REPORTED_ROWS, np.full(policy.shape[0], 1e-6))
    if not bad.any():
        return None
    return describe_first(
        bad, lambda state: table.describe_sum(state, process, MIN_REPORTED_ROWS), "states"
    )


@dataclass(frozen=True, eq=False)
class _PairTable:
    """Counts and logged probabilities of the pairs.

    Attributes:
        count: (S, A) number of rows.
        lowest: (S, A) smallest logged probability; infinite without rows.
        highest: (S, A) largest logged probability; 0 without rows.
        mean: (S, A) mean logged probability; 0 without rows.
        log_sum: (S, A) sum of their logarithms.
    """

    count: Int[np.ndarray, "S A"]
    lowest: Float[np.ndarray, "S A"]
    highest: Float[np.ndarray, "S A"]
    mean: Float[np.ndarray, "S A"]
    log_sum: Float[np.ndarray, "S A"]

    @classmethod
    def from_episodes(cls, episodes: Episodes, shape: tuple[int, int]) -> _PairTable:
        data, probability = episodes.data, episodes.data.probability
        assert probability is not None
        pair = data.state * shape[1] + data.action
        size = shape[0] * shape[1]
        count = np.bincount(pair, minlength=size)
        lowest, highest = np.full(size, np.inf), np.zeros(size)
        np.minimum.at(lowest, pair, probability)
        np.maximum.at(highest, pair, probability)
        mean = np.bincount(pair, probability, size) / np.maximum(count, 1)
        log_sum = np.bincount(pair, np.log(probability), size)
        return cls(*(part.reshape(shape) for part in (count, lowest, highest, mean, log_sum)))

    def find_excess(self, rows: int, tolerance: Float[np.ndarray, " S"]) -> Bool[np.ndarray, " S"]:
        """Return the states where actions have one probability each, and these sum to above 1.

        Only actions with at least so many rows count.
        """
        return np.sum(self._read_constant(rows), axis=1) > 1.0 + tolerance

    def describe_sum(self, state: int, process: DecisionProcess, rows: int) -> str:
        """Return the probabilities of a state's actions that :meth:`find_excess` added."""
        constant = self._read_constant(rows)[state]
        shown = constant[constant > 0.0]
        listed = " + ".join(f"{p:.4g}" for p in shown[:5]) + (" + …" if shown.size > 5 else "")
        return (
            f"the logged probabilities of the actions in {process.describe(state)} sum to "
            f"{listed} = {shown.sum():.4g}, which is more than 1"
        )

    def _read_constant(self, rows: int) -> Float[np.ndarray, "S A"]:
        """Return the (S, A) probabilities that are the same in at least so many rows, or 0."""
        constant = (self.count >= rows) & (self.lowest == self.highest)
        return np.where(constant, self.highest, 0.0)

    def describe(self, process: DecisionProcess) -> str:
        """Return the pair whose frequency contradicts its probability most."""
        visits = self.count.sum(axis=1, keepdims=True)
        frequency = self.count / np.maximum(visits, 1)
        excess = self.count * np.log(np.where(self.count > 0, frequency, 1.0)) - self.log_sum
        state, action = (int(i) for i in np.unravel_index(np.argmax(excess), excess.shape))
        low, high = self.lowest[state, action], self.highest[state, action]
        logged = f"{low:.4g}"
        if low < high:
            logged += f" to {high:.4g}, {self.mean[state, action]:.4g} on average"
        return (
            f"{process.describe(state, action)} was taken in {self.count[state, action]:,} of "
            f"{int(visits[state, 0]):,} visits, {100 * frequency[state, action]:.3g} %, and its "
            f"logged probability is {logged}"
        )


def _log_evidence(
    episodes: Episodes,
    table: _PairTable,
    process: DecisionProcess,
    policy: Float[np.ndarray, "S A"],
) -> float:
    r"""Return the logarithm of a number whose expectation is at most 1 with right probabilities.

    It is the mean of several products of ratios \(g(a|s)/b(a|s)\): g is what was learned from the
    earlier rows of the same state, or of all states (Krichevsky & Trofimov's estimator, whose
    product is a ratio of Gamma functions); or the evaluated policy, or the uniform one, on which
    fractions λ of the wealth are bet, \(1 + \lambda (g/b - 1)\).
    """
    data = episodes.data
    assert data.probability is not None
    logarithm = np.log(data.probability)
    n_states = table.count.shape[0]
    available = process.available.sum(axis=1)
    of_state = _log_predictions(table.count, available) - np.bincount(
        data.state, logarithm, n_states
    )
    overall = _log_predictions(table.count.sum(axis=0)[None], np.array([table.count.shape[1]]))
    uniform = np.exp(np.minimum(-logarithm - np.log(available[data.state]), MAX_LOG_RATIO))
    bets = [
        float(np.sum(np.log1p(fraction * (ratio - 1.0))))
        for ratio in (episodes.ratio, uniform)
        for fraction in BETS
        if fraction < 1.0 or ratio.min() > 0.0
    ]
    parts = np.array(
        [
            float(scipy.special.logsumexp(of_state)) - np.log(n_states),
            float(of_state.sum()),
            float(overall[0] - logarithm.sum()),
            *bets,
        ]
    )
    return float(scipy.special.logsumexp(parts)) - float(np.log(3 + 2 * BETS.size))


def _log_predictions(
    count: Int[np.ndarray, "S A"], n_actions: Int[np.ndarray, " S"]
) -> Float[np.ndarray, " S"]:
    """Return the (S,) log-probabilities of the actions under what was learned from earlier ones.

    Each of A actions has the probability (n_a + 1/2) / (n + A/2) after n rows.
    """
    gammaln = scipy.special.gammaln
    terms = np.where(count > 0, gammaln(count + 0.5) - gammaln(0.5), 0.0)
    half = np.maximum(n_actions, 1) / 2.0
    return terms.sum(axis=1) + gammaln(half) - gammaln(count.sum(axis=1) + half)
