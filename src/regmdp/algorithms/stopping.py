"""How small a certified gap has to be."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from regmdp._internal.arrays import Array, Float
from regmdp._internal.checks import check_number
from regmdp.certificates import Certificate
from regmdp.mdp import MDP
from regmdp.regularizers import Regularizer

__all__ = ["Stopping", "Tolerance"]


@dataclass(frozen=True)
class Tolerance:
    r"""The certified gap to reach: relative to the size of the values, or absolute.

    The size is the largest \(|V^*(s)|\) of all states, or the smallest \(|r(s, a)|\) that is not 0
    (if all rewards are 0, the temperature) where that is larger, as in a model in which no cost is
    ever necessary. It scales with the unit of the rewards, so that a change of the unit changes no
    verdict. A large reward that no good policy meets, such as a penalty that forbids an action,
    does not count.

    Attributes:
        relative: The gap to reach divided by the size of the values. 0 is never reached.
        absolute: The gap to reach in the unit of the rewards, instead; or None.
    """

    relative: float = 1e-9
    absolute: float | None = None

    @classmethod
    def check(cls, tol: object, absolute_tol: object = None) -> Tolerance:
        """Return a tolerance of two arguments.

        Raises:
            SolverError: if the relative one is not 0 or more, or the absolute one not above 0.
        """
        return cls(
            check_number("tol", tol, 0.0),
            None
            if absolute_tol is None
            else check_number(
                "absolute_tol", absolute_tol, above=0.0, advice="tol=0 switches stopping off"
            ),
        )

    @property
    def active(self) -> bool:
        """Whether a run can meet it at all."""
        return self.relative > 0.0 or self.absolute is not None

    def goal(self, size: Float[np.ndarray, " N"]) -> Float[np.ndarray, " N"]:
        """(N,) sizes of the values of problems -> (N,) gaps to reach, if no reward is larger."""
        return np.broadcast_to(
            self.relative * size if self.absolute is None else self.absolute, np.shape(size)
        )

    def scaled(self, factor: float) -> Tolerance:
        """Return the tolerance multiplied by a factor."""
        absolute = None if self.absolute is None else factor * self.absolute
        return Tolerance(factor * self.relative, absolute)

    def met_by(self, certificate: Certificate, mdp: MDP, regularizer: Regularizer) -> bool:
        """Whether the gap of a certificate is within the tolerance.

        >>> from regmdp import certify, models
        >>> from regmdp.regularizers import Unregularized
        >>> bandit, none = models.bandit(), Unregularized()
        >>> certificate = certify(bandit, policy=np.array([1]))  # its value is 0.9, the best one 1
        >>> [Tolerance(size).met_by(certificate, bandit, none) for size in (0.05, 0.2)]
        [False, True]
        """
        return Stopping(mdp, regularizer, self).met_by(certificate)


class Stopping:
    """The gap that a run on one problem has to reach."""

    def __init__(self, mdp: MDP, regularizer: Regularizer, tolerance: Tolerance) -> None:
        self._tolerance = tolerance
        self._smallest_reward = cache(lambda: find_smallest_reward(mdp, regularizer))
        self._largest = np.inf

    def allows(self, gap: float, value: Float[Array, " S"]) -> bool:
        """Whether a predicted gap is small enough, if the (S,) values are near the optimum."""
        return self._compare(gap, min(float(np.max(np.abs(value), initial=0.0)), self._largest))

    def met_by(self, certificate: Certificate) -> bool:
        """Whether the gap of a certificate is small enough, by its bounds on the optimum."""
        lower = certificate.lower[np.isfinite(certificate.lower)]
        upper = certificate.upper[np.isfinite(certificate.upper)]
        size = max(lower.max(initial=0.0), -upper.min(initial=0.0))
        # until there is a better certificate, predictions believe in no larger values
        self._largest = max(upper.max(initial=0.0), -lower.min(initial=0.0), size)
        return self._compare(certificate.gap, float(size))

    def _compare(self, gap: float, size: float) -> bool:
        if self._tolerance.absolute is not None:
            return gap <= self._tolerance.absolute
        relative = self._tolerance.relative
        return gap <= relative * size or gap <= relative * self._smallest_reward()


def find_smallest_reward(mdp: MDP, regularizer: Regularizer) -> float:
    """Return the smallest size of a reward that is not 0; if there is none, the temperature.

    Where there is neither, nothing has a size, and 1 is returned.

    >>> from regmdp.regularizers import Shannon
    >>> chain = MDP(np.ones((1, 2, 1)), np.array([[0.0, -3.0]]), discount=0.9)
    >>> find_smallest_reward(chain, Shannon(temperature=10.0))
    3.0
    """

    def find_smallest(block: slice) -> float:
        sizes = np.abs(mdp.rewards[block])
        counted = mdp.available[block] & (sizes > 0.0)
        return float(np.min(sizes, where=counted, initial=np.inf))

    smallest = min(mdp.partition.map(find_smallest, shared=False))
    return smallest if np.isfinite(smallest) else (regularizer.max_temperature or 1.0)
