"""Every evaluation gives the solution of the same linear equation."""

import itertools

import numpy as np
import pytest
import scipy.sparse as sp
from small_solvers import policy_value

import regmdp as rm
from regmdp.evaluation import Chain, Direct, Exact, Krylov, Sweeps, System

SOLVERS = {"Direct": Direct(), "Krylov": Krylov(), "Exact": Exact()}

each_solver = pytest.mark.parametrize("solver", SOLVERS.values(), ids=SOLVERS)


def garnet(discount=0.95, *, sparse, n_states=60):
    return rm.models.garnet(n_states, 3, 4 if sparse else n_states // 2, rng=1, discount=discount)


def some_policy(mdp):
    rng = np.random.default_rng(0)
    policy = rng.exponential(size=mdp.rewards.shape) * mdp.available
    return policy / np.maximum(policy.sum(axis=1, keepdims=True), 1e-300)


@each_solver
@pytest.mark.parametrize("sparse", [True, False], ids=["sparse", "dense"])
@pytest.mark.parametrize("discount", [0.0, 0.5, 0.95, 0.9999])
def test_value_is_that_of_a_linear_solve(solver, sparse, discount):
    mdp = garnet(discount, sparse=sparse)
    policy = some_policy(mdp)
    value = solver(mdp, rm.Unregularized(), policy, np.zeros(mdp.n_states))
    np.testing.assert_allclose(
        value, policy_value(mdp, policy), rtol=0, atol=1e-13 / (1 - discount)
    )


@each_solver
@pytest.mark.parametrize("name", ["Shannon", "KL", "SquaredL2"])
def test_the_cost_of_the_regularizer_is_subtracted(solver, name):
    mdp = garnet(sparse=True)
    policy = some_policy(mdp)
    reference = np.array([0.2, 0.3, 0.5])
    cost = {
        "Shannon": (policy * np.log(policy)).sum(axis=1),
        "KL": (policy * np.log(policy / reference)).sum(axis=1),
        "SquaredL2": 0.5 * (policy**2).sum(axis=1),
    }[name]
    regularizer = (
        rm.KL(reference, temperature=0.5) if name == "KL" else getattr(rm, name)(temperature=0.5)
    )
    expected = policy_value(mdp.with_rewards(mdp.rewards - 0.5 * cost[:, None]), policy)
    value = solver(mdp, regularizer, policy, np.ones(mdp.n_states))
    np.testing.assert_allclose(value, expected, rtol=0, atol=1e-11)


@each_solver
def test_undiscounted_with_terminal_states(solver):
    mdp = rm.models.gridworld().with_discount(1.0)
    policy = some_policy(mdp)
    value = solver(mdp, rm.Unregularized(), policy, np.zeros(mdp.n_states))
    expected = policy_value(mdp, policy)
    np.testing.assert_allclose(value, expected, rtol=1e-9)
    assert np.all(value[mdp.terminal] == 0)


@each_solver
@pytest.mark.parametrize("sparse", [True, False], ids=["sparse", "dense"])
def test_systems_solve_the_transpose_too(solver, sparse):
    mdp = garnet(0.99, sparse=sparse)
    chain = Chain.from_policy(mdp, some_policy(mdp))
    system = solver.prepare(chain)
    assert isinstance(system, System)
    matrix = np.eye(60) - 0.99 * (
        chain.matrix.toarray() if sp.issparse(chain.matrix) else chain.matrix
    )
    b = np.random.default_rng(2).normal(size=60)
    np.testing.assert_allclose(
        system.solve(b, np.zeros(60)), np.linalg.solve(matrix, b), rtol=0, atol=1e-10
    )
    np.testing.assert_allclose(
        system.solve_transposed(b), np.linalg.solve(matrix.T, b), rtol=0, atol=1e-10
    )
    # a prepared system can be used again
    np.testing.assert_allclose(
        system.solve(2 * b, b), 2 * np.linalg.solve(matrix, b), rtol=0, atol=1e-10
    )


@pytest.mark.parametrize("count", [1, 2, 7])
def test_sweeps_are_applications_of_the_operator(count):
    mdp, regularizer = garnet(sparse=True), rm.Shannon(temperature=0.3)
    policy, expected = some_policy(mdp), np.linspace(-1, 1, 60)
    guess = expected.copy()
    for _ in range(count):
        expected = rm.bellman.policy_backup(mdp, regularizer, policy, expected)
    np.testing.assert_allclose(Sweeps(count)(mdp, regularizer, policy, guess), expected, rtol=1e-13)
    np.testing.assert_array_equal(guess, np.linspace(-1, 1, 60))


def test_many_sweeps_reach_the_value():
    mdp = garnet(0.9, sparse=True)
    policy = some_policy(mdp)
    value = Sweeps(500)(mdp, rm.Unregularized(), policy, np.zeros(60))
    np.testing.assert_allclose(value, policy_value(mdp, policy), rtol=0, atol=1e-13)


def test_sweeps_are_at_least_one():
    with pytest.raises(rm.SolverError, match="count must be an integer, 1 or more, not 0"):
        Sweeps(0)


# ---- Krylov iterations ----


def cycle(n, discount):
    """A deterministic cycle, on whose shifts Krylov spaces without restarts make no progress for
    n - 1 steps.
    """
    P = sp.csr_array((np.ones(n), (np.arange(n), (np.arange(n) + 1) % n)), shape=(n, n))
    return Chain(P, discount)


@pytest.mark.parametrize("discount", [0.5, 0.999, 0.999999])
@pytest.mark.parametrize("n", [2, 3, 50, 400])
def test_krylov_solves_a_cycle(n, discount):
    b = np.zeros(n)
    b[0] = 1.0
    chain = cycle(n, discount)
    value = Krylov().prepare(chain).solve(b, np.zeros(n))
    steps = (-np.arange(n)) % n
    np.testing.assert_allclose(value, discount**steps / (1 - discount**n), rtol=1e-9, atol=1e-14)
    transposed = Krylov().prepare(chain).solve_transposed(b)
    np.testing.assert_allclose(
        transposed, discount ** np.arange(n) / (1 - discount**n), rtol=1e-9, atol=1e-14
    )


class Counter:
    """A chain's matrix that counts its products."""

    def __init__(self, matrix):
        self.matrix, self.shape, self.products = matrix, matrix.shape, 0

    def __matmul__(self, vector):
        self.products += 1
        return self.matrix @ vector


@pytest.mark.parametrize("broken", ["_bicgstab", "_gmres", "both"])
@pytest.mark.parametrize("lie", ["nothing", "nonsense", "nan"])
def test_the_residual_of_a_krylov_solver_is_checked(broken, lie, monkeypatch):
    from regmdp.evaluation.krylov import _KrylovSystem

    def liar(self, operator, b, tolerance):
        return {
            "nothing": np.zeros_like(b),
            "nonsense": np.full_like(b, 1e6),
            "nan": np.full_like(b, np.nan),
        }[lie]

    for name in ("_bicgstab", "_gmres") if broken == "both" else (broken,):
        monkeypatch.setattr(_KrylovSystem, name, liar)
    mdp = garnet(0.99, sparse=True)
    policy = some_policy(mdp)
    value = Krylov()(mdp, rm.Unregularized(), policy, np.zeros(60))
    np.testing.assert_allclose(value, policy_value(mdp, policy), rtol=0, atol=1e-10)


def test_krylov_falls_back_on_sweeps_without_a_fast_factorization(monkeypatch):
    from regmdp.evaluation import krylov

    monkeypatch.setattr(krylov, "is_fast_to_factorize", lambda matrix: False)
    monkeypatch.setattr(
        krylov._KrylovSystem, "_bicgstab", lambda self, operator, b, tolerance: np.zeros_like(b)
    )
    monkeypatch.setattr(
        krylov._KrylovSystem, "_gmres", lambda self, operator, b, tolerance: np.zeros_like(b)
    )
    mdp = garnet(0.9, sparse=True)
    policy = some_policy(mdp)
    value = Krylov()(mdp, rm.Unregularized(), policy, np.zeros(60))
    np.testing.assert_allclose(value, policy_value(mdp, policy), rtol=0, atol=1e-11)


def test_an_exact_guess_costs_one_product():
    mdp = garnet(0.99, sparse=True)
    policy = some_policy(mdp)
    rewards = rm.bellman.expected_rewards(mdp, None, policy)
    counter = Counter(Chain.from_policy(mdp, policy).matrix)
    system = Krylov().prepare(Chain(counter, 0.99))
    value = system.solve(rewards, np.zeros(60), 1e-6)
    assert counter.products > 5
    counter.products = 0
    np.testing.assert_array_equal(system.solve(rewards, value, 1e-6), value)
    assert counter.products == 1


def test_the_accuracy_is_reached_with_work_in_proportion():
    mdp = garnet(0.999, sparse=True)
    policy = some_policy(mdp)
    rewards = rm.bellman.expected_rewards(mdp, None, policy)
    products = []
    for accuracy in (1e-2, 1e-6, 0.0):
        counter = Counter(Chain.from_policy(mdp, policy).matrix)
        chain = Chain(counter, 0.999)
        value = Krylov().prepare(chain).solve(rewards, np.zeros(60), accuracy)
        products.append(counter.products)
        assert np.max(np.abs(chain.residual(value, rewards))) <= max(accuracy, 1e-10)
    assert products == sorted(products)
    assert products[0] < products[2]


# ---- choices and limits ----


def test_exact_chooses_by_bandwidth():
    from regmdp.evaluation.direct import (
        _BandedFactor,
        _DenseFactor,
        _SparseFactor,
        _TridiagonalFactor,
    )
    from regmdp.evaluation.krylov import _KrylovSystem

    def chosen(matrix):
        return type(Exact()._prepare_solver(Chain(matrix, 0.9)))

    band = sp.diags_array(
        [np.full(4999, 0.5), np.full(4999, 0.5)], offsets=[1, -1], shape=(5000, 5000), format="csr"
    )
    assert chosen(band) is _TridiagonalFactor
    assert chosen(sp.csr_array(band @ band)) is _BandedFactor
    order = np.random.default_rng(1).permutation(5000)
    assert chosen(sp.csr_array(band[order][:, order])) is _SparseFactor
    assert chosen(np.full((5, 5), 0.2)) is _DenseFactor
    assert chosen(sp.csr_array(np.full((5, 5), 0.2))) is _DenseFactor
    rng = np.random.default_rng(0)
    graph = sp.csr_array(
        (np.full(20000, 0.25), rng.integers(0, 5000, 20000), np.arange(0, 20001, 4)),
        shape=(5000, 5000),
    )
    assert chosen(graph) is _KrylovSystem


@pytest.mark.parametrize("store", [np.asarray, sp.csr_array], ids=["dense", "sparse"])
def test_a_singular_equation_is_an_error(store):
    chain = Chain(store(np.array([[0.0, 1.0], [1.0, 0.0]])), 1.0)
    with pytest.raises(
        rm.SolverError,
        match=(
            "singular to working precision: the policy ends the episode with a probability too "
            "small"
        ),
    ):
        Direct().prepare(chain).solve(np.ones(2), np.zeros(2))


def test_reprs_of_evaluations():
    assert repr(Sweeps(3)) == "Sweeps(count=3)"
    assert repr(Krylov()) == "Krylov(max_iterations=5000)"
    assert (Direct().exact, Sweeps(3).exact) == (True, False)


def lattice(*sides):
    """A random walk on a lattice, one step along one axis at a time."""
    n = int(np.prod(sides))
    place = np.stack(np.unravel_index(np.arange(n), sides))
    rows, columns = [], []
    for axis, step in itertools.product(range(len(sides)), (-1, 1)):
        target = place.copy()
        target[axis] = np.clip(target[axis] + step, 0, sides[axis] - 1)
        rows.append(np.arange(n))
        columns.append(np.ravel_multi_index(tuple(target), sides))
    count = len(rows)
    return sp.csr_array(
        (np.full(count * n, 1 / count), (np.concatenate(rows), np.concatenate(columns))),
        shape=(n, n),
    )


@pytest.mark.parametrize(
    ("matrix", "quick"),
    [
        (lattice(5000), True),
        (lattice(70, 70), True),
        (lattice(20, 20, 20), False),
        (
            rm.models.forest(3000).transitions.policy_matrix(
                rm.uniform_policy(rm.models.forest(3000))
            ),
            True,
        ),
        (np.eye(1200), True),
        (np.eye(1201), False),
    ],
    ids=["line", "plane", "space", "line with a hub", "dense", "large and dense"],
)
def test_which_chains_are_fast_to_factorize(matrix, quick):
    from regmdp.evaluation.direct import is_fast_to_factorize

    assert is_fast_to_factorize(Chain(matrix, 0.9)) is quick


def test_a_banded_factorization_pivots_and_transposes():
    rng = np.random.default_rng(0)
    n = 300
    matrix = sp.diags_array(
        [rng.random(n - 2), rng.random(n), rng.random(n - 1)], offsets=[-2, 0, 1], format="csr"
    )
    matrix = sp.csr_array(matrix / matrix.sum(axis=1)[:, None])
    system, whole = Direct().prepare(Chain(matrix, 0.999)), np.eye(n) - 0.999 * matrix.toarray()
    b = rng.normal(size=n)
    np.testing.assert_allclose(system.solve(b, np.zeros(n)), np.linalg.solve(whole, b), rtol=1e-10)
    np.testing.assert_allclose(
        system.solve_transposed(b), np.linalg.solve(whole.T, b), rtol=1e-9, atol=1e-9
    )
