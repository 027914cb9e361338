"""What can be derived of a regularizer from its ``value`` and ``greedy`` alone: slowly, but right."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from regmdp._internal.arrays import Array, Bool, Float

if TYPE_CHECKING:
    from regmdp.regularizers.base import Regularizer


def bounds(regularizer: Regularizer, n_actions: int) -> tuple[float, float]:
    """Bound h on the simplex: its minimum is at the greedy distribution of equal scores, its maximum at a vertex."""
    vertices = np.eye(n_actions)
    lowest = regularizer.value(regularizer.greedy(np.zeros((1, n_actions))))
    return float(lowest[0]), float(np.max(regularizer.value(vertices)))


def subgradient(
    regularizer: Regularizer, p: Float[Array, "*batch A"], available: Bool[Array, "*batch A"] | None
) -> Float[np.ndarray, "*batch A"]:
    """Find scores whose greedy distribution is p, by minimising h*(y) - ⟨p, y⟩, whose gradient is greedy(y) - p."""
    from scipy.optimize import minimize  # slow to import, and rarely needed

    p = np.asarray(p)
    out = np.full(p.shape, -np.inf)
    for where in np.ndindex(p.shape[:-1]):
        # the first axis is states if there is one
        single = regularizer.at(slice(where[0], where[0] + 1)) if where else regularizer
        mask = (
            np.ones(p.shape[-1:], dtype=np.bool_)
            if available is None
            else np.broadcast_to(available, p.shape)[where]
        )
        row = p[where]

        def dual(free: np.ndarray, single=single, mask=mask, row=row) -> tuple[float, np.ndarray]:
            scores = np.full((1, row.size), -np.inf)
            scores[0, mask] = free
            gradient = single.greedy(scores, mask[None])[0] - row
            return float(single.conjugate(scores, mask[None])[0] - row[mask] @ free), gradient[mask]

        found = minimize(
            dual, np.zeros(np.count_nonzero(mask)), jac=True, method="BFGS", options={"gtol": 1e-12}
        )
        out[where][mask] = found.x - found.x.max()
    return out
