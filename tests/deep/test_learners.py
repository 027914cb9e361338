"""Learners from a user's side: training, evaluation, callbacks, files, errors and workers."""

import os
import signal
import time
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from tiers import tiered

import regmdp as rm
from regmdp.deep import (
    A2C,
    A3C,
    GPMD,
    MDPO,
    SAC,
    TRPO,
    AdaptiveStepSize,
    OnPolicyMDPO,
    from_equinox,
    mlp,
)

SMALL = {
    TRPO: {"horizon": 32, "n_envs": 2},
    A2C: {"horizon": 8, "n_envs": 2},
    OnPolicyMDPO: {"horizon": 32, "n_envs": 2, "batch_size": 32, "epochs": 2},
    SAC: {"learning_starts": 32, "batch_size": 16},
    MDPO: {"learning_starts": 32, "batch_size": 16, "anchor_interval": 10},
    GPMD: {"learning_starts": 32, "batch_size": 16, "anchor_interval": 10},
}


def make_small(kind, env="CartPole-v1", **options):
    return kind(env, **{**SMALL[kind], **options})


@pytest.mark.parametrize("kind", tiered(SMALL, (A2C, SAC)))
def test_numbers_depend_on_the_seed_only(kind):
    observations = np.random.default_rng(0).normal(size=(5, 4))
    policies = [make_small(kind, seed=seed).learn(200).policy(observations) for seed in (1, 1, 2)]
    np.testing.assert_array_equal(policies[0], policies[1])
    assert np.max(np.abs(policies[0] - policies[2])) > 1e-6
    np.testing.assert_allclose(policies[0].sum(axis=1), 1.0, atol=1e-12)


@pytest.mark.parametrize(
    ("kind", "regularizer"),
    tiered(
        [(kind, rm.Tsallis(1.5, 0.05)) for kind in SMALL]
        + [
            (TRPO, rm.SquaredL2(0.05)),
            (SAC, rm.KL(np.array([0.3, 0.7]), 0.05)),
            (TRPO, rm.Renyi(0.5, 0.05)),
        ],
        lambda case: case[0] is A2C or isinstance(case[1], rm.KL),
    ),
)
def test_methods_learn_with_any_regularizer(kind, regularizer):
    learner = make_small(kind, regularizer=regularizer).learn(200)
    assert np.isfinite(learner.policy(np.zeros((1, 4)))).all()
    assert all(np.isfinite(np.asarray(leaf)).all() for leaf in _leaves(learner._state))


@pytest.mark.parametrize("kind", tiered([TRPO, A2C, OnPolicyMDPO, SAC], (SAC,)))
def test_continuous_actions(kind):
    learner = make_small(kind, "Pendulum-v1", regularizer=rm.Shannon(0.1)).learn(200)
    action = learner.predict(np.array([1.0, 0.0, 0.0]))
    assert action.shape == (1,)
    assert action.dtype == np.float32
    assert -2.0 <= action[0] <= 2.0
    assert len(learner.evaluate(2).sampled) == 2
    with pytest.raises(rm.SolverError, match="actions are continuous"):
        learner.policy(np.zeros((1, 3)))


@pytest.mark.parametrize("kind", tiered(SMALL, (GPMD,)))
def test_saved_learner_is_read_back(kind, tmp_path):
    learner = make_small(kind, seed=4, regularizer=rm.Tsallis(1.5, 0.1)).learn(150)
    learner.save(tmp_path / "learner.npz")
    other = kind.load(tmp_path / "learner.npz")
    observations = np.random.default_rng(0).normal(size=(5, 4))
    np.testing.assert_array_equal(other.policy(observations), learner.policy(observations))
    assert (other.steps, other.regularizer, other.seed) == (learner.steps, other.regularizer, 4)
    assert (other.regularizer.q, other.regularizer.temperature) == (1.5, 0.1)


def test_learners_are_equal_if_all_options_but_the_seed_are():
    one, same = make_small(A2C, seed=1), make_small(A2C, seed=2)
    others = [
        make_small(A2C, discount=0.5),
        make_small(A2C, soft=True),
        make_small(A2C, regularizer=rm.Shannon(0.0)),
        make_small(A2C, network=mlp((8,))),
    ]
    assert one == same
    assert hash(one) == hash(same)
    assert all(one != other for other in [*others, make_small(A2C, "Acrobot-v1"), make_small(TRPO)])


@pytest.mark.parametrize(
    ("kind", "options"),
    tiered(
        [(kind, {}) for kind in SMALL]
        + [
            (A2C, {"normalize": True}),
            (MDPO, {"step_size": AdaptiveStepSize(0.01)}),
            (SAC, {"noise_persistence": 0.9}),
        ],
        lambda case: case[0] in (A2C, SAC, GPMD) and not case[1],
    ),
)
def test_learner_loaded_from_a_checkpoint_gives_the_same_numbers(kind, options, tmp_path):
    learner = make_small(kind, seed=4, **options).learn(150)
    learner.checkpoint(tmp_path / "learner.npz")
    observations = np.random.default_rng(0).normal(size=(5, 4))
    resumed = kind.load(tmp_path / "learner.npz").learn(100)
    np.testing.assert_array_equal(
        resumed.policy(observations), learner.learn(100).policy(observations)
    )


def test_file_of_another_method_or_environment_is_refused(tmp_path):
    make_small(A2C).learn(16).save(tmp_path / "learner.npz")
    with pytest.raises(
        rm.FormatError, match="holds a learner of advantage actor-critic, not of trust region"
    ):
        TRPO.load(tmp_path / "learner.npz")
    with pytest.raises(rm.FormatError, match="does not fit the environment"):
        A2C.load(tmp_path / "learner.npz", env="Acrobot-v1")
    make_small(A2C, lambda: rm.io.to_gymnasium(rm.models.chain(3), max_steps=9)).save(
        tmp_path / "own.npz"
    )
    with pytest.raises(
        rm.FormatError, match="cannot hold env: give what the learner was made with"
    ):
        A2C.load(tmp_path / "own.npz")
    make_small(MDPO, step_size=lambda count: 1.0 / (1.0 + count)).save(tmp_path / "own.npz")
    with pytest.raises(rm.FormatError, match="cannot hold step_size"):
        MDPO.load(tmp_path / "own.npz")


def test_integers_of_numpy_are_saved(tmp_path):
    make_small(A2C, seed=np.int64(3), horizon=np.int32(4)).save(tmp_path / "learner.npz")
    learner = A2C.load(tmp_path / "learner.npz")
    assert (learner.seed, learner.horizon) == (3, 4)


def test_file_of_another_version_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("regmdp.deep.checkpoints.VERSION", 1)
    make_small(A2C).save(tmp_path / "learner.npz")
    monkeypatch.undo()
    with pytest.raises(rm.FormatError, match="holds a learner of version 1.*train it again"):
        A2C.load(tmp_path / "learner.npz")


def test_interrupt_keeps_what_was_learned():
    def interrupt(event):
        if event.measures["steps"] >= 100:
            raise KeyboardInterrupt

    learner = make_small(A2C).learn(10_000, callback=interrupt)
    assert learner.status is rm.Status.INTERRUPTED
    assert 100 <= learner.steps < 200


def test_events_report_steps_returns_and_measures():
    events = []
    learner = make_small(TRPO)
    assert learner.status is None
    learner.learn(256, callback=[events.append])
    assert learner.status is rm.Status.STEP_LIMIT
    assert [event.measures["steps"] for event in events] == [64, 128, 192, 256]
    assert [event.iteration for event in events] == [1, 2, 3, 4]
    assert 0.0 < events[0].seconds <= events[-1].seconds
    assert all(event.state is learner for event in events)
    assert events[-1].measures["episodes"] > 0
    assert events[-1].measures["mean_return"] > 5.0
    assert events[-1].measures["divergence"] <= 0.01 * (1 + 1e-4)


def test_callback_that_returns_false_stops_the_run():
    learner = make_small(A2C).learn(10_000, callback=lambda event: event.measures["steps"] < 100)
    assert learner.status is rm.Status.STOPPED
    assert 100 <= learner.steps < 200
    assert learner.learn(50).status is rm.Status.STEP_LIMIT


def test_predict_draws_with_the_given_generator():
    learner = make_small(A2C, seed=0)
    observation = np.zeros(4)
    with pytest.raises(rm.SolverError, match="give a random generator"):
        learner.predict(observation, greedy=False)
    drawn = {
        learner.predict(observation, greedy=False, rng=np.random.default_rng(seed))
        for seed in range(20)
    }
    assert drawn == {0, 1}
    # later learning does not depend on it
    np.testing.assert_array_equal(
        learner.learn(64).policy(observation[None]),
        make_small(A2C, seed=0).learn(64).policy(observation[None]),
    )


def test_greedy_and_sampled_returns_are_both_evaluated():
    returns = make_small(TRPO).evaluate(3)
    assert returns.greedy.shape == returns.sampled.shape == (3,)
    assert "greedy" in repr(returns)
    assert "sampled" in repr(returns)


def test_equinox_module_is_a_network():
    eqx = pytest.importorskip("equinox")
    network = from_equinox(lambda key, inputs, outputs: eqx.nn.MLP(inputs, outputs, 16, 1, key=key))
    learner = make_small(A2C, network=network).learn(32)
    assert learner.policy(np.zeros((2, 4))).shape == (2, 2)


@pytest.mark.parametrize(
    ("kind", "name", "nearest"),
    [
        (TRPO, "gamma", "'discount'"),
        (TRPO, "n_steps", "'horizon'"),
        (TRPO, "gae_lamda", "'gae_lambda'"),
        (TRPO, "lr", "'critic_learning_rate'"),
        (TRPO, "learning_rate", "'critic_learning_rate'"),
        (A2C, "lr", "'learning_rate'"),
        (A2C, "temperature", r"'regularizer=Shannon\(temperature=…\)'"),
        (SAC, "tau", r"'polyak' or 'regularizer=Shannon\(temperature=…\)'"),
        (SAC, "ent_coef", r"'regularizer=Shannon\(temperature=…\)'"),
    ],
)
def test_unknown_option_names_the_nearest_one(kind, name, nearest):
    message = rf"unknown option '{name}' of {kind.__name__}; did you mean {nearest}\?"
    with pytest.raises(rm.SolverError, match=message):
        kind("CartPole-v1", **{name: 0.5})


def test_option_without_a_near_one_names_all():
    with pytest.raises(
        rm.SolverError, match="unknown option 'xyz' of A2C; the options are critic, "
    ):
        A2C("CartPole-v1", xyz=1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"discount": 1.0}, r"discount must be a number in \[0, 1\), not 1.0"),
        ({"n_envs": 0}, "n_envs must be an integer, 1 or more, not 0"),
        ({"horizon": 0}, "horizon must be an integer, 1 or more"),
        ({"gae_lambda": 1.5}, r"gae_lambda must be a number in \[0, 1\], not 1.5"),
        ({"max_kl": 0.0}, "max_kl must be a finite number above 0"),
        ({"critic_epochs": 0}, "critic_epochs must be an integer, 1 or more"),
        ({"line_search_steps": -1}, r"line_search_steps must be an integer in \[0, 1000\]"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(rm.SolverError, match=message):
        TRPO("CartPole-v1", **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"noise_persistence": 1.0}, r"noise_persistence must be a number in \[0, 1\)"),
        ({"munchausen": 1.0}, r"munchausen must be a number in \[0, 1\)"),
        ({"polyak": 0.0}, r"polyak must be a number in \(0, 1\]"),
        ({"learning_starts": -1}, "learning_starts must be an integer, 0 or more"),
        ({"anchor_interval": 0}, r"anchor_interval must be an integer in \[1, 2147483647\]"),
        ({"step_size": 0.0}, "step_size must be a number above 0"),
        ({"step_size": "fast"}, "step_size must be a number above 0, a function or of class Adap"),
    ],
)
def test_options_of_off_policy_methods_out_of_range_are_refused(options, message):
    with pytest.raises(rm.SolverError, match=message):
        MDPO("CartPole-v1", **options)


def test_adaptive_step_sizes_out_of_range_are_refused():
    with pytest.raises(rm.SolverError, match="target_kl must be a finite number above 0"):
        AdaptiveStepSize(-1.0)


def test_options_are_checked_when_they_are_changed():
    learner = A2C("CartPole-v1")
    with pytest.raises(rm.SolverError, match="horizon must be an integer, 1 or more, not 0"):
        learner.horizon = 0
    assert learner.horizon == 5


def test_options_of_a_class_of_the_user_are_checked():
    @dataclass(eq=False)
    class Patient(A2C):
        patience: int = 3
        declarations: ClassVar = {"patience": A2C.declarations["horizon"]}

    assert Patient("CartPole-v1", horizon=np.int64(7), patience=np.int8(2)).patience == 2
    for option in ("horizon", "patience"):
        with pytest.raises(rm.SolverError, match=f"{option} must be an integer, 1 or more"):
            Patient("CartPole-v1", **{option: 0})


def test_methods_for_discrete_actions_refuse_continuous_ones():
    with pytest.raises(rm.SolverError, match="munchausen is for discrete actions"):
        SAC("Pendulum-v1", munchausen=0.5)
    with pytest.raises(
        rm.SolverError,
        match="off-policy mirror descent policy optimization is for discrete actions",
    ):
        MDPO("Pendulum-v1")


def test_temperature_over_continuous_actions_is_adapted_unless_a_regularizer_is_given():
    assert SAC("Pendulum-v1").target_entropy == -1.0
    assert SAC("Pendulum-v1", regularizer=rm.Shannon(0.1)).target_entropy is None
    assert SAC("Pendulum-v1", target_entropy=-0.5).target_entropy == -0.5
    assert SAC("CartPole-v1").target_entropy is None


# ---- learning ----


@pytest.mark.slow
def test_trpo_balances_a_pole():
    returns = TRPO("CartPole-v1", seed=0).learn(30_000).evaluate(10)
    assert np.median(returns.greedy) >= 400.0


@pytest.mark.slow
def test_sac_swings_a_pendulum_up():
    returns = SAC("Pendulum-v1", seed=0).learn(8_000).evaluate(10)
    assert returns.greedy.mean() >= -250.0  # a torque of 0 gets about -1,200


def test_invalid_networks_are_refused():
    with pytest.raises(rm.SolverError, match=r"hidden\[0\] must be an integer, 1 or more"):
        mlp((0,))
    with pytest.raises(rm.SolverError, match="activation must be 'tanh' or 'relu'"):
        mlp(activation="gelu")


# ---- worker processes ----


@pytest.mark.slow
def test_workers_share_parameters():
    learner = A3C("CartPole-v1", workers=2, seed=0)
    before = learner.policy(np.zeros((1, 4)))
    learner.learn(2_000)
    assert learner.steps >= 2_000
    assert len(learner.environments.returns) > 5
    assert np.max(np.abs(learner.policy(np.zeros((1, 4))) - before)) > 1e-6


@pytest.mark.slow
def test_callback_that_returns_false_stops_the_workers():
    learner = A3C("CartPole-v1", workers=1, seed=0)
    learner.learn(10_000_000, callback=lambda event: event.measures["steps"] < 100)
    assert learner.status is rm.Status.STOPPED
    assert 100 <= learner.steps < 10_000_000


@pytest.mark.slow
def test_killed_worker_ends_training_and_what_was_learned_is_kept():
    learner = A3C("CartPole-v1", workers=2, seed=0)
    killed = []

    def kill(event):
        if not killed:
            children = [
                int(name)
                for name in os.listdir("/proc")
                if name.isdigit() and _is_worker(int(name))
            ]
            killed.append(children[0])
            os.kill(children[0], signal.SIGKILL)

    begin = time.monotonic()
    with pytest.raises(rm.SolverError, match=r"worker \d of 2 ended with exit status -9"):
        learner.learn(10_000_000, callback=kill)
    assert time.monotonic() - begin < 60.0
    assert learner.steps > 0
    assert not any(_is_worker(int(name)) for name in os.listdir("/proc") if name.isdigit())


def test_worker_reports_an_error_of_its_environment():
    learner = A3C("CartPole-v1", workers=1, seed=0)
    learner.env = "NoSuchThing-v0"
    with pytest.raises(
        rm.SolverError, match="worker 1 of 1 ended with exit status 1: .*NoSuchThing"
    ):
        learner.learn(100)


def test_function_that_cannot_be_sent_to_workers_is_refused():
    learner = A3C(lambda: rm.io.to_gymnasium(rm.models.chain(3), max_steps=9), workers=1)
    with pytest.raises(rm.SolverError, match="the options cannot be sent to the workers"):
        learner.learn(100)


def _is_worker(process):
    try:
        with open(f"/proc/{process}/stat") as stat, open(f"/proc/{process}/cmdline") as command:
            return (
                int(stat.read().rsplit(")", 1)[1].split()[1]) == os.getpid()
                and "regmdp.deep.worker" in command.read()
            )
    except OSError:
        return False


def _leaves(tree):
    import jax

    return [
        leaf
        for leaf in jax.tree.leaves(tree)
        if not jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    ]
