"""The derivative of one number with respect to everything that a problem is made of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from regmdp._internal.arrays import ArrayLike, Float
from regmdp._internal.errors import SolverError
from regmdp.gradients.changes import Change, Ranked, checked
from regmdp.gradients.errors import Errors, Weights

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
    transitions: Ranked
    _weights: Weights | None

    @property
    def errors(self) -> Errors:
        """Bounds on the errors, from how far the solution is from the optimum, rounding included; infinite if none are known."""
        return Errors(np.inf, np.inf, np.inf) if self._weights is None else self._weights.errors

    def error_along(self, change: Change) -> float:
        """Bound the error of the derivative in a direction: sharper than what `errors` give, and at the cost of one solve.

        Examples:
            >>> import regmdp as rm
            >>> mdp, soft = rm.models.chain(5), rm.Shannon(temperature=1.0)
            >>> gradient = rm.gradients.linearize(mdp, soft, rm.solve(mdp, soft)).gradient()
            >>> gradient.error_along(rm.gradients.Change(discount=1.0)) < 1e-8
            True
        """
        return np.inf if self._weights is None else self._weights.error_along(change)

    def along(self, change: Change) -> float:
        """Return the derivative in a direction.

        Examples:
            >>> import regmdp as rm
            >>> mdp, soft = rm.models.bandit(), rm.Shannon(temperature=1.0)
            >>> gradient = rm.gradients.linearize(mdp, soft, rm.solve(mdp, soft)).gradient()
            >>> round(
            ...     gradient.along(rm.gradients.Change(temperature=1.0)), 6
            ... )  # the entropy of the policy
            1.03531
        """
        total = 0.0
        if change.rewards is not None:
            total += float(
                np.sum(
                    self.rewards
                    * checked("a change of rewards", change.rewards, self.rewards.shape)
                )
            )
        if change.temperature is not None:
            step = checked(
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
                    * checked("a change of the reference", change.reference, self.reference.shape)
                )
            )
        if change.transitions is not None:
            total += self.transitions.along(change.transitions)
        return total

    def __repr__(self) -> str:
        return (
            f"Gradient({self.rewards.shape} rewards, temperature {self.temperature!r}, discount "
            f"{self.discount:.6g})"
        )
