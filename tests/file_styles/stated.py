"""Random models as model checkers store them: choices with several rewards, and labels."""

from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

#: Denominator of the probabilities.
GRAIN = 16
LABELS = ("goal", "done", "_a1", "x")


@dataclass
class Stated:
    """What a random file states."""

    rng: np.random.Generator
    chain: bool = False
    rows: list = field(default_factory=list)  # of each state a list of (S,) rows
    names: list = field(default_factory=list)  # of each state a list of names, perhaps ""
    of_states: np.ndarray = None  # (k, S)
    of_choices: list = None  # of each state (k, choices)
    labels: dict = field(default_factory=dict)
    n_rewards: int = 1

    def __post_init__(self):
        rng = self.rng
        self.chain = bool(rng.random() < 0.3)
        n_states = int(rng.integers(1, 6))
        self.n_rewards = int(rng.integers(0, 4))
        named = rng.random() < 0.7
        for state in range(n_states):
            count = 1 if self.chain else int(rng.integers(1, 4))
            self.rows.append([self.row(n_states, state) for _ in range(count)])
            names = list(rng.permutation(["go", "stay", "a_2", ""])[:count])
            self.names.append(names if named and not self.chain else [""] * count)
        self.of_states = self.paid(n_states)
        self.of_choices = [self.paid(len(rows)) for rows in self.rows]
        self.labels["init"] = np.flatnonzero(rng.random(n_states) < 0.5)
        if not self.labels["init"].size:
            self.labels["init"] = np.array([int(rng.integers(n_states))])
        for label in LABELS:
            if rng.random() < 0.4:
                self.labels[label] = np.flatnonzero(rng.random(n_states) < 0.4)

    @property
    def n_states(self):
        return len(self.rows)

    def row(self, n_states, state):
        if self.rng.random() < 0.3:
            return (np.arange(n_states) == state) * 1.0
        return self.rng.multinomial(GRAIN, np.full(n_states, 1 / n_states)) / GRAIN

    def paid(self, count):
        values = self.rng.integers(-8, 9, size=(self.n_rewards, count)) / 4
        return values * (self.rng.random(values.shape) < 0.6)

    def pick(self, *choices):
        return choices[int(self.rng.integers(len(choices)))]

    def number(self, value):
        fraction = Fraction(float(value))
        texts = [repr(float(value)), f"{value:.17g}", f"{value:.10e}"]
        if fraction.denominator > 1:
            texts.append(f"{fraction.numerator}/{fraction.denominator}")
        return self.pick(*texts)

    def expected(self, which, of_transitions=None):
        """Return the sorted (row, reward) of the choices of each state; None if it is terminal."""
        found = []
        for state, rows in enumerate(self.rows):
            choices = []
            for number, row in enumerate(rows):
                paid = 0.0
                if self.n_rewards:
                    paid = self.of_states[which, state] + self.of_choices[state][which, number]
                if of_transitions is not None:
                    paid += float(row @ of_transitions[which][state][number])
                choices.append((*row, paid))
            rests = all(c[-1] == 0 and c[state] == 1 for c in choices)
            found.append(None if rests else sorted(choices))
        if any(one is not None for one in found):
            return found
        return [sorted((*row, 0.0) for row in rows) for rows in self.rows]


def require_stated(mdp, stated, expected):
    """Check a model against the choices that a file states."""
    assert mdp.n_states == stated.n_states
    state, _, rows, rewards = mdp.to_pairs()
    for number, choices in enumerate(expected):
        own = np.flatnonzero(state == number)
        if choices is None:
            assert mdp.terminal[number]
            continue
        found = sorted((*rows[[i]].toarray()[0], rewards[i]) for i in own)
        np.testing.assert_allclose(found, choices, atol=1e-12)
    initial = np.zeros(stated.n_states)
    initial[stated.labels["init"]] = 1 / stated.labels["init"].size
    np.testing.assert_allclose(mdp.initial, initial, atol=1e-12)
