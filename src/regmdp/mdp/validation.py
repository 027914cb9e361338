"""Conversion of the arrays that a model is made of, with checks of their shapes and indices.

Every message names the first wrong place, how many there are, and what to do.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy

from regmdp._internal.array_checks import check_array
from regmdp._internal.arrays import UNIT_ROUNDOFF, ArrayLike, Bool, Float, Int
from regmdp._internal.checks import check_integer, check_number, show
from regmdp._internal.errors import ModelError
from regmdp._internal.memory import require_memory
from regmdp._internal.sparse import as_csr
from regmdp.mdp.numbering import ActionNumbering, leaves_most_pairs_out

__all__ = [
    "MASS_TOLERANCE",
    "NORMALIZE_TOLERANCE",
    "Pairs",
    "Shape",
    "as_action_matrices",
    "as_available",
    "as_dense",
    "as_discount",
    "as_flag",
    "as_floats",
    "as_labels",
    "as_pairs",
    "as_rewards",
    "as_rows",
    "count_columns",
    "find_factors",
    "normalize_dense",
    "normalize_sparse",
    "number_actions",
]

#: Largest difference from 1 of the sum of a row of probabilities.
MASS_TOLERANCE = 1e-9

#: Largest difference from 1 of the sum of a row that is normalised on request: of single precision,
#: or of few digits, as in 0.33 + 0.33 + 0.33.
NORMALIZE_TOLERANCE = 1e-2 * (1 + 1e-9)

#: Memory that a model takes for a state and an action, listed or not, while it is built.
BYTES_PER_PAIR = 40.0

Shape = tuple[int, int]


@dataclass(frozen=True)
class Pairs:
    """A list of K state-action pairs.

    Attributes:
        state: (K,) state of each pair.
        action: (K,) action of each pair.
        n_actions: A.
    """

    state: Int[np.ndarray, " K"]
    action: Int[np.ndarray, " K"]
    n_actions: int

    def scatter(self, name: str, values: object, shape: Shape) -> Float[np.ndarray, "S A"]:
        """(K,) values -> (S, A), 0 where no pair is listed."""
        values = as_floats(name, values)
        if values.shape != self.state.shape:
            raise ModelError(
                f"{name} has shape {values.shape}, but there are {self.state.size} pairs; give one "
                "number for each pair"
            )
        table = np.zeros(shape, order="F")
        table[self.state, self.action] = values
        return table

    def as_column(self, name: str, values: object) -> Any:
        """(K,) values -> (K, 1) doubles; None for None."""
        if values is None:
            return None
        alone = Pairs(np.arange(self.state.size), np.zeros_like(self.state), 1)
        return alone.scatter(name, values, (self.state.size, 1))


def as_floats(name: str, values: object) -> np.ndarray:
    """Return an array of doubles."""
    return check_array(name, values, error=ModelError)


def as_discount(discount: object) -> float:
    """Return γ as a float in [0, 1]."""
    return check_number("discount", discount, 0.0, 1.0, error=ModelError)


def as_rewards(rewards: object, shape: Shape | None = None) -> Float[np.ndarray, "S A"]:
    """Return (S, A) rewards as a new action-major array."""
    rewards = as_floats("rewards", rewards)
    if rewards.ndim != 2 or 0 in rewards.shape:
        hint = (
            "; average over the successor first: (P * R).sum(axis=-1)" if rewards.ndim == 3 else ""
        )
        raise ModelError(f"rewards must have shape (S, A), not {rewards.shape}{hint}")
    if shape is not None and rewards.shape != shape:
        raise ModelError(f"rewards must have the model's shape {shape}, not {rewards.shape}")
    return np.array(rewards, order="F")


def as_available(available: object, shape: Shape) -> Bool[np.ndarray, "S A"]:
    """Return the (S, A) mask of available actions."""
    if available is None:
        return np.broadcast_to(True, shape)
    available = np.array(
        check_array(
            "available",
            available,
            "boolean",
            error=ModelError,
            advice="True where the action exists in that state",
        )
    )
    if available.shape != shape:
        raise ModelError(
            f"available must have the shape of the rewards, {shape}, not {available.shape}"
        )
    if not available.any():
        raise ModelError("available is False everywhere: no state has an action")
    return available


def as_dense(transitions: object, shape: Shape) -> Float[np.ndarray, "S A S"]:
    """Return dense transitions, their shape checked against the rewards'."""
    transitions = as_floats("transitions", transitions)
    expected = (*shape, shape[0])
    if transitions.shape != expected:
        hint = ""
        if transitions.shape == (shape[1], shape[0], shape[0]):
            hint = "; for (S, S) matrices, one for each action, use MDP.from_action_matrices"
        raise ModelError(
            f"transitions must have shape (S, A, S) = {expected} to go with the rewards, not "
            f"{transitions.shape}{hint}"
        )
    return transitions


def as_flag(name: str, value: object) -> bool:
    """Return an argument that is True or False."""
    if not isinstance(value, bool | np.bool_):
        raise ModelError(f"{name} must be True or False, not {value!r}")
    return bool(value)


def as_action_matrices(matrices: Any, shape: Shape) -> list[Any]:
    """Return A matrices, their number and shapes checked against the rewards'."""
    if scipy.sparse.issparse(matrices):
        raise ModelError(
            "from_action_matrices takes a sequence of A matrices of shape (S, S); for a single "
            "sparse (S·A, S) array use MDP(...)"
        )
    try:
        matrices = list(matrices)
    except TypeError:
        raise ModelError(
            f"matrices must be a sequence of A matrices of shape (S, S), not {show(matrices)}"
        ) from None
    n_states, n_actions = shape
    if len(matrices) != n_actions:
        raise ModelError(
            f"from_action_matrices got {len(matrices)} matrices for rewards of shape (S, A) = "
            f"{shape}; give one matrix for each action"
        )
    for action, matrix in enumerate(matrices):
        name = f"the matrix of action {action}"
        sparse = scipy.sparse.issparse(matrix)
        matrices[action] = as_csr(name, matrix) if sparse else as_floats(name, matrix)
        if matrices[action].shape != (n_states, n_states):
            raise ModelError(
                f"{name} must have shape {(n_states, n_states)}, not {matrices[action].shape}"
            )
    return matrices


def as_rows(
    rows: Any, expected: Shape, shape: Shape, pairs: Pairs | None = None
) -> scipy.sparse.csr_array:
    """Return (K, S) rows in canonical CSR form: no duplicates, no stored zeros, valid indices."""
    sparse = scipy.sparse.issparse(rows)
    if not sparse:
        rows = as_floats("transitions", rows)
    found = tuple(rows.shape)
    if found != expected and not (sparse and found == (*shape, shape[0])):
        what = "(K, S)" if pairs is not None else "(S·A, S)"
        raise ModelError(f"transitions must have shape {what} = {expected}, not {found}")
    rows = as_csr("transitions", rows) if sparse else scipy.sparse.csr_array(rows)
    if not rows.data.all():
        rows = rows.copy()  # the arrays may be the caller's
        rows.eliminate_zeros()
    return rows


def count_columns(rows: Any) -> int:
    """Return the number of columns of a dense or sparse array."""
    if not scipy.sparse.issparse(rows):
        rows = check_array("transitions", rows, ndim=2, error=ModelError)
    return int(rows.shape[-1])


def as_pairs(
    state: object,
    action: object,
    n_states: int,
    n_actions: int | None,
    action_labels: Sequence[str] | None,
) -> Pairs:
    """Return the listed pairs, checked for range and duplicates."""
    state, action = (
        check_array(name, values, "integer", ndim=1, error=ModelError)
        for name, values in (("state", state), ("action", action))
    )
    n_states = check_integer("n_states", n_states, error=ModelError)
    if n_actions is not None:
        n_actions = check_integer("n_actions", n_actions, error=ModelError)
    if state.shape != action.shape:
        raise ModelError(
            f"state and action must have the same length, not {state.size} and {action.size}"
        )
    if state.size == 0:
        raise ModelError("no state-action pair is listed")
    if n_actions is None:
        n_actions = len(action_labels) if action_labels is not None else int(action.max()) + 1
    for name, values, limit in (("state", state, n_states), ("action", action, n_actions)):
        bad = (values < 0) | (values >= limit)
        if bad.any():
            pair = int(np.argmax(bad))
            raise ModelError(
                f"{name}[{pair}] is {int(values[pair])}, but {name}s run from 0 to {limit - 1}; "
                f"{int(np.count_nonzero(bad))} of {values.size} are out of range"
            )
    if n_states * n_actions > np.iinfo(np.int64).max:
        raise ModelError(
            f"{n_states:,} states and {n_actions:,} actions have more pairs than 64 bits can "
            "count; number the states and actions that exist without gaps"
        )
    code = state * n_actions + action
    _, first, counts = np.unique(code, return_index=True, return_counts=True)
    if (counts > 1).any():
        pair, times = int(first[np.argmax(counts > 1)]), int(counts[np.argmax(counts > 1)])
        raise ModelError(
            f"the pair (state {int(state[pair])}, action {int(action[pair])}) is listed {times} "
            f"times; {int(np.count_nonzero(counts > 1))} pairs are listed more than once; merge "
            "their rows"
        )
    return Pairs(state, action, n_actions)


def number_actions(listed: Pairs, n_states: int) -> tuple[Pairs, ActionNumbering | None]:
    """Return pairs by the columns of their arrays, and the numbering of a ragged model, or None.

    The model is ragged if the listed actions would fill a small part of an (S, A) array.
    """
    pairs, numbering = listed, None
    if leaves_most_pairs_out(n_states, listed.n_actions, listed.state.size):
        found, order = ActionNumbering.from_pairs(
            listed.state, listed.action, n_states, listed.n_actions
        )
        if found.width < listed.n_actions:
            numbering, column = found, np.empty_like(found.column)
            column[order] = found.column
            pairs = Pairs(listed.state, column, found.width)
    require_memory(
        f"arrays of {n_states:,} states and {pairs.n_actions:,} actions",
        BYTES_PER_PAIR * n_states * pairs.n_actions,
        "number the states and actions that exist without gaps",
    )
    return pairs, numbering


def as_labels(name: str, labels: Sequence[str] | None, count: int) -> tuple[str, ...] | None:
    """Return the labels as a tuple of the right length."""
    if labels is None:
        return None
    if isinstance(labels, str | bytes) or not isinstance(labels, Iterable):
        raise ModelError(f"{name} must be a sequence of names, not {show(labels)}")
    labels = tuple(str(label) for label in labels)
    if len(labels) != count:
        raise ModelError(f"{name} has {len(labels)} names, but there are {count} of them to name")
    return labels


def normalize_dense(
    transitions: Float[np.ndarray, "S A S"], termination: ArrayLike | None
) -> tuple[Float[np.ndarray, "S A S"], ArrayLike | None]:
    """Divide rows and their termination by their sums, where these are within 1e-2 of 1.

    Args:
        transitions: (S, A, S) probabilities.
        termination: (S, A) probabilities, or None; not checked yet.
    """
    ends = _as_table(termination, transitions.shape[:2])
    factor = find_factors(transitions.sum(axis=-1) + (0.0 if ends is None else ends))
    return transitions * factor[..., None], termination if ends is None else ends * factor


def normalize_sparse(
    rows: scipy.sparse.csr_array, index: Int[np.ndarray, "S A"], termination: ArrayLike | None
) -> tuple[scipy.sparse.csr_array, ArrayLike | None]:
    """Do the same for (K, S) rows; ``index`` is the row of each pair, or -1."""
    ends = _as_table(termination, index.shape)
    sums, listed = np.asarray(rows.sum(axis=1)).ravel(), index >= 0
    if ends is not None:
        sums[index[listed]] += ends[listed]
    factor = find_factors(sums)
    data = rows.data * np.repeat(factor, np.diff(rows.indptr))
    scaled = scipy.sparse.csr_array((data, rows.indices, rows.indptr), shape=rows.shape)
    if ends is None:
        return scaled, termination
    ends[listed] *= factor[index[listed]]
    return scaled, ends


def find_factors(sums: np.ndarray) -> np.ndarray:
    """Return the inverses of sums near 1, and 1 for the others.

    Those are sums that are 1 up to rounding, and sums that are refused later.
    """
    off = np.abs(sums - 1.0)
    changed = (off > 4 * UNIT_ROUNDOFF) & (off <= NORMALIZE_TOLERANCE)
    return 1.0 / np.where(changed, sums, 1.0)


def _as_table(termination: ArrayLike | None, shape: Shape) -> Float[np.ndarray, "S A"] | None:
    """Return a copy of (S, A) numbers; None if there are none, or they are refused later."""
    if termination is None or np.shape(termination) != shape:
        return None
    given = np.asarray(termination)
    return np.array(given, dtype=np.float64) if given.dtype.kind in "biuf" else None
