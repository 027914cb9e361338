"""Explicit models of the model checker Storm, in ``.drn`` files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from regmdp._internal.arrays import Float, Int
from regmdp._internal.errors import FormatError
from regmdp._internal.files import replace_atomically
from regmdp.io.checker_export import choices_from_model
from regmdp.io.checker_kinds import DECISION_PROCESS, MARKOV_CHAIN
from regmdp.io.checker_metadata import Metadata
from regmdp.io.drn_header import Header, read_header
from regmdp.io.state_action_files import IDENTIFIER, Choices, add_rewards, model_from_choices
from regmdp.io.text_files import Text, read_text
from regmdp.mdp import MDP

__all__ = ["read_drn", "write_drn"]

COMMENT_PREFIX = "//"
#: The beginning of the comment that holds the metadata.
METADATA_PREFIX = "// regmdp: "
UNNAMED_ACTION = "__NOLABEL__"
#: The name of the rewards in files that are written here.
REWARD_MODEL = "reward"
STATE_PATTERN = re.compile(
    r"state\s+(\S+)(?:\s+\[([^\]]*)\]|(?!\s+\[))((?:\s+(?:\"[^\"]*\"|[^\s\"]+))*)"
)
ACTION_PATTERN = re.compile(r"action\s+([^\s\[\]]+)(?:\s+\[([^\]]*)\])?(?:\s[^\[\]]*)?")
LABEL_PATTERN = re.compile(r"\"([^\"]*)\"|([^\s\"]+)")


def write_drn(mdp: MDP, path: Path) -> tuple[str, ...]:
    """Write a model to a ``.drn`` file, and return notes on the differences."""
    choices, metadata, notes = choices_from_model(mdp)
    marks: dict[int, list[str]] = {}
    for label, states in choices.labels.items():
        for state in states.tolist():
            quoted = label if IDENTIFIER.fullmatch(label) else f'"{label}"'
            marks.setdefault(state, []).append(quoted)
    rows = choices.rows
    transitions = [
        f"\t\t{t} : {p!r}" for t, p in zip(rows.indices.tolist(), rows.data.tolist(), strict=True)
    ]
    ends = rows.indptr.tolist()
    kind = MARKOV_CHAIN if choices.chain else DECISION_PROCESS
    lines = [f"@type: {kind}", "@parameters", "", "@reward_models", REWARD_MODEL]
    lines += ["@nr_states", str(choices.n_states), "@nr_choices", str(choices.state.size), "@model"]
    before = -1
    for index, (state, name, paid) in enumerate(
        zip(choices.state.tolist(), choices.names, choices.rewards.tolist(), strict=True)
    ):
        if state != before:
            of_state = paid if choices.chain else 0
            lines.append(" ".join([f"state {state} [{of_state!r}]", *marks.get(state, [])]))
            before = state
        choice = "0 [0]" if choices.chain else f"{name or UNNAMED_ACTION} [{paid!r}]"
        lines.append(f"\taction {choice}")
        lines += transitions[ends[index] : ends[index + 1]]
    content = ("\n".join(lines) + "\n").encode()
    first_line = (METADATA_PREFIX + metadata.to_json(content) + "\n").encode()
    replace_atomically(path, lambda file: file.write(first_line + content))
    return notes


def read_drn(
    path: Path, *, discount: float | None, rewards: str | None, normalize: bool
) -> tuple[MDP, tuple[str, ...]]:
    """Read a model from a ``.drn`` file, and return it with notes."""
    text = read_text(path, COMMENT_PREFIX)
    header = read_header(text)
    lines = _find_lines(text, header)
    _require_choices(text, header, lines)
    paid = _Rewards(text, header, rewards)
    state_rewards, labels = _read_states(text, lines.states, header, paid)
    names, action_rewards = _read_actions(text, lines.choices, paid)
    choices = Choices(
        lines.state,
        names,
        _read_rows(text, header, lines),
        add_rewards(state_rewards[lines.state], action_rewards),
        labels,
        header.chain,
    )
    metadata = _read_metadata(path)
    notes = [] if paid.width else ["the file has no rewards; they are 0"]
    if metadata is None and discount is None:
        notes.append("the file has no discount; it is 1")
    mdp = model_from_choices(
        choices,
        metadata,
        text,
        np.array(text.numbers)[lines.choices],
        discount=discount,
        normalize=normalize,
    )
    return mdp, tuple(notes)


class _Lines(NamedTuple):
    """Indices of lines.

    Attributes:
        states: (n,) lines of the states.
        choices: (C,) lines of the actions, and of the states without an action but with successors.
        state: (C,) state of each choice.
        successors: (m,) lines of the successors.
        choice: (m,) choice of each successor.
    """

    states: Int[np.ndarray, " n"]
    choices: Int[np.ndarray, " C"]
    state: Int[np.ndarray, " C"]
    successors: Int[np.ndarray, " m"]
    choice: Int[np.ndarray, " m"]


def _find_lines(text: Text, header: Header) -> _Lines:
    """Return what each line after the header describes, by its first word."""
    kinds = np.array([line[:1] for line in text.lines[header.end :]], dtype="U1")
    states, actions, successors = (
        np.flatnonzero(kind) + header.end
        for kind in (kinds == "s", kinds == "a", (kinds != "s") & (kinds != "a"))
    )
    of_action = np.searchsorted(states, actions) - 1
    if (of_action < 0).any():
        raise text.error(int(actions[0]), "expected a state before its first action")
    without = np.flatnonzero(np.bincount(of_action, minlength=states.size) == 0)
    alone = states[without]  # an action without a name or rewards may be left out
    alone = alone[np.isin(alone + 1, successors)]
    choices = np.sort(np.concatenate((actions, alone)))
    state = np.searchsorted(states, choices, side="right") - 1
    choice = np.searchsorted(choices, successors) - 1
    outside = (choice < 0) | (state[choice] != np.searchsorted(states, successors) - 1)
    if outside.any():
        line = int(successors[np.argmax(outside)])
        raise text.error(line, f"expected a state or an action, and found {text.lines[line]!r}")
    return _Lines(states, choices, state, successors, choice)


def _require_choices(text: Text, header: Header, lines: _Lines) -> None:
    """Check that every state has a choice, and that there are as many as announced."""
    n_choices = lines.choices.size
    if header.n_choices not in (-1, n_choices):
        raise text.error(
            len(text),
            f"the header announces {header.n_choices} choices, but there are {n_choices}",
        )
    counts = np.bincount(lines.state, minlength=lines.states.size)
    wrong = np.flatnonzero((counts != 1) if header.chain else (counts == 0))
    if wrong.size:
        state = int(wrong[0])
        allowed = f", but a {MARKOV_CHAIN} has one in each state" if header.chain else ""
        found = f"{counts[state]} actions" if counts[state] else "no action"
        raise text.error(int(lines.states[state]), f"state {state} has {found}{allowed}")


class _Rewards:
    """Reads the rewards between brackets, and selects one of each.

    Attributes:
        width: The number of rewards between brackets; without names that of the first ones.
    """

    def __init__(self, text: Text, header: Header, wanted: str | None) -> None:
        self._text, self._placeholders, self._wanted = text, header.placeholders, wanted
        self._column = 0
        self.width = 0
        if any(header.rewards):
            self._choose(header.rewards)

    def _choose(self, given: list[str]) -> None:
        """Choose the rewards to read; those without a name are numbered."""
        self.width = len(given)
        names = [name or f"rew{number}" for number, name in enumerate(given)]
        known = ", ".join(names)
        if self._wanted is not None:
            if self._wanted not in names:
                raise FormatError(
                    f"{self._text.path} has no reward model {self._wanted!r}; it has: {known}"
                )
            self._column = names.index(self._wanted)
        elif len(names) > 1:
            raise FormatError(
                f"{self._text.path} has several reward models; choose one with rewards=: {known}"
            )

    def select(self, line: int, brackets: str | None) -> str:
        """Return the selected reward between the brackets of a line, or 0 if there are none."""
        if not brackets or not brackets.strip():
            return "0"
        words = brackets.split(",")
        if not self.width:
            self._choose([""] * len(words))
        if len(words) != self.width:
            raise self._text.error(
                line, f"expected {self.width} rewards between the brackets, and found {len(words)}"
            )
        word = words[self._column].strip()
        return self._placeholders.get(word, word)

    def require_found(self) -> None:
        """Check that there are rewards if some are wanted by name."""
        if self._wanted is not None and not self.width:
            raise FormatError(
                f"{self._text.path} has no reward model {self._wanted!r}; it has: none"
            )


def _read_states(
    text: Text, lines: Int[np.ndarray, " n"], header: Header, paid: _Rewards
) -> tuple[Float[np.ndarray, " S"], dict[str, np.ndarray]]:
    """Return the rewards of the states, and the states of each label."""
    words: list[str] = []
    rewards: list[str] = []
    labels: dict[str, list[int]] = {}
    indices = lines.tolist()
    for number, line in enumerate(indices):
        match = STATE_PATTERN.fullmatch(text.lines[line])
        if match is None:
            raise text.error(
                line, f"expected a state, as in: state 0 [1.5] init, and found {text.lines[line]!r}"
            )
        words.append(match[1])
        rewards.append(paid.select(line, match[2]))
        for quoted, plain in LABEL_PATTERN.findall(match[3]) if match[3] else ():
            labels.setdefault(quoted or plain, []).append(number)
    found = text.integers(words, indices, "a state", header.n_states)
    wrong = np.flatnonzero(found != np.arange(found.size))
    if wrong.size:
        raise text.error(
            indices[wrong[0]], f"expected state {wrong[0]}: states are in order, without gaps"
        )
    if found.size != header.n_states:
        raise text.error(
            len(text), f"the header announces {header.n_states} states, but there are {found.size}"
        )
    return text.reals(rewards, indices, "a reward"), {
        name: np.unique(states) for name, states in labels.items()
    }


def _read_actions(
    text: Text, lines: Int[np.ndarray, " C"], paid: _Rewards
) -> tuple[list[str], Float[np.ndarray, " C"]]:
    """Return the names of the choices, empty if they have none, and their rewards."""
    names: list[str] = []
    rewards: list[str] = []
    indices = lines.tolist()
    for line in indices:
        if text.lines[line].startswith("s"):
            names.append("")
            rewards.append("0")
            continue
        match = ACTION_PATTERN.fullmatch(text.lines[line])
        if match is None:
            raise text.error(
                line, f"expected an action, as in: action go [1.5], and found {text.lines[line]!r}"
            )
        names.append("" if match[1] == UNNAMED_ACTION or match[1].isdecimal() else match[1])
        rewards.append(paid.select(line, match[2]))
    paid.require_found()
    return names, text.reals(rewards, indices, "a reward")


def _read_rows(text: Text, header: Header, lines: _Lines) -> sp.csr_array:
    """Return the (C, S) transition probabilities of the choices."""
    indices = lines.successors.tolist()
    parts = [text.lines[line].partition(":") for line in indices]
    for line, (_, colon, _) in zip(indices, parts, strict=True):
        if not colon:
            raise text.error(
                line,
                "expected a successor and its probability, as in 1 : 0.5, and found "
                f"{text.lines[line]!r}",
            )
    target = text.integers(
        [part[0].strip() for part in parts], indices, "a successor", header.n_states
    )
    words = [part[2].strip() for part in parts]
    if header.placeholders:
        words = [header.placeholders.get(word, word) for word in words]
    probability = text.probabilities(words, indices)
    order = np.lexsort((target, lines.choice))
    choice, target, probability = lines.choice[order], target[order], probability[order]
    twice = np.flatnonzero((choice[1:] == choice[:-1]) & (target[1:] == target[:-1]))
    if twice.size:
        raise text.error(indices[order[twice[0] + 1]], "this transition is repeated")
    n_choices = lines.choices.size
    pointers = np.concatenate(([0], np.cumsum(np.bincount(choice, minlength=n_choices))))
    return sp.csr_array((probability, target, pointers), shape=(n_choices, header.n_states))


def _read_metadata(path: Path) -> Metadata | None:
    """Return the metadata in the first line if regmdp wrote it; it is recognised if damaged."""
    first, _, content = path.read_bytes().partition(b"\n")
    line = first.decode("utf-8", errors="replace")
    is_metadata = line.startswith(COMMENT_PREFIX) and ("regmdp" in line or '"seal"' in line)
    return (
        Metadata.from_json(line.removeprefix(METADATA_PREFIX), content, f"{path}, line 1")
        if is_metadata
        else None
    )
