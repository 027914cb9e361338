"""The order of elimination of sparse chains, and the factors that it leads to."""

import numpy as np
import pytest
import scipy.sparse as sp

from regmdp.evaluation.base import Chain
from regmdp.evaluation.direct import _SparseFactor
from regmdp.evaluation.elimination_order import Cycles, find_elimination_order


def chain_of(edges, n, weight=0.9):
    """A chain whose rows are uniform over the edges of a state, and end with probability 0.1."""
    source, target = np.array(edges).T
    rows = sp.csr_array((np.ones(len(source)), (source, target)), shape=(n, n))
    rows.data[:] = 1.0
    total = np.maximum(rows.sum(axis=1), 1.0)
    return sp.csr_array(sp.diags_array(weight / total) @ rows)


def fill(rows):
    factor = _SparseFactor(Chain(rows, 1.0))
    return factor, factor._lu.L.nnz + factor._lu.U.nnz - rows.shape[0]


def shuffled(edges, n, rng):
    names = rng.permutation(n)
    return [(names[s], names[t]) for s, t in edges]


@pytest.mark.parametrize("seed", range(8))
def test_a_chain_without_cycles_has_no_fill_in(seed):
    rng = np.random.default_rng(seed)
    n = 400
    edges = {(int(s), int(rng.integers(s))) for s in rng.integers(1, n, size=4 * n)}
    rows = chain_of(shuffled(sorted(edges), n, rng), n)
    order = find_elimination_order(rows, Cycles(rows))
    assert sorted(order) == list(range(n))
    _, entries = fill(rows)
    assert entries == rows.nnz + n


@pytest.mark.parametrize("into", [True, False])
def test_a_long_cycle_with_states_around_it_has_little_fill_in(into):
    # each state of a ring has a state that leads to it, or one that it leads to
    n = 1000
    ring = [(s, (s + 1) % n) for s in range(n)]
    others = [(n + s, s) if into else (s, n + s) for s in range(n)]
    more = [(n + s, 2 * n + s) if not into else (2 * n + s, n + s) for s in range(n)]
    rng = np.random.default_rng(0)
    rows = chain_of(shuffled(ring + others + more, 3 * n, rng), 3 * n)
    assert find_elimination_order(rows, Cycles(rows)) is not None
    _, entries = fill(rows)
    assert entries <= 9 * n


@pytest.mark.parametrize("seed", range(12))
def test_both_systems_are_solved(seed):
    rng = np.random.default_rng(seed)
    n = 300
    edges = [(int(s), int(rng.integers(s))) for s in rng.integers(1, n, size=3 * n)]
    back = [(int(s), int(s + rng.integers(n - s))) for s in rng.integers(n, size=seed)]
    rows = chain_of(shuffled(edges + back, n, rng), n)
    factor, _ = fill(rows)
    matrix = np.eye(n) - rows.toarray()
    b = rng.normal(size=n)
    np.testing.assert_allclose(factor.solve(b, b), np.linalg.solve(matrix, b), atol=1e-12)
    np.testing.assert_allclose(factor.solve_transposed(b), np.linalg.solve(matrix.T, b), atol=1e-12)


def test_a_chain_that_is_mostly_cycles_is_ordered_by_degree_alone():
    n = 100
    rows = chain_of([(s, (s + 1) % n) for s in range(n)], n)
    assert find_elimination_order(rows, Cycles(rows)) is None
