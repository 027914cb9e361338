"""The evaluation that chooses how to solve its linear system."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy

from regmdp._internal.arrays import Array, Float
from regmdp.evaluation.base import Chain
from regmdp.evaluation.direct import DENSE_LIMIT, Direct, narrow, quick_to_factorize
from regmdp.evaluation.krylov import Krylov
from regmdp.evaluation.linear import LinearEvaluation, System
from regmdp.evaluation.relaxation import relax

__all__ = ["Exact"]

#: States up to which a system is solved at once, without trying sweeps.
AT_ONCE = 200


@dataclass(frozen=True)
class Exact(LinearEvaluation):
    """Choose sweeps where they converge fast, a factorization where it is quick, and Krylov iterations elsewhere.

    Up to 200 states are factorized at once, and so is a chain along a line. In a larger one a few
    sweeps tell how fast they converge; if not fast enough, a dense chain of up to 1,200 states is
    factorized, and a sparse one if not many states are within reach of a few steps. With γ = 0
    there is nothing to solve.
    """

    def prepare(self, chain: Chain) -> System:
        if chain.discount == 0.0:
            return _Identity()
        return (
            self._engine(chain)
            if chain.n_states <= AT_ONCE or narrow(chain)
            else _Relaxed(chain, self._engine)
        )

    def _engine(self, chain: Chain) -> System:
        """Make the system ready for the solver that its matrix asks for."""
        n = chain.n_states
        if (
            n <= DENSE_LIMIT
            and scipy.sparse.issparse(chain.matrix)
            and chain.matrix.nnz > 0.05 * n * n
        ):
            return Direct().prepare(Chain(chain.matrix.toarray(), chain.discount))
        return (Direct() if quick_to_factorize(chain) else Krylov()).prepare(chain)


class _Relaxed:
    """Plain sweeps first, for where the chain mixes fast nothing is quicker; then, if they will not do, a heavier engine."""

    def __init__(self, chain: Chain, engine: Callable[[Chain], System]) -> None:
        self._chain, self._prepare = chain, engine

    @cached_property
    def _engine(self) -> System:
        return self._prepare(self._chain)

    def solve(
        self, b: Float[Array, " S"], guess: Float[Array, " S"], accuracy: float = 0.0
    ) -> Float[np.ndarray, " S"]:
        relaxed = relax(self._chain, np.asarray(b), np.asarray(guess), accuracy)
        return relaxed.value if relaxed.done else self._engine.solve(b, relaxed.value, accuracy)

    def solve_transposed(self, b: Float[Array, " S"]) -> Float[np.ndarray, " S"]:
        b = np.asarray(b)
        if "_engine" not in vars(self):
            # a merged matrix has a transpose; what its columns sum to is not known, so nothing is
            # taken out at once
            relaxed = relax(Chain(self._chain.matrix.T, self._chain.discount), b, b, 0.0)
            if relaxed.done:
                return relaxed.value
        return self._engine.solve_transposed(b)


class _Identity:
    """I - 0 P."""

    def solve(
        self, b: Float[Array, " S"], guess: Float[Array, " S"], accuracy: float = 0.0
    ) -> Float[np.ndarray, " S"]:
        return np.array(b)

    def solve_transposed(self, b: Float[Array, " S"]) -> Float[np.ndarray, " S"]:
        return np.array(b)
