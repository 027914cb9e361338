r"""Certificates from samples: bounds that hold with a stated probability for any transitions.

For a value V that was fixed before the samples were drawn, the samples \(r + \gamma V(s')\) of a
pair are independent, lie in a known range and have the expectation
\(q(s, a) = r(s, a) + \gamma \sum_t P(s, a, t) V(t)\). An interval around the mean of each pair, and
a union bound over the pairs, enclose all of q at once. T V and T_π V are monotone in q, so they are
enclosed as well, and with them the bounds of one sweep: \(T V + \tfrac{\gamma}{1-\gamma}
\min (T V - V) \le V^* \le T V + \tfrac{\gamma}{1-\gamma} \max (T V - V)\), and the same for T_π and
V^π.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from regmdp import bellman
from regmdp._internal.arrays import UNIT_ROUNDOFF, ArrayLike, Bool, Float, freeze
from regmdp._internal.errors import SampleError, SolverError
from regmdp._internal.html import html_rows
from regmdp._internal.parameters import Flag, Generator, Instance, Integer, Number, Option, checked
from regmdp.certificates.certificate import Bounds, CertifiedBounds, format_bound, summarize_bounds
from regmdp.certificates.concentration import RADII, Inequality
from regmdp.certificates.sample_intervals import (
    ActionValueIntervals,
    Knowledge,
    RewardRange,
    enclose_action_values,
)
from regmdp.certificates.user_functions import require_maximum
from regmdp.mdp import MDP, DecisionProcess
from regmdp.mdp.deterministic import DeterministicPolicy
from regmdp.policies import check_policy
from regmdp.problem import check_regularizer, check_value
from regmdp.regularizers import Regularizer
from regmdp.samples import Dataset, Simulator, as_simulator

__all__ = ["StatisticalCertificate", "certify_from_samples"]


@dataclass(frozen=True, eq=False)
class StatisticalCertificate(CertifiedBounds):
    """Bounds that hold with probability ``confidence``: lower ≤ V* ≤ upper, V* - V^π ≤ gap.

    The probability is over the samples: of many certificates, each from its own samples, at most a
    fraction of 1 - confidence is wrong.

    Attributes:
        lower: (S,) lower bound on the optimal value, in the unit of the rewards.
        upper: (S,) upper bound on the optimal value.
        policy_lower: (S,) lower bound on the value of the certified policy.
        policy_upper: (S,) upper bound on it.
        gap: Bound on V* - V^π in the worst state.
        worst_state: The state where that bound is largest.
        initial_lower: Lower bound on the optimal value from the initial distribution ρ.
        initial_upper: Upper bound on it.
        initial_gap: Bound on V*(ρ) - V^π(ρ).
        policy: (S, A) the certified policy.
        confidence: Lower bound on the probability that all bounds hold.
        inequality: Name of the inequality behind the intervals.
        samples: Number of transitions used.
        min_count: Number of transitions of the pair with the fewest.
        n_intervals: Number of intervals that have to hold together: one for each pair that is not
            known exactly.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> mdp = rm.models.chain(5)
        >>> value = rm.solve(mdp).value
        >>> certificate = rm.certify_from_samples(
        ...     mdp, value=value, samples=1000, rng=np.random.default_rng(0)
        ... )
        >>> certificate.confidence, certificate.samples, bool(np.all(certificate.lower <= value))
        (0.95, 10000, True)
    """

    policy: Float[np.ndarray, "S A"]
    confidence: float
    inequality: Inequality
    samples: int
    min_count: int
    n_intervals: int

    def __repr__(self) -> str:
        return (
            f"StatisticalCertificate(with probability ≥ {self.confidence:.12g}: "
            f"{self._summary(6)}; {self.samples:,} samples, {self.min_count:,} or more of each "
            f"pair, {self.n_intervals:,} {self.inequality} intervals)"
        )

    def _repr_html_(self) -> str:
        low, high = format_bound(self.initial_lower, 6, -1), format_bound(self.initial_upper, 6, 1)
        worst, initial = format_bound(self.gap, 3, 1), format_bound(self.initial_gap, 3, 1)
        gap = f"at most {worst} in state {self.worst_state}, the worst, and {initial}"
        samples = f"{self.samples:,}, {self.min_count:,} or more of each pair"
        return html_rows(
            "Certificate from samples",
            [
                ("holds", f"with a probability of at least {self.confidence:.12g}"),
                ("optimum", f"between {low} and {high} from the initial distribution"),
                ("gap", f"{gap} from the initial distribution"),
                ("samples", samples),
                ("intervals", f"{self.n_intervals:,} of {self.inequality}"),
            ],
        )


@checked(
    samples=Integer() | None,
    rng=Generator() | None,
    data=Instance(Dataset) | None,
    counts=Option("fixed", "random"),
    confidence=Number(above=0.0, below=1.0),
    inequality=Option(*RADII),
    may_terminate=Flag() | None,
)
def certify_from_samples(
    source: DecisionProcess,
    regularizer: Regularizer | None = None,
    *,
    value: ArrayLike,
    policy: ArrayLike | DeterministicPolicy | None = None,
    samples: int | None = None,
    rng: np.random.Generator | None = None,
    data: Dataset | None = None,
    counts: Literal["fixed", "random"] = "random",
    confidence: float = 0.95,
    inequality: Inequality = "empirical-bernstein",
    reward_range: RewardRange | None = None,
    may_terminate: bool | None = None,
) -> StatisticalCertificate:
    r"""Bound how far a policy is from optimal from samples, without the transition probabilities.

    The value must not depend on the samples that are used here: draw fresh ones, or compute the
    value from half of the data and give the other half here. The policy may depend on them, because
    the intervals hold for all policies at once.

    The width of the bounds is that of the intervals, about
    \(2 \gamma W \sqrt{\log(1/\delta) / (2n)}\) for Hoeffding's with W the span of V, divided by
    1 - γ; plus the gap that the exact certificate of this value would have.

    Args:
        source: The process sampled: an MDP or a simulator, or with ``data`` any decision process,
            which gives the available pairs, the discount and the initial distribution.
        regularizer: The regularizer of the problem; none by default.
        value: (S,) V, fixed before the samples were drawn, in the unit of the rewards: the nearer
            to V*, the better the bounds.
        policy: (S, A) probabilities, or (S,) action numbers, of any origin; by default the policy
            that is greedy for the lower ends of the intervals, which has the best lower bound.
        samples: Number of samples of each available pair to draw with ``rng``.
        rng: The generator for them.
        data: Observed transitions, instead of fresh ones. Given state and action, each must be
            independent of those before it, as in any Markov decision process.
        counts: Of ``data``: "fixed" if the number of samples of each pair was fixed beforehand, as
            with :meth:`~regmdp.samples.Dataset.from_pairs`; "random" if it results from following a
            policy. Then the number may depend on the outcomes, and the intervals are made to hold
            for all numbers n at once, with δ/(n(n+1)) for each.
        confidence: Lower bound on the probability that all bounds hold.
        inequality: "empirical-bernstein", which is tighter where the outcomes of a pair vary
            little, or "hoeffding".
        reward_range: Lowest and highest possible reward, numbers or (S, A) arrays; by default those
            of the source. For an MDP that is the reward itself, without noise.
        may_terminate: Whether episodes may end on some transition; by default what an MDP states,
            and otherwise True. False narrows the bounds where V is far from 0.

    Returns:
        The certificate.

    Raises:
        SampleError: if the samples contradict what is known, if a pair has too few of them, if the
            range of the rewards is not known, or if γ = 1.
        SolverError: if an option is out of its range, or the value is not (S,) finite numbers.
        PolicyError: if the policy is not one of this model.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> mdp, rng = rm.models.chain(5), np.random.default_rng(0)
        >>> value = rm.solve(mdp).value
        >>> certificate = rm.certify_from_samples(mdp, value=value, samples=10_000, rng=rng)
        >>> bool(certificate.gap < 0.5)
        True

        Half of the logged data gives the value, here a crude one; the other half certifies it:

        >>> data = rm.samples.Dataset.from_pairs(mdp, 2000, rng)
        >>> half = data.subset(slice(1, None, 2))
        >>> rm.certify_from_samples(mdp, value=np.zeros(5), data=half, counts="fixed").samples
        10000

    References:
        Maurer & Pontil 2009, COLT, theorem 4, and Hoeffding 1963, theorem 2, for the intervals;
        Puterman 1994, *Markov Decision Processes*, proposition 6.6.1, for the bounds from one
        sweep, there without a regularizer.
    """
    _require_discounted_process(source)
    regularizer = check_regularizer(source, regularizer)
    witness = np.where(source.terminal, 0.0, check_value(source, value))
    candidate = None if policy is None else check_policy(source, policy, regularizer)
    knowledge = Knowledge.from_source(source, reward_range, may_terminate)
    if data is None:
        data, counts = _draw(source, samples, rng), "fixed"
    elif samples is not None or rng is not None:
        raise SolverError("give either data, or samples and rng to draw fresh ones, not both")
    knowledge.require_consistent(source, data)
    intervals = enclose_action_values(
        source, data, witness, knowledge, 1.0 - confidence, inequality, counts == "random"
    )
    certified, bounds = _bound_values(
        source, regularizer, candidate, witness, intervals, knowledge.may_terminate
    )
    return StatisticalCertificate(
        **summarize_bounds(source.initial, bounds),
        policy=freeze(certified),
        confidence=confidence,
        inequality=inequality,
        samples=len(data),
        min_count=intervals.min_count,
        n_intervals=intervals.n_intervals,
    )


def _require_discounted_process(source: object) -> None:
    """Check that the source is a decision process with γ < 1."""
    if not isinstance(source, DecisionProcess):
        raise SampleError(
            "the source must be an MDP, a simulator or another decision process, not "
            f"{type(source).__name__}"
        )
    if source.discount >= 1.0:
        raise SampleError(
            "bounds from samples need a discount below 1: without one, a small error in a "
            "probability may be summed over infinitely many steps; use a discount slightly below "
            "1, or certify a model whose probabilities are known"
        )


def _draw(source: DecisionProcess, samples: int | None, rng: np.random.Generator | None) -> Dataset:
    """Draw a number of samples of each available pair."""
    if samples is None or rng is None:
        raise SolverError(
            "give data, or samples, how often to draw each pair, and rng to draw with, such as "
            "numpy.random.default_rng(0)"
        )
    if not isinstance(source, MDP | Simulator):
        raise SampleError(
            "samples are drawn only from a model or a simulator, not from "
            f"{type(source).__name__}; give data instead"
        )
    return Dataset.from_pairs(as_simulator(source), samples, rng)


def _bound_values(
    process: DecisionProcess,
    regularizer: Regularizer,
    policy: Float[np.ndarray, "S A"] | None,
    value: Float[np.ndarray, " S"],
    intervals: ActionValueIntervals,
    may_terminate: bool,
) -> tuple[Float[np.ndarray, "S A"], Bounds]:
    """Return the certified policy, and the bounds that hold if the intervals do."""
    low, high = (_fill(process.available, ends) for ends in (intervals.lower, intervals.upper))
    best, own = np.empty((2, process.n_states)), np.empty((2, process.n_states))
    certified = np.empty(process.available.shape, order="F")
    both = zip(
        bellman.iterate_blocks(process, regularizer, low),
        bellman.iterate_blocks(process, regularizer, high),
        strict=True,
    )
    for blocks in both:
        states, available, part = blocks[0].states, blocks[0].available, blocks[0].regularizer
        certified[states] = (
            part.maximiser(blocks[0].q, available) if policy is None else policy[states]
        )
        cost = part.cost(certified[states], available)
        for end, block in enumerate(blocks):
            best[end, states] = part.maximum(block.q, available)
            own[end, states] = bellman.expectation(certified[states], block.q) - cost
    scale = max(float(np.abs(array).max()) for array in (low, high, value))
    error = _bound_rounding(process, regularizer, scale)
    if regularizer.user_defined:
        for end, ends in enumerate((low, high)):
            for block in bellman.iterate_blocks(process, regularizer, ends):
                require_maximum(block, best[end, block.states], error, process.describe)
    lower, policy_lower = (
        _bound_fixed_point(process, sweep[0] - error, value, may_terminate, -1)
        for sweep in (best, own)
    )
    upper, policy_upper = (
        _bound_fixed_point(process, sweep[1] + error, value, may_terminate, 1)
        for sweep in (best, own)
    )
    return certified, Bounds(
        lower=np.maximum(lower, policy_lower),
        upper=upper,
        policy_lower=policy_lower,
        policy_upper=np.minimum(upper, policy_upper),
    )


def _bound_fixed_point(
    process: DecisionProcess,
    sweep: Float[np.ndarray, " S"],
    value: Float[np.ndarray, " S"],
    may_terminate: bool,
    direction: Literal[-1, 1],
) -> Float[np.ndarray, " S"]:
    """Turn a (S,) bound on T V in one direction into a bound on the fixed point of T."""
    extreme = direction * float(np.max(direction * (sweep - value)))
    if may_terminate:
        # the end of the episode is one more state, with the exact value 0: its T V - V is 0
        extreme = direction * max(direction * extreme, 0.0)
    # 1 - γ is exact for γ ≥ ½, so nothing is lost near γ = 1
    shift = process.discount / (1.0 - process.discount) * extreme
    outward = 8 * UNIT_ROUNDOFF * (np.abs(sweep) + abs(shift))
    return np.where(process.terminal, 0.0, sweep + shift + direction * outward)


def _bound_rounding(process: DecisionProcess, regularizer: Regularizer, scale: float) -> float:
    """Bound the rounding of T V or T_π V and of T V - V, for action values of at most this size."""
    n_actions, tau = process.n_actions, regularizer.max_temperature
    # a policy may violate limits on probabilities by the rounding of each
    of_policy = 32 * (n_actions + 4) * UNIT_ROUNDOFF * scale
    of_regularizer = 2 * tau * regularizer.rounding(n_actions)
    of_sum = 4 * UNIT_ROUNDOFF * (scale + tau * regularizer.magnitude(n_actions))
    return float(of_policy + of_regularizer + of_sum)


def _fill(
    available: Bool[np.ndarray, "S A"], q: Float[np.ndarray, "S A"]
) -> Float[np.ndarray, "S A"]:
    """Set unavailable pairs to the least value of their state, and to 0 in terminal states."""
    least = np.min(np.where(available, q, np.inf), axis=1, keepdims=True)
    return np.where(available, q, np.where(np.isfinite(least), least, 0.0))
