"""Step sizes of mirror descent: numbers, functions of k, and those that keep to a radius."""

import jax.numpy as jnp
import numpy as np
import pytest

from regmdp.deep import MDPO, Adapted, OnPolicyMDPO
from regmdp.deep.proximal import first_step_size, next_step_size


def test_a_number_stays_and_a_function_is_asked():
    assert float(next_step_size(3.0, first_step_size(3.0), jnp.int32(7), jnp.float32(9.0))) == 3.0

    def falling(count):
        return 1.0 / (1.0 + count)

    assert float(first_step_size(falling)) == 1.0
    assert float(next_step_size(falling, jnp.float32(1.0), jnp.int32(3), jnp.float32(9.0))) == 0.25


def test_an_adapted_one_grows_below_its_radius_shrinks_above_and_is_still_there():
    size = Adapted(radius=0.1, start=2.0, rate=0.5)
    now = first_step_size(size)
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
def test_policies_keep_to_the_radius_on_average():
    heard = []
    learner = OnPolicyMDPO("CartPole-v1", step_size=Adapted(radius=0.01), seed=0)
    learner.learn(30_000, callback=[lambda progress: heard.append(progress.measures["divergence"])])
    assert 0.5 < np.mean(heard[10:]) / 0.01 < 2.0


@pytest.mark.slow
def test_a_function_of_k_is_followed():
    heard = []
    learner = OnPolicyMDPO(
        "CartPole-v1", step_size=lambda count: 1.0 / (1.0 + count), horizon=32, copies=2, epochs=1
    )
    learner.learn(256, callback=[lambda progress: heard.append(progress.measures["step size"])])
    np.testing.assert_allclose(heard, [1.0, 1 / 2, 1 / 3, 1 / 4], rtol=1e-6)
    remembering = MDPO(
        "CartPole-v1",
        step_size=lambda count: 1.0 / (1.0 + count),
        warmup=16,
        minibatch=8,
        refresh=10,
    ).learn(40)
    assert int(remembering._state["count"]) == 32
    np.testing.assert_allclose(float(remembering._state["step_size"]), 1 / 4, rtol=1e-6)
