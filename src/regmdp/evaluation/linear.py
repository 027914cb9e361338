"""Linear systems (I - γ P_π) x = b: a factorization, or Krylov iterations whose residual is checked, never trusted.

A solver is ``prepare``d for a chain once, and what it returns solves for any number of right-hand sides, and for the transpose.
"""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import scipy.linalg
import scipy.sparse as sp
import scipy.sparse.linalg as spla
from scipy.sparse.csgraph import reverse_cuthill_mckee

from regmdp._arrays import UNIT_ROUNDOFF, Array, Float
from regmdp._errors import SingularError
from regmdp.evaluation.base import Chain, Evaluation, equation
from regmdp.mdp import MDP
from regmdp.regularizers import Regularizer

__all__ = ["Direct", "Exact", "Krylov", "LinearEvaluation", "System"]


@runtime_checkable
class System(Protocol):
    """(I - γ P_π), made ready for solving."""

    def solve(self, b: Float[Array, " S"], guess: Float[Array, " S"], accuracy: float = 0.0) -> Float[np.ndarray, " S"]:
        """(S,) right-hand side -> (S,) x with (I - γ P_π) x = b up to ``accuracy`` in the sup norm."""
        ...

    def solve_transposed(self, b: Float[Array, " S"]) -> Float[np.ndarray, " S"]:
        """(S,) right-hand side -> (S,) x with (I - γ P_π)ᵀ x = b."""
        ...


class LinearEvaluation(Evaluation):
    """Evaluation that solves the linear equation."""

    exact = True

    @abstractmethod
    def prepare(self, chain: Chain) -> System:
        """Make the system of a chain ready for solving."""

    def __call__(
        self,
        mdp: MDP,
        regularizer: Regularizer,
        policy: Float[Array, "S A"],
        guess: Float[Array, " S"],
        accuracy: float = 0.0,
    ) -> Float[np.ndarray, " S"]:
        return self.solved(mdp, regularizer, policy, guess, accuracy)[0]

    def solved(
        self,
        mdp: MDP,
        regularizer: Regularizer,
        policy: Float[Array, "S A"],
        guess: Float[Array, " S"],
        accuracy: float = 0.0,
    ) -> tuple[Float[np.ndarray, " S"], System]:
        """Return a value for the policy, and the system that was solved for it, for whoever has more to solve."""
        chain, rewards = equation(mdp, regularizer, policy)
        system = self.prepare(chain)
        return system.solve(rewards, guess, accuracy), system


@dataclass(frozen=True)
class Direct(LinearEvaluation):
    """LU factorization, dense (LAPACK) or sparse (SuperLU), with one step of iterative refinement.

    The sparse one is quick where the chain has a small bandwidth (a queue, a maze) and hopeless on large random graphs.
    """

    def prepare(self, chain: Chain) -> System:
        return _SparseFactor(chain) if sp.issparse(chain.matrix) else _DenseFactor(chain)


class _Factor(ABC):
    """One factorization, used for the system and for its transpose."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain

    @abstractmethod
    def _apply(self, b: Array, *, transposed: bool) -> np.ndarray:
        """Apply the inverse, or its transpose."""

    def solve(self, b: Float[Array, " S"], guess: Float[Array, " S"], accuracy: float = 0.0) -> Float[np.ndarray, " S"]:
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


class _SparseFactor(_Factor):
    def __init__(self, chain: Chain) -> None:
        super().__init__(chain)
        matrix = sp.eye_array(chain.matrix.shape[0], format="csc") - chain.discount * chain.matrix
        try:
            self._lu = spla.splu(sp.csc_array(matrix))
        except RuntimeError as error:
            raise _singular() from error

    def _apply(self, b: Array, *, transposed: bool) -> np.ndarray:
        return self._lu.solve(b, trans="T" if transposed else "N")


def _singular() -> SingularError:
    return SingularError(
        "the evaluation equation of a policy is singular to working precision: the policy ends the episode with a probability too "
        "small for double precision; use a discount below 1, or a larger temperature"
    )


@dataclass(frozen=True)
class Krylov(LinearEvaluation):
    """BiCGSTAB, then GMRES if that breaks down, then a factorization or plain sweeps: judged by the residual really reached.

    Args:
        max_iterations: Iterations of BiCGSTAB, in all, before the next solver takes over.

    References:
        van der Vorst 1992, SIAM J. Sci. Stat. Comput. 13(2); Saad & Schultz 1986, SIAM J. Sci. Stat. Comput. 7(3).
    """

    max_iterations: int = 5000

    def prepare(self, chain: Chain) -> System:
        return _KrylovSystem(chain, self.max_iterations)


class _KrylovSystem:
    def __init__(self, chain: Chain, max_iterations: int) -> None:
        self._chain = chain
        self._max_iterations = max_iterations

    def solve(self, b: Float[Array, " S"], guess: Float[Array, " S"], accuracy: float = 0.0) -> Float[np.ndarray, " S"]:
        return self._solve(self._chain, np.asarray(b), np.asarray(guess), accuracy)

    def solve_transposed(self, b: Float[Array, " S"]) -> Float[np.ndarray, " S"]:
        transposed = Chain(self._chain.matrix.T, self._chain.discount)
        return self._solve(transposed, np.asarray(b), np.asarray(b), 0.0)

    def _solve(self, chain: Chain, b: np.ndarray, value: np.ndarray, accuracy: float) -> np.ndarray:
        n = b.size
        operator: Any = spla.LinearOperator((n, n), matvec=lambda x: x - chain.discount * (chain.matrix @ x), dtype=np.float64)
        residual = chain.residual(value, b)
        size = float(np.max(np.abs(residual)))
        for solver, restarts in ((self._bicgstab, 8), (self._gmres, 4)):
            for _ in range(restarts):
                goal = max(accuracy, _floor(value, b))
                if size <= goal:
                    return value
                # a 2-norm of goal·√n/2 makes a sup norm below goal likely; what was reached is measured below
                correction = solver(operator, residual, 0.5 * goal * np.sqrt(n) * min(1.0, _spread(residual, size)))
                candidate = value + correction
                residual_there = chain.residual(candidate, b)
                size_there = float(np.max(np.abs(residual_there)))
                if not size_there < 0.9 * size:
                    break
                value, residual, size = candidate, residual_there, size_there
        if size <= TOLERATED * max(accuracy, _floor(value, b)):
            return value
        if _quick_to_factorize(chain.matrix):
            return Direct().prepare(chain).solve(b, value)
        return self._sweep(chain, b, value, TOLERATED * accuracy)

    def _sweep(self, chain: Chain, b: np.ndarray, value: np.ndarray, accuracy: float) -> np.ndarray:
        """Fall back on the iteration that cannot break down, x ← b + γ P x."""
        for _ in range(self._max_iterations):
            residual = chain.residual(value, b)
            value = value + residual
            if float(np.max(np.abs(residual))) <= max(accuracy, _floor(value, b)):
                break
        return value

    def _bicgstab(self, operator: Any, b: np.ndarray, tolerance: float) -> np.ndarray:
        with np.errstate(all="ignore"):  # a breakdown shows in the residual
            x, _ = spla.bicgstab(operator, b, rtol=0.0, atol=tolerance, maxiter=self._max_iterations // 4)
        return x

    def _gmres(self, operator: Any, b: np.ndarray, tolerance: float) -> np.ndarray:
        x, _ = spla.gmres(operator, b, rtol=0.0, atol=tolerance, restart=50, maxiter=20)
        return x


def _spread(residual: np.ndarray, size: float) -> float:
    """How evenly a residual is spread: its root mean square over its largest entry."""
    return float(np.sqrt(np.mean(residual * residual))) / size


def _floor(value: np.ndarray, b: np.ndarray) -> float:
    """Residual below which double precision cannot be expected to go."""
    return 8 * UNIT_ROUNDOFF * (float(np.max(np.abs(value))) + float(np.max(np.abs(b))))


#: A Krylov solution whose residual is within this factor of what was asked is taken: the certificate says what it is worth.
TOLERATED = 100.0
#: Largest chain that is factorized as a dense matrix.
DENSE_LIMIT = 1200
#: Steps from one state in which many others are reached, where a factorization is hopeless.
STEPS_AHEAD = 20
#: Largest S · bandwidth² for which a sparse factorization is expected to be quick.
BANDED_LIMIT = 1e10


@dataclass(frozen=True)
class Exact(LinearEvaluation):
    """Choose a factorization where it is quick, and Krylov iterations elsewhere.

    A dense chain of up to 1,200 states is factorized; so is a sparse one whose bandwidth after reordering (reverse
    Cuthill-McKee) keeps the work below 10^10 operations. With γ = 0 there is nothing to solve.
    """

    def prepare(self, chain: Chain) -> System:
        matrix = chain.matrix
        if chain.discount == 0.0:
            return _Identity()
        n = matrix.shape[0]
        if sp.issparse(matrix) and n <= DENSE_LIMIT and matrix.nnz > 0.05 * n * n:
            return Direct().prepare(Chain(matrix.toarray(), chain.discount))
        return (Direct() if _quick_to_factorize(matrix) else Krylov()).prepare(chain)


class _Identity:
    """I - 0 P."""

    def solve(self, b: Float[Array, " S"], guess: Float[Array, " S"], accuracy: float = 0.0) -> Float[np.ndarray, " S"]:
        return np.array(b)

    def solve_transposed(self, b: Float[Array, " S"]) -> Float[np.ndarray, " S"]:
        return np.array(b)


def _quick_to_factorize(matrix: Array) -> bool:
    """Whether a factorization of I - γ P is expected to be quick."""
    n = matrix.shape[0]
    if not sp.issparse(matrix):
        return n <= DENSE_LIMIT
    most = (BANDED_LIMIT / n) ** 0.5
    return _least_bandwidth(matrix, most) <= most and _bandwidth(matrix) <= most


def _least_bandwidth(matrix: sp.sparray, enough: float) -> float:
    """Lower bound on the half bandwidth of a sparse matrix in any order; it stops looking when that is more than enough.

    In j steps from a state no more than 2jb others can be reached if the half bandwidth is b.
    """
    rows = sp.csr_array(matrix)
    reached = np.zeros(matrix.shape[0], dtype=np.bool_)
    frontier = np.array([matrix.shape[0] // 2])
    reached[frontier] = True
    count, bound = 1, 0.0
    for steps in range(1, STEPS_AHEAD + 1):
        ahead = np.zeros_like(reached)
        ahead[rows[frontier].indices] = True
        frontier = np.flatnonzero(ahead & ~reached)
        if not frontier.size or bound > enough:
            break
        reached |= ahead
        count += frontier.size
        bound = max(bound, (count - 1) / (2.0 * steps))
    return bound


def _bandwidth(matrix: sp.sparray) -> float:
    """Half bandwidth of a sparse matrix after reverse Cuthill-McKee reordering of its symmetrized pattern."""
    pattern = sp.csr_array(matrix + matrix.T)
    position = np.empty(matrix.shape[0], dtype=np.int64)
    position[reverse_cuthill_mckee(pattern, symmetric_mode=True)] = np.arange(matrix.shape[0])
    state, successor = pattern.nonzero()
    return float(np.max(np.abs(position[state] - position[successor]), initial=0))
