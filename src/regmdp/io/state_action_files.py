"""Models as model checkers store them: the choices of the states, and labels of states.

Such a model has no discount, no names and no terminating episodes: its final states are absorbing.
Metadata hold the rest of a model, as a line of JSON beside or inside the file, so that the same
model is read again. Programs that ignore them read the same decision problem.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from regmdp._internal.arrays import Float, Int
from regmdp._internal.errors import FormatError, ModelError
from regmdp.io.absorbing_states import find_absorbing_states
from regmdp.io.checker_metadata import Metadata
from regmdp.io.row_sums import check_row_sums
from regmdp.io.text_files import Text
from regmdp.mdp import MDP
from regmdp.mdp.objective import read_objective

__all__ = [
    "DEADLOCK",
    "END",
    "IDENTIFIER",
    "INITIAL",
    "RESERVED_LABELS",
    "Choices",
    "add_rewards",
    "model_from_choices",
    "uniform_over",
]

#: Labels of the first states of episodes, of absorbing states, and of the state that stands for
#: the end of an episode.
INITIAL, DEADLOCK, END = "init", "deadlock", "end"
RESERVED_LABELS = (INITIAL, DEADLOCK, END)
#: Names that every tool reads as one word.
IDENTIFIER = re.compile(r"[A-Za-z_]\w*", re.ASCII)


@dataclass(frozen=True)
class Choices:
    """The choices of all states.

    Attributes:
        state: (C,) state of each choice, in ascending order.
        names: C names of actions, empty for choices without one.
        rows: (C, S) transition probabilities, sparse.
        rewards: (C,) expected rewards.
        labels: For each label, the (k,) states that have it.
        chain: Whether the file describes a Markov chain: each state has one choice, without a name.
    """

    state: Int[np.ndarray, " C"]
    names: list[str]
    rows: sp.csr_array
    rewards: Float[np.ndarray, " C"]
    labels: Mapping[str, Int[np.ndarray, " k"]]
    chain: bool = False

    @property
    def n_states(self) -> int:
        """The number of states, S."""
        return self.rows.shape[1]

    @property
    def number(self) -> Int[np.ndarray, " C"]:
        """(C,) number of each choice within its state."""
        return np.arange(self.state.size) - np.searchsorted(self.state, self.state)


def add_rewards(
    rewards: Float[np.ndarray, " C"], more: Float[np.ndarray, " C"]
) -> Float[np.ndarray, " C"]:
    """Return the sums; where the first is 0, the second unchanged, with the sign of a zero."""
    return np.where(rewards == 0, more, rewards + more)


def uniform_over(states: Int[np.ndarray, " k"], n_states: int) -> Float[np.ndarray, " S"]:
    """Return the distribution that is uniform over some states."""
    initial = np.zeros(n_states)
    initial[states] = 1.0 / states.size
    return initial


def model_from_choices(
    choices: Choices,
    metadata: Metadata | None,
    text: Text,
    lines: Int[np.ndarray, " C"],
    *,
    discount: float | None,
    normalize: bool,
    state_labels: list[str] | None = None,
) -> MDP:
    """Return the model of some choices.

    Without metadata, a state is terminal if all its choices only lead to itself with reward 0,
    unless all states are such. The initial distribution is then uniform over the states with the
    label ``init``; without one, episodes start in state 0.

    Args:
        choices: The choices in the file.
        metadata: The metadata, if regmdp wrote the file.
        text: The file.
        lines: (C,) the line number of each choice, for errors.
        discount: γ, instead of the file's own, or of 1.
        normalize: Whether rows that nearly sum to 1 are divided by their sums.
        state_labels: S names.
    """
    state, number = choices.state, choices.number
    rows = check_row_sums(
        choices.rows,
        normalize,
        lambda row, problem: text.error_at(
            int(lines[row]),
            f"the probabilities of state {state[row]}, choice {number[row]}, {problem}",
        ),
    )
    terminal = find_absorbing_states(state, rows, choices.rewards)[state]
    if metadata is not None:
        terminal &= np.isin(state, choices.labels.get(DEADLOCK, ()))
    elif terminal.all():  # nothing happens in this model; a model has to have an action
        terminal[:] = False
    kept = np.flatnonzero(~terminal)
    try:
        if metadata is None:
            return _build_model(choices, rows, kept, discount, state_labels)
        return _restore_model(choices, rows, kept, discount, metadata)
    except (ModelError, KeyError, IndexError, TypeError) as error:
        raise FormatError(f"{text.path} does not hold a consistent model: {error}") from error


def _build_model(
    choices: Choices,
    rows: sp.csr_array,
    kept: Int[np.ndarray, " k"],
    discount: float | None,
    state_labels: list[str] | None,
) -> MDP:
    """Return the model of the kept choices, for a file without metadata."""
    n_states = choices.n_states
    action, action_labels = _number_actions(choices, kept)
    return MDP.from_pairs(
        choices.state[kept],
        action,
        rows[kept],
        choices.rewards[kept],
        1.0 if discount is None else discount,
        n_states=n_states,
        initial=uniform_over(choices.labels.get(INITIAL, np.array([0])), n_states),
        state_labels=state_labels,
        action_labels=action_labels,
        labels=choices.labels,
    )


def _restore_model(
    choices: Choices,
    rows: sp.csr_array,
    kept: Int[np.ndarray, " k"],
    discount: float | None,
    metadata: Metadata,
) -> MDP:
    """Return the model that was written, from its kept choices and its metadata."""
    numbers = {name: number for number, name in enumerate(metadata.actions)}
    n_states, termination = choices.n_states, None
    if metadata.sink:
        n_states -= 1
        termination = rows[:, [n_states]].toarray().ravel()[kept]
        rows = rows[:, :n_states]
    initial = metadata.initial
    labels = {name: of for name, of in choices.labels.items() if name not in RESERVED_LABELS}
    mdp = MDP.from_pairs(
        choices.state[kept],
        np.zeros(kept.size, dtype=np.int64)
        if choices.chain
        else np.array([numbers[choices.names[i]] for i in kept.tolist()], dtype=np.int64),
        rows[kept],
        choices.rewards[kept],
        metadata.discount if discount is None else discount,
        n_states=n_states,
        n_actions=len(numbers),
        initial=uniform_over(choices.labels[INITIAL], n_states) if initial is None else initial,
        termination=termination,
        state_labels=metadata.state_labels,
        action_labels=metadata.action_labels,
        labels=labels | metadata.labels,
    )
    return mdp.with_objective(read_objective(metadata.objective))


def _number_actions(
    choices: Choices, kept: Int[np.ndarray, " k"]
) -> tuple[Int[np.ndarray, " k"], list[str] | None]:
    """Return the actions of choices, and their names.

    Names are numbered in order of appearance if they are distinct within each state; otherwise the
    action is the number of the choice within its state, and there are no names.
    """
    numbers: dict[str, int] = {}
    action = np.array(
        [numbers.setdefault(choices.names[i], len(numbers)) for i in kept.tolist()], dtype=np.int64
    )
    pairs = choices.state[kept] * max(1, len(numbers)) + action
    if "" in numbers or np.unique(pairs).size < pairs.size:
        return choices.number[kept], None
    return action, list(numbers)
