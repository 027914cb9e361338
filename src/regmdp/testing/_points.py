"""Points at which a regularizer is checked: ordinary and extreme distributions and scores."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from regmdp._internal.arrays import UNIT_ROUNDOFF, Array, Bool, Float
from regmdp.regularizers import ProbabilityBounds, Regularizer
from regmdp.regularizers.base import inner_product
from regmdp.testing._require import fail_on_warnings, format_array, require_nonpositive

__all__ = ["N_POINTS", "Points", "count_states", "require_distributions"]

#: Number of points of each kind.
N_POINTS = 96


def count_states(regularizer: Regularizer) -> int:
    """Return the number of states of the fields; an arbitrary number if they have none."""
    return regularizer.n_states or 3


@dataclass(frozen=True, eq=False)
class Points:
    """N points at which a regularizer is checked.

    Attributes:
        regularizer: For N states.
        allowed: (N, A) mask, or None.
        bounds: (N, A) bounds on probabilities, or None.
        p: (N, A) distributions in the domain: spread out, concentrated, sparse, vertices, with
            entries of 1e-300.
        q: (N, A) others.
        y: (N, A) scores with maximum 0, -inf where not allowed: near, far, tied, very far.
        near: (N, A) scores close to those.
    """

    regularizer: Regularizer
    allowed: Bool[np.ndarray, "N A"] | None
    bounds: ProbabilityBounds | None
    p: Float[np.ndarray, "N A"]
    q: Float[np.ndarray, "N A"]
    y: Float[np.ndarray, "N A"]
    near: Float[np.ndarray, "N A"]

    @classmethod
    def draw(
        cls,
        whole: Regularizer,
        n_states: int,
        n_actions: int,
        masked: bool,
        rng: np.random.Generator,
    ) -> Points:
        """Draw points.

        Args:
            whole: The regularizer, for ``n_states`` states.
            n_states: Number of states.
            n_actions: Number of actions.
            masked: Whether actions may be unavailable.
            rng: The generator.
        """
        regularizer = whole.at(np.arange(N_POINTS) % n_states)
        shape = (N_POINTS, n_actions)
        available = _draw_masks(whole, n_states, n_actions, rng) if masked else None
        allowed = regularizer.domain(available)
        allowed = None if allowed is None else np.ascontiguousarray(np.broadcast_to(allowed, shape))
        mask = np.ones(shape, dtype=np.bool_) if allowed is None else allowed
        y = _draw_scores(mask, rng)
        step = rng.normal(size=shape) * 10.0 ** rng.uniform(-6, 1, size=(N_POINTS, 1))
        near = np.where(mask, np.where(mask, y, 0.0) + step, -np.inf)
        near -= near.max(axis=1, keepdims=True)
        bounds = regularizer.probability_bounds
        bounds = None if bounds is None else bounds.broadcast(shape, mask, y)
        p, q = _draw_distributions(mask, rng), _draw_distributions(mask, rng)
        if bounds is not None:
            p, q = _pull_within(bounds, p, rng), _pull_within(bounds, q, rng)
        return cls(regularizer, allowed, bounds, p, q, y, near)

    @property
    def n_actions(self) -> int:
        return self.y.shape[1]

    @property
    def error(self) -> float:
        """Bound on the rounding error of one value of h or of the conjugate."""
        return self.regularizer.rounding(self.n_actions)

    @property
    def mask(self) -> Bool[np.ndarray, "N A"]:
        return np.ones(self.y.shape, dtype=np.bool_) if self.allowed is None else self.allowed

    def value(self, p: Array) -> np.ndarray:
        with fail_on_warnings("value"):
            return np.asarray(self.regularizer.value(p, self.allowed))

    def conjugate(self, y: Array) -> np.ndarray:
        with fail_on_warnings("conjugate"):
            return np.asarray(self.regularizer.conjugate(y, self.allowed))

    def greedy(self, y: Array) -> np.ndarray:
        with fail_on_warnings("greedy"):
            return np.asarray(self.regularizer.greedy(y, self.allowed))

    def objective(self, p: Array, y: Array) -> Float[np.ndarray, " N"]:
        """Return (N,) ⟨p, y⟩ - h(p)."""
        return inner_product(p, y) - self.value(p)

    def sum_error(self, p: Array, y: Array) -> Float[np.ndarray, " N"]:
        """Return (N,) errors due to bounds that force actions with low scores; 0 without any."""
        own = 2 * (self.n_actions + 2) * UNIT_ROUNDOFF * inner_product(p, np.abs(y))
        return own + self.bound_error(y)

    def bound_error(self, y: Array) -> Float[np.ndarray, " N"]:
        """Return (N,) rounding errors due to bounds that force actions with low scores; or 0."""
        if self.bounds is None:
            return np.zeros(len(y))
        return (
            16
            * (self.n_actions + 4)
            * UNIT_ROUNDOFF
            * np.max(np.where(self.mask, np.abs(np.where(self.mask, y, 0.0)), 0.0), axis=1)
        )

    def describe_mask(self, at: tuple[int, ...]) -> str:
        """Return text with the mask of available actions, if not all are available."""
        return "" if self.allowed is None else f" and the mask {format_array(self.allowed[at])}"


def _draw_masks(
    whole: Regularizer, n_states: int, n_actions: int, rng: np.random.Generator
) -> Bool[np.ndarray, "N A"]:
    """Draw masks that leave many, few or one action of the domain."""
    domain = whole.domain(np.ones((n_states, n_actions), dtype=np.bool_))
    assert domain is not None
    inside = np.broadcast_to(domain, (n_states, n_actions))[np.arange(N_POINTS) % n_states]
    kept = rng.random((N_POINTS, n_actions)) < rng.uniform(0.0, 1.0, size=(N_POINTS, 1))
    kept[np.arange(N_POINTS), np.where(inside, rng.random(inside.shape), -1.0).argmax(axis=1)] = (
        True
    )
    part = whole.at(np.arange(N_POINTS) % n_states)
    if part.probability_bounds is not None:
        # mask nothing where no distribution between the bounds would be left
        bounds = part.probability_bounds.broadcast(kept.shape, kept & inside, rng.random(1))
        kept |= (bounds.upper.sum(axis=1) < 1.0 + 1e-9)[:, None]
    return kept


def _draw_scores(
    mask: Bool[np.ndarray, "N A"], rng: np.random.Generator
) -> Float[np.ndarray, "N A"]:
    """Draw scores with maximum 0, -inf outside the mask."""
    y = rng.normal(size=mask.shape) * 10.0 ** rng.uniform(-3, 3, size=(len(mask), 1))
    y[::6] = np.round(y[::6])  # ties
    y[1::12] = 0.0
    y[2::12] *= 1e200
    y = np.where(mask, y, -np.inf)
    return y - y.max(axis=1, keepdims=True)


def _draw_distributions(
    mask: Bool[np.ndarray, "N A"], rng: np.random.Generator
) -> Float[np.ndarray, "N A"]:
    """Draw distributions over the actions of the mask."""
    weight = (
        rng.exponential(size=mask.shape) ** np.where(np.arange(len(mask)) % 2, 1.0, 8.0)[:, None]
    )
    sparse = rng.random(mask.shape) < 0.5
    weight[::3] *= sparse[::3]
    weight[1::12] *= np.where(sparse[1::12], 1.0, 1e-300)
    weight = np.where(mask, weight, 0.0)
    # at least one action, and only one in every sixth
    one = np.where(mask, rng.random(mask.shape), -1.0).argmax(axis=1)
    weight[np.arange(len(mask)), one] += 1e-3
    weight[::6] = 0.0
    weight[np.arange(len(mask)), one] = np.where(
        np.arange(len(mask)) % 6 == 0, 1.0, weight[np.arange(len(mask)), one]
    )
    return weight / weight.sum(axis=1, keepdims=True)


def _pull_within(
    bounds: ProbabilityBounds, p: Float[np.ndarray, "N A"], rng: np.random.Generator
) -> Float[np.ndarray, "N A"]:
    """Pull distributions towards the centre of the bounds: onto their boundary, or inside."""
    centre = bounds.centre()
    step = p - centre
    with np.errstate(divide="ignore", invalid="ignore"):
        room = np.where(
            step > 0,
            (bounds.upper - centre) / step,
            np.where(step < 0, (bounds.lower - centre) / step, np.inf),
        )
    most = np.clip(np.nan_to_num(np.min(room, axis=1)), 0.0, 1.0)
    share = np.where(np.arange(len(p)) % 3 == 0, 1.0, rng.random(len(p)))
    return centre + (most * share)[:, None] * step


def require_distributions(
    p: Float[np.ndarray, "N A"],
    mask: Bool[np.ndarray, "N A"],
    y: Float[np.ndarray, "N A"],
    name: str,
) -> None:
    """Raise AssertionError unless these are distributions over the actions of the mask.

    Args:
        p: (N, A) supposed distributions.
        mask: (N, A) allowed actions.
        y: (N, A) scores for which they were found, for the message.
        name: The function that found them, for the message.
    """
    require_nonpositive(
        np.where(p >= 0, 0.0, np.abs(p)),
        lambda at: (
            f"{name} gives action {at[1]} probability {p[at]}, for {format_array(y[at[:1]])}"
        ),
    )
    require_nonpositive(
        np.where(mask, 0.0, p),
        lambda at: (
            f"{name} gives action {at[1]}, which is not available, probability {p[at]:.17g}, for "
            f"{format_array(y[at[:1]])}"
        ),
    )
    off = np.abs(p.sum(axis=1) - 1.0)
    require_nonpositive(
        off - 8 * (p.shape[1] + 2) * UNIT_ROUNDOFF,
        lambda at: (
            f"{name} does not return a distribution: its probabilities {format_array(p[at])} sum "
            f"to 1 ± {off[at]:.3g}, for {format_array(y[at])}"
        ),
    )
