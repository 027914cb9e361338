"""Logged episodes, and how much likelier the policy that is evaluated makes them than the one that was followed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from regmdp._internal.arrays import Bool, Float, Int
from regmdp._internal.errors import SampleError
from regmdp.mdp import DecisionProcess
from regmdp.samples import Dataset

__all__ = ["Episodes"]

#: Weights beyond e^300 are as good as infinite: their squares no longer fit into a double.
LARGEST_LOGARITHM = 300.0


@dataclass(frozen=True, eq=False)
class Episodes:
    r"""N episodes of n steps altogether, with the products of the ratios of probabilities.

    Attributes:
        data: The n transitions, episode after episode.
        number: (n,) which episode, from 0 to N - 1.
        step: (n,) t, how many steps of the episode came before.
        length: (N,) how many steps each episode has.
        terminated: (n,) whether the episode ended with this step.
        truncated: (n,) whether it was cut off after it, though it might have gone on.
        before: (n,) \(\prod_{k<t} \pi(a_k|s_k) / b(a_k|s_k)\), the weight of the state.
        weight: (n,) \(\prod_{k \le t} \pi(a_k|s_k) / b(a_k|s_k)\), the weight of the action.
        counted: (n,) \(\gamma^t\).
    """

    data: Dataset
    number: Int[np.ndarray, " n"]
    step: Int[np.ndarray, " n"]
    length: Int[np.ndarray, " N"]
    terminated: Bool[np.ndarray, " n"]
    truncated: Bool[np.ndarray, " n"]
    before: Float[np.ndarray, " n"]
    weight: Float[np.ndarray, " n"]
    counted: Float[np.ndarray, " n"]

    @classmethod
    def from_data(
        cls,
        data: Dataset,
        frame: DecisionProcess,
        policy: Float[np.ndarray, "S A"],
        discount: float,
        horizon: int | None,
    ) -> Episodes:
        """Read the first ``horizon`` steps of each episode of the data.

        Raises:
            SampleError: if the data have no episodes or no probabilities, or the weights overflow.
        """
        if data.episode is None or data.probability is None:
            missing = "episode" if data.episode is None else "probability"
            why = (
                "which rows belong together"
                if data.episode is None
                else "how likely the logged actions were"
            )
            raise SampleError(
                (
                    f"the data have no column {missing!r}: off-policy evaluation has to know "
                    f"{why}; give it to Dataset.from_columns"
                )
                + (
                    ""
                    if data.episode is None
                    else ", from the records of the policy that was followed"
                )
            )
        step = _steps(data.episode)
        if horizon is not None:
            kept = step < horizon
            data, step = data.subset(kept), step[kept]
        first = step == 0
        number = np.cumsum(first) - 1
        start = np.flatnonzero(first)
        length = np.diff(np.append(start, len(data)))
        terminated = data.terminated | frame.terminal[data.next_state]
        last = np.zeros(len(data), dtype=np.bool_)
        last[start + length - 1] = True
        ratio = policy[data.state, data.action] / data.probability
        weight = _products(ratio, start, number)
        before = np.where(first, 1.0, np.concatenate(([1.0], weight[:-1])))
        counted = discount ** step.astype(np.float64)
        return cls(
            data, number, step, length, terminated, last & ~terminated, before, weight, counted
        )

    @property
    def count(self) -> int:
        """N."""
        return self.length.size

    @property
    def final(self) -> Float[np.ndarray, " N"]:
        """(N,) weights of the whole episodes."""
        return self.weight[np.cumsum(self.length) - 1]

    def totals(self, terms: Float[np.ndarray, " n"]) -> Float[np.ndarray, " N"]:
        """(n,) terms of the steps -> (N,) their sums over each episode."""
        return np.bincount(self.number, terms, self.count)

    def per_step(
        self, rows: Float[np.ndarray, " n"], after: Float[np.ndarray, " N"]
    ) -> Float[np.ndarray, " L"]:
        """(n,) terms of the steps, and (N,) what each episode goes on with after the last -> (L,) sums over the episodes."""
        steps = int(self.length.max())
        over = np.cumsum(np.bincount(self.length, after, steps + 1))[:steps]
        return np.bincount(self.step, rows, steps) + over

    def effective_size(self, discount: float) -> float:
        r"""How many episodes of the policy itself these are worth.

        At step t that is \((\sum_i w_{it})^2 / \sum_i w_{it}^2\), Kish's effective sample size;
        over the steps the harmonic mean is taken, weighted with \(\gamma^t\), because variances add
        up. Episodes that ended keep their last weight.
        """
        sums = self.per_step(self.weight, self.final)
        squares = self.per_step(self.weight**2, self.final**2)
        counted = discount ** np.arange(sums.size, dtype=np.float64)
        if np.any((sums <= 0.0) & (counted > 0.0)):
            return 0.0
        share = np.where(counted > 0.0, squares / np.where(sums > 0.0, sums, 1.0) ** 2, 0.0)
        return float(counted.sum() / (counted @ share))

    def half(self, parity: int) -> Bool[np.ndarray, " n"]:
        """Return the (n,) mask of the steps of every other episode."""
        return self.number % 2 == parity


def _steps(episode: Int[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
    """(n,) numbers of episodes, not decreasing -> (n,) how many rows of the same episode came before."""
    first = np.flatnonzero(np.diff(episode, prepend=episode[0] - 1))
    return np.arange(episode.size) - np.repeat(first, np.diff(np.append(first, episode.size)))


def _products(
    ratio: Float[np.ndarray, " n"], start: Int[np.ndarray, " N"], number: Int[np.ndarray, " n"]
) -> Float[np.ndarray, " n"]:
    """(n,) ratios -> (n,) their products since the start of the episode."""
    none = np.cumsum(ratio == 0.0)
    dead = none - (none - (ratio == 0.0))[start][number] > 0
    logarithm = np.log(np.where(ratio > 0.0, ratio, 1.0))
    sums = np.cumsum(logarithm)
    sums = np.where(dead, -np.inf, sums - (sums - logarithm)[start][number])
    if sums.max() > LARGEST_LOGARITHM:
        row = int(np.argmax(sums))
        raise SampleError(
            f"row {row}: up to here the policy is e^{sums[row]:.0f} times likelier than the one "
            "that was followed; data of so different a policy say nothing; evaluate fewer steps, "
            "with horizon=, or a policy nearer to the data's"
        )
    return np.exp(sums)
