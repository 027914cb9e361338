"""The ``.srew`` and ``.trew`` files of PRISM: rewards of states and of transitions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from regmdp._internal.arrays import Float, Int
from regmdp.io.prism_transitions import (
    CHAIN_COUNTS,
    PAIR_COUNTS,
    ListedChoices,
    read_sizes,
    read_table,
)
from regmdp.io.state_action_files import add_rewards
from regmdp.io.text_files import Text

__all__ = ["read_rewards"]

#: What the numbers in the first line of a ``.srew`` file count.
STATE_COUNTS = ("states", "rewards")


def read_rewards(
    of_states: Text | None, of_transitions: Text | None, listed: ListedChoices
) -> Float[np.ndarray, " C"]:
    """Return the expected reward of each choice: of its state plus that of its transitions."""
    paid, more = np.zeros(listed.state.size), np.zeros(listed.state.size)
    if of_states is not None:
        paid = _read_state_rewards(of_states, listed.rows.shape[1])[listed.state]
    if of_transitions is not None:
        more = _read_transition_rewards(of_transitions, listed)
    return add_rewards(paid, more)


def _read_state_rewards(text: Text, n_states: int) -> Float[np.ndarray, " S"]:
    table = read_table(text, STATE_COUNTS, (2,), "a state and a reward")
    _require_same_sizes(text, read_sizes(text, STATE_COUNTS)[:-1], [n_states])
    lines = range(1, len(text))
    state = text.integers([words[0] for words in table], lines, "a state", n_states)
    _require_unique(text, state, np.argsort(state, kind="stable"))
    rewards = np.zeros(n_states)
    rewards[state] = text.reals([words[1] for words in table], lines, "a reward")
    return rewards


def _read_transition_rewards(text: Text, listed: ListedChoices) -> Float[np.ndarray, " C"]:
    rows, state = listed.rows, listed.state
    n_states, chain = rows.shape[1], listed.chain
    counts, expected = (
        (CHAIN_COUNTS, [n_states]) if chain else (PAIR_COUNTS, [n_states, state.size])
    )
    table = read_table(
        text,
        counts,
        (3 if chain else 4,),
        f"a state, {'' if chain else 'a choice, '}a successor and a reward",
    )
    expected = [n_states] if chain else [n_states, state.size]
    _require_same_sizes(text, read_sizes(text, counts)[:-1], expected)
    lines = range(1, len(text))
    source = text.integers([words[0] for words in table], lines, "a state", n_states)
    number = np.zeros_like(source)
    if not chain:
        number = text.integers([words[1] for words in table], lines, "a choice", state.size)
    target = text.integers([words[-2] for words in table], lines, "a successor", n_states)
    reward = text.reals([words[-1] for words in table], lines, "a reward")
    beyond = number >= np.bincount(state, minlength=n_states)[source]
    choice = np.where(beyond, 0, np.searchsorted(state, source) + number)
    key = choice * n_states + target
    present = np.repeat(np.arange(state.size), np.diff(rows.indptr)) * n_states + rows.indices
    place = np.minimum(np.searchsorted(present, key), present.size - 1)
    missing = beyond | (present[place] != key)
    if missing.any():
        raise text.error(int(np.argmax(missing)) + 1, "the .tra file has no such transition")
    _require_unique(text, key, np.argsort(key, kind="stable"))
    entries = np.zeros(present.size)
    entries[place] = reward
    first = rows.indptr[:-1]
    low, high = np.minimum.reduceat(entries, first), np.maximum.reduceat(entries, first)
    expected = np.add.reduceat(entries * rows.data, first)
    return np.where(low == high, low, expected)  # equal rewards are exact


def _require_same_sizes(text: Text, found: Sequence[int], expected: Sequence[int]) -> None:
    if list(found) != list(expected):
        raise text.error(
            0,
            f"expected {list(expected)} states and choices, as in the .tra file, and found "
            f"{list(found)}",
        )


def _require_unique(text: Text, key: Int[np.ndarray, " n"], order: Int[np.ndarray, " n"]) -> None:
    """Check that no two lines have the same key; ``order`` sorts the keys."""
    twice = np.flatnonzero(key[order][1:] == key[order][:-1])
    if twice.size:
        raise text.error(int(order[twice[0] + 1]) + 1, "this line is repeated")
