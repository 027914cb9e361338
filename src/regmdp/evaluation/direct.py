"""Factorizations of I - γ P_π: dense, banded or sparse."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy

from regmdp._internal.arrays import Array, Float, Int
from regmdp._internal.errors import SingularError
from regmdp._internal.heartbeat import run_beating
from regmdp.evaluation.base import Chain
from regmdp.evaluation.elimination_order import find_elimination_order, superlu_options
from regmdp.evaluation.linear import LinearEvaluation, System
from regmdp.mdp.policy_rows import PolicyRows, StackedRows, column_indices
from regmdp.mdp.structure import count_reachable

__all__ = ["Direct", "is_fast_to_factorize"]

#: Number of states up to which a chain is factorized as a dense matrix.
MAX_DENSE_STATES = 1200
#: Number of states below which a factorization takes less than half a second.
STATES_AT_ONCE = 20_000
#: Largest number of diagonals, besides the main one, of a matrix that is factorized as a banded one
#: without reordering its states.
MAX_DIAGONALS = 32
#: Steps of a search for reachable states, and the number of states that marks fast growth: in a
#: plane, one square per step, fewer than twice as many are reached.
SEARCH_STEPS, MAX_REACHED = 20, 1000
#: Largest number of states on cycles and between them that are eliminated whatever their graph is.
MAX_CORE_SIZE = 2500


@dataclass(frozen=True)
class Direct(LinearEvaluation):
    """LU factorization (dense, banded or sparse) with one step of iterative refinement.

    It is LAPACK's for dense and banded matrices, SuperLU's for sparse ones.

    The sparse one is fast if the chain has a small bandwidth in some order (a maze), and very slow
    on large random graphs.
    """

    def prepare(self, chain: Chain) -> System:
        if not scipy.sparse.issparse(chain.matrix):
            return _DenseFactor(chain)
        below, above = chain.diagonals
        if below == above == 1 and chain.n_states > 2:  # SciPy wants a second diagonal
            return _TridiagonalFactor(chain)
        return (
            _BandedFactor(chain, below, above)
            if below + above <= MAX_DIAGONALS
            else _SparseFactor(chain)
        )


class _Factor(ABC):
    """One factorization, used for the system and for its transpose."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain

    @abstractmethod
    def _apply(self, b: Array, *, transposed: bool) -> np.ndarray:
        """Apply the inverse, or its transpose."""

    def solve(
        self, b: Float[Array, " S"], guess: Float[Array, " S"], accuracy: float = 0.0
    ) -> Float[np.ndarray, " S"]:
        value = self._apply(np.asarray(b), transposed=False)
        refined = value + self._apply(self._chain.residual(value, b), transposed=False)
        return refined if np.isfinite(refined).all() else value

    def solve_transposed(self, b: Float[Array, " S"]) -> Float[np.ndarray, " S"]:
        return self._apply(np.asarray(b), transposed=True)


class _DenseFactor(_Factor):
    def __init__(self, chain: Chain) -> None:
        super().__init__(chain)
        matrix = -chain.discount * chain.matrix
        matrix[np.diag_indices_from(matrix)] += 1.0
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", scipy.linalg.LinAlgWarning)
            self._lu = scipy.linalg.lu_factor(matrix, overwrite_a=True, check_finite=False)
        if not np.all(np.diagonal(self._lu[0])):
            raise _singular()

    def _apply(self, b: Array, *, transposed: bool) -> np.ndarray:
        return scipy.linalg.lu_solve(self._lu, b, trans=int(transposed), check_finite=False)


class _BandedFactor(_Factor):
    def __init__(self, chain: Chain, below: int, above: int) -> None:
        super().__init__(chain)
        rows = scipy.sparse.coo_array(chain.matrix)
        # LAPACK stores the diagonals as rows, with room for those that pivoting adds
        diagonals = np.zeros((2 * below + above + 1, chain.n_states), order="F")
        diagonals[below + above] = 1.0
        row, column = rows.coords
        diagonals[below + above + row - column, column] -= chain.discount * rows.data
        self._bands = below, above
        self._lu, self._pivots, info = scipy.linalg.lapack.dgbtrf(
            diagonals, below, above, overwrite_ab=True
        )
        if info > 0:
            raise _singular()

    def _apply(self, b: Array, *, transposed: bool) -> np.ndarray:
        x, _ = scipy.linalg.lapack.dgbtrs(
            self._lu, *self._bands, b, self._pivots, trans=int(transposed)
        )
        return x


class _TridiagonalFactor(_Factor):
    """A chain in which the state changes by at most 1, as in a queue: a third of a banded one."""

    def __init__(self, chain: Chain) -> None:
        super().__init__(chain)
        below, middle, above = (-chain.discount * chain.matrix.diagonal(k) for k in (-1, 0, 1))
        *self._factor, info = scipy.linalg.lapack.dgttrf(below, 1.0 + middle, above)
        if info > 0:
            raise _singular()

    def _apply(self, b: Array, *, transposed: bool) -> np.ndarray:
        x, _ = scipy.linalg.lapack.dgttrs(*self._factor, b, trans="T" if transposed else "N")
        return x


class _SparseFactor(_Factor):
    def __init__(self, chain: Chain) -> None:
        from scipy.sparse.linalg import (
            splu,  # which takes as long to import as half of this library
        )

        super().__init__(chain)
        matrix = (
            scipy.sparse.eye_array(chain.matrix.shape[0], format="csc")
            - chain.discount * chain.matrix
        )
        self._order = find_elimination_order(scipy.sparse.csr_array(chain.matrix), chain.cycles)
        if self._order is not None:
            matrix = matrix[self._order][:, self._order]
        options = superlu_options(chain.matrix, ordered=self._order is not None)
        columns = scipy.sparse.csc_array(matrix)
        try:
            self._lu = (
                splu(columns, **options)
                if chain.n_states < STATES_AT_ONCE
                else run_beating(lambda: splu(columns, **options))
            )
        except RuntimeError as error:
            raise _singular() from error

    def _apply(self, b: Array, *, transposed: bool) -> np.ndarray:
        trans = "T" if transposed else "N"
        if self._order is None:
            return self._lu.solve(b, trans=trans)
        x = np.empty(b.shape)
        x[self._order] = self._lu.solve(b[self._order], trans=trans)
        return x


def _singular() -> SingularError:
    return SingularError(
        "the evaluation equation of a policy is singular to working precision: the policy ends the "
        "episode with a probability too small for double precision; use a discount below 1, or a "
        "larger temperature"
    )


def is_narrow(chain: Chain) -> bool:
    """Whether all entries of a sparse chain are close to the main diagonal."""
    if not scipy.sparse.issparse(chain.rows) and not isinstance(chain.rows, PolicyRows):
        return False
    successors = _make_successors(chain.rows)
    # a few rows exclude most other chains
    for state in chain.n_states * np.arange(1, 8, 2) // 8:
        if np.any(np.abs(successors(np.array([state])) - state) > MAX_DIAGONALS):
            return False
    return sum(chain.diagonals) <= MAX_DIAGONALS


def _make_successors(
    rows: Array | PolicyRows,
) -> Callable[[Int[np.ndarray, " k"]], Int[np.ndarray, " n"]]:
    """Return a function from states of a sparse chain to the states one step away."""
    if isinstance(rows, PolicyRows):
        return rows.successors
    matrix = scipy.sparse.csr_array(rows)
    return lambda states: column_indices(matrix, states)


def is_fast_to_factorize(chain: Chain) -> bool:
    """Whether a factorization of I - γ P is expected to be fast.

    Its time depends on the fill-in, and that on how fast the number of states within reach grows
    with the number j of steps: along a line as j; in a plane as j², where nested dissection leaves
    little more than n log n entries; on a random graph exponentially. Only states on cycles
    and between them fill in, so it is fast, too, if these are few, as in many protocols.
    """
    n, rows = chain.n_states, chain.rows
    if not scipy.sparse.issparse(rows) and not isinstance(rows, PolicyRows):
        return n <= MAX_DENSE_STATES
    if is_narrow(chain):
        return True
    grows_slowly = all(
        count_reachable(_make_successors(rows), n, start, SEARCH_STEPS, MAX_REACHED) < MAX_REACHED
        for start in (n // 3, 2 * n // 3)
    )
    # it takes longer to merge rows than to multiply by them
    merged = not isinstance(rows, PolicyRows) or isinstance(rows, StackedRows)
    return grows_slowly or (merged and chain.cycles.are_within(MAX_CORE_SIZE))
