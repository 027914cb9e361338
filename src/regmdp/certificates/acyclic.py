"""Bounds for a model whose core, the part with cycles, has been solved as a model of its own.

An error E of the values outside changes those of the core by at most the probability of leaving it
times E. Rows of the core sum to 1 up to rounding, so that this is at most 2 E.
"""

from __future__ import annotations

import numpy as np

from regmdp._internal.arrays import UNIT_ROUNDOFF, Array, Float
from regmdp.certificates.certificate import Bounds
from regmdp.undiscounted.acyclic import AcyclicParts

__all__ = ["expand_bounds"]


def expand_bounds(parts: AcyclicParts, value: Float[Array, " R"], bounds: Bounds | None) -> Bounds:
    """Return bounds for a model, and for a policy of it that is greedy outside the core.

    Args:
        parts: The model.
        value: (R,) a value of the core, between the bounds.
        bounds: Bounds for the core and a policy of it; None if there is no core.
    """
    found, _ = parts.solve_above(value)
    centre = found[:-1]
    finite = np.isfinite(centre)
    # of the sums below
    noise = 4 * UNIT_ROUNDOFF * float(np.max(np.abs(centre[finite]), initial=0.0))
    errors = parts.below.bound_errors(0.0, parts.value) + noise
    outside = float(errors.max(initial=0.0))
    low, high = np.array(centre), np.array(centre)
    low[parts.below.states] -= errors
    high[parts.below.states] += errors
    if bounds is None:
        return Bounds(low, high, low, high)
    inside, above, slack = parts.inside, parts.above.states, 2.0 * outside + noise
    n_inside = inside.size
    low[inside] = bounds.policy_lower[:n_inside] - slack
    high[inside] = bounds.upper[:n_inside] + slack
    known = inside[finite[inside]]
    for bound, sign in ((low, -1.0), (high, 1.0)):
        apart = float(np.max(sign * (bound[known] - centre[known]), initial=outside))
        bound[above] += sign * (parts.above.bound_errors(apart, found) + noise)
        bound[above[~finite[above]]] = -np.inf
    lower, policy_upper = np.array(low), np.array(high)
    lower[inside] = bounds.lower[:n_inside] - slack
    policy_upper[inside] = bounds.policy_upper[:n_inside] + slack
    return Bounds(lower, high, low, policy_upper, bounds.limit)
