"""Maximum likelihood: the model is solved at every step of a search over its parameters (Rust's nested fixed point)."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from regmdp._internal.arrays import Float
from regmdp._internal.errors import SampleError
from regmdp.applications.choice.estimates import Estimates
from regmdp.applications.choice.likelihood import Likelihood
from regmdp.applications.choice.model import ChoiceModel
from regmdp.applications.choice.panel import Panel

__all__ = ["full_maximum_likelihood", "nested_fixed_point"]

#: Distance from the maximum, in standard errors, at which a search ends, and within which it has
#: found the maximum.
GOAL, FOUND = 1e-9, 1e-3
#: The most points that SciPy looks at, and the most of Newton's steps that follow.
MAX_ITERATIONS, STEPS = 500, 20


def nested_fixed_point(
    model: ChoiceModel,
    panel: Panel,
    *,
    start: Any = None,
    callback: Callable[[Likelihood], object] | None = None,
) -> Estimates:
    """Estimate the transitions from how states follow each other, then the utilities by the likelihood of the choices.

    SciPy's trust-region method searches with exact first and second derivatives, and Newton's steps
    finish. Neither asks for a smaller gradient than the certified error of the inner solutions
    allows. Ctrl-C ends the search with the best so far.

    Args:
        model: The model.
        panel: The observations.
        start: Utility parameters to start from, (K,); 0 by default.
        callback: Is told the likelihood at each point where the model was solved.

    Returns:
        The estimates.

    Raises:
        SampleError: if the panel does not fit the model; the message names the row.

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
    begin = time.perf_counter()
    model.require_fit(panel)
    phi = model.transitions.estimate(panel)
    first = (
        np.zeros(model.n_utility_parameters) if start is None else np.array(start, dtype=np.float64)
    )
    if first.shape != (model.n_utility_parameters,):
        raise SampleError(
            f"start must be {model.n_utility_parameters} numbers, for {', '.join(model.utilities.names)}, not "
            f"{start!r}"
        )
    search = _Search(
        model,
        panel,
        lambda theta: (np.concatenate((theta, phi)), np.eye(len(model.names))[:, : theta.size]),
        callback,
        full=False,
    )
    return search.run(first, "nested fixed point", begin)


def full_maximum_likelihood(
    model: ChoiceModel,
    panel: Panel,
    *,
    start: Any = None,
    callback: Callable[[Likelihood], object] | None = None,
) -> Estimates:
    """Estimate utilities and transitions together, by the likelihood of choices and transitions.

    What people expect of the transitions shows in what they choose, so the choices tell something
    of them, too.

    Args:
        model: The model.
        panel: The observations.
        start: Utility parameters to start from; by default those of :func:`nested_fixed_point`,
            which is run first.
        callback: Is told the likelihood at each point where the model was solved.

    Returns:
        The estimates.

    Raises:
        SampleError: if the panel does not fit the model; the message names the row.

    Reference:
        Rust 1987, Econometrica 55(5), equation 4.5 and Table IX.
    """
    begin = time.perf_counter()
    if start is None:
        start = nested_fixed_point(model, panel, callback=callback).vector[
            : model.n_utility_parameters
        ]
    model.require_fit(panel)
    free = model.transitions.to_free(model.transitions.estimate(panel))
    first = np.concatenate((np.asarray(start, dtype=np.float64), free))
    return _Search(model, panel, lambda point: _natural(model, point), callback, full=True).run(
        first, "full likelihood", begin
    )


def _natural(
    model: ChoiceModel, point: Float[np.ndarray, " K"]
) -> tuple[Float[np.ndarray, " K"], Float[np.ndarray, "K K"]]:
    """Return the parameters that a point of the search stands for, and their derivative."""
    n_utility_parameters = model.n_utility_parameters
    phi, slope = model.transitions.from_free(point[n_utility_parameters:])
    jacobian = np.eye(point.size)
    jacobian[n_utility_parameters:, n_utility_parameters:] = slope
    return np.concatenate((point[:n_utility_parameters], phi)), jacobian


@dataclass(eq=False)
class _Search:
    """The objective of a search, minus the log-likelihood, with what was found at the last point and at the best."""

    model: ChoiceModel
    panel: Panel
    parameters: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
    callback: Callable[[Likelihood], object] | None
    full: bool
    count: int = 0
    _point: Any = None
    _last: Any = None
    _best: Any = field(default=None)

    def run(self, first: Float[np.ndarray, " K"], method: str, begin: float) -> Estimates:
        """Search from a first point."""
        from scipy.optimize import minimize  # slow to import

        try:
            point = first
            if point.size:
                options = {"gtol": self._reach(point), "maxiter": MAX_ITERATIONS}
                found = minimize(
                    self.value,
                    point,
                    jac=self.gradient,
                    hess=self.hessian,
                    method="trust-exact",
                    options=options,
                )
                point = self._polished(found.x)
            likelihood, _ = self._at(point)
            distance = self._distance(point)
            converged = distance <= FOUND
            status = (
                f"{'converged' if converged else 'not converged'}: {distance:.1e} standard errors "
                "from the maximum, at most"
            )
        except KeyboardInterrupt:
            likelihood, converged = self._best, False
            if likelihood is None:
                raise
            status = "interrupted: these are the best parameters that were tried, not estimates"
        return Estimates(
            likelihood,
            method,
            self.full,
            status,
            converged,
            self.count,
            time.perf_counter() - begin,
        )

    def _polished(self, point: Float[np.ndarray, " K"]) -> Float[np.ndarray, " K"]:
        """Go on by Newton's steps, while the gradient is larger than its error and they lead nearer to the maximum."""
        distance = self._decrement(point)
        for _ in range(STEPS):
            if distance <= GOAL or np.all(np.abs(self.gradient(point)) <= self._error(point)):
                break
            further = point - self._solved(point, self.gradient(point))
            nearer = self._decrement(further)
            if not nearer < distance:
                break
            point, distance = further, nearer
        return point

    def _distance(self, point: Float[np.ndarray, " K"]) -> float:
        """Bound how far the maximum is, in standard errors, from the gradient and its error."""
        if not point.size:
            return 0.0
        error = self._error(point)
        return self._decrement(point) + float(
            np.sqrt(max(error @ np.abs(self._solved(point, np.diag(error))).sum(axis=1), 0.0))
        )

    def _decrement(self, point: Float[np.ndarray, " K"]) -> float:
        """Return Newton's decrement, which is how far it is to the maximum, in standard errors, as far as can be seen."""
        gradient = self.gradient(point)
        square = float(gradient @ self._solved(point, gradient))
        return float(np.sqrt(square)) if square >= 0.0 else np.inf

    def _solved(self, point: Float[np.ndarray, " K"], right: np.ndarray) -> np.ndarray:
        """Return the inverse of the second derivative times something; of as much of it as the data tell."""
        return np.linalg.pinv(self.hessian(point), rcond=1e-14, hermitian=True) @ right

    def _reach(self, point: Float[np.ndarray, " K"]) -> float:
        """Return the norm of the gradient to ask SciPy for: small against its noise, and not below its error."""
        likelihood, jacobian = self._at(point)
        noise = np.linalg.norm(likelihood.scores @ jacobian)
        return max(1e-6 * float(noise), float(np.linalg.norm(self._error(point))))

    def _error(self, point: Float[np.ndarray, " K"]) -> Float[np.ndarray, " K"]:
        likelihood, jacobian = self._at(point)
        return np.abs(jacobian.T) @ likelihood.gradient_error

    def value(self, point: Float[np.ndarray, " K"]) -> float:
        """Return minus the log-likelihood."""
        likelihood, _ = self._at(point)
        return -(likelihood.total if self.full else likelihood.choices)

    def gradient(self, point: Float[np.ndarray, " K"]) -> Float[np.ndarray, " K"]:
        """Return its gradient."""
        likelihood, jacobian = self._at(point)
        return -jacobian.T @ (likelihood.full_gradient if self.full else likelihood.gradient)

    def hessian(self, point: Float[np.ndarray, " K"]) -> Float[np.ndarray, "K K"]:
        """Return its second derivative; of how probabilities depend on what is searched over, only the first derivative counts."""
        likelihood, jacobian = self._at(point)
        return (
            -jacobian.T
            @ (likelihood.hessian if self.full else likelihood.choice_hessian)
            @ jacobian
        )

    def _at(self, point: Float[np.ndarray, " K"]) -> tuple[Likelihood, np.ndarray]:
        if self._point is None or not np.array_equal(point, self._point):
            vector, jacobian = self.parameters(np.asarray(point))
            start = None if self._last is None else self._last.solution.mdp_solution
            self._last, self._jacobian = (
                Likelihood.from_parameters(self.model, self.panel, vector, start),
                jacobian,
            )
            self._point = np.array(point)
            self.count += 1
            if self._best is None or self.worth(self._last) > self.worth(self._best):
                self._best = self._last
            if self.callback is not None:
                self.callback(self._last)
        return self._last, self._jacobian

    def worth(self, likelihood: Likelihood) -> float:
        """Return the likelihood that is maximised."""
        return likelihood.total if self.full else likelihood.choices
