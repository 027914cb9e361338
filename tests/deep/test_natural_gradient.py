"""Natural steps: products with the Fisher matrix, and the trust region."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree
from tiers import tiered

import regmdp as rm
from regmdp.deep import TRPO, Simplex, mlp
from regmdp.deep.natural_gradient import conjugate_gradient, fisher_product, line_search
from regmdp.deep.trpo import take_trust_region_step


def small_policy(n_actions=3):
    network = mlp((4,))
    params, unravel = ravel_pytree(network.init(jax.random.key(0), 2, n_actions))
    observations = jax.random.normal(jax.random.key(1), (6, 2))
    return params, lambda params: network.apply(unravel(params), observations)


@pytest.mark.parametrize(
    "regularizer", tiered([rm.Shannon(0.1), rm.Tsallis(1.5, 0.1), rm.SquaredL2(0.1)], 1), ids=repr
)
def test_products_equal_those_with_the_explicit_matrix(regularizer):
    simplex = Simplex(regularizer)
    params, outputs = small_policy()
    jacobian = jax.jacobian(outputs)(params)
    hessian = jax.vmap(jax.hessian(simplex.conjugate))(outputs(params))
    explicit = jnp.einsum("nai,nab,nbj->ij", jacobian, hessian, jacobian) / jacobian.shape[0]
    direction = jax.random.normal(jax.random.key(2), params.shape)
    product = fisher_product(outputs, simplex.curvature, params, direction)
    np.testing.assert_allclose(np.asarray(product), np.asarray(explicit @ direction), atol=1e-5)


def test_fisher_matrix_of_a_softmax_policy_is_the_covariance_of_its_scores():
    params, outputs = small_policy()
    p = jax.nn.softmax(outputs(params))
    scores = jax.jacobian(lambda params: jax.nn.log_softmax(outputs(params)))(params)
    covariance = jnp.einsum("na,nai,naj->ij", p, scores, scores) / p.shape[0]
    direction = jax.random.normal(jax.random.key(2), params.shape)
    product = fisher_product(outputs, Simplex(rm.Shannon(0.0)).curvature, params, direction)
    np.testing.assert_allclose(np.asarray(product), np.asarray(covariance @ direction), atol=1e-5)


def test_conjugate_gradient_solves_a_linear_system():
    matrix = jnp.array([[4.0, 1.0], [1.0, 3.0]])
    x = conjugate_gradient(lambda v: matrix @ v, jnp.array([1.0, 2.0]), 10)
    np.testing.assert_allclose(np.asarray(matrix @ x), [1.0, 2.0], atol=1e-5)


def test_line_search_ends_within_the_trust_region_or_takes_no_step():
    params, step = jnp.zeros(1), jnp.array([8.0])
    within = line_search(lambda x: (x[0], jnp.abs(x[0])), params, step, 1.0, 10)
    assert float(within.step_fraction) == 0.125
    assert float(within.params[0]) == 1.0 == float(within.divergence)
    never = line_search(lambda x: (-jnp.abs(x[0]), jnp.abs(x[0])), params, step, 1.0, 10)
    assert float(never.step_fraction) == 0.0 == float(never.params[0])
    broken = line_search(lambda x: (jnp.nan * x[0], 0.0 * x[0]), params, step, 1.0, 10)
    assert float(broken.step_fraction) == 0.0 == float(broken.params[0])


@pytest.mark.parametrize(
    "regularizer", [rm.Shannon(0.0), rm.Shannon(0.1), rm.Tsallis(1.5, 0.05)], ids=repr
)
@pytest.mark.slow
def test_accepted_steps_are_within_the_trust_region_and_rejected_ones_change_nothing(
    regularizer,
):
    learner = TRPO("CartPole-v1", regularizer=regularizer, n_envs=2, horizon=64, seed=3)
    for _ in range(5):
        batch = learner._collect()
        before = learner._state["policy"]
        after, result = take_trust_region_step(learner, before, batch)
        divergence = np.mean(
            learner.head.divergence(batch.xi, learner._compute_xi(after, batch.observation))
        )
        assert divergence <= learner.max_kl * (1 + 1e-4)
        assert float(result.step_fraction) == 0.0 or divergence > 0.0
        learner._state = {**learner._state, "policy": after}
    stuck = TRPO("CartPole-v1", regularizer=regularizer, n_envs=2, horizon=64, seed=3)
    batch = stuck._collect()._replace(advantage=jnp.full(128, jnp.nan))
    after, result = take_trust_region_step(stuck, stuck._state["policy"], batch)
    assert float(result.step_fraction) == 0.0
    jax.tree.map(np.testing.assert_array_equal, after, stuck._state["policy"])
