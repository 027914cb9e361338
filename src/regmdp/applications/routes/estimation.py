r"""Estimating what travellers want from the routes they took.

The log-likelihood is concave where the value is finite, and its second derivative is minus the
covariance of what a route sums up to: with u = ∂V/∂β, the surprise of a step is
\(\delta = x(a|k) + u(a) - u(k)\), and what the steps of a route add are uncorrelated.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from regmdp._internal.arrays import ArrayLike, Float, Int
from regmdp._internal.errors import ModelError, SampleError, UnboundedError
from regmdp.applications._coefficient_table import coefficient_table, inverse_information
from regmdp.applications.routes.features import LinkFeatures
from regmdp.applications.routes.likelihood import log_likelihood, log_likelihood_gradient
from regmdp.applications.routes.recursive_logit import RecursiveLogit
from regmdp.applications.routes.trips import Trips

__all__ = ["RouteEstimates", "estimate"]

#: Newton's decrement, in standard errors, at which a search ends and counts as converged.
GOAL, FOUND = 1e-8, 1e-4
MAX_ITERATIONS = 200
#: How often the first guess may be doubled until values are finite.
DOUBLINGS = 40


@dataclass(frozen=True, eq=False)
class RouteEstimates:
    """Estimated parameters of a recursive logit.

    Attributes:
        model: The model at the estimates.
        trips: The trips.
        converged: Whether the search came within a ten-thousandth of a standard error of the
            maximum.
        status: How it ended, in a sentence.
        iterations: Number of parameters that were tried.
        infeasible: How many of these had an infinite value.
        seconds: Time that it took.
    """

    model: RecursiveLogit
    trips: Trips
    converged: bool
    status: str
    iterations: int
    infeasible: int
    seconds: float

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

    def covariance(self, kind: str = "information") -> Float[np.ndarray, "K K"]:
        """Return the (K, K) covariance of the estimates.

        Args:
            kind: "information", the inverse of the information; "opg", that of the outer product of
                the scores of the trips; or "sandwich", both, which holds where trips are
                independent but the model is not quite right.

        Raises:
            SampleError: if there is no such kind, or the trips do not tell some parameter.
        """
        names = self.model.features.names
        outer = self.scores.T @ self.scores
        if kind == "information":
            return inverse_information(self.information, names)
        if kind == "opg":
            return inverse_information(outer, names)
        if kind == "sandwich":
            inverse = inverse_information(self.information, names)
            return inverse @ outer @ inverse
        raise SampleError(f"kind must be information, opg or sandwich, not {kind!r}")

    def standard_errors(self, kind: str = "information") -> dict[str, float]:
        """Return the standard errors by name: see :meth:`covariance`."""
        return dict(
            zip(
                self.model.features.names,
                np.sqrt(np.diag(self.covariance(kind))).tolist(),
                strict=True,
            )
        )

    def summary(self, kind: str = "information") -> str:
        """Return what a person wants to know, with a table of the estimates and intervals of 95 % confidence."""
        errors = self.standard_errors(kind)
        lines = [
            ("method", "recursive logit, maximum likelihood"),
            ("data", f"{len(self.trips):,} trips over {self.trips.links.size:,} links"),
            (
                "likelihood",
                (
                    f"log {self.log_likelihood:.3f}, {self.log_likelihood / len(self.trips):.4f} a "
                    "trip"
                ),
            ),
            ("radius", f"the spectral radius of exp(v / scale) is {self.model.spectral_radius()}"),
            (
                "status",
                (
                    f"{self.status}; {self.iterations} tried, {self.infeasible} infeasible, "
                    f"{self.seconds:.2f} s"
                ),
            ),
            ("std. errors", kind),
        ]
        table = coefficient_table(
            tuple(self.parameters), tuple(self.parameters.values()), tuple(errors.values())
        )
        return "\n".join([*(f"{name:<12} {text}" for name, text in lines), "", *table])

    def __repr__(self) -> str:
        shown = ", ".join(f"{name} = {value:.4f}" for name, value in self.parameters.items())
        return f"RouteEstimates({shown}; log-likelihood {self.log_likelihood:.3f})"


def estimate(
    features: LinkFeatures, trips: Trips, *, start: ArrayLike | None = None, scale: float = 1.0
) -> RouteEstimates:
    """Estimate the parameters of a recursive logit from observed routes, by maximum likelihood.

    SciPy's trust-region method searches with exact first and second derivatives. Where the value is
    infinite the likelihood is 0, so that the region shrinks and the search comes back; no penalty
    stands in for it. Ctrl-C ends it with the last parameters.

    Args:
        features: The columns of the utility.
        trips: What was observed.
        start: (K,) parameters to start from, with a finite value; by default the same cost for each
            feature, doubled until it is.
        scale: μ; only parameters over the scale can be told from routes.

    Raises:
        UnboundedError: if the value is infinite at the start.
        SampleError: if no start is found.

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
    from scipy.optimize import minimize  # slow to import

    begin = time.perf_counter()
    if trips.network is not features.network:
        raise ModelError("the features and the trips are of different networks; build both on one")
    point = (
        _first(features, scale)
        if start is None
        else np.atleast_1d(np.array(start, dtype=np.float64))
    )
    search = _Search(features, trips, scale)
    if not np.isfinite(search.value(point)):
        search.model(point).values(trips.destination[:1])  # which says why
    status = ""
    try:
        point = minimize(
            search.value, point, jac=search.gradient, hess=search.hessian, method="trust-exact",
            options={"gtol": 1e-8 * np.sqrt(len(trips)), "maxiter": MAX_ITERATIONS},
        ).x  # fmt: skip
        for _ in range(10):
            step, distance = search.newton(point)
            if distance <= GOAL or not search.newton(point - step)[1] < distance:
                break
            point = point - step
    except KeyboardInterrupt:
        point, status = (
            search.best,
            "interrupted: these are the best parameters that were tried, not estimates",
        )
    distance = search.newton(point)[1]
    converged = distance <= FOUND and not status
    status = status or (
        f"{'converged' if converged else 'not converged'}: {distance:.1e} standard errors from "
        "the maximum"
    )
    seconds = time.perf_counter() - begin
    return RouteEstimates(
        search.model(point), trips, converged, status, search.count, search.infeasible, seconds
    )


def information_and_scores(
    model: RecursiveLogit, trips: Trips
) -> tuple[Float[np.ndarray, "K K"], Float[np.ndarray, "n K"]]:
    """Return the (K, K) information of the trips and the (n, K) scores of each."""
    network, x = model.network, model.features.matrix
    n, last, k = network.n_link_pairs, network.n_links, model.features.n_features
    before, after = network.pair_state, network.pair_link
    nodes, column = np.unique(trips.destination, return_inverse=True)
    scores = np.asarray((trips.counts() @ x).toarray(), dtype=np.float64)
    information = np.zeros((k, k))
    columns = [np.asarray(x[:, [number]].toarray()).ravel() for number in range(k)]
    for block in model.blocks(nodes):
        log_z = np.concatenate((block.log_z, model.origins(block.log_z)))
        # M has its entries in the order of the pairs, which all are there
        slopes = []
        for values in columns:
            right = np.zeros_like(block.z)
            np.add.at(
                right,
                before[:n],
                (block.factor.weights.data * values[:n])[:, None] * block.z[after[:n]],
            )
            slopes.append(block.factor.solve(right) * block.inverse)
        slope = np.stack(slopes, axis=2)
        for place, which in enumerate(block.columns):
            mine = column == which
            top = log_z[:, place]
            usable = np.isfinite(top[before]) & np.isfinite(top[after])
            chosen = np.where(
                usable,
                np.exp(
                    np.where(
                        usable, model.utility / model.scale + top[after] - top[before], -np.inf
                    )
                ),
                0.0,
            )
            u = np.concatenate((slope[:, place], np.zeros((network.n_nodes, k))))
            ahead = np.stack(columns, axis=1) + u[after]
            np.add.at(u, before[n:], chosen[n:, None] * ahead[n:])
            scores[mine] -= u[last + trips.origin[mine]]
            surprise = ahead - u[before]
            flow = _flows(
                model,
                block,
                place,
                chosen,
                np.bincount(trips.origin[mine], minlength=network.n_nodes),
            )
            information += surprise.T @ (flow[:, None] * surprise)
            ends = np.flatnonzero(network.end == nodes[which])
            inflow = np.bincount(after, weights=flow, minlength=last)[ends]
            arriving = inflow * np.exp(-top[ends])
            information += u[ends].T @ (arriving[:, None] * u[ends])
    return information / model.scale**2, scores / model.scale


def _flows(
    model: RecursiveLogit,
    block: Any,
    place: int,
    chosen: Float[np.ndarray, " P"],
    leaving: Int[np.ndarray, " N"],
) -> Float[np.ndarray, " P"]:
    """Return the (P,) travellers on every pair to one destination, of those that leave each node."""
    network = model.network
    n, last = network.n_link_pairs, network.n_links
    before, after = network.pair_state, network.pair_link
    flow = np.zeros(network.n_pairs)
    flow[n:] = leaving[before[n:] - last] * chosen[n:]
    inflow = np.bincount(after[n:], weights=flow[n:], minlength=last)
    adjoint = block.factor.solve_transposed((inflow * block.inverse[:, place])[:, None])[:, 0]
    flow[:n] = block.factor.weights.data * adjoint[before[:n]] * block.z[after[:n], place]
    return flow


def _first(features: LinkFeatures, scale: float) -> Float[np.ndarray, " K"]:
    """Return the same cost for each feature, in units of its mean, large enough for values to be finite."""
    matrix = features.matrix
    size = np.asarray(abs(matrix).sum(axis=0)).ravel() / np.maximum(
        np.asarray((matrix != 0).sum(axis=0)).ravel(), 1
    )
    sign = np.sign(np.asarray(matrix.sum(axis=0)).ravel())
    unit = np.where(size > 0, -sign / np.where(size > 0, size, 1.0), 0.0) * scale
    for doubling in range(DOUBLINGS):
        try:
            RecursiveLogit(features, 2.0**doubling * unit, scale).values([0])
        except UnboundedError:
            continue
        except ModelError:
            break
        return 2.0**doubling * unit
    raise SampleError(
        "no parameters with a finite value were found to start from: say some, start=…"
    )


@dataclass(eq=False)
class _Search:
    """Minus the log-likelihood as SciPy wants it, infinite where the value is."""

    features: LinkFeatures
    trips: Trips
    scale: float
    count: int = 0
    infeasible: int = 0
    best: Any = None
    _least: float = np.inf
    _known: Any = None

    def model(self, point: Float[np.ndarray, " K"]) -> RecursiveLogit:
        """Return the model at a point, the last one if it is the same."""
        if self._known is None or not np.array_equal(point, self._known.parameters):
            self._known = RecursiveLogit(self.features, point, self.scale)
            self.count += 1
        return self._known

    def value(self, point: Float[np.ndarray, " K"]) -> float:
        """Return minus the log-likelihood."""
        try:
            found = -log_likelihood(self.model(point), self.trips)
        except UnboundedError:
            self.infeasible += 1
            return np.inf
        if found < self._least:
            self._least, self.best = found, np.array(point)
        return found

    def gradient(self, point: Float[np.ndarray, " K"]) -> Float[np.ndarray, " K"]:
        """Return its gradient; 0 at a point with an infinite value, which SciPy refuses whatever the derivatives."""
        try:
            return -log_likelihood_gradient(self.model(point), self.trips)
        except UnboundedError:
            return np.zeros_like(point)

    def hessian(self, point: Float[np.ndarray, " K"]) -> Float[np.ndarray, "K K"]:
        """Return its second derivative; that of a ball at a point with an infinite value."""
        try:
            return information_and_scores(self.model(point), self.trips)[0]
        except UnboundedError:
            return np.eye(point.size)

    def newton(self, point: Float[np.ndarray, " K"]) -> tuple[Float[np.ndarray, " K"], float]:
        """Return Newton's step, to be subtracted, and its length in standard errors."""
        if not np.isfinite(self.value(point)):
            return np.zeros_like(point), np.inf
        slope = self.gradient(point)
        step = np.linalg.pinv(self.hessian(point), rcond=1e-14, hermitian=True) @ slope
        return step, float(np.sqrt(max(slope @ step, 0.0)))
