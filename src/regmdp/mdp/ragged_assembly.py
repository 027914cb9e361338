"""Models in which the states' numbers of actions differ much: checked pair by pair, then stored.

No array of all states and columns is made. The checks are those of other models, for K pairs as K
states with one action.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import scipy

from regmdp._internal.arrays import Bool, Float, Int, freeze
from regmdp._internal.width_table import WidthTable, freeze_stored
from regmdp.mdp.assembly import Extras, add_goal
from regmdp.mdp.block_widths import WidthPartition, divide_states
from regmdp.mdp.decision_process import StateActionSpace
from regmdp.mdp.discounts import split_discount
from regmdp.mdp.model_data import (
    ModelData,
    check_initial,
    check_mass,
    check_rewards,
    check_termination,
    make_space,
)
from regmdp.mdp.numbering import ActionNumbering
from regmdp.mdp.sparse_transitions import SparseTransitions, append_empty_row, extract_block
from regmdp.mdp.validation import Pairs, as_flag, normalize_sparse

__all__ = ["assemble_ragged", "check_pair_rewards"]


@dataclass(frozen=True, eq=False)
class _PairSpace(StateActionSpace):
    """The pairs of a space, each as a state with one action."""

    whole: StateActionSpace | None = None

    def describe(self, state: int, action: int | None = None) -> str:
        assert self.whole is not None
        numbering = self.whole.numbering
        assert numbering is not None
        if action is None:  # a state that a row leads to
            return self.whole.describe(state)
        return self.whole.describe(int(numbering.state[state]), int(numbering.column[state]))


class _PairRows:
    """(K, S) rows, as the checks of transitions look at them."""

    def __init__(self, rows: scipy.sparse.csr_array) -> None:
        self._rows = rows
        self.branching = int(np.diff(rows.indptr).max(initial=0))

    def iterate_arrays(self) -> Iterator[np.ndarray]:
        """Return the probabilities."""
        yield self._rows.data

    def row_sums(self) -> Float[np.ndarray, "K 1"]:
        """Return the sums of the rows."""
        with np.errstate(over="ignore"):
            return np.asarray(self._rows.sum(axis=1)).reshape(-1, 1)

    def to_csr(self) -> scipy.sparse.csr_array:
        """Return the rows."""
        return self._rows


def assemble_ragged(
    listed: Pairs,
    rows: scipy.sparse.csr_array,
    rewards: Float[np.ndarray, "K 1"],
    extras: Extras,
) -> ModelData:
    """Return the checked data of a model whose blocks have their own numbers of columns.

    Args:
        listed: The K pairs, in any order.
        rows: (K, S) their transition probabilities.
        rewards: (K, 1) their rewards.
        extras: The other arguments, with the mask, discounts and termination of the pairs (K, 1).
    """
    numbering, order = ActionNumbering.from_pairs(
        listed.state, listed.action, rows.shape[1], listed.n_actions
    )
    numbering = replace(numbering, partition=WidthPartition(*divide_states(numbering.count)))
    rows, rewards, extras = rows[order], rewards[order], _reorder(extras, order)
    exists = extras.available.ravel()
    table = numbering.to_table(exists)
    space = make_space(table, extras.state_labels, extras.action_labels, numbering)
    pairs = _pair_space(space, exists)
    discounting = split_discount(extras.discount, extras.available)
    ends, index = extras.termination, np.arange(exists.size)[:, None]
    if as_flag("normalize", extras.normalize):
        rows, ends = normalize_sparse(rows, index, ends)
    rows = discounting.scale_rows(rows, index)
    rewards = check_rewards(pairs, rewards)
    endings = check_termination(pairs, discounting.add_termination(ends))
    mass_error = check_mass(pairs, _PairRows(rows), endings)  # type: ignore[arg-type]
    discounting.require_goal(extras.goal)
    data = ModelData(
        space,
        discounting.discount,
        check_initial(space, extras.initial),
        _store(numbering, rows, exists),
        freeze_stored(numbering.to_table(rewards.ravel())),
        freeze_stored(numbering.to_table(endings.ravel())),
        mass_error,
    )
    return add_goal(data, extras.labels, extras.goal)


def _reorder(extras: Extras, order: Int[np.ndarray, " K"]) -> Extras:
    """Return the arguments with what they say of the pairs in another order."""
    discount, ends = extras.discount, extras.termination
    return replace(
        extras,
        available=extras.available[order],
        discount=discount[order] if isinstance(discount, np.ndarray) else discount,
        termination=None if ends is None else np.asarray(ends)[order],
    )


def check_pair_rewards(
    space: StateActionSpace, rewards: Float[np.ndarray, "S n"] | WidthTable
) -> Float[np.ndarray, "S n"]:
    """Check rewards of a model whose blocks have their own numbers of columns."""
    assert space.numbering is not None
    exists = space.numbering.from_table(space.available)
    given = np.array(space.numbering.from_table(rewards), dtype=np.float64)
    checked = check_rewards(_pair_space(space, exists), given.reshape(-1, 1))
    return freeze_stored(space.numbering.to_table(checked.ravel()))


def _pair_space(space: StateActionSpace, exists: Bool[np.ndarray, " K"]) -> _PairSpace:
    return _PairSpace(freeze(exists.reshape(-1, 1)), whole=space)


def _store(
    numbering: ActionNumbering, rows: scipy.sparse.csr_array, exists: Bool[np.ndarray, " K"]
) -> SparseTransitions:
    """Store the rows of the pairs that exist, block by block."""
    partition = numbering.partition
    assert partition is not None
    extended = append_empty_row(rows)
    matrices = []
    for block, width in zip(partition.blocks, partition.widths, strict=True):
        index: Int[np.ndarray, "b w"] = np.full((block.stop - block.start, width), -1)
        pairs = np.arange(int(numbering.start[block.start]), int(numbering.start[block.stop]))
        pairs = pairs[exists[pairs]]
        index[numbering.state[pairs] - block.start, numbering.column[pairs]] = pairs
        matrices.append(extract_block(extended, index))
    return SparseTransitions(
        tuple(matrices), numbering.n_states, numbering.width, None, "ragged", partition
    )
