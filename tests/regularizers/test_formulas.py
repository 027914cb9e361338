"""Formulas of regularizers, compared with a generic convex solver and with 60 digits."""

import numpy as np
import pytest
from mpmath import mp, mpf
from scipy.optimize import minimize

import regmdp as rm

REFERENCE = np.array([0.1, 0.0, 0.6, 0.3])

each_regularizer = pytest.mark.parametrize(
    "regularizer",
    [
        rm.Shannon(temperature=1.0),
        rm.SquaredL2(temperature=1.0),
        rm.KL(REFERENCE, temperature=1.0),
        rm.Unregularized(),
    ],
    ids=lambda regularizer: type(regularizer).__name__,
)


def solve_numerically(regularizer, y, allowed):
    """Maximise ⟨p, y⟩ - h(p) over the distributions on the allowed actions (SLSQP)."""
    inside = np.flatnonzero(allowed)

    def embed(p):
        whole = np.zeros(y.size)
        whole[inside] = np.maximum(p, 0.0)
        return whole

    found = minimize(
        lambda p: regularizer.value(embed(p)) - p @ y[inside],
        np.full(inside.size, 1.0 / inside.size),
        jac=lambda p: exact_gradient(regularizer, embed(p))[inside] - y[inside],
        bounds=[(0.0, 1.0)] * inside.size,
        constraints={
            "type": "eq",
            "fun": lambda p: p.sum() - 1.0,
            "jac": lambda p: np.ones(p.size),
        },
        method="SLSQP",
        options={"ftol": 1e-15, "maxiter": 1000},
    )
    return -found.fun, embed(found.x)


def exact_gradient(regularizer, p):
    """Gradient of h, written independently of the library."""
    if isinstance(regularizer, rm.SquaredL2):
        return p
    if isinstance(regularizer, rm.Unregularized):
        return np.zeros(p.size)
    reference = regularizer.reference if isinstance(regularizer, rm.KL) else np.ones(p.size)
    safe = np.where(reference > 0, reference, 1.0)
    return np.log(np.maximum(p, 1e-300) / safe) + 1.0


@each_regularizer
@pytest.mark.parametrize("seed", range(12))
def test_conjugate_and_greedy_agree_with_a_solver(regularizer, seed):
    rng = np.random.default_rng(seed)
    # the solver cannot find probabilities of 1e-30
    y = rng.normal(size=4) * (0.3, 1.0, 3.0)[seed % 3]
    available = rng.random(4) < 0.8
    available[2] = True
    allowed = np.ones(4, dtype=bool) & regularizer.domain(available)
    scores = np.where(allowed, y, -np.inf)
    best, p = solve_numerically(regularizer, y, allowed)
    np.testing.assert_allclose(regularizer.conjugate(scores, allowed), best, rtol=0, atol=1e-8)
    if regularizer.strong_convexity(4) > 0:
        # an error ε of the objective is an error of at most √(2ε/μ) of p
        np.testing.assert_allclose(regularizer.greedy(scores, allowed), p, rtol=0, atol=2e-4)


def exact_value(regularizer, p):
    """h(p) in 60 digits."""
    p = [mpf(float(x)) for x in p]
    if isinstance(regularizer, rm.SquaredL2):
        return sum(x * x for x in p) / 2
    if isinstance(regularizer, rm.Unregularized):
        return mpf(0)
    reference = regularizer.reference if isinstance(regularizer, rm.KL) else np.ones(len(p))
    return sum(x * mp.log(x / mpf(float(r))) for x, r in zip(p, reference, strict=True) if x > 0)


def exact_conjugate(regularizer, y):
    """h*(y) in 60 digits."""
    y = [mpf(float(x)) for x in y if x > -np.inf]
    if isinstance(regularizer, rm.Unregularized):
        return max(y)
    if isinstance(regularizer, rm.SquaredL2):
        y.sort(reverse=True)
        size = max(k for k in range(1, len(y) + 1) if 1 + k * y[k - 1] > sum(y[:k]))
        threshold = (sum(y[:size]) - 1) / size
        p = [max(x - threshold, mpf(0)) for x in y]
        return sum(a * b for a, b in zip(p, y, strict=True)) - sum(a * a for a in p) / 2
    raise AssertionError


@each_regularizer
@pytest.mark.parametrize("scale", [1e-3, 1.0, 30.0, 700.0])
def test_rounding_bounds_the_error(regularizer, scale, monkeypatch):
    monkeypatch.setattr(mp, "dps", 60)
    rng = np.random.default_rng(0)
    bound = regularizer.rounding(4)
    assert bound < 1e-13
    for _ in range(50):
        p = rng.dirichlet(np.full(4, 0.3))
        y = rng.normal(size=4) * scale
        if isinstance(regularizer, rm.KL):
            p[1], y[1] = 0.0, -np.inf
            p /= p.sum()
        y -= y.max()
        assert abs(mpf(float(regularizer.value(p))) - exact_value(regularizer, p)) <= bound
        if isinstance(regularizer, rm.Shannon | rm.KL):
            reference = regularizer.reference if isinstance(regularizer, rm.KL) else np.ones(4)
            right = mp.log(
                sum(
                    mpf(float(r)) * mp.exp(mpf(float(x)))
                    for r, x in zip(reference, y, strict=True)
                    if x > -np.inf
                )
            )
        else:
            right = exact_conjugate(regularizer, y)
        assert abs(mpf(float(regularizer.conjugate(y))) - right) <= bound
