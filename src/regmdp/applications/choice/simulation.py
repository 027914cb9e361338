"""Panels drawn from a model."""

from __future__ import annotations

from typing import Any

import numpy as np

from regmdp._internal.errors import SampleError
from regmdp.applications.choice.model import ChoiceSolution
from regmdp.applications.choice.panel import Panel

__all__ = ["simulate"]


def simulate(
    solution: ChoiceSolution,
    *,
    individuals: int,
    periods: int,
    rng: np.random.Generator,
    start: Any = None,
) -> Panel:
    """Draw a panel from a solved model.

    Args:
        solution: The model, solved at the parameters to draw from.
        individuals: How many.
        periods: Rows for each of them.
        rng: The random generator.
        start: (S,) probabilities of the first state; by default those of the decision process,
            uniform.

    Raises:
        SampleError: if there are no individuals or periods, or the start is not a distribution.
    """
    if individuals < 1 or periods < 1:
        raise SampleError(f"there must be individuals and periods, not {individuals} and {periods}")
    mdp = solution.mdp
    first = mdp.initial if start is None else np.asarray(start, dtype=np.float64)
    if first.shape != (mdp.n_states,) or not np.isclose(first.sum(), 1.0) or (first < 0).any():
        raise SampleError(f"start must be {mdp.n_states} probabilities that sum to 1")
    rows = mdp.transitions.to_csr()
    chosen = np.cumsum(solution.probabilities, axis=1)
    states, choices = (np.empty((periods, individuals), dtype=np.int64) for _ in range(2))
    state = rng.choice(mdp.n_states, size=individuals, p=first)
    for period in range(periods):
        choice = np.argmax(
            rng.random(individuals)[:, None] * chosen[state, -1:] < chosen[state], axis=1
        )
        states[period], choices[period] = state, choice
        state = _drawn(rows, state * mdp.n_actions + choice, rng)
    who = np.repeat(np.arange(individuals), periods)
    return Panel(who, np.tile(np.arange(periods), individuals), states.T.ravel(), choices.T.ravel())


def _drawn(rows: Any, which: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw a successor from each of some rows: the first whose cumulative probability is reached."""
    total = np.concatenate(([0.0], np.cumsum(rows.data)))
    first, last = rows.indptr[which], rows.indptr[which + 1]
    level = total[first] + rng.random(which.size) * (total[last] - total[first])
    return rows.indices[np.clip(np.searchsorted(total, level, side="right") - 1, first, last - 1)]
