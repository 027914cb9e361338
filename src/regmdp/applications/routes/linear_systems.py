r"""The linear equations of the recursive logit, solved for many destinations with few factorizations.

With w = v / μ and M = exp(w), z = exp(V / μ) solves z = M z + b, where b is 1 at the links that end
at the destination. M does not depend on the destination, so one factorization of I - M serves all
of them. What it cannot hold is a z whose smallest and largest component are further apart than
doubles reach. Such destinations are solved in other units: with potentials φ, M' = exp(w + φ_a -
φ_k) and z' = z exp(-φ), where φ is the value of the best route to one of them. Whatever comes out
within range is kept, and the rest tries the next destination's potentials.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from scipy.sparse import csgraph

from regmdp._internal.arrays import UNIT_ROUNDOFF, Bool, Float, Int
from regmdp._internal.errors import ModelError, SolverError, UnboundedError
from regmdp.applications.routes.network import RoadNetwork
from regmdp.applications.routes.spectral import Radius, factorize, spectral_radius

__all__ = ["Block", "Factor", "feasible", "log_radius", "segments", "solve"]

#: Right-hand sides are this at most: 1e100 leaves 1e-200 below and 1e200 above them.
LIFT = 100.0 * np.log(10.0)
#: A column is kept if its smallest component is at least this, where nothing that underflowed
#: matters,
SMALLEST = 1e-200
#: its range is at most this, so that z and 1 / z are both numbers,
RANGE = 1e280
#: and its equations hold to this, relatively, in every component.
RESIDUAL = 1e-9
#: An entry exp(w) larger than this logarithm is refused.
LARGEST = 300.0
#: Sweeps by which potentials are improved where even the best route's leave a column out of range.
SWEEPS = (0, 200, 2_000, 20_000)


class Factor(NamedTuple):
    """I - M' factorized, in the units of some potentials.

    weights: (L, L) M', sparse. potential: (L,) φ. lu: SuperLU's factors of I - M'.
    """

    weights: Any
    potential: Float[np.ndarray, " L"]
    lu: Any

    def solve(self, right: Float[np.ndarray, "L m"]) -> Float[np.ndarray, "L m"]:
        """Return (I - M')⁻¹ right."""
        return self.lu.solve(right)

    def solve_transposed(self, right: Float[np.ndarray, "L m"]) -> Float[np.ndarray, "L m"]:
        """Return (I - M')⁻ᵀ right."""
        return self.lu.solve(right, "T")


class Block(NamedTuple):
    """Destinations that were solved with one factorization.

    columns: (m,) which of the destinations asked for. z: (L, m) in the units of the factor, each
    column in one more of its own, 0 where the destination cannot be reached. shift: (m,) log z of
    the problem is log(z) + potential + shift.
    """

    factor: Factor
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


def segments(
    values: Float[np.ndarray, "P *rest"], starts: Int[np.ndarray, " n1"]
) -> Float[np.ndarray, "n *rest"]:
    """Return the log-sum-exp of each run of rows starts[i] … starts[i + 1] - 1; -∞ where a run is empty.

    >>> segments(np.log([1.0, 2.0, 4.0]), np.array([0, 2, 2, 3])).round(6)
    array([1.098612,     -inf, 1.386294])
    """
    result = np.full((starts.size - 1, *values.shape[1:]), -np.inf)
    some = starts[1:] > starts[:-1]
    if some.any():
        first = starts[:-1][some]
        top = np.maximum.reduceat(values, first, axis=0)
        top = np.where(np.isfinite(top), top, 0.0)
        below = np.exp(values - np.repeat(top, (starts[1:] - starts[:-1])[some], axis=0))
        with np.errstate(divide="ignore"):
            result[some] = np.log(np.add.reduceat(below, first, axis=0)) + top
    return result


def log_radius(network: RoadNetwork, w: Float[np.ndarray, " P"]) -> Radius:
    """Bound the logarithm of the spectral radius of M."""
    inner = w[: network.n_link_pairs]
    top = float(inner.max(initial=-np.inf))
    if not np.isfinite(top):
        return Radius(-np.inf, -np.inf)
    return spectral_radius(_matrix(network, np.exp(inner - top)), top)


def feasible(
    network: RoadNetwork, w: Float[np.ndarray, " P"]
) -> tuple[Factor, Float[np.ndarray, " L"]]:
    """Return I - M factorized and log x of a certificate: x > 0 with Mx < x, which exists if and only if the value is finite.

    Raises:
        UnboundedError: if the spectral radius of M is 1 or more, or too close to 1 to be told from
            it.
    """
    high = float(w.max(initial=-np.inf))
    if not high < LARGEST:
        pair = int(np.argmax(w))
        raise ModelError(
            f"the utility of going on along {network.describe(int(network.pair_link[pair]))} is "
            f"{high:.6g} times the scale; utilities are costs with a minus sign, and must stay "
            f"below {LARGEST:g} times the scale"
        )
    potential = np.zeros(network.n_links)
    weights = _matrix(network, np.exp(w[: network.n_link_pairs]))
    try:
        factor = Factor(weights, potential, factorize(weights))
        x = factor.lu.solve(np.ones(network.n_links))
    except RuntimeError:  # a pivot is 0
        raise _unbounded(log_radius(network, w)) from None
    rounding = 1.0 + UNIT_ROUNDOFF * (4.0 + np.diff(weights.indptr).max(initial=0))
    if (x >= 0.5).all() and np.isfinite(x).all() and (rounding * (weights @ x) < x).all():
        return factor, np.log(np.maximum(x, 1.0))
    raise _unbounded(log_radius(network, w))


def solve(
    network: RoadNetwork,
    w: Float[np.ndarray, " P"],
    destinations: Int[np.ndarray, " D"],
    common: tuple[Factor, Float[np.ndarray, " L"]],
) -> list[Block]:
    """Solve for all destinations: first in common units, then what is out of range there in those of its own.

    Args:
        network: Where.
        w: (P,) utilities over the scale.
        destinations: (D,) nodes.
        common: What :func:`feasible` returned.

    Returns:
        Blocks whose columns are all the destinations, each once.

    Raises:
        SolverError: if a destination cannot be solved accurately in double precision.
    """
    factor, certificate = common
    arrives = network.end[:, None] == destinations
    reached = network.can_reach(destinations)[network.end]
    pending = np.arange(destinations.size)
    good, block = _attempt(factor, arrives, reached, pending)
    blocks = [block]
    pending = pending[~good]
    while pending.size:
        potential = _best_route(network, w, certificate, arrives[:, pending[0]])
        for sweeps in SWEEPS:
            potential = _improved(network, w, arrives[:, pending[0]], potential, sweeps)
            factor = _rescaled(network, w, potential)
            good, block = _attempt(factor, arrives[:, pending], reached[:, pending], pending)
            if good[0]:
                break
        else:
            raise SolverError(
                f"the values of destination {network.node_names[destinations[pending[0]]]} are not "
                "accurate in double precision: the spectral radius of M is "
                f"{log_radius(network, w)}, too close to 1; make the utilities more negative or "
                "the scale smaller"
            )
        blocks.append(block)
        pending = pending[~good]
    return [block for block in blocks if block.columns.size]


def _attempt(
    factor: Factor,
    arrives: Bool[np.ndarray, "L m"],
    reached: Bool[np.ndarray, "L m"],
    pending: Int[np.ndarray, " m"],
) -> tuple[Bool[np.ndarray, " m"], Block]:
    """Solve in the units of a factor; return which columns came out whole, and the block of these."""
    potential = factor.potential[:, None]
    lowest = np.where(arrives, potential, np.inf).min(axis=0, initial=np.inf)
    lowest = np.where(np.isfinite(lowest), lowest, 0.0)  # no link ends there: nothing is reached
    right = np.where(arrives, np.exp(np.minimum(LIFT + lowest - potential, LIFT)), 0.0)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        z = np.where(reached, factor.solve(right), 0.0)
        residual = np.abs(z - factor.weights @ z - right)
        whole = (z >= SMALLEST) & np.isfinite(z) & (residual <= RESIDUAL * z)
        low, high = np.where(reached, z, np.inf).min(axis=0), z.max(axis=0)
        good = (whole | ~reached).all(axis=0) & ((high <= low * RANGE) | ~reached.any(axis=0))
    z, lowest = z[:, good], lowest[good]
    some = high[good] > 0  # or nothing leads there
    middle = np.where(some, np.sqrt(np.where(some, low[good], 1.0)) * np.sqrt(high[good]), 1.0)
    return good, Block(factor, pending[good], z / middle, np.log(middle) - LIFT - lowest)


def _matrix(network: RoadNetwork, data: Float[np.ndarray, " n"]) -> Any:
    """Return the (L, L) matrix with these entries at the pairs that begin with a link."""
    n = network.n_link_pairs
    return sp.csr_array(
        (data, network.pair_link[:n], network.pair_start[: network.n_links + 1]),
        shape=(network.n_links, network.n_links),
    )


def _rescaled(
    network: RoadNetwork, w: Float[np.ndarray, " P"], potential: Float[np.ndarray, " L"]
) -> Factor:
    n = network.n_link_pairs
    inner = w[:n] + potential[network.pair_link[:n]] - potential[network.pair_state[:n]]
    weights = _matrix(network, np.exp(np.minimum(inner, LARGEST)))
    return Factor(weights, potential, factorize(weights))


def _best_route(
    network: RoadNetwork,
    w: Float[np.ndarray, " P"],
    certificate: Float[np.ndarray, " L"],
    arrives: Bool[np.ndarray, " L"],
) -> Float[np.ndarray, " L"]:
    """Return the value of the best route from each link, over the scale; from where none leads, the least of the others.

    The certificate ξ = log x makes every cost -(w + ξ_a - ξ_k) positive, so Dijkstra's algorithm
    applies whatever the signs of w.
    """
    n, last = network.n_link_pairs, network.n_links
    before, after = network.pair_state[:n], network.pair_link[:n]
    cost = np.maximum(certificate[before] - certificate[after] - w[:n], 0.0)
    ends = np.flatnonzero(arrives)
    tail = np.concatenate((after, np.full(ends.size, last)))
    head = np.concatenate((before, ends))
    backwards = sp.csr_array(
        (np.concatenate((cost, certificate[ends])), (tail, head)), shape=(last + 1, last + 1)
    )
    value = certificate - csgraph.dijkstra(backwards, indices=last)[:last]
    return np.where(np.isfinite(value), value, value[np.isfinite(value)].min(initial=0.0))


def _improved(
    network: RoadNetwork,
    w: Float[np.ndarray, " P"],
    arrives: Bool[np.ndarray, " L"],
    potential: Float[np.ndarray, " L"],
    sweeps: int,
) -> Float[np.ndarray, " L"]:
    """Return potentials that are closer to V / μ, by sweeps of the logarithmic equation."""
    n, last = network.n_link_pairs, network.n_links
    after, starts = network.pair_link[:n], network.pair_start[: last + 1]
    leaves = np.where(arrives, 0.0, -np.inf)
    for _ in range(sweeps):
        potential = np.maximum(
            potential, np.logaddexp(segments(w[:n] + potential[after], starts), leaves)
        )
    return potential


def _unbounded(radius: Radius) -> UnboundedError:
    reason = (
        "which is not below 1" if radius.lower >= 0 else "which double precision cannot tell from 1"
    )
    return UnboundedError(
        f"the value is infinite: the spectral radius of M = exp(v / scale) is {radius}, {reason}, "
        "so that going on for ever is worth more than arriving; make the utilities more negative "
        "or the scale smaller"
    )
