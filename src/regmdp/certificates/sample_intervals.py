"""Intervals around sample means that enclose the action values of a fixed value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from regmdp._internal.array_checks import check_array
from regmdp._internal.arrays import UNIT_ROUNDOFF, ArrayLike, Bool, Float, Int
from regmdp._internal.checks import describe_first, show
from regmdp._internal.errors import SampleError, SolverError
from regmdp.certificates.concentration import RADII, Inequality, enough_samples
from regmdp.mdp import MDP, DecisionProcess
from regmdp.samples import Dataset, TableSimulator

__all__ = ["ActionValueIntervals", "Knowledge", "RewardRange", "enclose_action_values"]

#: Lowest and highest reward, numbers or (S, A) arrays.
RewardRange = tuple[ArrayLike, ArrayLike]


@dataclass(frozen=True, eq=False)
class Knowledge:
    """What is known of a process besides its samples.

    Attributes:
        lowest: (S, A) lower bounds on the rewards; 0 at unavailable pairs.
        highest: (S, A) upper bounds on the rewards; 0 at unavailable pairs.
        may_terminate: Whether episodes may end on some transition.
    """

    lowest: Float[np.ndarray, "S A"]
    highest: Float[np.ndarray, "S A"]
    may_terminate: bool

    @classmethod
    def from_source(
        cls,
        source: DecisionProcess,
        reward_range: object,
        may_terminate: bool | None,
    ) -> Knowledge:
        """Return what the user and the source state.

        Raises:
            SampleError: if the range of some reward is not known.
            SolverError: if the statements are malformed or contradict the model.
        """
        low, high = _read_reward_range(source, reward_range)
        return cls(low, high, _may_terminate(source, may_terminate))

    def require_consistent(self, source: DecisionProcess, data: Dataset) -> None:
        """Check that the data do not contradict what is known.

        Raises:
            SampleError: naming the first row that does.
        """
        data.require_fit(source)
        pairs = data.state, data.action
        least, most = self.lowest[pairs], self.highest[pairs]
        outside = (data.reward < least) | (data.reward > most)
        if outside.any():

            def describe(row: int) -> str:
                where = source.describe(int(data.state[row]), int(data.action[row]))
                return (
                    f"row {row}: the reward of {where} is {data.reward[row]:.12g}, outside of its "
                    f"range, {least[row]:.12g} to {most[row]:.12g}"
                )

            advice = "give the correct reward_range"
            raise SampleError(describe_first(outside, describe, "rows", advice))
        if not self.may_terminate and data.terminated.any():
            raise SampleError(
                describe_first(
                    data.terminated,
                    lambda row: f"row {row}: the episode ended, which this model excludes",
                    "rows",
                    "give may_terminate=True if episodes may end",
                )
            )


@dataclass(frozen=True, eq=False)
class ActionValueIntervals:
    """Intervals that together enclose r + γ P V at all available pairs.

    Attributes:
        lower: (S, A) lower ends.
        upper: (S, A) upper ends.
        min_count: Number of samples of the pair with the fewest.
        n_intervals: Number of intervals that have to hold together: the pairs that are not known
            exactly.
    """

    lower: Float[np.ndarray, "S A"]
    upper: Float[np.ndarray, "S A"]
    min_count: int
    n_intervals: int


def enclose_action_values(
    process: DecisionProcess,
    data: Dataset,
    value: Float[np.ndarray, " S"],
    knowledge: Knowledge,
    failure: float,
    inequality: Inequality,
    random_counts: bool,
) -> ActionValueIntervals:
    """Enclose the action values of a (S,) value together, except with the probability of failure.

    Raises:
        SampleError: if a pair has so few samples that they say no more than its range does.
    """
    shape, gamma = process.available.shape, process.discount
    bottom, top = float(value.min()), float(value.max())
    if knowledge.may_terminate:
        bottom, top = min(bottom, 0.0), max(top, 0.0)
    base = (knowledge.lowest + gamma * bottom).ravel()
    reward_width = knowledge.highest - knowledge.lowest
    width = np.where(process.available, reward_width + gamma * (top - bottom), 0.0).ravel()
    uncertain = width > 0.0
    n_intervals = int(np.count_nonzero(uncertain))
    pair = data.state * shape[1] + data.action
    # all in multiples of the range, so that nothing overflows
    scale = np.where(uncertain, width, 1.0)
    after = np.where(data.terminated, 0.0, value[data.next_state])
    outcome = (data.reward + gamma * after - base[pair]) / scale[pair]
    count = np.bincount(pair, minlength=scale.size)
    mean = np.bincount(pair, outcome, scale.size) / np.maximum(count, 1)
    variance = np.bincount(pair, (outcome - mean[pair]) ** 2, scale.size) / np.maximum(count - 1, 1)
    delta = failure / max(n_intervals, 1)
    # a random number n of samples: the intervals hold for all n at once
    share = np.maximum(count * (count + 1.0), 1.0) if random_counts else np.ones(scale.size)
    radius = np.where(uncertain, RADII[inequality](count, variance, 1.0, delta / share), 0.0)
    too_few = (uncertain & (2.0 * radius >= 1.0)).reshape(shape)
    if too_few.any():
        enough = _find_enough(inequality, delta, random_counts)
        raise SampleError(_describe_too_few(process, too_few, count.reshape(shape), enough))
    # rounding of the outcomes, of the sums of n of them, and of their squares
    slack = 4 * (count + 16) * UNIT_ROUNDOFF * ((np.abs(base) + width) + scale * radius)
    lower = np.where(uncertain, base + scale * np.maximum(mean - radius, 0.0), base) - slack
    upper = np.where(uncertain, base + scale * np.minimum(mean + radius, 1.0), base) + slack
    min_count = int(count.reshape(shape)[process.available].min(initial=len(data)))
    return ActionValueIntervals(lower.reshape(shape), upper.reshape(shape), min_count, n_intervals)


def _find_enough(inequality: Inequality, delta: float, random_counts: bool) -> int:
    """Return a number of samples of a pair that is always enough."""
    enough = enough_samples(inequality, delta)
    # with a random number n of samples the interval has to hold for all n
    while random_counts and enough < (
        longer := enough_samples(inequality, delta / (enough * (enough + 1.0)))
    ):
        enough = longer
    return enough


def _describe_too_few(
    process: DecisionProcess,
    bad: Bool[np.ndarray, "S A"],
    count: Int[np.ndarray, "S A"],
    enough: int,
) -> str:
    """Return the message about pairs whose samples say no more than their range does."""
    state, action = _find_first(bad)
    return (
        f"{process.describe(state, action)} has {count[state, action]} samples, too few to say "
        f"more than its range does; {int(np.count_nonzero(bad))} of "
        f"{int(np.count_nonzero(process.available))} pairs have too few; {enough} samples of each "
        "pair are always enough"
    )


def _read_reward_range(
    source: DecisionProcess, given: object
) -> tuple[Float[np.ndarray, "S A"], Float[np.ndarray, "S A"]]:
    """Return (S, A) lowest and highest rewards."""
    if given is None:
        given = (
            (source.rewards, source.rewards)
            if isinstance(source, MDP)
            else (
                getattr(source, "lowest_reward", -np.inf),
                getattr(source, "highest_reward", np.inf),
            )
        )
    if not isinstance(given, Sequence | np.ndarray) or isinstance(given, str) or len(given) != 2:
        raise SolverError(
            "reward_range must be (lowest, highest), two numbers or two (S, A) arrays, not "
            f"{show(given)}"
        )
    low = check_array("the lowest reward in reward_range", given[0])
    high = check_array("the highest reward in reward_range", given[1])
    for end in (low, high):
        if end.shape not in ((), source.available.shape):
            raise SolverError(
                "reward_range must be two numbers or two arrays of shape (S, A) = "
                f"{source.available.shape}, not of shape {end.shape}"
            )
    low, high = (np.broadcast_to(end, source.available.shape) for end in (low, high))
    unknown = source.available & ~(np.isfinite(low) & np.isfinite(high))
    if unknown.any():
        where = source.describe(*_find_first(unknown))
        raise SampleError(
            f"the range of the rewards of {where} is not known, without which samples bound no "
            f"expectation; it is unknown at {int(np.count_nonzero(unknown))} pairs; give "
            "reward_range=(lowest, highest)"
        )
    wrong = source.available & (low > high)
    if wrong.any():
        state, action = _find_first(wrong)
        raise SolverError(
            f"the lowest reward of {source.describe(state, action)} is {low[state, action]:g}, "
            f"above the highest, {high[state, action]:g}"
        )
    return np.where(source.available, low, 0.0), np.where(source.available, high, 0.0)


def _may_terminate(source: DecisionProcess, given: bool | None) -> bool:
    """Return whether episodes may end, as given or as the model states."""
    model = source.mdp if isinstance(source, TableSimulator) else source
    known = model.terminates if isinstance(model, MDP) else None
    if given is None:
        return True if known is None else known
    if not given and (known or source.terminal.any()):
        raise SolverError("may_terminate=False contradicts the model, in which episodes end")
    return bool(given)


def _find_first(bad: Bool[np.ndarray, "S A"]) -> tuple[int, int]:
    """Return state and action of the first entry of a mask."""
    state, action = np.unravel_index(np.argmax(bad), bad.shape)
    return int(state), int(action)
