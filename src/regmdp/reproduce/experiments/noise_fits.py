"""Exponents fitted to the error floors of inexact natural policy gradient."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from regmdp._internal.arrays import Float
from regmdp.reproduce.experiments.noise_runs import ARMS, GARNET, KINDS, Floors, Settings

__all__ = [
    "DeltaExponents",
    "fit_arms_exponent",
    "fit_delta_exponent",
    "fit_delta_exponents",
    "fit_exponent",
    "floors_by_step",
]


def fit_exponent(x: Iterable[float], y: Iterable[float]) -> float:
    """Fit the exponent of a power law to positive points; NaN for fewer than two."""
    x, y = np.array(list(x)), np.array(list(y))
    x, y = x[y > 0.0], y[y > 0.0]
    return float(np.polyfit(np.log(x), np.log(y), 1)[0]) if x.size >= 2 else math.nan


def fit_delta_exponent(
    floors: Floors, name: str, key: tuple[str, str, float], low: float, high: float
) -> float:
    """Fit the exponent of the median floor in δ between two sizes."""
    problem, kind, share = key
    found = {
        delta: float(np.median(one[name]))
        for (p, k, delta, s), one in floors.items()
        if (p, k, s) == (problem, kind, share) and low <= delta <= high
    }
    return fit_exponent(found.keys(), found.values())


class DeltaExponents(NamedTuple):
    """Exponents of δ for all kinds of errors and step sizes, for δ of at most τ/2.

    Attributes:
        q: (n,) exponents of the floor of Q; none if there are fewer than two such δ.
        log_policy: (n,) exponents of the floor of log π.
    """

    q: tuple[float, ...]
    log_policy: tuple[float, ...]


def fit_delta_exponents(floors: Floors, settings: Settings) -> DeltaExponents:
    """Fit the exponents of δ of all kinds of errors and step sizes."""
    found = [
        tuple(
            fit_delta_exponent(floors, name, (GARNET, kind, share), 0.0, 0.5 * settings.temperature)
            for kind in KINDS
            for share in settings.shares
        )
        for name in ("q", "log_policy")
    ]
    known = (tuple(one for one in slopes if not math.isnan(one)) for slopes in found)
    return DeltaExponents(*known)


def fit_arms_exponent(floors: Floors, settings: Settings) -> float:
    """Fit the exponent of δ of the floor of Q on two arms, for δ of 3τ and more."""
    key = (ARMS, "adversarial", settings.shares[0])
    return fit_delta_exponent(floors, "q", key, 2.99 * settings.temperature, math.inf)


def floors_by_step(floors: Floors, kind: str, settings: Settings) -> Float[np.ndarray, " n"]:
    """Return the (n,) median floors of Q with the error for all steps, largest step first."""
    return np.array(
        [np.median(floors[GARNET, kind, settings.delta, share]["q"]) for share in settings.swept]
    )
