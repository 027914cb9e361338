"""Checks of regularizers: convexity, greedy policies, conjugate and constants.

All methods are compared with ``value``, the definition: a greedy distribution is right if no other
distribution has a larger objective.
"""

from __future__ import annotations

import numpy as np

from regmdp._internal.parameters import Generator, Instance, Integer, checked
from regmdp.regularizers import Regularizer, Shannon
from regmdp.regularizers.base import inner_product
from regmdp.testing._greedy import check_greedy
from regmdp.testing._points import N_POINTS, Points, count_states, require_distributions
from regmdp.testing._require import fail_on_warnings, format_array, require, require_nonpositive
from regmdp.testing._temperatures import check_temperatures

__all__ = ["check_regularizer"]


@checked(regularizer=Instance(Regularizer), n_actions=Integer(1, 1000), rng=Generator())
def check_regularizer(
    regularizer: Regularizer, n_actions: int = 4, *, rng: np.random.Generator
) -> None:
    r"""Check a regularizer on random distributions, scores, masks and temperatures.

    Checked are: convexity of h, and its moduli of strong convexity, in the ℓ1 norm and relative to
    negative entropy; that divergences are what their definition says; that ``greedy`` returns
    distributions, that they maximise ⟨p, y⟩ - h(p) and are the gradient of the conjugate; that the
    conjugate is that maximum, shifts with its argument, is monotone and 1-Lipschitz; the bounds;
    the subgradient; the domain; ``at``; and that nothing overflows at temperatures from 1e-12 to
    1e4, at 0, or at values of 1e300.

    Args:
        regularizer: Its temperature is ignored; a field with one entry per state is checked in
            all its states.
        n_actions: A, the number of actions to check it with.
        rng: Generator of the points.

    Raises:
        AssertionError: with the violated property, by how much, and at which point.
        RegularizerError: if the regularizer does not fit that number of actions.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> rm.testing.check_regularizer(rm.Shannon(temperature=0.1), rng=np.random.default_rng(0))

        A greedy map of another function:

        >>> class Wrong(rm.Regularizer):
        ...     temperature = 1.0
        ...
        ...     def value(self, p, available=None):
        ...         return 0.5 * np.sum(p**2, axis=-1)
        ...
        ...     def greedy(self, y, available=None):
        ...         return rm.Shannon(temperature=1.0).greedy(y, available)
        >>> rm.testing.check_regularizer(
        ...     Wrong(), rng=np.random.default_rng(0)
        ... )  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        AssertionError: greedy is not the maximiser: for the scores array([...
    """
    n_states = count_states(regularizer)
    regularizer.check(np.ones((n_states, n_actions), dtype=np.bool_))
    _check_constants(regularizer, n_actions)
    for masked in (False, True):
        points = Points.draw(regularizer, n_states, n_actions, masked, rng)
        _check_value(points)
        _check_convexity(points, rng)
        check_greedy(points)
        _check_divergence(points)
        _check_bounds(points)
        _check_subgradient(points)
    _check_domain(regularizer, n_states, n_actions)
    _check_at(points, rng)
    _check_inputs_unchanged(points)
    for masked in (False, True):
        check_temperatures(regularizer, n_states, n_actions, masked, rng)
    _check_no_action(points)


def _check_constants(regularizer: Regularizer, n_actions: int) -> None:
    low, high = regularizer.bounds(n_actions)
    require(
        np.isfinite(low) and low <= high,
        f"bounds({n_actions}) returns {(low, high)}, which are not a lower and an upper bound",
    )
    for name in ("strong_convexity", "relative_strong_convexity"):
        modulus = getattr(regularizer, name)(n_actions)
        require(
            modulus >= 0 and np.isfinite(modulus),
            f"{name}({n_actions}) returns {modulus}; it is 0 or more",
        )
    error = regularizer.rounding(n_actions)
    require(
        0 < error < 1e-6,
        f"rounding({n_actions}) returns {error}; it bounds the rounding error of a double",
    )


def _check_value(points: Points) -> None:
    found = points.value(points.p)
    require(
        found.shape == points.p.shape[:1],
        f"value of shape {points.p.shape} has shape {found.shape}, not {points.p.shape[:1]}",
    )
    require_nonpositive(
        np.where(np.isnan(found) | (found == -np.inf), np.inf, 0.0),
        lambda at: f"h is {found[at]} at p = {format_array(points.p[at])}",
    )


def _check_convexity(points: Points, rng: np.random.Generator) -> None:
    p, q = points.p, points.q
    modulus = points.regularizer.strong_convexity(points.n_actions)
    of_p, of_q = points.value(p), points.value(q)
    for share in (np.full((N_POINTS, 1), 0.5), rng.random((N_POINTS, 1))):
        between = share * p + (1 - share) * q
        found = points.value(between)
        weights = share[:, 0]
        with np.errstate(invalid="ignore"):
            chord = weights * of_p + (1 - weights) * of_q
        chord = np.where(np.isfinite(of_p) & np.isfinite(of_q), chord, np.inf)
        below = 0.5 * modulus * weights * (1 - weights) * np.abs(p - q).sum(axis=1) ** 2
        excess = np.where(chord < np.inf, found - np.where(chord < np.inf, chord, 0.0), -np.inf)

        def describe_ends(at: tuple[int, ...], w=weights) -> str:
            return (
                f"p = {format_array(p[at])} and q = "
                f"{format_array(q[at])}{points.describe_mask(at)}: at {w[at]:.17g} p + "
                f"{1 - w[at]:.17g} q"
            )

        require_nonpositive(
            excess - 4 * points.error,
            lambda at, found=found, chord=chord, excess=excess, ends=describe_ends: (
                f"h is not convex, between {ends(at)} it is {found[at]:.17g}, which is "
                f"{excess[at]:.3g} above the chord, {chord[at]:.17g}"
            ),
        )
        require_nonpositive(
            excess + below - 4 * points.error,
            lambda at, excess=excess, below=below, ends=describe_ends: (
                f"strong_convexity says {modulus:.6g}, which is too large: between {ends(at)} h is "
                f"{-excess[at]:.6g} below the chord, not {below[at]:.6g}"
            ),
        )


def _check_divergence(points: Points) -> None:
    """Check divergences, from q with its scores as the subgradient, and their lower bounds."""
    regularizer, allowed = points.regularizer, points.allowed
    q, p = points.greedy(points.y), points.greedy(points.near)
    with fail_on_warnings("divergence"):
        found = np.asarray(regularizer.divergence(p, q, points.y, allowed))
    require(
        found.shape == p.shape[:1],
        f"the divergence of distributions of shape {p.shape} has shape {found.shape}",
    )
    with np.errstate(invalid="ignore"):
        expected = points.value(p) - points.value(q) - inner_product(p, points.y)
        expected = expected + inner_product(q, points.y)
    slack = 8 * points.error + points.sum_error(p, points.y) + points.sum_error(q, points.y)
    # a score of -inf has no finite product with a probability
    known = np.isfinite(expected) & np.all((points.y > -np.inf) | (p == 0.0), axis=1)
    require_nonpositive(
        np.where(known, np.abs(found - np.where(known, expected, 0.0)) - slack, -1.0),
        lambda at: (
            f"the divergence of {format_array(p[at])} from {format_array(q[at])} is "
            f"{found[at]:.17g}, not h(p) - h(q) - ⟨ξ, p - q⟩ = {expected[at]:.17g}"
        ),
    )
    relative = regularizer.relative_strong_convexity(points.n_actions)
    if relative > 0.0:
        least = relative * np.asarray(Shannon(1.0).divergence(p, q))
        require_nonpositive(
            np.where(known & np.isfinite(least), least - found - slack, -1.0),
            lambda at: (
                f"relative_strong_convexity says {relative:.6g}, which is too large: the "
                f"divergence of {format_array(p[at])} from {format_array(q[at])} is "
                f"{found[at]:.6g}, not at least {least[at]:.6g}"
            ),
        )


def _check_bounds(points: Points) -> None:
    low, high = points.regularizer.bounds(points.n_actions)
    flat = points.greedy(np.where(points.mask, 0.0, -np.inf))
    for p in (points.p, points.q, flat):
        found = points.value(p)
        # h may be infinite where its upper bound is
        above = (
            np.where(np.isfinite(found), found, -np.inf) - high if np.isinf(high) else found - high
        )
        for excess, name, bound in ((low - found, "lower", low), (above, "upper", high)):
            require_nonpositive(
                excess - 2 * points.error,
                lambda at, p=p, found=found, name=name, bound=bound: (
                    f"the {name} bound on h, {bound:.17g}, is wrong: h is {found[at]:.17g} at "
                    f"{format_array(p[at])}"
                ),
            )


def _check_subgradient(points: Points) -> None:
    default = type(points.regularizer).subgradient is Regularizer.subgradient
    # the default is numerical: less accurate, and slow
    count, least, slack = (6, 1e-3, 1e-6) if default else (N_POINTS, 0.0, 0.0)
    chosen = np.flatnonzero(np.min(np.where(points.mask, points.p, 1.0), axis=1) >= least)[:count]
    if chosen.size == 0:
        return
    part = points.regularizer.at(chosen)
    allowed = None if points.allowed is None else points.allowed[chosen]
    p, q = points.p[chosen], points.q[chosen]
    with fail_on_warnings("subgradient"):
        slope = np.asarray(part.subgradient(p, allowed))
    require(
        slope.shape == p.shape,
        f"the subgradient of distributions of shape {p.shape} has shape {slope.shape}",
    )
    at_p, at_q = np.asarray(part.value(p, allowed)), np.asarray(part.value(q, allowed))
    bad = np.isfinite(at_p)[:, None] & (
        (p > 0) & ~np.isfinite(slope) | np.isnan(slope) | (slope == np.inf)
    )
    require_nonpositive(
        np.where(bad, np.inf, 0.0),
        lambda at: (
            f"the subgradient of h at {format_array(p[at[:1]])} has {slope[at]} for action "
            f"{at[1]}, which has positive probability"
        ),
    )
    with np.errstate(invalid="ignore"):  # where h is infinite, the subgradient is arbitrary
        rise = inner_product(q, slope) - inner_product(p, slope)
    tolerance = (
        4 * points.error
        + slack
        + points.sum_error(p, slope)
        + np.where(np.isfinite(rise), points.sum_error(q, slope), 0.0)
    )
    require_nonpositive(
        np.where(
            np.isfinite(at_p) & (rise > -np.inf),
            np.where(np.isfinite(at_p), at_p, 0.0) + rise - at_q - tolerance,
            -1.0,
        ),
        lambda at: (
            f"what subgradient returns at p = {format_array(p[at])} is {format_array(slope[at])}, "
            f"which is no subgradient of h: h is {at_q[at]:.17g} at q = {format_array(q[at])}, "
            f"below the tangent, {at_p[at] + rise[at]:.17g}"
        ),
    )


def _check_domain(regularizer: Regularizer, n_states: int, n_actions: int) -> None:
    everything = np.ones((n_states, n_actions), dtype=np.bool_)
    domain = regularizer.domain(everything)
    inside = everything if domain is None else np.broadcast_to(domain, everything.shape)
    require(inside.any(axis=1).all(), "the domain is empty in some state")
    part = regularizer.domain(None)
    unmasked = everything if part is None else np.broadcast_to(part, everything.shape)
    require(
        np.array_equal(unmasked, inside),
        "domain(None) is not the domain with every action available",
    )
    for action in range(n_actions):
        vertex = np.broadcast_to(np.eye(n_actions)[action], everything.shape)
        found = np.asarray(regularizer.value(vertex, domain))
        require_nonpositive(
            np.where(~inside[:, action] & (found < np.inf), 1.0, 0.0),
            lambda at, action=action, found=found: (
                f"the domain leaves out action {action} in state {at[0]}, but h is {found[at]} "
                "where it has probability 1"
            ),
        )
    centre = regularizer.centre(everything)
    require_distributions(centre, inside, np.where(inside, 0.0, -np.inf), "centre")
    require(
        np.isfinite(regularizer.value(centre, domain)).all(),
        "h is infinite at the centre of its domain",
    )


def _check_at(points: Points, rng: np.random.Generator) -> None:
    """Check ``at`` for a slice, for an array of indices, and for a single state."""
    whole = points.value(points.p)
    greedy = points.greedy(points.y)
    index = rng.integers(0, N_POINTS, size=7)
    for states in (slice(2, 5), index, slice(3, 4)):
        part = points.regularizer.at(states)
        allowed = None if points.allowed is None else points.allowed[states]
        for name, found, expected in (
            ("value", part.value(points.p[states], allowed), whole[states]),
            ("greedy", part.greedy(points.y[states], allowed), greedy[states]),
        ):
            same = np.asarray(found) == expected  # also where both are infinite
            with np.errstate(invalid="ignore"):
                near = np.abs(np.asarray(found) - expected) <= 4 * points.error
            require(
                (same | near).all(),
                f"at({states!r}).{name} is not {name} in these states: {format_array(found)}, not "
                f"{format_array(expected)}",
            )


def _check_inputs_unchanged(points: Points) -> None:
    y, p = points.y.copy(), points.p.copy()
    points.greedy(y)
    points.conjugate(y)
    points.value(p)
    rows = slice(0, 4)  # the default subgradient is slow
    part = points.regularizer.at(rows)
    small = p[rows].copy()
    part.subgradient(small, None if points.allowed is None else points.allowed[rows])
    kept = (
        np.array_equal(y, points.y)
        and np.array_equal(p, points.p)
        and np.array_equal(small, points.p[rows])
    )
    require(kept, "the regularizer writes into the scores or distributions it is given")


def _check_no_action(points: Points) -> None:
    """Check that in a terminal state, without actions, maximum, cost and policy are 0."""
    nothing = np.zeros(points.y.shape, dtype=np.bool_)
    with fail_on_warnings("a state without actions"):
        maximum = points.regularizer.maximum(np.zeros(nothing.shape), nothing)
        policy = points.regularizer.maximiser(np.zeros(nothing.shape), nothing)
        cost = points.regularizer.cost(np.zeros(nothing.shape), nothing)
    require(
        not np.any(maximum) and not np.any(policy) and not np.any(cost),
        "the maximum, the maximiser or the cost of a state without actions is not 0",
    )
