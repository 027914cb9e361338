"""Is a regularizer right at every temperature, and does nothing overflow?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from regmdp._internal.arrays import UNIT_ROUNDOFF, Float
from regmdp._internal.fields import copy_with
from regmdp.regularizers import Regularizer
from regmdp.testing._points import Points, inner, require_distributions
from regmdp.testing._require import fail_on_warnings, format_array, require_nonpositive

__all__ = ["check_temperatures"]


def check_temperatures(
    regularizer: Regularizer, n_states: int, n_actions: int, masked: bool, rng: np.random.Generator
) -> None:
    """Check ``maximum``, ``maximiser`` and ``cost`` at ordinary and extreme temperatures and values."""
    for tempered in _with_temperatures(regularizer, n_states, rng):
        points = Points.draw(tempered, n_states, n_actions, masked, rng)
        for scale in (1.0, 1e-300, 1e8, 1e300):
            q = rng.normal(size=points.y.shape)
            q[::4] = np.round(q[::4])
            q[1::8] = -1.0
            q = np.clip(q, -3, 3) * scale
            what = (
                f"at temperature {format_array(np.asarray(tempered.temperature))} and values of about "
                f"{scale:g}"
            )
            _tempered(points, q, what)


def _with_temperatures(
    regularizer: Regularizer, n_states: int, rng: np.random.Generator
) -> Iterator[Regularizer]:
    """Return the same regularizer with other temperatures; itself if the temperature is not a field of its own."""
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


def _tempered(points: Points, q: Float[np.ndarray, "N A"], what: str) -> None:
    part, mask, n_actions = points.regularizer, points.mask, points.n_actions
    tau = np.broadcast_to(np.asarray(part.temperature, dtype=np.float64), q.shape[:1])
    with fail_on_warnings(f"maximum or maximiser {what}"):
        worth = np.asarray(part.maximum(q, points.allowed))
        policy = np.asarray(part.maximiser(q, points.allowed))
        cost = np.asarray(part.cost(policy, points.allowed))
    require_distributions(policy, mask, q, f"maximiser, {what},")
    top = np.max(np.where(mask, q, -np.inf), axis=1)
    # relative to the largest value, in units that cannot overflow
    unit = np.maximum(np.max(np.abs(q), axis=1), 1e-290)
    relative = inner(
        policy,
        np.where(mask, (np.where(mask, q, top[:, None]) - top[:, None]) / unit[:, None], 0.0),
    )
    reached = relative - cost / unit
    error = points.limit_error(q / unit[:, None]) + 4 * (n_actions + 4) * UNIT_ROUNDOFF
    error += tau / unit * (3 * points.error + 4 * UNIT_ROUNDOFF * part.magnitude(n_actions))
    require_nonpositive(
        np.abs((worth - top) / unit - reached) - error,
        lambda at: (
            f"maximum is not what the maximiser attains, {what}: for "
            f"{format_array(q[at])}{points.describe_mask(at)} it is {worth[at]:.17g}, but {format_array(policy[at])} "
            f"has {top[at] + unit[at] * reached[at]:.17g}"
        ),
    )
    low, _ = part.bounds(n_actions)
    vertex = np.asarray(
        part.value(
            (np.where(mask, q, -np.inf).argmax(axis=1)[:, None] == np.arange(n_actions)) * 1.0,
            points.allowed,
        )
    )
    least = np.where(
        np.isfinite(vertex), -tau / unit * np.where(np.isfinite(vertex), vertex, 0.0), -np.inf
    )
    require_nonpositive(
        np.maximum(least - (worth - top) / unit, (worth - top) / unit + tau / unit * low) - error,
        lambda at: (
            f"maximum is out of its bounds, {what}: for {format_array(q[at])}{points.describe_mask(at)} it is "
            f"{worth[at]:.17g}, which is not between the largest value less τ h there, and the "
            "largest value less τ times the lower bound on h"
        ),
    )
    cold = tau == 0
    most = _linear_maximum(points, (np.where(mask, q, top[:, None]) - top[:, None]) / unit[:, None])
    require_nonpositive(
        np.where(
            cold, np.abs((worth - top) / unit - most) - points.limit_error(q / unit[:, None]), 0.0
        ),
        lambda at: (
            f"at temperature 0 the maximum of {format_array(q[at])}{points.describe_mask(at)} is "
            f"{worth[at]:.17g}, not {top[at] + unit[at] * most[at]:.17g}, the largest ⟨p, q⟩"
        ),
    )
    require_nonpositive(
        np.where(cold, most - relative - points.limit_error(q / unit[:, None]), 0.0),
        lambda at: (
            f"at temperature 0 the maximiser for {format_array(q[at])}{points.describe_mask(at)} is "
            f"{format_array(policy[at])}, which is not best"
        ),
    )


def _linear_maximum(points: Points, q: Float[np.ndarray, "N A"]) -> Float[np.ndarray, " N"]:
    """Return (N,) the largest ⟨p, q⟩ over the distributions within the limits, one state after the other."""
    most = np.zeros(len(q))
    if points.limits is None:
        return most
    for state, (lower, upper) in enumerate(
        zip(points.limits.lower, points.limits.upper, strict=True)
    ):
        rest = 1.0 - lower.sum()
        for action in np.argsort(-q[state]):
            more = min(rest, upper[action] - lower[action])
            most[state] += (lower[action] + more) * q[state, action]
            rest -= more
    return most
