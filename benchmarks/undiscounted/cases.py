"""Models of families of the Quantitative Verification Benchmark Set with their queries.

Each family is explored by a program of its own in this folder. The numbers of states are those
that are published for the originals (https://qcomp.org/benchmarks), except of the philosophers, who
act in rounds here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from consensus import consensus
from csma import csma
from firewire import CHILD, ROOT, firewire
from guarded import Explored
from philosophers import EATING, philosophers
from wlan import DONE, wlan
from zeroconf import IN_USE, USE, zeroconf

import regmdp as rm

__all__ = ["CASES", "Case", "Query"]


class Query(NamedTuple):
    """The largest or the least probability of a goal, or expected cost up to it.

    A probability may be that of reaching the goal through no state of another label.
    """

    name: str
    most: bool
    goal: str
    cost: str | None = None
    avoid: str | None = None

    @property
    def formula(self) -> str:
        """The query in the language of Storm."""
        path = f'!"{self.avoid}" U "{self.goal}"' if self.avoid else f'F "{self.goal}"'
        measure = f'R{{"{self.cost}"}}' if self.cost else "P"
        return f"{measure}{'max' if self.most else 'min'}=? [ {path} ]"

    def model(self, explored: Explored, labels: dict[str, np.ndarray], costs: dict) -> rm.MDP:
        """Return the model whose optimal value is the answer, or its negative for a least one."""
        state = explored.source
        first = np.searchsorted(state, state)  # the choices of a state follow each other
        mdp = rm.MDP.from_pairs(
            state,
            np.arange(state.size) - first,
            sp.csr_array(explored.rows),
            costs[self.cost] if self.cost else np.zeros(state.size),
            discount=1.0,
            initial=np.eye(1, explored.rows.shape[1])[0],
            labels=labels,
        )
        objective = "reward" if self.cost else "reach"
        return mdp.with_goal(self.goal, self.avoid, objective=objective, minimize=not self.most)


class Case(NamedTuple):
    """A family with its constants: how to explore it, its labels, costs and queries."""

    name: str
    explore: Callable[[], Explored]
    labels: dict[str, Callable[[Any], bool]]
    costs: dict[str, Callable[[str], float]]
    queries: list[Query]

    def label(self, explored: Explored) -> dict[str, np.ndarray]:
        """Return (S,) masks."""
        return {
            name: np.array([bool(holds(state)) for state in explored.states])
            for name, holds in self.labels.items()
        }

    def price(self, explored: Explored) -> dict[str, np.ndarray]:
        """Return (K,) costs of the choices."""
        return {
            name: np.array([cost(label) for label in explored.labels])
            for name, cost in self.costs.items()
        }


def _consensus(n: int, k: int) -> Case:
    def finished(s):
        return all(pc == 3 for pc in s[1::2])

    return Case(
        f"consensus-{n}-{k}",
        lambda: consensus(n, k),
        {
            "finished": finished,
            "heads": lambda s: finished(s) and all(s[2::2]),
            "disagree": lambda s: finished(s) and 0 < sum(s[2::2]) < n,
        },
        {"steps": lambda label: 1.0},
        [
            Query("c2", False, "heads"),
            Query("disagree", True, "disagree"),
            Query("steps_max", True, "finished", "steps"),
            Query("steps_min", False, "finished", "steps"),
        ],
    )


def _csma(n: int, k: int) -> Case:
    def collided(s):
        return s.b == 2 and any(s[3 + 4 * i] == 1 and s[6 + 4 * i] == k for i in range(n))

    return Case(
        f"csma-{n}-{k}",
        lambda: csma(n, k),
        {"delivered": lambda s: all(at == 4 for at in s[3::4]), "collided": collided},
        TIME,
        [
            Query("all_before_max", True, "delivered", avoid="collided"),
            Query("all_before_min", False, "delivered", avoid="collided"),
            Query("time_max", True, "delivered", "time"),
            Query("time_min", False, "delivered", "time"),
        ],
    )


def _firewire(delay: int) -> Case:
    return Case(
        f"firewire-{delay}",
        lambda: firewire(delay),
        {"elected": lambda s: {s.s0, s.s1} == {ROOT, CHILD}},
        TIME,
        [
            Query("time_max", True, "elected", "time"),
            Query("time_min", False, "elected", "time"),
        ],
    )


def _wlan(backoff: int) -> Case:
    return Case(
        f"wlan-{backoff}",
        lambda: wlan(backoff),
        {"sent": lambda s: s.s0 == s.s1 == DONE},
        {"time": lambda label: 50.0 * (label == "time")},
        [
            Query("sent", False, "sent"),
            Query("time_max", True, "sent", "time"),
            Query("time_min", False, "sent", "time"),
        ],
    )


def _zeroconf(probes: int, reset: bool) -> Case:
    return Case(
        f"zeroconf-{probes}{'' if reset else '-noreset'}",
        lambda: zeroconf(1000, probes, reset),
        {"wrong": lambda s: s.l == USE and s.ip == IN_USE},
        {},
        [Query("correct_max", True, "wrong"), Query("correct_min", False, "wrong")],
    )


def _philosophers(n: int, k: int) -> Case:
    return Case(
        f"philosophers-{n}-{k}",
        lambda: philosophers(n, k),
        {"eats": lambda s: EATING in s[:n]},
        {"rounds": lambda label: 1.0 * (label == "round"), "steps": lambda label: 1.0},
        [
            Query("rounds_max", True, "eats", "rounds"),
            Query("steps_min", False, "eats", "steps"),
        ],
    )


TIME = {"time": lambda label: 1.0 * (label == "time")}
#: In the order of their size, from about 10³ to 10⁶ transitions.
CASES = [
    _consensus(2, 2),
    _csma(2, 2),
    _zeroconf(8, True),
    _consensus(2, 16),
    _philosophers(3, 2),
    _wlan(0),
    _firewire(3),
    _csma(2, 4),
    _consensus(2, 64),
    _csma(3, 2),
    _wlan(2),
    _philosophers(4, 2),
    _consensus(4, 2),
    _csma(2, 6),
    _consensus(4, 4),
    _wlan(3),
    _zeroconf(2, False),
    _firewire(36),
    _zeroconf(4, False),
    _wlan(4),
    _consensus(4, 32),
]
