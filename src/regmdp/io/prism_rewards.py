"""The ``.srew`` and ``.trew`` files of PRISM: rewards of states and of transitions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from regmdp._internal.arrays import Float, Int
from regmdp._internal.errors import FormatError
from regmdp.io.prism_transitions import (
    CHAIN_COUNTS,
    COMMENT_PREFIX,
    PAIR_COUNTS,
    ListedChoices,
    read_leading_comments,
    read_sizes,
    read_table,
)
from regmdp.io.state_action_files import add_rewards
from regmdp.io.text_files import Text, read_text

__all__ = ["find_reward_files", "read_rewards"]

#: Before version 4.8 there was a colon.
STRUCTURE_PATTERN = re.compile(r'#\s*Reward structure:?\s*"(.*)"')
#: What the numbers in the first line of a ``.srew`` file count.
STATE_COUNTS = ("states", "rewards")


def find_reward_files(path: Path, wanted: str | None) -> tuple[Path, Path]:
    """Return the ``.srew`` and ``.trew`` of a reward structure; they need not exist.

    Several structures are in numbered files that begin with a comment with the name.
    """
    structures: dict[str, str] = {}
    for stem in (path.stem, *(f"{path.stem}{number}" for number in range(1, 100))):
        found = [
            file
            for suffix in (".srew", ".trew")
            if (file := path.with_name(stem + suffix)).exists()
        ]
        if found:
            structures[_read_structure_name(found) or stem] = stem
        if stem == path.stem and found and wanted is None:
            break  # without a number there is only one structure
    if wanted is not None and wanted not in structures:
        known = ", ".join(structures) or "none"
        raise FormatError(f"{path} has no reward structure {wanted!r}; it has: {known}")
    if wanted is None and len(structures) > 1:
        raise FormatError(
            f"{path} has several reward structures; choose one with rewards=: "
            f"{', '.join(structures)}"
        )
    stem = structures[wanted] if wanted is not None else next(iter(structures.values()), path.stem)
    return path.with_name(f"{stem}.srew"), path.with_name(f"{stem}.trew")


def _read_structure_name(files: list[Path]) -> str:
    """Return the name of the reward structure in some files, or an empty string."""
    for file in files:
        for comment in read_leading_comments(file):
            if match := STRUCTURE_PATTERN.match(comment):
                return match[1]
    return ""


def read_rewards(files: tuple[Path, Path], listed: ListedChoices) -> Float[np.ndarray, " C"]:
    """Return the expected reward of each choice: of its state plus that of its transitions."""
    of_states, of_transitions = files
    paid, more = np.zeros(listed.state.size), np.zeros(listed.state.size)
    if of_states.exists():
        text = read_text(of_states, COMMENT_PREFIX)
        paid = _read_state_rewards(text, listed.rows.shape[1])[listed.state]
    if of_transitions.exists():
        more = _read_transition_rewards(read_text(of_transitions, COMMENT_PREFIX), listed)
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
