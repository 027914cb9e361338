"""Bregman divergences: definition, closed forms, 60 digits, subgradients, masks, and JAX."""

import numpy as np
import pytest
from contract.lists import REGULARIZERS, SOME_REGULARIZERS
from mpmath import mp, mpf
from tiers import tiered

import regmdp as rm
from regmdp.regularizers.base import inner_product

P = np.array([[0.2, 0.3, 0.5], [0.98, 0.01, 0.01], [0.4, 0.4, 0.2]])
Q = np.array([[0.3, 0.3, 0.4], [0.01, 0.01, 0.98], [0.4, 0.4, 0.2]])
MASK = np.array([[True, True, False], [True, True, True], [False, False, False]])


def draw_pair(regularizer, rng, shape=(5, 3)):
    """Draw a distribution of the domain, and one with a subgradient that the greedy map gives."""
    scores = rng.normal(size=shape) * 2.0
    allowed = np.broadcast_to(
        True if regularizer.domain(None) is None else regularizer.domain(None), shape
    )
    y = np.where(allowed, scores, -np.inf)
    other = np.where(allowed, rng.normal(size=shape), -np.inf)
    # y is a subgradient of h at the greedy distribution of y
    return (
        np.asarray(regularizer.greedy(other, allowed)),
        np.asarray(regularizer.greedy(y, allowed)),
        y,
    )


@pytest.mark.parametrize("name", tiered(REGULARIZERS, SOME_REGULARIZERS))
def test_the_generalized_divergence_is_its_definition_and_never_negative(name):
    rng = np.random.default_rng(4)
    regularizer = REGULARIZERS[name]((5, 3), rng)
    p, q, xi = draw_pair(regularizer, rng)
    found = np.asarray(regularizer.divergence(p, q, xi))
    with np.errstate(invalid="ignore"):
        expected = regularizer.value(p) - regularizer.value(q)
        expected = expected - inner_product(p, xi) + inner_product(q, xi)
    slack = 4 * regularizer.rounding(3) + 1e-14
    np.testing.assert_allclose(found, np.where(np.isfinite(expected), expected, np.inf), atol=slack)
    assert np.all(found >= -slack)
    # Fenchel and Young: h(p) + h*(ξ) - ⟨ξ, p⟩, which does not use q
    other = regularizer.value(p) + regularizer.conjugate(xi) - inner_product(p, xi)
    np.testing.assert_allclose(found[np.isfinite(found)], other[np.isfinite(found)], atol=slack)
    # a constant in ξ changes nothing
    shifted = np.asarray(regularizer.divergence(p, q, xi + 100.0))
    np.testing.assert_allclose(shifted, found, rtol=1e-9, atol=1e3 * slack)


@pytest.mark.parametrize("name", tiered(REGULARIZERS, SOME_REGULARIZERS))
def test_the_bregman_divergence_uses_the_subgradient(name):
    rng = np.random.default_rng(5)
    regularizer = REGULARIZERS[name]((5, 3), rng)
    p, q, _ = draw_pair(regularizer, rng)
    found = np.asarray(regularizer.divergence(p, q))
    slope = np.asarray(regularizer.subgradient(q))
    expected = np.asarray(regularizer.divergence(p, q, slope))
    numerical = type(regularizer).subgradient is rm.Regularizer.subgradient
    slack = 1e-7 if numerical else 8 * regularizer.rounding(3) + 1e-13
    np.testing.assert_allclose(found, np.maximum(expected, 0.0), rtol=1e-11, atol=slack)
    assert np.all(found >= 0.0)
    np.testing.assert_allclose(regularizer.divergence(q, q), 0.0, atol=slack)


@pytest.mark.parametrize("name", tiered(REGULARIZERS, SOME_REGULARIZERS))
def test_strong_convexity_bounds_divergences_from_below(name):
    rng = np.random.default_rng(6)
    regularizer = REGULARIZERS[name]((5, 3), rng)
    modulus, relative = regularizer.strong_convexity(3), regularizer.relative_strong_convexity(3)
    for _ in range(5):
        p, q, xi = draw_pair(regularizer, rng)
        found = np.asarray(regularizer.divergence(p, q, xi))
        slack = 8 * regularizer.rounding(3) + 1e-13
        assert np.all(found + slack >= 0.5 * modulus * np.abs(p - q).sum(axis=1) ** 2)
        kl = np.asarray(rm.Shannon(1.0).divergence(p, q))
        least = relative * np.where(np.isfinite(kl) | (relative > 0), kl, 0.0)
        assert np.all(found + slack >= np.where(np.isnan(least), 0.0, least))


# ---- closed forms ----


def test_shannon_gives_kullback_and_leibler():
    expected = (P * np.log(P / Q)).sum(axis=1)
    for regularizer in (rm.Shannon(0.3), rm.KL(np.array([0.2, 0.2, 0.6]), 2.0), rm.Tsallis(1.0, 1)):
        np.testing.assert_allclose(regularizer.divergence(P, Q), expected, rtol=1e-13, atol=1e-16)


def test_squared_norm_gives_half_the_squared_distance():
    expected = 0.5 * ((P - Q) ** 2).sum(axis=1)
    np.testing.assert_allclose(rm.SquaredL2(1.0).divergence(P, Q), expected, rtol=1e-14)
    np.testing.assert_allclose(rm.Tsallis(2.0, 1.0).divergence(P, Q), 2 * expected, rtol=1e-12)


def test_log_barrier_gives_itakura_and_saito():
    expected = (P / Q - np.log(P / Q) - 1.0).sum(axis=1)
    np.testing.assert_allclose(rm.LogBarrier(1.0).divergence(P, Q), expected, rtol=1e-13)


def test_tsallis_half_gives_the_sum_of_squared_root_differences_over_roots():
    # (p^½ - q^½)² / q^½, by expanding the definition
    expected = ((np.sqrt(P) - np.sqrt(Q)) ** 2 / np.sqrt(Q)).sum(axis=1)
    np.testing.assert_allclose(rm.Tsallis(0.5, 1.0).divergence(P, Q), expected, rtol=1e-12)


def test_linear_costs_have_no_divergence():
    np.testing.assert_allclose(
        rm.WeightedL1([1.0, 2.0, 3.0], 1.0).divergence(P, Q), 0.0, atol=1e-15
    )
    np.testing.assert_array_equal(rm.Unregularized().divergence(P, Q), np.zeros(3))


EXACT = {
    "Shannon": (rm.Shannon(1.0), lambda p, q: p * mp.log(p / q) - p + q),
    "log barrier": (rm.LogBarrier(1.0), lambda p, q: p / q - mp.log(p / q) - 1),
    "squared norm": (rm.SquaredL2(1.0), lambda p, q: (p - q) ** 2 / 2),
    "Tsallis 1/2": (
        rm.Tsallis(0.5, 1.0),
        lambda p, q: (mp.sqrt(p) - mp.sqrt(q)) ** 2 / mp.sqrt(q),
    ),
    "Tsallis 3": (rm.Tsallis(3.0, 1.0), lambda p, q: (p**3 - q**3 - 3 * q**2 * (p - q)) / 2),
    "cap": (
        rm.CapBarrier(np.array([True] * 3), 0.9, 1.0),
        lambda p, q: (mpf(0.9) - p) / (mpf(0.9) - q)
        - mp.log((mpf(0.9) - p) / (mpf(0.9) - q)) - 1,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("distance", [1e-1, 1e-2, 1e-3, 1e-5, 1e-8, 1e-12])
def test_distributions_close_together_have_accurate_divergences(name, distance, monkeypatch):
    monkeypatch.setattr(mp, "dps", 60)
    regularizer, term = EXACT[name]
    q = np.array([0.5, 0.3, 0.2])
    p = q + distance * np.array([0.1, 0.2, -0.3])
    # p is what the doubles are: their sum need not be exactly 1
    exact = float(sum(term(mpf(float(a)), mpf(float(b))) for a, b in zip(p, q, strict=True)))
    # p - q has the relative error u/distance where the subtraction b - p rounds
    slack = 1e-15 / distance if name == "cap" else 1e-15
    assert abs(float(regularizer.divergence(p, q)) / exact - 1.0) <= 1e-11 + slack


# ---- boundaries, masks, namespaces ----


def test_boundaries():
    inside, edge = np.array([0.5, 0.25, 0.25]), np.array([0.5, 0.5, 0.0])
    shannon, barrier = rm.Shannon(1.0), rm.LogBarrier(1.0)
    assert shannon.divergence(inside, edge) == np.inf
    np.testing.assert_allclose(shannon.divergence(edge, inside), 0.5 * np.log(2.0), rtol=1e-14)
    assert barrier.divergence(edge, inside) == barrier.divergence(inside, edge) == np.inf
    assert rm.Tsallis(0.5, 1.0).divergence(inside, edge) == np.inf
    assert np.isfinite(rm.Tsallis(1.5, 1.0).divergence(inside, edge))
    kl = rm.KL(np.array([0.5, 0.5, 0.0]), 1.0)
    assert kl.divergence(inside, edge) == kl.divergence(edge, inside) == np.inf
    assert kl.divergence(edge, edge) == 0.0
    box = rm.Box(0.0, 0.5)
    assert box.divergence(inside, edge) == 0.0
    assert box.divergence(inside, np.array([1.0, 0.0, 0.0])) == np.inf


def test_extreme_probabilities_do_not_overflow():
    p, q = np.array([1e-300, 1.0 - 1e-300]), np.array([1.0 - 1e-12, 1e-12])
    with np.errstate(all="raise", under="ignore"):
        for regularizer in (rm.Shannon(1.0), rm.Tsallis(0.5, 1.0), rm.LogBarrier(1.0)):
            for one, other in ((p, q), (q, p)):
                assert float(regularizer.divergence(one, other)) > 1.0


@pytest.mark.parametrize("name", tiered(REGULARIZERS, SOME_REGULARIZERS))
def test_masks(name):
    rng = np.random.default_rng(7)
    regularizer = REGULARIZERS[name]((3, 3), rng)
    flat = np.where(MASK, 0.0, -np.inf)
    tilted = np.where(MASK, rng.normal(size=(3, 3)), -np.inf)
    if regularizer.domain(MASK) is not None:
        flat = np.where(regularizer.domain(MASK), flat, -np.inf)
        tilted = np.where(regularizer.domain(MASK), tilted, -np.inf)
    live = MASK.any(axis=1)
    part = regularizer.at(np.flatnonzero(live))
    mask = MASK[live]
    p, q = (np.asarray(part.greedy(y[live], mask)) for y in (flat, tilted))
    found = np.asarray(part.divergence(p, q, tilted[live], mask))
    assert np.all(np.isfinite(found))
    assert np.all(found >= -1e-9)
    # a terminal state, and probability where nothing is available
    whole = np.zeros((3, 3))
    whole[live] = p
    with np.errstate(all="ignore"):
        assert np.asarray(regularizer.divergence(whole, whole, available=MASK))[2] == 0.0
    outside = np.array([[0.0, 0.0, 1.0]])
    one = regularizer.at(np.arange(1))
    with np.errstate(all="ignore"):
        assert np.all(np.asarray(one.divergence(outside, p[:1], available=MASK[:1])) == np.inf)


@pytest.mark.parametrize(
    "regularizer",
    [
        rm.Shannon(1.0),
        rm.KL([0.2, 0.3, 0.5], 1.0),
        rm.SquaredL2(1.0),
        rm.Tsallis(1.5, 1.0),
        rm.Tsallis(0.5, 1.0),
        rm.LogBarrier(1.0),
        rm.CapBarrier([True, False, False], 0.99, 1.0),
        rm.Renyi(0.5, 1.0),
        rm.Shannon(0.5) + rm.SquaredL2(1.0),
    ],
    ids=lambda one: type(one).__name__,
)
def test_jax_computes_the_same_and_differentiates_it(regularizer):
    jax = pytest.importorskip("jax")
    with jax.enable_x64(True):
        p, q = jax.numpy.asarray(P[:2]), jax.numpy.asarray(Q[:2])
        found = jax.jit(regularizer.divergence)(p, q)
        np.testing.assert_allclose(found, regularizer.divergence(P[:2], Q[:2]), rtol=1e-12)
        slope = jax.grad(lambda a: regularizer.divergence(a, q).sum())(p)
        # ∇_p D(p, q) = ∇h(p) - ∇h(q), up to a constant
        expected = regularizer.subgradient(P[:2]) - regularizer.subgradient(Q[:2])
        difference = np.asarray(slope) - expected
        np.testing.assert_allclose(difference, difference[:, :1] + np.zeros(3), atol=1e-11)


# ---- strong convexity ----


def test_the_modulus_of_the_log_barrier_is_reached():
    barrier, p = rm.LogBarrier(1.0), np.array([0.5, 0.5])
    assert barrier.strong_convexity(2) == 2.0
    move = 1e-4 * np.array([1.0, -1.0])
    # φ'' = 4 at both: 4 · move², and ‖2 move‖₁² = 4 · move²
    found = float(barrier.divergence(p + move, p)) / (0.5 * np.sum(np.abs(move)) ** 2)
    np.testing.assert_allclose(found, 2.0, rtol=1e-3)


# ---- relative strong convexity ----


def least_relative_curvature(regularizer, p):
    """Least vᵀ∇²h v / Σ v²/p over directions v with Σ v = 0, by eigenvalues."""
    # with v = √p w: the least wᵀ diag(p φ'') w / wᵀw over the w orthogonal to √p
    weight = regularizer.derivatives(p, np.log(p)).first_dlog
    root = np.sqrt(p)[:, None]
    basis = np.linalg.svd(root, full_matrices=True)[0][:, 1:]
    return float(np.linalg.eigvalsh(basis.T @ (weight[:, None] * basis))[0])


@pytest.mark.parametrize(
    "regularizer",
    [
        rm.Shannon(1.0),
        rm.Tsallis(0.2, 1.0),
        rm.Tsallis(0.5, 1.0),
        rm.Tsallis(0.9, 1.0),
        rm.LogBarrier(1.0),
    ],
    ids=["Shannon", "Tsallis 0.2", "Tsallis 0.5", "Tsallis 0.9", "log barrier"],
)
@pytest.mark.parametrize("n_actions", [2, 3, 6])
def test_the_relative_modulus_is_the_least_curvature_on_the_simplex(regularizer, n_actions):
    modulus = regularizer.relative_strong_convexity(n_actions)
    rng = np.random.default_rng(0)
    for concentration in (0.1, 1.0, 10.0):
        for _ in range(60):
            p = np.maximum(rng.dirichlet(np.full(n_actions, concentration)), 1e-6)
            assert least_relative_curvature(regularizer, p / p.sum()) >= modulus * (1 - 1e-6)
    # it is reached where two actions share the probability: a larger modulus would be wrong
    p = np.full(n_actions, 1e-6)
    p[:2] = 0.5
    assert least_relative_curvature(regularizer, p / p.sum()) <= modulus * (1 + 1e-5)


@pytest.mark.parametrize("q", [1.2, 2.0, 4.0])
def test_sparse_tsallis_has_no_relative_modulus(q):
    # q p^(q-1) goes to 0 with p
    p = np.array([1e-12, 1e-12, 1.0 - 2e-12])
    assert least_relative_curvature(rm.Tsallis(q, 1.0), p) < 0.01 * q
    assert rm.Tsallis(q, 1.0).relative_strong_convexity(3) == 0.0


def test_a_sum_adds_the_moduli():
    both = rm.Shannon(0.5) + rm.LogBarrier(0.1) + rm.SquaredL2(3.0)
    np.testing.assert_allclose(both.relative_strong_convexity(4), 0.5 + 0.2, rtol=1e-15)
    assert rm.Renyi(0.5, 1.0).relative_strong_convexity(4) == 0.25
