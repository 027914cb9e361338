"""The header of a ``.drn`` file: the kind of model, the rewards, the announced sizes."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from regmdp.io.checker_kinds import require_supported
from regmdp.io.text_files import Text

__all__ = ["Header", "read_header"]

PLACEHOLDER_PATTERN = re.compile(r"(\$[^\s:]+)\s*:\s*(.+)")
SECTIONS = ("@parameters", "@placeholders", "@reward_models", "@nr_states", "@nr_choices")
VALUE_TYPES = ("double", "rational")


@dataclass
class Header:
    """What precedes the states.

    Attributes:
        chain: Whether the model is a Markov chain.
        n_states: The announced number of states; -1 without one.
        n_choices: The announced number of choices; -1 without one.
        rewards: Names of the rewards, some of them empty.
        placeholders: For each placeholder, such as ``$p``, the number that it stands for.
        end: Index of the first line after the header.
    """

    chain: bool = False
    n_states: int = -1
    n_choices: int = -1
    rewards: list[str] = field(default_factory=list)
    placeholders: Mapping[str, str] = field(default_factory=dict)
    end: int = 0


def read_header(text: Text) -> Header:
    """Read the sections up to ``@model``, which may have any order."""
    header, seen, index = Header(), set[str](), 0
    while True:
        line = text.lines[index] if index < len(text) else ""
        word, _, rest = line.partition(" ")
        if word in seen:
            raise text.error(index, f"{word} is repeated")
        seen.add(word)
        if line == "@model":
            break
        if word in ("@type:", "@value_type:"):
            _read_kind(header, text, index, word, rest.strip())
            index += 1
        elif line in SECTIONS:
            index = _read_section(header, text, index)
        else:
            found = f", and found {line!r}" if line else ""
            raise text.error(index, f"expected @type, {', '.join(SECTIONS)} or @model{found}")
    for name in ("@type:", "@nr_states"):
        if name not in seen:
            raise text.error(index, f"expected {name.rstrip(':')} before the model")
    header.end = index + 1
    return header


def _read_kind(header: Header, text: Text, index: int, word: str, value: str) -> None:
    if word == "@type:":
        header.chain = require_supported(value, text, text.numbers[index])
    elif value not in VALUE_TYPES:
        raise text.error(
            index,
            f"expected double or rational values, and found {value!r}, which is not supported",
        )


def _read_section(header: Header, text: Text, index: int) -> int:
    """Read the section whose name is in a line by index; return the index of the line after it."""
    name, end = text.lines[index], index + 1
    while end < len(text) and not text.lines[end].startswith("@"):
        end += 1
    if name == "@parameters":
        if end > index + 1:
            raise text.error(
                index + 1, "expected no parameters: a parametric model cannot be solved"
            )
        return end
    if name == "@reward_models":
        header.rewards = _read_reward_names(text, index)
        return index + 1 + any(header.rewards)
    if name == "@placeholders":
        header.placeholders = _read_placeholders(text, index + 1, end)
        return end
    if end == index + 1:
        raise text.error(end, f"expected a number after {name}")
    count = int(text.integers([text.lines[index + 1]], [index + 1], "a count")[0])
    if name == "@nr_states":
        header.n_states = count
    else:
        header.n_choices = count
    return index + 2


def _read_reward_names(text: Text, index: int) -> list[str]:
    """Return the words of the line after one, which may be empty: rewards may have no name."""
    number = text.numbers[index]
    with open(text.path, encoding="utf-8-sig", errors="replace", newline="\n") as lines:
        line = next(itertools.islice(lines, number, None), "").rstrip("\r\n")
    if line.startswith("@"):
        return []
    names = re.split(r"[ \t]", line)
    if len(names) > 1 and not names[-1]:
        names.pop()  # every name is followed by a space
    return names


def _read_placeholders(text: Text, first: int, end: int) -> dict[str, str]:
    """Return the numbers of placeholders, as texts; they may refer to earlier ones."""
    found: dict[str, str] = {}
    for index in range(first, end):
        match = PLACEHOLDER_PATTERN.fullmatch(text.lines[index])
        if match is None:
            raise text.error(
                index, f"expected a placeholder, as in $p : 0.5, and found {text.lines[index]!r}"
            )
        name, value = match[1], match[2].strip()
        if name in found:
            raise text.error(index, f"the placeholder {name} is repeated")
        value = found.get(value, value)
        text.real(value, index, "a number")
        found[name] = value
    return found
