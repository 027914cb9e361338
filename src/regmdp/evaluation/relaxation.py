"""Plain sweeps x ← b + γ P_π x, with what all states have in common taken out at once."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from regmdp._internal.arrays import UNIT_ROUNDOFF, Float
from regmdp.evaluation.base import Chain
from regmdp.evaluation.linear import floor

__all__ = ["Relaxed", "relax"]

#: The most sweeps that are made in place of a factorization or Krylov iterations, and those from
#: which their rate is seen.
SWEEPS, PROBED = 40, 4


class Relaxed(NamedTuple):
    """Where sweeps have led: (S,) value, the factor by which a sweep shrinks the residual, and whether it is accurate enough."""

    value: Float[np.ndarray, " S"]
    rate: float
    done: bool


def relax(
    chain: Chain, b: Float[np.ndarray, " S"], value: Float[np.ndarray, " S"], accuracy: float
) -> Relaxed:
    r"""Sweep x ← b + γ P x from a (S,) value while that promises to end soon.

    Where no episode ends, (I - γ P) 1 = (1 - γ) 1: the middle of the residual is removed at once,
    after each sweep, so that its span counts, which shrinks by γ times the second largest
    eigenvalue of the chain and not only by γ.
    """
    residual = chain.residual(value, b)
    goal = max(accuracy, floor(value, b))
    common = chain.leak < np.inf and chain.discount < 1.0
    value, shift, rate, done = np.array(value), 0.0, 0.0, False
    sizes: list[float] = []
    for count in range(SWEEPS + 1):
        high, low = float(residual.max()), float(residual.min())
        if common:
            middle = 0.5 * (high + low)
            residual -= middle
            high, low = high - middle, low - middle
            shift += middle / (1.0 - chain.discount)
        sizes.append(max(high, -low))
        if count:
            rate = (
                (sizes[-1] / sizes[-1 - min(count, PROBED)]) ** (1 / min(count, PROBED))
                if sizes[-1]
                else 0.0
            )
        # the rows do not sum to 1 exactly, so the shift leaves a residual; what it leaves by
        # rounding alone is there in any case
        drift = chain.leak * abs(shift) if common else 0.0
        done = sizes[-1] <= goal and drift <= max(goal, 64 * UNIT_ROUNDOFF * abs(shift))
        if done or (
            count >= PROBED
            and (not rate < 1.0 or count + math.log(goal / sizes[-1]) / math.log(rate) > SWEEPS)
        ):
            break
        # the residual of x + r is γ P r
        value += residual
        residual = chain.propagate(residual)
    value += shift
    return Relaxed(value, rate, done)
