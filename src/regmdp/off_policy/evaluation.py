"""Off-policy evaluation: checks, estimate and confidence interval."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

import numpy as np

from regmdp._internal.array_checks import check_array
from regmdp._internal.arrays import ArrayLike, Float
from regmdp._internal.errors import PolicyError, SampleError, SolverError
from regmdp._internal.parameters import Instance, Integer, Number, Option, checked
from regmdp.mdp import DecisionProcess, StateActionSpace
from regmdp.mdp.deterministic import DeterministicPolicy
from regmdp.mdp.validation import as_discount
from regmdp.off_policy.data_checks import (
    read_reward_range,
    require_coverage,
    require_rewards_in_range,
)
from regmdp.off_policy.episodes import Episodes
from regmdp.off_policy.estimators import ESTIMATORS, EstimationProblem, Method
from regmdp.off_policy.intervals import finite_sample_interval, normal_interval
from regmdp.off_policy.result import OffPolicyValue
from regmdp.off_policy.weight_checks import (
    CONTRADICTION_LEVEL,
    compare_weights,
    describe_sums,
    require_possible_probabilities,
)
from regmdp.policies import check_policy, holds_actions
from regmdp.problem import check_regularizer
from regmdp.regularizers import Regularizer
from regmdp.samples import Dataset

__all__ = ["estimate_value"]

#: Least effective number of episodes with which an estimate and its error are meaningful.
MIN_EFFECTIVE_EPISODES = 10.0

Interval: TypeAlias = Literal["finite-sample", "normal"]


class _UnknownProcess(DecisionProcess):
    """A process known only by its size: all actions exist in all states."""

    def __init__(self, shape: tuple[int, int], discount: float) -> None:
        space = StateActionSpace(np.broadcast_to(True, shape))
        super().__init__(space, discount, np.full(shape[0], 1.0 / shape[0]))


@checked(
    discount=Number(0.0, 1.0) | None,
    process=Instance(DecisionProcess) | None,
    method=Option(*ESTIMATORS),
    interval=Option("normal", "finite-sample"),
    confidence=Number(above=0.0, below=1.0),
    horizon=Integer() | None,
    max_unseen=Number(0.0, 1.0),
)
def estimate_value(
    data: Dataset,
    policy: ArrayLike | DeterministicPolicy,
    regularizer: Regularizer | None = None,
    *,
    discount: float | None = None,
    process: DecisionProcess | None = None,
    method: Method = "doubly-robust",
    interval: Interval = "finite-sample",
    confidence: float = 0.95,
    reward_range: tuple[float, float] | None = None,
    horizon: int | None = None,
    max_unseen: float = 0.0,
) -> OffPolicyValue:
    r"""Estimate the value of a policy from episodes of another, whose probabilities were logged.

    With \(w_t = \prod_{k \le t} \pi(a_k|s_k) / b(a_k|s_k)\) for the behaviour policy b:

    - "importance-sampling": the mean over the episodes of
      \(\sum_t \gamma^t (w_t r_t - w_{t-1} \tau h(\pi(s_t)))\). Unbiased.
    - "weighted": the same with the weights of each step divided by their mean. Biased, consistent,
      of smaller variance.
    - "doubly-robust": the mean of
      \(\hat V(s_0) + \sum_t \gamma^t w_t (r_t + \gamma \hat V(s_{t+1}) - \hat Q(s_t, a_t))\). The
      model behind \(\hat Q\) is fitted to one half of the episodes and used in the other, and vice
      versa, so the estimate is unbiased however bad the model is, and of small variance where the
      model is good.

    The finite-sample interval holds for any number of episodes and any policy, even if the data
    lack some of the policy's actions. It accounts for large weights that did not occur, so with
    fewer than a thousand episodes it may be too wide to be useful, and it comes from importance
    sampling, whatever the method. The normal interval is Student's for the totals of the episodes,
    and with the doubly robust method ten to thirty times narrower. But its confidence is reached
    only as the number of episodes grows: it is lower where few episodes carry most of the weight,
    and no number computed from the data reveals this reliably.

    Args:
        data: Episodes, with the columns ``episode`` and ``probability``. The episodes must be
            independent of each other.
        policy: (S, A) probabilities, or (S,) action numbers. It must not depend on these data.
        regularizer: Its cost τ h(π(s)) is subtracted from the reward of each step; none by default.
        discount: γ; by default that of the process. With γ = 1 no episode may be truncated.
        process: A model or simulator: the available actions, the terminal states and their names;
            by default all actions exist in all states.
        method: "doubly-robust", "importance-sampling" or "weighted".
        interval: "finite-sample", which needs γ < 1 and the range of the rewards, or "normal".
        confidence: Of the interval.
        reward_range: Lowest and highest possible reward. It is needed for the finite-sample
            interval, and for truncated episodes: their missing steps, from step t on at most
            \(\gamma^t / (1-\gamma)\) times the largest reward of a step, widen the interval.
        horizon: Number of steps of each episode to use; it is truncated after them. The weights of
            late steps vary most, so a short horizon may be better.
        max_unseen: Largest fraction of the policy's discounted steps that may go to pairs which the
            data, though they visit the state, never contain. The data say nothing about these, and
            only the finite-sample interval accounts for them.

    The logged probabilities are compared with the logged actions. A contradiction that happens by
    chance with a probability of at most 1e-6 is an error; doubts are ``findings`` of the result.

    Returns:
        The estimate, its interval, the effective number of episodes, and the mean weight of a step
        with a test of its expectation.

    Raises:
        SampleError: if the data have no episodes or probabilities, lack the policy's actions, have
            too few effective episodes, or contradict their probabilities, themselves, or the range
            of the rewards.
        SolverError: if an option is out of its range.
        PolicyError: if the policy is not one, or the regularizer is infinite at it.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> mdp = rm.models.forest()
        >>> data = rm.samples.Dataset.from_episodes(
        ...     mdp, rm.uniform_policy(mdp), 2000, 30, np.random.default_rng(0)
        ... )
        >>> policy = np.array([[0.6, 0.4], [0.6, 0.4], [0.6, 0.4]])
        >>> result = rm.off_policy.estimate_value(data, policy, process=mdp, reward_range=(0, 4))
        >>> true = rm.evaluate(mdp, policy).initial_value
        >>> bool(result.lower <= true <= result.upper)
        True

    References:
        Precup, Sutton & Singh 2000, ICML, "Eligibility traces for off-policy policy evaluation"
        (per-decision importance sampling, plain and weighted); Jiang & Li 2016, ICML, "Doubly
        robust off-policy value evaluation for reinforcement learning", equation 10, here with a
        stationary model and a regularizer; Thomas, Theocharous & Ghavamzadeh 2015, AAAI,
        "High-confidence off-policy evaluation" (clipping at a threshold chosen by a part of the
        data, here with the inequality of Maurer & Pontil 2009, theorem 4).
    """
    known = _find_process(data, policy, discount, process)
    gamma = known.discount if discount is None else as_discount(discount)
    data.require_fit(known)
    regularizer = check_regularizer(known, regularizer)
    checked = check_policy(known, policy, regularizer)
    cost = regularizer.cost(checked, known.available)
    episodes = Episodes.from_data(data, known, checked, gamma, horizon)
    limits = read_reward_range(known, reward_range)
    require_rewards_in_range(episodes.data, known, limits)
    require_coverage(episodes, known, checked, max_unseen)
    require_possible_probabilities(episodes, known, checked)
    live = ~known.terminal
    costs = float(cost[live].min()), float(cost[live].max())
    problem = _make_problem(episodes, checked, cost, costs, gamma, limits)
    size = episodes.effective_size(gamma)
    if not size >= MIN_EFFECTIVE_EPISODES:
        raise SampleError(
            f"the effective number of episodes is {size:.1f} of {episodes.count}, less than "
            f"{MIN_EFFECTIVE_EPISODES:.0f}; log more, evaluate fewer steps with horizon=, or a "
            "policy closer to the behaviour policy"
        )
    totals = _estimate_totals(episodes, problem, method)
    if interval == "normal":
        (lower, upper), crossed = normal_interval(totals, confidence), None
    else:
        _require_finite_sample_interval(gamma, limits)
        lower, upper, crossed = _bound_value(
            lambda confidence: finite_sample_interval(
                episodes, cost[episodes.data.state], limits, costs, gamma, confidence
            ),
            confidence,
        )
    weights = compare_weights(episodes, checked)
    findings = (
        weights.describe() if weights.is_far else None,
        describe_sums(episodes, known, checked),
        crossed,
    )
    return OffPolicyValue(
        value=float(totals[0].mean()),
        lower=lower,
        upper=upper,
        confidence=confidence,
        method=method,
        interval=interval,
        episodes=episodes.count,
        steps=len(episodes.data),
        truncated=int(np.count_nonzero(episodes.truncated)),
        effective_size=size,
        standard_error=float(totals[0].std(ddof=1) / np.sqrt(episodes.count)),
        weight_test=weights,
        findings=tuple(finding for finding in findings if finding is not None),
    )


def _estimate_totals(
    episodes: Episodes, problem: EstimationProblem, method: Method
) -> Float[np.ndarray, "three N"]:
    """Return the totals of the episodes.

    Raises:
        SampleError: if they, or their squares, are too large for doubles.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        totals = ESTIMATORS[method](episodes, problem)
        finite = np.isfinite(totals).all() and np.isfinite(totals.var(axis=1)).all()
    if not finite:
        raise SampleError(
            f"weights of up to {episodes.weight.max():.3g} with rewards of up to "
            f"{np.abs(episodes.data.reward).max():.3g} exceed the range of doubles; give the "
            "rewards in a larger unit, or evaluate fewer steps with horizon="
        )
    return totals


def _bound_value(
    compute: Callable[[float], tuple[float, float]], confidence: float
) -> tuple[float, float, str | None]:
    """Return a lower bound, an upper bound that is not below it, and a finding if it was.

    Args:
        compute: From a confidence to the two bounds.
        confidence: The confidence of the interval.

    Raises:
        SampleError: if they contradict each other even with a confidence of nearly 1.
    """
    lower, upper = compute(confidence)
    if lower <= upper:
        return lower, upper, None
    least, most = compute(1.0 - CONTRADICTION_LEVEL)
    if not least <= most:
        raise SampleError(
            f"the data contradict themselves: they bound the value by {least:.6g} from below and "
            f"by {most:.6g} from above; with right probabilities, a right reward_range and "
            "independent episodes, this happens with a probability of at most "
            f"{CONTRADICTION_LEVEL:g}"
        )
    return upper, lower, "the lower bound was above the upper one, and they were exchanged"


def _find_process(
    data: object,
    policy: ArrayLike | DeterministicPolicy,
    discount: float | None,
    process: DecisionProcess | None,
) -> DecisionProcess:
    """Return the process, or one of all states and actions of the policy or the data."""
    if not isinstance(data, Dataset):
        raise SampleError(
            f"the data must be a regmdp.samples.Dataset, not {type(data).__name__}; "
            "Dataset.from_columns makes one"
        )
    if process is not None:
        return process
    if discount is None:
        raise SolverError("give the discount, or a process that has one")
    shape = (data.n_states, data.n_actions)
    if not (isinstance(policy, DeterministicPolicy) or holds_actions(policy)):
        given = check_array("the policy", policy, error=PolicyError).shape
        shape = (given[0], given[1]) if len(given) == 2 else shape
    return _UnknownProcess(shape, as_discount(discount))


def _make_problem(
    episodes: Episodes,
    policy: Float[np.ndarray, "S A"],
    cost: Float[np.ndarray, " S"],
    costs: tuple[float, float],
    discount: float,
    limits: tuple[float, float],
) -> EstimationProblem:
    """Return policy and costs with bounds on all values."""
    truncated = int(np.count_nonzero(episodes.truncated))
    if discount >= 1.0:
        if truncated:
            raise SampleError(
                f"{truncated} of {episodes.count} episodes were cut off before they ended, and "
                "without discount the value of their missing steps is unbounded; log whole "
                "episodes, or use a discount below 1"
            )
        return EstimationProblem(policy, cost, discount, -np.inf, np.inf)
    least = min(limits[0] - costs[1], 0.0) / (1.0 - discount)
    most = max(limits[1] - costs[0], 0.0) / (1.0 - discount)
    if truncated and discount > 0.0 and not np.isfinite(most - least):
        raise SampleError(
            f"{truncated} of {episodes.count} episodes were cut off before they ended, and the "
            "value of their missing steps is bounded only if the range of the rewards is known; "
            "give reward_range=(lowest, highest)"
        )
    return EstimationProblem(policy, cost, discount, least, most)


def _require_finite_sample_interval(discount: float, limits: tuple[float, float]) -> None:
    """Check that the finite-sample interval is defined."""
    if discount >= 1.0:
        raise SolverError(
            "the finite-sample interval needs a discount below 1; use interval='normal'"
        )
    if not np.isfinite(limits[1] - limits[0]):
        raise SampleError(
            "the finite-sample interval needs the range of the rewards; give reward_range=(lowest, "
            "highest), or interval='normal'"
        )
