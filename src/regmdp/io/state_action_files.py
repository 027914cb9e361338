"""A model as model checkers store it: states with choices, one after the other, and labels on the states.

Such a model has neither a discount, nor names, nor an end: where nothing more happens, a state
leads to itself for ever. What a model of ours has beyond that goes into a :class:`Remainder`, a
line of JSON beside or inside the file, so that it comes back as it was; whoever knows nothing of it
reads the same decision problem without it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from regmdp._internal.arrays import Float, Int
from regmdp._internal.errors import FormatError, ModelError
from regmdp.io.text import Text
from regmdp.mdp import MDP
from regmdp.mdp.validation import MASS_TOLERANCE

__all__ = ["DEADLOCK", "END", "INITIAL", "Choices", "Remainder", "added", "as_choices", "as_model"]

#: Labels of states: those that an episode begins in, those that are left by no action, and the one
#: that stands for the end.
INITIAL, DEADLOCK, END = "init", "deadlock", "end"
#: How far a row may be from summing to 1 and still be what a few printed digits left of one that
#: does.
DIGITS_TOLERANCE = 1e-3
#: What a name must look like for every tool to take it as one word.
WORD = re.compile(r"[A-Za-z_]\w*", re.ASCII)
KIND = "regmdp"


@dataclass(frozen=True)
class Choices:
    """The choices of all states.

    Attributes:
        state: (C,) state of each choice, in ascending order.
        names: C names of actions, each empty if the choice has none.
        rows: (C, S) transition probabilities, sparse.
        rewards: (C,) expected rewards.
        labels: (k,) states that have a label, for each label.
    """

    state: Int[np.ndarray, " C"]
    names: list[str]
    rows: sp.csr_array
    rewards: Float[np.ndarray, " C"]
    labels: Mapping[str, Int[np.ndarray, " k"]]

    @property
    def n_states(self) -> int:
        return self.rows.shape[1]

    @property
    def number(self) -> Int[np.ndarray, " C"]:
        """(C,) number of each choice within its state."""
        return np.arange(self.state.size) - np.searchsorted(self.state, self.state)


@dataclass(frozen=True)
class Remainder:
    """What a model has beyond its choices.

    Attributes:
        discount: γ.
        actions: A names, one of which every choice has that is an action.
        sink: Whether the last state stands for the end of an episode.
        initial: (S,) distribution, if it is not uniform over the states with the label of the first
            ones.
        state_labels: S names, or None.
        action_labels: A names, or None.
    """

    discount: float
    actions: list[str]
    sink: bool
    initial: list[float] | None
    state_labels: list[str] | None
    action_labels: list[str] | None

    def sealed(self, content: bytes) -> str:
        """Return one line of JSON that belongs to this content and to no other."""
        fields = {"kind": KIND, "format": 1, **vars(self)}
        return json.dumps({**fields, "seal": _seal(fields, content)})

    @classmethod
    def opened(cls, line: str, content: bytes, where: str) -> Remainder:
        """Return what :meth:`sealed` wrote, if the content is the same.

        Raises:
            FormatError: if it is damaged, or belongs to other content.
        """
        try:
            fields: dict[str, Any] = json.loads(line)
            seal = fields.pop("seal")
            if fields["kind"] != KIND:
                raise ValueError(f"its kind is {fields['kind']!r}")
            if seal != _seal(fields, content):
                raise ValueError("something has changed since it was written")
            if fields["format"] != 1:
                raise ValueError("it was written by a newer version of regmdp")
            return cls(**{name: fields[name] for name in cls.__dataclass_fields__})
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise FormatError(
                f"{where}: expected what regmdp wrote here together with the model, and it does "
                f"not fit: {error}; remove it to read the model without its discount, its names "
                "and its end, or write the model again"
            ) from None


def _seal(fields: Mapping[str, Any], content: bytes) -> str:
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode() + b"\n" + content).hexdigest()


def as_choices(mdp: MDP) -> tuple[Choices, Remainder, tuple[str, ...]]:
    """Return a model's choices, what they leave out, and sentences on what is different in them."""
    state, action, rows, rewards = mdp.to_pairs()
    rows = sp.csr_array(rows.copy())
    rows.eliminate_zeros()
    ends = np.asarray(mdp.termination)[state, action]
    sink = bool(ends.any())
    n_states = mdp.n_states + sink
    resting = np.flatnonzero(mdp.terminal)
    notes = []
    if resting.size:
        noun = "terminal state leads" if resting.size == 1 else "terminal states lead"
        notes.append(
            f"{resting.size:,} {noun} to itself for ever at no reward, with the label {DEADLOCK!r}"
        )
    if sink:
        rows = sp.csr_array(sp.hstack((rows, sp.csr_array(ends[:, None])), format="csr"))
        resting = np.append(resting, mdp.n_states)
        notes.append(f"termination leads to one more state, {mdp.n_states}, with the label {END!r}")
    loops = sp.csr_array(
        (np.ones(resting.size), (np.arange(resting.size), resting)), shape=(resting.size, n_states)
    )
    words = _words(mdp)
    names = [words[a] for a in action.tolist()] + [""] * resting.size
    state = np.concatenate((state, resting))
    order = np.argsort(state, kind="stable")
    first = np.flatnonzero(mdp.initial)
    labels = {INITIAL: first, DEADLOCK: resting}
    if sink:
        labels[END] = resting[-1:]
    choices = Choices(
        state[order],
        [names[i] for i in order.tolist()],
        sp.csr_array(sp.vstack((rows, loops), format="csr"))[order],
        np.concatenate((rewards, np.zeros(resting.size)))[order],
        labels,
    )
    uniform = np.array_equal(_uniform(first, mdp.n_states), mdp.initial)
    if not uniform:
        notes.append(
            f"the initial distribution is not uniform, and the label {INITIAL!r} says only where "
            "it is positive"
        )
    remainder = Remainder(
        mdp.discount,
        words,
        sink,
        None if uniform else mdp.initial.tolist(),
        None if mdp.state_labels is None else list(mdp.state_labels),
        None if mdp.action_labels is None else list(mdp.action_labels),
    )
    return choices, remainder, tuple(notes)


def added(
    rewards: Float[np.ndarray, " C"], more: Float[np.ndarray, " C"]
) -> Float[np.ndarray, " C"]:
    """Return the sums of rewards; what is added to nothing stays what it is, a zero of negative sign too."""
    return np.where(rewards == 0, more, rewards + more)


def _words(mdp: MDP) -> list[str]:
    """Return names of the actions that every tool can read: their labels, if they are words."""
    labels = mdp.action_labels
    if labels is not None and len(set(labels)) == len(labels) and all(map(WORD.fullmatch, labels)):
        return list(labels)
    return [f"a{action}" for action in range(mdp.n_actions)]


def _uniform(states: Int[np.ndarray, " k"], n_states: int) -> Float[np.ndarray, " S"]:
    initial = np.zeros(n_states)
    initial[states] = 1.0 / states.size
    return initial


def as_model(
    choices: Choices,
    remainder: Remainder | None,
    text: Text,
    lines: Int[np.ndarray, " C"],
    *,
    discount: float | None,
    normalize: bool,
    state_labels: list[str] | None = None,
) -> MDP:
    """Return the model of some choices.

    Without a remainder, a state is terminal if its only choice leads to itself at no reward, and
    episodes begin in a state with the label for it, each as likely, or in state 0 if there is none.

    Args:
        choices: What the file says.
        remainder: What it says beyond that, if it is ours.
        text: The file.
        lines: (C,) the line of each choice, for errors.
        discount: γ, in place of the file's own, or of 1.
        normalize: Whether rows that nearly sum to 1 are divided by their sums.
        state_labels: S names.
    """
    n_states, state, rows = (
        choices.n_states,
        choices.state,
        _summing_to_one(choices, text, lines, normalize),
    )
    counts = np.bincount(state, minlength=n_states)
    rests = (counts[state] == 1) & (np.diff(rows.indptr) == 1) & (choices.rewards == 0)
    rests[rests] = rows.indices[rows.indptr[:-1][rests]] == state[rests]
    if remainder is not None:
        rests &= np.isin(state, choices.labels.get(DEADLOCK, ()))
    kept = np.flatnonzero(~rests)
    try:
        if remainder is None:
            action, action_labels = _numbered(choices, kept)
            n_actions = None
            initial = _uniform(choices.labels.get(INITIAL, np.array([0])), n_states)
            ends = None
        else:
            numbers = {name: number for number, name in enumerate(remainder.actions)}
            action = np.array([numbers[choices.names[i]] for i in kept.tolist()], dtype=np.int64)
            state_labels, action_labels, n_actions = (
                remainder.state_labels,
                remainder.action_labels,
                len(numbers),
            )
            discount = remainder.discount if discount is None else discount
            ends, n_states = (
                (rows[:, [n_states - 1]].toarray().ravel(), n_states - 1)
                if remainder.sink
                else (None, n_states)
            )
            rows = rows[:, :n_states]
            initial = remainder.initial
            if initial is None:
                initial = _uniform(choices.labels[INITIAL], n_states)
        return MDP.from_pairs(
            state[kept],
            action,
            rows[kept],
            choices.rewards[kept],
            1.0 if discount is None else discount,
            n_states=n_states,
            n_actions=n_actions,
            initial=initial,
            termination=None if ends is None else ends[kept],
            state_labels=state_labels,
            action_labels=action_labels,
        )
    except (ModelError, KeyError, IndexError) as error:
        raise FormatError(f"{text.path} does not hold a consistent model: {error}") from error


def _summing_to_one(
    choices: Choices, text: Text, lines: Int[np.ndarray, " C"], normalize: bool
) -> sp.csr_array:
    """Return the rows, each of which sums to 1."""
    rows = choices.rows
    sums = np.asarray(rows.sum(axis=1)).ravel()
    off = np.abs(sums - 1.0)
    bad = off > (DIGITS_TOLERANCE if normalize else MASS_TOLERANCE)
    if bad.any():
        choice = int(np.argmax(bad))
        hint = ""
        if not normalize and off.max() <= DIGITS_TOLERANCE:
            hint = (
                "; if the file was written with few digits, read it with normalize=True (regmdp "
                "convert --normalize)"
            )
        raise text.error_at(
            int(lines[choice]),
            f"the probabilities of state {choices.state[choice]}, choice {choices.number[choice]}, "
            f"sum to {sums[choice]:.12g}, not to 1 within "
            f"{DIGITS_TOLERANCE if normalize else MASS_TOLERANCE:g}; {np.count_nonzero(bad)} of "
            f"{bad.size} choices are off{hint}",
        )
    if not normalize:
        return rows
    sums[off <= MASS_TOLERANCE] = 1.0  # what comes from all its digits stays what it is
    return sp.csr_array(
        (rows.data / np.repeat(sums, np.diff(rows.indptr)), rows.indices, rows.indptr),
        shape=rows.shape,
    )


def _numbered(
    choices: Choices, kept: Int[np.ndarray, " k"]
) -> tuple[Int[np.ndarray, " k"], list[str] | None]:
    """Return the actions of choices: their names in the order of appearance if those tell them apart, or else their numbers."""
    numbers: dict[str, int] = {}
    action = np.array(
        [numbers.setdefault(choices.names[i], len(numbers)) for i in kept.tolist()], dtype=np.int64
    )
    pairs = choices.state[kept] * max(1, len(numbers)) + action
    if "" in numbers or np.unique(pairs).size < pairs.size:
        return choices.number[kept], None
    return action, list(numbers)
