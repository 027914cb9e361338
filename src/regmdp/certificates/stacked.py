"""The bounds of one sweep, for several problems side by side."""

from __future__ import annotations

import numpy as np

from regmdp._internal.arrays import Array, Float
from regmdp.certificates.certificate import Bounds
from regmdp.certificates.discounted import (
    Horizon,
    SweepSizes,
    bounds_of_sweep,
    penalty_error,
    sweep_model,
)
from regmdp.certificates.penalties import has_huge_rewards
from regmdp.certificates.user_functions import require_maxima
from regmdp.rounding import backup_errors
from regmdp.stack import Stack

__all__ = ["stacked_bounds"]


def stacked_bounds(
    stack: Stack, policy: Float[Array, "NS A"], value: Float[np.ndarray, " NS"]
) -> Bounds:
    """(N·S, A) policies and (N·S,) values -> (N, S) bounds, those of each problem alone.

    Each part has the bounds of :func:`~regmdp.certificates.discounted.discounted_bounds`, from its
    own sizes and extremes: they do not depend on the other problems.
    """
    size = stack.first.n_states
    best, own, sizes = sweep_model(stack.mdp, stack.regularizer, policy, value, size)
    values, best, own = stack.split(value), stack.split(best), stack.split(own)
    errors = _rounding_errors(stack, sizes, values)
    policies = stack.split(np.asarray(policy))
    for i, problem in enumerate(stack.problems):
        mdp, regularizer = problem.mdp, problem.regularizer
        if has_huge_rewards(mdp, values[i]):
            errors[i] = min(errors[i], penalty_error(mdp, regularizer, policies[i], values[i]))
        require_maxima(mdp, regularizer, values[i], best[i], float(errors[i]))
    horizon = Horizon(
        stack.first.discount,
        stack.mass_error[:, None],
        stack.terminates[:, None],
        stack.split(stack.mdp.terminal),
    )
    return bounds_of_sweep(horizon, values, best, own, errors[:, None])


def _rounding_errors(
    stack: Stack, sizes: SweepSizes, values: Float[np.ndarray, "N S"]
) -> Float[np.ndarray, " N"]:
    """Bound the rounding errors of a sweep of each problem, as ``backup_error`` does for one."""
    first, regularizer = stack.first, stack.problems[0].regularizer
    of_values = first.discount * (1.0 + stack.mass_error) * np.max(np.abs(values), axis=1)
    scale = stack.reward_bound + of_values
    # the next power of two, so that few different ones are asked for; a larger bound is one, too
    finite = np.isfinite(sizes.largest)
    largest = np.where(finite, np.ldexp(1.0, np.frexp(sizes.largest)[1]), np.inf)
    terms = {
        bound: (
            regularizer.rounding_within(first.n_actions, bound),
            regularizer.magnitude_within(first.n_actions, bound),
        )
        for bound in np.unique(largest).tolist()
    }
    rounding, magnitude = np.array([terms[bound] for bound in largest.tolist()]).T
    errors = backup_errors(
        (stack.branching, first.n_actions),
        scale,
        np.minimum(sizes.spread, 2 * scale),
        stack.max_temperature * rounding,
        stack.max_temperature * magnitude,
        bounded=regularizer.probability_bounds is not None,
    )
    return np.array(errors)
