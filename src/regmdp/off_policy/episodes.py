"""Logged episodes with importance weights: probability ratios of target and behaviour policy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from regmdp._internal.arrays import Bool, Float, Int
from regmdp._internal.errors import SampleError
from regmdp.mdp import DecisionProcess
from regmdp.samples import Dataset

__all__ = ["Episodes"]

#: Largest logarithm of a weight; its square must fit into a double.
MAX_LOG_WEIGHT = 300.0
#: Largest logarithm of the weight of a step; larger ones are beyond doubles. Estimates use it only
#: through the weights above.
MAX_LOG_RATIO = 700.0


@dataclass(frozen=True, eq=False)
class Episodes:
    r"""N episodes of n steps in total, with products of probability ratios.

    Attributes:
        data: The n transitions, episode after episode.
        number: (n,) number of the episode, from 0 to N - 1.
        step: (n,) t, the number of earlier steps of the episode.
        length: (N,) number of steps of each episode.
        terminated: (n,) whether the episode ended with this step.
        truncated: (n,) whether it was cut off after it, though it could have continued.
        ratio: (n,) \(\pi(a_t|s_t) / b(a_t|s_t)\), the weight of the step alone.
        previous_weight: (n,) \(\prod_{k<t} \pi(a_k|s_k) / b(a_k|s_k)\), the weight of the state.
        weight: (n,) \(\prod_{k \le t} \pi(a_k|s_k) / b(a_k|s_k)\), the weight of the action.
        discounts: (n,) \(\gamma^t\).
    """

    data: Dataset
    number: Int[np.ndarray, " n"]
    step: Int[np.ndarray, " n"]
    length: Int[np.ndarray, " N"]
    terminated: Bool[np.ndarray, " n"]
    truncated: Bool[np.ndarray, " n"]
    ratio: Float[np.ndarray, " n"]
    previous_weight: Float[np.ndarray, " n"]
    weight: Float[np.ndarray, " n"]
    discounts: Float[np.ndarray, " n"]

    @classmethod
    def from_data(
        cls,
        data: Dataset,
        process: DecisionProcess,
        policy: Float[np.ndarray, "S A"],
        discount: float,
        horizon: int | None,
    ) -> Episodes:
        """Return the first ``horizon`` steps of each episode of the data.

        Raises:
            SampleError: if the data have no episodes or no probabilities, or the weights overflow.
        """
        if data.episode is None or data.probability is None:
            missing, why, source = (
                (
                    "episode",
                    "which rows belong together",
                    "; where the rows are in order and both ends are marked, it is "
                    "np.cumsum(terminated | truncated) - (terminated | truncated)",
                )
                if data.episode is None
                else (
                    "probability",
                    "the probabilities of the logged actions",
                    ", from the records of the behaviour policy",
                )
            )
            raise SampleError(
                f"the data have no column {missing!r}: off-policy evaluation needs to know {why}; "
                f"give it to Dataset.from_columns{source}"
            )
        step = _count_earlier_steps(data.episode)
        if horizon is not None:
            kept = step < horizon
            data, step = data.subset(kept), step[kept]
        probability = data.probability
        assert probability is not None
        first = step == 0
        number = np.cumsum(first) - 1
        start = np.flatnonzero(first)
        length = np.diff(np.append(start, len(data)))
        terminated = data.terminated | process.terminal[data.next_state]
        last = np.zeros(len(data), dtype=np.bool_)
        last[start + length - 1] = True
        with np.errstate(divide="ignore"):
            log_ratio = np.log(policy[data.state, data.action]) - np.log(probability)
        weight = _cumulate_ratios(log_ratio, start, number)
        ratio = np.exp(np.minimum(log_ratio, MAX_LOG_RATIO))
        previous = np.where(first, 1.0, np.concatenate(([1.0], weight[:-1])))
        discounts = discount ** step.astype(np.float64)
        truncated = last & ~terminated
        return cls(
            data, number, step, length, terminated, truncated, ratio, previous, weight, discounts
        )

    @property
    def count(self) -> int:
        """N."""
        return self.length.size

    @property
    def final_weight(self) -> Float[np.ndarray, " N"]:
        """(N,) weights after the last steps."""
        return self.weight[np.cumsum(self.length) - 1]

    def sum_by_episode(self, terms: Float[np.ndarray, " n"]) -> Float[np.ndarray, " N"]:
        """(n,) terms of the steps -> (N,) sums over each episode."""
        return np.bincount(self.number, terms, self.count)

    def sum_by_step(
        self, terms: Float[np.ndarray, " n"], after: Float[np.ndarray, " N"]
    ) -> Float[np.ndarray, " L"]:
        """(n,) terms, and (N,) terms of the steps after the end of each episode -> (L,) sums."""
        steps = int(self.length.max())
        over = np.cumsum(np.bincount(self.length, after, steps + 1))[:steps]
        return np.bincount(self.step, terms, steps) + over

    def effective_size(self, discount: float) -> float:
        r"""Return Kish's effective number of episodes.

        At step t it is \((\sum_i w_{it})^2 / \sum_i w_{it}^2\). Over the steps the harmonic mean is
        taken, weighted with \(\gamma^t\), because variances add up. Episodes that ended keep their
        last weight.
        """
        sums = self.sum_by_step(self.weight, self.final_weight)
        squares = self.sum_by_step(self.weight**2, self.final_weight**2)
        discounts = discount ** np.arange(sums.size, dtype=np.float64)
        if np.any((sums <= 0.0) & (discounts > 0.0)):
            return 0.0
        share = np.where(discounts > 0.0, squares / np.where(sums > 0.0, sums, 1.0) ** 2, 0.0)
        return float(discounts.sum() / (discounts @ share))

    def select_half(self, parity: int) -> Bool[np.ndarray, " n"]:
        """Return the (n,) mask of the steps of every second episode."""
        return self.number % 2 == parity


def _count_earlier_steps(episode: Int[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
    """(n,) numbers of episodes, not decreasing -> (n,) earlier rows of the same episode."""
    first = np.flatnonzero(np.diff(episode, prepend=episode[0] - 1))
    return np.arange(episode.size) - np.repeat(first, np.diff(np.append(first, episode.size)))


def _cumulate_ratios(
    log_ratio: Float[np.ndarray, " n"], start: Int[np.ndarray, " N"], number: Int[np.ndarray, " n"]
) -> Float[np.ndarray, " n"]:
    """(n,) logarithms of ratios -> (n,) products of the ratios since the start of the episode."""
    zero = np.isneginf(log_ratio)
    none = np.cumsum(zero)
    dead = none - (none - zero)[start][number] > 0
    logarithm = np.where(dead, 0.0, log_ratio)
    sums = np.cumsum(logarithm)
    sums = np.where(dead, -np.inf, sums - (sums - logarithm)[start][number])
    if sums.max() > MAX_LOG_WEIGHT:
        row = int(np.argmax(sums))
        raise SampleError(
            f"row {row}: the importance weight reaches e^{sums[row]:.0f}, so the data say nothing "
            "about this policy; evaluate fewer steps, with horizon=, or a policy closer to the "
            "behaviour policy"
        )
    return np.exp(sums)
