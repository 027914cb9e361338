"""Models as model checkers store them: the choices of the states, and labels of states.

Such a model has no discount, no names and no terminating episodes: its final states are absorbing.
:class:`Metadata` holds the rest of a model, as a line of JSON beside or inside the file, so that
the same model is read again. Programs that ignore it read the same decision problem.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import scipy.sparse as sp

from regmdp._internal.arrays import Float, Int
from regmdp._internal.errors import FormatError, ModelError
from regmdp.io.absorbing_states import find_absorbing_states
from regmdp.io.row_sums import check_row_sums
from regmdp.io.text_files import Text
from regmdp.mdp import MDP
from regmdp.mdp.labels import list_labels
from regmdp.mdp.objective import read_objective

__all__ = [
    "DEADLOCK",
    "DECISION_PROCESS",
    "END",
    "IDENTIFIER",
    "INITIAL",
    "MARKOV_CHAIN",
    "Choices",
    "Metadata",
    "add_rewards",
    "choices_from_model",
    "model_from_choices",
    "require_supported",
]

#: Labels of the first states of episodes, of absorbing states, and of the state that stands for
#: the end of an episode.
INITIAL, DEADLOCK, END = "init", "deadlock", "end"
RESERVED_LABELS = (INITIAL, DEADLOCK, END)
#: Names that every tool reads as one word.
IDENTIFIER = re.compile(r"[A-Za-z_]\w*", re.ASCII)
KIND = "regmdp"
#: Kinds of models that can be read, and descriptions of others.
MARKOV_CHAIN, DECISION_PROCESS = "DTMC", "MDP"
UNSUPPORTED_KINDS = {
    "CTMC": "a Markov chain in continuous time",
    "CTMDP": "a decision process in continuous time",
    "MA": "a Markov automaton, in continuous time",
    "MARKOV AUTOMATON": "in continuous time",
    "PTA": "a timed automaton",
    "POMDP": "a decision process with hidden states",
    "POPTA": "a timed automaton with hidden states",
    "SMG": "a game of several players",
    "S2PG": "a game of two players",
    "TSG": "a game of two players",
    "STPG": "a game of two players",
    "CSG": "a game of several players",
    "IDTMC": "a Markov chain with intervals of probabilities",
    "IMDP": "a decision process with intervals of probabilities",
    "IPOMDP": "a decision process with hidden states and intervals of probabilities",
    "LTS": "a transition system without probabilities",
}


def require_supported(kind: str, text: Text, number: int) -> bool:
    """Return whether a kind of model, named in a line of a file by number, is a Markov chain.

    Raises:
        FormatError: if models of this kind cannot be read.
    """
    name = kind.strip().upper()
    if name in (MARKOV_CHAIN, DECISION_PROCESS):
        return name == MARKOV_CHAIN
    what = UNSUPPORTED_KINDS.get(name)
    raise text.error_at(
        number,
        f"expected a model of the type {DECISION_PROCESS} or {MARKOV_CHAIN}, and found the type "
        f"{kind.strip()!r}{'' if what is None else f' ({what})'}, which is not supported",
    )


@dataclass(frozen=True)
class Choices:
    """The choices of all states.

    Attributes:
        state: (C,) state of each choice, in ascending order.
        names: C names of actions, empty for choices without one.
        rows: (C, S) transition probabilities, sparse.
        rewards: (C,) expected rewards.
        labels: For each label, the (k,) states that have it.
        chain: Whether the file describes a Markov chain: each state has one choice, without a name.
    """

    state: Int[np.ndarray, " C"]
    names: list[str]
    rows: sp.csr_array
    rewards: Float[np.ndarray, " C"]
    labels: Mapping[str, Int[np.ndarray, " k"]]
    chain: bool = False

    @property
    def n_states(self) -> int:
        """The number of states, S."""
        return self.rows.shape[1]

    @property
    def number(self) -> Int[np.ndarray, " C"]:
        """(C,) number of each choice within its state."""
        return np.arange(self.state.size) - np.searchsorted(self.state, self.state)


@dataclass(frozen=True)
class Metadata:
    """The data of a model that are not in its choices.

    Attributes:
        discount: γ.
        actions: A names; every choice that is an action has one of them.
        sink: Whether the last state stands for the end of an episode.
        initial: (S,) distribution, if it is not uniform over the states with the label ``init``.
        state_labels: S names, or None.
        action_labels: A names, or None.
        labels: The states of labels that the file cannot hold: of other meaning there, or empty.
        objective: What the rewards until a goal stand for, or None.
    """

    discount: float
    actions: list[str]
    sink: bool
    initial: list[float] | None
    state_labels: list[str] | None
    action_labels: list[str] | None
    labels: dict[str, list[int]] = field(default_factory=dict)
    objective: dict[str, Any] | None = None

    def to_json(self, content: bytes) -> str:
        """Return one line of JSON with a checksum of the content that it belongs to."""
        fields = {"kind": KIND, "format": 1, **vars(self)}
        return json.dumps({**fields, "seal": _checksum(fields, content)})

    @classmethod
    def from_json(cls, line: str, content: bytes, where: str) -> Metadata:
        """Read the line that :meth:`to_json` returned for the same content.

        Args:
            line: The line.
            content: The content of the model's files.
            where: The place of the line, for errors.

        Raises:
            FormatError: if the line is damaged, or belongs to other content.
        """
        try:
            fields: dict[str, Any] = json.loads(line)
            seal = fields.pop("seal")
            if fields["kind"] != KIND:
                raise ValueError(f"its kind is {fields['kind']!r}")
            if seal != _checksum(fields, content):
                raise ValueError("the line or the model was changed after writing")
            if fields["format"] != 1:
                raise ValueError("it was written by a newer version of regmdp")
            del fields["kind"], fields["format"]
            return cls(**fields)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise FormatError(
                f"{where}: the metadata of regmdp do not fit the model: {error}; remove "
                "them to read the model without its discount, names and termination, or write the "
                "model again"
            ) from None


def _checksum(fields: Mapping[str, Any], content: bytes) -> str:
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode() + b"\n" + content).hexdigest()


def choices_from_model(mdp: MDP) -> tuple[Choices, Metadata, tuple[str, ...]]:
    """Return the choices of a model, the rest of its data, and notes on the differences."""
    state, action, rows, rewards = mdp.to_pairs()
    rows = sp.csr_array(rows.copy())
    rows.eliminate_zeros()
    ends = np.asarray(mdp.termination)[state, action]
    sink = bool(ends.any())
    n_states = mdp.n_states + sink
    absorbing = np.flatnonzero(mdp.terminal)
    notes = []
    if absorbing.size:
        noun = "terminal state is" if absorbing.size == 1 else "terminal states are"
        notes.append(
            f"{absorbing.size:,} {noun} absorbing, with reward 0 and the label {DEADLOCK!r}"
        )
    if sink:
        rows = sp.csr_array(sp.hstack((rows, sp.csr_array(ends[:, None])), format="csr"))
        absorbing = np.append(absorbing, mdp.n_states)
        notes.append(
            f"termination leads to an additional state, {mdp.n_states}, with the label {END!r}"
        )
    loops = sp.csr_array(
        (np.ones(absorbing.size), (np.arange(absorbing.size), absorbing)),
        shape=(absorbing.size, n_states),
    )
    words = _action_names(mdp)
    chain = mdp.n_actions == 1
    names = ["" if chain else words[a] for a in action.tolist()] + [""] * absorbing.size
    state = np.concatenate((state, absorbing))
    order = np.argsort(state, kind="stable")
    first = np.flatnonzero(mdp.initial)
    labels = {INITIAL: first, DEADLOCK: absorbing}
    if sink:
        labels[END] = absorbing[-1:]
    hidden = {
        name: mask
        for name, mask in mdp.labels.items()
        if name in RESERVED_LABELS or not mask.any()  # a file may not list a label without a state
    }
    labels |= {
        name: np.flatnonzero(mask)
        for name, mask in mdp.labels.items()
        if name not in RESERVED_LABELS
    }
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
    choices = Choices(
        state[order],
        [names[i] for i in order.tolist()],
        sp.csr_array(sp.vstack((rows, loops), format="csr"))[order],
        np.concatenate((rewards, np.zeros(absorbing.size)))[order],
        labels,
        chain,
    )
    uniform = np.array_equal(_uniform_over(first, mdp.n_states), mdp.initial)
    if not uniform:
        notes.append(
            f"the initial distribution is not uniform; the label {INITIAL!r} marks the states "
            "where it is positive"
        )
    metadata = Metadata(
        mdp.discount,
        words,
        sink,
        None if uniform else mdp.initial.tolist(),
        None if mdp.state_labels is None else list(mdp.state_labels),
        None if mdp.action_labels is None else list(mdp.action_labels),
        list_labels(hidden),
        None if mdp.objective is None else asdict(mdp.objective),
    )
    return choices, metadata, tuple(notes)


def add_rewards(
    rewards: Float[np.ndarray, " C"], more: Float[np.ndarray, " C"]
) -> Float[np.ndarray, " C"]:
    """Return the sums; where the first is 0, the second unchanged, with the sign of a zero."""
    return np.where(rewards == 0, more, rewards + more)


def _action_names(mdp: MDP) -> list[str]:
    """Return the actions' labels if every tool can read them, or else generated names."""
    labels = mdp.action_labels
    if (
        labels is not None
        and len(set(labels)) == len(labels)
        and all(map(IDENTIFIER.fullmatch, labels))
    ):
        return list(labels)
    return [f"a{action}" for action in range(mdp.n_actions)]


def _uniform_over(states: Int[np.ndarray, " k"], n_states: int) -> Float[np.ndarray, " S"]:
    initial = np.zeros(n_states)
    initial[states] = 1.0 / states.size
    return initial


def model_from_choices(
    choices: Choices,
    metadata: Metadata | None,
    text: Text,
    lines: Int[np.ndarray, " C"],
    *,
    discount: float | None,
    normalize: bool,
    state_labels: list[str] | None = None,
) -> MDP:
    """Return the model of some choices.

    Without metadata, a state is terminal if all its choices only lead to itself with reward 0,
    unless all states are such. The initial distribution is then uniform over the states with the
    label ``init``; without one, episodes start in state 0.

    Args:
        choices: The choices in the file.
        metadata: The metadata, if regmdp wrote the file.
        text: The file.
        lines: (C,) the line number of each choice, for errors.
        discount: γ, instead of the file's own, or of 1.
        normalize: Whether rows that nearly sum to 1 are divided by their sums.
        state_labels: S names.
    """
    state, number = choices.state, choices.number
    rows = check_row_sums(
        choices.rows,
        normalize,
        lambda row, problem: text.error_at(
            int(lines[row]),
            f"the probabilities of state {state[row]}, choice {number[row]}, {problem}",
        ),
    )
    terminal = find_absorbing_states(state, rows, choices.rewards)[state]
    if metadata is not None:
        terminal &= np.isin(state, choices.labels.get(DEADLOCK, ()))
    elif terminal.all():  # nothing happens in this model; a model has to have an action
        terminal[:] = False
    kept = np.flatnonzero(~terminal)
    try:
        if metadata is None:
            return _build_model(choices, rows, kept, discount, state_labels)
        return _restore_model(choices, rows, kept, discount, metadata)
    except (ModelError, KeyError, IndexError, TypeError) as error:
        raise FormatError(f"{text.path} does not hold a consistent model: {error}") from error


def _build_model(
    choices: Choices,
    rows: sp.csr_array,
    kept: Int[np.ndarray, " k"],
    discount: float | None,
    state_labels: list[str] | None,
) -> MDP:
    """Return the model of the kept choices, for a file without metadata."""
    n_states = choices.n_states
    action, action_labels = _number_actions(choices, kept)
    return MDP.from_pairs(
        choices.state[kept],
        action,
        rows[kept],
        choices.rewards[kept],
        1.0 if discount is None else discount,
        n_states=n_states,
        initial=_uniform_over(choices.labels.get(INITIAL, np.array([0])), n_states),
        state_labels=state_labels,
        action_labels=action_labels,
        labels=choices.labels,
    )


def _restore_model(
    choices: Choices,
    rows: sp.csr_array,
    kept: Int[np.ndarray, " k"],
    discount: float | None,
    metadata: Metadata,
) -> MDP:
    """Return the model that was written, from its kept choices and its metadata."""
    numbers = {name: number for number, name in enumerate(metadata.actions)}
    n_states, termination = choices.n_states, None
    if metadata.sink:
        n_states -= 1
        termination = rows[:, [n_states]].toarray().ravel()[kept]
        rows = rows[:, :n_states]
    initial = metadata.initial
    labels = {name: of for name, of in choices.labels.items() if name not in RESERVED_LABELS}
    mdp = MDP.from_pairs(
        choices.state[kept],
        np.zeros(kept.size, dtype=np.int64)
        if choices.chain
        else np.array([numbers[choices.names[i]] for i in kept.tolist()], dtype=np.int64),
        rows[kept],
        choices.rewards[kept],
        metadata.discount if discount is None else discount,
        n_states=n_states,
        n_actions=len(numbers),
        initial=_uniform_over(choices.labels[INITIAL], n_states) if initial is None else initial,
        termination=termination,
        state_labels=metadata.state_labels,
        action_labels=metadata.action_labels,
        labels=labels | metadata.labels,
    )
    return mdp.with_objective(read_objective(metadata.objective))


def _number_actions(
    choices: Choices, kept: Int[np.ndarray, " k"]
) -> tuple[Int[np.ndarray, " k"], list[str] | None]:
    """Return the actions of choices, and their names.

    Names are numbered in order of appearance if they are distinct within each state; otherwise the
    action is the number of the choice within its state, and there are no names.
    """
    numbers: dict[str, int] = {}
    action = np.array(
        [numbers.setdefault(choices.names[i], len(numbers)) for i in kept.tolist()], dtype=np.int64
    )
    pairs = choices.state[kept] * max(1, len(numbers)) + action
    if "" in numbers or np.unique(pairs).size < pairs.size:
        return choices.number[kept], None
    return action, list(numbers)
