"""Default methods of regularizers, computed numerically from ``value`` and ``greedy`` alone."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np

from regmdp._internal.arrays import Array, Bool, Float, array_namespace

__all__ = [
    "ConvexFunction",
    "bounds",
    "divergence",
    "divergence_by_definition",
    "hessian_vector_product",
    "subgradient",
]

#: Step in the scores for differences of greedy distributions, which vary on a scale of about 1.
DIFFERENCE_STEP = 2e-3


@runtime_checkable
class ConvexFunction(Protocol):
    """What the defaults need of a regularizer; see :class:`regmdp.Regularizer` for the methods."""

    def value(
        self, p: Float[Array, "*batch A"], available: Bool[Array, "*batch A"] | None = None
    ) -> Float[Array, "*batch"]: ...

    def greedy(
        self, y: Float[Array, "*batch A"], available: Bool[Array, "*batch A"] | None = None
    ) -> Float[Array, "*batch A"]: ...

    def conjugate(
        self, y: Float[Array, "*batch A"], available: Bool[Array, "*batch A"] | None = None
    ) -> Float[Array, "*batch"]: ...

    def gradient_divergence(
        self,
        p: Float[Array, "*batch A"],
        q: Float[Array, "*batch A"],
        available: Bool[Array, "*batch A"] | None = None,
    ) -> Float[Array, "*batch"]: ...

    def domain(
        self, available: Bool[Array, "*batch A"] | None
    ) -> Bool[Array, "*batch A"] | None: ...

    def at(self, states: slice) -> ConvexFunction: ...


def bounds(function: ConvexFunction, n_actions: int) -> tuple[float, float]:
    """Bound h on the simplex: it is smallest at greedy(0), and largest at a vertex."""
    vertices = np.eye(n_actions)
    lowest = function.value(function.greedy(np.zeros((1, n_actions))))
    return float(lowest[0]), float(np.max(function.value(vertices)))


def subgradient(
    function: ConvexFunction, p: Float[Array, "*batch A"], available: Bool[Array, "*batch A"] | None
) -> Float[np.ndarray, "*batch A"]:
    """Find scores y whose greedy distribution is p, by minimising h*(y) - ⟨p, y⟩ (BFGS)."""
    p = np.asarray(p)
    out = np.full(p.shape, -np.inf)
    for where in np.ndindex(p.shape[:-1]):
        # the first axis is states if there is one
        single = function.at(slice(where[0], where[0] + 1)) if where else function
        mask = (
            np.ones(p.shape[-1:], dtype=np.bool_)
            if available is None
            else np.broadcast_to(available, p.shape)[where]
        )
        if not mask.any():
            continue  # a terminal state
        out[where][mask] = _minimise_dual(single, p[where], mask)
    return out


def _minimise_dual(
    function: ConvexFunction, p: Float[np.ndarray, " A"], mask: Bool[np.ndarray, " A"]
) -> Float[np.ndarray, " n"]:
    """(A,) distribution -> the scores of the n actions of the mask, with maximum 0."""
    from scipy.optimize import minimize  # slow to import, and rarely needed

    def dual(free: np.ndarray) -> tuple[float, np.ndarray]:
        scores = np.full((1, p.size), -np.inf)
        scores[0, mask] = free
        gradient = function.greedy(scores, mask[None])[0] - p
        return float(function.conjugate(scores, mask[None])[0] - p[mask] @ free), gradient[mask]

    found = minimize(
        dual, np.zeros(np.count_nonzero(mask)), jac=True, method="BFGS", options={"gtol": 1e-12}
    )
    return found.x - found.x.max()


def divergence(
    function: ConvexFunction,
    p: Float[Array, "*batch A"],
    q: Float[Array, "*batch A"],
    xi: Float[Array, "*batch A"] | None,
    available: Bool[Array, "*batch A"] | None,
) -> Float[Array, "*batch"]:
    """Compute a divergence: the finite ones by ``gradient_divergence``, or by the definition."""
    xp = array_namespace(p, q)
    finite = xp.isfinite(function.value(p, available)) & xp.isfinite(function.value(q, available))
    if available is not None:
        # outside of the simplex of the available actions
        finite = finite & ~xp.any(~available & ((p > 0) | (q > 0)), axis=-1)
    if xi is None:
        with np.errstate(invalid="ignore"):
            found = xp.maximum(function.gradient_divergence(p, q, available), 0.0)
    else:
        found = divergence_by_definition(function, p, q, xi, available)
    found = xp.where(finite, found, xp.inf)
    return found if available is None else xp.where(xp.any(available, axis=-1), found, 0.0)


def divergence_by_definition(
    function: ConvexFunction,
    p: Float[Array, "*batch A"],
    q: Float[Array, "*batch A"],
    xi: Float[Array, "*batch A"],
    available: Bool[Array, "*batch A"] | None,
) -> Float[Array, "*batch"]:
    """(…, A) distributions and scores ξ -> (…) h(p) - h(q) - ⟨ξ, p - q⟩."""
    xp = array_namespace(p, q)
    used = (p > 0) | (q > 0)
    # the scores relative to the largest: the rounding of Σ p then has little effect
    top = xp.max(xp.where(used, xi, -xp.inf), axis=-1, keepdims=True)
    steep = xi == -xp.inf
    below = xp.where(used & ~steep, xi - xp.where(xp.isfinite(top), top, 0.0), 0.0)
    inner = xp.sum((p - q) * below, axis=-1)
    with np.errstate(invalid="ignore"):  # where h is infinite the result is not used
        found = function.value(p, available) - function.value(q, available) - inner
    return xp.where(xp.any(steep & (p > 0), axis=-1), xp.inf, found)


def hessian_vector_product(
    function: ConvexFunction,
    y: Float[Array, "*batch A"],
    direction: Float[Array, "*batch A"],
    available: Bool[Array, "*batch A"] | None,
) -> Float[np.ndarray, "*batch A"]:
    """Central differences of greedy distributions, extrapolated from two steps (Richardson)."""
    y, direction = np.asarray(y), np.asarray(direction)
    free = np.isfinite(y) if available is None else np.isfinite(y) & available
    high = np.max(np.where(free, direction, -np.inf), axis=-1, keepdims=True)
    low = np.min(np.where(free, direction, np.inf), axis=-1, keepdims=True)
    with np.errstate(invalid="ignore"):  # where no action is free
        size, middle = 0.5 * (high - low), 0.5 * (high + low)
    some = np.isfinite(size) & (size > 0)
    unit = np.where(
        free & some, (direction - np.where(some, middle, 0.0)) / np.where(some, size, 1.0), 0.0
    )
    fine, coarse = (
        (function.greedy(y + step * unit, available) - function.greedy(y - step * unit, available))
        / (2 * step)
        for step in (0.5 * DIFFERENCE_STEP, DIFFERENCE_STEP)
    )
    return np.where(some, size, 0.0) * (4.0 * np.asarray(fine) - np.asarray(coarse)) / 3.0
