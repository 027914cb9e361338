"""Checks of a model's data.

Every message names the first offending place, how many there are, and what to do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy

from regmdp._internal.arrays import UNIT_ROUNDOFF, Bool, Float, Int, freeze
from regmdp._internal.errors import ModelError
from regmdp.mdp.decision_process import DecisionProcess

if TYPE_CHECKING:
    from regmdp.mdp.mdp import MDP

#: How far a row of probabilities may be from summing to 1.
MASS_TOLERANCE = 1e-9

Shape = tuple[int, int]


@dataclass(frozen=True)
class Pairs:
    """(K,) states and actions of a list of pairs."""

    state: Int[np.ndarray, " K"]
    action: Int[np.ndarray, " K"]
    n_actions: int

    def scatter(self, name: str, values: Any, shape: Shape) -> Float[np.ndarray, "S A"]:
        """(K,) values -> (S, A), 0 where no pair is listed."""
        values = _floats(name, values)
        if values.shape != self.state.shape:
            raise ModelError(
                f"{name} has shape {values.shape}, but there are {self.state.size} pairs; give one "
                "number a pair"
            )
        table = np.zeros(shape, order="F")
        table[self.state, self.action] = values
        return table


def _floats(name: str, values: Any) -> np.ndarray:
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ModelError(f"{name} is not an array of numbers: {error}") from None


def _first(bad: np.ndarray) -> tuple[int, ...]:
    return tuple(int(i) for i in np.unravel_index(np.argmax(bad), bad.shape))


def as_discount(discount: Any) -> float:
    """Return γ as a float in [0, 1]."""
    try:
        value = float(discount)
    except (TypeError, ValueError):
        raise ModelError(f"discount must be a number between 0 and 1, not {discount!r}") from None
    if not 0.0 <= value <= 1.0:
        raise ModelError(f"discount must be between 0 and 1, not {value!r}")
    return value


def as_rewards(rewards: Any, shape: Shape | None = None) -> Float[np.ndarray, "S A"]:
    """Return (S, A) rewards as a new action-major array."""
    rewards = _floats("rewards", rewards)
    if rewards.ndim != 2 or 0 in rewards.shape:
        hint = (
            "; average over the successor first: (P * R).sum(axis=-1)" if rewards.ndim == 3 else ""
        )
        raise ModelError(f"rewards must have shape (S, A), not {rewards.shape}{hint}")
    if shape is not None and rewards.shape != shape:
        raise ModelError(f"rewards must have the model's shape {shape}, not {rewards.shape}")
    return np.array(rewards, order="F")


def as_available(available: Any, shape: Shape) -> Bool[np.ndarray, "S A"]:
    """Return the (S, A) mask of available actions."""
    if available is None:
        return np.broadcast_to(True, shape)
    available = np.asarray(available)
    if available.shape != shape:
        raise ModelError(
            f"available must have the shape of the rewards, {shape}, not {available.shape}"
        )
    if available.dtype != np.bool_ and not np.isin(available, (0, 1)).all():
        raise ModelError("available must be boolean: True where the action exists in that state")
    available = available.astype(np.bool_)
    if not available.any():
        raise ModelError("available is False everywhere: no state has an action")
    return available


def as_dense(transitions: Any, shape: Shape) -> Float[np.ndarray, "S A S"]:
    """Return dense transitions, their shape checked against the rewards'."""
    transitions = _floats("transitions", transitions)
    expected = (*shape, shape[0])
    if transitions.shape != expected:
        hint = ""
        if transitions.shape == (shape[1], shape[0], shape[0]):
            hint = "; for one (S, S) matrix an action use MDP.from_action_matrices"
        raise ModelError(
            f"transitions must have shape (S, A, S) = {expected} to go with the rewards, not "
            f"{transitions.shape}{hint}"
        )
    return transitions


def as_action_matrices(matrices: Any, shape: Shape) -> list[Any]:
    """Return A matrices, their number and shapes checked against the rewards'."""
    if scipy.sparse.issparse(matrices):
        raise ModelError(
            "from_action_matrices takes a sequence of A matrices of shape (S, S); a single sparse (S·A, S) "
            "array goes to MDP(...)"
        )
    matrices = list(matrices)
    n_states, n_actions = shape
    if len(matrices) != n_actions:
        raise ModelError(
            f"from_action_matrices got {len(matrices)} matrices for rewards of shape (S, A) = {shape}; it "
            "takes one an action"
        )
    for action, matrix in enumerate(matrices):
        if np.shape(matrix) != (n_states, n_states):
            raise ModelError(
                f"the matrix of action {action} must have shape {(n_states, n_states)}, not "
                f"{np.shape(matrix)}"
            )
        if not scipy.sparse.issparse(matrix):
            matrices[action] = _floats(f"the matrix of action {action}", matrix)
    return matrices


def as_rows(
    rows: Any, expected: Shape, shape: Shape, pairs: Pairs | None = None
) -> scipy.sparse.csr_array:
    """Return (K, S) rows in canonical CSR form: no duplicates, no stored zeros, indices within range."""
    if not scipy.sparse.issparse(rows):
        rows = _floats("transitions", rows)
    if tuple(rows.shape) == (*shape, shape[0]) and scipy.sparse.issparse(rows):
        rows = rows.reshape(expected)
    if tuple(rows.shape) != expected:
        what = "(K, S)" if pairs is not None else "(S·A, S)"
        raise ModelError(
            f"transitions must have shape {what} = {expected}, not {tuple(rows.shape)}"
        )
    _check_indices(rows)
    rows = scipy.sparse.csr_array(rows, dtype=np.float64)
    if not (rows.has_canonical_format and rows.data.all()):
        rows = rows.copy()  # the arrays may be the caller's
        rows.sum_duplicates()
        rows.eliminate_zeros()
    return rows


def _check_indices(rows: Any) -> None:
    """SciPy does not check the indices of a compressed matrix built from its parts."""
    indices = getattr(rows, "indices", None)
    if indices is None:
        return
    minor = rows.shape[1] if rows.format == "csr" else rows.shape[0]
    if indices.size == 0 or (indices.min() >= 0 and indices.max() < minor):
        return
    bad = (indices < 0) | (indices >= minor)
    first = int(np.argmax(bad))
    raise ModelError(
        f"transitions: stored index {first} is {int(indices[first])}, but successors run from 0 to "
        f"{minor - 1}; {int(np.count_nonzero(bad))} indices are out of range"
    )


def as_pairs(
    state: Any,
    action: Any,
    n_states: int,
    n_actions: int | None,
    action_labels: Sequence[str] | None,
) -> Pairs:
    """Return the listed pairs, checked for range and duplicates."""
    state, action = _indices("state", state), _indices("action", action)
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


def _indices(name: str, values: Any) -> Int[np.ndarray, " K"]:
    values = np.asarray(values)
    if values.ndim != 1 or not np.issubdtype(values.dtype, np.integer):
        raise ModelError(
            f"{name} must be a 1-D array of integers, not {values.dtype} of shape {values.shape}"
        )
    return values.astype(np.int64)


def as_labels(name: str, labels: Sequence[str] | None, count: int) -> tuple[str, ...] | None:
    """Return the labels as a tuple of the right length."""
    if labels is None:
        return None
    labels = tuple(str(label) for label in labels)
    if len(labels) != count:
        raise ModelError(f"{name} has {len(labels)} names, but there are {count} of them to name")
    return labels


def checked_rewards(mdp: MDP, rewards: Float[np.ndarray, "S A"]) -> Float[np.ndarray, "S A"]:
    """Check that the rewards of available pairs are finite; the others become 0."""
    if not mdp.all_available:
        rewards[~mdp.available] = 0.0
    bad = ~np.isfinite(rewards)
    if bad.any():
        where = _first(bad)
        raise ModelError(
            f"rewards: {mdp.describe(*where)} has {rewards[where]}; {_of(bad, mdp)} are not "
            "finite; an action that must not be taken is marked with available=False, not with -inf"
        )
    return freeze(rewards)


def checked_termination(mdp: MDP, termination: Any) -> Float[np.ndarray, "S A"]:
    """Check the (S, A) termination probabilities; those of unavailable pairs become 0."""
    shape = (mdp.n_states, mdp.n_actions)
    if termination is None:
        return np.broadcast_to(0.0, shape)
    termination = np.array(_floats("termination", termination), order="F")
    if termination.shape != shape:
        raise ModelError(
            f"termination must have the shape of the rewards, {shape}, not {termination.shape}"
        )
    if not mdp.all_available:
        termination[~mdp.available] = 0.0
    bad = ~((termination >= 0) & (termination <= 1 + MASS_TOLERANCE))
    if bad.any():
        where = _first(bad)
        raise ModelError(
            f"termination: {mdp.describe(*where)} has {termination[where]}; {_of(bad, mdp)} are "
            "not probabilities"
        )
    if not termination.any():
        return np.broadcast_to(0.0, shape)
    return freeze(termination)


def checked_mass(mdp: MDP) -> float:
    """Check that rows are probabilities and sum to 1 with their termination; return a bound on how far they are from it."""
    transitions = mdp.transitions
    low = min(
        (
            float(array.min(initial=0.0))
            for array in transitions.stored()
            if array.dtype == np.float64
        ),
        default=0.0,
    )
    sums = transitions.row_sums()
    if low < 0 or not np.isfinite(sums).all():
        raise ModelError(_bad_probability(mdp))
    sums += mdp.termination
    error = np.where(mdp.available, np.abs(sums - 1.0), 0.0)
    bad = error > MASS_TOLERANCE
    if bad.any():
        where = _first(bad)
        ends = float(mdp.termination[where])
        raise ModelError(
            f"transitions: the row of {mdp.describe(*where)} sums to {sums[where] - ends:.12g}"
            + (f" (with termination {ends:.12g}, {sums[where]:.12g})" if ends else "")
            + (
                f", not to 1 within {MASS_TOLERANCE:g}; {_of(bad, mdp)} are off; normalise the "
                "rows, put the probability that the episode ends into termination=, or mark pairs "
                "that do not exist with available="
            )
        )
    return float(error.max()) + (transitions.branching + 2) * 2 * UNIT_ROUNDOFF


def _bad_probability(mdp: MDP) -> str:
    """Find the first probability that is negative, NaN or infinite, and say where it is."""
    rows = mdp.transitions.to_csr()
    with np.errstate(invalid="ignore"):
        bad = ~((rows.data >= 0) & np.isfinite(rows.data))
    entry = int(np.argmax(bad))
    row = int(np.searchsorted(rows.indptr, entry, side="right")) - 1
    pair = mdp.describe(*divmod(row, mdp.n_actions))
    target = mdp.describe(int(rows.indices[entry]))
    return (
        f"transitions: from {pair} to {target} the probability is {rows.data[entry]}; "
        f"{int(np.count_nonzero(bad))} entries are negative, NaN or infinite"
    )


def checked_initial(frame: DecisionProcess, initial: Any) -> Float[np.ndarray, " S"]:
    """Check the initial distribution, or make the default: uniform over the states that are not terminal."""
    if initial is None:
        return freeze(np.where(frame.terminal, 0.0, 1.0) / np.count_nonzero(~frame.terminal))
    initial = np.array(_floats("initial", initial))
    if initial.shape != (frame.n_states,):
        raise ModelError(f"initial must have shape (S,) = ({frame.n_states},), not {initial.shape}")
    bad = ~((initial >= 0) & np.isfinite(initial))
    if bad.any():
        state = int(np.argmax(bad))
        raise ModelError(
            f"initial: {frame.describe(state)} has {initial[state]}; {int(np.count_nonzero(bad))} "
            "entries are not probabilities"
        )
    if abs(initial.sum() - 1.0) > MASS_TOLERANCE:
        raise ModelError(
            f"initial sums to {initial.sum():.12g}, not to 1 within {MASS_TOLERANCE:g}; normalise "
            "it"
        )
    return freeze(initial)


def set_outline(
    frame: DecisionProcess,
    shape: Shape,
    discount: Any,
    available: Any,
    state_labels: Sequence[str] | None,
    action_labels: Sequence[str] | None,
) -> None:
    """Check all that a frame of S states and A actions consists of, but its initial distribution, and give it to it."""
    frame.n_states, frame.n_actions = shape
    frame.discount = as_discount(discount)
    frame.available = freeze(as_available(available, shape))
    frame.all_available = bool(frame.available.all())
    frame.terminal = freeze(np.logical_not(np.any(frame.available, axis=1)))
    frame.state_labels = as_labels("state_labels", state_labels, shape[0])
    frame.action_labels = as_labels("action_labels", action_labels, shape[1])


def _of(bad: np.ndarray, mdp: MDP) -> str:
    return (
        f"{int(np.count_nonzero(bad)):,} of {int(np.count_nonzero(mdp.available)):,} available "
        "pairs"
    )
