"""Maximum likelihood: a search over the parameters that solves the model at each point."""

from __future__ import annotations

import time
from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import ClassVar, NamedTuple

import numpy as np

from regmdp._internal.arrays import ArrayLike, Float
from regmdp._internal.errors import SampleError
from regmdp._internal.events import CALLBACK, CallbackLike
from regmdp._internal.parameters import ArrayOf, Instance, checked
from regmdp._internal.status import Status
from regmdp.applications._minimization import Objective, Search
from regmdp.applications.choice.estimates import Estimates
from regmdp.applications.choice.likelihood import Likelihood
from regmdp.applications.choice.model import ChoiceModel, require_identified, require_problem
from regmdp.applications.choice.panel import Panel

__all__ = ["full_maximum_likelihood", "nested_fixed_point"]

#: Newton's decrement, in standard errors, at which a search ends.
TARGET_DECREMENT = 1e-9
#: Bound on the distance from the maximum, in standard errors, below which a search has converged.
CONVERGED_DISTANCE = 1e-3
#: Limits for SciPy's iterations, and for the Newton steps after them.
MAX_ITERATIONS, MAX_NEWTON_STEPS = 500, 20


@checked(
    SampleError,
    model=Instance(ChoiceModel),
    panel=Instance(Panel),
    start=ArrayOf("U", empty=True) | None,
    callback=CALLBACK,
)
def nested_fixed_point(
    model: ChoiceModel,
    panel: Panel,
    *,
    start: ArrayLike | None = None,
    callback: CallbackLike = None,
) -> Estimates:
    """Estimate the transitions from observed transitions, then the utilities from the choices.

    SciPy's trust-region method searches with exact first and second derivatives, and Newton steps
    follow. The gradient need not become smaller than the certified error that the inner solutions
    cause in it. Ctrl-C ends the search with the best parameters so far.

    Args:
        model: The model.
        panel: The observations.
        start: (K,) utility parameters to start from; 0 by default.
        callback: Called with an :class:`~regmdp.Event` at each point where the model is solved;
            returning False stops the search. The ``measures`` are ``log_likelihood`` (of the
            choices) and ``gradient``, the norm of its gradient; the ``state`` is the
            :class:`Likelihood`.

    Returns:
        The estimates.

    Raises:
        SampleError: if the panel does not fit the model; the message names the row. If the data do
            not identify a parameter, it is named.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> features = np.zeros((5, 2, 2))
        >>> features[:, 1, 0], features[:, 0, 1] = -1.0, -np.arange(5)
        >>> utilities = rm.choice.LinearUtilities(features, ["replacement", "wear"])
        >>> wear = rm.choice.Increments(np.array([[s, 0] for s in range(5)]), 2)
        >>> model = rm.choice.ChoiceModel(utilities, wear, discount=0.95)
        >>> truth = model.solve([2.0, 0.5, 0.3])
        >>> panel = rm.choice.simulate(
        ...     truth, individuals=200, periods=50, rng=np.random.default_rng(0)
        ... )
        >>> fit = rm.choice.nested_fixed_point(model, panel)
        >>> all(
        ...     abs(fit.vector - truth.parameters)
        ...     < 3 * np.array(list(fit.standard_errors().values()))
        ... )
        True

    Reference:
        Rust 1987, Econometrica 55(5); Rust 1988, SIAM Journal on Control and Optimization 26(5),
        "Maximum likelihood estimation of discrete control processes".
    """
    started = time.perf_counter()
    require_problem(model, panel)
    phi = model.transitions.estimate(panel)
    first = np.zeros(model.n_utility_parameters) if start is None else np.array(start)
    objective = _ChoiceObjective(model, panel, phi)
    return _maximize(objective, first, "nested fixed point", callback, started)


@checked(
    SampleError,
    model=Instance(ChoiceModel),
    panel=Instance(Panel),
    start=ArrayOf("U", empty=True) | None,
    callback=CALLBACK,
)
def full_maximum_likelihood(
    model: ChoiceModel,
    panel: Panel,
    *,
    start: ArrayLike | None = None,
    callback: CallbackLike = None,
) -> Estimates:
    """Estimate utilities and transitions together, from the likelihood of choices and transitions.

    Choices depend on the transitions that people expect, so they hold information on these as well.

    Args:
        model: The model.
        panel: The observations.
        start: (K,) utility parameters to start from; by default those of
            :func:`nested_fixed_point`, which is run first. If it is stopped or interrupted, so is
            the whole search.
        callback: Called with an :class:`~regmdp.Event` at each point where the model is solved;
            returning False stops the search. The ``measures`` are ``log_likelihood`` (of choices
            and transitions; of the choices in the first stage) and ``gradient``, the norm of its
            gradient; the ``state`` is the :class:`Likelihood`.

    Returns:
        The estimates.

    Raises:
        SampleError: if the panel does not fit the model; the message names the row. If the data do
            not identify a parameter, it is named.

    Reference:
        Rust 1987, Econometrica 55(5), equation 4.5 and Table IX.
    """
    started, method, n_earlier = time.perf_counter(), "full likelihood", 0
    if start is None:
        first_stage = nested_fixed_point(model, panel, callback=callback)
        if first_stage.status in (Status.STOPPED, Status.INTERRUPTED):
            return replace(first_stage, method=method, joint=True)
        theta = first_stage.vector[: model.n_utility_parameters]
        n_earlier = first_stage.iterations
    else:
        theta = np.array(start)
    require_problem(model, panel)
    free = model.transitions.to_free(model.transitions.estimate(panel))
    first = np.concatenate((theta, free))
    return _maximize(_JointObjective(model, panel), first, method, callback, started, n_earlier)


class _Evaluation(NamedTuple):
    """The likelihood at a point of a search, and the (K, P) derivative of its parameters."""

    likelihood: Likelihood
    jacobian: Float[np.ndarray, "K P"]


@dataclass(frozen=True, eq=False)
class _LikelihoodObjective(Objective[_Evaluation]):
    """Minus a log-likelihood, as a function of (P,) points that a search may choose freely."""

    model: ChoiceModel
    panel: Panel

    #: Whether the transitions are estimated as well.
    joint: ClassVar[bool]

    @property
    def n_rows(self) -> int:
        return len(self.model.choice_sets)

    @abstractmethod
    def parameters(
        self, point: Float[np.ndarray, " P"]
    ) -> tuple[Float[np.ndarray, " K"], Float[np.ndarray, "K P"]]:
        """(P,) point -> (K,) parameters of the model, and their (K, P) derivative."""

    def evaluate(self, point: Float[np.ndarray, " P"], previous: _Evaluation | None) -> _Evaluation:
        vector, jacobian = self.parameters(point)
        start = None if previous is None else previous.likelihood.solution.mdp_solution
        likelihood = Likelihood.from_parameters(self.model, self.panel, vector, start)
        return _Evaluation(likelihood, jacobian)

    def gradient_error(self, evaluation: _Evaluation) -> Float[np.ndarray, " P"]:
        """Return (P,) bounds on the errors of the gradient."""
        return np.abs(evaluation.jacobian.T) @ evaluation.likelihood.gradient_error

    def measures(self, evaluation: _Evaluation, value: float) -> dict[str, float]:
        return {"log_likelihood": -value}

    def state(self, evaluation: _Evaluation) -> Likelihood:
        return evaluation.likelihood


@dataclass(frozen=True, eq=False)
class _ChoiceObjective(_LikelihoodObjective):
    """Minus the log-likelihood of the choices, as a function of the utility parameters."""

    phi: Float[np.ndarray, " J"]

    joint = False

    def parameters(
        self, point: Float[np.ndarray, " P"]
    ) -> tuple[Float[np.ndarray, " K"], Float[np.ndarray, "K P"]]:
        vector = np.concatenate((point, self.phi))
        return vector, np.eye(vector.size)[:, : point.size]

    def value(self, evaluation: _Evaluation) -> float:
        return -evaluation.likelihood.choices

    def gradient(self, evaluation: _Evaluation) -> Float[np.ndarray, " P"]:
        return -evaluation.likelihood.utility_gradient

    def gradient_error(self, evaluation: _Evaluation) -> Float[np.ndarray, " P"]:
        return evaluation.likelihood.utility_gradient_error

    def hessian(self, evaluation: _Evaluation) -> Float[np.ndarray, "P P"]:
        return -evaluation.likelihood.utility_hessian


@dataclass(frozen=True, eq=False)
class _JointObjective(_LikelihoodObjective):
    """Minus the log-likelihood of choices and transitions.

    A point holds the utility parameters and the unconstrained ones of the transitions.
    """

    joint = True

    def parameters(
        self, point: Float[np.ndarray, " P"]
    ) -> tuple[Float[np.ndarray, " K"], Float[np.ndarray, "K P"]]:
        first = self.model.n_utility_parameters
        phi, slope = self.model.transitions.from_free(point[first:])
        jacobian = np.eye(point.size)
        jacobian[first:, first:] = slope
        return np.concatenate((point[:first], phi)), jacobian

    def value(self, evaluation: _Evaluation) -> float:
        return -evaluation.likelihood.total

    def gradient(self, evaluation: _Evaluation) -> Float[np.ndarray, " P"]:
        return -evaluation.jacobian.T @ evaluation.likelihood.full_gradient

    def hessian(self, evaluation: _Evaluation) -> Float[np.ndarray, "P P"]:
        """Return the second derivative, without the curvature of the parameters in the point.

        The missing term is 0 at the maximum.
        """
        jacobian = evaluation.jacobian
        return -jacobian.T @ evaluation.likelihood.hessian @ jacobian


def _maximize(
    objective: _LikelihoodObjective,
    first: Float[np.ndarray, " P"],
    method: str,
    callback: CallbackLike,
    started: float,
    n_earlier: int = 0,
) -> Estimates:
    """Maximise a likelihood from a first point, and bound the distance from the maximum."""
    search = Search(objective, callback, started=started, n_earlier=n_earlier)

    def is_exact(point: Float[np.ndarray, " P"]) -> bool:
        error = objective.gradient_error(search.evaluate(point))
        return bool(np.all(np.abs(search.gradient(point)) <= error))

    def minimize() -> tuple[Float[np.ndarray, " P"], Status | None]:
        if not first.size:
            return first, None
        tolerance = _gradient_tolerance(objective, search.evaluate(first))
        point, status = search.minimize(first, "trust-exact", tolerance, MAX_ITERATIONS)
        point = search.polish(
            point, goal=TARGET_DECREMENT, max_steps=MAX_NEWTON_STEPS, is_exact=is_exact
        )
        return point, status

    found = search.run(minimize)
    status = found.status or Status.STALLED
    if status in (Status.STOPPED, Status.INTERRUPTED):
        message = f"{status.word}: these are the best parameters that were tried, not estimates"
    else:
        require_identified(objective.model, objective.panel, search.hessian(found.point))
        error = objective.gradient_error(found.evaluation)
        distance = _bound_distance(search, found.point, error)
        status = Status.CONVERGED if distance <= CONVERGED_DISTANCE else status
        word = "converged" if status.ok else "not converged"
        message = f"{word}: {distance:.1e} standard errors from the maximum, at most"
    return Estimates(
        found.evaluation.likelihood,
        method,
        objective.joint,
        status,
        message,
        search.n_evaluations,
        time.perf_counter() - started,
    )


def _gradient_tolerance(objective: _LikelihoodObjective, evaluation: _Evaluation) -> float:
    """Return the norm of the gradient to ask of SciPy.

    It is small beside the sampling noise of the gradient, and not below its error.
    """
    noise = float(np.linalg.norm(evaluation.likelihood.scores @ evaluation.jacobian))
    return max(1e-6 * noise, float(np.linalg.norm(objective.gradient_error(evaluation))))


def _bound_distance(
    search: Search[_Evaluation], point: Float[np.ndarray, " P"], error: Float[np.ndarray, " P"]
) -> float:
    """Bound the distance from the maximum, in standard errors, from the gradient and its error."""
    if not point.size:
        return 0.0
    lengths = np.abs(search.inverse_hessian(point) @ np.diag(error)).sum(axis=1)
    return search.newton_step(point).decrement + float(np.sqrt(max(error @ lengths, 0.0)))
