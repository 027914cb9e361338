"""Normalised observations and values: moments, units, and the same problem."""

import gymnasium
import numpy as np
import pytest

import regmdp as rm
from regmdp.deep import A2C, A3C, TRPO
from regmdp.deep.normalization import Normalizer


class Scaled(gymnasium.Wrapper):
    """CartPole with rewards multiplied by 1000."""

    def __init__(self):
        super().__init__(gymnasium.make("CartPole-v1"))

    def step(self, action):
        observation, reward, terminated, truncated, info = super().step(action)
        return observation, 1000.0 * reward, terminated, truncated, info


def test_moments_equal_those_of_all_samples():
    rng = np.random.default_rng(0)
    observations = 1e3 + rng.normal(size=(4, 30, 2, 3)) * np.array([1e-2, 1.0, 50.0])
    rewards, ended = rng.normal(size=(4, 30, 2)), rng.random((4, 30, 2)) < 0.1
    normalizer, running = Normalizer(3, 0.9), np.zeros(2)
    for part in zip(observations, rewards, ended, strict=True):
        running = normalizer.add(*part, running)
    flat = observations.reshape(-1, 3)
    np.testing.assert_allclose(
        normalizer.normalize(flat),
        np.clip((flat - flat.mean(0)) / flat.std(0), -10, 10),
        rtol=1e-3,
        atol=1e-4,
    )
    returns, carried = [], np.zeros(2)
    for reward, end in zip(rewards.reshape(-1, 2), ended.reshape(-1, 2), strict=True):
        carried = 0.9 * carried + reward
        returns.append(carried)
        carried = np.where(end, 0.0, carried)
    np.testing.assert_allclose(normalizer.unit, np.std(returns), rtol=1e-6)
    np.testing.assert_allclose(running, carried)


def test_without_samples_observations_are_only_clipped():
    np.testing.assert_allclose(
        Normalizer(2, 0.9).normalize(np.array([[0.5, -400.0]])), [[0.5, -10.0]], rtol=1e-6
    )


@pytest.mark.slow
def test_temperature_is_in_the_unit_of_the_rewards():
    options = {"n_envs": 2, "horizon": 64, "normalize": True, "seed": 0}
    one = TRPO("CartPole-v1", regularizer=rm.Shannon(0.5), **options).learn(512)
    thousand = TRPO(Scaled, regularizer=rm.Shannon(500.0), **options).learn(512)
    observations = np.random.default_rng(0).normal(size=(20, 4))
    np.testing.assert_allclose(thousand.policy(observations), one.policy(observations), atol=2e-3)
    other = TRPO(Scaled, regularizer=rm.Shannon(0.5), **options).learn(512)
    assert np.max(np.abs(other.policy(observations) - one.policy(observations))) > 1e-2


def test_saved_learner_contains_the_moments(tmp_path):
    learner = A2C("CartPole-v1", normalize=True, seed=1).learn(400)
    learner.save(tmp_path / "learner.npz")
    other = A2C.load(tmp_path / "learner.npz")
    observations = np.random.default_rng(0).normal(size=(5, 4))
    np.testing.assert_array_equal(other.policy(observations), learner.policy(observations))
    np.testing.assert_array_equal(other._normalizer.moments, learner._normalizer.moments)


def test_file_with_other_normalisation_is_refused(tmp_path):
    A2C("CartPole-v1", n_envs=2).save(tmp_path / "learner.npz")
    with pytest.raises(rm.FormatError, match="holds no moments of observations"):
        A2C.load(tmp_path / "learner.npz", normalize=True)
    A2C("CartPole-v1", n_envs=2, normalize=True).save(tmp_path / "learner.npz")
    with pytest.raises(
        rm.FormatError, match="holds moments, which advantage actor-critic does not use"
    ):
        A2C.load(tmp_path / "learner.npz", normalize=False)


@pytest.mark.parametrize("place", [0, -1, 2])
@pytest.mark.parametrize("number", [-1.0, np.nan])
def test_wrong_moments_are_refused(place, number):
    learner = A2C("CartPole-v1", n_envs=2, normalize=True)
    moments = learner._normalizer.moments.copy()
    learner._restore_other_arrays({"moments": moments.copy()})
    moments[place] = number
    if place == 2 and number == -1.0:  # a mean may be negative
        learner._restore_other_arrays({"moments": moments})
        return
    with pytest.raises(rm.FormatError, match="moments"):
        learner._restore_other_arrays({"moments": moments})


@pytest.mark.slow
def test_workers_share_moments():
    learner = A3C("CartPole-v1", workers=2, normalize=True, seed=0).learn(2_000)
    count = learner._normalizer.moments[0]
    assert 500 < count <= learner.steps + 1
    again = learner.learn(1_000)
    assert again._normalizer.moments[0] > count
