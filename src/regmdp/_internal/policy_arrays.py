"""Policies in files: (S, A) arrays, dense or sparse."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import scipy

from regmdp._internal.array_files import take_array
from regmdp._internal.sparse import as_csr

__all__ = ["pack_policy", "take_policy"]

#: Arrays of a sparse policy, behind its name.
SPARSE = ("data", "indices", "indptr", "shape")


def pack_policy(name: str, policy: np.ndarray) -> dict[str, np.ndarray]:
    """Return the arrays by name that hold an (S, A) policy: one, or four of a sparse policy."""
    if not scipy.sparse.issparse(policy):
        return {name: policy}
    rows = scipy.sparse.csr_array(policy)
    parts = rows.data, rows.indices, rows.indptr, np.array(rows.shape)
    return {f"{name}_{part}": array for part, array in zip(SPARSE, parts, strict=True)}


def take_policy(arrays: Mapping[str, np.ndarray], name: str) -> np.ndarray | scipy.sparse.csr_array:
    """Return the (S, A) policy that :func:`pack_policy` took apart.

    Raises:
        KeyError: if there is none.
        ModelError: if the arrays of a sparse one contradict each other.
        ValueError: if an array has another shape or type.
    """
    if f"{name}_data" not in arrays:
        return take_array(arrays, name, (None, None))
    data = take_array(arrays, f"{name}_data", (None,))
    indices, indptr = (take_array(arrays, f"{name}_{part}", (None,), "iu") for part in SPARSE[1:3])
    shape = tuple(int(size) for size in take_array(arrays, f"{name}_shape", (2,), "iu"))
    rows = scipy.sparse.csr_array(shape)
    rows.data, rows.indices, rows.indptr = data, indices, indptr
    checked = as_csr(name, rows)
    for part in (checked.data, checked.indices, checked.indptr):
        part.flags.writeable = False
    return checked
