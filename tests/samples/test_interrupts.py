"""Ctrl-C while samples are drawn: the work so far or a KeyboardInterrupt, and no draw after it."""

import signal

import numpy as np
import pytest
from tiers import tiered

import regmdp as rm
from regmdp import algorithms, evaluation

METHODS = {
    "generative model": algorithms.NPG(1.0, evaluation.GenerativeModel(5)),
    "rollouts": algorithms.NPG(1.0, evaluation.Rollouts(5, 10)),
    "Monte Carlo": algorithms.NPG(1.0, evaluation.MonteCarlo(5, 10)),
    "TD": algorithms.NPG(1.0, evaluation.TD(20)),
    "synchronous TD": algorithms.NPG(1.0, evaluation.SynchronousTD(5)),
    "replay": algorithms.NPG(1.0, evaluation.ReplayTD(20, 5, 4, 50)),
    "soft actor-critic": algorithms.SoftActorCritic(20, 5, 4, 50),
    "soft Q-learning": algorithms.SoftQLearning(20),
    "stochastic PMD": algorithms.StochasticPMD(5),
    "value mirror descent": algorithms.StochasticVMD(5, 2),
}


class InterruptedChain:
    """A chain of four states, whose n-th draw is interrupted."""

    def __init__(self, at=None):
        self.at, self.calls = at, 0

    def __call__(self, state, action, rng):
        self.calls += 1
        if self.calls == self.at:
            signal.raise_signal(signal.SIGINT)
        moves = rng.random(state.shape) < 0.7
        following = np.where(moves, (state + action + 1) % 4, state)
        return following, (state == 3) * 1.0, rng.random(state.shape) < 0.1

    def simulator(self):
        return rm.samples.UserSimulator(self, 4, 2, 0.9, reward_range=(0.0, 1.0))


def learn(chain, method, max_iterations):
    return rm.learn(
        chain.simulator(),
        rm.Shannon(0.1),
        method,
        max_iterations=max_iterations,
        rng=np.random.default_rng(0),
    )


@pytest.mark.parametrize("share", tiered([0.0, 0.3, 0.6, 1.0], [0.6]))
@pytest.mark.parametrize("name", METHODS)
def test_a_method_returns_its_last_complete_iterate(name, share):
    whole = InterruptedChain()
    learn(whole, METHODS[name], 4)
    chain = InterruptedChain(1 + int(share * (whole.calls - 1)))
    learned = learn(chain, METHODS[name], 4)
    assert chain.calls == chain.at
    assert learned.status is rm.Status.INTERRUPTED
    assert learned.iterations < 4
    same = learn(InterruptedChain(), METHODS[name], learned.iterations)
    np.testing.assert_array_equal(learned.policy, same.policy)
    np.testing.assert_array_equal(learned.q, same.q)
    assert learned.samples == same.samples


DRAWS = {
    "pairs": lambda source, rng: rm.samples.Dataset.from_pairs(source, 50, rng),
    "episodes": lambda source, rng: rm.samples.Dataset.from_episodes(
        source, np.full((4, 2), 0.5), 30, 40, rng
    ),
    "certificate": lambda source, rng: rm.certify_from_samples(
        source, rm.Shannon(0.1), value=np.zeros(4), samples=50, rng=rng
    ),
}


@pytest.mark.parametrize("name", DRAWS)
def test_data_that_are_not_complete_are_not_returned(name):
    whole = InterruptedChain()
    DRAWS[name](whole.simulator(), np.random.default_rng(0))
    chain = InterruptedChain(whole.calls)
    with pytest.raises(KeyboardInterrupt):
        DRAWS[name](chain.simulator(), np.random.default_rng(0))
    assert chain.calls == whole.calls
    # the next call starts anew
    again = DRAWS[name](chain.simulator(), np.random.default_rng(0))
    assert repr(again) == repr(
        DRAWS[name](InterruptedChain().simulator(), np.random.default_rng(0))
    )


def test_steps_of_an_environment():
    gymnasium = pytest.importorskip("gymnasium")
    calls = []

    class Interrupted(gymnasium.Wrapper):
        def step(self, action):
            calls.append(action)
            if len(calls) == 301:
                signal.raise_signal(signal.SIGINT)
            return super().step(action)

    copies = gymnasium.vector.SyncVectorEnv(
        [lambda: Interrupted(gymnasium.make("FrozenLake-v1"))] * 4,
        autoreset_mode=gymnasium.vector.AutoresetMode.SAME_STEP,
    )
    lake = rm.io.from_vector_env(copies, 0.9)
    method = algorithms.NPG(0.5, evaluation.Rollouts(8))
    learned = rm.learn(lake, None, method, max_iterations=100, rng=np.random.default_rng(0))
    assert learned.status is rm.Status.INTERRUPTED
    assert len(calls) == 301
    # the environment starts new episodes for the next run
    again = rm.learn(lake, None, method, max_iterations=2, rng=np.random.default_rng(0))
    assert again.status is rm.Status.ITERATION_LIMIT
    assert np.isfinite(again.policy).all()
