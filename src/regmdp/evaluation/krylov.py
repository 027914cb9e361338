"""Krylov iterations for (I - γ P_π) x = b, accepted by their true residual."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from regmdp._internal.arrays import Array, Float
from regmdp._internal.parameters import Integer, checked
from regmdp.evaluation.base import Chain
from regmdp.evaluation.direct import Direct, is_fast_to_factorize
from regmdp.evaluation.linear import LinearEvaluation, System, residual_floor

__all__ = ["Krylov"]

#: A Krylov solution is accepted if its residual exceeds the requested one by at most this factor;
#: the certificate accounts for it.
RESIDUAL_TOLERANCE = 100.0


@checked(max_iterations=Integer())
@dataclass(frozen=True)
class Krylov(LinearEvaluation):
    """BiCGSTAB, then GMRES if that breaks down, then a factorization or plain sweeps.

    The true residual decides which of them is needed.

    Args:
        max_iterations: Largest total number of iterations of BiCGSTAB.

    References:
        van der Vorst 1992, SIAM J. Sci. Stat. Comput. 13(2); Saad & Schultz 1986, SIAM J. Sci.
        Stat. Comput. 7(3).
    """

    max_iterations: int = 5000

    def prepare(self, chain: Chain) -> System:
        return _KrylovSystem(chain, self.max_iterations)


class _KrylovSystem:
    """(I - γ P_π), solved by Krylov iterations."""

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
        operator: Any = _import_solvers().LinearOperator(
            (n, n), matvec=lambda x: x - chain.propagate(x), dtype=np.float64
        )
        residual = chain.residual(value, b)
        size = float(np.max(np.abs(residual)))
        for solver, restarts in ((self._bicgstab, 8), (self._gmres, 4)):
            for _ in range(restarts):
                goal = max(accuracy, residual_floor(value, b))
                if size <= goal:
                    return value
                # a 2-norm of goal·√n/2 makes a sup norm below goal likely, which is measured below
                correction = solver(
                    operator,
                    residual,
                    0.5 * goal * np.sqrt(n) * min(1.0, _flatness(residual, size)),
                )
                candidate = value + correction
                new_residual = chain.residual(candidate, b)
                new_size = float(np.max(np.abs(new_residual)))
                if not new_size < 0.9 * size:
                    break
                value, residual, size = candidate, new_residual, new_size
        if size <= RESIDUAL_TOLERANCE * max(accuracy, residual_floor(value, b)):
            return value
        if is_fast_to_factorize(chain):
            return Direct().prepare(chain).solve(b, value)
        return self._sweep(chain, b, value, RESIDUAL_TOLERANCE * accuracy)

    def _sweep(self, chain: Chain, b: np.ndarray, value: np.ndarray, accuracy: float) -> np.ndarray:
        """Iterate x ← b + γ P x, which cannot break down."""
        for _ in range(self._max_iterations):
            residual = chain.residual(value, b)
            value = value + residual
            if float(np.max(np.abs(residual))) <= max(accuracy, residual_floor(value, b)):
                break
        return value

    def _bicgstab(self, operator: Any, b: np.ndarray, tolerance: float) -> np.ndarray:
        with np.errstate(all="ignore"):  # a breakdown shows in the residual
            x, _ = _import_solvers().bicgstab(
                operator, b, rtol=0.0, atol=tolerance, maxiter=self._max_iterations // 4
            )
        return x

    def _gmres(self, operator: Any, b: np.ndarray, tolerance: float) -> np.ndarray:
        x, _ = _import_solvers().gmres(
            operator, b, rtol=0.0, atol=tolerance, restart=50, maxiter=20
        )
        return x


def _flatness(residual: np.ndarray, size: float) -> float:
    """Root mean square of a residual over its largest entry."""
    return float(np.sqrt(np.mean(residual * residual))) / size


def _import_solvers() -> Any:
    """Import SciPy's solvers when they are needed, since that is slow."""
    import scipy.sparse.linalg

    return scipy.sparse.linalg
