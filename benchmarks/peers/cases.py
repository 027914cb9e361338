"""The models on which the peers are compared."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from model import Model, save

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from families.catalogue import CASES as FAMILIES

import regmdp as rm

__all__ = ["CASES", "Case"]

DISCOUNTS = (0.99, 0.999)


@dataclass(frozen=True)
class Case:
    """A named model, with the temperature at which Shannon's entropy is tried on it."""

    name: str
    build: Callable[[], rm.MDP]
    temperature: float
    quick: bool

    def write(self, path: Path) -> Model:
        """Build the model, write it to a file, and return what was written."""
        mdp = self.build()
        state, action, rows, rewards = mdp.to_pairs()
        model = Model(
            n_states=mdp.n_states,
            n_actions=mdp.n_actions,
            state=state,
            action=action,
            rows=sp.csr_matrix(rows),
            rewards=rewards,
            termination=np.array(mdp.termination[state, action]),
            discount=mdp.discount,
            dense=mdp.transitions.storage == "dense",
        )
        save(path, model)
        return model


def _garnet(n_states: int, n_actions: int, branching: int, discount: float) -> Callable[[], rm.MDP]:
    return lambda: rm.models.garnet(n_states, n_actions, branching, rng=1, discount=discount)


def _maze(side: int, discount: float) -> Callable[[], rm.MDP]:
    return lambda: rm.models.gridworld(
        side, side, walls=rm.models.maze(side, side, rng=1), discount=discount
    )


def _cases() -> list[Case]:
    cases = []
    for discount in DISCOUNTS:
        for name, states, actions, branching in (
            ("garnet-1e3", 10**3, 10, 10),
            ("garnet-1e4-20x10", 10**4, 20, 10),
            ("garnet-1e4-50x20", 10**4, 50, 20),
            ("garnet-1e5", 10**5, 10, 10),
            ("garnet-1e6", 10**6, 4, 8),
            ("dense-500", 500, 10, 500),
            ("dense-1000", 1000, 20, 1000),
            ("dense-2000", 2000, 10, 2000),
        ):
            quick = states <= 10**3 or branching * actions == 200
            cases.append(
                Case(
                    f"{name}-{discount}", _garnet(states, actions, branching, discount), 0.1, quick
                )
            )
        # about half of the cells of a maze are walls
        for name, side in (("maze-1e4", 141), ("maze-1e5", 447), ("maze-1e6", 1415)):
            cases.append(Case(f"{name}-{discount}", _maze(side, discount), 1e-3, side == 141))
        for name, states in (("forest-1e3", 10**3), ("forest-1e5", 10**5)):
            build = partial(rm.models.forest, states, discount=discount)
            cases.append(Case(f"{name}-{discount}", build, 0.1, states == 10**3))
    for name, capacity in (("queue-1e3", 10**3), ("queue-1e4", 10**4), ("queue-1e5", 10**5)):
        build = partial(rm.models.queue, capacity - 1, discount=0.9999)
        cases.append(Case(f"{name}-0.9999", build, 0.1, capacity <= 10**4))
    for family in FAMILIES.values():
        if family.regularizer is None and not family.name.endswith("-1"):
            name = f"{family.role}-{family.name}"
            cases.append(Case(name, family.build, 0.1, False))
    return cases


CASES = {case.name: case for case in _cases()}
