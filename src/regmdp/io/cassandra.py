"""Cassandra's format of decision processes, of ``pomdp-solve``, for models with observed states.

A file is a sequence of words. Later statements replace earlier ones about the same transitions.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from regmdp._internal.arrays import Float
from regmdp._internal.errors import FormatError, ModelError
from regmdp.io.absorbing_states import end_at_absorbing_states
from regmdp.io.cassandra_entries import Entries, Names, probability_rows
from regmdp.io.cassandra_words import read_words
from regmdp.io.row_sums import check_row_sums
from regmdp.io.text_files import Text
from regmdp.mdp import MDP
from regmdp.mdp.validation import MASS_TOLERANCE

__all__ = ["read_cassandra"]

#: Words that begin a statement.
KEYWORDS = frozenset(
    ("discount", "values", "states", "actions", "observations", "start", "T", "O", "R")
)
STAR = "*"
#: Largest number of entries that one statement may stand for.
MAX_ENTRIES = 1 << 27


def read_cassandra(path: Path, *, discount: float | None = None, normalize: bool = False) -> MDP:
    """Read a model from a file in Cassandra's format; costs become negative rewards.

    Args:
        path: The file.
        discount: γ, instead of the file's own.
        normalize: Whether probabilities that nearly sum to 1 are divided by their sums.
    """
    return _Reader(read_words(path), discount, normalize).read_model()


class _Reader:
    """Reads the words of a file once, and keeps the data of the statements."""

    def __init__(self, text: Text, discount: float | None, normalize: bool) -> None:
        self.text, self.at = text, 0
        self.wanted_discount, self.normalize = discount, normalize
        self.discount: float | None = None
        self.sign = 0.0
        self.states: Names | None = None
        self.actions: Names | None = None
        self.initial: np.ndarray | None = None
        self.transitions: Entries | None = None
        self.rewards: Entries | None = None

    def read_model(self) -> MDP:
        """Read all statements, and return the model."""
        statements = {"T": self._read_transition, "R": self._read_reward, "start": self._read_start}
        while self.at < len(self.text):
            word = self._read_word("a statement")
            if word in statements:
                self._require_preamble()
                statements[word]()
            elif word in ("observations", "O"):
                raise self.text.error(
                    self.at - 1,
                    "expected a model with observed states; this one has observations: a decision "
                    "process with hidden states (POMDP) is not supported",
                )
            elif word in KEYWORDS:
                self._read_preamble(word)
            else:
                raise self.text.error(
                    self.at - 1, f"expected a statement such as T: or R:, and found {word!r}"
                )
        self._require_preamble()
        return self._build_model()

    def _require_preamble(self) -> tuple[Names, Names, Entries, Entries]:
        """Return states, actions, transitions and rewards, after the preamble is complete."""
        discount = self.discount if self.wanted_discount is None else self.wanted_discount
        missing = [
            name
            for name, value in (
                ("discount", discount),
                ("values", self.sign or None),
                ("states", self.states),
                ("actions", self.actions),
            )
            if value is None
        ]
        if missing or self.states is None or self.actions is None:
            hint = " (or give discount= or --discount)" if missing[0] == "discount" else ""
            raise self.text.error(
                max(0, self.at - 1) if self.at < len(self.text) else self.at,
                f"expected {missing[0]}: before this{hint}",
            )
        if self.transitions is None or self.rewards is None:
            shape = self.actions.count, self.states.count
            self._check_count(shape[0] * shape[1], min(self.at, len(self.text) - 1))
            self.transitions, self.rewards = Entries(*shape), Entries(*shape)
        return self.states, self.actions, self.transitions, self.rewards

    # ---------------------------------------------------------------------------------------- words

    def _peek_word(self) -> str:
        return self.text.lines[self.at] if self.at < len(self.text) else ""

    def _read_word(self, what: str) -> str:
        if self.at >= len(self.text):
            raise self.text.error(self.at, f"expected {what}")
        self.at += 1
        return self.text.lines[self.at - 1]

    def _read_colon(self) -> None:
        word = self._read_word("a colon")
        if word != ":":
            raise self.text.error(self.at - 1, f"expected a colon, and found {word!r}")

    def _read_numbers(self, count: int, what: str) -> Float[np.ndarray, " n"]:
        start = self.at
        self.at = min(start + count, len(self.text))
        words = self.text.lines[start : self.at]
        values = self.text.reals(words, range(start, self.at), what)
        if len(words) < count:
            raise self.text.error(
                self.at, f"expected {count} numbers, each {what}, and found {len(words)}"
            )
        return values

    def _read_probabilities(self, count: int) -> Float[np.ndarray, " n"]:
        start = self.at
        values = self._read_numbers(count, "a probability")
        self.text.probabilities(self.text.lines[start : self.at], range(start, self.at))
        return values

    def _read_number(self, what: str) -> float:
        word = self._read_word(what)
        return self.text.real(word, self.at - 1, what)

    def _read_probability(self) -> float:
        value = self._read_number("a probability")
        if not 0 <= value <= 1 + MASS_TOLERANCE:
            raise self.text.error(
                self.at - 1, f"expected a probability from 0 to 1, and found {value}"
            )
        return value

    def _check_count(self, count: int, place: int) -> None:
        """Check the number of entries that a star or a keyword stands for."""
        if count > MAX_ENTRIES:
            raise self.text.error(
                place, f"this stands for {count:,} entries; the limit is {MAX_ENTRIES:,}"
            )

    def _read_selection(self, names: Names) -> list[int]:
        """Read a name, a number or a star, and return the numbers that it stands for."""
        word = self._read_word(names.what)
        number = names.numbers.get(word)
        if number is not None:
            return [number]
        if word == STAR:
            return list(range(names.count))
        raise self.text.error(
            self.at - 1, f"expected {names.what}, and found {word!r}; there are {names.count}"
        )

    # ----------------------------------------------------------------------------------- statements

    def _read_preamble(self, word: str) -> None:
        place = self.at - 1
        if self.transitions is not None or self.initial is not None:
            raise self.text.error(place, f"expected {word}: before start:, T: and R:")
        self._read_colon()
        if {
            "discount": self.discount,
            "values": self.sign or None,
            "states": self.states,
            "actions": self.actions,
        }[word] is not None:
            raise self.text.error(place, f"{word}: is repeated")
        if word == "discount":
            self.discount = self._read_number("a discount")
            if not 0 <= self.discount <= 1:
                raise self.text.error(
                    self.at - 1,
                    f"expected a discount from 0 to 1, and found {self.text.lines[self.at - 1]}",
                )
        elif word == "values":
            kind = self._read_word("reward or cost")
            if kind not in ("reward", "cost"):
                raise self.text.error(self.at - 1, f"expected reward or cost, and found {kind!r}")
            self.sign = 1.0 if kind == "reward" else -1.0
        elif word == "states":
            self.states = self._read_names("a state")
        else:
            self.actions = self._read_names("an action")

    def _read_names(self, what: str) -> Names:
        """Read a count, or names up to the next statement."""
        start = self.at
        while self.at < len(self.text) and not (
            self._peek_word() in KEYWORDS
            and self.text.lines[self.at + 1 : self.at + 2] in ([":"], ["include"], ["exclude"])
        ):
            self.at += 1
        words = self.text.lines[start : self.at]
        if len(words) == 1 and words[0][0].isdecimal():
            count = int(self.text.integers(words, [start], "a count")[0])
            if not 0 < count < 2**31:
                raise self.text.error(
                    start, f"expected a count from 1 to 2^31 - 1, and found {count}"
                )
            return Names(what, count, None)
        if not words:
            raise self.text.error(
                start, f"expected a count, or the names of each {what.split()[1]}"
            )
        if words == [str(number) for number in range(len(words))]:
            return Names(what, len(words), None)
        for index, word in enumerate(words):
            if not (word[0].isalpha() or word[0] == "_"):
                raise self.text.error(
                    start + index,
                    f"expected the name of {what}, which begins with a letter, and found {word!r}",
                )
        if len(set(words)) < len(words):
            twice = next(index for index, word in enumerate(words) if word in words[:index])
            raise self.text.error(start + twice, f"the name {words[twice]!r} is repeated")
        return Names(what, len(words), words)

    def _read_start(self) -> None:
        states = self._require_preamble()[0]
        if self.initial is not None:
            raise self.text.error(self.at - 1, "start: is repeated")
        place, way = self.at - 1, ""
        if self._peek_word() in ("include", "exclude"):
            way = self._read_word("include or exclude")
        self._read_colon()
        initial = np.zeros(states.count)
        if way:
            start = self.at
            while self.at < len(self.text) and self._peek_word() not in KEYWORDS:
                initial[self._read_selection(states)] = 1.0
            if self.at == start:
                raise self.text.error(self.at, "expected states")
            if way == "exclude":
                initial = 1.0 - initial
            if not initial.any():
                raise self.text.error(place, "no initial state is left")
            initial /= initial.sum()
        elif self._peek_word() == "uniform":
            self.at += 1
            initial[:] = 1.0 / states.count
        elif self._peek_word() in states.numbers and (
            not self._peek_word().isdecimal() or self._is_single_word(states.count)
        ):
            initial[self._read_selection(states)] = 1.0
        else:
            row = sp.csr_array(self._read_probabilities(states.count)[None])
            initial = self._check_sums(row, lambda _: (place, "the initial probabilities"))
            initial = initial.toarray().ravel()
        self.initial = initial

    def _check_sums(
        self, rows: sp.csr_array, name: Callable[[int], tuple[int, str]]
    ) -> sp.csr_array:
        """Check the sums of rows, or normalise them; each has a place and a name for errors."""

        def error(row: int, problem: str) -> FormatError:
            place, what = name(row)
            return self.text.error(place, f"{what} {problem}")

        return check_row_sums(rows, self.normalize, error)

    def _is_single_word(self, n_states: int) -> bool:
        """Return whether the statement has one more word: a state, not probabilities."""
        return n_states > 1 and (
            self.at + 1 >= len(self.text) or self.text.lines[self.at + 1] in KEYWORDS
        )

    def _read_transition(self) -> None:
        states, actions, transitions, _ = self._require_preamble()
        place = self.at - 1
        self._read_colon()
        chosen = self._read_selection(actions)
        if self._peek_word() != ":":
            everywhere = list(range(states.count))
            if self._peek_word() == "identity":
                self.at += 1
                transitions.set_rows(chosen, everywhere, 0.0, place)
                for state in everywhere:
                    transitions.set_entries(chosen, [state], [state], 1.0, place)
            elif self._peek_word() == "uniform":
                self._check_count(len(chosen) * states.count**2, place)
                self.at += 1
                transitions.set_rows(chosen, everywhere, 1.0 / states.count, place)
            else:
                transitions.set_table(
                    chosen,
                    everywhere,
                    self._read_probabilities(states.count**2).reshape(states.count, -1),
                    place,
                )
            return
        self.at += 1
        sources = self._read_selection(states)
        if self._peek_word() == ":":
            self.at += 1
            successors = self._read_selection(states)
            self._check_count(len(chosen) * len(sources) * len(successors), place)
            transitions.set_entries(chosen, sources, successors, self._read_probability(), place)
        elif self._peek_word() == "uniform":
            self._check_count(len(chosen) * len(sources) * states.count, place)
            self.at += 1
            transitions.set_rows(chosen, sources, 1.0 / states.count, place)
        else:
            row = self._read_row(states.count)
            transitions.set_table(chosen, sources, np.tile(row, (len(sources), 1)), place)

    def _read_row(self, n_states: int) -> Float[np.ndarray, " S"]:
        """Return a row of probabilities; ``reset`` is the initial distribution."""
        if self._peek_word() != "reset":
            return self._read_probabilities(n_states)
        if self.initial is None:
            raise self.text.error(self.at, "expected start: before reset")
        self.at += 1
        return self.initial

    def _read_reward(self) -> None:
        states, actions, _, rewards = self._require_preamble()
        place = self.at - 1
        self._read_colon()
        chosen = self._read_selection(actions)
        if self._peek_word() != ":":
            everywhere = list(range(states.count))
            table = self._read_numbers(states.count**2, "a reward").reshape(states.count, -1)
            rewards.set_table(chosen, everywhere, self.sign * table, place)
            return
        self.at += 1
        sources = self._read_selection(states)
        if self._peek_word() != ":":
            row = self.sign * self._read_numbers(states.count, "a reward")
            rewards.set_table(chosen, sources, np.tile(row, (len(sources), 1)), place)
            return
        self.at += 1
        every = self._peek_word() == STAR
        successors = self._read_selection(states)
        if self._peek_word() == ":":
            self.at += 1
            if self._read_word("a star: there are no observations") != STAR:
                raise self.text.error(self.at - 1, "expected a star: there are no observations")
        value = self.sign * self._read_number("a reward")
        if every:
            rewards.set_rows(chosen, sources, value, place)
        else:
            self._check_count(len(chosen) * len(sources), place)
            rewards.set_entries(chosen, sources, successors, value, place)

    # ------------------------------------------------------------------------------------ the model

    def _build_model(self) -> MDP:
        states, actions, transitions, rewards = self._require_preamble()
        n_states, n_pairs = states.count, states.count * actions.count

        def name(row: int) -> tuple[int, str]:
            action, state = divmod(row, n_states)
            place = int(transitions.place[action, state])
            empty = rows.indptr[row] == rows.indptr[row + 1]
            what = f"the probabilities of action {action} in state {state}"
            return len(self.text) if empty else place, what

        rows = probability_rows(transitions)
        rows = self._check_sums(rows, name)
        expected = rewards.row_value.ravel().copy()
        row, successor, value = rewards.entries()
        change = sp.csr_array((value - expected[row], (row, successor)), shape=rows.shape)
        expected += np.asarray(rows.multiply(change).sum(axis=1)).ravel()
        # rows are action-major here, and state-major in the model
        order = np.arange(n_pairs).reshape(actions.count, n_states).T.ravel()
        discount = self.discount if self.wanted_discount is None else self.wanted_discount
        assert discount is not None  # the preamble is complete
        try:
            mdp = MDP(
                rows[order],
                expected.reshape(actions.count, n_states).T,
                discount,
                initial=np.full(n_states, 1.0 / n_states) if self.initial is None else self.initial,
                state_labels=states.names,
                action_labels=actions.names,
            )
        except ModelError as error:
            raise FormatError(
                f"{self.text.path} does not hold a consistent model: {error}"
            ) from error
        return end_at_absorbing_states(mdp, initial_given=True)
