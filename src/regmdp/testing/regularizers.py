"""Is a regularizer convex, and do its greedy policies, conjugate and constants belong to it?

Everything is compared with ``value`` alone, the definition: a greedy distribution is right if no other distribution does better.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np

from regmdp._arrays import UNIT_ROUNDOFF, Array, Bool, Float
from regmdp.regularizers import Regularizer
from regmdp.testing._demand import demand, demand_none, no_complaints, shown

__all__ = ["check_regularizer"]

#: Points that are tried of each kind.
DRAWS = 96


def check_regularizer(regularizer: Regularizer, n_actions: int = 4, *, rng: np.random.Generator) -> None:
    r"""Check a regularizer on random distributions and scores, with and without masks, at ordinary and extreme temperatures.

    Checked are: convexity of h, and the modulus claimed for it; that ``greedy`` returns distributions, that they maximise
    ⟨p, y⟩ - h(p) and are the gradient of the conjugate; that the conjugate is that maximum, shifts with its argument, is monotone
    and 1-Lipschitz; the bounds; the subgradient; the domain; ``at``; and that nothing overflows at temperatures from 1e-12 to
    1e4, at 0, or at values of 1e300.

    Args:
        regularizer: Its temperature plays no part; a field with one entry per state is checked in all its states.
        n_actions: A, the number of actions to check it with.
        rng: Where the points come from.

    Raises:
        AssertionError: saying what is violated, by how much, and at which point.
        RegularizerError: if the regularizer does not fit that number of actions.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> rm.testing.check_regularizer(rm.Shannon(temperature=0.1), rng=np.random.default_rng(0))

        A greedy map that belongs to another function:

        >>> class Wrong(rm.Regularizer):
        ...     temperature = 1.0
        ...
        ...     def value(self, p, available=None):
        ...         return 0.5 * np.sum(p**2, axis=-1)
        ...
        ...     def greedy(self, y, available=None):
        ...         return rm.Shannon(temperature=1.0).greedy(y, available)
        >>> rm.testing.check_regularizer(Wrong(), rng=np.random.default_rng(0))  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        AssertionError: greedy is not the maximiser: for the scores array([...
    """
    demand(isinstance(regularizer, Regularizer), f"a regularizer is a regmdp.Regularizer, not a {type(regularizer).__name__}")
    n_states = _states(regularizer)
    regularizer.check(np.ones((n_states, n_actions), dtype=np.bool_))
    _constants(regularizer, n_actions)
    for masked in (False, True):
        points = _Points.draw(regularizer, n_states, n_actions, masked, rng)
        _value(points)
        _convexity(points, rng)
        _distributions(points, points.y, "greedy")
        _attained(points)
        _maximality(points)
        _conjugate(points)
        _gradient(points)
        _bounds(points)
        _subgradient(points)
    _domain(regularizer, n_states, n_actions)
    _at(points, rng)
    _inputs_kept(points)
    for masked in (False, True):
        _temperatures(regularizer, n_states, n_actions, masked, rng)
    _no_action(points)


def _states(regularizer: Regularizer) -> int:
    """The number of states that the fields speak of; any number will do if none does."""
    for name, ndim in regularizer.state_fields.items():
        if np.ndim(getattr(regularizer, name)) == ndim:
            return int(np.shape(getattr(regularizer, name))[0])
    return 3


# ---- where to look ----


@dataclass(frozen=True, eq=False)
class _Points:
    """(N,) places to look at.

    Attributes:
        regularizer: For N states.
        allowed: (N, A) mask, or None.
        p: (N, A) distributions in the domain: spread out, concentrated, sparse, vertices, with entries of 1e-300.
        q: (N, A) others.
        y: (N, A) scores with maximum 0, -inf where not allowed: near, far, tied, very far.
        near: (N, A) scores close to those.
    """

    regularizer: Regularizer
    allowed: Bool[np.ndarray, "N A"] | None
    p: Float[np.ndarray, "N A"]
    q: Float[np.ndarray, "N A"]
    y: Float[np.ndarray, "N A"]
    near: Float[np.ndarray, "N A"]

    @classmethod
    def draw(cls, whole: Regularizer, n_states: int, n_actions: int, masked: bool, rng: np.random.Generator) -> _Points:
        regularizer = whole.at(np.arange(DRAWS) % n_states)
        shape = (DRAWS, n_actions)
        available = _masks(whole, n_states, n_actions, rng) if masked else None
        allowed = regularizer.domain(available)
        allowed = None if allowed is None else np.ascontiguousarray(np.broadcast_to(allowed, shape))
        mask = np.ones(shape, dtype=np.bool_) if allowed is None else allowed
        y = _scores(mask, rng)
        step = rng.normal(size=shape) * 10.0 ** rng.uniform(-6, 1, size=(DRAWS, 1))
        near = np.where(mask, np.where(mask, y, 0.0) + step, -np.inf)
        near -= near.max(axis=1, keepdims=True)
        return cls(regularizer, allowed, _distributions_in(mask, rng), _distributions_in(mask, rng), y, near)

    @property
    def n_actions(self) -> int:
        return self.y.shape[1]

    @property
    def error(self) -> float:
        """What rounding may do to one value of h or of the conjugate."""
        return self.regularizer.rounding(self.n_actions)

    @property
    def mask(self) -> Bool[np.ndarray, "N A"]:
        return np.ones(self.y.shape, dtype=np.bool_) if self.allowed is None else self.allowed

    def value(self, p: Array) -> np.ndarray:
        with no_complaints("value"):
            return np.asarray(self.regularizer.value(p, self.allowed))

    def conjugate(self, y: Array) -> np.ndarray:
        with no_complaints("conjugate"):
            return np.asarray(self.regularizer.conjugate(y, self.allowed))

    def greedy(self, y: Array) -> np.ndarray:
        with no_complaints("greedy"):
            return np.asarray(self.regularizer.greedy(y, self.allowed))

    def objective(self, p: Array, y: Array) -> Float[np.ndarray, " N"]:
        """Return (N,) ⟨p, y⟩ - h(p)."""
        return _inner(p, y) - self.value(p)

    def masked(self, at: tuple[int, ...]) -> str:
        """Say which actions were available, if not all were."""
        return "" if self.allowed is None else f" and the mask {shown(self.allowed[at])}"


def _masks(whole: Regularizer, n_states: int, n_actions: int, rng: np.random.Generator) -> Bool[np.ndarray, "N A"]:
    """Masks that leave something of the domain: many actions, few, one."""
    domain = whole.domain(np.ones((n_states, n_actions), dtype=np.bool_))
    assert domain is not None
    inside = np.broadcast_to(domain, (n_states, n_actions))[np.arange(DRAWS) % n_states]
    kept = rng.random((DRAWS, n_actions)) < rng.uniform(0.0, 1.0, size=(DRAWS, 1))
    kept[np.arange(DRAWS), np.where(inside, rng.random(inside.shape), -1.0).argmax(axis=1)] = True
    return kept


def _scores(mask: Bool[np.ndarray, "N A"], rng: np.random.Generator) -> Float[np.ndarray, "N A"]:
    y = rng.normal(size=mask.shape) * 10.0 ** rng.uniform(-3, 3, size=(len(mask), 1))
    y[::6] = np.round(y[::6])  # ties
    y[1::12] = 0.0
    y[2::12] *= 1e200
    y = np.where(mask, y, -np.inf)
    return y - y.max(axis=1, keepdims=True)


def _distributions_in(mask: Bool[np.ndarray, "N A"], rng: np.random.Generator) -> Float[np.ndarray, "N A"]:
    weight = rng.exponential(size=mask.shape) ** np.where(np.arange(len(mask)) % 2, 1.0, 8.0)[:, None]
    sparse = rng.random(mask.shape) < 0.5
    weight[::3] *= sparse[::3]
    weight[1::12] *= np.where(sparse[1::12], 1.0, 1e-300)
    weight = np.where(mask, weight, 0.0)
    # at least one action, and only one in every sixth
    one = np.where(mask, rng.random(mask.shape), -1.0).argmax(axis=1)
    weight[np.arange(len(mask)), one] += 1e-3
    weight[::6] = 0.0
    weight[np.arange(len(mask)), one] = np.where(np.arange(len(mask)) % 6 == 0, 1.0, weight[np.arange(len(mask)), one])
    return weight / weight.sum(axis=1, keepdims=True)


def _inner(p: Array, y: Array) -> Float[np.ndarray, "*batch"]:
    """⟨p, y⟩ over the last axis, where 0 · -inf is 0."""
    return np.sum(np.where(p > 0, p * np.where(p > 0, y, 0.0), 0.0), axis=-1)


def _sum_error(p: Array, y: Array) -> Float[np.ndarray, "*batch"]:
    """What rounding may do to ⟨p, y⟩."""
    return 2 * (p.shape[-1] + 2) * UNIT_ROUNDOFF * _inner(p, np.abs(y))


# ---- what to check there ----


def _constants(regularizer: Regularizer, n_actions: int) -> None:
    low, high = regularizer.bounds(n_actions)
    demand(np.isfinite(low) and low <= high, f"bounds({n_actions}) returns {(low, high)}, which are not a lower and an upper bound")
    modulus = regularizer.strong_convexity(n_actions)
    demand(modulus >= 0 and np.isfinite(modulus), f"strong_convexity({n_actions}) returns {modulus}; it is 0 or more")
    error = regularizer.rounding(n_actions)
    demand(0 < error < 1e-6, f"rounding({n_actions}) returns {error}; it bounds the rounding error of a double")


def _value(points: _Points) -> None:
    found = points.value(points.p)
    demand(found.shape == points.p.shape[:1], f"value of shape {points.p.shape} has shape {found.shape}, not {points.p.shape[:1]}")
    demand_none(
        np.where(np.isnan(found) | (found == -np.inf), np.inf, 0.0), lambda at: f"h is {found[at]} at p = {shown(points.p[at])}"
    )


def _convexity(points: _Points, rng: np.random.Generator) -> None:
    p, q = points.p, points.q
    modulus = points.regularizer.strong_convexity(points.n_actions)
    of_p, of_q = points.value(p), points.value(q)
    for share in (np.full((DRAWS, 1), 0.5), rng.random((DRAWS, 1))):
        between = share * p + (1 - share) * q
        found = points.value(between)
        weights = share[:, 0]
        with np.errstate(invalid="ignore"):
            chord = weights * of_p + (1 - weights) * of_q
        chord = np.where(np.isfinite(of_p) & np.isfinite(of_q), chord, np.inf)
        below = 0.5 * modulus * weights * (1 - weights) * np.abs(p - q).sum(axis=1) ** 2
        excess = np.where(chord < np.inf, found - np.where(chord < np.inf, chord, 0.0), -np.inf)

        def ends(at: tuple[int, ...], w=weights) -> str:
            return f"p = {shown(p[at])} and q = {shown(q[at])}{points.masked(at)}: at {w[at]:.17g} p + {1 - w[at]:.17g} q"

        demand_none(
            excess - 4 * points.error,
            lambda at, found=found, chord=chord, excess=excess, ends=ends: (
                f"h is not convex, between {ends(at)} it is {found[at]:.17g}, which is {excess[at]:.3g} above the chord, "
                f"{chord[at]:.17g}"
            ),
        )
        demand_none(
            excess + below - 4 * points.error,
            lambda at, excess=excess, below=below, ends=ends: (
                f"strong_convexity says {modulus:.6g}, which is too much: between {ends(at)} h is {-excess[at]:.6g} below the "
                f"chord, not {below[at]:.6g}"
            ),
        )


def _distributions(points: _Points, y: Float[np.ndarray, "N A"], name: str) -> None:
    p = points.greedy(y)
    demand(p.shape == y.shape, f"{name} of scores of shape {y.shape} has shape {p.shape}")
    _are_distributions(p, points.mask, y, name)


def _are_distributions(p: Float[np.ndarray, "N A"], mask: Bool[np.ndarray, "N A"], y: Float[np.ndarray, "N A"], name: str) -> None:
    demand_none(
        np.where(p >= 0, 0.0, np.abs(p)), lambda at: f"{name} gives action {at[1]} probability {p[at]}, for {shown(y[at[:1]])}"
    )
    demand_none(
        np.where(mask, 0.0, p),
        lambda at: f"{name} gives action {at[1]}, which is not available, probability {p[at]:.17g}, for {shown(y[at[:1]])}",
    )
    off = np.abs(p.sum(axis=1) - 1.0)
    demand_none(
        off - 8 * (p.shape[1] + 2) * UNIT_ROUNDOFF,
        lambda at: (
            f"{name} does not return a distribution: its probabilities {shown(p[at])} sum to 1 ± {off[at]:.3g}, for {shown(y[at])}"
        ),
    )


def _attained(points: _Points) -> None:
    y, error = points.y, points.error
    found = points.conjugate(y)
    demand(found.shape == y.shape[:1], f"conjugate of scores of shape {y.shape} has shape {found.shape}, not {y.shape[:1]}")
    best = points.greedy(y)
    reached = points.objective(best, y)
    demand_none(
        np.abs(found - reached) - 3 * error - _sum_error(best, y),
        lambda at: (
            f"the conjugate is not ⟨p, y⟩ - h(p) at the greedy p, so one of the two is wrong: for the scores "
            f"{shown(y[at])}{points.masked(at)} it is {found[at]:.17g}, but p = {shown(best[at])} has {reached[at]:.17g}"
        ),
    )


def _conjugate(points: _Points) -> None:
    y, near, error = points.y, points.near, points.error
    found, best = points.conjugate(y), points.greedy(y)
    shift = 3.0
    moved = points.conjugate(y + shift)
    demand_none(
        np.abs(moved - (found + shift)) - 4 * error - 16 * UNIT_ROUNDOFF * shift - _sum_error(best, np.where(y < -1e3, 0.0, y)),
        lambda at: (
            f"the conjugate does not shift with its argument: for {shown(y[at])}{points.masked(at)} it is {found[at]:.17g}, "
            f"and for {shift} more everywhere {moved[at]:.17g}"
        ),
    )
    other = points.conjugate(near)
    distance = np.max(np.where(points.mask, np.abs(np.where(points.mask, near, 0.0) - np.where(points.mask, y, 0.0)), 0.0), axis=1)
    demand_none(
        np.abs(other - found) - distance * (1 + 1e-12) - 3 * error,
        lambda at: (
            f"the conjugate is not 1-Lipschitz: the scores {shown(y[at])} and {shown(near[at])}{points.masked(at)} are "
            f"{distance[at]:.6g} apart, their conjugates {abs(other[at] - found[at]):.6g}"
        ),
    )
    lower = np.minimum(y, near)
    less = points.conjugate(lower)
    demand_none(
        less - np.minimum(found, other) - 3 * error,
        lambda at: (
            f"the conjugate is not monotone: at {shown(lower[at])}{points.masked(at)} it is more than at {shown(y[at])} or above"
        ),
    )


def _maximality(points: _Points) -> None:
    """No other distribution may have more than the conjugate: not one close to the greedy one, nor a random one, nor a vertex."""
    y, found = points.y, points.conjugate(points.y)
    best = points.greedy(y)
    vertices = [np.broadcast_to(vertex, y.shape) for vertex in np.eye(points.n_actions)]
    # first those close by: they are the better witnesses
    for rival in (*_exchanges(best), points.p, points.q, *vertices):
        inside = np.all((rival == 0) | points.mask, axis=1)
        p = np.where(inside[:, None], rival, best)
        reached = points.objective(p, y)
        demand_none(
            reached - found - 3 * points.error - _sum_error(p, y),
            lambda at, p=p, reached=reached: (
                f"greedy is not the maximiser: for the scores {shown(y[at])}{points.masked(at)} it returns {shown(best[at])}, "
                f"where ⟨p, y⟩ - h(p) is {found[at]:.17g}, but p = {shown(p[at])} has {reached[at]:.17g}, which is "
                f"{reached[at] - found[at]:.3g} more"
            ),
        )


def _exchanges(p: Float[np.ndarray, "N A"]) -> list[Float[np.ndarray, "N A"]]:
    """Move some probability from one action to another, a lot or a little: h is convex, so small moves tell."""
    moved = []
    n_actions = p.shape[1]
    for source in range(n_actions):
        for target in range(n_actions):
            for power in range(0, 26, 2) if source != target else ():
                amount = p[:, source] * 0.5**power
                rival = p.copy()
                rival[:, source] -= amount
                rival[:, target] += amount
                moved.append(rival)
    return moved


def _gradient(points: _Points) -> None:
    """Check h*(y + v) - h*(y) - ⟨greedy(y), v⟩ from both sides: 0, and ‖v‖²/(2μ) if h has the modulus μ."""
    y, near, mask = points.y, points.near, points.mask
    best = points.greedy(y)
    step = np.where(mask, np.where(mask, near, 0.0) - np.where(mask, y, 0.0), 0.0)
    with np.errstate(over="ignore"):
        curvature = points.conjugate(near) - points.conjugate(y) - (best * step).sum(axis=1)
        slack = 4 * points.error + 2 * _sum_error(best, step) + _sum_error(best, np.where(mask, near, 0.0))
    demand_none(
        -curvature - slack,
        lambda at: (
            f"greedy is not the gradient of the conjugate: from {shown(y[at])} to {shown(near[at])}{points.masked(at)} it "
            f"rises by {-curvature[at]:.3g} less than its tangent with the slope {shown(best[at])}"
        ),
    )
    modulus = points.regularizer.strong_convexity(points.n_actions)
    if modulus > 0:
        with np.errstate(over="ignore"):
            most = np.max(np.abs(step), axis=1) ** 2 / (2 * modulus)
        demand_none(
            np.where(most < np.inf, curvature - np.where(most < np.inf, most, 0.0) - slack, -np.inf),
            lambda at: (
                f"greedy is not the gradient of the conjugate, or strong_convexity, {modulus:.6g}, is too much: from "
                f"{shown(y[at])} to {shown(near[at])}{points.masked(at)} the conjugate leaves its tangent by "
                f"{curvature[at]:.6g}, not {most[at]:.6g}"
            ),
        )


def _bounds(points: _Points) -> None:
    low, high = points.regularizer.bounds(points.n_actions)
    flat = points.greedy(np.where(points.mask, 0.0, -np.inf))
    for p in (points.p, points.q, flat):
        found = points.value(p)
        # h may be infinite where its upper bound is
        above = np.where(np.isfinite(found), found, -np.inf) - high if np.isinf(high) else found - high
        for excess, name, bound in ((low - found, "lower", low), (above, "upper", high)):
            demand_none(
                excess - 2 * points.error,
                lambda at, p=p, found=found, name=name, bound=bound: (
                    f"the {name} bound on h, {bound:.17g}, is wrong: h is {found[at]:.17g} at {shown(p[at])}"
                ),
            )


def _subgradient(points: _Points) -> None:
    derived = type(points.regularizer).subgradient is Regularizer.subgradient
    # one that is searched for is less accurate, and slow
    count, least, slack = (6, 1e-3, 1e-6) if derived else (DRAWS, 0.0, 0.0)
    chosen = np.flatnonzero(np.min(np.where(points.mask, points.p, 1.0), axis=1) >= least)[:count]
    if chosen.size == 0:
        return
    part = points.regularizer.at(chosen)
    allowed = None if points.allowed is None else points.allowed[chosen]
    p, q = points.p[chosen], points.q[chosen]
    with no_complaints("subgradient"):
        slope = np.asarray(part.subgradient(p, allowed))
    demand(slope.shape == p.shape, f"the subgradient of distributions of shape {p.shape} has shape {slope.shape}")
    bad = (p > 0) & ~np.isfinite(slope) | np.isnan(slope) | (slope == np.inf)
    demand_none(
        np.where(bad, np.inf, 0.0),
        lambda at: f"the subgradient of h at {shown(p[at[:1]])} has {slope[at]} for action {at[1]}, which has positive probability",
    )
    at_p, at_q = np.asarray(part.value(p, allowed)), np.asarray(part.value(q, allowed))
    rise = _inner(q, slope) - _inner(p, slope)
    tolerance = 4 * points.error + slack + _sum_error(p, slope) + np.where(np.isfinite(rise), _sum_error(q, slope), 0.0)
    demand_none(
        np.where(np.isfinite(at_p) & (rise > -np.inf), np.where(np.isfinite(at_p), at_p, 0.0) + rise - at_q - tolerance, -1.0),
        lambda at: (
            f"what subgradient returns at p = {shown(p[at])} is {shown(slope[at])}, which is no subgradient of h: h is "
            f"{at_q[at]:.17g} at q = {shown(q[at])}, below the tangent, {at_p[at] + rise[at]:.17g}"
        ),
    )


def _domain(regularizer: Regularizer, n_states: int, n_actions: int) -> None:
    everything = np.ones((n_states, n_actions), dtype=np.bool_)
    domain = regularizer.domain(everything)
    inside = everything if domain is None else np.broadcast_to(domain, everything.shape)
    demand(inside.any(axis=1).all(), "the domain is empty in some state")
    part = regularizer.domain(None)
    unmasked = everything if part is None else np.broadcast_to(part, everything.shape)
    demand(np.array_equal(unmasked, inside), "domain(None) is not the domain with every action available")
    for action in range(n_actions):
        vertex = np.broadcast_to(np.eye(n_actions)[action], everything.shape)
        found = np.asarray(regularizer.value(vertex, domain))
        demand_none(
            np.where(~inside[:, action] & (found < np.inf), 1.0, 0.0),
            lambda at, action=action, found=found: (
                f"the domain leaves out action {action} in state {at[0]}, but h is {found[at]} where it has probability 1"
            ),
        )
        mixed = np.where(inside, 1.0, 0.0) / np.maximum(inside.sum(axis=1, keepdims=True), 1)
        demand(np.isfinite(regularizer.value(mixed, domain)).all(), "h is infinite at a mixture of all actions of its domain")


def _at(points: _Points, rng: np.random.Generator) -> None:
    """The regularizer of some states must be that of these states: for a slice, for any index, and for a single state."""
    whole = points.value(points.p)
    greedy = points.greedy(points.y)
    index = rng.integers(0, DRAWS, size=7)
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
            demand(
                (same | near).all(), f"at({states!r}).{name} is not {name} in these states: {shown(found)}, not {shown(expected)}"
            )


def _inputs_kept(points: _Points) -> None:
    y, p = points.y.copy(), points.p.copy()
    points.greedy(y)
    points.conjugate(y)
    points.value(p)
    rows = slice(0, 4)  # a derived subgradient is slow
    part = points.regularizer.at(rows)
    small = p[rows].copy()
    part.subgradient(small, None if points.allowed is None else points.allowed[rows])
    kept = np.array_equal(y, points.y) and np.array_equal(p, points.p) and np.array_equal(small, points.p[rows])
    demand(kept, "the regularizer writes into the scores or distributions it is given")


def _no_action(points: _Points) -> None:
    """A terminal state has no action: its worth and its cost are 0, and its policy is empty."""
    nothing = np.zeros(points.y.shape, dtype=np.bool_)
    with no_complaints("a state without actions"):
        worth = points.regularizer.maximum(np.zeros(nothing.shape), nothing)
        policy = points.regularizer.maximiser(np.zeros(nothing.shape), nothing)
        cost = points.regularizer.cost(np.zeros(nothing.shape), nothing)
    demand(not np.any(worth) and not np.any(policy) and not np.any(cost), "a state without actions is not worth 0")


# ---- with a temperature ----


def _temperatures(regularizer: Regularizer, n_states: int, n_actions: int, masked: bool, rng: np.random.Generator) -> None:
    temperatures = [0.0, 1e-12, 1e-6, 1e-3, 1.0, 1e4, 10.0 ** rng.uniform(-12, 4, size=n_states)]
    temperatures.append(np.where(np.arange(n_states) % 2, 0.0, 0.5))
    for temperature in temperatures:
        tempered = _with_temperature(regularizer, temperature)
        if tempered is None:
            continue
        points = _Points.draw(tempered, n_states, n_actions, masked, rng)
        for scale in (1.0, 1e-300, 1e8, 1e300):
            q = rng.normal(size=points.y.shape)
            q[::4] = np.round(q[::4])
            q[1::8] = -1.0
            q = np.clip(q, -3, 3) * scale
            what = f"at temperature {shown(np.asarray(temperature))} and values of about {scale:g}"
            _tempered(points, q, what)


def _with_temperature(regularizer: Regularizer, temperature: float | Float[np.ndarray, " S"]) -> Regularizer | None:
    """Return the same regularizer with another temperature; None if it is not a field of its own."""
    if "temperature" not in vars(regularizer):
        return None
    other = copy.copy(regularizer)
    object.__setattr__(other, "temperature", temperature)
    return other


def _tempered(points: _Points, q: Float[np.ndarray, "N A"], what: str) -> None:
    part, mask, n_actions = points.regularizer, points.mask, points.n_actions
    tau = np.broadcast_to(np.asarray(part.temperature, dtype=np.float64), q.shape[:1])
    with no_complaints(f"maximum or maximiser {what}"):
        worth = np.asarray(part.maximum(q, points.allowed))
        policy = np.asarray(part.maximiser(q, points.allowed))
        cost = np.asarray(part.cost(policy, points.allowed))
    _are_distributions(policy, mask, q, f"maximiser, {what},")
    top = np.max(np.where(mask, q, -np.inf), axis=1)
    # relative to the largest value, in units that cannot overflow
    unit = np.maximum(np.max(np.abs(q), axis=1), 1e-290)
    relative = _inner(policy, np.where(mask, (np.where(mask, q, top[:, None]) - top[:, None]) / unit[:, None], 0.0))
    reached = relative - cost / unit
    error = 4 * (n_actions + 4) * UNIT_ROUNDOFF + tau / unit * (3 * points.error + 4 * UNIT_ROUNDOFF * part.magnitude(n_actions))
    demand_none(
        np.abs((worth - top) / unit - reached) - error,
        lambda at: (
            f"maximum is not what the maximiser attains, {what}: for {shown(q[at])}{points.masked(at)} it is {worth[at]:.17g}, "
            f"but {shown(policy[at])} has {top[at] + unit[at] * reached[at]:.17g}"
        ),
    )
    low, _ = part.bounds(n_actions)
    vertex = np.asarray(
        part.value((np.where(mask, q, -np.inf).argmax(axis=1)[:, None] == np.arange(n_actions)) * 1.0, points.allowed)
    )
    least = np.where(np.isfinite(vertex), -tau / unit * np.where(np.isfinite(vertex), vertex, 0.0), -np.inf)
    demand_none(
        np.maximum(least - (worth - top) / unit, (worth - top) / unit + tau / unit * low) - error,
        lambda at: (
            f"maximum is out of its bounds, {what}: for {shown(q[at])}{points.masked(at)} it is {worth[at]:.17g}, which is not "
            f"between the largest value less τ h there, and the largest value less τ times the lower bound on h"
        ),
    )
    cold = tau == 0
    demand_none(
        np.where(cold, np.abs(worth - top) / unit, 0.0),
        lambda at: f"at temperature 0 the maximum of {shown(q[at])}{points.masked(at)} is {worth[at]:.17g}, not the largest value",
    )
    demand_none(
        np.where(cold[:, None] & (q < top[:, None]), policy, 0.0),
        lambda at: (
            f"at temperature 0 the maximiser for {shown(q[at[:1]])} gives action {at[1]}, which is not best, {policy[at]:.17g}"
        ),
    )
