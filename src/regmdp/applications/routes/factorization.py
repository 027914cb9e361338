"""The matrix M = exp(v / μ) of the recursive logit, factorized, and its spectral radius.

The value is finite if and only if the spectral radius of M is below 1, which a vector x > 0 with
Mx < x certifies.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from regmdp._internal.arrays import UNIT_ROUNDOFF, Float
from regmdp._internal.errors import ModelError, UnboundedError
from regmdp.applications.routes.network import RoadNetwork
from regmdp.applications.routes.spectral import (
    LogRadiusBounds,
    SparseFactors,
    factorize,
    spectral_radius,
)

__all__ = ["ScaledFactorization", "factorize_feasible", "factorize_rescaled", "log_radius"]

#: Exponentials of numbers below this are not computed accurately.
MIN_LOG = -700.0

#: Largest logarithm of an entry exp(w) of the matrix.
MAX_LOG_ENTRY = 300.0


class ScaledFactorization(NamedTuple):
    """I - M' factorized, where M' is M in the units of some potentials.

    Attributes:
        weights: (L, L) M', sparse.
        potential: (L,) φ.
        factors: The LU factors of I - M'.
    """

    weights: sp.csr_array
    potential: Float[np.ndarray, " L"]
    factors: SparseFactors

    def solve(self, right: Float[np.ndarray, "L m"]) -> Float[np.ndarray, "L m"]:
        """Return (I - M')⁻¹ right."""
        return self.factors.solve(right)

    def solve_transposed(self, right: Float[np.ndarray, "L m"]) -> Float[np.ndarray, "L m"]:
        """Return (I - M')⁻ᵀ right."""
        return self.factors.solve(right, "T")


def log_radius(network: RoadNetwork, w: Float[np.ndarray, " P"]) -> LogRadiusBounds:
    """Bound the logarithm of the spectral radius of M = exp(w).

    If each logarithm of an entry has an error of at most ε, so has that of the radius. ε is that of
    the quotient w = v/μ, of w - max w, and of its exponential.

    Args:
        network: The network.
        w: (P,) utilities over the scale.
    """
    inner = w[: network.n_link_pairs]
    largest = float(inner.max(initial=-np.inf))
    if not np.isfinite(largest):
        return LogRadiusBounds(-np.inf, -np.inf)
    error = UNIT_ROUNDOFF * float(np.max(np.abs(inner)) + np.max(largest - inner) + 8.0)
    relative = inner - largest
    # exponentials that underflow are 0 in the matrix of the lower bound, and larger in the other
    above = spectral_radius(_make_matrix(network, np.exp(np.maximum(relative, MIN_LOG))), largest)
    below = above
    if np.min(relative) < MIN_LOG:
        kept = np.where(relative < MIN_LOG, 0.0, np.exp(np.maximum(relative, MIN_LOG)))
        below = spectral_radius(_make_matrix(network, kept), largest)
    return LogRadiusBounds(below.lower - 2.0 * error, above.upper + 2.0 * error)


def factorize_feasible(
    network: RoadNetwork, w: Float[np.ndarray, " P"]
) -> tuple[ScaledFactorization, Float[np.ndarray, " L"]]:
    """Factorize I - M, and certify that the value is finite.

    Args:
        network: The network.
        w: (P,) utilities over the scale.

    Returns:
        The factorization, and the logarithm of an (L,) certificate: x > 0 with Mx < x.

    Raises:
        UnboundedError: if the spectral radius of M is 1 or more, or indistinguishable from 1.
        ModelError: if a utility is too large.
    """
    largest = float(w.max(initial=-np.inf))
    if not largest < MAX_LOG_ENTRY:
        pair = int(np.argmax(w))
        raise ModelError(
            f"the utility of going on along {network.describe(int(network.pair_link[pair]))} is "
            f"{largest:.6g} times the scale; utilities are costs with a minus sign, and must stay "
            f"below {MAX_LOG_ENTRY:g} times the scale"
        )
    weights = _make_matrix(network, np.exp(w[: network.n_link_pairs]))
    try:
        factors = factorize(weights)
        x = factors.solve(np.ones(network.n_links))
    except RuntimeError:  # a pivot is 0
        raise _unbounded_error(log_radius(network, w)) from None
    # each exponential has the error of its argument, and below MIN_LOG counts as that
    terms = float(np.diff(weights.indptr).max(initial=0))
    rounding = 1.0 + UNIT_ROUNDOFF * (8.0 + terms - 2.0 * MIN_LOG)
    missing = terms * math.exp(MIN_LOG) * float(np.max(x, initial=0.0))
    if not (
        (x >= 0.5).all() and np.isfinite(x).all() and (rounding * (weights @ x) + missing < x).all()
    ):
        raise _unbounded_error(log_radius(network, w))
    factorization = ScaledFactorization(weights, np.zeros(network.n_links), factors)
    return factorization, np.log(np.maximum(x, 1.0))


def factorize_rescaled(
    network: RoadNetwork, w: Float[np.ndarray, " P"], potential: Float[np.ndarray, " L"]
) -> ScaledFactorization:
    """Factorize I - M' in the units of (L,) potentials, M' = exp(w + φ_a - φ_k)."""
    n = network.n_link_pairs
    inner = w[:n] + potential[network.pair_link[:n]] - potential[network.pair_state[:n]]
    weights = _make_matrix(network, np.exp(np.minimum(inner, MAX_LOG_ENTRY)))
    return ScaledFactorization(weights, potential, factorize(weights))


def _make_matrix(network: RoadNetwork, data: Float[np.ndarray, " n"]) -> sp.csr_array:
    """Return the (L, L) matrix with these entries at the pairs that begin with a link."""
    n = network.n_link_pairs
    return sp.csr_array(
        (data, network.pair_link[:n], network.pair_start[: network.n_links + 1]),
        shape=(network.n_links, network.n_links),
    )


def _unbounded_error(radius: LogRadiusBounds) -> UnboundedError:
    reason = (
        "which is not below 1"
        if radius.lower >= 0
        else "which double precision cannot distinguish from 1"
    )
    return UnboundedError(
        f"the value is infinite: the spectral radius of M = exp(v / scale) is {radius}, {reason}, "
        "so that routes which never arrive have more value than any that arrives; make the "
        "utilities more negative or the scale smaller"
    )
