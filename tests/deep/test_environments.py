"""Environments: successors at the end of episodes, advantages, and errors of bad environments."""

import gymnasium
import numpy as np
import pytest

import regmdp as rm
from regmdp.deep import A2C, SAC, TRPO, Environments, Gaussian, generalized_advantages


class Corridor(gymnasium.Env):
    """Counts its steps; terminates after ``ends`` of them, is truncated after ``cut``."""

    def __init__(self, ends=None, cut=None, bad=None, observation_space=None, action_space=None):
        self.observation_space = observation_space or gymnasium.spaces.Box(-np.inf, np.inf, (1,))
        self.action_space = action_space or gymnasium.spaces.Discrete(2, start=5)
        self.ends, self.cut, self.bad, self.count, self.taken = ends, cut, bad, 0, []

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.count = 0
        return self._observe(), {}

    def step(self, action):
        self.taken.append(action)
        self.count += 1
        reward = np.nan if self.bad == "reward" and self.count == 3 else 1.0
        return self._observe(), reward, self.count == self.ends, self.count == self.cut, {}

    def _observe(self):
        return np.array(
            [np.nan if self.bad == "observation" and self.count == 2 else self.count],
            dtype=np.float32,
        )


def run(environments, steps):
    environments.reset(0)
    return [environments.step(np.zeros(environments.count, dtype=int)) for _ in range(steps)]


def test_successor_at_an_end_is_the_last_observation_of_the_episode():
    steps = run(Environments(lambda: Corridor(ends=2), 2), 3)
    assert [step.successor[0, 0] for step in steps] == [1, 2, 1]
    assert [step.observation[0, 0] for step in steps] == [1, 0, 1]
    assert [bool(step.terminated[0]) for step in steps] == [False, True, False]


def test_discrete_actions_may_start_at_any_number():
    environments = Environments(Corridor, 1)
    run(environments, 1)
    assert environments._copies.envs[0].taken == [5]


@pytest.mark.parametrize(("ends", "cut", "last"), [(2, None, 0.0), (None, 2, 7.0)])
def test_value_after_the_end_is_0_if_terminated_and_the_successors_if_truncated(ends, cut, last):
    steps = run(Environments(lambda: Corridor(ends=ends, cut=cut), 1), 4)
    reward, terminated, truncated = (
        np.stack([getattr(step, name) for step in steps])
        for name in ("reward", "terminated", "truncated")
    )
    value = np.array([0.0, 7.0, 0.0, 7.0])[:, None]
    found = generalized_advantages(reward, value, 7.0 + 0 * reward, terminated, truncated, 0.5, 1.0)
    expected = [1 + 0.5 * (1 + 0.5 * last), 1 + 0.5 * last]
    np.testing.assert_allclose(found.target[:, 0], expected * 2)


def test_gae_lambda_discounts_later_errors():
    rng = np.random.default_rng(0)
    reward, value, after = rng.normal(size=(3, 6, 2))
    ends = rng.random((6, 2)) < 0.3
    no = np.zeros_like(ends)
    one_step = generalized_advantages(reward, value, after, ends, no, 0.9, 0.0)
    np.testing.assert_allclose(one_step.target, reward + 0.9 * np.where(ends, 0.0, after))
    traced = generalized_advantages(reward, value, after, ends, no, 0.9, 0.7).advantage
    error = one_step.advantage
    np.testing.assert_allclose(traced[4], error[4] + 0.63 * np.where(ends[4], 0.0, error[5]))


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("reward", "a reward of nan at step 3"),
        ("observation", "an observation with nan as number 0 at step 2"),
    ],
)
def test_nan_from_the_environment_is_reported(bad, message):
    with pytest.raises(rm.SampleError, match=message):
        run(Environments(lambda: Corridor(bad=bad), 1), 4)


@pytest.mark.parametrize(
    ("spaces", "message"),
    [
        (
            {"action_space": gymnasium.spaces.MultiBinary(3)},
            "actions must be discrete, or a vector in a finite box",
        ),
        (
            {"action_space": gymnasium.spaces.Box(-np.inf, np.inf, (1,))},
            "actions must be discrete, or a vector in a finite box",
        ),
        (
            {"observation_space": gymnasium.spaces.MultiBinary(3)},
            "observations must be numbers in a box, or one of n",
        ),
    ],
)
def test_unsupported_spaces_are_refused(spaces, message):
    with pytest.raises(rm.SolverError, match=message):
        Environments(lambda: Corridor(**spaces), 1)


@pytest.mark.parametrize("kind", [TRPO, SAC])
def test_a_regularizer_without_a_continuous_form_is_refused(kind):
    with pytest.raises(
        rm.RegularizerError, match="SquaredL2 has no closed form for normal distributions"
    ):
        kind("Pendulum-v1", regularizer=rm.SquaredL2(0.1))


@pytest.mark.parametrize("q", [1.0, 1.5, 2.0])
def test_regularizers_of_a_normal_distribution_equal_integrals(q):
    from scipy.integrate import quad
    from scipy.stats import norm

    deviation = 0.7
    density = norm(0.3, deviation).pdf
    regularizer = rm.Shannon(1.0) if q == 1.0 else rm.Tsallis(q, 1.0)
    head = Gaussian(regularizer, gymnasium.spaces.Box(-1.0, 1.0, (1,)))
    integrand = (
        (lambda x: density(x) * np.log(density(x)))
        if q == 1.0
        else (lambda x: (density(x) ** q - density(x)) / (q - 1.0))
    )
    expected = quad(integrand, -8.0, 8.0)[0]
    np.testing.assert_allclose(
        float(head.value(np.array([[0.3, np.log(deviation)]], dtype=np.float32))[0]),
        expected,
        rtol=1e-5,
    )


def test_environment_that_is_neither_name_nor_function_is_refused():
    with pytest.raises(rm.SolverError, match="a name or a function that makes an environment"):
        A2C(3)
