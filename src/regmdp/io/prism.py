"""Explicit models of the model checker PRISM.

Transitions are in a ``.tra`` file. Files with the same stem hold labels of states (``.lab``),
rewards of states and transitions (``.srew``, ``.trew``) and variables of states (``.sta``).
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from regmdp._internal.arrays import Float, Int
from regmdp._internal.errors import FormatError
from regmdp._internal.files import replace_together, require_file
from regmdp.io.state_action_files import (
    INITIAL,
    Choices,
    Metadata,
    add_rewards,
    choices_from_model,
    model_from_choices,
)
from regmdp.io.text_files import Text, read_text
from regmdp.mdp import MDP

__all__ = ["read_prism", "write_prism"]

COMMENT_PREFIX = "#"
#: The files of a model that its metadata belong to, and the file with the metadata.
MODEL_SUFFIXES, METADATA_SUFFIX = (".tra", ".lab", ".srew", ".trew"), ".regmdp.json"
LABEL_PATTERN = re.compile(r'\s*(\d+)="([^"]*)"')
STRUCTURE_PATTERN = re.compile(r'#\s*Reward structure\s+"(.*)"')


def write_prism(mdp: MDP, path: Path) -> tuple[str, ...]:
    """Write a model to five files with the same stem, and return notes on the differences.

    All five are complete before the first one is moved into place.
    """
    choices, metadata, notes = choices_from_model(mdp)
    rows = choices.rows
    counts = np.diff(rows.indptr)
    state = np.repeat(choices.state, counts).tolist()
    number = np.repeat(choices.number, counts).tolist()
    name = [
        f" {choices.names[i]}" if choices.names[i] else ""
        for i in np.repeat(np.arange(counts.size), counts).tolist()
    ]
    columns = (state, number, rows.indices.tolist(), rows.data.tolist(), name)
    size = f"{choices.n_states} {counts.size}"
    transitions = [f"{size} {rows.nnz}"]
    transitions += [f"{s} {c} {t} {p!r}{n}" for s, c, t, p, n in zip(*columns, strict=True)]
    paid = np.repeat(choices.rewards, counts)
    lines = [
        f"{s} {c} {t} {r!r}"
        for s, c, t, r in zip(*columns[:3], paid.tolist(), strict=True)
        if r or math.copysign(1.0, r) < 0
    ]
    rewards = [f"{size} {len(lines)}", *lines]
    labels = [" ".join(f'{index}="{label}"' for index, label in enumerate(choices.labels))]
    marks: dict[int, list[int]] = {}
    for index, states in enumerate(choices.labels.values()):
        for s in states.tolist():
            marks.setdefault(s, []).append(index)
    labels += [f"{s}: {' '.join(map(str, marks[s]))}" for s in sorted(marks)]
    contents = [
        _join_lines(lines) for lines in (transitions, labels, [f"{choices.n_states} 0"], rewards)
    ]
    # the metadata come first: with their checksum, files of two models are refused
    described = _join_lines([metadata.to_json(b"".join(contents))])
    suffixes = (METADATA_SUFFIX, *MODEL_SUFFIXES)
    replace_together(
        {
            path.with_suffix(suffix): lambda file, content=content: file.write(content)
            for suffix, content in zip(suffixes, (described, *contents), strict=True)
        }
    )
    return notes


def _join_lines(lines: list[str]) -> bytes:
    return ("\n".join(lines) + "\n").encode()


def read_prism(
    path: Path, *, discount: float | None, rewards: str | None, normalize: bool
) -> tuple[MDP, tuple[str, ...]]:
    """Read a model from a ``.tra`` file and those beside it, and return it with notes."""
    text = read_text(path, COMMENT_PREFIX)
    listed = _read_choices(text)
    notes = []
    files = _find_reward_files(path, rewards)
    if not any(file.exists() for file in files):
        notes.append("there is no .srew or .trew file; the rewards are 0")
    paid = _read_rewards(files, listed.rows, listed.state)
    labels = _read_labels(path.with_suffix(".lab"), listed.rows.shape[1])
    metadata, state_labels = _read_metadata(path), None
    if metadata is None:
        state_labels = _read_variables(path.with_suffix(".sta"), listed.rows.shape[1])
        if discount is None:
            notes.append("the file has no discount; it is 1")
    mdp = model_from_choices(
        Choices(listed.state, listed.names, listed.rows, paid, labels),
        metadata,
        text,
        listed.lines,
        discount=discount,
        normalize=normalize,
        state_labels=state_labels,
    )
    return mdp, tuple(notes)


class _ListedChoices(NamedTuple):
    """The choices in a ``.tra`` file.

    Attributes:
        state: (C,) state of each choice.
        names: C names of actions, empty for choices without one.
        rows: (C, S) transition probabilities.
        lines: (C,) number of the first line of each choice.
    """

    state: Int[np.ndarray, " C"]
    names: list[str]
    rows: sp.csr_array
    lines: Int[np.ndarray, " C"]


def _read_choices(text: Text) -> _ListedChoices:
    """Return the choices of a ``.tra`` file, whose lines may have any order."""
    state, number, target, probability, names = _read_transitions(text)
    n_states, n_choices, n_transitions = _read_sizes(text, 3)
    order = np.lexsort((target, number, state))
    state, number, target = state[order], number[order], target[order]
    index = order + 1  # of the line
    starts = np.append(True, (state[1:] != state[:-1]) | (number[1:] != number[:-1]))
    twice = np.append(False, ~starts[1:] & (target[1:] == target[:-1]))
    if twice.any():
        raise text.error(int(index[np.argmax(twice)]), "this transition is repeated")
    first = np.flatnonzero(starts)
    if first.size != n_choices:
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
    return _ListedChoices(choice_state, choice_names, rows, np.array(text.numbers)[index[first]])


def _read_sizes(text: Text, count: int) -> list[int]:
    """Return the numbers of the first line."""
    words = text.lines[0].split() if text.lines else []
    names = ("states", "choices", "transitions") if count == 3 else ("states", "rewards")
    if len(words) != count:
        hint = ""
        if count == 3:
            kinds = {2: "a Markov chain", 4: "a model with hidden states"}
            hint = f"; this is the header of {kinds[len(words)]}" if len(words) in kinds else ""
        raise text.error(
            0, f"expected the numbers of {', '.join(names)}, and found {len(words)} words{hint}"
        )
    return text.integers(words, [0] * count, "a count").tolist()


def _read_table(text: Text, n_header: int, lengths: tuple[int, ...], what: str) -> list[list[str]]:
    """Return the words of all lines but the first, which announces their number."""
    announced = _read_sizes(text, n_header)[-1]
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
    text: Text,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, list[str]]:
    """Return states, choices, successors, probabilities and names of the transitions."""
    n_states, n_choices, _ = _read_sizes(text, 3)
    table = _read_table(
        text, 3, (4, 5), "a state, a choice, a successor, a probability and perhaps a name"
    )
    if not table:
        raise text.error(1, "there are no transitions")
    if n_states > n_choices + len(table):
        raise text.error(
            0,
            f"the first line announces {n_states} states, but most have no transitions",
        )
    lines = range(1, len(text))
    return (
        text.integers([words[0] for words in table], lines, "a state", n_states),
        text.integers([words[1] for words in table], lines, "a choice", n_choices),
        text.integers([words[2] for words in table], lines, "a successor", n_states),
        text.probabilities([words[3] for words in table], lines),
        [words[4] if len(words) == 5 else "" for words in table],
    )


def _find_reward_files(path: Path, wanted: str | None) -> tuple[Path, Path]:
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
        with open(file, encoding="utf-8", errors="replace") as lines:
            if match := STRUCTURE_PATTERN.match(lines.readline(1000)):
                return match[1]
    return ""


def _read_rewards(
    files: tuple[Path, Path], rows: sp.csr_array, state: Int[np.ndarray, " C"]
) -> Float[np.ndarray, " C"]:
    """Return the expected reward of each choice: of its state plus that of its transitions."""
    of_states, of_transitions = files
    paid, more = np.zeros(state.size), np.zeros(state.size)
    if of_states.exists():
        paid = _read_state_rewards(read_text(of_states, COMMENT_PREFIX), rows.shape[1])[state]
    if of_transitions.exists():
        more = _read_transition_rewards(read_text(of_transitions, COMMENT_PREFIX), rows, state)
    return add_rewards(paid, more)


def _read_state_rewards(text: Text, n_states: int) -> Float[np.ndarray, " S"]:
    table = _read_table(text, 2, (2,), "a state and a reward")
    _require_same_sizes(text, _read_sizes(text, 2)[:1], [n_states])
    lines = range(1, len(text))
    state = text.integers([words[0] for words in table], lines, "a state", n_states)
    _require_unique(text, state, np.argsort(state, kind="stable"))
    rewards = np.zeros(n_states)
    rewards[state] = text.reals([words[1] for words in table], lines, "a reward")
    return rewards


def _read_transition_rewards(
    text: Text, rows: sp.csr_array, state: Int[np.ndarray, " C"]
) -> Float[np.ndarray, " C"]:
    table = _read_table(text, 3, (4,), "a state, a choice, a successor and a reward")
    n_states = rows.shape[1]
    _require_same_sizes(text, _read_sizes(text, 3)[:2], [n_states, state.size])
    lines = range(1, len(text))
    source = text.integers([words[0] for words in table], lines, "a state", n_states)
    number = text.integers([words[1] for words in table], lines, "a choice", state.size)
    target = text.integers([words[2] for words in table], lines, "a successor", n_states)
    reward = text.reals([words[3] for words in table], lines, "a reward")
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


def _read_labels(path: Path, n_states: int) -> dict[str, np.ndarray]:
    """Return the states of each label."""
    if not path.exists():
        return {}
    text = read_text(path, COMMENT_PREFIX)
    declared = LABEL_PATTERN.findall(text.lines[0]) if text.lines else []
    if not declared or LABEL_PATTERN.sub("", text.lines[0]).strip():
        raise text.error(0, 'expected labels, as in 0="init" 1="deadlock"')
    names = {int(index): name for index, name in declared}
    if len(names) < len(declared) or len(set(names.values())) < len(declared):
        raise text.error(0, "a label is repeated")
    states: dict[str, list[int]] = {name: [] for name in names.values()}
    seen: set[int] = set()
    for line, content in enumerate(text.lines[1:], start=1):
        state, colon, indices = content.partition(":")
        marks = indices.split()
        if not colon or not marks:
            raise text.error(line, "expected a state, a colon and numbers of labels, as in 0: 0 2")
        number = int(text.integers([state.strip()], [line], "a state", n_states)[0])
        if number in seen:
            raise text.error(line, f"state {number} is repeated")
        seen.add(number)
        for mark in text.integers(marks, [line] * len(marks), "a label").tolist():
            if mark not in names:
                raise text.error(line, f"the first line does not declare label {mark}")
            states[names[mark]].append(number)
    if INITIAL in states and not states[INITIAL]:
        raise text.error(
            len(text), f"no state has the label {INITIAL!r}: there is no initial state"
        )
    return {name: np.unique(np.array(members, dtype=np.int64)) for name, members in states.items()}


def _read_variables(path: Path, n_states: int) -> list[str] | None:
    """Return the values of variables in each state, such as ``(0,2,1)``, or None without a file."""
    if not path.exists():
        return None
    text = read_text(path, COMMENT_PREFIX)
    if not text.lines or not re.fullmatch(r"\(.*\)", text.lines[0]):
        raise text.error(0, "expected the names of variables, as in (x,y)")
    if len(text) - 1 != n_states:
        raise text.error(
            min(len(text), n_states + 1),
            f"expected {n_states} states, as in the .tra file, and found {len(text) - 1}",
        )
    names: list[str] = []
    for line, content in enumerate(text.lines[1:], start=1):
        state, _, values = content.partition(":")
        if state.strip() != str(line - 1) or not re.fullmatch(r"\(.*\)", values.strip()):
            raise text.error(
                line,
                f"expected state {line - 1} and its values, as in {line - 1}:(0,1), and found "
                f"{content!r}",
            )
        names.append(values.strip())
    return names


def _read_metadata(path: Path) -> Metadata | None:
    """Return the metadata beside the files, or None."""
    file = path.with_suffix(METADATA_SUFFIX)
    if not file.exists():
        return None
    parts = [path.with_suffix(suffix) for suffix in MODEL_SUFFIXES]
    content = b"".join(require_file(part).read_bytes() if part.exists() else b"" for part in parts)
    return Metadata.from_json(
        file.read_text(encoding="utf-8", errors="replace"), content, f"{file}, line 1"
    )
