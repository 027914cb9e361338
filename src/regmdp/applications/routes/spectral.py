"""The spectral radius of a nonnegative matrix, between two rigorous bounds.

For a nonnegative matrix M and any x ≥ 0, x ≠ 0, with Mx ≥ c x, the spectral radius is at least c;
for x > 0 with Mx ≤ c x it is at most c (Collatz and Wielandt). The vectors come from Noda's inverse
iteration, which keeps them positive and converges quadratically.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np
import scipy.sparse as sp
from scipy.sparse import csgraph
from scipy.sparse.linalg import splu

from regmdp._internal.arrays import UNIT_ROUNDOFF, Float
from regmdp._internal.bounds import require_bounds
from regmdp._internal.sparse import as_csr
from regmdp.certificates.certificate import format_bound

__all__ = ["LogRadiusBounds", "SparseFactors", "factorize", "spectral_radius"]

#: Smallest component of an eigenvector that lower bounds use; smaller ones may have underflowed.
MIN_COMPONENT = 1e-200
#: The smallest positive double.
SMALLEST = float(np.finfo(np.float64).smallest_subnormal)
#: Relative distance of the two bounds at which the iteration ends, if rounding allows.
TOLERANCE = 1e-12
#: Most iterations on one irreducible part.
MAX_ITERATIONS = 60


class LogRadiusBounds(NamedTuple):
    """Bounds on the logarithm of a spectral radius, rounding included."""

    lower: float
    upper: float

    def __str__(self) -> str:
        """Return bounds on the radius itself in nine digits, rounded outwards."""
        low = math.nextafter(math.exp(min(self.lower, 700.0)), 0.0)
        high = math.exp(self.upper) if self.upper < 700.0 else math.inf
        high = math.nextafter(high, math.inf) if self.upper > -math.inf else 0.0
        return f"between {format_bound(low, 9, -1)} and {format_bound(high, 9, 1)}"


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
    n_parts, part = csgraph.connected_components(matrix, directed=True, connection="strong")
    order = np.argsort(part, kind="stable")
    starts = np.searchsorted(part[order], np.arange(n_parts + 1))
    sizes = np.diff(starts)
    diagonal = matrix.diagonal()
    single = float(np.max(diagonal[order[starts[:-1]]][sizes == 1], initial=0.0))
    lower, upper = _bound_log(single, -1), _bound_log(single, 1)
    for number in np.flatnonzero(sizes > 1).tolist():
        members = order[starts[number] : starts[number + 1]]
        low, high = _bound_irreducible(sp.csr_array(matrix[members][:, members]))
        lower, upper = max(lower, low), max(upper, high)
    lower, upper = math.nextafter(lower + log_scale, -math.inf), upper + log_scale
    upper = upper if upper == -math.inf else math.nextafter(upper, math.inf)
    require_bounds("the logarithm of the spectral radius", lower, upper)
    return LogRadiusBounds(lower, upper)


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
    return _bound_log(low, -1), _bound_log(high, 1)


def _collatz_wielandt(matrix: sp.csr_array, x: Float[np.ndarray, " n"]) -> tuple[float, float]:
    """Return the largest c with Mx ≥ c x and the smallest with Mx ≤ c x, rounded outwards."""
    terms = float(np.diff(matrix.indptr).max())
    rounding, underflow = UNIT_ROUNDOFF * (4.0 + terms), terms * SMALLEST
    reliable = x > MIN_COMPONENT
    kept = np.where(reliable, x, 0.0)
    low = float((np.maximum((matrix @ kept)[reliable] - underflow, 0.0) / x[reliable]).min())
    high = float(((matrix @ x + underflow) / x).max()) if reliable.all() else np.inf
    return max(low * (1.0 - rounding) - SMALLEST, 0.0), high * (1.0 + rounding) + SMALLEST


def _bound_log(x: float, direction: Literal[-1, 1]) -> float:
    """Return the logarithm of a number ≥ 0, rounded down if the direction is -1, up if it is 1."""
    if x == 0.0:
        return -math.inf
    if x == math.inf:
        return math.inf
    # the logarithms of mathematical libraries are accurate to less than one unit of the last place
    outward = direction * math.inf
    return math.nextafter(math.nextafter(math.log(x), outward), outward)
