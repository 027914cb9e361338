"""Evaluation by a linear system, (I - γ P_π) x = b.

``prepare`` returns a system for a chain, which solves for any number of right-hand sides, and for
the transpose.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Protocol, runtime_checkable

import numpy as np

from regmdp._internal.arrays import UNIT_ROUNDOFF, Array, Float
from regmdp.evaluation.base import Chain, Evaluation, make_equation
from regmdp.mdp import MDP
from regmdp.regularizers import Regularizer

__all__ = ["LinearEvaluation", "System", "residual_floor"]


@runtime_checkable
class System(Protocol):
    """(I - γ P_π), prepared for solving."""

    def solve(
        self, b: Float[Array, " S"], guess: Float[Array, " S"], accuracy: float = 0.0
    ) -> Float[np.ndarray, " S"]:
        """(S,) b -> (S,) x with (I - γ P_π) x = b up to ``accuracy`` in the sup norm."""
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
        return self.solve_with_system(mdp, regularizer, policy, guess, accuracy)[0]

    def solve_with_system(
        self,
        mdp: MDP,
        regularizer: Regularizer,
        policy: Float[Array, "S A"],
        guess: Float[Array, " S"],
        accuracy: float = 0.0,
    ) -> tuple[Float[np.ndarray, " S"], System]:
        """Return a value for the policy, and the system that was solved for it."""
        chain, rewards = make_equation(mdp, regularizer, policy)
        system = self.prepare(chain)
        return system.solve(rewards, guess, accuracy), system

    def newton(
        self,
        mdp: MDP,
        policy: Float[Array, "S A"],
        value: Float[Array, " S"],
        residual: Float[Array, " S"],
        accuracy: float = 0.0,
    ) -> Float[np.ndarray, " S"]:
        r"""Return \(V + (I - \gamma P_\pi)^{-1} (T V - V)\), a value for the greedy policy π of V.

        That is one step of Newton's method on T V = V. It needs neither the rewards nor the
        regularizer of the policy.

        Args:
            mdp: The model.
            policy: (S, A) the policy, greedy for V.
            value: (S,) V.
            residual: (S,) T V - V.
            accuracy: Sufficient residual in the sup norm.
        """
        return value + self.prepare(Chain.from_policy(mdp, policy)).solve(
            residual, np.zeros_like(value), accuracy
        )


def residual_floor(value: Float[np.ndarray, " S"], b: Float[np.ndarray, " S"]) -> float:
    """Return the smallest residual that double precision can be expected to reach."""
    return 8 * UNIT_ROUNDOFF * (float(np.max(np.abs(value))) + float(np.max(np.abs(b))))
