"""The spectral radius of a nonnegative matrix, between two bounds that hold.

For a nonnegative matrix M and any x ≥ 0, x ≠ 0, with Mx ≥ c x, the spectral radius is at least c;
for x > 0 with Mx ≤ c x it is at most c (Collatz and Wielandt). The vectors come from Noda's inverse
iteration, which keeps them positive and converges quadratically.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from scipy.sparse import csgraph
from scipy.sparse.linalg import splu

from regmdp._internal.arrays import UNIT_ROUNDOFF, Float

__all__ = ["Radius", "factorize", "spectral_radius"]

#: Below this a component of an eigenvector may have lost what underflowed; bounds from below leave
#: it out.
HEALTHY = 1e-200
#: The two bounds are brought this close to each other, relatively, if rounding allows.
TOLERANCE = 1e-12


class Radius(NamedTuple):
    """Bounds on the logarithm of a spectral radius, rounding included."""

    lower: float
    upper: float

    def __str__(self) -> str:
        low, high = np.exp(min(self.lower, 700.0)), np.exp(min(self.upper, 700.0))
        return f"between {low:.9g} and {high:.9g}"


def factorize(matrix: sp.csr_array, diagonal: float = 1.0) -> Any:
    """Return SuperLU's factors of diagonal · I - matrix, pivots on the diagonal.

    Where matrix ≥ 0 and its spectral radius is below the diagonal, elimination without exchanging
    rows adds numbers of one sign only, but for the pivots. So solutions with right-hand sides ≥ 0
    are accurate in every component, however small.
    """
    identity = sp.eye_array(matrix.shape[0], format="csr")
    system = sp.csc_array(diagonal * identity - matrix)
    system.indices, system.indptr = system.indices.astype(np.int32), system.indptr.astype(np.int32)
    return splu(system, permc_spec="MMD_ATA", diag_pivot_thresh=0.0)


def spectral_radius(matrix: sp.csr_array, log_scale: float = 0.0) -> Radius:
    """Bound the logarithm of the spectral radius of exp(log_scale) · matrix.

    Args:
        matrix: (n, n) nonnegative, of entries up to about 1.
        log_scale: A factor that need not be representable.

    Examples:
        >>> bounds = spectral_radius(sp.csr_array([[0.0, 4.0], [1.0, 0.0]]))
        >>> bool(bounds.lower <= np.log(2.0) <= bounds.upper), bounds.upper - bounds.lower < 1e-9
        (True, True)
    """
    matrix = sp.csr_array(matrix, copy=True)
    matrix.eliminate_zeros()
    lower, upper = -np.inf, -np.inf
    n_parts, part = csgraph.connected_components(matrix, directed=True, connection="strong")
    order = np.argsort(part, kind="stable")
    bounds = np.searchsorted(part[order], np.arange(n_parts + 1))
    sizes = np.diff(bounds)
    diagonal = matrix.diagonal()
    alone = diagonal[order[bounds[:-1]]][sizes == 1]
    if (alone > 0).any():
        lower = upper = float(np.log(alone.max()))
    for number in np.flatnonzero(sizes > 1).tolist():
        members = order[bounds[number] : bounds[number + 1]]
        low, high = _irreducible(sp.csr_array(matrix[members][:, members]))
        lower, upper = max(lower, low), max(upper, high)
    return Radius(lower + log_scale, upper + log_scale)


def _irreducible(matrix: sp.csr_array) -> tuple[float, float]:
    """Bound the logarithm of the spectral radius by Noda's iteration."""
    x = np.ones(matrix.shape[0])
    low, high = _collatz_wielandt(matrix, x)
    for _ in range(60):
        if high - low <= TOLERANCE * high:
            break
        try:
            y = factorize(matrix, high).solve(x)
        except RuntimeError:  # the bound is the radius, to the last bit
            break
        if not np.isfinite(y).all() or not (y > 0).any():
            break
        x = np.maximum(y / y.max(), 0.0)
        found = _collatz_wielandt(matrix, x)
        before, low, high = (low, high), max(low, found[0]), min(high, found[1])
        if (low, high) == before:
            break
    with np.errstate(divide="ignore"):
        return float(np.log(low)), float(np.log(high))


def _collatz_wielandt(matrix: sp.csr_array, x: Float[np.ndarray, " n"]) -> tuple[float, float]:
    """Return the largest c with Mx ≥ c x and the smallest with Mx ≤ c x, less and more than which rounding cannot make them."""
    rounding = UNIT_ROUNDOFF * (4.0 + np.diff(matrix.indptr).max())
    healthy = x > HEALTHY
    kept = np.where(healthy, x, 0.0)
    low = float(((matrix @ kept)[healthy] / x[healthy]).min())
    high = float(((matrix @ x) / x).max()) if healthy.all() else np.inf
    return low * (1.0 - rounding), high * (1.0 + rounding)
