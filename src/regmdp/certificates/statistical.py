r"""Certificates from samples alone: bounds that hold with a stated probability, whatever the transition probabilities are.

For a value V that was fixed before the samples were seen, the samples \(r + \gamma V(s')\) of a
pair are independent, lie in a known range and have the expectation
\(q(s, a) = r(s, a) + \gamma \sum_t P(s, a, t) V(t)\). An interval around the mean of each pair, and
a union over the pairs, enclose all of q at once. T V and T_π V are monotone in q, so they are
enclosed as well, and with them all that follows from one sweep: \(T V + \tfrac{\gamma}{1-\gamma}
\min (T V - V) \le V^* \le T V + \tfrac{\gamma}{1-\gamma} \max (T V - V)\), and the same for T_π and
V^π.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from regmdp import bellman
from regmdp._internal.arrays import UNIT_ROUNDOFF, Bool, Float, Int, freeze
from regmdp._internal.errors import SampleError, SolverError
from regmdp.certificates.certificate import Bounds, Certificate, format_bound
from regmdp.certificates.concentration import RADII, check_confidence, enough_samples
from regmdp.mdp import MDP, DecisionProcess
from regmdp.policies import check_policy
from regmdp.problem import check_regularizer, check_value
from regmdp.regularizers import Regularizer
from regmdp.samples import Dataset, Simulator, TableSimulator, as_simulator

__all__ = ["StatisticalCertificate", "certify_from_samples"]


@dataclass(frozen=True, eq=False)
class StatisticalCertificate:
    """Bounds that hold all together with probability at least ``confidence``: lower ≤ V* ≤ upper and V* - V^π ≤ gap.

    The probability is over the samples: of many certificates, each from samples of its own, at most
    1 - confidence are wrong.

    Attributes:
        lower: (S,) lower bound on the optimal value, in the unit of the rewards.
        upper: (S,) upper bound on the optimal value.
        policy_lower: (S,) lower bound on the value of the policy that was judged.
        policy_upper: (S,) upper bound on it.
        gap: Bound on V* - V^π in the worst state.
        worst_state: The state where that bound is largest.
        initial_lower: Lower bound on the optimal value from the initial distribution ρ.
        initial_upper: Upper bound on it.
        initial_gap: Bound on V*(ρ) - V^π(ρ).
        policy: (S, A) the policy that was judged.
        confidence: The least probability with which all of this holds.
        bound: Name of the inequality behind the intervals.
        samples: How many transitions were used.
        fewest: How many of them the pair seen least has.
        events: How many intervals have to hold together, one for each pair that leaves anything
            open.

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

    lower: Float[np.ndarray, " S"]
    upper: Float[np.ndarray, " S"]
    policy_lower: Float[np.ndarray, " S"]
    policy_upper: Float[np.ndarray, " S"]
    gap: float
    worst_state: int
    initial_lower: float
    initial_upper: float
    initial_gap: float
    policy: Float[np.ndarray, "S A"]
    confidence: float
    bound: str
    samples: int
    fewest: int
    events: int

    def __repr__(self) -> str:
        low, high = format_bound(self.initial_lower, 6, -1), format_bound(self.initial_upper, 6, 1)
        gap, initial_gap = format_bound(self.gap, 3, 1), format_bound(self.initial_gap, 3, 1)
        return (
            f"StatisticalCertificate(with probability ≥ {self.confidence:.12g}: gap ≤ {gap}; from "
            f"the initial distribution {low} ≤ V* ≤ {high}, gap ≤ {initial_gap}; {self.samples:,} "
            f"samples, {self.fewest:,} or more of each pair, {self.events:,} {self.bound} "
            "intervals)"
        )


def certify_from_samples(
    source: DecisionProcess,
    regularizer: Regularizer | None = None,
    *,
    value: Any,
    policy: Any = None,
    samples: int | None = None,
    rng: np.random.Generator | None = None,
    data: Dataset | None = None,
    counts: str = "random",
    confidence: float = 0.95,
    bound: str = "empirical-bernstein",
    reward_range: tuple[Any, Any] | None = None,
    ends: bool | None = None,
) -> StatisticalCertificate:
    r"""Bound how far a policy is from optimal from samples, without the transition probabilities.

    The value must not depend on the samples that judge it: draw fresh ones, or give half of the
    data to the method and the other half here. The policy may depend on them, because the intervals
    hold for all policies at once.

    The width of the bounds is that of the intervals, about
    \(2 \gamma W \sqrt{\log(1/\delta) / (2n)}\) for Hoeffding's with W the spread of V, divided by
    1 - γ; plus the distance that the exact certificate of this value would report.

    Args:
        source: What the samples are of: an MDP or a simulator, or with ``data`` any frame, which
            says which pairs there are, the discount and the initial distribution.
        regularizer: The regularizer of the problem; none by default.
        value: (S,) the witness V, fixed before the samples were seen, in the unit of the rewards:
            the nearer to V*, the better the bounds.
        policy: (S, A) probabilities, or (S,) action numbers, of any origin; by default the policy
            that is greedy for the lower ends of the intervals, which has the best lower bound of
            all.
        samples: How often to draw each available pair, with ``rng``.
        rng: The generator for that.
        data: Transitions that were observed, in place of fresh ones. Given state and action, each
            must be independent of those before it, as in any Markov decision process.
        counts: Of ``data``: "fixed" if it was settled beforehand how often each pair is seen, as
            with :meth:`~regmdp.samples.Dataset.from_pairs`; "random" if that came out of following a
            policy. Then the number itself may depend on the outcomes, and the intervals are made to
            hold for all numbers n at once, with δ/(n(n+1)) for each.
        confidence: Least probability with which all bounds hold together.
        bound: "empirical-bernstein", which gains where the outcomes of a pair vary little, or
            "hoeffding".
        reward_range: The lowest and the highest reward there can be, numbers or (S, A) arrays; by
            default what the source says. For an MDP that is the reward itself, without noise.
        ends: Whether episodes may end on some transition; by default what an MDP says, and
            otherwise True. False narrows the bounds where V is far from 0.

    Returns:
        The certificate.

    Raises:
        SampleError: if the samples contradict what is known, if a pair was not seen often enough to
            say anything, if the range of the rewards is not known, or if γ = 1.
        SolverError: if an option is out of its range, or the value is not (S,) finite numbers.
        PolicyError: if the policy is not one of this model.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> mdp, rng = rm.models.chain(5), np.random.default_rng(0)
        >>> value = rm.solve(mdp).value
        >>> certificate = rm.certify_from_samples(mdp, value=value, samples=10_000, rng=rng)
        >>> bool(certificate.gap < 0.5)
        True

        Half of what was logged makes the candidate, here crudely, and the other half judges it:

        >>> data = rm.samples.Dataset.from_pairs(mdp, 2000, rng)
        >>> judges = data.subset(slice(1, None, 2))
        >>> rm.certify_from_samples(mdp, value=np.zeros(5), data=judges, counts="fixed").samples
        10000

    References:
        Maurer & Pontil 2009, COLT, theorem 4, and Hoeffding 1963, theorem 2, for the intervals;
        Puterman 1994, *Markov Decision Processes*, proposition 6.6.1, for the bounds from one
        sweep, there without a regularizer.
    """
    if not isinstance(source, DecisionProcess):
        raise SampleError(
            "what is sampled must be an MDP, a simulator or another frame, not "
            f"{type(source).__name__}"
        )
    if source.discount >= 1.0:
        raise SampleError(
            "bounds from samples need a discount below 1: without one, a small error in a "
            "probability may count for ever; use a discount slightly below 1, or certify a model "
            "whose probabilities are known"
        )
    level = check_confidence(confidence)
    if bound not in RADII:
        raise SolverError(f"bound must be one of {sorted(RADII)}, not {bound!r}")
    if counts not in ("fixed", "random"):
        raise SolverError(f"counts must be 'fixed' or 'random', not {counts!r}")
    regularizer = check_regularizer(source, regularizer)
    witness = np.where(source.terminal, 0.0, check_value(source, value))
    judged = None if policy is None else check_policy(source, policy, regularizer)
    low, high = _reward_range(source, reward_range)
    ending = _may_end(source, ends)
    if data is None:
        data, counts = _drawn(source, samples, rng), "fixed"
    elif samples is not None or rng is not None:
        raise SolverError("give either data, or samples and rng to draw fresh ones, not both")
    _require_possible(source, data, low, high, ending)
    intervals = _intervals(
        source, data, witness, low, high, ending, 1.0 - level, bound, counts == "random"
    )
    judged, bounds = _bounds(source, regularizer, judged, witness, intervals, ending)
    summary = Certificate.from_bounds(source.initial, bounds)
    return StatisticalCertificate(
        lower=summary.lower,
        upper=summary.upper,
        policy_lower=summary.policy_lower,
        policy_upper=summary.policy_upper,
        gap=summary.gap,
        worst_state=summary.worst_state,
        initial_lower=summary.initial_lower,
        initial_upper=summary.initial_upper,
        initial_gap=summary.initial_gap,
        policy=freeze(judged),
        confidence=level,
        bound=bound,
        samples=len(data),
        fewest=intervals.fewest,
        events=intervals.events,
    )


@dataclass(frozen=True, eq=False)
class _Intervals:
    """(S, A) intervals that enclose r + γ P V at all available pairs together, and how they came about."""

    lower: Float[np.ndarray, "S A"]
    upper: Float[np.ndarray, "S A"]
    fewest: int
    events: int


def _intervals(
    frame: DecisionProcess,
    data: Dataset,
    value: Float[np.ndarray, " S"],
    low: Float[np.ndarray, "S A"],
    high: Float[np.ndarray, "S A"],
    ending: bool,
    failure: float,
    bound: str,
    any_count: bool,
) -> _Intervals:
    """Enclose the action values of a (S,) value, all of them together but for the probability of failure."""
    shape, gamma = frame.available.shape, frame.discount
    bottom, top = float(value.min()), float(value.max())
    if ending:
        bottom, top = min(bottom, 0.0), max(top, 0.0)
    base = low + gamma * bottom
    width = np.where(frame.available, (high - low) + gamma * (top - bottom), 0.0)
    open_pairs = width > 0.0
    events = int(np.count_nonzero(open_pairs))
    pair = data.state * shape[1] + data.action
    # all in multiples of the range, so that nothing overflows
    scale = np.where(open_pairs, width, 1.0).ravel()
    after = np.where(data.terminated, 0.0, value[data.next_state])
    outcome = (data.reward + gamma * after - base.ravel()[pair]) / scale[pair]
    count = np.bincount(pair, minlength=scale.size)
    mean = np.bincount(pair, outcome, scale.size) / np.maximum(count, 1)
    variance = np.bincount(pair, (outcome - mean[pair]) ** 2, scale.size) / np.maximum(count - 1, 1)
    delta = failure / max(events, 1)
    each = (
        delta / np.maximum(count * (count + 1.0), 1.0) if any_count else np.full(scale.size, delta)
    )
    radius = np.where(open_pairs.ravel(), RADII[bound](count, variance, 1.0, each), 0.0)
    _require_enough(
        frame,
        open_pairs & (2.0 * radius >= 1.0).reshape(shape),
        count.reshape(shape),
        bound,
        delta,
        any_count,
    )
    # the sums of n outcomes, and of their squares, round; so do the outcomes themselves
    slack = (
        4 * (count + 16) * UNIT_ROUNDOFF * ((np.abs(base).ravel() + width.ravel()) + scale * radius)
    )
    lower = base.ravel() + scale * np.maximum(mean - radius, 0.0) - slack
    upper = base.ravel() + scale * np.minimum(mean + radius, 1.0) + slack
    flat = ~open_pairs.ravel()
    lower, upper = (
        np.where(flat, base.ravel() - slack, lower),
        np.where(flat, base.ravel() + slack, upper),
    )
    fewest = int(count.reshape(shape)[frame.available].min(initial=len(data)))
    return _Intervals(lower.reshape(shape), upper.reshape(shape), fewest, events)


def _bounds(
    frame: DecisionProcess,
    regularizer: Regularizer,
    policy: Float[np.ndarray, "S A"] | None,
    value: Float[np.ndarray, " S"],
    intervals: _Intervals,
    ending: bool,
) -> tuple[Float[np.ndarray, "S A"], Bounds]:
    """Return the policy that is judged, and what follows for it and the optimum if the intervals hold."""
    low, high = (_filled(frame.available, ends) for ends in (intervals.lower, intervals.upper))
    best, own = np.empty((2, frame.n_states)), np.empty((2, frame.n_states))
    judged = np.empty(frame.available.shape, order="F")
    both = zip(
        bellman.iterate_blocks(frame, regularizer, low),
        bellman.iterate_blocks(frame, regularizer, high),
        strict=True,
    )
    for blocks in both:
        states, available, part = blocks[0].states, blocks[0].available, blocks[0].regularizer
        judged[states] = (
            part.maximiser(blocks[0].q, available) if policy is None else policy[states]
        )
        cost = part.cost(judged[states], available)
        for end, block in enumerate(blocks):
            best[end, states] = part.maximum(block.q, available)
            own[end, states] = bellman.expectation(judged[states], block.q) - cost
    error = _rounding(
        frame,
        regularizer,
        max(float(np.abs(low).max()), float(np.abs(high).max()), float(np.abs(value).max())),
    )
    lower, policy_lower = (
        _moved(frame, sweep[0] - error, value, ending, -1) for sweep in (best, own)
    )
    upper, policy_upper = (
        _moved(frame, sweep[1] + error, value, ending, 1) for sweep in (best, own)
    )
    return judged, Bounds(
        lower=np.maximum(lower, policy_lower),
        upper=upper,
        policy_lower=policy_lower,
        policy_upper=np.minimum(upper, policy_upper),
    )


def _moved(
    frame: DecisionProcess,
    sweep: Float[np.ndarray, " S"],
    value: Float[np.ndarray, " S"],
    ending: bool,
    direction: int,
) -> Float[np.ndarray, " S"]:
    """Turn a (S,) bound on T V in one direction into a bound on the fixed point of T."""
    extreme = direction * float(np.max(direction * (sweep - value)))
    if ending:
        # the end of the episode is one more state, whose value 0 is exact: its T V - V is 0
        extreme = direction * max(direction * extreme, 0.0)
    # 1 - γ is exact for γ ≥ ½, so nothing is lost near γ = 1
    shift = frame.discount / (1.0 - frame.discount) * extreme
    outward = 8 * UNIT_ROUNDOFF * (np.abs(sweep) + abs(shift))
    return np.where(frame.terminal, 0.0, sweep + shift + direction * outward)


def _rounding(frame: DecisionProcess, regularizer: Regularizer, scale: float) -> float:
    """Bound the rounding of one entry of T V or T_π V, and of its difference from V, for action values of at most this size."""
    n_actions, tau = frame.n_actions, regularizer.max_temperature
    # where probabilities have limits, a policy may leave them by a rounding of each
    of_policy = 32 * (n_actions + 4) * UNIT_ROUNDOFF * scale
    of_regularizer = 2 * tau * regularizer.rounding(n_actions)
    of_sum = 4 * UNIT_ROUNDOFF * (scale + tau * regularizer.magnitude(n_actions))
    return float(of_policy + of_regularizer + of_sum)


def _filled(
    available: Bool[np.ndarray, "S A"], q: Float[np.ndarray, "S A"]
) -> Float[np.ndarray, "S A"]:
    """Give unavailable pairs a harmless value, 0 in terminal states and otherwise the least of their state."""
    least = np.min(np.where(available, q, np.inf), axis=1, keepdims=True)
    return np.where(available, q, np.where(np.isfinite(least), least, 0.0))


# ---- what comes from outside ----


def _reward_range(
    source: DecisionProcess, given: Any
) -> tuple[Float[np.ndarray, "S A"], Float[np.ndarray, "S A"]]:
    """Return (S, A) lowest and highest rewards."""
    if given is not None:
        ends = given
    elif isinstance(source, MDP):
        ends = source.rewards, source.rewards
    else:
        ends = getattr(source, "lowest_reward", -np.inf), getattr(source, "highest_reward", np.inf)
    try:
        low, high = (
            np.broadcast_to(np.asarray(end, dtype=np.float64), source.available.shape)
            for end in ends
        )
    except (TypeError, ValueError):
        raise SolverError(
            "reward_range must be (lowest, highest), two numbers or two (S, A) arrays"
        ) from None
    unknown = source.available & ~(np.isfinite(low) & np.isfinite(high))
    if unknown.any():
        where = source.describe(*_first(unknown))
        raise SampleError(
            f"the range of the rewards of {where} is not known ({int(np.count_nonzero(unknown))} "
            "pairs are like that), and without one, samples bound no expectation; give "
            "reward_range=(lowest, highest)"
        )
    wrong = source.available & (low > high)
    if wrong.any():
        state, action = _first(wrong)
        where = source.describe(state, action)
        raise SolverError(
            f"the lowest reward of {where} is {low[state, action]:g}, above the highest, "
            f"{high[state, action]:g}"
        )
    return np.where(source.available, low, 0.0), np.where(source.available, high, 0.0)


def _may_end(source: DecisionProcess, ends: bool | None) -> bool:
    model = source.mdp if isinstance(source, TableSimulator) else source
    known = model.terminates if isinstance(model, MDP) else None
    if ends is None:
        return True if known is None else known
    if not ends and (known or source.terminal.any()):
        raise SolverError("ends=False contradicts the model: there episodes end")
    return bool(ends)


def _drawn(
    source: DecisionProcess, samples: int | None, rng: np.random.Generator | None
) -> Dataset:
    if samples is None or rng is None:
        raise SolverError(
            "give data, or samples, how often to draw each pair, and rng to draw with, such as "
            "numpy.random.default_rng(0)"
        )
    if not isinstance(source, MDP | Simulator):
        raise SampleError(
            f"only a model or a simulator can be asked for samples, not {type(source).__name__}; "
            "give data instead"
        )
    return Dataset.from_pairs(as_simulator(source), samples, rng)


def _require_possible(
    source: DecisionProcess,
    data: Dataset,
    low: Float[np.ndarray, "S A"],
    high: Float[np.ndarray, "S A"],
    ending: bool,
) -> None:
    """Check that the data do not contradict what is known of the model."""
    data.require_fit(source)
    least, most = low[data.state, data.action], high[data.state, data.action]
    outside = (data.reward < least) | (data.reward > most)
    if outside.any():
        row = int(np.argmax(outside))
        where = source.describe(int(data.state[row]), int(data.action[row]))
        raise SampleError(
            f"row {row}: the reward of {where} is {data.reward[row]:.12g}, which is outside of its "
            f"range, {least[row]:.12g} to {most[row]:.12g}; {int(np.count_nonzero(outside))} of "
            f"{len(data)} rows are wrong; give the reward_range that there really is"
        )
    if not ending and data.terminated.any():
        row = int(np.argmax(data.terminated))
        raise SampleError(
            f"row {row}: the episode ended, which in this model it cannot; "
            f"{int(np.count_nonzero(data.terminated))} rows are like that; give ends=True if episodes "
            "may end"
        )


def _require_enough(
    frame: DecisionProcess,
    bad: Bool[np.ndarray, "S A"],
    count: Int[np.ndarray, "S A"],
    bound: str,
    delta: float,
    any_count: bool,
) -> None:
    """Refuse pairs about which the samples say no more than their range does."""
    if not bad.any():
        return
    enough = enough_samples(bound, delta)
    # with a random number n of samples the interval has to hold for all n
    while any_count and enough < (
        longer := enough_samples(bound, delta / (enough * (enough + 1.0)))
    ):
        enough = longer
    state, action = _first(bad)
    raise SampleError(
        f"{frame.describe(state, action)} was seen {count[state, action]} times, too few for the "
        f"samples to say more than its range does ({int(np.count_nonzero(bad))} of "
        f"{int(np.count_nonzero(frame.available))} pairs are like that); {enough} samples of each "
        "pair are always enough to say something"
    )


def _first(bad: Bool[np.ndarray, "S A"]) -> tuple[int, int]:
    state, action = np.unravel_index(np.argmax(bad), bad.shape)
    return int(state), int(action)
