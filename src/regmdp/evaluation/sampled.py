"""The interface of evaluations that draw samples."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np

from regmdp._internal.arrays import Array, Float, Int, freeze_fields
from regmdp._internal.errors import SampleError, SolverError
from regmdp._internal.fields import ReadOnlyCopies
from regmdp._internal.user_code import user_methods
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
    """N independent runs on copies of one source of samples: state s of run i is ``i * S + s``.

    Args:
        source: An MDP, a simulator, an environment or an :class:`~regmdp.samples.OfflineMDP`.
        streams: N streams of random numbers.

    Attributes:
        source: As given.
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
        """The source as a simulator.

        Raises:
            SampleError: if it is neither an MDP nor a simulator.
        """
        if self._simulator is None:
            raise SampleError(
                "this evaluation samples any state and action, which needs an MDP or a simulator, "
                f"not {type(self.source).__name__}"
            )
        return self._simulator

    @property
    def mdp(self) -> MDP:
        """The source as a model with known transition probabilities.

        Raises:
            SampleError: if it is not an MDP.
        """
        if not isinstance(self.source, MDP):
            raise SampleError(
                "this evaluation needs an MDP, whose probabilities are known, not "
                f"{type(self.source).__name__}"
            )
        return self.source

    def start_rollout(self, count: int) -> Rollout:
        """Start M episodes in each run.

        Raises:
            SampleError: if the source has no episodes.
        """
        if isinstance(self.source, EpisodicProcess):
            return self.source.start_rollout(count, self.streams)
        return SimulatedRollout(self.simulator, count, self.streams)

    def rows(self, state: Int[Array, "N *n"]) -> Int[np.ndarray, "N *n"]:
        """(N, …) states of N runs -> their indices among the states of all runs."""
        return state + self.size * np.arange(self.count).reshape(-1, *[1] * (np.ndim(state) - 1))

    def split(self, array: Float[Array, "NS *rest"]) -> Float[np.ndarray, "N S *rest"]:
        """(N·S, …) array -> (N, S, …)."""
        return np.reshape(array, (self.count, self.size, *np.shape(array)[1:]))


def tile_regularizer(regularizer: Regularizer, process: DecisionProcess, count: int) -> Regularizer:
    """Return the regularizer of several copies of a process."""
    return (
        regularizer
        if regularizer.n_states is None
        else regularizer.at(np.tile(np.arange(process.n_states), count))
    )


@dataclass(frozen=True, eq=False)
class Estimate(ReadOnlyCopies):
    """The result of an evaluation from samples, for the states of all runs.

    Attributes:
        q: (N·S, A) estimated action values; where an action was never tried, the previous estimate,
            0 at first.
        value: (N·S,) estimated value.
        samples: Number of transitions drawn so far in each run.
        gradient: (N·S, A) estimated gradient of the value from ρ with respect to the logits, or
            None.
        error: (N,) bound on the largest error of q that holds with the evaluation's confidence, or
            None if there is none.
        memory: State of the evaluation, with which the next one continues.
    """

    q: Float[np.ndarray, "NS A"]
    value: Float[np.ndarray, " NS"]
    samples: int
    gradient: Float[np.ndarray, "NS A"] | None = None
    error: Float[np.ndarray, " N"] | None = None
    memory: Any = None

    def __post_init__(self) -> None:
        freeze_fields(self, "q", "value", "gradient", "error")


@user_methods(SolverError)
class SampledEvaluation(ABC):
    """A way to evaluate policies from samples.

    Immutable: its state is part of the estimate.
    """

    exact = False

    @abstractmethod
    def check(self, source: DecisionProcess, regularizer: Regularizer) -> None:
        """Check that it can use this source.

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
            previous: The estimate of the previous iteration; None in the first.
        """


def evaluate_q(
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


def require_episodes(source: DecisionProcess) -> None:
    """Check that a source has episodes.

    Raises:
        SampleError: if it has not.
    """
    if not isinstance(source, MDP | Simulator | EpisodicProcess):
        raise SampleError(
            "this evaluation follows the policy, which needs an MDP, a simulator or an "
            f"environment, not {type(source).__name__}"
        )
