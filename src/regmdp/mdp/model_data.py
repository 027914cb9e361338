"""The checked data of a model.

Every message names the first wrong place, how many there are, and what to do.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from regmdp._internal.arrays import UNIT_ROUNDOFF, ArrayLike, Bool, Float, freeze
from regmdp._internal.errors import ModelError
from regmdp._internal.width_table import WidthTable, as_stored, freeze_stored
from regmdp.mdp.decision_process import StateActionSpace
from regmdp.mdp.numbering import ActionNumbering
from regmdp.mdp.objective import GoalOptions, Objective
from regmdp.mdp.transitions import Transitions
from regmdp.mdp.validation import (
    MASS_TOLERANCE,
    NORMALIZE_TOLERANCE,
    Shape,
    as_available,
    as_discount,
    as_floats,
    as_labels,
)

__all__ = [
    "ModelData",
    "ModelOptions",
    "check_initial",
    "check_model",
    "check_rewards",
    "check_space",
    "keep_pairs",
    "make_space",
]


class ModelOptions(GoalOptions, total=False):
    """Optional arguments of :class:`~regmdp.MDP`, for functions that pass them on."""

    initial: ArrayLike | None
    available: ArrayLike | None
    termination: ArrayLike | None
    state_labels: Sequence[str] | None
    action_labels: Sequence[str] | None
    labels: Mapping[str, ArrayLike] | None
    normalize: bool


@dataclass(frozen=True, eq=False)
class ModelData:
    """The data of a model, checked.

    Attributes:
        space: States and actions.
        discount: γ.
        initial: (S,) distribution of the first state.
        transitions: Transition probabilities.
        rewards: (S, A) rewards, 0 at unavailable pairs.
        termination: (S, A) termination probabilities, 0 at unavailable pairs.
        mass_error: Bound on how far the rows with their termination are from summing to 1,
            rounding included.
        objective: What the rewards until a goal stand for, or None without a goal.
    """

    space: StateActionSpace
    discount: float
    initial: Float[np.ndarray, " S"]
    transitions: Transitions
    rewards: Float[np.ndarray, "S A"]
    termination: Float[np.ndarray, "S A"]
    mass_error: float
    objective: Objective | None = None

    def __reduce__(self) -> tuple[object, ...]:
        # pickled arrays come back writeable, and constant ones whole
        return _restore, (
            self.space,
            self.discount,
            np.asarray(self.initial),
            self.transitions,
            as_stored(self.rewards),
            as_stored(self.termination) if self.termination.any() else None,
            self.mass_error,
            self.objective,
        )


def _restore(
    space: StateActionSpace,
    discount: float,
    initial: np.ndarray,
    transitions: Transitions,
    rewards: np.ndarray,
    termination: np.ndarray | None,
    mass_error: float,
    objective: Objective | None,
) -> ModelData:
    """Return the data that were pickled, with arrays that cannot be written to."""
    return ModelData(
        space,
        discount,
        freeze(initial),
        transitions,
        freeze_stored(rewards),
        np.broadcast_to(0.0, rewards.shape) if termination is None else freeze_stored(termination),
        mass_error,
        objective,
    )


def check_model(
    transitions: Transitions,
    rewards: Float[np.ndarray, "S A"],
    discount: object,
    *,
    space: StateActionSpace,
    initial: ArrayLike | None,
    termination: ArrayLike | None,
) -> ModelData:
    """Check the data of a model against each other.

    Args:
        transitions: Transition probabilities, as they are stored.
        rewards: (S, A) rewards, a new array: those of unavailable pairs are set to 0 in place.
        discount: γ.
        space: States and actions.
        initial: (S,) distribution, or None for the default.
        termination: (S, A) termination probabilities, or None for 0.
    """
    discount = as_discount(discount)
    rewards = check_rewards(space, rewards)
    endings = check_termination(space, termination)
    mass_error = check_mass(space, transitions, endings)
    return ModelData(
        space,
        discount,
        check_initial(space, initial),
        transitions,
        rewards,
        endings,
        mass_error,
    )


def check_space(
    shape: Shape,
    available: ArrayLike | None,
    state_labels: Sequence[str] | None,
    action_labels: Sequence[str] | None,
) -> StateActionSpace:
    """Check the mask of available actions and the names of S states and A actions."""
    return make_space(as_available(available, shape), state_labels, action_labels)


def make_space(
    available: Bool[np.ndarray, "S A"],
    state_labels: Sequence[str] | None,
    action_labels: Sequence[str] | None,
    numbering: ActionNumbering | None = None,
) -> StateActionSpace:
    """Return the space of a checked (S, A) mask, with the names checked."""
    n_states, n_actions = available.shape
    # a constant mask costs no memory
    constant = bool(available.all())
    mask = available
    if isinstance(available, WidthTable):
        available.freeze()
    elif constant:
        mask = np.broadcast_to(True, available.shape)
    else:
        mask = freeze(np.asfortranarray(available))
    return StateActionSpace(
        mask,
        as_labels("state_labels", state_labels, n_states),
        as_labels(
            "action_labels",
            action_labels,
            n_actions if numbering is None else numbering.n_actions,
        ),
        numbering=numbering,
    )


def keep_pairs(space: StateActionSpace, available: Bool[np.ndarray, "S A"]) -> StateActionSpace:
    """Return the space with another (S, A) mask of the actions that exist."""
    mask = make_space(available, None, None).available
    if space.numbering is None:
        return replace(space, available=mask)
    return replace(space, available=mask, numbering=replace(space.numbering, partition=None))


def check_rewards(
    space: StateActionSpace, rewards: Float[np.ndarray, "S A"]
) -> Float[np.ndarray, "S A"]:
    """Check that the rewards of available pairs are finite, and set the others to 0 in place."""
    if not space.all_available:
        rewards[~space.available] = 0.0
    bad = ~np.isfinite(rewards)
    if bad.any():
        where = _first_index(bad)
        raise ModelError(
            f"rewards: {space.describe(*where)} has {rewards[where]}; {_count(bad, space)} are not "
            "finite; mark an action that must not be taken with available=False, not with -inf"
        )
    return freeze(rewards)


def check_termination(
    space: StateActionSpace, termination: ArrayLike | None
) -> Float[np.ndarray, "S A"]:
    """Return the (S, A) termination probabilities, 0 at unavailable pairs."""
    shape = space.available.shape
    if termination is None:
        return np.broadcast_to(0.0, shape)
    if getattr(termination, "dtype", None) == np.bool_:  # certain or impossible
        termination = np.asarray(termination, dtype=np.float64)
    endings = np.array(as_floats("termination", termination), order="F")
    if endings.shape != shape:
        raise ModelError(
            f"termination must have the shape of the rewards, {shape}, not {endings.shape}"
        )
    if not space.all_available:
        endings[~space.available] = 0.0
    bad = ~((endings >= 0) & (endings <= 1 + MASS_TOLERANCE))
    if bad.any():
        where = _first_index(bad)
        raise ModelError(
            f"termination: {space.describe(*where)} has {endings[where]}; "
            f"{_count(bad, space)} are not probabilities"
        )
    if not endings.any():
        return np.broadcast_to(0.0, shape)
    return freeze(endings)


def check_mass(
    space: StateActionSpace, transitions: Transitions, termination: Float[np.ndarray, "S A"]
) -> float:
    """Check that rows are probabilities and sum to 1 with their termination.

    Returns:
        A bound on how far they are from that sum.
    """
    low = min(
        (
            float(array.min(initial=0.0))
            for array in transitions.iterate_arrays()
            if array.dtype == np.float64
        ),
        default=0.0,
    )
    sums = transitions.row_sums()
    if low < 0 or not np.isfinite(sums).all():
        raise ModelError(_describe_bad_probability(space, transitions))
    sums += termination
    error = np.where(space.available, np.abs(sums - 1.0), 0.0)
    bad = error > MASS_TOLERANCE
    if bad.any():
        where = _first_index(bad)
        ends = float(termination[where])
        raise ModelError(
            f"transitions: the row of {space.describe(*where)} sums to {sums[where] - ends:.12g}"
            + (f" (with termination {ends:.12g}, {sums[where]:.12g})" if ends else "")
            + (
                f", not to 1 within {MASS_TOLERANCE:g}; {_count(bad, space)} are off; "
                + (
                    "if that is rounding, as in single precision, pass normalize=True (regmdp "
                    "convert --normalize); otherwise "
                    if error.max() <= NORMALIZE_TOLERANCE
                    else "normalise the rows, "
                )
                + "put the probability that the episode ends into termination=, or mark pairs that "
                "do not exist with available="
            )
        )
    return float(error.max()) + (transitions.branching + 2) * 2 * UNIT_ROUNDOFF


def _describe_bad_probability(space: StateActionSpace, transitions: Transitions) -> str:
    """Return a message about the first probability that is negative, NaN or infinite."""
    rows = transitions.to_csr()
    with np.errstate(invalid="ignore"):
        bad = ~((rows.data >= 0) & np.isfinite(rows.data))
    entry = int(np.argmax(bad))
    row = int(np.searchsorted(rows.indptr, entry, side="right")) - 1
    pair = space.describe(*divmod(row, space.n_actions))
    target = space.describe(int(rows.indices[entry]))
    return (
        f"transitions: from {pair} to {target} the probability is {rows.data[entry]}; "
        f"{int(np.count_nonzero(bad))} entries are negative, NaN or infinite"
    )


def check_initial(space: StateActionSpace, initial: ArrayLike | None) -> Float[np.ndarray, " S"]:
    """Return the distribution of the first state, normalised; by default uniform.

    Rounding aside, what has been normalised is returned unchanged.
    """
    if initial is None:
        return freeze(np.where(space.terminal, 0.0, 1.0) / np.count_nonzero(~space.terminal))
    start = np.array(as_floats("initial", initial))
    if start.shape != (space.n_states,):
        raise ModelError(f"initial must have shape (S,) = ({space.n_states},), not {start.shape}")
    bad = ~((start >= 0) & np.isfinite(start))
    if bad.any():
        state = int(np.argmax(bad))
        raise ModelError(
            f"initial: {space.describe(state)} has {start[state]}; {int(np.count_nonzero(bad))} "
            "entries are not probabilities"
        )
    # the exact sum, except of numbers far above 1, whose sum may overflow
    total = math.fsum(start) if start.max() <= 2.0 else math.inf
    if abs(total - 1.0) > MASS_TOLERANCE:
        raise ModelError(
            f"initial sums to {total:.12g}, not to 1 within {MASS_TOLERANCE:g}; normalise it"
        )
    # the quotients by the sum themselves sum to 1 within three roundings
    return freeze(start if abs(total - 1.0) <= 4 * UNIT_ROUNDOFF else start / total)


def _first_index(bad: np.ndarray) -> tuple[int, ...]:
    return tuple(int(i) for i in np.unravel_index(np.argmax(bad), bad.shape))


def _count(bad: np.ndarray, space: StateActionSpace) -> str:
    return (
        f"{int(np.count_nonzero(bad)):,} of {int(np.count_nonzero(space.available)):,} available "
        "pairs"
    )
