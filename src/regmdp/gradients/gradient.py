"""The derivative of one number with respect to all data of a problem."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from regmdp._internal.arrays import Float
from regmdp._internal.errors import SolverError
from regmdp._internal.fields import ReadOnlyCopies
from regmdp._internal.parameters import Instance, checked
from regmdp.gradients.errors import Cotangent, GradientErrors
from regmdp.gradients.low_rank import LowRankGradient
from regmdp.gradients.perturbations import Perturbation
from regmdp.gradients.shapes import check_array

__all__ = ["Gradient"]


@dataclass(frozen=True, eq=False)
class Gradient(ReadOnlyCopies):
    r"""The derivative of one number, such as V*(ρ), with respect to all data of a problem.

    Attributes:
        rewards: (S, A) with respect to r(s, a). For V*(ρ) that is the expected discounted number of
            times that a is taken in s.
        temperature: With respect to τ: a number, or (S,) where the temperature has one entry per
            state.
        discount: With respect to γ.
        reference: (S, A) or (A,) with respect to each probability of the reference of KL by itself;
            None without one.
        transitions: With respect to P(t|s,a); the probability that the episode ends changes by
            minus as much.
        cotangent: The function whose gradient it is, for its errors; None if they are not known.
    """

    rewards: Float[np.ndarray, "S A"]
    temperature: float | Float[np.ndarray, " S"]
    discount: float
    reference: Float[np.ndarray, "..."] | None
    transitions: LowRankGradient
    cotangent: Cotangent | None

    @property
    def errors(self) -> GradientErrors:
        """Bounds on the errors, from the distance of the solution from the optimum and rounding.

        They are infinite if none are known.
        """
        if self.cotangent is None:
            return GradientErrors(np.inf, np.inf, np.inf)
        return self.cotangent.errors

    @checked(perturbation=Instance(Perturbation))
    def directional_error(self, perturbation: Perturbation) -> float:
        """Bound the error of the directional derivative, at the cost of one solve.

        The bound is sharper than what `errors` give.

        Examples:
            >>> import regmdp as rm
            >>> mdp, soft = rm.models.chain(5), rm.Shannon(temperature=1.0)
            >>> gradient = rm.gradients.linearize(mdp, soft, rm.solve(mdp, soft)).gradient()
            >>> gradient.directional_error(rm.gradients.Perturbation(discount=1.0)) < 1e-8
            True
        """
        return np.inf if self.cotangent is None else self.cotangent.directional_error(perturbation)

    @checked(perturbation=Instance(Perturbation))
    def directional_derivative(self, perturbation: Perturbation) -> float:
        """Return the derivative along a perturbation.

        Examples:
            >>> import regmdp as rm
            >>> mdp, soft = rm.models.bandit(), rm.Shannon(temperature=1.0)
            >>> gradient = rm.gradients.linearize(mdp, soft, rm.solve(mdp, soft)).gradient()
            >>> warmer = rm.gradients.Perturbation(temperature=1.0)
            >>> round(gradient.directional_derivative(warmer), 6)  # the entropy of the policy
            1.03531
        """
        total = 0.0
        if perturbation.rewards is not None:
            change = check_array("a change of rewards", perturbation.rewards, self.rewards.shape)
            total += float(np.sum(self.rewards * change))
        if perturbation.temperature is not None:
            shape = np.shape(self.temperature)
            change = check_array("a change of the temperature", perturbation.temperature, shape, ())
            total += float(np.sum(self.temperature * change))
        if perturbation.discount is not None:
            total += self.discount * float(perturbation.discount)
        if perturbation.reference is not None:
            if self.reference is None:
                raise SolverError("the reference cannot change: the regularizer has none")
            shape = self.reference.shape
            change = check_array("a change of the reference", perturbation.reference, shape)
            total += float(np.sum(self.reference * change))
        if perturbation.transitions is not None:
            total += self.transitions.directional_derivative(perturbation.transitions)
        return total

    def __repr__(self) -> str:
        return (
            f"Gradient({self.rewards.shape} rewards, temperature {self.temperature!r}, discount "
            f"{self.discount:.6g})"
        )
