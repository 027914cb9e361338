"""Explicit models of the model checker Storm, in ``.drn`` files."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from regmdp._internal.arrays import Float, Int
from regmdp._internal.errors import FormatError
from regmdp._internal.files import replace_atomically
from regmdp.io.state_action_files import (
    Choices,
    Metadata,
    add_rewards,
    choices_from_model,
    model_from_choices,
)
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
    r"state\s+(\S+)(?:\s+\[([^\]]*)\])?((?:\s+(?:\"[^\"]*\"|[^\s\"\[\]]+))*)"
)
ACTION_PATTERN = re.compile(r"action\s+([^\s\[\]]+)(?:\s+\[([^\]]*)\])?")
LABEL_PATTERN = re.compile(r"\"([^\"]*)\"|([^\s\"]+)")


def write_drn(mdp: MDP, path: Path) -> tuple[str, ...]:
    """Write a model to a ``.drn`` file, and return notes on the differences."""
    choices, metadata, notes = choices_from_model(mdp)
    marks: dict[int, list[str]] = {}
    for label, states in choices.labels.items():
        for state in states.tolist():
            marks.setdefault(state, []).append(label)
    rows = choices.rows
    transitions = [
        f"\t\t{t} : {p!r}" for t, p in zip(rows.indices.tolist(), rows.data.tolist(), strict=True)
    ]
    ends = rows.indptr.tolist()
    lines = ["@type: MDP", "@parameters", "", "@reward_models", REWARD_MODEL]
    lines += ["@nr_states", str(choices.n_states), "@nr_choices", str(choices.state.size), "@model"]
    before = -1
    for index, (state, name, paid) in enumerate(
        zip(choices.state.tolist(), choices.names, choices.rewards.tolist(), strict=True)
    ):
        if state != before:
            lines.append(" ".join([f"state {state} [0]", *marks.get(state, [])]))
            before = state
        lines.append(f"\taction {name or UNNAMED_ACTION} [{paid!r}]")
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
    header, start = _read_header(text)
    n_states, n_choices = header["@nr_states"], header["@nr_choices"]
    models = text.lines[header["@reward_models"]].split() if header["@reward_models"] >= 0 else []
    column = _find_reward_column(text, models, rewards)
    kinds = np.array([line[:1] for line in text.lines[start:]], dtype="U1")
    states, actions = np.flatnonzero(kinds == "s") + start, np.flatnonzero(kinds == "a") + start
    others = np.flatnonzero((kinds != "s") & (kinds != "a")) + start
    state_rewards, labels = _read_states(text, states, n_states, len(models), column)
    names, action_rewards = _read_actions(text, actions, len(models), column)
    if actions.size != n_choices:
        raise text.error(
            len(text), f"the header announces {n_choices} choices, but there are {actions.size}"
        )
    state = np.searchsorted(states, actions) - 1
    if (state < 0).any():
        raise text.error(int(actions[0]), "expected a state before its first action")
    empty = np.flatnonzero(np.bincount(state, minlength=n_states) == 0)
    if empty.size:
        raise text.error(int(states[empty[0]]), f"state {empty[0]} has no action")
    choice = np.searchsorted(actions, others) - 1
    outside = (choice < 0) | (state[choice] != np.searchsorted(states, others) - 1)
    if outside.any():
        line = int(others[np.argmax(outside)])
        raise text.error(line, f"expected a state or an action, and found {text.lines[line]!r}")
    target, probability = _read_transitions(text, others, n_states)
    order = np.lexsort((target, choice))
    choice, target, probability = choice[order], target[order], probability[order]
    twice = np.flatnonzero((choice[1:] == choice[:-1]) & (target[1:] == target[:-1]))
    if twice.size:
        raise text.error(int(others[order[twice[0] + 1]]), "this transition is repeated")
    pointers = np.concatenate(([0], np.cumsum(np.bincount(choice, minlength=n_choices))))
    rows = sp.csr_array((probability, target, pointers), shape=(n_choices, n_states))
    choices = Choices(state, names, rows, add_rewards(state_rewards[state], action_rewards), labels)
    metadata = _read_metadata(path)
    notes = [] if models else ["the file has no rewards; they are 0"]
    if metadata is None and discount is None:
        notes.append("the file has no discount; it is 1")
    mdp = model_from_choices(
        choices,
        metadata,
        text,
        np.array(text.numbers)[actions],
        discount=discount,
        normalize=normalize,
    )
    return mdp, tuple(notes)


def _read_header(text: Text) -> tuple[dict[str, int], int]:
    """Return the header, and the first line after it.

    The header holds the announced sizes and the line of the reward models, -1 if there is none.
    """
    found: dict[str, int] = {"@reward_models": -1}
    seen: set[str] = set()
    index = 0
    while True:
        line = text.lines[index] if index < len(text) else ""
        word, _, rest = line.partition(" ")
        if word in seen:
            raise text.error(index, f"{word} is repeated")
        seen.add(word)
        following = index + 1 < len(text) and not text.lines[index + 1].startswith("@")
        if word == "@type:":
            if rest.strip().upper() != "MDP":
                raise text.error(
                    index,
                    f"expected @type: MDP, and found the type {rest.strip()!r}, which is not "
                    "supported",
                )
        elif word == "@value_type:":
            if rest.strip() not in ("double", "rational"):
                raise text.error(
                    index,
                    f"expected double or rational values, and found {rest.strip()!r}, which is not "
                    "supported",
                )
        elif line == "@parameters":
            if following:
                raise text.error(
                    index + 1,
                    "expected no parameters: a parametric model cannot be solved",
                )
        elif line == "@reward_models":
            if following:
                found["@reward_models"] = index = index + 1
        elif line in ("@nr_states", "@nr_choices"):
            if not following:
                raise text.error(index + 1, f"expected a number after {line}")
            index += 1
            found[line] = int(text.integers([text.lines[index]], [index], "a count")[0])
        elif line == "@model":
            break
        else:
            raise text.error(
                index,
                "expected @type, @parameters, @reward_models, @nr_states, @nr_choices or "
                f"@model{_describe_found(line)}",
            )
        index += 1
    for name in ("@type:", "@nr_states", "@nr_choices"):
        if name not in seen:
            raise text.error(index, f"expected {name.rstrip(':')} before the model")
    return found, index + 1


def _describe_found(line: str) -> str:
    return f", and found {line!r}" if line else ""


def _find_reward_column(text: Text, models: list[str], wanted: str | None) -> int:
    """Return the index of the rewards to read."""
    if wanted is not None:
        if wanted not in models:
            raise FormatError(
                f"{text.path} has no reward model {wanted!r}; it has: {', '.join(models) or 'none'}"
            )
        return models.index(wanted)
    if len(models) > 1:
        raise FormatError(
            f"{text.path} has several reward models; choose one with rewards=: {', '.join(models)}"
        )
    return 0


def _read_states(
    text: Text, lines: Int[np.ndarray, " n"], n_states: int, n_rewards: int, column: int
) -> tuple[Float[np.ndarray, " S"], dict[str, np.ndarray]]:
    """Return the rewards of the states, and the states of each label."""
    words: list[str] = []
    paid: list[str] = []
    labels: dict[str, list[int]] = {}
    indices = lines.tolist()
    for number, line in enumerate(indices):
        match = STATE_PATTERN.fullmatch(text.lines[line])
        if match is None:
            raise text.error(
                line, f"expected a state, as in: state 0 [1.5] init, and found {text.lines[line]!r}"
            )
        words.append(match[1])
        paid.append(_select_reward(text, line, match[2], n_rewards, column))
        for quoted, plain in LABEL_PATTERN.findall(match[3]) if match[3] else ():
            labels.setdefault(quoted or plain, []).append(number)
    found = text.integers(words, indices, "a state", n_states)
    wrong = np.flatnonzero(found != np.arange(found.size))
    if wrong.size:
        raise text.error(
            indices[wrong[0]], f"expected state {wrong[0]}: states are in order, without gaps"
        )
    if found.size != n_states:
        raise text.error(
            len(text), f"the header announces {n_states} states, but there are {found.size}"
        )
    return text.reals(paid, indices, "a reward"), {
        name: np.unique(states) for name, states in labels.items()
    }


def _read_actions(
    text: Text, lines: Int[np.ndarray, " n"], n_rewards: int, column: int
) -> tuple[list[str], Float[np.ndarray, " n"]]:
    """Return the names of the actions, empty if they have none, and their rewards."""
    names: list[str] = []
    paid: list[str] = []
    indices = lines.tolist()
    for line in indices:
        match = ACTION_PATTERN.fullmatch(text.lines[line])
        if match is None:
            raise text.error(
                line, f"expected an action, as in: action go [1.5], and found {text.lines[line]!r}"
            )
        names.append("" if match[1] == UNNAMED_ACTION or match[1].isdecimal() else match[1])
        paid.append(_select_reward(text, line, match[2], n_rewards, column))
    return names, text.reals(paid, indices, "a reward")


def _select_reward(text: Text, line: int, rewards: str | None, n_rewards: int, column: int) -> str:
    """Return the selected reward between brackets, or 0 if there are none."""
    if rewards is None:
        return "0"
    words = rewards.split(",")
    if len(words) != n_rewards:
        raise text.error(
            line, f"expected {n_rewards} rewards between the brackets, and found {len(words)}"
        )
    return words[column].strip()


def _read_transitions(
    text: Text, lines: Int[np.ndarray, " n"], n_states: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the successors and the probabilities in some lines."""
    indices = lines.tolist()
    parts = [text.lines[line].partition(":") for line in indices]
    for line, (_, colon, _) in zip(indices, parts, strict=True):
        if not colon:
            raise text.error(
                line,
                "expected a successor and its probability, as in 1 : 0.5, and found "
                f"{text.lines[line]!r}",
            )
    targets = text.integers([part[0].strip() for part in parts], indices, "a successor", n_states)
    return targets, text.probabilities([part[2].strip() for part in parts], indices)


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
