"""User-defined functions that are not convex, or whose gradients are wrong."""

import numpy as np
import pytest

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
