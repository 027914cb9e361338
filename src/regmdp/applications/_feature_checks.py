"""Features that no data can tell apart: zeros, and linear combinations of others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp

from regmdp._internal.arrays import Float
from regmdp._internal.errors import RegmdpError, SampleError

__all__ = ["require_effect", "require_independent"]

#: Smallest eigenvalue, relative to the number of columns, of the matrix of the columns' cosines
#: that counts as positive; smaller ones are rounding.
MIN_EIGENVALUE = 1e-13
#: Smallest part of a column in a combination for which the column is named.
MIN_WEIGHT = 1e-3


def require_effect(
    matrix: Any,
    names: Sequence[str],
    where: str,
    advice: str = "leave it out",
    *,
    error: type[RegmdpError] = SampleError,
) -> None:
    """Check that no feature is 0 everywhere.

    Args:
        matrix: (n, K) features, an array or a sparse array.
        names: K names.
        where: Where the features are 0, at the end of a sentence.
        advice: What to do about it.
        error: Class of the exception.

    Raises:
        RegmdpError: naming the first that is.

    Examples:
        >>> require_effect(np.array([[1.0, 0.0]]), ["cost", "toll"], "for every link")
        Traceback (most recent call last):
        regmdp.SampleError: the feature 'toll' is 0 for every link, so no data determine ... it out
    """
    zero = np.flatnonzero(_find_largest(matrix) == 0.0)
    if zero.size:
        more = f" ({zero.size} of {len(names)} features are)" if zero.size > 1 else ""
        raise error(
            f"the feature {names[zero[0]]!r} is 0 {where}{more}, so no data determine its "
            f"parameter; {advice}"
        )


def require_independent(
    matrix: Any, names: Sequence[str], where: str, *, error: type[RegmdpError] = SampleError
) -> None:
    """Check that no feature is 0 everywhere, or a linear combination of others.

    Args:
        matrix: (n, K) features, an array or a sparse array.
        names: K names.
        where: Where the features are 0 or combine, at the end of a sentence.
        error: Class of the exception.

    Raises:
        RegmdpError: naming the first that is 0, or those that combine to 0.

    Examples:
        >>> x = np.array([[1.0, 2.0], [3.0, 6.0]])
        >>> require_independent(x, ["metres", "feet"], "for every link")
        Traceback (most recent call last):
        regmdp.SampleError: the features 'metres' and 'feet' are linearly dependent for every ...
    """
    require_effect(matrix, names, where, error=error)
    if not len(names):
        return
    # columns of size 1, so that nothing overflows
    scale = _find_largest(matrix)
    scaled = matrix @ sp.diags_array(1.0 / scale) if sp.issparse(matrix) else matrix / scale
    gram = scaled.T @ scaled
    gram = np.asarray(gram.toarray() if sp.issparse(gram) else gram)
    length = np.sqrt(np.diag(gram))
    values, vectors = np.linalg.eigh(gram / np.outer(length, length))
    if values[0] >= MIN_EIGENVALUE * len(names):
        return
    part = np.abs(vectors[:, 0])
    combined = [repr(name) for name, weight in zip(names, part, strict=True) if weight > MIN_WEIGHT]
    listed = " and ".join(filter(None, [", ".join(combined[:-1]), combined[-1]]))
    raise error(
        f"the features {listed} are linearly dependent {where}, so no data determine their "
        "parameters separately; leave one of them out"
    )


def _find_largest(matrix: Any) -> Float[np.ndarray, " K"]:
    """Return the largest absolute value of each column."""
    if not min(matrix.shape):
        return np.zeros(matrix.shape[1])
    largest = abs(matrix).max(axis=0)
    return np.asarray(largest.toarray() if sp.issparse(largest) else largest).reshape(-1)
