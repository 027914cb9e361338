"""SHA-256 of a model's data, equal for equal numbers however they are stored."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np
import scipy

from regmdp._internal.arrays import Bool, Float, Int

__all__ = ["RowsHash", "combine_hashes", "hash_pairs", "hash_tables"]


class RowsHash:
    """SHA-256 of the rows of a block of states, added in their order, action-major.

    Zeros are not part of a row, so dense and sparse rows with equal probabilities are equal.
    """

    def __init__(self) -> None:
        self._probabilities, self._successors, self._lengths = (hashlib.sha256() for _ in range(3))

    def add(
        self,
        probabilities: Float[np.ndarray, " n"],
        successors: Int[np.ndarray, " n"],
        lengths: Int[np.ndarray, " k"],
    ) -> None:
        """Add k rows.

        Args:
            probabilities: (n,) those of all rows, one row after the other; none is 0.
            successors: (n,) the states that they belong to, in ascending order in each row.
            lengths: (k,) the number of successors in each row.
        """
        self._probabilities.update(np.ascontiguousarray(probabilities, dtype=np.float64).data)
        # both fit into 32 bits if the model fits into a memory
        self._successors.update(np.ascontiguousarray(successors, dtype=np.int32).data)
        self._lengths.update(np.ascontiguousarray(lengths, dtype=np.int32).data)

    def digest(self) -> bytes:
        """Return the hash of the rows added so far."""
        return self._probabilities.digest() + self._successors.digest() + self._lengths.digest()


def combine_hashes(parts: Iterable[bytes]) -> str:
    """Return one SHA-256 for the hashes of the blocks of a model."""
    return hashlib.sha256(b"".join(parts)).hexdigest()


def hash_tables(
    transitions: str,
    discount: float,
    initial: Float[np.ndarray, " S"],
    rewards: Float[np.ndarray, "S A"],
    available: Bool[np.ndarray, "S A"],
    termination: Float[np.ndarray, "S A"],
    endless_value: float = 0.0,
) -> str:
    """Return the SHA-256 of a model: of its transitions' digest and of all other numbers.

    Only the numbers count: not whether a constant array is stored as one element, nor in which
    order, nor the sign of a zero.
    """
    kind = f"{transitions} {rewards.shape[0]} {rewards.shape[1]} {discount + 0.0!r}"
    if endless_value:
        kind += f" {endless_value!r}"
    digest = hashlib.sha256(kind.encode())
    digest.update(np.ascontiguousarray(initial + 0.0).data)
    _add_table(digest, "rewards", rewards)
    if not available.all():
        _add_table(digest, "available", available)
    if termination.any():
        _add_table(digest, "termination", termination)
    return digest.hexdigest()


def hash_pairs(
    shape: tuple[int, int],
    discount: float,
    initial: Float[np.ndarray, " S"],
    numbers: Iterable[np.ndarray],
    rows: scipy.sparse.csr_array,
    endless_value: float = 0.0,
) -> str:
    """Return the SHA-256 of a ragged model.

    Args:
        shape: (S, A).
        discount: γ.
        initial: (S,) distribution of the first state.
        numbers: (K,) arrays of the pairs that exist, in the order of states and actions: these two,
            rewards and termination.
        rows: (K, S) their transition probabilities, a CSR array.
        endless_value: What an episode counts that never ends.
    """
    kind = f"pairs {shape[0]} {shape[1]} {discount + 0.0!r} {endless_value!r}"
    digest = hashlib.sha256(kind.encode())
    for array in (initial, *numbers):
        digest.update(np.ascontiguousarray(array + np.zeros((), array.dtype)).data)
    parts = RowsHash()
    parts.add(rows.data, rows.indices, np.diff(rows.indptr))
    digest.update(parts.digest())
    return digest.hexdigest()


def _add_table(digest: hashlib._Hash, name: str, table: np.ndarray) -> None:
    """Add an (S, A) array and its name, one action after the other."""
    digest.update(name.encode())
    zero = np.zeros((), dtype=table.dtype)
    for action in range(table.shape[1]):
        digest.update(np.ascontiguousarray(table[:, action] + zero).data)
