"""Evaluation with an automatic choice of the linear solver."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy

from regmdp._internal.arrays import Array, Float
from regmdp.evaluation.base import Chain
from regmdp.evaluation.direct import MAX_DENSE_STATES, Direct, is_fast_to_factorize, is_narrow
from regmdp.evaluation.krylov import Krylov
from regmdp.evaluation.linear import LinearEvaluation, System
from regmdp.evaluation.span_sweeps import sweep_policy

__all__ = ["Exact"]

#: Number of states up to which a system is solved without trying sweeps first.
SMALL_SYSTEM = 200


@dataclass(frozen=True)
class Exact(LinearEvaluation):
    """Sweeps where they converge fast, a factorization where it is fast, else Krylov iterations.

    Up to 200 states are factorized, and so is a chain along a line. For a larger one the rate of a
    few sweeps is measured; if they are too slow, a dense chain of up to 1,200 states is factorized,
    and a sparse one if few states are within reach of some steps. With γ = 0 there is nothing to
    solve.
    """

    def prepare(self, chain: Chain) -> System:
        if chain.discount == 0.0:
            return _Identity()
        return (
            self._prepare_solver(chain)
            if chain.n_states <= SMALL_SYSTEM or is_narrow(chain)
            else _SweptSystem(chain, self._prepare_solver)
        )

    def _prepare_solver(self, chain: Chain) -> System:
        """Prepare the system for the solver that suits its matrix."""
        n = chain.n_states
        if n <= MAX_DENSE_STATES and scipy.sparse.issparse(chain.matrix):
            matrix = scipy.sparse.csr_array(chain.matrix)
            if matrix.nnz > 0.05 * n * n:
                return Direct().prepare(Chain(matrix.toarray(), chain.discount))
        return (Direct() if is_fast_to_factorize(chain) else Krylov()).prepare(chain)


class _SweptSystem:
    """Sweeps first, which are fastest if the chain mixes fast; then, if needed, another solver."""

    def __init__(self, chain: Chain, prepare: Callable[[Chain], System]) -> None:
        self._chain, self._prepare = chain, prepare

    @cached_property
    def _solver(self) -> System:
        return self._prepare(self._chain)

    def solve(
        self, b: Float[Array, " S"], guess: Float[Array, " S"], accuracy: float = 0.0
    ) -> Float[np.ndarray, " S"]:
        swept = sweep_policy(self._chain, np.asarray(b), np.asarray(guess), accuracy)
        return swept.value if swept.done else self._solver.solve(b, swept.value, accuracy)

    def solve_transposed(self, b: Float[Array, " S"]) -> Float[np.ndarray, " S"]:
        b = np.asarray(b)
        if "_solver" not in vars(self):
            # the sums of the columns are not known, so no constant shift is removed
            swept = sweep_policy(Chain(self._chain.matrix.T, self._chain.discount), b, b, 0.0)
            if swept.done:
                return swept.value
        return self._solver.solve_transposed(b)


class _Identity:
    """I - 0 P."""

    def solve(
        self, b: Float[Array, " S"], guess: Float[Array, " S"], accuracy: float = 0.0
    ) -> Float[np.ndarray, " S"]:
        return np.array(b)

    def solve_transposed(self, b: Float[Array, " S"]) -> Float[np.ndarray, " S"]:
        return np.array(b)
