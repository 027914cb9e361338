r"""The linear equations of the recursive logit, solved for all destinations together.

With w = v / μ and M = exp(w), z = exp(V / μ) solves z = M z + b, where b is 1 at the links that end
at the destination. M does not depend on the destination, so one factorization of I - M serves all
of them, unless the smallest and the largest component of a z are further apart than doubles reach.
Such destinations are solved in other units: with potentials φ, M' = exp(w + φ_a - φ_k) and
z' = z exp(-φ), where φ is the value of the best route to one of them. Solutions within range are
kept, and the others are solved with the potentials of the next destination.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from scipy.sparse import csgraph

from regmdp._internal.arrays import Bool, Float, Int
from regmdp._internal.errors import SolverError
from regmdp.applications.routes.factorization import (
    ScaledFactorization,
    factorize_rescaled,
    log_radius,
)
from regmdp.applications.routes.network import RoadNetwork

__all__ = ["DestinationBlock", "segment_logsumexp", "solve_destinations"]

#: Largest logarithm of a right-hand side: 1e100 leaves 1e-200 below and 1e200 above it.
MAX_LOG_RIGHT_SIDE = 100.0 * np.log(10.0)
#: Smallest component of a z that is kept; what underflowed is negligible beside it.
MIN_COMPONENT = 1e-200
#: Largest ratio of two components of a z that is kept: z and 1 / z are then both finite.
MAX_RATIO = 1e280
#: Largest residual of an equation, relative to its component of z, of a z that is kept.
MAX_RESIDUAL = 1e-9
#: Numbers of sweeps that improve potentials, tried in turn while a z is out of range.
POTENTIAL_SWEEPS = (0, 200, 2_000, 20_000)


class DestinationBlock(NamedTuple):
    """Destinations that were solved with one factorization.

    Attributes:
        factor: The factorization.
        columns: (m,) their indices among the destinations asked for.
        z: (L, m) in the units of the factorization, and each column in one more of its own; 0 where
            the destination cannot be reached.
        shift: (m,) log z of the problem is log(z) + potential + shift.
    """

    factor: ScaledFactorization
    columns: Int[np.ndarray, " m"]
    z: Float[np.ndarray, "L m"]
    shift: Float[np.ndarray, " m"]

    @property
    def log_z(self) -> Float[np.ndarray, "L m"]:
        """(L, m) V / μ; -∞ where the destination cannot be reached."""
        with np.errstate(divide="ignore"):
            return np.log(self.z) + self.factor.potential[:, None] + self.shift

    @property
    def inverse(self) -> Float[np.ndarray, "L m"]:
        """(L, m) 1 / z, and 0 where the destination cannot be reached."""
        return np.divide(1.0, self.z, out=np.zeros_like(self.z), where=self.z > 0)


def segment_logsumexp(
    values: Float[np.ndarray, "P *rest"], starts: Int[np.ndarray, " n1"]
) -> Float[np.ndarray, "n *rest"]:
    """Return the log-sum-exp of the rows starts[i] … starts[i + 1] - 1; -∞ where there are none.

    >>> segment_logsumexp(np.log([1.0, 2.0, 4.0]), np.array([0, 2, 2, 3])).round(6)
    array([1.098612,     -inf, 1.386294])
    """
    result = np.full((starts.size - 1, *values.shape[1:]), -np.inf)
    some = starts[1:] > starts[:-1]
    if some.any():
        first = starts[:-1][some]
        largest = np.maximum.reduceat(values, first, axis=0)
        largest = np.where(np.isfinite(largest), largest, 0.0)
        scaled = np.exp(values - np.repeat(largest, (starts[1:] - starts[:-1])[some], axis=0))
        with np.errstate(divide="ignore"):
            result[some] = np.log(np.add.reduceat(scaled, first, axis=0)) + largest
    return result


def solve_destinations(
    network: RoadNetwork,
    w: Float[np.ndarray, " P"],
    destinations: Int[np.ndarray, " D"],
    common: tuple[ScaledFactorization, Float[np.ndarray, " L"]],
) -> list[DestinationBlock]:
    """Solve for all destinations: in common units, or in their own where those are out of range.

    Args:
        network: The network.
        w: (P,) utilities over the scale.
        destinations: (D,) nodes.
        common: The result of :func:`factorize_feasible`.

    Returns:
        Blocks whose columns are all the destinations, each once.

    Raises:
        SolverError: if a destination cannot be solved accurately in double precision.
    """
    factor, certificate = common
    arrives = network.end[:, None] == destinations
    reached = network.links_reaching(destinations)
    pending = np.arange(destinations.size)
    in_range, block = _solve_in_units(factor, arrives, reached, pending)
    blocks = [block]
    pending = pending[~in_range]
    while pending.size:
        potential = _best_route_values(network, w, certificate, arrives[:, pending[0]])
        for sweeps in POTENTIAL_SWEEPS:
            potential = _improve_potential(network, w, arrives[:, pending[0]], potential, sweeps)
            factor = factorize_rescaled(network, w, potential)
            in_range, block = _solve_in_units(
                factor, arrives[:, pending], reached[:, pending], pending
            )
            if in_range[0]:
                break
        else:
            raise SolverError(
                f"the values of destination {network.node_names[destinations[pending[0]]]} are not "
                "accurate in double precision: the spectral radius of M is "
                f"{log_radius(network, w)}, too close to 1; make the utilities more negative or "
                "the scale smaller"
            )
        blocks.append(block)
        pending = pending[~in_range]
    return [block for block in blocks if block.columns.size]


def _solve_in_units(
    factor: ScaledFactorization,
    arrives: Bool[np.ndarray, "L m"],
    reached: Bool[np.ndarray, "L m"],
    pending: Int[np.ndarray, " m"],
) -> tuple[Bool[np.ndarray, " m"], DestinationBlock]:
    """Solve in the units of a factorization; return which columns are in range, and their block."""
    potential = factor.potential[:, None]
    lowest = np.where(arrives, potential, np.inf).min(axis=0, initial=np.inf)
    lowest = np.where(np.isfinite(lowest), lowest, 0.0)  # no link ends there: nothing is reached
    exponent = np.minimum(MAX_LOG_RIGHT_SIDE + lowest - potential, MAX_LOG_RIGHT_SIDE)
    right = np.where(arrives, np.exp(exponent), 0.0)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        z = np.where(reached, factor.solve(right), 0.0)
        residual = np.abs(z - factor.weights @ z - right)
        accurate = (z >= MIN_COMPONENT) & np.isfinite(z) & (residual <= MAX_RESIDUAL * z)
        low, high = np.where(reached, z, np.inf).min(axis=0), z.max(axis=0)
        close = (high <= low * MAX_RATIO) | ~reached.any(axis=0)
        in_range = (accurate | ~reached).all(axis=0) & close
    z, lowest, low, high = z[:, in_range], lowest[in_range], low[in_range], high[in_range]
    some = high > 0  # or no link leads there
    middle = np.where(some, np.sqrt(np.where(some, low, 1.0)) * np.sqrt(high), 1.0)
    shift = np.log(middle) - MAX_LOG_RIGHT_SIDE - lowest
    return in_range, DestinationBlock(factor, pending[in_range], z / middle, shift)


def _best_route_values(
    network: RoadNetwork,
    w: Float[np.ndarray, " P"],
    certificate: Float[np.ndarray, " L"],
    arrives: Bool[np.ndarray, " L"],
) -> Float[np.ndarray, " L"]:
    """Return the value of the best route from each link, over the scale.

    Links from which no route leads to the destination get the least of the others. The certificate
    ξ = log x makes every cost -(w + ξ_a - ξ_k) positive, so Dijkstra's algorithm applies whatever
    the signs of w.
    """
    n, n_links = network.n_link_pairs, network.n_links
    before, after = network.pair_state[:n], network.pair_link[:n]
    cost = np.maximum(certificate[before] - certificate[after] - w[:n], 0.0)
    ends = np.flatnonzero(arrives)
    # the graph algorithms of older SciPy take no longer numbers
    tail = np.concatenate((after, np.full(ends.size, n_links))).astype(np.int32)
    head = np.concatenate((before, ends)).astype(np.int32)
    reversed_graph = sp.csr_array(
        (np.concatenate((cost, certificate[ends])), (tail, head)), shape=(n_links + 1, n_links + 1)
    )
    value = certificate - csgraph.dijkstra(reversed_graph, indices=n_links)[:n_links]
    return np.where(np.isfinite(value), value, value[np.isfinite(value)].min(initial=0.0))


def _improve_potential(
    network: RoadNetwork,
    w: Float[np.ndarray, " P"],
    arrives: Bool[np.ndarray, " L"],
    potential: Float[np.ndarray, " L"],
    sweeps: int,
) -> Float[np.ndarray, " L"]:
    """Return potentials that are closer to V / μ, by sweeps of the logarithmic equation."""
    n, n_links = network.n_link_pairs, network.n_links
    after, starts = network.pair_link[:n], network.pair_start[: n_links + 1]
    arrival = np.where(arrives, 0.0, -np.inf)
    for _ in range(sweeps):
        next_value = segment_logsumexp(w[:n] + potential[after], starts)
        potential = np.maximum(potential, np.logaddexp(next_value, arrival))
    return potential
