"""States, actions and discount: what a policy needs to know of a model."""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType

import numpy as np

from regmdp._internal.arrays import Bool, Float, freeze
from regmdp._internal.checks import printable
from regmdp._internal.errors import ModelError
from regmdp._internal.parameters import Integer, checked
from regmdp._internal.width_table import as_stored, freeze_stored
from regmdp.mdp.labels import NO_LABELS, Labels
from regmdp.mdp.layouts import Layout
from regmdp.mdp.numbering import ActionNumbering
from regmdp.mdp.partition import Partition
from regmdp.mdp.transitions import state_blocks

__all__ = ["DecisionProcess", "StateActionSpace", "TiledProcess"]


@dataclass(frozen=True, eq=False)
class StateActionSpace:
    """The states and the actions of a process.

    Args:
        available: (S, A) mask of the actions that exist in each state.
        state_labels: S names, or None.
        action_labels: A names, or None.
        layout: Where the states lie in a figure, or None.
        labels: For each label, the (S,) mask of its states.
        numbering: The actions' own numbers in a ragged model, whose arrays have a column for each
            action of a state; None if columns are numbers.
    """

    available: Bool[np.ndarray, "S A"]
    state_labels: tuple[str, ...] | None = None
    action_labels: tuple[str, ...] | None = None
    layout: Layout | None = None
    labels: Labels = field(default_factory=lambda: NO_LABELS)
    numbering: ActionNumbering | None = None

    def __reduce__(self) -> tuple[object, ...]:
        # pickled arrays come back writeable, and constant ones whole
        available = None if self.all_available else as_stored(self.available)
        names = self.state_labels, self.action_labels, self.layout, dict(self.labels)
        names = *names, self.numbering
        return _restore_space, (available, self.available.shape, *names)

    @property
    def n_states(self) -> int:
        """The number of states, S."""
        return self.available.shape[0]

    @property
    def n_actions(self) -> int:
        """The number of actions, A."""
        return self.available.shape[1]

    @property
    def n_action_numbers(self) -> int:
        """A, of which all actions have a number below; in a ragged model more than columns."""
        return self.n_actions if self.numbering is None else self.numbering.n_actions

    @cached_property
    def all_available(self) -> bool:
        """Whether every action exists in every state."""
        return bool(self.available.all())

    @cached_property
    def terminal(self) -> Bool[np.ndarray, " S"]:
        """(S,) mask of the states without an action."""
        return freeze(np.logical_not(np.any(self.available, axis=1)))

    def describe(self, state: int, action: int | None = None) -> str:
        """Name a state, or a state-action pair, as errors and summaries do."""
        layout = self.layout
        name = None if layout is None else layout.describe_state
        text = _describe("state", state, self.state_labels, name)
        if action is None:
            return text
        if self.numbering is not None:
            action = self.numbering.number(state, action)
        name = None if layout is None else layout.describe_action
        return f"{text}, {_describe('action', action, self.action_labels, name)}"


def _restore_space(
    available: np.ndarray | None,
    shape: tuple[int, int],
    state_labels: tuple[str, ...] | None,
    action_labels: tuple[str, ...] | None,
    layout: Layout | None,
    labels: Mapping[str, np.ndarray],
    numbering: ActionNumbering | None,
) -> StateActionSpace:
    """Return the space that was pickled, with arrays that cannot be written to."""
    mask = np.broadcast_to(True, shape) if available is None else freeze_stored(available)
    frozen = MappingProxyType({name: freeze(states) for name, states in labels.items()})
    return StateActionSpace(mask, state_labels, action_labels, layout, frozen, numbering)


class DecisionProcess(ABC):
    """States, actions and discount of a process whose transitions are known, or only sampled.

    Args:
        space: States and actions.
        discount: γ.
        initial: (S,) distribution of the first state.

    Attributes:
        space: States and actions.
        n_states: S.
        n_actions: A.
        discount: γ.
        initial: (S,) distribution of the first state.
        available: (S, A) mask of the actions that exist.
        terminal: (S,) mask of the states without an action.
        all_available: Whether every action exists in every state.
        state_labels: S names, or None.
        action_labels: A names, or None.
        layout: Where the states lie in a figure, or None.
        labels: For each label, the (S,) mask of its states.
        numbering: The actions' own numbers in a ragged model, or None.
    """

    space: StateActionSpace
    n_states: int
    n_actions: int
    discount: float
    initial: Float[np.ndarray, " S"]
    available: Bool[np.ndarray, "S A"]
    terminal: Bool[np.ndarray, " S"]
    all_available: bool
    state_labels: tuple[str, ...] | None = None
    action_labels: tuple[str, ...] | None = None
    layout: Layout | None = None
    labels: Labels = NO_LABELS
    numbering: ActionNumbering | None = None

    def __init__(
        self, space: StateActionSpace, discount: float, initial: Float[np.ndarray, " S"]
    ) -> None:
        self._set_attributes(
            space=space,
            n_states=space.n_states,
            n_actions=space.n_actions,
            discount=discount,
            initial=initial,
            available=space.available,
            terminal=space.terminal,
            all_available=space.all_available,
            state_labels=space.state_labels,
            action_labels=space.action_labels,
            layout=space.layout,
            labels=space.labels,
            numbering=space.numbering,
        )

    def _set_attributes(self, **attributes: object) -> None:
        """Set attributes of a new object, including one that is immutable from then on."""
        vars(self).update(attributes)

    @cached_property
    def partition(self) -> Partition:
        """The blocks of states, and which process works on which: this one on all of them."""
        return Partition(state_blocks(self.n_states, self.n_actions), self.n_actions)

    @checked(ModelError, state=Integer(0), action=Integer(0) | None)
    def describe(self, state: int, action: int | None = None) -> str:
        """Name a state, or a state-action pair, as errors and summaries do.

        In a ragged model the action is a column, and the text has its own number.
        """
        columns = self.n_actions
        if self.numbering is not None and state < self.n_states:
            columns = max(1, int(self.numbering.count[state]))
        for name, number, count in (
            ("state", state, self.n_states),
            ("action", action or 0, columns),
        ):
            if number >= count:
                raise ModelError(f"there is no {name} {number}; there are {count}, from 0 on")
        return self.space.describe(state, action)


def _describe(
    kind: str,
    number: int,
    labels: tuple[str, ...] | None,
    coordinates: Callable[[int], str | None] | None,
) -> str:
    """Name a state or an action: by its label, by its coordinates, or by its number."""
    if labels is not None:
        return f"{kind} {int(number)} ({printable(labels[int(number)])})"
    name = None if coordinates is None else coordinates(int(number))
    return f"{kind} {int(number)}" if name is None else f"{kind} ({name})"


@dataclass(frozen=True, eq=False, init=False)
class TiledProcess(DecisionProcess):
    """Copies of a process side by side, one a run: state s of run i is ``i * S + s``.

    Args:
        process: The process to copy.
        count: The number of copies.
    """

    def __init__(self, process: DecisionProcess, count: int) -> None:
        if process.all_available:
            available = np.broadcast_to(True, (process.n_states * count, process.n_actions))
        else:
            available = freeze(np.tile(process.available, (count, 1)))
        super().__init__(
            StateActionSpace(available),
            process.discount,
            freeze(np.tile(process.initial, count) / count),
        )
