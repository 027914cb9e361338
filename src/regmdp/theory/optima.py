"""The optimum to which runs are compared, computed to the limit of rounding."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sp

from regmdp import bellman
from regmdp._internal.arrays import UNIT_ROUNDOFF, Array, Bool, Float
from regmdp._internal.errors import SolverError
from regmdp._internal.fields import ReadOnlyCopies
from regmdp._internal.parameters import Instance, checked
from regmdp._solve import solve
from regmdp.algorithms import PolicyIteration
from regmdp.certificates import backup_error
from regmdp.evaluation import Chain
from regmdp.mdp import MDP
from regmdp.policies import PolicyRowsOf, permitted
from regmdp.problem import check_regularizer
from regmdp.regularizers import Regularizer

__all__ = ["Optimum", "action_values", "compute_optimum", "stationary_distribution", "sup_norm"]

#: Tolerance of the solver: no gap is smaller, so it stops at the limit of rounding.
SMALLEST_TOLERANCE = float(np.finfo(np.float64).tiny)
#: Largest number of states for which a stationary distribution is found by least squares; larger
#: models use power iterations, at most this many.
MAX_STATES_LEAST_SQUARES = 1000
MAX_POWER_ITERATIONS = 20_000


@dataclass(frozen=True, eq=False)
class Optimum(ReadOnlyCopies):
    """The optimal value, with a bound on its error.

    Attributes:
        mdp: The model.
        regularizer: The regularizer.
        value: (S,) V* as computed.
        error: Certified bound on its distance from the exact V* in the worst state.
        q: (S, A) Q* = r + γ P V*; 0 at forbidden pairs.
        policy: (S, A) π*, the regularized greedy policy for Q*.
    """

    mdp: MDP
    regularizer: Regularizer
    value: Float[np.ndarray, " S"]
    error: float
    q: Float[np.ndarray, "S A"]
    policy: Float[np.ndarray, "S A"]

    @cached_property
    def allowed(self) -> Bool[np.ndarray, "S A"]:
        """(S, A) mask of the permitted pairs: available, with finite h."""
        return np.asarray(permitted(self.mdp, self.regularizer))

    @cached_property
    def stationary(self) -> Float[np.ndarray, " S"] | None:
        """(S,) stationary distribution ν* of π*; None if there is none because episodes end."""
        return stationary_distribution(self.mdp, self.policy)

    def require_stationary(self) -> Float[np.ndarray, " S"]:
        """Return (S,) ν*.

        Raises:
            SolverError: if there is none because episodes end.
        """
        if self.stationary is None:
            raise SolverError(
                "the optimal policy has no stationary distribution, because episodes end"
            )
        return self.stationary

    @cached_property
    def stationarity_error(self) -> float:
        """‖ν*P_π* - ν*‖ in the ℓ1 norm: the rounding error of ν*."""
        if self.stationary is None:
            return 0.0
        return float(
            np.sum(
                np.abs(
                    Chain.from_policy(self.mdp, self.policy).matrix.T @ self.stationary
                    - self.stationary
                )
            )
        )

    @cached_property
    def q_error(self) -> float:
        """Bound on the error of Q*."""
        return self.mdp.discount * self.error + backup_error(self.mdp, self.regularizer, self.value)


@checked(mdp=Instance(MDP), regularizer=Instance(Regularizer) | None)
def compute_optimum(mdp: MDP, regularizer: Regularizer | None = None) -> Optimum:
    """Solve a discounted model to the limit of rounding.

    Args:
        mdp: The model, γ < 1.
        regularizer: The regularizer, or None.

    Returns:
        The optimum and a certified bound on its error.

    Raises:
        SolverError: if γ = 1, because all rates contain 1/(1-γ).

    Examples:
        >>> import regmdp as rm
        >>> found = rm.theory.compute_optimum(rm.models.chain(3))
        >>> found.value.round(6), found.error < 1e-11
        (array([ 8.1,  9. , 10. ]), True)
    """
    regularizer = check_regularizer(mdp, regularizer)
    if not mdp.discount < 1.0:
        raise SolverError(
            "the rates are proved for discounted models only: the discount must be below 1"
        )
    solution = solve(mdp, regularizer, PolicyIteration(), tol=SMALLEST_TOLERANCE)
    value, certificate = solution.value, solution.certificate
    error = float(
        np.max(np.maximum(certificate.upper - value, value - certificate.lower), initial=0.0)
    )
    _, policy = bellman.greedy(mdp, regularizer, value)
    return Optimum(mdp, regularizer, value, error, action_values(mdp, regularizer, value), policy)


def action_values(
    mdp: MDP, regularizer: Regularizer, value: Float[Array, " S"]
) -> Float[np.ndarray, "S A"]:
    """(S,) value -> (S, A) action values r + γ P V; 0 at forbidden pairs."""
    return np.where(permitted(mdp, regularizer), bellman.q_values(mdp, value), 0.0)


def sup_norm(
    difference: Float[Array, "*batch S A"], allowed: Bool[Array, "S A"]
) -> Float[np.ndarray, "*batch"]:
    """(…, S, A) -> (…) largest absolute value over the permitted pairs."""
    return np.asarray(
        np.max(np.abs(np.where(allowed, difference, 0.0)), axis=(-2, -1), initial=0.0)
    )


@checked(mdp=Instance(MDP), policy=PolicyRowsOf())
def stationary_distribution(
    mdp: MDP, policy: Float[Array, "S A"]
) -> Float[np.ndarray, " S"] | None:
    r"""Return a (S,) distribution with \(\nu P_\pi = \nu\), or None if there is none.

    There is none if episodes end. If the chain of the policy has several recurrent classes, the
    distribution is positive on each of them. None is also returned for a large chain that mixes too
    slowly.

    Args:
        mdp: The model.
        policy: (S, A) probabilities.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> mdp = rm.models.chain(3)
        >>> rm.theory.stationary_distribution(mdp, rm.uniform_policy(mdp)).round(6)
        array([0.5 , 0.25, 0.25])
    """
    chain = Chain.from_policy(mdp, np.asarray(policy)).matrix
    found = (
        _solve_stationary(chain)
        if mdp.n_states <= MAX_STATES_LEAST_SQUARES
        else _iterate_stationary(chain, ~mdp.terminal)
    )
    if np.any(found < 0.0) or not found.sum() > 0.0:
        return None
    distribution = found / found.sum()
    return distribution if np.sum(np.abs(chain.T @ distribution - distribution)) <= 1e-10 else None


def _solve_stationary(chain: Array) -> Float[np.ndarray, " S"]:
    """Solve ν P = ν, Σν = 1 with minimal norm: it is positive on every recurrent class."""
    matrix = sp.csr_array(chain).toarray() if sp.issparse(chain) else np.asarray(chain)
    n = matrix.shape[0]
    system = np.vstack([matrix.T - np.eye(n), np.ones((1, n))])
    right_side = np.zeros(n + 1)
    right_side[-1] = 1.0
    found = np.linalg.lstsq(system, right_side, rcond=None)[0]
    noise = 1e3 * n * UNIT_ROUNDOFF * max(1.0, float(np.max(np.abs(found))))
    return np.where(np.abs(found) <= noise, 0.0, found)


def _iterate_stationary(chain: Array, live: Bool[np.ndarray, " S"]) -> Float[np.ndarray, " S"]:
    """Apply the lazy chain, which cannot oscillate, until the distribution is constant."""
    distribution = live / max(np.count_nonzero(live), 1)
    for _ in range(MAX_POWER_ITERATIONS):
        moved = 0.5 * (distribution + chain.T @ distribution)
        moved = moved / max(float(moved.sum()), SMALLEST_TOLERANCE)
        done = np.sum(np.abs(moved - distribution)) <= 1e-14
        distribution = moved
        if done:
            break
    return distribution
