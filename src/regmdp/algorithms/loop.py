"""The one loop: initialise, step, look at the residual, certify when it seems worth it, stop.

It prints nothing and writes nothing; it calls back with an event after each iteration.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from regmdp._internal.arrays import UNIT_ROUNDOFF, Array, Float, freeze
from regmdp._internal.errors import ImproperPolicyError, SingularError
from regmdp._internal.events import CallbackLike, Event, as_callback
from regmdp._internal.status import Status
from regmdp.certificates import Bounds, Certificate, backup_error, bound_values
from regmdp.evaluation import Estimate
from regmdp.mdp import MDP, initial_value
from regmdp.policies import check_policy, require_ending
from regmdp.problem import check_value
from regmdp.regularizers import Regularizer

__all__ = [
    "Algorithm",
    "History",
    "Recorder",
    "Run",
    "Start",
    "State",
    "check_and_certify",
    "iterate",
    "run_loop",
]


@dataclass(frozen=True, eq=False)
class Start:
    """Where a method starts: a (S,) value, or a (S, A) policy, or both, or neither."""

    value: Float[np.ndarray, " S"] | None = None
    policy: Float[np.ndarray, "S A"] | None = None


@dataclass(frozen=True, eq=False)
class State:
    """An iterate.

    Attributes:
        value: (S,) value V.
        backup: (S,) T V.
        evaluated: The (S, A) policy whose value V is or approximates, perhaps only its actions;
            None if the method keeps none.
        improved: The improved (S, A) policy that the next iteration evaluates, perhaps only its
            actions; or None.
        dual: (S, A) the dual variable of the policy ahead, up to a constant for each state; None if
            the method keeps none.
        iteration: Number of steps that led here.
        step: The step size that made the policy ahead; None if the method has none.
        estimate: What the evaluation gave if it drew samples; then all arrays hold the states of
            all runs, (N·S,). Or None.
    """

    value: Float[np.ndarray, " S"]
    backup: Float[np.ndarray, " S"]
    evaluated: Float[Array, "S A"] | None = None
    improved: Float[Array, "S A"] | None = None
    dual: Float[np.ndarray, "S A"] | None = None
    iteration: int = 0
    step: float | None = None
    estimate: Estimate | None = None

    @property
    def policy(self) -> Float[np.ndarray, "S A"] | None:
        """(S, A) the policy whose value V is or approximates; None if the method keeps none."""
        return None if self.evaluated is None else np.asarray(self.evaluated)

    @property
    def next_policy(self) -> Float[np.ndarray, "S A"] | None:
        """(S, A) the improved policy that the next iteration evaluates; None if the method keeps none."""
        return None if self.improved is None else np.asarray(self.improved)


class Algorithm(ABC):
    """A method: where it starts, one iteration, and the policy that an iterate stands for.

    Immutable.
    """

    @abstractmethod
    def init(self, mdp: MDP, regularizer: Regularizer, start: Start) -> State:
        """Return the first iterate."""

    @abstractmethod
    def step(self, mdp: MDP, regularizer: Regularizer, state: State) -> State:
        """Return the next iterate."""

    @abstractmethod
    def policy(self, mdp: MDP, regularizer: Regularizer, state: State) -> Float[Array, "S A"]:
        """Return the (S, A) policy that this iterate stands for."""

    @abstractmethod
    def check(self, mdp: MDP, regularizer: Regularizer) -> None:
        """Check that the method is defined for this problem.

        Raises:
            SolverError: if it is not, or a step size is out of its range.
        """

    def patience(self, mdp: MDP) -> int:
        """Return the number of iterations without progress after which the method is stuck."""
        return 1000 + 2 * mdp.n_states

    #: The name in summaries.
    name: str


class Recorder:
    """A callback that keeps the iterates of a run.

    Attributes:
        states: The iterates, from the start on.

    Examples:
        >>> import regmdp as rm
        >>> recorder = rm.algorithms.Recorder()
        >>> _ = rm.solve(
        ...     rm.models.bandit(), rm.Shannon(0.1), rm.algorithms.NPG(step_size=0.1),
        ...     tol=0, max_iterations=2, callback=recorder,
        ... )  # fmt: skip
        >>> [float(state.policy[0, 0].round(4)) for state in recorder.states]
        [0.3333, 0.3444, 0.3551]
    """

    def __init__(self) -> None:
        self.states: list[State] = []

    def __call__(self, event: Event) -> None:
        self.states.append(event.state)


@dataclass(frozen=True, eq=False)
class History:
    """(n,) records of a run, one for each iteration and one for the start: see :class:`Event`."""

    iteration: np.ndarray
    residual: np.ndarray
    gap: np.ndarray
    value: np.ndarray
    seconds: np.ndarray

    @classmethod
    def of(cls, records: list[tuple[int, float, float, float, float]]) -> History:
        """Collect the records of a run."""
        return cls(*(freeze(np.array(column)) for column in zip(*records, strict=True)))

    def __len__(self) -> int:
        return self.iteration.size


@dataclass(frozen=True, eq=False)
class Run:
    """How a run ended."""

    policy: Float[np.ndarray, "S A"]
    value: Float[np.ndarray, " S"]
    certificate: Certificate
    status: Status
    history: History


class _Progress:
    """The prediction of the gap from the residual, corrected by each certificate, and the signs that nothing more will come."""

    def __init__(self, mdp: MDP, regularizer: Regularizer, patience: int) -> None:
        self._mdp, self._regularizer, self._patience = mdp, regularizer, patience
        # V* - V^π ≤ max(T V - V)/(1-γ) for a policy and its value, and a little less for a greedy
        # one
        self._factor = 1.0 / (1.0 - mdp.discount) if mdp.discount < 1.0 else 1.0
        self._best, self._since = np.inf, 0

    def look(self, state: State) -> None:
        """Measure T V - V."""
        difference = state.backup - state.value
        low, high = float(difference.min()), float(difference.max())
        self.residual = max(abs(low), abs(high))
        # a value alone: the span; to a policy's own value, and to the end of the episode, belongs a
        # difference of 0
        if state.evaluated is not None or self._mdp.terminates:
            low, high = min(low, 0.0), max(high, 0.0)
        self.size = high - low
        self.floor = backup_error(self._mdp, self._regularizer, state.value)
        self._since = 0 if self.size < self._best * (1.0 - 4 * UNIT_ROUNDOFF) else self._since + 1
        self._best = min(self._best, self.size)

    @property
    def gap(self) -> float:
        """The predicted gap."""
        return self._factor * (self.size + 2.0 * self.floor)

    def failed(self, gap: float) -> None:
        """Learn from a certificate that did not reach the tolerance."""
        if np.isfinite(gap):
            self._factor = max(self._factor, 1.01 * gap / (self.size + 2.0 * self.floor))

    @property
    def at_rounding(self) -> bool:
        """Whether the residual is as small as rounding lets it be seen, and no longer comes down."""
        return self.size <= 4.0 * self.floor and (
            self._since >= 5 or self.size <= 0.05 * self.floor
        )

    @property
    def stalled(self) -> bool:
        """Whether the residual has not come down for long."""
        return self._since >= self._patience


def iterate(
    mdp: MDP,
    regularizer: Regularizer,
    algorithm: Algorithm,
    *,
    start: Start,
    tol: float,
    max_iterations: int,
    callback: CallbackLike = None,
) -> Run:
    """Run a method until its certificate meets the tolerance, or something else ends it.

    With ``tol=0`` exactly ``max_iterations`` iterations are made. A KeyboardInterrupt, during an
    iteration or in a callback, ends the run with the last complete iterate.
    """
    proceed = as_callback(callback)
    begin = time.perf_counter()
    first = algorithm.init(mdp, regularizer, start)
    progress = _Progress(mdp, regularizer, algorithm.patience(mdp))
    records: list[tuple[int, float, float, float, float]] = []
    known: tuple[Float[np.ndarray, "S A"], Certificate] | None = None

    def certified(state: State) -> tuple[Float[np.ndarray, "S A"], Certificate]:
        return check_and_certify(
            mdp, regularizer, algorithm.policy(mdp, regularizer, state), state.value
        )

    def look(state: State) -> Status | None:
        nonlocal known
        known = None
        progress.look(state)
        seconds = time.perf_counter() - begin
        records.append(
            (
                len(records),
                progress.residual,
                progress.gap,
                initial_value(mdp, state.value),
                seconds,
            )
        )
        measures = {"residual": progress.residual, "gap": progress.gap, "value": records[-1][3]}
        if not proceed(Event(len(records) - 1, seconds, measures, state)):
            return Status.STOPPED
        if tol > 0.0:
            resigned = progress.at_rounding or progress.stalled
            if progress.gap <= tol or resigned:
                known = certified(state)
                certificate = known[1]
                if certificate.gap <= tol:
                    return Status.CONVERGED
                if resigned:
                    return certificate.limit or (
                        Status.ROUNDING_LIMIT if progress.at_rounding else Status.STALLED
                    )
                progress.failed(certificate.gap)
        return Status.ITERATION_LIMIT if len(records) > max_iterations else None

    state, status = run_loop(first, lambda state: algorithm.step(mdp, regularizer, state), look)
    policy, certificate = known or certified(state)
    if status is Status.ITERATION_LIMIT and tol > 0.0 and certificate.gap <= tol:
        status = Status.CONVERGED  # the prediction was too cautious
    # an iterate may be off by a constant that its span does not see; what the certificate says of
    # the policy's value is better
    value = (
        state.value
        if tol == 0.0
        else np.clip(state.value, certificate.policy_lower, certificate.policy_upper)
    )
    return Run(freeze(policy), freeze(value), certificate, status, History.of(records))


def run_loop(
    first: State, step: Callable[[State], State], look: Callable[[State], Status | None]
) -> tuple[State, Status]:
    """Step until something says stop: what looks at each iterate, Ctrl-C, or an equation without a solution.

    Returns:
        The last complete iterate, and why it is the last.
    """
    state = first
    try:
        while (status := look(state)) is None:
            state = step(state)
    except KeyboardInterrupt:
        status = Status.INTERRUPTED
    except SingularError:
        status = Status.STALLED
    return state, status


def check_and_certify(
    mdp: MDP, regularizer: Regularizer, policy: Any, value: Any
) -> tuple[Float[np.ndarray, "S A"], Certificate]:
    """Check the policy that a method ends with, and return it with its certificate, with a (S,) value as the witness."""
    policy, value = check_policy(mdp, policy, regularizer), check_value(mdp, value)
    try:
        require_ending(mdp, policy)
    except ImproperPolicyError:
        # an iterate on the way may stand for a policy that never ends: nothing bounds its value,
        # but V* is bounded all the same
        bounds = bound_values(mdp, regularizer, None, value)
        nothing = np.full(mdp.n_states, np.inf)
        bounds = Bounds(
            bounds.lower, bounds.upper, -nothing, nothing, bounds.limit or Status.STALLED
        )
    else:
        bounds = bound_values(mdp, regularizer, policy, value)
    return policy, Certificate.from_bounds(mdp.initial, bounds)
