"""Sweeps that converge in the span seminorm: a constant shift of the value is removed at once."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from regmdp._internal.arrays import UNIT_ROUNDOFF, Float
from regmdp.evaluation.base import Chain
from regmdp.evaluation.linear import residual_floor

__all__ = ["MAX_SWEEPS", "SpanMonitor", "SweepResult", "sweep_policy"]

#: Largest number of sweeps, and of those over which their rate is averaged.
MAX_SWEEPS, AVERAGED_SWEEPS = 40, 4


class SweepResult(NamedTuple):
    """Result of some sweeps.

    Attributes:
        value: (S,) value.
        rate: Factor by which a sweep reduces the residual.
        done: Whether the residual is small enough.
    """

    value: Float[np.ndarray, " S"]
    rate: float
    done: bool


class SpanMonitor:
    """Sizes of the residuals of sweeps, and the rate at which they decrease.

    Args:
        up_to_shift: Whether constants are subtracted from the residuals; otherwise the sizes are
            those in the sup norm.

    Attributes:
        sizes: The sizes so far.
        rate: Mean factor between the last sizes; 0 if there is only one, or the last one is 0.
    """

    sizes: list[float]
    rate: float

    def __init__(self, up_to_shift: bool) -> None:
        self._up_to_shift, self.sizes, self.rate = up_to_shift, [], 0.0

    def measure(self, residual: Float[np.ndarray, " S"]) -> float:
        """Measure a (S,) residual, and return the constant to be subtracted from it."""
        high, low = float(residual.max()), float(residual.min())
        middle = 0.5 * (high + low) if self._up_to_shift else 0.0
        self.sizes.append(max(high - middle, middle - low))
        steps = min(len(self.sizes) - 1, AVERAGED_SWEEPS)
        if steps:
            ratio = self.sizes[-1] / self.sizes[-1 - steps] if self.sizes[-1] else 0.0
            self.rate = ratio ** (1 / steps)
        return middle


def sweep_policy(
    chain: Chain, b: Float[np.ndarray, " S"], value: Float[np.ndarray, " S"], accuracy: float
) -> SweepResult:
    r"""Sweep x ← b + γ P x from a (S,) value while that promises to end soon.

    Where no episode ends, (I - γ P) 1 = (1 - γ) 1: a constant is removed from the residual after
    each sweep. So its span counts, which decreases by γ times the second largest eigenvalue of the
    chain, not only by γ.
    """
    residual = chain.residual(value, b)
    goal = max(accuracy, residual_floor(value, b))
    up_to_shift = chain.leak < np.inf and chain.discount < 1.0
    monitor = SpanMonitor(up_to_shift)
    value, shift, done = np.array(value), 0.0, False
    for count in range(MAX_SWEEPS + 1):
        middle = monitor.measure(residual)
        size, rate = monitor.sizes[-1], monitor.rate
        if up_to_shift:
            residual -= middle
            shift += middle / (1.0 - chain.discount)
        # the rows do not sum to 1 exactly, so the shift leaves a residual; that of rounding alone
        # cannot be avoided
        drift = chain.leak * abs(shift) if up_to_shift else 0.0
        done = size <= goal and drift <= max(goal, 64 * UNIT_ROUNDOFF * abs(shift))
        if done or (count >= AVERAGED_SWEEPS and _is_too_slow(count, rate, size, goal)):
            break
        # the residual of x + r is γ P r
        value += residual
        residual = chain.propagate(residual)
    value += shift
    return SweepResult(value, monitor.rate, done)


def _is_too_slow(count: int, rate: float, size: float, goal: float) -> bool:
    """Whether the residual will not reach the goal within the largest number of sweeps."""
    return not rate < 1.0 or count + math.log(goal / size) / math.log(rate) > MAX_SWEEPS
