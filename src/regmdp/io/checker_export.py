"""A model as model checkers store it: its choices, the rest of its data, and the differences."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import scipy.sparse as sp

from regmdp._internal.arrays import Int
from regmdp.io.checker_metadata import Metadata
from regmdp.io.state_action_files import (
    DEADLOCK,
    END,
    IDENTIFIER,
    INITIAL,
    RESERVED_LABELS,
    Choices,
    uniform_over,
)
from regmdp.mdp import MDP
from regmdp.mdp.labels import list_labels

__all__ = ["choices_from_model"]


def choices_from_model(mdp: MDP) -> tuple[Choices, Metadata, tuple[str, ...]]:
    """Return the choices of a model, the rest of its data, and notes on the differences."""
    words = _action_names(mdp)
    choices = _list_choices(mdp, words)
    uniform = np.array_equal(uniform_over(choices.labels[INITIAL], mdp.n_states), mdp.initial)
    hidden = {
        name: mask
        for name, mask in mdp.labels.items()
        if name in RESERVED_LABELS or not mask.any()  # a file may not list a label without a state
    }
    metadata = Metadata(
        mdp.discount,
        words,
        choices.n_states > mdp.n_states,
        None if uniform else mdp.initial.tolist(),
        None if mdp.state_labels is None else list(mdp.state_labels),
        None if mdp.action_labels is None else list(mdp.action_labels),
        list_labels(hidden),
        None if mdp.objective is None else asdict(mdp.objective),
    )
    return choices, metadata, tuple(_note_differences(mdp, choices, uniform))


def _list_choices(mdp: MDP, words: list[str]) -> Choices:
    """Return the choices of a model whose actions have some names; ends are absorbing."""
    state, action, rows, rewards = mdp.to_pairs()
    rows = sp.csr_array(rows.copy())
    rows.eliminate_zeros()
    ends = mdp.to_sparse(mdp.termination).data
    absorbing = np.flatnonzero(mdp.terminal)
    if ends.any():
        rows = sp.csr_array(sp.hstack((rows, sp.csr_array(ends[:, None])), format="csr"))
        absorbing = np.append(absorbing, mdp.n_states)
    loops = sp.csr_array(
        (np.ones(absorbing.size), (np.arange(absorbing.size), absorbing)),
        shape=(absorbing.size, rows.shape[1]),
    )
    chain = mdp.space.n_action_numbers == 1
    names = ["" if chain else words[a] for a in action.tolist()] + [""] * absorbing.size
    state = np.concatenate((state, absorbing))
    order = np.argsort(state, kind="stable")
    return Choices(
        state[order],
        [names[i] for i in order.tolist()],
        sp.csr_array(sp.vstack((rows, loops), format="csr"))[order],
        np.concatenate((rewards, np.zeros(absorbing.size)))[order],
        _list_labels(mdp, absorbing, sink=bool(ends.any())),
        chain,
    )


def _list_labels(
    mdp: MDP, absorbing: Int[np.ndarray, " k"], *, sink: bool
) -> dict[str, Int[np.ndarray, " k"]]:
    """Return the states of each label; those with a meaning of their own come first."""
    labels = {INITIAL: np.flatnonzero(mdp.initial), DEADLOCK: absorbing}
    if sink:
        labels[END] = absorbing[-1:]
    return labels | {
        name: np.flatnonzero(mask)
        for name, mask in mdp.labels.items()
        if name not in RESERVED_LABELS
    }


def _note_differences(mdp: MDP, choices: Choices, uniform: bool) -> list[str]:
    """Return sentences on what other programs see differently."""
    notes = []
    if count := int(np.count_nonzero(mdp.terminal)):
        noun = "terminal state is" if count == 1 else "terminal states are"
        notes.append(f"{count:,} {noun} absorbing, with reward 0 and the label {DEADLOCK!r}")
    if choices.n_states > mdp.n_states:
        notes.append(
            f"termination leads to an additional state, {mdp.n_states}, with the label {END!r}"
        )
    if mdp.discount < 1.0:
        notes.append(
            f"model checkers know no discount: with them rewards count as with discount 1, not "
            f"{mdp.discount:g}"
        )
    if mdp.endless_value:
        notes.append(
            f"the rewards are those of the {mdp.objective}; an episode that never reaches it "
            f"counts as {mdp.endless_value:g}, which the file does not say"
        )
    if not uniform:
        notes.append(
            f"the initial distribution is not uniform; the label {INITIAL!r} marks the states "
            "where it is positive"
        )
    return notes


def _action_names(mdp: MDP) -> list[str]:
    """Return the actions' labels if every tool can read them, or else generated names."""
    labels = mdp.action_labels
    if (
        labels is not None
        and len(set(labels)) == len(labels)
        and all(map(IDENTIFIER.fullmatch, labels))
    ):
        return list(labels)
    return [f"a{action}" for action in range(mdp.space.n_action_numbers)]
