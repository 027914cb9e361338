"""The spectral radius of a nonnegative matrix, between two rigorous bounds.

For a nonnegative matrix M and any x ≥ 0, x ≠ 0, with Mx ≥ c x, the spectral radius is at least c;
for x > 0 with Mx ≤ c x it is at most c (Collatz and Wielandt). The vectors come from Noda's inverse
iteration, which keeps them positive and converges quadratically.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
import scipy.sparse as sp
from scipy.sparse import csgraph
from scipy.sparse.linalg import splu

from regmdp._internal.arrays import UNIT_ROUNDOFF, Float
from regmdp._internal.sparse import as_csr

__all__ = ["LogRadiusBounds", "SparseFactors", "factorize", "spectral_radius"]

#: Smallest component of an eigenvector that lower bounds use; smaller ones may have underflowed.
MIN_COMPONENT = 1e-200
#: Relative distance of the two bounds at which the iteration ends, if rounding allows.
TOLERANCE = 1e-12
#: Most iterations on one irreducible part.
MAX_ITERATIONS = 60


class LogRadiusBounds(NamedTuple):
    """Bounds on the logarithm of a spectral radius, rounding included."""

    lower: float
    upper: float

    def __str__(self) -> str:
        low, high = np.exp(min(self.lower, 700.0)), np.exp(min(self.upper, 700.0))
        return f"between {low:.9g} and {high:.9g}"


@runtime_checkable
class SparseFactors(Protocol):
    """LU factors of a sparse matrix, as SciPy's SuperLU returns them."""

    def solve(self, rhs: np.ndarray, trans: str = "N") -> np.ndarray:
        """Return the solution for right-hand sides; of the transposed system for "T"."""
        ...


def factorize(matrix: sp.csr_array, diagonal: float = 1.0) -> SparseFactors:
    """Return SuperLU's factors of diagonal · I - matrix, with pivots on the diagonal.

    If matrix ≥ 0 and its spectral radius is below the diagonal, elimination without row exchanges
    adds numbers of one sign only, except for the pivots. Solutions with right-hand sides ≥ 0 are
    therefore accurate in every component, however small.
    """
    identity = sp.eye_array(matrix.shape[0], format="csr")
    system = sp.csc_array(diagonal * identity - matrix)
    system.indices, system.indptr = system.indices.astype(np.int32), system.indptr.astype(np.int32)
    return splu(system, permc_spec="MMD_ATA", diag_pivot_thresh=0.0)


def spectral_radius(matrix: sp.csr_array, log_scale: float = 0.0) -> LogRadiusBounds:
    """Bound the logarithm of the spectral radius of exp(log_scale) · matrix.

    Args:
        matrix: (n, n) nonnegative, of entries up to about 1.
        log_scale: Logarithm of a factor that need not be representable.

    Examples:
        >>> bounds = spectral_radius(sp.csr_array([[0.0, 4.0], [1.0, 0.0]]))
        >>> bool(bounds.lower <= np.log(2.0) <= bounds.upper), bounds.upper - bounds.lower < 1e-9
        (True, True)
    """
    matrix = as_csr("the matrix", matrix).copy()
    matrix.eliminate_zeros()
    lower, upper = -np.inf, -np.inf
    n_parts, part = csgraph.connected_components(matrix, directed=True, connection="strong")
    order = np.argsort(part, kind="stable")
    starts = np.searchsorted(part[order], np.arange(n_parts + 1))
    sizes = np.diff(starts)
    diagonal = matrix.diagonal()
    single = diagonal[order[starts[:-1]]][sizes == 1]
    if (single > 0).any():
        lower = upper = float(np.log(single.max()))
    for number in np.flatnonzero(sizes > 1).tolist():
        members = order[starts[number] : starts[number + 1]]
        low, high = _bound_irreducible(sp.csr_array(matrix[members][:, members]))
        lower, upper = max(lower, low), max(upper, high)
    return LogRadiusBounds(lower + log_scale, upper + log_scale)


def _bound_irreducible(matrix: sp.csr_array) -> tuple[float, float]:
    """Bound the logarithm of the spectral radius by Noda's iteration."""
    x = np.ones(matrix.shape[0])
    low, high = _collatz_wielandt(matrix, x)
    for _ in range(MAX_ITERATIONS):
        if high - low <= TOLERANCE * high:
            break
        try:
            y = factorize(matrix, high).solve(x)
        except RuntimeError:  # the upper bound is the radius, to the last bit
            break
        if not np.isfinite(y).all() or not (y > 0).any():
            break
        x = np.maximum(y / y.max(), 0.0)
        next_low, next_high = _collatz_wielandt(matrix, x)
        before, low, high = (low, high), max(low, next_low), min(high, next_high)
        if (low, high) == before:
            break
    with np.errstate(divide="ignore"):
        return float(np.log(low)), float(np.log(high))


def _collatz_wielandt(matrix: sp.csr_array, x: Float[np.ndarray, " n"]) -> tuple[float, float]:
    """Return the largest c with Mx ≥ c x and the smallest with Mx ≤ c x, rounded outwards."""
    rounding = UNIT_ROUNDOFF * (4.0 + np.diff(matrix.indptr).max())
    reliable = x > MIN_COMPONENT
    kept = np.where(reliable, x, 0.0)
    low = float(((matrix @ kept)[reliable] / x[reliable]).min())
    high = float(((matrix @ x) / x).max()) if reliable.all() else np.inf
    return low * (1.0 - rounding), high * (1.0 + rounding)
