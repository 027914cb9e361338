"""The front door of off-policy evaluation: the checks, the estimate and its interval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from regmdp._internal.arrays import Float
from regmdp._internal.errors import SampleError, SolverError
from regmdp.certificates import check_confidence
from regmdp.mdp import MDP, DecisionProcess, StateActionSpace
from regmdp.mdp.validation import as_discount
from regmdp.off_policy.episodes import Episodes
from regmdp.off_policy.estimators import ESTIMATORS, EstimationProblem
from regmdp.off_policy.intervals import finite_sample_interval, normal_interval
from regmdp.policies import check_policy
from regmdp.problem import check_regularizer
from regmdp.regularizers import Regularizer
from regmdp.samples import Dataset

__all__ = ["OffPolicyValue", "estimate_value"]

#: With fewer episodes than that, in effect, neither an estimate nor its error is known.
FEWEST = 10.0


@dataclass(frozen=True, eq=False)
class OffPolicyValue:
    """What a policy is worth, estimated from episodes of another.

    Attributes:
        value: The estimate of V^π(ρ), in the unit of the rewards; ρ is what the first states of the
            episodes are drawn from.
        lower: Lower end of the interval.
        upper: Upper end of it.
        confidence: With how much confidence V^π(ρ) lies in the interval.
        method: Name of the estimator.
        interval: "finite-sample", whose confidence holds for any number of episodes; or "normal",
            whose confidence is reached as the number grows.
        episodes: How many episodes were used.
        steps: How many steps they have.
        truncated: How many of them were cut off. What they can have missed is part of the interval.
        effective_size: How many episodes of the policy itself they are worth, by their weights.
        standard_error: Estimated standard deviation of the estimate.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> mdp, rng = rm.models.bandit(), np.random.default_rng(0)
        >>> data = rm.samples.Dataset.from_episodes(mdp, rm.uniform_policy(mdp), 1000, 1, rng)
        >>> result = rm.off_policy.estimate_value(
        ...     data, np.array([[0.5, 0.5, 0.0]]), discount=0.0, reward_range=(0.1, 1.0)
        ... )
        >>> result.episodes, bool(result.lower <= 0.95 <= result.upper)
        (1000, True)
    """

    value: float
    lower: float
    upper: float
    confidence: float
    method: str
    interval: str
    episodes: int
    steps: int
    truncated: int
    effective_size: float
    standard_error: float

    def __repr__(self) -> str:
        truncated = f", {self.truncated:,} of them cut off" if self.truncated else ""
        return (
            f"OffPolicyValue({self.value:.6g}; {self.interval} interval {self.lower:.6g} to "
            f"{self.upper:.6g} with confidence {self.confidence:.12g}; {self.method} from "
            f"{self.episodes:,} episodes{truncated}, worth {self.effective_size:,.0f} of the policy's "
            "own)"
        )


class _UnknownProcess(DecisionProcess):
    """A frame of which nothing is known but its size."""

    def __init__(self, shape: tuple[int, int], discount: float) -> None:
        space = StateActionSpace(np.broadcast_to(True, shape))
        super().__init__(space, discount, np.full(shape[0], 1.0 / shape[0]))


def estimate_value(
    data: Dataset,
    policy: Any,
    regularizer: Regularizer | None = None,
    *,
    discount: float | None = None,
    frame: DecisionProcess | None = None,
    method: str = "doubly-robust",
    interval: str = "finite-sample",
    confidence: float = 0.95,
    reward_range: tuple[float, float] | None = None,
    horizon: int | None = None,
    unseen: float = 0.0,
) -> OffPolicyValue:
    r"""Estimate what a policy is worth from episodes of another, whose probabilities were logged.

    With \(w_t = \prod_{k \le t} \pi(a_k|s_k) / b(a_k|s_k)\), b the policy that was followed, the
    methods are

    - "importance-sampling": the mean over the episodes of
      \(\sum_t \gamma^t (w_t r_t - w_{t-1} \tau h(\pi(s_t)))\). Unbiased.
    - "weighted": the same with the weights of each step divided by their mean. Biased, consistent,
      of less variance.
    - "doubly-robust": the mean of
      \(\hat V(s_0) + \sum_t \gamma^t w_t (r_t + \gamma \hat V(s_{t+1}) - \hat Q(s_t, a_t))\). The
      model behind \(\hat Q\) is made from one half of the episodes and serves in the other, and the
      other way round, so the estimate is unbiased however bad the model is, and of little variance
      where it is good.

    Two intervals are offered. The finite-sample one holds for any number of episodes and any
    policy, also where the data lack some of what the policy does. It guards against large weights
    that never occurred, so with fewer than a thousand episodes it may say next to nothing, and it
    comes from importance sampling, whatever the method. The normal one is Student's for the totals
    of the episodes, and with the doubly robust method ten to thirty times narrower. But its
    confidence is reached only as the number of episodes grows: where few episodes carry most of the
    weight it is missed, and no number computed from the data tells for sure.

    Args:
        data: Episodes, with the columns ``episode`` and ``probability``. The episodes must be
            independent of each other.
        policy: (S, A) probabilities, or (S,) action numbers. It must not depend on these data.
        regularizer: Its cost τ h(π(s)) is taken off the reward of each step; none by default.
        discount: γ; by default that of the frame. With γ = 1 no episode may have been cut off.
        frame: A model or simulator, which says which actions there are, which states are terminal,
            and how to name them; by default all actions exist in all states.
        method: "doubly-robust", "importance-sampling" or "weighted".
        interval: "finite-sample", which needs γ < 1 and the range of the rewards, or "normal".
        confidence: Of the interval.
        reward_range: The lowest and the highest reward there can be. It is needed for the
            finite-sample interval, and where episodes were cut off: what came after that, at most
            \(\gamma^t / (1-\gamma)\) times the largest reward of a step from step t on, widens the
            interval.
        horizon: Use only the first so many steps of each episode, and treat it as cut off after
            that. The weights of late steps vary most, so a short horizon may be better.
        unseen: The share of the policy's discounted steps that may go to pairs which the data,
            though they visit the state, never contain. About these the data cannot say anything,
            and no interval accounts for them but the finite-sample one.

    Returns:
        The estimate, its interval, and how many episodes it is worth.

    Raises:
        SampleError: if the data have no episodes or probabilities, do not contain what the policy
            does, are worth too few episodes, or contradict the range of the rewards.
        SolverError: if an option is out of its range.
        PolicyError: if the policy is not one, or the regularizer is infinite at it.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> mdp = rm.models.forest()
        >>> data = rm.samples.Dataset.from_episodes(
        ...     mdp, rm.uniform_policy(mdp), 2000, 30, np.random.default_rng(0)
        ... )
        >>> policy = np.array([[0.6, 0.4], [0.6, 0.4], [0.6, 0.4]])
        >>> result = rm.off_policy.estimate_value(data, policy, frame=mdp, reward_range=(0, 4))
        >>> true = rm.evaluate(mdp, policy).initial_value
        >>> bool(result.lower <= true <= result.upper)
        True

    References:
        Precup, Sutton & Singh 2000, ICML, "Eligibility traces for off-policy policy evaluation"
        (per-decision importance sampling, plain and weighted); Jiang & Li 2016, ICML, "Doubly
        robust off-policy value evaluation for reinforcement learning", equation 10, here with a
        stationary model and a regularizer; Thomas, Theocharous & Ghavamzadeh 2015, AAAI,
        "High-confidence off-policy evaluation" (clipping at a threshold that a part of the data
        chooses, here with the inequality of Maurer & Pontil 2009, theorem 4).
    """
    level = check_confidence(confidence)
    if method not in ESTIMATORS:
        raise SolverError(f"method must be one of {sorted(ESTIMATORS)}, not {method!r}")
    if interval not in ("normal", "finite-sample"):
        raise SolverError(f"interval must be 'normal' or 'finite-sample', not {interval!r}")
    if horizon is not None and horizon < 1:
        raise SolverError(f"horizon must be at least 1 step, not {horizon}")
    if not 0.0 <= unseen <= 1.0:
        raise SolverError(f"unseen must be a share between 0 and 1, not {unseen}")
    where = _frame(data, policy, discount, frame)
    gamma = where.discount if discount is None else as_discount(discount)
    data.require_fit(where)
    regularizer = check_regularizer(where, regularizer)
    checked = check_policy(where, policy, regularizer)
    cost = regularizer.cost(checked, where.available)
    episodes = Episodes.from_data(data, where, checked, gamma, horizon)
    span = _range(frame, reward_range)
    _require_in_range(episodes.data, where, span)
    _require_seen(episodes, where, checked, unseen)
    live = ~where.terminal
    costs = float(cost[live].min()), float(cost[live].max())
    problem = _problem(episodes, checked, cost, costs, gamma, span)
    size = episodes.effective_size(gamma)
    if not size >= FEWEST:
        raise SampleError(
            f"{episodes.count} episodes of the policy that was followed are worth {size:.1f} of "
            f"the policy that is evaluated, and {FEWEST:.0f} are the least; log more, evaluate "
            "fewer steps with horizon=, or a policy nearer to the data's"
        )
    totals = ESTIMATORS[method](episodes, problem)
    if interval == "normal":
        lower, upper = normal_interval(totals, level)
    else:
        lower, upper = _finite_sample(episodes, cost, costs, gamma, span, level)
    return OffPolicyValue(
        value=float(totals[0].mean()),
        lower=lower,
        upper=upper,
        confidence=level,
        method=method,
        interval=interval,
        episodes=episodes.count,
        steps=len(episodes.data),
        truncated=int(np.count_nonzero(episodes.truncated)),
        effective_size=size,
        standard_error=float(totals[0].std(ddof=1) / np.sqrt(episodes.count)),
    )


def _frame(
    data: Any, policy: Any, discount: float | None, frame: DecisionProcess | None
) -> DecisionProcess:
    """Return the frame, or one in which all actions exist in all states that the policy or the data know of."""
    if not isinstance(data, Dataset):
        raise SampleError(
            f"the data must be a regmdp.samples.Dataset, not {type(data).__name__}; "
            "Dataset.from_columns makes one"
        )
    if frame is not None:
        return frame
    if discount is None:
        raise SolverError("give the discount, or a frame that has one")
    given = np.shape(policy)
    shape = (given[0], given[1]) if len(given) == 2 else (data.n_states, data.n_actions)
    return _UnknownProcess(shape, as_discount(discount))


def _range(frame: DecisionProcess | None, given: Any) -> tuple[float, float]:
    """Return the lowest and the highest reward that there can be; infinite if not known."""
    if given is None:
        # the rewards of a model are expected ones, which says nothing about what is logged
        low, high = (
            getattr(frame, "lowest_reward", -np.inf),
            getattr(frame, "highest_reward", np.inf),
        )
        if frame is None or isinstance(frame, MDP):
            return -np.inf, np.inf
        low, high = (
            np.broadcast_to(end, frame.available.shape)[frame.available] for end in (low, high)
        )
        return float(low.min()), float(high.max())
    try:
        least, most = (float(end) for end in given)
    except (TypeError, ValueError):
        raise SolverError(f"reward_range must be (lowest, highest), not {given!r}") from None
    if not (np.isfinite(least) and np.isfinite(most) and least <= most):
        raise SolverError(
            f"reward_range must be (lowest, highest), two finite numbers, not ({least:g}, {most:g})"
        )
    return least, most


def _require_in_range(data: Dataset, frame: DecisionProcess, span: tuple[float, float]) -> None:
    outside = (data.reward < span[0]) | (data.reward > span[1])
    if outside.any():
        row = int(np.argmax(outside))
        where = frame.describe(int(data.state[row]), int(data.action[row]))
        raise SampleError(
            f"the reward of {where} is {data.reward[row]:.12g} in row {row} of the steps used, "
            f"which is outside of reward_range, {span[0]:.12g} to {span[1]:.12g}; "
            f"{int(np.count_nonzero(outside))} of {len(data)} rows are wrong"
        )


def _require_seen(
    episodes: Episodes, frame: DecisionProcess, policy: Float[np.ndarray, "S A"], allowed: float
) -> None:
    """Check that the data contain what the policy does in the states that they visit."""
    data = episodes.data
    count = np.bincount(data.state * policy.shape[1] + data.action, minlength=policy.size).reshape(
        policy.shape
    )
    visits = count.sum(axis=1)
    missing = (visits > 0)[:, None] & (policy > 0.0) & (count == 0)
    if not missing.any():
        return
    lost = np.sum(np.where(missing, policy, 0.0), axis=1)
    reached = episodes.counted * episodes.before
    share = float(reached @ lost[data.state]) / float(reached.sum())
    if share <= allowed:
        return
    state, action = (int(i) for i in np.unravel_index(np.argmax(missing), missing.shape))
    raise SampleError(
        f"the policy gives {frame.describe(state, action)} probability "
        f"{policy[state, action]:.4g}, and the data, which visit that state {visits[state]} times, "
        "never contain it: what would follow, the data cannot say "
        f"({int(np.count_nonzero(missing))} pairs in {int(np.count_nonzero(missing.any(axis=1)))} "
        f"states are like that, {100 * share:.3g} % of the policy's discounted steps); log more, "
        "evaluate another policy, or leave so large a share out of account with unseen="
    )


def _problem(
    episodes: Episodes,
    policy: Float[np.ndarray, "S A"],
    cost: Float[np.ndarray, " S"],
    costs: tuple[float, float],
    discount: float,
    span: tuple[float, float],
) -> EstimationProblem:
    """Say what is estimated, and between which bounds all values lie."""
    truncated = int(np.count_nonzero(episodes.truncated))
    if discount >= 1.0:
        if truncated:
            raise SampleError(
                f"{truncated} of {episodes.count} episodes were cut off before they ended, and without "
                "discount what came after that may be worth anything; log whole episodes, or use a "
                "discount below 1"
            )
        return EstimationProblem(policy, cost, discount, -np.inf, np.inf)
    least, most = (
        end / (1.0 - discount)
        for end in (min(span[0] - costs[1], 0.0), max(span[1] - costs[0], 0.0))
    )
    if truncated and discount > 0.0 and not np.isfinite(most - least):
        raise SampleError(
            f"{truncated} of {episodes.count} episodes were cut off before they ended, and what came "
            "after that is bounded only if the range of the rewards is known; give "
            "reward_range=(lowest, highest)"
        )
    return EstimationProblem(policy, cost, discount, least, most)


def _finite_sample(
    episodes: Episodes,
    cost: Float[np.ndarray, " S"],
    costs: tuple[float, float],
    discount: float,
    span: tuple[float, float],
    confidence: float,
) -> tuple[float, float]:
    if discount >= 1.0:
        raise SolverError(
            "the finite-sample interval needs a discount below 1; use interval='normal'"
        )
    if not np.isfinite(span[1] - span[0]):
        raise SampleError(
            "the finite-sample interval needs the range of the rewards; give reward_range=(lowest, "
            "highest), or interval='normal'"
        )
    return finite_sample_interval(
        episodes, cost[episodes.data.state], span, costs, discount, confidence
    )
