"""Numbers of pairs in the order of a model's arrays, or by the numbers of states and actions."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy

from regmdp._internal.arrays import Float
from regmdp._internal.errors import ModelError
from regmdp._internal.sparse import as_csr
from regmdp._internal.width_table import WidthTable
from regmdp.mdp.decision_process import StateActionSpace
from regmdp.mdp.validation import as_floats

__all__ = ["order_by_columns", "order_by_numbers"]


def order_by_columns(name: str, numbers: Any, space: StateActionSpace) -> Float[np.ndarray, "S n"]:
    """Return numbers of pairs, dense or sparse, in the order of a model's arrays.

    Raises:
        ModelError: if their shape is another, or sparse ones are not 0 for a pair that does not
            exist.
    """
    given = numbers
    if space.numbering is not None:
        given = space.numbering.to_columns(name, given)
    elif scipy.sparse.issparse(given):
        given = as_csr(name, given).toarray()
    if isinstance(given, WidthTable):
        return given  # type: ignore[return-value]  # which has the part of its interface
    array, shape = as_floats(name, given), space.available.shape
    if array.shape not in (shape, shape[1:]):
        known = space.n_states, space.n_action_numbers
        raise ModelError(f"{name} must have the shape (S, A) = {known} or (A,), not {array.shape}")
    return np.broadcast_to(array, shape)


def order_by_numbers(name: str, table: Any, space: StateActionSpace) -> scipy.sparse.csr_array:
    """Return an (S, n) array in the order of a model's as (S, A) sparse, with all its pairs.

    Raises:
        ModelError: if its shape is another.
    """
    array = table if isinstance(table, WidthTable) else as_floats(name, table)
    if array.shape != space.available.shape:
        raise ModelError(
            f"{name} must have the shape of the model's arrays, {space.available.shape}, not "
            f"{array.shape}"
        )
    if space.numbering is None:
        state, action = np.nonzero(space.available)
        numbers = array[state, action]
    else:
        exists = np.flatnonzero(space.numbering.from_table(space.available))
        state, action = space.numbering.state[exists], space.numbering.action[exists]
        numbers = space.numbering.from_table(array)[exists]
    start = np.concatenate(([0], np.cumsum(np.bincount(state, minlength=space.n_states))))
    return scipy.sparse.csr_array(
        (numbers, action, start), shape=(space.n_states, space.n_action_numbers)
    )
