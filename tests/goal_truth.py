"""Exact answers about goals of small models, by trying out all deterministic policies."""

from fractions import Fraction
from itertools import product
from math import inf

import numpy as np

import regmdp as rm

__all__ = ["draw_model", "solve_by_enumeration"]


def draw_model(rng, n_states=5, n_actions=2, *, sparse=False, ends=True):
    """A model with integer rewards, many of them 0, whose probabilities are multiples of 1/4.

    Few successors make traps and cycles likely. Some states are terminal, some pairs terminate.
    """
    rows = np.zeros((n_states, n_actions, n_states))
    for state, action in np.ndindex(n_states, n_actions):
        for _ in range(4 if rng.random() < 0.5 else 1):
            rows[state, action, rng.integers(n_states)] += 1.0
    rows /= rows.sum(axis=-1, keepdims=True)
    rewards = rng.integers(0, 3, (n_states, n_actions)) * rng.integers(0, 2, (n_states, n_actions))
    available = rng.random((n_states, n_actions)) < 0.9
    termination = np.zeros((n_states, n_actions))
    if ends:
        termination = 0.25 * (rng.random((n_states, n_actions)) < 0.05)
        available[n_states - 1] = rng.random() < 0.5
    else:
        available[:, 0] = True
    available[0, 0] = True
    rows *= (1.0 - termination)[..., None]
    if sparse:
        import scipy.sparse as sp

        rows = sp.csr_array(rows.reshape(-1, n_states))
    return rm.MDP(rows, rewards.astype(float), 1.0, available=available, termination=termination)


def solve_by_enumeration(mdp, goal, avoid, objective, minimize):
    """(S,) minima or maxima over all deterministic policies of an undiscounted model, exactly.

    A reward until the goal is infinite from a state where the goal is not reached with certainty.
    """
    best = None
    choices = [np.flatnonzero(row) if row.any() else [None] for row in mdp.available]
    P = mdp.to_array()
    for policy in product(*choices):
        answer = _follow(mdp, P, policy, goal, avoid, objective)
        pick = min if minimize else max
        best = answer if best is None else [pick(a, b) for a, b in zip(best, answer, strict=True)]
    return np.array([float(number) for number in best])


def _follow(mdp, P, policy, goal, avoid, objective):
    """The probability of the goal from each state under one policy, or what is collected until."""
    n = mdp.n_states
    moving = [s for s in range(n) if s not in goal and s not in avoid and policy[s] is not None]
    step = {s: [Fraction(p).limit_denominator(16) for p in P[s, policy[s]]] for s in moving}
    reaching = _search(step, goal)
    inner = [s for s in moving if s in reaching]
    reach = _solve(step, inner, {s: sum(step[s][t] for t in goal) for s in inner})
    chance = [Fraction(s in goal) if s not in inner else reach[s] for s in range(n)]
    if objective == "reach":
        return chance
    sure = [s for s in inner if chance[s] == 1]
    paid = {s: Fraction(1) for s in sure}
    if objective == "reward":
        paid = {s: Fraction(float(mdp.rewards[s, policy[s]])) for s in sure}
    total = _solve(step, sure, paid)
    return [total[s] if s in sure else 0 if s in goal else inf for s in range(n)]


def _search(step, goal):
    reaching = set(goal)
    while True:
        more = {s for s, row in step.items() if any(row[t] for t in reaching)} - reaching
        if not more:
            return reaching
        reaching |= more


def _solve(step, states, right):
    """Solve x = right + step x on some states by elimination."""
    rows = [[Fraction(s == t) - step[s][t] for t in states] + [Fraction(right[s])] for s in states]
    size = len(states)
    for i in range(size):
        pivot = next(k for k in range(i, size) if rows[k][i])
        rows[i], rows[pivot] = rows[pivot], rows[i]
        rows[i] = [entry / rows[i][i] for entry in rows[i]]
        for k in range(size):
            if k != i and rows[k][i]:
                rows[k] = [a - rows[k][i] * b for a, b in zip(rows[k], rows[i], strict=True)]
    return {s: rows[i][size] for i, s in enumerate(states)}
