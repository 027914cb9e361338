"""Krylov iterations for (I - γ P_π) x = b, whose residual is checked, never trusted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from regmdp._internal.arrays import Array, Float
from regmdp.evaluation.base import Chain
from regmdp.evaluation.direct import Direct, quick_to_factorize
from regmdp.evaluation.linear import LinearEvaluation, System, floor

__all__ = ["Krylov"]

#: A Krylov solution whose residual is within this factor of what was asked is taken: the
#: certificate says what it is worth.
TOLERATED = 100.0


@dataclass(frozen=True)
class Krylov(LinearEvaluation):
    """BiCGSTAB, then GMRES if that breaks down, then a factorization or plain sweeps: judged by the residual really reached.

    Args:
        max_iterations: Iterations of BiCGSTAB, in all, before the next solver takes over.

    References:
        van der Vorst 1992, SIAM J. Sci. Stat. Comput. 13(2); Saad & Schultz 1986, SIAM J. Sci.
        Stat. Comput. 7(3).
    """

    max_iterations: int = 5000

    def prepare(self, chain: Chain) -> System:
        return _KrylovSystem(chain, self.max_iterations)


class _KrylovSystem:
    def __init__(self, chain: Chain, max_iterations: int) -> None:
        self._chain = chain
        self._max_iterations = max_iterations

    def solve(
        self, b: Float[Array, " S"], guess: Float[Array, " S"], accuracy: float = 0.0
    ) -> Float[np.ndarray, " S"]:
        return self._solve(self._chain, np.asarray(b), np.asarray(guess), accuracy)

    def solve_transposed(self, b: Float[Array, " S"]) -> Float[np.ndarray, " S"]:
        transposed = Chain(self._chain.matrix.T, self._chain.discount)
        return self._solve(transposed, np.asarray(b), np.asarray(b), 0.0)

    def _solve(self, chain: Chain, b: np.ndarray, value: np.ndarray, accuracy: float) -> np.ndarray:
        n = b.size
        operator: Any = _solvers().LinearOperator(
            (n, n), matvec=lambda x: x - chain.propagate(x), dtype=np.float64
        )
        residual = chain.residual(value, b)
        size = float(np.max(np.abs(residual)))
        for solver, restarts in ((self._bicgstab, 8), (self._gmres, 4)):
            for _ in range(restarts):
                goal = max(accuracy, floor(value, b))
                if size <= goal:
                    return value
                # a 2-norm of goal·√n/2 makes a sup norm below goal likely; what was reached is
                # measured below
                correction = solver(
                    operator, residual, 0.5 * goal * np.sqrt(n) * min(1.0, _spread(residual, size))
                )
                candidate = value + correction
                residual_there = chain.residual(candidate, b)
                size_there = float(np.max(np.abs(residual_there)))
                if not size_there < 0.9 * size:
                    break
                value, residual, size = candidate, residual_there, size_there
        if size <= TOLERATED * max(accuracy, floor(value, b)):
            return value
        if quick_to_factorize(chain):
            return Direct().prepare(chain).solve(b, value)
        return self._sweep(chain, b, value, TOLERATED * accuracy)

    def _sweep(self, chain: Chain, b: np.ndarray, value: np.ndarray, accuracy: float) -> np.ndarray:
        """Fall back on the iteration that cannot break down, x ← b + γ P x."""
        for _ in range(self._max_iterations):
            residual = chain.residual(value, b)
            value = value + residual
            if float(np.max(np.abs(residual))) <= max(accuracy, floor(value, b)):
                break
        return value

    def _bicgstab(self, operator: Any, b: np.ndarray, tolerance: float) -> np.ndarray:
        with np.errstate(all="ignore"):  # a breakdown shows in the residual
            x, _ = _solvers().bicgstab(
                operator, b, rtol=0.0, atol=tolerance, maxiter=self._max_iterations // 4
            )
        return x

    def _gmres(self, operator: Any, b: np.ndarray, tolerance: float) -> np.ndarray:
        x, _ = _solvers().gmres(operator, b, rtol=0.0, atol=tolerance, restart=50, maxiter=20)
        return x


def _spread(residual: np.ndarray, size: float) -> float:
    """How evenly a residual is spread: its root mean square over its largest entry."""
    return float(np.sqrt(np.mean(residual * residual))) / size


def _solvers() -> Any:
    """Import SciPy's solvers when they are needed: it takes as long as half of this library."""
    import scipy.sparse.linalg

    return scipy.sparse.linalg
