"""What all constructors of models do alike: store the rows, check everything, add a goal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import scipy

from regmdp._internal.arrays import ArrayLike, Bool, Float, Int
from regmdp.mdp.dense_transitions import store_dense
from regmdp.mdp.discounts import Discounting, split_discount
from regmdp.mdp.goals import pursue_goal
from regmdp.mdp.labels import check_labels
from regmdp.mdp.layouts import Layout
from regmdp.mdp.model_data import ModelData, check_model, make_space
from regmdp.mdp.numbering import ActionNumbering
from regmdp.mdp.objective import GoalOptions
from regmdp.mdp.sparse_transitions import store_sparse
from regmdp.mdp.transitions import Transitions
from regmdp.mdp.validation import as_flag, normalize_dense, normalize_sparse

__all__ = ["Extras", "add_goal", "assemble_dense", "assemble_sparse", "complete_model"]


@dataclass(frozen=True, eq=False)
class Extras:
    """The arguments that every constructor takes, as the user gave them.

    Attributes:
        discount: One number, one a state, or one a pair.
        available: (S, A) mask, checked.
        goal: The arguments of :meth:`regmdp.MDP.with_goal`.
        initial: (S,) distribution, or None.
        termination: (S, A) probabilities, or None.
        state_labels: S names, or None.
        action_labels: A names, or None.
        labels: Sets of states by name, or None.
        normalize: Whether rows are divided by their sums.
        numbering: The actions' own numbers in a ragged model, or None.
    """

    discount: object
    available: Bool[np.ndarray, "S A"]
    goal: GoalOptions
    initial: ArrayLike | None = None
    termination: ArrayLike | None = None
    state_labels: Sequence[str] | None = None
    action_labels: Sequence[str] | None = None
    labels: Mapping[str, ArrayLike] | None = None
    normalize: bool = False
    numbering: ActionNumbering | None = None


def assemble_dense(
    dense: Float[np.ndarray, "S A S"], rewards: Float[np.ndarray, "S A"], extras: Extras
) -> ModelData:
    """Return the checked data of a model with (S, A, S) transitions."""
    discounting = split_discount(extras.discount, extras.available)
    if as_flag("normalize", extras.normalize):
        dense, ends = normalize_dense(dense, extras.termination)
        extras = replace(extras, termination=ends)
    if discounting.survival is not None:
        dense = dense * discounting.survival[..., None]
    return complete_model(store_dense(dense, extras.available), rewards, discounting, extras)


def assemble_sparse(
    rows: scipy.sparse.csr_array,
    index: Int[np.ndarray, "S A"],
    rewards: Float[np.ndarray, "S A"],
    extras: Extras,
    layout: Layout | None = None,
) -> ModelData:
    """Return the checked data of a model with (K, S) rows and their (S, A) numbers, or -1."""
    discounting = split_discount(extras.discount, extras.available)
    if as_flag("normalize", extras.normalize):
        rows, ends = normalize_sparse(rows, index, extras.termination)
        extras = replace(extras, termination=ends)
    if discounting.survival is not None:
        rows = discounting.scale_rows(rows, index)
    return complete_model(
        store_sparse(rows, index, extras.available), rewards, discounting, extras, layout
    )


def complete_model(
    stored: Transitions,
    rewards: Float[np.ndarray, "S A"],
    discounting: Discounting,
    extras: Extras,
    layout: Layout | None = None,
) -> ModelData:
    """Check stored rows against everything else, and add labels and the goal.

    Args:
        stored: The rows, whose probabilities are multiplied by what discounts leave.
        rewards: (S, A) rewards, a new array.
        discounting: The discounts.
        extras: The other arguments of the constructor.
        layout: The layout of the model, which messages speak of.
    """
    discounting.require_goal(extras.goal)
    space = make_space(
        extras.available, extras.state_labels, extras.action_labels, extras.numbering
    )
    data = check_model(
        stored,
        rewards,
        discounting.discount,
        space=replace(space, layout=layout),
        initial=extras.initial,
        termination=discounting.add_termination(extras.termination),
    )
    return add_goal(data, extras.labels, extras.goal)


def add_goal(data: ModelData, labels: object, goal: GoalOptions) -> ModelData:
    """Return checked data with labels, and with a goal if one is given."""
    if labels is not None:
        space = replace(data.space, labels=check_labels(labels, data.space.n_states))
        data = replace(data, space=space)
    return pursue_goal(data, goal)
