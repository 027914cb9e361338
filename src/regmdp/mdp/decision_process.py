"""What a policy needs to know of a model: its states, its actions, and how the future counts; not where actions lead."""

from __future__ import annotations

from abc import ABC
from dataclasses import dataclass
from typing import Any

import numpy as np

from regmdp._internal.arrays import Bool, Float, freeze

__all__ = ["DecisionProcess", "TiledProcess"]


class DecisionProcess(ABC):
    """States, actions and discount, whatever the transitions are, known or only sampled.

    Attributes:
        n_states: S.
        n_actions: A.
        discount: γ.
        initial: (S,) distribution of the first state.
        available: (S, A) mask of the actions that exist.
        terminal: (S,) mask of the states without an action.
        all_available: Whether every action exists in every state.
        state_labels: S names, or None.
        action_labels: A names, or None.
    """

    n_states: int
    n_actions: int
    discount: float
    initial: Float[np.ndarray, " S"]
    available: Bool[np.ndarray, "S A"]
    terminal: Bool[np.ndarray, " S"]
    all_available: bool
    state_labels: tuple[str, ...] | None = None
    action_labels: tuple[str, ...] | None = None

    @property
    def _fields(self) -> Any:
        """The attributes by name, for frozen objects to set theirs when they are made."""
        return self.__dict__

    def describe(self, state: int, action: int | None = None) -> str:
        """Name a state, or a state-action pair, as errors and summaries do."""
        text = f"state {int(state)}"
        if self.state_labels is not None:
            text += f" ({self.state_labels[int(state)]})"
        if action is not None:
            text += f", action {int(action)}"
            if self.action_labels is not None:
                text += f" ({self.action_labels[int(action)]})"
        return text


@dataclass(frozen=True, eq=False, init=False)
class TiledProcess(DecisionProcess):
    """Several copies of a frame side by side, one for each of several independent runs: state s of run i is ``i * S + s``.

    Args:
        frame: What is copied.
        count: How many copies.
    """

    def __init__(self, frame: DecisionProcess, count: int) -> None:
        fields = self._fields
        fields["n_states"], fields["n_actions"] = frame.n_states * count, frame.n_actions
        fields["discount"], fields["all_available"] = frame.discount, frame.all_available
        fields["initial"] = freeze(np.tile(frame.initial, count) / count)
        fields["terminal"] = freeze(np.tile(frame.terminal, count))
        fields["available"] = (
            np.broadcast_to(True, (self.n_states, self.n_actions))
            if frame.all_available
            else freeze(np.tile(frame.available, (count, 1)))
        )
