"""What the parts of a method cost: nanoseconds on a machine of reference.

The numbers are counted, not measured, so that a choice that depends on them is the same in every
run. Their constants were calibrated once, on one core of 2.6 GHz.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import scipy

from regmdp._internal.arrays import Array
from regmdp.mdp import MDP
from regmdp.mdp.policy_rows import PolicyRows
from regmdp.mdp.sparse_transitions import MixedRows
from regmdp.regularizers import Regularizer, Unregularized

__all__ = [
    "copy_work",
    "count_entries",
    "factorization_work",
    "improvement_work",
    "least_factorization_work",
    "sweep_work",
]

#: An entry of a sparse product, and one of a dense product.
SPARSE_ENTRY, DENSE_ENTRY = 1.2, 0.4
#: A state in the vector operations of a sweep, and the calls of a sweep.
SWEPT_STATE, SWEEP_CALLS = 4.0, 20e3
#: A pair in the maximum over the actions: without a regularizer, and with one.
PAIR, REGULARIZED_PAIR = 4.0, 30.0
#: An entry of the rows of a policy that are copied, a row, and the calls for a block of states.
COPIED_ENTRY, COPIED_ROW, BLOCK_CALLS = 8.0, 40.0, 200e3
#: A state and an entry of a factor of a banded matrix.
BANDED_STATE, BANDED_ENTRY = 60.0, 8.0
#: A multiplication of a dense factorization.
DENSE_MULTIPLICATION = 0.15
#: Where states lie in a plane, a factorization takes a n + b n^1.5; and calls.
PLANE_STATE, PLANE_POWER, FACTOR_CALLS = 1500.0, 15.0, 300e3
#: Successors of a state up to which that holds.
USUAL_SUCCESSORS = 5.0


def count_entries(rows: Array | PolicyRows) -> int:
    """Return the number of entries that a product with a policy's matrix reads."""
    if isinstance(rows, PolicyRows):
        return rows.n_entries
    return int(getattr(rows, "nnz", rows.size))


def sweep_work(rows: Array | PolicyRows) -> float:
    """Return the work of a sweep of a policy with these rows."""
    sparse = isinstance(rows, PolicyRows) or scipy.sparse.issparse(rows)
    product = (SPARSE_ENTRY if sparse else DENSE_ENTRY) * count_entries(rows)
    return product + SWEPT_STATE * rows.shape[0] + SWEEP_CALLS


def improvement_work(mdp: MDP, regularizer: Regularizer) -> float:
    """Return the work of a greedy step."""
    transitions = mdp.transitions
    entry = DENSE_ENTRY if transitions.storage == "dense" else SPARSE_ENTRY
    hard = isinstance(regularizer, Unregularized)
    pairs = (PAIR if hard else REGULARIZED_PAIR) * mdp.n_states * mdp.n_actions
    return entry * transitions.n_stored + pairs + BLOCK_CALLS * len(transitions.blocks)


def copy_work(rows: Array | PolicyRows) -> float:
    """Return the work of copying the rows of a policy."""
    if isinstance(rows, MixedRows):
        return 0.0  # nothing is copied
    entry = COPIED_ENTRY if isinstance(rows, PolicyRows) or scipy.sparse.issparse(rows) else 1.0
    return entry * count_entries(rows) + COPIED_ROW * rows.shape[0] + BLOCK_CALLS


def least_factorization_work(n_states: int) -> float:
    """Return the least work of a factorization of a chain of so many states."""
    return BANDED_STATE * n_states + FACTOR_CALLS


def factorization_work(
    n_states: int, n_entries: int, diagonals: Sequence[int] | None, *, dense: bool
) -> float:
    """Return the expected work of factorizing I - γ P and solving with it, if that is fast.

    Args:
        n_states: S.
        n_entries: Number of entries of P.
        diagonals: The numbers of diagonals below and above the main one, if they are few.
        dense: Whether the matrix is factorized as a dense one.
    """
    if dense:
        return DENSE_MULTIPLICATION * n_states**3 + FACTOR_CALLS
    if diagonals is not None:
        below, above = diagonals
        entries = (below + 1) * (below + above + 1)
        return n_states * (BANDED_STATE + BANDED_ENTRY * entries) + FACTOR_CALLS
    crowded = max(1.0, n_entries / (USUAL_SUCCESSORS * n_states))
    return (
        PLANE_STATE * n_states + PLANE_POWER * crowded * n_states * math.sqrt(n_states)
    ) + FACTOR_CALLS
