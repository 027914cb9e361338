"""Maximum-likelihood estimation of a recursive logit from observed routes."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from regmdp._internal.arrays import ArrayLike, Float
from regmdp._internal.errors import ModelError, SampleError, UnboundedError
from regmdp._internal.events import CALLBACK, CallbackLike
from regmdp._internal.parameters import ArrayOf, Instance, Number, Option, checked
from regmdp._internal.status import Status
from regmdp.applications._coefficient_table import coefficient_table, inverse_information
from regmdp.applications._feature_checks import require_independent
from regmdp.applications._minimization import Objective, Search
from regmdp.applications.routes.features import LinkFeatures
from regmdp.applications.routes.information import information_and_scores
from regmdp.applications.routes.likelihood import log_likelihood, log_likelihood_gradient
from regmdp.applications.routes.network import require_same_network
from regmdp.applications.routes.recursive_logit import RecursiveLogit
from regmdp.applications.routes.trips import Trips

__all__ = ["RouteEstimates", "estimate"]

#: Newton's decrement, in standard errors, at which a search ends, and below which it has converged.
TARGET_DECREMENT, CONVERGED_DECREMENT = 1e-8, 1e-4
MAX_ITERATIONS, MAX_NEWTON_STEPS = 200, 10
#: Most times that the first guess is doubled to make the value finite.
MAX_DOUBLINGS = 40

#: Kinds of covariances of the estimates.
CovarianceKind = Literal["information", "opg", "sandwich"]
KIND = Option("information", "opg", "sandwich")


@dataclass(frozen=True, eq=False)
class RouteEstimates:
    """Estimated parameters of a recursive logit.

    Attributes:
        model: The model at the estimates.
        trips: The trips.
        status: How the search ended. It converged if it came within a ten-thousandth of a standard
            error of the maximum.
        message: The same in a sentence, with the distance.
        iterations: Number of parameters that were tried.
        infeasible: Number of these that had an infinite value.
        seconds: Time of the search.
    """

    model: RecursiveLogit
    trips: Trips
    status: Status
    message: str
    iterations: int
    infeasible: int
    seconds: float

    @property
    def converged(self) -> bool:
        """Whether the search converged."""
        return self.status.ok

    @property
    def parameters(self) -> dict[str, float]:
        """The estimates by name."""
        return dict(zip(self.model.features.names, self.model.parameters.tolist(), strict=True))

    @cached_property
    def log_likelihood(self) -> float:
        """The logarithm of the probability of all trips."""
        return log_likelihood(self.model, self.trips)

    @cached_property
    def information(self) -> Float[np.ndarray, "K K"]:
        """(K, K) minus the second derivative of the log-likelihood."""
        return information_and_scores(self.model, self.trips)[0]

    @cached_property
    def scores(self) -> Float[np.ndarray, "n K"]:
        """(n, K) derivative of the logarithm of the probability of each trip."""
        return information_and_scores(self.model, self.trips)[1]

    @checked(SampleError, kind=KIND)
    def covariance(self, kind: CovarianceKind = "information") -> Float[np.ndarray, "K K"]:
        """Return the (K, K) covariance of the estimates.

        Args:
            kind: "information", the inverse of the information; "opg", that of the outer product of
                the scores of the trips; or "sandwich", both, which holds where trips are
                independent but the model is misspecified.

        Raises:
            SampleError: if there is no such kind, or the trips do not identify some parameter.
        """
        names = self.model.features.names
        outer = self.scores.T @ self.scores
        if kind == "information":
            return inverse_information(self.information, names)
        if kind == "opg":
            return inverse_information(outer, names)
        inverse = inverse_information(self.information, names)
        return inverse @ outer @ inverse

    @checked(SampleError, kind=KIND)
    def standard_errors(self, kind: CovarianceKind = "information") -> dict[str, float]:
        """Return the standard errors by name: see :meth:`covariance`."""
        errors = np.sqrt(np.diag(self.covariance(kind)))
        return dict(zip(self.model.features.names, errors.tolist(), strict=True))

    @checked(SampleError, kind=KIND)
    def summary(self, kind: CovarianceKind = "information") -> str:
        """Return a summary with a table of the estimates and their 95 % confidence intervals."""
        errors = self.standard_errors(kind)
        per_trip = self.log_likelihood / len(self.trips)
        search = f"{self.iterations} tried, {self.infeasible} infeasible, {self.seconds:.2f} s"
        lines = [
            ("method", "recursive logit, maximum likelihood"),
            ("data", f"{len(self.trips):,} trips over {self.trips.links.size:,} links"),
            ("likelihood", f"log {self.log_likelihood:.3f}, {per_trip:.4f} a trip"),
            ("radius", f"the spectral radius of exp(v / scale) is {self.model.spectral_radius()}"),
            ("status", f"{self.message}; {search}"),
            ("std. errors", kind),
        ]
        table = coefficient_table(
            tuple(self.parameters), tuple(self.parameters.values()), tuple(errors.values())
        )
        return "\n".join([*(f"{name:<12} {text}" for name, text in lines), "", *table])

    def __repr__(self) -> str:
        shown = ", ".join(f"{name} = {value:.4f}" for name, value in self.parameters.items())
        return f"RouteEstimates({shown}; log-likelihood {self.log_likelihood:.3f})"


@checked(
    ModelError,
    features=Instance(LinkFeatures),
    trips=Instance(Trips),
    start=ArrayOf("K") | None,
    scale=Number(above=0.0),
    callback=CALLBACK,
)
def estimate(
    features: LinkFeatures,
    trips: Trips,
    *,
    start: ArrayLike | None = None,
    scale: float = 1.0,
    callback: CallbackLike = None,
) -> RouteEstimates:
    """Estimate the parameters of a recursive logit from observed routes, by maximum likelihood.

    SciPy's trust-region method searches with exact first and second derivatives. Where the value is
    infinite the likelihood is 0, without any penalty term: the trust region shrinks and the search
    returns to feasible parameters. Ctrl-C ends it with the best parameters that were tried.

    Args:
        features: The columns of the utility.
        trips: The observed routes.
        start: (K,) parameters to start from, with a finite value; by default the same cost for each
            feature, doubled until the value is finite.
        scale: μ; routes identify only the parameters over the scale.
        callback: Called with an :class:`~regmdp.Event` at each set of parameters with a finite
            value; returning False stops the search. The ``measures`` are ``log_likelihood`` and
            ``gradient``, the norm of its gradient; the ``state`` is the model.

    Raises:
        UnboundedError: if the value is infinite at the start.
        SampleError: if no start is found, or features are 0 or combinations of others.
        ModelError: if the arguments are something else.

    Examples:
        >>> from regmdp.applications import routes
        >>> network = routes.RoadNetwork(
        ...     start=[0, 1, 0], end=[1, 2, 2], attributes={"length": [1.0, 1.0, 3.0]}
        ... )
        >>> features = routes.LinkFeatures(
        ...     network, {"length": routes.link_attribute(network, "length")}
        ... )
        >>> trips = routes.Trips.from_sequences(network, [[0, 1], [0, 1], [0, 1], [2]])
        >>> round(
        ...     routes.estimate(features, trips).parameters["length"], 4
        ... )  # three to one against one more unit of length
        -1.0986

    Reference:
        Fosgerau, Frejinger and Karlström 2013, Transportation Research Part B 56, section 4.
    """
    begin = time.perf_counter()
    require_same_network("the features and the trips", features.network, trips.network)
    require_independent(features.matrix, features.names, "for every pair of consecutive links")
    first = _find_start(features, scale) if start is None else np.atleast_1d(np.array(start))
    search = Search(_NegativeLogLikelihood(features, trips, scale), callback, started=begin)

    def minimize() -> tuple[Float[np.ndarray, " K"], Status | None]:
        search.evaluate(first)  # the value must be finite there
        tolerance = 1e-8 * float(np.sqrt(len(trips)))
        point, status = search.minimize(first, "trust-exact", tolerance, MAX_ITERATIONS)
        return search.polish(point, goal=TARGET_DECREMENT, max_steps=MAX_NEWTON_STEPS), status

    found = search.run(minimize)
    status, message = found.status or Status.STALLED, ""
    if status in (Status.STOPPED, Status.INTERRUPTED):
        message = f"{status.word}: these are the best parameters that were tried, not estimates"
    else:
        distance = search.newton_step(found.point).decrement
        status = Status.CONVERGED if distance <= CONVERGED_DECREMENT else status
        word = "converged" if status.ok else "not converged"
        message = f"{word}: {distance:.1e} standard errors from the maximum"
    return RouteEstimates(
        found.evaluation,
        trips,
        status,
        message,
        search.n_evaluations,
        search.n_infeasible,
        time.perf_counter() - begin,
    )


def _find_start(features: LinkFeatures, scale: float) -> Float[np.ndarray, " K"]:
    """Return parameters that cost the same for each feature, in units of its mean.

    They are large enough for the value to be finite.
    """
    matrix = features.matrix
    n_entries = np.asarray((matrix != 0).sum(axis=0)).ravel()
    size = np.asarray(abs(matrix).sum(axis=0)).ravel() / np.maximum(n_entries, 1)
    sign = np.sign(np.asarray(matrix.sum(axis=0)).ravel())
    unit = np.where(size > 0, -sign / np.where(size > 0, size, 1.0), 0.0) * scale
    for doubling in range(MAX_DOUBLINGS):
        try:
            RecursiveLogit(features, 2.0**doubling * unit, scale).values([0])
        except UnboundedError:
            continue
        except ModelError:
            break
        return 2.0**doubling * unit
    raise SampleError(
        "no parameters with a finite value were found to start from; give some, start=…"
    )


@dataclass(frozen=True, eq=False)
class _NegativeLogLikelihood(Objective[RecursiveLogit]):
    """Minus the log-likelihood of the trips."""

    features: LinkFeatures
    trips: Trips
    scale: float

    def evaluate(
        self, point: Float[np.ndarray, " K"], previous: RecursiveLogit | None
    ) -> RecursiveLogit:
        return RecursiveLogit(self.features, point, self.scale)

    def value(self, evaluation: RecursiveLogit) -> float:
        return -log_likelihood(evaluation, self.trips)

    def gradient(self, evaluation: RecursiveLogit) -> Float[np.ndarray, " K"]:
        return -log_likelihood_gradient(evaluation, self.trips)

    def hessian(self, evaluation: RecursiveLogit) -> Float[np.ndarray, "K K"]:
        return information_and_scores(evaluation, self.trips)[0]

    def measures(self, evaluation: RecursiveLogit, value: float) -> dict[str, float]:
        return {"log_likelihood": -value}
