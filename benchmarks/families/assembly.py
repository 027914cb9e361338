"""Models from lists of transitions: the shared part of the families."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import scipy.sparse as sp

import regmdp as rm

__all__ = ["Moves", "assemble", "grid_points", "interpolated"]

#: The number of an action, the (n,) states it is taken in, the (n,) states that follow, and the
#: probability of that: a number, or (n,).
Moves = tuple[int, np.ndarray, np.ndarray, float | np.ndarray]


def assemble(
    moves: Iterable[Moves],
    rewards: np.ndarray,
    discount: float,
    *,
    ends: bool = False,
) -> rm.MDP:
    """Return the model of some moves, whose probabilities add up.

    Args:
        moves: The transitions.
        rewards: (S, A) rewards; NaN where an action does not exist.
        discount: γ.
        ends: Whether what a row lacks to a sum of 1 is the end of the episode; otherwise it is an
            error of rounding.
    """
    n_states, n_actions = rewards.shape
    exists = ~np.isnan(rewards)
    number = np.full(rewards.shape, -1)
    state, action = np.nonzero(exists)
    number[state, action] = np.arange(state.size)
    rows, columns, data = [], [], []
    for a, before, after, probability in moves:
        rows.append(number[before, a])
        columns.append(after)
        data.append(np.broadcast_to(probability, before.shape))
    row = np.concatenate(rows)
    kept = row >= 0
    matrix = sp.csr_array(
        (
            np.concatenate(data)[kept],
            (row[kept], np.concatenate(columns)[kept]),
        ),
        shape=(state.size, n_states),
    )
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    sums = np.asarray(matrix.sum(axis=1)).ravel()
    termination = np.maximum(1.0 - sums, 0.0) if ends else None
    if ends:
        assert termination is not None
        termination[termination < 1e-12] = 0.0
    return rm.MDP.from_pairs(
        state,
        action,
        matrix,
        rewards[state, action],
        discount,
        n_states=n_states,
        n_actions=n_actions,
        termination=termination,
    )


def grid_points(bounds: list[tuple[float, float]], counts: list[int]) -> list[np.ndarray]:
    """Return the coordinates of all points of a grid, one (S,) array for each dimension."""
    axes = [
        np.linspace(low, high, count) for (low, high), count in zip(bounds, counts, strict=True)
    ]
    return [axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")]


def interpolated(
    points: list[np.ndarray], bounds: list[tuple[float, float]], counts: list[int]
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the corners of the cell that each point lies in, with their weights.

    The weights are those of multilinear interpolation; points outside are moved to the boundary.
    """
    corners = [(np.zeros(points[0].shape, dtype=np.int64), np.ones(points[0].shape))]
    for point, (low, high), count in zip(points, bounds, counts, strict=True):
        place = np.clip((point - low) / (high - low), 0.0, 1.0) * (count - 1)
        below = np.minimum(place.astype(np.int64), count - 2)
        share = place - below
        corners = [
            (index * count + below + step, weight * (share if step else 1.0 - share))
            for index, weight in corners
            for step in (0, 1)
        ]
    return corners
