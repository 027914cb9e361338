"""The ``.tra`` file of PRISM: the transitions of each choice."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from regmdp._internal.arrays import Int
from regmdp.io.checker_kinds import require_supported
from regmdp.io.text_files import Text
from regmdp.mdp.validation import NORMALIZE_TOLERANCE

__all__ = [
    "CHAIN_COUNTS",
    "COMMENT_PREFIX",
    "PAIR_COUNTS",
    "ListedChoices",
    "read_choices",
    "read_leading_comments",
    "read_sizes",
    "read_table",
]

COMMENT_PREFIX = "#"
#: What the numbers in the first line count, for decision processes and for chains.
PAIR_COUNTS, CHAIN_COUNTS = ("states", "choices", "transitions"), ("states", "transitions")
HEADER_KINDS = {
    2: "a Markov chain",
    3: "a decision process",
    4: "a decision process with hidden states (POMDP)",
}
KIND_PATTERN = re.compile(r"#\s*Transitions\s*\((.*)\)")


class ListedChoices(NamedTuple):
    """The choices in a ``.tra`` file.

    Attributes:
        state: (C,) state of each choice.
        names: C names of actions, empty for choices without one.
        rows: (C, S) transition probabilities.
        lines: (C,) number of the first line of each choice.
        chain: Whether the model is a Markov chain, whose choices have no number.
    """

    state: Int[np.ndarray, " C"]
    names: list[str]
    rows: sp.csr_array
    lines: Int[np.ndarray, " C"]
    chain: bool


def read_choices(text: Text) -> ListedChoices:
    """Return the choices of a ``.tra`` file, whose lines may have any order."""
    chain = _is_chain(text)
    sizes = CHAIN_COUNTS if chain else PAIR_COUNTS
    n_states, *counts, n_transitions = read_sizes(text, sizes)
    n_choices = counts[0] if counts else n_states
    state, number, target, probability, names = _read_transitions(text, chain, n_states, n_choices)
    order = np.lexsort((target, number, state))
    state, number, target = state[order], number[order], target[order]
    index = order + 1  # of the line
    starts = np.append(True, (state[1:] != state[:-1]) | (number[1:] != number[:-1]))
    twice = np.append(False, ~starts[1:] & (target[1:] == target[:-1]))
    if twice.any():
        raise text.error(int(index[np.argmax(twice)]), "this transition is repeated")
    first = np.flatnonzero(starts)
    if first.size != n_choices and not chain:
        raise text.error(
            0, f"the first line announces {n_choices} choices, but there are {first.size}"
        )
    choice_state = state[first]
    skipped = number[first] != np.arange(first.size) - np.searchsorted(choice_state, choice_state)
    if skipped.any():
        raise text.error(
            int(index[first[np.argmax(skipped)]]),
            "the choices of a state are numbered from 0 without gaps, but one of state "
            f"{choice_state[np.argmax(skipped)]} is missing",
        )
    sorted_names = [names[i] for i in order.tolist()]
    choice_names = [sorted_names[i] for i in first.tolist()]
    choice = np.cumsum(starts) - 1
    for i, (name, c) in enumerate(zip(sorted_names, choice.tolist(), strict=True)):
        if name != choice_names[c]:
            raise text.error(
                int(index[i]),
                f"expected the name {choice_names[c]!r}, as before in this choice, and found "
                f"{name!r}",
            )
    rows = sp.csr_array(
        (probability[order], target, np.append(first, n_transitions)), shape=(first.size, n_states)
    )
    lines = np.array(text.numbers)[index[first]]
    if chain:
        _require_probabilities(text, choice_state, rows, lines)
    return ListedChoices(choice_state, choice_names, rows, lines, chain)


def _require_probabilities(
    text: Text, state: Int[np.ndarray, " C"], rows: sp.csr_array, lines: Int[np.ndarray, " C"]
) -> None:
    """Check that the numbers of a chain are not rates: nothing else tells it from a CTMC."""
    sums = np.asarray(rows.sum(axis=1)).ravel()
    off = np.abs(sums - 1.0) > NORMALIZE_TOLERANCE
    if off.any():
        row = int(np.argmax(off))
        raise text.error_at(
            int(lines[row]),
            f"the probabilities of state {state[row]} sum to {sums[row]:.12g}, not to 1; if they "
            "are rates, this is a Markov chain in continuous time (CTMC), which is not supported",
        )


def _is_chain(text: Text) -> bool:
    """Return whether the model is a Markov chain, by a comment or else by the first line.

    Raises:
        FormatError: if it is of a kind that is not supported.
    """
    for number, comment in enumerate(read_leading_comments(text.path), start=1):
        if match := KIND_PATTERN.match(comment):
            return require_supported(match[1], text, number)
    words = text.lines[0].split() if text.lines else []
    if len(words) == 4 and all(map(str.isdecimal, words)):
        return require_supported("POMDP", text, text.numbers[0])
    second = text.lines[1].split() if len(text) > 1 else []
    if len(words) == len(second) == 3 and all(map(str.isdecimal, [*words, *second])):
        return require_supported("LTS", text, text.numbers[1])  # without probabilities
    return len(words) == 2


def read_leading_comments(path: Path) -> list[str]:
    """Return the comments at the beginning of a file."""
    found: list[str] = []
    with open(path, encoding="utf-8-sig", errors="replace") as lines:
        for line in lines:
            if not line.startswith(COMMENT_PREFIX):
                break
            found.append(line.strip())
    return found


def read_sizes(text: Text, names: tuple[str, ...]) -> list[int]:
    """Return the numbers of the first line, one for each name of what they count."""
    words = text.lines[0].split() if text.lines else []
    if len(words) != len(names):
        kind = HEADER_KINDS.get(len(words)) if text.path.suffix == ".tra" else None
        raise text.error(
            0,
            f"expected the numbers of {', '.join(names)}, and found {len(words)} words"
            f"{'' if kind is None else f'; this is the first line of {kind}'}",
        )
    return text.integers(words, [0] * len(words), "a count").tolist()


def read_table(
    text: Text, sizes: tuple[str, ...], lengths: tuple[int, ...], what: str
) -> list[list[str]]:
    """Return the words of all lines but the first, whose last number announces how many."""
    announced = read_sizes(text, sizes)[-1]
    if len(text) - 1 != announced:
        index = min(len(text), announced + 1)
        raise text.error(
            index,
            f"the first line announces {announced} lines of {what}, but there are {len(text) - 1}",
        )
    table = list(map(str.split, text.lines[1:]))
    for index, words in enumerate(table, start=1):
        if len(words) not in lengths:
            raise text.error(index, f"expected {what}, and found {len(words)} words")
    return table


def _read_transitions(
    text: Text, chain: bool, n_states: int, n_choices: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, list[str]]:
    """Return states, choices, successors, probabilities and names of the transitions."""
    width = 3 if chain else 4
    table = read_table(
        text,
        CHAIN_COUNTS if chain else PAIR_COUNTS,
        (width, width + 1),
        f"a state, {'' if chain else 'a choice, '}a successor, a probability and perhaps a name",
    )
    if not table:
        raise text.error(1, "there are no transitions")
    if n_states > len(table) + (len(table) if chain else n_choices):
        raise text.error(
            0,
            f"the first line announces {n_states} states, but most have no transitions",
        )
    lines = range(1, len(text))
    values = [words[width - 1] for words in table]
    state = text.integers([words[0] for words in table], lines, "a state", n_states)
    target = text.integers([words[width - 2] for words in table], lines, "a successor", n_states)
    if chain:
        # numbers above 1 may be rates, about which the sums say more
        rates = text.reals(values, lines, "a probability")
        if (rates < 0).any():
            text.probabilities(values, lines)
        return state, np.zeros_like(state), target, rates, [""] * len(table)
    return (
        state,
        text.integers([words[1] for words in table], lines, "a choice", n_choices),
        target,
        text.probabilities(values, lines),
        [words[width] if len(words) > width else "" for words in table],
    )
