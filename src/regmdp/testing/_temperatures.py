"""Checks of regularizers at ordinary and extreme temperatures and values."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from regmdp._internal.arrays import UNIT_ROUNDOFF, Float
from regmdp._internal.fields import copy_with
from regmdp.regularizers import Regularizer
from regmdp.regularizers.base import inner_product
from regmdp.testing._points import Points, require_distributions
from regmdp.testing._require import fail_on_warnings, format_array, require_nonpositive

__all__ = ["check_temperatures"]


def check_temperatures(
    regularizer: Regularizer, n_states: int, n_actions: int, masked: bool, rng: np.random.Generator
) -> None:
    """Check ``maximum``, ``maximiser`` and ``cost`` at several temperatures and scales."""
    for variant in _vary_temperature(regularizer, n_states, rng):
        points = Points.draw(variant, n_states, n_actions, masked, rng)
        for scale in (1.0, 1e-300, 1e8, 1e300):
            q = rng.normal(size=points.y.shape)
            q[::4] = np.round(q[::4])
            q[1::8] = -1.0
            q = np.clip(q, -3, 3) * scale
            what = (
                f"at temperature {format_array(np.asarray(variant.temperature))} and values of "
                f"about {scale:g}"
            )
            _check_at_temperature(points, q, what)


def _vary_temperature(
    regularizer: Regularizer, n_states: int, rng: np.random.Generator
) -> Iterator[Regularizer]:
    """Yield the regularizer with other temperatures, or unchanged if it has no such field."""
    if "temperature" not in vars(regularizer):
        yield regularizer
        return
    numbers = [0.0, 1e-12, 1e-6, 1e-3, 1.0, 1e4]
    for temperature in (
        *numbers,
        10.0 ** rng.uniform(-12, 4, size=n_states),
        np.where(np.arange(n_states) % 2, 0.0, 0.5),
    ):
        yield copy_with(regularizer, temperature=temperature)


def _check_at_temperature(points: Points, q: Float[np.ndarray, "N A"], what: str) -> None:
    """Check ``maximum``, ``maximiser`` and ``cost`` for (N, A) values q."""
    part, mask, n_actions = points.regularizer, points.mask, points.n_actions
    tau = np.broadcast_to(np.asarray(part.temperature, dtype=np.float64), q.shape[:1])
    with fail_on_warnings(f"maximum or maximiser {what}"):
        maximum = np.asarray(part.maximum(q, points.allowed))
        policy = np.asarray(part.maximiser(q, points.allowed))
        cost = np.asarray(part.cost(policy, points.allowed))
    require_distributions(policy, mask, q, f"maximiser, {what},")
    top = np.max(np.where(mask, q, -np.inf), axis=1)
    # relative to the largest value, in units that cannot overflow
    unit = np.maximum(np.max(np.abs(q), axis=1), 1e-290)
    below = np.where(mask, (np.where(mask, q, top[:, None]) - top[:, None]) / unit[:, None], 0.0)
    relative, gain = inner_product(policy, below), (maximum - top) / unit
    reached = relative - cost / unit
    bound_error = points.bound_error(q / unit[:, None])
    error = bound_error + 4 * (n_actions + 4) * UNIT_ROUNDOFF
    error += tau / unit * (3 * points.error + 4 * UNIT_ROUNDOFF * part.magnitude(n_actions))
    require_nonpositive(
        np.abs(gain - reached) - error,
        lambda at: (
            f"maximum is not what the maximiser attains, {what}: for "
            f"{format_array(q[at])}{points.describe_mask(at)} it is {maximum[at]:.17g}, but "
            f"{format_array(policy[at])} has {top[at] + unit[at] * reached[at]:.17g}"
        ),
    )
    least, most = _bound_gain(points, q, tau / unit)
    require_nonpositive(
        np.maximum(least - gain, gain - most) - error,
        lambda at: (
            f"maximum is out of its bounds, {what}: for "
            f"{format_array(q[at])}{points.describe_mask(at)} it is {maximum[at]:.17g}, which is "
            "not between the largest value less τ h there, and the largest value less τ times the "
            "lower bound on h"
        ),
    )
    cold, linear = tau == 0, _linear_maximum(points, below)
    require_nonpositive(
        np.where(cold, np.abs(gain - linear) - bound_error, 0.0),
        lambda at: (
            f"at temperature 0 the maximum of {format_array(q[at])}{points.describe_mask(at)} is "
            f"{maximum[at]:.17g}, not {top[at] + unit[at] * linear[at]:.17g}, the largest ⟨p, q⟩"
        ),
    )
    require_nonpositive(
        np.where(cold, linear - relative - bound_error, 0.0),
        lambda at: (
            f"at temperature 0 the maximiser for {format_array(q[at])}{points.describe_mask(at)} "
            f"is {format_array(policy[at])}, which is not best"
        ),
    )


def _bound_gain(
    points: Points, q: Float[np.ndarray, "N A"], tau: Float[np.ndarray, " N"]
) -> tuple[Float[np.ndarray, " N"], Float[np.ndarray, " N"]]:
    """Return (N,) bounds on the maximum less the largest value, at (N,) temperatures."""
    part, n_actions = points.regularizer, points.n_actions
    best = np.where(points.mask, q, -np.inf).argmax(axis=1)
    vertex = (best[:, None] == np.arange(n_actions)) * 1.0
    cost = np.asarray(part.value(vertex, points.allowed))
    finite = np.isfinite(cost)
    least = np.where(finite, -tau * np.where(finite, cost, 0.0), -np.inf)
    return least, -tau * part.bounds(n_actions)[0]


def _linear_maximum(points: Points, q: Float[np.ndarray, "N A"]) -> Float[np.ndarray, " N"]:
    """Return (N,) the largest ⟨p, q⟩ over the distributions between the bounds."""
    most = np.zeros(len(q))
    if points.bounds is None:
        return most
    for state, (lower, upper) in enumerate(
        zip(points.bounds.lower, points.bounds.upper, strict=True)
    ):
        rest = 1.0 - lower.sum()
        for action in np.argsort(-q[state]):
            more = min(rest, upper[action] - lower[action])
            most[state] += (lower[action] + more) * q[state, action]
            rest -= more
    return most
