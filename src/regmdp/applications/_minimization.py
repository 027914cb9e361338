"""Minimization by SciPy of objectives whose evaluation is expensive."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, Literal, NamedTuple, TypeAlias, TypeVar

import numpy as np

from regmdp._internal.arrays import Float
from regmdp._internal.blas import limit_blas_threads
from regmdp._internal.errors import UnboundedError
from regmdp._internal.events import CallbackLike, Event, as_callback
from regmdp._internal.status import Status

__all__ = ["Minimum", "NewtonStep", "Objective", "Search"]

#: (K,) parameters of an objective.
Point: TypeAlias = Float[np.ndarray, " K"]

#: Whatever an objective computes once at a point, and takes value and derivatives from.
Evaluation = TypeVar("Evaluation")

#: SciPy's methods, and the second derivative that each is given.
Method: TypeAlias = Literal["trust-exact", "trust-ncg", "BFGS"]


class Objective(ABC, Generic[Evaluation]):
    """A twice differentiable function of (K,) parameters, from one expensive evaluation."""

    @abstractmethod
    def evaluate(self, point: Point, previous: Evaluation | None) -> Evaluation:
        """Evaluate at a point.

        Args:
            point: (K,) parameters.
            previous: The last evaluation elsewhere, if any, for a warm start.

        Raises:
            UnboundedError: where the objective is infinite. :meth:`value` may raise it, too.
        """

    @abstractmethod
    def value(self, evaluation: Evaluation) -> float:
        """Return the objective."""

    @abstractmethod
    def gradient(self, evaluation: Evaluation) -> Float[np.ndarray, " K"]:
        """Return the (K,) gradient."""

    def hessian(self, evaluation: Evaluation) -> Float[np.ndarray, "K K"]:
        """Return the (K, K) second derivative, for "trust-exact" and Newton's method."""
        raise NotImplementedError

    def hessian_product(self, evaluation: Evaluation, direction: Point) -> Float[np.ndarray, " K"]:
        """Return the second derivative times a (K,) direction, for "trust-ncg"."""
        raise NotImplementedError

    @abstractmethod
    def measures(self, evaluation: Evaluation, value: float) -> Mapping[str, float]:
        """Return what a callback gets as the event's ``measures``, besides the gradient.

        Args:
            evaluation: The evaluation.
            value: The objective there.
        """

    @property
    def n_rows(self) -> int:
        """The number of rows of the largest dense matrix of an evaluation; 0 if all are sparse."""
        return 0

    def state(self, evaluation: Evaluation) -> object:
        """Return what a callback gets as the event's ``state``."""
        return evaluation


class NewtonStep(NamedTuple):
    """A (K,) Newton step, to be subtracted, and its length in the Hessian's norm, the decrement.

    For minus a log-likelihood the decrement estimates the distance from the maximum in standard
    errors. It is infinite if the objective is, or if the step does not lead down.
    """

    step: Float[np.ndarray, " K"]
    decrement: float


@dataclass(frozen=True, eq=False)
class Minimum(Generic[Evaluation]):
    """Where a search ended.

    Attributes:
        point: (K,) the parameters.
        evaluation: The evaluation there.
        status: Why the search ended early: STOPPED, INTERRUPTED or ITERATION_LIMIT. None if SciPy
            ended it, which may be short of the minimum.
    """

    point: Float[np.ndarray, " K"]
    evaluation: Evaluation
    status: Status | None


@dataclass(eq=False)
class _Record(Generic[Evaluation]):
    """An objective at a point, where each derivative is computed when it is first asked for.

    ``evaluation`` is None, and ``error`` says why, where the objective is infinite.
    """

    objective: Objective[Evaluation]
    point: Float[np.ndarray, " K"]
    value: float
    evaluation: Evaluation | None
    error: UnboundedError | None = None

    @cached_property
    def gradient(self) -> Float[np.ndarray, " K"]:
        if self.evaluation is None:
            return np.zeros_like(self.point)
        return self.objective.gradient(self.evaluation)

    @cached_property
    def hessian(self) -> Float[np.ndarray, "K K"]:
        if self.evaluation is None:
            return np.eye(self.point.size)
        return self.objective.hessian(self.evaluation)

    @cached_property
    def inverse_hessian(self) -> Float[np.ndarray, "K K"]:
        return np.linalg.pinv(self.hessian, rcond=1e-14, hermitian=True)

    def hessian_product(self, direction: Point) -> Float[np.ndarray, " K"]:
        if self.evaluation is None:
            return direction
        return self.objective.hessian_product(self.evaluation, direction)


class _StopSearch(Exception):  # noqa: N818, a signal
    """A callback returned False."""


class Search(Generic[Evaluation]):
    """A search for the minimum of an objective: it keeps the last evaluation and the best one.

    Where the objective raises UnboundedError, its value is infinite, its gradient 0 and its second
    derivative the identity, so a trust region shrinks and the search returns to finite values.

    Args:
        objective: The function to be minimised.
        callback: Called with an :class:`~regmdp.Event` after each evaluation with a finite value.
            Its ``measures`` are those of the objective and ``gradient``, the norm of the gradient.
        started: Time of ``time.perf_counter`` from which events count seconds; now by default.
        n_earlier: Evaluations of an earlier stage, which events count on from.

    Attributes:
        n_evaluations: Number of evaluations, with those of an earlier stage.
        n_infeasible: How many of them had an infinite value.

    Examples:
        >>> class Square(Objective[np.ndarray]):
        ...     def evaluate(self, point, previous):
        ...         return point
        ...
        ...     def value(self, x):
        ...         return float((x - 1.0) @ (x - 1.0))
        ...
        ...     def gradient(self, x):
        ...         return 2.0 * (x - 1.0)
        ...
        ...     def measures(self, x, value):
        ...         return {"objective": value}
        >>> search = Search(Square())
        >>> found = search.run(lambda: search.minimize(np.zeros(2), "BFGS", 1e-8, 100))
        >>> found.point.round(6), found.status
        (array([1., 1.]), None)
    """

    def __init__(
        self,
        objective: Objective[Evaluation],
        callback: CallbackLike = None,
        *,
        started: float | None = None,
        n_earlier: int = 0,
    ) -> None:
        self.objective = objective
        self.n_evaluations = n_earlier
        self.n_infeasible = 0
        self._started = time.perf_counter() if started is None else started
        self._call = None if callback is None else as_callback(callback)
        self._last: _Record[Evaluation] | None = None
        self._best: _Record[Evaluation] | None = None

    def run(self, minimize: Callable[[], tuple[Point, Status | None]]) -> Minimum[Evaluation]:
        """Call a function that minimises; the best point so far if a callback or Ctrl-C stops it.

        Args:
            minimize: Returns the last point and why it ended early: see :meth:`minimize`.

        Raises:
            UnboundedError: if the objective is infinite where the search ends.
            KeyboardInterrupt: on Ctrl-C, if no point with a finite value is known yet.
        """
        try:
            with limit_blas_threads(self.objective.n_rows):
                point, status = minimize()
                record = self._at(point)
        except (_StopSearch, KeyboardInterrupt) as reason:
            if self._best is None:
                raise
            stopped = isinstance(reason, _StopSearch)
            record, status = self._best, Status.STOPPED if stopped else Status.INTERRUPTED
        return Minimum(record.point, _require_finite(record), status)

    def minimize(
        self, start: Point, method: Method, gradient_tolerance: float, max_iterations: int
    ) -> tuple[Point, Status | None]:
        """Minimise by one of SciPy's methods, from a (K,) start, until the gradient is small.

        A start where it is small already is returned: SciPy's methods may fail there.

        Returns:
            The (K,) last point, and ITERATION_LIMIT if all iterations were used up, else None.
        """
        from scipy.optimize import minimize  # slow to import

        gradient = self.gradient(start)
        if np.isfinite(self.value(start)) and np.linalg.norm(gradient) <= gradient_tolerance:
            return start, None
        second: dict[Method, dict[str, Any]] = {
            "trust-exact": {"hess": self.hessian},
            "trust-ncg": {"hessp": self.hessian_product},
            "BFGS": {},
        }
        found = minimize(
            self.value,
            start,
            jac=self.gradient,
            method=method,
            options={"gtol": gradient_tolerance, "maxiter": max_iterations},
            **second[method],
        )
        return found.x, Status.ITERATION_LIMIT if found.nit >= max_iterations else None

    def polish(
        self,
        point: Point,
        *,
        goal: float,
        max_steps: int,
        is_exact: Callable[[Point], bool] = lambda point: False,
    ) -> Point:
        """Take Newton steps while they reduce the decrement.

        Args:
            point: (K,) where to start.
            goal: Decrement at which to end.
            max_steps: Largest number of steps.
            is_exact: Whether the gradient at a point is within its error: then no step helps.
        """
        newton = self.newton_step(point)
        for _ in range(max_steps):
            if newton.decrement <= goal or is_exact(point):
                break
            further = point - newton.step
            nearer = self.newton_step(further)
            if not nearer.decrement < newton.decrement:
                break
            point, newton = further, nearer
        return point

    def evaluate(self, point: Point) -> Evaluation:
        """Return the evaluation at a point.

        Raises:
            UnboundedError: if the objective is infinite there.
        """
        return _require_finite(self._at(point))

    def value(self, point: Point) -> float:
        """Return the objective at a point."""
        return self._at(point).value

    def gradient(self, point: Point) -> Float[np.ndarray, " K"]:
        """Return the (K,) gradient."""
        return self._at(point).gradient

    def hessian(self, point: Point) -> Float[np.ndarray, "K K"]:
        """Return the (K, K) second derivative."""
        return self._at(point).hessian

    def inverse_hessian(self, point: Point) -> Float[np.ndarray, "K K"]:
        """Return the (K, K) pseudo-inverse of the second derivative."""
        return self._at(point).inverse_hessian

    def hessian_product(self, point: Point, direction: Point) -> Float[np.ndarray, " K"]:
        """Return the second derivative times a (K,) direction."""
        return self._at(point).hessian_product(direction)

    def newton_step(self, point: Point) -> NewtonStep:
        """Return Newton's step and decrement."""
        record = self._at(point)
        if record.evaluation is None:
            return NewtonStep(np.zeros_like(record.point), np.inf)
        step = record.inverse_hessian @ record.gradient
        square = float(record.gradient @ step)
        return NewtonStep(step, float(np.sqrt(square)) if square >= 0.0 else np.inf)

    def _at(self, point: Point) -> _Record[Evaluation]:
        """Return the record of a point; a new one is evaluated, and reported to the callback."""
        for record in (self._last, self._best):
            if record is not None and np.array_equal(point, record.point):
                return record
        record = self._evaluate(np.array(point, dtype=np.float64))
        self._last = record
        self.n_evaluations += 1
        if record.evaluation is None:
            self.n_infeasible += 1
            return record
        if self._best is None or record.value < self._best.value:
            self._best = record
        if self._call is not None and not self._call(self._describe(record, record.evaluation)):
            raise _StopSearch
        return record

    def _evaluate(self, point: Point) -> _Record[Evaluation]:
        nearest = self._last if self._last and self._last.evaluation is not None else self._best
        previous = None if nearest is None else nearest.evaluation
        try:
            evaluation = self.objective.evaluate(point, previous)
            value = self.objective.value(evaluation)
        except UnboundedError as error:
            return _Record(self.objective, point, np.inf, None, error)
        return _Record(self.objective, point, value, evaluation)

    def _describe(self, record: _Record[Evaluation], evaluation: Evaluation) -> Event:
        measures = dict(self.objective.measures(evaluation, record.value))
        measures["gradient"] = float(np.linalg.norm(record.gradient))
        seconds = time.perf_counter() - self._started
        return Event(self.n_evaluations - 1, seconds, measures, self.objective.state(evaluation))


def _require_finite(record: _Record[Evaluation]) -> Evaluation:
    if record.evaluation is None:
        assert record.error is not None
        raise record.error
    return record.evaluation
