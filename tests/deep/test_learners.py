"""Learners as their users have them: they learn, say how well, stop when told, and lose nothing."""

import os
import signal
import time

import numpy as np
import pytest
from tiers import tiered

import regmdp as rm
from regmdp.deep import A2C, A3C, GPMD, MDPO, SAC, TRPO, Adapted, OnPolicyMDPO, equinox, mlp

SHORT = {
    TRPO: {"horizon": 32, "copies": 2},
    A2C: {"horizon": 8, "copies": 2},
    OnPolicyMDPO: {"horizon": 32, "copies": 2, "minibatch": 32, "epochs": 2},
    SAC: {"warmup": 32, "minibatch": 16},
    MDPO: {"warmup": 32, "minibatch": 16, "refresh": 10},
    GPMD: {"warmup": 32, "minibatch": 16, "refresh": 10},
}


def short(kind, env="CartPole-v1", **options):
    return kind(env, **{**SHORT[kind], **options})


@pytest.mark.parametrize("kind", tiered(SHORT, (A2C, SAC, GPMD)))
def test_the_same_seed_gives_the_same_numbers_and_another_does_not(kind):
    observations = np.random.default_rng(0).normal(size=(5, 4))
    policies = [short(kind, seed=seed).learn(200).policy(observations) for seed in (1, 1, 2)]
    np.testing.assert_array_equal(policies[0], policies[1])
    assert np.max(np.abs(policies[0] - policies[2])) > 1e-6
    np.testing.assert_allclose(policies[0].sum(axis=1), 1.0, atol=1e-12)


@pytest.mark.parametrize(
    ("kind", "regularizer"),
    tiered(
        [(kind, rm.Tsallis(1.5, 0.05)) for kind in SHORT]
        + [
            (TRPO, rm.SquaredL2(0.05)),
            (SAC, rm.KL(np.array([0.3, 0.7]), 0.05)),
            (TRPO, rm.Renyi(0.5, 0.05)),
        ],
        lambda case: case[0] is A2C or isinstance(case[1], rm.KL),
    ),
)
def test_any_method_takes_any_regularizer(kind, regularizer):
    learner = short(kind, regularizer=regularizer).learn(200)
    assert np.isfinite(learner.policy(np.zeros((1, 4)))).all()
    assert all(np.isfinite(np.asarray(leaf)).all() for leaf in _leaves(learner._state))


@pytest.mark.parametrize("kind", tiered([TRPO, A2C, OnPolicyMDPO, SAC], (A2C, SAC)))
def test_continuous_actions(kind):
    learner = short(kind, "Pendulum-v1", regularizer=rm.Shannon(0.1)).learn(200)
    action = learner.predict(np.array([1.0, 0.0, 0.0]))
    assert action.shape == (1,)
    assert action.dtype == np.float32
    assert -2.0 <= action[0] <= 2.0
    assert len(learner.evaluate(2).sampled) == 2
    with pytest.raises(rm.SolverError, match="actions are continuous"):
        learner.policy(np.zeros((1, 3)))


@pytest.mark.parametrize("kind", tiered(SHORT, (A2C, GPMD)))
def test_what_is_saved_is_read_back(kind, tmp_path):
    learner = short(kind, seed=4, regularizer=rm.Tsallis(1.5, 0.1)).learn(150)
    learner.save(tmp_path / "learner.npz")
    other = kind.load(tmp_path / "learner.npz")
    observations = np.random.default_rng(0).normal(size=(5, 4))
    np.testing.assert_array_equal(other.policy(observations), learner.policy(observations))
    assert (other.steps, other.regularizer, other.seed) == (learner.steps, other.regularizer, 4)
    assert (other.regularizer.q, other.regularizer.temperature) == (1.5, 0.1)


def test_learners_with_other_options_are_compiled_apart():
    one, alike = short(A2C, seed=1), short(A2C, seed=2)
    others = [
        short(A2C, discount=0.5),
        short(A2C, soft=True),
        short(A2C, regularizer=rm.Shannon(0.0)),
        short(A2C, network=mlp((8,))),
    ]
    assert one == alike
    assert hash(one) == hash(alike)
    assert all(one != other for other in [*others, short(A2C, "Acrobot-v1"), short(TRPO)])


@pytest.mark.parametrize(
    ("kind", "options"),
    tiered(
        [(kind, {}) for kind in SHORT]
        + [
            (A2C, {"normalize": True}),
            (MDPO, {"step_size": Adapted(0.01)}),
            (SAC, {"persistence": 0.9}),
        ],
        lambda case: case[0] in (A2C, SAC, GPMD) and not case[1],
    ),
)
def test_after_a_checkpoint_the_numbers_are_those_of_one_who_resumes_there(kind, options, tmp_path):
    learner = short(kind, seed=4, **options).learn(150)
    learner.checkpoint(tmp_path / "learner.npz")
    observations = np.random.default_rng(0).normal(size=(5, 4))
    resumed = kind.load(tmp_path / "learner.npz").learn(100)
    np.testing.assert_array_equal(
        resumed.policy(observations), learner.learn(100).policy(observations)
    )


def test_a_file_of_another_method_or_another_environment_is_refused(tmp_path):
    short(A2C).learn(16).save(tmp_path / "learner.npz")
    with pytest.raises(
        rm.FormatError, match="holds what advantage actor-critic learned, not trust region"
    ):
        TRPO.load(tmp_path / "learner.npz")
    with pytest.raises(rm.FormatError, match="does not fit the environment"):
        A2C.load(tmp_path / "learner.npz", env="Acrobot-v1")
    short(A2C, lambda: rm.io.to_gymnasium(rm.models.chain(3), max_steps=9)).save(
        tmp_path / "own.npz"
    )
    with pytest.raises(rm.FormatError, match="cannot hold env: give what it was learned with"):
        A2C.load(tmp_path / "own.npz")
    short(MDPO, step_size=lambda count: 1.0 / (1.0 + count)).save(tmp_path / "own.npz")
    with pytest.raises(rm.FormatError, match="cannot hold step_size"):
        MDPO.load(tmp_path / "own.npz")


def test_an_interrupt_keeps_what_was_learned():
    def stop(progress):
        if progress.steps >= 100:
            raise KeyboardInterrupt

    learner = short(A2C).learn(10_000, callback=stop)
    assert learner.interrupted
    assert 100 <= learner.steps < 200


def test_listeners_hear_of_steps_returns_and_measures():
    heard = []
    short(TRPO).learn(256, callback=[heard.append])
    assert [event.steps for event in heard] == [64, 128, 192, 256]
    assert heard[-1].episodes > 0
    assert heard[-1].mean_return > 5.0
    assert heard[-1].measures["divergence"] <= 0.01 * (1 + 1e-4)


def test_an_action_is_drawn_with_the_generator_of_whoever_asks():
    learner = short(A2C, seed=0)
    observation = np.zeros(4)
    with pytest.raises(rm.SolverError, match="give a random generator"):
        learner.predict(observation, greedy=False)
    drawn = {
        learner.predict(observation, greedy=False, rng=np.random.default_rng(seed))
        for seed in range(20)
    }
    assert drawn == {0, 1}
    # and what is learned afterwards does not depend on it
    np.testing.assert_array_equal(
        learner.learn(64).policy(observation[None]),
        short(A2C, seed=0).learn(64).policy(observation[None]),
    )


def test_greedy_and_sampled_returns_are_both_said():
    returns = short(TRPO).evaluate(3)
    assert returns.greedy.shape == returns.sampled.shape == (3,)
    assert "greedy" in repr(returns)
    assert "sampled" in repr(returns)


def test_a_module_of_equinox_is_a_network():
    eqx = pytest.importorskip("equinox")
    network = equinox(lambda key, inputs, outputs: eqx.nn.MLP(inputs, outputs, 16, 1, key=key))
    learner = short(A2C, network=network).learn(32)
    assert learner.policy(np.zeros((2, 4))).shape == (2, 2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"discount": 1.0}, "the discount must be at least 0 and less than 1"),
        ({"copies": 0}, "the number of copies of the environment"),
        ({"horizon": 0}, "the horizon must be an integer, 1 or more"),
        ({"trace": 1.5}, "the trace λ must be between 0 and 1"),
        ({"radius": 0.0}, "radius must be a number above 0"),
        ({"critic_epochs": 0}, "critic_epochs must be an integer, 1 or more"),
        ({"halvings": -1}, "halvings must be an integer, 0 or more"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(rm.SolverError, match=message):
        TRPO("CartPole-v1", **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"persistence": 1.0}, "persistence must be at least 0 and less than 1"),
        ({"munchausen": 1.0}, "munchausen must be at least 0 and less than 1"),
        ({"follow": 0.0}, "follow must be more than 0"),
        ({"warmup": -1}, "warmup must be an integer, 0 or more"),
        ({"refresh": 0}, "refresh must be an integer, 1 or more"),
        ({"step_size": 0.0}, "the step size must be a number above 0"),
        (
            {"step_size": Adapted(-1.0)},
            "the radius of an adapted step size must be a number above 0",
        ),
    ],
)
def test_options_of_methods_with_a_memory_out_of_range_are_refused(options, message):
    with pytest.raises(rm.SolverError, match=message):
        MDPO("CartPole-v1", **options)


def test_what_is_for_discrete_actions_is_refused_for_others():
    with pytest.raises(rm.SolverError, match="munchausen is for discrete actions"):
        SAC("Pendulum-v1", munchausen=0.5)
    with pytest.raises(
        rm.SolverError,
        match="off-policy mirror descent policy optimization is for discrete actions",
    ):
        MDPO("Pendulum-v1")


def test_the_temperature_over_continuous_actions_is_adapted_unless_a_regularizer_is_given():
    assert SAC("Pendulum-v1").adapt == 1.0
    assert SAC("Pendulum-v1", regularizer=rm.Shannon(0.1)).adapt is None
    assert SAC("Pendulum-v1", adapt=0.5).adapt == 0.5
    assert SAC("CartPole-v1").adapt is None


# ---- that they learn ----


@pytest.mark.slow
def test_a_trust_region_balances_a_pole():
    returns = TRPO("CartPole-v1", seed=0).learn(30_000).evaluate(10)
    assert np.median(returns.greedy) >= 400.0


@pytest.mark.slow
def test_soft_actor_critic_swings_a_pendulum_up():
    returns = SAC("Pendulum-v1", seed=0).learn(8_000).evaluate(10)
    assert returns.greedy.mean() >= -250.0  # a policy that does nothing gets about -1,200


def test_networks_say_what_is_wrong():
    with pytest.raises(rm.SolverError, match="hidden layers are numbers of units"):
        mlp((0,))
    with pytest.raises(rm.SolverError, match="the activation must be one of tanh, relu"):
        mlp(activation="gelu")


# ---- worker processes ----


@pytest.mark.slow
def test_workers_learn_together():
    learner = A3C("CartPole-v1", workers=2, seed=0)
    before = learner.policy(np.zeros((1, 4)))
    learner.learn(2_000)
    assert learner.steps >= 2_000
    assert len(learner.environments.returns) > 5
    assert np.max(np.abs(learner.policy(np.zeros((1, 4))) - before)) > 1e-6


@pytest.mark.slow
def test_a_worker_that_dies_ends_the_training_with_its_cause_and_what_was_learned_is_kept():
    learner = A3C("CartPole-v1", workers=2, seed=0)
    killed = []

    def kill(progress):
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


def test_a_worker_whose_environment_fails_says_why():
    learner = A3C("CartPole-v1", workers=1, seed=0)
    learner.env = "NoSuchThing-v0"
    with pytest.raises(
        rm.SolverError, match="worker 1 of 1 ended with exit status 1: .*NoSuchThing"
    ):
        learner.learn(100)


def test_a_function_that_cannot_be_sent_to_workers_is_refused():
    learner = A3C(lambda: rm.io.to_gymnasium(rm.models.chain(3), max_steps=9), workers=1)
    with pytest.raises(rm.SolverError, match="the workers cannot be told what to do"):
        learner.learn(100)


def _is_worker(process):
    try:
        with open(f"/proc/{process}/stat") as stat, open(f"/proc/{process}/cmdline") as words:
            return (
                int(stat.read().rsplit(")", 1)[1].split()[1]) == os.getpid()
                and "regmdp.deep.worker" in words.read()
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
