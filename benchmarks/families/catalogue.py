"""The cases: families with sizes, discounts and regularizers.

Methods were tuned on the families with the role ``TUNE`` only; those with the role ``TEST``, a
third of all, were measured afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

import regmdp as rm
from families import control, graphs, operations

__all__ = ["CASES", "TEST", "TUNE", "Case"]

TUNE, TEST = "tune", "test"


@dataclass(frozen=True)
class Case:
    """A model of a family, and the regularizer with which it is solved.

    Attributes:
        name: The family, the size and the discount.
        build: Builds the model.
        role: Whether the family was used for tuning.
        regularizer: The name of a regularizer, and its temperature; or None.
    """

    name: str
    build: Callable[[], rm.MDP]
    role: str
    regularizer: tuple[str, float] | None = None

    def make_regularizer(self, mdp: rm.MDP) -> rm.Regularizer | None:
        """Return the regularizer for the model."""
        if self.regularizer is None:
            return None
        name, temperature = self.regularizer
        if name == "KL":
            reference = np.where(mdp.available, np.arange(1.0, mdp.n_actions + 1), 0.0)
            sums = reference.sum(axis=1, keepdims=True)
            return rm.KL(reference / np.where(sums > 0, sums, 1.0), temperature)
        return {
            "Shannon": lambda: rm.Shannon(temperature),
            "Tsallis": lambda: rm.Tsallis(1.5, temperature),
        }[name]()


#: Family, its function, its role, and for each case the arguments and the regularizer.
FAMILIES: list[tuple[str, Callable[..., rm.MDP], str, list[tuple]]] = [
    (
        "two-items",
        operations.two_items,
        TUNE,
        [(100, 0.99), (250, 0.99), (100, 0.999), (447, 0.99)],
    ),
    ("inventory", operations.inventory, TUNE, [(1000, 0.99), (3000, 0.9), (2000, 0.999)]),
    (
        "service-rates",
        operations.service_rates,
        TUNE,
        [(1000, 0.9), (20000, 0.999), (20000, 0.9999)],
    ),
    (
        "tandem",
        operations.tandem,
        TUNE,
        [(100, 0.99), (200, 0.999), (100, 0.9999), (60, 0.999, ("Shannon", 0.1))],
    ),
    (
        "components",
        operations.components,
        TUNE,
        [(6, 6, 0.99), (4, 10, 0.99), (5, 6, 0.999), (5, 5, 0.99, ("KL", 0.5))],
    ),
    (
        "buses",
        operations.buses,
        TUNE,
        [(1000, 0.99), (100000, 0.9999), (10000, 0.999, ("Shannon", 1.0))],
    ),
    (
        "forest",
        graphs.forest,
        TUNE,
        [(10**5, 0.99), (10**4, 0.999), (10**6, 0.99), (10**5, 0.99, ("Shannon", 0.1))],
    ),
    ("queue", graphs.queue, TUNE, [(10**3, 0.9999), (10**4, 0.9999), (10**5, 0.99)]),
    (
        "garnet",
        graphs.garnet,
        TUNE,
        [
            (10**4, 50, 20, 0.99),
            (10**4, 20, 10, 0.999),
            (10**5, 10, 10, 0.99),
            (10**3, 10, 10, 0.9),
            (10**4, 50, 20, 0.9),
            (10**4, 20, 10, 0.99, ("Shannon", 0.1)),
            (10**4, 20, 10, 0.99, ("Tsallis", 0.1)),
        ],
    ),
    (
        "maze",
        control.maze,
        TUNE,
        [(141, 0.99), (141, 0.999), (447, 0.9999), (141, 0.99, ("Shannon", 1e-3))],
    ),
    ("plane", control.plane, TUNE, [(100, 0.99), (300, 0.999), (100, 0.9)]),
    ("four-rooms", control.four_rooms, TUNE, [(100, 0.99), (60, 1.0)]),
    ("mountain-car", control.mountain_car, TUNE, [(100, 0.99), (200, 0.999), (60, 1.0)]),
    ("pendulum", control.pendulum, TUNE, [(71, 0.95), (101, 0.99), (101, 0.99, ("Shannon", 0.1))]),
    (
        "slow-modes",
        graphs.slow_modes,
        TUNE,
        [
            (10**4, 10, 0.99),
            (10**4, 10, 0.9999),
            (10**5, 4, 0.999),
            (10**4, 4, 0.999, ("Shannon", 0.1)),
        ],
    ),
    ("blocks", graphs.blocks, TUNE, [(100, 100, 0.99), (100, 100, 0.9999), (30, 1000, 0.999)]),
    ("star", graphs.star, TUNE, [(50, 200, 0.99), (100, 1000, 0.999)]),
    (
        "stochastic-paths",
        graphs.stochastic_paths,
        TUNE,
        [(10**4, 0.99), (10**4, 1.0), (10**5, 0.999)],
    ),
    ("layered", graphs.layered, TUNE, [(100, 100, 0.99), (20, 1000, 0.999)]),
    ("ring", graphs.ring, TUNE, [(10**4, 0.99), (10**4, 0.9999)]),
    ("dense", graphs.garnet, TUNE, [(1000, 20, 1000, 0.99), (2000, 10, 2000, 0.99)]),
    (
        "perishable",
        operations.perishable,
        TEST,
        [(14, 0.95), (24, 0.99), (14, 0.99, ("Shannon", 0.5))],
    ),
    ("admission", operations.admission, TEST, [(2000, 0.99), (10000, 0.9999)]),
    (
        "routing",
        operations.routing,
        TEST,
        [(100, 0.99), (200, 0.999), (70, 0.99, ("Tsallis", 0.1))],
    ),
    ("car-rental", operations.car_rental, TEST, [(40, 0.9), (70, 0.99)]),
    ("cart-pole", control.cart_pole, TEST, [(11, 0.99), (17, 0.99), (11, 0.99, ("KL", 0.1))]),
    ("windy", control.windy, TEST, [(100, 0.99), (200, 0.999), (60, 1.0)]),
    ("sailing", control.sailing, TEST, [(40, 0.99), (100, 0.99)]),
    ("route-network", graphs.route_network, TEST, [(100, 0.99), (300, 0.999), (60, 1.0)]),
    ("gambler", graphs.gambler, TEST, [(1000, 0.99), (20000, 0.9999)]),
    ("secretary", graphs.secretary, TEST, [(10**4, 0.99), (10**5, 0.999)]),
]


def _make_cases() -> list[Case]:
    cases = []
    for family, build, role, sizes in FAMILIES:
        for arguments in sizes:
            regularizer = arguments[-1] if isinstance(arguments[-1], tuple) else None
            given = arguments[:-1] if regularizer else arguments
            name = "-".join((family, *(f"{number:g}" for number in given)))
            name = f"{name}-{regularizer[0]}" if regularizer else name
            cases.append(Case(name, partial(build, *given), role, regularizer))
    return cases


CASES = {case.name: case for case in _make_cases()}
