"""Explicit models of the model checker PRISM.

Transitions are in a ``.tra`` file. Files with the same stem hold labels of states (``.lab``),
rewards of states and transitions (``.srew``, ``.trew``) and variables of states (``.sta``). New
versions of PRISM write the same as sections of one ``.pexp`` file.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from regmdp._internal.errors import FormatError
from regmdp._internal.files import replace_together, require_file
from regmdp.io.checker_export import choices_from_model
from regmdp.io.checker_metadata import Metadata
from regmdp.io.prism_parts import CombinedFile, Parts, SeparateFiles
from regmdp.io.prism_rewards import read_rewards
from regmdp.io.prism_states import read_labels, read_variables
from regmdp.io.prism_transitions import read_choices
from regmdp.io.row_sums import normalize_rows
from regmdp.io.state_action_files import IDENTIFIER, Choices, model_from_choices
from regmdp.io.storm_files import StormFiles, names_kind
from regmdp.mdp import MDP

__all__ = ["read_combined", "read_prism", "write_prism"]

#: The files of a model that its metadata belong to, and the file with the metadata.
MODEL_SUFFIXES, METADATA_SUFFIX = (".tra", ".lab", ".srew", ".trew"), ".regmdp.json"


def write_prism(mdp: MDP, path: Path) -> tuple[str, ...]:
    """Write a model to five files with the same stem, and return notes on the differences.

    All five are complete before the first one is moved into place.
    """
    choices, metadata, notes = choices_from_model(mdp)
    contents = [
        _join_lines(lines)
        for lines in (
            _list_transitions(choices),
            _list_labels(choices),
            *_list_rewards(choices),
        )
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
    strange = [label for label in choices.labels if not IDENTIFIER.fullmatch(label)]
    if strange:
        named = ", ".join(map(repr, strange))
        notes += (f"PRISM does not read a .lab file with labels that are no identifiers: {named}",)
    return notes


def _list_transitions(choices: Choices) -> list[str]:
    """Return the lines of the ``.tra`` file."""
    rows = choices.rows
    places, names = _list_places(choices)
    return [
        f"{_list_sizes(choices)} {rows.nnz}",
        *(
            f"{place} {p!r}{name}"
            for place, p, name in zip(places, rows.data.tolist(), names, strict=True)
        ),
    ]


def _list_rewards(choices: Choices) -> tuple[list[str], list[str]]:
    """Return the lines of the ``.srew`` and ``.trew`` files: a chain has rewards of states."""
    if choices.chain:
        places = list(map(str, choices.state.tolist()))
        paid = choices.rewards
    else:
        places, _ = _list_places(choices)
        paid = np.repeat(choices.rewards, np.diff(choices.rows.indptr))
    lines = [
        f"{place} {r!r}"
        for place, r in zip(places, paid.tolist(), strict=True)
        if r or math.copysign(1.0, r) < 0
    ]
    n_states, size = choices.n_states, _list_sizes(choices)
    if choices.chain:
        return [f"{n_states} {len(lines)}", *lines], [f"{size} 0"]
    return [f"{n_states} 0"], [f"{size} {len(lines)}", *lines]


def _list_sizes(choices: Choices) -> str:
    """Return the numbers of states and of choices, which is not listed for a chain."""
    return str(choices.n_states) + ("" if choices.chain else f" {choices.state.size}")


def _list_places(choices: Choices) -> tuple[list[str], list[str]]:
    """Return the state, choice and successor of each transition, and the name of its choice."""
    rows = choices.rows
    choice = np.repeat(np.arange(choices.state.size), np.diff(rows.indptr))
    columns = [choices.state[choice], choices.number[choice], rows.indices]
    if choices.chain:
        del columns[1]
    names = [f" {name}" if name else "" for name in choices.names]
    places = zip(*(column.tolist() for column in columns), strict=True)
    return [" ".join(map(str, place)) for place in places], [names[i] for i in choice.tolist()]


def _list_labels(choices: Choices) -> list[str]:
    """Return the lines of the ``.lab`` file."""
    marks: dict[int, list[int]] = {}
    for index, states in enumerate(choices.labels.values()):
        for s in states.tolist():
            marks.setdefault(s, []).append(index)
    return [
        " ".join(f'{index}="{label}"' for index, label in enumerate(choices.labels)),
        *(f"{s}: {' '.join(map(str, marks[s]))}" for s in sorted(marks)),
    ]


def _join_lines(lines: list[str]) -> bytes:
    return ("\n".join(lines) + "\n").encode()


def read_prism(
    path: Path, *, discount: float | None, rewards: str | None, normalize: bool
) -> tuple[MDP, tuple[str, ...]]:
    """Read a model from a ``.tra`` file and those beside it, and return it with notes."""
    parts = StormFiles(path) if names_kind(path) else SeparateFiles(path)
    return _read_parts(parts, discount, rewards, normalize, _read_metadata(path))


def read_combined(
    path: Path, *, discount: float | None, rewards: str | None, normalize: bool
) -> tuple[MDP, tuple[str, ...]]:
    """Read a model from the sections of a ``.pexp`` file, and return it with notes."""
    return _read_parts(CombinedFile(path), discount, rewards, normalize, None)


def _read_parts(
    parts: Parts,
    discount: float | None,
    rewards: str | None,
    normalize: bool,
    metadata: Metadata | None,
) -> tuple[MDP, tuple[str, ...]]:
    """Read a model from its parts, and return it with notes."""
    text = parts.read(".tra")
    if text is None:
        raise FormatError(f"{parts.path} has no transitions")
    listed = read_choices(text)
    if normalize:  # also in the expectations of rewards
        listed = listed._replace(rows=normalize_rows(listed.rows))
    n_states, notes = listed.rows.shape[1], []
    of_states, of_transitions = parts.read_rewards(rewards)
    if of_states is None and of_transitions is None:
        notes.append("there is no .srew or .trew file; the rewards are 0")
    paid = read_rewards(of_states, of_transitions, listed)
    labels = read_labels(parts.read(".lab"), n_states)
    state_labels = None
    if metadata is None:
        state_labels = read_variables(parts.read(".sta"), n_states)
        if discount is None:
            notes.append("the file has no discount; it is 1")
    mdp = model_from_choices(
        Choices(listed.state, listed.names, listed.rows, paid, labels, listed.chain),
        metadata,
        text,
        listed.lines,
        discount=discount,
        normalize=normalize,
        state_labels=state_labels,
    )
    return mdp, tuple(notes)


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
