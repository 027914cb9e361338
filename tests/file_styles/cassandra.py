"""Random files in all forms that Cassandra's grammar allows, with the arrays that they state."""

from typing import NamedTuple

import numpy as np

#: Numbers of which any few have an exact sum.
GRAIN = 16


class Stated(NamedTuple):
    """A file and what it states."""

    text: str
    P: np.ndarray  # (A, S, S)
    rewards: np.ndarray  # (A, S, S)
    discount: float
    initial: np.ndarray


class Writer:
    """Writes statements, and applies each to arrays, as the format's description says."""

    def __init__(self, rng):
        self.rng = rng
        self.n_states, self.n_actions = int(rng.integers(1, 6)), int(rng.integers(1, 4))
        self.states = self.names("s", self.n_states)
        self.actions = self.names("a-", self.n_actions)
        self.P = np.zeros((self.n_actions, self.n_states, self.n_states))
        self.R = np.zeros_like(self.P)
        self.initial = np.full(self.n_states, 1 / self.n_states)
        self.lines = []
        self.has_start = False

    def names(self, letter, count):
        """Names, or None."""
        return [f"{letter}_{i}" for i in range(count)] if self.rng.random() < 0.6 else None

    def pick(self, *choices):
        return choices[int(self.rng.integers(len(choices)))]

    # ---- words ----

    def number(self, value):
        texts = [repr(float(value)), f"{value:.17e}", f"{value:.12f}"]
        if value == int(value):
            texts += [str(int(value)), f"{int(value)}."]
        return self.pick(*texts)

    def signed(self, value):
        text = self.number(abs(value))
        return f"{self.pick('-', '- ')}{text}" if value < 0 else f"{self.pick('', '+', '+ ')}{text}"

    def selection(self, names, count):
        """Return a name, number or star, and what it stands for."""
        if self.rng.random() < 0.25:
            return "*", list(range(count))
        index = int(self.rng.integers(count))
        return (names[index] if names and self.rng.random() < 0.5 else str(index)), [index]

    def action(self):
        return self.selection(self.actions, self.n_actions)

    def state(self):
        return self.selection(self.states, self.n_states)

    def row(self):
        """Probabilities that sum to 1."""
        parts = self.rng.multinomial(GRAIN, np.full(self.n_states, 1 / self.n_states))
        if self.rng.random() < 0.3:
            parts = GRAIN * (np.arange(self.n_states) == self.rng.integers(self.n_states))
        return parts / GRAIN

    def join(self, *words):
        """Join words and colons; white space around colons is free."""
        text = ""
        for word in words:
            text += self.pick(":", " : ", ": ", "\t:\n") if word == ":" else word
        return text

    def table(self, values, write):
        """Write a matrix; line ends are free."""
        rows = [self.pick(" ", "\t", "  ").join(map(write, row)) for row in np.atleast_2d(values)]
        return self.pick("\n", " ", " # a comment\n").join(rows)

    # ---- statements ----

    def transition(self):
        action, chosen = self.action()
        form = int(self.rng.integers(3))
        if form == 0:
            (state, sources), (successor, targets) = self.state(), self.state()
            p = self.rng.integers(GRAIN + 1) / GRAIN
            self.P[np.ix_(chosen, sources, targets)] = p
            words = [action, ":", state, ":", successor, " ", self.number(p)]
        elif form == 1:
            state, sources = self.state()
            word, row = self.pick(
                ("uniform", 1 / self.n_states), ("reset", self.initial), (None, 0)
            )
            if word is None or (word == "reset" and not self.has_start):
                row = self.row()
                word = self.table(row, self.number)
            self.P[np.ix_(chosen, sources)] = row
            words = [action, ":", state, self.pick(" ", "\n"), word]
        else:
            word, matrix = self.pick(
                ("uniform", 1 / self.n_states), ("identity", np.eye(self.n_states)), (None, 0)
            )
            if word is None:
                matrix = np.array([self.row() for _ in range(self.n_states)])
                word = self.table(matrix, self.number)
            self.P[chosen] = matrix
            words = [action, self.pick(" ", "\n"), word]
        self.lines.append(self.join("T", ":", *words))

    def complete(self):
        """State rows that do not sum to 1 yet."""
        for a, s in np.argwhere(np.abs(self.P.sum(axis=2) - 1) > 1e-12):
            self.P[a, s] = self.row()
            self.lines.append(self.join("T", ":", str(a), ":", str(s), " "))
            self.lines[-1] += self.table(self.P[a, s], self.number)

    def reward(self):
        action, chosen = self.action()
        form = int(self.rng.integers(3))
        shape = ((), (self.n_states,), (self.n_states, self.n_states))[form]
        values = self.rng.integers(-8, 9, size=shape) / 4
        if form == 0:
            (state, sources), (successor, targets) = self.state(), self.state()
            self.R[np.ix_(chosen, sources, targets)] = values
            more = self.pick([], [":", "*"])
            words = [action, ":", state, ":", successor, *more, " ", self.signed(float(values))]
        elif form == 1:
            state, sources = self.state()
            self.R[np.ix_(chosen, sources)] = values
            words = [action, ":", state, " ", self.table(values, self.signed)]
        else:
            self.R[chosen] = values
            words = [action, " ", self.table(values, self.signed)]
        self.lines.append(self.join("R", ":", *words))

    def start(self):
        """Write the initial distribution in one of the forms, or none."""
        form = int(self.rng.integers(6))
        self.has_start = form > 0
        if form == 0:
            return []
        if form == 1:
            return ["start", ":", " uniform"]
        if form == 2:
            index = int(self.rng.integers(self.n_states))
            if self.n_states == 1 and not self.states:
                return ["start", ":", " 1.0"]
            self.initial = np.eye(self.n_states)[index]
            return ["start", ":", " ", self.states[index] if self.states else str(index)]
        if form == 3:
            self.initial = self.row()
            return ["start", ":", " ", self.table(self.initial, self.number)]
        listed = [self.selection(self.states, self.n_states) for _ in range(2)]
        marked = np.zeros(self.n_states)
        for _, indices in listed:
            marked[indices] = 1
        word = "include"
        if not marked.all() and form == 5:
            word, marked = "exclude", 1 - marked
        self.initial = marked / marked.sum()
        return [f"start {word}", ":", " ", " ".join(name for name, _ in listed)]

    def preamble(self, discount, sign):
        parts = [
            ["discount", ":", " ", self.number(discount)],
            ["values", ":", " ", "reward" if sign > 0 else "cost"],
            ["states", ":", " ", " ".join(self.states) if self.states else str(self.n_states)],
            ["actions", ":", " ", " ".join(self.actions) if self.actions else str(self.n_actions)],
        ]
        self.rng.shuffle(parts)
        return [self.join(*words) for words in parts]


def write_random(rng):
    """Return a random file and what it states."""
    writer = Writer(rng)
    discount, sign = float(rng.choice([0.0, 0.5, 0.9, 1.0])), int(rng.choice([-1, 1]))
    head = writer.preamble(discount, sign)
    start = writer.start()
    head += [writer.join(*start)] if start else []
    for _ in range(int(rng.integers(1, 12))):
        (writer.transition if rng.random() < 0.5 else writer.reward)()
    writer.complete()
    gap = writer.pick("\n", "\n\n# a comment: T: 0\n", "\r\n", "  \n\t")
    text = gap.join(["# a file", *head, *writer.lines]) + writer.pick("", "\n")
    return Stated(text, writer.P, sign * writer.R, discount, writer.initial)
