"""Garnets: random models of any size."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from regmdp._internal.arrays import Int
from regmdp._internal.errors import ModelError
from regmdp._internal.memory import require_memory
from regmdp._internal.parameters import Instance, Integer, Number, checked
from regmdp.mdp import MDP

__all__ = ["garnet"]

#: Largest number of random numbers drawn at a time for whole rows of length S.
MAX_DRAWS = 1 << 22


@checked(
    ModelError,
    n_states=Integer(),
    n_actions=Integer(),
    branching=Integer(),
    rng=Integer(0) | Instance(np.random.Generator),
    discount=Number(0.0, 1.0),
)
def garnet(
    n_states: int = 100,
    n_actions: int = 4,
    branching: int = 5,
    *,
    rng: int | np.random.Generator = 0,
    discount: float = 0.95,
) -> MDP:
    r"""Return a Garnet, a random model.

    The name stands for generalized average reward non-stationary environment test bench. Each pair
    has b distinct successors; all sets of b states are equally likely. Their probabilities are the
    gaps between b - 1 sorted uniform numbers in [0, 1], so they are uniform on the simplex.
    Rewards are standard normal.

    Args:
        n_states: S.
        n_actions: A.
        branching: b, the number of successors of each pair, 1 ≤ b ≤ S.
        rng: A seed, or a generator to draw from. The same seed gives the same model under the same
            version of NumPy.
        discount: γ.

    Returns:
        A model of S states and A actions: sparse, or dense if b > S / 4.

    Raises:
        ModelError: if a parameter is out of its range.

    Examples:
        >>> import regmdp as rm
        >>> rm.models.garnet(1000, 4, 3, rng=1)
        MDP(1,000 states, 4 actions, 12,000 transitions (sparse), discount 0.95)

    Reference:
        Archibald, McKinnon and Thomas, On the generation of Markov decision processes, Journal of
        the Operational Research Society 46, 1995. The rewards depend on state and action, as in
        Bhatnagar, Sutton, Ghavamzadeh and Lee, Natural actor-critic algorithms, Automatica
        45, 2009.
    """
    if branching > n_states:
        raise ModelError(
            f"branching is {branching}, but a pair cannot have more distinct successors than the "
            f"{n_states} states"
        )
    if not isinstance(rng, np.random.Generator):
        rng = np.random.default_rng(rng)
    n_pairs = n_states * n_actions
    what = f"{n_pairs * branching:,} transitions of {n_states:,} states and {n_actions:,} actions"
    require_memory(what, 20.0 * n_pairs * branching, "choose smaller sizes")
    successors = _draw_subsets(rng, n_pairs, n_states, branching)
    cuts = np.empty((n_pairs, branching + 1))
    cuts[:, 0], cuts[:, -1] = 0.0, 1.0
    cuts[:, 1:-1] = rng.random((n_pairs, branching - 1))
    cuts[:, 1:-1].sort(axis=1)
    pointers = np.arange(0, n_pairs * branching + 1, branching)
    rows = sp.csr_array(
        (np.diff(cuts, axis=1).ravel(), successors.ravel(), pointers), shape=(n_pairs, n_states)
    )
    rewards = rng.standard_normal((n_states, n_actions))
    if 4 * branching > n_states:
        return MDP(rows.toarray().reshape(n_states, n_actions, n_states), rewards, discount)
    return MDP(rows, rewards, discount)


def _draw_subsets(
    rng: np.random.Generator, n_rows: int, n_states: int, size: int
) -> Int[np.ndarray, "K b"]:
    """Draw (K, b) sorted states: each row is a uniformly random subset."""
    if size * size > 4 * n_states:
        # the b smallest of S random numbers: linear in S; the other branch is quadratic in b
        drawn = np.empty((n_rows, size), dtype=np.int32)
        step = max(1, MAX_DRAWS // n_states)
        for start in range(0, n_rows, step):
            keys = rng.random((min(step, n_rows - start), n_states))
            drawn[start : start + step] = np.argpartition(keys, size - 1, axis=1)[:, :size]
    else:
        # Floyd's algorithm for all rows at once: draw a number up to ``top``; replace it by ``top``
        # if it was drawn before
        columns = np.empty((size, n_rows), dtype=np.int32)
        for column in range(size):
            top = n_states - size + column
            new = rng.integers(0, top, n_rows, dtype=np.int32, endpoint=True)
            taken = (columns[:column] == new).any(axis=0)
            columns[column] = np.where(taken, np.int32(top), new)
        drawn = np.ascontiguousarray(columns.T)
    drawn.sort(axis=1)
    return drawn
