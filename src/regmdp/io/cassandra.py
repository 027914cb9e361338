"""Cassandra's format of decision processes, as ``pomdp-solve`` and its relatives read it, for models whose states are seen.

A file is a stream of words. Statements that come later replace what earlier ones said of the same
transitions.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import scipy.sparse as sp

from regmdp._internal.arrays import Float
from regmdp._internal.errors import FormatError, ModelError
from regmdp._internal.files import require_file
from regmdp.io.text import Text
from regmdp.mdp import MDP
from regmdp.mdp.validation import MASS_TOLERANCE

__all__ = ["read_cassandra"]

#: Words that begin a statement.
KEYWORDS = frozenset(
    ("discount", "values", "states", "actions", "observations", "start", "T", "O", "R")
)
EVERY = "*"
#: The most entries that one statement may stand for.
ENTRIES = 1 << 27


def read_cassandra(path: Path) -> MDP:
    """Read a model from a file of Cassandra's format; costs become rewards of the opposite sign."""
    return _Reader(_words(path)).model()


def _words(path: Path) -> Text:
    """Return the words of a file, one to a line."""
    content = require_file(path).read_bytes()
    try:
        whole = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise FormatError(
            f"{path}, line {line}: expected text in UTF-8, and found the byte "
            f"0x{content[error.start]:02x}"
        ) from None
    words: list[str] = []
    numbers: list[int] = []
    for number, line in enumerate(whole.replace(":", " : ").split("\n"), start=1):
        found = line.partition("#")[0].split()
        words += found
        numbers += [number] * len(found)
    return Text(path, words, numbers, max(1, whole.count("\n") + (not whole.endswith("\n"))))


class _Names:
    """States or actions: their number, and their names if they have any."""

    def __init__(self, what: str, count: int, names: list[str] | None) -> None:
        self.what, self.count, self.names = what, count, names
        self.numbers = {str(index): index for index in range(count)}
        if names is not None:
            self.numbers |= {name: index for index, name in enumerate(names)}


class _Entries:
    """What statements say of triples (action, state, successor), in order: rows that are set anew, and single entries."""

    def __init__(self, n_actions: int, n_states: int) -> None:
        self.shape = n_actions, n_states
        #: (A, S) when each row was last set anew, what its entries were then, and the word of the
        #: file that said so.
        self.since = np.zeros(self.shape, dtype=np.int64)
        self.filled = np.zeros(self.shape)
        self.place = np.zeros(self.shape, dtype=np.int64)
        self.clock = 0
        self._single: list[tuple[int, int, int, float, int]] = []
        self._blocks: list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]] = []

    def fill(self, actions: list[int], states: list[int], value: float, place: int) -> None:
        """Give all entries of these rows a value."""
        self.clock += 1
        rows = np.ix_(actions, states)
        self.since[rows], self.filled[rows], self.place[rows] = self.clock, value, place

    def put(
        self, actions: list[int], states: list[int], successors: list[int], value: float, place: int
    ) -> None:
        """Give single entries a value."""
        self.clock += 1
        if len(actions) == len(states) == len(successors) == 1:
            self._single.append((actions[0], states[0], successors[0], value, self.clock))
            self.place[actions[0], states[0]] = place
            return
        a, s, t = (part.ravel() for part in np.meshgrid(actions, states, successors, indexing="ij"))
        self._blocks.append((a, s, t, np.full(a.size, value), np.full(a.size, self.clock)))
        self.place[np.ix_(actions, states)] = place

    def table(
        self, actions: list[int], states: list[int], table: Float[np.ndarray, "n S"], place: int
    ) -> None:
        """Set whole rows, one for each of these states."""
        self.fill(actions, states, 0.0, place)
        self.clock += 1
        i, t = np.nonzero(table)
        for action in actions:
            self._blocks.append(
                (
                    np.full(i.size, action),
                    np.array(states)[i],
                    t,
                    table[i, t],
                    np.full(i.size, self.clock),
                )
            )

    def entries(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return row ``a * S + s``, successor and value of what is set one by one and holds at the end, sorted."""
        n_states = self.shape[1]
        parts = list(self._blocks)
        if self._single:
            a, s, t, value, time = map(np.array, zip(*self._single, strict=True))
            parts.append((a, s, t, value, time))
        if not parts:
            return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64), np.empty(0)
        a, s, t, value, time = (np.concatenate(column) for column in zip(*parts, strict=True))
        row = a * n_states + s
        order = np.lexsort((time, t, row))
        row, t, value, time = row[order], t[order], value[order], time[order]
        last = np.append((row[1:] != row[:-1]) | (t[1:] != t[:-1]), True)
        holds = last & (time > self.since.ravel()[row])
        return row[holds], t[holds], value[holds]


class _Reader:
    """Goes through the words once, and keeps what they say."""

    def __init__(self, text: Text) -> None:
        self.text, self.at = text, 0
        self.discount: float | None = None
        self.sign = 0.0
        self.states: _Names | None = None
        self.actions: _Names | None = None
        self.initial: np.ndarray | None = None
        self.transitions: _Entries | None = None
        self.rewards: _Entries | None = None

    def model(self) -> MDP:
        """Read everything, and return the model."""
        statements = {"T": self._transition, "R": self._reward, "start": self._start}
        while self.at < len(self.text):
            word = self._word("a statement")
            if word in statements:
                self._complete()
                statements[word]()
            elif word in ("observations", "O"):
                raise self.text.error(
                    self.at - 1, "expected a model whose states are seen; this one has observations"
                )
            elif word in KEYWORDS:
                self._preamble(word)
            else:
                raise self.text.error(
                    self.at - 1, f"expected a statement such as T: or R:, and found {word!r}"
                )
        self._complete()
        return self._finished()

    def _complete(self) -> tuple[_Names, _Names, _Entries, _Entries]:
        """Return states, actions, transitions and rewards, which every statement but those of the preamble needs."""
        missing = [
            name
            for name, value in (
                ("discount", self.discount),
                ("values", self.sign or None),
                ("states", self.states),
                ("actions", self.actions),
            )
            if value is None
        ]
        if missing or self.states is None or self.actions is None:
            raise self.text.error(
                max(0, self.at - 1) if self.at < len(self.text) else self.at,
                f"expected {missing[0]}: before this",
            )
        if self.transitions is None or self.rewards is None:
            shape = self.actions.count, self.states.count
            self._bounded(shape[0] * shape[1], min(self.at, len(self.text) - 1))
            self.transitions, self.rewards = _Entries(*shape), _Entries(*shape)
        return self.states, self.actions, self.transitions, self.rewards

    # ---------------------------------------------------------------------------------------- words

    def _peek(self) -> str:
        return self.text.lines[self.at] if self.at < len(self.text) else ""

    def _word(self, what: str) -> str:
        if self.at >= len(self.text):
            raise self.text.error(self.at, f"expected {what}")
        self.at += 1
        return self.text.lines[self.at - 1]

    def _colon(self) -> None:
        word = self._word("a colon")
        if word != ":":
            raise self.text.error(self.at - 1, f"expected a colon, and found {word!r}")

    def _numbers(self, count: int, what: str) -> Float[np.ndarray, " n"]:
        start = self.at
        self.at = min(start + count, len(self.text))
        words = self.text.lines[start : self.at]
        values = self.text.reals(words, range(start, self.at), what)
        if len(words) < count:
            raise self.text.error(
                self.at, f"expected {count} numbers, {what} each, and found {len(words)}"
            )
        return values

    def _chances(self, count: int) -> Float[np.ndarray, " n"]:
        start = self.at
        values = self._numbers(count, "a probability")
        self.text.probabilities(self.text.lines[start : self.at], range(start, self.at))
        return values

    def _number(self, what: str) -> float:
        word = self._word(what)
        return self.text.real(word, self.at - 1, what)

    def _chance(self) -> float:
        value = self._number("a probability")
        if not 0 <= value <= 1 + MASS_TOLERANCE:
            raise self.text.error(
                self.at - 1, f"expected a probability from 0 to 1, and found {value}"
            )
        return value

    def _bounded(self, count: int, place: int) -> None:
        """Refuse what a star or a keyword makes too many of."""
        if count > ENTRIES:
            raise self.text.error(
                place, f"this stands for {count:,} entries, and at most {ENTRIES:,} are taken"
            )

    def _chosen(self, names: _Names) -> list[int]:
        """Read a name, a number or a star, and return what it stands for."""
        word = self._word(names.what)
        number = names.numbers.get(word)
        if number is not None:
            return [number]
        if word == EVERY:
            return list(range(names.count))
        raise self.text.error(
            self.at - 1, f"expected {names.what}, which {word!r} is not; there are {names.count}"
        )

    # ----------------------------------------------------------------------------------- statements

    def _preamble(self, word: str) -> None:
        place = self.at - 1
        if self.transitions is not None or self.initial is not None:
            raise self.text.error(place, f"expected {word}: before start:, T: and R:")
        self._colon()
        if {
            "discount": self.discount,
            "values": self.sign or None,
            "states": self.states,
            "actions": self.actions,
        }[word] is not None:
            raise self.text.error(place, f"{word}: is here for the second time")
        if word == "discount":
            self.discount = self._number("a discount")
            if not 0 <= self.discount <= 1:
                raise self.text.error(
                    self.at - 1,
                    f"expected a discount from 0 to 1, and found {self.text.lines[self.at - 1]}",
                )
        elif word == "values":
            kind = self._word("reward or cost")
            if kind not in ("reward", "cost"):
                raise self.text.error(self.at - 1, f"expected reward or cost, and found {kind!r}")
            self.sign = 1.0 if kind == "reward" else -1.0
        elif word == "states":
            self.states = self._listed("a state")
        else:
            self.actions = self._listed("an action")

    def _listed(self, what: str) -> _Names:
        """Read a number, or names up to the next statement."""
        start = self.at
        while self.at < len(self.text) and not (
            self._peek() in KEYWORDS
            and self.text.lines[self.at + 1 : self.at + 2] in ([":"], ["include"], ["exclude"])
        ):
            self.at += 1
        words = self.text.lines[start : self.at]
        if len(words) == 1 and words[0][0].isdecimal():
            count = int(self.text.integers(words, [start], "a count")[0])
            if not 0 < count < 2**31:
                raise self.text.error(start, f"expected at least one and not {count}")
            return _Names(what, count, None)
        if not words:
            raise self.text.error(start, f"expected a number, or names of each {what.split()[1]}")
        for index, word in enumerate(words):
            if not (word[0].isalpha() or word[0] == "_"):
                raise self.text.error(
                    start + index,
                    f"expected the name of {what}, which begins with a letter, and found {word!r}",
                )
        if len(set(words)) < len(words):
            twice = next(index for index, word in enumerate(words) if word in words[:index])
            raise self.text.error(
                start + twice, f"the name {words[twice]!r} is here for the second time"
            )
        return _Names(what, len(words), words)

    def _start(self) -> None:
        states = self._complete()[0]
        if self.initial is not None:
            raise self.text.error(self.at - 1, "start: is here for the second time")
        place, way = self.at - 1, ""
        if self._peek() in ("include", "exclude"):
            way = self._word("include or exclude")
        self._colon()
        initial = np.zeros(states.count)
        if way:
            start = self.at
            while self.at < len(self.text) and self._peek() not in KEYWORDS:
                initial[self._chosen(states)] = 1.0
            if self.at == start:
                raise self.text.error(self.at, "expected states")
            if way == "exclude":
                initial = 1.0 - initial
            if not initial.any():
                raise self.text.error(place, "no state is left to begin in")
            initial /= initial.sum()
        elif self._peek() == "uniform":
            self.at += 1
            initial[:] = 1.0 / states.count
        elif self._peek() in states.numbers and (
            not self._peek().isdecimal() or self._alone(states.count)
        ):
            initial[self._chosen(states)] = 1.0
        else:
            initial = self._chances(states.count)
            if abs(initial.sum() - 1.0) > MASS_TOLERANCE:
                raise self.text.error(
                    self.at - 1,
                    f"the probabilities of the first state sum to {initial.sum():.12g}, not to 1",
                )
        self.initial = initial

    def _alone(self, n_states: int) -> bool:
        """Whether one word follows before the next statement, so that it is a state and not the first of many probabilities."""
        return n_states > 1 and (
            self.at + 1 >= len(self.text) or self.text.lines[self.at + 1] in KEYWORDS
        )

    def _transition(self) -> None:
        states, actions, transitions, _ = self._complete()
        place = self.at - 1
        self._colon()
        chosen = self._chosen(actions)
        if self._peek() != ":":
            everywhere = list(range(states.count))
            if self._peek() == "identity":
                self.at += 1
                transitions.fill(chosen, everywhere, 0.0, place)
                for state in everywhere:
                    transitions.put(chosen, [state], [state], 1.0, place)
            elif self._peek() == "uniform":
                self._bounded(len(chosen) * states.count**2, place)
                self.at += 1
                transitions.fill(chosen, everywhere, 1.0 / states.count, place)
            else:
                transitions.table(
                    chosen,
                    everywhere,
                    self._chances(states.count**2).reshape(states.count, -1),
                    place,
                )
            return
        self.at += 1
        sources = self._chosen(states)
        if self._peek() == ":":
            self.at += 1
            successors = self._chosen(states)
            self._bounded(len(chosen) * len(sources) * len(successors), place)
            transitions.put(chosen, sources, successors, self._chance(), place)
        elif self._peek() == "uniform":
            self._bounded(len(chosen) * len(sources) * states.count, place)
            self.at += 1
            transitions.fill(chosen, sources, 1.0 / states.count, place)
        else:
            row = self._chances(states.count)
            transitions.table(chosen, sources, np.tile(row, (len(sources), 1)), place)

    def _reward(self) -> None:
        states, actions, _, rewards = self._complete()
        place = self.at - 1
        self._colon()
        chosen = self._chosen(actions)
        if self._peek() != ":":
            everywhere = list(range(states.count))
            table = self._numbers(states.count**2, "a reward").reshape(states.count, -1)
            rewards.table(chosen, everywhere, self.sign * table, place)
            return
        self.at += 1
        sources = self._chosen(states)
        if self._peek() != ":":
            row = self.sign * self._numbers(states.count, "a reward")
            rewards.table(chosen, sources, np.tile(row, (len(sources), 1)), place)
            return
        self.at += 1
        every = self._peek() == EVERY
        successors = self._chosen(states)
        if self._peek() == ":":
            self.at += 1
            if self._word("a star, for there are no observations") != EVERY:
                raise self.text.error(self.at - 1, "expected a star, for there are no observations")
        value = self.sign * self._number("a reward")
        if every:
            rewards.fill(chosen, sources, value, place)
        else:
            self._bounded(len(chosen) * len(sources), place)
            rewards.put(chosen, sources, successors, value, place)

    # ------------------------------------------------------------------------------------ the model

    def _finished(self) -> MDP:
        states, actions, transitions, rewards = self._complete()
        n_states, n_pairs = states.count, states.count * actions.count
        rows = _filled(transitions)
        sums = np.asarray(rows.sum(axis=1)).ravel()
        bad = np.abs(sums - 1.0) > MASS_TOLERANCE
        if bad.any():
            row = int(np.argmax(bad))
            action, state = divmod(row, n_states)
            place = int(transitions.place[action, state])
            raise self.text.error(
                place if sums[row] else len(self.text),
                f"the probabilities of action {action} in state {state} sum to {sums[row]:.12g}, "
                f"not to 1; {np.count_nonzero(bad)} of {n_pairs} pairs are off",
            )
        expected = rewards.filled.ravel().copy()
        row, successor, value = rewards.entries()
        change = sp.csr_array((value - expected[row], (row, successor)), shape=rows.shape)
        expected += np.asarray(rows.multiply(change).sum(axis=1)).ravel()
        # an action's states come one after the other here, a state's actions in the model
        order = np.arange(n_pairs).reshape(actions.count, n_states).T.ravel()
        assert self.discount is not None  # the preamble is complete
        try:
            return MDP(
                rows[order],
                expected.reshape(actions.count, n_states).T,
                self.discount,
                initial=np.full(n_states, 1.0 / n_states) if self.initial is None else self.initial,
                state_labels=states.names,
                action_labels=actions.names,
            )
        except ModelError as error:
            raise FormatError(
                f"{self.text.path} does not hold a consistent model: {error}"
            ) from error


def _filled(transitions: _Entries) -> sp.csr_array:
    """Return the (A·S, S) probabilities."""
    n_actions, n_states = transitions.shape
    row, successor, value = transitions.entries()
    dense = np.flatnonzero(transitions.filled.ravel())
    if dense.size:
        # a uniform row has all its entries, but those that were set afterwards
        again = np.isin(row, dense)
        table = np.repeat(transitions.filled.ravel()[dense][:, None], n_states, axis=1)
        table[np.searchsorted(dense, row[again]), successor[again]] = value[again]
        row = np.concatenate((row[~again], np.repeat(dense, n_states)))
        successor = np.concatenate((successor[~again], np.tile(np.arange(n_states), dense.size)))
        value = np.concatenate((value[~again], table.ravel()))
    rows = sp.csr_array((value, (row, successor)), shape=(n_actions * n_states, n_states))
    rows.eliminate_zeros()
    return rows
