"""Evaluation of policies of several models side by side, one dense factorization a model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy

from regmdp._internal.arrays import Float
from regmdp._internal.errors import SingularError
from regmdp.evaluation.base import Chain
from regmdp.evaluation.linear import LinearEvaluation, System
from regmdp.mdp.stacked_transitions import StackedPolicyRows

__all__ = ["StackedDirect"]


@dataclass(frozen=True)
class StackedDirect(LinearEvaluation):
    """LU factorization of each block of the chain of N models side by side, in one call of LAPACK.

    The chain of one model is factorized as one dense matrix. Results are not refined: each step of
    Newton's method corrects the one before.
    """

    def prepare(self, chain: Chain) -> System:
        if isinstance(chain.rows, StackedPolicyRows):
            rows = chain.rows.matrices
        else:  # one model
            whole = chain.matrix
            rows = np.asarray(
                scipy.sparse.csr_array(whole).toarray() if scipy.sparse.issparse(whole) else whole
            )[None]
        matrices = -chain.discount * rows
        diagonal = np.arange(matrices.shape[1])
        matrices[:, diagonal, diagonal] += 1.0
        return _StackedSystem(matrices)


class _StackedSystem:
    """N systems beside each other, of (N, S, S) matrices."""

    def __init__(self, matrices: Float[np.ndarray, "N S S"]) -> None:
        self._matrices = matrices

    def solve(
        self, b: Float[np.ndarray, " NS"], guess: Float[np.ndarray, " NS"], accuracy: float = 0.0
    ) -> Float[np.ndarray, " NS"]:
        return _solve(self._matrices, b)

    def solve_transposed(self, b: Float[np.ndarray, " NS"]) -> Float[np.ndarray, " NS"]:
        return _solve(self._matrices.transpose(0, 2, 1), b)


def _solve(
    matrices: Float[np.ndarray, "N S S"], b: Float[np.ndarray, " NS"]
) -> Float[np.ndarray, " NS"]:
    """Solve N systems for the parts of one right-hand side."""
    columns = np.asarray(b).reshape(*matrices.shape[:2], 1)
    try:
        return np.linalg.solve(matrices, columns).ravel()
    except np.linalg.LinAlgError as error:
        raise SingularError(
            "the evaluation equation of a policy of one of the models is singular to working "
            "precision"
        ) from error
