r"""Policy evaluation: the value V of π solves V = r_π - τ h(π) + γ P_π V, a linear equation."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy

from regmdp import bellman
from regmdp._internal.arrays import Array, Float
from regmdp._internal.errors import SingularError, SolverError
from regmdp._internal.heartbeat import beat
from regmdp._internal.user_code import user_methods
from regmdp.evaluation.elimination_order import Cycles
from regmdp.mdp import MDP
from regmdp.mdp.policy_rows import PolicyRows
from regmdp.regularizers import Regularizer

__all__ = ["Chain", "Evaluation"]


@dataclass(frozen=True, eq=False)
class Chain:
    """The Markov chain that a policy induces.

    Attributes:
        rows: (S, S) transition matrix P_π, dense or a CSR array, or an operator that multiplies
            like it; rows of terminal states are empty.
        discount: γ.
        leak: Bound on how far the rows are from summing to 1; infinite if some episodes end, or if
            it is unknown.
    """

    rows: Array | PolicyRows
    discount: float
    leak: float = np.inf

    @classmethod
    def from_policy(cls, mdp: MDP, policy: Float[Array, "S A"]) -> Chain:
        """Return the chain of a policy."""
        return cls(
            mdp.transitions.policy_operator(policy),
            mdp.discount,
            np.inf if mdp.terminates else mdp.mass_error,
        )

    @cached_property
    def matrix(self) -> Array:
        """(S, S) transition matrix P_π, dense or a CSR array."""
        return self.rows.to_matrix() if isinstance(self.rows, PolicyRows) else self.rows

    @cached_property
    def diagonals(self) -> tuple[int, int]:
        """The numbers of diagonals of a sparse chain below and above the main one."""
        rows = scipy.sparse.csr_array(self.matrix)
        ahead = rows.indices - np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))
        return max(0, -int(ahead.min(initial=0))), max(0, int(ahead.max(initial=0)))

    @cached_property
    def cycles(self) -> Cycles:
        """Where a sparse chain has cycles."""
        return Cycles(scipy.sparse.csr_array(self.matrix))

    @property
    def n_states(self) -> int:
        """S."""
        return int(self.rows.shape[0])

    def propagate(self, value: Float[Array, " S"]) -> Float[np.ndarray, " S"]:
        r"""(S,) value -> (S,) \(\gamma P_\pi V\)."""
        result = self.rows @ value
        result *= self.discount
        beat()
        return result

    def residual(
        self, value: Float[Array, " S"], rewards: Float[Array, " S"]
    ) -> Float[np.ndarray, " S"]:
        """(S,) value and (S,) rewards of one step -> (S,) residual of V = rewards + γ P V."""
        return rewards + self.propagate(value) - value


@user_methods(SolverError)
class Evaluation(ABC):
    """A way to evaluate a policy.

    Immutable. Its result is certified elsewhere, by its residual.
    """

    #: Whether its result is the value of the policy up to ``accuracy``.
    exact: bool

    @abstractmethod
    def __call__(
        self,
        mdp: MDP,
        regularizer: Regularizer,
        policy: Float[Array, "S A"],
        guess: Float[Array, " S"],
        accuracy: float = 0.0,
    ) -> Float[np.ndarray, " S"]:
        """Return a value for the policy.

        Args:
            mdp: The model.
            regularizer: Its cost is subtracted from the rewards.
            policy: (S, A) probabilities.
            guess: (S,) value to start from.
            accuracy: Sufficient residual in the sup norm, in the unit of the rewards; 0 asks for
                the accuracy of doubles.
        """


def make_equation(
    mdp: MDP, regularizer: Regularizer, policy: Float[Array, "S A"]
) -> tuple[Chain, Float[np.ndarray, " S"]]:
    """Return the chain of a policy and its (S,) rewards of one step.

    Raises:
        SingularError: if the regularizer is infinite at the policy.
    """
    rewards = bellman.expected_rewards(mdp, regularizer, policy)
    if not np.isfinite(rewards).all():
        raise SingularError(
            f"the value of the policy in {mdp.describe(int(np.argmin(rewards)))} is -∞: the "
            "regularizer is infinite there; take smaller steps"
        )
    return Chain.from_policy(mdp, policy), rewards
