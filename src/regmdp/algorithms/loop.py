"""The loop: initialise, step, measure the residual, certify when it is small, stop.

It prints nothing and writes nothing; it calls back with an event after each iteration, and about
every half second within a long one.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from regmdp._internal.arrays import (
    UNIT_ROUNDOFF,
    Array,
    ArrayLike,
    Float,
    freeze,
    freeze_fields,
    read_only,
)
from regmdp._internal.checks import describe_first
from regmdp._internal.errors import (
    CertificateError,
    ImproperPolicyError,
    SingularError,
    SolverError,
)
from regmdp._internal.events import CallbackLike, Event, as_callback
from regmdp._internal.fields import ReadOnlyCopies
from regmdp._internal.heartbeat import listen
from regmdp._internal.status import Status
from regmdp._internal.user_code import user_methods
from regmdp.algorithms.stopping import Stopping, Tolerance
from regmdp.certificates import (
    Bounds,
    Certificate,
    backup_error,
    bound_values,
    rounding_gap,
)
from regmdp.evaluation import Estimate
from regmdp.mdp import MDP, DecisionProcess, initial_value
from regmdp.mdp.deterministic import DeterministicPolicy
from regmdp.policies import check_policy, require_ending
from regmdp.problem import check_value
from regmdp.regularizers import Regularizer
from regmdp.rounding import largest_relevant_reward

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


#: Iterations without progress after which a method with the accuracy of rounding has settled, if
#: each iteration should have reduced the residual noticeably; and the largest such number.
MIN_SETTLING_TIME, MAX_SETTLING_TIME = 5, 100_000


@dataclass(frozen=True, eq=False)
class Start:
    """Start of a method: a (S,) value, a (S, A) policy, both, or neither."""

    value: Float[np.ndarray, " S"] | None = None
    policy: Float[np.ndarray, "S A"] | None = None


@dataclass(frozen=True, eq=False)
class State(ReadOnlyCopies):
    """An iterate.

    Attributes:
        value: (S,) value V.
        backup: (S,) T V.
        evaluated: The (S, A) policy whose value V is or approximates, perhaps only its actions;
            None if the method keeps none.
        improved: The improved (S, A) policy that the next iteration evaluates, perhaps only its
            actions; or None.
        dual: (S, A) the dual variable of the next policy, up to a constant for each state; None if
            the method keeps none, or γ = 1 and sets of states were solved as one state.
        iteration: Number of steps that led here.
        step: The step size that made the next policy; None if the method has none.
        estimate: What the evaluation gave if it drew samples; then all arrays hold the states of
            all runs, (N·S,). Or None.
        memory: What a method that adapts has learned for its next step; or None.
    """

    value: Float[np.ndarray, " S"]
    backup: Float[np.ndarray, " S"]
    evaluated: Float[Array, "S A"] | None = None
    improved: Float[Array, "S A"] | None = None
    dual: Float[np.ndarray, "S A"] | None = None
    iteration: int = 0
    step: float | None = None
    estimate: Estimate | None = None
    memory: object | None = None

    def __post_init__(self) -> None:
        # users' callbacks, evaluations and methods see the arrays, and must not change them
        freeze_fields(self, "value", "backup", "evaluated", "improved", "dual")

    @property
    def policy(self) -> Float[np.ndarray, "S A"] | None:
        """(S, A) the policy whose value V is or approximates; None if the method keeps none."""
        return None if self.evaluated is None else np.asarray(self.evaluated)

    @property
    def next_policy(self) -> Float[np.ndarray, "S A"] | None:
        """(S, A) the policy that the next iteration evaluates; None if the method keeps none."""
        return None if self.improved is None else np.asarray(self.improved)


@user_methods(SolverError)
class Algorithm(ABC):
    """A method: its start, one iteration, and the policy of an iterate.

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
        """Return the (S, A) policy of this iterate."""

    @abstractmethod
    def check(self, mdp: MDP, regularizer: Regularizer) -> None:
        """Check that the method is defined for this problem.

        Raises:
            SolverError: if it is not, or a step size is out of its range.
        """

    def patience(self, mdp: MDP) -> int:
        """Return the number of iterations without progress after which the method is stuck."""
        return 1000 + 2 * mdp.n_states

    def settling_time(self, mdp: DecisionProcess) -> int:
        """Return the number of iterations without progress that are due to rounding alone.

        Where each reduces the residual by a factor of γ, a residual of n units of the last place
        of V decreases by one unit in 1/(n(1 - γ)) iterations.
        """
        if mdp.discount == 1.0:
            return MIN_SETTLING_TIME
        return MIN_SETTLING_TIME + int(min(2.0 / (1.0 - mdp.discount), MAX_SETTLING_TIME))

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
        if not event.within:
            self.states.append(event.state)


@dataclass(frozen=True, eq=False)
class History(ReadOnlyCopies):
    """(n,) records of a run, one for each iteration and one for the start.

    Attributes:
        iteration: Number of iterations done.
        residual: Largest |T V - V|, in the unit of the rewards.
        gap: Predicted bound on the policy's distance from the optimum.
        value: Value from the initial distribution.
        seconds: Time since the start.
    """

    iteration: np.ndarray
    residual: np.ndarray
    gap: np.ndarray
    value: np.ndarray
    seconds: np.ndarray

    @classmethod
    def from_records(cls, records: list[tuple[int, float, float, float, float]]) -> History:
        """Collect the records of a run."""
        return cls(*(freeze(np.array(column)) for column in zip(*records, strict=True)))

    def __len__(self) -> int:
        return self.iteration.size


@dataclass(frozen=True, eq=False)
class Run:
    """Result of a run."""

    policy: Float[np.ndarray, "S A"]
    value: Float[np.ndarray, " S"]
    certificate: Certificate
    status: Status
    history: History


class _GapPrediction:
    """The gap as predicted from the residual, corrected by certificates, and signs of the end."""

    def __init__(self, mdp: MDP, regularizer: Regularizer, algorithm: Algorithm) -> None:
        self._mdp, self._regularizer = mdp, regularizer
        self._patience, self._settling = algorithm.patience(mdp), algorithm.settling_time(mdp)
        # V* - V^π ≤ max(T V - V)/(1-γ) for a policy and its value, and a little less for a greedy
        # one
        self._factor = 1.0 / (1.0 - mdp.discount) if mdp.discount < 1.0 else 1.0
        self._best, self._since, self._count = np.inf, 0, 0
        self.floor, self._shrinks = 0.0, False

    def measure(self, state: State) -> None:
        """Measure T V - V.

        Raises:
            CertificateError: if it is infinite or NaN in some state.
        """
        with np.errstate(invalid="ignore"):
            difference = state.backup - state.value
        if not np.isfinite(difference).all():
            raise CertificateError(
                describe_first(
                    ~np.isfinite(difference),
                    lambda s: (
                        f"{self._mdp.describe(s)} has the value {float(state.value[s])!r}, and its "
                        f"backup is {float(state.backup[s])!r}"
                    ),
                    "states",
                    "the regularizer may be infinite or NaN at its own greedy policies; check it "
                    "with regmdp.testing.check_regularizer",
                )
            )
        low, high = float(difference.min()), float(difference.max())
        self.residual = max(abs(low), abs(high))
        # a value alone: the span; to a policy's own value, and to the end of the episode, belongs a
        # difference of 0
        if state.evaluated is not None or self._mdp.terminates:
            low, high = min(low, 0.0), max(high, 0.0)
        self.size = high - low
        matters = largest_relevant_reward(self._mdp, state.value, state.backup)
        before = self.floor
        self.floor = backup_error(self._mdp, self._regularizer, state.value, rewards=matters)
        # values that still shrink, from a start that was too large, will round less
        self._shrinks = self.floor < before * (1.0 - 1e-6)
        self._since = 0 if self.size < self._best * (1.0 - 4 * UNIT_ROUNDOFF) else self._since + 1
        self._best, self._count = min(self._best, self.size), self._count + 1

    @property
    def gap(self) -> float:
        """The predicted gap."""
        return self._factor * (self.size + 2.0 * self.floor)

    def correct(self, gap: float) -> None:
        """Adapt the prediction to a certified gap that missed the tolerance."""
        size = self.size + 2.0 * self.floor
        # without a bound, one is tried again when the residual is much smaller
        self._factor = max(
            self._factor, 1.01 * gap / size if np.isfinite(gap) else 16 * self._factor
        )

    @property
    def at_rounding(self) -> bool:
        """Whether the residual is about as large as the rounding errors of a sweep, or less."""
        return (
            not self._shrinks
            and self.size <= 4.0 * self.floor
            and (self._since >= MIN_SETTLING_TIME or self.size <= 0.05 * self.floor)
        )

    @property
    def stalled(self) -> bool:
        """Whether no smaller residual can be expected of the method.

        Near the rounding errors, a method that took many iterations to come there is slow: it may
        need a tenth as many for the next step of the last place.
        """
        settled = self.at_rounding and self._since >= max(self._settling, self._count // 10)
        return settled or self._since >= self._patience


class _StoppedError(BaseException):
    """A callback asked within an iteration for the end of the run."""


class _Monitor:
    """Monitor of a run: measures, records, calls back, certifies, and decides when to stop."""

    def __init__(
        self,
        mdp: MDP,
        regularizer: Regularizer,
        algorithm: Algorithm,
        tolerance: Tolerance,
        max_iterations: int,
        proceed: Callable[[Event], bool],
    ) -> None:
        self._mdp, self._regularizer, self._algorithm = mdp, regularizer, algorithm
        self._tolerance, self._max_iterations = tolerance, max_iterations
        self._stopping = Stopping(mdp, regularizer, tolerance)
        self._proceed, self._begin = proceed, time.perf_counter()
        self._prediction = _GapPrediction(mdp, regularizer, algorithm)
        self._rounding_gap: tuple[float, float] | None = None
        self._certified: tuple[State, Float[np.ndarray, "S A"], Certificate] | None = None
        self.records: list[tuple[int, float, float, float, float]] = []
        self._last: Event | None = None
        self._stopped = self.ending = False

    def report(self) -> None:
        """Call back within an iteration.

        Raises:
            _StoppedError: if the callback asks for the end, and there is an iterate.
        """
        seconds, last = time.perf_counter() - self._begin, self._last
        if last is None:
            measures = {"residual": np.inf, "gap": np.inf, "value": np.nan}
            last = Event(0, seconds, measures)
        self._stopped |= not self._proceed(replace(last, seconds=seconds, within=True))
        if self._stopped and last.state is not None and not self.ending:
            raise _StoppedError

    def observe(self, state: State) -> Status | None:
        """Measure and report an iterate; return why the run stops, or None to go on."""
        prediction, iteration = self._prediction, len(self.records)
        prediction.measure(state)
        value, seconds = initial_value(self._mdp, state.value), time.perf_counter() - self._begin
        self.records.append((iteration, prediction.residual, prediction.gap, value, seconds))
        measures = {"residual": prediction.residual, "gap": prediction.gap, "value": value}
        self._last = Event(iteration, seconds, measures, state)
        if not self._proceed(self._last) or self._stopped:
            return Status.STOPPED
        status = self._certify_if_due(state) if self._tolerance.active else None
        return status or (Status.ITERATION_LIMIT if iteration >= self._max_iterations else None)

    def certify(self, state: State) -> tuple[Float[np.ndarray, "S A"], Certificate]:
        """Return the policy of an iterate, with its certificate."""
        if self._certified is None or self._certified[0] is not state:
            policy = self._algorithm.policy(self._mdp, self._regularizer, state)
            # what several processes certify together is one value, to the last bit
            value = self._mdp.partition.communicator.first("value", lambda: state.value)
            found = check_and_certify(self._mdp, self._regularizer, policy, value)
            self._certified = (state, *found)
        return self._certified[1:]

    def met_by(self, certificate: Certificate) -> bool:
        """Whether a certificate meets the tolerance."""
        return self._tolerance.active and self._stopping.met_by(certificate)

    def _certify_if_due(self, state: State) -> Status | None:
        """Certify an iterate if it may meet the tolerance, or none better can be expected."""
        final = self._find_end(state)
        if final is None and not self._stopping.allows(self._prediction.gap, state.value):
            return None
        _, certificate = self.certify(state)
        if self._stopping.met_by(certificate):
            return Status.CONVERGED
        if final is not None:
            return certificate.limit or final
        self._prediction.correct(certificate.gap)
        return None

    def _find_end(self, state: State) -> Status | None:
        """Return why no better certificate can be expected; None if one can."""
        prediction = self._prediction
        if prediction.at_rounding and self._rounding_forbids(state):
            return Status.ROUNDING_LIMIT
        return Status.STALLED if prediction.stalled else None

    def _rounding_forbids(self, state: State) -> bool:
        """Whether the tolerance is below what a certificate allows for rounding.

        With γ = 1 a certificate improves the value itself, so that only rounding is left.
        """
        if self._mdp.discount == 1.0:
            return True
        floor = self._prediction.floor
        # it depends on the size of the values only, like the floor
        if self._rounding_gap is None or self._rounding_gap[0] != floor:
            self._rounding_gap = floor, rounding_gap(self._mdp, self._regularizer, state.value)
        return not self._stopping.allows(self._rounding_gap[1], state.value)


def iterate(
    mdp: MDP,
    regularizer: Regularizer,
    algorithm: Algorithm,
    *,
    start: Start,
    tolerance: Tolerance,
    max_iterations: int,
    callback: CallbackLike = None,
) -> Run:
    """Run a method until its certificate meets the tolerance, or something else ends it.

    With a tolerance of 0 exactly ``max_iterations`` iterations are made. A KeyboardInterrupt,
    during an iteration or in a callback, ends the run with the last complete iterate.
    """
    proceed = mdp.partition.communicator.lead(as_callback(callback))
    monitor = _Monitor(mdp, regularizer, algorithm, tolerance, max_iterations, proceed)
    # processes that share a model call back together, after an iteration
    with listen(monitor.report if mdp.partition.alone else None) as rest:

        def observe(state: State) -> Status | None:
            status = monitor.observe(state)
            rest()  # the callback was called
            return status

        state, status = run_loop(
            algorithm.init(mdp, regularizer, start),
            lambda state: algorithm.step(mdp, regularizer, state),
            observe,
        )
        monitor.ending = True
        policy, certificate = monitor.certify(state)
    if status is Status.ITERATION_LIMIT and monitor.met_by(certificate):
        status = Status.CONVERGED  # the prediction was too cautious
    # an iterate may be off by a constant, which does not change its span; the bounds on the
    # policy's value are better
    value = (
        np.clip(state.value, certificate.policy_lower, certificate.policy_upper)
        if tolerance.active
        else state.value
    )
    history = History.from_records(monitor.records)
    return Run(read_only(policy), freeze(value), certificate, status, history)


def run_loop(
    first: State, step: Callable[[State], State], observe: Callable[[State], Status | None]
) -> tuple[State, Status]:
    """Step until the observer returns a status, Ctrl-C, or an equation without a solution.

    Returns:
        The last complete iterate, and why it is the last.
    """
    state = first
    del first  # which holds as much as an iterate
    try:
        while (status := observe(state)) is None:
            state = step(state)
    except KeyboardInterrupt:
        status = Status.INTERRUPTED
    except _StoppedError:
        status = Status.STOPPED
    except SingularError:
        status = Status.STALLED
    return state, status


def check_and_certify(
    mdp: MDP,
    regularizer: Regularizer,
    policy: ArrayLike | DeterministicPolicy,
    value: Float[Array, " S"],
) -> tuple[Float[np.ndarray, "S A"], Certificate]:
    """Check the last policy of a method, and certify it with a (S,) value as the witness."""
    checked, witness = check_policy(mdp, policy, regularizer), check_value(mdp, value)
    try:
        require_ending(mdp, checked)
    except ImproperPolicyError:
        # an intermediate policy may never terminate; its value is then unbounded, V* is not
        bounds = bound_values(mdp, regularizer, None, witness)
        infinite = np.full(mdp.n_states, np.inf)
        bounds = Bounds(
            bounds.lower, bounds.upper, -infinite, infinite, bounds.limit or Status.STALLED
        )
    else:
        bounds = bound_values(mdp, regularizer, checked, witness)
    return checked, Certificate.from_bounds(mdp.initial, bounds)
