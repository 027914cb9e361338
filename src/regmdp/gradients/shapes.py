"""Checks of the arrays that are given to derivatives."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import scipy.sparse as sp

from regmdp._internal.array_checks import check_array as check_numbers
from regmdp._internal.arrays import ArrayLike
from regmdp._internal.checks import LARGE_ROOT
from regmdp._internal.errors import RegmdpError, SolverError
from regmdp._internal.parameters import ArrayOf, Kind
from regmdp._internal.sparse import as_csr

__all__ = ["TransitionLike", "TransitionsOf", "as_transition_rows", "check_array"]

#: An array with one entry for each transition: (S, A, S), or a sparse (S·A, S).
TransitionLike: TypeAlias = np.ndarray | sp.sparray | sp.spmatrix


class TransitionsOf(Kind):
    """An array over transitions, dense or sparse; its shape is checked where the model is known."""

    def describe(self) -> str:
        return "an array of shape (S, A, S), or a sparse (S·A, S)"

    def matches(self, value: object) -> bool:
        return sp.issparse(value) or ArrayOf().matches(value)

    def check(self, name: str, value: Any, model: Any, error: type[RegmdpError]) -> Any:
        if sp.issparse(value):
            return as_csr(name, value, error=error)
        dense = ArrayOf("S A T", minimum=-LARGE_ROOT, maximum=LARGE_ROOT)
        return dense.check(name, value, None, error)


def as_transition_rows(transitions: TransitionLike, shape: tuple[int, ...]) -> Any:
    """Return an array over transitions as a matrix whose row ``s * A + a`` belongs to (s, a).

    Args:
        transitions: (S, A, S), or a sparse (S·A, S).
        shape: (S, A).

    Returns:
        The (S·A, S) matrix, sparse if the argument is.

    Raises:
        SolverError: if it has another shape.
    """
    n_states, n_actions = shape
    if sp.issparse(transitions):
        flat = (n_states * n_actions, n_states)
        if transitions.shape != flat:
            raise SolverError(
                f"a sparse array over transitions must have shape (S·A, S) = {flat}, not "
                f"{transitions.shape}"
            )
        return as_csr("an array over transitions", transitions, error=SolverError)
    array = check_numbers("an array over transitions", transitions)
    if array.shape != (n_states, n_actions, n_states):
        raise SolverError(
            "an array over transitions must have shape (S, A, S) = "
            f"{(n_states, n_actions, n_states)}, or be sparse, not {array.shape}"
        )
    return array.reshape(-1, n_states)


def check_array(name: str, array: ArrayLike, *shapes: tuple[int, ...]) -> np.ndarray:
    """Return finite numbers as an array of doubles.

    Args:
        name: What the messages call them.
        array: The numbers.
        shapes: The permitted shapes.

    Raises:
        SolverError: if it has another shape, or an entry is not a finite number.
    """
    try:
        checked = np.asarray(array, dtype=np.float64)
    except (TypeError, ValueError):
        raise SolverError(f"{name} must be numbers, not {array!r}") from None
    if checked.shape not in shapes:
        raise SolverError(
            f"{name} must have shape {' or '.join(map(str, shapes))}, not {checked.shape}"
        )
    bad = ~np.isfinite(checked)
    if bad.any():
        index = tuple(int(i) for i in np.unravel_index(np.argmax(bad), checked.shape))
        place = f" at {index}" if checked.ndim else ""
        raise SolverError(
            f"{name} has {checked[index]}{place}; {int(np.count_nonzero(bad))} are not finite"
        )
    return checked
