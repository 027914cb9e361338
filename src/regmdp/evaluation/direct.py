"""Factorizations of I - γ P_π: dense, banded or sparse."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy

from regmdp._internal.arrays import Array, Float, Int
from regmdp._internal.errors import SingularError
from regmdp.evaluation.base import Chain
from regmdp.evaluation.linear import LinearEvaluation, System
from regmdp.mdp.policy_rows import PolicyRows, column_indices
from regmdp.mdp.structure import count_reachable

__all__ = ["Direct", "quick_to_factorize"]

#: Largest chain that is factorized as a dense matrix.
DENSE_LIMIT = 1200
#: Most diagonals, besides the main one, of a matrix that is factorized as a banded one in the order
#: that its states have.
NARROW = 32
#: In so many steps a chain in a plane, one square a step, reaches fewer than twice this many
#: states.
STEPS, PLANAR = 20, 1000


@dataclass(frozen=True)
class Direct(LinearEvaluation):
    """LU factorization, dense or banded (LAPACK) or sparse (SuperLU), with one step of iterative refinement.

    The sparse one is quick where the chain has a small bandwidth in some order (a maze) and
    hopeless on large random graphs.
    """

    def prepare(self, chain: Chain) -> System:
        if not scipy.sparse.issparse(chain.matrix):
            return _DenseFactor(chain)
        below, above = bands(chain.matrix)
        return (
            _BandedFactor(chain, below, above) if below + above <= NARROW else _SparseFactor(chain)
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
        # LAPACK keeps the diagonals one below the other, and wants room for those that pivoting
        # adds
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
        try:
            self._lu = splu(scipy.sparse.csc_array(matrix), **_ordering(chain.matrix))
        except RuntimeError as error:
            raise _singular() from error

    def _apply(self, b: Array, *, transposed: bool) -> np.ndarray:
        return self._lu.solve(b, trans="T" if transposed else "N")


def _ordering(matrix: scipy.sparse.sparray) -> dict[str, Any]:
    """Return the options for SuperLU.

    I - γ P is an M-matrix, whose factorization needs no pivoting. So the order may follow the
    pattern of P + Pᵀ, which leaves a tree without fill-in and half of it in a plane, and without
    supernodes a third of the memory is enough. Only a state that very many lead to makes that order
    slow to find.
    """
    n = matrix.shape[0]
    if np.bincount(matrix.indices, minlength=n).max() > 10.0 * n**0.5:
        return {"permc_spec": "COLAMD"}
    return {
        "permc_spec": "MMD_AT_PLUS_A",
        "diag_pivot_thresh": 0.0,
        "relax": 1,
        "panel_size": 1,
        "options": {"SymmetricMode": True},
    }


def _singular() -> SingularError:
    return SingularError(
        "the evaluation equation of a policy is singular to working precision: the policy ends the "
        "episode with a probability too small for double precision; use a discount below 1, or a "
        "larger temperature"
    )


def bands(matrix: scipy.sparse.sparray) -> tuple[int, int]:
    """Return how many diagonals of a sparse matrix there are below the main one, and above it."""
    rows = scipy.sparse.csr_array(matrix)
    ahead = rows.indices - np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))
    return max(0, -int(ahead.min(initial=0))), max(0, int(ahead.max(initial=0)))


def narrow(chain: Chain) -> bool:
    """Whether all entries of a sparse chain are near the main diagonal."""
    if not scipy.sparse.issparse(chain.rows) and not isinstance(chain.rows, PolicyRows):
        return False
    successors = _successors(chain.rows)
    # a few rows tell most of the others
    for state in chain.n_states * np.arange(1, 8, 2) // 8:
        if np.any(np.abs(successors(np.array([state])) - state) > NARROW):
            return False
    return sum(bands(chain.matrix)) <= NARROW


def _successors(
    rows: Array | PolicyRows,
) -> Callable[[Int[np.ndarray, " k"]], Int[np.ndarray, " n"]]:
    """Return the function from some states of a sparse chain to those that one step leads to."""
    if isinstance(rows, PolicyRows):
        return rows.successors
    matrix = scipy.sparse.csr_array(rows)
    return lambda states: column_indices(matrix, states)


def quick_to_factorize(chain: Chain) -> bool:
    """Whether a factorization of I - γ P is expected to be quick.

    What counts is the fill-in, and that depends on how fast the number of states within reach grows
    with the number of steps: along a line as j, in a plane as j², where nested dissection leaves
    little more than n log n entries; on a random graph exponentially.
    """
    n, rows = chain.n_states, chain.rows
    if not scipy.sparse.issparse(rows) and not isinstance(rows, PolicyRows):
        return n <= DENSE_LIMIT
    if narrow(chain):
        return True
    return all(
        count_reachable(_successors(rows), n, start, STEPS, PLANAR) < PLANAR
        for start in (n // 3, 2 * n // 3)
    )
