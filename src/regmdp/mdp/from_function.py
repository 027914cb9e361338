"""Models whose steps are a function of named states, actions and outcomes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np
import scipy

from regmdp._internal import threads
from regmdp._internal.arrays import ArrayLike, Bool, Float, assign
from regmdp._internal.checks import check_option, show
from regmdp._internal.errors import ModelError
from regmdp._internal.memory import require_memory
from regmdp.mdp.assembly import Extras, complete_model
from regmdp.mdp.dimension_layout import DimensionLayout
from regmdp.mdp.dimensions import DimensionValues
from regmdp.mdp.discounts import Discounting, split_discount
from regmdp.mdp.function_storage import FunctionTransitions, compute_rows
from regmdp.mdp.merging import join_rows
from regmdp.mdp.model_data import ModelData
from regmdp.mdp.objective import GoalOptions
from regmdp.mdp.outcomes import OutcomeLike, check_outcomes
from regmdp.mdp.sparse_transitions import SparseTransitions
from regmdp.mdp.step_function import StepFunction
from regmdp.mdp.transitions import Transitions

__all__ = ["FunctionArguments", "FunctionStorage", "build_from_function"]

FunctionStorage: TypeAlias = Literal["sparse", "function"]
STORAGES: tuple[FunctionStorage, ...] = ("sparse", "function")
#: Memory of a pair while the model is built, without its transitions: rewards and masks.
BYTES_PER_PAIR = 10.0


@dataclass(frozen=True, eq=False)
class FunctionArguments:
    """The arguments of :meth:`regmdp.MDP.from_function`, as the user gave them."""

    function: Callable[..., Any]
    states: Mapping[str, DimensionValues]
    actions: Mapping[str, DimensionValues]
    discount: object
    outcomes: Mapping[str, OutcomeLike] | None
    clip: bool | Iterable[str]
    initial: ArrayLike | Mapping[str, Any] | None
    labels: Mapping[str, ArrayLike] | None
    storage: FunctionStorage
    goal: GoalOptions


@dataclass(frozen=True, eq=False)
class _Block:
    """What one block of states adds to the model.

    Attributes:
        rows: (A·b, S) rows, action-major; None if they are not kept.
        available: (A, b) masks of the parts, or None where all actions exist.
        termination: (A, b) probabilities of the parts, or None where there are none.
    """

    rows: scipy.sparse.csr_array | None
    available: list[Bool[np.ndarray, "A b"] | None]
    termination: list[Float[np.ndarray, "A b"] | None]


def build_from_function(given: FunctionArguments) -> ModelData:
    """Return the checked data of the model that a function describes."""
    computed = _check_function(given)
    layout = computed.function.layout
    rewards = np.zeros((layout.n_states, layout.n_actions), order="F")
    keep = given.storage == "sparse"
    blocks = threads.parallel_map(
        computed.blocks,
        lambda block: _fill_block(computed, rewards, block, keep=keep),
        shared=computed.shared,
    )
    extras = Extras(
        given.discount,
        _join_masks(computed, [one.available for one in blocks]),
        given.goal,
        initial=_find_initial(layout, given.initial),
        termination=_join_tables(computed, [one.termination for one in blocks]),
        labels=given.labels,
    )
    if not extras.available.any():
        raise ModelError(f"{computed.function.title} makes no action available in any state")
    discounting = split_discount(given.discount, extras.available)
    if keep:
        stored: Transitions = _store(computed, blocks, discounting)
    else:
        stored = FunctionTransitions(computed.function, discounting.survival)
    return complete_model(stored, rewards, discounting, extras, layout)


def _check_function(given: FunctionArguments) -> FunctionTransitions:
    """Check all but what the function returns."""
    check_option("storage", given.storage, STORAGES, error=ModelError)
    layout = DimensionLayout(given.states, given.actions)
    names = [one.name for one in (*layout.states, *layout.actions)]
    if len(set(names)) < len(names):
        raise ModelError(f"states and actions must have different names, not {', '.join(names)}")
    if not layout.actions:
        raise ModelError("actions is empty: name at least one dimension and its values")
    require_memory(
        f"arrays of {layout.n_states:,} states and {layout.n_actions:,} actions",
        BYTES_PER_PAIR * layout.n_states * layout.n_actions,
        "use fewer values of some dimension",
    )
    outcomes = check_outcomes(given.outcomes, names)
    clip = _check_clip(given.clip, layout)
    return FunctionTransitions(StepFunction(given.function, layout, outcomes, clip))


def _check_clip(clip: object, layout: DimensionLayout) -> frozenset[str]:
    """Return the names of the dimensions that are clipped."""
    numeric = [one.name for one in layout.states if one.numeric]
    if isinstance(clip, bool | np.bool_):
        return frozenset(numeric if clip else ())
    if isinstance(clip, str) or not isinstance(clip, Iterable):
        raise ModelError(
            "clip must be True, for all dimensions of the states, or a list of some of their "
            f"names, not {show(clip)}"
        )
    return frozenset(check_option("clip", name, numeric, error=ModelError) for name in clip)


def _find_initial(
    layout: DimensionLayout, initial: ArrayLike | Mapping[str, Any] | None
) -> ArrayLike | None:
    """Return the initial distribution; coordinates are those of the one initial state."""
    if not isinstance(initial, Mapping):
        return initial
    start = np.zeros(layout.n_states)
    start[layout.find_state(**initial)] = 1.0
    return start


def _fill_block(
    computed: FunctionTransitions, rewards: Float[np.ndarray, "S A"], block: slice, *, keep: bool
) -> _Block:
    """Set the rewards of a block, and return the rest of it."""
    rows, available, termination = [], [], []
    for part in computed.parts(block):
        steps = computed.steps(part)
        assign(part, (rewards, steps.average_rewards().T))
        available.append(steps.available)
        termination.append(steps.termination)
        if keep:
            rows.append(compute_rows(steps))
    joined = join_rows(rows, computed.n_actions, computed.n_states) if keep else None
    return _Block(joined, available, termination)


def _join_masks(
    computed: FunctionTransitions, masks: list[list[np.ndarray | None]]
) -> Bool[np.ndarray, "S A"]:
    """Return the (S, A) mask of the actions that exist."""
    shape = computed.n_states, computed.n_actions
    if all(one is None for block in masks for one in block):
        return np.broadcast_to(True, shape)
    table = np.ones(shape, dtype=np.bool_, order="F")
    _fill_table(computed, table, masks)
    return table


def _join_tables(
    computed: FunctionTransitions, tables: list[list[np.ndarray | None]]
) -> Float[np.ndarray, "S A"] | None:
    """Return the (S, A) numbers, or None if there are none."""
    if all(one is None for block in tables for one in block):
        return None
    table = np.zeros((computed.n_states, computed.n_actions), order="F")
    _fill_table(computed, table, tables)
    return table


def _fill_table(
    computed: FunctionTransitions, table: np.ndarray, parts: list[list[np.ndarray | None]]
) -> None:
    """Set what is given of a table."""
    for block, found in zip(computed.blocks, parts, strict=True):
        for part, values in zip(computed.parts(block), found, strict=True):
            if values is not None:
                table[part] = values.T


def _store(
    computed: FunctionTransitions, blocks: list[_Block], discounting: Discounting
) -> SparseTransitions:
    """Return the rows of all blocks, times what discounts that differ leave."""
    matrices = [one.rows for one in blocks if one.rows is not None]
    if discounting.survival is not None:
        for number, block in enumerate(computed.blocks):
            index = np.arange(matrices[number].shape[0]).reshape(computed.n_actions, -1).T
            part = replace(discounting, survival=discounting.survival[block])
            matrices[number] = part.scale_rows(matrices[number], index)
    return SparseTransitions(tuple(matrices), computed.n_states, computed.n_actions)
