"""Small random models with γ = 1, and their exact values in fractions.

A policy that does not end stays in a class of states for ever. Its value there is 0 if all rewards
of the class are 0; else +∞ or -∞ by the sign of the average reward; and if that is 0, it is left
open. The optimum is the best of all deterministic policies, each solved in fractions.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import truth

#: Probabilities other than 0 and 1: of a step that is seldom taken.
SELDOM = 2.0**-20
LOST, GAINED = "-∞", "+∞"


@dataclass(frozen=True)
class Arrays:
    """P (S, A, S); r, termination and available (S, A)."""

    P: np.ndarray
    r: np.ndarray
    termination: np.ndarray
    available: np.ndarray

    def mdp(self, **keywords):
        import regmdp as rm

        return rm.MDP(
            self.P, self.r, 1.0, termination=self.termination, available=self.available, **keywords
        )


def draw(seed):
    """Draw a model; consecutive seeds run through kinds of rewards."""
    rng = np.random.default_rng([4, seed])
    n_states, n_actions = int(rng.integers(1, 5)), int(rng.integers(1, 4))
    shape = n_states, n_actions
    available = rng.random(shape) < rng.choice([0.7, 1.0])
    termination = np.where(rng.random(shape) < 0.3, rng.choice([1.0, 0.5, 0.125, SELDOM], shape), 0)
    P = np.zeros((*shape, n_states))
    for s, a in np.ndindex(shape):
        P[s, a] = _draw_row(rng, n_states, s, 1.0 - termination[s, a])
    kind = ("reach", "cost", "mixed", "gain")[seed % 4]
    r = _draw_rewards(rng, kind, termination)
    if n_actions > 1 and rng.random() < 0.3:  # a tie
        for table in (P, r, termination, available):
            table[:, 1] = table[:, 0]
    if not available.any():
        available[0, 0] = True
    return Arrays(P, r * 2.0 ** rng.integers(-30, 31), termination, available)


def _draw_row(rng, n_states, s, mass):
    """Draw a row of a sum; only some kinds are exact in binary."""
    row, there = np.zeros(n_states), int(rng.integers(n_states))
    match rng.choice(["move", "stay", "eighths", "thirds", "any", "seldom"]):
        case "move":
            row[there] = 1.0
        case "stay":
            row[s] = 1.0
        case "eighths":
            row = rng.multinomial(8, rng.dirichlet(np.full(n_states, 0.5))) / 8.0
        case "thirds":
            row += np.bincount(rng.integers(n_states, size=3), minlength=n_states) / 3.0
        case "any":
            row = rng.dirichlet(np.ones(n_states))
        case _:
            row[s] += 1.0 - SELDOM
            row[there] += SELDOM
    return row * mass


def _draw_rewards(rng, kind, termination):
    """Draw rewards: at the end only, costs, of any sign at the end, or also on the way."""
    shape = termination.shape
    amount = rng.integers(1, 13, shape) / 4.0
    ends = termination > 0
    here = rng.random(shape) < 0.5
    match kind:
        case "reach":
            return np.where(ends & here, amount, 0.0)
        case "cost":
            return np.where(here, -amount, 0.0)
        case "mixed":
            sign = rng.choice([-1.0, 1.0], shape)
            return np.where(ends, sign * amount, np.where(here, -amount, 0.0))
        case _:
            return np.where(here, rng.choice([-2.0, -1.0, 1.0, 2.0], shape), 0.0)


def draw_regularized(seed):
    """Draw a problem with a regularizer, as one of :mod:`truth`, in which every loop loses."""
    model, rng = draw(seed), np.random.default_rng([5, seed])
    n_states = model.r.shape[0]
    family = truth.FAMILIES[1 + seed % 3]
    available, P, termination = model.available.copy(), model.P, model.termination
    available[:, 0] = True
    # some policy ends from every state
    termination[:, 0] = np.maximum(termination[:, 0], rng.choice([0.25, SELDOM], n_states))
    P[:, 0] *= (1.0 - termination[:, 0])[:, None] / np.maximum(P[:, 0].sum(axis=1), 0.5)[:, None]
    r = -rng.integers(0, 9, size=model.r.shape) / 4.0
    temperature = np.full(n_states, rng.choice([1.0, 0.1, 1e-3]))
    if family == "shannon":
        r = r - 1.0
        temperature = np.minimum(temperature, 0.5)  # below 1 / log 3, what entropy brings
    reference = None
    if family == "kl":
        weight = rng.uniform(0.1, 1.0, available.shape) * available
        reference = weight / weight.sum(axis=1, keepdims=True)
    initial = np.full(n_states, 1.0 / n_states)
    return truth.Problem(
        P, r, 1.0, available, termination, initial, family, temperature, reference, seed=seed
    )


@dataclass(frozen=True)
class Optimum:
    """The exact optimal value, a list of Fractions, LOST and GAINED.

    It is a lower bound where it is open: where a policy may stay with an average reward of 0, or
    both gain and lose without bound.
    """

    value: list
    open: bool

    @property
    def unbounded(self):
        return GAINED in self.value


def solve(model):
    """Solve a model by enumeration."""
    rows = _exact_rows(model)
    n = model.r.shape[0]
    choices = [list(np.flatnonzero(row)) or [None] for row in model.available]
    value, is_open = [LOST] * n, False
    for actions in itertools.product(*choices):
        own = _evaluate_actions(model, rows, actions)
        is_open |= None in own
        value = [_larger(x, LOST if y is None else y) for x, y in zip(value, own, strict=True)]
    return Optimum(value, is_open)


def evaluate(model, policy):
    """Return the exact value of a (S, A) policy; None where it is open."""
    rows = _exact_rows(model)
    n, n_actions = model.r.shape
    mixed, rewards, ends = [], [], []
    for s in range(n):
        weights = [Fraction(float(x)) for x in policy[s]]
        total = sum(weights)
        taken = [a for a in range(n_actions) if weights[a]]
        mixed.append(
            [
                sum((weights[a] / total * rows[s, a][t] for a in taken), Fraction(0))
                for t in range(n)
            ]
        )
        paid = (weights[a] / total * Fraction(float(model.r[s, a])) for a in taken)
        rewards.append(sum(paid, Fraction(0)))
        ends.append(not taken or any(model.termination[s, a] > 0 for a in taken))
    return evaluate_chain(mixed, rewards, ends)


def _exact_rows(model):
    """Return the row of each pair in fractions; what is missing to 1 stays in its state."""
    rows = {}
    for s, a in np.ndindex(model.r.shape):
        row = [Fraction(float(x)) for x in model.P[s, a]]
        row[s] += 1 - sum(row) - Fraction(float(model.termination[s, a]))
        rows[s, a] = row
    return rows


def _evaluate_actions(model, rows, actions):
    n = len(actions)
    nowhere = [Fraction(0)] * n
    return evaluate_chain(
        [nowhere if a is None else rows[s, a] for s, a in enumerate(actions)],
        [Fraction(0 if a is None else float(model.r[s, a])) for s, a in enumerate(actions)],
        [a is None or model.termination[s, a] > 0 for s, a in enumerate(actions)],
    )


def evaluate_chain(rows, rewards, ends):
    """Return the exact total reward of a chain from each state; None where it is open."""
    n = len(rewards)
    reach = [truth.find_reachable(rows, s) for s in range(n)]
    value = [None] * n
    stays = [not any(ends[t] for t in of) for of in reach]
    recurrent = [stays[s] and all(s in reach[t] for t in reach[s]) for s in range(n)]
    for s in range(n):
        if recurrent[s]:
            value[s] = _stay(rows, rewards, sorted(reach[s]))
    known = {s: value[s] for s in range(n) if recurrent[s]}
    finite = []
    for s in range(n):
        if recurrent[s]:
            continue
        met = {known[t] for t in reach[s] if t in known}
        if None in met or {LOST, GAINED} <= met:
            value[s] = None
        elif LOST in met or GAINED in met:
            value[s] = LOST if LOST in met else GAINED
        else:
            finite.append(s)
    matrix = [[Fraction(int(s == t)) - rows[s][t] for t in finite] for s in finite]
    solved = truth.solve(matrix, [rewards[s] for s in finite]) if finite else []
    for s, x in zip(finite, solved, strict=True):
        value[s] = x
    return value


def _stay(rows, rewards, states):
    """Return the value of staying in a class of states."""
    if all(rewards[s] == 0 for s in states):
        return Fraction(0)
    # the stationary distribution: p (I - P) = 0, of which one equation becomes Σ p = 1
    matrix = [[Fraction(int(s == t)) - rows[s][t] for s in states] for t in states]
    matrix[-1] = [Fraction(1)] * len(states)
    share = truth.solve(matrix, [Fraction(0)] * (len(states) - 1) + [Fraction(1)])
    gain = sum(p * rewards[s] for p, s in zip(share, states, strict=True))
    return None if gain == 0 else GAINED if gain > 0 else LOST


def _larger(one, other):
    """Return the larger of two values."""
    if LOST in (one, other):
        return other if one == LOST else one
    return GAINED if GAINED in (one, other) else max(one, other)
