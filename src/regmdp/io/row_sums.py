"""Checks that rows of probabilities in text files sum to 1, and their normalisation on request."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.sparse as sp

from regmdp._internal.errors import FormatError
from regmdp.mdp.validation import MASS_TOLERANCE, NORMALIZE_TOLERANCE, find_factors

__all__ = ["check_row_sums", "normalize_rows"]


def check_row_sums(
    rows: sp.csr_array, normalize: bool, error: Callable[[int, str], FormatError]
) -> sp.csr_array:
    """Return (K, S) rows, after checking that they sum to 1, or dividing them by their sums.

    Args:
        rows: Probabilities.
        normalize: Whether rows that nearly sum to 1 are divided by their sums.
        error: Makes the error about a row, from its index and a text that follows its name.
    """
    sums = np.asarray(rows.sum(axis=1)).ravel()
    off = np.abs(sums - 1.0)
    tolerance = NORMALIZE_TOLERANCE if normalize else MASS_TOLERANCE
    bad = off > tolerance
    if bad.any():
        row = int(np.argmax(bad))
        hint = ""
        if not normalize and off.max() <= NORMALIZE_TOLERANCE:
            hint = "; if the numbers have few digits, read the file with normalize=True or "
            hint += "--normalize"
        raise error(
            row,
            f"sum to {sums[row]:.12g}, not to 1 within {tolerance:g}; {np.count_nonzero(bad)} of "
            f"{bad.size} rows are off{hint}",
        )
    return normalize_rows(rows) if normalize else rows


def normalize_rows(rows: sp.csr_array) -> sp.csr_array:
    """Return (K, S) rows, those that nearly sum to 1 divided by their sums."""
    factors = find_factors(np.asarray(rows.sum(axis=1)).ravel())
    return sp.csr_array(rows.multiply(factors[:, None]))
