"""Environments in JAX, and vectorized training."""

import inspect

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from bad_input.bad_values import bad_values, is_never_good

import regmdp as rm
from regmdp.deep import A2C, CARTPOLE, PENDULUM, generalized_advantages, train_vectorized
from regmdp.deep.vectorized import scan_advantages


@pytest.mark.parametrize("dynamics", [CARTPOLE, PENDULUM], ids=["CartPole", "Pendulum"])
def test_dynamics_equal_those_of_gymnasium(dynamics):
    env = gymnasium.make(dynamics.env)
    rng = np.random.default_rng(0)
    n_ends = 0
    with jax.enable_x64(True):
        step = jax.jit(dynamics.step)
        for episode in range(5):
            observation, _ = env.reset(seed=episode)
            state = jnp.asarray(np.asarray(env.unwrapped.state, dtype=np.float64))
            np.testing.assert_allclose(np.asarray(dynamics.observe(state)), observation, atol=1e-6)
            for count in range(1, dynamics.max_steps + 1):
                action = int(rng.integers(2)) if dynamics is CARTPOLE else rng.uniform(-3.0, 3.0, 1)
                observation, reward, terminated, truncated, _ = env.step(action)
                moved = step(state, jnp.asarray(action))
                state = moved.state
                np.testing.assert_allclose(
                    np.asarray(dynamics.observe(state)), observation, atol=1e-5
                )
                np.testing.assert_allclose(float(moved.reward), reward, atol=1e-5)
                assert bool(moved.terminated) == terminated
                assert truncated == (count == dynamics.max_steps)
                if terminated or truncated:
                    n_ends += 1
                    break
    assert n_ends == 5


@pytest.mark.parametrize("dynamics", [CARTPOLE, PENDULUM], ids=["CartPole", "Pendulum"])
def test_first_states_have_the_distribution_of_gymnasium(dynamics):
    env = gymnasium.make(dynamics.env)
    expected = np.array([env.reset(seed=seed)[0] for seed in range(300)])
    states = np.asarray(
        jax.vmap(lambda key: dynamics.observe(dynamics.reset(key)))(
            jax.random.split(jax.random.key(0), 300)
        )
    )
    np.testing.assert_allclose(
        states.mean(axis=0),
        expected.mean(axis=0),
        atol=4 * expected.std(axis=0).max() / np.sqrt(300),
    )
    np.testing.assert_allclose(states.std(axis=0), expected.std(axis=0), rtol=0.15)


@pytest.mark.slow
def test_a_run_depends_on_its_seed_only():
    learner = A2C("CartPole-v1", n_envs=4)
    first = train_vectorized(learner, CARTPOLE, seeds=[3, 4], steps=400)
    second = train_vectorized(learner, CARTPOLE, seeds=[4, 5], steps=400)
    np.testing.assert_allclose(first.returns[1], second.returns[0], rtol=1e-4)
    for both, one in zip(
        jax.tree.leaves(first.state["policy"]),
        jax.tree.leaves(second.state["policy"]),
        strict=True,
    ):
        np.testing.assert_allclose(np.asarray(both[1]), np.asarray(one[0]), rtol=1e-3, atol=1e-4)
    assert not np.array_equal(first.returns[0], first.returns[1], equal_nan=True)
    assert first.steps.tolist() == list(range(20, 401, 20))


@pytest.mark.slow
def test_vectorized_runs_learn():
    runs = train_vectorized(A2C("CartPole-v1"), CARTPOLE, seeds=range(3), steps=60_000)
    at_first, at_last = (
        np.nanmean(part, axis=1) for part in (runs.returns[:, :150], runs.returns[:, -150:])
    )
    assert np.all(at_first < 60.0)
    assert np.median(at_last) > 100.0


def test_advantages_equal_those_of_a_single_run():
    rng = np.random.default_rng(0)
    reward, value, successor_value = rng.normal(size=(3, 12, 5))
    terminated, truncated = rng.random((2, 12, 5)) < 0.2
    learner = A2C("CartPole-v1", gae_lambda=0.9, discount=0.8)
    expected = generalized_advantages(
        reward, value, successor_value, terminated, truncated, 0.8, 0.9
    ).advantage
    with jax.enable_x64(True):
        advantage = scan_advantages(
            learner,
            *map(jnp.asarray, (reward, value, successor_value, terminated, terminated | truncated)),
        )
    np.testing.assert_allclose(np.asarray(advantage), expected, atol=1e-12)


@pytest.mark.slow
def test_vectorized_runs_with_continuous_actions():
    learner = A2C("Pendulum-v1", n_envs=4, regularizer=rm.Shannon(0.01))
    runs = train_vectorized(learner, PENDULUM, seeds=[1, 2], steps=1_600)
    ended = np.isfinite(runs.returns)
    assert ended.sum(axis=1).tolist() == [2, 2]  # episodes of 200 steps
    assert np.all((runs.returns[ended] < -100.0) & (runs.returns[ended] > -2_000.0))
    assert all(
        np.isfinite(np.asarray(leaf)).all() for leaf in jax.tree.leaves(runs.state["policy"])
    )


def test_bad_input_gets_an_error_of_the_library():
    good = {"learner": A2C("CartPole-v1"), "dynamics": CARTPOLE, "seeds": [0, 1], "steps": 2}
    count = 0
    for parameter in inspect.signature(train_vectorized).parameters.values():
        for label, value in bad_values(parameter, good[parameter.name]):
            if is_never_good(label) and label != "shuffled frame":  # a sequence in its order
                count += 1
                with pytest.raises(rm.RegmdpError, match="."):
                    train_vectorized(**{**good, parameter.name: value})
    assert count > 40


def test_other_observations_are_refused():
    with pytest.raises(rm.SolverError, match=r"shape \(4,\), those of the dynamics \(3,\)"):
        train_vectorized(A2C("CartPole-v1"), PENDULUM, seeds=[0], steps=10)
    with pytest.raises(rm.InsufficientMemoryError, match="iterations of 1 runs"):
        train_vectorized(A2C("CartPole-v1"), CARTPOLE, seeds=[0], steps=2**62)


def test_normalisation_and_no_seeds_are_refused():
    with pytest.raises(rm.SolverError, match="does not normalise"):
        train_vectorized(A2C("CartPole-v1", normalize=True), CARTPOLE, seeds=[0], steps=10)
    with pytest.raises(rm.SolverError, match="there is no seed"):
        train_vectorized(A2C("CartPole-v1"), CARTPOLE, seeds=[], steps=10)
