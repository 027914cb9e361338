"""Simulation of panels."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from regmdp._internal.arrays import ArrayLike, Int
from regmdp._internal.errors import SampleError
from regmdp._internal.memory import require_memory
from regmdp._internal.parameters import Distributions, Generator, Instance, Integer, checked
from regmdp.applications.choice.model import ChoiceSolution
from regmdp.applications.choice.panel import Panel

__all__ = ["simulate"]

#: Bytes for each row of a panel while it is drawn.
BYTES_PER_ROW = 80


@checked(
    SampleError,
    solution=Instance(ChoiceSolution),
    individuals=Integer(),
    periods=Integer(),
    rng=Generator(),
    start=Distributions("S") | None,
)
def simulate(
    solution: ChoiceSolution,
    *,
    individuals: int,
    periods: int,
    rng: np.random.Generator,
    start: ArrayLike | None = None,
) -> Panel:
    """Draw a panel from a solved model.

    Args:
        solution: The model, solved at the parameters to draw from.
        individuals: Number of individuals.
        periods: Number of rows for each of them.
        rng: The random generator.
        start: (S,) probabilities of the first state; by default those of the decision process,
            uniform.

    Raises:
        SampleError: if there are no individuals or periods, or the start is not a distribution.
        InsufficientMemoryError: if the panel does not fit into memory.
    """
    require_memory(
        f"{periods:,} periods of {individuals:,} individuals",
        BYTES_PER_ROW * periods * individuals,
        "simulate fewer",
    )
    mdp = solution.mdp
    first = mdp.initial if start is None else np.asarray(start)
    rows = mdp.transitions.to_csr()
    cumulative = np.cumsum(solution.probabilities, axis=1)
    states, choices = (np.empty((periods, individuals), dtype=np.int64) for _ in range(2))
    state = rng.choice(mdp.n_states, size=individuals, p=first)
    for period in range(periods):
        level = rng.random(individuals)[:, None] * cumulative[state, -1:]
        choice = np.argmax(level < cumulative[state], axis=1)
        states[period], choices[period] = state, choice
        state = _draw_successors(rows, state * mdp.n_actions + choice, rng)
    individual = np.repeat(np.arange(individuals), periods)
    period = np.tile(np.arange(periods), individuals)
    return Panel(individual, period, states.T.ravel(), choices.T.ravel())


def _draw_successors(
    rows: sp.csr_array, which: Int[np.ndarray, " n"], rng: np.random.Generator
) -> Int[np.ndarray, " n"]:
    """Draw a successor from each of (n,) rows of a sparse matrix, by inverting the distribution."""
    total = np.concatenate(([0.0], np.cumsum(rows.data)))
    first, last = rows.indptr[which], rows.indptr[which + 1]
    level = total[first] + rng.random(which.size) * (total[last] - total[first])
    return rows.indices[np.clip(np.searchsorted(total, level, side="right") - 1, first, last - 1)]
