r"""Bounds on the largest value within a divergence D from the reference.

For a policy π write V(π) for its value from ρ without the regularizer, and D(π) for its divergence
from the reference p0,

\[ D(\pi) = E\Big[\sum_t \gamma^t \mathrm{KL}(\pi(s_t) \,\|\, p^0(s_t))\Big] \]

in nats. The frontier is F(D) = max V(π) over the policies with D(π) ≤ D.

**Upper bound.** Let U_τ be the certified upper bound on the regularized optimum from ρ,
max V(π) - τ D(π). Any policy with D(π) ≤ D then has V(π) ≤ U_τ + τ D(π) ≤ U_τ + τ D. This holds for
every τ ≥ 0 that was solved, so F(D) ≤ min_τ (U_τ + τ D). No policy has to be optimal for it: an
inaccurate solution only makes U_τ larger.

**Lower bound.** A policy that was found has at least the lower bound on its value, at a divergence
of at most the upper bound on that. Mixtures of two such points are attained as well: let x(s, a) be
the expected discounted number of times that a is taken in s. V is linear in x, and
D = Σ x log(x / (x(s) p0)), with x(s) = Σ_a x(s, a), is convex in it. The stationary policy of a
mixture of two x therefore has the mixture's value, and at most the mixture's divergence. So F lies
on or above the concave hull of the points.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from regmdp._internal.arrays import UNIT_ROUNDOFF, Float

__all__ = ["ConcaveHull", "bound_value_above", "least_divergence"]


def bound_value_above(
    temperatures: Float[np.ndarray, " n"],
    optimum_upper: Float[np.ndarray, " n"],
    divergence: Float[np.ndarray, "*shape"],
) -> Float[np.ndarray, "*shape"]:
    """Return min over τ of U_τ + τ D, rounded upwards.

    Args:
        temperatures: (n,) τ.
        optimum_upper: (n,) U_τ, upper bounds on the regularized optima.
        divergence: D, in nats; any shape.
    """
    bound = np.full(divergence.shape, np.inf)
    for temperature, optimum in zip(temperatures, optimum_upper, strict=True):
        # at temperature 0 the price is 0, even of an infinite divergence
        price = temperature * divergence if temperature > 0.0 else np.zeros(divergence.shape)
        bound = np.minimum(bound, optimum + price + 4 * UNIT_ROUNDOFF * (abs(optimum) + price))
    return np.asarray(bound)


def least_divergence(
    temperatures: Float[np.ndarray, " n"], optimum_upper: Float[np.ndarray, " n"], value: float
) -> float:
    """Return a divergence below which no policy reaches a value, rounded downwards; ∞ if none does.

    Args:
        temperatures: (n,) τ.
        optimum_upper: (n,) U_τ, upper bounds on the regularized optima.
        value: The value to be reached.
    """
    needed = 0.0
    for temperature, optimum in zip(temperatures, optimum_upper, strict=True):
        if value > optimum and temperature > 0.0:
            needed = max(needed, (value - optimum) / temperature * (1 - 8 * UNIT_ROUNDOFF))
        elif value > optimum:
            return np.inf
    return float(needed)


@dataclass(frozen=True, eq=False)
class ConcaveHull:
    """Concave hull of points (divergence, value), and the constant continuation beyond the last.

    Attributes:
        divergence: (m,) divergences of the corners, increasing from 0.
        value: (m,) values of the corners, increasing.
    """

    divergence: Float[np.ndarray, " m"]
    value: Float[np.ndarray, " m"]

    @classmethod
    def from_points(
        cls, divergence: Float[np.ndarray, " n"], value: Float[np.ndarray, " n"]
    ) -> ConcaveHull:
        """Return the hull of (n,) points, of which those at an infinite divergence do not count."""
        corners: list[tuple[float, float]] = []
        for point in sorted(zip(divergence.tolist(), value.tolist(), strict=True)):
            if not np.isfinite(point[0]) or (corners and point[1] <= corners[-1][1]):
                continue
            while corners and (
                point[0] == corners[-1][0]
                or (len(corners) > 1 and _is_below_line(corners[-2], corners[-1], point))
            ):
                corners.pop()
            corners.append(point)
        hull = np.array(corners)
        return cls(hull[:, 0], hull[:, 1])

    def bound_value_below(
        self, divergence: Float[np.ndarray, "*shape"]
    ) -> Float[np.ndarray, "*shape"]:
        """Return the value of the hull at divergences of any shape, rounded downwards."""
        return np.asarray(np.interp(divergence, self.divergence, self.value) - self._rounding)

    def sufficient_divergence(self, value: float) -> float:
        """Return a divergence at which the hull reaches a value, rounded upwards; ∞ if none."""
        value += self._rounding
        if value > self.value[-1]:
            return np.inf
        reached = float(np.interp(value, self.value, self.divergence))
        return reached * (1 + 16 * UNIT_ROUNDOFF)

    @property
    def _rounding(self) -> float:
        """Bound on the rounding error of a value that is interpolated between corners."""
        finite = np.abs(self.value[np.isfinite(self.value)])
        return 16 * UNIT_ROUNDOFF * float(np.max(finite, initial=0.0))


def _is_below_line(
    left: tuple[float, float], middle: tuple[float, float], right: tuple[float, float]
) -> bool:
    """Whether a point is not above the line through its neighbours on the left and the right."""
    rise = (middle[1] - left[1]) * (right[0] - left[0])
    return rise <= (right[1] - left[1]) * (middle[0] - left[0])
