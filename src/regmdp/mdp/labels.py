"""Labels: sets of states that have a name, as in the files of model checkers."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np

from regmdp._internal.array_checks import check_array
from regmdp._internal.arrays import ArrayLike, Bool, freeze
from regmdp._internal.checks import describe_first, show
from regmdp._internal.errors import ModelError

__all__ = ["NO_LABELS", "Labels", "StatesLike", "check_labels", "find_states", "list_labels"]

#: The states of each label, as (S,) masks.
Labels: TypeAlias = Mapping[str, Bool[np.ndarray, " S"]]
#: A label or several, a state or several, or a (S,) mask.
StatesLike: TypeAlias = "str | Sequence[str | int] | ArrayLike"

NO_LABELS: Labels = MappingProxyType({})
#: Number of labels that a message lists at most, and of names that are searched for similar ones.
MAX_LISTED, MAX_SEARCHED = 20, 10_000


def check_labels(labels: object, n_states: int) -> Labels:
    """Return (S,) masks of labels whose states are given as numbers or as masks; None is no label.

    Raises:
        ModelError: if a label is no name, or a state does not exist.
    """
    if labels is None:
        return NO_LABELS
    if not isinstance(labels, Mapping):
        raise ModelError(f"labels must map names to states, not {show(labels)}")
    for name in labels:
        if not isinstance(name, str) or not name.strip() or not name.isprintable() or '"' in name:
            raise ModelError(
                f"a label must be text on one line without double quotes, not {show(name)}"
            )
    masks = {name: freeze(_as_mask(name, labels[name], n_states)) for name in labels}
    return MappingProxyType(masks)


def list_labels(labels: Labels) -> dict[str, list[int]]:
    """Return the states of each label as numbers, which JSON can hold."""
    return {name: np.flatnonzero(mask).tolist() for name, mask in labels.items()}


def find_states(
    name: str,
    states: StatesLike,
    labels: Labels,
    n_states: int,
    state_labels: Sequence[str] | None = None,
) -> Bool[np.ndarray, " S"]:
    """Return the (S,) mask of states that are given by labels, numbers or a mask.

    Args:
        name: What messages call the argument.
        states: A label or several, a state number or several, or a (S,) mask.
        labels: The labels of the model.
        n_states: S.
        state_labels: Names of the states, which count as labels of one state.

    Raises:
        ModelError: if there is no such label, naming similar ones, or no such state.
    """
    if isinstance(states, str):
        found = labels.get(states)
        if found is None:
            found = np.array([label == states for label in state_labels or ()], dtype=np.bool_)
            if not found.any():
                raise ModelError(_describe_unknown(name, states, labels, state_labels or ()))
        return found
    if isinstance(states, list | tuple | set) and any(isinstance(one, str) for one in states):
        sets = [find_states(name, one, labels, n_states, state_labels) for one in states]
        return np.logical_or.reduce(sets)
    return _as_mask(name, states, n_states)


def _as_mask(name: str, states: Any, n_states: int) -> Bool[np.ndarray, " S"]:
    """Return the (S,) mask of some state numbers, or a copy of a mask."""
    advice = "give labels, state numbers, or a mask of shape (S,)"
    given = list(states) if isinstance(states, set | range) else states
    kind = getattr(given, "dtype", None)
    if kind == np.bool_ or (
        isinstance(given, list | tuple) and given and all(isinstance(one, bool) for one in given)
    ):
        mask = np.array(check_array(name, given, "boolean", error=ModelError))
        if mask.shape != (n_states,):
            raise ModelError(
                f"the mask of {name} must have shape (S,) = ({n_states},), not {mask.shape}"
            )
        return mask
    numbers = np.atleast_1d(check_array(name, given, "integer", error=ModelError, advice=advice))
    if numbers.ndim != 1:
        raise ModelError(f"{name} must be one list of states, not of shape {numbers.shape}")
    outside = (numbers < 0) | (numbers >= n_states)
    if outside.any():
        raise ModelError(
            describe_first(
                outside,
                lambda i: f"{name} has state {numbers[i]}, but states run from 0 to {n_states - 1}",
                "states",
            )
        )
    mask = np.zeros(n_states, dtype=np.bool_)
    mask[numbers] = True
    return mask


def _describe_unknown(name: str, text: str, labels: Labels, state_labels: Sequence[str]) -> str:
    """Return the message for a text that is neither a label nor the name of a state."""
    names = [*labels, *state_labels[:MAX_SEARCHED]]
    near = difflib.get_close_matches(text, names, n=3, cutoff=0.5)
    known = _join(labels) if labels else "none"
    hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
    return f"{name}: the model has no label {show(text)}{hint}; its labels are: {known}"


def _join(names: Iterable[str]) -> str:
    listed = list(names)
    more = f", … ({len(listed)} in all)" if len(listed) > MAX_LISTED else ""
    return ", ".join(listed[:MAX_LISTED]) + more
