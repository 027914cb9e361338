"""Step sizes of mirror descent: numbers, functions of k, and adaptive ones."""

import jax.numpy as jnp
import numpy as np
import pytest

from regmdp.deep import MDPO, AdaptiveStepSize, OnPolicyMDPO
from regmdp.deep.proximal import initial_step_size, next_step_size


def test_number_is_constant_and_function_is_called():
    assert float(next_step_size(3.0, initial_step_size(3.0), jnp.int32(7), jnp.float32(9.0))) == 3.0

    def falling(count):
        return 1.0 / (1.0 + count)

    assert float(initial_step_size(falling)) == 1.0
    assert float(next_step_size(falling, jnp.float32(1.0), jnp.int32(3), jnp.float32(9.0))) == 0.25


def test_adaptive_step_size_grows_below_its_target_and_shrinks_above():
    size = AdaptiveStepSize(target_kl=0.1, initial=2.0, learning_rate=0.5)
    now = initial_step_size(size)
    assert float(now) == 2.0
    for divergence, factor in (
        (0.1, 1.0),
        (0.0, np.exp(0.5)),
        (0.05, np.exp(0.25)),
        (0.15, np.exp(-0.25)),
        (9.0, np.exp(-0.5)),
    ):
        after = next_step_size(size, now, jnp.int32(1), jnp.float32(divergence))
        np.testing.assert_allclose(float(after) / 2.0, factor, rtol=1e-5)


@pytest.mark.slow
def test_mean_divergence_is_near_the_target():
    reported = []
    learner = OnPolicyMDPO("CartPole-v1", step_size=AdaptiveStepSize(target_kl=0.01), seed=0)
    learner.learn(30_000, callback=[lambda event: reported.append(event.measures["divergence"])])
    assert 0.5 < np.mean(reported[10:]) / 0.01 < 2.0


@pytest.mark.slow
def test_function_of_k_sets_the_step_sizes():
    reported = []
    learner = OnPolicyMDPO(
        "CartPole-v1", step_size=lambda count: 1.0 / (1.0 + count), horizon=32, n_envs=2, epochs=1
    )
    learner.learn(256, callback=[lambda event: reported.append(event.measures["step_size"])])
    np.testing.assert_allclose(reported, [1.0, 1 / 2, 1 / 3, 1 / 4], rtol=1e-6)
    off_policy = MDPO(
        "CartPole-v1",
        step_size=lambda count: 1.0 / (1.0 + count),
        learning_starts=16,
        batch_size=8,
        anchor_interval=10,
    ).learn(40)
    assert int(off_policy._state["count"]) == 32
    np.testing.assert_allclose(float(off_policy._state["step_size"]), 1 / 4, rtol=1e-6)
