"""The ``.lab`` and ``.sta`` files of PRISM: labels and variables of states."""

from __future__ import annotations

import re

import numpy as np

from regmdp.io.state_action_files import INITIAL
from regmdp.io.text_files import Text

__all__ = ["read_labels", "read_variables"]

LABEL_PATTERN = re.compile(r'\s*(\d+)="([^"]*)"')


def read_labels(text: Text | None, n_states: int) -> dict[str, np.ndarray]:
    """Return the states of each label."""
    if text is None:
        return {}
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


def read_variables(text: Text | None, n_states: int) -> list[str] | None:
    """Return the values of variables in each state, such as ``(0,2,1)``, or None without a text."""
    if text is None:
        return None
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
