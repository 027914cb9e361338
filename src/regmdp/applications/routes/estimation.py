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
from regmdp._internal.events import CallbackLike
from regmdp._internal.status import Status
from regmdp.applications._coefficient_table import coefficient_table, inverse_information
from regmdp.applications._minimization import Objective, Search
from regmdp.applications.routes.features import LinkFeatures
from regmdp.applications.routes.likelihood import log_likelihood, log_likelihood_gradient
from regmdp.applications.routes.recursive_logit import RecursiveLogit
from regmdp.applications.routes.trips import Trips

__all__ = ["RouteEstimates", "estimate"]

#: Newton's decrement, in standard errors, at which a search ends, and below which it has converged.
TARGET_DECREMENT, CONVERGED_DECREMENT = 1e-8, 1e-4
MAX_ITERATIONS, MAX_NEWTON_STEPS = 200, 10
#: How often the first guess may be doubled until values are finite.
DOUBLINGS = 40


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
        infeasible: How many of these had an infinite value.
        seconds: Time that it took.
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
                    f"{self.message}; {self.iterations} tried, {self.infeasible} infeasible, "
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
    features: LinkFeatures,
    trips: Trips,
    *,
    start: ArrayLike | None = None,
    scale: float = 1.0,
    callback: CallbackLike = None,
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
        callback: Called with an :class:`~regmdp.Event` at each set of parameters with a finite
            value; returning False stops the search. The ``measures`` are ``log_likelihood`` and
            ``gradient``, the norm of its gradient; the ``state`` is the model.

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
    begin = time.perf_counter()
    if trips.network is not features.network:
        raise ModelError("the features and the trips are of different networks; build both on one")
    first = (
        _first(features, scale)
        if start is None
        else np.atleast_1d(np.array(start, dtype=np.float64))
    )
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
