"""Ctrl-C in the middle of an iteration of a learner: nothing half-written, and training goes on."""

import signal
import subprocess
import time
from importlib import import_module

import gymnasium
import jax
import numpy as np
import pytest
from tiers import tiered

import regmdp as rm
from regmdp.deep import A2C, A3C, MDPO, SAC, TRPO, mlp

SMALL = {"n_envs": 2, "seed": 0, "network": mlp((8,)), "critic": mlp((8,))}
OPTIONS = {
    A2C: {"horizon": 4},
    TRPO: {"horizon": 8, "batch_size": 8, "critic_epochs": 1, "normalize": True},
    SAC: {"learning_starts": 8, "batch_size": 4, "train_freq": 4, "buffer_size": 16},
    MDPO: {"learning_starts": 8, "batch_size": 4, "train_freq": 4, "buffer_size": 16},
}


class InterruptedCartPole(gymnasium.Wrapper):
    """A cart whose n-th step, counted over all copies, is interrupted before or after it."""

    count, at, after = 0, -1, False

    def __init__(self):
        super().__init__(gymnasium.make("CartPole-v1"))

    def step(self, action):
        cls = type(self)
        cls.count += 1
        due = cls.count == cls.at
        if due and not cls.after:
            signal.raise_signal(signal.SIGINT)
        answer = super().step(action)
        if due and cls.after:
            signal.raise_signal(signal.SIGINT)
        return answer


def learn(kind, steps, *, at=-1, after=False):
    """Return a learner after some steps, or an interrupt."""
    InterruptedCartPole.count = 0
    InterruptedCartPole.at, InterruptedCartPole.after = at, after
    return kind(InterruptedCartPole, **SMALL, **OPTIONS[kind]).learn(steps)


def weights(learner):
    return [np.asarray(leaf) for leaf in jax.tree.leaves(learner._state)]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", tiered([1, 17, 30, 47], [30]))
@pytest.mark.parametrize("kind", tiered(OPTIONS, [A2C, SAC]), ids=lambda kind: kind.__name__)
def test_only_complete_iterations_count(kind, at, after, tmp_path):
    learner = learn(kind, 48, at=at, after=after)
    assert InterruptedCartPole.count == at  # no step after the interrupt
    assert learner.status is rm.Status.INTERRUPTED
    assert learner.steps < at
    same = learn(kind, learner.steps)
    assert same.steps == learner.steps
    for one, other in zip(weights(learner), weights(same), strict=True):
        np.testing.assert_array_equal(one, other)
    # no copy has moved on alone, what is saved is whole, and training goes on
    states = [copy.unwrapped.state for copy in learner.environments._copies.envs]
    np.testing.assert_array_equal(learner._observation, np.array(states, dtype=np.float32))
    learner.save(tmp_path / "learner.npz")
    loaded = kind.load(tmp_path / "learner.npz", env=InterruptedCartPole, **_networks())
    assert loaded.steps == learner.steps
    assert learner.learn(16).steps >= loaded.steps + 16


@pytest.mark.parametrize(
    ("kind", "place"),
    [
        (A2C, "regmdp.deep.on_policy.generalized_advantages"),
        (A2C, "regmdp.deep.actor_critic.take_gradient_step"),
        (SAC, "regmdp.deep.off_policy.run_learning_steps"),
    ],
)
def test_steps_that_were_not_learned_from_do_not_count(kind, place, monkeypatch):
    module, _, name = place.rpartition(".")
    learning, calls = getattr(import_module(module), name), []

    def interrupt(*arguments):
        calls.append(place)
        if len(calls) == 3:
            signal.raise_signal(signal.SIGINT)
        return learning(*arguments)

    monkeypatch.setattr(place, interrupt)
    learner = learn(kind, 48)
    monkeypatch.undo()
    assert learner.status is rm.Status.INTERRUPTED
    same = learn(kind, learner.steps)
    assert same.steps == learner.steps > 0
    for one, other in zip(weights(learner), weights(same), strict=True):
        np.testing.assert_array_equal(one, other)


def _networks():
    return {name: SMALL[name] for name in ("network", "critic")}


def test_a_transition_is_written_whole(monkeypatch):
    learner = learn(SAC, 40)
    buffer, before = learner._buffer, learner._buffer.to_arrays()["reward"].copy()
    step = learner.environments.step(np.array([0, 1]))
    writes = []

    class Interrupting(dict):
        def __getitem__(self, name):
            writes.append(name)
            if len(writes) == 2:
                signal.raise_signal(signal.SIGINT)
            return super().__getitem__(name)

    monkeypatch.setattr(buffer, "_arrays", Interrupting(buffer._arrays))
    place = buffer._next
    with pytest.raises(KeyboardInterrupt):
        buffer.add(step.observation, np.array([0, 1]), step._replace(reward=np.array([7.0, 8.0])))
    assert writes == ["observation", "action", "reward", "successor", "terminated"]
    assert buffer._next == (place + 2) % buffer.size
    assert buffer._arrays["reward"][place] == 7.0
    assert not np.array_equal(before, buffer._arrays["reward"])


@pytest.fixture
def started(monkeypatch):
    """The worker processes that a test starts."""
    found = []

    class Recorded(subprocess.Popen):
        def __init__(self, *arguments, **keywords):
            super().__init__(*arguments, **keywords)
            found.append(self)

    monkeypatch.setattr(subprocess, "Popen", Recorded)
    return found


def test_workers_that_have_not_begun_are_ended_at_once(started, monkeypatch):
    def interrupt(seconds):
        monkeypatch.undo()
        raise KeyboardInterrupt

    learner = A3C("CartPole-v1", workers=2, seed=0)
    monkeypatch.setattr(time, "sleep", interrupt)
    before = weights(learner)
    learner.learn(10**9)
    assert learner.status is rm.Status.INTERRUPTED
    assert learner.steps == 0
    assert [process.poll() for process in started] == [-signal.SIGKILL] * 2
    for one, other in zip(weights(learner), before, strict=True):
        np.testing.assert_array_equal(one, other)


def test_workers_are_ended_if_starting_them_is_interrupted(started, monkeypatch):
    class Interrupting(subprocess.Popen):
        def __init__(self, *arguments, **keywords):
            super().__init__(*arguments, **keywords)
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(subprocess, "Popen", Interrupting)
    learner = A3C("CartPole-v1", workers=2, seed=0).learn(100)
    assert learner.status is rm.Status.INTERRUPTED
    assert [process.poll() for process in started] == [-signal.SIGKILL]


@pytest.mark.slow
def test_workers_that_have_begun_end_with_what_they_learned(started):
    def interrupt(event):
        raise KeyboardInterrupt

    learner = A3C("CartPole-v1", workers=2, seed=0).learn(10**9, callback=interrupt)
    assert learner.status is rm.Status.INTERRUPTED
    assert 0 < learner.steps < 10**9
    assert all(np.isfinite(leaf).all() for leaf in weights(learner))
    assert all(process.poll() is not None for process in started)
