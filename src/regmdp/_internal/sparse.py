"""Checks of SciPy's sparse arrays before compiled code reads them.

SciPy trusts the index arrays of a sparse array: compiled code that reads a wrong one leaves the
memory of the process. Every sparse array of a user or of a file goes through :func:`as_csr`.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import scipy

from regmdp._internal.arrays import Int
from regmdp._internal.errors import ModelError, RegmdpError

__all__ = ["as_csr", "check_indices", "check_pointers"]


def as_csr(
    name: str, matrix: Any, *, error: type[RegmdpError] = ModelError
) -> scipy.sparse.csr_array:
    """Return a sparse array of any of SciPy's formats as CSR, its structure checked.

    Entries that are stored twice are summed, as SciPy does. Neither the argument nor its arrays
    are written to.

    Args:
        name: What the messages call it.
        matrix: (n, m) sparse array or matrix of real numbers. All axes but the last of an array
            with more dimensions are joined: (S, A, S) becomes (S·A, S).
        error: Class of the exception.

    Returns:
        (n, m) of doubles; the indices of each row ascend, without duplicates.

    Raises:
        RegmdpError: of the class ``error``, if it has one dimension, its entries are not real
            numbers, or its index arrays contradict each other or its shape.

    Examples:
        >>> matrix = scipy.sparse.csr_array((2, 2))
        >>> matrix.data, matrix.indices, matrix.indptr = (
        ...     np.ones(2),
        ...     np.arange(2),
        ...     np.array([0, 5, 2]),
        ... )
        >>> as_csr("transitions", matrix)
        Traceback (most recent call last):
        regmdp.ModelError: transitions: indptr[1] is 5, but 2 entries are stored; indptr must ...
    """
    try:
        _require_numbers(name, matrix)
        if matrix.format in ("csr", "csc", "bsr"):
            rows = _rebuild_compressed(name, matrix)
        elif matrix.format == "coo":
            rows = _flatten(_rebuild_coordinates(name, matrix)).tocsr()
        elif matrix.format == "dia":
            rows = _rebuild_coordinates(name, _list_diagonals(name, matrix)).tocsr()
        elif matrix.format == "lil":
            rows = _rebuild_coordinates(name, _list_rows(name, matrix)).tocsr()
        else:
            rows = _flatten(_rebuild_coordinates(name, matrix.tocoo())).tocsr()
    except ModelError as problem:
        raise error(str(problem)) from None
    except (AttributeError, TypeError, ValueError, IndexError, OverflowError) as problem:
        raise error(f"{name}: the sparse array is inconsistent: {problem}") from problem
    # made anew, so that flags of the caller's array play no part
    rows = scipy.sparse.csr_array((rows.data, rows.indices, rows.indptr), shape=rows.shape)
    if not rows.has_canonical_format:
        rows = rows.copy()
        rows.sum_duplicates()
    return rows


def check_pointers(
    name: str, pointers: np.ndarray, n_rows: int, n_entries: int
) -> Int[np.ndarray, " n"]:
    """Return ``indptr`` of a compressed array, checked against the numbers of rows and entries.

    Raises:
        ModelError: if it does not ascend from 0 to at most the number of entries.
    """
    pointers = _require_indices(f"{name}: indptr", pointers)
    if pointers.size != n_rows + 1:
        raise ModelError(
            f"{name}: indptr has {pointers.size} numbers, but {n_rows} rows need {n_rows + 1}"
        )
    bad = (pointers < 0) | (pointers > n_entries)
    bad[0] |= pointers[0] != 0
    bad[1:] |= pointers[1:] < pointers[:-1]
    if bad.any():
        first = int(np.argmax(bad))
        raise ModelError(
            f"{name}: indptr[{first}] is {int(pointers[first])}, but {n_entries} entries are "
            f"stored; indptr must ascend from 0; {int(np.count_nonzero(bad))} of {pointers.size} "
            "are wrong"
        )
    return pointers


def _require_numbers(name: str, matrix: Any) -> None:
    """Check that a sparse array has two or more dimensions and holds real numbers."""
    if len(matrix.shape) < 2:
        raise ModelError(f"{name}: a sparse array must have 2 dimensions, not {len(matrix.shape)}")
    if matrix.dtype.kind not in "iuf":
        raise ModelError(
            f"{name} must be real numbers, not {matrix.dtype}; convert the sparse array with "
            "astype(float) if that is what its entries mean"
        )


def _rebuild_compressed(name: str, matrix: Any) -> Any:
    """Return a CSR, CSC or BSR array as CSR, after checking its three arrays."""
    shape = matrix.shape
    block_shape = (1, 1)
    entries = np.asarray(matrix.data)
    if matrix.format == "bsr":
        if entries.ndim != 3 or 0 in entries.shape[1:]:
            raise ModelError(f"{name}: the blocks have shape {entries.shape}, not (n, R, C)")
        block_shape = entries.shape[1:]
        if shape[0] % block_shape[0] or shape[1] % block_shape[1]:
            raise ModelError(f"{name}: blocks of shape {block_shape} do not fit into {shape}")
    elif entries.ndim != 1:
        raise ModelError(f"{name}: the stored entries must be 1-D, not {entries.ndim}-D")
    across = (shape[0] // block_shape[0], shape[1] // block_shape[1])
    n_major, n_minor = across[::-1] if matrix.format == "csc" else across
    pointers = np.asarray(matrix.indptr)
    indices = _require_indices(f"{name}: indices", matrix.indices)
    pointers = check_pointers(name, pointers, n_major, min(indices.size, entries.shape[0]))
    n_stored = int(pointers[-1])
    indices, entries = indices[:n_stored], entries[:n_stored]
    check_indices(name, indices, n_minor)
    kind = {
        "csr": scipy.sparse.csr_array,
        "csc": scipy.sparse.csc_array,
        "bsr": scipy.sparse.bsr_array,
    }[matrix.format]
    parts = (entries.astype(np.float64, copy=False), *_as_index_type(indices, pointers))
    return kind(parts, shape=shape).tocsr()


def _rebuild_coordinates(name: str, matrix: Any) -> Any:
    """Return a COO array, after checking its coordinates."""
    entries = np.asarray(matrix.data)
    coordinates = [_require_indices(f"{name}: coordinates", axis) for axis in matrix.coords]
    for axis, limit in zip(coordinates, matrix.shape, strict=True):
        if axis.shape != entries.shape:
            raise ModelError(
                f"{name}: there are {entries.size} entries, but {axis.size} coordinates"
            )
        check_indices(name, axis, limit)
    parts = (entries.astype(np.float64, copy=False), tuple(_as_index_type(*coordinates)))
    return scipy.sparse.coo_array(parts, shape=matrix.shape)


def _flatten(matrix: Any) -> Any:
    """Return a checked COO array with all axes but the last joined."""
    return matrix if matrix.ndim == 2 else matrix.reshape(-1, matrix.shape[-1])


def _list_diagonals(name: str, matrix: Any) -> Any:
    """Return a DIA array as COO, after checking its diagonals."""
    offsets = _require_indices(f"{name}: offsets", matrix.offsets).astype(np.int64)
    entries = np.asarray(matrix.data)
    if entries.ndim != 2 or entries.shape[0] != offsets.size:
        raise ModelError(
            f"{name}: there are {offsets.size} diagonals, but their entries have shape "
            f"{entries.shape}"
        )
    entries = entries[:, : matrix.shape[1]]
    columns = np.broadcast_to(np.arange(entries.shape[1]), entries.shape)
    rows = columns - offsets[:, None]
    inside = (rows >= 0) & (rows < matrix.shape[0])
    parts = (entries[inside], (rows[inside], columns[inside]))
    return scipy.sparse.coo_array(parts, shape=matrix.shape)


def _list_rows(name: str, matrix: Any) -> Any:
    """Return a LIL array as COO, after checking that its lists have equal lengths."""
    columns, entries = list(matrix.rows), list(matrix.data)
    lengths = [len(row) for row in columns]
    if len(columns) != matrix.shape[0] or lengths != [len(row) for row in entries]:
        raise ModelError(f"{name}: the lists of columns and of entries have different lengths")
    rows = np.repeat(np.arange(len(columns)), lengths)
    column = np.array([operator.index(index) for row in columns for index in row], dtype=np.int64)
    entry = np.array([number for row in entries for number in row], dtype=np.float64)
    check_indices(name, column, matrix.shape[1])
    return scipy.sparse.coo_array((entry, (rows, column)), shape=matrix.shape)


def _require_indices(name: str, indices: Any) -> np.ndarray:
    """Return a 1-D array of integers."""
    array = np.asarray(indices)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise ModelError(
            f"{name} must be a 1-D array of integers, not {array.ndim}-D {array.dtype}"
        )
    return array


def check_indices(name: str, indices: np.ndarray, limit: int) -> None:
    """Check that indices run from 0 to ``limit - 1``.

    Raises:
        ModelError: if one does not; the message says which, and how many.
    """
    if indices.size == 0 or (indices.min() >= 0 and indices.max() < limit):
        return
    bad = (indices < 0) | (indices >= limit)
    first = int(np.argmax(bad))
    raise ModelError(
        f"{name}: stored index {first} is {int(indices[first])}, but indices run from 0 to "
        f"{limit - 1}; {int(np.count_nonzero(bad))} of {indices.size} are out of range"
    )


def _as_index_type(*indices: np.ndarray) -> list[np.ndarray]:
    """Return checked indices in a type that SciPy's compiled code takes: all in one."""
    kind = np.int32 if all(array.dtype == np.int32 for array in indices) else np.int64
    return [array.astype(kind, copy=False) for array in indices]
