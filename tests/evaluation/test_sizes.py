"""Horizons and numbers of episodes that no memory holds: streamed, or refused with their sizes."""

import numpy as np
import pytest

import regmdp as rm
from regmdp._internal import memory
from regmdp.evaluation.parallel_episodes import count_parallel_episodes, require_stored_steps


def test_only_some_of_many_episodes_run_at_a_time():
    assert [count_parallel_episodes(n) for n in (1, 64, 100, 1600)] == [1, 64, 64, 100]
    assert count_parallel_episodes(10**12) == 1 << 16


def test_sizes_are_compared_whenever_the_number_of_steps_has_doubled(monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda: 2.0**30)
    million = 1 << 20
    require_stored_steps(million, 1, None)  # 640 MiB
    require_stored_steps(4 * million - 1, 1, None)  # not now
    require_stored_steps(2 * million, 1, 2 * million + 10)  # 10 further steps
    with pytest.raises(
        rm.InsufficientMemoryError,
        match="^2,097,152 further steps of 1 episodes need 1.25 GiB of memory, and 1 GiB are left",
    ):
        require_stored_steps(2 * million, 1, None)
    with pytest.raises(
        rm.InsufficientMemoryError, match="further steps of a horizon of 1,000,000,000 of 100 epis"
    ):
        require_stored_steps(million, 100, 10**9)


def test_rollouts_whose_steps_do_not_fit_are_stopped(monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda: 0.0)
    monkeypatch.setattr(memory, "MIN_COMPARED_SIZE", 1e5)
    method = rm.algorithms.NPG(0.1, evaluation=rm.evaluation.Rollouts(4, horizon=10**12))
    with pytest.raises(rm.InsufficientMemoryError, match="of a horizon of 1,000,000,000,000"):
        rm.learn(
            rm.models.forest(),
            rm.Shannon(0.1),
            method,
            max_iterations=1,
            rng=np.random.default_rng(0),
        )


def test_replay_buffers_that_do_not_fit_are_refused():
    evaluation = rm.evaluation.ReplayTD(steps=10, updates=10, buffer_size=10**12)
    method = rm.algorithms.PMD(step_size=1.0, evaluation=evaluation)
    with pytest.raises(
        rm.InsufficientMemoryError, match="buffers of 1,000,000,000,000 transitions for each of 1"
    ):
        rm.learn(rm.models.forest(), None, method, max_iterations=1, rng=np.random.default_rng(0))


@pytest.mark.parametrize("k", [0, 1, 5])
def test_an_iteration_is_an_evaluation_and_an_improvement_whatever_the_evaluation(k):
    mdp, h = rm.models.garnet(6, 3, 3, discount=0.9), rm.Shannon(temperature=0.1)
    exact = rm.solve(mdp, h, rm.algorithms.NPG(0.1), tol=0, max_iterations=k)
    noisy = rm.learn(
        mdp,
        h,
        rm.algorithms.NPG(0.1, evaluation=rm.evaluation.Noisy(0.0)),
        max_iterations=k,
        rng=np.random.default_rng(0),
    )
    np.testing.assert_allclose(noisy.policy[0], exact.policy, atol=1e-12)
