"""Models from guarded commands, explored from their initial state.

A module yields the commands that are enabled in a state, each a label and a distribution of
updates. Commands without a label are taken alone. A labelled one is taken together with one of
every other module whose alphabet has the label, as in the languages of probabilistic model
checkers.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

__all__ = ["ALONE", "Explored", "Module", "explore"]

#: The label of a command that is taken alone.
ALONE = ""

State = Any  # a named tuple
Update = dict[str, int]
Distribution = list[tuple[float, Update]]


class Module(NamedTuple):
    """The labels on which a module synchronizes, and its enabled commands in a state."""

    alphabet: frozenset[str]
    commands: Callable[[State], Iterable[tuple[str, Distribution]]]


class Explored(NamedTuple):
    """The reachable states, and their K choices: (K,) states and labels, (K, S) rows.

    The first state is the initial one. A state without a choice has got a loop.
    """

    states: list[State]
    source: np.ndarray
    labels: list[str]
    rows: sp.csr_array


def explore(modules: list[Module], initial: State) -> Explored:
    """Explore breadth first the states that are reachable from the initial one."""
    number, states = {initial: 0}, [initial]
    field = {name: index for index, name in enumerate(initial._fields)}
    source, labels, targets, weights, ends = [], [], [], [], [0]
    for at, state in enumerate(states):  # grows while it is walked through
        choices = list(_choices(modules, state)) or [("loop", [(1.0, {})])]
        for label, distribution in choices:
            row: dict[int, float] = {}
            for probability, update in distribution:
                values = list(state)
                for name, value in update.items():
                    values[field[name]] = value
                successor = type(state)(*values)
                index = number.setdefault(successor, len(states))
                if index == len(states):
                    states.append(successor)
                row[index] = row.get(index, 0.0) + probability
            source.append(at)
            labels.append(label)
            targets.extend(row)
            weights.extend(row.values())
            ends.append(len(targets))
    shape = (len(source), len(states))
    rows = sp.csr_array((np.array(weights), np.array(targets), np.array(ends)), shape=shape)
    rows.sort_indices()
    return Explored(states, np.array(source), labels, rows)


def _choices(modules: list[Module], state: State) -> Iterable[tuple[str, Distribution]]:
    """Yield the label and the distribution of each choice of a state."""
    enabled: list[dict[str, list[Distribution]]] = []
    labels: dict[str, None] = {}
    for module in modules:
        commands: dict[str, list[Distribution]] = {}
        for label, distribution in module.commands(state):
            if label == ALONE:
                yield label, distribution
            else:
                commands.setdefault(label, []).append(distribution)
                labels[label] = None
        enabled.append(commands)
    for label in labels:
        taking = [
            commands.get(label, [])
            for module, commands in zip(modules, enabled, strict=True)
            if label in module.alphabet
        ]
        for together in itertools.product(*taking):
            yield label, _join(together)


def _join(distributions: tuple[Distribution, ...]) -> Distribution:
    """Return the distribution of the updates of several modules, taken together."""
    joint: Distribution = [(1.0, {})]
    for distribution in distributions:
        joint = [
            (p * probability, update | other)
            for p, update in joint
            for probability, other in distribution
        ]
    return joint
