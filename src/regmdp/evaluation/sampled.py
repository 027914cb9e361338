"""Evaluating policies from samples: what every such evaluation takes and gives."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np

from regmdp._internal.arrays import Array, Float, Int
from regmdp._internal.errors import SampleError, SolverError
from regmdp.mdp import MDP, DecisionProcess, TiledProcess
from regmdp.regularizers import Regularizer
from regmdp.samples import (
    EpisodicProcess,
    RandomStreams,
    Rollout,
    SimulatedRollout,
    Simulator,
    as_simulator,
)

__all__ = ["Estimate", "RunBatch", "SampledEvaluation", "tile_regularizer"]


class RunBatch(TiledProcess):
    """N independent runs side by side, on copies of the same source of samples: state s of run i is ``i * S + s``.

    Args:
        source: An MDP, a simulator, an environment, a data set: what the evaluation draws from.
        streams: N streams of random numbers.

    Attributes:
        source: As given; but a model is at hand as a simulator, too.
        count: N.
        size: S, the number of states of one run.
        streams: As given.
    """

    source: DecisionProcess
    count: int
    size: int
    streams: RandomStreams
    _simulator: Simulator | None

    def __init__(self, source: DecisionProcess, streams: RandomStreams) -> None:
        super().__init__(source, len(streams))
        self._set_attributes(
            source=source,
            streams=streams,
            count=len(streams),
            size=source.n_states,
            _simulator=as_simulator(source) if isinstance(source, MDP | Simulator) else None,
        )

    @property
    def simulator(self) -> Simulator:
        """The source, as one that can be asked for any pair.

        Raises:
            SampleError: if it is not one.
        """
        if self._simulator is None:
            raise SampleError(
                "this evaluation draws any state and action, which needs an MDP or a simulator, "
                f"not {type(self.source).__name__}"
            )
        return self._simulator

    @property
    def mdp(self) -> MDP:
        """The source, as a model whose transition probabilities are known.

        Raises:
            SampleError: if they are not.
        """
        if not isinstance(self.source, MDP):
            raise SampleError(
                "this evaluation needs an MDP, whose probabilities are known, not "
                f"{type(self.source).__name__}"
            )
        return self.source

    def start_rollout(self, count: int) -> Rollout:
        """Begin M episodes in each run.

        Raises:
            SampleError: if the source has none.
        """
        if isinstance(self.source, EpisodicProcess):
            return self.source.start_rollout(count, self.streams)
        return SimulatedRollout(self.simulator, count, self.streams)

    def rows(self, state: Int[Array, "N *n"]) -> Int[np.ndarray, "N *n"]:
        """(N, …) states of N runs -> their numbers among the states of all runs."""
        return state + self.size * np.arange(self.count).reshape(-1, *[1] * (np.ndim(state) - 1))

    def split(self, array: Float[Array, "NS *rest"]) -> Float[np.ndarray, "N S *rest"]:
        """(N·S, …) array -> (N, S, …)."""
        return np.reshape(array, (self.count, self.size, *np.shape(array)[1:]))


def tile_regularizer(regularizer: Regularizer, process: DecisionProcess, count: int) -> Regularizer:
    """Return the regularizer of several copies of a frame."""
    return (
        regularizer
        if regularizer.n_states is None
        else regularizer.at(np.tile(np.arange(process.n_states), count))
    )


@dataclass(frozen=True, eq=False)
class Estimate:
    """What an evaluation from samples gives, for the states of all runs together.

    Attributes:
        q: (N·S, A) estimated action values; where an action was never tried, what the estimate was
            before, 0 at first.
        value: (N·S,) estimated value.
        samples: Transitions drawn so far, in each run.
        gradient: (N·S, A) estimated gradient of the value from ρ with respect to the logits, or
            None.
        error: (N,) bound on the largest error of q that holds with the evaluation's confidence, or
            None if there is none.
        memory: What the evaluation takes up where it left off.
    """

    q: Float[np.ndarray, "NS A"]
    value: Float[np.ndarray, " NS"]
    samples: int
    gradient: Float[np.ndarray, "NS A"] | None = None
    error: Float[np.ndarray, " N"] | None = None
    memory: Any = None


class SampledEvaluation(ABC):
    """A way to evaluate policies from samples.

    Immutable: what it remembers, the estimate carries.
    """

    exact = False

    @abstractmethod
    def check(self, source: DecisionProcess, regularizer: Regularizer) -> None:
        """Check that it can draw from this source.

        Raises:
            SampleError: if it cannot.
            SolverError: if an option does not fit.
        """

    @abstractmethod
    def __call__(
        self,
        batch: RunBatch,
        regularizer: Regularizer,
        policy: Float[Array, "NS A"],
        previous: Estimate | None,
    ) -> Estimate:
        """Estimate the action values of a policy in each run.

        Args:
            batch: The runs.
            regularizer: The regularizer of the states of all runs.
            policy: (N·S, A) the policies.
            previous: The estimate of the iteration before; None in the first.
        """


def value_of(
    batch: DecisionProcess,
    regularizer: Regularizer,
    policy: Float[Array, "NS A"],
    q: Float[Array, "NS A"],
) -> Float[np.ndarray, " NS"]:
    """(N·S, A) policies and action values -> (N·S,) values ⟨π, Q⟩ - τ h(π)."""
    available = None if batch.all_available else batch.available
    value = np.sum(
        np.where(policy > 0, policy * np.where(policy > 0, q, 0.0), 0.0), axis=-1
    ) - regularizer.cost(policy, available)
    return np.where(batch.terminal, 0.0, value)


def require_finite_cost(cost: Float[Array, " n"]) -> None:
    """Check that the regularizer is finite at the policy.

    Raises:
        SolverError: if it is not.
    """
    if not np.isfinite(cost).all():
        raise SolverError(
            "the regularizer is infinite at the policy in "
            f"{int(np.count_nonzero(~np.isfinite(cost)))} states; take smaller steps"
        )


def require_count(name: str, value: Any, least: int = 1) -> None:
    """Check that an option is a whole number.

    Raises:
        SolverError: if it is not.
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise SolverError(f"{name} must be an integer, {least} or more, not {value!r}")
