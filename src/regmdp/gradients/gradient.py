"""The derivative of one number with respect to everything that a problem is made of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from regmdp._internal.arrays import ArrayLike, Float
from regmdp._internal.errors import SolverError
from regmdp.gradients.errors import Cotangent, GradientErrors
from regmdp.gradients.perturbations import LowRankGradient, Perturbation, check_array

__all__ = ["Gradient"]


@dataclass(frozen=True, eq=False)
class Gradient:
    r"""The derivative of one number, such as V*(ρ), with respect to everything that a problem is made of.

    Attributes:
        rewards: (S, A) with respect to r(s, a). For V*(ρ) that is the expected discounted number of
            times that a is taken in s.
        temperature: With respect to τ: a number, or (S,) where the temperature has one entry per
            state.
        discount: With respect to γ.
        reference: (S, A) or (A,) with respect to the probabilities of the reference of KL, each by
            itself; None without one.
        transitions: With respect to P(t|s,a), where what is added there is taken from the end of
            the episode.
    """

    rewards: Float[np.ndarray, "S A"]
    temperature: ArrayLike
    discount: float
    reference: Float[np.ndarray, "..."] | None
    transitions: LowRankGradient
    _weights: Cotangent | None

    @property
    def errors(self) -> GradientErrors:
        """Bounds on the errors, from how far the solution is from the optimum, rounding included; infinite if none are known."""
        return (
            GradientErrors(np.inf, np.inf, np.inf)
            if self._weights is None
            else self._weights.errors
        )

    def directional_error(self, change: Perturbation) -> float:
        """Bound the error of the derivative in a direction: sharper than what `errors` give, and at the cost of one solve.

        Examples:
            >>> import regmdp as rm
            >>> mdp, soft = rm.models.chain(5), rm.Shannon(temperature=1.0)
            >>> gradient = rm.gradients.linearize(mdp, soft, rm.solve(mdp, soft)).gradient()
            >>> gradient.directional_error(rm.gradients.Perturbation(discount=1.0)) < 1e-8
            True
        """
        return np.inf if self._weights is None else self._weights.directional_error(change)

    def directional_derivative(self, change: Perturbation) -> float:
        """Return the derivative in a direction.

        Examples:
            >>> import regmdp as rm
            >>> mdp, soft = rm.models.bandit(), rm.Shannon(temperature=1.0)
            >>> gradient = rm.gradients.linearize(mdp, soft, rm.solve(mdp, soft)).gradient()
            >>> round(
            ...     gradient.directional_derivative(rm.gradients.Perturbation(temperature=1.0)), 6
            ... )  # the entropy of the policy
            1.03531
        """
        total = 0.0
        if change.rewards is not None:
            total += float(
                np.sum(
                    self.rewards
                    * check_array("a change of rewards", change.rewards, self.rewards.shape)
                )
            )
        if change.temperature is not None:
            step = check_array(
                "a change of the temperature", change.temperature, np.shape(self.temperature), ()
            )
            total += float(np.sum(self.temperature * step))
        if change.discount is not None:
            total += self.discount * float(change.discount)
        if change.reference is not None:
            if self.reference is None:
                raise SolverError("the reference cannot change: the regularizer has none")
            total += float(
                np.sum(
                    self.reference
                    * check_array(
                        "a change of the reference", change.reference, self.reference.shape
                    )
                )
            )
        if change.transitions is not None:
            total += self.transitions.directional_derivative(change.transitions)
        return total

    def __repr__(self) -> str:
        return (
            f"Gradient({self.rewards.shape} rewards, temperature {self.temperature!r}, discount "
            f"{self.discount:.6g})"
        )
