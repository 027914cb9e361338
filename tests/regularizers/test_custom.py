"""User-defined functions that are not convex, or whose gradients are wrong."""

import numpy as np
import pytest
from tiers import tiered

import regmdp as rm
from regmdp.testing import check_regularizer

COUNTEREXAMPLE = (
    r"h is not convex, between p = array\(.*\) and q = array\(.*\): at .* p \+ .* q it is .* above "
    r"the chord"
)

SADDLE = np.array([[8.0, 34.0, -28.0], [34.0, -1.0, -20.0], [-28.0, -20.0, -5.0]])

#: φ and φ'.
SEPARABLE = {
    "waves": (lambda p: np.sin(9 * p), lambda p: 9 * np.cos(9 * p)),
    "concave": (lambda p: -(p**2), lambda p: -2 * p),
    "two wells": (
        lambda p: (p - 0.3) ** 4 - 0.1 * (p - 0.3) ** 2,
        lambda p: 4 * (p - 0.3) ** 3 - 0.2 * (p - 0.3),
    ),
}

#: h and ∇h.
CONVEX = {
    "concave": (lambda p: -np.sum(p * p, axis=-1), lambda p: -2 * p),
    "entropy, the wrong sign": (
        lambda p: -np.sum(p * np.log(np.maximum(p, 1e-300)), axis=-1),
        lambda p: -np.log(np.maximum(p, 1e-300)) - 1,
    ),
    "saddle": (
        lambda p: p[..., 0] * p[..., 1],
        lambda p: p[..., [1, 0, 2]] * np.array([1.0, 1.0, 0.0]),
    ),
    # the method finds no stationary point of it
    "steep saddle": (lambda p: 0.5 * np.sum(p * (p @ SADDLE), axis=-1), lambda p: p @ SADDLE),
}


@pytest.mark.parametrize("name", SEPARABLE)
def test_a_separable_function_that_is_not_convex_is_detected(name):
    with pytest.raises(AssertionError, match=COUNTEREXAMPLE):
        check_regularizer(
            rm.Separable(*SEPARABLE[name], temperature=1.0), 3, rng=np.random.default_rng(0)
        )


@pytest.mark.parametrize("name", CONVEX)
def test_a_function_that_is_not_convex_is_detected(name):
    with pytest.raises(AssertionError, match=COUNTEREXAMPLE):
        check_regularizer(
            rm.Convex(*CONVEX[name], temperature=1.0), 3, rng=np.random.default_rng(0)
        )


def test_a_gradient_of_another_function_is_detected():
    wrong = rm.Convex(lambda p: np.sum(p**2, axis=-1), lambda p: p**2, temperature=1.0)
    with pytest.raises(
        AssertionError, match=r"greedy is not the maximiser: for the scores array\("
    ):
        check_regularizer(wrong, 3, rng=np.random.default_rng(0))


@pytest.mark.parametrize("seed", tiered(range(300), (6, 8, 18, 20, 32, 37, 42, 51)))
def test_quadratic_functions_of_any_rank_are_maximised(seed):
    # curvature in a few directions only, from almost none to a thousand times the scores
    rng = np.random.default_rng(seed)
    n_actions = int(rng.choice([2, 3, 4, 6, 10]))
    factor = rng.normal(size=(n_actions, int(rng.integers(0, n_actions))))
    matrix = 10.0 ** rng.uniform(-4, 2) * factor @ factor.T
    quadratic = rm.Convex(
        lambda p: 0.5 * np.sum(p * (p @ matrix), axis=-1),
        lambda p: p @ matrix,
        temperature=10.0 ** rng.uniform(-2, 2),
    )
    q = rng.normal(size=(6, n_actions)) * 10.0 ** rng.uniform(-2, 1)
    p = quadratic.maximiser(q)
    slope = q / quadratic.temperature - p @ matrix
    loss = np.max(slope, axis=1) - np.sum(p * slope, axis=1)  # bounds the distance from the maximum
    assert np.all(loss <= quadratic.rounding(n_actions) + 1e-14 * np.abs(slope).max())
