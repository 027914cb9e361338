"""Regularizers on JAX arrays: equal to NumPy when compiled, mapped and differentiated."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiers import tiered

import regmdp as rm
from regmdp.deep import Categorical, Simplex

SEPARABLE = {
    "Shannon": rm.Shannon(0.3),
    "KL": rm.KL(np.array([0.1, 0.2, 0.3, 0.2, 0.2]), 0.3),
    "SquaredL2": rm.SquaredL2(0.5),
    "Tsallis 0.5": rm.Tsallis(0.5, 0.5),
    "Tsallis 1": rm.Tsallis(1.0, 0.5),
    "Tsallis 1.3": rm.Tsallis(1.3, 0.5),
    "Tsallis 1.5": rm.Tsallis(1.5, 0.5),
    "Tsallis 2": rm.Tsallis(2.0, 0.5),
    "LogBarrier": rm.LogBarrier(0.2),
}
OTHERS = {
    "CapBarrier": rm.CapBarrier(np.array([True, True, False, True, False]), 0.8, 0.2),
    "Unregularized": rm.Unregularized(),
    "WeightedL1": rm.WeightedL1(np.ones(5), 0.1),
    "Box": rm.Box(0.05, 0.6),
}
COUPLED = {
    "Renyi": rm.Renyi(0.5, 0.3),
    "Shannon + KL": rm.Shannon(0.3) + rm.KL(np.full(5, 0.2), 0.1),
}
#: Regularizers whose greedy policies are computed with NumPy, in a callback.
CALLED = {"Renyi + SquaredL2": rm.Renyi(0.3, 0.3) + rm.SquaredL2(0.2)}
SMOOTH = SEPARABLE | COUPLED | CALLED
ALL = SEPARABLE | COUPLED | OTHERS
QUICK = (
    "Shannon",
    "SquaredL2",
    "Tsallis 1.5",
    "KL",
    "Unregularized",
    "WeightedL1",
    "Box",
    "Shannon + KL",
)


@pytest.fixture(autouse=True)
def double_precision():
    with jax.enable_x64(True):
        yield


@pytest.fixture
def scores():
    return 3.0 * np.random.default_rng(0).normal(size=(7, 5))


@pytest.mark.parametrize("method", ["greedy", "conjugate", "maximum", "value"])
@pytest.mark.parametrize("name", tiered(ALL, QUICK))
def test_regularizers_give_the_same_numbers_on_jax_arrays(name, method, scores):
    regularizer = ALL[name]
    function = getattr(regularizer, method)
    given = np.asarray(regularizer.greedy(scores)) if method == "value" else scores
    expected = np.asarray(function(given))
    transformed_functions = (
        (function, jax.jit(function), jax.vmap(function))
        if method in ("greedy", "conjugate")
        else (jax.jit(function),)
    )
    for transformed in transformed_functions:
        np.testing.assert_allclose(
            np.asarray(transformed(jnp.asarray(given))), expected, rtol=1e-12, atol=1e-12
        )


@pytest.mark.parametrize("name", tiered(SMOOTH, ("Shannon", "Tsallis 1.5")))
def test_gradient_of_the_conjugate_is_the_greedy_policy(name, scores):
    simplex = Simplex(SMOOTH[name])
    expected = SMOOTH[name].greedy(scores)
    gradient = jax.jit(jax.vmap(jax.grad(simplex.conjugate)))(jnp.asarray(scores))
    np.testing.assert_allclose(np.asarray(gradient), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", tiered(SMOOTH, ("Shannon", "Tsallis 1.5")))
def test_derivative_of_the_policy_equals_finite_differences(name, scores):
    simplex, regularizer = Simplex(SMOOTH[name]), SMOOTH[name]
    direction = np.random.default_rng(1).normal(size=scores.shape)
    step = 1e-6
    differences = (
        regularizer.greedy(scores + step * direction)
        - regularizer.greedy(scores - step * direction)
    ) / (2 * step)
    _, tangent = jax.jvp(simplex.policy, (jnp.asarray(scores),), (jnp.asarray(direction),))
    np.testing.assert_allclose(np.asarray(tangent), differences, atol=2e-8)
    np.testing.assert_allclose(
        np.asarray(simplex.curvature(jnp.asarray(scores), jnp.asarray(direction))),
        tangent,
        atol=1e-14,
    )
    _, pullback = jax.vjp(simplex.policy, jnp.asarray(scores))
    np.testing.assert_allclose(
        np.asarray(pullback(jnp.asarray(direction))[0]), differences, atol=2e-8
    )  # it is symmetric


@pytest.mark.parametrize("name", tiered(SMOOTH, ("Shannon", "Tsallis 1.5")))
def test_value_and_divergence_of_scores_equal_those_of_policies(name, scores):
    simplex, regularizer = Simplex(SMOOTH[name]), SMOOTH[name]
    other = scores[::-1] * 0.5
    p, q = regularizer.greedy(scores), regularizer.greedy(other)
    np.testing.assert_allclose(
        np.asarray(simplex.value(jnp.asarray(scores))), regularizer.value(p), atol=1e-11
    )
    bregman = regularizer.value(p) + regularizer.conjugate(other) - np.sum(p * other, axis=-1)
    np.testing.assert_allclose(
        np.asarray(simplex.divergence(jnp.asarray(scores), jnp.asarray(other))), bregman, atol=1e-11
    )
    np.testing.assert_allclose(
        np.asarray(simplex.divergence(jnp.asarray(scores), jnp.asarray(scores))), 0.0, atol=1e-12
    )
    if name == "Shannon":
        np.testing.assert_allclose(bregman, np.sum(p * np.log(p / q), axis=-1), atol=1e-11)


@pytest.mark.parametrize(
    "name", tiered(["Shannon", "SquaredL2", "Tsallis 1.3", "Tsallis 1.5", "KL", "Renyi"], 2)
)
def test_derivatives_are_finite_for_extreme_scores_in_single_precision(name):
    simplex = Simplex(SMOOTH[name])
    xi = jnp.array(
        [[0.0, -1e4, 3.0, 1e3, 1e3], [0.0, 0.0, 0.0, 0.0, 0.0], [1e5, -1e5, 0.0, 1.0, 2.0]],
        dtype=jnp.float32,
    )

    def sum_of_all(xi):
        return (
            jnp.sum(simplex.value(xi))
            + jnp.sum(simplex.divergence(xi, xi[::-1]))
            + jnp.sum(simplex.policy(xi)[:, 1])
        )

    value, gradient = jax.jit(jax.value_and_grad(sum_of_all))(xi)
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()
    np.testing.assert_allclose(np.asarray(simplex.policy(xi)).sum(axis=-1), 1.0, atol=1e-5)


def test_regularizer_written_for_numpy_is_called_by_jax(scores):
    custom = rm.Separable(
        lambda p: p * np.log(np.maximum(p, 1e-300)),
        lambda p: 1.0 + np.log(np.maximum(p, 1e-300)),
        temperature=1.0,
    )
    shannon = Simplex(rm.Shannon(1.0))
    gradient = jax.jit(jax.vmap(jax.grad(Simplex(custom).conjugate)))(jnp.asarray(scores))
    np.testing.assert_allclose(
        np.asarray(gradient), np.asarray(shannon.policy(jnp.asarray(scores))), atol=1e-8
    )


@pytest.mark.parametrize(
    ("regularizer", "message"),
    [
        (rm.Box(0.05, 0.6), "Box limits probabilities"),
        (rm.Unregularized(), r"an argmax, which has no derivative.*Shannon\(temperature=0.0\)"),
        (rm.Shannon(np.array([0.1, 0.2])), "for each of 2 states, but a network sees observations"),
    ],
)
def test_unsuitable_regularizers_are_refused(regularizer, message):
    with pytest.raises(rm.RegularizerError, match=message):
        Simplex(regularizer)


def test_regularizer_that_jax_cannot_differentiate_is_refused():
    convex = rm.Convex(lambda p: np.sum(p * p, axis=-1), lambda p: 2 * p, 1.0)
    with pytest.raises(
        rm.RegularizerError,
        match="Convex is not a sum over actions, and JAX cannot differentiate its value",
    ):
        Categorical(convex, 3)
    Categorical(rm.Shannon(0.3) + rm.KL(np.full(5, 0.2), 0.1), 5)
