"""Deterministic policies, stored as one action for each state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from regmdp._internal.arrays import Array, Float, Int, assign
from regmdp._internal.width_table import WidthTable

__all__ = ["DeterministicPolicy", "find_actions"]


class DeterministicPolicy:
    """A policy that takes one action in each state.

    NumPy reads it as the (S, A) array of its probabilities.

    Args:
        actions: (S,) action of each state, -1 where there is none.
        n_actions: A.
        widths: The number of columns of each block, by its first state, if blocks have their own.

    Examples:
        >>> import numpy as np
        >>> policy = DeterministicPolicy(np.array([1, -1]), 2)
        >>> np.asarray(policy)
        array([[0., 1.],
               [0., 0.]])
        >>> policy[:1].actions
        array([1])
    """

    ndim = 2
    dtype = np.dtype(np.float64)

    def __init__(
        self,
        actions: Int[np.ndarray, " S"],
        n_actions: int,
        widths: Mapping[int, int] | None = None,
    ) -> None:
        self.actions, self._widths = actions, widths
        self.shape = (actions.size, n_actions)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        probabilities = np.zeros(self.shape, dtype=dtype or self.dtype, order="F")
        for action in range(self.shape[1]):
            assign(np.s_[:, action], (probabilities, self.actions == action))
        return probabilities

    def __getitem__(self, key: Any) -> Any:
        if not isinstance(key, slice):
            return np.asarray(self)[key]
        width = self.shape[1]
        if self._widths is not None:
            width = self._widths.get(key.start or 0, width)
        return DeterministicPolicy(self.actions[key], width)


def find_actions(policy: Float[Array, "S A"]) -> Int[np.ndarray, " S"] | None:
    """(S, A) policy -> (S,) its actions, -1 in states without one; None if it is stochastic.

    >>> find_actions(np.array([[0.0, 1.0], [1.0, 0.0], [0.0, 0.0]]))
    array([ 1,  0, -1])
    >>> find_actions(np.array([[0.5, 0.5], [1.0, 0.0]])) is None
    True
    """
    if isinstance(policy, DeterministicPolicy):
        return policy.actions
    if isinstance(policy, WidthTable):
        found = [find_actions(part) for part in policy.parts]
        known = [actions for actions in found if actions is not None]
        return np.concatenate(known) if len(known) == len(found) else None
    policy = np.asarray(policy)
    # deterministic: as many positive entries as rows whose largest entry is 1
    has_one = np.max(policy, axis=-1) == 1.0
    if np.count_nonzero(policy != 0.0) != np.count_nonzero(has_one):
        return None
    actions = policy @ np.arange(policy.shape[-1], dtype=np.float64)
    return np.where(has_one, actions, -1.0).astype(np.intp)
